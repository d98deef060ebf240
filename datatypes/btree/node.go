package btree

import (
	"unsafe"

	"larder/datatypes/arena"
)

// Sizes of nodes. An inner node is of one of three sizes: the smaller two are only for roots, so that a tree with a
// handful of leaves does not carry a node made for fifty.
const (
	headerBytes = 8
	leafEntry   = 8 + 4         // score, ref
	innerEntry  = 8 + 4 + 4 + 4 // score, ref, child, count

	leafCap     = 42 // 8 + 42*12 = 512 bytes
	smallestCap = 12 // 8 + 12*20 = 248 bytes
	smallerCap  = 24 // 8 + 24*20 = 488 bytes
	innerCap    = 50 // 8 + 50*20 = 1008 bytes
)

// A node is the address of one; see the package comment for what stands there.
type node struct{ p unsafe.Pointer }

// entry is one place of a node. In a leaf child and count are nothing.
type entry struct {
	score float64
	ref   arena.Ref
	child arena.Ref
	count uint32
}

func (x node) len() int     { return int(*(*uint8)(x.p)) }
func (x node) level() int   { return int(*(*uint8)(unsafe.Add(x.p, 1))) }
func (x node) cap() int     { return int(*(*uint8)(unsafe.Add(x.p, 2))) }
func (x node) setLen(n int) { *(*uint8)(x.p) = uint8(n) }

// bytes is what the node was allocated with.
func (x node) bytes() int { return nodeBytes(x.level(), x.cap()) }

func nodeBytes(level, cap int) int {
	if level == 0 {
		return headerBytes + cap*leafEntry
	}
	return headerBytes + cap*innerEntry
}

// half is the number of entries below which a node looks to a neighbour for more.
func (x node) half() int { return (x.cap() + 1) / 2 }

// mergeMost is how many entries two nodes may have together to become one. It leaves room for a few inserts.
func (x node) mergeMost() int { return x.cap() - 4 }

func (x node) scores() []float64 { return (*[innerCap]float64)(unsafe.Add(x.p, headerBytes))[:x.len()] }

func (x node) refs() []arena.Ref {
	return (*[innerCap]arena.Ref)(unsafe.Add(x.p, headerBytes+8*x.cap()))[:x.len()]
}

func (x node) counts() []uint32 {
	return (*[innerCap]uint32)(unsafe.Add(x.p, headerBytes+16*x.cap()))[:x.len()]
}

func (x node) childs() []arena.Ref { return unsafe.Slice(x.childAt(0), x.len()) }

func (x node) scoreAt(i int) *float64 {
	return (*float64)(unsafe.Add(x.p, headerBytes+8*i))
}

func (x node) refAt(i int) *arena.Ref {
	return (*arena.Ref)(unsafe.Add(x.p, headerBytes+8*x.cap()+4*i))
}

func (x node) childAt(i int) *arena.Ref {
	return (*arena.Ref)(unsafe.Add(x.p, headerBytes+12*x.cap()+4*i))
}

func (x node) countAt(i int) *uint32 {
	return (*uint32)(unsafe.Add(x.p, headerBytes+16*x.cap()+4*i))
}

// weight is the number of elements in and below the node.
func (x node) weight() uint32 {
	if x.level() == 0 {
		return uint32(x.len())
	}
	return sum(x.counts())
}

func sum(counts []uint32) (n uint32) {
	for _, c := range counts {
		n += c
	}
	return n
}

func (x node) put(i int, e entry) {
	*x.scoreAt(i), *x.refAt(i) = e.score, e.ref
	if x.level() > 0 {
		*x.childAt(i), *x.countAt(i) = e.child, e.count
	}
}

// insert makes room at i and puts e there. The node is not full.
func (x node) insert(i int, e entry) {
	n := x.len()
	move(x, i+1, x, i, n-i)
	x.setLen(n + 1)
	x.put(i, e)
}

// remove takes n entries out, from i on.
func (x node) remove(i, n int) {
	have := x.len()
	move(x, i, x, i+n, have-i-n)
	x.setLen(have - n)
}

// move copies n entries within a node or between two of one level. Lengths are not changed.
func move(to node, i int, from node, j, n int) {
	if n <= 0 {
		return
	}
	copy(unsafe.Slice(to.scoreAt(i), n), unsafe.Slice(from.scoreAt(j), n))
	copy(unsafe.Slice(to.refAt(i), n), unsafe.Slice(from.refAt(j), n))
	if to.level() > 0 {
		copy(unsafe.Slice(to.childAt(i), n), unsafe.Slice(from.childAt(j), n))
		copy(unsafe.Slice(to.countAt(i), n), unsafe.Slice(from.countAt(j), n))
	}
}

// spread moves entries between two neighbours until the left one has n.
func spread(left, right node, n int) {
	l, r := left.len(), right.len()
	if n < l {
		move(right, l-n, right, 0, r)
		move(right, 0, left, n, l-n)
	} else {
		move(left, l, right, 0, n-l)
		move(right, 0, right, n-l, r-(n-l))
	}
	left.setLen(n)
	right.setLen(l + r - n)
}

// lower is the number of scores below the given one, in ascending scores. The loop has no branch that depends on them,
// so none is mispredicted.
func lower(scores []float64, score float64) int {
	base, n := 0, len(scores)
	for n > 1 {
		half := n >> 1
		base += half & -one(scores[base+half-1] < score)
		n -= half
	}
	if n > 0 {
		base += one(scores[base] < score)
	}
	return base
}

// upper is the number of scores not above the given one.
func upper(scores []float64, score float64) int {
	base, n := 0, len(scores)
	for n > 1 {
		half := n >> 1
		base += half & -one(scores[base+half-1] <= score)
		n -= half
	}
	if n > 0 {
		base += one(scores[base] <= score)
	}
	return base
}

func one(is bool) (n int) {
	if is {
		n = 1
	}
	return n
}
