package server

import (
	"fmt"
	"testing"

	"larder/datatypes/invariant"
	"larder/keyspace"
)

// straying is a server in which every value that goes to another shard is large enough for its key to become a stray.
func straying(t *testing.T, options ...string) *testServer {
	t.Helper()
	ts := startServer(t, append([]string{"--shards", "16", "--event-loops", "2"}, options...)...)
	ts.inWorldDo(func(*executor) { ts.ks.StrayLeast = 1 })
	return ts
}

// elsewhere is a key of another shard than key, which nobody has used. n tells several apart.
func (ts *testServer) elsewhere(key string, n int) string {
	home := ts.shardOf(key)
	for ; ; n += 1000 {
		if k := fmt.Sprintf("elsewhere:%d", n); ts.shardOf(k) != home {
			return k
		}
	}
}

func (ts *testServer) shardOf(key string) int { return ts.ks.ShardOf(ts.ks.Hash([]byte(key))) }

// strays is how many keys are not at home.
func (ts *testServer) strays() int { return len(ts.ks.Strays()) }

// check looks at everything that the server has.
func (ts *testServer) check() {
	ts.t.Helper()
	ts.ks.Lock(ts.ks.All())
	defer ts.ks.Unlock(ts.ks.All())
	if err := ts.ks.Check(); err != nil {
		ts.t.Error(err)
	}
}

// TestRenameFar renames values of all kinds to keys of other shards: what was there is gone, and all is as it was.
func TestRenameFar(t *testing.T) {
	ts := straying(t)
	c := ts.dial()
	for i, make := range []string{
		"rpush %s a b c", "sadd %s a b c", "hset %s f v g w", "zadd %s 1 a 2 b", "xadd %s 1-1 f v", "pfadd %s a b", "setrange %s 3000000 x",
	} {
		key := fmt.Sprintf("key:%d", i)
		to := ts.elsewhere(key, i)
		c.do(fmt.Sprintf(make, key))
		c.do("expire " + key + " 1000")
		c.want("sadd "+to+" what was there", 3)
		c.want("expire "+to+" 500", 1)
		digest := fmt.Sprint(c.do("debug digest-value " + key))
		before := ts.shardOf(key)
		c.want("renamenx "+key+" "+to, 0)
		c.want("rename "+key+" "+to, "OK")
		if ts.shardOf(to) != before || ts.strays() != i+1 {
			t.Errorf("%s went from shard %d to %d, %d strays", key, before, ts.shardOf(to), ts.strays())
		}
		c.want("exists "+key+" "+to, 1)
		if got := fmt.Sprint(c.do("debug digest-value " + to)); got != digest {
			t.Errorf("%s has become %s, was %s", make, got, digest)
		}
		if n := c.do("ttl " + to).(int64); n < 900 {
			t.Errorf("%s has %d s left", make, n)
		}
	}
	ts.check()
	all := c.text("debug digest")
	c.want("debug reload", "OK")
	if got := c.text("debug digest"); got != all {
		t.Errorf("loaded again it is %s, was %s", got, all)
	}
	ts.check()
}

// TestStraysGoHome: a key that is no more is at home again, as soon as nobody else can have it.
func TestStraysGoHome(t *testing.T) {
	ts := straying(t)
	c := ts.dial()
	to := ts.elsewhere("key", 0)
	home := ts.shardOf(to)
	c.want("rpush key a", 1)
	c.want("rename key "+to, "OK")
	c.want("move "+to+" 1", 1)
	c.want("rpush "+to+" b", 1)
	c.want("del "+to, 1)
	c.want("debug pause-cron 1", "OK")
	if ts.strays() != 1 {
		t.Fatalf("%d strays", ts.strays())
	}
	c.want("debug pause-cron 0", "OK")
	c.want("select 1", "OK")
	c.want("lrange "+to+" 0 -1", []any{"a"})
	c.want("rename "+to+" key", "OK") // back to where it came from
	c.want("lrange key 0 -1", []any{"a"})
	eventually(t, "the way home", func() bool { return ts.strays() == 0 })
	if ts.shardOf(to) != home {
		t.Errorf("%s is in shard %d, its home is %d", to, ts.shardOf(to), home)
	}
	ts.check()
}

// TestFarIsNotForgotten: who watches a key, or waits for it, goes with it.
func TestFarIsNotForgotten(t *testing.T) {
	ts := straying(t)
	c, watcher, waiter, mover := ts.dial(), ts.dial(), ts.dial(), ts.dial()
	to := ts.elsewhere("key", 0)
	watched := func(change string, spoils bool) {
		t.Helper()
		watcher.want("watch "+to, "OK")
		watcher.want("multi", "OK")
		watcher.want("ping", "QUEUED")
		c.do(change)
		if got := watcher.do("exec"); (got == nil) != spoils {
			t.Errorf("after %s the transaction gives %v", change, got)
		}
	}
	c.want("zadd key 1 a", 1)
	watched("rename key "+to, true)
	watched("zadd "+to+" 2 b", true)
	watched("zadd other 2 b", false)
	c.want("del "+to, 1)
	waiter.send("blpop " + to + " 0")
	mover.send("blmove list " + to + " left right 0") // which does not wait for this key
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 2 })
	c.want("zadd key 1 a 2 b", 2)
	c.want("rename key "+to, "OK") // here already
	c.want("del "+to, 1)
	eventually(t, "the way home", func() bool { return ts.strays() == 0 })
	c.want("rpush key one two", 2)
	c.want("rename key "+to, "OK")
	if got := fmt.Sprint(waiter.read()); got != fmt.Sprint([]any{to, "one"}) {
		t.Errorf("who waits for a list that comes from afar gets %s", got)
	}
	c.want("rpush list three", 1)
	if got := mover.read(); got != "three" {
		t.Errorf("who waits to move to it gets %v", got)
	}
	c.want("lrange "+to+" 0 -1", []any{"two", "three"})
	c.want("debug pause-cron 1", "OK")
	c.want("del "+to, 1)
	waiter.send("bzpopmin " + to + " 0") // a stray, though it is not there
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	ts.inWorldDo(func(ex *executor) { // as a replica does, which has loaded a snapshot aside
		fresh, err := ts.ks.Fresh(1)
		if err != nil {
			t.Error(err)
			return
		}
		ts.putInPlace(ex, fresh)
		fresh.Close()
	})
	if ts.strays() != 0 {
		t.Errorf("%d strays among new data", ts.strays())
	}
	c.want("zadd "+to+" 1 a", 1)
	if got := fmt.Sprint(waiter.read()); got != fmt.Sprint([]any{to, "a", "1"}) {
		t.Errorf("who waits since before gets %s", got)
	}
	c.want("debug pause-cron 0", "OK")
	ts.check()
	interest := 0
	for i := range ts.ks.Shards() {
		interest += ts.ks.Shard(i).Interest
	}
	if interest != 0 {
		t.Errorf("%d want to hear of changes", interest)
	}
}

// TestRenameFarInside: in a transaction it is done as outside, in a script by a copy; and where another database has the key.
func TestRenameFarInside(t *testing.T) {
	ts := straying(t)
	c := ts.dial()
	to := ts.elsewhere("key", 0)
	c.want("rpush key a b", 2)
	c.want("multi", "OK")
	c.want("rpush key c", "QUEUED")
	c.want("rename key "+to, "QUEUED")
	c.want("rpush "+to+" d", "QUEUED")
	c.want("exec", []any{int64(3), "OK", int64(4)})
	if ts.strays() != 1 {
		t.Errorf("%d strays after the transaction", ts.strays())
	}
	third := ts.elsewhere(to, 1)
	c.want("eval redis.call('rename',KEYS[1],KEYS[2]) 2 "+to+" "+third, nil)
	c.want("lrange "+third+" 0 -1", []any{"a", "b", "c", "d"})
	if ts.shardOf(third) == ts.shardOf(to) {
		t.Error("a script has made a stray")
	}
	eventually(t, "the way home", func() bool { return ts.strays() == 0 })
	c.want("select 1", "OK")
	c.want("set "+to+" there", "OK")
	c.want("select 0", "OK")
	c.want("rename "+third+" "+to, "OK")
	if ts.strays() != 0 {
		t.Error("a key of two databases went astray")
	}
	c.want("lrange "+to+" 0 -1", []any{"a", "b", "c", "d"})
	ts.check()
}

// TestRenameFarIsReplicated: a replica, the log and what is renamed there.
func TestRenameFarIsReplicated(t *testing.T) {
	dir := t.TempDir()
	ts := straying(t, "--appendonly", "yes", "--dir", dir, "--repl-diskless-sync-delay", "0")
	rs := straying(t)
	c, r := ts.dial(), rs.dial()
	r.want("replicaof 127.0.0.1 "+ts.addr[len("127.0.0.1:"):], "OK")
	eventually(t, "the link", func() bool { return r.info("replication", "master_link_status") == "up" })
	to := ts.elsewhere("key", 0)
	for n := range 20 {
		c.do("zadd", "key", fmt.Sprint(n), "a", "2", "b")
		if n%2 == 0 {
			c.want("rename key "+to, "OK")
			continue
		}
		c.want("multi", "OK")
		c.want("rename key "+to, "QUEUED")
		c.want("exec", []any{"OK"})
	}
	digest := c.text("debug digest")
	eventually(t, "the replica", func() bool { return r.text("debug digest") == digest })
	c.want("debug loadaof", "OK")
	if got := c.text("debug digest"); got != digest {
		t.Errorf("loaded from the log it is %s, was %s", got, digest)
	}
	ts.check()
	ts.stop()
	ts = straying(t, "--appendonly", "yes", "--dir", dir, "--shards", "64")
	c = ts.dial()
	if got := c.text("debug digest"); got != digest {
		t.Errorf("after a restart it is %s, was %s", got, digest)
	}
	if invariant.Enabled && ts.shardOf(to) != ts.shardOf("key") { // else it is too small while the log is loaded
		t.Error("loaded from the log it was copied")
	}
	ts.check()
	rs.check()
}

// TestRenamingFarAmidOthers: strays come and go while others use the same keys.
func TestRenamingFarAmidOthers(t *testing.T) {
	ts := straying(t)
	keys := make([]string, 6)
	for i := range keys {
		keys[i] = ts.elsewhere("key", i)
	}
	done := make(chan struct{})
	for g := range 4 {
		c := ts.dial()
		go func() {
			defer func() { done <- struct{}{} }()
			for n := range 600 {
				a, b := keys[(n*7+g)%len(keys)], keys[(n*3+g*5+1)%len(keys)]
				switch n % 7 {
				case 0, 1:
					c.do("rpush", a, fmt.Sprint(n))
				case 2, 3:
					c.do("rename", a, b)
				case 4:
					c.do("lmove", a, b, "left", "right")
				case 5:
					c.do("blmove", a, b, "left", "right", "0.001")
				case 6:
					if c.do("watch", a); n%5 == 0 {
						c.do("del", b)
					}
					c.do("multi")
					c.do("llen", a)
					c.do("exec")
				}
			}
		}()
	}
	for range 4 {
		<-done
	}
	ts.check()
	c := ts.dial()
	c.want("flushall", "OK")
	eventually(t, "the way home", func() bool { return ts.strays() == 0 })
	for h, s := range ts.ks.Strays() {
		t.Errorf("%x: %+v", h, s)
	}
	ts.ks.Lock(ts.ks.All())
	defer ts.ks.Unlock(ts.ks.All())
	var set keyspace.Set
	for _, k := range keys {
		set |= 1 << ts.shardOf(k)
	}
	if set&(set-1) == 0 {
		t.Error("all keys have the same home")
	}
}
