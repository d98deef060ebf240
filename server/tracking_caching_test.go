package server

import (
	"fmt"
	"testing"
)

// hears asks whether a client of RESP3 is told that the key has changed, by the time that it has the answer to something else.
func (c *testClient) hears(by *testClient, write string) bool {
	c.t.Helper()
	by.do(write)
	c.send("ping")
	v := c.read()
	push, told := v.([]any)
	if told {
		if push[0] != "invalidate" {
			c.t.Fatal(push)
		}
		v = c.read()
	}
	if v != "PONG" {
		c.t.Fatal(v)
	}
	return told
}

// trackingClient is a client of RESP3 with CLIENT TRACKING in a mode, and another client that changes keys.
func trackingClient(t *testing.T, mode string) (c, writes *testClient) {
	t.Helper()
	ts := startServer(t, "--event-loops", "1")
	c, writes = ts.dial(), ts.dial()
	c.do("hello 3")
	c.want("client tracking on "+mode, "OK")
	return c, writes
}

// What CLIENT CACHING says holds for the next command, or for a transaction as a whole, and no longer: whether it came before
// MULTI or stands in the transaction.
func TestCachingEndsWithTransaction(t *testing.T) {
	c, writes := trackingClient(t, "optout")
	for _, request := range []string{"client caching no", "multi", "get a", "exec", "get b"} {
		c.do(request)
	}
	if c.hears(writes, "set a 1") || !c.hears(writes, "set b 1") {
		t.Error("said before MULTI")
	}
	for _, request := range []string{"multi", "client caching no", "get a", "exec", "get b"} {
		c.do(request)
	}
	if c.hears(writes, "set a 1") || !c.hears(writes, "set b 1") {
		t.Error("said behind MULTI")
	}
}

// Other CLIENT commands may stand between CLIENT CACHING and the command that it is about. What is no command may not.
func TestCachingOutlastsClientCommands(t *testing.T) {
	c, writes := trackingClient(t, "optin")
	for _, request := range []string{"client caching yes", "client id", "client setname x", "get a", "get b"} {
		c.do(request)
	}
	if !c.hears(writes, "set a 1") || c.hears(writes, "set b 1") {
		t.Error("with CLIENT commands between")
	}
	for _, between := range []string{"ping", "nothing", "client nothing", "get"} {
		c.want("client caching yes", "OK")
		c.do(between)
		c.do("get a")
		if c.hears(writes, "set a 1") {
			t.Errorf("with %q between", between)
		}
	}
}

// A command that has waited for its keys is still the next one when it is served, and the last one that what was said is about.
func TestCachingOutlastsWaiting(t *testing.T) {
	c, writes := trackingClient(t, "optin")
	c.want("client caching yes", "OK")
	c.send("xread block 0 streams s $")
	eventually(t, "waiting", func() bool { return writes.number("clients", "blocked_clients") == 1 })
	writes.do("xadd s * f v")
	for fmt.Sprint(c.read()) == "[invalidate [s]]" { // the command has looked before
	}
	if !c.hears(writes, "xadd s * f w") {
		t.Error("the client is not told of what has changed since it was served")
	}
	c.do("xread streams s 0")
	if c.hears(writes, "xadd s * f x") {
		t.Error("what was said holds for another command")
	}
}
