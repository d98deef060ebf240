package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFolderUnreadable: the manifest is lost, and when the start looks for files that it might have named the disk does not tell
// which there are, or what they are. It does not start, or it would remove them later on.
func TestFolderUnreadable(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes"}
	ts := startServer(t, options...)
	c := ts.dial()
	c.want("set k v", "OK")
	ts.stop()
	folder := filepath.Join(dir, "appendonlydir")
	manifest := filepath.Join(folder, "appendonly.aof.manifest")
	text, err := os.ReadFile(manifest)
	if err == nil {
		err = os.Remove(manifest)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := names(t, folder)
	defer func() { readDir = os.ReadDir }()
	for _, list := range []func(name string) ([]os.DirEntry, error){
		func(string) ([]os.DirEntry, error) { return nil, syscall.EIO },
		func(name string) ([]os.DirEntry, error) {
			list, err := os.ReadDir(name)
			for i := range list {
				list[i] = unknownEntry{list[i]}
			}
			return list, err
		},
	} {
		calls := 0
		readDir = func(name string) ([]os.DirEntry, error) { // only the first time
			if calls++; calls == 1 {
				return list(name)
			}
			return os.ReadDir(name)
		}
		failsToStart(t, options...)
		if got := names(t, folder); got != before {
			t.Errorf("the folder has %s now, it had %s", got, before)
		}
	}
	readDir = os.ReadDir
	if err := os.WriteFile(manifest, text, 0o644); err != nil {
		t.Fatal(err)
	}
	startServer(t, options...).dial().want("get k", "v")
}

// unknownEntry is a name in a folder of which the disk does not tell what it is.
type unknownEntry struct{ os.DirEntry }

func (unknownEntry) Info() (fs.FileInfo, error) { return nil, syscall.EIO }

// TestOldLogUnreadable: nobody can tell whether there is the single file that servers before version 7 had. A log that was begun
// without it would never get it.
func TestOldLogUnreadable(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes"}
	old := filepath.Join(dir, "appendonly.aof")
	if err := os.Symlink("appendonly.aof", old); err != nil { // leads to itself
		t.Fatal(err)
	}
	failsToStart(t, options...)
	if _, err := os.Stat(filepath.Join(dir, "appendonlydir")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a log was begun: %v", err)
	}
	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	startServer(t, options...).dial().want("set k v", "OK")
}
