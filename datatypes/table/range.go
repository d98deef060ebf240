package table

import "larder/datatypes/arena"

// Range calls fn for every entry whose hash is at least from and below to; a to of 0 is above all hashes. fn is given the
// hash and may change nothing. What is in a range does not depend on how the table is built: it is for whoever keeps
// account of ranges while the table changes.
//
// It looks at the buckets of the range, and at all of their segments' if entries at home there stand elsewhere. Each
// entry that may belong to the range costs reading its key, so they are loaded many at a time: fn finds them at hand.
func (t *Table) Range(from, to uint64, fn func(h uint64, e arena.Ref)) {
	for pos := from; ; {
		s := t.segment(pos)
		next := s.next()
		end := next
		if to != 0 && (end == 0 || to < end) {
			end = to
		}
		t.rangeOf(&s, pos, end, fn)
		if pos = next; pos == 0 || to != 0 && pos >= to {
			return
		}
	}
}

// rangeOf is Range within one segment. Both ends are in it, or the end is where it ends.
func (t *Table) rangeOf(s *segment, from, to uint64, fn func(h uint64, e arena.Ref)) {
	if s.e.total() == 0 {
		return
	}
	first, last := cellOf(placeOf(from, s.depth), s.n), s.n<<8
	if to != s.next() {
		last = cellOf(placeOf(to-1, s.depth), s.n) + 1
	}
	show := func(e uint32) {
		if h := t.hashOf(e); h >= from && (to == 0 || h < to) {
			fn(h, arena.Ref(e))
		}
	}
	away := uint32(0)
	for b, end := first>>8, (last-1)>>8+1; b < end; b++ {
		t.prefetchGroup(s, b, first>>8, end, true)
		bk := s.at(b)
		away |= bk.overflow()
		for m := bk.used() &^ bk.meta; m != 0; m &= m - 1 {
			i := lowest(m)
			if cell := b<<8 | uint32(bk.tags[i]); first <= cell && cell < last {
				show(bk.refs[i])
			}
		}
	}
	if away == 0 {
		return
	}
	t.eachAway(s, first, last, func(e uint32) { t.a.PrefetchEntry(arena.Ref(e)) })
	t.eachAway(s, first, last, show)
	t.eachChained(s, func(e uint32, _ uint64, _ uint16) { show(e) })
}

// eachAway calls fn for the entries of a segment that are at home in a range of cells and stand elsewhere, in another bucket.
func (t *Table) eachAway(s *segment, first, last uint32, fn func(e uint32)) {
	for b := range s.n {
		bk := s.at(b)
		for m := bk.meta & slotMask; m != 0; m &= m - 1 {
			i := lowest(m)
			if cell := alternate(b, bk.tags[i], s.n)<<8 | uint32(bk.tags[i]); first <= cell && cell < last {
				fn(bk.refs[i])
			}
		}
	}
}
