// Package partition runs failover groups of real processes and takes their network, their processes and their time away,
// while clients write down what they were told: nothing that was acknowledged may be lost, and what they saw must be
// explained by one history.
//
// As root on Linux each process has a network namespace of its own on a bridge, and partitions are routes that lead
// nowhere, in one direction or both. Where that is not permitted all run on the loopback, and what is taken away are
// processes only: kill -9, SIGSTOP.
package partition

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"larder/tests/internal/peer"
)

var binary string

func TestMain(m *testing.M) {
	program, err := peer.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = program.Path
	redis.SetLogger(silent{}) // clients of members that are down would say so thousands of times
	code := m.Run()
	for _, why := range inVain { // at the end of a log of which perhaps only the end is kept
		fmt.Fprintln(os.Stderr, why)
	}
	peer.RemoveBuild()
	os.Exit(code)
}

// silent is a log that nobody reads.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// group is a failover group of processes.
type group struct {
	t       *testing.T
	dir     string
	bridge  string // "" without namespaces
	network int    // the third number of its addresses
	small   bool   // what the members remember stands on disks that are small
	profile string
	safety  string
	more    []string // options of the data nodes
	air     *weather // nil: packets go straight
	nodes   []*node
}

// node is one member. What it remembers stands in its folder.
type node struct {
	g        *group
	n        int
	data     bool
	host     string
	port     int // for clients
	failover int
	sentinel int
	space    string   // network namespace
	args     []string // instead of those of a member of a group
	password string

	mu  sync.Mutex
	cmd *exec.Cmd
}

// steady is the profile for tests that go by who is primary: with a shorter lease a machine that stands still for half a second, as
// busy ones do, has another one by itself.
const steady = "wide"

// patience is how long a test waits for what has to happen: longer than any machine needs, however busy.
const patience = 3 * time.Minute

// late is how long a client waits for a reply before it asks again, perhaps somebody else: much less than that, for there are
// connections on which nothing comes.
const late = 20 * time.Second

var (
	groups int
	inVain []string // what was waited for in vain, and in which test
)

// newGroup starts a group and waits for its primary. wanted says whether the test is about partitions.
func newGroup(t *testing.T, data, witnesses int, profile, safety string, wanted bool) *group {
	t.Helper()
	g := layOut(t, data, witnesses, profile, safety, wanted)
	g.begin()
	g.settled(data - 1)
	return g
}

// layOut makes a group that is not started.
func layOut(t *testing.T, data, witnesses int, profile, safety string, wanted bool) *group {
	t.Helper()
	groups++
	g := &group{t: t, dir: t.TempDir(), profile: profile, safety: safety}
	if wanted {
		g.bridge = fmt.Sprintf("lrd%d-%d", os.Getpid()%10000, groups)
		if out, err := run("ip", "link", "add", g.bridge, "type", "bridge"); err != nil {
			t.Logf("no network namespaces here, only processes are taken away: %s", out)
			g.bridge = ""
		} else {
			t.Cleanup(func() { run("ip", "link", "del", g.bridge) })
			g.network = ownNetwork(t)
			g.must("ip", "addr", "add", g.address(254)+"/24", "dev", g.bridge)
			g.must("ip", "link", "set", g.bridge, "up")
		}
	}
	for i := range data + witnesses {
		n := &node{g: g, n: i, data: i < data, host: "127.0.0.1", port: freePort(t), failover: freePort(t), sentinel: freePort(t)}
		if g.bridge != "" {
			n.host, n.space = g.address(i+1), fmt.Sprintf("%s-%d", g.bridge, i)
			g.must("ip", "netns", "add", n.space)
			t.Cleanup(func() { run("ip", "netns", "del", n.space) })
			outer, inner := fmt.Sprintf("v%s%d", g.bridge[3:], i), "eth0"
			g.must("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", n.space)
			g.must("ip", "link", "set", outer, "master", g.bridge, "up")
			g.must("ip", "-n", n.space, "addr", "add", n.host+"/24", "dev", inner)
			g.must("ip", "-n", n.space, "link", "set", inner, "up")
			g.must("ip", "-n", n.space, "link", "set", "lo", "up")
		}
		if err := os.Mkdir(filepath.Join(g.dir, strconv.Itoa(i)), 0o755); err != nil {
			t.Fatal(err)
		}
		g.nodes = append(g.nodes, n)
	}
	if g.bridge != "" { // a disk of their own for what the members remember, which can be filled
		for _, n := range g.nodes {
			if err := os.Mkdir(n.memory(), 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", n.memory()); err != nil {
				t.Logf("no disks of their own: %s", out)
				break
			}
			g.small = true
			t.Cleanup(func() { run("umount", n.memory()) })
		}
	}
	t.Cleanup(func() {
		for _, n := range g.nodes {
			n.kill()
			if t.Failed() {
				log, _ := os.ReadFile(n.log())
				from := max(0, len(log)-6000)
				for _, what := range []string{"\npanic: ", "\nfatal error: ", "\nSIGQUIT: "} {
					if at := bytes.Index(log, []byte(what)); at >= 0 {
						from = max(0, at-6000)
					}
				}
				t.Logf("log of member %d (%s):\n%s", n.n, n.id(), log[from:min(len(log), from+30000)])
			}
		}
	})
	return g
}

func (g *group) begin() {
	for _, n := range g.nodes {
		n.start()
	}
}

// ownNetwork finds a network for a group that this machine does not have: several of these tests may run at once, and one that was
// killed has left its own.
func ownNetwork(t *testing.T) int {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	const networks = 250
	for i := range networks {
		n := (os.Getpid()*16 + groups + i) % networks
		if !slices.ContainsFunc(addrs, func(a net.Addr) bool { return strings.HasPrefix(a.String(), fmt.Sprintf("10.213.%d.", n)) }) {
			return n
		}
	}
	t.Fatal("there is no network left")
	return 0
}

// address is in the group's network.
func (g *group) address(last int) string { return fmt.Sprintf("10.213.%d.%d", g.network, last) }

func (g *group) must(words ...string) {
	g.t.Helper()
	if out, err := run(words...); err != nil {
		g.t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
}

func run(words ...string) (string, error) {
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	return string(out), err
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := peer.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (n *node) log() string  { return n.dir() + ".log" } // whose disk is never full
func (n *node) dir() string  { return filepath.Join(n.g.dir, strconv.Itoa(n.n)) }
func (n *node) id() string   { return net.JoinHostPort(n.host, strconv.Itoa(n.failover)) }
func (n *node) addr() string { return net.JoinHostPort(n.host, strconv.Itoa(n.port)) }

func (n *node) start() {
	n.g.t.Helper()
	var peers []string
	for _, o := range n.g.nodes {
		if o != n {
			peers = append(peers, o.id())
		}
	}
	var args []string
	if n.data {
		args = []string{
			binary, "serve", "--port", strconv.Itoa(n.port), "--bind", n.host, "--protected-mode", "no", "--dir", n.dir(), "--save", "", "--event-loops", "1",
			"--failover-group", "main", "--failover-listen", n.id(), "--failover-peers", strings.Join(peers, " "), "--sentinel-port", strconv.Itoa(n.sentinel),
			"--failover-profile", n.g.profile, "--write-safety", n.g.safety, "--failover-secret", "s3cret",
		}
		args = append(args, n.g.more...)
	} else {
		args = []string{
			binary, "witness", "--group", "main", "--listen", n.id(), "--peers", strings.Join(peers, ","), "--dir", n.dir(),
			"--sentinel-port", strconv.Itoa(n.sentinel), "--bind", n.host, "--profile", n.g.profile,
		}
	}
	if n.args != nil {
		args = append([]string{binary}, n.args...)
	}
	if n.space != "" {
		args = append([]string{"ip", "netns", "exec", n.space}, args...)
	}
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		n.g.t.Error(err)
		return
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "LARDER_FAILOVER_SECRET=s3cret", "GOMAXPROCS=2")
	if err := cmd.Start(); err != nil {
		n.g.t.Error(err)
		return
	}
	n.mu.Lock()
	n.cmd = cmd
	n.mu.Unlock()
}

// kill is kill -9. `ip netns exec` has become the server itself.
func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait() // says how it ended, which is known
		n.cmd = nil
	}
}

// end is SIGTERM: the process has to end by itself. If it does not, its log says what it is waiting for. One that cannot end at that
// moment, since it writes its first log, says so there, as Redis does, and is told again.
func (n *node) end() {
	n.g.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return
	}
	over := make(chan struct{})
	go func() {
		_ = n.cmd.Wait() // says how it ended, which is known
		close(over)
	}()
	refused := n.refusals()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGKILL} {
		_ = n.cmd.Process.Signal(sig)
		for late := time.After(30 * time.Second); late != nil; {
			select {
			case <-over:
				n.cmd = nil
				return
			case <-look.C:
				if now := n.refusals(); now > refused && sig == syscall.SIGTERM {
					refused = now
					_ = n.cmd.Process.Signal(sig)
				}
			case <-late:
				n.g.t.Errorf("member %d has not ended half a minute after %v", n.n, sig)
				late = nil
			}
		}
	}
}

// refusals is how often the process, and those before it, have said that they cannot end.
func (n *node) refusals() int {
	log, _ := os.ReadFile(n.log())
	return bytes.Count(log, []byte("Errors trying to shut down the server."))
}

func (n *node) signal(sig syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(sig)
	}
}

// stop is SIGSTOP, and waits until nothing of the process runs any more.
func (n *node) stop() {
	n.signal(syscall.SIGSTOP)
	n.mu.Lock()
	pid := n.cmd.Process.Pid
	n.mu.Unlock()
	n.g.wait("the process to stop", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, t := range threads {
			stat, _ := os.ReadFile(t)
			if _, state, ok := bytes.Cut(stat, []byte(") ")); ok && state[0] != 'T' {
				return false
			}
		}
		return err == nil // elsewhere than on Linux there is nothing to be seen
	})
}

// cut makes what n sends to o go nowhere.
func (g *group) cut(n, o *node) {
	switch {
	case n == o:
	case g.air != nil:
		g.air.set(n, o, func(l *link) { l.cut = true })
	case n.space != "":
		run("ip", "-n", n.space, "route", "add", "blackhole", o.host+"/32")
	}
}

func (g *group) heal() {
	if g.air != nil {
		g.air.clear()
		return
	}
	for _, n := range g.nodes {
		for _, o := range g.nodes {
			if n.space != "" && n != o {
				run("ip", "-n", n.space, "route", "del", "blackhole", o.host+"/32")
			}
		}
	}
}

// memory is where a member remembers what was decided.
func (n *node) memory() string { return filepath.Join(n.dir(), "failover") }

// fill leaves no room where n remembers what was decided, and tells whether that can be done here.
func (g *group) fill(n *node) bool {
	if !g.small {
		return false
	}
	f, err := os.Create(filepath.Join(n.memory(), "fill"))
	if err != nil {
		return false
	}
	defer f.Close()
	for size := 64 << 10; size >= 512; size /= 2 {
		for _, err = f.Write(make([]byte, size)); err == nil; _, err = f.Write(make([]byte, size)) {
		}
	}
	return true
}

// free ends fill.
func (g *group) free() {
	for _, n := range g.nodes {
		os.Remove(filepath.Join(n.memory(), "fill"))
	}
}

// primary asks the members who is primary and returns the answer of the latest epoch, nil if nobody knows.
func (g *group) primary() *node {
	var best *node
	epoch := int64(-1)
	for _, n := range g.nodes {
		c := redis.NewSentinelClient(&redis.Options{
			Addr: net.JoinHostPort(n.host, strconv.Itoa(n.sentinel)), DialTimeout: 500 * time.Millisecond, ReadTimeout: 500 * time.Millisecond, MaxRetries: -1, DialerRetries: 1,
		})
		m, err := c.Master(context.Background(), "main").Result()
		c.Close()
		if err != nil {
			continue
		}
		if e, _ := strconv.ParseInt(m["config-epoch"], 10, 64); e > epoch {
			for _, o := range g.nodes {
				if o.host == m["ip"] && strconv.Itoa(o.port) == m["port"] {
					best, epoch = o, e
				}
			}
		}
	}
	return best
}

// client talks to one node, with nothing done again by itself.
func (n *node) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: n.addr(), MaxRetries: -1, DialerRetries: 1, DialTimeout: 500 * time.Millisecond, ReadTimeout: time.Second, WriteTimeout: time.Second, Protocol: 2, DisableIdentity: true,
		Password: n.password,
	})
}

// settled waits for a primary with so many replicas that have everything, and returns it.
func (g *group) settled(replicas int) *node {
	g.t.Helper()
	var p *node
	g.wait("a primary with its replicas", func() bool {
		if p = g.primary(); p == nil {
			return false
		}
		c := p.client()
		defer c.Close()
		info, err := c.Info(context.Background(), "replication").Result()
		return err == nil && strings.Contains(info, "role:master") && !strings.Contains(info, "failover_lease_ms:0\r") &&
			strings.Count(info, "state=online") >= replicas
	})
	return p
}

func (g *group) wait(what string, ok func() bool) {
	g.t.Helper()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for end := time.After(patience); !ok(); {
		select {
		case <-t.C:
		case <-end:
			inVain = append(inVain, g.t.Name()+": waited in vain for "+what)
			g.t.Fatalf("waited in vain for %s\n%s", what, g.describe())
		}
	}
}

// describe is what each member says of itself, and where its goroutines stand: their log has it at its end.
func (g *group) describe() string {
	var b strings.Builder
	for _, n := range g.nodes {
		fmt.Fprintf(&b, "member %d (%s, clients %s):\n", n.n, n.id(), n.addr())
		c := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(n.host, strconv.Itoa(n.sentinel)), MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second,
			ReadTimeout: time.Second, Protocol: 2, DisableIdentity: true})
		info, err := c.Info(context.Background()).Result()
		master, err2 := c.Do(context.Background(), "sentinel", "master", "main").Result()
		c.Close()
		fmt.Fprintln(&b, strings.ReplaceAll(info, "\r", ""), err, master, err2)
		if n.data {
			c := n.client()
			info, err := c.Info(context.Background(), "replication", "persistence").Result()
			c.Close()
			fmt.Fprintln(&b, strings.ReplaceAll(info, "\r", ""), err)
		}
	}
	for _, n := range g.nodes {
		n.abort()
	}
	return b.String()
}

// abort is SIGQUIT, upon which a process writes where its goroutines stand, and ends.
func (n *node) abort() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGQUIT)
	stuck := time.AfterFunc(5*time.Second, func() { _ = n.cmd.Process.Kill() })
	_ = n.cmd.Wait()
	stuck.Stop()
	n.cmd = nil
}
