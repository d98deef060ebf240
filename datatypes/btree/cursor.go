package btree

import (
	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// Cursor stands at an element, or before the first or after the last one. It is valid until the tree is modified.
type Cursor struct {
	t Tree
	p path
	x node // the leaf
}

// Valid tells whether the cursor stands at an element.
func (c *Cursor) Valid() bool { return uint(c.p.at[0]) < uint(c.x.len()) }

// Score is the score of the element at which the cursor stands.
func (c *Cursor) Score() float64 { return *c.x.scoreAt(int(c.p.at[0])) }

// Ref is the ref of the member at which the cursor stands.
func (c *Cursor) Ref() arena.Ref { return *c.x.refAt(int(c.p.at[0])) }

// ahead is how far before its use a member is asked for while a cursor walks.
const ahead = 8

// Next moves to the next element, or after the last one. O(1) on average.
func (c *Cursor) Next() {
	c.p.at[0]++
	n := int16(c.x.len())
	if c.p.at[0] < n {
		c.t.a.Prefetch(*c.x.refAt(int(min(c.p.at[0]+ahead, n-1))))
		return
	}
	for l := 1; l <= c.p.top; l++ {
		if int(c.p.at[l])+1 < c.t.node(c.p.ref[l]).len() {
			c.p.at[l]++
			c.down(l, false)
			return
		}
	}
	c.p.at[0] = n // once more Next does not lead further away
}

// Prev moves to the element before, or before the first one. O(1) on average.
func (c *Cursor) Prev() {
	if c.p.at[0] > 0 {
		c.p.at[0]--
		c.t.a.Prefetch(*c.x.refAt(int(max(c.p.at[0]-ahead, 0))))
		return
	}
	for l := 1; l <= c.p.top; l++ {
		if c.p.at[l] > 0 {
			c.p.at[l]--
			c.down(l, true)
			return
		}
	}
	c.p.at[0] = -1
}

// down leads the path on from level l to the first or the last element below.
func (c *Cursor) down(l int, last bool) {
	for ; l > 0; l-- {
		r := *c.t.node(c.p.ref[l]).childAt(int(c.p.at[l]))
		c.p.ref[l-1], c.p.at[l-1] = r, 0
		if last {
			c.p.at[l-1] = int16(c.t.node(r).len() - 1)
		}
	}
	c.x = c.t.node(c.p.ref[0])
	n := c.x.len()
	for i := range min(ahead, n) {
		if last {
			i = n - 1 - i
		}
		c.t.a.Prefetch(*c.x.refAt(i))
	}
}

// At is a cursor at the element with rank elements before it, O(log n). It stands after the last one if rank is Len.
func (t *Tree) At(rank int) Cursor {
	invariant.Assert(rank >= 0 && rank <= t.Len(), "btree: a rank outside the tree")
	c := Cursor{t: *t}
	t.at(&c.p, rank)
	c.x = t.node(c.p.ref[0])
	return c
}

func (t *Tree) at(p *path, rank int) {
	h := t.header()
	p.top = int(h.height)
	r, left := h.root, uint32(rank)
	for l := p.top; l > 0; l-- {
		x := t.node(r)
		counts := x.counts()
		i := 0
		for i < len(counts)-1 && left >= counts[i] {
			left -= counts[i]
			i++
		}
		p.ref[l], p.at[l] = r, int16(i)
		r = *x.childAt(i)
	}
	p.ref[0], p.at[0] = r, int16(left)
}

// Rank is the number of elements before (score, ref), O(log n); -1 if there is no such element.
func (t *Tree) Rank(score float64, ref arena.Ref) int {
	var p path
	if !t.find(&p, score, t.layout.Key(t.a, ref), ref) {
		return -1
	}
	return t.rank(&p)
}

// rank is the number of elements before the one that p leads to.
func (t *Tree) rank(p *path) int {
	n := int(p.at[0])
	for l := 1; l <= p.top; l++ {
		n += int(sum(t.node(p.ref[l]).counts()[:p.at[l]]))
	}
	return n
}

// seekScore leads to the first element with a score of at least the given one, or above it.
func (t *Tree) seekScore(p *path, score float64, above bool) {
	h := t.header()
	p.top = int(h.height)
	r := h.root
	for l := p.top; ; l-- {
		x := t.node(r)
		p.ref[l] = r
		i := 0
		if above {
			i = upper(x.scores(), score)
		} else {
			i = lower(x.scores(), score)
		}
		if l == 0 {
			p.at[0] = int16(i)
			return
		}
		i = max(i-1, 0)
		p.at[l] = int16(i)
		r = *x.childAt(i)
		if l == 1 {
			t.touch(r)
		}
	}
}

// seekLex leads to the first element with a member of at least key, or above it, if all scores are equal.
func (t *Tree) seekLex(p *path, key []byte, above bool) {
	h := t.header()
	p.top = int(h.height)
	r := h.root
	for l := p.top; ; l-- {
		x := t.node(r)
		p.ref[l] = r
		lo := t.among(x.refs(), 0, x.len(), key, 0, above)
		if l == 0 {
			p.at[0] = int16(lo)
			return
		}
		lo = max(lo-1, 0)
		p.at[l] = int16(lo)
		r = *x.childAt(lo)
	}
}

// CountLess is the number of elements with a score below the given one, or not above it. O(log n).
func (t *Tree) CountLess(score float64, orEqual bool) int {
	var p path
	t.seekScore(&p, score, orEqual)
	return t.rank(&p)
}

// CountLessLex is the number of elements with a member below key, or not above it, if all scores are equal. O(log n).
// If they are not, it is some number between 0 and Len.
func (t *Tree) CountLessLex(key []byte, orEqual bool) int {
	var p path
	t.seekLex(&p, key, orEqual)
	return t.rank(&p)
}

// SeekScore is a cursor at the first element with a score of at least the given one, or above it, O(log n). When there
// is none it stands after the last one.
func (t *Tree) SeekScore(score float64, above bool) Cursor {
	c := Cursor{t: *t}
	t.seekScore(&c.p, score, above)
	return c.settle()
}

// Seek is a cursor at the first element that is not below (score, key), O(log n). When there is none it stands after the last one.
func (t *Tree) Seek(score float64, key []byte) Cursor {
	c := Cursor{t: *t}
	x := t.descend(&c.p, score, key, 0)
	c.p.at[0] = int16(t.place(x, score, key))
	return c.settle()
}

// SeekLex is a cursor at the first element with a member of at least key, or above it, if all scores are equal. O(log n).
// When there is none it stands after the last one. If scores differ it stands somewhere.
func (t *Tree) SeekLex(key []byte, above bool) Cursor {
	c := Cursor{t: *t}
	t.seekLex(&c.p, key, above)
	return c.settle()
}

// settle moves a cursor from the end of a leaf to the next one's first element.
func (c Cursor) settle() Cursor {
	c.x = c.t.node(c.p.ref[0])
	if n := int16(c.x.len()); c.p.at[0] == n && n > 0 {
		c.p.at[0]--
		c.Next()
	}
	return c
}
