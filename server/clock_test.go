package server

import (
	"strings"
	"testing"
	"time"
)

// TestClockIsSetBack: when the time of day goes back by an hour, nobody waits an hour longer for anything.
func TestClockIsSetBack(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "1", "--repl-ping-replica-period", "1")
	b := startServer(t, "--repl-diskless-sync-delay", "1")
	host, port, _ := strings.Cut(a.addr, ":")
	set := func(by time.Duration) {
		a.clockStep_ms.Add(by.Milliseconds())
		b.clockStep_ms.Add(by.Milliseconds())
	}
	c, r := a.dial(), b.dial()
	r.want("replicaof "+host+" "+port, "OK")
	eventually(t, "a replica that waits for others", func() bool { return c.number("replication", "connected_slaves") == 1 })
	set(-time.Hour)
	eventually(t, "the snapshot", func() bool { return r.info("replication", "master_link_status") == "up" })
	eventually(t, "what the replica says it has", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })

	set(time.Hour)
	blocked, paused := a.dial(), a.dial()
	blocked.send("blpop nothing 1")
	eventually(t, "the client to block", func() bool { // or it has, on a busy machine
		return c.number("clients", "blocked_clients") == 1 || c.info("commandstats", "cmdstat_blpop") != ""
	})
	set(-time.Hour)
	if got := blocked.read(); got != nil {
		t.Errorf("the blocked client got %v", got)
	}
	at := c.number("replication", "master_repl_offset")
	eventually(t, "a ping", func() bool { return c.number("replication", "master_repl_offset") > at })
	eventually(t, "the replica to confirm it", func() bool { return c.do("wait 1 10") == int64(1) || c.do("wait 1 10") == 1 })

	set(time.Hour)
	c.want("client pause 200 write", "OK")
	set(-time.Hour)
	paused.want("set k v", "OK")

	set(3 * time.Hour)
	eventually(t, "a ping", func() bool { return c.number("replication", "master_repl_offset") > at })
	if n := c.number("stats", "sync_full") + c.number("stats", "sync_partial_ok"); n != 1 {
		t.Errorf("the replica has come %d times", n)
	}
}

// TestClockIsSetAhead: when the time of day goes ahead by an hour, no client is taken for one that has said nothing for so long,
// and a rewrite that is to wait after it has failed goes on waiting.
func TestClockIsSetAhead(t *testing.T) {
	ts := startServer(t, "--timeout", "60", "--appendonly", "yes", "--auto-aof-rewrite-min-size", "1kb", "--auto-aof-rewrite-percentage", "1")
	c := ts.dial()
	c.want("ping", "PONG")
	ts.aof.failures.Store(limitAfter)
	c.do("set", "k", strings.Repeat("v", 2000))
	eventually(t, "a rewrite that has to wait", func() bool { return ts.logged("triggered the limit") > 0 })
	ts.clockStep_ms.Add(time.Hour.Milliseconds())
	for _, ex := range ts.executors {
		if ex.loop == nil {
			continue
		}
		seen := make(chan struct{})
		ex.post(func() {
			ex.setTime()
			ex.closeIdle()
			close(seen)
		})
		<-seen
	}
	c.want("ping", "PONG")
	if line := c.text("client list"); !strings.Contains(line, " idle=0 ") {
		t.Errorf("an hour has not passed: %s", line)
	}
	for range 2 { // the first round may have been on its way
		spent := ts.stats.house_ns.Load()
		eventually(t, "a round of the janitor", func() bool { return ts.stats.house_ns.Load() > spent })
	}
	if n := c.number("persistence", "aof_rewrites"); n != 0 {
		t.Errorf("%d rewrites", n)
	}
}

// TestClockIsSetBackForTheJanitor: when the time of day goes back by an hour, the janitor does not wait for the next key whose time is
// over within that hour, but looks after everything as often as before.
func TestClockIsSetBackForTheJanitor(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	ts.clockStep_ms.Add(-time.Hour.Milliseconds())
	c.want("set k v ex 1800", "OK")
	for range 20 { // the first rounds are those in which it hears of the key
		spent := ts.stats.house_ns.Load()
		eventually(t, "a round of the janitor", func() bool { return ts.stats.house_ns.Load() > spent })
	}
	c.want("set k v px 1", "OK")
	eventually(t, "the end of the key", func() bool { return c.do("dbsize") == int64(0) })
	ts.clockStep_ms.Add(2 * time.Hour.Milliseconds())
	c.want("set k v px 1", "OK")
	eventually(t, "the end of the key", func() bool { return c.do("dbsize") == int64(0) })
}

// TestClockIsSetBackInARewrite: a rewrite that began at a later time of day is under way all the same.
func TestClockIsSetBackInARewrite(t *testing.T) {
	ts := startServer(t, "--appendonly", "yes", "--rdb-key-save-delay", forLong)
	c := ts.dial()
	c.want("mset a 1 b 2", "OK")
	c.do("bgrewriteaof")
	ts.clockStep_ms.Add(-time.Hour.Milliseconds())
	st := c.fields("persistence")
	if st["aof_rewrite_in_progress"] != "1" || strings.HasPrefix(st["aof_current_rewrite_time_sec"], "-") {
		t.Errorf("in progress: %s, for %s s", st["aof_rewrite_in_progress"], st["aof_current_rewrite_time_sec"])
	}
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "its end", func() bool { return c.number("persistence", "aof_rewrite_in_progress") == 0 })
	if took := c.number("persistence", "aof_last_rewrite_time_sec"); took < 0 {
		t.Errorf("it has taken %d s", took)
	}
	c.want("bgsave", "Background saving started")
	ts.clockStep_ms.Add(-time.Hour.Milliseconds())
	if n := c.number("persistence", "rdb_current_bgsave_time_sec"); n < -1 {
		t.Errorf("the snapshot has taken %d s", n)
	}
}
