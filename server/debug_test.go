package server

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestDebugGate(t *testing.T) {
	c := startServer(t, "--enable-debug-command", "no").dial()
	if e, _ := c.do("debug sleep 0").(replyError); !strings.HasPrefix(string(e), "ERR DEBUG command not allowed.") {
		t.Errorf("DEBUG answers %q", e)
	}
	c = startServer(t, "--enable-debug-command", "local").dial()
	c.want("debug sleep 0", "OK")
}

// The digests are those of redis-server 7.0 for the same data.
func TestDebugDigest(t *testing.T) {
	c := startServer(t).dial()
	none := strings.Repeat("0", 40)
	c.want("debug digest", none)
	for _, request := range []string{
		"set foo bar", "set n 12345", "set e x ex 100000", "hset h x y", "sadd s 1 2 3", "rpush l a", "zadd z 1 a 2 b 3.5 c -inf d",
	} {
		c.do(request)
	}
	c.want("debug digest-value nothing foo h s l z", []any{none, "68467c70ae30376e7ce005bcc8827f5ba7fd67dc",
		"fb314c44c7c22e72fffa027b3ab6a392a9999d82", "2a462a3f51a1db89738ebbeef0c47ce1bbc85246",
		"9f9b4ebb7ec9fb8b52717ecab999fbde97541a50", "af2318a1c216c5bc41499480437903ea2de2c39f"})
	c.want("debug digest", "ccdffbd1720c50edcc5fc2702048400f7aaa8ce4")
	c.want("select 3", "OK")
	c.want("set x y", "OK")
	c.want("debug digest", "a28f8c0ca66f063efdf9f9ae9a14d8ed73c2a006")
	c.want("expire x 1000", 1)
	c.want("debug digest", "23a16d1b27cf2074a1d571f50ac3e3cd18234aef")
}

func TestDebugPopulate(t *testing.T) {
	c := startServer(t).dial()
	c.want("set p:1 old", "OK")
	c.want("debug populate 3 p 10", "OK")
	c.want("mget p:0 p:1 p:2 p:3", []any{"value:0\x00\x00\x00", "old", "value:2\x00\x00\x00", nil})
	c.want("debug populate 2", "OK")
	c.want("get key:1", "value:1")
	c.want("debug populate x", replyError("ERR value is out of range, must be positive"))
}

func TestDebugSleepStopsAll(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--watchdog-period", "100")
	var others []*testClient
	for range 8 {
		c := ts.dial()
		c.want("ping", "PONG")
		others = append(others, c)
	}
	sleeper := ts.dial()
	start := time.Now()
	sleeper.send("debug sleep 0.5")
	eventually(t, "the sleep", ts.sleeps) // or it is over, on a machine that is busy
	for _, c := range others {
		c.want("ping", "PONG")
	}
	if d := time.Since(start); d < 500*time.Millisecond {
		t.Errorf("a client was answered after %v", d)
	}
	if got := sleeper.read(); got != "OK" {
		t.Errorf("DEBUG SLEEP answers %v", got)
	}
}

func TestDebugSwitches(t *testing.T) {
	c := startServer(t).dial()
	c.want("debug set-active-expire 0", "OK")
	c.want("set k v px 1", "OK")
	for range 50 {
		c.want("debug sleep 0.001", "OK")
	}
	c.want("dbsize", 1) // nobody has asked for it
	c.want("debug set-active-expire 1", "OK")
	eventually(t, "expiry", func() bool { return c.do("dbsize") == int64(0) })
	c.want("debug pause-cron 1", "OK")
	c.want("set k v px 1", "OK")
	for range 50 {
		c.want("debug sleep 0.001", "OK")
	}
	c.want("dbsize", 1)
	c.want("debug pause-cron 0", "OK")
	eventually(t, "expiry", func() bool { return c.do("dbsize") == int64(0) })

	first := c.info("replication", "master_replid")
	c.want("debug change-repl-id", "OK")
	if next := c.info("replication", "master_replid"); len(next) != 40 || next == first {
		t.Errorf("the replication ID is %q, then %q", first, next)
	}
	c.want("debug nothing", replyError("ERR unknown subcommand or wrong number of arguments for 'nothing'. Try DEBUG HELP."))
	c.want("debug sleep", replyError("ERR unknown subcommand or wrong number of arguments for 'sleep'. Try DEBUG HELP."))
	if l := c.list("debug help"); l[0] != "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:" || len(l) != 2*len(debugCommands)+3 {
		t.Errorf("DEBUG HELP is %v", l)
	}
	c.want("debug error", replyError("ERR unknown subcommand or wrong number of arguments for 'error'. Try DEBUG HELP."))
	if got := c.do("debug", "error", "MINE of two words"); got != replyError("MINE of two words") {
		t.Errorf("DEBUG ERROR answers %v", got)
	}
}

func TestDebugObject(t *testing.T) {
	c := startServer(t).dial()
	c.want("debug object nothing", replyError("ERR no such key"))
	c.want("set k 20000", "OK")
	before := strings.Fields(c.text("debug object k"))
	c.want("incr k", 20001)
	after := strings.Fields(c.text("debug object k"))
	if !strings.HasPrefix(before[1], "at:0x") || before[1] != after[1] {
		t.Errorf("INCR moved the value from %s to %s", before[1], after[1])
	}
	if before[3] != "encoding:int" {
		t.Errorf("the encoding is %s", before[3])
	}
	c.want("set text bar", "OK")
	c.want("rpush list a bc", 2)
	for key, n := range map[string]string{"k": "3", "text": "4", "list": "17"} { // what Redis 7 says, too
		if got := strings.Fields(c.text("debug object " + key))[4]; got != "serializedlength:"+n {
			t.Errorf("the value of %s has %s, %s wanted", key, got, n)
		}
	}
	if hits := c.number("stats", "keyspace_hits"); hits != 0 {
		t.Errorf("INCR and DEBUG OBJECT count as %d reads", hits)
	}
}

func TestShutdown(t *testing.T) {
	ts := startServer(t)
	c, other := ts.dial(), ts.dial()
	other.want("ping", "PONG")
	for _, wrong := range []string{"shutdown x", "shutdown save nosave", "shutdown abort now"} {
		c.want(wrong, replyError("ERR syntax error"))
	}
	c.want("shutdown abort", replyError("ERR No shutdown in progress."))
	c.send("shutdown nosave")
	for _, x := range []*testClient{c, other} {
		if _, err := x.r.ReadByte(); err == nil {
			t.Error("a client was answered")
		}
	}
	<-ts.stopped
}

func TestDebugObjectOfALongList(t *testing.T) {
	c := startServer(t).dial()
	for range 300 {
		c.do("rpush", "l", strings.Repeat("x", 100))
	}
	facts := func() map[string]string {
		m := map[string]string{}
		for _, f := range strings.Fields(c.text("debug object l")) {
			name, value, _ := strings.Cut(f, ":")
			m[name] = value
		}
		return m
	}
	m := facts()
	nodes, _ := strconv.Atoi(m["ql_nodes"])
	size, _ := strconv.Atoi(m["ql_uncompressed_size"])
	if m["encoding"] != "quicklist" || nodes < 2 || size < 300*100 || m["ql_avg_node"] != fmt.Sprintf("%.2f", 300/float64(nodes)) {
		t.Errorf("DEBUG OBJECT is %v", m)
	}
	if m["ql_listpack_max"] != "-2" || m["ql_compressed"] != "0" {
		t.Errorf("the limits are %v", m)
	}
	c.want("config set list-max-listpack-size -1 list-compress-depth 3", "OK")
	if m := facts(); m["ql_listpack_max"] != "-1" || m["ql_compressed"] != "1" {
		t.Errorf("then the limits are %v", m)
	}
}
