package table

// Fills, in percent of a segment's slots.
const (
	sparseFill = 55 // below it a segment may shrink
	mergedFill = 62 // two segments merge if they fill no more of one of the largest size
	tendedFill = 80 // what shrinking and merging leave at most, so that the next inserts do not undo them
)

// Maintain takes back what growth has left behind after deletes: it shrinks segments, merges them and folds the
// directory, looking at up to budget segments; one that is rebuilt counts as 16. It returns whether it has not come
// through. If there was no delete that could have left anything to do, it takes constant time.
func (t *Table) Maintain(budget int) (more bool) {
	hd := t.header()
	pos := uint64(hd.tendPos&^tendWanted) << (64 - maxDepth)
	if pos == 0 {
		if hd.tendPos&tendWanted == 0 {
			return false
		}
		hd.tendPos = 0 // a delete during this pass asks for another
	}
	for budget > 0 {
		s := t.segment(pos)
		budget -= 1 + t.tend(&s)
		pos = s.next()
		budget -= t.foldPages(s.start, pos)
		if pos == 0 {
			t.endTending()
			break
		}
	}
	hd.tendPos = hd.tendPos&tendWanted | uint32(pos>>(64-maxDepth))
	return hd.tendPos != 0
}

// foldPages narrows the page of h, and joins it with the one before it, if end is where it ends. It returns how many
// pages it rebuilt.
func (t *Table) foldPages(h, end uint64) (cost int) {
	for {
		top, _ := t.locate(h)
		if end&(pageSpan(top)-1) != 0 {
			return cost
		}
		for t.halvePage(h) {
			cost++
		}
		if !t.joinPages(h) {
			return cost
		}
		cost++
		t.header().tendPos |= tendWanted // segments that could not merge across the border of two pages now can
	}
}

// endTending folds the top array and finds out how deep the directory really is.
func (t *Table) endTending() {
	for t.halveTop() {
	}
	hd := t.header()
	deepest := uint(0)
	for i := range uint32(1) << hd.topBits() {
		top := t.topSlot(hd, i).word
		deepest = max(deepest, topSkip(top)+topBits(top))
	}
	hd.setDeepest(deepest)
}

// tend merges a segment with the one before it while it can, or shrinks it. It leaves in s the segment that holds the
// entries now, and returns how many segments' worth of work that was.
func (t *Table) tend(s *segment) (cost int) {
	const rebuilt = 15
	for s.depth > 0 {
		bit := uint64(1) << (64 - s.depth)
		other := t.segment(s.start ^ bit)
		top, _ := t.locate(s.start)
		total := s.e.total() + other.e.total()
		if other.depth != s.depth || s.depth <= topSkip(top) || total*100 > maxBuckets*slots*mergedFill {
			break
		}
		if s.start&bit == 0 {
			return cost // its turn comes with the other half
		}
		if s.e.total() == 0 && t.clustered(&other) || other.e.total() == 0 && t.clustered(s) {
			break // a table that is being filled in the order of its hashes
		}
		t.merge(&other, s)
		*s = t.segment(s.start)
		cost += rebuilt
	}
	total := s.e.total()
	if s.e.chained > maxChainGathered {
		return cost
	}
	if n := sizeFor(total, tendedFill); s.chained && total*100 <= maxBuckets*slots*tendedFill ||
		n < s.n && total*100 < int(s.n)*slots*sparseFill {
		t.resize(s, n)
		*s = t.segment(s.start)
		cost += rebuilt
	}
	return cost
}
