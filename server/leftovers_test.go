package server

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/persistence"
	"larder/server/config"
)

// deadPID is the number of a process that is no more.
func deadPID(t *testing.T) int {
	t.Helper()
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err == nil {
		_, err = p.Wait()
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.Pid
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// TestLeftovers: what processes that were killed have left under temporary names is gone after a start, and nothing else.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	put := func(name string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("REDIS0010 half"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dead, alive := deadPID(t), os.Getppid()
	for _, name := range []string{"temp-%d.rdb", "temp-bg-%d.rdb", "temp-bg-%d-3.rdb", "temp-sync-%d.rdb", "temp-repl-%d.rdb", "backups/temp-%d.backup",
		"appendonlydir/temp-rewriteaof-bg-%d-7.aof"} {
		put(fmt.Sprintf(name, dead))
	}
	put("appendonlydir/temp-appendonly.aof.manifest")
	put("appendonlydir/temp-appendonly.aof.incr")
	put(fmt.Sprintf("temp-%d.rdb", os.Getpid())) // of a process that had the same number
	kept := []string{fmt.Sprintf("temp-%d.rdb", alive), "temp-mine.rdb", "temp-1.rdb.old", "temp-bg-1.rdb.gz", "appendonlydir/temp-other.aof.incr", "backups/larder-20260301T040000Z.rdb"}
	for _, name := range kept {
		put(name)
	}
	busy, err := persistence.CreateFile(persistence.OS, filepath.Join(dir, "temp-bg-77.rdb"), false) // another server's
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Discard()
	for _, appendonly := range []string{"no", "yes"} {
		startServer(t, "--dir", dir, "--appendonly", appendonly).stop()
	}
	for _, name := range append(kept, "temp-bg-77.rdb") {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	all := names(t, dir) + " " + names(t, filepath.Join(dir, "backups")) + " " + names(t, filepath.Join(dir, "appendonlydir"))
	for _, name := range strings.Fields(all) {
		if strings.HasPrefix(name, "temp-") && !strings.Contains(strings.Join(kept, " ")+" temp-bg-77.rdb", name) || name == fmt.Sprintf("temp-%d.rdb", os.Getpid()) {
			t.Errorf("%s is still there", name)
		}
	}
}

// TestReplacementLeftovers: a process that was killed in CONFIG REWRITE or ACL SAVE leaves a file with a temporary name, which is
// gone after the next start. What anybody else has put next to those files stays.
func TestReplacementLeftovers(t *testing.T) {
	dir := t.TempDir()
	conf, users := filepath.Join(dir, "larder.conf"), filepath.Join(dir, "users.acl")
	put := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{conf, users} { // what a crash leaves is what is there in the moment of the rename
		if err := config.ReplaceFile(path, "", 0o600); err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(path)
		put(fmt.Sprintf("%s.temp-%d-77", base, deadPID(t)))
		put(fmt.Sprintf("%s.temp-%d-78", base, os.Getpid())) // of a process that had the same number
		put(fmt.Sprintf("%s.temp-%d-79", base, os.Getppid()))
		put(base + ".1")
		put(base + ".temp-old-1")
		put(base + ".temp-1-old")
	}
	kept := fmt.Sprintf("%[1]s %[1]s.1 %[1]s.temp-%[3]d-79 %[1]s.temp-1-old %[1]s.temp-old-1 %[2]s %[2]s.1 %[2]s.temp-%[3]d-79 %[2]s.temp-1-old %[2]s.temp-old-1",
		"larder.conf", "users.acl", os.Getppid())
	ts := startServerWith(t, conf, "--aclfile", users)
	ts.dial().want("config rewrite", "OK")
	ts.dial().want("acl save", "OK")
	ts.stop()
	if got := strings.Fields(names(t, dir)); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(strings.Fields(kept)))) {
		t.Errorf("the folder has %q, not %q", got, kept)
	}
}

// TestInterruptedRewrite: the files that a rewrite has made and no manifest names are gone after a start, which has all the data.
func TestInterruptedRewrite(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes"}
	ts := startServer(t, options...)
	c := ts.dial()
	c.want("set k v", "OK")
	rewriteLog(t, c)
	ts.stop()
	folder := filepath.Join(dir, "appendonlydir")
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("appendonly.aof.1.base.rdb", "history that was to be removed")
	put("appendonly.aof.1.incr.aof", "the same")
	put("appendonly.aof.3.base.rdb", "whole, but the manifest came too late")
	put("appendonly.aof.3.incr.aof", "")
	put("appendonly.aof.x.incr.aof", "somebody's")
	put("other.aof.3.incr.aof", "somebody else's")
	ts = startServer(t, options...)
	ts.dial().want("get k", "v")
	ts.stop()
	if got := names(t, folder); got != "appendonly.aof.2.base.rdb appendonly.aof.2.incr.aof appendonly.aof.manifest appendonly.aof.x.incr.aof other.aof.3.incr.aof" {
		t.Errorf("the folder has %s", got)
	}

	// A log that was being switched on: the file of commands has both names.
	put("temp-appendonly.aof.incr", "*1\r\n$4\r\nPING\r\n")
	if err := os.Link(filepath.Join(folder, "temp-appendonly.aof.incr"), filepath.Join(folder, "appendonly.aof.3.incr.aof")); err != nil {
		t.Fatal(err)
	}
	ts = startServer(t, options...)
	ts.dial().want("get k", "v")
	ts.stop()
	if got := names(t, folder); strings.Contains(got, "temp") || strings.Contains(got, "appendonly.aof.3.") {
		t.Errorf("the folder has %s", got)
	}
}

// TestInterruptedHead: the power may go while a sealed file of commands is begun that the manifest does not name yet. Whatever the
// disk has of its head, the server starts; with something behind the head the file is one whose manifest was lost.
func TestInterruptedHead(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("one "+strings.Repeat("1f", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	options := []string{"--dir", dir, "--appendonly", "yes", "--encryption-key-file", key}
	ts := startServer(t, options...)
	c := ts.dial()
	c.want("set k v", "OK")
	ts.stop()
	folder := filepath.Join(dir, "appendonlydir")
	log, err := os.ReadFile(filepath.Join(folder, "appendonly.aof.1.incr.aof"))
	if err != nil {
		t.Fatal(err)
	}
	const head = 8 + 1 + 1 + len("one") + 32 + 4 + 16
	next := filepath.Join(folder, "appendonly.aof.99.incr.aof")
	zeros := make([]byte, head)
	for n := range head + 1 {
		for _, text := range [][]byte{log[:n], append(append([]byte(nil), log[:n]...), zeros[n:]...)} {
			if err := os.WriteFile(next, text, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := ts.manifestFits(ts.aof.manifest); err != nil {
				t.Fatalf("%d bytes, the first %d of the head: %v", len(text), n, err)
			}
		}
	}
	ts = startServer(t, options...)
	ts.dial().want("get k", "v")
	ts.stop()
	if got := names(t, folder); strings.Contains(got, ".99.") {
		t.Errorf("the folder has %s", got)
	}
	if err := os.WriteFile(next, append(zeros, log[head:]...), 0o644); err != nil {
		t.Fatal(err)
	}
	failsToStart(t, options...)
}

// TestManifestIsLost: files whose manifest is not there, or is an older one, are not overwritten by a server that knows nothing
// of them: it does not start.
func TestManifestIsLost(t *testing.T) {
	for _, rewritten := range []bool{false, true} {
		dir := t.TempDir()
		options := []string{"--dir", dir, "--appendonly", "yes"}
		ts := startServer(t, options...)
		folder := filepath.Join(dir, "appendonlydir")
		manifest := filepath.Join(folder, "appendonly.aof.manifest")
		first, err := os.ReadFile(manifest)
		if err != nil {
			t.Fatal(err)
		}
		c := ts.dial()
		c.want("set k v", "OK")
		if rewritten {
			rewriteLog(t, c)
			c.want("set k w", "OK")
		}
		ts.stop()
		last, err := os.ReadFile(manifest)
		if err != nil {
			t.Fatal(err)
		}
		before := names(t, folder)
		if err := os.Remove(manifest); err != nil {
			t.Fatal(err)
		}
		failsToStart(t, options...)
		if rewritten {
			if err := os.WriteFile(manifest, first, 0o644); err != nil {
				t.Fatal(err)
			}
			failsToStart(t, options...)
		}
		if err := os.WriteFile(manifest, last, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := names(t, folder); got != before {
			t.Errorf("the folder has %s now, it had %s", got, before)
		}
		want := "v"
		if rewritten {
			want = "w"
		}
		startServer(t, options...).dial().want("get k", want)
	}
}
