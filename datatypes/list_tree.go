package datatypes

import (
	"unsafe"

	"larder/datatypes/arena"
)

// The tree that finds a list's blocks by position: a B+tree without keys, whose inner nodes count the items below each
// child. All leaves are at the same depth, 0 is the height of a tree that is one leaf. Only a root leaf may be empty.
// The tree is made for growing and shrinking at its ends: splitting a full node at an end leaves it full.

const (
	listLeafBlocks    = 21 // blocks in a leaf: 512 bytes
	listInnerChildren = 42 // children of an inner node: 512 bytes
	listMaxDepth      = 12

	listFirstLeaf = 4 // blocks that the root leaf has room for at first
)

// listHead is the header of a list, which the holder names.
type listHead struct {
	items  uint64
	bytes  uint64 // all allocations of the list, this one included, as the arena rounds them
	blocks uint64
	root   arena.Ref
	height uint32
	_      uint64
}

type listLeaf struct {
	n     uint16
	room  uint16 // blocks that fit
	_     uint32
	block [listLeafBlocks]listBlock
}

type listInner struct {
	n     uint16
	_     uint16
	_     uint32
	items [listInnerChildren]uint64 // below each child
	child [listInnerChildren]arena.Ref
}

const (
	listHeadBytes  = int(unsafe.Sizeof(listHead{}))
	listInnerBytes = int(unsafe.Sizeof(listInner{}))
)

func listLeafBytes(room int) int {
	return int(unsafe.Offsetof(listLeaf{}.block)) + room*int(unsafe.Sizeof(listBlock{}))
}

// listPath is the way from the root to a block: the nodes, and the place taken in each. node[depth] is the leaf.
// Inserting a block keeps a path to it; any other change of the tree's blocks makes all paths invalid.
type listPath struct {
	node  [listMaxDepth]arena.Ref
	at    [listMaxDepth]int16
	depth int
}

// listTree is a handle of a tree.
type listTree struct {
	a     *arena.Arena
	root  arena.Ref // the header
	limit listLimit
}

func openListTree(a *arena.Arena, root arena.Ref, limit listLimit) listTree {
	return listTree{a, root, limit}
}

// newListTree makes a tree without blocks.
func newListTree(a *arena.Arena, limit listLimit) listTree {
	t := listTree{a, a.Alloc(listHeadBytes), limit}
	*t.head() = listHead{bytes: uint64(arena.RoundUp(listHeadBytes))}
	t.head().root = t.newLeaf(listFirstLeaf)
	return t
}

func (t *listTree) head() *listHead              { return (*listHead)(t.a.Ptr(t.root)) }
func (t *listTree) leaf(r arena.Ref) *listLeaf   { return (*listLeaf)(t.a.Ptr(r)) }
func (t *listTree) inner(r arena.Ref) *listInner { return (*listInner)(t.a.Ptr(r)) }
func (t *listTree) block(p *listPath) *listBlock {
	return &t.leaf(p.node[p.depth]).block[p.at[p.depth]]
}
func (t *listTree) leafOf(p *listPath) *listLeaf              { return t.leaf(p.node[p.depth]) }
func (t *listTree) innerOf(p *listPath, level int) *listInner { return t.inner(p.node[level]) }

// alloc takes n bytes for this list.
func (t *listTree) alloc(n int) arena.Ref {
	r := t.a.Alloc(n)
	t.head().bytes += uint64(arena.RoundUp(n))
	return r
}

// release gives back what alloc(n) took.
func (t *listTree) release(r arena.Ref, n int) {
	t.a.Free(r, n)
	t.head().bytes -= uint64(arena.RoundUp(n))
}

func (t *listTree) newLeaf(room int) arena.Ref {
	r := t.alloc(listLeafBytes(room))
	lf := t.leaf(r)
	lf.n, lf.room = 0, uint16(room)
	return r
}

func (t *listTree) newInner() arena.Ref {
	r := t.alloc(listInnerBytes)
	in := t.inner(r)
	in.n = 0
	return r
}

// Finding blocks. first, last, next and prev return false if there is no such block.

func (t *listTree) first(p *listPath) bool {
	h := t.head()
	p.depth = int(h.height)
	t.leftmost(p, 0, h.root)
	return t.leafOf(p).n > 0
}

func (t *listTree) last(p *listPath) bool {
	h := t.head()
	p.depth = int(h.height)
	t.rightmost(p, 0, h.root)
	return t.leafOf(p).n > 0
}

// leftmost sets the path from the node r at a level down to the first block below it.
func (t *listTree) leftmost(p *listPath, level int, r arena.Ref) {
	for ; level < p.depth; level++ {
		p.node[level], p.at[level] = r, 0
		r = t.inner(r).child[0]
	}
	p.node[level], p.at[level] = r, 0
}

// rightmost sets the path from the node r at a level down to the last block below it.
func (t *listTree) rightmost(p *listPath, level int, r arena.Ref) {
	for ; level < p.depth; level++ {
		in := t.inner(r)
		p.node[level], p.at[level] = r, int16(in.n)-1
		r = in.child[in.n-1]
	}
	p.node[level], p.at[level] = r, int16(t.leaf(r).n)-1
}

func (t *listTree) next(p *listPath) bool {
	if p.at[p.depth]++; int(p.at[p.depth]) < int(t.leafOf(p).n) {
		return true
	}
	for level := p.depth - 1; level >= 0; level-- {
		in := t.innerOf(p, level)
		if p.at[level]++; int(p.at[level]) < int(in.n) {
			t.leftmost(p, level+1, in.child[p.at[level]])
			return true
		}
	}
	return false
}

func (t *listTree) prev(p *listPath) bool {
	if p.at[p.depth]--; p.at[p.depth] >= 0 {
		return true
	}
	for level := p.depth - 1; level >= 0; level-- {
		if p.at[level]--; p.at[level] >= 0 {
			t.rightmost(p, level+1, t.innerOf(p, level).child[p.at[level]])
			return true
		}
	}
	return false
}

// findItem sets the path to the block with the item at index, which exists, and returns the item's index in the block.
func (t *listTree) findItem(p *listPath, index int) int {
	h := t.head()
	p.depth = int(h.height)
	left, r := uint64(index), h.root
	for level := 0; level < p.depth; level++ {
		in, i := t.inner(r), 0
		for left >= in.items[i] {
			left -= in.items[i]
			i++
		}
		p.node[level], p.at[level] = r, int16(i)
		r = in.child[i]
	}
	lf, i := t.leaf(r), 0
	for left >= uint64(lf.block[i].count) {
		left -= uint64(lf.block[i].count)
		i++
	}
	p.node[p.depth], p.at[p.depth] = r, int16(i)
	return int(left)
}

// seek sets the path to the block with the item at index, which exists, and returns the block and the item's offset.
func (t *listTree) seek(p *listPath, index int) (b []byte, at int) {
	i := t.findItem(p, index)
	d := t.block(p)
	b = d.bytes(t.a)
	return b, d.seek(b, i)
}

// bump adds n to the counts of the path's nodes above a level.
func (t *listTree) bump(p *listPath, level, n int) {
	for level--; level >= 0; level-- {
		t.innerOf(p, level).items[p.at[level]] += uint64(n)
	}
}

// counted adds n to all counts above the path's block, after its own count has changed.
func (t *listTree) counted(p *listPath, n int) {
	t.head().items += uint64(n)
	t.bump(p, p.depth, n)
}

// Changing the tree.

// splitAt says how many of n+1 entries stay in the left of two nodes, when the one at place i is the new one: all old
// ones at the right end and one at the left end, so that nodes filled in sequence stay full; half of them elsewhere.
func splitAt(i, n int) int {
	switch i {
	case n:
		return n
	case 0:
		return 1
	}
	return (n + 1) / 2
}

// insertBlock puts a block into the tree next to the path's block, and the path then leads to the new one.
func (t *listTree) insertBlock(p *listPath, after bool, d listBlock) {
	h := t.head()
	h.items += uint64(d.count)
	h.blocks++
	level := p.depth
	lf := t.leafOf(p)
	n, i := int(lf.n), int(p.at[level])
	if after && n > 0 {
		i++
	}
	i = max(i, 0) // in an empty tree rightmost says -1
	if n == int(lf.room) && n < listLeafBlocks {
		r := t.newLeaf(listLeafBlocks)
		copy(t.leaf(r).block[:], lf.block[:n])
		t.leaf(r).n = uint16(n)
		t.release(p.node[level], listLeafBytes(int(lf.room)))
		h.root, p.node[level], lf = r, r, t.leaf(r) // only a root leaf is small
	}
	if n < listLeafBlocks {
		insertIn(lf.block[:n+1], i, d)
		lf.n++
		p.at[level] = int16(i)
		t.bump(p, level, int(d.count))
		return
	}
	keep := splitAt(i, n)
	r := t.newLeaf(listLeafBlocks)
	right := t.leaf(r)
	lf.n, right.n = uint16(keep), uint16(n+1-keep)
	if i < keep {
		copy(right.block[:], lf.block[keep-1:n])
		insertIn(lf.block[:keep], i, d)
		p.at[level] = int16(i)
	} else {
		copy(right.block[:i-keep], lf.block[keep:i])
		right.block[i-keep] = d
		copy(right.block[i-keep+1:], lf.block[i:n])
		p.node[level], p.at[level] = r, int16(i-keep)
	}
	t.insertChild(p, level-1, r, sumBlocks(right), int(d.count), i >= keep)
}

// insertIn makes room at place i of s, whose last entry is free, and puts e there.
func insertIn[E any](s []E, i int, e E) {
	copy(s[i+1:], s[i:])
	s[i] = e
}

func sumBlocks(lf *listLeaf) (n uint64) {
	for i := range lf.block[:lf.n] {
		n += uint64(lf.block[i].count)
	}
	return n
}

func sumItems(s []uint64) (n uint64) {
	for _, v := range s {
		n += v
	}
	return n
}

// insertChild puts the node r, which has taken the right part (items) of the path's child at a level, next to it.
// added is how many items the two have more than the child had. The path goes through r if inRight.
func (t *listTree) insertChild(p *listPath, level int, r arena.Ref, items uint64, added int, inRight bool) {
	if level < 0 {
		t.grow(p, r, items, inRight)
		return
	}
	in := t.innerOf(p, level)
	n, i := int(in.n), int(p.at[level])
	in.items[i] += uint64(added) - items
	way := i // where the path goes on, in the sequence of n+1 children
	if i++; inRight {
		way = i
	}
	if n < listInnerChildren {
		insertIn(in.items[:n+1], i, items)
		insertIn(in.child[:n+1], i, r)
		in.n++
		p.at[level] = int16(way)
		t.bump(p, level, added)
		return
	}
	keep := splitAt(i, n)
	if i == 1 {
		keep = 1 // growing at the front: the old first child has moved to the right of the new one
	}
	newRef := t.newInner()
	right := t.inner(newRef)
	in.n, right.n = uint16(keep), uint16(n+1-keep)
	if i < keep {
		copy(right.items[:], in.items[keep-1:n])
		copy(right.child[:], in.child[keep-1:n])
		insertIn(in.items[:keep], i, items)
		insertIn(in.child[:keep], i, r)
	} else {
		copy(right.items[:i-keep], in.items[keep:i])
		copy(right.child[:i-keep], in.child[keep:i])
		right.items[i-keep], right.child[i-keep] = items, r
		copy(right.items[i-keep+1:], in.items[i:n])
		copy(right.child[i-keep+1:], in.child[i:n])
	}
	if p.at[level] = int16(way); way >= keep {
		p.node[level], p.at[level] = newRef, int16(way-keep)
	}
	t.insertChild(p, level-1, newRef, sumItems(right.items[:right.n]), added, way >= keep)
}

// grow puts a new root above the old one and the node r to its right.
func (t *listTree) grow(p *listPath, r arena.Ref, items uint64, inRight bool) {
	top := t.newInner()
	h, in := t.head(), t.inner(top)
	in.n = 2
	in.child[0], in.child[1] = h.root, r
	in.items[0], in.items[1] = h.items-items, items
	copy(p.node[1:], p.node[:p.depth+1])
	copy(p.at[1:], p.at[:p.depth+1])
	p.node[0], p.at[0] = top, int16(b2u(inRight))
	p.depth++
	h.root = top
	h.height++
}

// removeBlock frees the path's block and takes it out of the tree.
func (t *listTree) removeBlock(p *listPath) {
	d := t.block(p)
	t.release(d.ref, int(d.cap))
	t.forgetBlock(p)
}

// forgetBlock takes the path's block out of the tree and does not free it.
func (t *listTree) forgetBlock(p *listPath) {
	d := t.block(p)
	t.counted(p, -int(d.count))
	h := t.head()
	h.blocks--
	lf := t.leafOf(p)
	i, n := int(p.at[p.depth]), int(lf.n)
	copy(lf.block[i:n], lf.block[i+1:n])
	lf.n--
	for level := p.depth; level > 0; level-- {
		if !t.tidy(p, level) {
			break
		}
	}
	for h.height > 0 && t.inner(h.root).n == 1 {
		old := h.root
		h.root = t.inner(old).child[0]
		h.height--
		t.release(old, listInnerBytes)
	}
}

// tidy looks at the path's node at a level, which has lost an entry: an empty node is freed, and two neighbours are
// joined if a quarter of a node stays free, so that removing here and there does not leave a tree of nearly empty
// nodes. It returns whether the node above has lost an entry by that.
func (t *listTree) tidy(p *listPath, level int) bool {
	in, i := t.innerOf(p, level-1), int(p.at[level-1])
	if t.entries(p, level, p.node[level]) == 0 {
		t.dropChild(in, i)
		t.releaseNode(p, level, p.node[level])
		return true
	}
	if i+1 == int(in.n) {
		if i--; i < 0 {
			return false
		}
	}
	most := listInnerChildren
	if level == p.depth {
		most = listLeafBlocks
	}
	left, right := in.child[i], in.child[i+1]
	if t.entries(p, level, left)+t.entries(p, level, right) > most*3/4 {
		return false
	}
	if level == p.depth {
		l, r := t.leaf(left), t.leaf(right)
		copy(l.block[l.n:], r.block[:r.n])
		l.n += r.n
	} else {
		l, r := t.inner(left), t.inner(right)
		copy(l.items[l.n:], r.items[:r.n])
		copy(l.child[l.n:], r.child[:r.n])
		l.n += r.n
	}
	in.items[i] += in.items[i+1]
	t.dropChild(in, i+1)
	t.releaseNode(p, level, right)
	return true
}

// entries is how many entries the node r has, which is on a level of the path.
func (t *listTree) entries(p *listPath, level int, r arena.Ref) int {
	if level == p.depth {
		return int(t.leaf(r).n)
	}
	return int(t.inner(r).n)
}

func (t *listTree) releaseNode(p *listPath, level int, r arena.Ref) {
	if level == p.depth {
		t.release(r, listLeafBytes(int(t.leaf(r).room)))
		return
	}
	t.release(r, listInnerBytes)
}

func (t *listTree) dropChild(in *listInner, i int) {
	n := int(in.n)
	copy(in.items[i:n], in.items[i+1:n])
	copy(in.child[i:n], in.child[i+1:n])
	in.n--
}
