package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"larder/server/config"
	"larder/server/resp"
	"larder/server/script"
)

// What clients have sent in the turn in which somebody's script becomes slow is answered beside that script. These tests have
// all of it come in one turn.

// startWithSocket starts a server with one loop, whose clients are connected over a Unix socket: what they have sent is there at
// once, on a busy machine too.
func startWithSocket(t *testing.T, options ...string) (ts *testServer, dial func() *testClient) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ts = startServer(t, append([]string{"--event-loops", "1", "--unixsocket", path}, options...)...)
	return ts, func() *testClient {
		t.Helper()
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return &testClient{t: t, nc: nc, r: bufio.NewReader(nc)}
	}
}

// inOneTurn has a loop find all that send sends when it next asks its sockets.
func (ts *testServer) inOneTurn(send func()) {
	entered, left := make(chan struct{}), make(chan struct{})
	ts.executors[0].loop.Post(func() {
		close(entered)
		<-left
	})
	<-entered
	send()
	close(left)
}

// A client that is owed more than it may be has sent requests: they wait until it has read, and are not lost.
func TestOwedPipelineBesideSlowScript(t *testing.T) {
	ts, dial := startWithSocket(t)
	ts.engine.SetOutputPause(100)
	owed, publisher, slow, c := dial(), dial(), dial(), dial()
	owed.list("hello 3")
	owed.list("subscribe news")
	for _, o := range []*testClient{publisher, slow, c} {
		o.want("ping", "PONG")
	}
	for range 3 {
		ts.slowFrom("3600000") // the publisher's script is not the slow one, however long it takes
		ts.inOneTurn(func() {
			publisher.send("eval", "return redis.call('publish', 'news', string.rep('x', 16000000))", "0") // more than the system takes
			slow.send("eval", endless, "0")
			owed.send("echo first")
			owed.send("echo second")
		})
		eventually(t, "the endless script", func() bool {
			r := ts.running(0)
			return r != nil && r.name == script.SHA([]byte(endless))
		})
		ts.slowFrom("1")
		eventually(t, "killing", func() bool { return c.do("script kill") == "OK" })
		if v := slow.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(v)
		}
		publisher.read()
		for _, text := range []string{"first", "second"} {
			v := owed.read()
			if _, message := v.([]any); message {
				v = owed.read()
			}
			if v != text && !isError(v, "BUSY ") {
				t.Fatal(v)
			}
		}
	}
}

// Who was served beside one slow script has requests left when it ends, and in the same turn there is another one: what it
// sends then comes behind those.
func TestOrderBesideTwoSlowScripts(t *testing.T) {
	ts, dial := startWithSocket(t, "--busy-reply-threshold", "1")
	first, killer, second, much, c := dial(), dial(), dial(), dial(), dial()
	for _, o := range []*testClient{first, killer, second, much, c} {
		o.want("ping", "PONG")
	}
	const n = 40
	var echoes strings.Builder
	for i := range n {
		fmt.Fprintf(&echoes, "ECHO %d-%s\r\n", i, strings.Repeat("x", 1000))
	}
	ts.inOneTurn(func() {
		first.send("eval", endless, "0")
		killer.send("script kill")
		second.send("eval", endless+" -- "+strings.Repeat("x", 2*lightMost), "0") // those who have sent much come later
		io.WriteString(much.nc, echoes.String())
	})
	if v := first.read(); !isError(v, "ERR Script killed by user") {
		t.Fatal(v)
	}
	if v := killer.read(); v != "OK" {
		t.Fatal(v)
	}
	eventually(t, "the second script", func() bool { return isError(c.do("get x"), "BUSY ") })
	much.send("echo last")
	c.send("echo answered") // by a loop that has served the other one
	c.read()
	c.want("script kill", "OK")
	if v := second.read(); !isError(v, "ERR Script killed by user") {
		t.Fatal(v)
	}
	busy := 0
	for i := range n {
		switch v := much.read(); {
		case isError(v, "BUSY "):
			busy++
		case !strings.HasPrefix(fmt.Sprint(v), fmt.Sprint(i, "-")):
			t.Fatalf("reply %d is %.20v, behind %d errors", i, v, busy)
		}
	}
	if v := much.read(); v != "last" && !isError(v, "BUSY ") {
		t.Error(v)
	}
}

// What a slow script tells its own client waits for that client's reply, whatever others of its loop ask meanwhile.
func TestMessagesOfSlowScriptAreItsOwn(t *testing.T) {
	_, dial := startWithSocket(t, "--busy-reply-threshold", "1")
	slow, c, killer := dial(), dial(), dial()
	slow.list("hello 3")
	slow.list("subscribe news")
	slow.send("eval", "redis.call('publish', 'news', 'mine') "+endless, "0")
	eventually(t, "a slow script", func() bool { return isError(killer.do("get x"), "BUSY ") })
	got := []any{c.do("nothing"), c.do("nothing")}
	killer.want("script kill", "OK")
	for _, v := range got {
		if !isError(v, "ERR unknown command") {
			t.Fatal(v)
		}
	}
	if v := slow.read(); !isError(v, "ERR Script killed by user") {
		t.Fatal(v)
	}
	if v := fmt.Sprint(slow.read()); v != "[message news mine]" {
		t.Fatal(v)
	}
}

// The loop of a client that goes away, or forgets what it watches, waits for a shard that a script holds: the script can be
// killed there, too.
func TestWatchedKeysDoNotKeepScriptsAlive(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "1")
	loopOf := func(c *testClient) int { return ts.clients.find(c.do("client id").(int64)).conn.Loop().Index }
	scripting := ts.dial()
	there := loopOf(scripting)
	elsewhere := func() *testClient {
		for {
			if c := ts.dial(); loopOf(c) != there {
				return c
			}
		}
	}
	killer := elsewhere()
	for _, leave := range []func(c *testClient){
		func(c *testClient) { c.nc.Close() },
		func(c *testClient) { c.send("discard") },
	} {
		w := elsewhere()
		w.want("watch k", "OK")
		w.want("multi", "OK")
		scripting.send("eval", endless, "1", "k")
		eventually(t, "a slow script", func() bool { return isError(killer.do("get x"), "BUSY ") })
		leave(w)
		killer.want("script kill", "OK")
		if v := scripting.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(v)
		}
	}
}

// A script that was told to end does not write between that and its end.
func TestKilledScriptDoesNotWrite(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	s := ts.clients.find(c.do("client id").(int64))
	ts.inWorldDo(func(ex *executor) {
		r := &scriptRun{s: s}
		ex.scripting.run = r
		defer func() { ex.scripting.run = nil }()
		var out resp.Writer
		if !r.dooms() {
			t.Error("a script that has not written cannot be killed")
		}
		if e := (*scriptHost)(ex).Call([][]byte{[]byte("set"), []byte("k"), []byte("v")}, &out); e != errDoomed {
			t.Errorf("a killed script writes: %q", e)
		}
		r = &scriptRun{}
		for range 2 {
			if !r.writes() || r.dooms() {
				t.Error("a script that has written can be killed")
			}
		}
	})
	c.want("exists k", 0)
}

// A request that is refused because its shard does not come free leaves no hash behind for the next one, whose key may stand
// where its own has stood.
func TestRefusedRequestLeavesNoHash(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "50")
	loopOf := func(c *testClient) int { return ts.clients.find(c.do("client id").(int64)).conn.Loop().Index }
	slow, c := ts.dial(), ts.dial()
	for loopOf(c) == loopOf(slow) {
		c = ts.dial()
	}
	for i := range 8 {
		slow.send("eval", endless, "1", "k0")
		eventually(t, "a script", func() bool { return ts.runningRun(true) != nil })
		if v := c.do("incr k0"); !isError(v, "BUSY ") {
			t.Fatal(v)
		}
		c.want("script kill", "OK")
		slow.read()
		c.want(fmt.Sprintf("mset k%d v", i+1), "OK")
		c.want(fmt.Sprintf("get k%d", i+1), "v")
	}
}

// dialAt is a client of the loop with this index.
func (ts *testServer) dialAt(index int) *testClient {
	ts.t.Helper()
	for range 1000 {
		c := ts.dial()
		if ts.clients.find(c.do("client id").(int64)).conn.Loop().Index == index {
			return c
		}
		c.nc.Close()
	}
	ts.t.Fatal("no client came to the loop")
	return nil
}

// running is the script that a loop runs, nil if there is none.
func (ts *testServer) running(loop int) *scriptRun { return ts.executors[loop].running.Load() }

// slowFrom sets what a script may take, in milliseconds, without a request: a request might wait for what runs already.
func (ts *testServer) slowFrom(threshold string) {
	ts.t.Helper()
	if err := ts.conf.Set(config.Caller{}, config.Pair{Name: "busy-reply-threshold", Value: threshold}); err != nil {
		ts.t.Fatal(err)
	}
}

// A script that has written waits in its midst for a shard that another one holds, and both are slow: SCRIPT KILL ends the other
// one, whichever loop comes first.
func TestKillEndsTheScriptThatCanBeKilled(t *testing.T) {
	ts := startServer(t, "--event-loops", "3", "--busy-reply-threshold", "3600000")
	key, far := "k0", ""
	for i := 1; far == ""; i++ {
		if k := fmt.Sprint("k", i); ts.ks.ShardOf(ts.ks.Hash([]byte(k))) != ts.ks.ShardOf(ts.ks.Hash([]byte(key))) {
			far = k
		}
	}
	for _, at := range []struct{ writes, endless int }{{0, 1}, {1, 0}} {
		ts.slowFrom("3600000")
		writing, holding, killer, signal := ts.dialAt(at.writes), ts.dialAt(at.endless), ts.dialAt(2), ts.dialAt(2)
		signal.list("subscribe go")
		writing.send("eval", "redis.call('set', KEYS[1], 'v') repeat until redis.call('pubsub', 'numsub', 'go')[2] == 0 return redis.call('exists', ARGV[1])", "1", key, far)
		holding.send("eval", endless, "1", far)
		eventually(t, "both scripts", func() bool {
			r := ts.running(at.writes)
			return r != nil && r.wrote() && ts.running(at.endless) != nil
		})
		ts.slowFrom("1")
		eventually(t, "two slow scripts", func() bool { return ts.running(at.writes).busy() && ts.running(at.endless).busy() })
		signal.nc.Close()
		eventually(t, "waiting for the other's shard", func() bool { return ts.ks.Wanted(1 << ts.ks.ShardOf(ts.ks.Hash([]byte(far)))) })
		if v := killer.do("get x"); !isError(v, "BUSY ") || !strings.Contains(fmt.Sprint(v), "SCRIPT KILL") {
			t.Error(v)
		}
		killer.want("script kill", "OK")
		if v := holding.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(v)
		}
		if v := writing.read(); v != int64(0) {
			t.Fatal(v)
		}
		for _, c := range []*testClient{writing, holding, killer} {
			c.nc.Close()
		}
	}
}

// Something stops the world that cannot be refused, as a link to a primary does, while a script runs that has to be ended by
// a client of another loop.
func TestStoppedWorldDoesNotKeepScriptsAlive(t *testing.T) {
	ts := startServer(t, "--event-loops", "3", "--busy-reply-threshold", "3600000")
	killer, scripting := ts.dialAt(0), ts.dialAt(2)
	for range 3 {
		ts.slowFrom("3600000")
		scripting.send("eval", endless, "0")
		eventually(t, "a script", func() bool { return ts.running(2) != nil })
		stopped := make(chan struct{})
		go func() {
			ts.inWorldDo(func(*executor) {})
			close(stopped)
		}()
		eventually(t, "waiting for the script's loop", func() bool {
			for _, ex := range ts.executors[:2] {
				if ex.mu.TryLock() {
					ex.mu.Unlock()
					return false
				}
			}
			return true
		})
		ts.slowFrom("1")
		killer.want("script kill", "OK")
		if v := scripting.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(v)
		}
		<-stopped
	}
}

// Clients together take more than they may while a script runs: that does not keep their loop from serving the one who ends it.
func TestClientEvictionDoesNotKeepScriptsAlive(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "1", "--maxmemory-clients", "1mb")
	killer, large, scripting := ts.dialAt(0), ts.dialAt(0), ts.dialAt(1)
	scripting.send("eval", endless, "0")
	eventually(t, "a slow script", func() bool { return isError(killer.do("get x"), "BUSY ") })
	size := 4 << 20
	fmt.Fprintf(large.nc, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s", size, strings.Repeat("x", size-1))
	eventually(t, "too large a client", func() bool {
		killer.do("get x") // is in a turn of the same loop
		return ts.clientMemory() > 1<<20
	})
	killer.want("script kill", "OK")
	if v := scripting.read(); !isError(v, "ERR Script killed by user") {
		t.Fatal(v)
	}
	eventually(t, "the eviction", func() bool { return killer.number("stats", "evicted_clients") == 1 })
}

// Memory is beyond its limit while a script runs: who ends it does not wait for room, which would have to be made in the script's
// shards, and who waits for that is told soon that the server is busy.
func TestEvictionDoesNotKeepScriptsAlive(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "3600000", "--maxmemory-policy", "allkeys-random")
	killer, reads, scripting := ts.dialAt(0), ts.dialAt(0), ts.dialAt(1)
	killer.want("debug pause-cron 1", "OK")
	killer.want("debug populate 2000 key 1000", "OK")
	killer.want("config set maxmemory "+itoa(killer.number("memory", "used_memory")-1_500_000), "OK")
	request := []string{"eval", endless, "100"}
	for i := range 100 {
		request = append(request, fmt.Sprint("key:", i))
	}
	for _, threshold := range []string{"3600000", "1"} {
		ts.slowFrom("3600000")
		scripting.send(request...)
		eventually(t, "a script", func() bool { return ts.running(1) != nil })
		if threshold == "1" {
			reads.send("get key:0")
			eventually(t, "waiting for a shard of the script", func() bool { return ts.ks.Wanted(ts.ks.All()) })
			ts.slowFrom(threshold)
			if got := reads.read(); !isError(got, "BUSY ") {
				t.Errorf("GET answers %v", got)
			}
		}
		killer.want("script kill", "OK")
		if v := scripting.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(v)
		}
	}
}

// A script of few instructions, each of which takes long, becomes slow like others, and is ended like others.
func TestLongInstructionsAreLookedAfter(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "1")
	scripting, c := ts.dialAt(0), ts.dialAt(1)
	scripting.send("eval", "local s = ('1'):rep(1e7) for i = 1, 600 do tonumber(s) end return 'nobody has looked'", "0")
	eventually(t, "a slow script", func() bool { return isError(c.do("get x"), "BUSY ") })
	c.want("script kill", "OK")
	if v := scripting.read(); !isError(v, "ERR Script killed by user") {
		t.Fatal(v)
	}
}

// A transaction that looks at other clients stops the world, and a script in it does not come to an end: clients of other loops
// are served beside it, and nobody sees half of the transaction.
func TestScriptInStoppedWorldIsEnded(t *testing.T) {
	ts := startServer(t, "--event-loops", "3", "--busy-reply-threshold", "1")
	scripting, killer, other := ts.dialAt(0), ts.dialAt(1), ts.dialAt(2)
	for range 3 {
		scripting.want("multi", "OK")
		scripting.want("set half done", "QUEUED")
		scripting.want("config resetstat", "QUEUED")
		if v := scripting.do("eval", endless, "0"); v != "QUEUED" {
			t.Fatal(v)
		}
		scripting.want("set half whole", "QUEUED")
		scripting.send("exec")
		for _, c := range []*testClient{killer, other} {
			eventually(t, "a slow script", func() bool { return isError(c.do("get half"), "BUSY ") })
		}
		killer.want("script kill", "OK")
		list, _ := scripting.read().([]any)
		if len(list) != 4 || !isError(list[2], "ERR Script killed by user") || list[3] != "OK" {
			t.Fatal(list)
		}
		other.want("get half", "whole")
		scripting.want("config resetstat", "OK")
	}
}

// The same with a command behind the script that needs the world stopped as well: nobody can be let go on, so the script is
// ended for its slowness, and so is one that would be let have its time elsewhere. One that has written is not.
func TestScriptBeforeStoppedWorldEndsByItself(t *testing.T) {
	ts := startServer(t, "--event-loops", "3", "--busy-reply-threshold", "1")
	scripting, other := ts.dialAt(0), ts.dialAt(1)
	scripting.want("multi", "OK")
	scripting.want("set half done", "QUEUED")
	if v := scripting.do("eval", endless, "0"); v != "QUEUED" {
		t.Fatal(v)
	}
	if v := scripting.do("eval", "redis.call('set', KEYS[1], 1) local n = 0 for i = 1, 3e5 do n = n + i end return 'whole'", "1", "wrote"); v != "QUEUED" {
		t.Fatal(v)
	}
	scripting.want("config resetstat", "QUEUED")
	list, _ := scripting.do("exec").([]any)
	if len(list) != 4 || !isError(list[1], "ERR Script killed: it was slow in a transaction") || list[2] != "whole" || list[3] != "OK" {
		t.Fatal(list)
	}
	other.want("get half", "done")
}

// RENAME of a large value to another shard stops the world, but can do without: others end the slow script before it.
func TestScriptBeforeRenameIsEnded(t *testing.T) {
	ts := startServer(t, "--event-loops", "3", "--busy-reply-threshold", "1", "--shards", "64")
	scripting, killer := ts.dialAt(0), ts.dialAt(1)
	large := strings.Repeat("x", 100_000)
	for i := range 8 {
		from, to := fmt.Sprint("from", i), fmt.Sprint("to", i)
		scripting.want("set "+from+" "+large, "OK")
		scripting.want("multi", "OK")
		if v := scripting.do("eval", endless, "0"); v != "QUEUED" {
			t.Fatal(v)
		}
		scripting.want("rename "+from+" "+to, "QUEUED")
		scripting.send("exec")
		eventually(t, "a slow script", func() bool { return isError(killer.do("get half"), "BUSY ") })
		killer.want("script kill", "OK")
		list, _ := scripting.read().([]any)
		if len(list) != 2 || !isError(list[0], "ERR Script killed by user") || list[1] != "OK" {
			t.Fatal(list)
		}
		killer.want("get "+to, large)
		killer.want("exists "+from, int64(0))
	}
}
