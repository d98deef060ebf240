package server

import (
	"fmt"
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
	eventually(t, "the replica's link", func() bool { return b.dial().info("replication", "master_link_status") == "up" })
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

// TestRestartInAnotherDatabase restarts a replica whose primary has a database other than 0 selected, and says so no more.
func TestRestartInAnotherDatabase(t *testing.T) {
	for _, keep := range []string{"no", "yes"} {
		dir := t.TempDir()
		a := startServer(t, "--repl-diskless-sync-delay", "0")
		host, port, _ := strings.Cut(a.addr, ":")
		options := []string{"--dir", dir, "--appendonly", keep, "--save", "3600 1", "--replicaof", host + " " + port}
		b := startServer(t, options...)
		c := a.dial()
		online := func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") }
		eventually(t, "the replica", online)
		eventually(t, "its link", func() bool { return b.dial().info("replication", "master_link_status") == "up" })
		eventually(t, "its log", func() bool { return b.dial().info("persistence", "aof_pending_rewrite") != "1" })
		c.want("select 3", "OK")
		c.want("incr n", 1)
		same(t, a, b)
		b.stop()
		c.want("incr n", 2)
		b = startServer(t, options...)
		eventually(t, "the replica again", online)
		c.want("incr n", 3)
		same(t, a, b)
		if n := c.number("stats", "sync_full"); n != 1 {
			t.Errorf("appendonly %s: %d snapshots were sent", keep, n)
		}
	}
}

// TestRestartWithExpiredKeys restarts a replica whose snapshot has keys that are over meanwhile. Its primary keeps them, as
// long as it looks for none: if the replica removed them by itself, and counted that as its primary's, they would part.
func TestRestartWithExpiredKeys(t *testing.T) {
	dir := t.TempDir()
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := strings.Cut(a.addr, ":")
	options := []string{"--dir", dir, "--appendonly", "yes", "--replicaof", host + " " + port}
	b := startServer(t, options...)
	c := a.dial()
	online := func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") }
	eventually(t, "the replica", online)
	eventually(t, "its link", func() bool { return b.dial().info("replication", "master_link_status") == "up" })
	eventually(t, "its log", func() bool { return b.dial().info("persistence", "aof_pending_rewrite") != "1" })
	c.want("debug set-active-expire 0", "OK")
	for i := range 2000 {
		c.do("psetex", "k"+itoa(int64(i)), "20", "v")
	}
	at := func(c *testClient) int64 { return c.number("replication", "master_repl_offset") }
	eventually(t, "the same position", func() bool { return at(b.dial()) == at(c) })
	b.stop()
	eventually(t, "their time is over", func() bool { return c.do("pttl k1999") == int64(-2) })
	b = startServer(t, options...)
	r := b.dial()
	eventually(t, "the replica again", online)
	eventually(t, "the same position", func() bool { return at(r) == at(c) })
	if x, y := c.number("stats", "expired_keys"), r.number("stats", "expired_keys"); x > 10 || y != 0 {
		t.Errorf("the primary has removed %d keys, the replica %d", x, y)
	}
	c.want("debug set-active-expire 1", "OK")
	eventually(t, "all keys are gone", func() bool { return c.do("dbsize") == int64(0) && r.do("dbsize") == int64(0) })
	same(t, a, b)
	if n := c.number("stats", "sync_full"); n != 1 {
		t.Errorf("%d snapshots were sent", n)
	}
}

// TestRestartWithProlongedKey restarts a replica without a log, whose snapshot has a key that is over by then, and that its primary
// has given more time meanwhile.
func TestRestartWithProlongedKey(t *testing.T) {
	dir := t.TempDir()
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := strings.Cut(a.addr, ":")
	options := []string{"--dir", dir, "--replicaof", host + " " + port}
	b := startServer(t, options...)
	c := a.dial()
	up := func() bool { return b.dial().info("replication", "master_link_status") == "up" }
	eventually(t, "the link", up)
	c.want("debug set-active-expire 0", "OK")
	c.want("set long v px 2000", "OK") // time to restart in, on a busy machine
	c.want("set short v px 2000", "OK")
	c.want("wait 1 0", int64(1))
	b.dial().want("save", "OK")
	b.stop()
	c.want("persist long", int64(1))
	eventually(t, "the time of the other one is over", func() bool { return c.do("pttl short") == int64(-2) })
	b = startServer(t, options...)
	eventually(t, "the link again", up)
	c.want("debug set-active-expire 1", "OK")
	c.want("wait 1 0", int64(1))
	eventually(t, "the other one is gone", func() bool { return c.do("dbsize") == int64(1) })
	c.want("wait 1 0", int64(1))
	same(t, a, b)
	if n := c.number("stats", "sync_full"); n != 1 {
		t.Errorf("%d snapshots were sent", n)
	}
}

// TestReloadWithExpiredKeys loads the data of a server again, when keys are over that its replica has.
func TestReloadWithExpiredKeys(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	b.follow(a)
	c, r := a.dial(), b.dial()
	c.want("debug set-active-expire 0", "OK")
	c.want("set k v px 50", "OK")
	c.want("set long v px 50", "OK")
	c.want("wait 1 0", int64(1))
	eventually(t, "their time is over", func() bool { return r.do("get long") == nil })
	r.want("debug reload", "OK")
	c.want("debug reload", "OK")
	c.want("debug set-active-expire 1", "OK")
	eventually(t, "they are gone", func() bool { return c.do("dbsize") == int64(0) && r.do("dbsize") == int64(0) })
	if n := c.number("stats", "expired_keys"); n != 2 {
		t.Errorf("the primary says that %d keys have expired", n)
	}
	same(t, a, b)
}

// TestRestingMemberKeepsItsPosition: a member of a group that was killed and is back, and not told yet who the primary is, goes
// on later from the position that its disk has. Clients that ask it meanwhile must not move that.
func TestRestingMemberKeepsItsPosition(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes", "--repl-diskless-sync-delay", "0"}
	a := startServer(t, options...)
	b := startServer(t)
	b.follow(a)
	c := a.dial()
	eventually(t, "the replica", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	c.want("set k v", "OK")
	c.want("wait 1 0", 1)
	b.stop()
	a.stop()

	a = startServer(t, append(options, "--write-safety", "sync 1", "--event-loops", "1", "--failover-group", "main",
		"--failover-listen", "127.0.0.1:0", "--failover-peers", "127.0.0.1:1 127.0.0.1:2")...)
	c = a.dial()
	at := c.number("replication", "master_repl_offset")
	if at == 0 {
		t.Fatal("the position is lost")
	}
	a.dial().send("get", "k") // is refused: nobody can confirm now what it would tell
	eventually(t, "the request", func() bool { return c.info("commandstats", "cmdstat_get") != "" })
	if now := c.number("replication", "master_repl_offset"); now != at {
		t.Errorf("the position has moved by %d", now-at)
	}
}

// TestRestingMemberSaysNothing: what it publishes and counts is told to nobody else, and no key leaves it for want of memory.
func TestRestingMemberSaysNothing(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--event-loops", "1"}
	a := startServer(t, options...)
	b := startServer(t)
	b.follow(a)
	c := a.dial()
	c.want("pfadd h a b c", 1)
	for i := range 200 {
		c.do("set", fmt.Sprint("k", i), strings.Repeat("x", 10000))
	}
	c.want("wait 1 0", 1)
	b.stop()
	a.stop()

	a = startServer(t, append(options, "--failover-group", "main", "--failover-listen", "127.0.0.1:0",
		"--failover-peers", "127.0.0.1:1 127.0.0.1:2")...)
	c = a.dial()
	at := c.number("replication", "master_repl_offset")
	if at == 0 {
		t.Fatal("the position is lost")
	}
	c.want("config set maxmemory-policy allkeys-lru maxmemory 1mb", "OK")
	for _, request := range []string{"publish c m", "spublish c m", "pfcount h", "ping", "set k0 v"} {
		c.do(strings.Fields(request)...)
	}
	c.do("eval", "return redis.call('publish', 'c', 'm')", "0")
	for _, request := range []string{"multi", "publish c m", "exec"} {
		c.do(strings.Fields(request)...)
	}
	for range 3 {
		spent := a.stats.house_ns.Load()
		eventually(t, "a round of the janitor", func() bool { return a.stats.house_ns.Load() > spent })
	}
	if now := c.number("replication", "master_repl_offset"); now != at {
		t.Errorf("the position has moved by %d", now-at)
	}
	c.want("dbsize", 201)

	if e := a.takeOver(a.repl.history.Load().ID); !strings.Contains(string(e), "failover group") {
		t.Errorf("PSYNC FAILOVER is answered %q", e)
	}
	if !a.group.Load().Reign(1, newRunID(), 0) {
		t.Fatal("it does not become the primary")
	}
	if have := a.guard.written.Load(); have < at {
		t.Errorf("it tells at once of what replicas may not have, from %d to %d", have, at)
	}
}

// TestRestingMemberKeepsExpiredKeys: a member of a group that was away while keys came to the end of their time goes on from the
// position of its snapshot. Whoever is the primary says when they go.
func TestRestingMemberKeepsExpiredKeys(t *testing.T) {
	dir := t.TempDir()
	a, b := startServer(t, "--dir", dir, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "3600"), startServer(t)
	b.follow(a)
	c := a.dial()
	c.want("debug set-active-expire 0", "OK")
	c.want("set k v px 200", "OK")
	at := c.number("replication", "master_repl_offset")
	c.want("save", "OK")
	if now := c.number("replication", "master_repl_offset"); now != at {
		t.Fatalf("the primary has said something more: %d bytes", now-at)
	}
	eventually(t, "its time is over", func() bool { return b.dial().do("get k") == nil })
	b.stop()
	a.stop()
	a = startServer(t, "--dir", dir, "--failover-group", "main", "--failover-listen", "127.0.0.1:0", "--failover-peers", "127.0.0.1:1 127.0.0.1:2")
	if now := a.repl.offset(); now != at {
		t.Errorf("the position has moved by %d", now-at)
	}
}
