package server

import (
	"io"
	"testing"
	"time"
)

// A member of a group that has not come together refuses what it cannot promise, and says so: the refusal waits for no replica.
func TestRefusalsWaitForNobody(t *testing.T) {
	for _, safety := range []string{"async", "bounded 100", "sync 1"} {
		ts := startServer(t, "--write-safety", safety, "--failover-group", "main", "--failover-listen", "127.0.0.1:"+freePort(t),
			"--failover-peers", "127.0.0.1:"+freePort(t))
		c := ts.dial()
		want := replyError(errNoLease)
		c.want("set k v", want)
		if safety == "sync 1" {
			c.want("get k", want)
		}
		if v := c.do("eval", "return redis.call('set', 'k', 'v')", "0"); !isError(v, "READONLY ") {
			t.Errorf("a script that writes is answered %v", v)
		}
		c.want("ping", "PONG")
		c.want("wait 1 20", 0)
		c.want("waitaof 0 1 20", []any{int64(0), int64(0)})
	}
}

// TestWaitCountsWhileRepliesWait: what WAIT and WAITAOF answer is a count, which waits for no replica when their time is over.
func TestWaitCountsWhileRepliesWait(t *testing.T) {
	ts := startServer(t, "--write-safety", "sync 1")
	c := ts.silentReplica("1", "sync")
	ts.dial().send("set k v") // which no replica confirms
	eventually(t, "the write", func() bool { return ts.guard.written.Load() > 0 && ts.holdsReplies() })
	c.want("wait 2 20", 1) // who has written nothing: there is one replica
	c.want("waitaof 0 2 20", []any{int64(0), int64(0)})
}

// Replies that wait for a replica leave when the server's mode becomes another one, and when the server becomes a replica their
// clients are closed: nobody waits for what never comes.
func TestHeldRepliesComeToAnEnd(t *testing.T) {
	a, b := startServer(t, "--write-safety", "sync 1", "--repl-diskless-sync-delay", "0"), startServer(t)
	b.follow(a)
	writer, c := a.dial(), a.dial()
	held := func(n int64) bool {
		sum := int64(0)
		for _, ex := range a.executors {
			sum += ex.feedHeldCount.Load()
		}
		return sum == n
	}
	for _, end := range []func(){
		func() {
			c.want("config set write-safety async", "OK")
			if v := writer.read(); v != "OK" {
				t.Errorf("the write is answered %v", v)
			}
			if v := c.do("config", "set", "write-safety", "sync 1"); v != "OK" {
				t.Fatal(v)
			}
		},
		func() {
			c.send("replicaof 127.0.0.1 1")
			if got := writer.gone(); len(got) > 0 {
				t.Errorf("who cannot know whether the write counts got %v", got)
			}
			c.read()
		},
	} {
		stopped, goOn := make(chan struct{}), make(chan struct{})
		go b.inWorldDo(func(*executor) { // so it says nothing
			close(stopped)
			<-goOn
		})
		<-stopped
		writer.send("set k v")
		eventually(t, "holding", func() bool { return held(1) })
		end()
		close(goOn)
		eventually(t, "the end of holding", func() bool { return held(0) })
	}
}

// TestTurnThatEndsAsReplica: what a turn has answered before the server becomes a replica in its midst does not leave unless the
// replicas have it: the write is about to be lost.
func TestTurnThatEndsAsReplica(t *testing.T) {
	ts := startServer(t, "--write-safety", "sync 1", "--repl-diskless-sync-delay", "0")
	ts.silentReplica("1", "psync ? -1")
	c := ts.dial()
	if _, err := io.WriteString(c.nc, "SET k v\r\nREPLICAOF 127.0.0.1 1\r\n"); err != nil {
		t.Fatal(err)
	}
	c.nc.SetReadDeadline(time.Now().Add(patience))
	if got, err := c.parse(); err == nil {
		t.Errorf("who cannot know whether the write counts got %v", got)
	}
	if role := ts.dial().info("replication", "role"); role != "slave" {
		t.Error("the server is", role)
	}
}

// TestNoGroup: what is said of a group by somebody who has named none is not passed over in silence.
func TestNoGroup(t *testing.T) {
	ts := startServer(t, "--sentinel-port", "1", "--failover-listen", "127.0.0.1:1", "--failover-peers", "127.0.0.1:2")
	if n := ts.logged("has no effect without failover-group"); n != 3 {
		t.Errorf("it is said of %d directives", n)
	}
	if n := startServer(t).logged("failover-group"); n != 0 {
		t.Error("it is said of nothing")
	}
}
