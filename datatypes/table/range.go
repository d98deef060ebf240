package table

import "larder/datatypes/arena"

// Range calls fn for every entry whose hash is at least from and below to; a to of 0 is above all hashes. fn is given the
// hash and may change nothing. What is in a range does not depend on how the table is built: it is for whoever keeps
// account of ranges while the table changes.
//
// It looks at the buckets of the range, and at all of their segments' if entries at home there stand elsewhere. Each
// entry that may belong to the range costs reading its key.
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
	for b := first >> 8; b <= (last-1)>>8; b++ {
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
	for b := range s.n {
		bk := s.at(b)
		for m := bk.meta & slotMask; m != 0; m &= m - 1 {
			i := lowest(m)
			if cell := alternate(b, bk.tags[i], s.n)<<8 | uint32(bk.tags[i]); first <= cell && cell < last {
				show(bk.refs[i])
			}
		}
	}
	t.eachChained(s, func(e uint32, _ uint64, _ uint16) { show(e) })
}
