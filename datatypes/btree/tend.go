package btree

import "larder/datatypes/arena"

// DeleteRange removes n elements from rank on, which are there, O(log n + n). Each is given to fn after it is gone
// from the tree; fn must not touch the tree, but may free the member if it is no longer in it.
func (t *Tree) DeleteRange(rank, n int, fn func(score float64, ref arena.Ref)) {
	var scores [leafCap]float64
	var refs [leafCap]arena.Ref
	for n > 0 {
		var p path
		t.at(&p, rank)
		x := t.node(p.ref[0])
		k := copy(scores[:min(n, leafCap)], x.scores()[p.at[0]:])
		copy(refs[:], x.refs()[p.at[0]:])
		t.remove(&p, k)
		for i := range k {
			fn(scores[i], refs[i])
		}
		n -= k
	}
}

// FreeStep frees up to budget nodes and returns whether none is left. Once it has begun the tree may only be given to
// FreeStep, and once it has returned true there is no tree. Members are not freed, nor read.
func (t *Tree) FreeStep(budget int) (done bool) {
	h := t.header()
	for ; budget > 0; budget-- {
		if h.root == 0 {
			t.a.Free(t.root, treeBytes)
			t.root = 0
			return true
		}
		var up node
		r := h.root
		x := t.node(r)
		for x.level() > 0 && x.len() > 0 {
			up, r = x, *x.childAt(x.len() - 1)
			x = t.node(r)
		}
		t.freeNode(r)
		if up.p == nil {
			h.root = 0
		} else {
			up.setLen(up.len() - 1)
		}
	}
	return false
}

// Defrag moves the nodes that an evacuation of the arena wants moved, and on its first step the header: Root may change.
// It looks at the leaves from rank on, about budget of them, and the nodes above. It returns where to go on and whether
// there is more. The tree may be modified between two steps.
func (t *Tree) Defrag(rank, budget int) (next int, more bool) {
	if rank == 0 && t.a.ShouldMove(t.root, treeBytes) {
		t.root = t.a.Move(t.root, treeBytes)
	}
	for ; budget > 0; budget-- {
		if rank >= t.Len() && rank > 0 {
			return 0, false
		}
		var p path
		t.at(&p, rank)
		for l := p.top; l >= 0; l-- {
			size := t.node(p.ref[l]).bytes()
			if !t.a.ShouldMove(p.ref[l], size) {
				continue
			}
			p.ref[l] = t.a.Move(p.ref[l], size)
			if l == p.top {
				t.header().root = p.ref[l]
			} else {
				*t.node(p.ref[l+1]).childAt(int(p.at[l+1])) = p.ref[l]
			}
		}
		rank += max(t.node(p.ref[0]).len()-int(p.at[0]), 1)
	}
	return rank, rank < t.Len()
}
