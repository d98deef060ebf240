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

// TestFilesOfValkey9: the server starts with a snapshot, and with a folder, as Valkey 9 writes them.
func TestFilesOfValkey9(t *testing.T) {
	const snapshot = "VALKEY080\xFA\x0Avalkey-ver\x059.0.0\xFE\x00\xFB\x02\x00" +
		"\x16\x01h\x02\x01f\x01v\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01t\x01w\x00\x20\x4A\xA9\xD1\x01\x00\x00\x00\x01k\x01b" +
		"\xFF\x00\x00\x00\x00\x00\x00\x00\x00"
	dir := t.TempDir()
	folder := filepath.Join(dir, "appendonlydir")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(dir, "dump.rdb"):                     snapshot,
		filepath.Join(folder, "appendonly.aof.1.base.rdb"): snapshot,
		filepath.Join(folder, "appendonly.aof.1.incr.aof"): "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nc\r\n",
		filepath.Join(folder, "appendonly.aof.manifest"):   "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for appendonly, k := range map[string]string{"no": "b", "yes": "c"} {
		ts := startServer(t, "--dir", dir, "--save", "", "--appendonly", appendonly)
		c := ts.dial()
		c.want("get k", k)
		c.want("hmget h f t", []any{"v", "w"})
		c.want("hpexpiretime h fields 2 f t", []any{int64(-1), int64(2000000000000)})
		ts.stop()
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
