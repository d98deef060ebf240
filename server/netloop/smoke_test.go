package netloop

import (
	"bufio"
	"net"
	"testing"
	"time"

	"larder/server/resp"
)

// echoServer answers PING with PONG, and anything else with its first argument or name.
type echoServer struct{ lim resp.Limits }

func (s *echoServer) Opened(c *Conn) {}
func (s *echoServer) Turn(l *Loop, ready []*Conn) {
	if l.User == nil {
		l.User = new(resp.Args)
	}
	a := l.User.(*resp.Args)
	a.Reset()
	var q resp.Request
	for _, c := range ready {
		for c.Proceed() {
			st := c.In.Next(&s.lim, a, &q)
			if st == resp.NeedMore {
				break
			}
			if st != resp.Command {
				c.Out().Error(resp.Error(c.In.Err()))
				c.CloseAfterReply()
				break
			}
			if len(q.Args) == 1 {
				c.Out().Simple("PONG")
			} else {
				c.Out().Bulk(q.Args[1])
			}
		}
	}
}
func (s *echoServer) TurnEnd(l *Loop)           {}
func (s *echoServer) Woken(c *Conn)             {}
func (s *echoServer) Tick(l *Loop)              {}
func (s *echoServer) Closed(c *Conn, why error) {}

func TestSmoke(t *testing.T) {
	for _, portable := range []bool{false, true} {
		e, err := New(&echoServer{lim: resp.DefaultLimits()}, Options{Portable: portable})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		lns, err := e.ListenTCP([]string{"127.0.0.1"}, 0, 511, "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", lns[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		r := bufio.NewReader(c)
		for range 3 {
			c.Write([]byte("PING\r\n"))
			if s, err := r.ReadString('\n'); s != "+PONG\r\n" {
				t.Fatal(portable, s, err)
			}
		}
		c.Close()
		e.Stop(time.Second)
	}
}
