package table

import "larder/datatypes/arena"

// Cursors of Scan, EachFrom and MoveSparse are positions in the order of the hashes: the leading maxDepth+placeBits = 43
// bits of the lowest hash that is still to come. Neither growth nor splitting nor merging changes the hash of an entry,
// so an entry stays behind the cursor or before it whatever happens to the table between two calls.
const cursorShift = 64 - maxDepth - placeBits

// CursorBits is how many bits a cursor of a table has at most.
const CursorBits = maxDepth + placeBits

// scanEmpty is how many segments without a match one call of Scan passes before it returns with nothing.
const scanEmpty = 64

// Scan calls fn for about count entries from the cursor on and returns the cursor to go on from; 0 is where a scan
// begins, and is returned when it has come to the end. Entries that are in the table from the first call to the last
// are seen at least once, however the table changes in between; some may be seen twice. fn may Delete the entry, and may
// not insert.
//
// Entries of equal hash always come in the same call. Any number is a cursor; those that Scan has not returned start at
// the place that they happen to name.
func (t *Table) Scan(cursor uint64, count int, fn func(e arena.Ref)) uint64 {
	if cursor >= 1<<CursorBits {
		return 0
	}
	pos := cursor << cursorShift
	for looked := 0; count > 0 && looked < scanEmpty; looked++ {
		s := t.segment(pos)
		seen, cell := t.scanSegment(&s, placeOf(pos, s.depth), count, fn)
		if seen > 0 {
			looked = 0
		}
		count -= seen
		if next := firstPlace(cell, s.n); next < places {
			pos = s.start + uint64(next)<<(64-placeBits-s.depth)
		} else if pos = s.next(); pos == 0 {
			return 0
		}
	}
	return pos >> cursorShift
}

// scanSegment shows about count entries of a segment, from a place on. It returns how many it was, and the cell before
// which all have been shown.
func (t *Table) scanSegment(s *segment, place uint32, count int, fn func(e arena.Ref)) (seen int, end uint32) {
	first, last := cellOf(place, s.n), s.n<<8
	total := s.e.total()
	if total == 0 {
		return 0, last
	}
	if count < total {
		width := (uint64(count)*places + uint64(total) - 1) / uint64(total)
		end = (min(place+uint32(width), places)*s.n + 1<<cellShift - 1) >> cellShift
		last = min(last, end)
	}
	away := uint32(0)
	for b, end := first>>8, (last-1)>>8+1; b < end; b++ {
		t.prefetchGroup(s, b, first>>8, end, false)
		bk := s.at(b)
		away |= bk.overflow()
		for m := bk.used() &^ bk.meta; m != 0; m &= m - 1 {
			i := lowest(m)
			if cell := b<<8 | uint32(bk.tags[i]); first <= cell && cell < last {
				seen++
				fn(arena.Ref(bk.refs[i]))
			}
		}
	}
	if away == 0 {
		return seen, last
	}
	t.eachAway(s, first, last, func(e uint32) { t.a.Prefetch(arena.Ref(e)) })
	t.eachAway(s, first, last, func(e uint32) {
		seen++
		fn(arena.Ref(e))
	})
	t.eachChained(s, func(e uint32, h uint64, _ uint16) {
		if cell := cellOf(placeOf(h, s.depth), s.n); first <= cell && cell < last {
			seen++
			fn(arena.Ref(e))
		}
	})
	return seen, last
}

// Each calls fn for every entry until it returns false. fn may Delete, SetEntry and SetExpire the slot that it is given.
func (t *Table) Each(fn func(s Slot, e arena.Ref) bool) {
	for pos := uint64(0); ; {
		s := t.segment(pos)
		if !t.eachSlot(&s, fn) {
			return
		}
		if pos = s.next(); pos == 0 {
			return
		}
	}
}

// AnyVolatile tells whether an entry has an expiry. It looks at no more than the directory and the segments in which one had.
func (t *Table) AnyVolatile() bool {
	for pos := uint64(0); ; {
		s := t.segment(pos)
		if s.e.minExpire != noExpiry {
			found := false
			t.eachSlot(&s, func(slot Slot, _ arena.Ref) bool {
				found = t.Volatile(slot)
				return !found
			})
			if found {
				return true
			}
		}
		if pos = s.next(); pos == 0 {
			return false
		}
	}
}

// EachFrom calls fn for every entry of the segments from the cursor on, until it has come through at least budget
// entries, and returns the cursor to go on from; 0 is where it begins, and is returned when it has come to the end. It
// guarantees what Scan guarantees, in whole segments of up to 768 entries. fn may do what it may in Each.
func (t *Table) EachFrom(cursor uint64, budget int, fn func(s Slot, e arena.Ref)) uint64 {
	if cursor >= 1<<CursorBits {
		return 0
	}
	pos := cursor << cursorShift
	for budget > 0 {
		s := t.segment(pos)
		budget -= 1 + s.e.total()
		t.eachSlot(&s, func(slot Slot, e arena.Ref) bool { fn(slot, e); return true })
		if pos = s.next(); pos == 0 {
			return 0
		}
	}
	return pos >> cursorShift
}

// slot is the first slot of bucket b.
func (s *segment) slot(b uint32) Slot { return Slot{line: s.ref(b), dir: s.dir, bucket: uint8(b)} }

// eachSlot calls fn for every entry of a segment and its chain until it returns false, and returns whether it did not.
func (t *Table) eachSlot(s *segment, fn func(s Slot, e arena.Ref) bool) bool {
	for b := range s.n {
		t.prefetchGroup(s, b, 0, s.n, false)
		if !t.eachOf(s.slot(b), fn) {
			return false
		}
	}
	for c := s.e.chain; c != 0; c = t.link(c).next {
		for line := range linkLines {
			if !t.eachOf(chainSlot(s.dir, c, line, 0), fn) {
				return false
			}
		}
	}
	return true
}

// eachOf calls fn for every entry of one bucket, whose first slot is slot.
func (t *Table) eachOf(slot Slot, fn func(s Slot, e arena.Ref) bool) bool {
	b := t.bucket(slot)
	for m := b.used(); m != 0; m &= m - 1 {
		slot.i = uint8(lowest(m))
		if !fn(slot, arena.Ref(b.refs[slot.i])) {
			return false
		}
	}
	return true
}
