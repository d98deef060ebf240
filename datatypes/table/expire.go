package table

import "larder/datatypes/arena"

// skipCost is how many segments that are not due the sweep passes at the price of one entry.
const skipCost = 16

// MinExpire is a lower bound of all expiries in ms; the largest int64 if there is none.
func (t *Table) MinExpire() int64 { return t.header().minExpire }

// ExpireDue sweeps the table for entries that have expired at nowMs. It visits the segments in which, as far as is
// known, something has expired at dueMs, asks deadline for the expiry of each volatile entry there, and calls expired
// for those whose expiry is at or before nowMs; expired deletes the slot, and does nothing else to the table.
//
// A dueMs below nowMs lets entries wait for others of the same segment: a visit costs the same for one as for all.
// With dueMs = nowMs-50 an entry is found at most 50 ms later than it might be, at a fraction of the work when many expire.
//
// The sweep ends after looking at about budget entries, or when it has come through the table, and then returns
// whether there is more to do; the next call goes on where this one has ended. When nothing is due it takes constant
// time; else that of passing the directory, Len/500 segments, and of the visits.
func (t *Table) ExpireDue(nowMs, dueMs int64, budget int, deadline func(e arena.Ref) int64, expired func(s Slot, e arena.Ref)) (more bool) {
	hd := t.header()
	if hd.sweepPos == 0 {
		if hd.minExpire > dueMs {
			return false
		}
		hd.passMin = noExpiry
	}
	pos := uint64(hd.sweepPos) << (64 - maxDepth)
	for skipped := 1; ; skipped++ {
		s := t.segment(pos)
		if s.e.minExpire <= dueMs {
			budget -= t.sweep(&s, nowMs, deadline, expired)
		} else if skipped%skipCost == 0 {
			budget--
		}
		hd.passMin = min(hd.passMin, s.e.minExpire)
		if pos = s.next(); pos == 0 {
			hd.minExpire, hd.sweepPos = hd.passMin, 0
			return false
		}
		if budget <= 0 {
			hd.sweepPos = uint32(pos >> (64 - maxDepth))
			return true
		}
	}
}

// sweep visits a segment: it reads the expiry of every volatile entry, lets go of those that have expired and notes the
// minimum of the others. It returns how many entries it has read.
func (t *Table) sweep(s *segment, nowMs int64, deadline func(e arena.Ref) int64, expired func(s Slot, e arena.Ref)) (read int) {
	s.e.minExpire = noExpiry // expired may delete only, so nothing lowers it meanwhile
	least := int64(noExpiry)
	visit := func(slot Slot) {
		b := t.bucket(slot)
		for m := b.ttls(); m != 0; m &= m - 1 {
			slot.i = uint8(lowest(m))
			e := arena.Ref(b.refs[slot.i])
			ms := deadline(e)
			read++
			if ms <= nowMs {
				expired(slot, e)
			}
			if b.ttl(int(slot.i)) {
				least = min(least, ms)
			}
		}
	}
	for b := range s.n {
		if b%(touched/slots) == 0 {
			for k := b; k < min(b+touched/slots, s.n); k++ {
				t.prefetch(s.at(k), s.at(k).ttls())
			}
		}
		visit(s.slot(b))
	}
	for c := s.e.chain; c != 0; c = t.link(c).next {
		for line := range linkLines {
			visit(chainSlot(s.dir, c, line, 0))
		}
	}
	s.e.minExpire = least
	return read
}
