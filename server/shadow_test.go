package server

import (
	"strings"
	"testing"
)

// TestAFlushDuringASnapshotMakesRoom: what a snapshot still needs of a database that was emptied takes no room from what comes
// after it, as in Redis, where it is the child's. Writes were refused, or evicted what had just come, until the snapshot had ended.
func TestAFlushDuringASnapshotMakesRoom(t *testing.T) {
	for name, job := range map[string]struct{ begin, flush, policy string }{
		"snapshot":           {"bgsave", "flushdb", "noeviction"},
		"snapshot, evicting": {"bgsave", "flushdb async", "allkeys-lru"},
		"rewrite":            {"bgrewriteaof", "flushall", "noeviction"},
		"rewrite, evicting":  {"bgrewriteaof", "flushall async", "allkeys-s3fifo"},
	} {
		t.Run(name, func(t *testing.T) {
			const size, before, after = 5000, 4500, 3000
			ts := startServer(t, "--save", "", "--maxmemory", "28mb", "--maxmemory-policy", job.policy)
			c := ts.dial()
			c.want("debug populate "+itoa(before)+" key "+itoa(size), "OK")
			pages := func() int64 { return ts.pressingMemory(largeLimit) - ts.program.Load() }
			full := pages()
			c.want("config set rdb-key-save-delay "+forLong, "OK")
			c.do(job.begin)
			eventually(t, "the first keys are written", func() bool { return c.number("persistence", "current_save_keys_processed") > 0 })
			c.want(job.flush, "OK")
			value := strings.Repeat("x", size)
			for i := range int64(after) {
				if got := c.do("set", "new"+itoa(i), value); got != "OK" {
					t.Fatalf("write %d is answered with %v: %d bytes count", i, got, ts.countedMemory())
				}
			}
			c.want("dbsize", after)
			used, uncounted := c.number("memory", "used_memory"), c.number("memory", "mem_not_counted_for_evict")
			if used-uncounted < after*size || uncounted < before*size {
				t.Errorf("%d bytes are in use, of which %d do not count", used, uncounted)
			}
			if n := pages(); n < after*size || n > full-(before-after)*size/2 {
				t.Errorf("the pages that count are %d bytes after %d", n, full)
			}
			c.want("config set rdb-key-save-delay 0", "OK")
			eventually(t, "the end of the snapshot", func() bool { return ts.saver.job.Load() == nil })
			eventually(t, "the burial", func() bool { return c.number("memory", "lazyfree_pending_objects") == 0 })
			if n := c.number("memory", "mem_not_counted_for_evict"); n > uncounted-before*size {
				t.Errorf("%d bytes do not count when the snapshot is over, of %d before", n, uncounted)
			}
			c.want("dbsize", after)
			if n := c.number("stats", "evicted_keys"); n != 0 {
				t.Errorf("%d keys were evicted, and there is half the room left", n)
			}
		})
	}
}
