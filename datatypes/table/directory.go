package table

import (
	"unsafe"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// The directory has two levels, so that no step of its growth copies more than a page: the top array names pages by the
// leading bits of the hash, a page names segments by the bits that follow. A table of one segment has both inside its
// header.
const (
	maxDepth     = 30 // leading bits of the hash that the directory may use
	maxPageBits  = 8  // a page has at most 256 entries, 4 KiB
	topEntrySize = 8
	dirEntrySize = 16
	dirEntryRefs = dirEntrySize / 8

	headerSize = 64
	topInside  = 5 // where the header's own top entry stands, in granules
	pageInside = 6 // where its own page of one entry stands
)

// noExpiry is the minimum expiry of a segment or table without volatile entries, and above every time that is kept.
const noExpiry = 1<<48 - 1

// header is a table's root allocation.
type header struct {
	top       uint64 // ref of the top array : 32, its bits : 8, deepest depth there may be : 8, segments with a chain : 16
	count     uint32 // entries
	buckets   uint32 // in all segments, without chains
	minExpire int64  // lower bound over all entries, in ms, or noExpiry
	passMin   int64  // the same over the segments that the running sweep has passed
	sweepPos  uint32 // where the running sweep goes on: the leading maxDepth bits of a hash; 0 if no sweep is running
	tendPos   uint32 // where Maintain goes on, likewise; the top bit says that there may be something to do
	oneTop    uint64 // the top array of a table with a single page
	onePage   dirEntry
}

const tendWanted = 1 << 31

// dirEntry names a segment. A segment whose prefix is shorter than its page's stands in several consecutive entries
// with the same word; only the first of them carries due, in the others it is 0.
type dirEntry struct {
	word uint64 // segment ref : 32, buckets : 8, depth : 8, has a chain : 1
	due  uint64 // entries in the buckets : 16, lower bound of the expiry in ms, or noExpiry : 48
}

const chainedBit = 1 << 48

func dirWord(r arena.Ref, n uint32, depth uint, chained bool) uint64 {
	w := uint64(r) | uint64(n)<<32 | uint64(depth)<<40
	if chained {
		w |= chainedBit
	}
	return w
}

func wordRef(w uint64) arena.Ref  { return arena.Ref(w) }
func wordBuckets(w uint64) uint32 { return uint32(w >> 32 & 0xff) }
func wordDepth(w uint64) uint     { return uint(w >> 40 & 0xff) }

func (e *dirEntry) count() uint32   { return uint32(e.due & 0xffff) }
func (e *dirEntry) min() int64      { return int64(e.due >> 16) }
func (e *dirEntry) setMin(ms int64) { e.due = e.due&0xffff | uint64(ms)<<16 }

// clampExpiry makes an expiry fit in the 48 bits that are kept of it: 0 is due always, the year 10889 never.
func clampExpiry(ms int64) int64 { return max(0, min(ms, noExpiry-1)) }

// topEntry packs a page's ref, the number of bits by which it is indexed, and the number of leading bits of the hash
// that all its entries share.
func topEntry(page arena.Ref, pageBits, skip uint) uint64 {
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
func (h *header) chained() uint32   { return uint32(h.top >> 48) }

func (h *header) setTop(r arena.Ref, topBits uint) {
	h.top = h.top&^(1<<40-1) | uint64(r) | uint64(topBits)<<32
}

func (h *header) setDeepest(d uint) { h.top = h.top&^(0xff<<40) | uint64(d)<<40 }

// addChained counts the segments with a chain. At 65535 it stays.
func (h *header) addChained(d int) {
	if c := h.chained(); c < 0xffff {
		h.top = h.top&^(0xffff<<48) | uint64(int(c)+d)<<48
	}
}

func (t *Table) topSlot(hd *header, i uint32) *uint64 {
	return (*uint64)(t.a.Ptr(hd.topRef() + arena.Ref(i)))
}

// locate finds the directory entry of h: its page's top entry, and its index in the page.
func (t *Table) locate(h uint64) (top uint64, index uint32) {
	hd := t.header()
	top = *t.topSlot(hd, lead(h, hd.topBits()))
	return top, lead(h<<(topSkip(top)&63), topBits(top))
}

func entryRef(top uint64, index uint32) arena.Ref {
	return topPage(top) + arena.Ref(index*dirEntryRefs)
}

// segment is what the directory says of one segment, as of now: it is dead after any change of the directory.
type segment struct {
	buckets
	start   uint64    // the lowest hash that belongs to it
	dir     arena.Ref // of its first directory entry
	ref     arena.Ref
	depth   uint
	chained bool
}

// segment finds the segment of h.
func (t *Table) segment(h uint64) segment {
	top, index := t.locate(h)
	w := t.dir(entryRef(top, index)).word
	depth := wordDepth(w)
	copies := topSkip(top) + topBits(top) - depth
	return segment{
		buckets: buckets{t.a.Ptr(wordRef(w)), wordBuckets(w)},
		start:   h &^ (^uint64(0) >> depth),
		dir:     entryRef(top, index&^(1<<copies-1)),
		ref:     wordRef(w),
		depth:   depth,
		chained: w&chainedBit != 0,
	}
}

// next is the start of the segment behind s, 0 behind the last.
func (s *segment) next() uint64 { return s.start + 1<<(64-s.depth) }

// setWord makes the directory name a segment: all its entries get the word, and the first one due as well.
func (t *Table) setWord(start uint64, w, due uint64) {
	top, index := t.locate(start)
	copies := uint32(1) << (topSkip(top) + topBits(top) - wordDepth(w))
	page := unsafe.Slice(t.dir(topPage(top)), 1<<topBits(top))
	for i := range copies {
		page[index+i] = dirEntry{word: w}
	}
	page[index].due = due
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
		return topEntry(arena.Ref(t.root)+pageInside, 0, 0)
	}
	return topEntry(t.a.Alloc(dirEntrySize<<pageBits), pageBits, skip)
}

func (t *Table) freePage(top uint64) {
	if topPage(top) != arena.Ref(t.root)+pageInside {
		t.a.Free(topPage(top), dirEntrySize<<topBits(top))
	}
}

// setPage makes all top entries of the page's prefix name it.
func (t *Table) setPage(start uint64, top uint64) {
	hd := t.header()
	copies := uint32(1) << (hd.topBits() - topSkip(top))
	first := lead(start, hd.topBits()) &^ (copies - 1)
	for i := range copies {
		*t.topSlot(hd, first+i) = top
	}
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

// doublePage indexes a page by one bit more. A segment's due stays in the first of its entries alone.
func (t *Table) doublePage(h uint64, top uint64) {
	wide := t.newPage(topBits(top)+1, topSkip(top))
	from, to := t.pageOf(top), t.pageOf(wide)
	for i, e := range from {
		to[2*i] = e
		to[2*i+1] = dirEntry{word: e.word}
	}
	t.setPage(h, wide)
	t.freePage(top)
}

// splitPage makes two pages of one. No segment reaches over both, for the page would then have been a single segment.
func (t *Table) splitPage(h uint64, top uint64) {
	hd := t.header()
	if topSkip(top) == hd.topBits() {
		t.doubleTop()
	}
	half := topBits(top) - 1
	from := t.pageOf(top)
	start := h &^ (^uint64(0) >> topSkip(top))
	for k := range 2 {
		side := t.newPage(half, topSkip(top)+1)
		copy(t.pageOf(side), from[k<<half:])
		t.setPage(start+uint64(k)<<(63-topSkip(top)), side)
	}
	t.freePage(top)
}

// doubleTop indexes the pages by one bit more. With pages of 256 entries the array is some 80000 times smaller than
// what it leads to.
func (t *Table) doubleTop() {
	hd := t.header()
	old, was := hd.topRef(), hd.topBits()
	wide := t.a.Alloc(topEntrySize << (was + 1))
	to := unsafe.Slice((*uint64)(t.a.Ptr(wide)), 2<<was)
	for i := range uint32(1) << was {
		e := *t.topSlot(hd, i)
		to[2*i], to[2*i+1] = e, e
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
	t.setPage(h, narrow)
	t.freePage(top)
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
			e := t.pageOf(side)[i>>stretch]
			if i&(1<<stretch-1) != 0 {
				e.due = 0
			}
			half[i] = e
		}
	}
	t.setPage(start, joined)
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
		if topSkip(*t.topSlot(hd, 2*i)) == was {
			return false
		}
	}
	old := hd.topRef()
	narrow := arena.Ref(t.root) + topInside
	if was > 1 {
		narrow = t.a.Alloc(topEntrySize << (was - 1))
	}
	to := unsafe.Slice((*uint64)(t.a.Ptr(narrow)), 1<<(was-1))
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
