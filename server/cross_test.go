package server

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What one client was told has been done holds for all that is asked afterwards on any other connection, whichever loops
// serve them. These tests ask often: a loop that comes too late does so only now and then.

// pair is a client on each of two loops.
func (ts *testServer) pair() [2]*testClient { return [2]*testClient{ts.dial(), ts.dial()} }

func (c *testClient) id() string { return fmt.Sprint(c.do("client id")) }

// gone reads until the server closes the connection, and returns what came before.
func (c *testClient) gone() (got []any) {
	c.t.Helper()
	c.nc.SetReadDeadline(time.Now().Add(patience))
	for {
		v, err := c.parse()
		if ne, ok := err.(interface{ Timeout() bool }); ok && ne.Timeout() {
			c.t.Fatal("the connection stays open")
		}
		if err != nil {
			return got
		}
		got = append(got, v)
	}
}

// block has clients wait for something.
func (c *testClient) block(request string, clients ...*testClient) {
	c.t.Helper()
	for i, b := range clients {
		b.send(request)
		eventually(c.t, "blocking", func() bool { return c.number("clients", "blocked_clients") == int64(i+1) })
	}
}

// Whoever is told that a client was unblocked may rely on that nobody serves it any more, and whoever has served it finds it
// blocked no more.
func TestUnblockedClientsGetNothing(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c, blocked := ts.dial(), ts.pair()
	ids := [2]string{blocked[0].id(), blocked[1].id()}
	for n := range 300 {
		first := n % 2
		c.block("blpop q other 100", blocked[first], blocked[1-first])
		c.want("client unblock "+ids[first], 1)
		c.want("rpush q a", 1)
		c.want("client unblock "+ids[first], 0)
		c.want("client unblock "+ids[1-first], 0)
		if n := c.number("clients", "clients_in_timeout_table"); n != 0 {
			t.Fatalf("%d clients have a deadline", n)
		}
		if v := blocked[first].read(); v != nil {
			t.Fatalf("the client that was unblocked got %v", v)
		}
		if v, _ := blocked[1-first].read().([]any); len(v) != 2 || v[1] != "a" {
			t.Fatalf("the other one got %v", v)
		}
	}
}

// A server that becomes a replica has no blocked clients any more when it says so.
func TestReplicaHasNobodyBlocked(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--replica-read-only", "no")
	c := ts.dial()
	for range 30 {
		blocked := ts.pair()
		c.block("blpop q 100", blocked[:]...)
		c.want("replicaof 127.0.0.1 1", "OK")
		c.want("rpush q a", 1)
		c.want("llen q", 1)
		if n := c.number("clients", "connected_clients"); n != 1 {
			eventually(t, "closing", func() bool { return c.number("clients", "connected_clients") == 1 })
		}
		for _, b := range blocked {
			if got := b.gone(); len(got) != 1 || !isError(got[0], "UNBLOCKED ") {
				t.Fatalf("a client that was blocked got %v", got)
			}
		}
		c.want("del q", 1)
		c.want("replicaof no one", "OK")
	}
}

// A client that was killed is not there any more for anybody. What it was given before goes to it.
func TestKilledClientsAreNotThere(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--maxclients", "9")
	c := ts.dial()
	for range 100 {
		blocked, others := ts.pair(), ts.pair()
		var ids []string
		for i, b := range blocked {
			ids = append(ids, b.id())
			b.want("hello 3", b.do("hello 3"))
			others[i].list("hello 3")
			b.want("client tracking on", "OK")
			b.want("watch k", "OK")
			b.want("unwatch", "OK")
			others[i].want("watch k", "OK")
			others[i].want("client tracking on bcast", "OK")
			ids = append(ids, others[i].id())
		}
		c.block("blpop q 100", blocked[:]...)
		c.want("rpush q a b", 2)
		c.want("client kill id "+strings.Join(ids, " id "), 4)
		c.want("client tracking on redirect "+ids[0], replyError("ERR The client ID you want redirect to does not exist"))
		for _, name := range []string{"tracking_clients", "watching_clients", "total_watched_keys", "blocked_clients", "clients_in_timeout_table"} {
			if n := c.number("clients", name); n != 0 {
				t.Fatalf("%s is %d", name, n)
			}
		}
		if n := c.number("clients", "connected_clients"); n != 1 {
			t.Fatalf("%d clients are connected", n)
		}
		for i, b := range blocked {
			got := b.gone()
			if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprintf("[q %c]", 'a'+i) {
				t.Fatalf("client %d got %v", i, got)
			}
			others[i].gone()
		}
	}
}

// Whoever has the reply to QUIT, or to what is no request, is not there any more.
func TestClientsThatLeaveAreNotThere(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c := ts.dial()
	for n := range 200 {
		leaving := ts.pair()
		for _, l := range leaving {
			l.list("hello 3")
			l.list("subscribe news")
			l.list("psubscribe n*")
			l.want("client tracking on", "OK")
		}
		for i, l := range leaving {
			if n%2 == 0 {
				l.want("quit", "OK")
			} else if l.nc.Write([]byte("*x\r\n")); !isError(l.read(), "ERR Protocol error") {
				t.Fatal("that is no protocol error")
			}
			c.want("publish news x", 2*(1-i))
			for _, o := range leaving[i+1:] {
				o.read()
				o.read()
			}
			if n := c.number("clients", "connected_clients"); n != int64(2-i) {
				t.Fatalf("%d clients are connected", n)
			}
			if n := c.number("clients", "tracking_clients"); n != int64(1-i) {
				t.Fatalf("%d clients are tracked", n)
			}
		}
	}
}

// Behind the reply to UNSUBSCRIBE or RESET there comes no message: it would be taken for the next reply.
func TestNoMessageAfterUnsubscribe(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	listeners, publishers := ts.pair(), ts.pair()
	stop := make(chan struct{})
	ended := make(chan struct{})
	for _, p := range publishers {
		go func() {
			defer func() { ended <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				p.do("publish news x")
			}
		}()
	}
	for n := range 300 {
		for _, l := range listeners {
			l.list("subscribe news")
			end, sign := "unsubscribe", "unsubscribe"
			if n%2 == 0 {
				end, sign = "reset", "RESET"
			}
			l.send(end)
			for over := false; !over; {
				v := l.read()
				if list, ok := v.([]any); ok {
					over = list[0] == sign
				} else {
					over = v == sign
				}
			}
			l.want("echo hello", "hello")
		}
	}
	close(stop)
	<-ended
	<-ended
}

// A client hears of things in their order, whoever does them: messages and the reply that it has waited for.
func TestOrderOfWhatClientsHear(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--notify-keyspace-events", "KEA")
	listeners, actors := ts.pair(), ts.pair()
	c := ts.dial()
	for _, l := range listeners {
		l.list("hello 3")
		l.list("subscribe __keyevent@0__:rpush news")
		l.read()
	}
	for n := range 300 {
		c.block("blpop q 100", listeners[:]...)
		actors[n%2].want("publish news 1", 2)
		actors[(n+1)%2].want("publish news 2", 2)
		actors[n%2].want("rpush q a b", 2)
		actors[(n+1)%2].want("publish news 3", 2)
		for i, l := range listeners {
			want := []string{"[message news 1]", "[message news 2]", "[message __keyevent@0__:rpush q]", fmt.Sprintf("[q %c]", 'a'+i), "[message news 3]"}
			for _, w := range want {
				if got := fmt.Sprint(l.read()); got != w {
					t.Fatalf("client %d got %s, not %s", i, got, w)
				}
			}
		}
	}
}

// What a client is told before it asks next comes ahead of the reply, though its loop may be in the midst of a turn.
func TestMessagesComeBeforeReplies(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	listeners, actors := ts.pair(), ts.pair()
	for _, l := range listeners {
		l.list("hello 3")
		l.list("subscribe news")
		l.want("client tracking on", "OK")
	}
	for n := range 500 {
		a, l := actors[n%2], listeners[n/2%2]
		l.want("get k", l.do("get k"))
		l.send("echo early") // its loop reads while the others go on
		a.want("publish news x", 2)
		a.do("set", "k", fmt.Sprint(n))
		l.send("echo late")
		var got []string
		for len(got) < 4 {
			got = append(got, fmt.Sprint(l.read()))
		}
		if got[3] != "late" {
			t.Fatalf("round %d: the client got %q", n, got)
		}
		if v := fmt.Sprint(listeners[1-n/2%2].read()); v != "[message news x]" {
			t.Fatalf("the other one got %s", v)
		}
	}
}

// A blocked client that has gone away before an element came gets none, though its loop does not know yet.
func TestClientsThatHaveGoneGetNothing(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c := ts.dial()
	for range 200 {
		blocked := ts.pair()
		c.block("blpop q 0", blocked[:]...)
		for _, b := range blocked {
			b.nc.Close()
		}
		c.want("rpush q a", 1)
		c.want("llen q", 1)
		c.want("del q", 1)
		eventually(t, "closing", func() bool { return c.number("clients", "connected_clients") == 1 })
	}
}

// When CLIENT UNPAUSE has replied, what had waited has run, even if there is another pause at once.
func TestUnpauseLetsRunWhatHasWaited(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c, writers := ts.dial(), ts.pair()
	for n := range 200 {
		c.want("client pause 100000 write", "OK")
		for i, w := range writers {
			w.send("set", fmt.Sprint("k", i), fmt.Sprint(n))
		}
		eventually(t, "waiting", func() bool { return c.number("clients", "blocked_clients") == 2 })
		c.want("client unpause", "OK")
		if n%2 == 0 {
			c.want("client pause 100000 write", "OK")
		}
		c.want("get k0", fmt.Sprint(n))
		c.want("get k1", fmt.Sprint(n))
		if n := c.number("clients", "blocked_clients"); n != 0 {
			t.Fatalf("%d clients are blocked", n)
		}
		c.want("client unpause", "OK")
		for _, w := range writers {
			if v := w.read(); v != "OK" {
				t.Fatal(v)
			}
		}
	}
}

// When SCRIPT KILL has replied, the server is busy no more.
func TestKilledScriptKeepsNobodyBusy(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "1")
	c, others := ts.dial(), ts.pair()
	for range 30 {
		b := ts.busy("EVAL", endless, "1", "k")
		c.want("script kill", "OK")
		for _, o := range others {
			o.want("set k v", "OK")
		}
		c.want("script kill", replyError("NOTBUSY No scripts in execution right now."))
		if v := b.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(v)
		}
	}
}

// A script that was killed just when it was about to be slow does not keep the server busy after that.
func TestKilledScriptIsNotSlowAfterwards(t *testing.T) {
	ts := startServer(t)
	r := &scriptRun{}
	ts.scriptEnded(r)
	if r.slow.CompareAndSwap(notSlow, slow) || r.busy() {
		t.Error("it became slow")
	}
	if n := ts.busyScripts.Load(); n != 0 {
		t.Errorf("%d scripts keep the server busy", n)
	}
}

// A transaction that waits for the world to stop is asked again whether it may run: somebody else's command was there first.
func TestWhoWaitsForTheWorldIsAskedAgain(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c, o := ts.dial(), ts.dial()
	for n := range 20 {
		c.want("multi", "OK")
		c.want(fmt.Sprint("set k ", n), "QUEUED")
		c.want("client list", "QUEUED")
		ts.world.Lock() // as if o had stopped it
		before := ts.engine.Traffic().BytesIn
		c.send("exec")
		eventually(t, "arriving", func() bool { return ts.engine.Traffic().BytesIn > before })
		for _, ex := range ts.executors { // in whose turn it arrived waits for the world
			ex.enter()
			ex.leave()
		}
		ts.pause.until_ms.Store(time.Now().UnixMilli() + 100_000)
		ts.worlds.Add(1)
		ts.world.Unlock()
		eventually(t, "waiting", func() bool { return ts.stats.blocked.Load() == 1 })
		if v := o.do("get k"); v == fmt.Sprint(n) {
			t.Fatal("the transaction ran during the pause")
		}
		o.want("client unpause", "OK")
		o.want("get k", fmt.Sprint(n))
		if v, _ := c.read().([]any); len(v) != 2 || v[0] != "OK" {
			t.Fatal(v)
		}
	}
}
