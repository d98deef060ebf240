package table

import (
	"math"
	"testing"

	"larder/datatypes/arena"
)

// uneven says by how many standard deviations the numbers of draws differ from a fair distribution's.
func uneven(draws map[arena.Ref]int, entries, total int) float64 {
	want := float64(total) / float64(entries)
	chi := float64(entries-len(draws)) * want // those that never came
	for _, n := range draws {
		chi += (float64(n) - want) * (float64(n) - want) / want
	}
	freedom := float64(entries - 1)
	return (chi - freedom) / math.Sqrt(2*freedom)
}

// TestRandomIsFair draws entries of tables of all shapes; all must come equally often.
func TestRandomIsFair(t *testing.T) {
	for _, h := range hashes {
		for _, shape := range []string{"full", "sparse", "tended"} {
			w := newWorld(t, 1, h.hash)
			n := min(h.keys, 1500)
			for k := range uint64(n) {
				w.insert(k, 0)
			}
			if shape != "full" {
				for k := range uint64(n) {
					if k%16 != 0 || k < uint64(n)/2 {
						w.remove(k)
					}
				}
			}
			if shape == "tended" {
				w.tend()
			}
			draws := map[arena.Ref]int{}
			total := 30 * len(w.model)
			for i := range total {
				s, ok := w.t.Random(uint64(i))
				if !ok {
					t.Fatal("nothing drawn")
				}
				w.known(w.t.Entry(s))
				draws[w.t.Entry(s)]++
			}
			if off := uneven(draws, len(w.model), total); math.Abs(off) > 4 {
				t.Errorf("%s, %s: %d entries, off by %.1f deviations", h.name, shape, len(w.model), off)
			}
		}
	}
}

// TestRandomOfFew has tables of no, one and two entries.
func TestRandomOfFew(t *testing.T) {
	w := newWorld(t, 2, mix)
	if _, ok := w.t.Random(1); ok {
		t.Error("an entry of an empty table")
	}
	w.t.Sample(1, func(Slot, arena.Ref) { t.Error("a sample of an empty table") })
	w.insert(1, 0)
	for i := range uint64(100) {
		s, _ := w.t.Random(i)
		w.known(w.t.Entry(s))
	}
	// One entry in a large table that Maintain has not seen.
	for k := range uint64(20000) {
		w.insert(100+k, 0)
	}
	for k := range uint64(20000) {
		w.remove(100 + k)
	}
	for i := range uint64(100) {
		s, _ := w.t.Random(i)
		w.known(w.t.Entry(s))
		seen := 0
		w.t.Sample(i, func(_ Slot, e arena.Ref) { w.known(e); seen++ })
		if seen != 1 {
			t.Fatalf("a sample of %d", seen)
		}
	}
}

// TestSample checks that samples come from everywhere, and of a size that eviction can use.
func TestSample(t *testing.T) {
	w := newWorld(t, 3, mix)
	const n = 20000
	for k := range uint64(n) {
		w.insert(k, 0)
	}
	draws := map[arena.Ref]int{}
	total := 0
	for i := range uint64(n) {
		one := 0
		w.t.Sample(i, func(s Slot, e arena.Ref) {
			if w.t.Entry(s) != e {
				t.Fatal("the slot holds another entry")
			}
			draws[e]++
			one++
		})
		if one == 0 || one > slots {
			t.Fatalf("%d in a sample", one)
		}
		total += one
	}
	if per := float64(total) / n; per < 8 || len(draws) < n*99/100 {
		t.Errorf("%.1f in a sample, %d of %d entries came", per, len(draws), n)
	}
}
