package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// slowArguments is the requests of the slow log, the latest first.
func (c *testClient) slowArguments() (list []string) {
	c.t.Helper()
	for _, e := range c.list("slowlog get -1") {
		var words []string
		for _, a := range e.([]any)[3].([]any) {
			words = append(words, a.(string))
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

func TestSlowlog(t *testing.T) {
	c := startServer(t, "--slowlog-log-slower-than", "60000000", "--slowlog-max-len", "4").dial()
	c.want("ping", "PONG")
	c.want("slowlog len", 0)
	c.want("client setname me", "OK")
	c.want("config set slowlog-log-slower-than 100000", "OK")
	c.want("debug sleep 0.11", "OK")
	c.want("config set slowlog-log-slower-than 60000000", "OK")
	list := c.list("slowlog get") // on a busy machine CONFIG SET may have taken that long, too
	at := slices.IndexFunc(list, func(e any) bool { return fmt.Sprint(e.([]any)[3]) == "[debug sleep 0.11]" })
	if at < 0 {
		t.Fatalf("the log is %v", list)
	}
	e := list[at].([]any)
	if len(e) != 6 || e[0] != int64(len(list)-1-at) || e[2].(int64) < 110000 || e[4] != c.nc.LocalAddr().String() || e[5] != "me" {
		t.Errorf("the entry is %v", e)
	}
	c.want("slowlog reset", "OK")
	c.want("slowlog len", 0)

	c.want("config set slowlog-log-slower-than 0 slowlog-max-len 0", "OK")
	for range 5 {
		c.want("ping", "PONG")
	}
	c.want("slowlog len", 0)
	c.want("config set slowlog-max-len 4", "OK")
	if id := c.list("slowlog get 1")[0].([]any)[0]; id != int64(len(list)) {
		t.Errorf("what a log without room did not keep has numbers: %v comes next", id)
	}
	for i := range 6 {
		c.want(fmt.Sprintf("set k%d v", i), "OK")
	}
	c.want("slowlog len", 4)
	if n := len(c.list("slowlog get 2")); n != 2 {
		t.Errorf("SLOWLOG GET 2 has %d entries", n)
	}
	if n := len(c.list("slowlog get 0")); n != 0 {
		t.Errorf("SLOWLOG GET 0 has %d entries", n)
	}
	bad := replyError("ERR count should be greater than or equal to -1")
	c.want("slowlog get -2", bad)
	c.want("slowlog get x", bad)
	c.want("slowlog GET 1 2", replyError("ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP."))
	c.want("config set slowlog-max-len 1", "OK")
	if got := c.slowArguments(); !slices.Equal(got, []string{"config set slowlog-max-len 1"}) {
		t.Errorf("of one entry there are %q", got)
	}
	c.want("config set slowlog-log-slower-than -1 slowlog-max-len 100", "OK")
	c.want("slowlog reset", "OK")
	c.want("debug sleep 0.01", "OK")
	c.want("slowlog len", 0)
}

func TestSlowlogShortens(t *testing.T) {
	c := startServer(t, "--slowlog-log-slower-than", "0").dial()
	var words []string
	for i := range 33 {
		words = append(words, fmt.Sprint("w", i))
	}
	c.want("slowlog reset", "OK")
	c.do(append([]string{"del"}, words...)...)
	c.do(append([]string{"del"}, words[:31]...)...)
	c.do("echo", strings.Repeat("A", 129))
	c.do("echo", strings.Repeat("B", 128))
	want := []string{
		"echo " + strings.Repeat("B", 128),
		"echo " + strings.Repeat("A", 128) + "... (1 more bytes)",
		"del " + strings.Join(words[:31], " "),
		"del " + strings.Join(words[:30], " ") + " ... (3 more arguments)",
		"slowlog reset",
	}
	if got := c.slowArguments(); !slices.Equal(got, want) {
		t.Errorf("the log is %q", got)
	}
}

func TestSlowlogHidesSecrets(t *testing.T) {
	c := startServer(t, "--slowlog-log-slower-than", "0").dial()
	c.want("slowlog reset", "OK")
	c.do("auth secret")
	c.do("auth user secret")
	c.do("hello 2 auth default secret")
	c.do("config", "set", "masterauth", "", "timeout", "0")
	c.want("config set slowlog-log-slower-than -1", "OK")
	want := []string{
		"config set masterauth (redacted) timeout 0",
		"hello 2 auth (redacted) (redacted)",
		"auth (redacted) (redacted)",
		"auth (redacted)",
		"slowlog reset",
	}
	if got := c.slowArguments(); !slices.Equal(got, want) {
		t.Errorf("the log is %q", got)
	}
}

func TestSlowlogOfTransactionsAndBlocking(t *testing.T) {
	ts := startServer(t, "--slowlog-log-slower-than", "0")
	c, b := ts.dial(), ts.dial()
	b.send("blpop l 0")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	c.want("multi", "OK")
	c.want("slowlog reset", "QUEUED")
	c.want("set a b", "QUEUED")
	c.want("lpush l x", "QUEUED")
	c.list("exec")
	b.read()
	c.want("config set slowlog-log-slower-than -1", "OK")
	// EXEC itself is not there, the blocked command only now that it is over.
	want := []string{"blpop l 0", "lpush l x", "set a b", "slowlog reset"}
	if got := c.slowArguments(); !slices.Equal(got, want) {
		t.Errorf("the log is %q", got)
	}
}

// logged is the requests of one of the logs, the latest first, each with its value.
func (c *testClient) logged(log string) (list []string) {
	c.t.Helper()
	for _, e := range c.list("commandlog get -1 " + log) {
		var words []string
		for _, a := range e.([]any)[3].([]any) {
			words = append(words, a.(string))
		}
		list = append(list, fmt.Sprint(e.([]any)[2], " ", strings.Join(words, " ")))
	}
	return list
}

func TestCommandlogOfLargeOnes(t *testing.T) {
	ts := startServer(t, "--commandlog-request-larger-than", "1000", "--commandlog-reply-larger-than", "1000")
	c, b := ts.dial(), ts.dial()
	value := strings.Repeat("v", 1000)
	c.want("client setname me", "OK")
	short := value[:128] + "... (872 more bytes)"
	c.want("set k small", "OK")
	c.want("set k "+value[:900], "OK")
	c.want("set k "+value, "OK")
	c.text("get k")
	c.list("mget", "k", "k")
	e := c.list("commandlog get 1 large-request")[0].([]any)
	if len(e) != 6 || e[0] != int64(0) || e[4] != c.nc.LocalAddr().String() || e[5] != "me" {
		t.Errorf("the entry is %v", e)
	}

	b.send("brpop", "l", "0")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	c.want("rpush l "+value, 1)
	b.read()
	c.want("multi", "OK")
	c.want("set k "+value, "QUEUED")
	c.want("get k", "QUEUED")
	c.list("exec")
	c.send("client", "reply", "off")
	c.send("get", "k")
	c.want("client reply on", "OK")

	// With *3 and the lengths before its words, SET takes 29 bytes besides the value, as a reply the value alone takes 9 more.
	if got, want := c.logged("large-request"), []string{"1029 set k " + short, "1031 rpush l " + short, "1029 set k " + short}; !slices.Equal(got, want) {
		t.Errorf("the large requests are %q", got)
	}
	if got, want := c.logged("large-reply"), []string{"1009 get k", "1020 brpop l 0", "2022 mget k k", "1009 get k"}; !slices.Equal(got, want) {
		t.Errorf("the large replies are %q", got)
	}
	c.want("commandlog len slow", 0)
	c.want("commandlog len large-request", 3)
	c.want("config set commandlog-large-request-max-len 1", "OK")
	c.want("commandlog len large-request", 1)
	c.want("commandlog reset large-request", "OK")
	c.want("commandlog len large-request", 0)
	c.want("commandlog len LARGE-REPLY", 4)

	c.want("config set commandlog-request-larger-than -1 commandlog-reply-larger-than 0", "OK")
	c.want("set k "+value, "OK")
	c.want("commandlog len large-request", 0)
	c.want("commandlog len large-reply", 7) // and the request itself is not yet there
}

// A command that waits is logged once, when it is over.
func TestCommandlogOfWaiting(t *testing.T) {
	ts := startServer(t)
	c, b := ts.dial(), ts.dial()
	key := strings.Repeat("k", 100)
	c.want("config set commandlog-request-larger-than 100", "OK")
	b.send("blpop", key, "0")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	c.want("commandlog len large-request", 0)
	c.want("rpush "+key+" x", 1)
	b.read()
	if got, want := c.logged("large-request"), []string{"130 blpop " + key + " 0", "130 rpush " + key + " x"}; !slices.Equal(got, want) {
		t.Errorf("the large requests are %q", got)
	}
}

// The slow log is the same by both names, and so are its directives.
func TestCommandlogSlow(t *testing.T) {
	c := startServer(t, "--commandlog-execution-slower-than", "0", "--commandlog-slow-execution-max-len", "7").dial()
	c.want("config get slowlog-log-slower-than", []any{"slowlog-log-slower-than", "0"})
	c.want("config get commandlog-slow-execution-max-len", []any{"commandlog-slow-execution-max-len", "7"})
	c.want("commandlog reset slow", "OK")
	c.want("echo a", "a")
	c.want("config set commandlog-execution-slower-than -1", "OK")
	if got, want := c.slowArguments(), []string{"config set commandlog-execution-slower-than -1", "echo a", "commandlog reset slow"}; !slices.Equal(got, want[1:]) && !slices.Equal(got, want) {
		t.Errorf("the log is %q", got)
	}
	if a, b := fmt.Sprint(c.do("slowlog get 2")), fmt.Sprint(c.do("commandlog get 2 slow")); a != b {
		t.Errorf("SLOWLOG shows %s, COMMANDLOG %s", a, b)
	}
	c.want("commandlog len slow", int(c.do("slowlog len").(int64)))
	noType := replyError("ERR type should be one of the following: slow, large-request, large-reply")
	c.want("commandlog len fast", noType)
	c.want("commandlog reset x", noType)
	c.want("commandlog get 1 x", noType)
	bad := replyError("ERR count should be greater than or equal to -1")
	c.want("commandlog get -2 slow", bad)
	c.want("commandlog get x slow", bad)
	c.want("commandlog get slow", replyError("ERR wrong number of arguments for 'commandlog|get' command"))
	c.want("commandlog len", replyError("ERR wrong number of arguments for 'commandlog|len' command"))
}
