package datatypes

import (
	"bytes"
	"fmt"
	"math"
	"unsafe"

	"larder/datatypes/arena"
	"larder/datatypes/btree"
)

// The groups of a stream, and the consumers of a group, are found by their names, and shown in the order of those.

// streamNamed begins what stands in a nameDir. The name follows the structure, in the same allocation.
type streamNamed struct {
	nameAt  uint32 // bytes before the name
	nameLen uint32
}

// nameDir is a directory of groups or consumers: their refs in the order of the names. Up to namesFew of them stand in an array,
// as most do; more are a tree, in which none of them is far from any other, and which grows by a node at a time.
//
//	ref 0x70, n 3, room 4    at 0x70: the refs of alice, bob, eve, and a free place
//	ref 0x90, n 65, room 0   at 0x90: the header of a btree whose scores are all 0
//
// An empty directory has no memory.
type nameDir struct {
	ref  arena.Ref
	n    uint32
	room uint32 // places of the array; 0: there is none
}

const (
	namesFew  = 64           // more are a tree
	namesBack = namesFew / 2 // so few are an array again
)

// nameLayout is where the tree finds the name of what it has.
type nameLayout struct{}

// Key is the name.
func (nameLayout) Key(a *arena.Arena, r arena.Ref) []byte { return streamName(a, r) }

// streamName is the name of the group or consumer at r.
func streamName(a *arena.Arena, r arena.Ref) []byte {
	x := (*streamNamed)(a.Ptr(r))
	n := int(x.nameAt + x.nameLen)
	return a.Bytes(r, n)[x.nameAt:]
}

// newNamed allocates a structure of size bytes with its name behind it, and returns it undefined but for the name.
func newNamed(a *arena.Arena, c tally, size int, name []byte) arena.Ref {
	n := size + len(name)
	r := a.Alloc(n)
	c.took(n)
	*(*streamNamed)(a.Ptr(r)) = streamNamed{uint32(size), uint32(len(name))}
	copy(a.Bytes(r, n)[size:], name)
	return r
}

func namedBytes(a *arena.Arena, r arena.Ref) int {
	x := (*streamNamed)(a.Ptr(r))
	return int(x.nameAt + x.nameLen)
}

func freeNamed(a *arena.Arena, c tally, r arena.Ref) {
	n := namedBytes(a, r)
	a.Free(r, n)
	c.gave(n)
}

func (d *nameDir) isTree() bool { return d.ref != 0 && d.room == 0 }

func (d *nameDir) tree(a *arena.Arena) btree.Tree { return btree.Open(a, d.ref, nameLayout{}) }

// places are all of the array, those beyond the first n are free.
func (d *nameDir) places(a *arena.Arena) []arena.Ref {
	if d.room == 0 {
		return nil
	}
	return unsafe.Slice((*arena.Ref)(a.Ptr(d.ref)), d.room)
}

// bytes is what the directory takes, without what it names.
func (d *nameDir) bytes(a *arena.Arena) int {
	switch {
	case d.ref == 0:
		return 0
	case d.isTree():
		t := d.tree(a)
		return t.Bytes()
	}
	return arena.RoundUp(4 * int(d.room))
}

// at is what has the place i in the order.
func (d *nameDir) at(a *arena.Arena, i int) arena.Ref {
	if !d.isTree() {
		return d.places(a)[i]
	}
	t := d.tree(a)
	c := t.At(i)
	return c.Ref()
}

// find is what has that name; ok is false if nothing has. O(log n).
func (d *nameDir) find(a *arena.Arena, name []byte) (r arena.Ref, ok bool) {
	if d.isTree() {
		t := d.tree(a)
		if c := t.SeekLex(name, false); c.Valid() && bytes.Equal(streamName(a, c.Ref()), name) {
			return c.Ref(), true
		}
	} else if i, there := d.place(a, name); there {
		return d.places(a)[i], true
	}
	return 0, false
}

// place is where a name stands in the array, or where it would be inserted.
func (d *nameDir) place(a *arena.Arena, name []byte) (i int, ok bool) {
	refs := d.places(a)
	lo, hi := 0, int(d.n)
	for lo < hi {
		mid := (lo + hi) / 2
		switch c := bytes.Compare(streamName(a, refs[mid]), name); {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// insert adds r, of whose name there is none. c counts the memory. O(log n), in at most btree.MaxGrowth bytes or an array of
// namesFew and the first nodes of a tree.
func (d *nameDir) insert(a *arena.Arena, c tally, r arena.Ref) {
	was := d.bytes(a)
	switch {
	case !d.isTree() && d.n == namesFew:
		d.toTree(a)
	case !d.isTree() && d.n == d.room:
		d.toArray(a, max(2*d.room, 1))
	}
	if d.isTree() {
		t := d.tree(a)
		t.Insert(0, r)
	} else {
		refs := d.places(a)
		i, _ := d.place(a, streamName(a, r))
		insertIn(refs[:d.n+1], i, r)
	}
	d.n++
	c.add(d.bytes(a) - was)
}

// remove takes r out, which is there. O(log n).
func (d *nameDir) remove(a *arena.Arena, c tally, r arena.Ref) {
	was := d.bytes(a)
	if d.isTree() {
		t := d.tree(a)
		t.Delete(0, r)
	} else {
		refs := d.places(a)
		i, _ := d.place(a, streamName(a, r))
		copy(refs[i:d.n-1], refs[i+1:d.n])
	}
	d.n--
	switch {
	case d.n == 0:
		d.free(a, math.MaxInt)
	case d.isTree() && d.n == namesBack:
		d.toArray(a, namesFew)
	}
	c.add(d.bytes(a) - was)
}

// toTree makes a tree of the array.
func (d *nameDir) toTree(a *arena.Arena) {
	t := btree.New(a, nameLayout{})
	for _, r := range d.places(a)[:d.n] {
		t.Append(0, r)
	}
	n := d.n
	d.free(a, math.MaxInt)
	*d = nameDir{ref: t.Root(), n: n}
}

// toArray makes an array with so many places of the directory.
func (d *nameDir) toArray(a *arena.Arena, room uint32) {
	big := nameDir{n: d.n, room: room}
	big.ref = a.Alloc(4 * int(room))
	refs := big.places(a)
	for i := range int(d.n) {
		refs[i] = d.at(a, i)
	}
	d.free(a, math.MaxInt)
	*d = big
}

// free frees about budget allocations of the directory, whatever it may name, and tells whether it is gone.
func (d *nameDir) free(a *arena.Arena, budget int) (done bool) {
	switch {
	case d.isTree():
		if t := d.tree(a); !t.FreeStep(budget) {
			return false
		}
	case d.ref != 0:
		a.Free(d.ref, 4*int(d.room))
	}
	*d = nameDir{}
	return true
}

// freeStep is free with a tally. It returns what is left of the budget, too.
func (d *nameDir) freeStep(a *arena.Arena, c tally, budget int) (left int, done bool) {
	for ; budget > 0 && d.ref != 0; budget-- {
		was := d.bytes(a)
		d.free(a, 1)
		c.add(d.bytes(a) - was)
	}
	return budget, d.ref == 0
}

// move moves what leads to the place i in the directory, and what stands there unless keep is set, if that is in pages that are
// being emptied. It returns where what stands there is now.
func (d *nameDir) move(a *arena.Arena, i int, keep bool) arena.Ref {
	old := d.at(a, i)
	by := old
	if !keep {
		by = moveMarked(a, old, namedBytes(a, old))
	}
	if !d.isTree() {
		d.ref = moveMarked(a, d.ref, 4*int(d.room))
		d.places(a)[i] = by
		return by
	}
	t := d.tree(a)
	t.Defrag(i, 1)
	if d.ref = t.Root(); by != old {
		t.Replace(0, old, by)
	}
	return by
}

// check looks at a directory and adds to size what it takes with all that it names: the names in order, the form that their
// number calls for.
func (d *nameDir) check(a *arena.Arena, size *uint64) error {
	switch {
	case (d.ref == 0) != (d.n == 0):
		return fmt.Errorf("stream: %d names at %#x", d.n, d.ref)
	case d.isTree():
		t := d.tree(a)
		if err := t.Check(); err != nil {
			return fmt.Errorf("stream: %w", err)
		}
		if t.Len() != int(d.n) || d.n <= namesBack {
			return fmt.Errorf("stream: a tree of %d names is counted as %d", t.Len(), d.n)
		}
	case d.n > d.room || d.room > namesFew:
		return fmt.Errorf("stream: an array of %d names with %d places", d.n, d.room)
	}
	*size += uint64(d.bytes(a))
	for i := range int(d.n) {
		r := d.at(a, i)
		if i > 0 && bytes.Compare(streamName(a, d.at(a, i-1)), streamName(a, r)) >= 0 {
			return fmt.Errorf("stream: names %d and %d are not in order", i-1, i)
		}
		*size += uint64(arena.RoundUp(namedBytes(a, r)))
	}
	return nil
}
