package eviction

import "math"

// ttl lets go what expires first: the table knows of the next few minutes. Of what is farther away it is the best of samples.
type ttl struct{}

func (ttl) Victim(src Source, st *State, at Moment) (Candidate, bool) {
	first, ok := src.Soonest()
	if ok && first.Expire_ms < at.Now_ms+soon_ms {
		return first, true
	}
	var where Place
	if ok {
		_, where = src.Hash(first)
	}
	sampled, found := st.fromPool(src, at, false, func(c Candidate, _ Moment) int64 { return math.MaxInt64 - c.Expire_ms })
	if !ok || found && sampled.Expire_ms <= first.Expire_ms {
		return sampled, found
	}
	for _, c := range src.Find(where) { // the source has forgotten it over the samples
		if c.Expire_ms <= first.Expire_ms {
			return c, true
		}
	}
	return src.Next()
}

// soon_ms is how far ahead a table is sure of the order.
const soon_ms = 5 * 60 * 1000

func init() { registerAs("volatile-ttl", true, WordsLRU, ttl{}) }
