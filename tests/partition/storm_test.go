package partition

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
)

// storm is a group in which several things go wrong at once.
type storm struct {
	*group
	rnd    *rand.Rand
	disk   bool // what is acknowledged is on the disks: all may be killed
	events map[string]int
}

func newStorm(t *testing.T, disk bool) *storm {
	g := layOut(t, 3, 0, *profile, "sync 1", true)
	if g.bridge == "" {
		t.Skip("needs network namespaces")
	}
	g.small = false
	for _, n := range g.nodes { // in the place of the disks for what they remember: all that a member has is on one
		run("umount", "-l", n.memory())
		if out, err := run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", n.dir()); err != nil {
			t.Logf("no disks of their own: %s", out)
			break
		}
		t.Cleanup(func() { run("umount", "-l", n.dir()) })
		if err := os.MkdirAll(n.memory(), 0o755); err != nil {
			t.Fatal(err)
		}
		g.small = n.n == len(g.nodes)-1
	}
	var err error
	if g.air, err = newWeather(t, g.nodes); err != nil {
		t.Logf("no weather here, packets are only cut off: %v", err)
	}
	if disk {
		g.more = []string{"--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-min-size", "200kb", "--auto-aof-rewrite-percentage", "50"}
	}
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", s)
	g.begin()
	g.settled(2)
	return &storm{group: g, rnd: rand.New(rand.NewPCG(s, 3)), disk: disk, events: map[string]int{}}
}

// pause is a while in which things are as they are.
func (s *storm) pause(most time.Duration) {
	t := time.NewTimer(time.Duration(s.rnd.Int64N(int64(most))))
	<-t.C
}

func (s *storm) any() *node { return s.nodes[s.rnd.IntN(len(s.nodes))] }

// restart ends nodes, some of them longer than others. Without disks only one copy may be missing at a time.
func (s *storm) restart(end func(n *node), nodes ...*node) {
	s.free() // nobody starts without room
	for _, n := range nodes {
		end(n)
	}
	s.rnd.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	for _, n := range nodes {
		s.pause(time.Second)
		n.start()
	}
	if !s.disk {
		s.calm()
		s.settled(2)
	}
}

func (s *storm) calm() {
	s.heal()
	s.free()
	for _, n := range s.nodes {
		n.signal(syscall.SIGCONT)
	}
}

// sentinelClient asks a member on its port for clients of Sentinel.
func (n *node) sentinelClient() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: net.JoinHostPort(n.host, strconv.Itoa(n.sentinel)), ReadTimeout: 10 * time.Second, DialTimeout: time.Second, MaxRetries: -1,
		DialerRetries: 1, DisableIdentity: true, Protocol: 2})
}

// ask has a member do something for the group, which may refuse.
func (s *storm) ask(n *node, words ...any) error {
	c := n.sentinelClient()
	defer c.Close()
	return c.Do(s.t.Context(), words...).Err()
}

// exchange takes a replica out of the group for good and lets it come back with nothing, while its primary may be killed.
func (s *storm) exchange(other *node) {
	s.calm()
	s.settled(2)
	p := s.primary()
	if p == nil || p == other || s.ask(p, "group", "remove", other.id()) != nil {
		return
	}
	kills := s.rnd.IntN(2) == 0 && s.disk
	if kills {
		p.kill()
		s.pause(time.Second)
		p.start()
	}
	s.wait("the member to be gone", func() bool {
		now := s.primary()
		if now == nil || now == other {
			return false
		}
		c := now.sentinelClient()
		defer c.Close()
		info := c.Info(s.t.Context()).Val()
		return strings.Contains(info, "failover_gone:0\r") && strings.Count(info, "failover_member") == 2
	})
	other.kill()
	entries, _ := os.ReadDir(other.dir()) // a folder that cannot be read is noticed at the start
	for _, e := range entries {
		os.RemoveAll(filepath.Join(other.dir(), e.Name()))
	}
	if err := os.MkdirAll(other.memory(), 0o755); err != nil {
		s.t.Error(err)
	}
	other.start()
	s.settled(2)
}

// blow makes something go wrong.
func (s *storm) blow() {
	p := s.primary()
	if p == nil {
		p = s.any()
	}
	other := s.nodes[(p.n+1+s.rnd.IntN(2))%3]
	note := func(what string) { s.events[what]++ }
	switch s.rnd.IntN(16) {
	case 0:
		note("primary killed")
		s.restart((*node).kill, p)
	case 1:
		note("replica killed")
		s.restart((*node).kill, other)
	case 2:
		note("primary told to end")
		s.restart((*node).end, p)
	case 3:
		if s.disk {
			note("all killed")
			s.restart((*node).kill, append([]*node(nil), s.nodes...)...)
		}
	case 4:
		if s.disk {
			note("two killed")
			s.restart((*node).kill, p, other)
		}
	case 5, 6:
		n := []*node{p, other}[s.rnd.IntN(2)]
		note("stopped")
		n.signal(syscall.SIGSTOP)
		s.pause(2500 * time.Millisecond)
		n.signal(syscall.SIGCONT)
	case 7:
		note("cut off")
		n := s.any()
		for _, o := range s.nodes {
			s.cut(n, o)
			s.cut(o, n)
		}
	case 8, 9:
		note("one way")
		s.cut(s.any(), s.any())
	case 10, 11:
		if s.air != nil {
			note("weather")
			l := link{loss: s.rnd.Float64() * 0.1, delay: time.Duration(s.rnd.Int64N(int64(40 * time.Millisecond))), jitter: time.Duration(s.rnd.Int64N(int64(60 * time.Millisecond)))}
			for _, n := range s.nodes {
				for _, o := range s.nodes {
					if s.rnd.IntN(3) > 0 {
						s.air.set(n, o, func(was *link) { l.cut = was.cut; *was = l })
					}
				}
			}
		}
	case 12:
		if s.small {
			note("disk full")
			s.fill(s.any())
		}
	case 13, 14:
		if err := s.ask(s.any(), "sentinel", "failover", "main"); err == nil {
			note("switched")
		} else {
			note("switch refused")
		}
	case 15:
		note("exchanged")
		s.exchange(other)
	}
	if s.rnd.IntN(2) == 0 {
		s.calm()
	}
}

// TestStorm: in sync 1 what clients see is one history, whatever happens at once: processes killed, all of them if they have
// disks, stopped, told to end; links cut in one direction or both, slow, losing packets and letting them overtake each
// other; full disks; planned switches; members that go for good and come back empty.
func TestStorm(t *testing.T) {
	for _, where := range []string{"memory", "disk"} {
		t.Run(where, func(t *testing.T) {
			s := newStorm(t, where == "disk")
			r := &recorder{began: time.Now()}
			stop := make(chan struct{})
			var clients sync.WaitGroup
			for id := range 5 {
				clients.Go(func() { r.client(s.group, id, stop) })
			}
			for time.Since(r.began) < *trouble {
				s.pause(1500 * time.Millisecond)
				s.blow()
			}
			s.calm()
			s.settled(2)
			at := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.done }
			before := at()
			s.wait("commands after the storm", func() bool { return at() > max(before+50, fewAnswered) })
			close(stop)
			clients.Wait()
			s.same()
			for _, n := range s.nodes {
				n.end()
			}
			t.Logf("%d commands, %d answered; %v", len(r.history), r.done, s.events)
			r.judge(t)
		})
	}
}

// same waits until all nodes have the same data.
func (s *storm) same() {
	s.t.Helper()
	var seen string
	defer func() {
		if s.t.Failed() {
			s.t.Log(seen)
		}
	}()
	s.wait("all nodes to have the same", func() bool {
		digests := map[string]bool{}
		seen = ""
		for _, n := range s.nodes {
			c := n.client()
			v, err := c.Do(s.t.Context(), "DEBUG", "DIGEST").Text()
			c.Close()
			digests[fmt.Sprint(v, err)] = true
			seen += fmt.Sprintln(n.n, v, err)
		}
		return len(digests) == 1
	})
}

// judge tells whether what the clients saw is one history.
func (r *recorder) judge(t *testing.T) {
	t.Helper()
	if r.torn > 0 {
		t.Errorf("%d transactions were seen by halves", r.torn)
	}
	switch porcupine.CheckOperationsTimeout(registers, r.history, 20*time.Second) {
	case porcupine.Illegal:
		t.Error("what the clients saw is no one history")
	case porcupine.Unknown:
		t.Log("the history is too long to be judged in that time")
	}
	if r.done < fewAnswered {
		t.Errorf("only %d commands were answered", r.done)
	}
}
