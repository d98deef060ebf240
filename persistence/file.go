package persistence

import (
	"fmt"
	"os"
	"path/filepath"
)

// SyncEvery is how many bytes of a file are written between two waits for the disk, if a caller wants such waits: a disk
// that gets little at a time is not busy for long with any of it.
const SyncEvery = 4 << 20

// A File is a file that is being written under a temporary name. It takes its place by Commit, and then survives the
// loss of power; until then what has been in that place stays as it was, whatever happens.
type File struct {
	disk        Disk
	f           DiskFile
	incremental bool
	unsynced    int
	done        bool
}

// CreateFile makes the temporary file at path, in the folder that the file will be in. incremental says that the disk
// is given time now and then. Commit or Discard has to follow.
func CreateFile(disk Disk, path string, incremental bool) (*File, error) {
	for range lockTries {
		f, err := disk.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, fmt.Errorf("opening the temporary file: %w", err)
		}
		busy := f.Lock() == errBusy
		there, err := isAt(os.Lstat, path, f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("looking at the temporary file: %w", err)
		}
		if busy || !there { // a server that starts has found it before it was locked
			f.Close()
			continue
		}
		if info, err := f.Stat(); err == nil && info.Size() > 0 {
			if err := f.Truncate(0); err != nil {
				f.Close()
				return nil, fmt.Errorf("emptying the temporary file: %w", err)
			}
		}
		return &File{disk: disk, f: f, incremental: incremental}, nil
	}
	return nil, fmt.Errorf("the temporary file %s: %w", path, errBusy)
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	if f.unsynced += n; f.incremental && f.unsynced >= SyncEvery && err == nil {
		f.unsynced = 0
		err = f.f.Sync()
	}
	return n, err
}

// Sync waits until the disk has all that was written.
func (f *File) Sync() error { return f.f.Sync() }

// Commit gives the file, of which the disk has everything, its place, and waits until the disk has that, too.
func (f *File) Commit(path string) error {
	if err := f.move(path); err != nil { // closed before, it would be taken for a leftover
		return err
	}
	f.f.Close() // the disk has everything: there is nothing that could fail
	return f.disk.SyncDir(filepath.Dir(path))
}

// move gives the file its place, and leaves it open and locked.
func (f *File) move(path string) error {
	if err := f.disk.Rename(f.f.Name(), path); err != nil {
		return fmt.Errorf("moving the temporary file to its place: %w", err)
	}
	f.done = true
	return nil
}

// Discard removes the file if it has not been committed.
func (f *File) Discard() {
	if !f.done {
		f.done = true
		f.disk.Remove(f.f.Name())
		f.f.Close()
	}
}

// WriteFile makes write fill a file that then has its place at path.
func WriteFile(disk Disk, path, temp string, incremental bool, write func(f *File) error) error {
	f, err := CreateFile(disk, filepath.Join(filepath.Dir(path), temp), incremental)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Commit(path)
}
