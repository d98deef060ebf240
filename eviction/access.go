// Package eviction decides which entry leaves when memory is short. It is pure: it sees access words, clocks and
// candidates that the keyspace hands to it, never keys, clients or configuration files.
//
// Every entry carries a 24-bit access word. What it means depends on the policy in force:
//
//	LRU   24 bits    clock of the last access, in seconds, modulo 2^24 (194 days)
//	LFU   16 bits    clock of the last decrement, in minutes, modulo 2^16
//	       8 bits    logarithmic counter of accesses
//	FIFO  21 bits    clock of the last access, in seconds, modulo 2^21 (24 days); for an entry in the small queue
//	                 17 bits of it (36 hours), and 4 bits for the lap of the queue in which it came
//	       1 bit     the entry is in the small queue
//	       2 bits    accesses, up to 3
//
// For example the LFU word 0x012c05 was last decremented at minute 300 and counts 5, the value that a new entry gets.
// The FIFO word 0x0004de came at second 9 into the small queue in its lap 11, and was read twice.
//
//	policy.go    what a policy is, and where its candidates come from
//	access.go    access words
//	lru.go lfu.go ttl.go random.go s3fifo.go   a policy each
//	pool.go      the best candidates of several samples
//	queue.go ghost.go    what s3fifo remembers of entries that came and went
//	mode.go model.go     how it suits itself to what is asked for
package eviction

// Words says what access words mean.
type Words uint8

// The kinds of access words.
const (
	WordsLRU Words = iota
	WordsLFU
	WordsFIFO
)

// A Clock is what access words are made from: one for all shards, replaced as a whole when the configuration changes.
type Clock struct {
	LFU       bool // words are LFU words
	FIFO      bool // words are FIFO words; else, without LFU, they are LRU words
	LogFactor int  // lfu-log-factor: how hard it is to be counted again, 0 counts every access
	DecayTime int  // lfu-decay-time, minutes until the counter loses one; 0 never decays
}

// Use makes the clock's words those that a policy goes by.
func (c *Clock) Use(w Words) { c.LFU, c.FIFO = w == WordsLFU, w == WordsFIFO }

const (
	wordMask   = 1<<24 - 1
	lfuInitial = 5 // a new entry is not the first to go before it had a chance to be read
)

// New is the word of an entry made at now_ms.
func (c *Clock) New(now_ms int64) uint32 {
	switch {
	case c.FIFO:
		return fifoMain(0, now_ms)
	case c.LFU:
		return lfuMinutes(now_ms)<<8 | lfuInitial
	}
	return lruSeconds(now_ms)
}

// Early is the FIFO word of an entry that comes while memory has no limit, which it may be given later: the entry belongs to the
// small queue and waits for the hand.
func (c *Clock) Early(now_ms int64) uint32 { return fifoNew(lapNever, now_ms) }

// Touch is the word after an access at now_ms. rnd is a uniform random number: the LFU counter grows with the
// probability 1/((counter-5)*LogFactor+1).
func (c *Clock) Touch(word uint32, now_ms int64, rnd uint32) uint32 {
	if c.FIFO {
		return fifoTouch(word, now_ms)
	}
	if !c.LFU {
		return lruSeconds(now_ms)
	}
	n := c.Count(word, now_ms)
	if n < 255 {
		base := uint64(0)
		if n > lfuInitial {
			base = uint64(n - lfuInitial)
		}
		if uint64(rnd)*(base*uint64(c.LogFactor)+1) < 1<<32 {
			n++
		}
	}
	return lfuMinutes(now_ms)<<8 | n
}

// Count is how often an entry was accessed by its LFU or FIFO word: the LFU counter after the decay that is due.
func (c *Clock) Count(word uint32, now_ms int64) uint32 {
	if c.FIFO {
		return fifoCount(word)
	}
	n := word & 0xff
	if c.DecayTime <= 0 {
		return n
	}
	periods := (lfuMinutes(now_ms) - word>>8) & 0xffff / uint32(c.DecayTime)
	if periods >= n {
		return 0
	}
	return n - periods
}

// LRU is the clock of LRU words at now_ms.
func (c *Clock) LRU(now_ms int64) uint32 { return lruSeconds(now_ms) }

// Idle is the time in seconds since the last access by an LRU or FIFO word.
func (c *Clock) Idle(word uint32, now_ms int64) int64 {
	if c.FIFO {
		return fifoIdle(word, now_ms)
	}
	return int64((lruSeconds(now_ms) - word) & wordMask)
}

// IdleWord is the LRU or FIFO word of an entry that was last accessed idle_s seconds before now_ms (RESTORE IDLETIME).
func (c *Clock) IdleWord(idle_s, now_ms int64) uint32 {
	if c.FIFO {
		return fifoMain(0, now_ms-1000*min(idle_s, fifoSeconds))
	}
	return (lruSeconds(now_ms) - uint32(idle_s)) & wordMask
}

// FreqWord is the LFU word of an entry with the given counter (RESTORE FREQ).
func (c *Clock) FreqWord(count uint8, now_ms int64) uint32 {
	return lfuMinutes(now_ms)<<8 | uint32(count)
}

func lruSeconds(now_ms int64) uint32 { return uint32(now_ms/1000) & wordMask }
func lfuMinutes(now_ms int64) uint32 { return uint32(now_ms/60000) & 0xffff }

// Parts of a FIFO word.
const (
	fifoCountMask = 3
	fifoSmall     = 4
	fifoLapShift  = 3
	fifoLapMask   = 15
	fifoSeconds   = 1<<21 - 1 // clock of an entry in the main queue, from bit 3 on
	fifoYoung     = 1<<17 - 1 // and in the small queue, from bit 7 on
)

func fifoCount(word uint32) uint32 { return word & fifoCountMask }

// fifoMain is the word of an entry in the main queue.
func fifoMain(count uint32, now_ms int64) uint32 {
	return uint32(now_ms/1000)&fifoSeconds<<3 | count
}

// fifoNew is the word of an entry that comes into the small queue in the given lap.
func fifoNew(lap uint32, now_ms int64) uint32 {
	return uint32(now_ms/1000)&fifoYoung<<7 | lap&fifoLapMask<<fifoLapShift | fifoSmall
}

func fifoLap(word uint32) uint32 { return word >> fifoLapShift & fifoLapMask }

func fifoTouch(word uint32, now_ms int64) uint32 {
	n := min(word&fifoCountMask+1, fifoCountMask)
	if word&fifoSmall != 0 {
		return uint32(now_ms/1000)&fifoYoung<<7 | word&(fifoLapMask<<fifoLapShift|fifoSmall) | n
	}
	return fifoMain(n, now_ms)
}

// fifoSeen is the word of an entry of the small queue after a use that does not count.
func fifoSeen(word uint32, now_ms int64) uint32 {
	return uint32(now_ms/1000)&fifoYoung<<7 | word&(fifoLapMask<<fifoLapShift|fifoSmall|fifoCountMask)
}

// fifoMoved is the word of an entry that moves on from the small queue to the main one, with its clock.
func fifoMoved(word, count uint32, now_ms int64) uint32 {
	return fifoMain(count, now_ms-1000*fifoIdle(word, now_ms))
}

func fifoIdle(word uint32, now_ms int64) int64 {
	if word&fifoSmall != 0 {
		return int64((uint32(now_ms/1000) - word>>7) & fifoYoung)
	}
	return int64((uint32(now_ms/1000) - word>>3) & fifoSeconds)
}
