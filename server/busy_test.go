package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"larder/server/resp"
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
	ts, dial := startWithSocket(t, "--busy-reply-threshold", "200")
	ts.engine.SetOutputPause(100)
	owed, publisher, slow, c := dial(), dial(), dial(), dial()
	owed.list("hello 3")
	owed.list("subscribe news")
	for _, o := range []*testClient{publisher, slow, c} {
		o.want("ping", "PONG")
	}
	for range 3 {
		ts.inOneTurn(func() {
			publisher.send("eval", "return redis.call('publish', 'news', string.rep('x', 16000000))", "0") // more than the system takes
			slow.send("eval", endless, "0")
			owed.send("echo first")
			owed.send("echo second")
		})
		kill := func() { eventually(t, "killing", func() bool { return c.do("script kill") == "OK" }) }
		kill()
		if v := publisher.read(); isError(v, "ERR Script killed by user") { // it was slow, too, on a machine that busy
			kill()
		}
		if v := slow.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(v)
		}
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
