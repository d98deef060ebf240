package table

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"larder/datatypes/arena"
)

// Entries of the tests: the key, 8 bytes little endian, and the expiry in ms, likewise.
const entryBytes = 16

type layout struct{}

func (layout) Key(a *arena.Arena, e arena.Ref) []byte { return a.Bytes(e, 8) }

// mix is a good hash of the tests' keys.
func mix(key []byte) uint64 {
	z := binary.LittleEndian.Uint64(key) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// fold makes a bad hash of mix: only the bits in mask differ.
func fold(mask uint64) func([]byte) uint64 {
	return func(key []byte) uint64 { return mix(key) & mask }
}

// world is a table and what should be in it.
type world struct {
	testing.TB
	a     *arena.Arena
	t     Table
	hash  func([]byte) uint64
	model map[uint64]arena.Ref
	rnd   *rand.Rand
	key   [8]byte
}

// worldBytes is enough for the tests, and quickly made on the Go heap.
const worldBytes = 8 << 20

func newWorld(t testing.TB, seed uint64, hash func([]byte) uint64) *world {
	return newWorldOf(t, worldBytes, seed, hash)
}

func newWorldOf(t testing.TB, maxBytes int64, seed uint64, hash func([]byte) uint64) *world {
	a, err := arena.New(arena.Options{MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return &world{TB: t, a: a, t: New(a, layout{}, hash), hash: hash, model: map[uint64]arena.Ref{},
		rnd: rand.New(rand.NewPCG(seed, 1))}
}

func (w *world) find(key uint64) (Slot, bool) {
	binary.LittleEndian.PutUint64(w.key[:], key)
	return w.t.Find(w.hash(w.key[:]), w.key[:])
}

func (w *world) entry(key uint64, expireMs int64) arena.Ref {
	e := w.a.Alloc(entryBytes)
	b := w.a.Bytes(e, entryBytes)
	binary.LittleEndian.PutUint64(b, key)
	binary.LittleEndian.PutUint64(b[8:], uint64(expireMs))
	return e
}

func (w *world) keyOf(e arena.Ref) uint64 { return binary.LittleEndian.Uint64(w.a.Bytes(e, 8)) }

func (w *world) deadline(e arena.Ref) int64 {
	return int64(binary.LittleEndian.Uint64(w.a.Bytes(e, entryBytes)[8:]))
}

func (w *world) insert(key uint64, expireMs int64) Slot {
	e := w.entry(key, expireMs)
	s := w.t.Insert(w.hash(w.a.Bytes(e, 8)), e, expireMs)
	if got := w.t.Entry(s); got != e {
		w.Fatalf("insert %d: slot %+v holds %d, want %d", key, s, got, e)
	}
	if w.marks(e) {
		w.t.Mark(s)
	}
	w.model[key] = e
	return s
}

func (w *world) expire(s Slot, expireMs int64) {
	e := w.t.Entry(s)
	binary.LittleEndian.PutUint64(w.a.Bytes(e, entryBytes)[8:], uint64(expireMs))
	w.t.SetExpire(s, expireMs)
	if w.marks(e) {
		w.t.Mark(s)
	}
}

// marks tells which entries are marked: of those with an expiry those whose key is even.
func (w *world) marks(e arena.Ref) bool { return w.deadline(e) != 0 && w.keyOf(e)%2 == 0 }

// marked is those entries, for a hand with that many looks.
func (w *world) marked(looks int) *Marked { return &Marked{Is: w.marks, Looks: looks} }

// drop deletes what stands in a slot.
func (w *world) drop(s Slot) {
	e := w.t.Entry(s)
	delete(w.model, w.keyOf(e))
	w.t.Delete(s)
	w.a.Free(e, entryBytes)
}

// remove deletes a key that is in the table.
func (w *world) remove(key uint64) {
	s, ok := w.find(key)
	if !ok {
		w.Fatalf("key %d is gone", key)
	}
	w.drop(s)
}

// toggle inserts or deletes a key, as find says that it is or is not there.
func (w *world) toggle(key uint64) {
	s, ok := w.find(key)
	if _, want := w.model[key]; ok != want {
		w.Fatalf("key %d: found %v, want %v", key, ok, want)
	}
	if ok {
		w.drop(s)
	} else {
		w.insert(key, 0)
	}
}

// check compares everything.
func (w *world) check() {
	w.Helper()
	if err := w.t.CheckExpiry(w.deadline); err != nil {
		w.Fatal(err)
	}
	if err := w.t.CheckMarks(w.marks); err != nil {
		w.Fatal(err)
	}
	if w.t.Len() != len(w.model) {
		w.Fatalf("%d entries, want %d", w.t.Len(), len(w.model))
	}
	for key, e := range w.model {
		if s, ok := w.find(key); !ok || w.t.Entry(s) != e {
			w.Fatalf("key %d: found %v", key, ok)
		}
	}
}

// audit checks the arena, and that the table has nothing in it but what Bytes says.
func (w *world) audit() {
	w.Helper()
	if err := w.a.Check(); err != nil {
		w.Fatal(err)
	}
	if got, want := w.a.Stats().AskedBytes, int64(w.t.Bytes()+len(w.model)*entryBytes); got != want {
		w.Fatalf("the arena has %d bytes in use, table and entries say %d", got, want)
	}
}

// free takes the table apart and checks that nothing of it is left.
func (w *world) free(budget int) {
	w.Helper()
	for !w.t.FreeStep(budget, func(e arena.Ref) {
		delete(w.model, w.keyOf(e))
		w.a.Free(e, entryBytes)
	}) {
	}
	if len(w.model) != 0 || w.a.Stats().AskedBytes != 0 {
		w.Fatalf("%d entries and %d bytes are left", len(w.model), w.a.Stats().AskedBytes)
	}
}

// tend lets Maintain come to its end.
func (w *world) tend() {
	for n := 0; w.t.Maintain(1 << 20); n++ {
		if n > 100 {
			w.Fatal("Maintain does not end")
		}
	}
}
