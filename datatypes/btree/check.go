package btree

import (
	"bytes"
	"fmt"
	"math"

	"larder/datatypes/arena"
)

// checker walks the tree in order.
type checker struct {
	t     *Tree
	prev  entry
	any   bool // prev is an element
	words uint32
}

// Check walks the whole tree and says what is inconsistent. O(n).
func (t *Tree) Check() error {
	h := t.header()
	c := checker{t: t}
	n, _, err := c.node(h.root, int(h.height), true, true)
	if err != nil {
		return err
	}
	if n != h.length || c.words != h.words {
		return fmt.Errorf("the header says %d elements and %d words, found %d and %d", h.length, h.words, n, c.words)
	}
	return nil
}

// node checks what is at and below r, which is the first and the last node of its level or not, and returns how many
// elements there are, and the first.
func (c *checker) node(r arena.Ref, level int, first, last bool) (n uint32, head entry, err error) {
	x := c.t.node(r)
	root := first && last && level == int(c.t.header().height)
	c.words += uint32(arena.RoundUp(x.bytes()) / wordBytes)
	least := 1
	switch {
	case root && level == 0:
		least = 0
	case root:
		least = 2
	case !first && !last:
		least = x.mergeMost() / 2
	}
	fits := x.cap() == leafCap
	if level > 0 {
		fits = x.cap() == innerCap || root && (x.cap() == smallestCap || x.cap() == smallerCap)
	}
	if x.level() != level || !fits || x.len() > x.cap() || x.len() < least {
		return 0, head, fmt.Errorf("node %#x: level %d instead of %d, or capacity %d, or length %d, at least %d",
			r, x.level(), level, x.cap(), x.len(), least)
	}
	if level == 0 {
		for i, e := range x.refs() {
			if err := c.element(entry{score: x.scores()[i], ref: e}); err != nil {
				return 0, head, fmt.Errorf("leaf %#x, place %d: %w", r, i, err)
			}
		}
		if x.len() > 0 {
			head = entry{score: *x.scoreAt(0), ref: *x.refAt(0)}
		}
		return uint32(x.len()), head, nil
	}
	for i, child := range x.childs() {
		k, e, err := c.node(child, level-1, first && i == 0, last && i == x.len()-1)
		if err != nil {
			return 0, head, err
		}
		if k != x.counts()[i] || e.score != x.scores()[i] || e.ref != x.refs()[i] {
			return 0, head, fmt.Errorf("node %#x says of child %d: %d elements from %v %#x on; there are %d from %v %#x on",
				r, i, x.counts()[i], x.scores()[i], x.refs()[i], k, e.score, e.ref)
		}
		n += k
		if i == 0 {
			head = e
		}
	}
	return n, head, nil
}

func (c *checker) element(e entry) error {
	if math.IsNaN(e.score) {
		return fmt.Errorf("the score is no number")
	}
	if p := c.prev; c.any && (p.score > e.score || p.score == e.score &&
		bytes.Compare(c.t.layout.Key(c.t.a, p.ref), c.t.layout.Key(c.t.a, e.ref)) >= 0) {
		return fmt.Errorf("(%v, %q) stands after (%v, %q)", e.score, c.t.layout.Key(c.t.a, e.ref), p.score, c.t.layout.Key(c.t.a, p.ref))
	}
	c.prev, c.any = e, true
	return nil
}
