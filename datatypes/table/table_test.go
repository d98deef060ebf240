package table

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// hashes are what the tests' keys are hashed with: one good function, and some as bad as can be.
var hashes = []struct {
	name string
	hash func([]byte) uint64
	keys int // as many as are still fast
}{
	{"good", mix, 40000 / share},
	{"equal", fold(0), 600 / share},
	{"two values", fold(1 << 63), 800 / share},
	{"low bits", fold(0xfff), 600 / share},
	{"tags only", fold(0x1fe0 << 38), 1500 / share},
	{"no directory", fold(1<<40 - 1), 1200 / share},
	{"directory only", fold(0xfffff << 44), 8000 / share},
	{"few places", fold(0xf << 52), 2000 / share},
	{"three bits deep", fold(1<<61 - 1), 40000 / share}, // the directory has several pages
}

func TestGrowAndShrink(t *testing.T) {
	for _, h := range hashes {
		t.Run(h.name, func(t *testing.T) {
			w := newWorld(t, 1, h.hash)
			n := uint64(h.keys)
			for k := range n {
				if k&(k-1) == 0 || k == n/3 {
					w.check()
					w.audit()
				}
				w.insert(k, 0)
			}
			w.check()
			w.audit()
			for k := range n {
				if _, ok := w.find(n + k); ok {
					t.Fatalf("found %d", n+k)
				}
			}
			for k := range n {
				w.remove(k * 7919 % n)
				if k%(n/6) == 0 {
					w.check()
					w.tend()
					w.check()
					w.audit()
				}
			}
			w.tend()
			w.check()
			w.audit()
			if got := w.t.Bytes(); got > headerSize+lineBytes {
				t.Errorf("the empty table takes %d bytes", got)
			}
			w.free(10)
		})
	}
}

// TestMaintainAtOnce empties tables before Maintain sees them, and leaves half of the entries in others.
func TestMaintainAtOnce(t *testing.T) {
	for _, h := range hashes {
		for _, keep := range []uint64{0, 2} {
			w := newWorld(t, 1, h.hash)
			for k := range uint64(h.keys) {
				w.insert(k, 0)
			}
			full := w.t.Bytes()
			for k := range uint64(h.keys) {
				if keep == 0 || k%keep != 0 {
					w.remove(k)
				}
			}
			w.tend()
			w.check()
			w.audit()
			switch got := w.t.Bytes(); {
			case keep == 0 && got > headerSize+lineBytes:
				t.Errorf("%s: the empty table takes %d bytes", h.name, got)
			case keep == 2 && h.name == "good" && got > full*2/3:
				t.Errorf("half of the entries take %d bytes, all took %d", got, full)
			}
		}
	}
}

// TestSequences runs all sequences of inserts and deletes on a few keys that are in each other's way.
func TestSequences(t *testing.T) {
	const keys = 4
	for _, h := range hashes {
		for filled := 0; filled < 13*2; filled += share {
			w := newWorldOf(t, 1<<20, 1, h.hash)
			for k := range uint64(filled) {
				w.insert(1000+k, 0)
			}
			var walk func(depth int)
			walk = func(depth int) {
				if depth == 0 {
					w.check()
					return
				}
				for k := range uint64(keys) {
					w.toggle(k)
					walk(depth - 1)
					w.toggle(k)
				}
			}
			walk(4 - share/8)
			w.check()
			w.audit()
		}
	}
}

// TestRandom runs random commands against the model.
func TestRandom(t *testing.T) {
	for _, h := range hashes {
		t.Run(h.name, func(t *testing.T) {
			w := newWorld(t, 2, h.hash)
			keys := uint64(h.keys) / 2
			for round := range 8 {
				// Let the table get full and empty in turns.
				bias := []int{80, 30, 95, 10}[round%4]
				for range keys {
					key := w.rnd.Uint64N(keys)
					s, ok := w.find(key)
					switch {
					case ok && w.rnd.IntN(100) >= bias:
						w.drop(s)
					case ok && w.rnd.IntN(4) == 0:
						w.expire(s, w.rnd.Int64N(3)*w.rnd.Int64N(1000))
					case ok:
						old := w.t.Entry(s)
						e := w.entry(key, w.deadline(old))
						w.t.SetEntry(s, e)
						w.a.Free(old, entryBytes)
						w.model[key] = e
					case w.rnd.IntN(100) < bias:
						w.insert(key, w.rnd.Int64N(2)*w.rnd.Int64())
					}
					if w.rnd.IntN(50) == 0 {
						w.t.Maintain(w.rnd.IntN(100))
					}
				}
				w.check()
				w.audit()
			}
			w.free(1000)
		})
	}
}

// TestWithoutAllocation makes sure that the ways of the requests leave Go's heap alone.
func TestWithoutAllocation(t *testing.T) {
	w := newWorld(t, 3, mix)
	for k := range uint64(5000) {
		w.insert(k, int64(k))
	}
	entries := make([]arena.Ref, 20000)
	for i := range entries {
		entries[i] = w.entry(uint64(5000+i), 1)
	}
	var batch Batch
	n, seen := 0, 0
	if got := testing.AllocsPerRun(len(entries)-1, func() {
		e := entries[n]
		n++
		key := w.a.Bytes(e, 8)
		h := mix(key)
		w.t.Stage1(h)
		w.t.Stage2(h)
		batch.Add(&w.t, h)
		batch.Load()
		if _, ok := w.t.Find(h, key); !ok {
			w.t.SetExpire(w.t.Insert(h, e, 1000), 2000)
		}
		w.t.Scan(uint64(n)<<20, 10, func(arena.Ref) { seen++ })
		w.t.EachFrom(uint64(n)<<20, 1, func(Slot, arena.Ref) { seen++ })
		w.t.Sample(uint64(n), func(Slot, arena.Ref) { seen++ })
		s, _ := w.t.Random(uint64(n))
		w.t.SetEntry(s, w.t.Entry(s))
		w.t.Delete(s)
		w.t.ExpireDue(int64(n), int64(n), 100, w.deadline, func(s Slot, e arena.Ref) { w.t.Delete(s) })
		w.t.Maintain(10)
	}); got != 0 && !invariant.Enabled { // an assertion's arguments are allocated
		t.Errorf("%v allocations", got)
	}
	if seen == 0 {
		t.Error("nothing seen")
	}
}

// TestNewSized fills tables to the number that they were made for.
func TestNewSized(t *testing.T) {
	for _, count := range []int{0, 1, 10, 12, 13, 130, 512, 690, 100000} {
		w := newWorld(t, 4, mix)
		w.t.FreeStep(1, nil)
		w.t = NewSized(w.a, layout{}, mix, count)
		was := w.t.Bytes()
		for k := range uint64(min(count, maxBuckets*slots*builtFill/100)) {
			w.insert(k, 0)
		}
		if now := w.t.Bytes(); now != was {
			t.Errorf("%d: grew from %d to %d bytes", count, was, now)
		}
		w.check()
	}
}

// TestOpen finds a table again, and another handle sees what the first one does.
func TestOpen(t *testing.T) {
	w := newWorld(t, 5, mix)
	again := Open(w.a, w.t.Root(), layout{}, mix)
	for k := range uint64(1000) {
		w.insert(k, 0)
	}
	if again.Len() != 1000 {
		t.Errorf("%d entries", again.Len())
	}
	other := New(w.a, layout{}, mix)
	again.Replace(other)
	if again.Len() != 0 || again.Root() != other.Root() {
		t.Errorf("after Replace: %d entries at %d", again.Len(), again.Root())
	}
}

// TestMatch compares the tag match with the obvious one.
func TestMatch(t *testing.T) {
	w := newWorld(t, 6, mix)
	for range 20000 / share {
		var b bucket
		b.meta = w.rnd.Uint32()
		meta := b.meta
		span := []int{2, 3, 256}[w.rnd.IntN(3)]
		for i := range slots {
			b.tags[i] = uint8(w.rnd.IntN(span) - 1)
		}
		for tag := range 256 {
			var want uint32
			for i := range slots {
				if int(b.tags[i]) == tag {
					want |= 1 << i
				}
			}
			if got := b.match(uint8(tag)); got != want {
				t.Fatalf("tag %#x in %x: %012b, want %012b", tag, b.tags, got, want)
			}
		}
		if b.meta != meta {
			t.Fatal("meta changed")
		}
	}
}

// TestGeometry checks, for all sizes, that places can be read back, that cells are in order, that alternates are their
// own inverse and spread evenly.
func TestGeometry(t *testing.T) {
	for _, n8 := range sizes {
		n := uint32(n8)
		for k := range maxBlocks {
			if size := blockSize(n, k); size > 0 && arena.RoundUp(size) != size {
				t.Errorf("%d buckets: block %d takes %d bytes instead of %d", n, k, arena.RoundUp(size), size)
			}
		}
		last := uint32(0)
		for place := range uint32(places) {
			b, tag := homeOf(place, n)
			cell := cellOf(place, n)
			if cell != b<<8|uint32(tag) || cell < last || b >= n {
				t.Fatalf("n %d, place %d: cell %#x, bucket %d, tag %#x", n, place, cell, b, tag)
			}
			last = cell
			if first := firstPlace(cell, n); first > place || n >= exactBuckets && first != place || cellOf(first, n) != cell {
				t.Fatalf("n %d, place %d: read back as %d", n, place, first)
			}
		}
		if firstPlace(n<<8, n) != places {
			t.Errorf("n %d: behind the last cell is place %d", n, firstPlace(n<<8, n))
		}
		for b := range n {
			hit := make([]int, n)
			for tag := range 256 {
				other := alternate(b, uint8(tag), n)
				if other >= n || alternate(other, uint8(tag), n) != b {
					t.Fatalf("n %d, bucket %d, tag %d: alternate %d", n, b, tag, other)
				}
				hit[other]++
			}
			for other, c := range hit {
				if c > 256/int(n)+4 {
					t.Errorf("n %d: bucket %d is the alternate of %d for %d tags", n, other, b, c)
				}
			}
		}
	}
}

// TestEpoch checks that nothing but building a segment touches the snapshot's bits of a bucket.
func TestEpoch(t *testing.T) {
	w := newWorld(t, 7, mix)
	for k := range uint64(500) {
		w.insert(k, 0)
	}
	s := w.t.segment(0)
	was := *s.blocks
	for b := range s.n {
		s.at(b).meta |= spareMask
	}
	for range 20000 {
		key := w.rnd.Uint64N(1000)
		if len(w.model) >= 500 {
			for key = range w.model {
				break
			}
		}
		w.toggle(key)
		if at, ok := w.find(key); ok {
			w.expire(at, w.rnd.Int64N(2))
		}
	}
	w.check()
	if now := w.t.segment(0); *now.blocks != was {
		t.Fatal("the segment was rebuilt")
	}
	for b := range s.n {
		if s.at(b).meta&spareMask != spareMask {
			t.Fatalf("bucket %d: meta %#x", b, s.at(b).meta)
		}
	}
}

// TestWorkedExample makes the bucket of the package comment.
func TestWorkedExample(t *testing.T) {
	w := newWorld(t, 8, func(key []byte) uint64 { return binary.LittleEndian.Uint64(key) })
	w.t = NewSized(w.a, layout{}, w.hash, 40*slots*builtFill/100)
	for k := range uint64(slots) {
		w.insert(0x0e90<<48+k, 0) // at home in bucket 2
	}
	first := w.insert(0x3a5f<<48, 77)
	second := w.insert(0x0ee0<<48, 0)
	if first.bucket != 9 || second.bucket != 9 || second.line != first.line {
		t.Fatalf("%+v, %+v", first, second)
	}
	w.check()
	b := w.t.bucket(first)
	b.setRef(int(first.i), 0xa06)
	b.setRef(int(second.i), 0xa0c)
	want := "1d 53 00 00 00 00 00 00 00 00 00 00 02 00 01 00 " +
		"06 0a 00 00 0c 0a 00 00 00 00 00 00 00 00 00 00" + strings.Repeat(" 00", 32)
	if got := fmt.Sprintf("% x", w.a.Bytes(first.line, lineBytes)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s := w.t.segment(0)
	if s.n != 40 || s.at(2).overflow() != 1 || alternate(9, 0x53, 40) != 2 || firstPlace(2<<8|0x53, 40) != 0x1dc {
		t.Errorf("%d buckets, overflow %d, alternate %d", s.n, s.at(2).overflow(), alternate(9, 0x53, 40))
	}
}

// TestOutOfMemory fills small arenas: an insert for whose needs there was room goes well.
func TestOutOfMemory(t *testing.T) {
	for _, h := range hashes {
		w := newWorldOf(t, 1<<20, 9, h.hash)
		for w.a.Reserve(w.t.InsertNeeds()) && w.a.Reserve(entryBytes) && len(w.model) < h.keys {
			w.insert(uint64(len(w.model)), 0)
		}
		w.check()
		w.audit()
	}
}

// TestCheckNotices damages tables in all the ways that Check looks for.
func TestCheckNotices(t *testing.T) {
	const n = 3000
	damage := map[string]func(w *world, s Slot, b *bucket, e *dirEntry){
		"tag":             func(_ *world, s Slot, b *bucket, _ *dirEntry) { b.tags[s.i] ^= 2 },
		"tag of nothing":  func(_ *world, s Slot, b *bucket, _ *dirEntry) { b.refs[s.i] = 0 },
		"displaced":       func(_ *world, s Slot, b *bucket, _ *dirEntry) { b.meta ^= 1 << s.i },
		"overflow":        func(_ *world, _ Slot, b *bucket, _ *dirEntry) { b.oneMoreAway() },
		"volatile":        func(_ *world, s Slot, b *bucket, _ *dirEntry) { b.setTTL(int(s.i), true) },
		"lost":            func(_ *world, s Slot, b *bucket, _ *dirEntry) { b.remove(int(s.i)) },
		"twice":           func(_ *world, s Slot, b *bucket, _ *dirEntry) { b.refs[(s.i+1)%slots] = b.refs[s.i] },
		"count":           func(_ *world, _ Slot, _ *bucket, e *dirEntry) { e.count++ },
		"depth":           func(_ *world, _ Slot, _ *bucket, e *dirEntry) { e.word += 1 << 8 },
		"buckets":         func(_ *world, _ Slot, _ *bucket, e *dirEntry) { e.word++ },
		"chained":         func(_ *world, _ Slot, _ *bucket, e *dirEntry) { e.word ^= chainedBit },
		"block":           func(_ *world, _ Slot, _ *bucket, e *dirEntry) { e.blocks[0] = 0 },
		"segment minimum": func(_ *world, _ Slot, _ *bucket, e *dirEntry) { e.minExpire = -5 },
		"page minimum":    func(w *world, _ Slot, _ *bucket, _ *dirEntry) { w.t.firstTop(0).minExpire = -5 },
		"total":           func(w *world, _ Slot, _ *bucket, _ *dirEntry) { w.t.header().count++ },
		"all buckets":     func(w *world, _ Slot, _ *bucket, _ *dirEntry) { w.t.header().buckets++ },
		"chains":          func(w *world, _ Slot, _ *bucket, _ *dirEntry) { w.t.header().chains++ },
		"deepest":         func(w *world, _ Slot, _ *bucket, _ *dirEntry) { w.t.header().setDeepest(1) },
	}
	for name, harm := range damage {
		w := newWorldOf(t, 1<<20, 10, mix)
		for k := range uint64(n) {
			w.insert(k, 0)
		}
		w.check()
		s, _ := w.find(17)
		harm(w, s, w.t.bucket(s), w.t.dir(s.dir))
		if w.t.CheckExpiry(w.deadline) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// FuzzOps plays bytes as commands: the low four bits say what, the rest with which of few keys.
func FuzzOps(f *testing.F) {
	f.Add([]byte("growing and shrinking"), uint8(0))
	for i := range hashes {
		f.Add([]byte{0x00, 0x10, 0x20, 0x31, 0x42, 0x53, 0x64, 0x75, 0x86, 0x97, 0xa8, 0xb9}, uint8(i))
		f.Add([]byte{0x0f, 0x1f, 0x2f, 0x3f, 0x4f, 0x5f, 0xee, 0xce, 0x07, 0xed, 0x08, 0x09, 0xfa}, uint8(i))
	}
	f.Fuzz(func(t *testing.T, ops []byte, which uint8) {
		if len(ops) > 2000 {
			ops = ops[:2000]
		}
		w := newWorld(t, 1, hashes[int(which)%len(hashes)].hash)
		w.play(ops)
		w.check()
		w.audit()
		w.free(1 + int(which))
	})
}

// play runs a program of FuzzOps.
func (w *world) play(ops []byte) {
	now, scan, each, move := int64(0), uint64(0), uint64(0), uint64(0)
	for i, op := range ops {
		arg := uint64(op >> 4)
		switch op & 15 {
		case 0, 1, 2, 3:
			w.toggle(arg<<2 | uint64(op&3))
		case 4, 5:
			if s, ok := w.find(arg); ok {
				w.expire(s, now+int64(op&1)*int64(i%50))
			}
		case 6:
			now += int64(arg)
			w.t.ExpireDue(now, now-int64(arg)/2, int(arg), w.deadline, func(s Slot, _ arena.Ref) { w.drop(s) })
		case 7:
			scan = w.t.Scan(scan, int(arg)*10, func(e arena.Ref) { w.known(e) })
		case 8:
			each = w.t.EachFrom(each, int(arg)*10, func(s Slot, e arena.Ref) { w.relocate(s, e) })
		case 9:
			if s, ok := w.t.Random(arg); ok {
				w.known(w.t.Entry(s))
			}
			w.t.Sample(arg, func(_ Slot, e arena.Ref) { w.known(e) })
		case 10, 11:
			w.t.Maintain(int(arg) + 1)
		case 12:
			w.a.StartEvacuation(1.01)
			w.a.Mark(int(arg))
		case 13:
			move = w.t.MoveSparse(move, int(arg))
		case 14: // 64 keys go
			for k := range uint64(64) {
				if _, ok := w.model[arg<<6|k]; ok {
					w.remove(arg<<6 | k)
				}
			}
		case 15: // 64 keys come
			for k := range uint64(64) {
				if _, ok := w.model[arg<<6|k]; !ok {
					w.insert(arg<<6|k, int64(k%2)*(now+int64(k)))
				}
			}
		}
		if i%97 == 0 {
			w.check()
		}
	}
	w.a.StopEvacuation()
}

// known makes sure that an entry is one of the model's.
func (w *world) known(e arena.Ref) {
	w.Helper()
	if w.model[w.keyOf(e)] != e {
		w.Fatalf("entry %d of key %d is not the model's", e, w.keyOf(e))
	}
}

// relocate moves an entry as defragmentation does.
func (w *world) relocate(s Slot, e arena.Ref) {
	w.known(e)
	if w.a.ShouldMove(e, entryBytes) {
		key, to := w.keyOf(e), w.a.Move(e, entryBytes)
		w.model[key] = to
		w.t.SetEntry(s, to)
	}
}

func TestPrograms(t *testing.T) {
	for which, h := range hashes {
		t.Run(h.name, func(t *testing.T) {
			for seed := range uint64(8 / share) {
				w := newWorld(t, seed, h.hash)
				ops := make([]byte, 600)
				for i := range ops {
					ops[i] = byte(w.rnd.Uint32())
				}
				w.play(ops)
				w.check()
				w.audit()
				w.free(1 + which)
			}
		})
	}
}

// ExampleTable_Bytes measures what a set of 130 members takes beyond its members.
func ExampleTable_Bytes() {
	a, err := arena.New(arena.Options{})
	if err != nil {
		panic(err)
	}
	defer a.Close()
	w := &world{a: a, t: New(a, layout{}, mix), hash: mix, model: map[uint64]arena.Ref{}}
	for k := range uint64(130) {
		w.insert(k, 0)
	}
	fmt.Println(w.t.Bytes())
	// Output: 832
}
