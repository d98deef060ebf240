package eviction

// lfu lets go what is accessed least, among samples. Larger samples make it worse: new entries have the lowest counters.
type lfu struct{}

func (lfu) Victim(src Source, st *State, at Moment) (Candidate, bool) {
	return st.fromPool(src, at, true, func(c Candidate, at Moment) int64 { return 255 - int64(at.Clock.Count(c.Word, at.Now_ms)) })
}

func init() { register("lfu", WordsLFU, lfu{}) }
