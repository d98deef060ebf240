package keyspace

import (
	"fmt"
	"strings"
	"testing"
)

// TestAFlushedTableIsTheWalksAlone: what a database held that is emptied during a walk is not the data's any more, though it
// cannot be freed before the walk has been through it: nothing else has to leave for it. It counted as data until the walk had
// ended.
func TestAFlushedTableIsTheWalksAlone(t *testing.T) {
	for _, shards := range []int{1, 4} {
		ks := newKeyspace(t, shards)
		v := NewView(ks)
		v.Now = 1000
		data := func() int64 {
			v.Take(ks.All())
			for i := range ks.Shards() {
				ks.Shard(i).SyncUsed()
			}
			v.Release()
			return ks.Used() - ks.Shadow()
		}
		bury := func() {
			v.Take(ks.All())
			for i := range ks.Shards() {
				for ks.Shard(i).Bury(64) {
				}
			}
			v.Release()
			if g := ks.Graves(); g != 0 {
				t.Fatalf("%b is still to be buried", g)
			}
		}
		empty := data()
		fill := func(name string, count int) {
			v.Take(ks.All())
			for i := range count {
				ks.Reserve(ks.All(), 5000)
				v.SetString(fmt.Appendf(nil, "%s%d", name, i), []byte(strings.Repeat("x", 5+i%7*1000)), 0)
				v.Settle()
				if h, st := v.EditHash(fmt.Appendf(nil, "%s hash %d", name, i)); st != WrongType && i%50 == 0 {
					for n := range i {
						h.Set(fmt.Appendf(nil, "f%d", n), []byte("value"), v.Now)
					}
				}
				v.Settle()
			}
			v.Release()
			v.ResetEvents()
		}
		v.DB = 1
		fill("other", 50)
		other := data()
		v.DB = 0
		fill("key", 1000)
		full := data()
		v.Take(ks.All())
		m := &moment{t: t, keys: map[string]string{}}
		want := m.now(ks)
		id := ks.BeginWalk(func(int) Saver { return m })
		for i := range ks.Shards() {
			ks.Shard(i).WalkStep(id, 50)
		}
		v.Flush(0)
		v.Release()
		v.ResetEvents()
		if ks.Graves() == 0 {
			t.Error("nobody is told that there is something to weigh")
		}
		bury()
		// A segment's estimate of large hashes aside, nothing of what was flushed is left.
		if n, least := data()-other, (full-other)/50; n > least || n < -least {
			t.Errorf("%d shards: %d bytes are counted as data beyond what was not flushed, of %d", shards, n, full-other)
		}
		fill("new", 300)
		if data() < other+500_000 {
			t.Errorf("%d shards: what came after the flush is not counted", shards)
		}
		v.Take(ks.All())
		v.Flush(1)
		for more := true; more; {
			more = false
			for i := range ks.Shards() {
				more = ks.Shard(i).WalkStep(id, 50) || more
			}
		}
		if len(m.keys) != len(want) {
			t.Errorf("%d keys were shown of %d", len(m.keys), len(want))
		}
		for i := range ks.Shards() {
			ks.Shard(i).EndWalk(id)
		}
		v.Flush(0)
		v.Release()
		v.ResetEvents()
		shadow, held := ks.Shadow(), ks.Resident()
		if want := ks.All(); ks.Graves() != want {
			t.Errorf("what the walk has left waits in shards %b, told is %b", want, ks.Graves())
		}
		bury()
		if n := held - ks.Resident(); n < shadow/2 {
			t.Errorf("%d shards: %d bytes went back to the system of %d that were the walk's", shards, n, shadow)
		}
		if n := ks.Shadow(); n != 0 {
			t.Errorf("%d shards: %d bytes are said to be a walk's, and there is none", shards, n)
		}
		if n := data(); n != empty {
			t.Errorf("%d shards: %d bytes are left", shards, n-empty)
		}
	}
}

// TestTheEndOfAWalkIsToldToWhoBuries: a flushed table is there to be freed as soon as the walk has been through it, and who
// wants memory hears of that. It was found by chance, when the shards were looked at the next time.
func TestTheEndOfAWalkIsToldToWhoBuries(t *testing.T) {
	for _, ended := range []bool{false, true} {
		ks := newKeyspace(t, 1)
		v := NewView(ks)
		v.Now = 1000
		v.Take(ks.All())
		v.SetString([]byte("k"), []byte("v"), 0)
		id := ks.BeginWalk(func(int) Saver { return &moment{t: t, keys: map[string]string{}} })
		v.Flush(0)
		v.DB = 1
		v.SetString([]byte("k"), []byte("v"), 0)
		for ks.Shard(0).Bury(64) {
		}
		if ks.Graves() != 0 || ks.Shard(0).Buried() != 1 {
			t.Fatalf("%d values wait, %b may be freed", ks.Shard(0).Buried(), ks.Graves())
		}
		if ended {
			ks.Shard(0).EndWalk(id)
		} else {
			ks.Shard(0).WalkStep(id, 100)
		}
		if ks.Graves() != 1 {
			t.Errorf("nobody is told of what may be freed; the walk was ended: %v", ended)
		}
		ks.Shard(0).EndWalk(id)
		v.Release()
		v.ResetEvents()
	}
}

// TestARemovedValueIsTheWalksAlone: so is a large value that is removed before the walk has been through it. It is freed as soon as
// that has.
func TestARemovedValueIsTheWalksAlone(t *testing.T) {
	ks := newKeyspace(t, 1)
	v := NewView(ks)
	v.Now = 1000
	v.Take(ks.All())
	z, _ := v.EditZSet([]byte("board"))
	for i := range 20000 {
		z.Add(float64(i), fmt.Appendf(nil, "member %d", i), 0)
	}
	v.Settle()
	m := &moment{t: t, keys: map[string]string{}}
	want := m.now(ks)
	id := ks.BeginWalk(func(int) Saver { return m })
	s := ks.Shard(0)
	live := s.arena.LiveBytes()
	v.Delete([]byte("board"))
	for s.Bury(1000) {
	}
	if n := live - s.arena.LiveBytes(); n > 1000 || s.Buried() != 1 {
		t.Fatalf("%d bytes of it were freed before the walk has seen them", n)
	}
	if n := ks.Shadow(); n < live*9/10 || n > live {
		t.Errorf("%d of %d bytes are the walk's", n, live)
	}
	steps := 0
	for ; s.WalkStep(id, 50); steps++ {
	}
	if steps < 20 {
		t.Errorf("the walk has shown it in %d steps", steps)
	}
	if ks.Graves() != 1 {
		t.Error("nobody is told of what may be freed")
	}
	for s.Bury(1000) {
	}
	s.EndWalk(id)
	v.Release()
	v.ResetEvents()
	if n := ks.Shadow(); n != 0 || s.Buried() != 0 {
		t.Errorf("%d bytes are the walk's, %d values wait", n, s.Buried())
	}
	if m.keys["0 board"] != want["0 board"] {
		t.Error("it was not shown as it was")
	}
}
