package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// session is the server's side of a client.
func (c *testClient) session(ts *testServer) *session {
	return ts.clients.find(c.do("client id").(int64))
}

// onLoop calls fn in a turn of a loop, and waits for it.
func (ts *testServer) onLoop(index int, fn func(ex *executor)) {
	done := make(chan struct{})
	ts.executors[index].post(func() {
		fn(ts.executors[index])
		close(done)
	})
	<-done
}

// stall keeps a loop from doing anything until resume is called.
func (ts *testServer) stall(index int) (resume func()) {
	entered, left := make(chan struct{}), make(chan struct{})
	ts.executors[index].loop.Post(func() {
		close(entered)
		<-left
	})
	<-entered
	return func() { close(left) }
}

const overcome = "overcoming of output buffer limits"

// What is said to a client that is to be closed because it is owed too much is for nobody, and is not kept. One turn may say much.
func TestClosedListenersAreToldNothing(t *testing.T) {
	ts := startServer(t, "--event-loops", "1", "--client-output-buffer-limit", "normal 1mb 0 0 pubsub 1mb 0 0")
	c, listener, monitor := ts.dial(), ts.dial(), ts.dial()
	heard, seen := listener.session(ts), monitor.session(ts)
	listener.list("subscribe news")
	monitor.want("monitor", "OK")
	message := strings.Repeat("x", 100_000)
	ts.onLoop(0, func(ex *executor) {
		for range 100 {
			if n := ex.publish(ts.hubs.plain, "message", []byte("news"), []byte(message)); n != 1 {
				t.Errorf("%d listen", n)
			}
			ex.show(heard, ts.table.Lookup([]byte("ping")), [][]byte{[]byte("ping"), []byte(message)})
		}
		for _, s := range []*session{heard, seen} {
			if n := s.conn.Pending(); n > 1<<20+len(message)+200 {
				t.Errorf("%d bytes are owed", n)
			}
		}
	})
	eventually(t, "the end of both", func() bool { return c.number("clients", "connected_clients") == 1 })
	if n, logged := c.number("stats", "client_output_buffer_limit_disconnections"), ts.logged(overcome); n != 2 || logged != 2 {
		t.Errorf("%d are counted, %d logged", n, logged)
	}
}

// A script that tells its own client too much ends its connection, and nothing of that is kept.
func TestOwnMessagesAreLimited(t *testing.T) {
	ts := startServer(t, "--event-loops", "1", "--client-output-buffer-limit", "pubsub 1mb 0 0", "--script-memory-limit", "0")
	c, o := ts.dial(), ts.dial()
	c.list("hello 3")
	c.list("subscribe news")
	mostOwn := 0
	s := c.session(ts)
	c.send("eval", "local m = string.rep('x', 100000) for i = 1, 100 do redis.call('publish', 'news', m) end redis.call('set', 'over', '1')", "0")
	if rest, _ := io.ReadAll(c.nc); len(rest) > 0 {
		t.Errorf("%d bytes came", len(rest))
	}
	o.want("get over", "1")
	ts.onLoop(0, func(ex *executor) { mostOwn = cap(ex.own) })
	if mostOwn > ownKept || !s.overcome.Load() {
		t.Errorf("%d bytes are kept", mostOwn)
	}
	if n, logged := o.number("stats", "client_output_buffer_limit_disconnections"), ts.logged(overcome); n != 1 || logged != 1 {
		t.Errorf("%d are counted, %d logged", n, logged)
	}
}

// While a loop does nothing its clients are told no more than they may be owed: who listens is closed, once, and who watches the
// server, or tracks keys, has no limit unless one is set.
func TestMailboxesAreLimited(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--client-output-buffer-limit", "pubsub 1mb 0 0")
	c, listener, monitor, tracker := ts.dialAt(1), ts.dialAt(0), ts.dialAt(0), ts.dialAt(0)
	s := listener.session(ts)
	listener.list("subscribe news")
	tracker.list("hello 3")
	tracker.want("client tracking on bcast", "OK")
	monitor.want("monitor", "OK")
	const n, size = 100, 100_000
	message := strings.Repeat("x", size)
	resume := ts.stall(0)
	for i := range n {
		c.do("publish", "news", message)
		if got := c.do("set", fmt.Sprint("k", i, message), ""); got != "OK" {
			t.Fatal(got)
		}
	}
	s.box.mu.Lock()
	kept := len(s.box.bytes)
	s.box.mu.Unlock()
	if kept > 1<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
	if counted, logged := ts.stats.outputKills.Load(), ts.logged(overcome); counted != 1 || logged != 1 {
		t.Errorf("%d are counted, %d logged", counted, logged)
	}
	resume()
	for i := range n {
		for _, what := range []string{"publish", "set"} {
			if line, ok := monitor.read().(string); !ok || !strings.Contains(line, what) {
				t.Fatalf("line %d for %s is %.100v", i, what, line)
			}
		}
	}
	for names := 0; names < n; {
		names += len(tracker.read().([]any)[1].([]any))
	}
	eventually(t, "the end of the listener", func() bool { return c.number("clients", "connected_clients") == 3 })
	if counted := ts.stats.outputKills.Load(); counted != 1 {
		t.Errorf("%d are counted in the end", counted)
	}
}
