package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRewriteOnSlowDisk: a rewrite that begins by itself on a disk which takes its time keeps nobody waiting, and comes when the disk
// has made what it needs; a log that is switched off meanwhile is whole.
func TestRewriteOnSlowDisk(t *testing.T) {
	for _, off := range []bool{false, true} {
		disk, dir := newBadDisk(t), t.TempDir()
		options := []string{"--dir", dir, "--save", "", "--auto-aof-rewrite-min-size", "1kb", "--auto-aof-rewrite-percentage", "100"}
		ts := startServer(t, append(options, "--appendonly", "yes", "--appendfsync", "everysec")...)
		c := ts.dial()
		stuck, reached := true, false
		disk.set(func(op, _ string) error {
			for op == "syncdir" && stuck {
				reached = true
				disk.gone.Wait()
			}
			return nil
		})
		c.want("set k "+strings.Repeat("v", 5000), "OK")
		eventually(t, "a rewrite that waits for the disk", func() bool {
			disk.mu.Lock()
			defer disk.mu.Unlock()
			return reached
		})
		for i := range 100 {
			c.want("incr n", int64(i+1))
		}
		if n := c.number("persistence", "aof_rewrites"); n != 0 {
			t.Errorf("%d rewrites have begun", n)
		}
		let := func() {
			disk.mu.Lock()
			defer disk.mu.Unlock()
			stuck = false
			disk.gone.Broadcast()
		}
		if off {
			c.send("config set appendonly no")
			let()
			if got := c.read(); got != "OK" {
				t.Error(got)
			}
		} else {
			let()
			eventually(t, "the rewrite", func() bool {
				return c.number("persistence", "aof_rewrites") == 1 && c.number("persistence", "aof_rewrite_in_progress") == 0
			})
		}
		want := digest(c)
		ts.stop()
		disk.set(nil)
		again := startServer(t, append(options, "--appendonly", "yes")...)
		if got := digest(again.dial()); got != want {
			t.Error("the data differs")
		}
		again.stop()
		names, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*"))
		if err != nil || len(names) > 4 {
			t.Errorf("the folder has %v, %v", names, err)
		}
	}
}

// TestLogStaysInItsFolder changes dir while the log is on, and while it is being rewritten: the log stays where it is, as a whole, until
// it is switched off and on.
func TestLogStaysInItsFolder(t *testing.T) {
	disk := newBadDisk(t)
	for n := 1; n <= 4; n++ {
		first, second := t.TempDir(), t.TempDir()
		disk.set(nil)
		ts := startServer(t, "--dir", first, "--save", "", "--appendonly", "yes", "--enable-protected-configs", "yes")
		c, asks := ts.dial(), ts.dial()
		c.want("set k v", "OK")
		reached, thaw := disk.freezeAt(n, first)
		asks.send("bgrewriteaof")
		eventually(t, "the rewrite", reached)
		disk.set(nil)
		c.want("config set dir "+second, "OK")
		c.want("set k w", "OK")
		thaw()
		asks.read()
		eventually(t, "the end of the rewrite", func() bool {
			return c.number("persistence", "aof_rewrites") == 1 && c.info("persistence", "aof_rewrite_in_progress") == "0"
		})
		rewriteLog(t, c)
		c.want("set k x", "OK")
		if ts.logged("The append-only log stays in") != 1 {
			t.Error("nobody is told where the log is")
		}
		if entries, err := os.ReadDir(second); err != nil || len(entries) > 0 {
			t.Errorf("the new folder has %v, %v", entries, err)
		}
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(first)); err != nil { // what kill -9 leaves
			t.Fatal(err)
		}
		startServer(t, "--dir", copied, "--appendonly", "yes").dial().want("get k", "x")
		c.want("config set appendonly no", "OK")
		c.want("config set appendonly yes", "OK")
		eventually(t, "the log in the new folder", func() bool { return ts.aof.state.Load() == logOn })
		c.want("set k y", "OK")
		ts.stop()
		startServer(t, "--dir", first, "--appendonly", "yes").dial().want("get k", "x")
		startServer(t, "--dir", second, "--appendonly", "yes").dial().want("get k", "y")
	}
}

// TestReplicaOnFrozenDisk: a replica whose disk stops answering while its own log begins with the primary's data serves and follows all
// the same, and has its log when the disk answers.
func TestReplicaOnFrozenDisk(t *testing.T) {
	disk := newBadDisk(t)
	for n := 1; n <= 9; n += 2 {
		disk.set(nil)
		dir := t.TempDir()
		options := []string{"--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "no"}
		primary := startServer(t, "--repl-diskless-sync-delay", "0")
		replica := startServer(t, options...)
		p, r := primary.dial(), replica.dial()
		p.want("set k v", "OK")
		reached, thaw := disk.freezeAt(n, dir)
		replica.follow(primary)
		eventually(t, "the disk to stand", reached)
		for i := range 5 {
			p.want(fmt.Sprintf("set n %d", i), "OK")
			eventually(t, "the replica to follow", func() bool { return r.do("get n") == fmt.Sprint(i) })
		}
		disk.set(nil)
		thaw()
		eventually(t, "the log", func() bool { return replica.aof.state.Load() == logOn })
		same(t, primary, replica)
		want := digest(r)
		replica.stop()
		if got := digest(startServer(t, options...).dial()); got != want {
			t.Errorf("call %d: the data differs", n)
		}
	}
}

// TestScheduledRewriteStays: a rewrite that is scheduled is not forgotten if the file that it begins with cannot be made.
func TestScheduledRewriteStays(t *testing.T) {
	disk := newBadDisk(t)
	ts := startServer(t, "--dir", t.TempDir(), "--appendonly", "yes", "--rdb-key-save-delay", "10000000")
	c := ts.dial()
	c.want("set k v", "OK")
	c.want("bgsave", "Background saving started")
	c.want("bgrewriteaof", "Background append only file rewriting scheduled")
	refused := false
	disk.set(func(op, name string) error {
		if op == "open" && strings.Contains(name, ".2.incr.") && !refused {
			refused = true
			return syscall.EMFILE
		}
		return nil
	})
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the rewrite", func() bool {
		return c.number("persistence", "aof_rewrites") == 1 && c.info("persistence", "aof_rewrite_in_progress") == "0"
	})
	if got := c.info("persistence", "aof_rewrite_scheduled"); got != "0" || ts.logged("Can't begin an AOF rewrite") != 1 {
		t.Errorf("aof_rewrite_scheduled:%s, %d failures", got, ts.logged("Can't begin an AOF rewrite"))
	}
}

// TestLogBeginsInNewDir: a log that is switched on together with another dir begins there, whichever is named first.
func TestLogBeginsInNewDir(t *testing.T) {
	for _, set := range []string{"config set dir %s appendonly yes", "config set appendonly yes dir %s"} {
		old, dir := t.TempDir(), t.TempDir()
		ts := startServer(t, "--dir", old, "--save", "", "--enable-protected-configs", "yes")
		c := ts.dial()
		c.want("set k v", "OK")
		c.want(fmt.Sprintf(set, dir), "OK")
		eventually(t, "the log", func() bool { return c.info("persistence", "aof_pending_rewrite") == "0" })
		c.want("set more v", "OK")
		ts.stop()
		if left, _ := filepath.Glob(filepath.Join(old, "appendonlydir", "*")); len(left) > 0 {
			t.Errorf("%s: %q are left in the folder before", set, left)
		}
		c = startServer(t, "--dir", dir, "--appendonly", "yes").dial()
		c.want("dbsize", 2)
	}
}
