package failover

import (
	"io"
	"testing"
)

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
