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
