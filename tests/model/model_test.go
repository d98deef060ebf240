// Package model holds a running larder to what must be true whatever the commands are: what a client sees follows a
// model in plain Go, however requests are cut into packets, however many clients there are, and while tables grow and
// shrink below them. Byte-for-byte comparison with other servers is in tests/compat.
//
//	go test ./tests/model
//	go test ./tests/model -server redis-server     the same of another server: is the test itself true?
package model

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

var (
	server = flag.String("server", "", "test this server instead of larder")
	seed   = flag.Uint64("seed", 1, "seed of what is random")
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if *server == "" {
		peer.RemoveBuild()
	}
	os.Exit(code)
}

// start starts the server under test. It ends with the test.
func start(t *testing.T, directives ...string) *peer.Server {
	t.Helper()
	var p peer.Program
	var err error
	if *server == "" {
		p, err = peer.Build()
	} else if found, ok := peer.Find(*server); ok {
		p = found
	} else {
		err = fmt.Errorf("no server %q", *server)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := peer.Start(p, peer.Options{Directives: append([]string{"enable-debug-command yes"}, directives...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's last words:\n%s", s.Tail())
		}
		s.Stop()
	})
	return s
}

func dial(t *testing.T, s *peer.Server) *wire.Conn {
	t.Helper()
	c, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// do runs one command and fails the test on an error reply.
func do(t *testing.T, c *wire.Conn, args ...string) wire.Value {
	t.Helper()
	v, err := c.Do(args...)
	if err == nil && v.IsError() {
		err = fmt.Errorf("%s", v)
	}
	if err != nil {
		t.Fatalf("%.200q: %v", args, err)
	}
	return v
}

// pipeline runs many commands at once.
func pipeline(t *testing.T, c *wire.Conn, commands [][]string) []wire.Value {
	t.Helper()
	var replies []wire.Value
	for len(commands) > 0 {
		n := min(len(commands), 500)
		var b []byte
		for _, args := range commands[:n] {
			b = wire.AppendRequest(b, args...)
		}
		if err := c.SendRaw(b); err != nil {
			t.Fatal(err)
		}
		for _, args := range commands[:n] {
			v, err := c.Receive()
			if err != nil {
				t.Fatalf("%.200q: %v", args, err)
			}
			replies = append(replies, v)
		}
		commands = commands[n:]
	}
	return replies
}

func itoa(n int) string { return strconv.Itoa(n) }
