package server

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// copier is a server that copies everything that is no string in steps; the steps do nothing before goOn.
func copier(t *testing.T, options ...string) *testServer {
	t.Helper()
	ts := startServer(t, append([]string{"--event-loops", "2", "--save", ""}, options...)...)
	ts.steps(0)
	return ts
}

// steps sets how much a step copies.
func (ts *testServer) steps(n int) {
	ts.inWorldDo(func(*executor) { ts.ks.CopyLeast, ts.ks.CopyStep = 50, n })
}

// copying waits until so many values are being copied, by clients that wait.
func (ts *testServer) copying(n int) {
	ts.t.Helper()
	eventually(ts.t, "copying", func() bool {
		waiting := 0
		ts.inWorldDo(func(*executor) {
			for _, ex := range ts.executors {
				waiting += len(ex.copying)
			}
		})
		return waiting == n
	})
}

// noCopies fails the test if something is left of a copy.
func (ts *testServer) noCopies() {
	ts.t.Helper()
	ts.copying(0)
	eventually(ts.t, "the end of the copies", func() bool { return ts.copies.some.Load() == 0 })
	ts.check() // which would find memory that nobody knows
}

// large makes a value of 400 elements, and returns its digest.
func (c *testClient) large(kind, key string) string {
	c.t.Helper()
	c.do("del", key)
	for i := range 400 {
		c.do(strings.Fields(fmt.Sprintf(map[string]string{
			"list": "rpush %[1]s element:%0200[2]d", "set": "sadd %s element:%d", "hash": "hset %s field:%[2]d value:%0100[2]d",
			"zset": "zadd %s %d member:%[2]d", "stream": "xadd %s %d-1 field value:%0200[2]d", "string": "setrange %s %d000 x",
		}[kind], key, i+1))...)
	}
	return c.digest(key)
}

func (c *testClient) digest(key string) string {
	c.t.Helper()
	return fmt.Sprint(c.do("debug digest-value " + key))
}

// parked waits until so many clients wait.
func (c *testClient) parked(n int64) {
	c.t.Helper()
	eventually(c.t, "waiting", func() bool { return c.number("clients", "blocked_clients") == n })
}

// TestCopyInSteps: while a value is copied others go on, but for who would change it; the copy is what it was at the end, and
// is not there before.
func TestCopyInSteps(t *testing.T) {
	for _, kind := range []string{"list", "set", "hash", "zset", "stream", "string"} {
		for _, far := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/far %v", kind, far), func(t *testing.T) {
				ts := copier(t)
				c, o, w := ts.dial(), ts.dial(), ts.dial()
				src := "{a}src"
				dst := src + "copy"
				for n := 0; (ts.shardOf(dst) == ts.shardOf(src)) == far; n++ {
					dst = fmt.Sprint(src, n)
				}
				o.large(kind, src)
				o.want("expire "+src+" 1000", 1)
				digest := o.digest(src)
				keys := o.do("dbsize")
				c.send("copy " + src + " " + dst)
				c.send("ping")
				ts.copying(1)
				w.send("del " + src)
				o.parked(2)
				if got := o.digest(src); got != digest {
					t.Errorf("the source is %s, was %s", got, digest)
				}
				o.want("exists "+dst, 0)
				if got := o.do("dbsize"); got != keys {
					t.Errorf("%v keys, before %v", got, keys)
				}
				o.want("set "+dst+" x", "OK") // in the same shards
				o.want("del "+dst, 1)
				ts.check()
				ts.steps(20)
				if got := c.read(); got != int64(1) {
					t.Errorf("COPY answers %v", got)
				}
				if got := c.read(); got != "PONG" {
					t.Errorf("what was sent after it answers %v", got)
				}
				if got := w.read(); got != int64(1) {
					t.Errorf("who waited to remove the source has removed %v", got)
				}
				if got := o.digest(dst); got != digest {
					t.Errorf("%s is copied as %s", digest, got)
				}
				if n := o.do("ttl " + dst).(int64); n < 900 {
					t.Errorf("the copy has %d s left", n)
				}
				ts.noCopies()
			})
		}
	}
}

// TestCopyLooksAtItsEnd: whether there is something at the destination is what it is when the copy is complete.
func TestCopyLooksAtItsEnd(t *testing.T) {
	ts := copier(t)
	c, o := ts.dial(), ts.dial()
	digest := o.large("set", "src")
	o.want("set dst here", "OK")
	c.want("copy src dst", 0) // at once
	c.send("copy src dst2")
	ts.copying(1)
	o.want("set dst2 here", "OK")
	ts.steps(10)
	if got := c.read(); got != int64(0) {
		t.Errorf("COPY to a key that has come meanwhile answers %v", got)
	}
	ts.noCopies()
	ts.steps(0)
	c.send("copy src dst replace db 3")
	ts.copying(1)
	o.want("select 3", "OK")
	o.want("rpush dst here", 1)
	ts.steps(10)
	if got := c.read(); got != int64(1) {
		t.Errorf("COPY that replaces answers %v", got)
	}
	if got := o.digest("dst"); got != digest {
		t.Errorf("%s is copied as %s", digest, got)
	}
	ts.noCopies()
}

// TestCopyLooksAgain: what cannot wait for a copy makes it begin again.
func TestCopyLooksAgain(t *testing.T) {
	for _, c := range []struct {
		what     string
		requests []string
		reply    int64
		size     int64 // of the copy
	}{
		{"everything goes", []string{"flushall"}, 0, 0},
		{"the database goes", []string{"flushdb"}, 0, 0},
		{"another database goes", []string{"select 2", "flushdb"}, 1, 400},
		{"the database is exchanged", []string{"swapdb 0 1"}, 0, 0},
		{"there and back", []string{"multi", "swapdb 0 1", "swapdb 1 0", "exec"}, 1, 400},
		{"a script comes upon it", []string{"eval return(redis.call('sadd','src','one','more')) 0"}, 1, 402},
		{"a script removes it", []string{"eval return(redis.call('del','src')) 0"}, 0, 0},
		{"the data are loaded again", []string{"debug reload"}, 1, 400},
	} {
		t.Run(c.what, func(t *testing.T) {
			ts := copier(t)
			a, o := ts.dial(), ts.dial()
			o.large("set", "src")
			a.send("copy src dst")
			ts.copying(1)
			for _, rq := range c.requests {
				if e, bad := o.do(rq).(replyError); bad {
					t.Errorf("%s: %s", rq, e)
				}
			}
			ts.steps(10)
			if got := a.read(); got != c.reply {
				t.Errorf("COPY answers %v", got)
			}
			a.want("scard dst", int(c.size))
			ts.noCopies()
		})
	}
}

// TestCopyEnds: however often its source is changed by who cannot wait, COPY comes to its end.
func TestCopyEnds(t *testing.T) {
	ts := copier(t)
	c, o := ts.dial(), ts.dial()
	o.large("zset", "src")
	c.send("copy src dst")
	for i := range copyTries {
		ts.copying(1)
		before := ts.firstJob()
		o.want("eval return(redis.call('zadd','src','5000','new"+fmt.Sprint(i)+"')) 0", 1)
		if i+1 < copyTries {
			eventually(t, "a new beginning", func() bool { j := ts.firstJob(); return j != nil && j != before })
		}
	}
	if got := c.read(); got != int64(1) {
		t.Errorf("COPY answers %v", got)
	}
	c.want("zcard dst", 400+copyTries)
	ts.noCopies()
}

// firstJob is a copy that is being made.
func (ts *testServer) firstJob() (j *copyJob) {
	ts.inWorldDo(func(*executor) {
		for _, ex := range ts.executors {
			if len(ex.copying) > 0 {
				j = ex.copying[0]
			}
		}
	})
	return j
}

// TestCopyOfExpired: the time of the source comes while it is copied.
func TestCopyOfExpired(t *testing.T) {
	ts := copier(t)
	c, o := ts.dial(), ts.dial()
	o.large("hash", "src")
	o.want("pexpire src 20", 1)
	c.send("copy src dst")
	if got := c.read(); got != int64(0) {
		t.Errorf("COPY of what is no more answers %v", got)
	}
	ts.noCopies()
	// Fields go only when the copy is complete: they would make it begin again and again.
	o.large("hash", "src")
	o.want("debug set-active-expire 0", "OK") // or it may be gone before
	o.want("hpexpire src 1 fields 1 field:7", []any{int64(1)})
	c.send("copy src dst")
	ts.copying(1)
	o.want("debug set-active-expire 1", "OK")
	eventually(t, "the time of a field", func() bool { return o.do("hget src field:7") == nil })
	o.want("hlen src", 400)
	ts.steps(20)
	if got := c.read(); got != int64(1) {
		t.Errorf("COPY answers %v", got)
	}
	for _, key := range []string{"src", "dst"} {
		eventually(t, "the end of a field", func() bool { return o.do("hlen "+key) == int64(399) })
	}
	ts.noCopies()
}

// TestCopyIsGivenBack: who copies goes, is killed or is refused, and nothing is left.
func TestCopyIsGivenBack(t *testing.T) {
	ts := copier(t)
	o, w := ts.dial(), ts.dial()
	o.large("set", "src")
	for _, end := range []func(c *testClient){
		func(c *testClient) { // had it said that it sends no more, it might wait for the reply
			if err := c.nc.(*net.TCPConn).SetLinger(0); err != nil {
				t.Error(err)
			}
			c.nc.Close()
		},
		func(*testClient) { o.do("client kill type normal") }, // the other one's and this one's
	} {
		c := ts.dial()
		c.send("copy src dst")
		ts.copying(1)
		w.send("sadd src more")
		o.parked(2)
		if end(c); o.nc != nil {
			o = ts.dial()
		}
		ts.noCopies()
		w.nc.Close()
		w = ts.dial()
	}
	c := ts.dial()
	c.send("copy src dst")
	ts.copying(1)
	o.want("config set maxmemory 1", "OK") // while the copy is made: it was let in before
	o.want("set key x", replyError("OOM command not allowed when used memory > 'maxmemory'."))
	ts.steps(10)
	if got := c.read(); got != int64(1) {
		t.Errorf("COPY that was let in answers %v", got)
	}
	c.want("copy src dst replace", replyError("OOM command not allowed when used memory > 'maxmemory'."))
	o.want("config set maxmemory 0", "OK")
	ts.steps(0)
	c.send("copy src dst replace")
	ts.copying(1)
	o.want("client pause 100000 write", "OK")
	ts.steps(10)
	ts.copying(0)
	o.want("client unpause", "OK")
	if got := c.read(); got != int64(1) {
		t.Errorf("COPY answers %v after a pause", got)
	}
	ts.noCopies()
	ts.steps(0)
	c.send("copy src dst replace")
	ts.copying(1)
	o.want("replicaof 127.0.0.1 1", "OK")
	ts.steps(10)
	if got := fmt.Sprint(c.read()); !strings.Contains(got, "READONLY") && !strings.Contains(got, "UNBLOCKED") {
		t.Errorf("COPY answers %v at a replica", got)
	}
	ts.noCopies()
}

// TestCopiesThatCross: two clients copy each other's sources over.
func TestCopiesThatCross(t *testing.T) {
	ts := copier(t)
	a, b, o := ts.dial(), ts.dial(), ts.dial()
	x, y := o.large("set", "x"), o.large("zset", "y")
	a.send("copy x y replace")
	ts.copying(1)
	b.send("copy y x replace") // waits: it would change x
	o.parked(2)
	ts.steps(10)
	if p, q := a.read(), b.read(); p != int64(1) || q != int64(1) {
		t.Errorf("they answer %v and %v", p, q)
	}
	if p, q := o.digest("x"), o.digest("y"); p != x || q != x {
		t.Errorf("they are %s and %s, were %s and %s", p, q, x, y)
	}
	for range 100 { // now both at once, as it comes
		a.send("copy x y replace")
		b.send("copy y x replace")
		if p, q := a.read(), b.read(); p != int64(1) || q != int64(1) {
			t.Fatalf("they answer %v and %v", p, q)
		}
	}
	ts.noCopies()
}

// TestCopyInTransaction: the COPYs of a transaction are made ahead, and it is as atomic as ever.
func TestCopyInTransaction(t *testing.T) {
	ts := copier(t)
	c, o, w := ts.dial(), ts.dial(), ts.dial()
	one, two := o.large("list", "one"), o.large("hash", "two")
	c.want("watch other", "OK")
	c.want("multi", "OK")
	for _, rq := range []string{"copy one copy:1", "copy two copy:2", "sadd new a", "copy new copy:3", "rpush one more", "copy one copy:4", "select 4", "copy nothing here"} {
		c.want(rq, "QUEUED")
	}
	c.send("exec")
	ts.copying(1)
	w.send("hset two field:1 changed")
	o.parked(2)
	o.want("exists copy:1 copy:2 new", 0)
	o.want("llen one", 400)
	ts.steps(10)
	if got := fmt.Sprint(c.read()); got != "[1 1 1 1 401 1 OK 0]" {
		t.Errorf("EXEC answers %s", got)
	}
	if got := w.read(); got != int64(0) {
		t.Errorf("who waited to change a source gets %v", got)
	}
	if got := o.digest("copy:1"); got != one {
		t.Errorf("%s is copied as %s", one, got)
	}
	if got := o.digest("copy:2"); got != two {
		t.Errorf("%s is copied as %s", two, got)
	}
	o.want("llen copy:4", 401)
	o.want("smembers copy:3", []any{"a"})
	ts.noCopies()
	ts.steps(0)
	c.want("select 0", "OK")
	c.want("watch other", "OK")
	c.want("multi", "OK")
	c.want("copy one copy:5", "QUEUED")
	c.send("exec")
	ts.copying(1)
	o.want("set other x", "OK")
	ts.steps(10)
	if got := c.read(); got != nil {
		t.Errorf("EXEC answers %v though a watched key has changed", got)
	}
	ts.noCopies()
}

// TestCopyIsHeardOf: who watches the destination, waits for it, has it in a cache or follows the server hears of the copy
// when it is complete, and once.
func TestCopyIsHeardOf(t *testing.T) {
	ts := copier(t, "--notify-keyspace-events", "KEA", "--repl-diskless-sync-delay", "0", "--appendonly", "yes")
	b := copier(t, "--repl-diskless-sync-delay", "0")
	b.follow(ts)
	b.steps(7)
	c, o, watcher, waiter, listener, cache := ts.dial(), ts.dial(), ts.dial(), ts.dial(), ts.dial(), ts.dial()
	o.large("zset", "src")
	cache.want("hello 3", cache.do("hello 3"))
	cache.want("client tracking on", "OK")
	cache.want("exists dst", 0)
	watcher.want("watch dst", "OK")
	watcher.want("multi", "OK")
	watcher.want("ping", "QUEUED")
	waiter.send("bzpopmin dst 0")
	o.parked(1)
	listener.want("psubscribe __keyspace@0__:dst", []any{"psubscribe", "__keyspace@0__:dst", int64(1)})
	dirty := o.number("persistence", "rdb_changes_since_last_save")
	c.send("copy src dst")
	ts.copying(1)
	o.parked(2)
	ts.steps(10)
	if got := c.read(); got != int64(1) {
		t.Errorf("COPY answers %v", got)
	}
	if got := fmt.Sprint(waiter.read()); got != "[dst member:1 1]" {
		t.Errorf("who waits for the copy gets %s", got)
	}
	if got := watcher.do("exec"); got != nil {
		t.Errorf("who watches it executes %v", got)
	}
	if got := fmt.Sprint(cache.read()); got != "[invalidate [dst]]" {
		t.Errorf("who has it in a cache hears %s", got)
	}
	for _, event := range []string{"copy_to", "zpopmin"} {
		for got := listener.read().([]any)[3]; got != event; got = listener.read().([]any)[3] {
			if got != "new" {
				t.Errorf("the event %v, not %s", got, event)
			}
		}
	}
	if n := o.number("persistence", "rdb_changes_since_last_save") - dirty; n != 2 {
		t.Errorf("%d changes", n)
	}
	o.want("zcard dst", 399)
	same(t, ts, b)
	b.noCopies()
	digest := o.text("debug digest")
	o.want("debug loadaof", "OK")
	if got := o.text("debug digest"); got != digest {
		t.Errorf("from the log comes %s, was %s", got, digest)
	}
	ts.noCopies()
}

// TestCopyLetsWritesIn: who wants to change a value that is copied again and again has its turn.
func TestCopyLetsWritesIn(t *testing.T) {
	ts := copier(t)
	o := ts.dial()
	o.large("zset", "src")
	ts.steps(5)
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for i := range 3 {
		c := ts.dial()
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					c.do(fmt.Sprintf("copy src dst:%d replace", i))
				}
			}
		})
	}
	for i := range 20 {
		o.want(fmt.Sprintf("zadd src 7 new:%d", i), 1)
	}
	close(stop)
	wait.Wait()
	ts.noCopies()
}

// TestCopiesAreWhole: a copy is never of two states of its source, whoever changes that at the same time, and how.
func TestCopiesAreWhole(t *testing.T) {
	ts := copier(t, "--shards", "2")
	ts.steps(11)
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	var wait sync.WaitGroup
	for writer := range 3 {
		c := ts.dial()
		wait.Go(func() {
			for n := range rounds {
				items := strings.Repeat(fmt.Sprintf(" %d.%d.%0100d", writer, n, 0), 300)
				switch writer {
				case 0:
					c.do("multi")
					c.do("del src")
					c.do("rpush src" + items)
					c.do("exec")
				case 1:
					c.do("rpush other" + items)
					c.do("rename other src")
				default:
					c.do(append([]string{"eval", "redis.call('del','src') for i=1,300 do redis.call('rpush','src',ARGV[1]) end", "0"}, strings.Fields(items)[0])...)
				}
			}
		})
	}
	for i := range 3 {
		c := ts.dial()
		wait.Go(func() {
			for range rounds {
				dst := fmt.Sprintf("dst:%d", i)
				if c.do("copy src "+dst+" replace") != int64(1) {
					continue
				}
				items := c.list("lrange " + dst + " 0 -1")
				for _, item := range items {
					if item != items[0] {
						t.Errorf("%v and %v in one copy", items[0], item)
						break
					}
				}
				if len(items) != 300 {
					t.Errorf("a copy of %d items", len(items))
				}
			}
		})
	}
	wait.Wait()
	ts.noCopies()
}
