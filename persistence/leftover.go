package persistence

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// A process that is killed in the middle of writing a file leaves it under its temporary name. While such a file is being
// written it is locked, which ends with the process whatever happens to that: so a server that starts can tell what nobody
// is at any more, also when another server uses the folder and both have the same process number in containers of their own.

// lockTries is how often CreateFile begins again when a server that starts has just found the file.
const lockTries = 5

// errBusy is a temporary file that somebody else is writing.
var errBusy = errors.New("somebody else is writing that file")

// Lock says that the file is being written, until it is closed. The error is errBusy, or that the file system has no locks.
func (f systemFile) Lock() error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) }); err != nil {
		return err
	}
	if failed == syscall.EWOULDBLOCK {
		return errBusy
	}
	return failed
}

// isAt tells whether f is what stands at path, by os.Lstat, or what path leads to, by os.Stat.
func isAt(stat func(string) (fs.FileInfo, error), path string, f DiskFile) (bool, error) {
	there, err := stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(there, info), err
}

// RemoveLeftover removes a temporary file that nobody is writing, and tells whether it has.
func RemoveLeftover(disk Disk, path string) bool {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := disk.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, fs.FileMode(0))
	if err != nil {
		return false
	}
	defer f.Close() // after it is gone: who creates it anew until then finds the lock
	if f.Lock() != nil {
		return false
	}
	there, err := isAt(os.Lstat, path, f)
	return err == nil && there && disk.Remove(path) == nil
}
