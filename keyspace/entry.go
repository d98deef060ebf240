package keyspace

import (
	"encoding/binary"

	"larder/datatypes"
	"larder/datatypes/arena"
)

// An entry is one arena allocation that holds a key and its value:
//
//	offset 0   sub:1 | type:3 | enc:2 | far:1 | ttl:1   (bits 7, 6-4, 3-2, 1, 0)
//	1-3        access word, little endian, see package eviction
//	4-         key length, then value length, each a varint of 1 to 5 bytes
//	           [8 bytes expiry, absolute Unix milliseconds, little endian] if ttl
//	           key
//	           value
//
// sub is set on hashes of which some field has an expiry. If far is set the value stands in an allocation of its own and
// the 12 value bytes in the entry are {ref, length, capacity}, four bytes each, little endian. Values beyond farMin bytes are far, so that entries stay
// small enough to be moved, and so that a big value can grow in place.
//
// SET foo bar EX 10 at the time 0x18f0000d8f0 makes the 20 bytes
//
//	01 10 32 9c  03 03  00 00 01 00 f0 18 00 00  66 6f 6f  62 61 72
//	|  |         |  |   |                        foo       bar
//	|  |         |  |   expiry 0x18f00010000
//	|  access    |  value length
//	string,blob  key length
//
// which the arena rounds to 24.
const (
	ttlBit = 1
	farBit = 2
	subBit = 0x80

	farMin    = 16 << 10 // bytes of value up to which it stays inside the entry
	farSize   = 12
	headBytes = 16 // more than the longest header without expiry; the arena guards reads of that much past any ref

	// MaxKey and MaxValue bound what an entry can name: both fit in 32 bits with room for rounding.
	MaxKey   = 512 << 20
	MaxValue = 4<<30 - 64<<10
)

// head is an entry's header, parsed.
type head struct {
	flags  byte
	keyOff int // where the key starts
	keyLen int
	valLen int
}

func (h head) typ() datatypes.Type { return datatypes.Type(h.flags >> 4 & 7) }
func (h head) enc() datatypes.Enc  { return datatypes.Enc(h.flags >> 2 & 3) }
func (h head) far() bool           { return h.flags&farBit != 0 }
func (h head) ttl() bool           { return h.flags&ttlBit != 0 }
func (h head) sub() bool           { return h.flags&subBit != 0 }
func (h head) valOff() int         { return h.keyOff + h.keyLen }
func (h head) size() int           { return h.keyOff + h.keyLen + h.valLen }

// parse reads the header of the entry at e.
func parse(a *arena.Arena, e arena.Ref) (h head) {
	h.parse(a, e)
	return h
}

func (h *head) parse(a *arena.Arena, e arena.Ref) {
	b := a.Bytes(e, headBytes)
	h.flags = b[0]
	if b[4]|b[5] < 0x80 {
		h.keyLen, h.valLen, h.keyOff = int(b[4]), int(b[5]), 6
	} else {
		k, n := binary.Uvarint(b[4:])
		v, m := binary.Uvarint(b[4+n:])
		h.keyLen, h.valLen, h.keyOff = int(k), int(v), 4+n+m
	}
	if h.flags&ttlBit != 0 {
		h.keyOff += 8
	}
}

// layout tells tables where an entry's key stands.
type layout struct{}

func (layout) Key(a *arena.Arena, e arena.Ref) []byte {
	var h head
	h.parse(a, e)
	return a.Bytes(e, h.keyOff+h.keyLen)[h.keyOff:]
}

func varintLen(n int) int {
	l := 1
	for n >= 0x80 {
		n >>= 7
		l++
	}
	return l
}

// entrySize is the size of an entry whose value takes valLen bytes inside it.
func entrySize(keyLen, valLen int, ttl bool) int {
	n := 4 + varintLen(keyLen) + varintLen(valLen) + keyLen + valLen
	if ttl {
		n += 8
	}
	return n
}

// putHead writes the header into b and returns where the key starts. The expiry's bytes are left to putExpire.
func putHead(b []byte, flags byte, access uint32, keyLen, valLen int) int {
	b[0] = flags
	putAccess(b, access)
	n := 4
	if keyLen|valLen < 0x80 {
		b[4], b[5] = byte(keyLen), byte(valLen)
		n = 6
	} else {
		n += binary.PutUvarint(b[n:], uint64(keyLen))
		n += binary.PutUvarint(b[n:], uint64(valLen))
	}
	if flags&ttlBit != 0 {
		n += 8
	}
	return n
}

// glimpseRoot is the table of members that the value of the entry at e names, 0 if it has none. The shard need not be
// held: it is a guess, and may be anything if the entry is being changed.
func glimpseRoot(a *arena.Arena, e arena.Ref) arena.Ref {
	w := a.Peek(e)
	h := head{flags: byte(w), keyLen: int(w >> 32 & 0xff), valLen: int(w >> 40 & 0xff), keyOff: 6}
	if h.enc() != datatypes.EncRoot || h.valLen != rootSize || h.keyLen >= 0x80 || h.far() {
		return 0
	}
	if h.ttl() {
		h.keyOff += 8
	}
	at := h.valOff()
	w = a.Peek(e+arena.Ref(at/8)) >> (at % 8 * 8)
	if at%8 > 8-rootSize {
		w |= a.Peek(e+arena.Ref(at/8)+1) << (64 - at%8*8)
	}
	return datatypes.GlimpseMembers(a, h.typ(), arena.Ref(w))
}

// rootSize is the number of bytes of a value that is a structure.
const rootSize = 4

func flagsOf(t datatypes.Type, enc datatypes.Enc) byte { return byte(t)<<4 | byte(enc)<<2 }

func access(b []byte) uint32 { return uint32(b[1]) | uint32(b[2])<<8 | uint32(b[3])<<16 }

func putAccess(b []byte, w uint32) { b[1], b[2], b[3] = byte(w), byte(w>>8), byte(w>>16) }

// expireOf is the entry's absolute expiry in milliseconds, 0 if it has none.
func expireOf(a *arena.Arena, e arena.Ref) int64 {
	h := parse(a, e)
	if !h.ttl() {
		return 0
	}
	return getExpire(a.Bytes(e, h.keyOff), h.keyOff)
}

func getExpire(b []byte, keyOff int) int64 { return int64(binary.LittleEndian.Uint64(b[keyOff-8:])) }

func putExpire(b []byte, keyOff int, at_ms int64) {
	binary.LittleEndian.PutUint64(b[keyOff-8:], uint64(at_ms))
}

// far names a value that stands outside its entry.
type far struct {
	ref arena.Ref
	len int
	cap int // bytes allocated
}

func getFar(b []byte) far {
	return far{
		ref: arena.Ref(binary.LittleEndian.Uint32(b)),
		len: int(binary.LittleEndian.Uint32(b[4:])),
		cap: int(binary.LittleEndian.Uint32(b[8:])),
	}
}

func (f far) put(b []byte) {
	binary.LittleEndian.PutUint32(b, uint32(f.ref))
	binary.LittleEndian.PutUint32(b[4:], uint32(f.len))
	binary.LittleEndian.PutUint32(b[8:], uint32(f.cap))
}

// farCap is how much to allocate for a far value of n bytes that has just grown: half as much again while it is
// small, then a megabyte, so that APPEND copies each byte a bounded number of times and wastes a bounded share.
func farCap(n int) int {
	if n < 2<<20 {
		return n + n/2
	}
	return max(n, min(n+1<<20, MaxValue))
}
