// Package eviction decides which entry leaves when memory is short. It is pure: it sees access words, clocks and
// candidates that the keyspace hands to it, never keys, clients or configuration files.
//
// Every entry carries a 24-bit access word. What it means depends on the policy in force:
//
//	LRU   24 bits    clock of the last access, in seconds, modulo 2^24 (194 days)
//	LFU   16 bits    clock of the last decrement, in minutes, modulo 2^16
//	       8 bits    logarithmic counter of accesses
//
// For example the LFU word 0x012c05 was last decremented at minute 300 and counts 5, the value that a new entry gets.
package eviction

// A Clock is what access words are made from: one for all shards, replaced as a whole when the configuration changes.
type Clock struct {
	LFU       bool // the word is an LFU word, else an LRU word
	LogFactor int  // lfu-log-factor: how hard it is to be counted again, 0 counts every access
	DecayTime int  // lfu-decay-time, minutes until the counter loses one; 0 never decays
}

const (
	wordMask   = 1<<24 - 1
	lfuInitial = 5 // a new entry is not the first to go before it had a chance to be read
)

// New is the word of an entry made at now_ms.
func (c *Clock) New(now_ms int64) uint32 {
	if c.LFU {
		return lfuMinutes(now_ms)<<8 | lfuInitial
	}
	return lruSeconds(now_ms)
}

// Touch is the word after an access at now_ms. rnd is a uniform random number: the LFU counter grows with the
// probability 1/((counter-5)*LogFactor+1).
func (c *Clock) Touch(word uint32, now_ms int64, rnd uint32) uint32 {
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

// Count is the LFU counter that the word stands for at now_ms, after the decay that is due.
func (c *Clock) Count(word uint32, now_ms int64) uint32 {
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

// Idle is the time in seconds since the last access by an LRU word.
func (c *Clock) Idle(word uint32, now_ms int64) int64 {
	return int64((lruSeconds(now_ms) - word) & wordMask)
}

// IdleWord is the LRU word of an entry that was last accessed idle_s seconds before now_ms (RESTORE IDLETIME).
func (c *Clock) IdleWord(idle_s, now_ms int64) uint32 {
	return (lruSeconds(now_ms) - uint32(idle_s)) & wordMask
}

// FreqWord is the LFU word of an entry with the given counter (RESTORE FREQ).
func (c *Clock) FreqWord(count uint8, now_ms int64) uint32 {
	return lfuMinutes(now_ms)<<8 | uint32(count)
}

func lruSeconds(now_ms int64) uint32 { return uint32(now_ms/1000) & wordMask }
func lfuMinutes(now_ms int64) uint32 { return uint32(now_ms/60000) & 0xffff }
