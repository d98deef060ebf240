package datatypes

import (
	"math"
	"unsafe"

	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

// A Stream is a log of entries, each an ID and pairs of field and value, with groups of consumers that share the work
// of reading it.
//
//	stream.go          the log as its commands see it: adding, deleting, counters
//	stream_id.go       IDs and their text
//	stream_node.go     the listpack that holds up to stream-node-max-entries entries
//	stream_iter.go     walking over entries
//	stream_trim.go     XTRIM
//	stream_group.go    consumer groups and consumers
//	stream_names.go    the directories that find them by their names
//	stream_pending.go  entries that were delivered and not acknowledged
//	stream_mem.go      freeing, moving, copying, loading, checking
//	stream_tree.go     the tree of IDs that nodes and pending entries stand in
//
// All of a stream stands in the arena; the holder only has the ref of its header (EncRoot). For example
//
//	holder 08 00 00 00 ──> header at 0x08: length 150, last 1700000000000-3, nodes: 2, top node 0x20; groups: 1
//	                       leaf at 0x20:   1526919030474-0 → block 0x40, 100 entries, none deleted
//	                                       1526919041234-0 → block 0x60, 49 entries, 1 deleted
//	                       group "g":      last delivered 1526919041234-7; pending: 3 IDs; consumers: alice, bob
//	                       consumer "bob": pending: 2 of the 3 IDs
//
// A key that holds a stream exists even when the stream has no entries: its holder then still has the header. A holder
// without bytes is a stream that nothing has been added to yet; Create gives it a header.
//
// What is read are slices of the arena, or of a buffer of the handle or iterator for what a listpack keeps as integers;
// they are valid until the next change of any value of the shard. Arguments must not lie in the shard's memory.
//
// Memory: Add takes at most two blocks (the larger of the entry and stream-node-max-bytes) and three nodes of 1 KiB;
// delivering an entry to a consumer at most eight nodes of 1 KiB.
type Stream struct {
	env *Env
	h   Holder
	buf streamBuf
}

// streamHead is the header of a stream.
type streamHead struct {
	length     uint64 // entries, deleted ones not counted
	added      uint64 // entries ever added
	last       StreamID
	first      StreamID // of the first entry that is not deleted, 0-0 if there is none
	maxDeleted StreamID // highest ID that XDEL deleted
	bytes      uint64   // all allocations of the stream, this one included, as the arena rounds them
	nodes      idRoot   // of streamNode
	groups     nameDir
	defragPart uint32   // where Defrag goes on within a group: 0 itself and what is pending, then its consumers, from 1 on
	defrag     StreamID // and within a tree
	mark       uint64   // reserved for the snapshot's epoch
}

const streamHeadBytes = int(unsafe.Sizeof(streamHead{}))

// tally counts what a stream's allocations take, and beside that what those of a group do if they are that group's.
type tally struct {
	all   *uint64
	group *uint64 // nil for what is no group's
}

// took notes an allocation of n bytes, gave that it was freed.

func (c tally) took(n int) { c.add(arena.RoundUp(n)) }
func (c tally) gave(n int) { c.add(-arena.RoundUp(n)) }

// add notes that so many bytes more are taken, or less.
func (c tally) add(n int) {
	*c.all += uint64(n)
	if c.group != nil {
		*c.group += uint64(n)
	}
}

// noStream is what a stream without bytes reads as. It is never written.
var noStream streamHead

// Bind makes s stand for the stream whose bytes are in h.
func (s *Stream) Bind(env *Env, h Holder) { s.env, s.h = env, h }

func (s *Stream) head() *streamHead {
	if s.h.Enc() != EncRoot {
		return &noStream
	}
	return (*streamHead)(s.env.Arena.Ptr(rootRef(s.h)))
}

// Create makes an empty stream of a holder without bytes. Methods that add something do this themselves.
func (s *Stream) Create() {
	if s.h.Enc() == EncRoot {
		return
	}
	r := s.env.Arena.Alloc(streamHeadBytes)
	*(*streamHead)(s.env.Arena.Ptr(r)) = streamHead{bytes: uint64(arena.RoundUp(streamHeadBytes))}
	setRoot(s.h, r)
}

// edit is the header of a stream that is about to be changed.
func (s *Stream) edit() *streamHead {
	s.Create()
	return s.head()
}

func (s *Stream) nodes(h *streamHead) idTree { return streamNodes(s.env.Arena, h) }

func streamNodes(a *arena.Arena, h *streamHead) idTree {
	return idTree{a, &h.nodes, tally{all: &h.bytes}, int(unsafe.Sizeof(streamNode{}))}
}

// Len is the number of entries. O(1).
func (s *Stream) Len() int { return int(s.head().length) }

// Encoding is the name that OBJECT ENCODING replies.
func (s *Stream) Encoding() string { return "stream" }

// Bytes is the memory that the stream takes in the arena, beyond the holder's own bytes. It is exact, whatever samples is.
func (s *Stream) Bytes(samples int) int { return int(s.head().bytes) }

// LastID is the ID of the last entry ever added, or what XSETID made of it.
func (s *Stream) LastID() StreamID { return s.head().last }

// FirstID is the ID of the first entry, 0-0 if there is none.
func (s *Stream) FirstID() StreamID { return s.head().first }

// MaxDeletedID is the highest ID that Delete deleted, 0-0 if it never did.
func (s *Stream) MaxDeletedID() StreamID { return s.head().maxDeleted }

// EntriesAdded is how many entries were ever added.
func (s *Stream) EntriesAdded() uint64 { return s.head().added }

// NodeCount is the number of blocks, and TreeNodes that of the nodes of the tree that finds them, at least 1: XINFO calls
// them radix-tree-keys and radix-tree-nodes.
func (s *Stream) NodeCount() int { return int(s.head().nodes.count) }

// TreeNodes is about the number of tree nodes over the blocks; see NodeCount.
func (s *Stream) TreeNodes() int {
	t := s.nodes(s.head())
	n, leaves := int(s.head().nodes.count), t.full()
	return 1 + (n+leaves-1)/leaves
}

// SetLastID is XSETID: it makes id the last ID. The caller has made sure that no entry has a higher one.
func (s *Stream) SetLastID(id StreamID) { s.edit().last = id }

// SetMaxDeletedID sets what MaxDeletedID returns.
func (s *Stream) SetMaxDeletedID(id StreamID) { s.edit().maxDeleted = id }

// SetEntriesAdded sets what EntriesAdded returns.
func (s *Stream) SetEntriesAdded(n uint64) { s.edit().added = n }

// NextID is the ID for an entry that is added now with "*": above all others, and not before now_ms. ok is false if
// there are no IDs left.
func (s *Stream) NextID(now_ms int64) (id StreamID, ok bool) {
	last := s.head().last
	if ms := uint64(now_ms); ms > last.Ms {
		return StreamID{ms, 0}, true
	}
	return last.Next()
}

// NextSeq is the ID for an entry that is added with "<ms>-*". ok is false if there is none above the last one; an ID
// below the last one is also refused by Add.
func (s *Stream) NextSeq(ms uint64) (id StreamID, ok bool) {
	last := s.head().last
	if ms != last.Ms {
		return StreamID{ms, 0}, true
	}
	return StreamID{ms, last.Seq + 1}, last.Seq != math.MaxUint64
}

// streamMaxBytes bounds the size of a node, and of one entry.
const streamMaxBytes = 1 << 30

// StreamFits tells whether the fields and values are few and short enough for one entry: 1 GiB of them in all.
func StreamFits(pairs [][]byte) bool {
	n := 0
	for _, b := range pairs {
		n += len(b)
	}
	return n <= streamMaxBytes
}

// Add appends an entry of fields and values in turn. It returns false and changes nothing if id is not above LastID.
// O(log nodes + size of the entry).
func (s *Stream) Add(id StreamID, pairs [][]byte) bool {
	if id.Compare(s.head().last) <= 0 {
		return false
	}
	h := s.edit()
	t := s.nodes(h)
	var p idPath
	size := 0
	for _, b := range pairs {
		size += len(b)
	}
	if !t.last(&p) || s.nodeIsFull((*streamNode)(t.value(&p)), size) {
		if h.nodes.count > 0 {
			s.tighten(h, (*streamNode)(t.value(&p)))
		}
		t.find(&p, id)
		t.insert(&p, id)
		s.startNode(h, (*streamNode)(t.value(&p)), pairs)
	}
	s.appendEntry(h, (*streamNode)(t.value(&p)), t.id(&p), id, pairs)
	h.length++
	h.added++
	h.last = id
	if h.length == 1 {
		h.first = id
	}
	return true
}

// Exists tells whether there is an entry with that ID. O(log nodes + entries of a node).
func (s *Stream) Exists(id StreamID) bool {
	it := s.Iter(id, id, false)
	return it.Next()
}

// Delete deletes the entry with that ID and returns whether there was one. The entry is only marked in its node; the
// node goes when its last entry does. O(log nodes + entries of a node).
func (s *Stream) Delete(id StreamID) bool {
	h := s.head()
	t := s.nodes(h)
	var p idPath
	if !t.seekLE(&p, id) {
		return false
	}
	n := (*streamNode)(t.value(&p))
	c := openNode(n.bytes(s.env.Arena), t.id(&p))
	for ok := c.begin(); ok && (c.deleted() || c.id.Less(id)); ok = c.next() {
	}
	if !c.valid() || c.id != id {
		return false
	}
	s.edit()
	h.length--
	if n.live == 1 {
		s.freeNode(h, n)
		t.remove(&p)
	} else {
		s.markDeleted(h, n, c.at)
		s.countEntries(h, n, -1, 1)
	}
	if h.maxDeleted.Less(id) {
		h.maxDeleted = id
	}
	if id == h.first {
		s.findFirst(h)
	}
	return true
}

// findFirst sets the header's first ID.
func (s *Stream) findFirst(h *streamHead) {
	it := s.Iter(StreamID{}, MaxStreamID, false)
	it.Next()
	h.first = it.id // 0-0 if there is none
}

// rangeHasTombstones tells whether an entry from start on may have been deleted by XDEL, as far as the counters tell.
func (h *streamHead) rangeHasTombstones(start StreamID) bool {
	return h.length > 0 && !h.maxDeleted.IsZero() && !h.maxDeleted.Less(start)
}

// EntriesBefore is how many entries were added up to and including id, if that can be told from the counters: the
// value of a group's entries-read counter when it has read up to id. ok is false if it cannot be told.
func (s *Stream) EntriesBefore(id StreamID) (n int64, ok bool) { return s.head().entriesBefore(id) }

func (h *streamHead) entriesBefore(id StreamID) (n int64, ok bool) {
	switch {
	case h.added == 0:
		return 0, true
	case h.length == 0 && !h.last.Less(id):
		return int64(h.added), true
	case !id.IsZero() && id.Less(h.maxDeleted):
		return 0, false
	case id == h.last:
		return int64(h.added), true
	case h.last.Less(id):
		return 0, false
	}
	if h.maxDeleted.IsZero() || h.maxDeleted.Less(h.first) {
		switch id.Compare(h.first) {
		case -1:
			return int64(h.added - h.length), true
		case 0:
			return int64(h.added - h.length + 1), true
		}
	}
	return 0, false
}

// streamBuf is the listpack.Buffer of a node whose elements are edited in the middle.
type streamBuf struct {
	a *arena.Arena
	h *streamHead
	n *streamNode
}

// Bytes is the node's listpack.
func (b *streamBuf) Bytes() []byte { return b.n.bytes(b.a) }

// Resize gives the listpack size bytes.
func (b *streamBuf) Resize(size int) []byte {
	b.n.resize(b.a, b.h, size, size)
	return b.n.bytes(b.a)
}

// buffer is n as a listpack.Buffer, until the next call.
func (s *Stream) buffer(h *streamHead, n *streamNode) listpack.Buffer {
	s.buf = streamBuf{s.env.Arena, h, n}
	return &s.buf
}
