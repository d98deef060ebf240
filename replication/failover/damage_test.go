package failover

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// memory is what a store remembers, as text.
func memory(t *testing.T, s *store) string {
	t.Helper()
	var b strings.Builder
	for _, key := range []string{"CurrentTerm", "LastVoteTerm"} {
		n, err := s.GetUint64([]byte(key))
		fmt.Fprintln(&b, key, n, err)
	}
	who, err := s.Get([]byte("LastVoteCand"))
	fmt.Fprintf(&b, "%q %v, started %d\n", who, err, s.before)
	first, _ := s.FirstIndex()
	last, err := s.LastIndex()
	fmt.Fprintln(&b, first, last, err)
	for i := first; i <= last; i++ {
		var l raft.Log
		err := s.GetLog(i, &l)
		fmt.Fprintf(&b, "%d %d %v %q %q %v\n", l.Index, l.Term, l.Type, l.Data, l.Extensions, err)
	}
	return b.String()
}

func mustOpen(t *testing.T, dir string) *store {
	t.Helper()
	s, err := openStore(dir, io.Discard, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill lets a member take part for a while.
func fill(t *testing.T, s *store, from, to uint64) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := s.StoreLog(&raft.Log{Index: i, Term: 1 + i/50, Data: bytes.Repeat([]byte{'a' + byte(i%26)}, int(i%300))}); err != nil {
			t.Fatal(err)
		}
		if i%20 != 0 {
			continue
		}
		for _, key := range []string{"CurrentTerm", "LastVoteTerm"} {
			if err := s.SetUint64([]byte(key), 1+i/50); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Set([]byte("LastVoteCand"), []byte("10.0.0.1:7379")); err != nil {
			t.Fatal(err)
		}
	}
}

// inMemory is a folder that waits for no disk, if there is such a place.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "failover-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestDamage damages what a member remembers, in all ways that one can think of. It is told so, with the file's name and what to do, or
// everything is as it was.
func TestDamage(t *testing.T) {
	for _, entries := range []uint64{0, 8, 400} {
		t.Run(fmt.Sprint(entries, " entries"), func(t *testing.T) { testDamage(t, entries) })
	}
}

func testDamage(t *testing.T, entries uint64) {
	dir := filepath.Join(inMemory(t), "failover")
	path := filepath.Join(dir, "raft.db")
	s := mustOpen(t, dir)
	fill(t, s, 1, entries+1)
	if err := s.DeleteRange(1, entries/3); err != nil {
		t.Fatal(err)
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir)
	want := memory(t, s)
	s.Close()
	found, times := 0, 200
	try := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openStore(dir, io.Discard, func(string) {})
		if err != nil {
			found++
			if text := err.Error(); !strings.Contains(text, path+" is damaged: ") || !strings.Contains(text, "move the folder "+dir+" away") {
				t.Errorf("%s: %v", what, err)
			}
			return
		}
		defer s.Close()
		if got := memory(t, s); got != want {
			t.Errorf("%s: nothing is said, and what is remembered is\n%s\nnot\n%s", what, got, want)
		}
	}
	try("as it was", whole)
	if found != 0 {
		t.Fatal("it is said to be damaged as it was")
	}
	rnd := rand.New(rand.NewPCG(1, entries))
	for range times {
		b := bytes.Clone(whole)
		at, bit := rnd.IntN(len(b)), rnd.IntN(8)
		if rnd.IntN(2) == 0 { // where pages begin there is most to be damaged
			at = at&^4095 + rnd.IntN(100)
		}
		b[at] ^= 1 << bit
		try(fmt.Sprintf("bit %d of byte %d", bit, at), b)
	}
	for range times / 8 {
		b := bytes.Clone(whole)
		from := rnd.IntN(len(b))
		to := from + rnd.IntN(min(9000, len(b)-from))
		clear(b[from:to])
		try(fmt.Sprintf("zeros from %d to %d", from, to), b)
		for i := from; i < to; i++ {
			b[i] = byte(rnd.Uint32())
		}
		try(fmt.Sprintf("nonsense from %d to %d", from, to), b)
	}
	pages := len(whole) / 4096
	for range times / 8 {
		b := bytes.Clone(whole)
		i, j := rnd.IntN(pages), rnd.IntN(pages)
		copy(b[i*4096:(i+1)*4096], whole[j*4096:])
		try(fmt.Sprintf("page %d in place of page %d", j, i), b)
	}
	for n := 0; n < len(whole); n += 1 + rnd.IntN(2*4096) {
		try(fmt.Sprintf("%d bytes of %d", n, len(whole)), whole[:n])
	}
	if found < times/4 {
		t.Errorf("only %d of all damages were found", found)
	}
}

// TestWholeIsWhole: whatever Raft does, and whenever it is looked, what it has written is not taken for damaged.
func TestWholeIsWhole(t *testing.T) {
	s := mustOpen(t, inMemory(t))
	defer s.Close()
	rnd := rand.New(rand.NewPCG(2, 1))
	first, next := uint64(1), uint64(1)
	for i := range 600 {
		var err error
		switch rnd.IntN(6) {
		case 0:
			err = s.SetUint64([]byte("CurrentTerm"), uint64(i))
		case 1:
			err = s.Set([]byte("LastVoteCand"), bytes.Repeat([]byte{'x'}, rnd.IntN(100)))
		case 2: // what was not agreed on
			from := next - uint64(rnd.IntN(int(next-first)/4+1))
			if from < next {
				err = s.DeleteRange(from, next-1)
				next = from
			}
		case 3: // what a snapshot stands for
			if rnd.IntN(10) == 0 {
				to := first + uint64(rnd.IntN(int(next-first)+1))
				err = s.DeleteRange(first, to-1)
				first = to
			}
		default:
			var logs []*raft.Log
			for range rnd.IntN(200) {
				logs = append(logs, &raft.Log{Index: next, Term: uint64(i), Data: make([]byte, rnd.IntN(1<<rnd.IntN(14)))})
				next++
			}
			err = s.StoreLogs(logs)
		}
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(s.path)
		if err == nil {
			err = examine(f)
			f.Close()
		}
		if err != nil {
			t.Fatalf("after %d changes: %v", i, err)
		}
		if i%100 == 0 {
			if err := s.readAll(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestInterruptedBirth: a piece of a file that no start has got through with is no memory, and nothing is lost with it.
func TestInterruptedBirth(t *testing.T) {
	for _, n := range []int{0, 100, 4096, 16384} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "raft.db"), make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, dir).Close()
	}
}

// TestOlderStore opens what a version has written that knew no checksums, and the other way round.
func TestOlderStore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "raft.db")
	db, err := raftboltdb.New(raftboltdb.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	old := raft.Log{Index: 1, Term: 3, Data: []byte("data")}
	for _, err := range []error{
		db.StoreLog(&old), db.SetUint64(bootKey, 17), db.SetUint64([]byte("CurrentTerm"), 3), db.SetUint64([]byte("LastVoteTerm"), 2),
		db.Set([]byte("LastVoteCand"), []byte("10.0.0.1:7379")), os.Mkdir(filepath.Join(dir, "snapshots"), 0o755), db.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, dir)
	want := "CurrentTerm 3 <nil>\nLastVoteTerm 2 <nil>\n\"10.0.0.1:7379\" <nil>, started 17\n1 1 <nil>\n1 3 LogCommand \"data\" \"\" <nil>\n"
	if got := memory(t, s); got != want {
		t.Errorf("it is read as\n%s", got)
	}
	fill(t, s, 2, 101)
	s.Close()
	if db, err = raftboltdb.New(raftboltdb.Options{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n, err := db.GetUint64([]byte("LastVoteTerm")); n != 3 || err != nil {
		t.Errorf("the older version reads %d, %v", n, err)
	}
}

// TestVoteWithoutMemory: a member that remembers nothing does not vote at once.
func TestVoteWithoutMemory(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	defer s.Close()
	n := &Node{store: s, began: Now()}
	s.mayVote = n.knowsVotes
	if err := s.SetUint64([]byte("LastVoteTerm"), 7); err != errForgot {
		t.Errorf("a vote: %v", err)
	}
	if err := s.SetUint64([]byte("CurrentTerm"), 7); err != nil {
		t.Error(err)
	}
	n.began -= waitFor(Profiles["wide"].Lease)
	if err := s.SetUint64([]byte("LastVoteTerm"), 7); err != nil {
		t.Errorf("when all leases are over: %v", err)
	}
	s.before, n.began = 1, Now()
	if err := s.SetUint64([]byte("LastVoteTerm"), 8); err != nil {
		t.Errorf("a member that remembers: %v", err)
	}
}
