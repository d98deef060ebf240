package server

import (
	"fmt"
	"net"
	"syscall"
	"testing"
)

// Whoever is told that a client is killed finds its connection closed, on whichever loop it is: a library that looks before it
// sends its next request connects again.
func TestKilledClientsHearOfItFirst(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c := ts.dial()
	for range 20 {
		for range 2 { // one on each
			v := ts.dial()
			c.want("client kill id "+fmt.Sprint(v.do("client id")), 1)
			raw, err := v.nc.(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			n := -1
			err = raw.Read(func(fd uintptr) bool {
				n, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				return true
			})
			if n != 0 || err != nil {
				t.Fatalf("the connection is not closed: %d, %v", n, err)
			}
		}
	}
}
