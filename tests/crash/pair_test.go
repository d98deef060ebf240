package crash

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"larder/tests/internal/wire"
)

// TestPair kills a primary and its replica, which have a log each, in the middle of everything that they can be at: what the
// primary has acknowledged is there, what WAITAOF has said the replica's disk has is there when it starts alone, a transaction
// is seen as a whole everywhere, and in the end both have the same.
func TestPair(t *testing.T) {
	n := *rounds / 4
	if testing.Short() {
		n = min(n, 3)
	}
	binary := build(t)
	a := &server{t: t, binary: binary, dir: t.TempDir(), port: freePort(t), args: []string{"--repl-diskless-sync-delay", "0", "--repl-backlog-size", "16kb"}}
	b := &server{t: t, binary: binary, dir: t.TempDir(), port: freePort(t)}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 9))
	m := &model{acked: map[string]int{}}
	var sure atomic.Int64 // the last number that WAITAOF has said both disks have
	full := 0
	follow := func() []string {
		return []string{"--replicaof", "127.0.0.1 " + a.port, "--repl-diskless-load", []string{"disabled", "on-empty-db", "swapdb", "flush-before-load"}[rnd.IntN(4)],
			"--key-load-delay", []string{"0", "-10", "100"}[rnd.IntN(3)]}
	}
	points := func() (env []string) {
		if rnd.IntN(3) > 0 {
			env = append(env, fmt.Sprintf("LARDER_FAILPOINT=%d", 1+rnd.IntN(200)), fmt.Sprintf("LARDER_POWER_LOSS=%d", min(1, rnd.IntN(3))))
		}
		return env
	}
	for round := range n {
		b.args = follow()
		aUp, bUp := a.start(points()...), b.start(points()...)
		var all sync.WaitGroup
		if aUp {
			for id := range 3 {
				all.Go(func() { m.write(a.addr(), id, round*1_000_000) })
			}
			all.Go(func() { expiring(a.addr(), seed+uint64(round)) })
			all.Go(func() { waiting(a.addr(), round*1_000_000, &sure) })
			all.Go(func() { separate(a.addr(), seed+uint64(round)) })
		}
		if bUp {
			all.Go(func() { wholes(t, b.addr()) })
			all.Go(func() { m.disturb(b.addr(), seed+uint64(round), false) })
		}
		wait := time.NewTimer(time.Duration(100+rnd.IntN(1500)) * time.Millisecond)
		select {
		case <-wait.C:
		case <-b.gone: // the primary goes on for a while
			<-wait.C
		case <-a.gone:
			<-wait.C
		}
		wait.Stop()
		for _, s := range []*server{a, b} {
			s.kill()
		}
		all.Wait()
		word := sure.Load()
		b.args = nil
		if !b.start() {
			t.Fatalf("round %d: the replica does not start alone\n%s", round, b.log())
		}
		if got := b.number("GET", "sure"); got < word {
			t.Fatalf("round %d: the replica has %d, both disks had %d\n%s", round, got, word, b.log())
		}
		if x, y := b.number("GET", "pair:a"), b.number("GET", "pair:b"); x != y {
			t.Errorf("round %d: the replica has half of a transaction: %d and %d", round, x, y)
		}
		b.await("keys to expire", func() bool { return !b.expires() })
		digest := b.text("DEBUG", "DIGEST")
		b.do("DEBUG", "LOADAOF")
		if again := b.text("DEBUG", "DIGEST"); again != digest {
			t.Errorf("round %d: the replica has %s, and %s when it has loaded its log again", round, digest, again)
		}
		b.kill()
		if b.args = follow(); !a.start() || !b.start() {
			t.Fatalf("round %d: a server does not start\n%s\n%s", round, a.log(), b.log())
		}
		m.check(t, a.addr())
		b.await("all that the primary has", func() bool { return b.follows(a) })
		if x, y := a.text("DEBUG", "DIGEST"), b.text("DEBUG", "DIGEST"); x != y && b.follows(a) {
			t.Errorf("round %d: the primary has %s, the replica %s", round, x, y)
		}
		if strings.Contains(a.text("INFO", "stats"), "sync_full:1") {
			full++
		}
		a.kill()
		b.kill()
		if t.Failed() {
			t.Fatalf("round %d\n%s\n%s", round, a.log(), b.log())
		}
	}
	t.Logf("%d transactions, %d sure, %d of %d times a whole snapshot at the end", m.pairs, sure.Load(), full, n)
}

func (s *server) addr() string { return "127.0.0.1:" + s.port }

// do sends one request.
func (s *server) do(args ...string) wire.Value {
	s.t.Helper()
	c, err := wire.Dial(s.addr())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	v, err := c.Do(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// await waits for something of the server.
func (s *server) await(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			s.t.Fatalf("waited in vain for %s: %s\n%s", what, s.text("INFO", "replication"), s.log())
		}
	}
}

func (s *server) text(args ...string) string {
	s.t.Helper()
	return s.do(args...).String()
}

// number is a reply as a number, 0 if it is none.
func (s *server) number(args ...string) int64 {
	s.t.Helper()
	n, _ := strconv.ParseInt(s.text(args...), 10, 64)
	return n
}

// follows tells whether the server has all that its primary has, which has no key whose time is about to be over.
func (s *server) follows(of *server) bool {
	info, theirs := s.text("INFO", "replication"), of.text("INFO", "replication")
	field := func(text, name string) string {
		_, rest, _ := strings.Cut(text, name+":")
		value, _, _ := strings.Cut(rest, "\r\n")
		return value
	}
	return strings.Contains(info, "master_link_status:up") && field(info, "master_repl_offset") == field(theirs, "master_repl_offset") && !of.expires()
}

// expires tells whether there are keys that expire.
func (s *server) expires() bool {
	info := s.text("INFO", "keyspace")
	return strings.Contains(info, "expires=") && !strings.Contains(info, "expires=0")
}

// until runs do until it fails.
func until(addr string, do func(c *wire.Conn, n int) error) {
	c, err := wire.Dial(addr)
	if err != nil {
		return
	}
	defer c.Close()
	for n := 0; ; n++ {
		if do(c, n) != nil {
			return
		}
	}
}

// expiring writes keys that are soon over, and changes when.
func expiring(addr string, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 11))
	until(addr, func(c *wire.Conn, n int) error {
		key := fmt.Sprint("short", rnd.IntN(50))
		if _, err := c.Do("SET", key, strconv.Itoa(n), "PX", strconv.Itoa(1+rnd.IntN(300))); err != nil {
			return err
		}
		if _, err := c.Do("GETEX", key, "PX", strconv.Itoa(1+rnd.IntN(100))); err != nil {
			return err
		}
		_, err := c.Do("APPEND", fmt.Sprint("short", rnd.IntN(50)), "more") // a key without a time if it was over
		if err == nil {
			_, err = c.Do("PEXPIRE", fmt.Sprint("short", rnd.IntN(50)), strconv.Itoa(rnd.IntN(100)))
		}
		return err
	})
}

// waiting writes numbers of which it is told that both disks have them.
func waiting(addr string, from int, sure *atomic.Int64) {
	until(addr, func(c *wire.Conn, n int) error {
		if v, err := c.Do("SET", "sure", strconv.Itoa(from+n)); err != nil || v.IsError() {
			return fmt.Errorf("%v %w", v, err)
		}
		v, err := c.Do("WAITAOF", "1", "1", "100")
		if err != nil || v.IsError() {
			return fmt.Errorf("%v %w", v, err)
		}
		if len(v.Elems) == 2 && v.Elems[0].String() == "1" && v.Elems[1].String() == "1" {
			sure.Store(int64(from + n))
		}
		return nil
	})
}

// separate cuts the link now and then, and makes histories differ.
func separate(addr string, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 12))
	until(addr, func(c *wire.Conn, _ int) error {
		_, err := c.Do([][]string{{"CLIENT", "KILL", "TYPE", "replica"}, {"DEBUG", "CHANGE-REPL-ID"}, {"PING"}, {"BGREWRITEAOF"}}[rnd.IntN(4)]...)
		if err != nil {
			return err
		}
		_, err = c.Pending(time.Duration(rnd.IntN(300)) * time.Millisecond)
		return err
	})
}

// wholes looks at a replica for halves of transactions.
func wholes(t *testing.T, addr string) {
	until(addr, func(c *wire.Conn, _ int) error {
		v, err := c.Do("MGET", "pair:a", "pair:b")
		if err != nil {
			return err
		}
		if len(v.Elems) == 2 && v.Elems[0].String() != v.Elems[1].String() {
			t.Errorf("the replica shows half of a transaction: %v and %v", v.Elems[0], v.Elems[1])
		}
		return nil
	})
}
