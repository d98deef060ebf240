package netloop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls that cannot block go around the Go scheduler (RawSyscall): at some microseconds each, telling it twice
// would cost a tenth of a small request. This is the one file of the server that needs unsafe, for their pointers.

// maxIOV is the number of slices that one sendv takes.
const maxIOV = 64

// recv reads from a non-blocking socket; b is not empty.
func recv(fd int, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

// send writes to a non-blocking socket; b is not empty.
func send(fd int, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), e
}

// sendv writes several slices, none of them empty, at most maxIOV.
func sendv(fd int, bufs [][]byte) (int, syscall.Errno) {
	var iov [maxIOV]unix.Iovec
	for i, b := range bufs {
		iov[i].Base = &b[0]
		iov[i].SetLen(len(b))
	}
	var msg unix.Msghdr
	msg.Iov = &iov[0]
	msg.SetIovlen(len(bufs))
	n, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return int(n), e
}

// pollEvents fetches events without waiting.
func pollEvents(ep int, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return int(n), e
}

// waitEvents fetches events, for ms milliseconds at most. The scheduler knows that it may take long.
func waitEvents(ep int, events []unix.EpollEvent, ms int) (int, syscall.Errno) {
	n, _, e := syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(ms), 0, 0)
	return int(n), e
}

// shutdownSocket ends both directions of a connection.
func shutdownSocket(fd int) { unix.Shutdown(fd, unix.SHUT_RDWR) }

// confirm has the system tell the other side at once what has arrived, this one time.
func confirm(fd int) {
	const once = 2                                                    // an even number: later on it waits again for something to send
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, once) // if that fails it is told a little later
}

// hungUp tells whether the other side sends no more.
func hungUp(fd int) bool {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
	var now unix.Timespec
	n, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return e == 0 && n > 0
}

// readable tells whether there is something to be read, or to be fetched if it is an epoll set. When the system does not say
// there is.
func readable(fd int) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], 0)
	return err != nil || n > 0
}
