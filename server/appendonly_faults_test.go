package server

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestFaultsAtRandom has a disk that now and then is full, fails, or writes a part, while clients write in every way, the log is
// rewritten, switched off and on and its policy changes. When the disk works again what is loaded is what the server had.
func TestFaultsAtRandom(t *testing.T) {
	disk := newBadDisk(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("k "+strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	policies := []string{"always", "everysec", "no"}
	for n, file := range []string{"", key, "", key, "", key} {
		if testing.Short() && n > 1 {
			break
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1)) // of who has disk.mu
		dir := t.TempDir()
		options := []string{"--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", policies[n%3], "--encryption-key-file", file,
			"--auto-aof-rewrite-min-size", "4kb", "--auto-aof-rewrite-percentage", "50"}
		ts := startServer(t, options...)
		ts.inWorldDo(func(*executor) { ts.ks.CopyLeast, ts.ks.CopyStep = 20, 5 })
		disk.set(func(op, name string) error {
			if !strings.HasPrefix(name, dir) || rnd.IntN(5) > 0 {
				return nil
			}
			return []error{syscall.ENOSPC, syscall.EIO, errHalf}[rnd.IntN(3)]
		})
		var all sync.WaitGroup
		for w := range 3 {
			c, rnd := ts.dial(), rand.New(rand.NewPCG(seed, uint64(w+2)))
			all.Go(func() {
				for i := range 120 {
					k := fmt.Sprintf("%d:%d", w, rnd.IntN(20))
					switch rnd.IntN(7) {
					case 0:
						c.do("set", k, strings.Repeat("v", rnd.IntN(300)))
					case 1:
						c.do("rpush", "l"+k, fmt.Sprint(i), "x")
					case 2:
						c.do("sadd", "m", k, fmt.Sprint(i))
					case 3:
						c.do("multi")
						c.do("incr", "a")
						c.do("incr", "b")
						c.do("exec")
					case 4:
						c.do("eval", "redis.call('incr', 'a') redis.call('incr', 'b') redis.call('set', KEYS[1], ARGV[1])", "1", k, fmt.Sprint(i))
					case 5:
						c.do("copy", "m", "copy"+k, "replace")
					case 6:
						c.do("spop", "m", "2")
					}
				}
			})
		}
		c := ts.dial()
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 9))
			for range 30 {
				c.do(strings.Fields([]string{"bgrewriteaof", "config set appendfsync " + policies[rnd.IntN(3)], "config set appendonly no", "config set appendonly yes",
					"config set appendonly yes", "waitaof 1 0 20", "config set aof-use-rdb-preamble " + []string{"yes", "no"}[rnd.IntN(2)], "ping"}[rnd.IntN(8)])...)
			}
		})
		all.Wait()
		disk.set(nil)
		eventually(t, "the log", func() bool {
			ts.aof.failures.Store(0) // else it is tried a minute later
			c.do("config set appendonly yes")
			f := c.fields("persistence")
			return ts.aof.state.Load() == logOn && f["aof_last_write_status"] == "ok" && f["aof_rewrite_in_progress"] == "0"
		})
		if a, b := c.do("get a"), c.do("get b"); a != b {
			t.Errorf("%v and %v were counted together", a, b)
		}
		want := digest(c)
		ts.stop()
		again := startServer(t, options...)
		if got := digest(again.dial()); got != want {
			t.Fatalf("with %v the data differs", options[6:10])
		}
		again.stop()
	}
}
