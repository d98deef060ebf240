package datatypes

import (
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
	g   StreamGroup
	ref arena.Ref
}

// EntriesReadUnknown is the value of a group's entries-read counter when it is not known.
const EntriesReadUnknown = -1

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

// Groups.

// GroupCount is the number of groups.
func (s *Stream) GroupCount() int { return int(s.head().groups.n) }

// Group finds a group by its name. O(log groups).
func (s *Stream) Group(name []byte) (g StreamGroup, ok bool) {
	h := s.head()
	r, ok := h.groups.find(s.env.Arena, name)
	return StreamGroup{s, r}, ok
}

// GroupAt is the group number i, 0 <= i < GroupCount, in the order of their names. O(log groups).
func (s *Stream) GroupAt(i int) StreamGroup {
	return StreamGroup{s, s.head().groups.at(s.env.Arena, i)}
}

// CreateGroup adds a group that has read up to last. It returns false if there is one of that name.
func (s *Stream) CreateGroup(name []byte, last StreamID, entriesRead int64) (g StreamGroup, created bool) {
	h := s.edit()
	a := s.env.Arena
	if r, found := h.groups.find(a, name); found {
		return StreamGroup{s, r}, false
	}
	g = StreamGroup{s, newNamed(a, h.tally(), streamGroupBytes, name)}
	x := g.group()
	named := x.streamNamed
	*x = streamGroup{streamNamed: named, last: last, read: entriesRead}
	x.bytes = uint64(arena.RoundUp(namedBytes(a, g.ref)))
	h.groups.insert(a, h.tally(), g.ref)
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
	r, ok := h.groups.find(a, name)
	if !ok {
		return false
	}
	h.groups.remove(a, h.tally(), r)
	bytes := StreamGroup{s, r}.group().bytes
	h.bytes -= bytes

	root := a.Alloc(streamHeadBytes)
	rest := (*streamHead)(a.Ptr(root))
	*rest = streamHead{bytes: uint64(arena.RoundUp(streamHeadBytes)) + bytes}
	rest.groups.insert(a, rest.tally(), r)
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
	r, ok := g.group().consumers.find(g.s.env.Arena, name)
	return StreamConsumer{g, r}, ok
}

// ConsumerAt is the consumer number i, 0 <= i < ConsumerCount, in the order of their names. O(log consumers).
func (g StreamGroup) ConsumerAt(i int) StreamConsumer {
	return StreamConsumer{g, g.group().consumers.at(g.s.env.Arena, i)}
}

// CreateConsumer adds a consumer that was seen at now_ms and never active. It returns false if there is one of that name.
// O(log consumers).
func (g StreamGroup) CreateConsumer(name []byte, now_ms int64) (c StreamConsumer, created bool) {
	a, h, x := g.s.env.Arena, g.s.edit(), g.group()
	r, found := x.consumers.find(a, name)
	if found {
		return StreamConsumer{g, r}, false
	}
	r = newNamed(a, x.tally(h), streamConsumerBytes, name)
	y := (*streamConsumer)(a.Ptr(r))
	*y = streamConsumer{streamNamed: y.streamNamed, seen_ms: now_ms, active_ms: NeverActive}
	x.consumers.insert(a, x.tally(h), r)
	return StreamConsumer{g, r}, true
}

// DeleteConsumer removes a consumer with its pending entries, and returns how many those were. O(pending · log pending).
func (g StreamGroup) DeleteConsumer(name []byte) (pending int, ok bool) {
	a, h, x := g.s.env.Arena, g.s.edit(), g.group()
	r, ok := x.consumers.find(a, name)
	if !ok {
		return 0, false
	}
	c := StreamConsumer{g, r}
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
	x.consumers.remove(a, x.tally(h), r)
	freeNamed(a, x.tally(h), r)
	return pending, true
}

func (c StreamConsumer) consumer() *streamConsumer {
	return (*streamConsumer)(c.g.s.env.Arena.Ptr(c.ref))
}

// Name is the consumer's name.
func (c StreamConsumer) Name() []byte { return streamName(c.g.s.env.Arena, c.ref) }

// SeenTime is when the consumer last asked for something, in Unix milliseconds.
func (c StreamConsumer) SeenTime() int64 { return c.consumer().seen_ms }

// SetSeenTime changes what SeenTime returns.
func (c StreamConsumer) SetSeenTime(ms int64) { c.consumer().seen_ms = ms }

// ActiveTime is when something was last delivered to the consumer, or NeverActive.
func (c StreamConsumer) ActiveTime() int64 { return c.consumer().active_ms }

// SetActiveTime changes what ActiveTime returns.
func (c StreamConsumer) SetActiveTime(ms int64) { c.consumer().active_ms = ms }

// Same tells whether c and d are the same consumer of the same group.
func (c StreamConsumer) Same(d StreamConsumer) bool { return c.g.ref == d.g.ref && c.ref == d.ref }
