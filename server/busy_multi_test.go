package server

import (
	"fmt"
	"strings"
	"testing"
)

// What clients have of a transaction while somebody's script is slow is what it is in Redis, whichever loop serves them: the one
// that runs the script, or another one.

// besideSlowScript runs before, then beside while a script is slow that has the key k, and after once it has ended and another
// client has changed the key: with a client of each of two loops.
func besideSlowScript(t *testing.T, before, beside, after func(c *testClient)) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "1")
	slow, killer := ts.dialAt(0), ts.dialAt(1)
	for loop := range 2 {
		t.Run(fmt.Sprint("loop", loop), func(t *testing.T) {
			c := ts.dialAt(loop)
			c.t = t
			before(c)
			slow.send("eval", endless, "1", "k")
			eventually(t, "a slow script", func() bool { return isError(killer.do("get x"), "BUSY ") })
			beside(c)
			killer.want("script kill", "OK")
			if v := slow.read(); !isError(v, "ERR Script killed by user") {
				t.Fatal(v)
			}
			killer.do("incr k")
			after(c)
		})
	}
}

const abortedByBusy replyError = "EXECABORT Transaction discarded because of: BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."

// A client whose EXEC is refused, or who forgets what it watches, watches nothing any more. It is told so at once, although the
// script has the key.
func TestUnwatchBesideSlowScript(t *testing.T) {
	for _, end := range []struct {
		multi   bool
		request string
		reply   any
	}{
		{true, "exec", abortedByBusy},
		{false, "exec", abortedByBusy},
		{true, "discard", "OK"},
		{false, "unwatch", "OK"},
	} {
		t.Run(end.request, func(t *testing.T) {
			besideSlowScript(t, func(c *testClient) {
				c.want("watch k other", "OK")
				if end.multi {
					c.want("multi", "OK")
					c.want("set a 1", "QUEUED")
				}
			}, func(c *testClient) {
				c.want(end.request, end.reply)
				c.want("exec", abortedByBusy)
			}, func(c *testClient) {
				if line := c.text("client info"); !strings.Contains(line, " watch=0 ") || !strings.Contains(line, " flags=N ") {
					t.Error(line)
				}
				c.want("multi", "OK")
				c.want("set b 1", "QUEUED")
				c.want("exec", []any{"OK"})
				c.want("watch k", "OK")
				c.want("set k 1", "OK")
				c.want("multi", "OK")
				c.want("exec", nil)
				if n := c.number("clients", "watching_clients"); n != 0 {
					t.Error(n, "clients watch")
				}
			})
		})
	}
}

// What a busy server would run at once is queued within a transaction like anything else.
func TestQueueBesideSlowScript(t *testing.T) {
	besideSlowScript(t, func(c *testClient) {
		c.want("multi", "OK")
	}, func(c *testClient) {
		for _, request := range []string{"auth default x", "hello 3", "function stats", "script kill", "function kill", "unwatch"} {
			c.want(request, "QUEUED")
		}
		c.want("multi", replyError("ERR MULTI calls can not be nested"))
	}, func(c *testClient) {
		if n := len(c.list("exec")); n != 6 {
			t.Error("EXEC has", n, "replies")
		}
		c.want("hello 2", c.do("hello 2"))
	})
}

// SHUTDOWN stands in no transaction, and a subscriber of RESP2 may send as little as always.
func TestGatesBesideSlowScript(t *testing.T) {
	besideSlowScript(t, func(c *testClient) {
		c.want("multi", "OK")
	}, func(c *testClient) {
		c.want("shutdown nosave", replyError("ERR Command not allowed inside a transaction"))
		c.want("exec", abortedByBusy)
	}, func(*testClient) {})
	besideSlowScript(t, func(c *testClient) {
		c.list("subscribe news")
	}, func(c *testClient) {
		if v := c.do("multi"); !isError(v, "ERR Can't execute 'multi': only (P|S)SUBSCRIBE") {
			t.Error(v)
		}
	}, func(*testClient) {})
}
