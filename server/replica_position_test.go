package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPositionInLog restarts a replica and a primary that keep append-only logs: both go on where they were, unless
// somebody has written to the log meanwhile.
func TestPositionInLog(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	start := func(i int, options ...string) *testServer {
		t.Helper()
		return startServer(t, append([]string{"--dir", dirs[i], "--appendonly", "yes", "--repl-diskless-sync-delay", "0"}, options...)...)
	}
	following := func(ts *testServer) []string {
		host, port, _ := strings.Cut(ts.addr, ":")
		return []string{"--replicaof", host + " " + port}
	}
	a := start(0)
	b := start(1, following(a)...)
	c := a.dial()
	syncs := func(full, partial int64) {
		t.Helper()
		if f, p := c.number("stats", "sync_full"), c.number("stats", "sync_partial_ok"); f != full || p != partial {
			t.Fatalf("%d full and %d partial synchronizations, want %d and %d", f, p, full, partial)
		}
	}
	eventually(t, "the replica", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	fill := func() {
		t.Helper()
		c.want("select 0", "OK")
		c.want("lpush list x", c.do("llen list").(int64)+1)
		c.want("select 3", "OK")
		c.want("multi", "OK")
		c.want("incr n", "QUEUED")
		c.want("set volatile v ex 1000", "QUEUED")
		c.list("exec")
	}
	fill()
	same(t, a, b)
	eventually(t, "the replica's log", func() bool { return b.dial().info("persistence", "aof_pending_rewrite") == "0" })
	fill()
	same(t, a, b)

	b.stop()
	fill()
	b = start(1, following(a)...)
	eventually(t, "the replica again", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	same(t, a, b)
	syncs(1, 1)

	a.stop()
	a = start(0)
	c = a.dial()
	b.follow(a)
	fill()
	same(t, a, b)
	syncs(0, 1)

	b.stop()
	logs, err := filepath.Glob(filepath.Join(dirs[1], "appendonlydir", "*.incr.aof"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("%v, %v", logs, err)
	}
	f, err := os.OpenFile(logs[0], os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$7\r\nforeign\r\n$1\r\n1\r\n")
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	b = start(1, following(a)...)
	eventually(t, "the replica that was written to", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	same(t, a, b)
	syncs(1, 1)
}
