package table

import "larder/datatypes/arena"

// The times of a segment say which of its buckets the sweep must visit, so that one entry that expires does not cost reading
// the expiries of 600. A segment has times if it has more than one block and an entry with an expiry. Small segments are
// visited as a whole.

const (
	timeUnit  = 8      // ms
	noTime    = 0xffff // code of a bucket, or an item, without expiry
	lastTime  = noTime - 1
	timeRange = lastTime * timeUnit // ms, about 9 minutes
)

// times has a lower bound of the expiries of each bucket, in units from base on. What is farther away than that reaches
// counts as lastTime: the bucket is visited then, and base has moved on.
type times struct {
	base  int64
	codes [maxBuckets]uint16 // one for each bucket; there are no more than that
}

// timesSize is the size in bytes of the times of n buckets, 0 if such a segment has none.
func timesSize(n uint32) int {
	if n <= blockLines {
		return 0
	}
	return 8 + 2*int(n)
}

// timesOf is the times of a segment, or nil.
func (t *Table) timesOf(e *dirEntry) *times {
	if e.times == 0 {
		return nil
	}
	return (*times)(t.a.Ptr(arena.Ref(e.times)))
}

// at is the lower bound of bucket b, or noExpiry.
func (tm *times) at(b uint32) int64 {
	if tm.codes[b] == noTime {
		return noExpiry
	}
	return tm.base + int64(tm.codes[b])*timeUnit
}

// code is an expiry at or after the base as it is kept. Differences of times fit in 64 bits without a sign.
func (tm *times) code(ms int64) uint16 {
	return uint16(min((uint64(ms)-uint64(tm.base))/timeUnit, lastTime))
}

// rebase moves the base of n buckets. Bounds that lie before it become the base, so either it is at or before all of
// them, or who calls knows that entries so old are visited now.
func (tm *times) rebase(n uint32, base int64) {
	was := tm.base
	tm.base = base
	for b, c := range tm.codes[:n] {
		if c != noTime {
			tm.codes[b] = tm.code(max(was+int64(c)*timeUnit, base))
		}
	}
}

// cover moves the base to or before an expiry. It leaves some room, so that falling expiries do not come here each.
func (tm *times) cover(n uint32, ms int64) {
	if ms < tm.base {
		tm.rebase(n, min(ms, ms-timeRange/8)) // which is larger than ms at the end of the range
	}
}

// lower makes the bound of bucket b hold for an expiry too.
func (tm *times) lower(b, n uint32, ms int64) {
	tm.cover(n, ms)
	tm.codes[b] = min(tm.codes[b], tm.code(ms))
}

// set makes an expiry, or noExpiry, the bound of bucket b.
func (tm *times) set(b, n uint32, ms int64) {
	tm.codes[b] = noTime
	if ms != noExpiry {
		tm.lower(b, n, ms)
	}
}

// timesFor is the times of a segment of more than one block that is about to get an entry with this expiry.
func (t *Table) timesFor(e *dirEntry, ms int64) *times {
	if e.times == 0 {
		t.startTimes(e, ms)
	}
	return t.timesOf(e)
}

// dueAt is the code of an expiry in the times of a segment, which has some from now on if there can be.
func (t *Table) dueAt(s *segment, ms int64) uint16 {
	if timesSize(s.n) == 0 {
		return 0
	}
	s.times = t.timesFor(s.e, ms)
	s.times.cover(s.n, ms)
	return s.times.code(ms)
}

// startTimes gives a segment of more than one block times; it has none, and no entry with an expiry yet.
func (t *Table) startTimes(e *dirEntry, base int64) *times {
	size := timesSize(wordBuckets(e.word))
	e.times = uint32(t.a.Alloc(size))
	t.header().timesSize += uint32(size)
	tm := t.timesOf(e)
	tm.base = base
	for b := range wordBuckets(e.word) {
		tm.codes[b] = noTime
	}
	return tm
}

// freeTimes frees the times of a segment of n buckets.
func (t *Table) freeTimes(e *dirEntry, n uint32) {
	if e.times != 0 {
		t.a.Free(arena.Ref(e.times), timesSize(n))
		t.header().timesSize -= uint32(timesSize(n))
		e.times = 0
	}
}
