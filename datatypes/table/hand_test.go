package table

import (
	"encoding/binary"
	"slices"
	"testing"

	"larder/datatypes/arena"
)

// TestHandGoesRound: the hand comes by every entry once a round, whatever the size of the table, and by volatile entries
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
		for _, volatile := range []bool{false, true} {
			want := n
			if volatile {
				want = (n + 6) / 7
			}
			var h Hand
			seen := map[arena.Ref]int{}
			for range want {
				s, e, ok := w.t.Next(&h, volatile)
				if !ok {
					t.Fatalf("%d entries: the hand finds none", n)
				}
				if w.t.Entry(s) != e || volatile && !w.t.Volatile(s) {
					t.Fatalf("%d entries: the slot is another's", n)
				}
				seen[e]++
			}
			if len(seen) != want {
				t.Fatalf("%d entries, volatile %v: %d of %d were seen in a round", n, volatile, len(seen), want)
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
				s, e, ok := w.t.Next(&h, false)
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
				s, _, ok := w.t.Next(&h, false)
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
		for _, volatile := range []bool{false, true} {
			want := 0
			for i := range n {
				if !volatile || i%7 == 6 {
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
						_, e, ok, done := w.t.NextWithin(&h, volatile, from|^uint64(0)>>bits)
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
					t.Fatalf("%d entries, volatile %v, %d parts: %d were seen, %d times", n, volatile, 1<<bits, len(seen), total)
				}
			}
		}
	}
}
