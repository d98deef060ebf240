package server

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
)

// liveHeap is what the Go heap holds after a collection, in bytes. The data stands elsewhere.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// raw sends bytes that need not be a request.
func (c *testClient) raw(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, text); err != nil {
		c.t.Fatal(err)
	}
}

// Lengths that are declared and not sent take no memory, and before a log-in they are small.
func TestHugeLengthsAreOnlyDeclared(t *testing.T) {
	ts := startServer(t)
	ts.dial().want("ping", "PONG")
	before := liveHeap()
	clients := make([]*testClient, 100)
	for i := range clients {
		clients[i] = ts.dial()
		clients[i].raw([]string{"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc", "*2147483647\r\n$3\r\nGET\r\n$1\r\nk\r\n"}[i%2])
	}
	admin := ts.dial()
	eventually(t, "the requests have begun to arrive", func() bool {
		return strings.Count(admin.text("client", "list"), " argv-mem=0 ") <= 2 // the first client, and this one
	})
	if grown := liveHeap() - before; grown > 100*(64<<10) {
		t.Errorf("100 clients that declare much and send little take %d bytes", grown)
	}
	for _, c := range []struct{ request, want string }{
		{"*2147483648\r\n", "ERR Protocol error: invalid multibulk length"},
		{"*1\r\n$536870913\r\n", "ERR Protocol error: invalid bulk length"},
		{"*1\r\n$-5\r\n", "ERR Protocol error: invalid bulk length"},
		{"*99999999999999999999\r\n", "ERR Protocol error: invalid multibulk length"},
		{strings.Repeat("x", 70<<10), "ERR Protocol error: too big inline request"},
	} {
		cl := ts.dial()
		cl.raw(c.request)
		if got := cl.read(); got != replyError(c.want) {
			t.Errorf("%.20q is answered %v", c.request, got)
		}
		cl.wantClosed()
	}
	admin.want("config set requirepass pw", "OK")
	for _, c := range []struct{ request, want string }{
		{"*11\r\n", "ERR Protocol error: unauthenticated multibulk length"},
		{"*1\r\n$16385\r\n", "ERR Protocol error: unauthenticated bulk length"},
	} {
		cl := ts.dial()
		cl.raw(c.request)
		if got := cl.read(); got != replyError(c.want) {
			t.Errorf("before a log-in, %q is answered %v", c.request, got)
		}
		cl.wantClosed()
	}
}

// A request may have more arguments than a million.
func TestManyArguments(t *testing.T) {
	c := startServer(t).dial()
	const n = 1<<20 + 10
	c.want("set l x", "OK")
	c.raw(fmt.Sprintf("*%d\r\n$6\r\nEXISTS\r\n", n+1) + strings.Repeat("$1\r\nl\r\n", n)) // no write: with the race detector shards are too small
	if got := c.read(); got != int64(n) {
		t.Error(got)
	}
}

// Requests that come byte by byte are served, and keep nobody else waiting.
func TestSlowSenders(t *testing.T) {
	ts := startServer(t)
	slow := make([]*testClient, 20)
	for i := range slow {
		slow[i] = ts.dial()
	}
	quick := ts.dial()
	request := "*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$5\r\nvalue\r\n"
	for i := range request {
		for _, c := range slow {
			c.raw(request[i : i+1])
		}
		quick.want("ping", "PONG")
	}
	for _, c := range slow {
		if v := c.read(); v != "OK" {
			t.Errorf("a slow request is answered %v", v)
		}
	}
}

// Connections that say nothing cost little, and the next client is served.
func TestSilentConnections(t *testing.T) {
	const count = 500
	ts := startServer(t)
	ts.dial().want("ping", "PONG")
	before := liveHeap()
	for range count {
		nc, err := net.Dial("tcp", ts.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	c := ts.dial()
	eventually(t, "all are connected", func() bool { return c.number("clients", "connected_clients") >= count })
	if each := (liveHeap() - before) / count; each > 4<<10 { // the clients' own ends stand in the same heap
		t.Errorf("a silent connection takes %d bytes", each)
	}
}

// A client that asks for much and reads nothing stops being served when it owes a bounded amount; the others do not notice,
// and it gets all of it once it reads.
func TestReadersThatNeverRead(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	value := strings.Repeat("x", 1<<20)
	if v := c.do("set", "big", value); v != "OK" {
		t.Fatal(v)
	}
	lazy := ts.dial()
	const requests = 200
	lazy.raw(strings.Repeat("*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n", requests))
	var owed int64
	eventually(t, "the client owes much", func() bool {
		owed = c.number("clients", "client_recent_max_output_buffer")
		return owed > 16<<20 // the system has taken some
	})
	if owed > 40<<20 {
		t.Errorf("a client may owe %d bytes", owed)
	}
	c.want("ping", "PONG")
	for range requests {
		if v := lazy.read(); v != value {
			t.Fatal("the replies are not whole")
		}
	}
}

// When many clients owe much together, each may owe less.
func TestManyReadersThatNeverRead(t *testing.T) {
	ts := startServer(t)
	ts.owedMost.Store(8 << 20)
	c := ts.dial()
	value := strings.Repeat("x", 1<<20)
	if v := c.do("set", "big", value); v != "OK" {
		t.Fatal(v)
	}
	first := ts.dial()
	first.raw(strings.Repeat("*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n", 100))
	eventually(t, "the loops are told", func() bool { return ts.tight.Load() })
	other := ts.dial()
	other.raw(strings.Repeat("*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n", 100))
	eventually(t, "the other one owes something", func() bool { return strings.Count(c.text("client", "list"), "cmd=get") == 2 })
	for _, line := range strings.Split(c.text("client", "list"), "\n") {
		var id, owed int64
		if fmt.Sscanf(line, "id=%d", &id); id == 3 {
			_, rest, _ := strings.Cut(line, " omem=")
			fmt.Sscan(rest, &owed)
			if owed > 4<<20 {
				t.Errorf("the second client owes %d bytes", owed)
			}
		}
	}
	for _, lazy := range []*testClient{first, other} {
		for range 100 {
			if v := lazy.read(); v != value {
				t.Fatal("the replies are not whole")
			}
		}
	}
	eventually(t, "the loops are told that it is over", func() bool { return !ts.tight.Load() })
}

// KEYS and PUBLISH with patterns that are made to take long keep nobody waiting for long.
func TestHostilePatterns(t *testing.T) {
	ts := startServer(t)
	c, other := ts.dial(), ts.dial()
	name := strings.Repeat("a", 200<<10)
	pattern := "*" + strings.Repeat("a?", 50<<10) + "*b"
	if v := c.do("set", name, "x"); v != "OK" {
		t.Fatal(v)
	}
	if v := other.do("psubscribe", pattern); v == nil {
		t.Fatal("no reply")
	}
	// Ways that do not end would take years, not the minutes that a busy machine may need.
	if v := c.do("keys", pattern); len(v.([]any)) != 0 {
		t.Error("the key fits")
	}
	if v := c.do("publish", name, "x"); v != int64(0) {
		t.Error("the channel fits")
	}
}

// Who sends requests, reads no replies and has not said who it is does not stay.
func TestRepliesBeforeALogIn(t *testing.T) {
	ts := startServer(t, "--requirepass", "pw")
	admin := ts.dial()
	admin.want("auth pw", "OK")
	cl := ts.dial()
	go func() {
		requests := []byte(strings.Repeat("SET x 5\r\n", 10000))
		for {
			if _, err := cl.nc.Write(requests); err != nil {
				return
			}
		}
	}()
	eventually(t, "the client that reads nothing is closed", func() bool {
		return strings.Contains(admin.text("info", "stats"), "client_output_buffer_limit_disconnections:1\r\n")
	})
}
