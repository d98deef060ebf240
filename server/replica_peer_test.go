package server

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rest is what the connection still gives until its end.
func (c *testClient) rest() string {
	c.t.Helper()
	c.nc.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(c.r)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// TestPeerGetsNoReply closes replicas that ask for something: a reply would be taken for the stream.
func TestPeerGetsNoReply(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "0")
	for _, ask := range []string{"ping", "get k", "xinfo help", "nonsense", "replconf listening-port 1", "set k v"} {
		for _, begin := range []string{"sync", "psync ? -1"} {
			r := ts.dial()
			r.send(begin)
			r.send(ask)
			if got := r.rest(); strings.Contains(got, "PONG") || strings.Contains(got, "-ERR") || strings.Contains(got, "+OK") {
				t.Errorf("%s, then %s: %q", begin, ask, got)
			}
		}
	}
	for text, want := range map[string]int{
		"Replica generated a reply to command 'ping', disconnecting it: id=":                                                                2,
		"Replica generated a reply to command 'xinfo|help', disconnecting it: id=":                                                          2,
		"This master is sending an error to its replica: 'ERR Replica can't interact with the keyspace' after processing the command 'get'": 2,
	} {
		if n := ts.logged(text); n != want {
			t.Errorf("%d times in the log: %s", n, text)
		}
	}
	c := ts.dial()
	c.want("psync id number", replyError("ERR value is not an integer or out of range"))
	if ts.logged(" asks for synchronization but with a wrong offset") != 1 {
		t.Error("the log does not say that an offset was wrong")
	}
}

// A client that is told of what others do becomes a replica: it is told no more of that, since it would be taken for the stream.
func TestPeerGetsNoMessage(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "0", "--event-loops", "2")
	c := ts.dial()
	c.want("set redirected v", "OK")
	other := ts.dial()
	other.send("psync ? -1")
	eventually(t, "a history", func() bool { return c.number("replication", "repl_backlog_active") == 1 })
	from := itoa(c.number("replication", "master_repl_offset") + 1)
	for loop := range 2 {
		for _, begin := range []string{"sync", "psync ? -1", "psync " + c.info("replication", "master_replid") + " " + from} {
			r := ts.dialAt(loop)
			r.list("hello 3")
			r.want("client tracking on bcast", "OK")
			r.list("subscribe news")
			follows := ts.dial()
			follows.list("hello 3")
			follows.want("client tracking on redirect "+itoa(r.do("client id").(int64)), "OK")
			follows.want("get redirected", "v")
			r.send(begin)
			eventually(t, "the replica", func() bool { return c.number("replication", "connected_slaves") == 2 })
			c.want("set redirected v", "OK")
			c.want("publish news word", 0)
			c.want("set last "+strings.Repeat("z", 100), "OK")
			r.nc.SetReadDeadline(time.Now().Add(patience))
			got := ""
			for !strings.HasSuffix(got, strings.Repeat("z", 100)+"\r\n") {
				line, err := r.r.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				got += line
			}
			if strings.Contains(got, "invalidate") || strings.Contains(got, ">3") {
				t.Errorf("%s: %q", begin, got)
			}
			r.nc.Close()
			follows.nc.Close()
			eventually(t, "its end", func() bool { return c.number("replication", "connected_slaves") == 1 })
		}
	}
}

// To a monitor that asks for a stream nothing is said, nor has it to do with keys.
func TestMonitorIsNoPeer(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "0")
	m, c := ts.dial(), ts.dial()
	m.want("monitor", "OK")
	for _, request := range []string{"psync ? -1", "sync", "monitor"} {
		m.send(request)
	}
	for _, request := range []string{"get k", "set k v", "publish news word", "eval return 0"} {
		m.want(request, replyError("ERR Replica can't interact with the keyspace"))
	}
	c.want("ping seen", "seen")
	if line := m.read().(string); !strings.HasSuffix(line, `"ping" "seen"`) {
		t.Error(line)
	}
	m.want("reset", "RESET")
	m.want("get k", nil)
	if n := c.number("replication", "connected_slaves"); n != 0 {
		t.Error(n, "replicas")
	}
}

// TestGoodReplicas asks for replicas that are late, then for those that there are: the next write goes by it.
func TestGoodReplicas(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	b.follow(a)
	c := a.dial()
	late := replyError("NOREPLICAS Not enough good replicas to write.")
	eventually(t, "a replica that was not heard of for 5 s", func() bool {
		for _, p := range a.repl.list() {
			p.heard_ms.Store(a.steady() - 5000)
		}
		c.want("config set min-replicas-to-write 1 min-replicas-max-lag 2", "OK")
		return c.do("set k v") == late // it may be heard of meanwhile
	})
	c.want("config set min-replicas-max-lag 60", "OK")
	c.want("set k v", "OK")
}

// TestTakeOverWaitsForTheLink has a primary ask its replica to take over while its last write is still to come: it arrives
// by another connection.
func TestTakeOverWaitsForTheLink(t *testing.T) {
	most, quiet := takeOverMost_ms, takeOverQuiet_ms
	takeOverMost_ms, takeOverQuiet_ms = patience.Milliseconds(), patience.Milliseconds()
	t.Cleanup(func() { takeOverMost_ms, takeOverQuiet_ms = most, quiet }) // when the servers have stopped
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	c, r := a.dial(), b.dial()
	b.follow(a)
	c.want("set k 1", "OK") // and selects the database
	same(t, a, b)
	at := c.number("replication", "master_repl_offset")
	write := len("*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\n2\r\n")
	old := b.dial()
	old.send("psync", c.info("replication", "master_replid"), strconv.FormatInt(at+int64(write)+1, 10), "failover")
	eventually(t, "the request waits", func() bool { return r.number("clients", "blocked_clients") == 1 })
	r.want("role", r.do("role")) // still a replica, and its link is up
	if got := r.info("replication", "role"); got != "slave" {
		t.Fatalf("it is a %s already", got)
	}
	c.want("set k 2", "OK")
	if got := fmt.Sprint(old.read()); !strings.HasPrefix(got, "CONTINUE") {
		t.Errorf("the old primary is told %q", got)
	}
	if got := r.info("replication", "role"); got != "master" {
		t.Errorf("it is a %s", got)
	}
	r.want("get k", "2")
}

// TestTakeOverWaitsNotForLong has it take over although something is missing that never comes.
func TestTakeOverWaitsNotForLong(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	c := a.dial()
	b.follow(a)
	old := b.dial()
	old.send("psync", c.info("replication", "master_replid"), "1000000", "failover")
	if got := fmt.Sprint(old.read()); !strings.HasPrefix(got, "FULLRESYNC") {
		t.Errorf("the old primary is told %q", got)
	}
}

// TestDesertedSnapshot ends a snapshot for replicas when the last of them is gone, but not one that is the server's own
// as well.
func TestDesertedSnapshot(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync", "no", "--save", "", "--rdb-key-save-delay", forLong)
	c := ts.dial()
	c.want("debug populate 10", "OK")
	begin := func() (replicas [2]*testClient) {
		t.Helper()
		for i := range replicas {
			replicas[i] = ts.dial()
			replicas[i].send("psync ? -1")
		}
		eventually(t, "the snapshot begins", func() bool {
			return c.info("replication", "slave1") != "" && c.number("persistence", "rdb_bgsave_in_progress") == 1
		})
		return replicas
	}
	gone := func(r *testClient, left int64) {
		t.Helper()
		r.nc.Close()
		eventually(t, "it is gone", func() bool { return c.number("replication", "connected_slaves") == left })
	}
	two := begin()
	gone(two[0], 1)
	if c.number("persistence", "rdb_bgsave_in_progress") != 1 {
		t.Fatal("it has ended although one waits for it")
	}
	gone(two[1], 0)
	eventually(t, "the end of the snapshot", func() bool { return c.number("persistence", "rdb_bgsave_in_progress") == 0 })
	eventually(t, "the log says so", func() bool {
		return ts.logged("The snapshot for replicas was given up: the last of them is gone.") == 1
	})
	if ts.logged("SYNC failed") != 0 {
		t.Error("the log says that something has failed")
	}

	if got := c.do("config", "set", "save", "3600 1"); got != "OK" {
		t.Fatal(got)
	}
	two = begin()
	gone(two[0], 1)
	gone(two[1], 0)
	if c.number("persistence", "rdb_bgsave_in_progress") != 1 {
		t.Fatal("the server's own snapshot has ended")
	}
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the end of the snapshot", func() bool { return c.number("persistence", "rdb_bgsave_in_progress") == 0 })
	if n := c.number("persistence", "rdb_changes_since_last_save"); n != 0 {
		t.Errorf("%d changes are not saved", n)
	}
	if _, err := os.Stat(filepath.Join(ts.conf.Dir.Get(), "dump.rdb")); err != nil {
		t.Error(err)
	}
}

// TestSnapshotOfSlowReplica sends a snapshot to one that takes it and one that does not, and gives only that one up.
func TestSnapshotOfSlowReplica(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "60", "--repl-diskless-sync-max-replicas", "2", "--rdbcompression", "no")
	c := ts.dial()
	c.want("debug populate 3000 key 10000", "OK")
	var two [2]*testClient
	var slow int64
	for i := range two {
		two[i] = ts.dial()
		if i == 0 {
			slow = two[i].do("client id").(int64)
		}
		two[i].want("replconf capa eof capa psync2", "OK")
		two[i].send("psync ? -1")
	}
	eventually(t, "the snapshot begins", func() bool {
		return ts.logged("Background RDB transfer started by pid "+strconv.Itoa(os.Getpid())) == 1
	})
	if got := c.info("replication", "slave0"); !strings.Contains(got, "state=wait_bgsave") {
		t.Errorf("INFO says %s", got)
	}
	go io.Copy(io.Discard, two[1].r)
	eventually(t, "the slow one is given up", func() bool {
		for _, p := range ts.repl.list() {
			if p.s.id == slow {
				p.heard_ms.Store(ts.steady() - 61_000) // as if it had taken nothing for longer than repl-timeout
			}
		}
		return c.number("replication", "connected_slaves") == 1
	})
	eventually(t, "the other has everything", func() bool { return ts.logged("done reading from pipe, 1 replicas still up.") == 1 })
	if ts.logged("Disconnecting timedout replica (full sync)") != 1 {
		t.Error("the log does not say who was given up")
	}
	two[1].nc.Close()
}

// TestAbortedSnapshot: FLUSHALL ends a snapshot that a replica takes slowly, and the next one begins.
func TestAbortedSnapshot(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "0", "--rdbcompression", "no", "--save", "")
	c := ts.dial()
	c.want("debug populate 3000 key 10000", "OK")
	slow := ts.dial()
	slow.want("replconf capa eof capa psync2", "OK")
	slow.send("psync ? -1")
	eventually(t, "the snapshot waits for it", func() bool {
		ts.repl.mu.Lock()
		defer ts.repl.mu.Unlock()
		return ts.repl.transfer != nil && ts.repl.transfer.stream.Behind() > sendAhead
	})
	c.want("flushall", "OK")
	eventually(t, "the slow one is given up", func() bool { return c.number("replication", "connected_slaves") == 0 })
	b := startServer(t)
	b.follow(ts)
	same(t, ts, b)
}

// TestAnnouncedName: what a replica announces may be a name, as long as names are.
func TestAnnouncedName(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	name := strings.Repeat("replica.", 31) + "example"
	b := startServer(t, "--replica-announce-ip", name)
	b.follow(a)
	if got := a.dial().info("replication", "slave0"); !strings.HasPrefix(got, "ip="+name+",") {
		t.Errorf("the replica is %s", got)
	}
	c := a.dial()
	c.want("replconf ip-address "+name+"x", replyError("ERR REPLCONF ip-address provided by replica instance is too long: 256 bytes"))
}
