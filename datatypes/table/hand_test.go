package table

import (
	"encoding/binary"
	"slices"
	"testing"

	"larder/datatypes/arena"
)

// TestHandGoesRound: the hand comes by every entry once a round, whatever the size of the table, and by marked entries
// only if it is told so.
func TestHandGoesRound(t *testing.T) {
	for _, n := range []int{1, 2, 13, 100, 700, 769, 5000, 60_000} {
		w := newWorld(t, uint64(n), mix)
		for i := range n {
			expire := int64(0)
			if i%7 == 0 {
				expire = int64(1000 + i)
			}
			w.insert(uint64(i), expire)
		}
		for _, marked := range []bool{false, true} {
			want := n
			if marked {
				want = (n + 13) / 14
			}
			var h Hand
			seen := map[arena.Ref]int{}
			for range want {
				var only *Marked
				if marked {
					only = w.marked(5000)
				}
				s, e, ok := w.t.Next(&h, only)
				if !ok {
					t.Fatalf("%d entries: the hand finds none", n)
				}
				if w.t.Entry(s) != e || marked && !w.marks(e) {
					t.Fatalf("%d entries: the slot is another's", n)
				}
				seen[e]++
			}
			if len(seen) != want {
				t.Fatalf("%d entries, marked %v: %d of %d were seen in a round", n, marked, len(seen), want)
			}
		}
	}
}

// TestHandWhileTheTableChanges: an entry that is there for two rounds is met, whatever comes and goes meanwhile, and the
// hand finds something as long as there is anything.
func TestHandWhileTheTableChanges(t *testing.T) {
	for _, hs := range hashes {
		t.Run(hs.name, func(t *testing.T) {
			w := newWorld(t, 3, hs.hash)
			var h Hand
			for range 3 * hs.keys {
				w.toggle(w.rnd.Uint64N(uint64(hs.keys)))
				s, e, ok := w.t.Next(&h, nil)
				if ok != (w.t.Len() > 0) {
					t.Fatalf("%d entries, and the hand says %v", w.t.Len(), ok)
				}
				if ok && w.t.Entry(s) != e {
					t.Fatal("the slot is another's")
				}
				if ok && w.rnd.IntN(3) == 0 {
					w.drop(s)
				}
			}
			for n := w.t.Len(); n > 0; n-- { // what is left leaves by the hand
				s, _, ok := w.t.Next(&h, nil)
				if !ok {
					t.Fatalf("%d entries are left, and the hand finds none", n)
				}
				w.drop(s)
			}
			w.check()
		})
	}
}

// TestFindHash: an entry is found by the leading half of its hash alone.
func TestFindHash(t *testing.T) {
	w := newWorld(t, 5, mix)
	var key [8]byte
	for i := range uint64(30_000) {
		w.insert(i, 0)
	}
	for i := range uint64(30_000) {
		binary.LittleEndian.PutUint64(key[:], i)
		found, others := false, 0
		w.t.FindHash(mix(key[:])>>32<<32, func(s Slot, e arena.Ref) {
			if w.t.Entry(s) != e {
				t.Fatal("the slot is another's")
			}
			if w.keyOf(e) == i {
				found = true
			} else {
				others++
			}
		})
		if !found || others > 12 {
			t.Fatalf("key %d: found %v, with %d others", i, found, others)
		}
	}
}

// TestSoonest: entries leave about in the order in which they expire, far closer to it than samples would have it.
func TestSoonest(t *testing.T) {
	const begin, span = 1_700_000_000_000, 200_000
	for _, n := range []int{5, 90, 2000} {
		w := newWorld(t, uint64(n), mix)
		order := make([]int64, n)
		for i := range order {
			order[i] = begin + w.rnd.Int64N(span)
			w.insert(uint64(i), order[i])
			w.insert(uint64(n+i), 0)
		}
		slices.Sort(order)
		off := int64(0)
		for _, want := range order {
			s, ms, ok := w.t.Soonest(w.deadline)
			if !ok || w.deadline(w.t.Entry(s)) != ms {
				t.Fatalf("%d entries: found %v, expiry %d", n, ok, ms)
			}
			off += max(ms-want, want-ms)
			w.drop(s)
		}
		if mean := off / int64(n); mean > span/200 {
			t.Errorf("%d entries: they leave %d ms away from their turn on average", n, mean)
		}
		if _, _, ok := w.t.Soonest(w.deadline); ok {
			t.Errorf("%d entries: one is left", n)
		}
		w.check()
	}
}

// TestHandGoesOverParts: going over the parts of the hashes' range one after the other, a hand comes by every entry once.
func TestHandGoesOverParts(t *testing.T) {
	for _, n := range []int{1, 5, 100, 769, 5000} {
		w := newWorld(t, uint64(n), mix)
		for i := range n {
			w.insert(uint64(i), int64(i%7/6*(1000+i)))
		}
		for _, marked := range []bool{false, true} {
			want := 0
			for i := range n {
				if !marked || i%14 == 6 {
					want++
				}
			}
			for bits := range 12 {
				seen := map[arena.Ref]int{}
				total := 0
				for part := range uint64(1) << bits {
					from := part << (63 - bits) << 1
					h := HandAt(from)
					for {
						var only *Marked
						if marked {
							only = w.marked(1 + total%3)
						}
						_, e, ok, done := w.t.NextWithin(&h, only, from|^uint64(0)>>bits)
						if done {
							break
						}
						if ok {
							seen[e]++
							total++
						}
					}
				}
				if len(seen) != want || total != want {
					t.Fatalf("%d entries, marked %v, %d parts: %d were seen, %d times", n, marked, 1<<bits, len(seen), total)
				}
			}
		}
	}
}

// TestHandKnowsWhereMarksAre: few marked entries among very many that expire are found with few looks, and none is overlooked
// whatever the table goes through. A hand asked about each entry that expires.
func TestHandKnowsWhereMarksAre(t *testing.T) {
	for _, hs := range hashes {
		t.Run(hs.name, func(t *testing.T) {
			w := newWorld(t, 8, hs.hash)
			many, good := uint64(hs.keys), hs.name == "good"
			for i := range many {
				w.insert(2*i+1, int64(5000+i))
			}
			const few = 4
			for i := range uint64(few) {
				w.insert(2*i, 1000)
			}
			round := func() (looks int) {
				seen := map[arena.Ref]bool{}
				var h Hand
				for calls := 0; ; calls++ {
					only := w.marked(300)
					_, e, ok, done := w.t.NextWithin(&h, only, ^uint64(0))
					if looks += 300 - only.Looks; ok {
						seen[e] = true
					}
					if done {
						break
					}
					if calls > 1000 {
						if good {
							t.Fatal("the hand does not come round")
						}
						break // it comes back to what is chained behind the last bucket
					}
				}
				want := 0
				for key := range w.model {
					if key%2 == 0 {
						want++
					}
				}
				if !good {
					want = min(want, 1) // of a chain it returns the first
				}
				if len(seen) < want {
					t.Fatalf("%d of %d marked entries were seen", len(seen), want)
				}
				return looks
			}
			round()
			if n := round(); good && n > (few+1)*maxItems {
				t.Errorf("%d looks for %d entries among %d", n, few, many)
			}
			for i := range uint64(few) {
				w.remove(2 * i)
			}
			for range 3 {
				round()
			}
			for i := range many { // merges
				if i%8 != 0 {
					w.remove(2*i + 1)
				}
			}
			w.insert(0, 1000)
			for w.t.Maintain(100) {
			}
			round()
			w.check()
		})
	}
}
