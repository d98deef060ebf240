package datatypes

import (
	"bytes"
	"unsafe"

	"larder/datatypes/arena"
)

// A StreamGroup is a consumer group: how far it has read, what was delivered to its consumers and is not acknowledged
// yet, and the consumers. It is a small handle, valid until the group is destroyed or the command ends.
type StreamGroup struct {
	s   *Stream
	ref arena.Ref
}

// A StreamConsumer is a consumer of a group: a small handle, valid until the consumer is deleted or the command ends.
type StreamConsumer struct {
	g    StreamGroup
	slot uint32
}

// EntriesReadUnknown is the value of a group's entries-read counter when it is not known.
const EntriesReadUnknown = -1

// streamNamed begins what stands in a nameDir. The name follows the structure, in the same allocation.
type streamNamed struct {
	nameAt  uint32 // bytes before the name
	nameLen uint32
}

type streamGroup struct {
	streamNamed
	last      StreamID // last delivered
	read      int64    // entries-read counter or EntriesReadUnknown
	pending   idRoot   // of streamPending
	consumers nameDir
	_         uint32
	bytes     uint64   // all allocations of the group, this one included, which the stream's header counts, too
	oldest_ms int64    // no pending entry was delivered before
	lookFrom  StreamID // where DeliveredBy goes on
}

type streamConsumer struct {
	streamNamed
	seen_ms   int64
	active_ms int64  // NeverActive until something was delivered
	pending   idRoot // IDs alone
}

// NeverActive is the active time of a consumer to which nothing has been delivered.
const NeverActive = -1

const (
	streamGroupBytes    = int(unsafe.Sizeof(streamGroup{}))
	streamConsumerBytes = int(unsafe.Sizeof(streamConsumer{}))
)

// nameDir is a directory of groups or consumers: an allocation of room refs, each in a slot that stays its own, and
// of room slot numbers, of which the first n are those in use, in the order of the names, and the others are free.
// With bob created before alice, and room for four:
//
//	refs 0x70 0x90 0 0 | slots 1 0 2 3        n 2: alice is in slot 1, bob in slot 0
type nameDir struct {
	ref  arena.Ref
	n    uint32
	room uint32
}

func (d *nameDir) refs(a *arena.Arena) []arena.Ref {
	if d.room == 0 {
		return nil
	}
	return unsafe.Slice((*arena.Ref)(a.Ptr(d.ref)), d.room)
}

func (d *nameDir) slots(a *arena.Arena) []uint32 {
	if d.room == 0 {
		return nil
	}
	return unsafe.Slice((*uint32)(unsafe.Add(a.Ptr(d.ref), 4*d.room)), d.room)
}

func (d *nameDir) bytes() int { return int(d.room) * 8 }

// streamName is the name of the group or consumer at r.
func streamName(a *arena.Arena, r arena.Ref) []byte {
	x := (*streamNamed)(a.Ptr(r))
	n := int(x.nameAt + x.nameLen)
	return a.Bytes(r, n)[x.nameAt:]
}

// find is the place of a name in the order, or where it would be inserted.
func (d *nameDir) find(a *arena.Arena, name []byte) (i int, ok bool) {
	refs, slots := d.refs(a), d.slots(a)
	lo, hi := 0, int(d.n)
	for lo < hi {
		mid := (lo + hi) / 2
		switch c := bytes.Compare(streamName(a, refs[slots[mid]]), name); {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// insert puts r at the place i of the order and returns its slot. c counts the memory.
func (d *nameDir) insert(a *arena.Arena, c tally, i int, r arena.Ref) uint32 {
	if d.n == d.room {
		big := nameDir{n: d.n, room: max(2*d.room, 1)}
		big.ref = a.Alloc(big.bytes())
		c.took(big.bytes())
		copy(big.refs(a), d.refs(a))
		slots := big.slots(a)
		for k := copy(slots, d.slots(a)); k < len(slots); k++ {
			slots[k] = uint32(k)
		}
		d.release(a, c)
		*d = big
	}
	slots := d.slots(a)
	slot := slots[d.n]
	copy(slots[i+1:d.n+1], slots[i:d.n])
	slots[i] = slot
	d.refs(a)[slot] = r
	d.n++
	return slot
}

// remove takes the place i out of the order and frees its slot.
func (d *nameDir) remove(a *arena.Arena, c tally, i int) {
	slots := d.slots(a)
	slot := slots[i]
	copy(slots[i:d.n-1], slots[i+1:d.n])
	d.n--
	slots[d.n] = slot
	if d.n == 0 {
		d.release(a, c)
	}
}

// release frees the directory, but not what it names.
func (d *nameDir) release(a *arena.Arena, c tally) {
	if d.room > 0 {
		a.Free(d.ref, d.bytes())
		c.gave(d.bytes())
	}
	*d = nameDir{}
}

// newNamed allocates a structure of size bytes with its name behind it, and returns it undefined but for the name.
func newNamed(a *arena.Arena, c tally, size int, name []byte) arena.Ref {
	n := size + len(name)
	r := a.Alloc(n)
	c.took(n)
	*(*streamNamed)(a.Ptr(r)) = streamNamed{uint32(size), uint32(len(name))}
	copy(a.Bytes(r, n)[size:], name)
	return r
}

func namedBytes(a *arena.Arena, r arena.Ref) int {
	x := (*streamNamed)(a.Ptr(r))
	return int(x.nameAt + x.nameLen)
}

func freeNamed(a *arena.Arena, c tally, r arena.Ref) {
	n := namedBytes(a, r)
	a.Free(r, n)
	c.gave(n)
}

// Groups.

// GroupCount is the number of groups.
func (s *Stream) GroupCount() int { return int(s.head().groups.n) }

// Group finds a group by its name. O(log groups).
func (s *Stream) Group(name []byte) (g StreamGroup, ok bool) {
	h := s.head()
	i, ok := h.groups.find(s.env.Arena, name)
	if !ok {
		return g, false
	}
	return s.GroupAt(i), true
}

// GroupAt is the group number i, 0 <= i < GroupCount, in the order of their names.
func (s *Stream) GroupAt(i int) StreamGroup {
	d := &s.head().groups
	return StreamGroup{s, d.refs(s.env.Arena)[d.slots(s.env.Arena)[i]]}
}

// CreateGroup adds a group that has read up to last. It returns false if there is one of that name.
func (s *Stream) CreateGroup(name []byte, last StreamID, entriesRead int64) (g StreamGroup, created bool) {
	h := s.edit()
	a := s.env.Arena
	i, found := h.groups.find(a, name)
	if found {
		return s.GroupAt(i), false
	}
	g = StreamGroup{s, newNamed(a, h.tally(), streamGroupBytes, name)}
	x := g.group()
	named := x.streamNamed
	*x = streamGroup{streamNamed: named, last: last, read: entriesRead}
	x.bytes = uint64(arena.RoundUp(namedBytes(a, g.ref)))
	h.groups.insert(a, h.tally(), i, g.ref)
	return g, true
}

// DestroyGroup removes a group with all that belongs to it, and returns whether there was one. What it has in memory is
// no longer the stream's: it becomes a stream that has nothing but this group, and is buried.
func (s *Stream) DestroyGroup(name []byte) bool {
	if s.GroupCount() == 0 {
		return false
	}
	a := s.env.Arena
	h := s.edit()
	i, ok := h.groups.find(a, name)
	if !ok {
		return false
	}
	g := s.GroupAt(i)
	h.groups.remove(a, h.tally(), i)
	bytes := g.group().bytes
	h.bytes -= bytes

	root := a.Alloc(streamHeadBytes)
	rest := (*streamHead)(a.Ptr(root))
	*rest = streamHead{bytes: uint64(arena.RoundUp(streamHeadBytes)) + bytes}
	rest.groups.insert(a, rest.tally(), 0, g.ref)
	s.env.bury(TypeStream, root)
	return true
}

// tally counts what is no group's.
func (h *streamHead) tally() tally { return tally{all: &h.bytes} }

// tally counts what is the group's.
func (g StreamGroup) tally() tally { return g.group().tally(g.s.head()) }

func (x *streamGroup) tally(h *streamHead) tally { return tally{&h.bytes, &x.bytes} }

func (g StreamGroup) group() *streamGroup { return (*streamGroup)(g.s.env.Arena.Ptr(g.ref)) }

// Name is the group's name.
func (g StreamGroup) Name() []byte { return streamName(g.s.env.Arena, g.ref) }

// LastID is the ID of the last entry that was delivered.
func (g StreamGroup) LastID() StreamID { return g.group().last }

// SetLastID changes what LastID returns.
func (g StreamGroup) SetLastID(id StreamID) { g.group().last = id }

// EntriesRead is how many entries of the stream the group has read, or EntriesReadUnknown.
func (g StreamGroup) EntriesRead() int64 { return g.group().read }

// SetEntriesRead changes what EntriesRead returns.
func (g StreamGroup) SetEntriesRead(n int64) { g.group().read = n }

// Advance notes that the entry with that ID is being delivered: it becomes the last one, and the counter of entries read
// is brought along, as far as it can be known. It does nothing and returns false if id is not above LastID.
func (g StreamGroup) Advance(id StreamID) bool {
	x, h := g.group(), g.s.head()
	if !x.last.Less(id) {
		return false
	}
	if x.read != EntriesReadUnknown && !h.rangeHasTombstones(x.last) {
		x.read++
	} else if h.added > 0 {
		n, ok := h.entriesBefore(id)
		if x.read = n; !ok {
			x.read = EntriesReadUnknown
		}
	}
	x.last = id
	return true
}

// Lag is how many entries of the stream the group has still to read; ok is false if that is not known.
func (g StreamGroup) Lag() (n int64, ok bool) {
	x, h := g.group(), g.s.head()
	switch {
	case h.added == 0 || h.length == 0:
		return 0, true
	case x.last.Less(h.first) && h.maxDeleted.Less(h.first): // all that is left is to be read, whatever was deleted before it
		return int64(h.length), true
	}
	if x.read != EntriesReadUnknown && !h.rangeHasTombstones(x.last) {
		return int64(h.added) - x.read, true
	}
	n, ok = h.entriesBefore(x.last)
	return int64(h.added) - n, ok
}

// Consumers.

// ConsumerCount is the number of consumers.
func (g StreamGroup) ConsumerCount() int { return int(g.group().consumers.n) }

// Consumer finds a consumer by its name. O(log consumers).
func (g StreamGroup) Consumer(name []byte) (c StreamConsumer, ok bool) {
	i, ok := g.group().consumers.find(g.s.env.Arena, name)
	if !ok {
		return c, false
	}
	return g.ConsumerAt(i), true
}

// ConsumerAt is the consumer number i, 0 <= i < ConsumerCount, in the order of their names.
func (g StreamGroup) ConsumerAt(i int) StreamConsumer {
	return StreamConsumer{g, g.group().consumers.slots(g.s.env.Arena)[i]}
}

// CreateConsumer adds a consumer that was seen at now_ms and never active. It returns false if there is one of that name.
func (g StreamGroup) CreateConsumer(name []byte, now_ms int64) (c StreamConsumer, created bool) {
	a, h, x := g.s.env.Arena, g.s.edit(), g.group()
	i, found := x.consumers.find(a, name)
	if found {
		return g.ConsumerAt(i), false
	}
	r := newNamed(a, x.tally(h), streamConsumerBytes, name)
	y := (*streamConsumer)(a.Ptr(r))
	*y = streamConsumer{streamNamed: y.streamNamed, seen_ms: now_ms, active_ms: NeverActive}
	return StreamConsumer{g, x.consumers.insert(a, x.tally(h), i, r)}, true
}

// DeleteConsumer removes a consumer with its pending entries, and returns how many those were. O(pending · log pending).
func (g StreamGroup) DeleteConsumer(name []byte) (pending int, ok bool) {
	a, h, x := g.s.env.Arena, g.s.edit(), g.group()
	i, ok := x.consumers.find(a, name)
	if !ok {
		return 0, false
	}
	c := g.ConsumerAt(i)
	pending = c.PendingCount()
	mine, all := c.tree(), g.tree()
	var p, q idPath
	for ok := mine.first(&p); ok; ok = mine.next(&p) {
		if all.find(&q, mine.id(&p)) {
			all.remove(&q)
		}
	}
	for done := false; !done; {
		_, done = mine.freeStep(1<<20, nil)
	}
	r := c.ref()
	x.consumers.remove(a, x.tally(h), i)
	freeNamed(a, x.tally(h), r)
	return pending, true
}

func (c StreamConsumer) ref() arena.Ref {
	return c.g.group().consumers.refs(c.g.s.env.Arena)[c.slot]
}

func (c StreamConsumer) consumer() *streamConsumer {
	return (*streamConsumer)(c.g.s.env.Arena.Ptr(c.ref()))
}

// Name is the consumer's name.
func (c StreamConsumer) Name() []byte { return streamName(c.g.s.env.Arena, c.ref()) }

// SeenTime is when the consumer last asked for something, in Unix milliseconds.
func (c StreamConsumer) SeenTime() int64 { return c.consumer().seen_ms }

// SetSeenTime changes what SeenTime returns.
func (c StreamConsumer) SetSeenTime(ms int64) { c.consumer().seen_ms = ms }

// ActiveTime is when something was last delivered to the consumer, or NeverActive.
func (c StreamConsumer) ActiveTime() int64 { return c.consumer().active_ms }

// SetActiveTime changes what ActiveTime returns.
func (c StreamConsumer) SetActiveTime(ms int64) { c.consumer().active_ms = ms }

// Same tells whether c and d are the same consumer of the same group.
func (c StreamConsumer) Same(d StreamConsumer) bool { return c.g.ref == d.g.ref && c.slot == d.slot }
