package server

import (
	"math/bits"
	"sync/atomic"
)

// A histogram counts run times in nanoseconds, from 1 ns to 1 s. Every power of two is cut into sixteen buckets, so a
// time is known to 6 percent. 100 ns stand in bucket 57, of the times from 100 to 103 ns:
//
//	100 = 0b1100100   highest bit 6, the four bits behind it 1001: bucket (6-3)*16 + 9
//
// Times below 16 ns have a bucket each. It is filled and read without a lock; a reader may see a time that was counted
// while it reads.
type histogram struct {
	counts [histBuckets]atomic.Uint64
}

const (
	histMax     = 1_000_000_000
	histBuckets = 430 // one more than the bucket of histMax
)

func histBucket(nanos uint64) int {
	nanos = min(nanos, histMax)
	if nanos < 16 {
		return int(nanos)
	}
	exp := bits.Len64(nanos) - 1
	return (exp-3)*16 + int(nanos>>(exp-4)&15)
}

// histTop is the longest time of a bucket.
func histTop(bucket int) uint64 {
	if bucket < 16 {
		return uint64(bucket)
	}
	exp := bucket/16 + 3
	return uint64(16+bucket%16+1)<<(exp-4) - 1
}

// add counts n calls that took so long.
func (h *histogram) add(nanos, n uint64) { h.counts[histBucket(nanos)].Add(n) }

// reset forgets everything.
func (h *histogram) reset() {
	for i := range h.counts {
		h.counts[i].Store(0)
	}
}

// total is the number of calls.
func (h *histogram) total() (n uint64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// percentile is a time that p percent of the calls did not pass, 0 if there were none.
func (h *histogram) percentile(p float64) uint64 {
	total := h.total()
	want := uint64(p/100*float64(total) + 0.5)
	want = max(1, min(want, total))
	seen := uint64(0)
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= want {
			return histTop(i)
		}
	}
	return 0
}

// histogram is that of a row by its ID. It is made when it is first asked for.
func (srv *Server) histogram(id int) *histogram {
	p := &srv.histograms[id]
	if h := p.Load(); h != nil {
		return h
	}
	p.CompareAndSwap(nil, new(histogram))
	return p.Load()
}

// A step is a line of LATENCY HISTOGRAM: how many calls took no longer than a power of two microseconds.
type step struct {
	usec  uint64 // as Redis rounds it
	calls uint64
}

// steps lists the powers of two at which there are more calls than before, up to the one that includes all.
func (h *histogram) steps() (list []step) {
	seen, told, bucket := uint64(0), uint64(0), 0
	for exp := 10; exp <= 30; exp++ {
		for end := histBucket(1 << exp); bucket <= end; bucket++ {
			seen += h.counts[bucket].Load()
		}
		if seen > told {
			told = seen
			// Redis names the step by the end of its own bucket, which is 129/128 of the power of two.
			list = append(list, step{usec: (129<<(exp-7) - 1) / 1000, calls: seen})
		}
	}
	return list
}
