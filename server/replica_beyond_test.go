package server

import (
	"testing"
	"time"
)

// retriesBeyond sets how long a link waits whose primary uses more databases, for the servers that the test starts from now on.
func retriesBeyond(t *testing.T, wait time.Duration) {
	was := retryBeyond
	t.Cleanup(func() { retryBeyond = was })
	retryBeyond = wait
}

// A replica with fewer databases than its primary uses does nothing in another one, and the log says why it does not go on.
func TestReplicaWithFewerDatabases(t *testing.T) {
	retriesBeyond(t, 10*time.Millisecond)
	for _, requests := range [][]string{
		{"select 9", "set k nine"},
		{"select 9", "multi", "set k nine", "set other nine", "exec"},
		{"swapdb 0 9"},
		{"move k 9"},
		{"copy k new db 9"},
	} {
		a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--databases", "4")
		c, r := a.dial(), b.dial()
		b.follow(a)
		c.want("set k v", "OK")
		c.want("wait 1 0", 1)
		for _, request := range requests {
			c.do(request)
		}
		c.do("select 0")
		c.want("set k later", "OK")
		eventually(t, "several attempts", func() bool {
			return b.logged("the primary uses a database that this server has not: here are only 4.") > 2
		})
		r.want("get k", "v")
		r.want("dbsize", 1)
		if n := c.number("stats", "sync_full"); n != 1 {
			t.Error(n, "snapshots were sent")
		}
	}
}

// A snapshot with such a database is not asked for again and again.
func TestSnapshotWithMoreDatabases(t *testing.T) {
	const wait = 300 * time.Millisecond
	retriesBeyond(t, wait)
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--databases", "4")
	c := a.dial()
	c.want("select 9", "OK")
	c.want("set k v", "OK")
	began := time.Now()
	b.dial().do("replicaof", "127.0.0.1", a.addr[len("127.0.0.1:"):])
	eventually(t, "several attempts", func() bool { return c.number("stats", "sync_full") > 3 })
	if took := time.Since(began); took < 3*wait {
		t.Errorf("four snapshots were sent in %v", took)
	}
	if b.logged("the file was written by a server with more than 4 databases") == 0 {
		t.Error("the log does not say why")
	}
}
