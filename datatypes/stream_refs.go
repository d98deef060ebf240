package datatypes

import (
	"math"
	"slices"
)

// What the groups still need of a stream: entries that they have not read yet, and entries that are pending. Whoever
// deletes an entry may want to know, or to have it forgotten.

// Needed tells whether a group has not read the entry with that ID yet, or has it pending. O(groups · log pending).
func (s *Stream) Needed(id StreamID) bool {
	for i := range s.GroupCount() {
		g := s.GroupAt(i)
		if g.LastID().Less(id) {
			return true
		}
		if _, pending := g.Pending(id); pending {
			return true
		}
	}
	return false
}

// Unneeded appends to list the IDs of the first entries up to last, which is included, that no group needs, most of them.
// It looks at limit entries, 0 for any number, and at none that a group has not read. O(entries looked at · groups · log
// pending).
func (s *Stream) Unneeded(last StreamID, most, limit int, list []StreamID) []StreamID {
	for i := range s.GroupCount() {
		if read := s.GroupAt(i).LastID(); read.Less(last) {
			last = read
		}
	}
	for it := s.Iter(StreamID{}, last, false); most > 0 && it.Next(); {
		if !s.Needed(it.ID()) {
			list = append(list, it.ID())
			most--
		}
		if limit--; limit == 0 {
			break
		}
	}
	return list
}

// DeliveredBy appends to list the pending entries that were delivered at to_ms or before, most of them, 0 for all: those
// that were delivered first come first, and among equals those with lower IDs. next_ms is when the first of all pending
// entries was delivered, or a little earlier; math.MaxInt64 if there are none.
//
// There is no index by time. But the group knows since when none of its pending entries was delivered before, so that only
// who has reason to looks at all of them: O(1) while there is nothing to be had, else O(pending + list · log list); what is
// acknowledged meanwhile costs one look more.
func (g StreamGroup) DeliveredBy(to_ms int64, most int, list []Pending) (out []Pending, next_ms int64) {
	x := g.group()
	if g.PendingCount() == 0 {
		return list, math.MaxInt64
	}
	if to_ms < x.oldest_ms {
		return list, x.oldest_ms
	}
	from := len(list)
	order := func(a, b Pending) int {
		switch {
		case a.DeliveredAt < b.DeliveredAt || a.DeliveredAt == b.DeliveredAt && a.ID.Less(b.ID):
			return -1
		default:
			return 1
		}
	}
	oldest := int64(math.MaxInt64)
	t := g.tree()
	var p idPath
	for ok := t.first(&p); ok; ok = t.next(&p) {
		e := g.pendingAt(&t, &p)
		oldest = min(oldest, e.DeliveredAt)
		if e.DeliveredAt > to_ms {
			continue
		}
		list = append(list, e)
		if most > 0 && len(list)-from >= 2*most+64 { // not more of them than are wanted are kept for long
			slices.SortFunc(list[from:], order)
			list = list[:from+most]
		}
	}
	slices.SortFunc(list[from:], order)
	if most > 0 && len(list)-from > most {
		list = list[:from+most]
	}
	x.oldest_ms = oldest
	return list, oldest
}
