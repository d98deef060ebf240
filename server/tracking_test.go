package server

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyChangesAtOnce: a client that tracks a prefix is told of all keys that one command has changed, each once, in one
// message; a command may name very many.
func TestManyChangesAtOnce(t *testing.T) {
	const keys = 200_000
	ts := startServer(t)
	c, d := ts.dial(), ts.dial()
	d.do("HELLO 3")
	d.do("CLIENT TRACKING ON BCAST PREFIX k")
	words := []string{"MSET"}
	for i := range keys {
		words = append(words, fmt.Sprint("k", i), "v")
	}
	words = append(words, "k0", "w", "other", "v")
	if got := c.do(words...); got != "OK" {
		t.Fatal(got)
	}
	push, _ := d.read().([]any)
	if len(push) != 2 || push[0] != "invalidate" {
		t.Fatalf("the client is told %.100v", push)
	}
	told := map[any]bool{}
	list, _ := push[1].([]any)
	for _, k := range list {
		told[k] = true
	}
	if len(list) != keys || len(told) != keys || !told["k0"] || told["other"] {
		t.Errorf("the client is told of %d keys, %d of them different", len(list), len(told))
	}
}

// TestBrokenRedirection: a client finds out that the one is gone to which its invalidations go, whichever loop has found it out.
func TestBrokenRedirection(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	for range 4 { // clients of one loop, and of both
		a, b, c := ts.dial(), ts.dial(), ts.dial()
		a.want(fmt.Sprintf("client tracking on redirect %d", b.do("client id")), "OK")
		a.want("get k", nil)
		b.want("quit", "OK")
		c.send("set", "k", "v")
		eventually(t, "the news", func() bool { return strings.Contains(fmt.Sprint(a.do("client", "trackinginfo")), "broken_redirect") })
		c.read()
		c.want("del k", 1)
	}
}

// TestExpiredKeyIsTracked: who reads a key whose time is over is told when it is there again, and not of its own finding it expired.
func TestExpiredKeyIsTracked(t *testing.T) {
	ts := startServer(t)
	writes := ts.dial()
	writes.want("debug set-active-expire 0", "OK")
	expired := func() {
		t.Helper()
		writes.want("set k v px 1", "OK")
		at := ts.steady()
		eventually(t, "the end of its time", func() bool { return ts.steady() > at+2 })
	}
	read, told, redirects := ts.dial(), ts.dial(), ts.dial()
	read.do("hello 3")
	told.do("hello 3")
	read.want("client tracking on", "OK")
	redirects.want(fmt.Sprint("client tracking on redirect ", told.do("client id")), "OK")
	for _, c := range []*testClient{read, redirects} {
		expired()
		c.want("get k", nil)
		c.want("ping", "PONG")
		writes.want("set k w", "OK")
		hears := read
		if c == redirects {
			hears = told
		}
		if got := fmt.Sprint(hears.read()); got != "[invalidate [k]]" {
			t.Errorf("the client is told %s", got)
		}
	}
}
