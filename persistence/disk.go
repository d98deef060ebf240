package persistence

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// A Disk is the file system as this package writes to it. Tests have disks that fail, lose power or kill the process at
// a chosen moment; everybody else has OS.
//
// What survives the loss of power is only what was waited for: Sync for the bytes of a file, SyncDir for the names in a
// folder.
type Disk interface {
	OpenFile(name string, flag int, perm fs.FileMode) (DiskFile, error)
	Rename(from, to string) error
	Link(from, to string) error // another name for a file
	Remove(name string) error
	Mkdir(name string) error // a folder that is there already is no error
	SyncDir(name string) error
}

// A DiskFile is an open file of a Disk.
type DiskFile interface {
	io.Writer
	io.WriterAt
	io.Closer
	Name() string
	Sync() error
	Truncate(size int64) error
	Lock() error // see RemoveLeftover
	Stat() (fs.FileInfo, error)
}

// OS is the file system of the machine.
var OS Disk = withFailpoints(systemDisk{})

type systemDisk struct{}

func (systemDisk) OpenFile(name string, flag int, perm fs.FileMode) (DiskFile, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return systemFile{f}, nil
}

// systemFile is a file of the system whose Sync waits for its bytes and its length, and for nothing else that the
// system knows about it.
type systemFile struct{ *os.File }

func (systemDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (systemDisk) Link(from, to string) error   { return os.Link(from, to) }
func (systemDisk) Remove(name string) error     { return os.Remove(name) }

func (systemDisk) Mkdir(name string) error {
	err := os.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrExist) {
		if info, e := os.Stat(name); e == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

func (systemDisk) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
