package netloop

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A parker lets a loop wait with the Go scheduler's own poller instead of in a system call of its own.
//
// A goroutine that stays in a system call for 10 ms has its processor taken away, and the thread of the runtime that looks
// for such goroutines then looks every 20 µs for a while: an idle server spent 0.8 % of a core on that. Waiting through the
// poller costs some microseconds more when the wait ends, so a loop does it only after it has waited parkAfter,
// and goes on doing it until something comes.
//
// The poller's epoll set holds set, which holds the loop's own. The latter is armed only while the loop is parked, or
// every event of a busy loop would wake the poller too.
type parker struct {
	set  int
	file *os.File
	conn syscall.RawConn
}

const (
	parkAfter = 5 * time.Millisecond
	// yieldEvery is less than the 10 ms after which the runtime interrupts a goroutine that has not been through its
	// scheduler, which has the same costs.
	yieldEvery = 5 * time.Millisecond
)

// newParker makes a parker for the epoll set ep, nil where the system has no such thing.
func newParker(ep int) *parker {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if unix.SetNonblock(set, true) != nil || unix.EpollCtl(set, unix.EPOLL_CTL_ADD, ep, &unix.EpollEvent{}) != nil {
		unix.Close(set)
		return nil
	}
	p := &parker{set: set, file: os.NewFile(uintptr(set), "epoll")}
	if p.conn, err = p.file.SyscallConn(); err != nil || p.file.SetReadDeadline(time.Time{}) != nil {
		p.file.Close()
		return nil
	}
	return p
}

func (p *parker) close() { p.file.Close() }

// wait parks until the set ep has events or the deadline has passed, and fetches them.
func (p *parker) wait(ep int, events []unix.EpollEvent, deadline time.Time) (n int) {
	if p.file.SetReadDeadline(deadline) != nil {
		return 0
	}
	arm := unix.EpollEvent{Events: unix.EPOLLIN}
	if unix.EpollCtl(p.set, unix.EPOLL_CTL_MOD, ep, &arm) != nil {
		return 0
	}
	p.conn.Read(func(uintptr) bool { // fails only when the deadline has passed
		var e syscall.Errno
		n, e = pollEvents(ep, events)
		return n > 0 || e != 0
	})
	arm.Events = 0
	unix.EpollCtl(p.set, unix.EPOLL_CTL_MOD, ep, &arm)
	return max(n, 0)
}
