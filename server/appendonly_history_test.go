package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// manifestLines is the manifest, in short: "7b 2h 6h" is base 7 and two files of history.
func manifestLines(t *testing.T, dir string) string {
	t.Helper()
	var short []string
	for line := range strings.Lines(manifestOf(t, dir)) {
		var name, kind string
		var seq int
		if _, err := fmt.Sscanf(line, "file %s seq %d type %s", &name, &seq, &kind); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		short = append(short, fmt.Sprintf("%s%d%s", strings.Split(name, ".")[3], seq, kind))
	}
	return strings.Join(short, " ")
}

// TestHistoryIsKept keeps what a rewrite replaces until aof-disable-auto-gc goes off, in the order that redis-server has.
func TestHistoryIsKept(t *testing.T) {
	dir := t.TempDir()
	ts := startServer(t, "--dir", dir, "--appendonly", "yes")
	c := ts.dial()
	want := func(what, lines string) {
		t.Helper()
		if got := manifestLines(t, dir); got != lines {
			t.Errorf("%s: %s, want %s", what, got, lines)
		}
	}
	c.want("config set aof-disable-auto-gc yes", "OK")
	want("at the start", "base1b incr1i")
	rewriteLog(t, c)
	rewriteLog(t, c)
	want("with history", "base3b incr2h base2h incr1h base1h incr3i")
	c.want("config set aof-disable-auto-gc no", "OK")
	want("without", "base3b incr3i")
	eventually(t, "the files are gone", func() bool {
		files, err := os.ReadDir(filepath.Join(dir, "appendonlydir"))
		return err == nil && len(files) == 3
	})

	// Without a log only a base is made, and numbers are those of the manifest when it has been read again.
	c.want("config set appendonly no", "OK")
	rewriteLog(t, c)
	want("a base alone", "base4b")
	c.want("debug loadaof", "OK")
	c.want("config set appendonly yes", "OK")
	eventually(t, "the next base", func() bool { return manifestLines(t, dir) == "base5b incr1i" })
}

// TestHistoryKeepsItsNames: a log that is switched on beside a history that a rewrite without a log has left gets names of its
// own, or its files would be removed with the history.
func TestHistoryKeepsItsNames(t *testing.T) {
	dir := t.TempDir()
	ts := startServer(t, "--dir", dir, "--appendonly", "yes", "--aof-disable-auto-gc", "yes")
	c := ts.dial()
	c.want("config set appendonly no", "OK")
	rewriteLog(t, c)
	ts.stop()
	if got := manifestLines(t, dir); got != "base2b incr1h base1h" {
		t.Fatal(got)
	}
	ts = startServer(t, "--dir", dir, "--appendonly", "yes")
	if got := manifestLines(t, dir); got != "base2b incr2i" {
		t.Error(got)
	}
	ts.dial().want("set k v", "OK")
	ts.stop()
	startServer(t, "--dir", dir, "--appendonly", "yes").dial().want("get k", "v")
}

// TestLoadLogDuringSnapshot loads the log again while a snapshot is written, which goes on and is what it was begun as;
// the log that is to be switched on after it still is.
func TestLoadLogDuringSnapshot(t *testing.T) {
	dir := t.TempDir()
	ts := startServer(t, "--dir", dir, "--appendonly", "yes", "--save", "")
	c := ts.dial()
	c.want("set old 1", "OK")
	c.want("config set appendonly no", "OK")
	c.want("set new 1", "OK")
	c.want("config set rdb-key-save-delay "+forLong, "OK")
	c.do("bgsave")
	c.want("config set appendonly yes", "OK")
	c.want("debug loadaof", "OK")
	c.want("mget old new", []any{"1", nil})
	if n := c.number("persistence", "rdb_bgsave_in_progress"); n != 1 {
		t.Error("the snapshot has ended")
	}
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the log", func() bool { return c.info("persistence", "aof_pending_rewrite") == "0" })
	c.want("set newer 1", "OK")
	c.want("debug loadaof", "OK")
	c.want("mget old new newer", []any{"1", nil, "1"})
	ts.stop()
	if err := os.RemoveAll(filepath.Join(dir, "appendonlydir")); err != nil {
		t.Fatal(err)
	}
	startServer(t, "--dir", dir).dial().want("mget old new newer", []any{"1", "1", nil})
}

// TestManifestNotSure lets the wait for the folder fail at each place of a rewrite, and of a log that is switched on, once so
// that nobody can read then which manifest the folder has: whoever starts with the folder as it is has all the data.
func TestManifestNotSure(t *testing.T) {
	disk := newBadDisk(t)
	for _, begin := range []string{"bgrewriteaof", "config set appendonly yes"} {
		for place := 1; place <= 4; place++ {
			for _, unread := range []bool{false, true} {
				dir := t.TempDir()
				folder := filepath.Join(dir, "appendonlydir")
				manifest := filepath.Join(folder, "appendonly.aof.manifest")
				ts := startServer(t, "--dir", dir, "--appendonly", "yes", "--appendfsync", "always")
				c := ts.dial()
				c.want("set k v", "OK")
				if begin != "bgrewriteaof" {
					c.want("config set appendonly no", "OK")
				}
				n, failed := 0, false
				disk.set(func(op, name string) error {
					if op != "syncdir" || name != folder {
						return nil
					}
					if n++; n < place {
						return nil
					}
					if unread && !failed {
						os.Rename(manifest, manifest+".there")
						os.Mkdir(manifest, 0o755)
					}
					failed = true
					return syscall.EIO
				})
				c.do(strings.Fields(begin)...)
				eventually(t, "the end of the rewrite", func() bool {
					return c.number("persistence", "aof_rewrites") > 0 || c.info("persistence", "aof_last_bgrewrite_status") == "err"
				})
				eventually(t, "the end of the rewrite", func() bool { return c.info("persistence", "aof_rewrite_in_progress") == "0" })
				disk.set(nil)
				if unread && failed {
					os.Remove(manifest)
					os.Rename(manifest+".there", manifest)
				}
				copied := t.TempDir()
				if err := os.CopyFS(copied, os.DirFS(dir)); err != nil { // what kill -9 leaves
					t.Fatal(err)
				}
				startServer(t, "--dir", copied, "--appendonly", "yes").dial().want("get k", "v")
				ts.stop()
			}
		}
	}
}
