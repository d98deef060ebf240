package netloop

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"larder/server/resp"
)

// pinger answers every command with PONG.
type pinger struct{ testServer }

func (s *pinger) Opened(*Conn)        {}
func (s *pinger) Closed(*Conn, error) {}
func (s *pinger) TurnEnd(*Loop)       {}
func (s *pinger) Tick(*Loop)          {}

func (s *pinger) Turn(l *Loop, ready []*Conn) {
	if l.User == nil {
		l.User = new(resp.Args)
	}
	a := l.User.(*resp.Args)
	a.Reset()
	var q resp.Request
	for _, c := range ready {
		for c.Proceed() && c.In.Next(&s.lim, a, &q) == resp.Command {
			c.Out().Simple("PONG")
		}
	}
}

// BenchmarkPing measures a request of one client in the same process, its own side included, in pipelines of 1, 16 and
// 64.
func BenchmarkPing(b *testing.B) {
	for _, k := range kinds[1:] {
		for _, depth := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/P=%d", strings.ReplaceAll(k.name, " ", "_"), depth), func(b *testing.B) {
				s := &pinger{testServer{lim: resp.DefaultLimits()}}
				e, err := New(s, k.opt)
				if err != nil {
					b.Fatal(err)
				}
				lns, err := e.ListenTCP([]string{"127.0.0.1"}, 0, 511, "")
				if err != nil {
					b.Fatal(err)
				}
				if err := e.Start(); err != nil {
					b.Fatal(err)
				}
				defer e.Stop(time.Second)
				c, err := net.Dial("tcp", lns[0].Addr)
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				in := []byte(strings.Repeat("*1\r\n$4\r\nPING\r\n", depth))
				out := make([]byte, len("+PONG\r\n")*depth)
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; i += depth {
					if _, err := c.Write(in); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(c, out); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
