package partition

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var live = flag.Bool("live", false, "fetch client libraries of npm, too")

// TestRedisPyFollows: redis-py's Sentinel client follows a planned switch and a killed primary.
func TestRedisPyFollows(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import redis.sentinel").Run(); err != nil {
		t.Skip("there is no redis-py here")
	}
	follows(t, func(sentinels []string) *exec.Cmd {
		return exec.Command(python, append([]string{filepath.Join("testdata", "follow.py")}, sentinels...)...)
	})
}

// TestIORedisFollows: so does ioredis's.
func TestIORedisFollows(t *testing.T) {
	if !*live {
		t.Skip("libraries of npm are fetched with -live only")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir, "ioredis@5")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join("testdata", "follow.js"))
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "follow.js")
	if err := os.WriteFile(program, text, 0o600); err != nil {
		t.Fatal(err)
	}
	follows(t, func(sentinels []string) *exec.Cmd {
		return exec.Command("node", append([]string{program}, sentinels...)...)
	})
}

// follows has a program write to a group, to which it finds by Sentinel, through a planned switch and the death of a primary.
// In sync 1 all that it was told of is there in the end.
func follows(t *testing.T, program func(sentinels []string) *exec.Cmd) {
	g := newGroup(t, 3, 0, steady, "sync 1", false)
	p := g.settled(2)
	var sentinels []string
	for _, n := range g.nodes {
		sentinels = append(sentinels, net.JoinHostPort(n.host, strconv.Itoa(n.sentinel)))
	}
	cmd := program(sentinels)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says how it ended, which is known
	}()
	var wrote atomic.Int64
	done, failed := 0, 0
	over := make(chan struct{})
	go func() {
		defer close(over)
		for s := bufio.NewScanner(out); s.Scan(); {
			if n, _ := fmt.Sscanf(s.Text(), "end %d %d", &done, &failed); n == 2 {
				continue
			}
			if n, err := strconv.Atoi(s.Text()); err == nil {
				wrote.Store(int64(n))
			}
		}
	}()
	more := func(when string) { // some hundred increments
		t.Helper()
		from := wrote.Load()
		g.wait("more increments "+when, func() bool {
			select {
			case <-over:
				t.Fatalf("the program ended %s", when)
			default:
			}
			return wrote.Load() >= from+300
		})
	}
	more("at first")
	s := redis.NewSentinelClient(&redis.Options{Addr: sentinels[0], ReadTimeout: 20 * time.Second})
	defer s.Close()
	g.wait("a planned switch", func() bool { return s.Failover(t.Context(), "main").Err() == nil })
	more("after a planned switch")
	now := g.settled(2)
	if now == p {
		t.Error("the primary is the same")
	}
	now.kill()
	// What the program says may be older than the death of the primary; what the next one has is not.
	c := g.settled(1).client()
	defer c.Close()
	counter := func() int {
		n, err := c.Get(t.Context(), "counter").Int()
		if err != nil {
			return -1
		}
		return n
	}
	from := counter()
	g.wait("the program to find the next primary", func() bool { return counter() >= max(from, 0)+100 })
	in.Close()
	<-over
	if n := counter(); n < done || n > done+failed {
		t.Errorf("the counter is %d after %d increments that were acknowledged and %d that failed", n, done, failed)
	}
	t.Logf("%d increments, %d failed", done, failed)
}
