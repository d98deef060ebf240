package table

import (
	"unsafe"

	"larder/datatypes/arena"
)

// A chain takes the entries of a segment for which there is no room although slots are free: their hashes agree in so
// many bits that neither a larger segment nor a split would part them. With a keyed hash that never happens; with a
// broken one the table gets slow, and still answers.
//
// An entry may stand in any slot of a chain. The home bucket's overflow count is overflowMax for each entry in the
// chain, which is what makes a lookup go there.

const (
	linkLines   = 15
	linkSlots   = linkLines * slots
	linkBytes   = (1 + linkLines) * lineBytes
	chainedSlot = 0x80 // in Slot.bucket, over the line of the link
)

// link is an allocation of a chain: 15 buckets behind a line that counts them.
type link struct {
	next  uint32 // ref
	used  uint32 // slots
	_     [lineBytes - 8]byte
	lines [linkLines]bucket
}

func (t *Table) link(r uint32) *link { return (*link)(t.a.Ptr(arena.Ref(r))) }

// chainSlot names a slot in a link of a segment's chain.
func chainSlot(dir arena.Ref, c uint32, line, i int) Slot {
	return Slot{line: arena.Ref(c) + arena.Ref((line+1)*lineRefs), dir: dir, bucket: chainedSlot | uint8(line), i: uint8(i)}
}

// linkOf is the link in which a slot of a chain stands.
func linkOf(s Slot) uint32 { return uint32(s.line) - uint32(s.bucket&^chainedSlot+1)*lineRefs }

// chainAdd puts an entry into the chain of a segment, which may have none yet.
func (t *Table) chainAdd(e *dirEntry, place uint32, ref uint32, ttl bool) (c uint32, line, i int) {
	s := t.bucketsOf(e)
	home, tag := homeOf(place, s.n)
	s.at(home).manyAway()
	for c = e.chain; c != 0 && t.link(c).used == linkSlots; {
		c = t.link(c).next
	}
	if c == 0 {
		c = uint32(t.zeroed(linkBytes))
		t.link(c).next = e.chain
		e.chain = c
		e.word |= chainedBit
	}
	e.chained++
	l := t.link(c)
	l.used++
	for ; ; line++ {
		if i = l.lines[line].free(); i >= 0 {
			l.lines[line].put(i, tag, arena.Ref(ref), false, ttl)
			return c, line, i
		}
	}
}

// insertChained puts an entry for which there is no room into the chain of its segment.
func (t *Table) insertChained(s *segment, h uint64, ref arena.Ref, ttl bool) Slot {
	e := *s.e
	c, line, i := t.chainAdd(&e, placeOf(h, s.depth), uint32(ref), ttl)
	t.setEntry(s.start, &e)
	if !s.chained {
		t.header().chains++
	}
	return chainSlot(s.dir, c, line, i)
}

// findChained looks an entry up in a segment's chain.
func (t *Table) findChained(s *segment, tag uint8, key []byte) (Slot, bool) {
	for c := s.e.chain; c != 0; c = t.link(c).next {
		lines := &t.link(c).lines
		for line := range lines {
			if i := t.search(&lines[line], slotMask, tag, key); i >= 0 {
				return chainSlot(s.dir, c, line, i), true
			}
		}
	}
	return Slot{}, false
}

// freeChain frees the memory of a segment's chain. The entries are not touched.
func (t *Table) freeChain(e *dirEntry) {
	for c := e.chain; c != 0; {
		next := t.link(c).next
		t.a.Free(arena.Ref(c), linkBytes)
		c = next
	}
	e.chain, e.chained = 0, 0
	e.word &^= chainedBit
}

// chainBytes is the memory of a segment's chain.
func (t *Table) chainBytes(e *dirEntry) (size int) {
	for c := e.chain; c != 0; c = t.link(c).next {
		size += int(unsafe.Sizeof(link{}))
	}
	return size
}
