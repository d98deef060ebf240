package table

import (
	"sync/atomic"

	"larder/datatypes/arena"
)

// Looking up a batch of keys takes three rounds, so that the loads of all of them are under way together:
//
//	for each key: t.Stage1(h)        walks the directory, asks for the bucket
//	for each key: t.Stage2(h)        matches tags, asks for the entries
//	take the shard; for each key: t.Find(h, key)
//
// The stages may run while another goroutine holds the shard and changes or frees what they read. They only ask the
// processor for memory, so wrong answers do no harm; and they read only where arena.Readable allows it, whatever the values
// that they have read before say. Memory of the arena stays readable when it is freed. Each value that says where to
// read on, and how far, is one word that is written at once, the root included; the rest of the handle does not change.

// stageEntry walks to the directory entry of h and returns its place and word, or 0 if something on the way made no sense.
func (t *Table) stageEntry(h uint64) (e arena.Ref, word uint32) {
	root := arena.Ref(atomic.LoadUint32(&t.root))
	if !t.a.Readable(root) {
		return 0, 0
	}
	top := t.peek(root)
	at := arena.Ref(top) + arena.Ref(lead(h, uint(top>>32&0x3f)))
	if !t.a.Readable(at) {
		return 0, 0
	}
	top = t.peek(at)
	at = entryRef(top, lead(h<<(topSkip(top)&63), topBits(top)&63))
	if !t.a.Readable(at) {
		return 0, 0
	}
	return at, uint32(t.peek(at))
}

// stageBucket is the place of bucket b of the segment that the directory entry at e names.
func (t *Table) stageBucket(e arena.Ref, b uint32) arena.Ref {
	k := b / blockLines % maxBlocks
	return arena.Ref(t.peek(e+2+arena.Ref(k/2))>>(32*(k&1))) + arena.Ref(b%blockLines*lineRefs)
}

// peek reads a word that another goroutine may be writing.
func (t *Table) peek(r arena.Ref) uint64 { return atomic.LoadUint64((*uint64)(t.a.Ptr(r))) }

// Stage1 asks for the bucket of hash h. It may be called without holding the shard.
func (t *Table) Stage1(h uint64) {
	if e, w := t.stageEntry(h); e != 0 {
		home, _ := homeOf(placeOf(h, wordDepth(w)), wordBuckets(w))
		t.a.Prefetch(t.stageBucket(e, home))
	}
}

// Stage2 asks for the entries that may have the hash h. It may be called without holding the shard, after Stage1.
func (t *Table) Stage2(h uint64) {
	e, w := t.stageEntry(h)
	n := wordBuckets(w)
	if e == 0 || n == 0 {
		return
	}
	home, tag := homeOf(placeOf(h, wordDepth(w)), n)
	if meta := t.prefetchMatches(t.stageBucket(e, home), tag, 0); meta&overflowMask != 0 {
		t.prefetchMatches(t.stageBucket(e, alternate(home%n, tag, n)), tag, slotMask)
	}
}

// prefetchMatches asks for the entries of a bucket that have this tag and whose displaced bit is as in displaced. It
// returns the bucket's meta word.
func (t *Table) prefetchMatches(line arena.Ref, tag uint8, displaced uint32) uint32 {
	if !t.a.Readable(line) {
		return 0
	}
	high := t.peek(line + 1)
	meta := uint32(high >> 32)
	for m := matchTags(t.peek(line), uint32(high), tag) &^ (meta ^ displaced) & slotMask; m != 0; m &= m - 1 {
		i := lowest(m)
		pair := t.peek(line + 2 + arena.Ref(i/2))
		t.a.Prefetch(arena.Ref(pair >> (32 * (i & 1))))
	}
	return meta
}
