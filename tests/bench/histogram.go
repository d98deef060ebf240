package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets whose width is 1/64 of their value: within 1.6 % of the truth from a
// nanosecond to hours, in a few KiB and without allocation.
//
// A value below 64 has a bucket of its own. Above, the highest bit chooses a group of 64 buckets and the next six bits
// one of them: 1000 = 0b1111101000 has its highest bit at 9, so it lies in group 9-5 = 4, at 0b111101 = 61: bucket 317.
type histogram struct {
	counts [64 * 60]uint64
	total  uint64
	max    int64
}

func bucketOf(ns int64) int {
	if ns < 64 {
		return int(max(ns, 0))
	}
	high := bits.Len64(uint64(ns)) - 1
	return (high-5)*64 + int(ns>>(high-6))&63
}

// bucketTop is the largest value of a bucket.
func bucketTop(b int) int64 {
	if b < 64 {
		return int64(b)
	}
	shift := b/64 - 1
	return (int64(b&63|64)+1)<<shift - 1
}

func (h *histogram) add(ns int64) {
	h.counts[bucketOf(ns)]++
	h.total++
	h.max = max(h.max, ns)
}

// quantile is the duration that the given share of all is not above; 0 if nothing was counted.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	if rank >= h.total {
		return time.Duration(h.max)
	}
	var seen uint64
	for b, n := range h.counts {
		if seen += n; seen > rank {
			return time.Duration(min(bucketTop(b), h.max))
		}
	}
	return time.Duration(h.max)
}
