package server

import (
	"syscall"
	"testing"
)

// TestAcceptingFails: when clients cannot be let in for want of descriptors the log says so and why, and INFO counts it. When there
// are some again those who have waited are let in.
func TestAcceptingFails(t *testing.T) {
	ts := startServer(t, "--event-loops", "1")
	c := ts.dial()
	c.want("ping", "PONG")                                             // it is in
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0) // none can be made later
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := syscall.Rlimit{Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(restore)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(ts.conf.Port.Get()), Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a line in the log", func() bool { return ts.logged("Accepting client connection: Too many open files") > 0 })
	if n := c.number("stats", "accept_errors"); n == 0 {
		t.Error("INFO has not counted it")
	}
	restore()
	eventually(t, "the client", func() bool { return c.number("clients", "connected_clients") == 2 })
}
