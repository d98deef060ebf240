package table

import (
	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// beingFreed stands in sweepPos of a table that FreeStep has begun to take apart; tendPos says how far it has come.
const beingFreed = 1<<32 - 1

// FreeStep takes the table apart: it calls free, unless that is nil, for about budget entries, and frees the memory of
// the segments that are empty then. It returns whether all is gone. After the first step the table is good for nothing
// but further steps; after the last one the handle is dead.
func (t *Table) FreeStep(budget int, free func(e arena.Ref)) (done bool) {
	hd := t.header()
	if hd.sweepPos != beingFreed {
		hd.sweepPos, hd.tendPos = beingFreed, 0
	}
	for pos := uint64(hd.tendPos&^tendWanted) << (64 - maxDepth); ; {
		if budget <= 0 {
			return false
		}
		s := t.segment(pos)
		budget -= 1 + t.freeEntries(&s, budget, free)
		if s.e.total() > 0 {
			return false
		}
		e := t.take(&s)
		t.freeSegment(&e)
		next := s.next()
		if top, _ := t.locate(pos); next&(pageSpan(top)-1) == 0 {
			t.freePage(top)
		}
		if next == 0 {
			break
		}
		pos = next
		hd.tendPos = uint32(pos >> (64 - maxDepth))
	}
	invariant.Check(hd.buckets == 0, "table: %d buckets left", hd.buckets)
	t.freeTop(hd.topRef(), hd.topBits())
	t.a.Free(t.Root(), headerSize)
	t.setRoot(0)
	return true
}

// freeEntries deletes up to budget entries of a segment and returns how many it was. Without free there is nothing to
// do for the single entry.
func (t *Table) freeEntries(s *segment, budget int, free func(e arena.Ref)) (freed int) {
	hd := t.header()
	if free == nil {
		hd.count -= uint32(s.e.total())
		s.e.count, s.e.chained = 0, 0
		return 0
	}
	t.eachSlot(s, func(slot Slot, e arena.Ref) bool {
		if freed == budget {
			return false
		}
		t.Delete(slot)
		free(e)
		freed++
		return true
	})
	return freed
}
