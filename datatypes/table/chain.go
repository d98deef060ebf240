package table

import "larder/datatypes/arena"

// A chain takes the entries of a segment for which there is no room although slots are free: their hashes agree in so
// many bits that neither a larger segment nor a split would part them. With a keyed hash that never happens; with a
// broken one the table gets slow, and still answers.
//
// A chained segment has one line more than buckets, the tail. The tail leads to blocks of 1 KiB, whose first line is a
// header and whose other 15 are buckets; there an entry may stand in any slot. The home bucket's overflow count is
// overflowMax for each entry in the chain, which is what makes a lookup go there.

const (
	blockBytes  = 1024
	blockLines  = blockBytes/lineBytes - 1
	blockSlots  = blockLines * slots
	chainedSlot = 0x80 // in Slot.bucket, over the line of the block
)

// tail is the line behind the buckets of a chained segment.
type tail struct {
	head  uint32 // ref of the first block, 0 if there is none
	count uint32 // entries in the chain
}

// blockHeader is the first line of a block.
type blockHeader struct {
	next uint32
	used uint32 // slots
}

func (t *Table) tail(ref arena.Ref, n uint32) *tail {
	return (*tail)(t.a.Ptr(ref + arena.Ref(n*lineRefs)))
}

func (t *Table) block(r arena.Ref) *blockHeader { return (*blockHeader)(t.a.Ptr(r)) }

// blockLines is the buckets of a block.
func (t *Table) blockLines(r arena.Ref) buckets {
	return buckets{t.a.Ptr(r + lineRefs), blockLines}
}

// chainHead is the first block of a segment's chain, or 0.
func (t *Table) chainHead(s *segment) arena.Ref {
	if !s.chained {
		return 0
	}
	return arena.Ref(t.tail(s.ref, s.n).head)
}

// chainSlot names a slot in a block of a segment's chain.
func chainSlot(s *segment, block arena.Ref, line uint32, i int) Slot {
	return Slot{line: block + arena.Ref((line+1)*lineRefs), dir: s.dir, bucket: chainedSlot | uint8(line), i: uint8(i)}
}

// blockOf is the block in which a slot of a chain stands.
func blockOf(s Slot) arena.Ref { return s.line - arena.Ref(uint32(s.bucket&^chainedSlot)+1)*lineRefs }

// chainLines walks over the buckets of a segment's chain.
func (t *Table) chainLines(s *segment) lineList {
	return lineList{table: t, block: t.chainHead(s)}
}

// startChain gives the segment at ref, of n buckets, a tail. It returns the segment's new place.
func (t *Table) startChain(ref arena.Ref, n uint32) arena.Ref {
	ref = t.a.Resize(ref, int(n)*lineBytes, int(n+1)*lineBytes)
	*t.tail(ref, n) = tail{}
	return ref
}

// chainAdd puts an entry into the chain of the segment at ref, of n buckets.
func (t *Table) chainAdd(ref arena.Ref, n uint32, place uint32, e uint32, ttl bool) (block arena.Ref, line uint32, i int) {
	home, tag := homeOf(place, n)
	buckets{t.a.Ptr(ref), n}.at(home).manyAway()
	end := t.tail(ref, n)
	block = arena.Ref(end.head)
	for block != 0 && t.block(block).used == blockSlots {
		block = arena.Ref(t.block(block).next)
	}
	if block == 0 {
		block = t.zeroed(blockBytes)
		t.block(block).next = end.head
		end.head = uint32(block)
	}
	end.count++
	t.block(block).used++
	lines := t.blockLines(block)
	for ; ; line++ {
		if i = lines.at(line).free(); i >= 0 {
			lines.at(line).put(i, tag, arena.Ref(e), false, ttl)
			return block, line, i
		}
	}
}

// insertChained puts an entry for which there is no room into the chain of its segment.
func (t *Table) insertChained(s *segment, h uint64, e arena.Ref, ttl bool) Slot {
	if !s.chained {
		due := t.dir(s.dir).due
		s.ref = t.startChain(s.ref, s.n)
		t.setWord(s.start, dirWord(s.ref, s.n, s.depth, true), due)
		t.header().addChained(1)
	}
	block, line, i := t.chainAdd(s.ref, s.n, placeOf(h, s.depth), uint32(e), ttl)
	return chainSlot(s, block, line, i)
}

// findChained looks an entry up in a segment's chain.
func (t *Table) findChained(s *segment, tag uint8, key []byte) (Slot, bool) {
	for block := t.chainHead(s); block != 0; block = arena.Ref(t.block(block).next) {
		lines := t.blockLines(block)
		for line := range lines.n {
			if i := t.search(lines.at(line), ^uint32(0), tag, key); i >= 0 {
				return chainSlot(s, block, line, i), true
			}
		}
	}
	return Slot{}, false
}

// freeChain frees the blocks of a segment's chain. The entries are not touched.
func (t *Table) freeChain(s *segment) {
	for block := t.chainHead(s); block != 0; {
		next := arena.Ref(t.block(block).next)
		t.a.Free(block, blockBytes)
		block = next
	}
}

// chainBytes is the memory of a segment's tail and chain.
func (t *Table) chainBytes(s *segment) int {
	size := lineBytes
	for block := t.tail(s.ref, s.n).head; block != 0; block = t.block(arena.Ref(block)).next {
		size += blockBytes
	}
	return size
}
