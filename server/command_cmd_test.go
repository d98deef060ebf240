package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A command that is called otherwise does what it does, however long its new name is, and is counted under its own.
func TestRenamedCommandsDoWhatTheyDo(t *testing.T) {
	const secret = "b840fc02d524045429941cc15f59e41cb7be6c52"
	ts := startServer(t, "--rename-command", "CONFIG", secret, "--rename-command", "exec", "COMMIT", "--rename-command", "unsubscribe", "leave", "--rename-command", "set", "put")
	c := ts.dial()
	c.want(secret+" get timeout", []any{"timeout", "0"})
	c.want("config get timeout", replyError("ERR unknown command 'config', with args beginning with: 'get' 'timeout' "))
	c.want("multi", "OK")
	c.want("put a b", "QUEUED")
	c.want("commit x", replyError("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"))
	c.want("multi", "OK")
	c.want("put a b", "QUEUED")
	c.want(secret+" set timeout 5", "QUEUED")
	c.want("Commit", []any{"OK", "OK"})
	c.want("set a c", replyError("ERR unknown command 'set', with args beginning with: 'a' 'c' "))
	c.want("put a", replyError("ERR wrong number of arguments for 'set' command"))
	if got := c.info("commandstats", "cmdstat_set"); !strings.HasPrefix(got, "calls=1,") {
		t.Errorf("cmdstat_set is %q", got)
	}
	c.want("subscribe x", []any{"subscribe", "x", int64(1)})
	c.want("leave", []any{"unsubscribe", "x", int64(0)})
	c.want("put a b", "OK")
}

func TestCommandList(t *testing.T) {
	ts := startServer(t, "--rename-command", "flushall", "wipe", "--rename-command", "keys", "")
	c := ts.dial()
	var names []string
	for _, n := range c.list("command list") {
		names = append(names, n.(string))
	}
	if !slices.Contains(names, "get") || !slices.Contains(names, "client|list") || !slices.Contains(names, "flushall") ||
		slices.Contains(names, "wipe") || slices.Contains(names, "keys") {
		t.Errorf("COMMAND LIST is %q", names)
	}
	if n := len(c.list("command")); c.do("command count") != int64(n) || n > len(names) {
		t.Errorf("COMMAND has %d commands, COMMAND COUNT is %v", n, c.do("command count"))
	}
	if n := len(c.list("command info")); n != len(c.list("command")) {
		t.Errorf("COMMAND INFO has %d commands", n)
	}
	if n := len(c.list("command docs")); n != 2*len(c.list("command")) {
		t.Errorf("COMMAND DOCS has %d elements", n)
	}
	c.want("wipe", "OK")
	c.want("keys *", replyError("ERR unknown command 'keys', with args beginning with: '*' "))

	c.want("command list filterby pattern GE?", []any{"get"})
	c.want("command list filterby pattern config|re*", []any{"config|resetstat", "config|rewrite"})
	c.want("command list filterby module none", []any{})
	c.want("command list filterby aclcat none", []any{})
	if l := c.list("command list filterby aclcat bitmap"); !slices.Contains(l, any("setbit")) || slices.Contains(l, any("get")) {
		t.Errorf("the bitmap category is %v", l)
	}
	for _, wrong := range []string{"command list x", "command list filterby x", "command list filterby x y", "command list filterby pattern a b"} {
		c.want(wrong, replyError("ERR syntax error"))
	}
	c.want("command nothing", replyError("ERR unknown subcommand 'nothing'. Try COMMAND HELP."))
}

func TestCommandInfoOfOne(t *testing.T) {
	c := startServer(t).dial()
	got := c.list("command info get config|get nothing get|x")
	if len(got) != 4 || got[0].([]any)[0] != "get" || got[1].([]any)[0] != "config|get" || got[2] != nil || got[3] != nil {
		t.Errorf("COMMAND INFO is %v", got)
	}
	c.want("command docs nothing", []any{})
	if got := c.list("command docs get nothing"); len(got) != 2 || got[0] != "get" {
		t.Errorf("COMMAND DOCS is %v", got)
	}
}

func TestCommandGetkeys(t *testing.T) {
	c := startServer(t).dial()
	for request, want := range map[string]string{
		"get a":            "[a]",
		"mset a 1 b 2":     "[a b]",
		"memory usage key": "[key]",
		"bitop and d a b":  "[d a b]",
		"ping":             "ERR The command has no key arguments",
		"nothing x":        "ERR Invalid command specified",
		"get":              "ERR Invalid number of arguments specified for command",
		"zunion 0 a":       "ERR Invalid arguments specified for command",
	} {
		if got := fmt.Sprint(c.do("command getkeys " + request)); got != want {
			t.Errorf("COMMAND GETKEYS %s is %s, not %s", request, got, want)
		}
	}
	if got := fmt.Sprint(c.do("command getkeysandflags set a b get")); got != "[[a [RW access update]]]" {
		t.Errorf("COMMAND GETKEYSANDFLAGS is %s", got)
	}
}
