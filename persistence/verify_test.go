package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"larder/keyspace"
	"larder/persistence/codec"
)

// TestRepair makes what can be had of a damaged snapshot, encrypted or not, a snapshot again: its keys and its functions, but not
// the position of what is lost.
func TestRepair(t *testing.T) {
	ks, err := scratch(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ks.Close()
	v := keyspace.NewView(ks)
	v.Take(ks.All())
	const keys = 10000
	for i := range keys {
		v.LoadString(fmt.Appendf(nil, "key%d", i), []byte(strings.Repeat("v", 40)), keyspace.Loaded{})
	}
	library := []byte("#!lua name=lib\nredis.register_function('f', function() return 1 end)")
	sealing, err := ParseKeys([]byte("k " + strings.Repeat("ab", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for _, keyring := range []Keys{nil, sealing} {
		path := filepath.Join(t.TempDir(), "dump.rdb")
		so := SnapshotOptions{
			Options: codec.Options{Version: codec.Version70}, Checksum: true, Functions: [][]byte{library},
			Aux: []Aux{{"repl-stream-db", "0"}, {"repl-id", strings.Repeat("a", 40)}, {"repl-offset", "1000"}},
		}
		err := WriteFile(OS, path, "temp", false, func(f *File) error {
			if keyring == nil {
				_, err := WriteStopped(f, ks, so)
				return err
			}
			w, err := NewSealWriter(f, keyring.Current())
			if err != nil {
				return err
			}
			if _, err := WriteStopped(w, ks, so); err != nil {
				return err
			}
			return w.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		o := VerifyOptions{Keys: keyring}
		whole, err := Verify(path, o)
		if err != nil || whole.Keys != keys {
			t.Fatalf("%d keys, %v", whole.Keys, err)
		}
		if err := os.Truncate(path, whole.Size/2); err != nil {
			t.Fatal(err)
		}
		disk := newFaultyDisk()
		for left := 0; ; left++ { // until the disk has room for all of it
			n := left
			disk.set(func(op, name string) error {
				if op == "write" {
					n--
				}
				if op == "write" && n < 0 {
					return syscall.ENOSPC
				}
				return nil
			})
			if _, _, err := Repair(disk, path, o); err == nil {
				break
			}
		}
		if list, _ := filepath.Glob(path + ".damaged-*"); len(list) != 1 {
			t.Errorf("what it was is %v", list)
		}
		rep, err := Verify(path, o)
		if err != nil || rep.Keys == 0 || rep.Keys >= keys || rep.Sealed != (keyring != nil) {
			t.Errorf("%d keys, sealed %v: %v", rep.Keys, rep.Sealed, err)
		}
		if len(rep.Functions) != 1 || string(rep.Functions[0]) != string(library) {
			t.Errorf("the functions are %q", rep.Functions)
		}
		if slices.ContainsFunc(rep.Aux, func(a Aux) bool { return strings.HasPrefix(a.Name, "repl-") }) {
			t.Errorf("it says %v", rep.Aux)
		}
	}
}

// What keeps a file from being read is no damage: it stays as it is.
func TestRepairLeavesWhatIsNotDamaged(t *testing.T) {
	ks, err := scratch(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ks.Close()
	v := keyspace.NewView(ks)
	v.Take(ks.All())
	for i := range 1000 {
		v.LoadString(fmt.Appendf(nil, "key%d", i), []byte(strings.Repeat("v", 10_000)), keyspace.Loaded{})
	}
	path := filepath.Join(t.TempDir(), "dump.rdb")
	err = WriteFile(OS, path, "temp", false, func(f *File) error {
		_, err := WriteStopped(f, ks, SnapshotOptions{Options: codec.Options{Version: codec.Version70}, Checksum: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Clone(whole)
	copy(newer, "REDIS0099")
	module := append(bytes.Clone(whole[:len(whole)-9]), 7, 1, 'k', 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, c := range []struct {
		name string
		file []byte
		room int64
		want func(error) bool
	}{
		{"no memory", whole[:len(whole)-100], 4 << 20, func(err error) bool { return errors.Is(err, codec.ErrMemory) }},
		{"newer", newer, 0, func(err error) bool { return errors.As(err, new(VersionError)) }},
		{"module", module, 0, func(err error) bool { return errors.Is(err, codec.ErrModule) }},
	} {
		if err := os.WriteFile(path, c.file, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Repair(OS, path, VerifyOptions{room: c.room}); !c.want(err) || !Unjudged(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.file) {
			t.Errorf("%s: the file has %d bytes, had %d: %v", c.name, len(now), len(c.file), err)
		}
		if _, err := os.Lstat(path + ".damaged-1"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the file was set aside", c.name)
		}
	}
}
