package table

import (
	"fmt"

	"larder/datatypes/arena"
)

// Check looks at the whole table and says what is inconsistent: directory, counts, the place of every entry under the
// hash of its key, overflow counts, minima. Each entry must stand in the table once only.
func (t *Table) Check() error { return t.CheckExpiry(nil) }

// CheckExpiry is Check, and compares what the table knows of expiries with what deadline says of each entry, 0 for none.
func (t *Table) CheckExpiry(deadline func(e arena.Ref) int64) error {
	c := checker{t: t, deadline: deadline, refs: map[uint32]bool{}}
	if err := c.directory(); err != nil {
		return err
	}
	for pos := uint64(0); ; {
		s := t.segment(pos)
		if err := c.segment(&s); err != nil {
			return fmt.Errorf("segment of %#x, depth %d, %d buckets: %w", s.start, s.depth, s.n, err)
		}
		if pos = s.next(); pos == 0 {
			break
		}
	}
	hd := t.header()
	switch {
	case len(c.refs) != int(hd.count):
		return fmt.Errorf("%d entries, %d counted", len(c.refs), hd.count)
	case c.buckets != hd.buckets:
		return fmt.Errorf("%d buckets, %d counted", c.buckets, hd.buckets)
	case c.chained != hd.chains:
		return fmt.Errorf("%d segments with a chain, %d counted", c.chained, hd.chains)
	}
	return nil
}

// CheckMarks says whether an entry that is marked stands where a hand would not find it.
func (t *Table) CheckMarks(is func(e arena.Ref) bool) (err error) {
	for pos := uint64(0); err == nil; {
		s := t.segment(pos)
		t.eachSlot(&s, func(slot Slot, e arena.Ref) bool {
			if s.e.marked == 0 && is(e) {
				err = fmt.Errorf("segment of %#x is not marked, and has entry %d", s.start, e)
			}
			return err == nil
		})
		if pos = s.next(); pos == 0 {
			break
		}
	}
	return err
}

type checker struct {
	t        *Table
	deadline func(e arena.Ref) int64
	refs     map[uint32]bool
	buckets  uint32
	chained  uint32
}

// directory checks that top array and pages cover all hashes once and agree with themselves.
func (c *checker) directory() error {
	t, hd := c.t, c.t.header()
	for i := uint32(0); i < 1<<hd.topBits(); {
		first := *t.topSlot(hd, i)
		top := first.word
		skip, total := topSkip(top), topSkip(top)+topBits(top)
		if skip > hd.topBits() || topBits(top) > maxPageBits || total > hd.deepest() || total > maxDepth {
			return fmt.Errorf("page %d: skip %d of %d, bits %d, deepest %d", i, skip, hd.topBits(), topBits(top), hd.deepest())
		}
		copies := uint32(1) << (hd.topBits() - skip)
		for k := range copies {
			if i%copies != 0 || k > 0 && *t.topSlot(hd, i+k) != (topEntry{word: top}) {
				return fmt.Errorf("page %d: top entry %d differs", i, i+k)
			}
		}
		if first.minExpire < hd.minExpire {
			return fmt.Errorf("page %d: minimum expiry %d below the table's %d", i, first.minExpire, hd.minExpire)
		}
		page := t.pageOf(top)
		for j := 0; j < len(page); {
			depth := wordDepth(page[j].word)
			if depth < skip || depth > total {
				return fmt.Errorf("page %d entry %d: depth %d outside of %d to %d", i, j, depth, skip, total)
			}
			if page[j].minExpire < first.minExpire {
				return fmt.Errorf("page %d entry %d: minimum expiry %d below the page's %d", i, j, page[j].minExpire, first.minExpire)
			}
			span := 1 << (total - depth)
			for k := range span {
				if j%span != 0 || page[j+k].copied() != page[j].copied() || k > 0 && page[j+k] != page[j+k].copied() {
					return fmt.Errorf("page %d entry %d: entry %d differs", i, j, j+k)
				}
			}
			j += span
		}
		i += copies
	}
	return nil
}

func (c *checker) segment(s *segment) error {
	if s.n == 0 || s.n > maxBuckets || sizeAbove(s.n-1) != s.n {
		return fmt.Errorf("no segment has this size")
	}
	for k, r := range s.e.blocks {
		if (r != 0) != (blockSize(s.n, k) > 0) || r%lineRefs != 0 {
			return fmt.Errorf("block %d at %d", k, r)
		}
	}
	c.buckets += s.n
	var away [maxBuckets]uint32
	count := uint32(0)
	for b := range s.n {
		bk := s.at(b)
		if used := bk.used(); (bk.meta|bk.meta>>ttlShift)&slotMask&^used != 0 {
			return fmt.Errorf("bucket %d: meta %#x, but used is %#x", b, bk.meta, used)
		}
		for i := range slots {
			if bk.refs[i] == 0 {
				if bk.tags[i] != 0 {
					return fmt.Errorf("bucket %d: empty slot %d has tag %d", b, i, bk.tags[i])
				}
				continue
			}
			count++
			home, err := c.entry(s, bk, i)
			if err == nil && bk.ttl(i) && timesSize(s.n) > 0 {
				err = c.time(s, b, arena.Ref(bk.refs[i]))
			}
			if err != nil {
				return fmt.Errorf("bucket %d slot %d: %w", b, i, err)
			}
			if other := alternate(home, bk.tags[i], s.n); home != b && other != b || (home != b) != bk.displaced(i) {
				return fmt.Errorf("bucket %d slot %d: home is %d, alternate %d, displaced %v", b, i, home, other, bk.displaced(i))
			}
			if home != b {
				away[home]++
			}
		}
	}
	if count != s.e.count {
		return fmt.Errorf("%d entries, %d counted", count, s.e.count)
	}
	if s.times != nil && timesSize(s.n) == 0 {
		return fmt.Errorf("a single block has times")
	}
	if s.chained != (s.e.chain != 0) {
		return fmt.Errorf("chained %v, chain at %d", s.chained, s.e.chain)
	}
	if s.chained {
		c.chained++
		if err := c.chain(s, &away); err != nil {
			return err
		}
	}
	for b := range s.n {
		if n := s.at(b).overflow(); n < overflowMax && n != away[b] {
			return fmt.Errorf("bucket %d: %d entries are away, %d counted", b, away[b], n)
		}
	}
	return nil
}

// entry checks what can be known of one entry from its key, and returns its home bucket.
func (c *checker) entry(s *segment, b *bucket, i int) (home uint32, err error) {
	t := c.t
	ref := arena.Ref(b.refs[i])
	if c.refs[b.refs[i]] {
		return 0, fmt.Errorf("entry %d stands in the table twice", ref)
	}
	c.refs[b.refs[i]] = true
	h := t.hash(t.layout.Key(t.a, ref))
	if h-s.start >= s.next()-s.start && s.depth > 0 {
		return 0, fmt.Errorf("hash %#x", h)
	}
	home, tag := homeOf(placeOf(h, s.depth), s.n)
	if tag != b.tags[i] {
		return 0, fmt.Errorf("tag %#x for hash %#x", b.tags[i], h)
	}
	if place := firstPlace(home<<8|uint32(tag), s.n); s.n >= exactBuckets && place != placeOf(h, s.depth) {
		return 0, fmt.Errorf("place %#x read back for hash %#x", place, h)
	}
	if b.ttl(i) && s.e.minExpire == noExpiry {
		return 0, fmt.Errorf("volatile, and the segment knows of none")
	}
	if c.deadline == nil {
		return home, nil
	}
	if ms := c.deadline(ref); (ms != 0) != b.ttl(i) || ms != 0 && ms < s.e.minExpire {
		return 0, fmt.Errorf("expiry %d, volatile %v, minimum %d", ms, b.ttl(i), s.e.minExpire)
	}
	return home, nil
}

// time checks that the segment's times know of a volatile entry in bucket b.
func (c *checker) time(s *segment, b uint32, ref arena.Ref) error {
	if s.times == nil || s.times.codes[b] == noTime {
		return fmt.Errorf("volatile, and the times do not know")
	}
	if c.deadline != nil && c.deadline(ref) < s.times.at(b) {
		return fmt.Errorf("expiry %d, bucket's minimum %d", c.deadline(ref), s.times.at(b))
	}
	return nil
}

// chain checks a segment's chain, and counts its entries as away from their homes.
func (c *checker) chain(s *segment, away *[maxBuckets]uint32) error {
	total := uint32(0)
	for at := s.e.chain; at != 0; at = c.t.link(at).next {
		used := uint32(0)
		for line := range linkLines {
			bk := &c.t.link(at).lines[line]
			for i := range slots {
				if bk.refs[i] == 0 {
					continue
				}
				used++
				home, err := c.entry(s, bk, i)
				if err != nil {
					return fmt.Errorf("chain line %d slot %d: %w", line, i, err)
				}
				away[home] += overflowMax
				if bk.displaced(i) || s.at(home).overflow() != overflowMax {
					return fmt.Errorf("chain line %d slot %d: home %d does not lead to it", line, i, home)
				}
			}
		}
		if used != c.t.link(at).used {
			return fmt.Errorf("a link of the chain has %d entries, %d counted", used, c.t.link(at).used)
		}
		total += used
	}
	if total != s.e.chained {
		return fmt.Errorf("chain has %d entries, %d counted", total, s.e.chained)
	}
	return nil
}
