package main

import (
	"bufio"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"larder/tests/internal/wire"
)

func TestSkipperCountsRepliesInPieces(t *testing.T) {
	stream := "+OK\r\n:1\r\n$3\r\nabc\r\n$-1\r\n*0\r\n*-1\r\n*2\r\n*2\r\n:1\r\n$0\r\n\r\n$5\r\n\r\n*1\n\r\n%1\r\n+k\r\n~1\r\n#t\r\n_\r\n,1.5\r\n=5\r\ntxt:a\r\n"
	want := 0
	for r := bufio.NewReader(strings.NewReader(stream)); ; want++ {
		if _, err := wire.Read(r); err != nil {
			break
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var s skipper
		got := 0
		for rest := []byte(stream); len(rest) > 0; {
			k := 1 + r.IntN(min(len(rest), 12))
			n, err := s.take(rest[:k], false)
			if err != nil {
				t.Fatal(err)
			}
			got += n
			rest = rest[k:]
		}
		if got != want {
			t.Fatalf("%d replies, want %d", got, want)
		}
	}
	var s skipper
	if _, err := s.take([]byte("-ERR no\r\n"), false); err == nil {
		t.Error("an error reply was counted as a success")
	}
	if n, err := s.take([]byte("-ERR no\r\n"), true); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// TestRunAgainstAServerThatAnswersPing: all requests are sent, all replies counted.
func TestRunAgainstAServerThatAnswersPing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					if _, err := c.Write([]byte("+PONG\r\n")); err != nil {
						return
					}
				}
			}()
		}
	}()
	ring := buildRing(100, 1, func(b []byte, _ *rand.Rand) []byte { return append(b, "PING\r\n"...) })
	for _, o := range []loadOptions{
		{requests: 1000, pipeline: 7, conns: 3, replyLen: 7},
		{requests: 1000, pipeline: 1, conns: 5},
		{inOrder: true, pipeline: 8, conns: 2},
		{duration: time.Second, pipeline: 4, conns: 2},
	} {
		o.addr, o.ring = l.Addr().String(), ring
		r, err := run(o)
		if err != nil {
			t.Fatal(err)
		}
		if o.requests > 0 && (r.requests < o.requests || r.requests > o.requests+o.conns*o.pipeline) || o.inOrder && r.requests != 100 || r.requests == 0 {
			t.Errorf("%+v: %d requests", o, r.requests)
		}
		if r.latency.total == 0 || r.latency.quantile(0.5) <= 0 || r.perSecond() <= 0 {
			t.Errorf("no latencies: %d", r.latency.total)
		}
	}
	if _, err := run(loadOptions{addr: l.Addr().String(), ring: ring, requests: 10, pipeline: 1, conns: 1, replyLen: 5}); err == nil {
		t.Error("replies of another length were accepted")
	}
}
