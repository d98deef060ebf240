// Package btree keeps the order of a sorted set: a counted B+tree of (score, member) in an arena.
//
// Elements are ordered by score, and by the members' bytes where scores are equal. The tree has the scores and the refs
// of the members; the bytes stand wherever the Layout says, usually in the member table's entries. It answers "how many are
// below", "who is at this rank" and "where does this range begin" in O(log n).
//
// # Layout
//
// A tree is named by the ref of its header:
//
//	root u32, length u32, size of all nodes u32 (in words of 8 bytes), height u8 (0: the root is a leaf), 3 unused
//
// A node has a header of 8 bytes and then arrays, all of the node's capacity (little or big endian as the machine):
//
//	length u8, level u8 (0: leaf), capacity u8, 5 unused
//	scores [capacity]f64
//	refs   [capacity]u32    of members
//	childs [capacity]u32    inner nodes only: refs of nodes one level down
//	counts [capacity]u32    inner nodes only: elements in and below each child
//
// Leaves have 512 bytes for 42 elements, inner nodes 1008 bytes for 50 children; a root may be smaller. What an inner node
// says of a child as (score, ref) is exactly the child's first element. So a descent never has to look into a child to
// decide between children with equal scores, and a deleted member's ref never stays behind as a separator.
// For example, the elements a:1 b:1 c:1 d:2 could stand like this, if a leaf had only two places:
//
//	root, ref 0x40:  02 01 0c ..  scores 1.0 1.0   refs a c   childs 0x80 0xc0   counts 2 2
//	leaf, ref 0x80:  02 00 2a ..  scores 1.0 1.0   refs a b
//	leaf, ref 0xc0:  02 00 2a ..  scores 1.0 2.0   refs c d
//
// Looking for b:1, both children of the root begin with score 1; the members decide: a <= b < c, so the left one.
//
// # Balance
//
// A full node first gives entries to a neighbour with room; when both neighbours are full, two full nodes become three.
// So nodes filled at random are about 80 % full: 15-16 bytes per element. At both ends of the tree a full node stays full and
// a new one begins, so elements that come in order (a sorted set being loaded, or one that is a log) fill it completely.
// A node that falls below half is merged with a neighbour or gets some of its entries, so no node has less than 45 % but
// for the first and the last of each level, which may drain to nothing.
package btree

import (
	"bytes"
	"unsafe"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// A Layout says where a member's bytes stand. The slice is only read, before anything else happens to the arena.
type Layout interface {
	Key(a *arena.Arena, ref arena.Ref) []byte
}

// MaxGrowth is the number of bytes that one Insert can need, in less than 16 allocations, for arena.Reserve.
const MaxGrowth = 512 + (maxHeight-1)*(headerBytes+innerCap*innerEntry)

// maxHeight bounds the levels of a tree, leaves included. 19*22^7 elements are more than refs can name.
const maxHeight = 10

// Tree is a handle: all that the tree is stands in the arena. Handles may be made and thrown away freely.
type Tree struct {
	a      *arena.Arena
	layout Layout
	root   arena.Ref
}

type header struct {
	root   arena.Ref
	length uint32
	words  uint32 // of all nodes, whose bytes may be more than 32 bits hold
	height uint8
	_      [3]uint8
}

const (
	treeBytes = int(unsafe.Sizeof(header{}))
	wordBytes = 8
)

// New makes an empty tree: 16 + 512 bytes.
func New(a *arena.Arena, l Layout) Tree {
	t := Tree{a: a, layout: l, root: a.Alloc(treeBytes)}
	*t.header() = header{}
	t.header().root = t.newNode(0, leafCap)
	return t
}

// Open is a handle of the tree whose header stands at root.
func Open(a *arena.Arena, root arena.Ref, l Layout) Tree {
	return Tree{a: a, layout: l, root: root}
}

// Root is the ref under which Open finds the tree again. Only Defrag changes it.
func (t *Tree) Root() arena.Ref { return t.root }

// Len is the number of elements.
func (t *Tree) Len() int { return int(t.header().length) }

// Bytes is the memory that the tree takes, as the arena rounds it, without the members.
func (t *Tree) Bytes() int { return arena.RoundUp(treeBytes) + wordBytes*int(t.header().words) }

func (t *Tree) header() *header { return (*header)(t.a.Ptr(t.root)) }

func (t *Tree) node(r arena.Ref) node { return node{t.a.Ptr(r)} }

func (t *Tree) newNode(level, cap int) arena.Ref {
	n := nodeBytes(level, cap)
	r := t.a.Alloc(n)
	*(*[headerBytes]uint8)(t.a.Ptr(r)) = [headerBytes]uint8{0, uint8(level), uint8(cap)}
	t.header().words += uint32(arena.RoundUp(n) / wordBytes)
	return r
}

func (t *Tree) freeNode(r arena.Ref) {
	n := t.node(r).bytes()
	t.a.Free(r, n)
	t.header().words -= uint32(arena.RoundUp(n) / wordBytes)
}

// path leads from a leaf, at [0], to the root, at [top]. at[l] is the place in the node of level l that it goes through,
// or in the leaf the place of an element.
type path struct {
	ref [maxHeight]arena.Ref
	at  [maxHeight]int16
	top int
}

// descend follows the children whose first elements are the last not above (score, key), and leaves the place in the leaf
// open. An element whose ref is self is taken to be the one looked for; its bytes are not read.
func (t *Tree) descend(p *path, score float64, key []byte, self arena.Ref) node {
	h := t.header()
	p.top = int(h.height)
	r := h.root
	for l := p.top; ; l-- {
		p.ref[l] = r
		x := t.node(r)
		if l == 0 {
			return x
		}
		i := t.child(x, score, key, self)
		p.at[l] = int16(i)
		r = *x.childAt(i)
		if l == 1 {
			t.touch(r)
		}
	}
}

// touch asks for all cache lines of a leaf's scores, which a search would otherwise wait for one after the other. Inner
// nodes are few enough to be at hand.
func (t *Tree) touch(r arena.Ref) {
	for i := arena.Ref(0); i < 6; i++ {
		t.a.Prefetch(r + i*8)
	}
}

// child is the place of the last child whose first element is not above (score, key), 0 if there is none.
func (t *Tree) child(x node, score float64, key []byte, self arena.Ref) int {
	s := x.scores()
	lo := lower(s, score)
	if lo < len(s) && s[lo] == score {
		lo = t.among(x.refs(), lo, lo+upper(s[lo:], score), key, self, true)
	}
	return max(lo-1, 0)
}

// place is where (score, key) stands in a leaf, or would stand.
func (t *Tree) place(x node, score float64, key []byte) int {
	s := x.scores()
	lo := lower(s, score)
	if lo < len(s) && s[lo] == score {
		lo = t.among(x.refs(), lo, lo+upper(s[lo:], score), key, 0, false)
	}
	return lo
}

// among is the place of the first member from lo on that is not below key, or above it, hi if there is none. The
// member self is taken to be key without being read.
func (t *Tree) among(refs []arena.Ref, lo, hi int, key []byte, self arena.Ref, above bool) int {
	for lo < hi {
		mid := (lo + hi) / 2
		c := 0
		if refs[mid] != self {
			c = bytes.Compare(t.layout.Key(t.a, refs[mid]), key)
		}
		if c < 0 || c == 0 && above {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// find lets p lead to the element (score, self), whose member is key. It returns whether there is one.
func (t *Tree) find(p *path, score float64, key []byte, self arena.Ref) bool {
	x := t.descend(p, score, key, self)
	s, refs := x.scores(), x.refs()
	for i := lower(s, score); i < len(s) && s[i] == score; i++ {
		if refs[i] == self {
			p.at[0] = int16(i)
			return true
		}
	}
	return false
}

// Insert adds the element (score, ref), O(log n). The score is no NaN, and the tree has no element with that member.
// It allocates up to MaxGrowth bytes.
func (t *Tree) Insert(score float64, ref arena.Ref) {
	invariant.Assert(score == score, "btree: a score that is no number")
	var p path
	key := t.layout.Key(t.a, ref)
	x := t.descend(&p, score, key, 0)
	i := t.place(x, score, key)
	t.header().length++
	for l := 1; l <= p.top; l++ {
		*t.node(p.ref[l]).countAt(int(p.at[l]))++
	}
	t.insert(&p, 0, i, entry{score: score, ref: ref})
}

// Append is Insert of an element that stands behind all others: nothing is looked for and no member read.
func (t *Tree) Append(score float64, ref arena.Ref) {
	invariant.Assert(score == score, "btree: a score that is no number")
	var p path
	h := t.header()
	h.length++
	p.top = int(h.height)
	r := h.root
	for l := p.top; l > 0; l-- {
		x := t.node(r)
		i := x.len() - 1
		p.ref[l], p.at[l] = r, int16(i)
		*x.countAt(i)++
		r = *x.childAt(i)
	}
	p.ref[0] = r
	t.insert(&p, 0, t.node(r).len(), entry{score: score, ref: ref})
}

// Delete removes the element (score, ref), O(log n), and returns whether there was one. The member's bytes are still there.
func (t *Tree) Delete(score float64, ref arena.Ref) bool {
	var p path
	if !t.find(&p, score, t.layout.Key(t.a, ref), ref) {
		return false
	}
	t.remove(&p, 1)
	return true
}

// Update gives the element (old, ref) another score, O(log n), and returns whether there was one. It may allocate as
// Insert does.
func (t *Tree) Update(old float64, ref arena.Ref, score float64) bool {
	invariant.Assert(score == score, "btree: a score that is no number")
	var p path
	key := t.layout.Key(t.a, ref)
	if !t.find(&p, old, key, ref) {
		return false
	}
	x, i := t.node(p.ref[0]), int(p.at[0])
	if s := x.scores(); i > 0 && i < len(s)-1 && s[i-1] < score && score < s[i+1] {
		s[i] = score // it stays between its neighbours, and is nobody's separator
		return true
	}
	t.remove(&p, 1)
	t.Insert(score, ref)
	return true
}

// Replace makes the element (score, old) be (score, by), whose member is the same, O(log n), and returns whether there was
// one. Only the bytes of by are read: old may have been freed.
func (t *Tree) Replace(score float64, old, by arena.Ref) bool {
	var p path
	if !t.find(&p, score, t.layout.Key(t.a, by), old) {
		return false
	}
	for l := 0; l <= p.top; l++ {
		*t.node(p.ref[l]).refAt(int(p.at[l])) = by
		if p.at[l] != 0 {
			break
		}
	}
	return true
}
