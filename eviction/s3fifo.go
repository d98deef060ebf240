package eviction

// s3fifo is S3-FIFO (Yang et al., SOSP 2023) over the slots of a table. What comes in stands in the small queue first, a
// tenth of the entries: most of what is used once leaves from there soon. What was used meanwhile moves on to the
// main queue, which is no queue but the table itself: a hand goes over its slots, takes one use off the entries that
// it meets and lets go of those that have none left. What left the small queue and comes again while the ghosts remember it
// stands in the main queue at once.
//
// For each entry that is 6 bits of the access word, 4 to 6 in the small queue and 11 to 14 in the ghosts: at most 24 bits in all
// with the queue at its usual size. The other 18 bits of the word are a clock that only OBJECT IDLETIME and files ask for.
type s3fifo struct {
	weighted bool // large entries need more uses than small ones
}

const (
	smallShare = 10 // the small queue has one of so many entries,
	smallLeast = 64 // and at least so many
	lookMost   = 16 // entries looked at for one choice
	largeFrom  = 2  // times the mean size of what leaves the small queue: what is larger counts as large
	popMost    = 64 // places of the small queue looked at for one choice: most are of entries that have gone another way
)

// fifo is the part of State that s3fifo keeps.
type fifo struct {
	small  queue
	ghosts ghosts
	mean   int64 // of the sizes of what has left, 8 bits after the point
}

// Admit is the word of an entry that comes into a database of count entries, under FIFO words: of which the state keeps
// account.
func (st *State) Admit(hash uint64, p Place, count int, now_ms int64) uint32 {
	st.mu.Lock()
	defer st.mu.Unlock()
	f := &st.fifo
	if f.ghosts.take(hash) {
		return fifoMain(1, now_ms)
	}
	f.small.resize(smallRoom(count))
	return fifoNew(f.small.push(p), now_ms)
}

func smallRoom(count int) int { return max(count/smallShare, smallLeast) }

func (p s3fifo) Victim(src Source, st *State, at Moment) (Candidate, bool) {
	f := &st.fifo
	st.mu.Lock()
	f.ghosts.resize(src.Len())
	full := f.small.len() >= smallRoom(src.Len())
	st.mu.Unlock()
	looks := lookMost
	if full {
		if c, ok := p.fromSmall(src, st, at, &looks); ok {
			return c, true
		}
	}
	if c, ok := p.fromMain(src, st, at, &looks); ok {
		return c, true
	}
	if c, ok := p.fromSmall(src, st, at, &looks); ok {
		return c, true
	}
	return src.Next()
}

// fromSmall takes entries out of the small queue until one of them was not used. Those that were move on.
func (p s3fifo) fromSmall(src Source, st *State, at Moment, looks *int) (Candidate, bool) {
	f := &st.fifo
	for pops := popMost; *looks > 0 && pops > 0; pops-- {
		st.mu.Lock()
		if f.small.len() == 0 {
			st.mu.Unlock()
			break
		}
		place := f.small.pop()
		needs := uint32(1)
		mean := f.mean
		st.mu.Unlock()
		for _, c := range src.Find(place) {
			if c.Word&fifoSmall == 0 {
				continue
			}
			*looks--
			if p.weighted && int64(c.Size)<<8 > largeFrom*mean {
				needs = 2
			}
			if fifoCount(c.Word) < needs {
				hash, _ := src.Hash(c)
				st.mu.Lock()
				f.ghosts.add(hash)
				f.mean += (int64(c.Size)<<8 - f.mean) / 64
				st.mu.Unlock()
				return c, true
			}
			src.SetWord(c, fifoMoved(c.Word, 0, at.Now_ms))
			break
		}
	}
	return Candidate{}, false
}

// fromMain moves the hand on until it meets an entry that has no uses left, or has looked at as many as it may: then the
// one that had fewest leaves.
func (p s3fifo) fromMain(src Source, st *State, at Moment, looks *int) (Candidate, bool) {
	st.mu.Lock()
	empty, lap, mean := st.fifo.small.len() == 0, st.fifo.small.now(), st.fifo.mean
	st.mu.Unlock()
	var best Place
	fewest := uint32(fifoCountMask + 1)
	for ; *looks > 0; *looks-- {
		c, ok := src.Next()
		if !ok {
			break
		}
		if c.Word&fifoSmall != 0 && !empty && inLap(c.Word, lap) {
			continue
		}
		n := fifoCount(c.Word)
		if n == 0 {
			return c, true
		}
		if n < fewest {
			_, best = src.Hash(c)
			fewest = n
		}
		less := uint32(1)
		if p.weighted && int64(c.Size)<<8 > largeFrom*mean {
			less = n
		}
		src.SetWord(c, c.Word-less)
	}
	if fewest <= fifoCountMask {
		for _, c := range src.Find(best) {
			return c, true
		}
	}
	return Candidate{}, false
}

func init() {
	register("s3fifo", WordsFIFO, s3fifo{})
}
