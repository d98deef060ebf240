package server

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/keyspace"
)

func TestConfigSetIsFollowed(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("config set hash-max-listpack-entries 2 set-max-intset-entries 3 zset-max-ziplist-value 1", "OK")
	c.want("config get hash-max-*-entries", []any{"hash-max-listpack-entries", "2", "hash-max-ziplist-entries", "2"})
	c.want("hset h a 1 b 2", 2)
	c.want("object encoding h", "listpack")
	c.want("hset h c 3", 1)
	c.want("object encoding h", "hashtable")
	c.want("sadd s 1 2 3", 3)
	c.want("object encoding s", "intset")
	c.want("sadd s 4", 1)
	if got := c.text("object encoding s"); got == "intset" {
		t.Errorf("four members are still %s", got)
	}
	c.want("zadd z 1 ab", 1)
	c.want("object encoding z", "skiplist")

	lru := replyError(errWithLFU)
	c.want("set k v", "OK")
	if idle, ok := c.do("object idletime k").(int64); !ok || idle > int64(patience.Seconds()) {
		t.Errorf("what was just written is idle for %d s", idle)
	}
	c.want("object freq k", replyError(errWithoutLFU))
	c.want("config set maxmemory-policy allkeys-lfu lfu-log-factor 0", "OK")
	c.want("set k v", "OK")
	c.want("object idletime k", lru)
	before := c.do("object freq k").(int64)
	c.want("get k", "v")
	c.want("object freq k", int(before+1)) // with the factor 0 every access counts

	c.want("config set proto-max-bulk-len 1mb", "OK")
	c.want("setrange big 1048576 x", replyError("ERR string exceeds maximum allowed size (proto-max-bulk-len)"))
}

const (
	errWithLFU    = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	errWithoutLFU = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)

func TestConfigSetIsAllOrNothing(t *testing.T) {
	c := startServer(t).dial()
	for request, why := range map[string]string{
		"config set timeout 5 maxmemory x":   "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
		"config set timeout 5 daemonize yes": "ERR CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config",
		"config set timeout 5 nothing 1":     "ERR Unknown option or number of arguments for CONFIG SET - 'nothing'",
		"config set timeout 5 timeout 6":     "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter",
		"config set timeout 5 hz":            "ERR syntax error",
	} {
		c.want(request, replyError(why))
		c.want("config get timeout", []any{"timeout", "0"})
	}
	// A port that is taken: the old one stays open, and the other value of the same request is put back.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := strings.Cut(ln.Addr().String(), ":")
	c.want("config set timeout 5 port "+port, replyError("ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."))
	c.want("config get timeout", []any{"timeout", "0"})
}

func TestConfigSetPort(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	port := freePort(t)
	c.want("config set port "+port, "OK")
	old := ts.addr
	ts.addr = "127.0.0.1:" + port
	ts.dial().want("ping", "PONG")
	if nc, err := net.Dial("tcp", old); err == nil {
		nc.Close()
		t.Error("the old port is still open")
	}
	c.want("ping", "PONG")
	if got := c.info("server", "tcp_port"); got != port {
		t.Errorf("tcp_port is %s, not %s", got, port)
	}
}

func TestConfigRewrite(t *testing.T) {
	startServer(t).dial().want("config rewrite", replyError("ERR The server is running without a config file"))

	path := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(path, []byte("# mine\ntimeout 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startServerWith(t, path).dial()
	c.want("config get timeout", []any{"timeout", "7"})
	c.want("config set timeout 8 maxmemory 1gb", "OK")
	c.want("config rewrite", "OK")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"# mine", "timeout 8", "maxmemory 1gb"} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("the file has no line %q:\n%s", line, text)
		}
	}
	if got := c.info("server", "config_file"); got != path {
		t.Errorf("config_file is %s", got)
	}
}

func TestResetstat(t *testing.T) {
	c := startServer(t).dial()
	for i := range 20 {
		c.do(fmt.Sprintf("set k%d v", i))
	}
	c.want("get nothing", nil)
	c.do("foo")
	c.want("auth nobody nothing", replyError("WRONGPASS invalid username-password pair or user is disabled."))
	c.want("save", "OK")
	c.want("bgrewriteaof", "Background append only file rewriting started")
	eventually(t, "a rewrite", func() bool {
		return c.number("persistence", "aof_rewrites") == 1 && c.number("persistence", "aof_rewrite_in_progress") == 0
	})
	c.want("config resetstat", "OK")
	// What is left is the INFO that asks, and RESETSTAT itself.
	if n := c.number("stats", "total_commands_processed"); n != 1 {
		t.Errorf("%d commands after RESETSTAT", n)
	}
	if n := c.number("stats", "acl_access_denied_auth"); n != 1 {
		t.Errorf("acl_access_denied_auth is %d after RESETSTAT", n)
	}
	for _, name := range []string{"rdb_saves", "aof_rewrites"} {
		if n := c.number("persistence", name); n != 0 {
			t.Errorf("%s is %d after RESETSTAT", name, n)
		}
	}
	for _, name := range []string{"keyspace_misses", "total_error_replies", "total_connections_received", "expired_keys", "total_forks"} {
		if n := c.number("stats", name); n != 0 {
			t.Errorf("%s is %d after RESETSTAT", name, n)
		}
	}
	if got := c.info("commandstats", "cmdstat_set"); got != "" {
		t.Errorf("cmdstat_set is %q after RESETSTAT", got)
	}
	if got := c.info("commandstats", "cmdstat_config|resetstat"); !strings.HasPrefix(got, "calls=1,") {
		t.Errorf("cmdstat_config|resetstat is %q", got)
	}
}

// TestResetstatOfWhatGoesOn: what defragmentation did is forgotten, and the time for which the data has been beyond maxmemory, also
// while it is.
func TestResetstatOfWhatGoesOn(t *testing.T) {
	ts := startServer(t, "--shards", "1", "--maxmemory-policy", "noeviction")
	c := ts.dial()
	c.want("debug populate 20000", "OK")
	c.do("eval", "for i = 0, 19999 do if i % 4 > 0 then redis.call('del', 'key:' .. i) end end", "0")
	c.want("config set maxmemory 1", "OK")
	eventually(t, "the limit to be noticed", func() bool { return ts.stats.overSince_ms.Load() != 0 })
	ts.stats.overSince_ms.Add(-1_000_000)
	ts.stats.over_ms.Store(1_000_000)
	ts.defrag.time.Store(int64(time.Hour))
	view := keyspace.NewView(ts.ks)
	view.Take(1)
	sh := ts.ks.Shard(0)
	for sh.StartDefrag(); sh.Defrag(defragBudget); {
	}
	view.Release()
	if moved, left := c.number("stats", "active_defrag_hits"), c.number("stats", "active_defrag_misses"); moved+left == 0 {
		t.Fatal("defragmentation has looked at nothing")
	}
	if n := c.number("stats", "total_eviction_exceeded_time"); n < 2_000_000 {
		t.Fatalf("the data has been beyond maxmemory for %d ms", n)
	}
	c.want("config resetstat", "OK")
	for _, name := range []string{"active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses", "total_active_defrag_time"} {
		if n := c.number("stats", name); n != 0 {
			t.Errorf("%s is %d after RESETSTAT", name, n)
		}
	}
	for _, name := range []string{"total_eviction_exceeded_time", "current_eviction_exceeded_time"} {
		if n := c.number("stats", name); n >= 1_000_000 {
			t.Errorf("%s is %d after RESETSTAT", name, n)
		}
	}
}

// TOUCH is an access, also for who says that its others are none, and in its scripts.
func TestTouchWithoutTouching(t *testing.T) {
	c := startServer(t).dial()
	c.want("set k v", "OK")
	c.want("client no-touch on", "OK")
	for _, touch := range []string{"touch k", "eval return(redis.call('touch','k')) 0"} {
		if got := c.do("restore", "k", "0", c.text("dump", "k"), "replace", "idletime", "1000"); got != "OK" {
			t.Fatal(got)
		}
		c.want("get k", "v")
		if n := c.do("object", "idletime", "k").(int64); n < 1000 {
			t.Fatalf("GET without touching: idle for %d s", n)
		}
		c.want(touch, 1)
		if n := c.do("object", "idletime", "k").(int64); n >= 1000 {
			t.Errorf("after %s: idle for %d s", touch, n)
		}
	}
}
