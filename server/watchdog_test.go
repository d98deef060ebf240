package server

import (
	"strings"
	"testing"
)

// sleeps tells whether the watchdog has seen somebody in DEBUG SLEEP.
func (ts *testServer) sleeps() bool { return ts.sleepers() > 0 }

// sleepers is how many commands the watchdog has found in DEBUG SLEEP, where they stood when it looked.
func (ts *testServer) sleepers() (n int) {
	for _, e := range ts.logs.FilterMessageSnippet("WATCHDOG TIMER EXPIRED").All() {
		if strings.Contains(e.Message, "server.debugSleep(") {
			n++
		}
	}
	return n
}

// TestWatchdog has commands take longer than watchdog-period allows, and looks for them in the log: once each at most, and a
// watchdog that a busy machine lets look in time finds them.
func TestWatchdog(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("debug sleep 0.05", "OK")
	if n := ts.logged("WATCHDOG TIMER EXPIRED"); n != 0 {
		t.Errorf("%d reports before it is on", n)
	}
	c.want("config set watchdog-period 100", "OK")
	slept := 0
	eventually(t, "two reports that say where it was", func() bool {
		c.want("debug sleep 0.5", "OK")
		slept++
		return ts.sleepers() >= 2
	})
	if n := ts.sleepers(); n > slept {
		t.Errorf("%d reports of %d commands", n, slept)
	}
	c.want("config set watchdog-period 0", "OK")
	c.want("config set watchdog-period 0", "OK") // the last look may not have ended before
	before := ts.sleepers()
	c.want("debug sleep 0.2", "OK")
	if n := ts.sleepers(); n != before {
		t.Errorf("%d reports, although it is off", n-before)
	}
}

// TestWatchdogLooksAtLoading has the data of a primary come slowly.
func TestWatchdogLooksAtLoading(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0", "--rdb-key-save-delay", forLong), startServer(t, "--repl-diskless-load", "swapdb", "--watchdog-period", "50")
	c, r := a.dial(), b.dial()
	c.want("debug populate 20", "OK")
	r.want("replicaof 127.0.0.1 "+a.addr[len("127.0.0.1:"):], "OK")
	const report = "WATCHDOG TIMER EXPIRED ---\ndata is being loaded for "
	eventually(t, "a report", func() bool { return b.logged(report) > 0 })
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the link", func() bool { return r.info("replication", "master_link_status") == "up" })
	if n := b.logged(report); n != 1 {
		t.Errorf("%d reports of the data that were loaded", n)
	}
}
