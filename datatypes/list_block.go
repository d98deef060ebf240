package datatypes

import (
	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

// listBlock is what a leaf keeps of a block. The block itself is a listpack somewhere within an allocation of cap bytes:
//
//	|<- off ->|02 00|81 61 02|81 62 02|<- slack ->|      off 9, len 8, count 2
//
// A block that grows at its head keeps its slack in front, one that grows at its tail keeps it behind, so a push at
// either end of the list moves no bytes but its own: a new first element overwrites the two bytes of the header, which
// are written again in front of it. A block that grows doubles until it has the
// limit's size. One that will grow no more because another one has become the end gives its slack back.
type listBlock struct {
	ref   arena.Ref
	cap   uint32 // bytes of the allocation
	off   uint32 // where the listpack begins
	len   uint32 // its bytes
	count uint32 // its items
	even  uint16 // bytes of each element if all take the same, else 0: then an item is found without walking to it
	_     uint16
}

// bytes is the block as a listpack.
func (d *listBlock) bytes(a *arena.Arena) []byte {
	return a.Bytes(d.ref, int(d.cap))[d.off : d.off+d.len : d.off+d.len]
}

// setCount changes the number of items, in the descriptor and in the listpack's header.
func (d *listBlock) setCount(a *arena.Arena, n int) {
	d.count = uint32(n)
	listpack.SetLen(d.bytes(a), n)
}

// seek is the offset of the element i; i may be count: the end. O(1) if all elements have one size, else it walks from
// the nearer end.
func (d *listBlock) seek(b []byte, i int) int {
	if d.even > 0 {
		return listpack.HeaderSize + i*int(d.even)
	}
	n := int(d.count)
	if i <= n/2 {
		p := listpack.First(b)
		for ; i > 0; i-- {
			p = listpack.Next(b, p)
		}
		return p
	}
	p := len(b)
	for ; i < n; i++ {
		p = listpack.Prev(b, p)
	}
	return p
}

// evenSize is the size that all elements of b have, 0 if they differ or it does not fit in 16 bits.
func evenSize(b []byte) uint16 {
	p := listpack.First(b)
	size := listpack.Next(b, p) - p
	for p += size; p < len(b); p += size {
		if listpack.Next(b, p)-p != size {
			return 0
		}
	}
	return evenOf(size)
}

func evenOf(size int) uint16 {
	if size > 1<<16-1 {
		return 0
	}
	return uint16(size)
}

// open makes the old bytes at offset p of the listpack n bytes long, moving the shorter side where there is slack for
// it. The header and the count are not touched; the bytes from p to p+n are undefined. An element at either end of the
// block never moves the others into the slack at the far end one step at a time: replant moves them once, all the way.
func (t *listTree) open(d *listBlock, p, old, n int) []byte {
	mem := t.a.Bytes(d.ref, int(d.cap))
	off, size := int(d.off), int(d.len)
	end, grow := off+size, n-old
	front, back := off, int(d.cap)-end
	left, right := p, size-p-old // bytes on either side
	switch {
	case left <= right && grow <= front:
		copy(mem[off-grow:], mem[off:off+left])
		off -= grow
	case left > right && grow <= back:
		copy(mem[off+p+n:], mem[off+p+old:end])
	case left > right && right > 0 && grow <= front:
		copy(mem[off-grow:], mem[off:off+left])
		off -= grow
	case left <= right && left > listpack.HeaderSize && grow <= back:
		copy(mem[off+p+n:], mem[off+p+old:end])
	default:
		return t.replant(d, p, old, n)
	}
	d.off, d.len = uint32(off), uint32(size+grow)
	return mem[off : off+size+grow]
}

// replant does open's work where there is no slack on the right side: within the allocation if that has enough of it
// elsewhere, or else in a larger one. Afterwards the slack is at the end that grows.
func (t *listTree) replant(d *listBlock, p, old, n int) []byte {
	size := int(d.len) + n - old
	atHead, atTail := p <= listpack.HeaderSize, p+old == int(d.len)
	room, ref := int(d.cap), d.ref
	if size > room || (atHead || atTail) && room-size < size/16 {
		if more := t.roomFor(size, room, atHead || atTail); more > room {
			room, ref = more, t.alloc(more)
		}
	}
	off := 0
	if atHead && !atTail {
		off = room - size
	}
	src := t.a.Bytes(d.ref, int(d.cap))[d.off : d.off+d.len]
	dst := t.a.Bytes(ref, room)[off : off+size]
	if ref == d.ref {
		// Within one allocation: the part that moves towards the other one last.
		if off > int(d.off) {
			copy(dst[p+n:], src[p+old:])
			copy(dst, src[:p])
		} else {
			copy(dst, src[:p])
			copy(dst[p+n:], src[p+old:])
		}
	} else {
		copy(dst, src[:p])
		copy(dst[p+n:], src[p+old:])
		t.release(d.ref, int(d.cap))
	}
	d.ref, d.cap, d.off, d.len = ref, uint32(room), uint32(off), uint32(size)
	return dst
}

// roomFor is the capacity of a block that needs size bytes and had room bytes: twice as much at an end of the block,
// where more will follow, little more than needed elsewhere.
func (t *listTree) roomFor(size, room int, atEnd bool) int {
	full := t.limit.bytes - redisFrame
	if size >= full {
		return arena.RoundUp(size)
	}
	if atEnd {
		return arena.RoundUp(max(size, min(2*room, full)))
	}
	return arena.RoundUp(min(size+size/8, full))
}

// newBlock makes a block of one item for an end of the list, with its slack towards that end.
func (t *listTree) newBlock(e listpack.Elem, size int, atHead bool) listBlock {
	size += listpack.HeaderSize
	start := 64
	if t.head().blocks >= 8 {
		start = 512
	}
	room := t.roomFor(size, start, true)
	d := listBlock{ref: t.alloc(room), cap: uint32(room), len: uint32(size), even: evenOf(size - listpack.HeaderSize)}
	if atHead {
		d.off = uint32(room - size)
	}
	listpack.Place(d.bytes(t.a), listpack.HeaderSize, e)
	d.setCount(t.a, 1)
	return d
}

// loneBlock makes a block of one item that stands between others.
func (t *listTree) loneBlock(e listpack.Elem, size int) listBlock {
	size += listpack.HeaderSize
	room := arena.RoundUp(size)
	d := listBlock{ref: t.alloc(room), cap: uint32(room), len: uint32(size), even: evenOf(size - listpack.HeaderSize)}
	listpack.Place(d.bytes(t.a), listpack.HeaderSize, e)
	d.setCount(t.a, 1)
	return d
}

// tightBlock makes a block of elements that stand one after the other in src, all even bytes long if that is not 0.
func (t *listTree) tightBlock(src []byte, count int, even uint16) listBlock {
	size := listpack.HeaderSize + len(src)
	d := listBlock{cap: uint32(arena.RoundUp(size)), len: uint32(size), even: even}
	d.ref = t.alloc(int(d.cap))
	copy(d.bytes(t.a)[listpack.HeaderSize:], src)
	d.setCount(t.a, count)
	return d
}

// tighten gives back a block's slack if that frees memory.
func (t *listTree) tighten(d *listBlock) {
	room := arena.RoundUp(int(d.len))
	if room >= int(d.cap) {
		return
	}
	ref := t.alloc(room)
	copy(t.a.Bytes(ref, room), d.bytes(t.a))
	t.release(d.ref, int(d.cap))
	d.ref, d.cap, d.off = ref, uint32(room), 0
}

// insertElem puts e before the element at offset p of the block.
func (t *listTree) insertElem(d *listBlock, p int, e listpack.Elem, size int) {
	b := t.open(d, p, 0, size)
	listpack.Place(b, p, e)
	if int(d.even) != size {
		d.even = 0
	}
	d.setCount(t.a, int(d.count)+1)
}

// cutElems removes the count elements that stand from offset p up to offset q of the block, but never all of them.
func (t *listTree) cutElems(d *listBlock, p, q, count int) {
	t.open(d, p, q-p, 0)
	d.setCount(t.a, int(d.count)-count)
}

// join appends the elements of the listpack src, count of them, to the block, which has the room within the limit.
func (t *listTree) join(to *listBlock, src []byte, count int, even uint16) {
	p, n := int(to.len), len(src)-listpack.HeaderSize
	copy(t.open(to, p, 0, n)[p:], src[listpack.HeaderSize:])
	if to.even != even {
		to.even = 0
	}
	to.setCount(t.a, int(to.count)+count)
}
