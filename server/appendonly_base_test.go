package server

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestBaseThatIsNoSnapshot: a base that is lost, or damaged from its first byte on, is no log that ends early, which would be
// loaded as nothing, cut off or saved up to there: the server does not start and touches no file.
func TestBaseThatIsNoSnapshot(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("k "+strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sealed := range []string{"", key} {
		dir := t.TempDir()
		options := []string{"--dir", dir, "--appendonly", "yes", "--encryption-key-file", sealed, "--aof-salvage", "yes"}
		ts := startServer(t, options...)
		c := ts.dial()
		fillAll(c)
		rewriteLog(t, c)
		want := digest(c)
		ts.stop()
		file := filepath.Join(dir, "appendonlydir", "appendonly.aof.2.base.rdb")
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		end := append([]byte(nil), whole...)
		end[len(end)-1] ^= 1 // in a sealed file this is the tag of its only frame
		bad := map[string][]byte{"empty": {}, "zeros": make([]byte, len(whole)), "garbage": append([]byte("x"), whole...), "changed at its end": end}
		for what, b := range bad {
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
			failsToStart(t, options...)
			if got, err := os.ReadFile(file); err != nil || string(got) != string(b) {
				t.Errorf("a base of %s, sealed with '%s', is changed: %d bytes, %v", what, sealed, len(got), err)
			}
		}
		if err := os.WriteFile(file, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := digest(startServer(t, options...).dial()); got != want {
			t.Errorf("the data differs")
		}
	}
}

// TestStartOnFullDisk: a server whose disk is full comes up with its data. Writes are refused until there is room.
func TestStartOnFullDisk(t *testing.T) {
	disk, dir := newBadDisk(t), t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes"}
	ts := startServer(t, options...)
	ts.dial().want("set k before", "OK")
	ts.stop()
	disk.set(func(op, _ string) error {
		if op == "write" {
			return syscall.ENOSPC
		}
		return nil
	})
	ts = startServer(t, options...)
	c := ts.dial()
	c.want("get k", "before")
	c.send("set k after")
	disk.set(nil)
	if got := c.read(); got != "OK" {
		t.Errorf("the write that met the fault answers %v", got)
	}
	ts.stop()
	startServer(t, options...).dial().want("get k", "after")
}
