// Package crash kills a real server, again and again, and looks whether it has kept its word: under appendfsync always
// everything that was acknowledged is there after a restart, a transaction is there as a whole or not at all, the
// server always starts, and what it was in the middle of leaves no files behind.
//
// Half of the rounds kill at a random moment; the others at a random point before or after a wait for the disk, a rename
// or a removal, in a build with the tag failpoints, and most of those lose what the disk had not been waited
// for, bytes and names, as when the power goes. The folder goes from round to round.
//
//	go test ./tests/crash                        50 rounds
//	go test ./tests/crash -rounds 1000 -v        by hand
package crash

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

var (
	rounds = flag.Int("rounds", 50, "how often the server is killed")
	built  = flag.String("built", "", "a server with the tag failpoints that was built already")
)

// server is a process and its folder.
type server struct {
	t      *testing.T
	binary string
	dir    string
	port   string
	args   []string
	cmd    *exec.Cmd
	points bool // it may be killing itself, and the power be going
	gone   chan struct{}
}

// start starts the server and waits until it answers. env are variables of its own.
func (s *server) start(env ...string) bool {
	s.t.Helper()
	out, err := os.OpenFile(filepath.Join(s.dir, "out.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	s.cmd = exec.Command(s.binary, "--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", "always", "--auto-aof-rewrite-min-size", "64kb", "--auto-aof-rewrite-percentage", "30", "--shards", "8")
	s.cmd.Args = append(s.cmd.Args, s.args...)
	s.cmd.Env = append(os.Environ(), env...)
	s.points = len(env) > 0
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.gone = make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(s.gone)
	}()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		select {
		case <-s.gone:
			return false
		default:
		}
		if c, err := wire.Dial("127.0.0.1:" + s.port); err == nil {
			v, err := c.Do("PING")
			c.Close()
			if err == nil && !v.IsError() {
				return true
			}
		}
	}
	s.t.Fatal("the server does not answer")
	return false
}

// kill is kill -9 of a server that has started. One that takes away what the disk had not been waited for ends by itself: half
// of that is no state of any disk.
func (s *server) kill() {
	sig := syscall.SIGKILL
	if s.points {
		sig = syscall.SIGUSR1
	}
	s.cmd.Process.Signal(sig)
	<-s.gone
}

// log is the end of what the server has said.
func (s *server) log() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "out.log"))
	return string(b[max(0, len(b)-8000):])
}

// model is what was acknowledged, by key the number that was written last.
type model struct {
	mu    sync.Mutex
	acked map[string]int
	pairs int // transactions

	floor      map[string]int // what was acknowledged when the log was switched off, while it is; nil while it is on
	floorPairs int
}

// logOff says that from now on nothing is promised; logOn that everything is.
func (m *model) logOff() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.floor, m.floorPairs = maps.Clone(m.acked), m.pairs
}

func (m *model) logOn() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.floor = nil
}

func (m *model) ack(key string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acked[key] = n
}

// write writes until the connection breaks: numbers that grow, list items, and pairs of counters in transactions.
func (m *model) write(addr string, id, from int) {
	c, err := wire.Dial(addr)
	if err != nil {
		return
	}
	defer c.Close()
	rnd := rand.New(rand.NewPCG(uint64(id), uint64(from)))
	for n := from; ; n++ {
		text := strconv.Itoa(n)
		key := fmt.Sprintf("w%d:%d", id, rnd.IntN(200))
		if v, err := c.Do("SET", key, text); err != nil || v.IsError() {
			return
		}
		m.ack(key, n)
		list := fmt.Sprintf("l%d", id)
		if v, err := c.Do("RPUSH", list, text); err != nil || v.IsError() {
			return
		}
		m.ack(list, n)
		for _, cmd := range [][]string{{"MULTI"}, {"INCR", "pair:a"}, {"INCR", "pair:b"}, {"EXEC"}} {
			if v, err := c.Do(cmd...); err != nil || v.IsError() {
				return
			}
		}
		m.mu.Lock()
		m.pairs++
		m.mu.Unlock()
		if rnd.IntN(50) == 0 { // the list must not grow for ever
			if _, err := c.Do("LTRIM", list, "-5", "-1"); err != nil {
				return
			}
		}
	}
}

// disturb asks for rewrites and snapshots, changes how they are written, and if that is wanted switches the log off and on.
func (m *model) disturb(addr string, seed uint64, switches bool) {
	c, err := wire.Dial(addr)
	if err != nil {
		return
	}
	defer c.Close()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for {
		cmd := [][]string{
			{"BGREWRITEAOF"}, {"BGSAVE"}, {"PING"}, {"PING"}, {"SAVE"}, {"CONFIG", "SET", "aof-use-rdb-preamble", "no"}, {"CONFIG", "SET", "aof-use-rdb-preamble", "yes"},
			{"CONFIG", "SET", "aof-timestamp-enabled", "yes"}, {"CONFIG", "SET", "aof-disable-auto-gc", "yes"}, {"CONFIG", "SET", "aof-disable-auto-gc", "no"},
		}[rnd.IntN(10)]
		if _, err := c.Do(cmd...); err != nil {
			return
		}
		if switches && rnd.IntN(4) == 0 && !m.switchLog(c, rnd) {
			return
		}
		if pending, err := c.Pending(time.Duration(rnd.IntN(40)) * time.Millisecond); pending || err != nil {
			return
		}
	}
}

// begin waits until something has been acknowledged, if nothing has ever been, or the server is gone.
func (m *model) begin(s *server) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); ; {
		m.mu.Lock()
		begun := m.pairs > 0
		m.mu.Unlock()
		if begun {
			return
		}
		select {
		case <-s.gone:
			return
		case <-end: // nobody writes: the test will say so
			return
		case <-tick.C:
		}
	}
}

// switchLog switches the log off and on again, and tells whether it is on.
func (m *model) switchLog(c *wire.Conn, rnd *rand.Rand) bool {
	m.logOff()
	if v, err := c.Do("CONFIG", "SET", "appendonly", "no"); err != nil || v.IsError() {
		return false
	}
	if pending, err := c.Pending(time.Duration(rnd.IntN(10)) * time.Millisecond); pending || err != nil {
		return false
	}
	for {
		if v, err := c.Do("CONFIG", "SET", "appendonly", "yes"); err != nil {
			return false
		} else if !v.IsError() {
			break
		}
	}
	if _, err := c.Do("SET", "switched", "on"); err != nil {
		return false
	}
	if v, err := c.Do("WAITAOF", "1", "0", "0"); err != nil || v.IsError() {
		return false
	}
	m.logOn()
	return true
}

// check compares the server with what it has acknowledged.
func (m *model) check(t *testing.T, addr string) {
	t.Helper()
	c, err := wire.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	get := func(args ...string) int {
		v, err := c.Do(args...)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(v.String())
		if v.IsNil() {
			n = -1
		}
		return n
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.floor != nil {
		m.acked, m.pairs, m.floor = m.floor, m.floorPairs, nil
	}
	for key, n := range m.acked {
		cmd := []string{"GET", key}
		if key[0] == 'l' {
			cmd = []string{"LINDEX", key, "-1"}
		}
		if got := get(cmd...); got < n {
			t.Errorf("%s has %d, %d was acknowledged", key, got, n)
		}
	}
	a, b := max(0, get("GET", "pair:a")), max(0, get("GET", "pair:b"))
	if a != b || a < m.pairs {
		t.Errorf("the counters have %d and %d after %d transactions", a, b, m.pairs)
	}
	m.pairs = a
}

// build builds the server with failpoints.
func build(t *testing.T) string {
	t.Helper()
	if *built != "" {
		return *built
	}
	root, err := peer.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "larder")
	cmd := exec.Command("go", "build", "-tags", "failpoints", "-o", path, "./cmd/larder")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := peer.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

func TestNothingAcknowledgedIsLost(t *testing.T) {
	n := *rounds
	if testing.Short() {
		n = min(n, 12)
	}
	binary := build(t)
	t.Run("plain", func(t *testing.T) { trial(t, binary, n/2, false, false) })
	t.Run("switched", func(t *testing.T) { trial(t, binary, n/4, true, false) })
	t.Run("sealed", func(t *testing.T) { trial(t, binary, n/4, true, true) })
}

// keyFile writes a file of two keys, of which one or the other seals.
func keyFile(t *testing.T, dir string, rnd *rand.Rand) []string {
	t.Helper()
	lines := []string{"one " + strings.Repeat("1f", 32), "two " + strings.Repeat("2e", 32)}
	if rnd.IntN(2) == 0 {
		lines[0], lines[1] = lines[1], lines[0]
	}
	path := filepath.Join(dir, "keys")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--encryption-key-file", path}
}

// trial kills a server n times. switches says that its log is switched off and on, sealed that its files are encrypted, with
// one key or the other.
func trial(t *testing.T, binary string, n int, switches, sealed bool) {
	s := &server{t: t, binary: binary, dir: t.TempDir(), port: freePort(t)}
	addr := "127.0.0.1:" + s.port
	m := &model{acked: map[string]int{}}
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 7))
	t.Logf("seed %d", seed)
	killed := map[string]int{}
	for round := range n {
		if sealed && round > 2 {
			s.args = keyFile(t, s.dir, rnd)
		}
		var env []string
		kind := "at a moment"
		if round%3 > 0 {
			env = append(env, fmt.Sprintf("LARDER_FAILPOINT=%d", 1+rnd.IntN(300)))
			kind = "at a point"
			if rnd.IntN(4) > 0 {
				env = append(env, "LARDER_POWER_LOSS=1")
				kind = "at a point, without power"
			}
		}
		killed[kind]++
		if s.start(env...) {
			var all sync.WaitGroup
			for id := range 4 {
				all.Go(func() { m.write(addr, id, round*1_000_000) })
			}
			all.Go(func() { m.disturb(addr, seed+uint64(round), switches) })
			m.begin(s) // on a busy machine clients come late
			wait := time.NewTimer(time.Duration(30+rnd.IntN(400)) * time.Millisecond)
			select {
			case <-s.gone:
			case <-wait.C:
				s.kill()
			}
			wait.Stop()
			all.Wait()
		} else if env == nil {
			t.Fatalf("round %d: the server does not start\n%s", round, s.log())
		}
		if !s.start() {
			t.Fatalf("round %d, killed %s: the server does not start\n%s", round, kind, s.log())
		}
		m.check(t, addr)
		for _, dir := range []string{"", "appendonlydir"} {
			if left, _ := filepath.Glob(filepath.Join(s.dir, dir, "temp-*")); len(left) > 0 {
				t.Errorf("files are left behind: %v", left)
			}
		}
		s.kill()
		if t.Failed() {
			files, _ := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*"))
			t.Fatalf("round %d, killed %s\n%s\n%s", round, kind, strings.Join(files, "\n"), s.log())
		}
	}
	if m.pairs == 0 && n > 3 {
		t.Error("nothing was written")
	}
	t.Logf("%d keys, %d transactions, killed %v", len(m.acked), m.pairs, killed)
}
