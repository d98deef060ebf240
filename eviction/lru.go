package eviction

// lru lets go what was not accessed for longest, among samples.
type lru struct{}

func (lru) Victim(src Source, st *State, at Moment) (Candidate, bool) {
	return st.fromPool(src, at, false, func(c Candidate, at Moment) int64 { return at.Clock.Idle(c.Word, at.Now_ms) })
}

func init() { register("lru", WordsLRU, lru{}) }
