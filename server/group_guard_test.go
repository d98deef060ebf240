package server

import "testing"

// A member of a group that has not come together refuses what it cannot promise, and says so: the refusal waits for no replica.
func TestRefusalsWaitForNobody(t *testing.T) {
	for _, safety := range []string{"async", "bounded 100", "sync 1"} {
		ts := startServer(t, "--write-safety", safety, "--failover-group", "main", "--failover-listen", "127.0.0.1:"+freePort(t),
			"--failover-peers", "127.0.0.1:"+freePort(t))
		c := ts.dial()
		want := replyError(errNoLease)
		c.want("set k v", want)
		if safety == "sync 1" {
			c.want("get k", want)
		}
		if v := c.do("eval", "return redis.call('set', 'k', 'v')", "0"); !isError(v, "READONLY ") {
			t.Errorf("a script that writes is answered %v", v)
		}
		c.want("ping", "PONG")
	}
}
