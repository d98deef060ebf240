package eviction

import (
	"math/rand/v2"
	"testing"
)

// TestTheModeOfLRULetsTheOldestGo: in that mode what leaves is among the oldest, however often it was used before. Where all was used
// within a few seconds it is what was used less often.
func TestTheModeOfLRULetsTheOldestGo(t *testing.T) {
	const count, leave = 1000, 200
	run := func(age_ms func(i int) int64) (ages, uses float64) {
		s, r := newShelf(), rand.New(rand.NewPCG(10, 10))
		age, used := map[uint64]int64{}, map[uint64]uint32{}
		for i := range count {
			h := r.Uint64()
			age[h], used[h] = age_ms(i), uint32(r.IntN(4))
			s.put(h, fifoMain(used[h], now-age[h]))
		}
		var st State
		st.fifo.models.resize(count)
		st.fifo.models.best = 1
		for range leave {
			s.looked = 0
			h, ok := s.evict(s3fifo{}, &st, Moment{Clock: &Clock{FIFO: true}, Now_ms: now, Rnd: r.Uint64()})
			if !ok || s.looked > lookMost+2 {
				t.Fatalf("looked at %d entries and found one: %v", s.looked, ok)
			}
			ages += float64(age[h]) / leave
			uses += float64(used[h]) / leave
		}
		return ages, uses
	}
	// The oldest 200 are 900 s old on average, what leaves at random 500.
	if mean, _ := run(func(i int) int64 { return int64(i) * 1000 }); mean < 800_000 {
		t.Errorf("what left was %.0f s old on average", mean/1000)
	}
	if _, uses := run(func(i int) int64 { return int64(i) * 8 }); uses > 0.1 {
		t.Errorf("of what was all used just now that left which was used %.2f times on average", uses)
	}
}
