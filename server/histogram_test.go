package server

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestHistogramBuckets(t *testing.T) {
	last := 0
	for nanos := uint64(0); nanos <= 1<<20; nanos++ {
		b := histBucket(nanos)
		if b != last && b != last+1 {
			t.Fatalf("%d ns are in bucket %d, %d ns in bucket %d", nanos-1, last, nanos, b)
		}
		last = b
		if top := histTop(b); top < nanos || top > nanos+nanos/16 || histBucket(top) != b || histBucket(top+1) != b+1 {
			t.Fatalf("%d ns are in bucket %d, which ends at %d ns", nanos, b, top)
		}
	}
	if b := histBucket(histMax); b != histBuckets-1 {
		t.Errorf("the longest time is in bucket %d", b)
	}
	if b := histBucket(1 << 62); b != histBuckets-1 {
		t.Errorf("a time beyond the longest is in bucket %d", b)
	}
}

func TestHistogramPercentiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var h histogram
	if p := h.percentile(50); p != 0 {
		t.Errorf("of no calls half take up to %d ns", p)
	}
	var times []uint64
	for range 10000 {
		x := uint64(rnd.ExpFloat64() * 20000)
		times = append(times, x)
		h.add(x, 1)
	}
	slices.Sort(times)
	for _, p := range []float64{0, 1, 50, 99, 99.9, 100} {
		want := times[max(0, int(p/100*10000+0.5)-1)]
		if got := h.percentile(p); got < want || got > want+want/16+1 {
			t.Errorf("%v percent take up to %d ns, not %d", p, want, got)
		}
	}
	h.reset()
	if n := h.total(); n != 0 {
		t.Errorf("%d calls are left after a reset", n)
	}
}

func TestHistogramSteps(t *testing.T) {
	var h histogram
	h.add(300, 5)         // below the first step
	h.add(1024, 1)        // on it
	h.add(20_000, 2)      // 20 us
	h.add(50_000_000, 1)  // 50 ms
	h.add(histMax*100, 1) // as long as can be told
	want := []step{{1, 6}, {33, 8}, {67633, 9}, {1082130, 10}}
	if got := h.steps(); !slices.Equal(got, want) {
		t.Errorf("steps are %v, want %v", got, want)
	}
	if got := new(histogram).steps(); got != nil {
		t.Errorf("steps of nothing are %v", got)
	}
}
