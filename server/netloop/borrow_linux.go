package netloop

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// duplicate makes a net.Conn of an event loop's socket, which stays open when either of them is closed.
func duplicate(fd int) (net.Conn, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}
