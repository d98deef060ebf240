//go:build failpoints

package persistence

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"larder/persistence/powerloss"
)

// In a build with the tag failpoints the process kills itself at a chosen moment: LARDER_FAILPOINT=n means just before,
// or if n is odd just after, the n-th half of all waits for the disk, renames, removals and truncations. With
// LARDER_POWER_LOSS=1 files lose of what nobody has waited for all, some or nothing, or have zeros in its place, and folders
// lose the last of the names that were given and taken since somebody has waited for them.
func withFailpoints(d Disk) Disk {
	at, err := strconv.Atoi(os.Getenv("LARDER_FAILPOINT"))
	if err != nil {
		return d
	}
	f := &failpoints{Disk: d, at: at, power: os.Getenv("LARDER_POWER_LOSS") == "1", files: map[string]*failpointBytes{}, undo: map[string][]undoName{}}
	told := make(chan os.Signal, 1)
	ossignal.Notify(told, syscall.SIGUSR1)
	go func() {
		<-told
		f.mu.Lock()
		die()
	}()
	return f
}

// roomAfter is less than elsewhere: nobody would wait for so many batches.
const roomAfter = 3

// die never returns.
func die() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

type failpoints struct {
	Disk
	power bool
	mu    sync.Mutex
	at    int // points that are left
	files map[string]*failpointBytes
	undo  map[string][]undoName // by folder
	named int                   // changes of names so far
}

// failpointBytes is a file, whatever its names.
type failpointBytes struct {
	synced int64    // bytes that the disk has for sure
	waits  []*int64 // what it will have when somebody's wait is over
	over   powerloss.Overwritten
}

// undoName is a change of a folder that is not on the disk yet.
type undoName struct {
	n    int
	undo func()
	free func()
}

// around passes a point before and one after what do does.
func (d *failpoints) around(what, name string, do func() error) error {
	d.point("before", what, name)
	err := do()
	d.point("after", what, name)
	return err
}

func (d *failpoints) point(when, what, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at--; d.at != 0 {
		return
	}
	fmt.Fprintf(os.Stderr, "killed %s %s of %s\n", when, what, name)
	if d.power {
		d.losePower()
	}
	die()
}

// losePower leaves what the disk has for sure, and perhaps some of the rest. mu is held, so nothing is written any more.
func (d *failpoints) losePower() {
	cut := map[*failpointBytes]bool{}
	for path, b := range d.files {
		info, err := os.Stat(path)
		if err != nil || cut[b] {
			continue
		}
		cut[b] = true
		odds := []int{0, 1, 2, 2, 3, 4}[rand.IntN(6)] // of four, for each sector
		if n, err := b.over.Lose(path, func() bool { return rand.IntN(4) < odds }); n > 0 || err != nil {
			fmt.Fprintf(os.Stderr, "power: %s has lost what was written to %d sectors (%v)\n", path, n, err)
		}
		if info.Size() <= b.synced {
			continue
		}
		left := b.synced + rand.Int64N(info.Size()-b.synced+1)
		switch rand.IntN(4) {
		case 0:
			left = b.synced
		case 1: // the system had noted the length, and not written the bytes
			os.Truncate(path, left)
			left = info.Size()
		case 2:
			left = info.Size()
		}
		os.Truncate(path, left)
		fmt.Fprintf(os.Stderr, "power: %s had %d bytes, %d of them for sure, and has %d\n", path, info.Size(), b.synced, left)
	}
	for dir, list := range d.undo {
		keep := 0
		if len(list) > 0 {
			keep = rand.IntN(len(list) + 1)
		}
		for i := len(list) - 1; i >= keep; i-- {
			list[i].undo()
		}
		fmt.Fprintf(os.Stderr, "power: %s has lost %d of %d changes of names\n", dir, len(list)-keep, len(list))
	}
}

// later notes how a change of name is undone. mu is held.
func (d *failpoints) later(name string, undo, free func()) {
	if d.power {
		dir := filepath.Dir(name)
		d.named++
		d.undo[dir] = append(d.undo[dir], undoName{d.named, undo, free})
	}
}

// keep holds what a name stands for, which is going to stand for something else or nothing. mu is held.
func (d *failpoints) keep(name string) (back, free func()) {
	nothing := func() {}
	if !d.power {
		return nothing, nothing
	}
	f, err := os.Open(name)
	if err != nil {
		return nothing, nothing
	}
	size := int64(-1)
	if b := d.files[name]; b != nil {
		size = b.synced
	} else if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	return func() {
		os.Remove(name)
		if to, err := os.Create(name); err == nil {
			io.Copy(to, io.NewSectionReader(f, 0, size))
			to.Close()
		}
	}, func() { f.Close() }
}

func (d *failpoints) OpenFile(name string, flag int, perm fs.FileMode) (DiskFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, missing := os.Lstat(name)
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	b := d.files[name]
	if b == nil || missing != nil {
		b = &failpointBytes{}
		if info, err := f.Stat(); err == nil {
			b.synced = info.Size()
		}
		d.files[name] = b
	}
	if missing != nil {
		d.later(name, func() { os.Remove(name) }, func() {})
	}
	return &failpointFile{f, d, b}, nil
}

func (d *failpoints) Rename(from, to string) error {
	return d.around("rename", to, func() error {
		d.mu.Lock() // else the power may go in between, and the file is cut to the size of the one before it
		defer d.mu.Unlock()
		back, free := d.keep(to)
		if err := d.Disk.Rename(from, to); err != nil {
			return err
		}
		d.files[to] = d.files[from]
		delete(d.files, from)
		d.later(to, func() {
			os.Rename(to, from)
			back()
		}, free)
		return nil
	})
}

func (d *failpoints) Link(from, to string) error {
	return d.around("link", to, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := d.Disk.Link(from, to); err != nil {
			return err
		}
		d.files[to] = d.files[from]
		d.later(to, func() { os.Remove(to) }, func() {})
		return nil
	})
}

func (d *failpoints) Mkdir(name string) error {
	_, missing := os.Lstat(name)
	err := d.Disk.Mkdir(name)
	if err == nil && missing != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.later(name, func() { os.RemoveAll(name) }, func() {})
	}
	return err
}

func (d *failpoints) Remove(name string) error {
	return d.around("remove", name, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		back, free := d.keep(name)
		if err := d.Disk.Remove(name); err != nil {
			return err
		}
		delete(d.files, name)
		d.later(name, back, free)
		return nil
	})
}

func (d *failpoints) SyncDir(name string) error {
	return d.around("syncdir", name, func() error {
		name := filepath.Clean(name)
		d.mu.Lock()
		n := d.named
		d.mu.Unlock()
		if err := d.Disk.SyncDir(name); err != nil {
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		list := d.undo[name]
		for len(list) > 0 && list[0].n <= n {
			list[0].free()
			list = list[1:]
		}
		d.undo[name] = list
		return nil
	})
}

type failpointFile struct {
	DiskFile
	d *failpoints
	b *failpointBytes
}

func (f *failpointFile) Write(p []byte) (int, error) {
	f.d.mu.Lock() // nothing is written while the power goes
	defer f.d.mu.Unlock()
	return f.DiskFile.Write(p)
}

func (f *failpointFile) WriteAt(p []byte, at int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.power {
		if err := f.b.over.Before(f.Name(), at, int64(len(p)), f.b.synced); err != nil {
			panic("assertion failed: what a file has cannot be read: " + err.Error())
		}
	}
	return f.DiskFile.WriteAt(p, at)
}

func (f *failpointFile) Sync() error {
	return f.d.around("sync", f.Name(), func() error {
		f.d.mu.Lock()
		info, err := f.Stat()
		waiting := f.b.over.Wait()
		size := new(int64)
		if err == nil {
			*size = info.Size()
		}
		f.b.waits = append(f.b.waits, size)
		f.d.mu.Unlock()
		if err == nil {
			err = f.DiskFile.Sync()
		}
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		f.b.waits = slices.DeleteFunc(f.b.waits, func(p *int64) bool { return p == size })
		if f.b.over.Done(waiting, err == nil); err == nil {
			f.b.synced = max(f.b.synced, *size)
		}
		return err
	})
}

func (f *failpointFile) Truncate(size int64) error {
	return f.d.around("truncate", f.Name(), func() error {
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		f.b.synced = min(f.b.synced, size)
		for _, p := range f.b.waits { // what is cut off now is not there when they are over
			*p = min(*p, size)
		}
		f.b.over.Cut(size)
		return f.DiskFile.Truncate(size)
	})
}
