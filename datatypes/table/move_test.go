package table

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"larder/datatypes/arena"
)

// TestDefragment empties sparse pages after most entries are gone, with changes between the steps.
func TestDefragment(t *testing.T) {
	for _, h := range hashes {
		t.Run(h.name, func(t *testing.T) {
			w := newWorld(t, 1, h.hash)
			others := make([]Table, 50) // small tables, so that headers and directories move too
			for i := range others {
				others[i] = New(w.a, layout{}, mix)
				for k := range uint64(i * 10) {
					e := w.entry(k, 0)
					others[i].Insert(mix(w.a.Bytes(e, 8)), e, 0)
				}
			}
			for k := range uint64(h.keys) {
				w.insert(k, int64(k%2))
			}
			for k := range uint64(h.keys) {
				if k%8 != 0 {
					w.remove(k)
				}
			}
			for i := range others {
				if i%5 != 0 {
					for !others[i].FreeStep(7, func(e arena.Ref) { w.a.Free(e, entryBytes) }) {
					}
				}
			}
			w.tend()
			roots := 0
			for pass := 0; pass < 3 && w.a.StartEvacuation(1.1) > 0; pass++ {
				for w.a.Mark(10) {
				}
				for cursor, more := uint64(0), true; more; more = cursor != 0 {
					cursor = w.t.EachFrom(cursor, 100, w.relocate)
					w.toggle(w.rnd.Uint64N(uint64(h.keys)))
				}
				for cursor, more := uint64(0), true; more; more = cursor != 0 {
					root := w.t.Root()
					if cursor = w.t.MoveSparse(cursor, 3); w.t.Root() != root {
						roots++
					}
					w.toggle(w.rnd.Uint64N(uint64(h.keys)))
				}
				for i := range others {
					if i%5 == 0 {
						root := others[i].Root()
						others[i].EachFrom(0, 1<<30, func(s Slot, e arena.Ref) {
							if w.a.ShouldMove(e, entryBytes) {
								others[i].SetEntry(s, w.a.Move(e, entryBytes))
							}
						})
						for cursor := others[i].MoveSparse(0, 1); cursor != 0; cursor = others[i].MoveSparse(cursor, 1) {
						}
						if others[i].Root() != root {
							roots++
						}
						again := Open(w.a, others[i].Root(), layout{}, mix)
						if err := again.Check(); err != nil || again.Len() != i*10 {
							t.Fatalf("%d of %d entries, %v", again.Len(), i*10, err)
						}
					}
				}
				w.a.StopEvacuation()
				w.check()
			}
			if roots == 0 {
				t.Error("no header has moved")
			}
			for w.a.Trim(0, 1<<30) {
			}
			s := w.a.Stats()
			if most := s.LiveBytes*14/10 + 40*4096; s.ResidentBytes > most { // 40 pages: some 30 classes are in use
				t.Errorf("%d bytes resident for %d, want at most %d", s.ResidentBytes, s.LiveBytes, most)
			}
		})
	}
}

// TestMoveAll evacuates pages in which all kinds of a table's allocations stand: each of them must move.
func TestMoveAll(t *testing.T) {
	for _, c := range []struct {
		name   string
		hash   func([]byte) uint64
		tables int
		keys   uint64
		moved  func(m moves) bool
	}{
		{"large", fold(1<<61 - 1), 8, 24000, func(m moves) bool { return m.blocks > 0 && m.tops > 0 }},
		{"small", mix, 200, 1500, func(m moves) bool { return m.blocks > 0 && m.pages > 0 && m.roots > 0 }},
		{"chained", fold(0), 320, 50, func(m moves) bool { return m.blocks > 0 && m.links > 0 && m.roots > 0 }},
	} {
		w := newWorldOf(t, 16<<20, 5, c.hash)
		tables := make([]Table, c.tables)
		for i := range tables {
			tables[i] = New(w.a, layout{}, c.hash)
		}
		// Make the small allocations of a top array lie among others, which go again.
		var fill []arena.Ref
		for k := range c.keys {
			for i := range tables {
				e := w.entry(k, 0)
				tables[i].Insert(c.hash(w.a.Bytes(e, 8)), e, 0)
			}
			for bits := range 4 {
				fill = append(fill, w.a.Alloc(topEntrySize<<bits))
			}
		}
		for i, r := range fill {
			w.a.Free(r, topEntrySize<<(i%4))
		}
		for i := range tables {
			for i%8 != 0 && !tables[i].FreeStep(1000, nil) {
			}
		}
		w.a.StartEvacuation(1.0)
		for w.a.Mark(1000) {
		}
		var want, left moves
		for i := 0; i < len(tables); i += 8 {
			want.add(tables[i].sparse(w.a))
			for cursor := tables[i].MoveSparse(0, 2); cursor != 0; {
				cursor = tables[i].MoveSparse(cursor, 2)
			}
			left.add(tables[i].sparse(w.a))
			if err := tables[i].Check(); err != nil {
				t.Error(err)
			}
		}
		w.a.StopEvacuation()
		if !c.moved(want) || left != (moves{}) {
			t.Errorf("%s: was to move: %+v, left: %+v", c.name, want, left)
		}
	}
}

// moves counts the allocations of a table that stand in pages that are being emptied.
type moves struct{ roots, tops, pages, blocks, links int }

func (m *moves) add(o moves) {
	m.roots, m.tops, m.pages = m.roots+o.roots, m.tops+o.tops, m.pages+o.pages
	m.blocks, m.links = m.blocks+o.blocks, m.links+o.links
}

func (t *Table) sparse(a *arena.Arena) (m moves) {
	count := func(n *int, r arena.Ref, size int) {
		if a.ShouldMove(r, size) {
			*n++
		}
	}
	hd := t.header()
	count(&m.roots, t.Root(), headerSize)
	if hd.topBits() > 0 {
		count(&m.tops, hd.topRef(), topEntrySize<<hd.topBits())
	}
	for pos := uint64(0); ; {
		s := t.segment(pos)
		if top, index := t.locate(pos); index == 0 && topPage(top) != t.Root()+pageInside {
			count(&m.pages, topPage(top), dirEntrySize<<topBits(top))
		}
		for k, r := range s.blocks {
			if size := blockSize(s.n, k); size > 0 {
				count(&m.blocks, arena.Ref(r), size)
			}
		}
		for c := s.e.chain; c != 0; c = t.link(c).next {
			count(&m.links, arena.Ref(c), linkBytes)
		}
		if pos = s.next(); pos == 0 {
			return m
		}
	}
}

// TestStageWhileChanging lets a goroutine stage lookups while the table grows, shrinks, moves and is replaced.
func TestStageWhileChanging(t *testing.T) {
	w := newWorld(t, 2, mix)
	var stop atomic.Bool
	var staging sync.WaitGroup
	var rounds atomic.Int64
	staging.Add(1)
	go func() {
		defer staging.Done()
		rnd := rand.New(rand.NewPCG(1, 1))
		var b Batch
		for !stop.Load() {
			for range BatchSize + 1 {
				b.Add(&w.t, rnd.Uint64())
			}
			b.Load()
			w.t.Stage1(rnd.Uint64())
			w.t.Stage2(rnd.Uint64())
			rounds.Add(1)
		}
	}()
	for round := 0; round < 10 || rounds.Load() < 1000; round++ {
		for k := range uint64(5000) {
			w.insert(k, 0)
		}
		if w.a.StartEvacuation(1.01) > 0 {
			w.a.Mark(1000)
			for cursor := w.t.MoveSparse(0, 10); cursor != 0; {
				cursor = w.t.MoveSparse(cursor, 10)
			}
			w.a.StopEvacuation()
		}
		for k := range uint64(5000) {
			w.remove(k)
		}
		w.tend()
		old := w.t
		w.t.Replace(New(w.a, layout{}, mix))
		for !old.FreeStep(100, nil) {
		}
		for w.a.Trim(0, 1<<20) {
		}
	}
	stop.Store(true)
	staging.Wait()
	w.check()
	w.audit()
}

// TestStagedPlaces checks that a batch finds the way to the entries that Find finds.
func TestStagedPlaces(t *testing.T) {
	w := newWorld(t, 3, mix)
	if !w.a.Readable(w.t.Root()) {
		return // this build does not stage
	}
	for k := range uint64(40000) {
		w.insert(k, 0)
	}
	found, away := 0, 0
	for key, e := range w.model {
		var p probe
		binary.LittleEndian.PutUint64(w.key[:], key)
		if !p.start(&w.t, mix(w.key[:])) {
			t.Fatal("no way to the bucket")
		}
		if p.match(0); p.away {
			away++
			p.line = p.next
			p.match(slotMask)
		}
		if p.next == e {
			found++
		}
	}
	if n := len(w.model); found < n*9/10 || away < n/20 {
		t.Errorf("%d of %d entries staged, %d in their alternate bucket", found, n, away)
	}
}

// TestFreeStep takes tables apart in small steps, also in the middle of Maintain.
func TestFreeStep(t *testing.T) {
	for _, h := range hashes {
		w := newWorld(t, 4, h.hash)
		for k := range uint64(h.keys) {
			w.insert(k, int64(k%2))
		}
		for k := range uint64(h.keys) {
			if k%4 != 0 {
				w.remove(k)
			}
		}
		w.t.Maintain(3)
		w.t.ExpireDue(1, 1, 1, w.deadline, func(Slot, arena.Ref) {})
		freed := 0
		for done := false; !done; {
			one := 0
			done = w.t.FreeStep(5, func(e arena.Ref) {
				one++
				w.known(e)
				delete(w.model, w.keyOf(e))
				w.a.Free(e, entryBytes)
			})
			if freed += one; one > 5 {
				t.Fatalf("%s: %d entries in one step", h.name, one)
			}
		}
		if len(w.model) != 0 || w.a.Stats().AskedBytes != 0 {
			t.Errorf("%s: %d entries and %d bytes are left", h.name, len(w.model), w.a.Stats().AskedBytes)
		}
	}
}
