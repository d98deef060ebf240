package server

import (
	"fmt"
	"strconv"
	"testing"
)

// claimed is the IDs, and how often each was delivered before, of the only stream in a reply to XREADGROUP CLAIM.
func claimed(reply any) string {
	streams, _ := reply.([]any)
	if len(streams) != 1 {
		return fmt.Sprint(reply)
	}
	text := ""
	for _, e := range streams[0].([]any)[1].([]any) {
		parts := e.([]any)
		text += fmt.Sprintf("%v (%v) ", parts[0], parts[3])
	}
	return text
}

// TestClaimWhileBlocked has clients wait for entries that others leave pending: they get them when their time has come,
// though nobody writes anything.
func TestClaimWhileBlocked(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c := ts.dial()
	c.want("xgroup create s g $ mkstream", "OK")
	first, second := ts.dial(), ts.dial()
	first.send("xreadgroup group g a block 0 claim 150 streams s >")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	second.send("xreadgroup group g b block 0 claim 150 streams s >")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 2 })
	c.want("xadd s 1-0 f v", "1-0")
	if got := claimed(first.read()); got != "1-0 (0) " {
		t.Fatalf("the first client got %s", got)
	}
	reply := second.read()
	if got := claimed(reply); got != "1-0 (1) " {
		t.Fatalf("the second client got %s", got)
	}
	if idle := reply.([]any)[0].([]any)[1].([]any)[0].([]any)[2].(int64); idle < 150 {
		t.Errorf("an entry was claimed %d ms after it was delivered", idle)
	}
	if n := c.number("clients", "blocked_clients"); n != 0 {
		t.Errorf("%d clients are blocked", n)
	}
	// What is new ends the waiting at once, and the time of the request counts as well as that of the entry.
	first.send("xreadgroup group g a block 0 claim 1000000 streams s >")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	c.want("xadd s 2-0 f v", "2-0")
	if got := claimed(first.read()); got != "2-0 (0) " {
		t.Fatalf("what is new comes as %s", got)
	}
	first.want("xreadgroup group g a block 20 claim 1000000 streams s >", nil)
	if got := fmt.Sprint(c.list("xpending s g - + 10 a")[0].([]any)[3]); got != "1" {
		t.Errorf("2-0 was delivered %s times", got)
	}
}

// TestClaimOfWhatIsLeft has many clients that block share what one of them has left, and die with it.
func TestClaimOfWhatIsLeft(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c := ts.dial()
	c.want("xgroup create s g $ mkstream", "OK")
	const entries, clients = 20, 5
	for i := range entries {
		c.want("xadd s "+strconv.Itoa(i+1)+"-0 f v", strconv.Itoa(i+1)+"-0")
	}
	dying := ts.dial()
	if got := dying.list("xreadgroup group g dying streams s >"); len(got) != 1 {
		t.Fatal(got)
	}
	dying.nc.Close()
	seen := map[string]int{}
	var waiting []*testClient
	for i := range clients {
		w := ts.dial()
		w.send(fmt.Sprintf("xreadgroup group g w%d block 0 count %d claim 300 streams s >", i, entries/clients))
		waiting = append(waiting, w)
	}
	for _, w := range waiting {
		reply, _ := w.read().([]any)
		for _, e := range reply[0].([]any)[1].([]any) {
			seen[e.([]any)[0].(string)]++
		}
	}
	for i := range entries {
		if id := strconv.Itoa(i+1) + "-0"; seen[id] == 0 {
			t.Errorf("nobody got %s", id)
		}
	}
}

// TestClaimWaitsForPause lets a client that waits claim nothing while writes are paused.
func TestClaimWaitsForPause(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("xgroup create s g $ mkstream", "OK")
	c.want("xadd s 1-0 f v", "1-0")
	if got := c.list("xreadgroup group g a streams s >"); len(got) != 1 {
		t.Fatal(got)
	}
	w := ts.dial()
	c.want("client pause 100000 write", "OK")
	pending := func() string { return fmt.Sprint(c.list("xpending s g - + 10")[0].([]any)[1]) }
	c.want("client unpause", "OK")
	w.send("xreadgroup group g b block 0 claim 400 streams s >")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 || pending() == "b" })
	c.want("client pause 100000 write", "OK")
	if pending() == "a" {
		eventually(t, "the entry's time", func() bool { return c.list("xpending s g - + 10")[0].([]any)[2].(int64) > 1000 })
		if got := pending(); got != "a" {
			t.Errorf("%s has claimed it during the pause", got)
		}
	}
	c.want("client unpause", "OK")
	if got := claimed(w.read()); got != "1-0 (1) " {
		t.Errorf("the client got %s", got)
	}
}
