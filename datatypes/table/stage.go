package table

import (
	"sync/atomic"

	"larder/datatypes/arena"
)

// Looking up many keys costs little more than looking up a few, if the loads of all of them are under way together:
//
//	var b table.Batch
//	for each key: b.Add(&t, h)       walks the directory
//	b.Load()                         asks for the buckets, matches tags, asks for the entries
//	take the shard; for each key: t.Find(h, key)
//
// Add and Load may run while another goroutine holds the shard and changes or frees what they read. They only ask the
// processor for memory, so wrong answers do no harm; and they read only where arena.Readable allows it, whatever the values
// that they have read before say. Memory of the arena stays readable when it is freed. Each value that says where to
// read on is one word that is written at once, the root included; the rest of the handle does not change.
//
// Asking for memory that no translation is cached for holds up what follows, a few hundred instructions further on. So Load
// does it in short loops that do nothing else.

// BatchSize is how many keys a Batch takes.
const BatchSize = 64

// Batch is a set of lookups that are about to be made. The zero Batch is empty.
type Batch struct {
	n      int
	probes [BatchSize]probe
}

// probe is one lookup of a batch.
type probe struct {
	a       *arena.Arena
	dir     arena.Ref // the directory entry
	line    arena.Ref // the bucket to look at
	next    arena.Ref // what to ask for next
	home    uint8
	buckets uint8
	tag     uint8
	away    bool // next is the alternate bucket
}

// Add puts the lookup of hash h into the batch; if the batch is full, nothing happens. The shard need not be held.
func (b *Batch) Add(t *Table, h uint64) {
	if b.n < BatchSize && b.probes[b.n].start(t, h) {
		b.n++
	}
}

// Full tells whether the batch takes no more before a Load.
func (b *Batch) Full() bool { return b.n == BatchSize }

// start walks to the bucket of h. It returns whether it has come there.
func (p *probe) start(t *Table, h uint64) bool {
	a, root := t.a, arena.Ref(atomic.LoadUint32(&t.root))
	if !a.Readable(root) {
		return false
	}
	top := peek(a, root)
	at := arena.Ref(top) + arena.Ref(lead(h, uint(top>>32&0x3f))*topEntryRefs)
	if !a.Readable(at) {
		return false
	}
	top = peek(a, at)
	at = entryRef(top, lead(h<<(topSkip(top)&63), topBits(top)&63))
	if !a.Readable(at) {
		return false
	}
	w := uint32(peek(a, at))
	home, tag := homeOf(placeOf(h, wordDepth(w)), wordBuckets(w))
	p.a, p.dir, p.line = a, at, stagedBucket(a, at, home)
	p.home, p.buckets, p.tag = uint8(home), uint8(wordBuckets(w)), tag
	return true
}

// stagedBucket is where bucket b of the segment of the directory entry at e stands.
func stagedBucket(a *arena.Arena, e arena.Ref, b uint32) arena.Ref {
	k := b / blockLines % maxBlocks
	return arena.Ref(peek(a, e+2+arena.Ref(k/2))>>(32*(k&1))) + arena.Ref(b%blockLines*lineRefs)
}

// peek reads a word that another goroutine may be writing.
func peek(a *arena.Arena, r arena.Ref) uint64 { return atomic.LoadUint64((*uint64)(a.Ptr(r))) }

// Load asks for the buckets and entries of the lookups in the batch, and empties it. The shard need not be held.
func (b *Batch) Load() {
	probes := b.probes[:b.n]
	b.n = 0
	for i := range probes {
		p := &probes[i]
		p.a.Prefetch(p.line)
	}
	for i := range probes {
		probes[i].match(0)
	}
	for i := range probes {
		p := &probes[i]
		p.a.PrefetchEntry(p.next)
	}
	away := 0
	for i := range probes {
		if p := &probes[i]; p.away {
			p.line = p.next
			p.match(slotMask)
			probes[away].a, probes[away].next = p.a, p.next
			away++
		}
	}
	for i := range probes[:away] {
		p := &probes[i]
		p.a.PrefetchEntry(p.next)
	}
}

// match finds out what to ask for after the bucket: an entry of this tag whose displaced bit is as in displaced, or the
// alternate bucket.
func (p *probe) match(displaced uint32) {
	p.next, p.away = 0, false
	if !p.a.Readable(p.line) {
		return
	}
	high := peek(p.a, p.line+1)
	meta := uint32(high >> 32)
	if m := matchTags(peek(p.a, p.line), uint32(high), p.tag) &^ (meta ^ displaced) & slotMask; m != 0 {
		i := lowest(m)
		p.next = arena.Ref(peek(p.a, p.line+2+arena.Ref(i/2)) >> (32 * (i & 1)))
	} else if meta&overflowMask != 0 && displaced == 0 {
		p.next = stagedBucket(p.a, p.dir, alternate(uint32(p.home), p.tag, uint32(p.buckets)))
		p.away = true
	}
}

// Glimpse is where the entry of a key with hash h may stand, 0 if there is none. It is a guess by the tag: the entry may be
// another's, or gone. The shard need not be held.
func (t *Table) Glimpse(h uint64) arena.Ref {
	var p probe
	if !p.start(t, h) {
		return 0
	}
	if p.match(0); p.away {
		p.line = p.next
		p.match(slotMask)
	}
	return p.next
}

// Stage1 and Stage2 are the two rounds of a batch for a single key, for callers that have their own loops: they ask for
// the bucket, and for the entry. The shard need not be held.
func (t *Table) Stage1(h uint64) {
	var p probe
	if p.start(t, h) {
		t.a.Prefetch(p.line)
	}
}

// Stage2 is the second round; see Stage1.
func (t *Table) Stage2(h uint64) {
	var p probe
	if p.start(t, h) {
		p.match(0)
		t.a.Prefetch(p.next)
	}
}
