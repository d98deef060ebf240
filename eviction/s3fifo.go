package eviction

import "math/bits"

// s3fifo is S3-FIFO (Yang et al., SOSP 2023) over the slots of a table. What comes in stands in the small queue first, a
// tenth of the entries: most of what is used once leaves from there soon. What was used meanwhile moves on to the
// main queue, which is no queue but the table itself: a hand goes over its slots, takes one use off the entries that
// it meets and lets go of those that have none left. What left the small queue and comes again while the ghosts remember it
// stands in the main queue at once. How large the small queue is, how much a use counts for, and whether the hand goes by uses or by
// the time of the last one, is up to the mode: see mode.go.
//
// In the beginning the main queue is empty: all that came while there was room stands in the small one, and as long as
// little is used twice it stays so. The small queue then has the room that the main queue does not need yet, which may be all
// of it, and there is no ring for a small queue of that size: what belongs to it and is not in the ring waits for the hand.
// That takes the oldest of a few, as their clocks have it, and lets them be once there are no more than the mode wants in
// the small queue. (It let go of them as it met them before, in no order, and after what had come later: in caches of a
// quarter of all that was ever asked for that cost a third of what is won over LRU.)
//
// For each entry that is 7 bits of the access word, 4 in the small queue, 8 in the mode with the largest one, and 10 to 11 in
// the ghosts: at most 22 bits in all with the queue at its usual size. The models, of one size for all larger caches, make
// it 24 from half a million entries on. The other 17 bits of the word are a clock: of OBJECT IDLETIME, files, those that wait for
// the hand, and LRU.
type s3fifo struct{}

const (
	lookMost   = 16  // entries looked at for one choice
	waitMost   = 4   // of those that wait, of which the oldest leaves
	waitFade   = 512 // looks that the share of those that wait is taken from
	looksLeft  = 4   // of lookMost, for a choice among the others when none was met that waits
	largeFrom  = 2   // times the mean size of what leaves the small queue: what is larger counts as large
	fineFrom_s = 16  // for so long what leaves was not used where the clocks of words, in seconds, say which is the oldest
	neverMore  = 3   // in the mode that goes by them, times since the last use count for a third more where it was the first one
	popMost    = 64  // places of the small queue looked at for one choice: most are of entries that have gone another way
)

// fifo is the part of State that s3fifo keeps.
type fifo struct {
	small  queue
	ghosts ghosts
	models models
	mean   int64 // of the sizes of what has left, 8 bits after the point
	// waits is the share of the entries that belong to the small queue and are not in the ring, 16 bits after the point,
	// as far as the hand has met them lately. While there are more of them than the small queue is to have they are overdue:
	// they leave before all others in modes that want it so, and what comes joins them.
	waits   int
	overdue bool
	fine    bool // what left the main queue last was not used for so long that seconds are a measure
}

func (f *fifo) mode() *mode { return &modes[f.models.best] }

// What is to be known when an entry is used stands in one word, State.uses, which is read without a lock:
//
//	4 bits  the lap of the small queue. What is used in the lap in which it came, or in the next one, does not count: many
//	        programs write what they have read, or use things twice and never again.
//	1 bit   that is so; not before something has left
//	1 bit   a use in the main queue counts in full
//	8 bits  the shift by which sampleOf knows the keys that the models want to see; 0 without models
const (
	usesByLap = 16
	usesTop   = 32
	usesShift = 8
)

// tell makes what is to be known when an entry is used what it is now. The state is locked.
func (st *State) tell() {
	f := &st.fifo
	w := uint64(0)
	if f.models.size > 0 {
		w = uint64(f.small.lap) | usesByLap | uint64(64-f.models.sampled)<<usesShift
	}
	if f.mode().top {
		w |= usesTop
	}
	if st.uses.Load() != w {
		st.uses.Store(w)
	}
}

// Use is the word of an entry after a use, under FIFO words.
func (st *State) Use(word uint32, hash uint64, now_ms int64) uint32 {
	uses := st.uses.Load()
	if shift := uses >> usesShift; shift != 0 && sampleOf(hash, shift) && st.mu.TryLock() { // one is as good as another
		if st.fifo.models.use(hash) {
			st.tell()
		}
		st.mu.Unlock()
	}
	if word&fifoSmall == 0 {
		if uses&usesTop != 0 {
			word |= fifoCountMask
		}
	} else if uses&usesByLap != 0 && lapsSince(word, uint32(uses)&fifoLapMask) <= 1 {
		return fifoSeen(word, now_ms)
	}
	return fifoTouch(word, now_ms)
}

// Admit is the word of an entry that comes into a database of count entries, under FIFO words: of which the state keeps
// account. While there is room for all, before anything has left or after much was deleted, nothing is put into the queue:
// the hand finds what came then, and treats it as if it came out of the queue.
func (st *State) Admit(hash uint64, p Place, count int, now_ms int64) uint32 {
	st.mu.Lock()
	defer st.mu.Unlock()
	f := &st.fifo
	if f.models.size > 0 && sampleOf(hash, uint64(64-f.models.sampled)) {
		f.models.use(hash)
	}
	defer st.tell()
	if f.ghosts.take(hash) {
		return fifoMain(f.mode().back, now_ms)
	}
	room := f.mode().room(count)
	if f.models.size == 0 || f.overdue && f.mode().fills || f.small.len() >= queueMost(room) {
		return fifoNew(lapNever, now_ms)
	}
	f.small.resize(room)
	return fifoNew(f.small.push(p), now_ms)
}

func (s3fifo) Victim(src Source, st *State, at Moment) (Candidate, bool) {
	f := &st.fifo
	count := src.Len()
	st.mu.Lock()
	f.ghosts.resize(count)
	if f.models.size == 0 {
		f.waits, f.overdue = waitsAll, true
	}
	f.models.resize(count)
	st.tell()
	v := victims{src: src, st: st, at: at, mode: f.mode(), looks: lookMost, queued: f.small, mean: f.mean, fine: f.fine}
	v.room = v.mode.room(count)
	full, overdue := f.small.len() >= v.room, f.overdue && v.mode.fills
	st.mu.Unlock()
	if overdue {
		if c, ok := v.fromWaiting(); ok {
			return c, true
		}
	}
	if full {
		if c, ok := v.fromSmall(v.mode.pass); ok {
			return c, true
		}
	}
	main := v.fromMain
	if v.mode.oldest && v.fine {
		main = v.oldestOfMain
	}
	if c, ok := main(); ok {
		return c, true
	}
	v.looks += 2 // all that was looked at is in the small queue, or there is nothing else
	if c, ok := v.fromSmall(0); ok {
		return c, true
	}
	return src.Next()
}

// victims is one choice.
type victims struct {
	src    Source
	st     *State
	at     Moment
	mode   *mode
	room   int   // of the small queue
	looks  int   // that are left
	queued queue // the small queue as it was in the beginning,
	mean   int64 // the mean size,
	fine   bool  // and whether seconds are a measure
}

// needs is how many uses move an entry on: a large one has to be used more than others where sizes count.
func (v *victims) needs(c Candidate) uint32 {
	if v.large(c) {
		return 2
	}
	return 1
}

func (v *victims) large(c Candidate) bool {
	return v.at.BySize && int64(c.Size)<<8 > largeFrom*v.mean
}

// waits tells whether an entry that the hand meets belongs to the small queue and is not in the ring.
func (v *victims) waits(c Candidate) bool { return c.Word&fifoSmall != 0 && !v.queued.holds(c.Word) }

// met counts what the hand met, and notes for how long what leaves then was not used.
func (v *victims) met(looks, waiting int, idle_s int64) {
	v.st.mu.Lock()
	defer v.st.mu.Unlock()
	f := &v.st.fifo
	if idle_s >= 0 {
		f.fine = idle_s >= fineFrom_s
	}
	f.waits += (waiting*waitsAll - looks*f.waits) / waitFade
	want := waitsAll / v.mode.small
	switch {
	case f.waits < want+want/2:
		f.overdue = false
	case f.waits > 3*want:
		f.overdue = true
	}
}

const waitsAll = 1 << 16 // all entries wait

// fromWaiting lets the hand go on until it has met some that wait and were not used. The oldest of those leaves. Those
// that were used move on.
func (v *victims) fromWaiting() (oldest Candidate, ok bool) {
	looks, waiting, most := 0, 0, int64(-1)
	for v.looks > looksLeft && !ok {
		list := v.src.Some(min(waitMost, v.looks-looksLeft))
		if len(list) == 0 {
			break
		}
		v.looks -= len(list)
		looks += len(list)
		for _, c := range list {
			switch {
			case !v.waits(c):
			case fifoCount(c.Word) >= v.needs(c):
				v.src.SetWord(c, fifoMoved(c.Word, v.mode.moved, v.at.Now_ms))
			default:
				waiting++
				if idle := fifoIdle(c.Word, v.at.Now_ms); idle > most {
					most, oldest, ok = idle, c, true
				}
			}
		}
	}
	v.met(looks, waiting, most)
	if ok {
		v.leaves(oldest)
	}
	return oldest, ok
}

// fromSmall takes entries out of the small queue until one of them was not used. Those that were move on, and pass of 65536
// that were not.
func (v *victims) fromSmall(pass uint64) (Candidate, bool) {
	f := &v.st.fifo
	for pops := popMost; v.looks > 0 && pops > 0; pops-- {
		v.st.mu.Lock()
		if f.small.len() == 0 {
			v.st.mu.Unlock()
			break
		}
		place := f.small.pop()
		left := f.small.len()
		next, _ := f.small.ahead(0)
		later, more := f.small.ahead(1)
		v.st.mu.Unlock()
		if more {
			v.src.Ahead(next, later)
		}
		for _, c := range v.src.Find(place) {
			if c.Word&fifoSmall == 0 {
				continue
			}
			v.looks--
			needs := v.needs(c)
			if fifoCount(c.Word) >= needs {
				v.src.SetWord(c, fifoMoved(c.Word, v.mode.moved, v.at.Now_ms))
				break
			}
			if pass == 0 || v.at.Rnd>>13&0xffff >= pass || needs > 1 {
				v.leaves(c)
				return c, true
			}
			v.at.Rnd = bits.RotateLeft64(v.at.Rnd*0x5851f42d4c957f2d+0x14057b7ef767814f, 29)
			v.src.SetWord(c, fifoMoved(c.Word, v.mode.passed, v.at.Now_ms))
			if left < v.room {
				return Candidate{}, false
			}
			break
		}
	}
	return Candidate{}, false
}

// leaves remembers an entry that leaves without having been used.
func (v *victims) leaves(c Candidate) {
	hash, _ := v.src.Hash(c)
	v.st.mu.Lock()
	f := &v.st.fifo
	f.ghosts.add(hash)
	f.mean += (int64(c.Size)<<8 - f.mean) / 64
	v.st.mu.Unlock()
}

// oldestOfMain lets the hand go on as far as it may. What was not used for longest leaves, what was never used again a little earlier.
func (v *victims) oldestOfMain() (oldest Candidate, ok bool) {
	var where Place
	looks, waiting, most := 0, 0, int64(-1)
	for v.looks > 0 {
		list := v.src.Some(v.looks)
		if len(list) == 0 {
			break
		}
		v.looks -= len(list)
		looks += len(list)
		here := false
		for _, c := range list {
			if c.Word&fifoSmall != 0 {
				if !v.waits(c) {
					continue
				}
				waiting++
			}
			idle := fifoIdle(c.Word, v.at.Now_ms)
			if fifoCount(c.Word) <= v.mode.passed {
				idle += idle / neverMore
			}
			if v.large(c) {
				idle *= largeFrom
			}
			if idle > most {
				most, oldest, here = idle, c, true
			}
		}
		if here {
			_, where = v.src.Hash(oldest)
		}
	}
	v.met(looks, waiting, most)
	if most < 0 {
		return Candidate{}, false
	}
	list := v.src.Find(where)
	if len(list) == 0 {
		return Candidate{}, false
	}
	if list[0].Word&fifoSmall != 0 {
		v.leaves(list[0])
	}
	return list[0], true
}

// fromMain moves the hand on until it meets an entry that has no uses left, or has looked at as many as it may: then the
// one that had fewest leaves.
func (v *victims) fromMain() (Candidate, bool) {
	var best Place
	fewest := uint32(fifoCountMask + 1)
	looks, waiting, idle := 0, 0, int64(-1)
	defer func() { v.met(looks, waiting, idle) }()
	for ; v.looks > 0; v.looks-- {
		c, ok := v.src.Next()
		if !ok {
			break
		}
		looks++
		small := c.Word&fifoSmall != 0
		if small {
			if !v.waits(c) {
				continue
			}
			waiting++
		}
		n := fifoCount(c.Word)
		switch {
		case n == 0:
			idle = fifoIdle(c.Word, v.at.Now_ms)
			if small {
				v.leaves(c)
			}
			return c, true
		case n < fewest:
			_, best = v.src.Hash(c)
			fewest, idle = n, fifoIdle(c.Word, v.at.Now_ms)
		}
		switch {
		case small:
			v.src.SetWord(c, fifoMoved(c.Word, v.mode.moved, v.at.Now_ms))
		case v.large(c):
			v.src.SetWord(c, c.Word-n)
		default:
			v.src.SetWord(c, c.Word-1)
		}
	}
	if fewest <= fifoCountMask {
		for _, c := range v.src.Find(best) {
			return c, true
		}
	}
	return Candidate{}, false
}

func init() {
	register("s3fifo", WordsFIFO, s3fifo{})
}
