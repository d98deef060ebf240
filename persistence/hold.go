package persistence

import (
	"errors"
	"os"
	"path/filepath"
)

// A Hold keeps an append-only log for the server that writes it: its manifest is locked, which ends with the process whatever
// happens to that. Two servers that write to the same files destroy each other's. The one that is there first has the log until
// it ends, also while it does not write to it.
type Hold struct{ f DiskFile }

// ErrHeld is a log that another server has.
var ErrHeld = errors.New("another server has this append-only log")

// Take locks the manifest if there is one, and it is not locked by this Hold already. Where the file system has no locks
// nobody is kept away.
func (h *Hold) Take(disk Disk, dir, filename string) error {
	path := manifestPath(dir, filename)
	for h.f == nil {
		f, err := disk.OpenFile(path, os.O_RDONLY, 0)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if f.Lock() == errBusy {
			f.Close()
			return ErrHeld
		}
		there, err := isAt(os.Stat, path, f)
		if err != nil {
			f.Close()
			return err
		}
		if !there { // whoever had it has given its place to another one before it was locked
			f.Close()
			continue
		}
		h.f = f
	}
	return nil
}

// place gives a manifest its place, locked as it is, and waits until the disk has that.
func (h *Hold) place(f *File, path string) error {
	if err := f.move(path); err != nil {
		return err
	}
	h.Release()
	h.f = f.f
	return f.disk.SyncDir(filepath.Dir(path))
}

// Release lets others have the log.
func (h *Hold) Release() {
	if h.f != nil {
		h.f.Close()
		h.f = nil
	}
}
