package table

import (
	"math"
	"unsafe"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// The directory has two levels, so that no step of its growth copies more than a page: the top array names pages by the
// leading bits of the hash, a page names segments by the bits that follow. A table of one segment has both inside its
// header.
const (
	maxDepth     = 30 // leading bits of the hash that the directory may use
	maxPageBits  = 7  // a page has at most 128 entries, 8 KiB
	topEntrySize = 16
	topEntryRefs = topEntrySize / 8
	dirEntrySize = 64
	dirEntryRefs = dirEntrySize / 8

	headerSize = 128
	topInside  = 5 // where the header's own top entry stands, in granules
	pageInside = 8 // where its own page of one entry stands
)

const (
	// noExpiry is the minimum expiry of a segment or table without volatile entries.
	noExpiry = math.MaxInt64
	// latest is what bounds of expiries know of: an entry whose expiry is noExpiry has one all the same.
	latest = noExpiry - 1
)

// header is a table's root allocation.
type header struct {
	top       uint64   // ref of the top array : 32, its bits : 8, deepest depth there may be : 8
	count     uint32   // entries
	buckets   uint32   // in all segments, without chains
	minExpire int64    // lower bound of the pages' minima
	sweepPos  uint32   // where the running sweep goes on: the leading maxDepth bits of a hash; 0 if no sweep is running
	tendPos   uint32   // where Maintain goes on, likewise; the top bit says that there may be something to do
	chains    uint32   // segments with a chain
	timesSize uint32   // bytes of all segments' times
	oneTop    topEntry // the top array of a table with a single page
	_         uint64
	onePage   dirEntry // the page of a table with a single segment
}

const tendWanted = 1 << 31

// dirEntry names a segment: it is all of it but the buckets, and one cache line. A segment whose prefix is shorter than its
// page's stands in several consecutive entries; word and blocks are the same in all, the rest is kept in the first and 0
// in the others.
type dirEntry struct {
	word      uint32            // buckets : 8, depth : 8, has a chain : 1
	count     uint32            // entries in the buckets
	minExpire int64             // lower bound of the entries' expiry in ms, or noExpiry
	blocks    [maxBlocks]uint32 // refs; block k has the buckets 8k to 8k+7, or those that there are of them
	chain     uint32            // ref of the chain's first block
	chained   uint32            // entries in the chain
	times     uint32            // ref of the times, see times.go
	marked    uint32            // 1 if Mark was called for an entry that may be here; see Marked
}

const chainedBit = 1 << 16

func dirWord(n uint32, depth uint, chained bool) uint32 {
	w := n | uint32(depth)<<8
	if chained {
		w |= chainedBit
	}
	return w
}

func wordBuckets(w uint32) uint32 { return w & 0xff }
func wordDepth(w uint32) uint     { return uint(w >> 8 & 0xff) }

// copied is what the other entries of the same segment have.
func (e *dirEntry) copied() dirEntry { return dirEntry{word: e.word, blocks: e.blocks} }

// total is the number of entries in the segment, those of its chain included.
func (e *dirEntry) total() int { return int(e.count + e.chained) }

// topEntry names a page. A page whose prefix is shorter than the array's stands in several consecutive entries, as
// a segment does in its page; minExpire is kept in the first.
type topEntry struct {
	word      uint64
	minExpire int64 // lower bound of the segments' minima
}

// topWord packs a page's ref, the number of bits by which it is indexed, and the number of leading bits of the hash
// that all its entries share.
func topWord(page arena.Ref, pageBits, skip uint) uint64 {
	return uint64(page) | uint64(pageBits)<<32 | uint64(skip)<<40
}

func topPage(e uint64) arena.Ref { return arena.Ref(e) }
func topBits(e uint64) uint      { return uint(e >> 32 & 0xff) }
func topSkip(e uint64) uint      { return uint(e >> 40 & 0xff) }

// lead is the number that the leading n bits of h make; n is 0 to 63.
func lead(h uint64, n uint) uint32 { return uint32(h >> 1 >> ((63 - n) & 63)) }

func (t *Table) header() *header { return (*header)(t.a.Ptr(arena.Ref(t.root))) }

func (t *Table) dir(r arena.Ref) *dirEntry { return (*dirEntry)(t.a.Ptr(r)) }

func (h *header) topRef() arena.Ref { return arena.Ref(h.top) }
func (h *header) topBits() uint     { return uint(h.top >> 32 & 0xff) }
func (h *header) deepest() uint     { return uint(h.top >> 40 & 0xff) }

func (h *header) setTop(r arena.Ref, topBits uint) {
	h.top = h.top&^(1<<40-1) | uint64(r) | uint64(topBits)<<32
}

func (h *header) setDeepest(d uint) { h.top = h.top&^(0xff<<40) | uint64(d)<<40 }

func (t *Table) topSlot(hd *header, i uint32) *topEntry {
	return (*topEntry)(t.a.Ptr(hd.topRef() + arena.Ref(i*topEntryRefs)))
}

// locate finds the directory entry of h: its page's top word, and its index in the page.
func (t *Table) locate(h uint64) (top uint64, index uint32) {
	hd := t.header()
	top = t.topSlot(hd, lead(h, hd.topBits())).word
	return top, lead(h<<(topSkip(top)&63), topBits(top))
}

func entryRef(top uint64, index uint32) arena.Ref {
	return topPage(top) + arena.Ref(index*dirEntryRefs)
}

// segment is what the directory says of one segment, as of now: it is dead after any change of the directory.
type segment struct {
	buckets
	e       *dirEntry // the first of its entries
	dir     arena.Ref // where that stands
	start   uint64    // the lowest hash that belongs to it
	depth   uint
	chained bool
}

// segment finds the segment of h.
func (t *Table) segment(h uint64) segment {
	top, index := t.locate(h)
	w := t.dir(entryRef(top, index)).word
	depth := wordDepth(w)
	copies := topSkip(top) + topBits(top) - depth
	dir := entryRef(top, index&^(1<<copies-1))
	e := t.dir(dir)
	s := segment{
		buckets: t.bucketsOf(e),
		e:       e,
		dir:     dir,
		start:   h &^ (^uint64(0) >> depth),
		depth:   depth,
		chained: w&chainedBit != 0,
	}
	s.times = t.timesOf(e)
	return s
}

// bucketsOf is the buckets of the segment that e names.
func (t *Table) bucketsOf(e *dirEntry) buckets {
	return buckets{base: t.a.Ptr(0), blocks: &e.blocks, n: wordBuckets(e.word)}
}

// next is the start of the segment behind s, 0 behind the last.
func (s *segment) next() uint64 { return s.start + 1<<(64-s.depth) }

// setEntry makes the directory name the segment e at the hashes from start on.
func (t *Table) setEntry(start uint64, e *dirEntry) {
	top, index := t.locate(start)
	copies := uint32(1) << (topSkip(top) + topBits(top) - wordDepth(e.word))
	page := t.pageOf(top)[index : index+copies]
	page[0] = *e
	for i := range page[1:] {
		page[1+i] = e.copied()
	}
}

// zeroed is a new allocation of zero bytes.
func (t *Table) zeroed(size int) arena.Ref {
	r := t.a.Alloc(size)
	clear(t.a.Bytes(r, size))
	return r
}

// pageOf is the entries of a page.
func (t *Table) pageOf(top uint64) []dirEntry {
	return unsafe.Slice(t.dir(topPage(top)), 1<<topBits(top))
}

// newPage is a page of 1<<pageBits entries, in the header if that is where it belongs.
func (t *Table) newPage(pageBits, skip uint) uint64 {
	if pageBits == 0 && skip == 0 {
		return topWord(arena.Ref(t.root)+pageInside, 0, 0)
	}
	return topWord(t.a.Alloc(dirEntrySize<<pageBits), pageBits, skip)
}

func (t *Table) freePage(top uint64) {
	if topPage(top) != arena.Ref(t.root)+pageInside {
		t.a.Free(topPage(top), dirEntrySize<<topBits(top))
	}
}

// firstTop is the first of the top entries that name the page of h.
func (t *Table) firstTop(h uint64) *topEntry {
	hd := t.header()
	i := lead(h, hd.topBits())
	copies := uint32(1) << (hd.topBits() - topSkip(t.topSlot(hd, i).word))
	return t.topSlot(hd, i&^(copies-1))
}

// setPage makes all top entries of the page's prefix name it.
func (t *Table) setPage(h uint64, top uint64, minExpire int64) {
	hd := t.header()
	copies := uint32(1) << (hd.topBits() - topSkip(top))
	first := lead(h, hd.topBits()) &^ (copies - 1)
	for i := range copies {
		*t.topSlot(hd, first+i) = topEntry{word: top}
	}
	t.topSlot(hd, first).minExpire = minExpire
}

// replacePage makes a page of the same prefix stand for the page of h.
func (t *Table) replacePage(h uint64, by uint64) {
	was := *t.firstTop(h)
	t.setPage(h, by, was.minExpire)
	t.freePage(was.word)
}

// deepen makes the directory at h able to tell prefixes of depth bits apart. It moves no segment.
func (t *Table) deepen(h uint64, depth uint) {
	for {
		top, _ := t.locate(h)
		switch {
		case topSkip(top)+topBits(top) >= depth:
			if hd := t.header(); hd.deepest() < depth {
				hd.setDeepest(depth)
			}
			return
		case topBits(top) < maxPageBits:
			t.doublePage(h, top)
		default:
			t.splitPage(h, top)
		}
	}
}

// doublePage indexes a page by one bit more. What a segment has in the first of its entries stays there.
func (t *Table) doublePage(h uint64, top uint64) {
	wide := t.newPage(topBits(top)+1, topSkip(top))
	from, to := t.pageOf(top), t.pageOf(wide)
	for i, e := range from {
		to[2*i] = e
		to[2*i+1] = e.copied()
	}
	t.replacePage(h, wide)
}

// splitPage makes two pages of one. No segment reaches over both, for the page would then have been a single segment.
func (t *Table) splitPage(h uint64, top uint64) {
	hd := t.header()
	if topSkip(top) == hd.topBits() {
		t.doubleTop()
	}
	minExpire := t.firstTop(h).minExpire
	half := topBits(top) - 1
	from := t.pageOf(top)
	start := h &^ (^uint64(0) >> topSkip(top))
	for k := range 2 {
		side := t.newPage(half, topSkip(top)+1)
		copy(t.pageOf(side), from[k<<half:])
		t.setPage(start+uint64(k)<<(63-topSkip(top)), side, minExpire)
	}
	t.freePage(top)
}

// doubleTop indexes the pages by one bit more. The array has 16 bytes for some 50000 entries of the table.
func (t *Table) doubleTop() {
	hd := t.header()
	old, was := hd.topRef(), hd.topBits()
	wide := t.a.Alloc(topEntrySize << (was + 1))
	to := unsafe.Slice((*topEntry)(t.a.Ptr(wide)), 2<<was)
	for i := range uint32(1) << was {
		e := *t.topSlot(hd, i)
		to[2*i], to[2*i+1] = e, topEntry{word: e.word}
	}
	hd.setTop(wide, was+1)
	t.freeTop(old, was)
}

func (t *Table) freeTop(r arena.Ref, topBits uint) {
	if r != arena.Ref(t.root)+topInside {
		t.a.Free(r, topEntrySize<<topBits)
	}
}

// halvePage indexes the page of h by one bit less, if no segment in it needs them all. It returns whether it did.
func (t *Table) halvePage(h uint64) bool {
	top, _ := t.locate(h)
	if topBits(top) == 0 {
		return false
	}
	from := t.pageOf(top)
	full := topSkip(top) + topBits(top)
	for i := 0; i < len(from); i += 2 {
		if wordDepth(from[i].word) == full {
			return false
		}
	}
	narrow := t.newPage(topBits(top)-1, topSkip(top))
	for i, to := 0, t.pageOf(narrow); i < len(to); i++ {
		to[i] = from[2*i]
	}
	t.replacePage(h, narrow)
	return true
}

// joinPages makes one page of the page of h and the one before it, if they are the two halves of a prefix and small
// together. It returns whether it did. h lies in the second.
func (t *Table) joinPages(h uint64) bool {
	right, _ := t.locate(h)
	skip := topSkip(right)
	if skip == 0 || h>>(64-skip)&1 == 0 {
		return false
	}
	start := h &^ (^uint64(0) >> skip) &^ (1 << (64 - skip))
	left, _ := t.locate(start)
	wide := max(topBits(left), topBits(right))
	if topSkip(left) != skip || wide > maxPageBits-2 {
		return false
	}
	joined := t.newPage(wide+1, skip-1)
	to := t.pageOf(joined)
	for k, side := range [2]uint64{left, right} {
		stretch := wide - topBits(side)
		half := to[k<<wide : (k+1)<<wide]
		for i := range half {
			half[i] = t.pageOf(side)[i>>stretch]
			if i&(1<<stretch-1) != 0 {
				half[i] = half[i].copied()
			}
		}
	}
	t.setPage(start, joined, min(t.firstTop(start).minExpire, t.firstTop(h).minExpire))
	t.freePage(left)
	t.freePage(right)
	return true
}

// halveTop indexes the pages by one bit less, if none of them needs them all. It returns whether it did.
func (t *Table) halveTop() bool {
	hd := t.header()
	was := hd.topBits()
	if was == 0 {
		return false
	}
	for i := range uint32(1) << (was - 1) {
		if topSkip(t.topSlot(hd, 2*i).word) == was {
			return false
		}
	}
	old := hd.topRef()
	narrow := arena.Ref(t.root) + topInside
	if was > 1 {
		narrow = t.a.Alloc(topEntrySize << (was - 1))
	}
	to := unsafe.Slice((*topEntry)(t.a.Ptr(narrow)), 1<<(was-1))
	for i := range to {
		to[i] = *t.topSlot(hd, uint32(2*i))
	}
	hd.setTop(narrow, was-1)
	t.freeTop(old, was)
	invariant.Check(hd.topBits() == was-1, "table: top array of %d bits", hd.topBits())
	return true
}

// pageSpan is the number of hashes that a page covers; 0 stands for all.
func pageSpan(top uint64) uint64 { return 1 << (64 - topSkip(top)) }
