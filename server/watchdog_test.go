package server

import (
	"strings"
	"testing"
)

// TestWatchdog has a command take longer than watchdog-period allows, and looks for it in the log.
func TestWatchdog(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("debug sleep 0.05", "OK")
	c.want("config set watchdog-period 100", "OK") // nothing else takes that long, on a busy machine either
	for i := range 2 {
		c.want("debug sleep 0.5", "OK")
		if n := ts.logged("WATCHDOG TIMER EXPIRED"); n != i+1 {
			t.Fatalf("%d reports after %d such commands", n, i+1)
		}
	}
	for _, e := range ts.logs.FilterMessageSnippet("WATCHDOG TIMER EXPIRED").All() {
		if !strings.Contains(e.Message, "server.debugSleep(") {
			t.Errorf("the report does not say where it was:\n%s", e.Message)
		}
	}
	c.want("config set watchdog-period 0", "OK")
	c.want("debug sleep 0.2", "OK")
	if n := ts.logged("WATCHDOG TIMER EXPIRED"); n != 2 {
		t.Errorf("%d reports, although it is off", n)
	}
}

// TestWatchdogLooksAtLoading has the data of a primary come slowly.
func TestWatchdogLooksAtLoading(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0", "--rdb-key-save-delay", "20000"), startServer(t, "--repl-diskless-load", "swapdb", "--watchdog-period", "50")
	c := a.dial()
	c.want("debug populate 20", "OK")
	b.follow(a)
	if n := b.logged("WATCHDOG TIMER EXPIRED ---\ndata is being loaded for "); n != 1 {
		t.Errorf("%d reports of the data that were loaded", n)
	}
}
