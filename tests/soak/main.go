// Soak lets everything happen to a server at once, for as long as asked, and looks for what it should not do to it:
//
//	go run ./tests/soak -for 1h
//
// A larder with a memory limit, snapshots and an append-only log serves clients that write every type, with and without
// expiry, and a prober that measures how long a GET takes. Meanwhile replicas join and are killed, snapshots and
// rewrites run, subscribers do not read what they are sent, and strangers send bytes that are no protocol. Every ten
// seconds a line says how the server is. In the end the data, memory, descriptors and goroutines are looked at: the exit
// code is 1 if anything has leaked, is inconsistent, or was answered as it should not be.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

type soak struct {
	server *peer.Server
	seed   uint64
	stop   chan struct{}
	work   sync.WaitGroup

	commands, errors atomic.Int64

	mu      sync.Mutex
	probes  []time.Duration // since the last line
	wrong   map[string]int  // what should not have been, and how often
	command map[string]int  // error replies that were to be expected
}

func main() {
	long := flag.Duration("for", time.Minute, "how long")
	seed := flag.Uint64("seed", 1, "seed of what the clients do")
	memory := flag.String("maxmemory", "64mb", "the server's limit")
	workers := flag.Int("clients", 8, "clients that write")
	flag.Parse()
	bad, err := run(*long, *seed, *memory, *workers)
	peer.RemoveBuild()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	if bad {
		os.Exit(1)
	}
}

func run(long time.Duration, seed uint64, memory string, workers int) (bad bool, err error) {
	p, err := peer.Build()
	if err != nil {
		return false, err
	}
	server, err := peer.Start(p, peer.Options{Directives: []string{
		"enable-debug-command yes", "maxmemory " + memory, "maxmemory-policy allkeys-lru", "appendonly yes", "appendfsync everysec",
		"save 20 1000", "notify-keyspace-events KEA", "client-output-buffer-limit pubsub 1mb 512kb 5",
		"auto-aof-rewrite-min-size 16mb", "repl-diskless-sync-delay 0",
	}})
	if err != nil {
		return false, err
	}
	defer server.Stop()
	s := &soak{server: server, seed: seed, stop: make(chan struct{}), wrong: map[string]int{}, command: map[string]int{}}
	before, err := s.settled()
	if err != nil {
		return false, err
	}
	for i := range workers {
		s.start(func() { s.write(rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	s.start(s.probe)
	s.start(s.dontRead)
	s.start(s.sendGarbage)
	s.start(func() { s.replicate(p) })
	s.start(s.save)
	began := time.Now()
	lines := time.NewTicker(10 * time.Second)
	defer lines.Stop()
	for time.Since(began) < long && server.Running() {
		<-lines.C
		s.line(time.Since(began))
	}
	close(s.stop)
	s.work.Wait()
	if !server.Running() {
		fmt.Println(server.Tail())
		return true, nil
	}
	return s.end(before)
}

func (s *soak) start(fn func()) { s.work.Go(fn) }

func (s *soak) over() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// pause waits, or until the end; then it says true.
func (s *soak) pause(d time.Duration) bool {
	select {
	case <-s.stop:
		return true
	case <-time.After(d):
		return false
	}
}

func (s *soak) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong[what]++
}

// state is what must not grow.
type state struct {
	rss                            int64
	descriptors, goroutines, keys  int
	used, clients, blocked, memory int
}

func (s *soak) look() (st state, err error) {
	c, err := s.server.Dial()
	if err != nil {
		return st, err
	}
	defer c.Close()
	v, err := c.Do("INFO", "everything")
	if err != nil {
		return st, err
	}
	number := func(name string) int {
		for _, line := range strings.Split(v.String(), "\r\n") {
			if n, text, ok := strings.Cut(line, ":"); ok && n == name {
				i, _ := strconv.Atoi(text)
				return i
			}
		}
		return -1
	}
	st.used, st.clients, st.blocked, st.goroutines = number("used_memory"), number("connected_clients"), number("blocked_clients"), number("goroutines")
	st.memory = number("used_memory_dataset")
	if v, err = c.Do("DBSIZE"); err != nil {
		return st, err
	}
	st.keys, _ = strconv.Atoi(v.String())
	st.rss, _ = s.server.RSS()
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.server.PID()))
	st.descriptors = len(fds)
	return st, nil
}

// settled is look when the server has begun all that it always does.
func (s *soak) settled() (st state, err error) {
	for same := 0; same < 20 && err == nil; s.pause(50 * time.Millisecond) {
		last := st
		if st, err = s.look(); st.goroutines == last.goroutines && st.descriptors == last.descriptors {
			same++
		} else {
			same = 0
		}
	}
	return st, err
}

func (s *soak) line(at time.Duration) {
	st, err := s.look()
	if err != nil {
		s.note("INFO: " + err.Error())
		return
	}
	s.mu.Lock()
	probes := s.probes
	s.probes = nil
	s.mu.Unlock()
	slices.Sort(probes)
	q := func(f float64) time.Duration {
		if len(probes) == 0 {
			return 0
		}
		return probes[int(f*float64(len(probes)-1))].Round(10 * time.Microsecond)
	}
	fmt.Printf("%6.0fs  %9d commands %6d errors  %7d keys  RSS %4d MiB  %3d fds  %3d goroutines  GET p50 %v p99 %v p99.9 %v\n", at.Seconds(),
		s.commands.Load(), s.errors.Load(), st.keys, st.rss>>20, st.descriptors, st.goroutines, q(0.5), q(0.99), q(0.999))
}

// end looks at what is left when all is quiet again.
func (s *soak) end(before state) (bad bool, err error) {
	c, err := s.server.Dial()
	if err != nil {
		return true, err
	}
	defer c.Close()
	c.Timeout = time.Minute
	if v, err := c.Do("DEBUG", "CHECK"); err != nil || v.IsError() {
		s.note(fmt.Sprint("DEBUG CHECK: ", v.String(), err))
	}
	if err := persist(c); err != nil {
		return true, err
	}
	digest, _ := c.Do("DEBUG", "DIGEST")
	if v, err := c.Do("DEBUG", "LOADAOF"); err != nil || v.IsError() {
		s.note(fmt.Sprint("DEBUG LOADAOF: ", v.String(), err))
	}
	if v, _ := c.Do("DEBUG", "DIGEST"); v.String() != digest.String() {
		s.note(fmt.Sprintf("the log leads to other data: %s, not %s", v, digest))
	}
	c.Do("FLUSHALL")
	var after state
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if after, err = s.look(); err != nil {
			return true, err
		}
		if after.descriptors <= before.descriptors+2 && after.goroutines <= before.goroutines+2 && after.used < before.used+(8<<20) {
			break
		}
	}
	for _, f := range []struct {
		what        string
		now, before int
		more        int
	}{
		{"descriptors", after.descriptors, before.descriptors, 2}, {"goroutines", after.goroutines, before.goroutines, 2},
		{"used_memory", after.used, before.used, 8 << 20}, {"blocked clients", after.blocked, 0, 0}, {"keys", after.keys, 0, 0},
	} {
		if f.now > f.before+f.more {
			s.note(fmt.Sprintf("%s: %d in the beginning, %d in the end", f.what, f.before, f.now))
		}
	}
	if v, err := c.Do("DEBUG", "CHECK"); err != nil || v.IsError() {
		s.note(fmt.Sprint("DEBUG CHECK of nothing: ", v.String(), err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Printf("in the end: RSS %d MiB, used_memory %d (%d), %d fds (%d), %d goroutines (%d)\n", after.rss>>20, after.used, before.used,
		after.descriptors, before.descriptors, after.goroutines, before.goroutines)
	for what, n := range s.command {
		fmt.Printf("error reply, %d times: %s\n", n, what)
	}
	for what, n := range s.wrong {
		fmt.Printf("WRONG, %d times: %s\n", n, what)
	}
	return len(s.wrong) > 0, nil
}

// persist makes sure that nothing expires any more, so that two looks at the data show the same.
func persist(c *wire.Conn) error {
	v, err := c.Do("KEYS", "*")
	if err != nil {
		return err
	}
	for _, key := range v.Elems {
		name := []string{"PERSIST", key.String()}
		if strings.HasPrefix(key.String(), "h:") { // whose fields may expire
			name[0] = "DEL"
		}
		if _, err := c.Do(name...); err != nil {
			return err
		}
	}
	return nil
}

// dial connects, as often as it takes.
func (s *soak) dial() *wire.Conn {
	for !s.over() {
		c, err := s.server.Dial()
		if err == nil {
			return c
		}
		s.note("connect: " + err.Error())
		s.pause(100 * time.Millisecond)
	}
	return nil
}
