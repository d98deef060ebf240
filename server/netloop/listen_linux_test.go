package netloop

import (
	"net"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestListenerComesBack has the system refuse twice to take a listener into the epoll set again after accepting has failed.
func TestListenerComesBack(t *testing.T) {
	var refused atomic.Int64
	refused.Store(-1 << 40)
	before := addListener
	addListener = func(ep, fd int, ev *unix.EpollEvent) error {
		if n := refused.Add(1); n > 0 && n <= 2 {
			return unix.ENOSPC
		}
		return before(ep, fd, ev)
	}
	defer func() { addListener = before }()
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		var ln *Listener
		e.mu.Lock()
		for _, ln = range e.listeners {
		}
		e.mu.Unlock()
		if ln.nl != nil {
			t.Skip("it has no event loop")
		}
		refused.Store(0)
		ln.pause()
		wait(t, "it is refused", func() bool { return refused.Load() > 1 })
		nc, err := net.Dial("tcp", addr) // waits in the system until somebody accepts it
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		wait(t, "it is accepted", func() bool { return e.Conns() == 1 })
	})
}
