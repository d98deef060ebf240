package datatypes

import (
	"fmt"

	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

// A ListIter walks over items of a list, which must not change meanwhile:
//
//	for it := l.Iter(0, 100, false); it.Next(); {
//		reply.Bulk(it.Bytes())
//	}
type ListIter struct {
	t        listTree // of the zero arena for a list that is one listpack
	p        listPath
	b        []byte // the block
	at       int    // forward: offset of the next element; backward: offset behind it
	left     int
	backward bool
	elem     listpack.Elem
	text     [20]byte
}

// Iter walks over at most count items, beginning with the one at start (counted from the end if negative), towards the
// tail or, if backward, towards the head. A start outside the list is the end of the walk. O(log blocks) to begin, O(1)
// per item.
func (l *List) Iter(start, count int, backward bool) ListIter {
	it := ListIter{backward: backward}
	start, ok := l.position(start)
	if !ok || count <= 0 {
		return it
	}
	if backward {
		it.left = min(count, start+1)
	} else {
		it.left = min(count, l.Len()-start)
	}
	if l.isTree() {
		it.t = l.tree()
		it.b, it.at = it.t.seek(&it.p, start)
	} else {
		it.b = l.h.Bytes()
		it.at, _ = listpack.Seek(it.b, start)
	}
	if backward {
		it.at = listpack.Next(it.b, it.at)
	}
	return it
}

// Range walks over the items from start to stop, both included and counted from the end if negative, as LRANGE does.
// It also returns how many there are.
func (l *List) Range(start, stop int) (ListIter, int) {
	first, count := span(start, stop, l.Len())
	return l.Iter(first, count, false), count
}

// Next moves on to the next item; it returns false if there is none.
func (it *ListIter) Next() bool {
	if it.left == 0 {
		return false
	}
	it.left--
	if it.backward {
		if it.at <= listpack.HeaderSize {
			it.t.prev(&it.p)
			it.b = it.t.block(&it.p).bytes(it.t.a)
			it.at = len(it.b)
		}
		it.at = listpack.Prev(it.b, it.at)
		it.elem = listpack.Get(it.b, it.at)
		return true
	}
	if it.at >= len(it.b) {
		it.t.next(&it.p)
		it.b = it.t.block(&it.p).bytes(it.t.a)
		it.at = listpack.HeaderSize
	}
	it.elem, it.at = listpack.Read(it.b, it.at)
	return true
}

// Bytes is the current item. An item stored as an integer is written to the iterator and lasts until Next.
func (it *ListIter) Bytes() []byte { return it.elem.Bytes(it.text[:]) }

// Elem is the current item as it is stored.
func (it *ListIter) Elem() listpack.Elem { return it.elem }

// Each calls fn for the items in order until it returns false.
func (l *List) Each(fn func(item listpack.Elem) bool) {
	for it := l.Iter(0, noLimit, false); it.Next(); {
		if !fn(it.elem) {
			return
		}
	}
}

// Blocks calls fn for the list's blocks in order, each a listpack, until it returns false. A list that is one listpack
// is one block.
func (l *List) Blocks(fn func(b []byte) bool) {
	if !l.isTree() {
		if b := l.h.Bytes(); len(b) > 0 {
			fn(b)
		}
		return
	}
	t := l.tree()
	var p listPath
	for ok := t.first(&p); ok; ok = t.next(&p) {
		if !fn(t.block(&p).bytes(t.a)) {
			return
		}
	}
}

// BlockCount is how many blocks there are.
func (l *List) BlockCount() int {
	if l.isTree() {
		t := l.tree()
		return int(t.head().blocks)
	}
	return min(1, len(l.h.Bytes()))
}

// BlockAt is the block that holds the item at index, and how many items of it come before that one. It is for walks
// over a list that may change in between: the caller goes on with the index after the block's last item. ok is false
// if there is no such item. O(log blocks).
func (l *List) BlockAt(index int) (b []byte, before int, ok bool) {
	if index < 0 || index >= l.Len() {
		return nil, 0, false
	}
	if !l.isTree() {
		return l.h.Bytes(), index, true
	}
	t := l.tree()
	var p listPath
	before = t.findItem(&p, index)
	return t.block(&p).bytes(t.a), before, true
}

// Pos calls fn with the index of items that equal item, until it returns false. It begins with match number rank: 1 is
// the first, 2 the second, -1 the last, -2 the one before; from a negative rank on it goes towards the head. At most
// maxLen items are compared; 0 means all. O(items compared).
func (l *List) Pos(item []byte, rank, maxLen int, fn func(index int) bool) {
	n, skip, backward, start := l.Len(), rank-1, rank < 0, 0
	if backward {
		skip, start = -(rank + 1), n-1
	}
	if maxLen <= 0 {
		maxLen = n
	}
	num, isInt := listpack.ParseInt(item)
	it := l.Iter(start, maxLen, backward)
	for i := start; it.Next(); {
		equal := false
		if it.elem.Str == nil {
			equal = isInt && it.elem.Int == num
		} else {
			equal = string(it.elem.Str) == string(item)
		}
		if equal {
			if skip > 0 {
				skip--
			} else if !fn(i) {
				return
			}
		}
		if backward {
			i--
		} else {
			i++
		}
	}
}

// Check looks at the whole list and says what is inconsistent.
func (l *List) Check() error {
	if l.h.Enc() != EncRoot {
		if l.h.Enc() != EncBlob {
			return fmt.Errorf("list: encoding %d", l.h.Enc())
		}
		return listpack.Validate(l.h.Bytes())
	}
	t := l.tree()
	h := *t.head()
	sum := listSum{bytes: arena.RoundUp(listHeadBytes)}
	if err := t.check(h.root, int(h.height), int(h.height), &sum); err != nil {
		return err
	}
	if got := (listSum{int(h.items), int(h.blocks), int(h.bytes)}); got != sum {
		return fmt.Errorf("list: header says %+v, the tree has %+v", got, sum)
	}
	return nil
}

type listSum struct{ items, blocks, bytes int }

func (t *listTree) check(r arena.Ref, height, top int, sum *listSum) error {
	if height > 0 {
		in := t.inner(r)
		sum.bytes += arena.RoundUp(listInnerBytes)
		if in.n == 0 || int(in.n) > listInnerChildren || height == top && in.n < 2 {
			return fmt.Errorf("list: inner node %#x at height %d of %d has %d children", r, height, top, in.n)
		}
		for i := range int(in.n) {
			before := sum.items
			if err := t.check(in.child[i], height-1, top, sum); err != nil {
				return err
			}
			if sum.items-before != int(in.items[i]) {
				return fmt.Errorf("list: inner node %#x counts %d items in child %d of %d", r, in.items[i], i, sum.items-before)
			}
		}
		return nil
	}
	lf := t.leaf(r)
	sum.bytes += arena.RoundUp(listLeafBytes(int(lf.room)))
	if lf.n > lf.room || int(lf.room) > listLeafBlocks || top > 0 && (lf.n == 0 || int(lf.room) != listLeafBlocks) {
		return fmt.Errorf("list: leaf %#x has %d of %d blocks", r, lf.n, lf.room)
	}
	for i := range lf.block[:lf.n] {
		d := &lf.block[i]
		if d.off+d.len > d.cap || d.len <= listpack.HeaderSize || d.count == 0 {
			return fmt.Errorf("list: block %#x: %+v", d.ref, *d)
		}
		b := d.bytes(t.a)
		if err := listpack.Validate(b); err != nil {
			return fmt.Errorf("list: block %#x: %w", d.ref, err)
		}
		if n := listpack.Len(b); n != int(d.count) {
			return fmt.Errorf("list: block %#x of %d items is counted as %d", d.ref, n, d.count)
		}
		if d.even != 0 && d.even != evenSize(b) {
			return fmt.Errorf("list: block %#x has elements of other sizes than %d", d.ref, d.even)
		}
		sum.items += int(d.count)
		sum.blocks++
		sum.bytes += arena.RoundUp(int(d.cap))
	}
	return nil
}
