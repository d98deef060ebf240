package server

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// churn writes to a primary and its replica what makes log and stream differ, and whatever is done twice or not at all if
// somebody goes on at the wrong place. What it writes to the replica alone does not stay there.
func churn(c, local *testClient, rnd *rand.Rand) {
	key := func() string { return itoa(rnd.Int64N(20)) }
	switch rnd.IntN(12) {
	case 0:
		c.do("select", itoa(rnd.Int64N(4)))
	case 1:
		c.do("multi")
		c.do("incr", "n"+key())
		c.do("select", itoa(rnd.Int64N(4)))
		c.do("lpush", "l"+key(), "x")
		c.do("exec")
	case 2:
		c.do("eval", "redis.call('incr', KEYS[1]) redis.call('lpush', KEYS[2], 'y')", "2", "n"+key(), "l"+key())
	case 3:
		c.do("wait", "1", "1") // and GETACK
	case 4:
		c.do("psetex", "p"+key(), itoa(1+rnd.Int64N(5)), "v")
	case 5:
		c.do("spop", "s"+key())
	case 6:
		c.do("sadd", "s"+key(), key(), key(), key())
	case 7:
		local.do("eval", "redis.call('set', 'local', 1) redis.call('del', 'local')", "1", "local")
	case 8:
		c.do("publish", "channel", "x") // in the stream alone
	default:
		c.do("lpush", "l"+key(), key())
		c.do("incr", "n"+key())
	}
}

// TestPlaceOfCopiedLog copies the logs of a primary and of its replica while they are written to, which is what a crash
// would leave, and has servers go on from there: they must come to the same data, nearly always without a snapshot.
func TestPlaceOfCopiedLog(t *testing.T) {
	options := []string{"--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--replica-read-only", "no"}
	dirs := [2]string{t.TempDir(), t.TempDir()}
	a := startServer(t, append(options, "--dir", dirs[0])...)
	b := startServer(t, append(options, "--dir", dirs[1])...)
	b.follow(a)
	c, r := a.dial(), b.dial()
	eventually(t, "the replica's log", func() bool { return r.info("persistence", "aof_pending_rewrite") == "0" })

	var pause sync.Mutex
	var writer sync.WaitGroup
	stop := make(chan struct{})
	w, local, rnd := a.dial(), b.dial(), rand.New(rand.NewPCG(1, 2))
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			pause.Lock()
			for range 1 + rnd.IntN(40) {
				churn(w, local, rnd)
			}
			pause.Unlock()
		}
	})
	defer writer.Wait()
	defer close(stop)

	const rounds = 12
	for i := range rounds {
		written := c.number("replication", "master_repl_offset")
		eventually(t, "writes", func() bool { return c.number("replication", "master_repl_offset") > written+4000 })
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, "appendonlydir"), os.DirFS(filepath.Join(dirs[i%2], "appendonlydir"))); err != nil {
			t.Fatal(err)
		}
		goOnFrom(t, a, dir, &pause, options)
	}
	if n := c.number("stats", "sync_partial_ok"); n < rounds*2/3 {
		t.Errorf("%d of %d went on without a snapshot", n, rounds)
	}
}

// goOnFrom starts a server with a copied log as a replica, and waits until it has its primary's data, with the writer paused.
func goOnFrom(t *testing.T, a *testServer, dir string, pause *sync.Mutex, options []string) {
	t.Helper()
	pause.Lock()
	defer pause.Unlock()
	host, port, _ := strings.Cut(a.addr, ":")
	again := startServer(t, append(options, "--dir", dir, "--replicaof", host+" "+port)...)
	defer again.stop()
	c, d := a.dial(), again.dial()
	eventually(t, "the link", func() bool { return d.info("replication", "master_link_status") == "up" })
	// Keys whose time is over may go meanwhile.
	eventually(t, "the same data", func() bool { return c.text("debug digest") == d.text("debug digest") })
}

// TestPlaceReader reads positions as a log may have them.
func TestPlaceReader(t *testing.T) {
	const id = "75cd7bc10c49047e0d163660f3b90625b1af31dc"
	for _, x := range []struct {
		lines string // of a log; a command is its words
		at    int64  // -1: not known
		db    int
	}{
		{"SET k v", -1, 0},
		{"#POS:" + id + ":100:3", 100, 3},
		{"#POS:" + id + ":100:3\nSET k v", -1, 0},
		{"#POS:" + id + ":100:3:+\nSET k v", 107, 3},
		{"#POS:" + id + ":100:3:+\nSELECT 5\n#TS:1\nSET k v", 115, 5},
		{"#POS:" + id + ":100:3:+\nSELECT 3\nSET k v", -1, 0},
		{"#POS:" + id + ":100:3:+\nselect 4\nSELECT 4", -1, 0},
		{"#POS:-:0:0\nSELECT 3\n#POS:" + id + ":8:0:+", 8, 0},
		{"#POS:" + id + ":100:3:+\n#POS:-:0:0\nSET k v", -1, 0},
	} {
		var r placeReader
		for line := range strings.SplitSeq(x.lines, "\n") {
			if line[0] == '#' {
				r.note([]byte(line + "\r\n"))
				continue
			}
			var argv [][]byte
			for _, w := range strings.Fields(line) {
				argv = append(argv, []byte(w))
			}
			r.command(argv, len(line))
		}
		at := int64(-1)
		if r.ok {
			at = r.p.At
		}
		if at != x.at || r.ok && r.p.DB != x.db {
			t.Errorf("%q: %d, database %d, %v; want %d and %d", x.lines, r.p.At, r.p.DB, r.ok, x.at, x.db)
		}
	}
}
