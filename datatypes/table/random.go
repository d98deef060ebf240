package table

import (
	"math/bits"

	"larder/datatypes/arena"
)

// randomTries is how often Random guesses before it counts.
const randomTries = 64

// sampleTries is how many buckets Sample looks at before it settles for a single entry.
const sampleTries = 8

// stream makes a sequence of random numbers of one: the SplitMix64 generator.
type stream uint64

func (r *stream) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a random number in [0, n).
func (r *stream) below(n uint64) uint64 {
	high, _ := bits.Mul64(r.next(), n)
	return high
}

// Random is the slot of an entry; every entry is as likely as any other. rnd is a random number: the same one in the
// same table gives the same entry. It returns false if the table is empty. It takes constant time in a table that
// Maintain has been through, and up to that of walking the directory in one that has become sparse.
func (t *Table) Random(rnd uint64) (Slot, bool) {
	hd := t.header()
	if hd.count == 0 {
		return Slot{}, false
	}
	r := stream(rnd)
	if hd.chains == 0 {
		most := uint64(maxBuckets)
		if hd.deepest() == 0 {
			most = uint64(wordBuckets(hd.onePage.word))
		}
		for range randomTries {
			// Take a random hash: the segment of depth d is hit with a chance of 2^-d. Let it count only if the
			// bits that tell it from the deepest are 0: then it is 2^-deepest for all. And let a slot beyond the
			// segment's buckets count for nothing, like one that is empty.
			h := r.next()
			s := t.segment(h)
			if lead(h<<s.depth, hd.deepest()-s.depth) != 0 {
				continue
			}
			k := uint32(r.below(most * slots))
			if b, i := k/slots, k%slots; b < s.n && s.at(b).refs[i] != 0 {
				slot := s.slot(b)
				slot.i = uint8(i)
				return slot, true
			}
		}
	}
	return t.nth(int(r.below(uint64(hd.count)))), true
}

// nth is the slot of the entry that has n entries before it in the order of Each.
func (t *Table) nth(n int) (slot Slot) {
	pos := uint64(0)
	for {
		s := t.segment(pos)
		if total := s.e.total(); n >= total {
			n -= total
			pos = s.next()
			continue
		}
		t.eachSlot(&s, func(at Slot, _ arena.Ref) bool {
			slot = at
			n--
			return n >= 0
		})
		return slot
	}
}

// Sample calls fn for the entries of a random bucket, up to 12 of them, as candidates for eviction; for at least one if
// the table is not empty. All entries have about the same chance. fn may do what it may in Each.
func (t *Table) Sample(rnd uint64, fn func(s Slot, e arena.Ref)) {
	r := stream(rnd)
	for range sampleTries {
		s := t.segment(r.next())
		b := uint32(r.below(uint64(s.n)))
		bk := s.at(b)
		used := bk.used()
		t.prefetch(bk, used)
		slot := s.slot(b)
		for m := used; m != 0; m &= m - 1 {
			slot.i = uint8(lowest(m))
			fn(slot, arena.Ref(bk.refs[slot.i]))
		}
		if used != 0 {
			return
		}
	}
	if s, ok := t.Random(r.next()); ok {
		fn(s, t.Entry(s))
	}
}
