package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"larder/server/command"
	"larder/server/resp"
)

// streamSink keeps what the journal gives it.
type streamSink struct {
	mu    sync.Mutex
	bytes []byte
}

func (s *streamSink) Append(p []byte) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = append(s.bytes, p...)
	return int64(len(s.bytes))
}

// take gives what came since the last call.
func (s *streamSink) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bytes
	s.bytes = nil
	return b
}

// attachSink makes a sink receive the effects of everything that follows.
func (ts *testServer) attachSink(to command.Target) *streamSink {
	s := &streamSink{}
	ex := ts.janitor
	ex.enter()
	defer ex.leave()
	ex.view.Take(ts.ks.All())
	defer ex.view.Release()
	ts.journal.attach(to, s)
	return s
}

// requests is a stream of requests, a line each.
func requests(t *testing.T, stream []byte) string {
	t.Helper()
	var in resp.Reader
	var args resp.Args
	var rq resp.Request
	var lines []string
	in.Feed(stream)
	lim := resp.DefaultLimits()
	for in.Next(&lim, &args, &rq) == resp.Command {
		lines = append(lines, string(bytes.Join(rq.Args, []byte(" "))))
	}
	return strings.Join(lines, "\n")
}

// TestJournalUnits looks at what the log and the replicas get for commands whose effect is not simply what was sent.
func TestJournalUnits(t *testing.T) {
	ts := startServer(t)
	c, other := ts.dial(), ts.dial()
	c.do("debug set-active-expire 0")
	feed, log := ts.attachSink(command.ToReplicas), ts.attachSink(command.ToLog)
	for _, step := range []struct{ send, feed string }{
		{"set a 1", "SELECT 0\nset a 1"},
		{"get a", ""},
		{"set a 1 nx", ""},
		{"setex b 1000 x\nobject encoding b", "SET b x PXAT *"},
		{"incrbyfloat f 1.5", "SET f 1.5 KEEPTTL"},
		{"multi\nset a 2\nexec", "set a 2"},
		{"multi\nset a 3\nget a\nincr n\nexec", "MULTI\nset a 3\nincr n\nEXEC"},
		{"multi\nget a\nexec", ""},
		{"select 3\nset a 1\nselect 0\nset a 4", "SELECT 3\nset a 1\nSELECT 0\nset a 4"},
		{"multi\nselect 2\nset x 1\nselect 0\nset y 1\nexec", "MULTI\nSELECT 2\nset x 1\nSELECT 0\nset y 1\nEXEC"},
		{"sadd s 1 2 3\nspop s 3", "sadd s 1 2 3\nDEL s"},
		{"set b x pxat 9000000000000", "SET b x pxat 9000000000000"},
		{"rpush l 1\nblmove l m left Right 0\ndel m", "rpush l 1\nLMOVE l m left Right\ndel m"},
		{"config set lazyfree-lazy-server-del yes lazyfree-lazy-expire yes", ""},
		{"sadd s 1 2 3\nspop s 3\nset a 1\nexpire a -1\nset a 1\nset a 2 pxat 1",
			"sadd s 1 2 3\nUNLINK s\nset a 1\nUNLINK a\nset a 1\nUNLINK a"},
		{"config set lazyfree-lazy-server-del no lazyfree-lazy-expire no", ""},
		{"publish ch hello", "publish ch hello"},
		{"psetex gone 1 x", "SET gone x PXAT *"},
		{"flushall", "flushall"},
		{"del nothing", ""},
		{"set a b c", ""},
		{"expire a -1", ""},
		{"set a 1\nexpire a -1", "set a 1\nDEL a"},
		{"hset h f v\nhpexpire h 1 fields 1 f", "hset h f v\nHPEXPIREAT h * FIELDS 1 f"},
		{"swapdb 0 1", "swapdb 0 1"},
	} {
		for _, line := range strings.Split(step.send, "\n") {
			c.do(line)
		}
		if got := requests(t, feed.take()); !alike(got, step.feed) {
			t.Errorf("%q:\ngot\n%s\nnot\n%s", step.send, got, step.feed)
		}
		want := step.feed
		if strings.HasPrefix(want, "publish") {
			want = ""
		}
		if got := requests(t, log.take()); !alike(got, want) {
			t.Errorf("%q: the log got\n%s\nnot\n%s", step.send, got, want)
		}
	}

	// A key that is found expired goes before the command that found it.
	c.do("flushall")
	c.do("psetex e 1 x")
	feed.take()
	eventually(t, "the end of the key's time", func() bool { return c.do("exists e") == int64(0) })
	if got := requests(t, feed.take()); got != "DEL e" {
		t.Errorf("an expired key gives %q", got)
	}
	c.do("psetex e 1 x")
	feed.take()
	eventually(t, "the end of the key's time", func() bool { return c.do("set e new nx") == "OK" })
	if got := requests(t, feed.take()); got != "MULTI\nDEL e\nset e new nx\nEXEC" {
		t.Errorf("a command on an expired key gives %q", got)
	}

	// Keys that RANDOMKEY finds expired belong to no whole.
	c.do("flushall")
	c.do("psetex e 1 x")
	c.do("psetex f 1 x")
	feed.take()
	eventually(t, "the end of the keys' times", func() bool { return c.do("randomkey") == nil })
	if got := requests(t, feed.take()); got != "DEL e\nDEL f" && got != "DEL f\nDEL e" {
		t.Errorf("two expired keys give %q", got)
	}

	// A blocked client's effect follows the one that served it.
	other.send("blpop q 0")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	c.do("rpush q 1 2")
	other.read()
	if got := requests(t, feed.take()); got != "rpush q 1 2\nLPOP q" {
		t.Errorf("a served client gives %q", got)
	}

	// The active sweep tells of keys and fields, each for itself.
	c.do("hset h f v g w i x")
	c.do("hpexpire h 1 fields 2 f g")
	c.do("psetex k 1 x")
	feed.take()
	c.do("debug set-active-expire 1")
	var got string
	eventually(t, "the sweep", func() bool {
		got += requests(t, feed.take()) + "\n"
		return strings.Contains(got, "DEL k\n") && strings.Contains(got, "HDEL h f\n") && strings.Contains(got, "HDEL h g\n")
	})
	if strings.Contains(got, "MULTI") {
		t.Errorf("the sweep gives\n%s", got)
	}
	if n := c.number("persistence", "rdb_changes_since_last_save"); n == 0 {
		t.Error("no changes are counted")
	}
}

// alike compares lines, in which * stands for any word.
func alike(got, want string) bool {
	g, w := strings.Fields(got), strings.Fields(want)
	if len(g) != len(w) || strings.Count(got, "\n") != strings.Count(want, "\n") {
		return false
	}
	for i := range g {
		if w[i] != "*" && g[i] != w[i] {
			return false
		}
	}
	return true
}

// TestJournalReplays runs random commands of several clients side by side, and then the journal on an empty server: both
// must hold the same.
func TestJournalReplays(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	feed := ts.attachSink(command.ToReplicas)
	var clients sync.WaitGroup
	for i := range 4 {
		c := ts.dial()
		clients.Go(func() { randomWrites(c, rand.New(rand.NewPCG(7, uint64(i))), 1500) })
	}
	clients.Wait()
	c := ts.dial()
	want := c.text("debug digest")

	copied := startServer(t)
	to := copied.dial()
	stream := feed.take()
	lines := strings.Count(requests(t, stream), "\n") + 1
	go to.nc.Write(stream)
	for range lines {
		if e, bad := to.read().(replyError); bad {
			t.Fatalf("the replay fails: %s", e)
		}
	}
	if got := copied.dial().text("debug digest"); got != want {
		t.Errorf("%d effects lead to %s, not %s", lines, got, want)
	}
}

// randomWrites sends commands whose effects depend on what others do, and on chance.
func randomWrites(c *testClient, rnd *rand.Rand, n int) {
	key := func(kind string) string { return fmt.Sprintf("%s%d", kind, rnd.IntN(5)) }
	val := func() string { return fmt.Sprint(rnd.IntN(20)) }
	inMulti := false
	for range n {
		var cmd string
		switch rnd.IntN(18) {
		case 0:
			cmd = "set " + key("s") + " " + val()
		case 1:
			cmd = "append " + key("s") + " " + val()
		case 2:
			cmd = "incrbyfloat " + key("s") + " 0.5"
		case 3:
			cmd = "getdel " + key("s")
		case 4:
			cmd = "lpush " + key("l") + " " + val() + " " + val()
		case 5:
			cmd = "rpoplpush " + key("l") + " " + key("l")
		case 6:
			cmd = "lmpop 2 " + key("l") + " " + key("l") + " left count 3"
		case 7:
			cmd = "sadd " + key("t") + " " + val() + " " + val() + " " + val()
		case 8:
			cmd = "spop " + key("t") + " 2"
		case 9:
			cmd = "smove " + key("t") + " " + key("t") + " " + val()
		case 10:
			cmd = "zadd " + key("z") + " " + val() + " " + val()
		case 11:
			cmd = "zpopmin " + key("z")
		case 12:
			cmd = "hincrbyfloat " + key("h") + " " + val() + " 1.25"
		case 13:
			cmd = "hexpire " + key("h") + " 1000 fields 1 " + val()
		case 14:
			cmd = "xadd " + key("x") + " maxlen ~ 10 * f " + val()
		case 15:
			cmd = "rename " + key("s") + " " + key("s")
		case 16:
			cmd = "select " + fmt.Sprint(rnd.IntN(3))
		case 17:
			if cmd = "multi"; inMulti {
				cmd = "exec"
			}
			inMulti = !inMulti
		}
		c.do(cmd)
	}
	if inMulti {
		c.do("exec")
	}
}

// TestJournalKeepsNothing: what a unit of several effects needed is not kept until the next one, which may never come.
func TestJournalKeepsNothing(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	ts.attachSink(command.ToLog)
	c.do("multi")
	c.do("set", "k", strings.Repeat("v", 8<<20))
	c.do("incr n")
	c.do("exec")
	c.want("strlen k", 8<<20)
	ts.inWorldDo(func(*executor) {
		if n := cap(ts.journal.buf.Bytes()); n > 1<<20 {
			t.Errorf("%d bytes", n)
		}
	})
}
