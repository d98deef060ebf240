package table

import "larder/datatypes/arena"

// passCost is how many segments the sweep passes without visiting them at the price of one entry.
const passCost = 16

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
// time; else that of passing the pages of the directory, Len/50000, the segments of pages where something is due, up to
// Len/500, and of the visits.
func (t *Table) ExpireDue(nowMs, dueMs int64, budget int, deadline func(e arena.Ref) int64, expired func(s Slot, e arena.Ref)) (more bool) {
	hd := t.header()
	if hd.sweepPos == 0 && hd.minExpire > dueMs {
		return false
	}
	for pos := uint64(hd.sweepPos) << (64 - maxDepth); ; {
		page := t.firstTop(pos)
		if page.minExpire > dueMs {
			pos = (pos | (pageSpan(page.word) - 1)) + 1
			budget--
		} else {
			var cost int
			pos, cost = t.sweepPage(page, pos, nowMs, dueMs, budget, deadline, expired)
			budget -= cost
		}
		hd.sweepPos = uint32(pos >> (64 - maxDepth))
		if pos == 0 {
			hd.minExpire = t.leastOfPages()
			return false
		}
		if budget <= 0 {
			return true
		}
	}
}

// leastOfPages is the minimum of the pages' minima.
func (t *Table) leastOfPages() int64 {
	least, hd := int64(noExpiry), t.header()
	for i := uint32(0); i < 1<<hd.topBits(); {
		page := t.topSlot(hd, i)
		least = min(least, page.minExpire)
		i += 1 << (hd.topBits() - topSkip(page.word))
	}
	return least
}

// sweepPage visits the segments of a page that are due, from pos on, until it has come to the page's end or looked at
// about budget entries. It returns where to go on, and how many entries it was. At the end it knows the page's minimum.
func (t *Table) sweepPage(page *topEntry, pos uint64, nowMs, dueMs int64, budget int, deadline func(e arena.Ref) int64, expired func(s Slot, e arena.Ref)) (next uint64, cost int) {
	skip, pageBits := topSkip(page.word), topBits(page.word)
	entries := t.pageOf(page.word)
	span := func(i uint32) uint32 { return 1 << (skip + pageBits - wordDepth(entries[i].word)) }
	passed := 0
	i := lead(pos<<skip, pageBits)
	for i < 1<<pageBits && cost+passed/passCost < max(budget, 1) {
		var r round
		for i < 1<<pageBits && r.segments < len(r.entries) && r.buckets < roundBuckets && passed < passCost*max(budget, 1) {
			if entries[i].minExpire <= dueMs {
				s := t.segment(pos)
				cost += t.summon(&s, &r, nowMs, dueMs, deadline, expired)
			}
			pos += uint64(span(i)) << (64 - skip - pageBits)
			i += span(i)
			passed++
		}
		cost += t.visit(&r, nowMs, deadline, expired)
	}
	if i == 1<<pageBits {
		page.minExpire = noExpiry
		for i = 0; i < 1<<pageBits; i += span(i) {
			page.minExpire = min(page.minExpire, entries[i].minExpire)
		}
	}
	return pos, cost + passed/passCost + 1
}

// round is the buckets that the sweep visits together, so that they and their entries are loaded together, and the
// segments that they belong to.
type round struct {
	segments, buckets int
	entries           [roundBuckets]*dirEntry
	slots             [roundBuckets + maxBuckets]Slot
}

const roundBuckets = 32

// summon puts the buckets of a segment that are due on the list of the round. Those of the chain it visits. It returns
// how many entries it has read.
func (t *Table) summon(s *segment, r *round, nowMs, dueMs int64, deadline func(e arena.Ref) int64, expired func(s Slot, e arena.Ref)) (read int) {
	r.entries[r.segments] = s.e
	r.segments++
	if s.times != nil && dueMs > s.times.base && uint64(dueMs)-uint64(s.times.base) > timeRange/2 {
		s.times.rebase(s.n, dueMs)
	}
	for b := range s.n {
		if s.times == nil || s.times.at(b) <= dueMs {
			r.slots[r.buckets] = s.slot(b)
			t.a.Prefetch(r.slots[r.buckets].line)
			r.buckets++
		}
	}
	s.e.minExpire = noExpiry // expired may delete only, so nothing lowers it meanwhile
	for c := s.e.chain; c != 0; c = t.link(c).next {
		for line := range linkLines {
			n, least := t.visitBucket(chainSlot(s.dir, c, line, 0), nowMs, deadline, expired)
			read += n
			s.e.minExpire = min(s.e.minExpire, least)
		}
	}
	return read
}

// visit visits the buckets of a round, and then knows the minima of its segments. It returns how many entries it has read.
func (t *Table) visit(r *round, nowMs int64, deadline func(e arena.Ref) int64, expired func(s Slot, e arena.Ref)) (read int) {
	const group = touched / slots
	for k := range r.buckets {
		if k%group == 0 {
			for _, s := range r.slots[k:min(k+group, r.buckets)] {
				t.prefetch(t.bucket(s), t.bucket(s).ttls())
			}
		}
		s := r.slots[k]
		n, least := t.visitBucket(s, nowMs, deadline, expired)
		read += n
		e := t.dir(s.dir)
		if tm := t.timesOf(e); tm != nil {
			tm.set(uint32(s.bucket), wordBuckets(e.word), least)
		} else {
			e.minExpire = min(e.minExpire, least)
		}
	}
	for _, e := range r.entries[:r.segments] {
		if tm := t.timesOf(e); tm != nil {
			for b := range wordBuckets(e.word) {
				e.minExpire = min(e.minExpire, tm.at(b))
			}
		}
	}
	return read
}

// visitBucket reads the expiry of every volatile entry of a bucket and lets go of those that have expired. It returns how
// many it has read, and the minimum of those that are still there.
func (t *Table) visitBucket(slot Slot, nowMs int64, deadline func(e arena.Ref) int64, expired func(s Slot, e arena.Ref)) (read int, least int64) {
	b := t.bucket(slot)
	least = noExpiry
	for m := b.ttls(); m != 0; m &= m - 1 {
		slot.i = uint8(lowest(m))
		e := arena.Ref(b.refs[slot.i])
		ms := min(deadline(e), latest)
		read++
		if ms <= nowMs {
			expired(slot, e)
		}
		if b.ttl(int(slot.i)) {
			least = min(least, ms)
		}
	}
	return read, least
}
