package server

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"larder/server/resp"
)

// ways are how clients end their connections that are still owed something.
var ways = map[string]func(c *testClient){
	"quit":           func(c *testClient) { c.send("quit") },
	"protocol error": func(c *testClient) { io.WriteString(c.nc, "*one\r\n") },
	"half-closed": func(c *testClient) {
		switch nc := c.nc.(type) {
		case *net.TCPConn:
			nc.CloseWrite()
		case *tls.Conn:
			nc.CloseWrite()
		}
	},
}

// leaving is the number of clients that close when they have their reply.
func (c *testClient) leaving() int { return len(c.listed("flags c")) }

// Clients that leave and do not read what they are owed are clients still: they are seen, counted, killed and evicted, and get
// all that they are owed if they read it late.
func TestLeavingClients(t *testing.T) {
	const size, leave = 20_000_000, 3 // more than the system takes
	w := startTLS(t, "--maxclients", itoa(leave+1))
	c := w.dial()
	c.want("client setname control", "OK")
	c.want("setrange big "+itoa(size-1)+" x", size)
	conf := w.conf(w.client)
	for name, dial := range map[string]func() *testClient{"plain": w.dial, "TLS": func() *testClient { return w.dialTLS(conf) }} {
		for how, end := range ways {
			left := make([]*testClient, leave)
			all := func() {
				for i := range left {
					left[i] = dial()
					left[i].send("get big")
					end(left[i])
				}
				eventually(t, name+", "+how, func() bool { return c.leaving() == leave })
			}
			over := func() {
				eventually(t, "the end of "+name+", "+how, func() bool { return c.number("clients", "connected_clients") == 1 })
			}
			all()
			if v := w.dial().read(); !isError(v, string(resp.ErrMaxClients)) {
				t.Errorf("%s, %s: one more is told %v", name, how, v)
			}
			for _, l := range left {
				if got, ok := l.read().(string); !ok || len(got) != size {
					t.Errorf("%s, %s: %d bytes came", name, how, len(got))
				}
			}
			over()
			all()
			c.want("client kill type normal", leave)
			over()
			all()
			evicted := c.number("stats", "evicted_clients")
			c.want("config set maxmemory-clients 1mb", "OK")
			eventually(t, "eviction of "+name+", "+how, func() bool { return c.number("stats", "evicted_clients") == evicted+leave })
			over()
			c.want("config set maxmemory-clients 0", "OK")
		}
	}
}

// Who has the last reply of a client that reads may rely on it that nobody sees that client any more.
func TestClientsThatHaveLeftAreNotSeen(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	for range 100 {
		nc, err := net.Dial("tcp", ts.addr)
		if err != nil {
			t.Fatal(err)
		}
		o := &testClient{t: t, nc: nc, r: bufio.NewReader(nc)}
		io.WriteString(nc, "PING\r\nECHO "+strings.Repeat("x", 10000)+"\r\nQUIT\r\n")
		for range 3 {
			o.read()
		}
		if n := strings.Count(c.text("client list"), "id="); n != 1 {
			t.Errorf("%d clients are seen", n)
		}
		nc.Close()
	}
}
