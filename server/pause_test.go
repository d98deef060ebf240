package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// CLIENT PAUSE WRITE lets scripts go that promise not to write, also in a transaction.
func TestPausedWritesLetReadingScriptsGo(t *testing.T) {
	ts := startServer(t)
	c, reads, writes := ts.dial(), ts.dial(), ts.dial()
	for _, request := range [][]string{{"MULTI"}, {"EVAL", "#!lua flags=no-writes\nreturn 12", "0"}, {"EVAL", "#!lua\nreturn 13", "0"}} {
		writes.do(request...)
	}
	c.want("client pause 60000 write", "OK")
	for _, request := range [][]string{{"MULTI"}, {"GET", "a"}, {"EVAL", "#!lua flags=no-writes\nreturn 12", "0"}} {
		reads.do(request...)
	}
	if got := reads.list("EXEC"); len(got) != 2 || got[1] != int64(12) {
		t.Errorf("EXEC answers %v", got)
	}
	writes.send("EXEC")
	eventually(t, "the transaction's waiting", func() bool { return c.number("clients", "blocked_clients") == 1 })
	c.want("client unpause", "OK")
	if got := writes.read().([]any); len(got) != 2 || got[1] != int64(13) {
		t.Errorf("EXEC answers %v after the pause", got)
	}
}

// An earlier pause of all commands does not keep scripts that only read from running while writes wait for something else.
func TestReadingScriptsAfterAPause(t *testing.T) {
	ts := startServer(t)
	c, reads, writes := ts.dial(), ts.dial(), ts.dial()
	c.want("client pause 1 all", "OK")
	c.want("ping", "PONG")
	ts.moves.pause(ts.Server, true)
	writes.send("set k v")
	eventually(t, "the write's waiting", func() bool { return c.number("clients", "blocked_clients") == 1 })
	if got := reads.do("eval", "#!lua flags=no-writes\nreturn 12", "0"); got != int64(12) {
		t.Errorf("the script answers %v", got)
	}
	ts.moves.pause(ts.Server, false)
	if got := writes.read(); got != "OK" {
		t.Errorf("SET answers %v", got)
	}
}

// A replica that is paused takes what its primary sends, and obeys it later.
func TestPausedReplica(t *testing.T) {
	primary := startServer(t)
	replica := startServer(t)
	p, r := primary.dial(), replica.dial()
	r.want("replicaof 127.0.0.1 "+primary.addr[len("127.0.0.1:"):], "OK")
	p.want("set a 1", "OK")
	eventually(t, "the first write", func() bool { return r.do("get a") == "1" })
	r.want("client pause 60000 write", "OK")
	p.want("set a 2", "OK")
	end := p.number("replication", "master_repl_offset")
	eventually(t, "the reading", func() bool { return r.number("replication", "slave_read_repl_offset") >= end })
	if at := r.number("replication", "slave_repl_offset"); at >= end {
		t.Errorf("the replica is at %d of %d", at, end)
	}
	r.want("get a", "1")
	r.want("client unpause", "OK")
	eventually(t, "the second write", func() bool { return r.do("get a") == "2" })
}

// A request that comes while data is loaded waits for the end of that, whatever else is paused; but not for long.
func TestRequestsWaitForAShortLoading(t *testing.T) {
	ts := startServer(t)
	c, reads := ts.dial(), ts.dial()
	c.want("set a 1", "OK")
	ts.beginLoading()
	ts.patience_ms.Store(ts.steady() + time.Hour.Milliseconds())
	reads.send("get a")
	eventually(t, "the waiting", func() bool { return c.number("clients", "blocked_clients") == 1 })
	c.want("client pause 60000 write", "OK")
	ts.endLoading()
	if got := reads.read(); got != "1" {
		t.Errorf("GET answers %v after the loading", got)
	}
	c.want("client unpause", "OK")
	ts.beginLoading()
	loading := replyError("LOADING Redis is loading the dataset in memory")
	if got := reads.do("get a"); got != loading {
		t.Errorf("GET answers %v when the loading takes long", got)
	}
	c.want("get a", loading)
	c.want("ping", loading)
	ts.endLoading()
	c.want("get a", "1")
}

// TestNothingToLoad: at the start requests wait for longer as long as no file is being read.
func TestNothingToLoad(t *testing.T) {
	ts := startServer(t)
	later := func() int64 { return ts.steady() + 10*loadPatience_ms }
	ts.beginStart()
	if !ts.loadsBriefly(later()) {
		t.Error("LOADING is told before it is known that there is anything to load")
	}
	ts.readsFile()
	if ts.loadsBriefly(later()) {
		t.Error("requests wait for a file that takes long")
	}
	ts.readsNothing()
	if !ts.loadsBriefly(later()) {
		t.Error("LOADING is told while nothing but the log is made ready")
	}
	ts.endLoading()
}

// TestPausedPipeline: of the requests that a client has sent at once none is lost when the first ones have to wait.
func TestPausedPipeline(t *testing.T) {
	ts := startServer(t)
	c, o := ts.dial(), ts.dial()
	o.want("client pause 100000 write", "OK")
	io.WriteString(c.nc, "GET n\r\nINCR n\r\nINCR n\r\nGET n\r\nINCR n\r\nECHO end\r\n")
	if v := c.read(); v != nil {
		t.Errorf("a read before the pause is over: %v", v)
	}
	eventually(t, "the client waits", func() bool {
		return o.number("clients", "blocked_clients") == 1 || o.number("clients", "paused_clients") == 1
	})
	o.want("client unpause", "OK")
	for i, want := range []any{int64(1), int64(2), "2", int64(3), "end"} {
		if v := c.read(); v != want {
			t.Errorf("request %d: %v, want %v", i+2, v, want)
		}
	}
}

// TestPausedIsCountedOnce: a request that has to wait is one command of the client's, however often it is tried.
func TestPausedIsCountedOnce(t *testing.T) {
	ts := startServer(t)
	c, writes := ts.dial(), ts.dial()
	list := fmt.Sprint("client list id ", writes.do("client id"))
	counted := func(n int) bool { return strings.Contains(c.text(list), fmt.Sprintf(" tot-cmds=%d\n", n)) }
	eventually(t, "the first command's end", func() bool { return counted(1) })
	c.want("client pause 600000 write", "OK")
	writes.send("set k v")
	eventually(t, "the waiting", func() bool { return c.number("clients", "blocked_clients") == 1 })
	if !counted(1) {
		t.Errorf("while it waits: %s", c.text(list))
	}
	c.want("client unpause", "OK")
	writes.read()
	if !counted(2) {
		t.Errorf("after that: %s", c.text(list))
	}
}

// TestPausedWritesWaitForRoom: while clients are paused no key leaves for want of memory, and no write is refused for it: it
// waits, and there is room when it runs.
func TestPausedWritesWaitForRoom(t *testing.T) {
	ts := startServer(t, "--maxmemory-policy", "allkeys-random")
	c, writes := ts.dial(), ts.dial()
	c.want("debug populate 100 key 10000", "OK")
	c.want("client pause 600000 write", "OK")
	c.want("config set maxmemory "+itoa(c.number("memory", "used_memory")-100<<10), "OK")
	writes.send("set new 1")
	eventually(t, "the waiting", func() bool { return c.number("clients", "blocked_clients") == 1 })
	eventually(t, "a look at the memory", func() bool { return c.number("stats", "current_eviction_exceeded_time") != 0 })
	c.want("dbsize", 100)
	c.want("client unpause", "OK")
	if got := writes.read(); got != "OK" {
		t.Errorf("SET answers %v after the pause", got)
	}
	if c.number("stats", "evicted_keys") == 0 {
		t.Error("no key had to go")
	}
}

// TestExpiredKeyIsWatchedInAPause: a key whose time was over when it was watched is none, whoever removes it when.
func TestExpiredKeyIsWatchedInAPause(t *testing.T) {
	ts := startServer(t)
	c, other := ts.dial(), ts.dial()
	expired := func() {
		t.Helper()
		c.want("client unpause", "OK")
		c.want("debug set-active-expire 0", "OK")
		c.want("set k v px 1", "OK")
		c.want("client pause 600000 write", "OK")
		eventually(t, "the end of its time", func() bool { return other.do("exists k") == int64(0) })
		c.want("watch k", "OK")
		c.want("multi", "OK")
		c.want("get k", "QUEUED")
		c.want("dbsize", "QUEUED")
	}
	expired()
	c.want("exec", []any{nil, int64(1)})
	expired()
	other.want("client unpause", "OK")
	other.want("get k", nil) // and gone
	c.want("exec", []any{nil, int64(0)})
	expired()
	other.want("client unpause", "OK")
	other.want("set k w", "OK")
	c.want("exec", nil)
}

// TestExpiredKeyIsWatchedOnAReplica likewise: only the primary removes it.
func TestExpiredKeyIsWatchedOnAReplica(t *testing.T) {
	primary, replica := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	p, r := primary.dial(), replica.dial()
	p.want("debug set-active-expire 0", "OK")
	replica.follow(primary)
	for _, removes := range []bool{false, true} {
		p.want("set k v px 1", "OK")
		end := p.number("replication", "master_repl_offset")
		eventually(t, "the key", func() bool { return r.number("replication", "slave_repl_offset") >= end })
		eventually(t, "the end of its time", func() bool { return r.do("exists k") == int64(0) })
		r.want("watch k", "OK")
		r.want("multi", "OK")
		r.want("get k", "QUEUED")
		size := int64(1)
		if removes {
			eventually(t, "the end of its time on the primary", func() bool { return p.do("get k") == nil })
			other := replica.dial()
			eventually(t, "its removal", func() bool { return other.do("dbsize") == int64(0) })
			size = 0
		}
		r.want("dbsize", "QUEUED")
		r.want("exec", []any{nil, size})
	}
}

// TestBlockedClientsArePaused: what a transaction with CLIENT PAUSE gives to clients that wait for it they get when the pause is
// over, but for those who only read.
func TestBlockedClientsArePaused(t *testing.T) {
	for _, ends := range []string{"client unpause", "ping"} { // the latter lets it end by itself
		ts := startServer(t)
		c, takes, reads := ts.dial(), ts.dial(), ts.dial()
		takes.send("blmove list to left right 0")
		reads.send("xread block 0 streams stream $")
		eventually(t, "two waiting clients", func() bool { return c.number("clients", "blocked_clients") == 2 })
		pause := "client pause 600000 write"
		if ends == "ping" {
			pause = "client pause 500 write"
		}
		for _, request := range []string{"multi", "rpush to old", "rpush list new", "xadd stream 1-1 f v", pause, "llen list"} {
			c.do(strings.Fields(request)...)
		}
		if got := c.list("exec"); len(got) != 5 {
			t.Fatalf("EXEC answers %v", got)
		}
		if got := reads.read(); fmt.Sprint(got) != "[[stream [[1-1 [f v]]]]]" {
			t.Errorf("XREAD answers %v", got)
		}
		if ends != "ping" {
			if got := c.do("llen list"); got != int64(1) {
				t.Errorf("the list has %v elements in the pause", got)
			}
		}
		c.do(strings.Fields(ends)...)
		if got := takes.read(); got != "new" {
			t.Errorf("BLMOVE answers %v", got)
		}
		if got := c.list("lrange to 0 -1"); fmt.Sprint(got) != "[old new]" {
			t.Errorf("the list is %v", got)
		}
	}
}

// TestExpiredKeyIsMadeAnewWhereItStays: a key whose time is over is hidden in a pause, and on a replica; who makes one of its name all
// the same has it once.
func TestExpiredKeyIsMadeAnewWhereItStays(t *testing.T) {
	primary, replica := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	p, r := primary.dial(), replica.dial()
	p.want("debug set-active-expire 0", "OK")
	replica.follow(primary)
	p.want("set key:0 v px 1", "OK")
	end := p.number("replication", "master_repl_offset")
	eventually(t, "the key", func() bool { return r.number("replication", "slave_repl_offset") >= end })
	eventually(t, "the end of its time", func() bool { return r.do("exists key:0") == int64(0) })
	r.want("save", "OK")
	r.want("debug reload noflush merge nosave", "OK")
	r.want("dbsize", int64(1))
	r.want("debug populate 1", "OK")
	r.want("dbsize", int64(1))
	r.want("get key:0", "value:0")

	p.want("multi", "OK")
	p.want("client pause 600000 write", "QUEUED")
	p.want("set key:0 w", "QUEUED")
	p.want("exec", []any{"OK", "OK"})
	p.want("client unpause", "OK")
	p.want("dbsize", int64(1))
	p.want("set key:1 v px 1", "OK")
	p.want("client pause 600000 write", "OK")
	eventually(t, "the end of its time", func() bool { return p.do("exists key:1") == int64(0) })
	p.want("debug populate 2", "OK")
	p.want("dbsize", int64(2))
	p.want("client unpause", "OK")
	p.want("get key:1", "value:1")
}

// Clients that go away in a long pause are not kept until its end.
func TestPausedClientsThatGoAreForgotten(t *testing.T) {
	ts := startServer(t, "--event-loops", "1")
	c, waits := ts.dial(), ts.dial()
	c.want("client pause 1000000 write", "OK")
	waits.send("set k v")
	c.parked(1)
	for range 10 {
		o := ts.dial()
		o.send("set k w")
		c.parked(2)
		o.nc.Close()
		c.parked(1)
	}
	ts.onLoop(0, func(ex *executor) {
		if n := len(ex.parked); n > 2 {
			t.Errorf("%d clients are kept for one that waits", n)
		}
	})
	c.want("client unpause", "OK")
	if got := waits.read(); got != "OK" {
		t.Error(got)
	}
}
