// Package powerloss knows what a disk may still have of bytes that were written over and not waited for. It is part of
// disks that lose their power in tests, not of the server.
package powerloss

import (
	"maps"
	"os"
	"slices"
)

// Sector is how many bytes a disk writes as a whole or not at all.
const Sector = 512

// Overwritten are the sectors of a file that were written over since somebody has waited for them, each with what it had
// before. The caller sees to it that one call is made at a time.
//
//	Before     (a write is going to happen)          what the disk has for sure is noted
//	Wait       (somebody begins to wait)             and set apart: what is written from now on is not waited for
//	Done       (the wait was successful, or not)     and forgotten, or not
//	Lose       (the power goes)                      each sector is what it was or what it is
type Overwritten struct {
	now     sectors
	waiting []*Waiting // in the order in which they began
}

// Waiting is what somebody waits for.
type Waiting struct{ sectors }

// sectors are bytes by the number of the sector.
type sectors map[int64][]byte

// take gives to what from knows, which is older.
func (to *sectors) take(from sectors) {
	if *to == nil {
		*to = sectors{}
	}
	maps.Copy(*to, from)
}

// Before notes what n bytes at a place of the file at path have, as far as that is before size: what the disk has for sure.
func (o *Overwritten) Before(path string, at, n, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for s := at / Sector; s*Sector < min(at+n, size); s++ {
		if _, ok := o.now[s]; ok {
			continue
		}
		was := make([]byte, min(Sector, size-s*Sector))
		if _, err := f.ReadAt(was, s*Sector); err != nil {
			return err
		}
		o.now.take(sectors{s: was})
	}
	return nil
}

// Wait begins a wait for the disk.
func (o *Overwritten) Wait() *Waiting {
	w := &Waiting{o.now}
	o.now = nil
	o.waiting = append(o.waiting, w)
	return w
}

// Done ends a wait: ok tells whether the disk has everything that was written before it began.
func (o *Overwritten) Done(w *Waiting, ok bool) {
	i := slices.Index(o.waiting, w)
	switch {
	case i < 0: // somebody who has begun later has waited for it, too
	case ok:
		o.waiting = o.waiting[i+1:]
	default:
		if i+1 < len(o.waiting) {
			o.waiting[i+1].take(w.sectors)
		} else {
			o.now.take(w.sectors)
		}
		o.waiting = slices.Delete(o.waiting, i, i+1)
	}
}

// Cut says that the file ends at size now, for sure.
func (o *Overwritten) Cut(size int64) {
	o.now.cut(size)
	for _, w := range o.waiting {
		w.cut(size)
	}
}

func (to sectors) cut(size int64) {
	for s, was := range to {
		if left := size - s*Sector; left <= 0 {
			delete(to, s)
		} else if left < int64(len(was)) {
			to[s] = was[:left]
		}
	}
}

// Lose gives those sectors of the file at path that choose picks back what they had. It returns how many.
func (o *Overwritten) Lose(path string, choose func() bool) (lost int, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var oldest sectors
	oldest.take(o.now)
	for _, w := range slices.Backward(o.waiting) {
		oldest.take(w.sectors)
	}
	for _, s := range slices.Sorted(maps.Keys(oldest)) {
		if !choose() {
			continue
		}
		if _, err := f.WriteAt(oldest[s], s*Sector); err != nil {
			return lost, err
		}
		lost++
	}
	return lost, nil
}
