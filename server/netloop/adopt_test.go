package netloop

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// TestAdopt hands dialled connections over, with what was read of them ahead: that comes first, they are served like others, by a
// loop that accepts none, and end like others.
func TestAdopt(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, _ string) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		dialled := func(wrap func(net.Conn) net.Conn, ahead string) *client {
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			peer, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c := &client{peer, t, newReader(peer)}
			if wrap != nil {
				nc = wrap(nc)
			}
			e.Adopt(nc, []byte(ahead), "made by the test")
			return c
		}
		kinds := map[string]func(net.Conn) net.Conn{"tcp": nil, "other": func(nc net.Conn) net.Conn { return struct{ net.Conn }{nc} }}
		for kind, wrap := range kinds {
			was := e.Traffic().BytesIn
			c := dialled(wrap, "PING\r\nECHO on")
			c.want("+PONG")
			c.send("e\r\n" + strings.Repeat("PING\r\n", 1000))
			c.want("one")
			for range 1000 {
				c.want("+PONG")
			}
			if n := e.Traffic().BytesIn - was; n != 6+7+3+6000 {
				t.Errorf("%s: %d bytes are counted", kind, n)
			}
			c.send("ID\r\n")
			c.reply()
			s.conns.Range(func(_, v any) bool {
				conn := v.(*Conn)
				if conn.Origin != "made by the test" {
					t.Errorf("%s: the origin is %v", kind, conn.Origin)
				}
				if got, want := conn.RemoteAddr(), ln.Addr().String(); got != want {
					t.Errorf("%s: the address is %s, not %s", kind, got, want)
				}
				if apart := conn.Loop() == e.apart; apart != (e.apart != nil && kind == "tcp") {
					t.Errorf("%s: served apart: %v", kind, apart)
				}
				conn.Kill(ErrKilled)
				return true
			})
			if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v instead of the end", kind, err)
			}
			c.Close()
			c = dialled(wrap, "")
			c.send("PING\r\n")
			c.want("+PONG")
			c.Close()
			wait(t, "the end of what the other side has closed", func() bool { return e.Conns() == 0 })
		}
		c := dialled(nil, "")
		defer c.Close()
		e.Stop(patience)
		c.ends()
		c = dialled(nil, "PING\r\n")
		defer c.Close()
		c.ends()
	})
}

// TestApartIsNotBegun: an engine that nothing was given to adopt runs no loop for it, and gives back what that has.
func TestApartIsNotBegun(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		c.send("PING\r\n")
		c.want("+PONG")
		if e.apart != nil && e.apart.begun.Load() {
			t.Error("it runs")
		}
	})
}
