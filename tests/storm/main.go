// Storm has many connections send everything at once to a server with several loops, and looks for connections that get no
// reply, replies that are out of order, and transactions or scripts of which somebody sees half:
//
//	go run ./tests/storm -for 10m -seed 7
//	go build -race -tags invariant -o /tmp/larder ./cmd/larder && LARDER_BIN=/tmp/larder go run ./tests/storm -for 10m
//
// It goes in rounds, each with a server, a replica and a configuration by its own seed. Clients send commands of all types, in
// pipelines and transactions, block, vanish in the midst, and stop each other; operators change the configuration, save, load,
// flush, pause, kill scripts and clients, and have primary and replica change places. A client that has no reply after the
// patience that it was given is a hang: the server is made to show its goroutines, and the program ends with 1.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"larder/server/tlsconf/testcert"
	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

type options struct {
	long, round, patience time.Duration
	clients               int
	without               map[string]bool // names of turmoil that is left out
}

func main() {
	var o options
	flag.DurationVar(&o.long, "for", time.Minute, "how long")
	flag.DurationVar(&o.round, "round", 15*time.Second, "how long one round lasts")
	flag.DurationVar(&o.patience, "patience", 30*time.Second, "how long a reply may take")
	flag.IntVar(&o.clients, "clients", 24, "clients that send anything")
	seed := flag.Uint64("seed", 1, "seed of the first round; each further one has the next")
	without := flag.String("without", "", "kinds of turmoil to leave out, parted by commas: "+strings.Join(turmoilNames(), ","))
	flag.Parse()
	o.without = map[string]bool{}
	for _, name := range strings.Split(*without, ",") {
		o.without[name] = true
	}
	bad := false
	for end := time.Now().Add(o.long); !bad && time.Now().Before(end); *seed++ {
		var err error
		if bad, err = round(o, *seed); err != nil {
			fmt.Fprintln(os.Stderr, "storm:", err)
			bad = true
		}
	}
	peer.RemoveBuild()
	if bad {
		os.Exit(1)
	}
}

// storm is one round.
type storm struct {
	o       options
	seed    uint64
	servers [2]*peer.Server // the second one begins as a replica of the first
	secure  [2]string       // where they listen for TLS

	authority *testcert.Authority
	stop      chan struct{}
	once      sync.Once
	work      sync.WaitGroup
	done      chan struct{} // closed when the others have ended: until then somebody has to end scripts
	killers   sync.WaitGroup
	killed    [2]atomic.Pointer[string] // what each server has said of that last

	requests, cut atomic.Int64
	halves        [groups]atomic.Int64 // transactions of which half may stand, or whose end is not known

	mu       sync.Mutex
	refused  map[string]int // error replies, by their first word
	wrong    map[string]int
	suspects [groups][]string // sums that are not 0
	hung     bool
}

// choose takes one of several by chance.
func choose[T any](rnd *rand.Rand, of ...T) T { return of[rnd.IntN(len(of))] }

// directives are the configuration of a round.
func directives(rnd *rand.Rand) []string {
	on := func() string { return choose(rnd, "yes", "no") }
	return []string{
		"enable-debug-command yes", "event-loops " + choose(rnd, "1", "2", "3", "4", "8"), "shards " + choose(rnd, "1", "4", "8", "64"),
		"appendonly " + on(), "appendfsync " + choose(rnd, "always", "everysec", "no"), "busy-reply-threshold " + choose(rnd, "1", "20", "5000"),
		"maxmemory " + choose(rnd, "0", "20mb", "64mb"), "maxmemory-policy " + choose(rnd, "noeviction", "volatile-lru", "volatile-ttl", "volatile-random"),
		"repl-diskless-sync-delay 0", "repl-diskless-sync " + on(), "repl-diskless-load " + choose(rnd, "disabled", "swapdb", "on-empty-db"),
		"notify-keyspace-events " + choose(rnd, "KEA", `""`), "script-time-limit " + choose(rnd, "0", "300"), "activedefrag " + on(),
		"lazyfree-lazy-user-del " + on(), "lazyfree-lazy-user-flush " + on(), "client-output-buffer-limit pubsub 4mb 1mb 5",
	}
}

func round(o options, seed uint64) (bad bool, err error) {
	p, err := peer.Build()
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "storm-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	authority, err := testcert.New(dir)
	if err != nil {
		return false, err
	}
	cert, err := authority.Issue(testcert.Options{Name: "server"})
	if err != nil {
		return false, err
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	s := &storm{o: o, authority: authority, seed: seed, stop: make(chan struct{}), done: make(chan struct{}), wrong: map[string]int{}, refused: map[string]int{}}
	for i := range s.servers {
		lines := directives(rnd)
		if i == 0 {
			fmt.Printf("seed %d: %s\n", seed, strings.Join(lines[1:], "; "))
		} else {
			host, port, _ := strings.Cut(s.servers[0].Addr, ":")
			lines = append(lines, "replicaof "+host+" "+port)
		}
		port, err := peer.FreePort()
		if err != nil {
			return false, err
		}
		s.secure[i] = "127.0.0.1:" + strconv.Itoa(port)
		lines = append(lines, "tls-port "+strconv.Itoa(port), "tls-cert-file "+cert.CertFile, "tls-key-file "+cert.KeyFile, "tls-auth-clients no")
		if s.servers[i], err = peer.Start(p, peer.Options{Directives: lines}); err != nil {
			return false, err
		}
		defer s.servers[i].Stop()
	}
	began := time.Now()
	s.begin()
	select {
	case <-s.stop:
	case <-time.After(o.round):
		s.end()
	}
	s.await()
	if !s.hung {
		s.lookAtTheEnd()
	}
	fmt.Printf("  %v: %d requests, %d connections cut, error replies %v\n", time.Since(began).Round(100*time.Millisecond), s.requests.Load(), s.cut.Load(), s.refused)
	return s.verdict(), nil
}

// await waits for the clients: whoever still waits for a reply finds out itself that it comes too late.
func (s *storm) await() {
	go func() {
		s.work.Wait()
		close(s.done)
	}()
	select {
	case <-s.done:
		s.killers.Wait()
	case <-time.After(2*s.o.patience + 10*time.Second):
		s.note("the clients do not end")
	}
}

func (s *storm) begin() {
	for i := range s.o.clients {
		s.start(i, func(c *client) { c.sendAnything() })
	}
	for i := range 3 {
		s.start(100+i, func(c *client) { c.keepsAccounts() })
	}
	s.start(200, func(c *client) { c.watchesAndSets() })
	s.start(201, func(c *client) { c.watchesAndSets() })
	s.start(210, func(c *client) { c.listens() })
	s.start(211, func(c *client) { c.listens() })
	s.start(212, func(c *client) { c.monitors() })
	s.start(220, func(c *client) { c.vanishes() })
	s.start(221, func(c *client) { c.vanishes() })
	for i := range 3 {
		s.handOver(i)
	}
	for i, t := range turmoil {
		if !s.o.without[t.name] {
			s.start(300+i, func(c *client) { c.makesTrouble(t) })
		}
	}
	for i := range s.servers {
		c := &client{s: s, number: 410 + i, server: i, rnd: rand.New(rand.NewPCG(s.seed, uint64(410+i)))}
		s.killers.Go(c.killsScripts)
	}
	s.start(400, func(c *client) { c.readsReplica() })
}

// start lets a client of its own seed work until the round ends.
func (s *storm) start(number int, work func(*client)) {
	c := &client{s: s, number: number, rnd: rand.New(rand.NewPCG(s.seed, uint64(number+1)))}
	s.work.Go(func() {
		defer c.close()
		for !s.over() {
			work(c)
		}
	})
}

func (s *storm) end() { s.once.Do(func() { close(s.stop) }) }

func (s *storm) over() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// pause waits, or until the end.
func (s *storm) pause(d time.Duration) {
	select {
	case <-s.stop:
	case <-time.After(d):
	}
}

func (s *storm) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong[fmt.Sprintf(format, args...)]++
}

// suspect notes a sum that is wrong, unless it turns out that half of a transaction stands.
func (s *storm) suspect(g int, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspects[g] = append(s.suspects[g], what)
}

// judgeSuspects is called when all replies have come.
func (s *storm) judgeSuspects() {
	for g, list := range s.suspects {
		for _, what := range list {
			if s.halves[g].Load() == 0 {
				s.note("%s", what)
			}
		}
	}
}

// refuse counts an error reply.
func (s *storm) refuse(text string) {
	word, _, _ := strings.Cut(text, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[word]++
}

// hang notes that a server does not answer, and has it show its goroutines: the last thing that it does.
func (s *storm) hang(server int, what string) {
	s.mu.Lock()
	first := !s.hung
	s.hung = true
	s.wrong["HANG: "+what]++
	s.mu.Unlock()
	if first {
		if last := s.killed[server].Load(); last != nil {
			s.note("the last SCRIPT KILL: %s", *last)
		}
		if p := s.servers[server]; p.Running() {
			syscall.Kill(p.PID(), syscall.SIGQUIT)
		}
	}
	s.end()
}

// lookAtTheEnd looks whether the servers are whole and let go of what the clients had.
func (s *storm) lookAtTheEnd() {
	for i, p := range s.servers {
		if !p.Running() {
			s.note("server %d has ended", i)
			continue
		}
		c := &client{s: s, number: 500 + i, server: i, rnd: rand.New(rand.NewPCG(s.seed, 500))}
		for _, words := range []string{"CLIENT UNPAUSE", "CONFIG SET maxclients 10000 timeout 0", "DEBUG PAUSE-CRON 0", "DEBUG CHECK"} {
			if v, ok := c.insists(strings.Fields(words)...); ok && v.IsError() {
				s.note("%s: %s", words, v)
			}
		}
		if i == 0 {
			c.do("FAILOVER", "ABORT")
			c.do("REPLICAOF", "NO", "ONE")
			for g := range groups {
				for _, m := range c.looks(g) {
					c.send(m...)
				}
			}
		}
		left, blocked := "", ""
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			v, ok := c.insists("INFO", "clients")
			if !ok {
				continue
			}
			left, blocked = field(v, "connected_clients"), field(v, "blocked_clients")
			if n, _ := strconv.Atoi(left); n <= 3 && blocked == "0" { // this one, the other server
				break
			}
		}
		if n, _ := strconv.Atoi(left); n > 3 || blocked != "0" {
			s.note("server %d still has %s clients, %s of them blocked", i, left, blocked)
		}
		c.close()
	}
}

// field is a line of INFO.
func field(v wire.Value, name string) string {
	for _, line := range strings.Split(v.String(), "\r\n") {
		if n, text, ok := strings.Cut(line, ":"); ok && n == name {
			return text
		}
	}
	return ""
}

// verdict tells what was wrong, and keeps what the servers have written if anything was.
func (s *storm) verdict() (bad bool) {
	s.judgeSuspects()
	for i, p := range s.servers {
		if p.Running() && s.hung {
			time.Sleep(time.Second) // it is writing its goroutines
		}
		b, _ := os.ReadFile(filepath.Join(p.Dir, "server.out"))
		for _, sign := range []string{"DATA RACE", "panic:", "fatal error:", "assertion failed"} {
			if strings.Contains(string(b), sign) {
				s.note("server %d says %s", i, sign)
			}
		}
		s.mu.Lock()
		if len(s.wrong) > 0 {
			name := fmt.Sprintf("%s/storm-%d-%d.out", os.TempDir(), s.seed, i)
			if os.WriteFile(name, b, 0o600) == nil {
				fmt.Println("  what server", i, "has written is in", name)
			}
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, n := range s.wrong {
		fmt.Printf("  WRONG, %d times: %s\n", n, what)
	}
	return len(s.wrong) > 0
}
