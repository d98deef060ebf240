package main

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// dialRaw opens a blocking socket that the Go runtime knows nothing of: to a unix socket if the address is a path. A read that
// waits for more than half a minute fails.
func dialRaw(addr string) (int, error) {
	if !strings.HasPrefix(addr, "/") {
		return dialFrom(0, addr)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: addr}); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, limitReads(fd)
}

// limitReads lets a read fail that waits for too long.
func limitReads(fd int) error {
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30})
}

// dialFrom is dialRaw from a loopback address of its own, 127.0.0.source, if source is not 0: an address has some
// 28,000 ports to connect from.
func dialFrom(source byte, addr string) (int, error) {
	ip, port, err := hostPort(addr)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if source != 0 {
		err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, source}})
		}
		if err != nil {
			unix.Close(fd)
			return 0, err
		}
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: ip}); err != nil {
		unix.Close(fd)
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, limitReads(fd)
}

func closeRaw(fd int) { unix.Close(fd) }

func readRaw(fd int, b []byte) (int, error) {
	for {
		if n, err := unix.Read(fd, b); err != unix.EINTR {
			return n, err
		}
	}
}

func writeRaw(fd int, b []byte) (int, error) {
	for {
		if n, err := unix.Write(fd, b); err != unix.EINTR {
			return n, err
		}
	}
}

// threadTime is the processor time of the calling thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// goFirst lets the calling thread run before all others of its processor whenever it wants to, if that is allowed.
func goFirst() {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0) // else it waits its turn
}
