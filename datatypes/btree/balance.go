package btree

import "larder/datatypes/arena"

// insert puts e into the node of the given level at place i. Counts of the nodes above already include what e brings.
func (t *Tree) insert(p *path, level, i int, e entry) {
	x := t.node(p.ref[level])
	if x.len() == x.cap() && level == p.top {
		x = t.growRoot(p)
	}
	if x.len() < x.cap() {
		x.insert(i, e)
		if i == 0 {
			t.follow(p, level)
		}
		return
	}
	up, at := t.node(p.ref[level+1]), int(p.at[level+1])
	switch {
	case i == x.len() && t.last(p, level):
		t.begin(p, level, at, at+1, e)
	case i == 0 && t.first(p, level):
		t.begin(p, level, at, at, e)
	case at > 0 && t.roomy(up, at-1):
		t.insertPair(p, level, at-1, t.node(*up.childAt(at - 1)).len()+i, e)
	case at+1 < up.len() && t.roomy(up, at+1):
		t.insertPair(p, level, at, i, e)
	default:
		t.split(p, level, i, e)
	}
}

// growRoot makes room in or above the full root, and returns the node that p leads to at the old root's level.
func (t *Tree) growRoot(p *path) node {
	h := t.header()
	old := h.root
	x := t.node(old)
	if c := x.cap(); x.level() > 0 && c < innerCap {
		c = nextCap(c)
		r := t.newNode(x.level(), c)
		by := t.node(r)
		move(by, 0, x, 0, x.len())
		by.setLen(x.len())
		t.freeNode(old)
		h.root = r
		p.ref[p.top] = r
		return by
	}
	r := t.newNode(x.level()+1, smallestCap)
	t.node(r).insert(0, entry{*x.scoreAt(0), *x.refAt(0), old, x.weight()})
	h.root = r
	h.height++
	p.top++
	p.ref[p.top], p.at[p.top] = r, 0
	return x
}

// nextCap is the next larger capacity of an inner node.
func nextCap(c int) int {
	if c == smallestCap {
		return smallerCap
	}
	return innerCap
}

// first and last tell whether the node that p leads to is the first or the last of its level.
func (t *Tree) first(p *path, level int) bool {
	for l := level + 1; l <= p.top; l++ {
		if p.at[l] != 0 {
			return false
		}
	}
	return true
}

func (t *Tree) last(p *path, level int) bool {
	for l := level + 1; l <= p.top; l++ {
		if int(p.at[l]) != t.node(p.ref[l]).len()-1 {
			return false
		}
	}
	return true
}

// roomy tells whether the i-th child of up can take entries from its neighbour, and not just one or two.
func (t *Tree) roomy(up node, i int) bool {
	x := t.node(*up.childAt(i))
	return x.len() <= x.cap()-3
}

// follow makes the nodes above the node of the given level name its first element, as far as it is their first one.
func (t *Tree) follow(p *path, level int) {
	x := t.node(p.ref[level])
	score, ref := *x.scoreAt(0), *x.refAt(0)
	for l := level + 1; l <= p.top; l++ {
		up := t.node(p.ref[l])
		*up.scoreAt(int(p.at[l])), *up.refAt(int(p.at[l])) = score, ref
		if p.at[l] != 0 {
			return
		}
	}
}

// describe makes the node of the given level say of its i-th child what is true now. If that is its first child, the
// child's first element is the same as before, so the nodes above need not hear of it: only what is below all others
// comes before a first element, and that gets a node of its own (begin), or leaves it (remove).
func (t *Tree) describe(p *path, level, i int) {
	up := t.node(p.ref[level])
	r := *up.childAt(i)
	x := t.node(r)
	up.put(i, entry{*x.scoreAt(0), *x.refAt(0), r, x.weight()})
}

// begin puts e into a new node beside the full node at the given level, at place i of the node above; that one's
// child at was the full node.
func (t *Tree) begin(p *path, level, at, i int, e entry) {
	t.describe(p, level+1, at) // it does not have what e brings
	r := t.newNode(level, t.node(p.ref[level]).cap())
	t.node(r).insert(0, e)
	t.insert(p, level+1, i, entry{e.score, e.ref, r, t.node(r).weight()})
}

// insertPair puts e at place i of two neighbours taken together, the left one at the given place of the node above,
// after moving entries so that both have as many.
func (t *Tree) insertPair(p *path, level, at, i int, e entry) {
	up := t.node(p.ref[level+1])
	left, right := t.node(*up.childAt(at)), t.node(*up.childAt(at + 1))
	spread(left, right, (left.len()+right.len()+1)/2)
	if i <= left.len() {
		left.insert(i, e)
	} else {
		right.insert(i-left.len(), e)
	}
	t.describe(p, level+1, at)
	t.describe(p, level+1, at+1)
}

// split puts e at place i of a full node without roomy neighbours, after making three nodes out of two, or two out of one
// that has no neighbour.
func (t *Tree) split(p *path, level, i int, e entry) {
	up, at := t.node(p.ref[level+1]), int(p.at[level+1])
	if at > 0 {
		at--
		i += t.node(*up.childAt(at)).len()
	}
	left := t.node(*up.childAt(at))
	r := t.newNode(level, left.cap())
	fresh := t.node(r)
	next := at + 1 // place of the new node
	if next < up.len() {
		mid := t.node(*up.childAt(next))
		next++
		third := (left.len() + mid.len()) / 3
		spread(mid, fresh, mid.len()-third)
		spread(left, mid, third)
		if n := left.len() + mid.len(); i > n {
			fresh.insert(i-n, e)
		} else if i > left.len() {
			mid.insert(i-left.len(), e)
		} else {
			left.insert(i, e)
		}
		t.describe(p, level+1, at+1)
	} else {
		spread(left, fresh, left.len()/2)
		if i > left.len() {
			fresh.insert(i-left.len(), e)
		} else {
			left.insert(i, e)
		}
	}
	t.describe(p, level+1, at)
	t.insert(p, level+1, next, entry{*fresh.scoreAt(0), *fresh.refAt(0), r, fresh.weight()})
}

// remove takes n elements out of the leaf that p leads to, from p's place on. Afterwards p leads nowhere.
func (t *Tree) remove(p *path, n int) {
	h := t.header()
	h.length -= uint32(n)
	x := t.node(p.ref[0])
	x.remove(int(p.at[0]), n)
	if h.length == 0 { // then p leads through all nodes
		for l := 1; l <= p.top; l++ {
			t.freeNode(p.ref[l])
		}
		h.root, h.height = p.ref[0], 0
		return
	}
	for l := 1; l <= p.top; l++ {
		*t.node(p.ref[l]).countAt(int(p.at[l])) -= uint32(n)
	}
	if p.at[0] == 0 && x.len() > 0 {
		t.follow(p, 0)
	}
	t.rebalance(p, 0)
}

// rebalance sees to the node of the given level, which has lost entries.
func (t *Tree) rebalance(p *path, level int) {
	x := t.node(p.ref[level])
	if level == p.top {
		h := t.header()
		for x.level() > 0 && x.len() == 1 {
			old := h.root
			h.root = *x.childAt(0)
			h.height--
			t.freeNode(old)
			x = t.node(h.root)
		}
		return
	}
	up, at := t.node(p.ref[level+1]), int(p.at[level+1])
	if x.len() == 0 {
		t.drop(p, level+1, at, p.ref[level])
		return
	}
	if x.len() >= x.half() || up.len() == 1 {
		return
	}
	lat := max(at-1, 0) // place of the left one of the pair
	left, right := t.node(*up.childAt(lat)), t.node(*up.childAt(lat + 1))
	if n := left.len() + right.len(); n > x.mergeMost() && lat < at && at+1 < up.len() {
		if next := t.node(*up.childAt(at + 1)); x.len()+next.len() < n {
			lat, left, right = at, x, next
		}
	}
	n := left.len() + right.len()
	switch {
	case n <= x.mergeMost():
		spread(left, right, n)
		t.describe(p, level+1, lat)
		t.drop(p, level+1, lat+1, *up.childAt(lat + 1))
	case !t.first(p, level) && !t.last(p, level):
		spread(left, right, n/2)
		t.describe(p, level+1, lat)
		t.describe(p, level+1, lat+1)
	}
}

// drop removes the i-th child of the node of the given level. The child, r, is empty.
func (t *Tree) drop(p *path, level, i int, r arena.Ref) {
	up := t.node(p.ref[level])
	up.remove(i, 1)
	t.freeNode(r)
	if i == 0 && up.len() > 0 {
		t.follow(p, level)
	}
	t.rebalance(p, level)
}
