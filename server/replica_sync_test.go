package server

import (
	"testing"

	"larder/replication"
)

// TestJoinBeforeTheFileIsSent: a replica that comes at the moment at which the snapshot's file begins to be sent has a part in it as
// the others have, or none; it does not wait for a beginning that has been. The moment is short: a run that passes says little, one that fails says all.
func TestJoinBeforeTheFileIsSent(t *testing.T) {
	ts := startServer(t)
	r := &ts.repl
	b := replication.NewStream(0, 1<<20)
	r.backlog.Store(b)
	defer r.backlog.Store(nil)
	for range 50000 {
		first, p := &peer{caps: peerCaps{old: true}}, &peer{caps: peerCaps{old: true}}
		tr := &transfer{srv: ts.Server, stream: replication.NewStream(0, 0), peers: []*peer{first}}
		r.mu.Lock()
		r.transfer = tr
		r.mu.Unlock()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			tr.begins([]byte("$1\r\n"))
		}()
		ts.joinOrBegin(nil, p)
		<-sent
		r.mu.Lock()
		r.transfer = nil
		r.mu.Unlock()
		if p.phase.Load() == peerWaitEnd {
			t.Fatal("a replica waits for ever")
		}
	}
}
