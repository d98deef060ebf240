package datatypes

import (
	"larder/datatypes/listpack"
)

// What the commands do to a list that is a tree: pushing, dropping, inserting, replacing, removing items.

func (t *listTree) pushTail(item []byte) {
	e, size := listpack.Measure(listpack.String(item))
	var p listPath
	if t.last(&p) {
		d := t.block(&p)
		if t.limit.allows(int(d.len)+size, int(d.count)+1) {
			t.insertElem(d, int(d.len), e, size)
			t.counted(&p, 1)
			return
		}
		t.tighten(d)
	}
	t.insertBlock(&p, true, t.newBlock(e, size, false))
}

func (t *listTree) pushHead(item []byte) {
	e, size := listpack.Measure(listpack.String(item))
	var p listPath
	if t.first(&p) {
		d := t.block(&p)
		if t.limit.allows(int(d.len)+size, int(d.count)+1) {
			t.insertElem(d, listpack.HeaderSize, e, size)
			t.counted(&p, 1)
			return
		}
		t.tighten(d)
	}
	t.insertBlock(&p, false, t.newBlock(e, size, true))
}

// appendBlock copies the listpack b of count items, not empty, to the end of the list.
func (t *listTree) appendBlock(b []byte, count int) {
	var p listPath
	if t.last(&p) {
		d := t.block(&p)
		if t.limit.allows(int(d.len)+len(b)-listpack.HeaderSize, int(d.count)+count) {
			t.join(d, b, count, evenSize(b))
			t.counted(&p, count)
			return
		}
		t.tighten(d)
	}
	t.insertBlock(&p, true, t.tightBlock(b[listpack.HeaderSize:], count, evenSize(b)))
}

func (t *listTree) dropHead(n int) {
	var p listPath
	for n > 0 && t.first(&p) {
		d := t.block(&p)
		if n >= int(d.count) {
			n -= int(d.count)
			t.removeBlock(&p)
			continue
		}
		q := d.seek(d.bytes(t.a), n)
		t.cutElems(d, listpack.HeaderSize, q, n)
		t.counted(&p, -n)
		return
	}
}

func (t *listTree) dropTail(n int) {
	var p listPath
	for n > 0 && t.last(&p) {
		d := t.block(&p)
		if n >= int(d.count) {
			n -= int(d.count)
			t.removeBlock(&p)
			continue
		}
		q := d.seek(d.bytes(t.a), int(d.count)-n)
		t.cutElems(d, q, int(d.len), n)
		t.counted(&p, -n)
		return
	}
}

// insertAt puts item before the element at offset at of the path's block; at may be the block's end.
func (t *listTree) insertAt(p *listPath, at int, item []byte) {
	e, size := listpack.Measure(listpack.String(item))
	for {
		d := t.block(p)
		switch {
		case t.limit.allows(int(d.len)+size, int(d.count)+1):
			t.insertElem(d, at, e, size)
			t.counted(p, 1)
			return
		case at == listpack.HeaderSize:
			if q := *p; t.prev(&q) {
				if d := t.block(&q); t.limit.allows(int(d.len)+size, int(d.count)+1) {
					t.insertElem(d, int(d.len), e, size)
					t.counted(&q, 1)
					return
				}
			}
			t.insertBlock(p, false, t.loneBlock(e, size))
			return
		case at == int(d.len):
			if q := *p; t.next(&q) {
				if d := t.block(&q); t.limit.allows(int(d.len)+size, int(d.count)+1) {
					t.insertElem(d, listpack.HeaderSize, e, size)
					t.counted(&q, 1)
					return
				}
			}
			t.insertBlock(p, true, t.loneBlock(e, size))
			return
		}
		// Into the middle of a full block: split it, and look at the part where the item belongs. That part is
		// shorter, so this ends; after the usual split in halves it has the room.
		cut := at
		if size <= t.limit.bytes/2 {
			cut = halfway(d.bytes(t.a))
		}
		t.split(p, cut)
		if at <= cut {
			t.prev(p)
		} else {
			at += listpack.HeaderSize - cut
		}
	}
}

// halfway is the offset of the element nearest to the middle of the bytes that leaves at least one on either side.
func halfway(b []byte) int {
	p := listpack.Next(b, listpack.First(b))
	for {
		next := listpack.Next(b, p)
		if next >= len(b) || next > len(b)/2 {
			return p
		}
		p = next
	}
}

// replace puts item in the place of the element at offset at of the path's block.
func (t *listTree) replace(p *listPath, at int, item []byte) {
	e, size := listpack.Measure(listpack.String(item))
	d := t.block(p)
	old := listpack.Next(d.bytes(t.a), at) - at
	if d.count > 1 && !t.limit.allows(int(d.len)+size-old, int(d.count)) {
		t.cutElems(d, at, at+old, 1)
		t.counted(p, -1)
		t.insertAt(p, at, item)
		return
	}
	b := t.open(d, at, old, size)
	listpack.Place(b, at, e)
	listpack.SetLen(b, int(d.count))
	if d.count == 1 {
		d.even = evenOf(size)
	} else if int(d.even) != size {
		d.even = 0
	}
	t.slim(d)
}

// slim gives back the slack of a block that has become much smaller than its allocation.
func (t *listTree) slim(d *listBlock) {
	if d.cap >= 256 && d.len < d.cap/4 {
		t.tighten(d)
	}
}

// remove removes up to left items that equal item, from the end if backward, and returns how many that were.
func (t *listTree) remove(item []byte, left int, backward bool) (removed int) {
	var p listPath
	ok, pos := false, 0 // pos: the items before the block, or after it if backward
	if backward {
		ok = t.last(&p)
	} else {
		ok = t.first(&p)
	}
	for ok && removed < left {
		n, same := t.removeIn(&p, item, left-removed, backward, &pos)
		removed += n
		switch items := int(t.head().items); {
		case same && backward:
			ok = t.prev(&p)
		case same:
			ok = t.next(&p)
		case pos >= items:
			ok = false
		case backward:
			t.findItem(&p, items-1-pos)
		default:
			t.findItem(&p, pos)
		}
	}
	return removed
}

// removeIn removes items from the path's block, adds to pos how many stay, and returns how many it removed and
// whether the path still is valid.
func (t *listTree) removeIn(p *listPath, item []byte, left int, backward bool, pos *int) (removed int, same bool) {
	d := t.block(p)
	b := d.bytes(t.a)
	matches := 0
	for at, found := listpack.Find(b, listpack.HeaderSize, item, 0); found; at, found = listpack.Find(b, listpack.Next(b, at), item, 0) {
		matches++
	}
	removed = min(matches, left)
	*pos += int(d.count) - removed
	switch removed {
	case 0:
		return 0, true
	case int(d.count):
		t.removeBlock(p)
		return removed, false
	}
	spare := 0 // matches in front that stay
	if backward {
		spare = matches - removed
	}
	to, from := listpack.HeaderSize, listpack.HeaderSize
	for i, look := 0, from; i < spare+removed; i++ {
		at, _ := listpack.Find(b, look, item, 0)
		look = listpack.Next(b, at)
		if i >= spare {
			to += copy(b[to:], b[from:at])
			from = look
		}
	}
	to += copy(b[to:], b[from:])
	d.len = uint32(to)
	d.setCount(t.a, int(d.count)-removed)
	t.counted(p, -removed)
	return removed, !t.joinDone(p, backward)
}

// joinDone joins the path's block, which has lost items, with its neighbour in the leaf that was looked at before it,
// if they fit together. It returns whether it did.
func (t *listTree) joinDone(p *listPath, backward bool) bool {
	lf, i := t.leafOf(p), int(p.at[p.depth])
	if !backward {
		i--
	}
	if i < 0 || i+1 >= int(lf.n) {
		t.slim(t.block(p))
		return false
	}
	d, gone := &lf.block[i], &lf.block[i+1]
	if !t.limit.allows(int(d.len)+int(gone.len)-listpack.HeaderSize, int(d.count)+int(gone.count)) {
		t.slim(t.block(p))
		return false
	}
	t.join(d, gone.bytes(t.a), int(gone.count), gone.even)
	t.release(gone.ref, int(gone.cap))
	gone.count = 0 // its items are still below the same nodes
	p.at[p.depth] = int16(i + 1)
	t.forgetBlock(p)
	return true
}

// split divides the path's block at an offset that is not at its ends. The path then leads to the right part.
func (t *listTree) split(p *listPath, at int) {
	d := t.block(p)
	b := d.bytes(t.a)
	left := 0
	for q := listpack.First(b); q < at; q = listpack.Next(b, q) {
		left++
	}
	right := t.tightBlock(b[at:], int(d.count)-left, d.even)
	d.len = uint32(at)
	t.counted(p, left-int(d.count))
	d.setCount(t.a, left)
	t.tighten(d)
	t.insertBlock(p, true, right)
}

// Freeing, moving.

// free frees the whole tree at once; for trees of few blocks.
func (t *listTree) free() {
	for !t.freeStep(1 << 20) {
	}
}

// freeStep frees up to about budget allocations from the end of the tree, which nothing reads any more: the counts of
// inner nodes are not kept. It returns whether all is freed, the header too.
func (t *listTree) freeStep(budget int) (done bool) {
	h := t.head()
	var p listPath
	for ; budget > 0; budget-- {
		p.depth = int(h.height)
		t.rightmost(&p, 0, h.root)
		lf := t.leafOf(&p)
		for ; lf.n > 0; lf.n-- {
			if budget--; budget < 0 {
				return false
			}
			d := &lf.block[lf.n-1]
			t.release(d.ref, int(d.cap))
		}
		level := p.depth
		t.releaseNode(&p, level, p.node[level])
		for level--; level >= 0; level-- {
			in := t.innerOf(&p, level)
			if in.n--; in.n > 0 {
				break
			}
			t.release(p.node[level], listInnerBytes)
		}
		if level < 0 {
			t.a.Free(t.root, listHeadBytes)
			return true
		}
	}
	return false
}

// Defrag moves the list's allocations out of pages that are being emptied, about budget of them per call. It begins
// with cursor 0 and goes on with what it returned, until that is 0. What is inserted in between may be left out.
func (l *List) Defrag(cursor uint64, budget int) (next uint64) {
	if !l.isTree() {
		return 0
	}
	t := l.tree()
	if cursor == 0 {
		if r := moveMarked(t.a, t.root, listHeadBytes); r != t.root {
			setRoot(l.h, r)
			t.root = r
		}
	}
	h := t.head()
	for ; budget > 0; budget-- {
		if cursor >= h.items {
			return 0
		}
		var p listPath
		t.findItem(&p, int(cursor))
		ref := &h.root
		for level := 0; level < p.depth; level++ {
			*ref = moveMarked(t.a, *ref, listInnerBytes)
			ref = &t.inner(*ref).child[p.at[level]]
		}
		*ref = moveMarked(t.a, *ref, listLeafBytes(int(t.leaf(*ref).room)))
		lf := t.leaf(*ref)
		for i := range lf.block[:lf.n] {
			d := &lf.block[i]
			d.ref = moveMarked(t.a, d.ref, int(d.cap))
			if i >= int(p.at[p.depth]) {
				cursor += uint64(d.count)
			}
			budget--
		}
	}
	return cursor
}
