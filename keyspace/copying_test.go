package keyspace

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"larder/datatypes"
)

// copyUnderWay is a copy that is made ahead while the model goes on.
type copyUnderWay struct {
	c        *Copying
	db, to   int
	src, dst string
	was      *value // what was copied
}

// beginCopy begins a copy that is made ahead.
func (w *world) beginCopy(db, to int, src, dst string) {
	w.hold(db, func(v *View) {
		if c := v.BeginCopy([]byte(src), []byte(dst), to, true); c != nil {
			w.copies = append(w.copies, &copyUnderWay{c, db, to, src, dst, w.dbs[db][src].clone()})
		}
	}, src, dst)
}

// goOnCopying takes a step of a copy, or takes it, or drops it.
func (w *world) goOnCopying() {
	if len(w.copies) == 0 || w.r.IntN(3) > 0 {
		return
	}
	i := w.r.IntN(len(w.copies))
	u := w.copies[i]
	w.v.Take(u.c.Shards())
	more := w.v.CopyStep(u.c)
	w.v.Release()
	if more && w.r.IntN(50) > 0 || !more && w.r.IntN(5) > 0 { // it may wait when it is complete
		return
	}
	w.copies = slices.Delete(w.copies, i, i+1)
	w.hold(u.db, func(v *View) { v.Has([]byte(u.src)) }, u.src) // its time may be over
	if !u.c.Ready() {
		w.hold(u.db, func(v *View) { v.DropCopy(u.c) })
		if u.c.stale.Load() {
			w.spoiled++
		}
		return
	}
	m := w.dbs[u.db][u.src]
	if m == nil || m.typ != u.was.typ || m.expire != u.was.expire || m.str != u.was.str || !slices.Equal(m.items, u.was.items) {
		w.fatalf("%v %q was %+v, is %+v, and its copy is not stale", u.was.typ, u.src, u.was, m)
	}
	if len(u.was.due) == 0 && !reflect.DeepEqual(m.fields, u.was.fields) { // else some may be over
		w.fatalf("%v %q had %v, has %v, and its copy is not stale", u.was.typ, u.src, u.was.fields, m.fields)
	}
	w.hold(u.db, func(v *View) {
		v.Copies = []*Copying{u.c}
		v.Copy([]byte(u.src), []byte(u.dst), u.to)
		v.Copies = nil
		v.DropCopy(u.c)
	})
	w.dbs[u.to][u.dst] = m.clone()
	w.copied++
}

// dropCopies gives all up.
func (w *world) dropCopies() {
	if w.t.Failed() {
		return
	}
	for _, u := range w.copies {
		w.hold(u.db, func(v *View) { v.DropCopy(u.c) })
	}
	w.copies = nil
}

// largeKey makes a value of n elements.
func largeKey(v *View, key string, t datatypes.Type, n int) {
	k := []byte(key)
	for i := range n {
		name := fmt.Appendf(nil, "element:%d", i)
		switch t {
		case datatypes.TypeHash:
			x, _ := v.EditHash(k)
			x.Set(name, name, v.Now)
		case datatypes.TypeSet:
			x, _ := v.EditSet(k)
			x.Add(name)
		case datatypes.TypeList:
			x, _ := v.EditList(k)
			x.PushTail(name)
		case datatypes.TypeZSet:
			x, _ := v.EditZSet(k)
			x.Add(float64(i%100), name, 0)
		case datatypes.TypeStream:
			x, _ := v.EditStream(k)
			x.Add(datatypes.StreamID{Ms: uint64(i + 1)}, [][]byte{[]byte("field"), name})
		}
	}
	if t == datatypes.TypeString {
		v.SetString(k, slices.Repeat([]byte("element"), n), 0)
	}
	v.Settle()
}

var copiedTypes = []datatypes.Type{datatypes.TypeString, datatypes.TypeList, datatypes.TypeSet, datatypes.TypeZSet, datatypes.TypeHash, datatypes.TypeStream}

// TestCopyAhead: a copy that is made in steps is what COPY gives its key, and nothing shows before.
func TestCopyAhead(t *testing.T) {
	for _, shards := range []int{1, 4} {
		ks := newKeyspace(t, shards)
		ks.CopyLeast, ks.CopyStep = 100, 20
		v := NewView(ks)
		v.Now = 1000
		v.Take(ks.All())
		defer v.Release()
		for _, typ := range copiedTypes {
			src, dst := []byte("src"+typ.String()), []byte("dst"+typ.String())
			ks.ReserveMany(ks.All(), 1<<20, 10000)
			largeKey(v, string(src), typ, 20000)
			v.SetExpire(src, 5000)
			keys, used := v.Len(), ks.shards[v.ks.ShardOf(v.hashOf(dst))].arena.LiveBytes()
			c := v.BeginCopy(src, dst, 1, false)
			if c == nil {
				t.Fatalf("%v: is not copied in steps", typ)
			}
			steps := 0
			for v.CopyStep(c) {
				if steps++; c.Ready() || v.Has(dst) || v.Len() != keys {
					t.Fatalf("%v: shows after %d steps", typ, steps)
				}
				if steps != 1 && steps != 8 && steps != 100 {
					continue
				}
				if err := ks.CheckUnsynced(); err != nil {
					t.Fatalf("%v: after %d steps: %v", typ, steps, err)
				}
			}
			if steps < 10 || !c.Ready() {
				t.Fatalf("%v: ready after %d steps: %v", typ, steps, c.Ready())
			}
			if n := ks.shards[c.to].arena.LiveBytes(); n < used+10000 {
				t.Errorf("%v: %d bytes in use, were %d", typ, n, used)
			}
			v.Copies = []*Copying{c}
			v.Copy(src, dst, 1)
			v.Copies = nil
			v.DropCopy(c)
			v.DB = 1
			in, _ := v.Stat(dst)
			v.DB = 0
			if was, _ := v.Stat(src); in.Expire_ms != was.Expire_ms || in.Type != was.Type || in.Enc != was.Enc || in.Size != was.Size || in.Access != was.Access || in.Expire_ms != 5000 {
				t.Errorf("%v: %+v is copied as %+v", typ, was, in)
			}
			if ks.shards[c.from].copied != nil || ks.shards[c.to].making != nil {
				t.Errorf("%v: the copy is still known", typ)
			}
		}
		v.ResetEvents()
	}
}

// CheckUnsynced is Check while a view holds the shards.
func (ks *Keyspace) CheckUnsynced() error {
	for _, s := range ks.shards {
		s.SyncUsed()
	}
	return ks.Check()
}

// TestCopyBecomesStale: whatever happens to the source ends a copy; what happens to others, and what only looks, does not.
func TestCopyBecomesStale(t *testing.T) {
	ks := newKeyspace(t, 4)
	ks.CopyLeast, ks.CopyStep = 100, 50
	v := NewView(ks)
	v.Now = 1000
	src, dst := []byte("src"), []byte("dst")
	happen := []struct {
		what  string
		do    func()
		stale bool
	}{
		{"nothing", func() {}, false},
		{"a look", func() { v.ReadHash(src); v.Exists(src); v.Touch(src); v.Memory(src, 0) }, false},
		{"a change", func() { x, _ := v.EditHash(src); x.Set([]byte("f"), []byte("v"), v.Now) }, true},
		{"another key", func() { v.SetString([]byte("other"), src, 0); v.Delete([]byte("other")) }, false},
		{"the same key elsewhere", func() { v.DB = 2; v.SetString(src, src, 0); v.Delete(src); v.DB = 0 }, false},
		{"an expiry", func() { v.SetExpire(src, v.Now+1000) }, true},
		{"no expiry any more", func() { v.SetExpire(src, 0) }, true},
		{"a removal", func() { v.Delete(src) }, true},
		{"its time is over", func() { v.SetExpire(src, v.Now+10) }, true},
		{"another name", func() { v.Rename(src, []byte("away")) }, true},
		{"another value", func() { v.SetString(dst, dst, 0); v.Rename(dst, src) }, true},
		{"another database", func() { v.Move(src, 3) }, true},
		{"a string", func() { v.SetString(src, dst, 0) }, true},
		{"FLUSHDB", func() { v.Flush(0) }, true},
		{"FLUSHDB elsewhere", func() { v.Flush(1) }, false},
		{"SWAPDB", func() { v.Swap(3, 0) }, true},
		{"SWAPDB elsewhere", func() { v.Swap(2, 1) }, false},
		{"the destination comes", func() { v.DB = 1; v.SetString(dst, src, 0); v.DB = 0 }, false},
		{"defragmentation", func() {
			for _, s := range ks.shards {
				s.StartDefrag()
				for s.Defrag(1000) {
				}
				s.Tend(1000)
			}
		}, false},
		{"a snapshot", func() {
			id := ks.BeginWalk(func(int) Saver { return saveNothing{} })
			for _, s := range ks.shards {
				for s.WalkStep(id, 10) {
				}
				s.EndWalk(id)
			}
		}, false},
	}
	v.Take(ks.All())
	defer v.ResetEvents()
	defer v.Release()
	for _, h := range happen {
		for after := range 3 { // no step, some, all
			v.Flush(0)
			ks.ReserveMany(ks.All(), 1<<20, 10000)
			largeKey(v, "src", datatypes.TypeHash, 600)
			if h.what == "no expiry any more" {
				v.SetExpire(src, v.Now+100000)
			}
			if h.what == "its time is over" {
				h.do()
			}
			c := v.BeginCopy(src, dst, 1, true)
			for range after * 3 {
				v.CopyStep(c)
			}
			for after == 2 && v.CopyStep(c) {
			}
			if h.what == "its time is over" {
				v.Now += 100
				v.Has(src)
			} else {
				h.do()
			}
			v.Settle()
			if c.stale.Load() != h.stale {
				t.Errorf("%s, after part %d of 3: stale %v", h.what, after, c.stale.Load())
			}
			for v.CopyStep(c) {
			}
			if c.Ready() == h.stale {
				t.Errorf("%s, after part %d of 3: ready %v", h.what, after, c.Ready())
			}
			v.DropCopy(c)
			v.DropCopy(c) // once more does nothing
			for i := range ks.Databases() {
				v.Flush(i)
			}
			if err := ks.CheckUnsynced(); err != nil {
				t.Fatalf("%s: %v", h.what, err)
			}
		}
	}
}

type saveNothing struct{}

func (saveNothing) Save(int, *Entry) {}

// TestCopyIsExchanged: when the data is exchanged for other data, what was made goes with its arena.
func TestCopyIsExchanged(t *testing.T) {
	ks := newKeyspace(t, 4)
	ks.CopyLeast, ks.CopyStep = 20, 10
	other, err := ks.Fresh(2)
	if err != nil {
		t.Fatal(err)
	}
	v := NewView(ks)
	v.Now = 1000
	v.Take(ks.All())
	defer v.ResetEvents()
	defer v.Release()
	var copies []*Copying
	for _, typ := range copiedTypes {
		ks.ReserveMany(ks.All(), 1<<20, 10000)
		largeKey(v, typ.String(), typ, 3000)
		c := v.BeginCopy([]byte(typ.String()), []byte("dst"+typ.String()), 0, false)
		for range 3 {
			v.CopyStep(c)
		}
		copies = append(copies, c)
	}
	other.Lock(other.All())
	ks.Exchange(other)
	for _, c := range copies {
		if v.CopyStep(c) || c.Ready() || !c.stale.Load() {
			t.Errorf("%v: goes on", c.typ)
		}
		v.DropCopy(c)
	}
	for _, k := range []*Keyspace{ks, other} {
		for _, s := range k.shards {
			for i := range s.dbs {
				s.flush(i)
			}
			for s.Bury(1000) {
			}
			if n := s.arena.Stats().Allocs; n != 0 {
				t.Errorf("%d allocations are left", n)
			}
		}
	}
	other.Unlock(other.All())
	other.Close()
}

// TestCopyKeepsFields: fields whose time is over do not spoil the copy of their hash; they go when it is complete.
func TestCopyKeepsFields(t *testing.T) {
	ks := newKeyspace(t, 1)
	ks.CopyLeast, ks.CopyStep = 100, 50
	v := NewView(ks)
	v.Now = 1000
	v.Take(ks.All())
	defer v.ResetEvents()
	defer v.Release()
	src, dst := []byte("src"), []byte("dst")
	largeKey(v, "src", datatypes.TypeHash, 1000)
	x, _ := v.EditHash(src)
	for i := range 1000 {
		x.SetExpire(fmt.Appendf(nil, "element:%d", i), 1010+int64(i), v.Now)
	}
	v.Settle()
	c := v.BeginCopy(src, dst, 0, false)
	for more := true; more; {
		more = v.CopyStep(c)
		v.Now += 20
		v.Sweep(0, 100)
		v.ExpireFields(src, [][]byte{[]byte("element:1")}, 1, func([]byte) { t.Error("a field goes while it is copied") })
		x, _ := v.ReadHash(src)
		if _, ok := x.Get([]byte("element:1"), v.Now); ok {
			t.Error("a field is seen whose time is over")
		}
		v.Settle()
	}
	if !c.Ready() {
		t.Fatal("the copy is not complete")
	}
	v.Copies = []*Copying{c}
	v.Copy(src, dst, 0)
	v.Copies = nil
	v.Now += sweepLate_ms + 1
	for more := true; more; {
		_, more = v.Sweep(0, 100)
	}
	for _, key := range [][]byte{src, dst} {
		x, _ := v.ReadHash(key)
		if n := 0; x.Len() == 1000 || x.Len() == 0 {
			t.Errorf("%d fields at %s after %d", x.Len(), key, n)
		}
		if at := x.MinExpire(); at < v.Now-sweepLate_ms {
			t.Errorf("a field of %s is left that was due at %d, now %d", key, at, v.Now)
		}
	}
}
