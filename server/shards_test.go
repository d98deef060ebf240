package server

import (
	"fmt"
	"testing"
)

func TestShardsFor(t *testing.T) {
	for _, c := range []struct{ wanted, loops, shards int }{
		{1, 8, 1}, {64, 1, 64}, {0, 1, 16}, {0, 2, 16}, {0, 3, 32}, {0, 4, 32}, {0, 5, 64}, {0, 8, 64}, {0, 1024, 64},
	} {
		if n := shardsFor(c.wanted, c.loops); n != c.shards {
			t.Errorf("shards %d with %d loops are %d, not %d", c.wanted, c.loops, n, c.shards)
		}
	}
}

// Who gives back what was dropped in a shard, step by step, lets those in who want the shard.
func TestBurialLetsOthersIn(t *testing.T) {
	ts := startServer(t, "--shards", "1")
	ts.dial().want("debug pause-cron 1", "OK") // who would give it back, too
	c := ts.dial()
	for i := range 100 {
		words := []string{"sadd", "big"}
		for k := range 2000 {
			words = append(words, fmt.Sprint(i, "-", k))
		}
		c.do(words...)
	}
	c.want("unlink big", 1)
	ts.ks.Lock(1)
	var left int
	entered := make(chan struct{})
	go func() {
		ts.ks.Lock(1)
		left = ts.ks.Shard(0).Buried()
		ts.ks.Unlock(1)
		close(entered)
	}()
	eventually(t, "waiting", func() bool { return ts.ks.Wanted(1) })
	over := make(chan struct{})
	go func() {
		ts.buryAll()
		close(over)
	}()
	ts.ks.Unlock(1)
	<-entered
	<-over
	if left == 0 {
		t.Error("nobody came in before all was done")
	}
}
