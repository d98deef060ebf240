package table

import (
	"math/bits"
	"unsafe"

	"larder/datatypes/arena"
)

// Sizes of the bucket and of the geometry inside a segment. They are a format: the arithmetic of place.go rests on them.
const (
	slots      = 12 // entries in a bucket
	lineBytes  = 64 // a bucket is one cache line
	lineRefs   = lineBytes / 8
	maxBuckets = 64 // of a segment
)

// Fields of a bucket's meta word.
const (
	slotMask      = 1<<slots - 1
	overflowShift = 12
	overflowMax   = 15 // and beyond: once here, the count stays until the segment is rebuilt
	overflowMask  = overflowMax << overflowShift
	ttlShift      = 16
	// Bits 28-31 are the snapshot's: nothing in this package changes them in a bucket that exists.
	epochMask = 0xf << 28
)

// bucket is one cache line: see the package comment. A slot is empty when its ref is 0; its tag is then 0 too.
//
// The methods below are all that write to a bucket, apart from build, which fills buckets that nobody else sees yet.
// Whatever must happen before a bucket changes belongs in them.
type bucket struct {
	tagsLow  uint64 // tags of slots 0-7, slot 0 in the lowest byte
	tagsHigh uint32 // tags of slots 8-11
	meta     uint32
	refs     [slots]uint32
}

const (
	lowBits   = 0x0101010101010101
	sevenBits = 0x7f7f7f7f7f7f7f7f
)

// match is the set of slots whose tag is tag, bit i for slot i. Empty slots match tag 0.
func (b *bucket) match(tag uint8) uint32 { return matchTags(b.tagsLow, b.tagsHigh, tag) }

// matchTags compares 12 tags at once. A byte of x is 0 where the tags agree; adding 0x7f to its low seven bits carries
// into the top bit unless they are 0, so the complement keeps the top bit of the zero bytes and no other. The
// multiplication gathers the eight bits into one byte.
func matchTags(low uint64, high uint32, tag uint8) uint32 {
	x := low ^ uint64(tag)*lowBits
	x = ^((x&sevenBits + sevenBits) | x | sevenBits)
	y := high ^ uint32(tag)*0x01010101
	y = ^((y&0x7f7f7f7f + 0x7f7f7f7f) | y | 0x7f7f7f7f)
	return uint32((x>>7)*0x0102040810204080>>56) | ((y>>7)*0x00204081>>21&0xf)<<8
}

// tag is the tag in slot i.
func (b *bucket) tag(i int) uint8 {
	if i < 8 {
		return uint8(b.tagsLow >> (8 * uint(i) & 63))
	}
	return uint8(b.tagsHigh >> (8 * uint(i-8) & 31))
}

func (b *bucket) setTag(i int, tag uint8) {
	if i < 8 {
		s := 8 * uint(i) & 63
		b.tagsLow = b.tagsLow&^(0xff<<s) | uint64(tag)<<s
		return
	}
	s := 8 * uint(i-8) & 31
	b.tagsHigh = b.tagsHigh&^(0xff<<s) | uint32(tag)<<s
}

// free is an empty slot, or -1.
func (b *bucket) free() int {
	for i, r := range &b.refs {
		if r == 0 {
			return i
		}
	}
	return -1
}

// used is the set of slots that hold an entry.
func (b *bucket) used() uint32 {
	var m uint32
	for i, r := range &b.refs {
		if r != 0 {
			m |= 1 << i
		}
	}
	return m
}

// displaced tells whether the entry in slot i stands in its alternate bucket.
func (b *bucket) displaced(i int) bool { return b.meta>>uint(i)&1 != 0 }

// ttl tells whether the entry in slot i has an expiry.
func (b *bucket) ttl(i int) bool { return b.meta>>(ttlShift+uint(i))&1 != 0 }

// ttls is the set of slots whose entry has an expiry.
func (b *bucket) ttls() uint32 { return b.meta >> ttlShift & slotMask }

// overflow is the number of entries at home here that stand elsewhere, if it is below overflowMax.
func (b *bucket) overflow() uint32 { return b.meta >> overflowShift & overflowMax }

// put fills the empty slot i.
func (b *bucket) put(i int, tag uint8, e arena.Ref, displaced, ttl bool) {
	b.refs[i] = uint32(e)
	b.setTag(i, tag)
	if displaced {
		b.meta |= 1 << uint(i)
	}
	if ttl {
		b.meta |= 1 << (ttlShift + uint(i))
	}
}

// remove empties slot i.
func (b *bucket) remove(i int) {
	b.refs[i] = 0
	b.setTag(i, 0)
	b.meta &^= (1 | 1<<ttlShift) << uint(i)
}

// setRef replaces the entry of slot i by another of the same key.
func (b *bucket) setRef(i int, e arena.Ref) { b.refs[i] = uint32(e) }

// setTTL notes whether the entry in slot i has an expiry.
func (b *bucket) setTTL(i int, ttl bool) {
	b.meta &^= 1 << (ttlShift + uint(i))
	if ttl {
		b.meta |= 1 << (ttlShift + uint(i))
	}
}

// oneMoreAway and oneLessAway count the entries at home here that stand elsewhere.
func (b *bucket) oneMoreAway() {
	if b.overflow() < overflowMax {
		b.meta += 1 << overflowShift
	}
}

func (b *bucket) oneLessAway() {
	if b.overflow() < overflowMax {
		b.meta -= 1 << overflowShift
	}
}

// manyAway sets the count to overflowMax: entries at home here stand in the segment's chain, and nobody counts those.
func (b *bucket) manyAway() { b.meta |= overflowMask }

// buckets is n buckets in a row: those of a segment, or of a block of a chain.
type buckets struct {
	base unsafe.Pointer
	n    uint32
}

func (s buckets) at(b uint32) *bucket { return (*bucket)(unsafe.Add(s.base, uintptr(b)*lineBytes)) }

// lowest is the lowest slot of a set.
func lowest(m uint32) int { return bits.TrailingZeros32(m) }
