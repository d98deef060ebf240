package model

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/tests/internal/wire"
)

// TestRequestsMayBeCutAnywhere sends the same requests in pieces cut at random places: the replies are the same.
func TestRequestsMayBeCutAnywhere(t *testing.T) {
	s := start(t)
	r := rand.New(rand.NewPCG(*seed, 2))
	commands := [][]string{{"SET", "k", "v"}, {"GET", "k"}, {"SET", "big", strings.Repeat("x", 100_000)}, {"GET", "big"}, {"SET", "", "\r\n$5\r\n"}, {"GET", ""}, {"RPUSH", "l", "a", "b", "", "\x00"},
		{"LRANGE", "l", "0", "-1"}, {"FOO", "bar"}, {"GET"}, {"MULTI"}, {"INCR", "n"}, {"EXEC"}, {"DEL", "k", "big", "", "l", "n"}, {"PING"}}
	var stream []byte
	for _, args := range commands {
		stream = wire.AppendRequest(stream, args...)
	}
	stream = append(stream, "PING inline\r\nSET q \"a b\"\r\nDEL q\r\n"...)
	replies := len(commands) + 3
	var want []byte
	for round := range 60 {
		c := dial(t, s)
		sent := make(chan error, 1)
		go func() {
			for rest := stream; len(rest) > 0; {
				n := len(rest)
				switch round % 3 {
				case 1:
					n = 1 + r.IntN(min(len(rest), 20_000))
				case 2:
					n = 1 + r.IntN(min(len(rest), 40))
					if len(rest) > 2000 && len(rest) < len(stream)-600 {
						n = len(rest) / 2
					}
				}
				if err := c.SendRaw(rest[:n]); err != nil {
					sent <- err
					return
				}
				rest = rest[n:]
			}
			sent <- nil
		}()
		var got []byte
		for range replies {
			v, err := c.Receive()
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			got = v.Append(got)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: replies differ from those to the uncut stream", round)
		}
		c.Close()
	}
}

// TestAReaderThatDoesNotReadHarmsNobody: a client that asks for far more than it reads must neither stop others nor
// make the server hold all of the replies.
func TestAReaderThatDoesNotReadHarmsNobody(t *testing.T) {
	s := start(t, "client-output-buffer-limit normal 64mb 0 0")
	c := dial(t, s)
	do(t, c, "SET", "big", strings.Repeat("x", 1<<20))
	before, err := s.RSS()
	if err != nil {
		t.Skip("needs Linux:", err)
	}
	lazy := dial(t, s)
	lazy.Timeout = 2 * time.Second
	requests := bytes.Repeat(wire.AppendRequest(nil, "GET", "big"), 2000) // 2 GB of replies
	// Sending may stop halfway, because a server need not read on from a client that does not: that is fine.
	_ = lazy.SendRaw(requests)
	for range 200 {
		if v := do(t, c, "PING"); v.String() != "PONG" {
			t.Fatal(v)
		}
	}
	after, err := s.RSS()
	if err != nil {
		t.Fatal(err)
	}
	if grown := (after - before) >> 20; grown > 200 {
		t.Errorf("the server holds %d MiB for a client that does not read", grown)
	}
}

// TestDeclaredLengthsCostNothing: clients that announce large requests and send nothing must not make the server take
// memory for them.
func TestDeclaredLengthsCostNothing(t *testing.T) {
	s := start(t)
	c := dial(t, s)
	do(t, c, "PING")
	before, err := s.RSS()
	if err != nil {
		t.Skip("needs Linux:", err)
	}
	for i := range 100 {
		liar := dial(t, s)
		head := "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n"
		if i%2 == 0 {
			head = "*1000000\r\n$3\r\nDEL\r\n"
		}
		if err := liar.SendRaw([]byte(head)); err != nil {
			t.Fatal(err)
		}
	}
	do(t, c, "PING")
	after, err := s.RSS()
	if err != nil {
		t.Fatal(err)
	}
	if grown := (after - before) >> 20; grown > 64 {
		t.Errorf("a hundred empty announcements took %d MiB", grown)
	}
}

// TestManyConnectionsComeAndGo: connections that are opened, used in different ways and dropped leave nothing behind.
func TestManyConnectionsComeAndGo(t *testing.T) {
	s := start(t)
	c := dial(t, s)
	var all sync.WaitGroup
	for i := range 8 {
		r := rand.New(rand.NewPCG(*seed, uint64(i)))
		all.Go(func() {
			for range 100 {
				conn, err := s.Dial()
				if err != nil {
					t.Error(err)
					return
				}
				var b []byte
				switch r.IntN(7) {
				case 0:
					b = wire.AppendRequest(nil, "SUBSCRIBE", "a", "b")
				case 1:
					b = wire.AppendRequest(nil, "BLPOP", "none", "0")
				case 2:
					b = append(wire.AppendRequest(nil, "MULTI"), wire.AppendRequest(nil, "SET", "k", "v")...)
				case 3:
					b = wire.AppendRequest(nil, "WATCH", "k", "j")
				case 4:
					b = []byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf")
				case 5:
					b = []byte("\x00\xff garbage\r\n*x\r\n")
				case 6:
					b = wire.AppendRequest(nil, "MONITOR")
				}
				if err := conn.SendRaw(b); err != nil {
					t.Error(err)
				}
				conn.Close()
			}
		})
	}
	all.Wait()
	for began := time.Now(); ; {
		info := do(t, c, "INFO", "clients").String()
		if strings.Contains(info, "connected_clients:1\r\n") && strings.Contains(info, "blocked_clients:0\r\n") {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("clients are left behind: %s", info)
		}
	}
	if got := do(t, c, "PUBLISH", "a", "x").String(); got != "0" {
		t.Errorf("%s subscribers are left behind", got)
	}
}
