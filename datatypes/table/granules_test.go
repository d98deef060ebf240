package table

import (
	"math/rand/v2"
	"testing"
)

// Granules against a plain list of what is marked, for one granule and for many.
func TestGranules(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, count := range []int{0, 7, 8, 15, 16, 1000, 70000} {
		g := NewGranules(count, 8)
		n := g.Count()
		if count >= 8 && (int(n) <= count/8 || int(n) > count/4) {
			t.Errorf("%d granules for %d entries", n, count)
		}
		marked := map[uint64]bool{}
		for range 300 {
			h := r.Uint64()
			i := g.Of(h)
			if i >= n || h < g.Start(i) || i+1 < n && h >= g.Start(i+1) {
				t.Fatalf("%x is in granule %d of %d, which begins with %x", h, i, n, g.Start(i))
			}
			if g.Shown(i) != marked[i] {
				t.Fatalf("granule %d is marked: %v", i, !marked[i])
			}
			if r.IntN(2) == 0 {
				g.Mark(i)
				marked[i] = true
			}
			most := uint64(1 + r.IntN(9))
			first, end := g.Run(i, most)
			want := i
			for want < n && marked[want] {
				want++
			}
			last := want
			for last < n && last < want+most && !marked[last] {
				last++
			}
			if first != want || end != last {
				t.Fatalf("the run from %d on is %d to %d, not %d to %d", i, first, end, want, last)
			}
		}
		if g.Start(n) != 0 {
			t.Errorf("the granule behind the last begins with %x", g.Start(n))
		}
	}
}
