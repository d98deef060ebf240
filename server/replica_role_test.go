package server

import (
	"testing"
)

// A transaction that makes a primary a replica has written before: that belongs to the history which the replicas have, and to the
// append-only log.
func TestTransactionThatEndsAsReplica(t *testing.T) {
	a, b := startServer(t, "--appendonly", "yes", "--repl-diskless-sync-delay", "0"), startServer(t)
	b.follow(a)
	c, r := a.dial(), b.dial()
	c.want("incr before", 1)
	eventually(t, "the first write", func() bool { return r.do("get before") == "1" })
	c.want("multi", "OK")
	c.want("incr x", "QUEUED")
	c.want("replicaof 127.0.0.1 "+freePort(t), "QUEUED")
	c.want("exec", []any{int64(1), "OK"})
	c.want("replicaof no one", "OK")
	c.want("incr after", 1)
	same(t, a, b)
	r.want("get x", "1")
	if n := c.number("stats", "sync_full"); n != 1 {
		t.Error(n, "snapshots were sent")
	}
	c.want("debug loadaof", "OK")
	c.want("get x", "1")
}
