package datatypes

import (
	"unsafe"

	"larder/datatypes/arena"
)

// Pending entries: what was delivered to a consumer and is not acknowledged yet. The group's tree has, for each ID, when
// and how often it was delivered and to whom; the consumer's tree has the IDs alone. Each entry stands in both, so it
// takes about 60 bytes: 36 in the one and 16 in the other, in leaves that are mostly full because IDs come in order.

// streamPending is the value of an ID in the group's tree. Its fields are words of four bytes so that 28 of them, with
// their IDs, fill a leaf.
type streamPending struct {
	ms    [2]uint32 // delivery time in Unix milliseconds, low word first
	count [2]uint32 // deliveries
	owner arena.Ref // the consumer, which tells of it when it moves; 0: none, while a file is loaded
}

const streamPendingBytes = int(unsafe.Sizeof(streamPending{}))

func pair(v uint64) [2]uint32   { return [2]uint32{uint32(v), uint32(v >> 32)} }
func unpair(w [2]uint32) uint64 { return uint64(w[0]) | uint64(w[1])<<32 }

// Pending is an entry that was delivered and not acknowledged.
type Pending struct {
	ID          StreamID
	DeliveredAt int64 // Unix milliseconds
	Deliveries  int64
	Consumer    StreamConsumer
}

func (g StreamGroup) tree() idTree {
	return idTree{g.s.env.Arena, &g.group().pending, g.tally(), streamPendingBytes}
}

func (c StreamConsumer) tree() idTree {
	return idTree{c.g.s.env.Arena, &c.consumer().pending, c.g.tally(), 0}
}

// PendingCount is the number of the group's pending entries. O(1).
func (g StreamGroup) PendingCount() int { return int(g.group().pending.count) }

// PendingCount is the number of the consumer's pending entries. O(1).
func (c StreamConsumer) PendingCount() int { return int(c.consumer().pending.count) }

// PendingRange is the lowest and the highest ID of the group's pending entries; ok is false if there are none.
func (g StreamGroup) PendingRange() (first, last StreamID, ok bool) {
	t := g.tree()
	var p idPath
	if !t.first(&p) {
		return first, last, false
	}
	first = t.id(&p)
	t.last(&p)
	return first, t.id(&p), true
}

// Pending finds a pending entry. O(log pending).
func (g StreamGroup) Pending(id StreamID) (e Pending, ok bool) {
	t := g.tree()
	var p idPath
	if !t.find(&p, id) {
		return e, false
	}
	return g.pendingAt(&t, &p), true
}

func (g StreamGroup) pendingAt(t *idTree, p *idPath) Pending {
	v := (*streamPending)(t.value(p))
	return Pending{t.id(p), int64(unpair(v.ms)), int64(unpair(v.count)), StreamConsumer{g, v.owner}}
}

// Claim makes the entry with that ID pending for the consumer, whoever had it before, with the given time and number of
// deliveries. It does not look whether the stream has the entry. O(log pending).
func (c StreamConsumer) Claim(id StreamID, deliveredAt_ms, deliveries int64) {
	c.g.s.edit()
	t := c.g.tree()
	var p idPath
	if !t.find(&p, id) {
		t.insert(&p, id)
	}
	v := (*streamPending)(t.value(&p))
	v.ms, v.count = pair(uint64(deliveredAt_ms)), pair(uint64(deliveries))
	c.g.deliveredAt(deliveredAt_ms)
	if v.owner == c.ref {
		return
	}
	if v.owner != 0 {
		StreamConsumer{c.g, v.owner}.drop(id)
	}
	v.owner = c.ref
	mine := c.tree()
	if !mine.find(&p, id) {
		mine.insert(&p, id)
	}
}

// deliveredAt notes that a pending entry has that time: see DeliveredBy.
func (g StreamGroup) deliveredAt(ms int64) {
	x := g.group()
	x.oldest_ms = min(x.oldest_ms, ms)
}

// drop takes an ID out of the consumer's tree.
func (c StreamConsumer) drop(id StreamID) {
	t := c.tree()
	var p idPath
	if t.find(&p, id) {
		t.remove(&p)
	}
}

// Redeliver notes that a pending entry was delivered once more, to the consumer that has it.
func (g StreamGroup) Redeliver(id StreamID, now_ms int64) {
	t := g.tree()
	var p idPath
	if t.find(&p, id) {
		v := (*streamPending)(t.value(&p))
		v.ms, v.count = pair(uint64(now_ms)), pair(unpair(v.count)+1)
		g.deliveredAt(now_ms)
	}
}

// Ack takes an entry out of what is pending, and returns whether it was. O(log pending).
func (g StreamGroup) Ack(id StreamID) bool {
	t := g.tree()
	var p idPath
	if !t.find(&p, id) {
		return false
	}
	g.s.edit()
	owner := (*streamPending)(t.value(&p)).owner
	t.remove(&p)
	if owner != 0 {
		StreamConsumer{g, owner}.drop(id)
	}
	return true
}

// A PendingIter walks over pending entries in the order of their IDs. Entries may be claimed, acknowledged and added
// meanwhile: the next one is always the first with a higher ID.
type PendingIter struct {
	g     StreamGroup
	tree  idTree
	own   bool // tree is a consumer's
	next  StreamID
	end   StreamID
	done  bool
	entry Pending
}

// PendingIter walks over the group's pending entries with IDs from start to end, both included. O(log pending) for each.
func (g StreamGroup) PendingIter(start, end StreamID) PendingIter {
	return PendingIter{g: g, tree: g.tree(), next: start, end: end}
}

// PendingIter walks over the consumer's pending entries with IDs from start to end, both included. O(log pending) for each.
// The consumer must not be deleted meanwhile.
func (c StreamConsumer) PendingIter(start, end StreamID) PendingIter {
	return PendingIter{g: c.g, tree: c.tree(), own: true, next: start, end: end}
}

// Next moves on to the next entry; it returns false if there is none.
func (it *PendingIter) Next() bool {
	var p idPath
	if it.done || !it.tree.seekGE(&p, it.next) {
		it.done = true
		return false
	}
	id := it.tree.id(&p)
	if it.end.Less(id) {
		it.done = true
		return false
	}
	if it.own {
		it.entry, _ = it.g.Pending(id)
	} else {
		it.entry = it.g.pendingAt(&it.tree, &p)
	}
	var more bool
	it.next, more = id.Next()
	it.done = !more
	return true
}

// Entry is the current entry.
func (it *PendingIter) Entry() Pending { return it.entry }

// LoadPending adds a pending entry that no consumer has yet, as RDB files list them before the consumers. It returns
// false if there is one with that ID.
func (g StreamGroup) LoadPending(id StreamID, deliveredAt_ms, deliveries int64) bool {
	t := g.tree()
	var p idPath
	if t.find(&p, id) {
		return false
	}
	t.insert(&p, id)
	v := (*streamPending)(t.value(&p))
	v.ms, v.count = pair(uint64(deliveredAt_ms)), pair(uint64(deliveries))
	g.deliveredAt(deliveredAt_ms)
	return true
}

// LoadPending gives the consumer a pending entry that the group has and no consumer yet. It returns false if there is none.
func (c StreamConsumer) LoadPending(id StreamID) bool {
	t := c.g.tree()
	var p idPath
	if !t.find(&p, id) {
		return false
	}
	v := (*streamPending)(t.value(&p))
	if v.owner != 0 {
		return false
	}
	v.owner = c.ref
	mine := c.tree()
	if mine.find(&p, id) {
		return false
	}
	mine.insert(&p, id)
	return true
}

// PendingLoaded tells whether each pending entry has a consumer, as it must when loading ends.
func (g StreamGroup) PendingLoaded() bool {
	n := 0
	for i := range g.ConsumerCount() {
		n += g.ConsumerAt(i).PendingCount()
	}
	return n == g.PendingCount()
}
