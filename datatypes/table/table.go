// Package table is the hash table of the house: keys of a database, fields of a hash, members of sets. It stands in an
// arena, header included, and keeps refs of entries, about 6 bytes of its own for each; the entries are somebody else's.
//
// # Layout
//
//	header -> top array -> page of the directory -> blocks of a segment -> bucket of 12 slots -> entry
//
// A bucket is one cache line:
//
//	byte  0-11  tags, 8 bits of the hash per slot
//	     12-15  meta, 32 bits:  0-11  displaced: the entry in this slot stands in its alternate bucket
//	                           12-15  overflow: entries at home here that stand elsewhere; 15 is "15 or more", for good
//	                           16-27  the entry in this slot has an expiry
//	                           28-31  spare
//	     16-63  refs of the entries, 32 bits per slot; 0 is an empty slot, and its tag is 0 too
//
// A segment has 1-16, 18, 20, ... 32, 40, 48, 56 or 64 buckets, in blocks of eight; the last block may have fewer. As all
// blocks but that one have the same size, what one segment gives up another can use. A segment grows from one size to
// the next when an entry finds no room, and at 64 it splits in two by the next bit of the hash. The hash is used from its
// top:
//
//	hash   [ prefix: depth bits ][ place: 13 bits ][ the rest is not used ]
//
// Segments have prefixes of their own depth, up to 30 bits. The place says where in the segment an entry belongs. Among n
// buckets the product place*n has the home bucket in its bits from 13 on, and the tag in bits 5-12. As n*256 >= 2^13 from
// 32 buckets on, the place can be read back from bucket and tag: then a segment grows, shrinks and merges without reading
// a key, and a scan knows the order of the hashes. Smaller ones read their few keys.
//
// If the home bucket is full the entry goes to its alternate bucket, (H(tag) - home) mod n, from which the same sum
// leads back. If that is full too, one of the 24 entries there moves to its own other bucket. If none can, the segment
// grows. So segments are about 88 % full, and a lookup reads the second bucket only if the first says that something is
// away and has not got the key.
//
// For example, in a segment of 40 buckets and depth 0, the entry at ref 0xa06 with the hash 0x3a5f... has the place
// 0x3a5f>>3 = 0x74b. 0x74b*40 = 0x123b8, so its home is bucket 0x123b8>>13 = 9 and its tag is 0x123b8>>5 & 0xff = 0x1d.
// The hash 0x0ee0... has place 0x1dc, home 2, tag 0x53 and the alternate 9; bucket 2 was full when it came, with ref 0xa0c.
// Then bucket 9 reads, if the first entry has an expiry,
//
//	1d 53 00 00 00 00 00 00  00 00 00 00 02 00 01 00      tags; meta 0x00010002: slot 1 displaced, slot 0 volatile
//	06 0a 00 00 0c 0a 00 00  00 00 00 00 00 00 00 00      refs
//	00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
//	00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
//
// and bucket 2 has overflow 1. To read the second place back: slot 1 is displaced, so home is (H(0x53) - 9) mod 40 = 2;
// the cell is 2*256 + 0x53 = 0x253, and the lowest place with that cell is (0x253*32 + 39) / 40 = 0x1dc.
//
// The directory has an entry of 64 bytes for each segment: buckets and depth, the refs of the eight blocks, the number
// of entries, a lower bound of their expiries, and whether some of them may be marked, see Marked. Entries stand in pages of up to 128, by prefix; a segment that is less
// deep than its page stands in 2, 4, ... entries in a row. The top array names pages in the same way, with a lower bound of
// the page's expiries. A table of one segment has its only directory entry and its only top entry in the header, and
// takes 128 bytes and the buckets. No step of the directory's growth copies more than a page, but for the top
// array, which has 16 bytes for some 50000 entries of the table.
//
// Segments with volatile entries also have times: a lower bound of the expiries of each bucket, see times.go. Hashes that
// agree in all bits that count would overflow two buckets however large the segment is; such entries form a chain, see
// chain.go.
//
// # What changes when
//
// Insert rebuilds at most a segment or two of up to 768 entries; Delete only empties the slot. What deletes leave behind
// is taken back by Maintain, a few segments at a time: segments shrink, merge with their neighbour, and the directory
// folds.
//
// A table belongs to the shard of its arena, which must be held. Batch, Stage1 and Stage2 are the exceptions.
package table

import (
	"bytes"
	"sync/atomic"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// A Layout says where an entry's key stands. The slice is only read, before anything else happens to the arena.
type Layout interface {
	Key(a *arena.Arena, e arena.Ref) []byte
}

// Table is a handle of a table: all that the table is stands in the arena, under Root. Handles may be made and thrown
// away freely; several of the same table see the same. The zero Table is no table.
type Table struct {
	a      *arena.Arena
	layout Layout
	hash   func(key []byte) uint64
	root   uint32
}

// Slot names the place of an entry. It is valid until the next Insert, Maintain, MoveSparse or FreeStep of its table;
// a Delete ends only the slot that it deletes.
type Slot struct {
	line   arena.Ref // the bucket
	dir    arena.Ref // the first directory entry of its segment
	bucket uint8     // its number in the segment; with chainedSlot, in the block of the chain
	i      uint8
}

// New makes an empty table: 192 bytes. The hash must be the one that the hashes given to Find and Insert come from.
func New(a *arena.Arena, l Layout, hash func(key []byte) uint64) Table {
	return NewSized(a, l, hash, 0)
}

// NewSized makes an empty table in which the first count entries, or as many as one segment holds, cause no growth.
func NewSized(a *arena.Arena, l Layout, hash func(key []byte) uint64, count int) Table {
	t := Table{a: a, layout: l, hash: hash}
	n := sizeFor(count, builtFill)
	root := t.zeroed(headerSize)
	t.root = uint32(root)
	hd := t.header()
	hd.setTop(root+topInside, 0)
	hd.minExpire = noExpiry
	hd.oneTop = topEntry{topWord(root+pageInside, 0, 0), noExpiry}
	e := dirEntry{minExpire: noExpiry}
	t.build(&e, nil, 0, n)
	t.install(0, &e)
	return t
}

// Open is a handle of the table that stands at root.
func Open(a *arena.Arena, root arena.Ref, l Layout, hash func(key []byte) uint64) Table {
	return Table{a: a, layout: l, hash: hash, root: uint32(root)}
}

// Root is the ref under which Open finds the table again. Only MoveSparse changes it.
func (t *Table) Root() arena.Ref { return arena.Ref(t.root) }

// setRoot makes the handle name another header of the same arena. Stage1 and Stage2 may be reading it.
func (t *Table) setRoot(r arena.Ref) { atomic.StoreUint32(&t.root, uint32(r)) }

// Replace makes the handle name another table of the same arena, layout and hash, while other goroutines may be calling
// Stage1 and Stage2 of the handle; plain assignment to it would be read torn.
func (t *Table) Replace(by Table) {
	invariant.Check(t.a == by.a, "table: replaced by one of another arena")
	t.setRoot(by.Root())
}

// Len is the number of entries.
func (t *Table) Len() int { return int(t.header().count) }

// Bytes is the memory that the table takes, without its entries. It takes time in proportion to Len/40000.
func (t *Table) Bytes() int {
	hd := t.header()
	size := headerSize + int(hd.buckets)*lineBytes + int(hd.timesSize)
	if hd.topBits() > 0 {
		size += topEntrySize << hd.topBits()
	}
	for start := uint64(0); ; {
		top, _ := t.locate(start)
		if topPage(top) != t.Root()+pageInside {
			size += dirEntrySize << topBits(top)
		}
		if start += pageSpan(top); start == 0 {
			break
		}
	}
	if hd.chains > 0 {
		for s := t.segment(0); ; s = t.segment(s.next()) {
			if s.chained {
				size += t.chainBytes(s.e)
			}
			if s.next() == 0 {
				break
			}
		}
	}
	return size
}

// InsertNeeds is the number of bytes for which the arena must have room, by Reserve, before an Insert.
func (t *Table) InsertNeeds() int {
	top, n := t.header().topBits(), t.header().buckets
	perSegment := min(int(n)*2+8, maxBuckets+1) * lineBytes
	return linkBytes + maxRebuilds*(3*perSegment+2*timesSize(maxBuckets)+2*dirEntrySize<<maxPageBits) + topEntrySize<<(top+maxRebuilds)
}

// Find looks for the key, whose hash is h.
func (t *Table) Find(h uint64, key []byte) (Slot, bool) {
	top, index := t.locate(h)
	e := t.dir(entryRef(top, index))
	s := t.bucketsOf(e)
	depth := wordDepth(e.word)
	home, tag := homeOf(placeOf(h, depth), s.n)
	b := home
	bk := s.at(home)
	i := t.search(bk, ^bk.meta, tag, key)
	if i < 0 {
		away := bk.overflow()
		if away == 0 {
			return Slot{}, false
		}
		b = alternate(home, tag, s.n)
		bk = s.at(b)
		i = t.search(bk, bk.meta, tag, key)
		if i < 0 {
			if away == overflowMax && e.word&chainedBit != 0 {
				s := t.segment(h)
				return t.findChained(&s, tag, key)
			}
			return Slot{}, false
		}
	}
	copies := topSkip(top) + topBits(top) - depth
	return Slot{line: s.ref(b), dir: entryRef(top, index&^(1<<copies-1)), bucket: uint8(b), i: uint8(i)}, true
}

// search is the slot of bucket b that holds the key, among those that eligible has set, or -1. Bits of eligible beyond
// the slots do not matter.
func (t *Table) search(b *bucket, eligible uint32, tag uint8, key []byte) int {
	for m := b.match(tag) & eligible; m != 0; m &= m - 1 {
		i := lowest(m)
		if e := b.refs[i]; e != 0 && bytes.Equal(t.layout.Key(t.a, arena.Ref(e)), key) {
			return i
		}
	}
	return -1
}

// Insert adds the entry e, whose key has the hash h and is not in the table. expireMs is its expiry in ms, 0 for none.
// It takes constant time, and now and then that of rebuilding a segment of up to 768 entries.
func (t *Table) Insert(h uint64, e arena.Ref, expireMs int64) Slot {
	invariant.Check(e != 0, "table: nil entry")
	expireMs = min(expireMs, latest)
	for round := 0; ; round++ {
		s := t.segment(h)
		due := uint16(noTime)
		if expireMs != 0 {
			due = t.dueAt(&s, expireMs)
		}
		b, i, ok := s.add(placeOf(h, s.depth), e, due)
		if !ok && round < maxRebuilds && t.makeRoom(&s) {
			continue
		}
		var slot Slot
		if ok {
			slot = s.slot(b)
			slot.i = uint8(i)
			s.e.count++
		} else {
			slot = t.insertChained(&s, h, e, expireMs != 0)
		}
		t.header().count++
		if expireMs != 0 && expireMs < s.e.minExpire {
			t.lowerMin(s.e, h, expireMs)
		}
		return slot
	}
}

func (t *Table) bucket(s Slot) *bucket { return (*bucket)(t.a.Ptr(s.line)) }

// Entry is the entry in a slot.
func (t *Table) Entry(s Slot) arena.Ref { return arena.Ref(t.bucket(s).refs[s.i]) }

// SetEntry notes that the entry in a slot has moved to e.
func (t *Table) SetEntry(s Slot, e arena.Ref) {
	invariant.Check(e != 0 && t.Entry(s) != 0, "table: entry %d for %d", e, t.Entry(s))
	t.bucket(s).setRef(int(s.i), e)
}

// Volatile tells whether the entry in a slot is noted to have an expiry.
func (t *Table) Volatile(s Slot) bool { return t.bucket(s).ttl(int(s.i)) }

// SetExpire notes the expiry of the entry in a slot, in ms; 0 for none.
func (t *Table) SetExpire(s Slot, expireMs int64) {
	expireMs = min(expireMs, latest)
	b := t.bucket(s)
	if ttl := expireMs != 0; ttl != b.ttl(int(s.i)) {
		b.setTTL(int(s.i), ttl)
	}
	if expireMs == 0 {
		return
	}
	e := t.dir(s.dir)
	if n := wordBuckets(e.word); s.bucket&chainedSlot == 0 && timesSize(n) > 0 {
		t.timesFor(e, expireMs).lower(uint32(s.bucket), n, expireMs)
	}
	if expireMs < e.minExpire {
		t.lowerMin(e, t.hashOf(uint32(t.Entry(s))), expireMs)
	}
}

// lowerMin lowers the minimum of the segment that e names, and those above it. h is a hash of the segment.
func (t *Table) lowerMin(e *dirEntry, h uint64, expireMs int64) {
	e.minExpire = expireMs
	page, hd := t.firstTop(h), t.header()
	page.minExpire = min(page.minExpire, expireMs)
	hd.minExpire = min(hd.minExpire, expireMs)
}

// Delete removes the entry in a slot from the table. The entry itself is the caller's to free. It moves no other entry
// and frees no memory of the table: see Maintain.
func (t *Table) Delete(s Slot) {
	b := t.bucket(s)
	i := int(s.i)
	invariant.Check(b.refs[i] != 0, "table: delete of an empty slot")
	e, hd := t.dir(s.dir), t.header()
	hd.count--
	if s.bucket&chainedSlot != 0 {
		b.remove(i)
		t.link(linkOf(s)).used--
		e.chained--
		hd.tendPos |= tendWanted
		return
	}
	if b.displaced(i) {
		in := t.bucketsOf(e)
		in.at(alternate(uint32(s.bucket), b.tags[i], in.n)).oneLessAway()
	}
	b.remove(i)
	e.count--
	if e.count*100 < wordBuckets(e.word)*slots*sparseFill {
		hd.tendPos |= tendWanted
	}
}
