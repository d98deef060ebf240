package server

import (
	"strings"
	"testing"
)

// TestResetForgetsWriteSafety: a connection that comes out of a pool is as new.
func TestResetForgetsWriteSafety(t *testing.T) {
	c := startServer(t).dial()
	was := c.do("CLIENT WRITE-SAFETY")
	c.want("CLIENT WRITE-SAFETY BOUNDED 500", "OK")
	c.want("RESET", "RESET")
	c.want("CLIENT WRITE-SAFETY", was)
}

// TestTransactionsAreRefusedAsAWhole: when a snapshot has failed since the commands were queued EXEC says so, and nothing of
// what was queued has run; a transaction that only reads is let through.
func TestTransactionsAreRefusedAsAWhole(t *testing.T) {
	ts := startServer(t, "--save", "3600 1000")
	c := ts.dial()
	for _, request := range []string{"MULTI", "GET a", "PUBLISH ch x", "SET a 1"} {
		c.do(request)
	}
	d := ts.dial()
	d.do("MULTI")
	d.do("GET a")
	ts.saver.failed.Store(true)
	if e, _ := c.do("EXEC").(replyError); !strings.HasPrefix(string(e), "EXECABORT Transaction discarded because of: MISCONF ") {
		t.Errorf("EXEC replies %v", e)
	}
	if got := d.list("EXEC"); len(got) != 1 || got[0] != nil {
		t.Errorf("reading replies %v", got)
	}
	ts.saver.failed.Store(false)
	if got := c.do("EXISTS a"); got != int64(0) {
		t.Errorf("there are %v keys", got)
	}
}
