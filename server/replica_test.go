package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/persistence"
	"larder/server/netloop"
)

// follow makes ts a replica of primary and waits until the link is up.
func (ts *testServer) follow(primary *testServer) {
	ts.t.Helper()
	c := ts.dial()
	host, port, _ := strings.Cut(primary.addr, ":")
	c.want("replicaof "+host+" "+port, "OK")
	eventually(ts.t, "the link", func() bool { return c.info("replication", "master_link_status") == "up" })
}

// same waits until the servers have the same position, and fails the test unless they have the same data.
func same(t *testing.T, servers ...*testServer) {
	t.Helper()
	first := servers[0].dial()
	for _, ts := range servers[1:] {
		c := ts.dial()
		eventually(t, "the same position", func() bool { // one that is still loading may have the position of what it had before
			return c.info("replication", "master_link_status") != "down" &&
				c.info("replication", "master_repl_offset") == first.info("replication", "master_repl_offset")
		})
		if a, b := first.text("debug digest"), c.text("debug digest"); a != b {
			t.Errorf("the data differ: %s, %s", a, b)
		}
	}
}

// breakLink closes the connection of a replica to its primary.
func (ts *testServer) breakLink() {
	l := ts.repl.link.Load()
	if s := l.session.Load(); s != nil {
		s.conn.Kill(netloop.ErrKilled)
	}
}

// What a primary sends is not asked whether the replica's default user may do it.
func TestReplicationPastAccessRules(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	b := startServer(t, "--repl-diskless-sync-delay", "0")
	b.follow(a)
	r := b.dial()
	r.want("acl setuser ann on nopass ~* +@all", "OK")
	r.want("auth ann x", "OK")
	r.want("acl setuser default -@all resetkeys", "OK")
	c := a.dial()
	c.want("set k v", "OK")
	eventually(t, "the write arrives", func() bool { return r.do("get", "k") == "v" })
}

func TestReplication(t *testing.T) {
	a, b, d := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	c := a.dial()
	c.want("debug populate 5000 before 30", "OK")
	b.follow(a)
	d.follow(b)
	c.want("set k v", "OK")
	c.want("select 3", "OK")
	c.want("rpush list 1 2 3", 3)
	c.want("multi", "OK")
	c.want("lpop list", "QUEUED")
	c.want("select 1", "QUEUED")
	c.want("sadd set 1 2 3", "QUEUED")
	c.list("exec")
	same(t, a, b, d)

	r := b.dial()
	r.want("set k x", replyError("READONLY You can't write against a read only replica."))
	b.breakLink()
	c.want("incr counter", 1)
	eventually(t, "a partial resynchronization", func() bool { return c.number("stats", "sync_partial_ok") == 1 })
	same(t, a, b, d)
	if n := c.number("stats", "sync_full"); n != 1 {
		t.Errorf("%d snapshots were sent", n)
	}

	// The replica takes over; its own replica and the old primary go on with it.
	r.want("replicaof no one", "OK")
	r.want("set k new", "OK")
	a.follow(b)
	same(t, b, a, d)
	if n := r.number("stats", "sync_partial_ok"); n != 2 {
		t.Errorf("%d replicas went on with the new primary", n)
	}
	if n := r.number("stats", "sync_full"); n != 1 {
		t.Errorf("%d snapshots were sent by the new primary", n)
	}
}

// TestWaitAndFailover lets a replica take over by FAILOVER, and waits for writes on replicas.
func TestWaitAndFailover(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	c, r := a.dial(), b.dial()
	c.want("wait 1 10", 0)
	c.want("failover", replyError("ERR FAILOVER requires connected replicas."))
	b.follow(a)
	r.want("wait 1 10", replyError("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated."))
	c.want("set k v", "OK")
	c.want("wait 1 0", 1)
	c.want("wait 2 20", 1)
	c.want("failover", "OK")
	eventually(t, "the exchange of roles", func() bool {
		return c.info("replication", "role") == "slave" && c.info("replication", "master_link_status") == "up" && r.info("replication", "role") == "master"
	})
	c.want("set k x", replyError("READONLY You can't write against a read only replica."))
	r.want("set k x", "OK")
	r.want("wait 1 0", 1)
	same(t, b, a)
	if n := r.number("stats", "sync_full"); n != 0 {
		t.Errorf("%d snapshots were sent to the old primary", n)
	}
}

// TestSwapdb keeps old data while a replica loads, and has the new data all at once.
func TestSwapdb(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--repl-diskless-load", "swapdb")
	c, r := a.dial(), b.dial()
	c.want("debug populate 2000 new", "OK")
	r.want("set old v", "OK")
	b.follow(a)
	same(t, a, b)
	r.want("exists old", 0)
}

// TestWritableReplica looks at keys that only the replica knows of, and at those that only the primary removes.
func TestWritableReplica(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--replica-read-only", "no")
	c, r := a.dial(), b.dial()
	b.follow(a)
	c.want("debug set-active-expire 0", "OK")
	c.want("set theirs v px 20", "OK")
	c.want("wait 1 0", 1)
	r.want("set own v px 20", "OK")
	eventually(t, "the end of the replica's own key", func() bool { return r.do("dbsize") == int64(1) })
	eventually(t, "the end of the other", func() bool { return r.do("get theirs") == nil })
	r.want("dbsize", 1)
	r.want("incr theirs", 1) // as a client's write it finds the key gone
	r.want("ttl theirs", -1)
	r.want("set mine v px 3000", "OK") // not over before it has moved
	r.want("copy mine copied db 1", 1)
	r.want("move mine 1", 1)
	r.want("select 1", "OK")
	eventually(t, "the end of what stands in another database", func() bool { return r.do("dbsize") == int64(0) })
}

// TestSnapshotOnly sends clients a snapshot and nothing else, as redis-cli --rdb and --functions-rdb want it.
func TestSnapshotOnly(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "0")
	c := ts.dial()
	c.want("set k v", "OK")
	for _, capa := range []string{"eof", "psync2"} { // straight, and over a file
		for _, command := range []string{"sync", "psync ? -1"} {
			r := ts.dial()
			r.want("replconf capa "+capa, "OK")
			r.want("replconf rdb-only 1", "OK")
			r.send(command)
			r.nc.SetReadDeadline(time.Now().Add(patience))
			got, err := io.ReadAll(r.r)
			if err != nil || !bytes.Contains(got, []byte("REDIS00")) {
				t.Fatalf("%s with capa %s: %q, %v", command, capa, got, err)
			}
			c.want("get k", "v")
		}
	}
}

// TestClientTypePrimary: a replica's link is of the type that Redis calls master, and Valkey primary.
func TestClientTypePrimary(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	b.follow(a)
	c := b.dial()
	want := c.text("client list type master")
	if !strings.Contains(want, "flags=M") {
		t.Fatalf("the link is not listed: %q", want)
	}
	if got := c.text("client list type primary"); !strings.Contains(got, "flags=M") || strings.Count(got, "\n") != 1 {
		t.Errorf("by the other name: %q", got)
	}
	c.want("client kill type primary", 1)
	a.dial().want("client kill type primary", 0)
}

// Who understands redirections is told by a replica where the primary is, unless it says that it reads there.
func TestRedirections(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--repl-diskless-sync-delay", "0")
	c, queued, other := b.dial(), b.dial(), b.dial()
	const noCluster = replyError("ERR This instance has cluster support disabled")
	c.want("readonly", noCluster)
	for _, c := range []*testClient{c, queued} {
		c.want("client capa redirect", "OK")
		c.want("set k v", "OK")
	}
	queued.want("multi", "OK")
	queued.want("set k v", "QUEUED")
	b.follow(a)
	to := replyError("REDIRECT " + a.addr)
	queued.want("exec", to)
	queued.want("exec", replyError("ERR EXEC without MULTI"))
	queued.want("multi", "OK")
	queued.want("set k v", to)
	queued.want("exec", replyError("EXECABORT Transaction discarded because of previous errors."))
	other.want("set k v", replyError("READONLY You can't write against a read only replica."))
	other.want("get k", nil)
	c.want("get k", to)
	c.want("ping", "PONG")
	c.want("readonly", "OK")
	c.want("get k", nil)
	c.want("set k v", to)
	c.want("readwrite", "OK")
	c.want("get k", to)
	c.want("readonly", "OK")
	c.want("reset", "RESET")
	c.want("get k", to)

	// While two servers change places neither is a primary, and both would send the client to the other one.
	b.repl.failover.state.Store(failoverHanding)
	c.send("get k")
	queued.send("set k v")
	eventually(t, "both wait", func() bool { return other.info("clients", "blocked_clients") == "2" })
	b.endFailover()
	for _, c := range []*testClient{c, queued} {
		if got := c.read(); got != to {
			t.Errorf("after the failover the client is told %v", got)
		}
	}
}

// losesBoth makes r a replica of a, of which c is a client, and breaks the link when the old data is gone and the new is not there.
// The next snapshot is put off.
func losesBoth(t *testing.T, a *testServer, c, r *testClient) {
	t.Helper()
	host, port, _ := strings.Cut(a.addr, ":")
	r.want("replicaof "+host+" "+port, "OK")
	eventually(t, "the loading", func() bool { return r.number("persistence", "loading") == 1 })
	c.want("config set repl-diskless-sync-delay 100", "OK")
	c.want("client kill type replica", 1)
	eventually(t, "the end of the loading", func() bool { return r.number("persistence", "loading") == 0 })
	r.want("dbsize", 0)
}

// With flush-before-load a replica gives its data up before it has the new.
func TestFlushBeforeLoad(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0", "--rdb-key-save-delay", forLong, "--save", "")
	b := startServer(t, "--repl-diskless-load", "flush-before-load")
	c, r := a.dial(), b.dial()
	c.want("debug populate 10 new", "OK")
	r.want("debug populate 20 old", "OK")
	losesBoth(t, a, c, r)
	c.want("config set rdb-key-save-delay 0 repl-diskless-sync-delay 0", "OK")
	eventually(t, "the link", func() bool { return r.info("replication", "master_link_status") == "up" })
	r.want("dbsize", 10)
}

// TestFirstSnapshotNeedsNoFile: what a primary sends goes to a file first only if there is something that it takes the place of.
func TestFirstSnapshotNeedsNoFile(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	a.dial().want("debug populate 10 new", "OK")
	host, port, _ := strings.Cut(a.addr, ":")
	for _, had := range []string{"nothing", "a key", "a function"} {
		b := startServer(t, "--repl-diskless-load", "disabled")
		r := b.dial()
		files := 1
		switch had {
		case "nothing":
			files = 0
		case "a key":
			r.want("set k v", "OK")
		case "a function":
			r.do("function", "load", "#!lua name=own\nredis.register_function('own', function() return 1 end)")
		}
		r.want("replicaof "+host+" "+port, "OK")
		eventually(t, "the link", func() bool { return r.info("replication", "master_link_status") == "up" })
		r.want("dbsize", 10)
		if n := b.logged("receiving the snapshot to disk"); n != files {
			t.Errorf("with %s there before, %d snapshots went to a file", had, n)
		}
		if n := len(r.list("function list")); n != 0 {
			t.Errorf("with %s there before, %d functions are left", had, n)
		}
	}
}

// TestLogOutlivesHalfSnapshot: a replica that has given its data up for a snapshot which does not come to its end keeps the log of
// the data that it had, for a start, until it has other data or is nobody's replica.
func TestLogOutlivesHalfSnapshot(t *testing.T) {
	for _, then := range []string{"is started again", "tries again", "is made a primary", "is told to have no log"} {
		a := startServer(t, "--repl-diskless-sync-delay", "0", "--rdb-key-save-delay", forLong, "--save", "")
		options := []string{"--repl-diskless-load", "flush-before-load", "--dir", t.TempDir(), "--appendonly", "yes", "--save", ""}
		b := startServer(t, options...)
		c, r := a.dial(), b.dial()
		c.want("debug populate 10 new", "OK")
		r.want("debug populate 20 old", "OK")
		rewriteLog(t, r) // what DEBUG makes is in no log
		losesBoth(t, a, c, r)
		want := 20
		switch then {
		case "tries again":
			c.want("config set rdb-key-save-delay 0 repl-diskless-sync-delay 0", "OK")
			eventually(t, "the link", func() bool { return r.info("replication", "master_link_status") == "up" })
			eventually(t, "the log", func() bool { return b.aof.state.Load() == logOn })
			c.want("set last one", "OK")
			eventually(t, "the last write", func() bool { return r.do("get last") == "one" })
			want = 11
		case "is made a primary":
			r.want("replicaof no one", "OK")
			r.want("set last one", "OK")
			eventually(t, "the log", func() bool { return b.aof.state.Load() == logOn })
			want = 1
		case "is told to have no log":
			r.want("config set appendonly no", "OK")
			r.want("replicaof no one", "OK")
			if state := b.aof.state.Load(); state != logOff {
				t.Errorf("the log is %d", state)
			}
		}
		b.stop()
		again := startServer(t, options...)
		again.dial().want("dbsize", want)
		again.stop()
		a.stop()
	}
}

// withSilentReplica is a server with a write that its replica never says it has, and a client of it.
func withSilentReplica(t *testing.T) (*testServer, *testClient) {
	ts := startServer(t, "--repl-diskless-sync", "no")
	r := ts.dial()
	r.send("sync")
	go io.Copy(io.Discard, r.nc)
	c := ts.dial()
	eventually(t, "the replica", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	c.want("set k v", "OK")
	return ts, c
}

// What was written before there was a replica is on its disk when that says so, not before.
func TestWaitAOFBeforeTheReplicaSpeaks(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync", "no", "--appendonly", "yes")
	c := ts.dial()
	c.want("set k v", "OK")
	r := ts.dial()
	r.send("sync")
	go io.Copy(io.Discard, r.nc)
	eventually(t, "the replica", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	v, ok := c.do("waitaof 0 1 50").([]any)
	if !ok || len(v) != 2 || v[1] != 0 && v[1] != int64(0) {
		t.Errorf("on disk here and there: %v", v)
	}
}

// TestFailoverAsked has clients ask for failovers again and again while the time of each is over at once: everybody gets an
// answer.
func TestFailoverAsked(t *testing.T) {
	ts, c := withSilentReplica(t)
	const rounds = 5
	over := func() int { return ts.logged("Aborting failover: Replica never caught up before timeout") }
	var all sync.WaitGroup
	for range 3 {
		c := ts.dial()
		all.Go(func() {
			for over() < rounds {
				c.do("failover timeout 1")
			}
		})
	}
	all.Wait()
	eventually(t, "the last one is over", func() bool { return c.info("replication", "master_failover_state") == "no-failover" })
	c.want("set k w", "OK")
}

// TestFailoverForEver has it wait for the longest time that can be said, which is not over at once.
func TestFailoverForEver(t *testing.T) {
	ts, c := withSilentReplica(t)
	c.want("failover timeout "+strconv.FormatInt(math.MaxInt64, 10), "OK")
	over := false
	ts.inWorldDo(func(ex *executor) { _, _, over = ts.failoverDue(ex.steady()) })
	if got := c.info("replication", "master_failover_state"); over || got != "waiting-for-sync" {
		t.Errorf("it is %s, and over: %v", got, over)
	}
	c.want("failover abort", "OK")
}

// TestNothingIsSavedHalfLoaded wants a snapshot, a backup and a new base while a replica loads what its primary has sent: they
// have all of it.
func TestNothingIsSavedHalfLoaded(t *testing.T) {
	const keys = 20
	dir := t.TempDir()
	a := startServer(t, "--repl-diskless-sync-delay", "0", "--rdb-key-save-delay", forLong)
	b := startServer(t, "--dir", dir, "--save", "", "--appendonly", "yes", "--backup-schedule", "0 0 1 1 *")
	c, r := a.dial(), b.dial()
	c.want("debug populate "+strconv.Itoa(keys), "OK")
	host, port, _ := strings.Cut(a.addr, ":")
	r.want("replicaof "+host+" "+port, "OK")
	eventually(t, "the loading", b.loading.Load)
	b.inWorldDo(func(*executor) {
		b.saver.scheduled.Store(true)
		b.aof.scheduled.Store(true)
		b.backup.next = time.Now()
	})
	b.nudgeReplication()
	rounds := b.stats.house_ns.Load()
	eventually(t, "a round of the janitor", func() bool { return b.stats.house_ns.Load() > rounds })
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the end of the loading", func() bool { return !b.loading.Load() })
	eventually(t, "a snapshot", func() bool {
		return r.info("persistence", "rdb_saves") == "1" && r.info("persistence", "rdb_bgsave_in_progress") == "0"
	})
	eventually(t, "a backup", func() bool { return r.number("persistence", "backup_last_time") > 0 })
	b.stop()
	backups, _ := filepath.Glob(filepath.Join(dir, "backups", "*.rdb"))
	for _, file := range append(backups, filepath.Join(dir, "dump.rdb")) {
		rep, err := persistence.Verify(file, persistence.VerifyOptions{})
		if err != nil || rep.Keys != keys {
			t.Errorf("%s has %d keys: %v", filepath.Base(file), rep.Keys, err)
		}
	}
	startServer(t, "--dir", dir, "--appendonly", "yes").dial().want("dbsize", keys)
}

// TestNothingIsReloadedHalfLoaded: DEBUG does not put half of the data in the place of a file that has all of it.
func TestNothingIsReloadedHalfLoaded(t *testing.T) {
	dir := t.TempDir()
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	c := a.dial()
	c.want("debug populate 20", "OK")
	for _, how := range []string{"flush-before-load", "swapdb"} {
		c.want("config set rdb-key-save-delay "+forLong, "OK")
		b := startServer(t, "--dir", dir, "--save", "", "--repl-diskless-load", how)
		r := b.dial()
		host, port, _ := strings.Cut(a.addr, ":")
		r.want("replicaof "+host+" "+port, "OK")
		eventually(t, "the loading", b.loads)
		for _, name := range []string{"reload", "reload nosave", "loadaof"} {
			r.want("debug "+name, replyError("LOADING Redis is loading the dataset in memory"))
		}
		c.want("config set rdb-key-save-delay 0", "OK")
		same(t, a, b)
	}
	if _, err := os.Stat(filepath.Join(dir, "dump.rdb")); err == nil {
		t.Error("it was saved")
	}
}

// TestSlowLoading: a replica that takes long to load a snapshot says meanwhile that it is alive, or it would be given up.
func TestSlowLoading(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync", "no", "--rdbcompression", "no")
	b := startServer(t, "--key-load-delay", "20000")
	a.dial().want("debug populate 200 key 20000", "OK")
	host, port, _ := strings.Cut(a.addr, ":")
	b.dial().want("replicaof "+host+" "+port, "OK")
	eventually(t, "the loading", b.loads)
	began, said := a.engine.Traffic().BytesIn, uint64(0) // nobody else talks to it
	eventually(t, "the end of the loading", func() bool {
		if n := a.engine.Traffic().BytesIn - began; b.loads() {
			said = n
			return false
		}
		return true
	})
	if said < 2 {
		t.Errorf("in four seconds and more it has said %d bytes", said)
	}
	same(t, a, b)
}

// scriptedPrimary makes ts the replica of one that the test plays, up to the reply to PSYNC.
func scriptedPrimary(t *testing.T, ts *testServer) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // there is no second time
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	ts.dial().want("replicaof "+host+" "+port, "OK")
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	in := bufio.NewReader(nc)
	for line := ""; line != "PSYNC\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if line == "PING\r\n" || line == "REPLCONF\r\n" {
			io.WriteString(nc, "+OK\r\n")
		}
	}
	return nc
}

// TestSlowRequest: a primary whose request takes long to come is heard of while it comes, or it would be given up.
func TestSlowRequest(t *testing.T) {
	b := startServer(t)
	r := b.dial()
	nc := scriptedPrimary(t, b)
	snapshot := "REDIS0009\xff\x00\x00\x00\x00\x00\x00\x00\x00"
	fmt.Fprintf(nc, "+FULLRESYNC %040d 0\r\n$%d\r\n%s", 1, len(snapshot), snapshot)
	eventually(t, "the link", func() bool { return r.info("replication", "master_link_status") == "up" })
	const parts = 25
	l := b.repl.link.Load()
	at := l.got.Load()
	for i := range parts + 1 {
		text := "v"
		if i == 0 {
			text = fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", parts)
		}
		l.heard.Store(b.steady() - 20_000)
		io.WriteString(nc, text)
		at += int64(len(text))
		eventually(t, "the reading", func() bool { return l.got.Load() == at })
		eventually(t, "the primary is heard of", func() bool { return b.steady()-l.heard.Load() < 20_000 })
	}
	io.WriteString(nc, "\r\n")
	eventually(t, "the request", func() bool { return r.do("get k") == strings.Repeat("v", parts) })
	if b.logged("MASTER timeout") != 0 {
		t.Error("the primary was given up")
	}
}

// TestHalfSnapshot gives a replica a snapshot that breaks off before the mark that ends it: what it says of functions comes and
// goes with its keys.
func TestHalfSnapshot(t *testing.T) {
	const theirs = "#!lua name=theirs\nredis.register_function('theirs', function() return 1 end)"
	for how, want := range map[string]int{"swapdb": 1, "flush-before-load": 0} {
		b := startServer(t, "--repl-diskless-load", how)
		r := b.dial()
		r.do("function", "load", "#!lua name=own\nredis.register_function('own', function() return 1 end)")
		nc := scriptedPrimary(t, b)
		fmt.Fprintf(nc, "+FULLRESYNC %040d 0\r\n$EOF:%040d\r\nREDIS0010\xf5\x40%c%s\xff%s", 1, 2, len(theirs), theirs, strings.Repeat("\x00", 8+100))
		eventually(t, "the snapshot", func() bool { return b.logged("Done loading RDB") > 0 })
		nc.Close()
		eventually(t, "the next attempt", func() bool { return b.logged("error condition on socket for SYNC") > 0 })
		if n := len(r.list("function list libraryname theirs")); n != 0 {
			t.Errorf("%s: the functions of the snapshot are there", how)
		}
		if n := len(r.list("function list libraryname own")); n != want {
			t.Errorf("%s: of its own functions there are %d", how, n)
		}
	}
}

// TestForgetHalf: what has come of a snapshot goes even if the system has no room for a second keyspace, and nobody goes on from
// there as if it were the primary's data.
func TestForgetHalf(t *testing.T) {
	ts := startServer(t, "--databases", "2")
	c := ts.dial()
	c.want("debug populate 100 half", "OK")
	c.want("select 1", "OK")
	c.want("set k v", "OK")
	ts.inWorldDo(func(*executor) { ts.startBacklog(1000) })
	before := c.info("replication", "master_replid")
	ts.forgetHalf(nil)
	c.want("dbsize", 0)
	c.want("select 0", "OK")
	c.want("dbsize", 0)
	if c.info("replication", "master_replid") == before || c.info("replication", "repl_backlog_active") != "0" || c.info("replication", "master_repl_offset") != "0" {
		t.Errorf("there is a position to go on from: %v", c.fields("replication"))
	}
	c.want("debug check", "OK")
}

// TestBacklogStays: a repl-backlog-ttl of more milliseconds than there are does not end at once.
func TestBacklogStays(t *testing.T) {
	ts := startServer(t, "--repl-backlog-ttl", "9223372036854775807")
	ts.inWorldDo(func(ex *executor) {
		ts.startBacklog(0)
		ex.view.Release()
		for range 2 { // the first one finds out that nobody is there
			ts.expireBacklog(ex)
		}
		ex.view.Take(ts.ks.All())
	})
	if active := ts.dial().info("replication", "repl_backlog_active"); active != "1" {
		t.Errorf("repl_backlog_active is %s", active)
	}
}

// Who is blocked on a replica looks at the data that comes as a whole from another primary.
func TestBlockedOnReplicaSeesNewData(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--repl-diskless-sync-delay", "0")
	b.dial().want("xadd x 1-1 f v", "1-1")
	replica := startServer(t)
	replica.follow(a)
	w, c := replica.dial(), replica.dial()
	c.block("xread block 0 streams x 0", w)
	replica.follow(b)
	if v := fmt.Sprint(w.read()); v != "[[x [[1-1 [f v]]]]]" {
		t.Error(v)
	}
}

// TestReplicaWithoutMemory: what the system gives a replica no memory for is not taken for done: the position stays in front of it,
// and it is done when there is memory, once.
func TestReplicaWithoutMemory(t *testing.T) {
	defer func() { shardBytes = 0; retryEvery = time.Second }()
	retryEvery = 10 * time.Millisecond
	a := startServer(t, "--shards", "1", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "100mb")
	shardBytes = 32 << 20
	b := startServer(t, "--shards", "1", "--replica-read-only", "no")
	b.follow(a)
	ca, cb := a.dial(), b.dial()
	large := strings.Repeat("v", 4<<20)
	const refusal = "the system gives no memory for what the primary sends"
	for _, together := range []bool{false, true} {
		for i := range 5 { // the replica's own
			cb.do("set", fmt.Sprint("own", i), large)
		}
		told := b.logged(refusal)
		if together {
			ca.want("multi", "OK")
		}
		for i := range 3 {
			ca.do("incr", "n")
			ca.do("set", fmt.Sprint("key", i), large)
		}
		if together {
			ca.do("exec") // half done, so that all of it is sent again: what is the replica's own makes room
		}
		eventually(t, "the refusal", func() bool { return b.logged(refusal) > told })
		if !together {
			if got := cb.info("replication", "master_repl_offset"); got == ca.info("replication", "master_repl_offset") {
				t.Errorf("the replica says that it has everything, up to %s", got)
			}
			cb.want("del own0 own1 own2 own3 own4", 5)
		}
		same(t, a, b)
		ca.want("del n key0 key1 key2", 4)
		same(t, a, b)
		cb.want("debug check", "OK")
	}
}

// TestNamesMakeNoLinesOfTheLog: a name that a client has chosen stands in one line of the log, whatever is in it.
func TestNamesMakeNoLinesOfTheLog(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	if got := c.do("replicaof", "nowhere.invalid\nforged\x1b[2J", "1"); got != "OK" {
		t.Fatal(got)
	}
	c.want("replicaof no one", "OK")
	replica := ts.dial()
	replica.want("replconf listening-port 7", "OK")
	if got := replica.do("replconf", "ip-address", "here\nforged"); got != "OK" {
		t.Fatal(got)
	}
	replica.send("psync ? -1")
	for _, want := range []string{"REPLICAOF nowhere.invalid_forged_[2J:1 enabled", "Connecting to MASTER nowhere.invalid_forged_[2J 1", "Replica here_forged:7 asks for synchronization"} {
		eventually(t, want, func() bool { return ts.logged(want) > 0 })
	}
	if n := ts.logged("\nforged"); n > 0 {
		t.Errorf("%d messages are of several lines", n)
	}
}
