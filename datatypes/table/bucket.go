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
	blockLines = 8  // buckets in a block
	maxBuckets = 64 // in a segment
	maxBlocks  = maxBuckets / blockLines
)

// BucketSlots is how many entries have room in a bucket.
const BucketSlots = slots

// Fields of a bucket's meta word.
const (
	slotMask      = 1<<slots - 1
	overflowShift = 12
	overflowMax   = 15 // and beyond: once here, the count stays until the segment is rebuilt
	overflowMask  = overflowMax << overflowShift
	ttlShift      = 16
	// Bits 28-31 are spare: nothing changes them in a bucket that exists.
	spareMask = 0xf << 28
)

// bucket is one cache line: see the package comment. A slot is empty when its ref is 0; its tag is then 0 too.
//
// Bytes are loaded as words, which takes a little-endian machine; all that Go has an arena for are.
//
// The methods below are all that write to a bucket, apart from build, which fills buckets that nobody else sees yet.
// Whatever must happen before a bucket changes belongs in them.
type bucket struct {
	tags [slots]uint8
	meta uint32
	refs [slots]uint32
}

const (
	lowBits   = 0x0101010101010101
	sevenBits = 0x7f7f7f7f7f7f7f7f
)

// match is the set of slots whose tag is tag, bit i for slot i. Empty slots match tag 0.
func (b *bucket) match(tag uint8) uint32 {
	p := (*[2]uint64)(unsafe.Pointer(b))
	return matchTags(p[0], uint32(p[1]), tag)
}

// matchTags compares 12 tags at once, slot 0 in the lowest byte of low and slot 8 in that of high. A byte of x is 0 where the tags agree; adding 0x7f to its low seven bits carries
// into the top bit unless they are 0, so the complement keeps the top bit of the zero bytes and no other. The
// multiplication gathers the eight bits into one byte.
func matchTags(low uint64, high uint32, tag uint8) uint32 {
	x := low ^ uint64(tag)*lowBits
	x = ^((x&sevenBits + sevenBits) | x | sevenBits)
	y := high ^ uint32(tag)*0x01010101
	y = ^((y&0x7f7f7f7f + 0x7f7f7f7f) | y | 0x7f7f7f7f)
	return uint32((x>>7)*0x0102040810204080>>56) | ((y>>7)*0x00204081>>21&0xf)<<8
}

// free is an empty slot, or -1.
func (b *bucket) free() int {
	if m := ^b.used() & slotMask; m != 0 {
		return lowest(m)
	}
	return -1
}

// used is the set of slots that hold an entry. Two refs at a time: adding 0x7fffffff to the low 31 bits of a ref carries
// into its top bit unless they are 0. The top bits of the refs 2k and 2k+1 then go to the bits 2k and 32+2k.
func (b *bucket) used() uint32 {
	const low, top = 0x7fffffff_7fffffff, 0x80000000_80000000
	p := (*[slots / 2]uint64)(unsafe.Pointer(&b.refs))
	m := ((p[0]&low + low) | p[0]) & top >> 31
	m |= ((p[1]&low + low) | p[1]) & top >> 29
	m |= ((p[2]&low + low) | p[2]) & top >> 27
	m |= ((p[3]&low + low) | p[3]) & top >> 25
	m |= ((p[4]&low + low) | p[4]) & top >> 23
	m |= ((p[5]&low + low) | p[5]) & top >> 21
	return uint32(m) | uint32(m>>31)
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
	b.tags[i] = tag
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
	b.tags[i] = 0
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

// buckets is those of a segment. It points into the directory entry that names their blocks.
type buckets struct {
	base   unsafe.Pointer // of the arena
	blocks *[maxBlocks]uint32
	n      uint32
	times  *times // nil if the segment has none
	// fill, while a segment is built, has the number of entries of each bucket: the slots from there on are empty.
	fill *[maxBuckets]uint8
}

// ref is where bucket b stands.
func (s *buckets) ref(b uint32) arena.Ref {
	return arena.Ref(s.blocks[b/blockLines%maxBlocks]) + arena.Ref(b%blockLines*lineRefs)
}

func (s *buckets) at(b uint32) *bucket {
	return (*bucket)(unsafe.Add(s.base, uintptr(s.ref(b))*lineBytes/lineRefs))
}

// free is an empty slot of bucket b, or -1.
func (s *buckets) free(b uint32) int {
	if s.fill == nil {
		return s.at(b).free()
	}
	if i := int(s.fill[b]); i < slots {
		return i
	}
	return -1
}

// lowest is the lowest slot of a set.
func lowest(m uint32) int { return bits.TrailingZeros32(m) }
