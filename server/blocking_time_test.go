package server

import (
	"testing"
	"time"
)

// TestNobodyWaitsForLess: a time that a client has given may take longer, but is not over before.
func TestNobodyWaitsForLess(t *testing.T) {
	ts := startServer(t, "--appendonly", "yes")
	c := ts.dial()
	c.do("xadd stream * f v")
	const ms = 5
	for _, request := range []string{
		"blpop none 0.005", "bzpopmin none 0.005", "blmove none there left right 0.005", "xread block 5 streams stream $", "wait 1 5", "waitaof 0 1 5",
	} {
		for n := range 30 {
			for phase := time.Now(); time.Since(phase) < time.Duration(n)*37*time.Microsecond; { // another moment of the millisecond
			}
			began := time.Now()
			c.do(request)
			if took := time.Since(began); took < ms*time.Millisecond {
				t.Errorf("%s is over after %v", request, took)
				break
			}
		}
	}
}
