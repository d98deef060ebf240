package persistence

import (
	"errors"
	"os"
	"time"
)

// sync is the goroutine that waits for the disk under SyncEverysec, and whenever Flush wants it.
func (l *AppendLog) sync() {
	tick := time.NewTicker(l.opt.Every)
	defer tick.Stop()
	for {
		wanted := false
		select {
		case <-tick.C:
		case <-l.syncWake:
			wanted = true
		}
		l.mu.Lock()
		ended := l.ended
		l.mu.Unlock()
		if ended {
			return
		}
		if wanted || SyncPolicy(l.policy.Load()) == SyncEverysec && !l.held.Load() || l.syncFails() { // or writes would be refused for ever
			l.syncOnce()
		}
	}
}

// syncOnce waits for the disk to have everything that was written before.
func (l *AppendLog) syncOnce() {
	l.syncs.Lock()
	defer l.syncs.Unlock()
	l.mu.Lock() // the bytes between synced and to are all in f
	f, size, to, cuts := l.writing, l.size.Load(), l.written.Load(), l.cuts
	l.mu.Unlock()
	if to <= l.synced.Load() {
		if l.syncFails() { // somebody else has waited for it since
			l.noteSync(nil)
		}
		return
	}
	l.syncing.Store(time.Now().UnixMilli())
	err := f.f.Sync()
	l.syncing.Store(0)
	if errors.Is(err, os.ErrClosed) { // the writer has left the file, and waited for it
		return
	}
	if err != nil {
		l.doubts.Add(1)
	} else {
		l.mu.Lock()
		if cuts == l.cuts {
			l.noteSynced(f, size)
			l.synced.Store(max(l.synced.Load(), to))
		}
		l.moved.Broadcast()
		l.mu.Unlock()
	}
	l.noteSync(err)
	l.opt.Advanced()
}

// noteSync notes how a wait for the disk outside of a batch ended.
func (l *AppendLog) noteSync(err error) {
	l.note(&l.syncErr, err, "Fail to fsync the AOF file", "AOF fsync works again.")
}

// syncFails tells whether the last such wait has failed.
func (l *AppendLog) syncFails() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.syncErr != nil
}

// syncBatch waits for the disk to have a batch that stands behind from, and if that fails takes it back: what the system keeps of it
// cannot be trusted, it has to be written once more. Where it cannot be cut off it is written in its own place.
func (l *AppendLog) syncBatch(f *LogFile, from, before int64) error {
	l.syncs.Lock()
	defer l.syncs.Unlock()
	err := f.f.Sync()
	if err == nil {
		l.noteSynced(f, f.size)
		return nil
	}
	l.doubt(f, from)
	l.mu.Lock()
	l.cuts++ // before the bytes go, or the syncer takes what is left for all of it
	l.written.Store(before)
	l.mu.Unlock()
	if f.f.Truncate(from) == nil {
		f.room = 0
	}
	f.size = from
	return err
}

// noteSynced notes that the disk has a file up to a place, unless something before that may have been lost.
func (l *AppendLog) noteSynced(f *LogFile, to int64) {
	if !l.Suspect() {
		f.setSynced(to)
	}
}

// doubt notes that a wait for the disk has failed for a file of which everything from a place on is written again: what stands
// before, and was not waited for until then, may be lost.
func (l *AppendLog) doubt(f *LogFile, from int64) {
	f.mu.Lock()
	lost := f.synced < from
	f.mu.Unlock()
	if lost {
		l.doubts.Add(1)
	}
}
