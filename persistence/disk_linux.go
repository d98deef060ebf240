package persistence

import (
	"os"
	"syscall"
)

// Sync waits until the disk has what was written.
func (f systemFile) Sync() error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for {
			if failed = syscall.Fdatasync(int(fd)); failed != syscall.EINTR {
				return
			}
		}
	})
	if err != nil {
		return os.ErrClosed // there is no other reason
	}
	return failed
}
