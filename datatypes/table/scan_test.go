package table

import (
	"testing"

	"larder/datatypes/arena"
)

// TestScanStill scans tables that do not change: every entry comes exactly once, and about as many a call as asked for.
func TestScanStill(t *testing.T) {
	for _, h := range hashes {
		for _, size := range []int{0, 1, 5, 13, 100, 385, h.keys} {
			w := newWorld(t, 1, h.hash)
			for k := range uint64(size) {
				w.insert(k, 0)
			}
			for _, count := range []int{1, 10, 1000, 1 << 30} {
				seen := map[arena.Ref]int{}
				calls := w.scan(0, func() int { return count }, func(e arena.Ref) { seen[e]++ }, func() {})
				for key, e := range w.model {
					if seen[e] != 1 {
						t.Fatalf("%s, %d keys, count %d: key %d came %d times", h.name, size, count, key, seen[e])
					}
				}
				if len(seen) != size {
					t.Fatalf("%s, %d keys, count %d: %d came", h.name, size, count, len(seen))
				}
				if want := size/count + 1; h.name == "good" && (calls > 2*want || calls < want/2) {
					t.Errorf("%d keys, count %d: %d calls", size, count, calls)
				}
			}
		}
	}
}

// scan runs a scan from cursor to the end, with change between the calls. It returns the number of calls.
func (w *world) scan(cursor uint64, count func() int, fn func(e arena.Ref), change func()) (calls int) {
	w.Helper()
	for {
		calls++
		next := w.t.Scan(cursor, count(), func(e arena.Ref) {
			w.known(e)
			fn(e)
		})
		if next == 0 {
			return calls
		}
		if next <= cursor || next >= 1<<CursorBits {
			w.Fatalf("cursor %#x follows %#x", next, cursor)
		}
		cursor = next
		change()
	}
}

// TestScanGuarantee scans while the table grows and shrinks: what is there all the time comes at least once, the scan
// ends, and hardly anything comes twice.
func TestScanGuarantee(t *testing.T) {
	for _, h := range hashes {
		t.Run(h.name, func(t *testing.T) {
			w := newWorld(t, 3, h.hash)
			stable := uint64(h.keys / 8)
			for k := range stable {
				w.insert(k, 0)
			}
			added := stable
			grow := func(n int) {
				for range n {
					w.insert(added, 0)
					added++
				}
			}
			shrink := func(n int) {
				for ; n > 0 && added > stable; n-- {
					added--
					w.remove(added)
				}
				w.t.Maintain(w.rnd.IntN(200))
			}
			for round := range 12 {
				seen := map[arena.Ref]int{}
				times, calls := 0, 0
				stop := 2 * h.keys // changes before the table is left alone
				calls = w.scan(0, func() int { return 1 + w.rnd.IntN(20) }, func(e arena.Ref) {
					if w.keyOf(e) < stable {
						seen[e]++
						times++
					}
				}, func() {
					n := w.rnd.IntN(200)
					switch stop -= n; {
					case stop < 0 || len(w.model) > h.keys:
						shrink(n)
					case round%3 == 0:
						grow(n)
					case round%3 == 1:
						shrink(n)
					case w.rnd.IntN(20) == 0:
						shrink(h.keys)
						w.tend()
					default:
						grow(n)
					}
				})
				for k := range stable {
					if seen[w.model[k]] == 0 {
						t.Fatalf("round %d: key %d did not come", round, k)
					}
				}
				if h.name == "good" && times > int(stable)*101/100 {
					t.Errorf("round %d: %d entries came %d times", round, stable, times)
				}
				if calls > 2*h.keys {
					t.Errorf("round %d: %d calls", round, calls)
				}
				w.check()
			}
		})
	}
}

// TestScanCursors takes any number for a cursor.
func TestScanCursors(t *testing.T) {
	w := newWorld(t, 4, mix)
	for k := range uint64(5000) {
		w.insert(k, 0)
	}
	for range 2000 {
		cursor := w.rnd.Uint64() >> w.rnd.IntN(64)
		seen := 0
		next := w.t.Scan(cursor, 10, func(e arena.Ref) { w.known(e); seen++ })
		if cursor >= 1<<CursorBits && (next != 0 || seen != 0) {
			t.Fatalf("cursor %#x: %d entries, next %#x", cursor, seen, next)
		}
		w.t.EachFrom(cursor, 10, func(_ Slot, e arena.Ref) { w.known(e) })
		w.t.MoveSparse(cursor, 10)
	}
	if next := w.t.Scan(0, 0, func(arena.Ref) { t.Error("an entry for count 0") }); next != 0 {
		t.Errorf("count 0 leads to %#x", next)
	}
}

// TestScanDeletes deletes what it is shown.
func TestScanDeletes(t *testing.T) {
	for _, h := range hashes {
		w := newWorld(t, 5, h.hash)
		for k := range uint64(h.keys / 2) {
			w.insert(k, 0)
		}
		w.scan(0, func() int { return 10 }, func(e arena.Ref) { w.remove(w.keyOf(e)) }, func() { w.t.Maintain(5) })
		if len(w.model) != 0 {
			t.Errorf("%s: %d entries are left", h.name, len(w.model))
		}
		w.check()
	}
}

// TestEach looks at all entries, stops when told to, and lets slots be deleted and changed.
func TestEach(t *testing.T) {
	for _, h := range hashes {
		w := newWorld(t, 6, h.hash)
		for k := range uint64(h.keys / 2) {
			w.insert(k, 0)
		}
		seen := 0
		w.t.Each(func(_ Slot, e arena.Ref) bool { w.known(e); seen++; return seen < 30 })
		if seen != 30 {
			t.Errorf("%s: stopped after %d", h.name, seen)
		}
		seen = 0
		n := len(w.model)
		w.t.Each(func(s Slot, e arena.Ref) bool {
			seen++
			switch key := w.keyOf(e); key % 3 {
			case 0:
				w.drop(s)
			case 1:
				w.expire(s, int64(key))
			case 2:
				to := w.entry(key, 0)
				w.t.SetEntry(s, to)
				w.a.Free(e, entryBytes)
				w.model[key] = to
			}
			return true
		})
		if seen != n {
			t.Errorf("%s: %d of %d", h.name, seen, n)
		}
		w.check()
		times := map[arena.Ref]int{}
		for cursor := w.t.EachFrom(0, 50, func(_ Slot, e arena.Ref) { times[e]++ }); cursor != 0; {
			cursor = w.t.EachFrom(cursor, 50, func(_ Slot, e arena.Ref) { times[e]++ })
		}
		for key, e := range w.model {
			if times[e] != 1 {
				t.Fatalf("%s: EachFrom came to key %d %d times", h.name, key, times[e])
			}
		}
	}
}
