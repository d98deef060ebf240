package keyspace

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"larder/datatypes/arena"
)

// TestSqueezeGivesBackWhatGapsTook: after most of the keys are gone at random the rest moves together, and nothing is lost.
func TestSqueezeGivesBackWhatGapsTook(t *testing.T) {
	ks := newKeyspace(t, 2)
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	r := rand.New(rand.NewPCG(1, 2))
	const keys = 20_000
	name := func(i int) []byte { return []byte("key:" + strconv.Itoa(i)) }
	value := func(i int) []byte { return []byte(strconv.Itoa(i) + strings.Repeat("x", i*7%200)) }
	for i := range keys {
		v.DB = i % 3
		v.Take(1 << ks.ShardOf(ks.Hash(name(i))))
		v.SetString(name(i), value(i), int64(i%2)*(v.Now+1_000_000))
		v.Release()
	}
	left := map[int]bool{}
	for i := range keys {
		if r.IntN(4) == 0 {
			left[i] = true
			continue
		}
		v.DB = i % 3
		v.Take(1 << ks.ShardOf(ks.Hash(name(i))))
		v.Delete(name(i))
		v.Release()
	}
	before := ks.Resident()
	for n := 0; v.Squeeze(); n++ {
		if n > keys {
			t.Fatal("there is no end to it")
		}
	}
	if after := ks.Resident(); after > before*2/3 {
		t.Errorf("a quarter of the keys is left, and %d of %d bytes are held", after, before)
	}
	for i := range left {
		v.DB = i % 3
		v.Take(1 << ks.ShardOf(ks.Hash(name(i))))
		if got, st := v.PeekString(name(i)); st != Found || string(got) != string(value(i)) {
			t.Fatalf("key %d is %q, %v", i, got, st)
		}
		v.Release()
	}
	ks.Lock(ks.All())
	defer ks.Unlock(ks.All())
	if err := ks.Check(); err != nil {
		t.Fatal(err)
	}
}

// TestSqueezeRests: a call that gains nothing makes the next ones do nothing, more and more of them, until one gains again.
func TestSqueezeRests(t *testing.T) {
	ks := newKeyspace(t, 2)
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	name := func(i int) []byte { return []byte("key:" + strconv.Itoa(i)) }
	on := func(i int, f func()) {
		v.Take(1 << ks.ShardOf(ks.Hash(name(i))))
		f()
		v.Release()
	}
	for i := range 20_000 {
		on(i, func() { v.SetString(name(i), []byte(strings.Repeat("x", 100)), 0) })
	}
	for v.Squeeze() {
	}
	looks := func() (n int) {
		for range 2 * squeezeIdleMost {
			turn := ks.squeezeTurn.Load()
			if v.Squeeze() {
				t.Fatal("there was something to gain")
			}
			if ks.squeezeTurn.Load() != turn {
				n++
			}
		}
		return n
	}
	if first, then := looks(), looks(); first > 7 || then > 2 {
		t.Errorf("%d and then %d of %d calls looked at shards", first, then, 2*squeezeIdleMost)
	}
	for i := range 20_000 {
		if i%4 != 0 {
			on(i, func() { v.Delete(name(i)) })
		}
	}
	calls := 0
	for ; !v.Squeeze(); calls++ {
		if calls > squeezeIdleMost {
			t.Fatal("what there is to gain is not found")
		}
	}
	if !v.Squeeze() {
		t.Error("after a gain it rests")
	}
}

// TestMoveEntryTakesNothingElseForAnEntry: whatever bytes stand in a slot, only what a table names is moved.
func TestMoveEntryTakesNothingElseForAnEntry(t *testing.T) {
	ks := newKeyspace(t, 1)
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	v.Take(1)
	v.SetString([]byte("k"), []byte("value"), 0)
	v.Release()
	s := ks.shards[0]
	ks.Lock(1)
	defer ks.Unlock(1)
	r := rand.New(rand.NewPCG(7, 7))
	for range 50_000 {
		slot := 8 + 8*r.IntN(30)
		e := s.arena.Alloc(slot)
		b := s.arena.Bytes(e, slot)
		for i := range b {
			if b[i] = byte(r.Uint32()); r.IntN(3) > 0 {
				b[i] = byte(r.IntN(4))
			}
		}
		if s.moveEntry(e, slot) {
			t.Fatalf("% x was taken for an entry", b)
		}
		s.arena.Free(e, slot)
	}
	if s.moveEntry(arena.Ref(0), 8) {
		t.Fatal("nil was taken for an entry")
	}
}
