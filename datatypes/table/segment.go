package table

import (
	"math/bits"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// A segment is rebuilt as a whole: its entries are gathered, and put into a new allocation of more or fewer buckets.

const (
	maxChainGathered = 256                                 // entries of a chain that a rebuild takes along
	maxItems         = maxBuckets*slots + maxChainGathered // entries of one rebuild
	builtFill        = 90                                  // percent of the slots that a new segment may have in use
	touched          = 48                                  // keys that are loaded at a time before they are read
	maxRebuilds      = 3                                   // of one insertion
)

// sizes are the numbers of buckets that a segment may have. Their bytes are size classes of the arena, so that no part
// of an allocation is idle.
var sizes = func() (s []uint8) {
	for n := 1; n <= maxBuckets; n += max(1, 1<<bits.Len(uint(n))>>4) {
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

// sizeAbove is the size that follows n.
func sizeAbove(n uint32) uint32 {
	for _, m := range sizes {
		if uint32(m) > n {
			return uint32(m)
		}
	}
	return maxBuckets
}

// item is an entry between two segments.
type item struct {
	ref   uint32
	place uint16
	ttl   bool
}

// itemList is the work space of a rebuild. It stands on the stack.
type itemList struct {
	n     int
	items [maxItems]item
}

func (l *itemList) add(e uint32, place uint32, ttl bool) {
	l.items[l.n] = item{e, uint16(place), ttl}
	l.n++
}

// gather appends all entries of a segment, with their places under the segment's depth. Only those in a chain and those
// of less than exactBuckets buckets cost reading a key.
func (t *Table) gather(s *segment, l *itemList) {
	if s.n < exactBuckets {
		t.eachHashed(s, func(e uint32, h uint64, ttl bool) { l.add(e, placeOf(h, s.depth), ttl) })
		return
	}
	for b := range s.n {
		bk := s.at(b)
		for m := bk.used(); m != 0; m &= m - 1 {
			i := lowest(m)
			cell := s.home(b, i)<<8 | uint32(bk.tag(i))
			l.add(bk.refs[i], firstPlace(cell, s.n), bk.ttl(i))
		}
	}
	if s.chained {
		t.eachLine(t.chainLines(s), func(e uint32, h uint64, ttl bool) { l.add(e, placeOf(h, s.depth), ttl) })
	}
}

// lineList walks over buckets that need not be in a row.
type lineList struct {
	buckets
	table *Table
	b     uint32
	block arena.Ref // the next block of a chain
}

// next is the next bucket, or nil.
func (l *lineList) next() *bucket {
	for l.b == l.n {
		if l.block == 0 {
			return nil
		}
		l.buckets, l.b = l.table.blockLines(l.block), 0
		l.block = arena.Ref(l.table.block(l.block).next)
	}
	l.b++
	return l.at(l.b - 1)
}

// lines walks over all buckets of a segment, those of its chain last.
func (t *Table) lines(s *segment) lineList {
	l := t.chainLines(s)
	l.buckets = s.buckets
	return l
}

// eachHashed calls fn for each entry of a segment with its hash.
func (t *Table) eachHashed(s *segment, fn func(e uint32, h uint64, ttl bool)) {
	t.eachLine(t.lines(s), fn)
}

// eachLine calls fn for each entry of the buckets. It reads all keys, of a few buckets at a time: the loads of the keys
// wait for memory together.
func (t *Table) eachLine(l lineList, fn func(e uint32, h uint64, ttl bool)) {
	var group [touched / slots]*bucket
	for {
		n := 0
		for n < len(group) {
			b := l.next()
			if b == nil {
				break
			}
			group[n] = b
			n++
			for m := b.used(); m != 0; m &= m - 1 {
				t.a.Prefetch(arena.Ref(b.refs[lowest(m)]))
			}
		}
		if n == 0 {
			return
		}
		for _, b := range group[:n] {
			for m := b.used(); m != 0; m &= m - 1 {
				i := lowest(m)
				fn(b.refs[i], t.hash(t.layout.Key(t.a, arena.Ref(b.refs[i]))), b.ttl(i))
			}
		}
	}
}

// built is a new segment that the directory does not name yet.
type built struct {
	ref     arena.Ref
	n       uint32
	count   uint32 // entries in the buckets
	chained bool
}

// build makes a segment of at least n buckets of the items; it may reorder them. Items for which there is no room in
// the largest segment, or for which a larger one would not make room because it is their places that collide, form a
// chain.
func (t *Table) build(items []item, n uint32) built {
	for ; ; n = sizeAbove(n) {
		ref := t.zeroed(int(n) * lineBytes)
		lines := buckets{t.a.Ptr(ref), n}
		grow := n < maxBuckets && len(items)*2 >= int(n)*slots
		left := 0
		for i, it := range items {
			if _, _, ok := lines.add(uint32(it.place), arena.Ref(it.ref), it.ttl); !ok {
				items[left], items[i] = it, items[left]
				left++
				if grow {
					break
				}
			}
		}
		if left == 0 {
			return built{ref, n, uint32(len(items)), false}
		}
		if grow {
			t.a.Free(ref, int(n)*lineBytes)
			continue
		}
		ref = t.startChain(ref, n)
		for _, it := range items[:left] {
			t.chainAdd(ref, n, uint32(it.place), it.ref, it.ttl)
		}
		return built{ref, n, uint32(len(items) - left), true}
	}
}

// install makes the directory name a built segment.
func (t *Table) install(start uint64, depth uint, b built, minExpire int64) {
	t.setWord(start, dirWord(b.ref, b.n, depth, b.chained), uint64(b.count)|uint64(minExpire)<<16)
	hd := t.header()
	hd.buckets += b.n
	hd.passMin = min(hd.passMin, minExpire) // a merge may carry it behind the sweep
	if b.chained {
		hd.addChained(1)
	}
}

// release frees a segment's memory, its chain's too. The directory still names it.
func (t *Table) release(s *segment) {
	hd := t.header()
	hd.buckets -= s.n
	size := int(s.n) * lineBytes
	if s.chained {
		t.freeChain(s)
		size += lineBytes
		hd.addChained(-1)
	}
	t.a.Free(s.ref, size)
}

// makeRoom lets the segment grow, or splits it. It returns false if neither would help: then the entry must be chained.
func (t *Table) makeRoom(s *segment) bool {
	total := t.entries(s)
	switch {
	case total-int(t.dir(s.dir).count()) > maxChainGathered:
		return false
	case total*2 < int(s.n)*slots:
		return false // it is not for lack of slots that there is no room
	case s.n < maxBuckets:
		t.resize(s, max(sizeAbove(s.n), sizeFor(total, builtFill)))
		return true
	case s.depth < t.depthLimit():
		t.split(s)
		return true
	}
	return false
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

// entries is the number of entries in a segment and its chain.
func (t *Table) entries(s *segment) int {
	total := int(t.dir(s.dir).count())
	if s.chained {
		total += int(t.tail(s.ref, s.n).count)
	}
	return total
}

// resize rebuilds a segment with n buckets, or more if they do not suffice.
func (t *Table) resize(s *segment, n uint32) {
	var l itemList
	t.gather(s, &l)
	b := t.build(l.items[:l.n], n)
	minExpire := t.dir(s.dir).min()
	t.release(s)
	t.install(s.start, s.depth, b, minExpire)
}

// split makes two segments of one by the next bit of the hashes. It reads the key of every entry.
func (t *Table) split(s *segment) {
	var l itemList // the lower half's items from the front, the upper half's from the back
	front, back := 0, maxItems
	t.eachHashed(s, func(e uint32, h uint64, ttl bool) {
		it := item{e, uint16(placeOf(h, s.depth+1)), ttl}
		if h<<s.depth>>63 == 0 {
			l.items[front] = it
			front++
		} else {
			back--
			l.items[back] = it
		}
	})
	invariant.Check(front <= back, "table: %d + %d entries in a segment", front, maxItems-back)
	minExpire := t.dir(s.dir).min()
	lower := t.build(l.items[:front], sizeFor(front, builtFill))
	upper := t.build(l.items[back:], sizeFor(maxItems-back, builtFill))
	t.release(s)
	t.deepen(s.start, s.depth+1)
	t.install(s.start, s.depth+1, lower, minExpire)
	t.install(s.start+1<<(63-s.depth), s.depth+1, upper, minExpire)
}

// merge makes one segment of two that differ in the last bit of their prefix. Both are small.
func (t *Table) merge(lower, upper *segment) {
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
	b := t.build(l.items[:l.n], sizeFor(l.n, tendedFill))
	minExpire := min(t.dir(lower.dir).min(), t.dir(upper.dir).min())
	t.release(lower)
	t.release(upper)
	t.install(lower.start, lower.depth-1, b, minExpire)
}
