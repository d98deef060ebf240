package server

import (
	"fmt"
	"strings"
	"testing"
)

// What clients are told beside a slow script is counted as theirs, and is worded for them: not for whoever waits.

// callsOf asks for a command's statistics.
func (c *testClient) callsOf(name string) string {
	c.t.Helper()
	stats := c.info("commandstats", "cmdstat_"+name)
	calls, rest, _ := strings.Cut(stats, ",usec=")
	_, failed, _ := strings.Cut(rest, ",rejected")
	return calls + ",rejected" + failed
}

// EXEC waits for a shard of a slow script while somebody else is told that the server is busy: that is no failure of EXEC.
func TestErrorsBesideWaitingExec(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "3600000")
	slow, waits, other := ts.dialAt(0), ts.dialAt(1), ts.dialAt(1)
	waits.want("multi", "OK")
	waits.want("get k", "QUEUED")
	slow.send("eval", endless, "1", "k")
	eventually(t, "a script", func() bool { return ts.running(0) != nil })
	waits.send("exec")
	eventually(t, "waiting for the script's shard", func() bool { return ts.ks.Wanted(1 << ts.ks.ShardOf(ts.ks.Hash([]byte("k")))) })
	ts.slowFrom("1")
	if v := other.do("get x"); !isError(v, "BUSY ") {
		t.Fatal(v)
	}
	other.want("script kill", "OK")
	slow.read()
	if v := fmt.Sprint(waits.read()); v != "[<nil>]" {
		t.Fatal(v)
	}
	if got := other.callsOf("exec"); got != "calls=1,rejected_calls=0,failed_calls=0" {
		t.Error("EXEC has", got)
	}
}

// Who is refused something while somebody else's transaction runs a slow script has not sent it in a transaction.
func TestDeniedBesideSlowTransaction(t *testing.T) {
	ts := startServer(t, "--event-loops", "1", "--busy-reply-threshold", "1")
	slow, denied, killer := ts.dial(), ts.dial(), ts.dial()
	killer.want("acl setuser few on nopass +auth", "OK")
	denied.want("auth few x", "OK")
	want := denied.do("get x")
	slow.want("multi", "OK")
	if v := slow.do("eval", endless, "0"); v != "QUEUED" {
		t.Fatal(v)
	}
	slow.send("exec")
	eventually(t, "a slow script", func() bool { return isError(killer.do("get x"), "BUSY ") })
	got := denied.do("get x")
	killer.want("script kill", "OK")
	slow.read()
	if got != want {
		t.Errorf("the client is told %v, not %v", got, want)
	}
	for _, entry := range killer.list("acl log") {
		if context := entry.([]any)[5]; context != "toplevel" {
			t.Errorf("in the ACL log it is %v", context)
		}
	}
}

// Commands that run beside a slow script, and fail, have failed.
func TestFailuresBesideSlowScript(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "1")
	slow, c, signal := ts.dialAt(0), ts.dialAt(0), ts.dialAt(1)
	signal.list("subscribe go")
	slow.send("eval", "redis.call('set', KEYS[1], 'v') repeat until redis.call('pubsub', 'numsub', 'go')[2] == 0", "1", "k")
	eventually(t, "a slow script", func() bool { return isError(c.do("get x"), "BUSY ") })
	for request, e := range map[string]string{"auth few wrong": "WRONGPASS ", "discard": "ERR DISCARD without", "script kill": "UNKILLABLE "} {
		if v := c.do(request); !isError(v, e) {
			t.Error(v)
		}
	}
	signal.nc.Close()
	slow.read()
	for _, name := range []string{"auth", "discard", "script|kill"} {
		if got := c.callsOf(name); got != "calls=1,rejected_calls=0,failed_calls=1" {
			t.Errorf("%s has %s", name, got)
		}
	}
	for _, code := range []string{"WRONGPASS", "ERR", "UNKILLABLE"} {
		if got := c.info("errorstats", "errorstat_"+code); got != "count=1" {
			t.Errorf("%s has %q", code, got)
		}
	}
}

// SHUTDOWN finds the server busy, and the script ends before it is answered.
func TestShutdownAsTheScriptEnds(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	s := ts.clients.find(c.do("client id").(int64))
	ts.inWorldDo(func(ex *executor) {
		argv := [][]byte{[]byte("shutdown")}
		rq := request{s: s}
		rq.Args = argv
		rq.row, _ = ts.table.Find(argv)
		ex.shutdownIfBusy(s, &rq)
		if e := s.out().LastErr; e == "" {
			t.Error("the client is told nothing")
		}
	})
}
