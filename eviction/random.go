package eviction

// random lets go any entry, each as likely as the others.
type random struct{}

func (random) Victim(src Source, _ *State, at Moment) (Candidate, bool) {
	rnd := at.Rnd
	for range sampleTries {
		if list := src.Sample(rnd); len(list) > 0 {
			return list[rnd>>32*uint64(len(list))>>32], true
		}
		rnd = rnd*0x5851f42d4c957f2d + 0x14057b7ef767814f
	}
	return src.Next()
}

func init() { register("random", WordsLRU, random{}) }
