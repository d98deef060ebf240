package failover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// store is what a member remembers over restarts: Raft's log, term and vote, and how often it was started.
type store struct {
	*raftboltdb.BoltStore
	snapshots raft.SnapshotStore
	boot      uint64
	warn      func(string)
	ended     chan struct{} // closed when nothing that raft says reaches anybody any more
}

var bootKey = []byte("larder-boot")

// openStore opens the store in a folder of its own, which it makes if need be. Only one process can have it open.
func openStore(dir string, log io.Writer, warn func(string)) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "raft.db")
	db, err := raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{Timeout: time.Second}})
	if err != nil {
		if errors.Is(err, bbolterrors.ErrTimeout) {
			err = errors.New("another process has it open")
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &store{BoltStore: db, warn: warn, ended: make(chan struct{})}
	if s.snapshots, err = raft.NewFileSnapshotStore(dir, 2, log); err != nil {
		db.Close()
		return nil, err
	}
	last, err := db.GetUint64(bootKey)
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		db.Close()
		return nil, err
	}
	// Should the folder be lost, the count goes on from the time of day, which is ahead of it: two starts in the same
	// second must not look like one process.
	s.boot = max(last+1, uint64(max(0, time.Now().UnixMicro())))
	err = db.SetUint64(bootKey, s.boot)
	for _, folder := range []string{dir, filepath.Dir(dir)} { // else the power may take the file with its name, and a vote with it
		if err == nil {
			err = syncDir(folder)
		}
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// syncDir waits until the disk has the names in a folder.
var syncDir = func(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// storeRetry is how long a member whose disk is full, or broken, waits until it tries again.
const storeRetry = 200 * time.Millisecond

// SetUint64 is Raft's: it keeps the term that way, and ends the process if it cannot. A data node whose disk is full for a
// while must not end: its Raft waits here, as if it had been paused, until there is room. It votes for nobody meanwhile,
// and what it answers to Reports is of the term that it has kept.
func (s *store) SetUint64(key []byte, val uint64) error {
	for told := false; ; {
		err := s.BoltStore.SetUint64(key, val)
		if err == nil {
			if told {
				s.warn("Failover: the disk takes what this member has to remember again")
			}
			return nil
		}
		if !told {
			told = true
			s.warn("Failover: this member takes no part in decisions until the disk takes what it has to remember: " + err.Error())
		}
		select {
		case <-s.ended:
			return nil
		case <-time.After(storeRetry):
		}
	}
}

// machine is the State as Raft keeps it.
type machine struct {
	state  *State
	change func(s *State) // called after each change with a copy
}

// Apply is Raft's: one entry of the log.
func (m *machine) Apply(l *raft.Log) any {
	var op Op
	if err := json.Unmarshal(l.Data, &op); err != nil {
		return err
	}
	m.state.Apply(op)
	m.state.Index = l.Index
	m.change(m.state.Clone())
	return nil
}

// Snapshot is Raft's: what stands for the log so far.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) { return picture{m.state.Clone()}, nil }

// Restore is Raft's: back to a snapshot.
func (m *machine) Restore(r io.ReadCloser) error {
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s, err := decodeState(b)
	if err != nil {
		return err
	}
	m.state = s
	m.change(s.Clone())
	return nil
}

type picture struct{ state *State }

func (p picture) Persist(sink raft.SnapshotSink) error {
	b, err := p.state.encode()
	if err == nil {
		_, err = sink.Write(b)
	}
	if err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (p picture) Release() {}
