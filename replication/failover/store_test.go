package failover

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestStoreHasItsName: when a store is open the disk has not only its bytes but its name, and its folder's.
func TestStoreHasItsName(t *testing.T) {
	real := syncDir
	defer func() { syncDir = real }()
	var synced []string
	syncDir = func(name string) error {
		synced = append(synced, name)
		return real(name)
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "failover")
	s, err := openStore(dir, io.Discard, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !slices.Equal(synced, []string{dir, parent}) {
		t.Errorf("the disk was waited for with %v", synced)
	}
	syncDir = func(string) error { return syscall.EIO }
	if _, err := openStore(filepath.Join(parent, "other"), io.Discard, func(string) {}); !errors.Is(err, syscall.EIO) {
		t.Errorf("a disk that does not take the name: %v", err)
	}
}

// TestBrokenDisk: what a disk does not take is no error to Raft, which would end the process: it has to wait, until there is
// room or the member is stopped.
func TestBrokenDisk(t *testing.T) {
	warned := make(chan string, 1)
	s, err := openStore(t.TempDir(), io.Discard, func(text string) { warned <- text })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetUint64([]byte("CurrentTerm"), 7); err != nil {
		t.Fatal(err)
	}
	if v, err := s.GetUint64([]byte("CurrentTerm")); err != nil || v != 7 {
		t.Fatalf("kept was %d, %v", v, err)
	}
	if err := s.Close(); err != nil { // a disk that takes nothing
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.SetUint64([]byte("CurrentTerm"), 8) }()
	t.Log(<-warned)
	select {
	case err := <-done:
		t.Fatalf("it did not wait (%v)", err)
	default:
	}
	close(s.ended)
	if err := <-done; err != nil {
		t.Errorf("after the end: %v", err)
	}
}
