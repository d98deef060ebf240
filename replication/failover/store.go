package failover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// store is what a member remembers over restarts: Raft's log, term and vote, and how often it was started.
type store struct {
	*raftboltdb.BoltStore
	path      string
	snapshots raft.SnapshotStore
	boot      uint64 // of this start
	before    uint64 // of the last start that the store remembers, 0 if of none
	warn      func(string)
	mayVote   func() bool   // whether a vote is known not to be the second one
	ended     chan struct{} // closed when nothing that raft says reaches anybody any more
}

var bootKey = []byte("larder-boot")

var (
	errStoreOpen = errors.New("another process has it open")
	errForgot    = errors.New("this member does not know yet whom it has voted for")
)

// openStore opens the store in a folder of its own, which it makes if need be. Only one process can have it open.
func openStore(dir string, log io.Writer, warn func(string)) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "raft.db")
	db, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	s := &store{BoltStore: db, path: path, warn: warn, mayVote: func() bool { return true }, ended: make(chan struct{})}
	if err = guarded(path, s.readAll); err == nil {
		s.snapshots, err = raft.NewFileSnapshotStore(dir, 2, log)
	}
	if err == nil {
		s.before, err = s.GetUint64(bootKey)
	}
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		db.Close()
		return nil, err
	}
	// Should the folder be lost, the count goes on from the time of day, which is ahead of it: two starts in the same
	// second must not look like one process.
	s.boot = max(s.before+1, uint64(max(0, time.Now().UnixMicro())))
	err = s.Set(bootKey, number(s.boot))
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

// openBolt opens the file and looks whether all of it is as it was written.
func openBolt(path string) (db *raftboltdb.BoltStore, err error) {
	err = guarded(path, func() (err error) {
		db, err = raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{OpenFile: openExamined}})
		return err
	})
	return db, err
}

// openExamined opens the file for this process alone and looks through it, before bbolt does.
func openExamined(path string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	if err = lock(f, time.Second); err == nil {
		if err = examine(f); err != nil && !wasWhole(path) {
			err = f.Truncate(0) // bbolt begins anew then
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lock locks a file for this process, as bbolt does.
func lock(f *os.File, patience time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err != syscall.EWOULDBLOCK:
			return err
		case time.Now().After(end):
			return errStoreOpen
		}
	}
}

// wasWhole tells whether the file has ever been there as a whole, which is before anything is agreed on: the folder of the snapshots
// comes after it. A start that was interrupted before leaves a piece of it.
func wasWhole(path string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(path), "snapshots"))
	return err == nil
}

// guarded calls what reads the file, and has it return what bbolt, which believes what it reads, makes of a file that is damaged all
// the same: a panic, or a fault of the processor.
func guarded(path string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damage("%v", r)
		}
		var d *damaged
		switch {
		case errors.As(err, &d):
			err = fmt.Errorf("%s is damaged: %w. It must not be guessed what this member has agreed to: while the others run, "+
				"move the folder %s away and start this one again, which then learns it from them", path, err, filepath.Dir(path))
		case err != nil && !errors.As(err, new(*fs.PathError)):
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	return fn()
}

// beginRaft calls what makes Raft of the store.
func (s *store) beginRaft(fn func() error) error {
	return guarded(s.path, func() error {
		if err := fn(); err != nil {
			return damage("%v", err)
		}
		return nil
	})
}

// readAll reads all that Raft is going to read.
func (s *store) readAll() error {
	for _, key := range values {
		var err error
		if key == "LastVoteCand" {
			_, err = s.Get([]byte(key))
		} else {
			_, err = s.GetUint64([]byte(key))
		}
		if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
			return err
		}
	}
	first, err := s.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.LastIndex()
	for i := first; err == nil && i <= last && i > 0; i++ {
		var l raft.Log
		if s.GetLog(i, &l) != nil || l.Index != i {
			err = damage("entry %d of its log is not what was written", i)
		}
	}
	return err
}

// syncDir waits until the disk has the names in a folder.
var syncDir = func(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get is Raft's.
func (s *store) Get(key []byte) ([]byte, error) {
	b, err := s.BoltStore.Get(key)
	if err != nil {
		return nil, err
	}
	return unseal(key, b)
}

// Set is Raft's.
func (s *store) Set(key, val []byte) error { return s.BoltStore.Set(key, seal(key, val)) }

// GetUint64 is Raft's.
func (s *store) GetUint64(key []byte) (uint64, error) {
	b, err := s.BoltStore.Get(key)
	if err != nil {
		return 0, err
	}
	return unsealNumber(key, b)
}

// GetLog is Raft's.
func (s *store) GetLog(index uint64, l *raft.Log) error {
	if err := s.BoltStore.GetLog(index, l); err != nil {
		return err
	}
	return unsealLog(l)
}

// StoreLog is Raft's.
func (s *store) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs is Raft's.
func (s *store) StoreLogs(logs []*raft.Log) error {
	sealed := make([]*raft.Log, len(logs))
	for i, l := range logs {
		c := *l
		c.Extensions = sumOf(l)
		sealed[i] = &c
	}
	return s.BoltStore.StoreLogs(sealed)
}

// storeRetry is how long a member whose disk is full, or broken, waits until it tries again.
const storeRetry = 200 * time.Millisecond

// SetUint64 is Raft's: it keeps the term that way, and ends the process if it cannot. A data node whose disk is full for a
// while must not end: its Raft waits here, as if it had been paused, until there is room. It votes for nobody meanwhile,
// and what it answers to Reports is of the term that it has kept.
func (s *store) SetUint64(key []byte, val uint64) error {
	if string(key) == "LastVoteTerm" && !s.mayVote() {
		return errForgot
	}
	for told := false; ; {
		err := s.Set(key, number(val))
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
