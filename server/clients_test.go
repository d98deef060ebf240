package server

import (
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
)

// The directive timeout is for clients that are still, not for those that wait, listen, or send a large value piece by piece.
func TestIdleClients(t *testing.T) {
	ts := startServer(t, "--event-loops", "1", "--timeout", "3")
	c, listens, sharded, watches, waits, paused, sends := ts.dial(), ts.dial(), ts.dial(), ts.dial(), ts.dial(), ts.dial(), ts.dial()
	listens.do("subscribe a")
	sharded.do("ssubscribe a")
	watches.want("monitor", "OK")
	waits.send("blpop list 0")
	if _, err := io.WriteString(sends.nc, "*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$1000000\r\n"); err != nil {
		t.Fatal(err)
	}
	c.want("client pause 100000 write", "OK")
	paused.send("set p 1")
	c.parked(2)
	still, sent := ts.dial(), 0
	id := still.do("client id").(int64)
	eventually(t, "the end of the idle client", func() bool {
		c.want("ping", "PONG")
		if _, err := sends.nc.Write([]byte{'x'}); err == nil {
			sent++
		}
		return ts.clients.find(id) == nil
	})
	c.want("client unpause", "OK")
	if got := paused.read(); got != "OK" {
		t.Errorf("who was paused gets %v", got)
	}
	if _, err := sends.nc.Write(append(make([]byte, 1000000-sent), '\r', '\n')); err != nil {
		t.Error(err)
	}
	if got := sends.read(); got != "OK" {
		t.Errorf("who has sent a large value gets %v", got)
	}
	c.want("rpush list x", 1)
	waits.read()
	c.want("publish a x", 1)
	listens.read()
	c.want("spublish a x", 1)
	sharded.read()
	watches.read()
}

// A client that has said all, and closes its sending side while the server makes it wait for reasons of its own, gets its replies.
func TestHalfClosedClients(t *testing.T) {
	ts := copier(t, "--event-loops", "1")
	c, o := ts.dial(), ts.dial()
	o.large("list", "src")
	c.send("copy src dst")
	c.send("set b 1")
	ts.copying(1)
	if err := c.nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the loop comes by c's socket, too
		o.want("ping", "PONG")
	}
	ts.steps(20)
	if a, b := c.read(), c.read(); a != int64(1) || b != "OK" {
		t.Errorf("who has said all gets %v and %v", a, b)
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		t.Errorf("its connection ends with %v", err)
	}
}

// The same while a script takes long: the reply that was being sent is sent to its end.
func TestHalfClosedBesideAScript(t *testing.T) {
	ts := startServer(t, "--event-loops", "1", "--busy-reply-threshold", "1")
	c, o, runs := ts.dial(), ts.dial(), ts.dial()
	const size = 20_000_000 // more than the system takes at once
	o.want("setrange big 19999999 x", size)
	c.send("get big")
	o.want("ping", "PONG")
	runs.send("eval", "while true do end", "0")
	busy := func() bool { return o.do("ping") != "PONG" }
	eventually(t, "the script's being busy", busy)
	if err := c.nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the loop comes by c's socket, too
		busy()
	}
	o.want("script kill", "OK")
	if got, ok := c.read().(string); !ok || len(got) != size {
		t.Errorf("%d bytes came", len(got))
	}
	runs.read()
}

// The keys of one message to a broadcasting client are in the order of their names, as Redis has them.
func TestBroadcastOrder(t *testing.T) {
	c := startServer(t).dial()
	c.do("hello 3")
	c.want("client tracking on bcast", "OK")
	c.want("mset c 1 b 1 d 1 a 1", "OK")
	if got, want := c.read(), []any{"invalidate", []any{"a", "b", "c", "d"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("it is told %v", got)
	}
}

// What is queued, and what a command makes many times of the same value, does not take more memory than the client may be owed.
func TestReplyBeyondTheLimit(t *testing.T) {
	ts := startServer(t, "--client-output-buffer-limit", "normal 1000000 0 0", "--client-output-buffer-limit", "pubsub 100000000 0 0")
	o := ts.dial()
	value := strings.Repeat("x", 500_000)
	for _, request := range [][]string{{"set", "v", value}, {"hset", "h", "f", value}, {"rpush", "l", "v"}, {"xadd", "x", "1-1", "f", value}, {"sadd", "s", value[:1000], value[:999]}} {
		o.do(request...)
	}
	many := func(n int, words ...string) (list []string) {
		for range n {
			list = append(list, words...)
		}
		return list
	}
	for i, request := range [][]string{
		append([]string{"mget"}, many(100, "v")...),
		append([]string{"hmget", "h"}, many(100, "f")...),
		append([]string{"sort", "l", "by", "nosort"}, many(100, "get", "*")...),
		append(append([]string{"xread", "streams"}, many(100, "x")...), many(100, "0")...),
		{"srandmember", "s", "-100000"},
		nil,
	} {
		c := ts.dial()
		if request != nil {
			c.send(request...)
		} else {
			c.do("multi")
			for range 100 {
				c.do("get", "v")
			}
			c.do("incr", "done")
			c.send("exec")
		}
		if _, err := c.r.ReadByte(); err == nil {
			t.Errorf("%.40q is answered", request)
		}
		eventually(t, "the word in the log", func() bool { return ts.logged("overcoming of output buffer limits") == i+1 })
	}
	o.want("get done", "1") // what is queued runs all the same
	for _, e := range ts.logs.All() {
		if n, ok := e.ContextMap()["pending_bytes"].(int64); ok && n > 20_000_000 {
			t.Errorf("%d bytes were kept for a client that may be owed a million", n)
		}
	}
	// A script's own commands reply to nobody, and a subscriber may be owed more.
	o.want("eval return(#redis.call('srandmember',KEYS[1],-100000)) 1 s", 100000)
	c := ts.dial()
	c.do("hello", "3")
	c.do("subscribe", "x")
	if got := c.list("srandmember", "s", "-50000"); len(got) != 50000 {
		t.Errorf("%d members", len(got))
	}
	// Who wants no replies is owed none.
	q := ts.dial()
	q.send("client", "reply", "off")
	q.send(append([]string{"mget"}, many(100, "v")...)...)
	q.want("client reply on", "OK")
}

// Who has said QUIT, and does not read what it is owed, is closed as others are.
func TestLimitBehindQuit(t *testing.T) {
	ts := startServer(t, "--client-output-buffer-limit", "normal 0 1000000 1")
	o, c := ts.dial(), ts.dial()
	o.want("setrange v 19999999 x", 20_000_000) // more than the system takes at once
	c.send("get v")
	c.send("quit")
	eventually(t, "the end of the client", func() bool { return ts.logged("overcoming of output buffer limits") == 1 && ts.engine.Conns() == 1 })
}

// Who wants no replies is told what it has subscribed to, from within a transaction, too.
func TestSubscribesWithoutReplies(t *testing.T) {
	c := startServer(t).dial()
	for _, request := range []string{"client reply off", "multi", "set a 1", "subscribe x", "ssubscribe z", "get a", "psubscribe y*", "exec"} {
		c.send(request)
	}
	for _, want := range [][]any{{"subscribe", "x", int64(1)}, {"psubscribe", "y*", int64(2)}} {
		if got := c.read(); !reflect.DeepEqual(got, any(want)) {
			t.Errorf("it is told %v, not %v", got, want)
		}
	}
	c.send("ping") // which is silent
	c.send("unsubscribe")
	if got, want := c.read(), any([]any{"unsubscribe", "x", int64(1)}); !reflect.DeepEqual(got, want) {
		t.Errorf("it is told %v, not %v", got, want)
	}
}
