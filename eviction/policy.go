package eviction

import "math"

// A Policy says which entries may leave and which of several leaves first.
type Policy struct {
	By       By
	Volatile bool // only entries that have an expiry
}

// By is what a policy goes by.
type By uint8

// The ways to choose.
const (
	ByNothing By = iota // nothing leaves
	ByLRU               // what was not accessed for longest
	ByLFU               // what is accessed least
	ByTTL               // what expires first
	ByRandom
)

// Candidate is what a policy sees of an entry.
type Candidate struct {
	Word      uint32 // access word
	Expire_ms int64  // 0 none
}

// Evicts tells whether anything leaves at all.
func (p Policy) Evicts() bool { return p.By != ByNothing }

// Rank is how much an entry is to be preferred for leaving, and false if it may not leave. rnd is a random number.
func (p Policy) Rank(c Candidate, clock *Clock, now_ms int64, rnd uint64) (rank int64, ok bool) {
	if p.Volatile && c.Expire_ms == 0 {
		return 0, false
	}
	switch p.By {
	case ByLRU:
		return clock.Idle(c.Word, now_ms), true
	case ByLFU:
		return 255 - int64(clock.Count(c.Word, now_ms)), true
	case ByTTL:
		return math.MaxInt64 - c.Expire_ms, true
	case ByRandom:
		return int64(rnd >> 1), true
	}
	return 0, false
}
