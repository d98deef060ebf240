package table

import "larder/datatypes/arena"

// Where an entry belongs inside its segment. The place of a hash is the 13 bits behind the segment's prefix; the
// product place*n holds the bucket above bit 13 and the tag in the 8 bits below it. A pair of bucket and tag is a cell,
// and cells are in the order of the hash. From 32 buckets on a cell holds at most one place.
const (
	placeBits = 13
	places    = 1 << placeBits
	cellShift = placeBits - 8
	// exactBuckets is the number of buckets from which on a place can be read back from its cell.
	exactBuckets = 1 << cellShift
)

// placeOf is the place of hash h in a segment whose prefix is depth bits long.
func placeOf(h uint64, depth uint) uint32 { return uint32(h << (depth & 63) >> (64 - placeBits)) }

// homeOf is the home bucket of a place among n buckets, and its tag.
func homeOf(place, n uint32) (b uint32, tag uint8) {
	x := place * n
	return x >> placeBits, uint8(x >> cellShift)
}

// cellOf is the cell of a place among n buckets.
func cellOf(place, n uint32) uint32 { return place * n >> cellShift }

// firstPlace is the lowest place at or above the beginning of a cell: the place itself if the cell holds one and n is at
// least exactBuckets. It is places for the cell behind the last.
func firstPlace(cell, n uint32) uint32 { return (cell<<cellShift + n - 1) / n }

// firstPlaceBy is firstPlace with a division less: by is reciprocal(n). The rounding does no harm as long as what is
// divided stays below 2^32/n, and it stays below 2^20.
func firstPlaceBy(cell, n, by uint32) uint32 {
	return uint32(uint64(cell<<cellShift+n-1) * uint64(by) >> 32)
}

func reciprocal(n uint32) uint32 { return uint32(1<<32/uint64(n)) + 1 }

// alternate is the other bucket in which an entry with this tag in bucket b may stand. It is its own inverse, and it
// may be b.
func alternate(b uint32, tag uint8, n uint32) uint32 {
	sum := uint32(tag) * 0x9e3779b1 >> 16 * n >> 16
	if sum < b {
		sum += n
	}
	return sum - b
}

// room finds a slot for an entry with this home and tag, moving one other entry to that one's other bucket if need be.
func (s *buckets) room(home uint32, tag uint8) (b uint32, i int, ok bool) {
	if i = s.free(home); i >= 0 {
		return home, i, true
	}
	other := alternate(home, tag, s.n)
	if other == home {
		i = s.vacate(home)
		return home, i, i >= 0
	}
	if i = s.free(other); i >= 0 {
		return other, i, true
	}
	if i = s.vacate(home); i >= 0 {
		return home, i, true
	}
	i = s.vacate(other)
	return other, i, i >= 0
}

// vacate moves one entry of bucket b, which is full, to its other bucket, and returns the slot that is empty now, or -1.
func (s *buckets) vacate(b uint32) int {
	from := s.at(b)
	for i := range slots {
		tag := from.tags[i]
		other := alternate(b, tag, s.n)
		if other == b {
			continue
		}
		j := s.free(other)
		if j < 0 {
			continue
		}
		to := s.at(other)
		away := from.displaced(i)
		to.put(j, tag, arena.Ref(from.refs[i]), !away, from.ttl(i))
		if s.times != nil && from.ttl(i) {
			s.times.codes[other] = min(s.times.codes[other], s.times.codes[b])
		}
		from.remove(i)
		if s.fill != nil {
			s.fill[other]++
			s.fill[b]--
		}
		if away {
			to.oneLessAway()
		} else {
			from.oneMoreAway()
		}
		return i
	}
	return -1
}

// add puts an entry where there is room. due is noTime, or a code that the segment's times, if it has any, are to hold.
func (s *buckets) add(place uint32, e arena.Ref, due uint16) (b uint32, i int, ok bool) {
	home, tag := homeOf(place, s.n)
	b, i, ok = s.room(home, tag)
	if !ok {
		return 0, 0, false
	}
	s.put(b, i, tag, e, b != home, due)
	if b != home {
		s.at(home).oneMoreAway()
	}
	return b, i, true
}

// put fills the empty slot i of bucket b.
func (s *buckets) put(b uint32, i int, tag uint8, e arena.Ref, displaced bool, due uint16) {
	s.at(b).put(i, tag, e, displaced, due != noTime)
	if s.times != nil && due < s.times.codes[b] {
		s.times.codes[b] = due
	}
	if s.fill != nil {
		s.fill[b]++
	}
}
