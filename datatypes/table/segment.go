package table

import (
	"math/bits"
	"slices"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// A segment is rebuilt as a whole: its entries are gathered, and put anew into more or fewer buckets. It keeps the blocks
// that it still needs.

const (
	maxChainGathered = 256                                 // entries of a chain that a rebuild takes along
	maxItems         = maxBuckets*slots + maxChainGathered // entries of one rebuild
	builtFill        = 90                                  // percent of the slots that a new segment may have in use
	touched          = 48                                  // keys that are loaded at a time before they are read
	maxRebuilds      = 3                                   // of one insertion

	clusterMin   = 32 // entries of a chain that tell something of the hashes
	clusterDepth = 20 // bits in which they must not agree to be parted: so deep is the directory of 300 million keys
	clusterBits  = 4  // beyond the depth, in which a segment's entries may agree: then their places differ in enough others
)

// sizes are the numbers of buckets that a segment may have: small ones in small steps, because small tables are many,
// then whole blocks.
var sizes = func() (s []uint8) {
	for n := 1; n <= maxBuckets; n += max(1, 1<<bits.Len(uint(n))>>(4-n>>5&1)) {
		s = append(s, uint8(n))
	}
	return s
}()

// sizeFor is the smallest size in which count entries use at most percent of the slots, or the largest of all.
func sizeFor(count, percent int) uint32 {
	for _, n := range sizes {
		if count*100 <= int(n)*slots*percent {
			return uint32(n)
		}
	}
	return maxBuckets
}

// sizeAbove is the size that follows n, which is not the largest.
func sizeAbove(n uint32) uint32 {
	i := 0
	for uint32(sizes[i]) <= n {
		i++
	}
	return uint32(sizes[i])
}

// item is an entry between two segments.
type item struct {
	ref   uint32
	place uint16
	due   uint16 // noTime, or a lower bound of the expiry as code of the times that come with the items
}

// itemList is the work space of a rebuild. It stands on the stack.
type itemList struct {
	n     int
	items [maxItems]item
}

func (l *itemList) add(e uint32, place uint32, due uint16) {
	l.items[l.n] = item{e, uint16(place), due}
	l.n++
}

// due is a lower bound of the expiry of the entry in slot i of bucket b, whose number is k, as code; noTime for none.
func (s *buckets) due(b *bucket, k uint32, i int) uint16 {
	switch {
	case !b.ttl(i):
		return noTime
	case s.times == nil:
		return 0
	}
	return s.times.codes[k]
}

// timesBase is the base that goes with the codes of due, at or before all expiries in the segment and its chain. It may move
// the base to make that so.
func (s *segment) timesBase() int64 {
	if s.times == nil {
		return s.e.minExpire
	}
	if s.chained {
		s.times.cover(s.n, s.e.minExpire)
	}
	return s.times.base
}

// gather appends all entries of a segment, with their places under the segment's depth. Only those in a chain and those
// of less than exactBuckets buckets cost reading a key.
func (t *Table) gather(s *segment, l *itemList) {
	if s.n < exactBuckets {
		t.eachHashed(s, func(e uint32, h uint64, due uint16) { l.add(e, placeOf(h, s.depth), due) })
		return
	}
	by := reciprocal(s.n)
	for b := range s.n {
		bk := s.at(b)
		for m := bk.used(); m != 0; m &= m - 1 {
			i := lowest(m)
			home := b
			if bk.displaced(i) {
				home = alternate(b, bk.tags[i], s.n)
			}
			l.add(bk.refs[i], firstPlaceBy(home<<8|uint32(bk.tags[i]), s.n, by), s.due(bk, b, i))
		}
	}
	t.eachChained(s, func(e uint32, h uint64, due uint16) { l.add(e, placeOf(h, s.depth), due) })
}

// eachHashed calls fn for each entry of a segment with its hash and what due says of its expiry.
func (t *Table) eachHashed(s *segment, fn func(e uint32, h uint64, due uint16)) {
	for b := range s.n {
		t.prefetchGroup(s, b, 0, s.n, false)
		bk := s.at(b)
		for m := bk.used(); m != 0; m &= m - 1 {
			i := lowest(m)
			fn(bk.refs[i], t.hashOf(bk.refs[i]), s.due(bk, b, i))
		}
	}
	t.eachChained(s, fn)
}

// eachChained calls fn for each entry of a segment's chain with its hash. What is due is not known: code 0.
func (t *Table) eachChained(s *segment, fn func(e uint32, h uint64, due uint16)) {
	for c := s.e.chain; c != 0; c = t.link(c).next {
		for line := range linkLines {
			b := &t.link(c).lines[line]
			t.prefetch(b, slotMask)
			for m := b.used(); m != 0; m &= m - 1 {
				i, due := lowest(m), uint16(noTime)
				if b.ttl(i) {
					due = 0
				}
				fn(b.refs[i], t.hashOf(b.refs[i]), due)
			}
		}
	}
}

// hashOf is the hash of an entry.
func (t *Table) hashOf(e uint32) uint64 { return t.hash(t.layout.Key(t.a, arena.Ref(e))) }

// prefetch asks for the entries in a set of slots.
func (t *Table) prefetch(b *bucket, set uint32) {
	for set &= b.used(); set != 0; set &= set - 1 {
		t.a.Prefetch(arena.Ref(b.refs[lowest(set)]))
	}
}

// prefetchGroup is called for each bucket b from first to end before its entries are read. At the first one of each few buckets it
// asks for the entries of those few: their keys, or more of them if whole.
func (t *Table) prefetchGroup(s *segment, b, first, end uint32, whole bool) {
	const group = touched / slots
	if (b-first)%group != 0 {
		return
	}
	for k := b; k < min(b+group, end); k++ {
		bk := s.at(k)
		if !whole {
			t.prefetch(bk, slotMask)
			continue
		}
		for set := bk.used(); set != 0; set &= set - 1 {
			t.a.PrefetchEntry(arena.Ref(bk.refs[lowest(set)]))
		}
	}
}

// blockSize is the size in bytes of block k of a segment of n buckets; 0 if there is no such block.
func blockSize(n uint32, k int) int {
	return max(0, min(blockLines, int(n)-k*blockLines)) * lineBytes
}

// resizeBlocks makes e have the blocks of n buckets. What stands in them is undefined.
func (t *Table) resizeBlocks(e *dirEntry, n uint32) {
	was := wordBuckets(e.word)
	for k := range e.blocks {
		old, size := blockSize(was, k), blockSize(n, k)
		if old == size {
			continue
		}
		if old != 0 {
			t.a.Free(arena.Ref(e.blocks[k]), old)
			e.blocks[k] = 0
		}
		if size != 0 {
			e.blocks[k] = uint32(t.a.Alloc(size))
		}
	}
	e.word = dirWord(n, wordDepth(e.word), e.word&chainedBit != 0)
}

// build puts the items, which it may reorder, and nothing else, into the segment e: it gets at least n buckets, and
// keeps the blocks that it has as far as it can. base goes with the codes of the items. Items for which there is no
// room in the largest segment, or for which a larger one would not make room because it is their places that collide,
// form a chain.
func (t *Table) build(e *dirEntry, items []item, base int64, n uint32) {
	t.freeChain(e)
	for ; ; n = sizeAbove(n) {
		t.freeTimes(e, wordBuckets(e.word))
		t.resizeBlocks(e, n)
		left := t.place(e, items, base)
		if left > 0 && n < maxBuckets && len(items)*2 >= int(n)*slots {
			continue
		}
		e.count = uint32(len(items) - left)
		for _, it := range items[:left] {
			t.chainAdd(e, uint32(it.place), it.ref, it.due != noTime)
		}
		return
	}
}

// place puts the items into the buckets of e. It returns how many found no room, and moves those to the front.
func (t *Table) place(e *dirEntry, items []item, base int64) (left int) {
	var fill [maxBuckets]uint8
	s := t.bucketsOf(e)
	for k := range s.blocks {
		if size := blockSize(s.n, k); size > 0 {
			clear(t.a.Bytes(arena.Ref(s.blocks[k]), size))
		}
	}
	s.fill = &fill
	if timesSize(s.n) > 0 && slices.ContainsFunc(items, func(it item) bool { return it.due != noTime }) {
		s.times = t.startTimes(e, base)
	}
	for i, it := range items {
		home, tag := homeOf(uint32(it.place), s.n)
		if free := fill[home%maxBuckets]; free < slots {
			s.put(home, int(free), tag, arena.Ref(it.ref), false, it.due)
		} else if _, _, ok := s.add(uint32(it.place), arena.Ref(it.ref), it.due); !ok {
			items[left], items[i] = it, items[left]
			left++
		}
	}
	return left
}

// install makes the directory name a segment that has been built.
func (t *Table) install(start uint64, e *dirEntry) {
	t.setEntry(start, e)
	hd := t.header()
	hd.buckets += wordBuckets(e.word)
	if e.chain != 0 {
		hd.chains++
	}
}

// take takes a segment out of the table, to be built anew or freed. The directory still names what it was.
func (t *Table) take(s *segment) dirEntry {
	hd := t.header()
	hd.buckets -= s.n
	if s.chained {
		hd.chains--
	}
	return *s.e
}

// freeSegment frees the memory of a segment that was taken.
func (t *Table) freeSegment(e *dirEntry) {
	t.freeChain(e)
	t.freeTimes(e, wordBuckets(e.word))
	t.resizeBlocks(e, 0)
}

// makeRoom lets the segment grow, or splits it. It returns false if neither would help: then the entry must be chained.
func (t *Table) makeRoom(s *segment) bool {
	total := s.e.total()
	switch {
	case s.e.chained > maxChainGathered:
		return false
	case total*2 < int(s.n)*slots: // it is not for lack of slots that there is no room
		if agree := t.agreement(s); agree >= clusterDepth || agree <= s.depth+clusterBits {
			return false
		}
		t.split(s)
		return true
	case s.n < maxBuckets:
		t.resize(s, max(sizeAbove(s.n), sizeFor(total, builtFill)))
		return true
	case s.depth < t.depthLimit() || t.agreement(s) < clusterDepth:
		t.split(s)
		return true
	}
	return false
}

// agreement is in how many leading bits the hashes of a segment's chain agree; 64 if they are too few to tell. Entries that
// come in the order of their hashes, as when one table is filled by walking another, agree in more bits than the segment's
// depth: there are deep segments for them long before there are that many keys, and the rest of the table follows. Entries
// that agree in more than clusterDepth bits are of a broken hash: the directory does not become deep for them.
func (t *Table) agreement(s *segment) uint {
	if s.e.chained < clusterMin {
		return 64
	}
	first, differ, any := uint64(0), uint64(0), false
	t.eachChained(s, func(_ uint32, h uint64, _ uint16) {
		if !any {
			first, any = h, true
		}
		differ |= h ^ first
	})
	return uint(bits.LeadingZeros64(differ))
}

// clustered tells whether all entries of a segment would have about the same place one level up.
func (t *Table) clustered(s *segment) bool {
	if s.e.total() < clusterMin {
		return false
	}
	var l itemList
	t.gather(s, &l)
	low, high := l.items[0].place, l.items[0].place
	for _, it := range l.items[1:l.n] {
		low, high = min(low, it.place), max(high, it.place)
	}
	return bits.LeadingZeros16(low^high) >= 16-placeBits+clusterBits-1
}

// depthLimit is how deep segments may be. It lets the directory have one entry for each 16 keys, 30 times what hashes
// need that differ: beyond it a split does not separate keys, it only doubles the directory.
func (t *Table) depthLimit() uint {
	limit := uint(4)
	for c := t.header().count >> 8; c != 0 && limit < maxDepth; c >>= 1 {
		limit++
	}
	return limit
}

// resize rebuilds a segment with n buckets, or more if they do not suffice.
func (t *Table) resize(s *segment, n uint32) {
	var l itemList
	base := s.timesBase()
	t.gather(s, &l)
	e := t.take(s)
	t.build(&e, l.items[:l.n], base, n)
	t.install(s.start, &e)
}

// split makes two segments of one by the next bit of the hashes. It reads the key of every entry.
func (t *Table) split(s *segment) {
	var l itemList // the lower half's items from the front, the upper half's from the back
	front, back := 0, maxItems
	base := s.timesBase()
	t.eachHashed(s, func(e uint32, h uint64, due uint16) {
		it := item{e, uint16(placeOf(h, s.depth+1)), due}
		if h<<s.depth>>63 == 0 {
			l.items[front] = it
			front++
		} else {
			back--
			l.items[back] = it
		}
	})
	invariant.Check(front <= back, "table: %d + %d entries in a segment", front, maxItems-back)
	lower := t.take(s)
	lower.word = dirWord(s.n, s.depth+1, s.chained)
	upper := dirEntry{word: dirWord(0, s.depth+1, false), minExpire: lower.minExpire, marked: lower.marked}
	t.build(&lower, l.items[:front], base, sizeFor(front, builtFill))
	t.build(&upper, l.items[back:], base, sizeFor(maxItems-back, builtFill))
	t.deepen(s.start, s.depth+1)
	t.install(s.start, &lower)
	t.install(s.start+1<<(63-s.depth), &upper)
}

// merge makes one segment of two that differ in the last bit of their prefix. Both are small.
func (t *Table) merge(lower, upper *segment) {
	base := min(lower.timesBase(), upper.timesBase())
	for _, s := range [2]*segment{lower, upper} {
		if s.times != nil {
			s.times.rebase(s.n, base)
		}
	}
	var l itemList
	t.gather(lower, &l)
	half := l.n
	t.gather(upper, &l)
	for i := range l.items[:l.n] {
		it := &l.items[i]
		it.place >>= 1
		if i >= half {
			it.place |= places / 2
		}
	}
	e, rest := t.take(lower), t.take(upper)
	t.freeSegment(&rest)
	e.word = dirWord(lower.n, lower.depth-1, lower.chained)
	e.minExpire = min(e.minExpire, rest.minExpire)
	e.marked |= rest.marked
	t.build(&e, l.items[:l.n], base, sizeFor(l.n, tendedFill))
	t.install(lower.start, &e)
}
