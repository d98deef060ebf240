package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"larder/server/config"
)

// TestLinkWaitsForOwnData: a group may name the primary while a member still loads its own data. The link begins when that is
// over: a snapshot that came before would be mixed with what is loaded.
func TestLinkWaitsForOwnData(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conf := config.New()
	if err := conf.Load(config.ParseArgs([]string{"--dir", t.TempDir(), "--shards", "4"}), strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	srv, err := New(conf, zap.NewNop()) // it does not run: nothing is loaded
	if err != nil {
		t.Fatal(err)
	}
	defer srv.ks.Close()
	for range 50 {
		l := newLink(srv, config.Address{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}, false)
		go l.run()
		mine, err := net.Dial("tcp", ln.Addr().String()) // time enough for the link to be there, too
		if err != nil {
			t.Fatal(err)
		}
		nc, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if nc.RemoteAddr().String() != mine.LocalAddr().String() {
			t.Error("the link does not wait")
		}
		nc.Close()
		mine.Close()
		l.stop()
		<-l.over
		if t.Failed() {
			return
		}
	}
}

// TestCutSnapshotIsAskedForAtOnce breaks the connection in the midst of a snapshot, several times: the replica asks for another one
// at once, and not when it would try a primary again that is not there.
func TestCutSnapshotIsAskedForAtOnce(t *testing.T) {
	every := retryEvery
	retryEvery = time.Hour
	t.Cleanup(func() { retryEvery = every }) // when the servers have stopped
	for _, how := range []string{"disabled", "swapdb"} {
		a := startServer(t, "--repl-diskless-sync-delay", "0", "--rdbcompression", "no")
		c := a.dial()
		c.want("debug populate 60 k 500000", "OK") // more than the system holds for a connection
		b := startServer(t, "--repl-diskless-load", how, "--key-load-delay", "20000")
		r := b.dial()
		host, port, _ := strings.Cut(a.addr, ":")
		r.want("replicaof "+host+" "+port, "OK")
		for n := range int64(4) { // what is between two snapshots is too short to be seen
			eventually(t, "a snapshot", func() bool {
				read := r.info("replication", "master_sync_read_bytes")
				return c.number("stats", "sync_full") == n+1 && b.loads() && read != "" && read != "0"
			})
			c.want("client kill type replica", 1)
		}
		eventually(t, "another snapshot", func() bool { return c.number("stats", "sync_full") == 5 })
		r.want("config set key-load-delay 0", "OK")
		same(t, a, b)
	}
}

// TestSettingsChangeWhileLoadingAside changes by CONFIG SET what the keyspace that is loaded beside the data has, too: both go by their own
// meanwhile, and the data by what was said last when it has changed places.
func TestSettingsChangeWhileLoadingAside(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	c := a.dial()
	c.want("debug populate 20", "OK")
	for n := range 40 {
		c.do("hset", "h"+strconv.Itoa(n%8), "f"+strconv.Itoa(n), "v")
	}
	b := startServer(t, "--repl-diskless-load", "swapdb", "--key-load-delay", "20000")
	r := b.dial()
	host, port, _ := strings.Cut(a.addr, ":")
	r.want("replicaof "+host+" "+port, "OK")
	eventually(t, "the loading, or its end", func() bool { return b.loads() || r.info("replication", "master_link_status") == "up" })
	for n := range 50 {
		policy := []string{"allkeys-lfu", "allkeys-lru", "volatile-ttl"}[n%3]
		r.do("config", "set", "maxmemory-policy", policy, "lfu-decay-time", strconv.Itoa(n), "hash-max-listpack-entries", strconv.Itoa(100+n), "lazyfree-lazy-expire", []string{"yes", "no"}[n%2])
	}
	r.want("config set hash-max-listpack-entries 2", "OK")
	if !b.loads() {
		t.Log("it was loaded before anything was changed")
	}
	same(t, a, b)
	r.want("replicaof no one", "OK")
	r.want("hset new a 1 b 2", 2)
	r.want("object encoding new", "listpack")
	r.want("hset new c 3", 1)
	r.want("object encoding new", "hashtable")
}

// TestLinkStartsFromWhereItCan: an address to start from that this machine does not have, or that is of the other family, keeps
// nobody from the primary.
func TestLinkStartsFromWhereItCan(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	for _, from := range []string{"192.0.2.1", "::1", "no.such.name.invalid"} {
		b := startServer(t, "--bind-source-addr", from)
		b.follow(a)
		b.stop()
	}
}

// TestSlowScriptLosesNothing: what a primary sends while a script keeps its replica busy is done when the script has ended. It was
// refused like a client's, and counted as done.
func TestSlowScriptLosesNothing(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	b := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "3600000")
	b.follow(a)
	c := a.dial()
	c.want("set k0 old", "OK")
	c.want("wait 1 0", 1)
	scripting, killer := b.dialAt(0), b.dialAt(1)
	for i, sent := range [][]string{{"set k0 new"}, {"set k1 v", "flushall", "set k2 v"}} {
		b.slowFrom("3600000")
		scripting.send("eval", endless, "1", "k0")
		eventually(t, "the script", func() bool { return b.running(0) != nil })
		b.slowFrom("1")
		eventually(t, "the script to be slow", func() bool { return isError(killer.do("get x"), "BUSY ") })
		for _, request := range sent {
			c.want(request, "OK")
		}
		c.want("wait 1 100", 0)
		killer.want("script kill", "OK")
		if v := scripting.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(i, v)
		}
		same(t, a, b)
	}
}

// TestErrorsAreNoPartOfTheStream: a replica whose acknowledgement is refused is closed, and not told in the midst of the stream.
func TestErrorsAreNoPartOfTheStream(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync-delay", "0")
	c := ts.dial()
	for _, bad := range []string{"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n", "*1\r\n$x\r\n"} {
		r := ts.dial()
		r.want("replconf listening-port 1", "OK")
		r.send("psync ? -1")
		eventually(t, "the replica", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
		c.want("acl setuser default -replconf", "OK")
		if _, err := r.nc.Write([]byte(bad)); err != nil {
			t.Fatal(err)
		}
		if err := r.nc.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(r.nc)
		if errors.Is(err, os.ErrDeadlineExceeded) || bytes.Contains(said, []byte("-NOPERM")) || bytes.Contains(said, []byte("-ERR")) {
			t.Errorf("it is told %q, %v", said, err)
		}
		c.want("acl setuser default +replconf", "OK")
		eventually(t, "the replica is gone", func() bool { return c.info("replication", "connected_slaves") == "0" })
	}
}
