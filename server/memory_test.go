package server

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A replica that reads nothing costs memory that is told apart, and for which no key has to go.
func TestReplicaBehindCostsNoKey(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "16kb", "--maxmemory-policy", "allkeys-random")
	c, lazy := ts.dial(), ts.dial()
	c.want("debug populate 100 key 10000", "OK")
	if _, err := io.WriteString(lazy.nc, "*1\r\n$4\r\nSYNC\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	used := c.number("memory", "used_memory") - c.number("memory", "mem_not_counted_for_evict")
	c.want("config set maxmemory "+itoa(used+100<<10), "OK")
	normal := c.number("memory", "mem_clients_normal")
	value := strings.Repeat("x", 10000)
	for range 2000 {
		c.do("set", "key:0", value)
	}
	if n := c.number("memory", "mem_clients_slaves"); n < 8<<20 {
		t.Errorf("a replica that is 20 MB behind costs %d bytes", n)
	}
	if n := c.number("memory", "mem_not_counted_for_evict"); n < 8<<20 {
		t.Errorf("%d bytes are not counted", n)
	}
	if n := c.number("memory", "mem_clients_normal"); n > normal+64<<10 {
		t.Errorf("clients cost %d bytes, after %d", n, normal)
	}
	if n := c.number("stats", "evicted_keys"); n != 0 {
		t.Errorf("%d keys had to go", n)
	}
	c.want("client kill type replica", 1)
	eventually(t, "the end", func() bool { return c.number("memory", "mem_clients_slaves") == 0 })
}

// The buffers of replication are what all replicas share: with one of them its own memory goes, and nothing of these.
func TestReplicationBuffersAreShared(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "3600")
	c := ts.dial()
	replicas := []*testClient{ts.dial(), ts.dial()}
	for i, r := range replicas {
		if _, err := io.WriteString(r.nc, "*1\r\n$4\r\nSYNC\r\n"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the replica", func() bool {
			return strings.Contains(c.info("replication", "slave"+strconv.Itoa(i)), "state=online")
		})
	}
	c.do("set", "k", strings.Repeat("x", 100000))
	eventually(t, "a look at the replicas", func() bool { return c.number("memory", "mem_clients_slaves") > 0 })
	before := c.number("memory", "mem_total_replication_buffers")
	if before < 100000 {
		t.Errorf("the buffers take %d bytes", before)
	}
	replicas[0].nc.Close()
	eventually(t, "its end", func() bool { return c.info("replication", "connected_slaves") == "1" })
	if after := c.number("memory", "mem_total_replication_buffers"); after != before {
		t.Errorf("with a replica the buffers went from %d bytes to %d", before, after)
	}
}

// What the system says of the process is good for a moment, unless the data has grown.
func TestProcessFiguresAreKeptForAMoment(t *testing.T) {
	ts := startServer(t)
	old := &processFigures{at: time.Now().Add(time.Hour), resident: ts.ks.Resident()}
	ts.processSeen.Store(old)
	if ts.process() != old {
		t.Error("the system is asked again at once")
	}
	if old.resident += 2 * processDrift; ts.process() == old {
		t.Error("the system is not asked again when the data has grown")
	}
	old = &processFigures{resident: ts.ks.Resident()}
	ts.processSeen.Store(old)
	if p := ts.process(); p == old || p.rss <= 0 || p.heap <= 0 || p.heapUsed <= 0 || p.heapUsed > p.heap {
		t.Errorf("the figures are %+v", p)
	}
}

// Sections that say nothing of the data are there while somebody has all of it.
func TestInfoNeedsNoShardsItDoesNotLookAt(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	ts.ks.Lock(ts.ks.All())
	for _, section := range []string{"server", "replication", "cpu", "persistence", "commandstats"} {
		if text := c.text("info " + section); !strings.HasPrefix(strings.ToLower(text), "# "+section) {
			t.Errorf("INFO %s is %.40q", section, text)
		}
	}
	ts.ks.Unlock(ts.ks.All())
}

// Memory of a large key that was evicted, or deleted, is waited for before another key goes.
func TestEvictionGoesByWhatIsGoneAlready(t *testing.T) {
	ts := startServer(t, "--maxmemory-policy", "allkeys-random")
	c := ts.dial()
	const sets = 40
	for i := range sets {
		words := []string{"sadd", "set" + strconv.Itoa(i)}
		for m := range 3000 {
			words = append(words, "member-"+strconv.Itoa(m))
		}
		c.do(words...)
	}
	fill := func(prefix string, n int) {
		for i := range n {
			c.want("set "+prefix+strconv.Itoa(i)+" "+strings.Repeat("x", 50), "OK")
		}
	}
	used := func() int64 {
		return c.number("memory", "used_memory") - c.number("memory", "mem_not_counted_for_evict")
	}
	c.want("config set maxmemory "+itoa(used()+1000), "OK")
	fill("a", 200)
	if n := c.number("stats", "evicted_keys"); n < 1 || n > 5 {
		t.Errorf("%d keys had to go for 20 KB", n)
	}
	c.want("config set maxmemory 0 maxmemory-policy noeviction", "OK")
	c.want("debug pause-cron 1", "OK")
	before := used()
	for i := 0; c.do("del", "set"+strconv.Itoa(i)) != int64(1); i++ {
	}
	c.want("config set maxmemory "+itoa(before-10000), "OK")
	fill("b", 1) // there is room, though nobody has given it back yet
	c.want("debug pause-cron 0", "OK")
	c.want("config set maxmemory 0", "OK")
	for i := range sets {
		c.do("del", "set"+strconv.Itoa(i))
	}
	eventually(t, "the end of them all", func() bool { return ts.ks.Graves() == 0 && c.number("memory", "lazyfree_pending_objects") == 0 })
}

// TestTimeBeyondTheLimit has data beyond maxmemory that cannot be removed, for a while.
func TestTimeBeyondTheLimit(t *testing.T) {
	c := startServer(t).dial()
	c.want("set k v", "OK")
	if got := c.info("stats", "current_eviction_exceeded_time"); got != "0" {
		t.Errorf("without a limit it is %s", got)
	}
	c.want("config set maxmemory 1", "OK")
	eventually(t, "the time is counted", func() bool { return c.info("stats", "current_eviction_exceeded_time") != "0" })
	if c.info("stats", "total_eviction_exceeded_time") == "0" {
		t.Error("the time that is not over does not count")
	}
	c.want("config set maxmemory 0", "OK")
	eventually(t, "the time is over", func() bool { return c.info("stats", "current_eviction_exceeded_time") == "0" })
	if c.info("stats", "total_eviction_exceeded_time") == "0" {
		t.Error("the time is forgotten when it is over")
	}
	c.want("config resetstat", "OK")
	if got := c.info("stats", "total_eviction_exceeded_time"); got != "0" {
		t.Errorf("after CONFIG RESETSTAT it is %s", got)
	}
}

// TestLimitThatIsNone: a limit that the system does not let the process reach is spoken of.
func TestLimitThatIsNone(t *testing.T) {
	bound := memoryBound()
	if bound == 0 {
		t.Skip("it is not known how much memory there is")
	}
	const text = "maxmemory is more than all the memory"
	ts := startServer(t, "--maxmemory", strconv.FormatInt(2*bound, 10))
	if n := ts.logged(text); n == 0 {
		t.Error("nothing is said at the start")
	}
	said := ts.logged(text)
	c := ts.dial()
	c.want("config set maxmemory "+strconv.FormatInt(bound/2, 10), "OK")
	c.want("config set maxmemory 0", "OK")
	if n := ts.logged(text); n != said {
		t.Error("it is said of a limit that can be reached")
	}
	c.want("config set maxmemory "+strconv.FormatInt(bound+1, 10), "OK")
	if n := ts.logged(text); n != said+1 {
		t.Errorf("CONFIG SET: said %d times, not %d", n, said+1)
	}
}

// TestNothingLeavesWhileDataIsLoaded: what is being loaded is not what it will be. Of a list of which the log has pushed a part,
// the rest would be pushed onto nothing.
func TestNothingLeavesWhileDataIsLoaded(t *testing.T) {
	ts := startServer(t, "--maxmemory-policy", "allkeys-random")
	c := ts.dial()
	c.want("debug populate 100 key 10000", "OK")
	limit := c.number("memory", "used_memory") - 100<<10
	ts.beginLoading()
	ts.patience_ms.Store(0)
	c.want("config set maxmemory "+itoa(limit), "OK")
	c.want("ping", replyError("LOADING Redis is loading the dataset in memory"))
	eventually(t, "a look at the memory", func() bool { return c.number("stats", "current_eviction_exceeded_time") != 0 })
	if n := c.number("stats", "evicted_keys"); n != 0 {
		t.Errorf("%d keys had to go", n)
	}
	ts.endLoading()
	eventually(t, "room", func() bool {
		return c.number("stats", "evicted_keys") > 0 && c.number("memory", "used_memory") <= limit
	})
}
