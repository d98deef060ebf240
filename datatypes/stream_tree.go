package datatypes

import (
	"unsafe"

	"larder/datatypes/arena"
)

// A tree of stream IDs: a B+tree in the arena whose leaves have IDs with a value of a few words each. Three things of
// a stream are such trees: its nodes (the value says where the block stands), the pending entries of a group (when, how
// often and to whom an entry was delivered) and those of a consumer (no value).
//
//	root   16 bytes inside its owner: number of IDs, top node, height
//	leaf   n u16 | room u16 | 4 bytes | IDs [room] of 16 bytes | values [room]
//	inner  n u16 | 6 bytes | keys [50] of 16 bytes | children [50] of 4 bytes
//
// What is below child i is not less than key i and less than key i+1; key 0 is not looked at. A full leaf has 1016
// bytes: 63 IDs alone, or 28 with 20 bytes each. A leaf that is the root is smaller at first, from room for one ID on.
// An empty tree has no nodes. IDs mostly come in order and go in order, so a node that is full splits unevenly at the
// ends, and neighbours that became sparse are joined.

const (
	idLeafBytes     = 1024
	idInnerChildren = 50
	idMaxDepth      = 10
)

// idRoot is the root of a tree, a part of what owns the tree.
type idRoot struct {
	count  uint64
	node   arena.Ref
	height uint32 // 0: the node is a leaf
}

type idHeader struct {
	n    uint16
	room uint16 // of a leaf
	mark uint32 // reserved for the snapshot's epoch
}

type idInner struct {
	idHeader
	key   [idInnerChildren]StreamID
	child [idInnerChildren]arena.Ref
}

const (
	idHeaderBytes = int(unsafe.Sizeof(idHeader{}))
	idInnerBytes  = int(unsafe.Sizeof(idInner{}))
	idBytes       = int(unsafe.Sizeof(StreamID{}))
)

// idTree is a handle of a tree.
type idTree struct {
	a     *arena.Arena
	root  *idRoot
	count tally
	vsize int // bytes of a value, a multiple of 4
}

// idPath is the way from the root to an ID: the nodes, and the place taken in each; node[depth] is the leaf. Inserting
// keeps a path to the new ID; removing makes all paths invalid.
type idPath struct {
	node  [idMaxDepth]arena.Ref
	at    [idMaxDepth]int16
	depth int
}

func (t *idTree) full() int { return (idLeafBytes - idHeaderBytes) / (idBytes + t.vsize) }

func (t *idTree) leafBytes(room int) int { return idHeaderBytes + room*(idBytes+t.vsize) }

func (t *idTree) header(r arena.Ref) *idHeader { return (*idHeader)(t.a.Ptr(r)) }

func (t *idTree) inner(r arena.Ref) *idInner { return (*idInner)(t.a.Ptr(r)) }

// ids are all places of a leaf for IDs, the free ones included.
func (t *idTree) ids(r arena.Ref) []StreamID {
	return unsafe.Slice((*StreamID)(unsafe.Add(t.a.Ptr(r), idHeaderBytes)), t.header(r).room)
}

// values are the bytes of all places of a leaf for values.
func (t *idTree) values(r arena.Ref) []byte {
	room := int(t.header(r).room)
	return t.a.Bytes(r, t.leafBytes(room))[idHeaderBytes+room*idBytes:]
}

// id is the ID that the path leads to.
func (t *idTree) id(p *idPath) StreamID { return t.ids(p.node[p.depth])[p.at[p.depth]] }

// value is where the value of the path's ID stands.
func (t *idTree) value(p *idPath) unsafe.Pointer {
	return t.valueAt(p.node[p.depth], int(p.at[p.depth]))
}

func (t *idTree) valueAt(r arena.Ref, i int) unsafe.Pointer {
	return unsafe.Add(t.a.Ptr(r), idHeaderBytes+int(t.header(r).room)*idBytes+i*t.vsize)
}

func (t *idTree) alloc(n int) arena.Ref {
	t.count.took(n)
	return t.a.Alloc(n)
}

func (t *idTree) release(r arena.Ref, n int) {
	t.count.gave(n)
	t.a.Free(r, n)
}

func (t *idTree) newLeaf(room int) arena.Ref {
	r := t.alloc(t.leafBytes(room))
	*t.header(r) = idHeader{room: uint16(room)}
	return r
}

func (t *idTree) releaseNode(r arena.Ref, leaf bool) {
	if leaf {
		t.release(r, t.leafBytes(int(t.header(r).room)))
		return
	}
	t.release(r, idInnerBytes)
}

// lowerID is the place of the first ID that is not less than id.
func lowerID(ids []StreamID, id StreamID) int {
	lo, hi := 0, len(ids)
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); ids[mid].Less(id) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// find sets the path to id and returns whether it is there; if not, to the place where it would be inserted.
func (t *idTree) find(p *idPath, id StreamID) bool {
	p.depth = int(t.root.height)
	r := t.root.node
	if r == 0 {
		p.node[0], p.at[0] = 0, 0
		return false
	}
	for level := 0; level < p.depth; level++ {
		in := t.inner(r)
		keys := in.key[1:in.n]
		i := lowerID(keys, id)
		if i < len(keys) && keys[i] == id {
			i++
		}
		p.node[level], p.at[level] = r, int16(i)
		r = in.child[i]
	}
	n := int(t.header(r).n)
	ids := t.ids(r)[:n]
	i := lowerID(ids, id)
	p.node[p.depth], p.at[p.depth] = r, int16(i)
	return i < n && ids[i] == id
}

// seekGE sets the path to the first ID that is not less than id; seekLE to the last that is not greater. They return
// false if there is none.

func (t *idTree) seekGE(p *idPath, id StreamID) bool {
	if t.find(p, id) {
		return true
	}
	if r := p.node[p.depth]; r == 0 || int(p.at[p.depth]) < int(t.header(r).n) {
		return r != 0
	}
	p.at[p.depth]--
	return t.next(p)
}

func (t *idTree) seekLE(p *idPath, id StreamID) bool {
	return t.find(p, id) || p.node[p.depth] != 0 && t.prev(p)
}

func (t *idTree) first(p *idPath) bool {
	p.depth = int(t.root.height)
	if t.root.node == 0 {
		return false
	}
	t.edge(p, 0, t.root.node, false)
	return true
}

func (t *idTree) last(p *idPath) bool {
	p.depth = int(t.root.height)
	if t.root.node == 0 {
		return false
	}
	t.edge(p, 0, t.root.node, true)
	return true
}

// edge sets the path from the node r at a level down to the first or the last ID below it.
func (t *idTree) edge(p *idPath, level int, r arena.Ref, last bool) {
	for ; ; level++ {
		p.node[level], p.at[level] = r, 0
		if last {
			p.at[level] = int16(t.header(r).n) - 1
		}
		if level == p.depth {
			return
		}
		r = t.inner(r).child[p.at[level]]
	}
}

func (t *idTree) next(p *idPath) bool {
	if p.at[p.depth]++; int(p.at[p.depth]) < int(t.header(p.node[p.depth]).n) {
		return true
	}
	for level := p.depth - 1; level >= 0; level-- {
		in := t.inner(p.node[level])
		if p.at[level]++; int(p.at[level]) < int(in.n) {
			t.edge(p, level+1, in.child[p.at[level]], false)
			return true
		}
	}
	return false
}

func (t *idTree) prev(p *idPath) bool {
	if p.at[p.depth]--; p.at[p.depth] >= 0 {
		return true
	}
	for level := p.depth - 1; level >= 0; level-- {
		if p.at[level]--; p.at[level] >= 0 {
			t.edge(p, level+1, t.inner(p.node[level]).child[p.at[level]], true)
			return true
		}
	}
	return false
}

// shift copies n IDs with their values from one leaf to another, or within one.
func (t *idTree) shift(to arena.Ref, i int, from arena.Ref, j, n int) {
	copy(t.ids(to)[i:i+n], t.ids(from)[j:j+n])
	v := t.vsize
	copy(t.values(to)[i*v:(i+n)*v], t.values(from)[j*v:(j+n)*v])
}

// put writes an ID with a value of zeros at a place of a leaf.
func (t *idTree) put(r arena.Ref, i int, id StreamID) {
	t.ids(r)[i] = id
	clear(t.values(r)[i*t.vsize : (i+1)*t.vsize])
}

// insert adds id, which find did not find, where the path leads. Its value is zeros.
func (t *idTree) insert(p *idPath, id StreamID) {
	t.root.count++
	level := p.depth
	r, i := p.node[level], int(p.at[level])
	if r == 0 {
		r = t.newLeaf(1)
		t.root.node, p.node[level] = r, r
	}
	n := int(t.header(r).n)
	if room := int(t.header(r).room); n == room && room < t.full() {
		big := t.newLeaf(min(2*room, t.full()))
		t.shift(big, 0, r, 0, n)
		t.header(big).n = uint16(n)
		t.releaseNode(r, true)
		t.root.node, p.node[level], r = big, big, big // only a root leaf is small
	}
	if n < int(t.header(r).room) {
		t.shift(r, i+1, r, i, n-i)
		t.put(r, i, id)
		t.header(r).n++
		return
	}
	keep := splitAt(i, n)
	right := t.newLeaf(t.full())
	t.header(r).n, t.header(right).n = uint16(keep), uint16(n+1-keep)
	if i < keep {
		t.shift(right, 0, r, keep-1, n-keep+1)
		t.shift(r, i+1, r, i, keep-1-i)
		t.put(r, i, id)
	} else {
		t.shift(right, 0, r, keep, i-keep)
		t.put(right, i-keep, id)
		t.shift(right, i-keep+1, r, i, n-i)
		p.node[level], p.at[level] = right, int16(i-keep)
	}
	t.insertChild(p, level-1, right, t.ids(right)[0], i >= keep)
}

// insertChild puts the node r, whose IDs are not less than key, next to the path's child at a level, of which it has
// taken the right part. The path goes through r if inRight.
func (t *idTree) insertChild(p *idPath, level int, r arena.Ref, key StreamID, inRight bool) {
	if level < 0 {
		top := t.alloc(idInnerBytes)
		in := t.inner(top)
		in.idHeader = idHeader{n: 2}
		in.child[0], in.child[1], in.key[1] = t.root.node, r, key
		copy(p.node[1:], p.node[:p.depth+1])
		copy(p.at[1:], p.at[:p.depth+1])
		p.node[0], p.at[0] = top, int16(b2u(inRight))
		p.depth++
		t.root.node = top
		t.root.height++
		return
	}
	in := t.inner(p.node[level])
	n, i := int(in.n), int(p.at[level])
	way := i
	if i++; inRight {
		way = i
	}
	p.at[level] = int16(way)
	if n < idInnerChildren {
		insertIn(in.key[:n+1], i, key)
		insertIn(in.child[:n+1], i, r)
		in.n++
		return
	}
	keep := splitAt(i, n)
	if i == 1 {
		keep = 1 // growing at the front: the old first child has moved to the right of the new one
	}
	newRef := t.alloc(idInnerBytes)
	right := t.inner(newRef)
	right.idHeader = idHeader{n: uint16(n + 1 - keep)}
	in.n = uint16(keep)
	if i < keep {
		copy(right.key[:], in.key[keep-1:n])
		copy(right.child[:], in.child[keep-1:n])
		insertIn(in.key[:keep], i, key)
		insertIn(in.child[:keep], i, r)
	} else {
		copy(right.key[:i-keep], in.key[keep:i])
		copy(right.child[:i-keep], in.child[keep:i])
		right.key[i-keep], right.child[i-keep] = key, r
		copy(right.key[i-keep+1:], in.key[i:n])
		copy(right.child[i-keep+1:], in.child[i:n])
	}
	if way >= keep {
		p.node[level], p.at[level] = newRef, int16(way-keep)
	}
	t.insertChild(p, level-1, newRef, right.key[0], way >= keep)
}

// remove takes the path's ID out of the tree.
func (t *idTree) remove(p *idPath) {
	t.root.count--
	r, i := p.node[p.depth], int(p.at[p.depth])
	n := int(t.header(r).n)
	t.shift(r, i, r, i+1, n-i-1)
	t.header(r).n--
	for level := p.depth; level > 0; level-- {
		if !t.tidy(p, level) {
			break
		}
	}
	for t.root.height > 0 && t.header(t.root.node).n == 1 {
		old := t.root.node
		t.root.node = t.inner(old).child[0]
		t.root.height--
		t.release(old, idInnerBytes)
	}
	if t.root.count == 0 {
		t.releaseNode(t.root.node, true)
		t.root.node = 0
	}
}

// tidy looks at the path's node at a level, which has lost an entry: an empty node is freed, and two neighbours are
// joined if a quarter of a node stays free. It returns whether the node above has lost an entry by that.
func (t *idTree) tidy(p *idPath, level int) bool {
	in, i, leaf := t.inner(p.node[level-1]), int(p.at[level-1]), level == p.depth
	if t.header(p.node[level]).n == 0 {
		t.dropChild(in, i)
		t.releaseNode(p.node[level], leaf)
		return true
	}
	if i+1 == int(in.n) {
		if i--; i < 0 {
			return false
		}
	}
	most := idInnerChildren
	if leaf {
		most = t.full()
	}
	left, right := in.child[i], in.child[i+1]
	l, r := int(t.header(left).n), int(t.header(right).n)
	if l+r > most*3/4 {
		return false
	}
	if leaf {
		t.shift(left, l, right, 0, r)
	} else {
		to, from := t.inner(left), t.inner(right)
		copy(to.key[l:], from.key[:r])
		copy(to.child[l:], from.child[:r])
		to.key[l] = in.key[i+1] // the first key of a node may be stale
	}
	t.header(left).n += uint16(r)
	t.dropChild(in, i+1)
	t.releaseNode(right, leaf)
	return true
}

func (t *idTree) dropChild(in *idInner, i int) {
	n := int(in.n)
	copy(in.key[i:n], in.key[i+1:n])
	copy(in.child[i:n], in.child[i+1:n])
	in.n--
}

// freeStep frees about budget allocations of a tree that is read no more, from its end; value frees what an ID's
// value names. It returns what is left of the budget, and whether the tree is empty.
func (t *idTree) freeStep(budget int, value func(v unsafe.Pointer)) (left int, done bool) {
	for ; budget > 0 && t.root.node != 0; budget-- {
		var p idPath
		t.last(&p)
		level := p.depth
		r := p.node[level]
		if h := t.header(r); value != nil {
			for ; h.n > 0; h.n-- {
				if budget--; budget < 0 {
					return 0, false
				}
				value(t.valueAt(r, int(h.n)-1))
			}
		}
		t.releaseNode(r, true)
		for level--; level >= 0; level-- {
			in := t.inner(p.node[level])
			if in.n--; in.n > 0 {
				break
			}
			t.release(p.node[level], idInnerBytes)
		}
		if level < 0 {
			*t.root = idRoot{}
		}
	}
	return budget, t.root.node == 0
}

// defrag moves the nodes that stand in pages that are being emptied, from the leaf with the first ID that is not less
// than from on, and calls value for each value there. It returns the ID to go on with, and what is left of the budget;
// more is false at the end.
func (t *idTree) defrag(from StreamID, budget int, value func(v unsafe.Pointer)) (next StreamID, left int, more bool) {
	for ; budget > 0; budget-- {
		var p idPath
		if !t.seekGE(&p, from) {
			return StreamID{}, budget, false
		}
		ref := &t.root.node
		for level := 0; level < p.depth; level++ {
			*ref = moveMarked(t.a, *ref, idInnerBytes)
			p.node[level] = *ref
			ref = &t.inner(*ref).child[p.at[level]]
		}
		*ref = moveMarked(t.a, *ref, t.leafBytes(int(t.header(*ref).room)))
		p.node[p.depth] = *ref
		n := int(t.header(*ref).n)
		if value != nil {
			for i := range n {
				value(t.valueAt(*ref, i))
			}
			budget -= n
		}
		from = t.ids(*ref)[n-1]
		var ok bool
		if from, ok = from.Next(); !ok {
			return StreamID{}, budget, false
		}
	}
	return from, 0, true
}

// moveMarked moves r, an allocation of n bytes, if it stands in a page that is being emptied.
func moveMarked(a *arena.Arena, r arena.Ref, n int) arena.Ref {
	if a.ShouldMove(r, n) {
		return a.Move(r, n)
	}
	return r
}
