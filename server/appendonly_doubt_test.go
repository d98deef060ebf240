package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWaitaofDoubts: when a wait for the disk has failed, WAITAOF does not say that the disk has what was written before until
// a new base has it.
func TestWaitaofDoubts(t *testing.T) {
	disk := newBadDisk(t)
	ts := startServer(t, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
	c := ts.dial()
	failed, full := false, true
	disk.set(func(op, name string) error {
		switch {
		case op == "sync" && strings.Contains(name, "incr") && !failed:
			failed = true
			return syscall.EIO
		case op == "open" && strings.Contains(name, "rewriteaof") && full:
			return syscall.ENOSPC
		}
		return nil
	})
	c.want("set k v", "OK")
	l := ts.aof.log.Load()
	eventually(t, "the fault, and the next wait", func() bool { return l.Suspect() && !l.Failing() && l.Synced() == l.End() })
	if ts.logSynced(l.End()) {
		t.Error("the disk is said to have what it may have lost")
	}
	disk.mu.Lock()
	full = false
	disk.mu.Unlock()
	c.send("waitaof 1 0 0")
	eventually(t, "a new base", func() bool {
		ts.aof.failures.Store(0) // else it is tried a minute later
		return !l.Suspect()
	})
	if got := c.list0(); got != int64(1) {
		t.Errorf("WAITAOF answers %v", got)
	}
}

// list0 is the first item of the next reply.
func (c *testClient) list0() any {
	if list, ok := c.read().([]any); ok && len(list) > 0 {
		return list[0]
	}
	return nil
}

// TestStartThatIsNotNamed: a log that is switched on, whose folder the disk does not take note of once its file has its name, leaves
// nothing that keeps a server from starting, though it has been written to.
func TestStartThatIsNotNamed(t *testing.T) {
	disk := newBadDisk(t)
	dir := t.TempDir()
	folder := filepath.Join(dir, "appendonlydir")
	ts := startServer(t, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
	c := ts.dial()
	c.want("set k v", "OK")
	c.want("config set appendonly no", "OK")
	linked := false
	disk.set(func(op, name string) error {
		linked = linked || op == "link"
		if op == "syncdir" && linked {
			return syscall.EIO
		}
		return nil
	})
	c.want("config set rdb-key-save-delay 100000", "OK")
	c.want("config set appendonly yes", "OK")
	c.want("set later 1", "OK")
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the fault", func() bool { return c.info("persistence", "aof_last_bgrewrite_status") == "err" })
	copied := ""
	eventually(t, "a copy of what kill -9 leaves", func() bool { // what is only for now may go meanwhile
		copied = t.TempDir()
		return os.CopyFS(copied, os.DirFS(dir)) == nil
	})
	disk.set(nil)
	startServer(t, "--dir", copied, "--appendonly", "yes").dial().want("get k", "v")
	eventually(t, "the log", func() bool {
		ts.aof.failures.Store(0)
		return ts.aof.state.Load() == logOn
	})
	ts.stop()
	startServer(t, "--dir", dir, "--appendonly", "yes").dial().want("mget k later", []any{"v", "1"})
	if left, _ := filepath.Glob(filepath.Join(folder, "temp-*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// TestLateFailure: a start of the log that has failed, and is noted late, does not take the file from the next one.
func TestLateFailure(t *testing.T) {
	dir := t.TempDir()
	ts := startServer(t, "--dir", dir, "--save", "", "--rdb-key-save-delay", forLong)
	c := ts.dial()
	c.want("set k v", "OK")
	c.want("config set appendonly yes", "OK")
	eventually(t, "the start", func() bool { return ts.aof.rewriting.Load() != nil })
	ts.rewriteFailed() // of the one before
	if _, err := os.Stat(ts.logPath(ts.tempIncr())); err != nil {
		t.Error(err)
	}
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the log", func() bool { return ts.aof.state.Load() == logOn })
}

// TestBaseThatMayBeNamed: the disk says neither that the first manifest of a log has its place nor that it has not. What it names keeps
// its content: the next rewrite writes to other files, and a crash in its midst leaves a base with the commands that belong to it.
func TestBaseThatMayBeNamed(t *testing.T) {
	disk := newBadDisk(t)
	dir := t.TempDir()
	folder := filepath.Join(dir, "appendonlydir")
	manifest, aside := filepath.Join(folder, "appendonly.aof.manifest"), filepath.Join(dir, "aside")
	ts := startServer(t, "--dir", dir, "--save", "", "--appendfsync", "always")
	c := ts.dial()
	c.want("incr n", int64(1))
	placed := false
	disk.set(func(op, name string) error {
		placed = placed || op == "rename" && name == manifest
		if op != "syncdir" || !placed {
			return nil
		}
		if os.Rename(manifest, aside) == nil { // it cannot be read either
			os.Mkdir(manifest, 0o755)
		}
		return syscall.EIO
	})
	c.want("config set appendonly yes", "OK")
	eventually(t, "the fault", func() bool { return ts.aof.failed.Load() && ts.saver.job.Load() == nil })
	c.want("incr n", int64(2)) // is written behind the base that may be named
	if err := ts.aof.log.Load().Flush(); err != nil {
		t.Fatal(err)
	}
	copied := ""
	disk.set(func(op, name string) error {
		if op == "remove" && strings.HasSuffix(name, ".incr.aof") && ts.aof.rewriting.Load() != nil && copied == "" {
			copied = t.TempDir() // what kill -9 leaves when the next base has its name
			if err := errors.Join(os.Remove(manifest), os.CopyFS(copied, os.DirFS(dir)), os.Rename(aside, manifest),
				os.Rename(filepath.Join(copied, "aside"), filepath.Join(copied, "appendonlydir", filepath.Base(manifest)))); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	eventually(t, "the log", func() bool {
		ts.aof.failures.Store(0)
		return ts.aof.state.Load() == logOn && ts.saver.job.Load() == nil
	})
	disk.set(nil)
	startServer(t, "--dir", copied, "--appendonly", "yes").dial().want("get n", "2")
	if files := folderOf(folder); strings.Count(files, "base") != 1 || strings.Count(files, "incr") != 1 {
		t.Errorf("the folder has %s", files)
	}
	ts.stop()
	startServer(t, "--dir", dir, "--appendonly", "yes").dial().want("get n", "2")
}

// folderOf is the names of the files in a folder.
func folderOf(dir string) string {
	list, _ := filepath.Glob(filepath.Join(dir, "*"))
	for i, path := range list {
		list[i] = filepath.Base(path)
	}
	return strings.Join(list, " ")
}

// TestSealOnFullDisk: a snapshot whose file takes not even the head of what is encrypted ends, and the next one can begin.
func TestSealOnFullDisk(t *testing.T) {
	disk, dir := newBadDisk(t), t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("k "+strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts := startServer(t, "--dir", dir, "--appendonly", "yes", "--encryption-key-file", key, "--save", "")
	c := ts.dial()
	c.want("set k v", "OK")
	for _, request := range []string{"bgsave", "bgrewriteaof", "bgsave"} {
		disk.set(func(op, name string) error {
			if op == "write" && strings.Contains(name, "temp-") {
				return syscall.ENOSPC
			}
			return nil
		})
		c.do(request)
		eventually(t, "the end", func() bool { return ts.saver.job.Load() == nil && (ts.saver.failed.Load() || ts.aof.failed.Load()) })
	}
	disk.set(nil)
	c.do("bgsave")
	eventually(t, "a snapshot", func() bool { return c.info("persistence", "rdb_last_bgsave_status") == "ok" })
	rewriteLog(t, c)
}
