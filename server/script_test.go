package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"larder/server/command"
	"larder/server/script"
)

const endless = "while true do end"

// busy starts a script that does not end and waits until the server says that it is busy.
func (ts *testServer) busy(words ...string) *testClient {
	ts.t.Helper()
	c, other := ts.dial(), ts.dial()
	c.send(words...)
	eventually(ts.t, "the server is busy", func() bool {
		e, is := other.do("PING").(replyError)
		return is && strings.HasPrefix(string(e), "BUSY ")
	})
	return c
}

func isError(v any, prefix string) bool {
	e, ok := v.(replyError)
	return ok && strings.HasPrefix(string(e), prefix)
}

func TestBusyServerAnswersEverybody(t *testing.T) {
	ts := startServer(t, "--busy-reply-threshold", "5", "--event-loops", "2")
	clients := make([]*testClient, 8) // on both loops
	for i := range clients {
		clients[i] = ts.dial()
		clients[i].do("PING")
	}
	c := ts.busy("EVAL", endless, "0")
	for _, o := range clients {
		for _, request := range []string{"GET x", "SET x 1", "FLUSHALL", "CLIENT LIST", "KEYS *", "EVAL return 0"} {
			words := strings.Fields(request)
			if words[0] == "EVAL" {
				words = []string{"EVAL", "return 1", "0"}
			}
			if v := o.do(words...); !isError(v, "BUSY ") {
				t.Errorf("%s: %v", request, v)
			}
		}
		if v := o.do("MULTI"); v != "OK" {
			t.Errorf("MULTI: %v", v)
		}
		if v := o.do("INCR", "x"); !isError(v, "BUSY ") {
			t.Errorf("a queued command: %v", v)
		}
		if v := o.do("EXEC"); !isError(v, "EXECABORT ") {
			t.Errorf("EXEC: %v", v)
		}
		if v := o.do("FUNCTION", "KILL"); !isError(v, "BUSY ") {
			t.Errorf("FUNCTION KILL of a script: %v", v)
		}
	}
	late := ts.dial() // accepted while the script runs
	if v := late.do("GET", "x"); !isError(v, "BUSY ") {
		t.Errorf("a new client: %v", v)
	}
	if v := late.do("SCRIPT", "KILL"); v != "OK" {
		t.Errorf("SCRIPT KILL: %v", v)
	}
	if v := c.read(); !isError(v, "ERR Script killed by user with SCRIPT KILL") {
		t.Errorf("the script: %v", v)
	}
	eventually(t, "the server answers again", func() bool { return late.do("PING") == "PONG" })
	if v := late.do("SCRIPT", "KILL"); !isError(v, "NOTBUSY ") {
		t.Errorf("SCRIPT KILL of nothing: %v", v)
	}
}

// TestOtherLoopsKnowWhatRuns: a function is shown, and can be killed, before it has made the server busy.
func TestOtherLoopsKnowWhatRuns(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "0")
	loopOf := func(c *testClient) int { return ts.clients.find(c.do("CLIENT", "ID").(int64)).conn.Loop().Index }
	c, o := ts.dial(), ts.dial()
	for loopOf(o) == loopOf(c) {
		o = ts.dial()
	}
	c.do("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function{function_name='f', callback=function() while true do end end, flags={'no-writes'}}")
	c.send("FCALL", "f", "0")
	var stats string
	eventually(t, "the function is shown", func() bool {
		stats = fmt.Sprint(o.do("FUNCTION", "STATS"))
		return strings.Contains(stats, "duration_ms")
	})
	if !strings.Contains(stats, "[name f command [FCALL f 0] duration_ms") {
		t.Errorf("FUNCTION STATS shows %s", stats)
	}
	if v := o.do("SCRIPT", "KILL"); !isError(v, "NOTBUSY ") {
		t.Errorf("SCRIPT KILL of a function: %v", v)
	}
	if v := o.do("FUNCTION", "KILL"); v != "OK" {
		t.Errorf("FUNCTION KILL: %v", v)
	}
	if v := c.read(); !isError(v, "ERR Script killed by user with SCRIPT KILL") {
		t.Errorf("the function replied %v", v)
	}
}

func TestScriptThatCatchesEverythingCanBeKilled(t *testing.T) {
	ts := startServer(t, "--busy-reply-threshold", "5")
	c := ts.busy("EVAL", "while true do pcall(function() while true do end end) end", "0")
	if v := ts.dial().do("SCRIPT", "KILL"); v != "OK" {
		t.Fatal(v)
	}
	if v := c.read(); !isError(v, "ERR Script killed by user") {
		t.Error(v)
	}
	c = ts.busy("EVAL", "local f = coroutine.wrap(function() while true do end end) f()", "0")
	if v := ts.dial().do("SCRIPT", "KILL"); v != "OK" {
		t.Fatal(v)
	}
	if v := c.read(); !isError(v, "ERR Script killed by user") {
		t.Error(v)
	}
}

// A client that wants no replies gets none from a busy server either.
func TestBusyServerKeepsSilence(t *testing.T) {
	ts := startServer(t, "--busy-reply-threshold", "5")
	a, skips := ts.dial(), ts.dial()
	a.send("client reply off")
	a.send("select 0")
	skips.send("client reply skip")
	c := ts.dial()
	eventually(t, "silence", func() bool {
		list := c.text("client list")
		return strings.Contains(list, "cmd=select") && strings.Contains(list, "cmd=client|reply")
	})
	b := ts.busy("EVAL", endless, "0")
	a.send("get k")
	skips.send("get k")
	if v := skips.do("get other"); !isError(v, "BUSY ") {
		t.Error(v)
	}
	a.send("script kill")
	if v := b.read(); !isError(v, "ERR Script killed by user") {
		t.Error(v)
	}
	a.want("client reply on", "OK")
	skips.want("get k", nil)
}

func TestScriptThatHasWrittenIsNotKilled(t *testing.T) {
	ts := startServer(t, "--busy-reply-threshold", "5")
	ts.busy("EVAL", "redis.call('SET', KEYS[1], '1') "+endless, "1", "x")
	c := ts.dial()
	if v := c.do("SCRIPT", "KILL"); !isError(v, "UNKILLABLE ") {
		t.Fatal(v)
	}
	if v := c.do("SHUTDOWN"); !isError(v, "BUSY ") {
		t.Fatal(v)
	}
	c.send("SHUTDOWN", "NOSAVE")
	<-ts.stopped
}

func TestScriptLimits(t *testing.T) {
	ts := startServer(t, "--script-time-limit", "20")
	c := ts.dial()
	if v := c.do("EVAL", endless, "0"); !isError(v, "ERR Script killed: it ran for longer than script-time-limit") {
		t.Error(v)
	}
	c.do("CONFIG", "SET", "script-time-limit", "0", "script-memory-limit", "16mb")
	if v := c.do("EVAL", "local t = {} while true do t[#t+1] = {} end", "0"); !isError(v, "ERR Script killed: not enough memory") {
		t.Error(v)
	}
	const many = "local s, t = string.rep('x', 1000000), {} for i = 1, 1000 do t[i] = s%s end return %s"
	for _, greedy := range []string{
		fmt.Sprintf(many, "", "t"),
		fmt.Sprintf(many, "", "{map = {a = t}}"),
		fmt.Sprintf(many, " .. i", "#t"),
		"cjson.encode_sparse_array(true, 0, 0) return #cjson.encode({[30000000] = 1})",
		"local t = {} for i = 1, 24 do t = {t, t} end return t",
	} {
		if v := c.do("EVAL", greedy, "0"); !isError(v, "ERR Script killed: not enough memory") {
			t.Errorf("%s: %.60s", greedy, fmt.Sprint(v))
		}
	}
	for _, long := range []string{"return string.rep('x', 1000000000)", "local a = string.rep('x', 300000000) local b = a .. a return #(b .. 'x')"} {
		if v := c.do("EVAL", long, "0"); !isError(v, "ERR user_script:1: not enough memory") && !isError(v, "ERR Script killed: not enough memory") {
			t.Errorf("%s: %.60s", long, fmt.Sprint(v))
		}
	}
}

// TestScriptProvenWrongly takes a script that strays for one that does not: it must not wait for what another one holds.
func TestScriptProvenWrongly(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	sha := c.do("SCRIPT", "LOAD", "return {KEYS[1], redis.call('SET', ARGV[1], '1')}").(string)
	ts.scripts.mu.Lock() // under which a loop finds it
	ts.scripts.bySHA[sha].Declared = true
	ts.scripts.mu.Unlock()
	for i := range 10 {
		if v := c.do("EVALSHA", sha, "1", "a", fmt.Sprint("b", i)); isError(v, errNotDeclared.Error()) {
			return
		}
	}
	t.Error("the script touches keys of all shards")
}

// TestStrayingScriptsAreAtomic runs scripts that touch keys which they do not declare beside others that declare theirs,
// transactions and commands on many keys, all against each other.
func TestStrayingScriptsAreAtomic(t *testing.T) {
	ts := startServer(t, "--event-loops", "4")
	const keys, rounds = 12, 150
	name := func(i int) string { return fmt.Sprintf("k%d", i%keys) }
	setup := ts.dial()
	for i := range keys {
		setup.do("SET", name(i), "1000")
	}
	move := "redis.call('DECRBY', %s, 1) redis.call('INCRBY', %s, 1) return 1"
	var all sync.WaitGroup
	for n := range 8 {
		c := ts.dial()
		all.Go(func() {
			for i := range rounds {
				a, b := name(i*7+n), name(i*5+n*3+1)
				switch n % 4 {
				case 0: // nothing is declared
					c.do("EVAL", fmt.Sprintf(move, "ARGV[1]", "ARGV[2]"), "0", a, b)
				case 1: // the second key is not declared, and found after a write
					c.do("EVAL", fmt.Sprintf(move, "KEYS[1]", "ARGV[1]"), "1", a, b)
				case 2:
					c.do("EVAL", fmt.Sprintf(move, "KEYS[1]", "KEYS[2]"), "2", a, b)
				case 3:
					c.do("MULTI")
					c.do("DECRBY", a, "1")
					c.do("INCRBY", b, "1")
					c.do("EXEC")
				}
			}
		})
	}
	check := ts.dial()
	sum := "local n = 0 for i = 0, 11 do n = n + redis.call('GET', 'k' .. i) end return n"
	for range rounds {
		if v := check.do("EVAL", sum, "0"); v != int64(1000*keys) {
			t.Fatalf("a script sees a sum of %v", v)
		}
	}
	all.Wait()
	if v := check.do("EVAL", sum, "0"); v != int64(1000*keys) {
		t.Fatalf("the sum is %v in the end", v)
	}
}

// TestDeclaredScriptsRunBesideEachOther lets one script hold its shard, and others run meanwhile.
func TestDeclaredScriptsRunBesideEachOther(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "0")
	a, b := "a", ""
	for i := 0; ; i++ { // keys of different shards
		b = fmt.Sprint("b", i)
		if ts.ks.ShardOf(ts.ks.Hash([]byte(a))) != ts.ks.ShardOf(ts.ks.Hash([]byte(b))) {
			break
		}
	}
	first, second := ts.dial(), ts.dial()
	for first.loopOf(ts) == second.loopOf(ts) {
		second = ts.dial()
	}
	first.send("EVAL", "redis.call('SET', KEYS[1], '1') "+endless, "1", a)
	eventually(t, "the first script runs", func() bool {
		for _, ex := range ts.executors {
			if r := ex.running.Load(); r != nil && r.wrote() {
				return true
			}
		}
		return false
	})
	if v := second.do("EVAL", "return redis.call('INCR', KEYS[1])", "1", b); v != int64(1) {
		t.Errorf("the second script: %v", v)
	}
	running := false
	for _, ex := range ts.executors {
		if r := ex.running.Load(); r != nil {
			running = true
			r.kill.Store(true)
		}
	}
	if !running {
		t.Error("the first script is over")
	}
	if v := first.read(); !isError(v, "ERR Script killed") {
		t.Error(v)
	}
}

// loopOf is the executor that serves the client.
func (c *testClient) loopOf(ts *testServer) *executor {
	c.t.Helper()
	id := c.do("CLIENT", "ID").(int64)
	return ts.clients.find(id).ex
}

func TestFunctionsKeepTheirState(t *testing.T) {
	ts := startServer(t, "--event-loops", "4")
	c := ts.dial()
	c.do("FUNCTION", "LOAD", "#!lua name=counter\nlocal n = 0\nredis.register_function('count', function() n = n + 1 return n end)")
	for i := range 12 {
		if v := ts.dial().do("FCALL", "count", "0"); v != int64(i+1) {
			t.Fatalf("call %d gives %v", i, v)
		}
	}
	c.do("MULTI")
	c.do("FCALL", "count", "0")
	c.do("FCALL", "count", "0")
	if v := fmt.Sprint(c.do("EXEC")); v != "[13 14]" {
		t.Error(v)
	}
}

// TestLibrariesComeWhileFunctionsRun loads libraries in the transaction that calls one, and while others call one that keeps
// a state.
func TestLibrariesComeWhileFunctionsRun(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	const text = "#!lua name=counter\nlocal n = 0\nredis.register_function('count', function(keys) n = n + 1 return redis.call('INCR', keys[1]) end)"
	caller, loader := ts.dial(), ts.dial()
	for caller.loopOf(ts) == loader.loopOf(ts) {
		loader = ts.dial()
	}
	caller.do("FUNCTION", "LOAD", text)
	payload := caller.text("FUNCTION", "DUMP")
	caller.do("MULTI")
	caller.do("FCALL", "count", "1", "k")
	caller.do("FUNCTION", "LOAD", "REPLACE", text)
	caller.do("FUNCTION", "RESTORE", payload, "REPLACE")
	caller.do("FCALL", "count", "1", "k")
	if v := fmt.Sprint(caller.do("EXEC")); v != "[1 counter OK 2]" {
		t.Error(v)
	}
	const times = 300
	var all sync.WaitGroup
	all.Go(func() {
		for range times {
			caller.do("FCALL", "count", "1", "k")
		}
	})
	all.Go(func() {
		for range times {
			loader.do("FUNCTION", "LOAD", "REPLACE", text)
			loader.do("FUNCTION", "RESTORE", payload, "REPLACE")
		}
	})
	all.Wait()
	if v := caller.do("GET", "k"); v != fmt.Sprint(2+times) {
		t.Error(v)
	}
}

func TestEffectsOfScripts(t *testing.T) {
	ts := startServer(t)
	c, log := ts.dial(), ts.attachSink(command.ToLog)
	for _, step := range []struct {
		send []string
		want string
	}{
		{[]string{"EVAL", "redis.call('SET', KEYS[1], '1') redis.call('GET', KEYS[1]) redis.call('INCR', KEYS[1])", "1", "x"}, "MULTI\nSELECT 0\nSET x 1\nINCR x\nEXEC"},
		{[]string{"EVAL", "redis.set_repl(redis.REPL_NONE) redis.call('SET', KEYS[1], '2')", "1", "x"}, ""},
		{[]string{"EVAL", "return redis.call('GET', KEYS[1])", "1", "x"}, ""},
		{[]string{"EVAL", "redis.call('SET', KEYS[1], '3') error('late')", "1", "x"}, "SET x 3"},
		{[]string{"FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function(k) return redis.call('DEL', k[1]) end)"},
			"FUNCTION LOAD #!lua name=l\nredis.register_function('f', function(k) return redis.call('DEL', k[1]) end)"},
		{[]string{"FCALL", "f", "1", "x"}, "DEL x"},
		{[]string{"FUNCTION", "FLUSH"}, "FUNCTION FLUSH"},
	} {
		c.do(step.send...)
		if got := requests(t, log.take()); got != step.want {
			t.Errorf("%q gives %q, want %q", step.send, got, step.want)
		}
	}
}

// MONITOR shows a script before what it calls.
func TestMonitorShowsScripts(t *testing.T) {
	ts := startServer(t)
	c, m := ts.dial(), ts.dial()
	c.do("function", "load", "#!lua name=l\nredis.register_function('f', function() return redis.call('get', 'k') end)")
	m.want("monitor", "OK")
	c.do("eval", "return redis.call('get', KEYS[1])", "1", "k")
	c.want("fcall f 0", nil)
	c.want("ping", "PONG")
	for _, want := range []string{`"eval" "return`, `lua] "get" "k"`, `"fcall" "f"`, `lua] "get" "k"`, `"ping"`} {
		if got := m.read().(string); !strings.Contains(got, want) {
			t.Errorf("MONITOR shows %q, not %q", got, want)
		}
	}
}

// Of scripts that come with EVAL the 500 that were used last are kept; those of SCRIPT LOAD all are.
func TestScriptsOfEvalMakeRoom(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c, other := ts.dial(), ts.dial()
	body := func(i int) string { return fmt.Sprint("return ", i) }
	sha := func(i int) string { return script.SHA([]byte(body(i))) }
	want := func(cached, evicted int64) {
		t.Helper()
		if got := c.number("memory", "number_of_cached_scripts"); got != cached {
			t.Errorf("%d scripts are cached, want %d", got, cached)
		}
		if got := c.number("stats", "evicted_scripts"); got != evicted {
			t.Errorf("%d scripts made room, want %d", got, evicted)
		}
	}
	for i := range 500 {
		c.do("EVAL", body(i), "0")
	}
	c.do("SCRIPT", "LOAD", body(1000))
	c.do("EVAL", body(0), "0")
	other.do("EVALSHA", sha(1), "0")
	c.do("EVALSHA", strings.ToUpper(sha(2)), "0")
	c.do("SCRIPT", "LOAD", body(3))
	c.do("SCRIPT", "LOAD", body(3))
	want(501, 0)
	c.do("EVAL", body(1001), "0") // takes the place of 3
	want(502, 0)
	c.do("EVAL", body(1002), "0") // takes that of 4
	want(502, 1)
	for _, i := range []int{0, 1, 2, 3, 5, 499, 1000, 1001, 1002} {
		for _, c := range []*testClient{c, other} {
			if v := c.do("EVALSHA", sha(i), "0"); v != int64(i) {
				t.Errorf("script %d gives %v", i, v)
			}
		}
	}
	for _, c := range []*testClient{c, other} {
		if v := c.do("EVALSHA", sha(4), "0"); !isError(v, "NOSCRIPT ") {
			t.Errorf("a script that has made room gives %v", v)
		}
	}
	for i := 2000; i < 4000; i++ {
		if v := other.do("EVAL", body(i), "0"); v != int64(i) {
			t.Fatalf("script %d gives %v", i, v)
		}
	}
	want(502, 2001)
	if v := c.do("EVALSHA", sha(1000), "0"); v != int64(1000) {
		t.Errorf("a script that was loaded gives %v", v)
	}
	if v := c.do("EVALSHA", sha(5), "0"); !isError(v, "NOSCRIPT ") {
		t.Errorf("a script of long ago gives %v", v)
	}
	c.do("CONFIG", "RESETSTAT")
	want(502, 0)
	c.do("SCRIPT", "FLUSH")
	want(0, 0)
	if v := other.do("EVAL", body(3999), "0"); v != int64(3999) {
		t.Errorf("after the flush: %v", v)
	}
	want(1, 0)
}

func TestScriptTimeMovesOnceItIsSlow(t *testing.T) {
	c := startServer(t, "--busy-reply-threshold", "5").dial()
	if v := c.do("EVAL", `
		local function now() local t = redis.call('time') return t[1] * 1000000 + t[2] end
		local began = now()
		while now() < began + 20000 do end
		return 'ended'`, "0"); v != "ended" {
		t.Error(v)
	}
}

// TestLongScriptTimes: times of more nanoseconds than there are do not pass at once.
func TestLongScriptTimes(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("config set script-time-limit 18446744073710 busy-reply-threshold 18446744073710", "OK")
	if v := c.do("EVAL", "local n = 0 for i = 1, 300000 do n = n + i % 7 end return 1", "0"); v != int64(1) {
		t.Errorf("the script replies %v", v)
	}
	if n := ts.logged("Slow script detected"); n != 0 {
		t.Error("the script is called slow")
	}
}

// TestTransactionsOfScripts has transactions of scripts that touch the same keys in opposite orders, declared and not: they
// take what they need before they begin, or one after the other, and never wait for each other.
func TestTransactionsOfScripts(t *testing.T) {
	ts := startServer(t, "--event-loops", "4")
	const keys, rounds = 12, 60
	var all sync.WaitGroup
	for n := range 6 {
		c := ts.dial()
		all.Go(func() {
			for range rounds {
				c.do("MULTI")
				for i := range keys {
					if n%2 == 1 {
						i = keys - 1 - i
					}
					if key := fmt.Sprint("k", i); n%3 == 0 {
						c.do("EVAL", "return redis.call('INCR', ARGV[1])", "0", key)
					} else {
						c.do("EVAL", "return redis.call('INCR', KEYS[1])", "1", key)
					}
				}
				if v, ok := c.do("EXEC").([]any); !ok || len(v) != keys {
					t.Errorf("EXEC: %v", v)
					return
				}
			}
		})
	}
	all.Wait()
	c := ts.dial()
	for i := range keys {
		if v := c.do("GET", fmt.Sprint("k", i)); v != fmt.Sprint(6*rounds) {
			t.Errorf("k%d is %v", i, v)
		}
	}
}
