package persistence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// SyncEvery is how many bytes of a file are written between two waits for the disk, if a caller wants such waits: a disk
// that gets little at a time is not busy for long with any of it.
const SyncEvery = 4 << 20

// WriteFile makes write fill a file that then appears under path, in the place of what was there. Until write has
// returned and the disk has everything, path is as it was, whatever happens; a temporary file of the same folder that
// is left behind is removed. Afterwards the file and its name survive the loss of power.
func WriteFile(path, temp string, incremental bool, write func(f *File) error) (err error) {
	temp = filepath.Join(filepath.Dir(path), temp)
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening the temporary file: %w", err)
	}
	out := &File{f: f, incremental: incremental}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temp)
		}
	}()
	if err = write(out); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(temp, path); err != nil {
		return fmt.Errorf("moving the temporary file to its place: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir waits until the disk has the names in a folder.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// A File is a file that is being written.
type File struct {
	f           *os.File
	incremental bool
	unsynced    int
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
