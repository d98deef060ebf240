package table

import "larder/datatypes/arena"

// A Hand stands between two entries, in the order in which their buckets follow each other; it goes round and round. The
// zero Hand stands before the first. It stays about where it is however the table changes.
type Hand struct {
	pos  uint64 // a hash of the bucket that it stands in
	slot uint8  // entries before this slot of the bucket have been passed
}

// HandAt is a hand that stands before the first bucket that begins with a hash or after it.
func HandAt(hash uint64) Hand {
	if hash == 0 {
		return Hand{}
	}
	return Hand{pos: hash - 1, slot: 255} // behind all entries of the bucket before
}

// Marked is a kind of entries, of those that are noted to have an expiry. Whoever puts one into a table, or makes an entry one of
// them, says so by Mark: the table knows which segments were marked and does not look for them elsewhere. A segment in which
// a hand has found none is not looked into again before the next Mark.
type Marked struct {
	// Is tells whether an entry is one of them. It is the same kind for all hands of a table.
	Is func(e arena.Ref) bool
	// Looks is how many entries Is may be asked about before a hand gives up where it is. The hand counts them off; it is at
	// least 1 at first.
	Looks int
}

// Mark notes that the entry in a slot is Marked.
func (t *Table) Mark(s Slot) { t.dir(s.dir).marked = 1 }

// is asks about an entry.
func (m *Marked) is(e uint32) bool {
	m.Looks--
	return m.Is(arena.Ref(e))
}

// NextWithin is Next for a hand that goes no further than the buckets up to that of the hash last. It is false as well at
// that end, where the hand stays; then done is set.
func (t *Table) NextWithin(h *Hand, only *Marked, last uint64) (s Slot, e arena.Ref, ok, done bool) {
	if h.pos > last {
		return s, e, false, true
	}
	next := *h
	s, e, ok = t.Next(&next, only)
	if chained := ok && next.slot == 0; !chained && (next.pos > last || next.pos < h.pos || next.pos == h.pos && next.slot <= h.slot) {
		return Slot{}, 0, false, true
	}
	done = !ok && next == *h
	*h = next
	return s, e, ok, done
}

// handBuckets bounds how many buckets without an entry, and segments without one that is marked, Next passes.
const handBuckets = 2048

// Next moves the hand over an entry and returns it; over the next one that is marked, if only is not nil. It is false if there
// is none, or none near.
func (t *Table) Next(h *Hand, only *Marked) (Slot, arena.Ref, bool) {
	if t.Len() == 0 {
		return Slot{}, 0, false
	}
	rounds := 0
	for passed := 0; passed < handBuckets && rounds < 3; {
		if only != nil {
			if page := t.firstTop(h.pos); page.minExpire == noExpiry {
				passed++
				h.slot = 0
				if h.pos = (h.pos | (pageSpan(page.word) - 1)) + 1; h.pos == 0 {
					rounds++
				}
				continue
			}
		}
		s := t.segment(h.pos)
		if only == nil || s.e.marked != 0 && s.e.minExpire != noExpiry {
			b, _ := homeOf(placeOf(h.pos, s.depth), s.n)
			whole := b == 0 && h.slot == 0
			for ; b < s.n; b++ {
				bk := s.at(b)
				set := bk.used()
				if only != nil {
					set &= bk.ttls()
				}
				if h.slot == 0 {
					t.prefetch(bk, set)
				}
				for set = set >> h.slot << h.slot; set != 0; set &= set - 1 {
					slot := s.slot(b)
					slot.i = uint8(lowest(set))
					h.pos = s.start + uint64(firstPlace(b<<8, s.n))<<(64-placeBits-s.depth)
					if h.slot = slot.i; only != nil && only.Looks <= 0 {
						return Slot{}, 0, false
					}
					h.slot++
					if e := bk.refs[slot.i]; only == nil || only.is(e) {
						return slot, arena.Ref(e), true
					}
				}
				h.slot = 0
				passed++
			}
			slot, e, ok := t.firstChained(&s, only)
			switch {
			case ok:
				h.slot = 0
				h.pos = s.next()
				return slot, e, true
			case whole && only != nil && only.Looks > 0:
				s.e.marked = 0
			}
		}
		passed++
		h.slot = 0
		if h.pos = s.next(); h.pos == 0 {
			rounds++
		}
	}
	return Slot{}, 0, false
}

// firstChained is an entry of a segment's chain: all that is in it is passed at once.
func (t *Table) firstChained(s *segment, only *Marked) (Slot, arena.Ref, bool) {
	for c := s.e.chain; c != 0; c = t.link(c).next {
		for line := range linkLines {
			slot := chainSlot(s.dir, c, line, 0)
			b := t.bucket(slot)
			set := b.used()
			if only != nil {
				set &= b.ttls()
			}
			for ; set != 0 && (only == nil || only.Looks > 0); set &= set - 1 {
				slot.i = uint8(lowest(set))
				if e := b.refs[slot.i]; only == nil || only.is(e) {
					return slot, arena.Ref(e), true
				}
			}
		}
	}
	return Slot{}, 0, false
}

// FindHash calls fn for the entries whose hash may be h, as far as the table knows: it does not read keys. It goes by the
// leading 32 bits of h, as long as no segment is deeper than 19 bits.
func (t *Table) FindHash(h uint64, fn func(s Slot, e arena.Ref)) {
	s := t.segment(h)
	home, tag := homeOf(placeOf(h, s.depth), s.n)
	bk := s.at(home)
	t.eachTagged(s.slot(home), bk, ^bk.meta, tag, fn)
	if bk.overflow() == 0 {
		return
	}
	other := alternate(home, tag, s.n)
	bk = s.at(other)
	t.eachTagged(s.slot(other), bk, bk.meta, tag, fn)
}

func (t *Table) eachTagged(slot Slot, b *bucket, eligible uint32, tag uint8, fn func(s Slot, e arena.Ref)) {
	for m := b.match(tag) & eligible & slotMask; m != 0; m &= m - 1 {
		slot.i = uint8(lowest(m))
		if e := b.refs[slot.i]; e != 0 {
			fn(slot, arena.Ref(e))
		}
	}
}

// soonestTries bounds how many segments Soonest looks into.
const soonestTries = 24

// Soonest is the entry that expires first, to about timeUnit ms, or one that expires early if that is hard to find: it is
// when there are many that are farther away than times reach. deadline is the expiry of an entry. It reads the entries of a bucket or a few, and the directory's minima: a page, and an
// entry for each 50000 of the table. It makes the minima that it comes by exact.
func (t *Table) Soonest(deadline func(e arena.Ref) int64) (best Slot, ms int64, ok bool) {
	ms = noExpiry
	hd := t.header()
	for range soonestTries {
		page, start := t.leastPage()
		if page.minExpire == noExpiry || ok && page.minExpire >= ms-timeUnit {
			break
		}
		pos := t.leastSegment(page, start)
		s := t.segment(pos)
		slot, at := t.soonestOf(&s, deadline)
		if at < ms {
			best, ms, ok = slot, at, true
		}
		t.refreshPage(page)
		hd.minExpire = t.leastOfPages()
	}
	return best, ms, ok
}

// leastPage is the page with the least minimum, and a hash of it.
func (t *Table) leastPage() (least *topEntry, start uint64) {
	hd := t.header()
	for i := uint32(0); i < 1<<hd.topBits(); {
		page := t.topSlot(hd, i)
		if least == nil || page.minExpire < least.minExpire {
			least, start = page, uint64(i)<<1<<(63-hd.topBits())
		}
		i += 1 << (hd.topBits() - topSkip(page.word))
	}
	return least, start
}

// leastSegment is a hash of the segment with the least minimum in a page.
func (t *Table) leastSegment(page *topEntry, start uint64) uint64 {
	skip, pageBits := topSkip(page.word), topBits(page.word)
	entries := t.pageOf(page.word)
	least := uint32(0)
	for i := uint32(0); i < 1<<pageBits; i += 1 << (skip + pageBits - wordDepth(entries[i].word)) {
		if entries[i].minExpire < entries[least].minExpire {
			least = i
		}
	}
	return start + uint64(least)<<1<<(63-skip-pageBits)
}

// refreshPage makes the minimum of a page that of its segments.
func (t *Table) refreshPage(page *topEntry) {
	skip, pageBits := topSkip(page.word), topBits(page.word)
	entries := t.pageOf(page.word)
	page.minExpire = noExpiry
	for i := uint32(0); i < 1<<pageBits; i += 1 << (skip + pageBits - wordDepth(entries[i].word)) {
		page.minExpire = min(page.minExpire, entries[i].minExpire)
	}
}

// soonestOf is the entry that expires first in the bucket of a segment with the least bound, or in all of its buckets if
// there are no bounds. The minimum of the segment is exact afterwards, as far as the bounds are.
func (t *Table) soonestOf(s *segment, deadline func(e arena.Ref) int64) (best Slot, ms int64) {
	ms = noExpiry
	look := func(slot Slot) (least int64) {
		b := t.bucket(slot)
		least = noExpiry
		for m := b.ttls() & b.used(); m != 0; m &= m - 1 {
			slot.i = uint8(lowest(m))
			at := min(deadline(arena.Ref(b.refs[slot.i])), latest)
			if at == 0 {
				continue
			}
			least = min(least, at)
			if at < ms {
				best, ms = slot, at
			}
		}
		return least
	}
	s.e.minExpire = noExpiry
	if s.times == nil {
		for b := range s.n {
			s.e.minExpire = min(s.e.minExpire, look(s.slot(b)))
		}
	} else {
		first := uint32(0)
		for b := range s.n {
			if s.times.codes[b] < s.times.codes[first] {
				first = b
			}
		}
		if bound := s.times.at(first); bound != noExpiry { // the least of all, and so as good a base as the one that is
			s.times.rebase(s.n, bound)
		}
		s.times.set(first, s.n, look(s.slot(first)))
		for b := range s.n {
			s.e.minExpire = min(s.e.minExpire, s.times.at(b))
		}
	}
	for c := s.e.chain; c != 0; c = t.link(c).next {
		for line := range linkLines {
			s.e.minExpire = min(s.e.minExpire, look(chainSlot(s.dir, c, line, 0)))
		}
	}
	return best, ms
}
