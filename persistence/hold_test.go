package persistence

import (
	"os"
	"strings"
	"testing"
)

// TestHold: who has a log has it through all manifests that it writes, and nobody else writes one.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	var a, b Hold
	m := &Manifest{}
	m.NewBase("a.aof", true)
	for range 3 {
		if err := a.Take(OS, dir, "a.aof"); err != nil {
			t.Fatal(err)
		}
		m.NewIncr("a.aof")
		if err := m.Write(OS, dir, "a.aof", &a); err != nil {
			t.Fatal(err)
		}
		if err := b.Take(OS, dir, "a.aof"); err != ErrHeld {
			t.Errorf("another one takes it: %v", err)
		}
		if err := m.Write(OS, dir, "a.aof", &b); err != ErrHeld {
			t.Errorf("another one writes a manifest: %v", err)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 || !strings.HasSuffix(list[0].Name(), ".manifest") {
		t.Errorf("the folder has %v, %v", list, err)
	}
	a.Release()
	if err := b.Take(OS, dir, "a.aof"); err != nil {
		t.Error(err)
	}
	b.Release()
}
