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

// fewPending is the number of pending entries up to which DeliveredBy looks at all of them.
const fewPending = 1024

// DeliveredBy appends to list the pending entries that were delivered at to_ms or before, most of them, 0 for all: those
// that were delivered first come first, and among equals those with lower IDs. next_ms is when the first of all pending
// entries was delivered, or earlier; math.MaxInt64 if there are none.
//
// There is no index by time. But the group knows since when none of its pending entries was delivered before, so that there
// is a look at them only if there may be something to be had, or something was acknowledged. And if there are many of which
// not all are wanted, the look ends when there are enough, and the next one goes on from there: in the order of IDs, which is
// that of the first deliveries. O(1) if nothing is old enough; else O(pending) at the very most, and O(list · log list) while
// most of what is pending is old enough.
func (g StreamGroup) DeliveredBy(to_ms int64, most int, list []Pending) (out []Pending, next_ms int64) {
	x, count := g.group(), g.PendingCount()
	if count == 0 {
		return list, math.MaxInt64
	}
	if to_ms < x.oldest_ms {
		return list, x.oldest_ms
	}
	from, oldest := len(list), int64(math.MaxInt64)
	enough := math.MaxInt
	if most > 0 && count > fewPending {
		enough = most
	}
	t := g.tree()
	var p idPath
	ok := enough < math.MaxInt && t.seekGE(&p, x.lookFrom)
	for ; count > 0 && len(list)-from < enough; count-- {
		if !ok {
			t.first(&p)
		}
		e := g.pendingAt(&t, &p)
		oldest = min(oldest, e.DeliveredAt)
		if e.DeliveredAt <= to_ms {
			list = append(list, e)
		}
		x.lookFrom, _ = e.ID.Next()
		ok = t.next(&p)
	}
	if count == 0 { // all were looked at
		x.oldest_ms = oldest
	}
	slices.SortFunc(list[from:], func(a, b Pending) int {
		if a.DeliveredAt < b.DeliveredAt || a.DeliveredAt == b.DeliveredAt && a.ID.Less(b.ID) {
			return -1
		}
		return 1
	})
	if most > 0 && len(list)-from > most {
		list = list[:from+most]
	}
	return list, x.oldest_ms
}
