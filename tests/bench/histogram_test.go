package main

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBucketsFollowEachOther(t *testing.T) {
	last := -1
	for _, ns := range []int64{0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 1000, 1 << 20, 1<<20 + 1<<14, 1 << 40, 1<<62 + 5} {
		b := bucketOf(ns)
		if b < last {
			t.Errorf("%d lies in bucket %d, the value before it in %d", ns, b, last)
		}
		if top := bucketTop(b); top < ns || float64(top-ns) > float64(ns)/60+1 {
			t.Errorf("%d lies in bucket %d, which ends at %d", ns, b, top)
		}
		last = b
	}
	for b := 1; b < 64*50; b++ {
		if bucketOf(bucketTop(b)) != b || bucketOf(bucketTop(b-1)+1) != b {
			t.Fatalf("bucket %d: top %d lies in %d, what follows the bucket before in %d", b, bucketTop(b), bucketOf(bucketTop(b)), bucketOf(bucketTop(b-1)+1))
		}
	}
}

func TestQuantilesAgainstSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []int64
	for range 20000 {
		ns := int64(1) << r.IntN(30)
		ns += r.Int64N(ns)
		all = append(all, ns)
		h.add(ns)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		got := int64(h.quantile(q))
		if got < want || float64(got-want) > float64(want)/60+1 {
			t.Errorf("quantile %v: %d, sorting says %d", q, got, want)
		}
	}
	if (&histogram{}).quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
}
