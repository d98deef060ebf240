package datatypes

import (
	"errors"

	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

// A node of a stream is a listpack, element by element that of Redis, so that files carry it as it is. It begins with
// the master entry, whose fields are those of the first entry that was put in:
//
//	entries | deleted | number of fields | field ... | 0
//
// and goes on with the entries:
//
//	flags | ms - node's ms | seq - node's seq | [number of fields, if not same] | [field,] value ... | elements
//
// Flag 1 says that the entry is deleted, flag 2 (same) that its fields are those of the master entry and left out. The
// last element says how many elements the entry has before it, so that entries can be read backwards; the 0 ends such a
// walk. The node of ID 1000-0 with the entries 1000-0 {t: 20} and 1001-5 {t: 21}:
//
//	2 0 1 "t" 0 | 2 0 0 20 4 | 2 1 5 21 4

const (
	streamDeleted    = 1
	streamSameFields = 2
)

// streamNode is the value of a node's ID in the tree.
type streamNode struct {
	ref  arena.Ref
	cap  uint32 // bytes of the allocation
	len  uint32 // bytes of the listpack
	live uint32 // entries that are not deleted
	dead uint32 // entries that are
}

func (n *streamNode) bytes(a *arena.Arena) []byte { return a.Bytes(n.ref, int(n.cap))[:n.len:n.len] }

// resize makes the listpack size bytes long, in an allocation of room bytes if it has to grow.
func (n *streamNode) resize(a *arena.Arena, h *streamHead, size, room int) {
	if size > int(n.cap) {
		room = arena.RoundUp(room)
		h.bytes += uint64(room) - uint64(n.cap)
		if n.ref == 0 {
			n.ref = a.Alloc(room)
		} else {
			n.ref = a.Resize(n.ref, int(n.cap), room)
		}
		n.cap = uint32(room)
	}
	n.len = uint32(size)
}

// tighten gives back the slack of a node that gets no more entries.
func (s *Stream) tighten(h *streamHead, n *streamNode) {
	if room := arena.RoundUp(int(n.len)); room < int(n.cap) {
		h.bytes -= uint64(n.cap) - uint64(room)
		n.ref = s.env.Arena.Resize(n.ref, int(n.cap), room)
		n.cap = uint32(room)
	}
}

func (s *Stream) freeNode(h *streamHead, n *streamNode) {
	h.bytes -= uint64(n.cap)
	s.env.Arena.Free(n.ref, int(n.cap))
}

// nodeBytes is stream-node-max-bytes, bounded.
func (s *Stream) nodeBytes() int {
	if n := s.env.Limits.StreamNodeMaxBytes; n > 0 && n < streamMaxBytes {
		return n
	}
	return streamMaxBytes
}

// nodeIsFull tells whether an entry with size bytes of fields and values goes to another node.
func (s *Stream) nodeIsFull(n *streamNode, size int) bool {
	if int(n.len)+redisFrame+size >= s.nodeBytes() {
		return true
	}
	most := s.env.Limits.StreamNodeMaxEntries
	return most > 0 && int(n.live+n.dead) >= most
}

// AddMoves is how many bytes Add may have to move to where twice as many fit, beyond what the entry takes: the last node, when it
// grows. It is 0 where nodes are small.
func (s *Stream) AddMoves() int {
	if s.nodeBytes() <= streamSmallNode {
		return 0
	}
	t := s.nodes(s.head())
	var p idPath
	if !t.last(&p) {
		return 0
	}
	return int((*streamNode)(t.value(&p)).cap)
}

// streamSmallNode is up to which stream-node-max-bytes a node can grow in what is reserved for every command.
const streamSmallNode = 64 << 10

// startNode makes a node with a master entry and no other.
func (s *Stream) startNode(h *streamHead, n *streamNode, pairs [][]byte) {
	*n = streamNode{}
	fields := len(pairs) / 2
	size := listpack.HeaderSize + 4*2 + 8
	for i := 0; i < len(pairs); i += 2 {
		size += len(pairs[i]) + 10
	}
	n.resize(s.env.Arena, h, size, size+size/2)
	b := n.bytes(s.env.Arena)
	p := listpack.HeaderSize
	for _, v := range [...]int{0, 0, fields} {
		p = listpack.Place(b, p, listpack.Int(int64(v)))
	}
	for i := 0; i < len(pairs); i += 2 {
		e, _ := listpack.Measure(listpack.String(pairs[i]))
		p = listpack.Place(b, p, e)
	}
	p = listpack.Place(b, p, listpack.Int(0))
	n.len = uint32(p)
	listpack.SetLen(b[:p], fields+4)
}

// appendEntry puts an entry at the end of a node. Add counts it in the header.
func (s *Stream) appendEntry(h *streamHead, n *streamNode, master, id StreamID, pairs [][]byte) {
	b := n.bytes(s.env.Arena)
	c := openNode(b, master)
	same := c.hasFields(pairs)
	fields := len(pairs) / 2

	// What the entry takes. Up to 16 pairs are looked at once only.
	var elems [32]listpack.Elem
	flags, size, count := 0, 0, 3
	if same {
		flags, count = streamSameFields, count+fields
	} else {
		count += 1 + 2*fields
	}
	fixed := [...]listpack.Elem{listpack.Int(int64(flags)), listpack.Int(int64(id.Ms - master.Ms)), listpack.Int(int64(id.Seq - master.Seq)),
		listpack.Int(int64(fields)), listpack.Int(int64(count))}
	for i, e := range fixed {
		if i == 3 && same {
			continue
		}
		_, k := listpack.Measure(e)
		size += k
	}
	for i, text := range pairs {
		if same && i%2 == 0 {
			continue
		}
		e, k := listpack.Measure(listpack.String(text))
		size += k
		if i < len(elems) {
			elems[i] = e
		}
	}

	p := len(b)
	n.resize(s.env.Arena, h, p+size, max(p+size, min(2*int(n.cap), s.nodeBytes())))
	b = n.bytes(s.env.Arena)
	for i, e := range fixed[:4] {
		if i < 3 || !same {
			p = listpack.Place(b, p, e)
		}
	}
	for i, text := range pairs {
		if same && i%2 == 0 {
			continue
		}
		var e listpack.Elem
		if i < len(elems) {
			e = elems[i]
		} else {
			e, _ = listpack.Measure(listpack.String(text))
		}
		p = listpack.Place(b, p, e)
	}
	listpack.Place(b, p, fixed[4])
	listpack.AddLen(b, count+1)
	s.countEntries(h, n, 1, 0)
}

// countEntries adds to the numbers of entries, here and in the listpack.
func (s *Stream) countEntries(h *streamHead, n *streamNode, live, dead int) {
	n.live += uint32(live)
	n.dead += uint32(dead)
	b := n.bytes(s.env.Arena)
	p := listpack.First(b)
	if n.live < 128 && n.dead < 128 && b[p] < 128 && b[p+2] < 128 { // each is two bytes, value and back length
		b[p], b[p+2] = byte(n.live), byte(n.dead)
		return
	}
	listpack.Replace(s.buffer(h, n), p, listpack.Int(int64(n.live)))
	b = n.bytes(s.env.Arena)
	listpack.Replace(s.buffer(h, n), listpack.Next(b, p), listpack.Int(int64(n.dead)))
}

// markDeleted sets the deleted flag of the entry at p.
func (s *Stream) markDeleted(h *streamHead, n *streamNode, p int) {
	b := n.bytes(s.env.Arena)
	if b[p] < 128 {
		b[p] |= streamDeleted
		return
	}
	listpack.Replace(s.buffer(h, n), p, listpack.Int(listpack.Get(b, p).Int|streamDeleted))
}

// nodeCursor reads the entries of a node.
type nodeCursor struct {
	b      []byte
	master StreamID
	fields int // of the master entry
	names  int // offset of its first field
	front  int // offset of the first entry

	at     int // the current entry; len(b) after the last, 0 before the first
	id     StreamID
	flags  int
	n      int // fields of the entry
	values int // offset of its first value, or field
}

func openNode(b []byte, master StreamID) nodeCursor {
	c := nodeCursor{b: b, master: master}
	p := listpack.Next(b, listpack.Next(b, listpack.First(b)))
	c.fields = int(listpack.Get(b, p).Int)
	p = listpack.Next(b, p)
	c.names = p
	for range c.fields {
		p = listpack.Next(b, p)
	}
	c.front = listpack.Next(b, p) // after the 0
	return c
}

func (c *nodeCursor) valid() bool { return c.at > 0 && c.at < len(c.b) }

func (c *nodeCursor) deleted() bool { return c.flags&streamDeleted != 0 }

func (c *nodeCursor) same() bool { return c.flags&streamSameFields != 0 }

// read reads the entry at p, or notes that the end is there.
func (c *nodeCursor) read(p int) bool {
	if c.at = p; p >= len(c.b) {
		return false
	}
	flags, p := listpack.Read(c.b, p)
	ms, p := listpack.Read(c.b, p)
	seq, p := listpack.Read(c.b, p)
	c.flags = int(flags.Int)
	c.id = StreamID{c.master.Ms + uint64(ms.Int), c.master.Seq + uint64(seq.Int)}
	if c.n = c.fields; !c.same() {
		var n listpack.Elem
		n, p = listpack.Read(c.b, p)
		c.n = int(n.Int)
	}
	c.values = p
	return true
}

// end is the offset after the current entry.
func (c *nodeCursor) end() int {
	p, k := c.values, c.n
	if !c.same() {
		k *= 2
	}
	for range k + 1 {
		p = listpack.Next(c.b, p)
	}
	return p
}

// begin goes to the first entry; last to the last one; next and prev from the current one. They return false when
// there is none.

func (c *nodeCursor) begin() bool { return c.read(c.front) }

func (c *nodeCursor) next() bool { return c.read(c.end()) }

func (c *nodeCursor) last() bool { return c.readBefore(len(c.b)) }

func (c *nodeCursor) prev() bool { return c.readBefore(c.at) }

// readBefore reads the entry that ends at p.
func (c *nodeCursor) readBefore(p int) bool {
	if p <= c.front {
		c.at = 0
		return false
	}
	p = listpack.Prev(c.b, p)
	for range listpack.Get(c.b, p).Int {
		p = listpack.Prev(c.b, p)
	}
	return c.read(p)
}

// hasFields tells whether the fields of pairs are those of the master entry.
func (c *nodeCursor) hasFields(pairs [][]byte) bool {
	if len(pairs) != 2*c.fields {
		return false
	}
	p := c.names
	for i := 0; i < len(pairs); i += 2 {
		if !listpack.Get(c.b, p).Equal(pairs[i]) {
			return false
		}
		p = listpack.Next(c.b, p)
	}
	return true
}

var errStreamNode = errors.New("malformed stream node")

// validateNode looks at a valid listpack of unknown origin that claims to be the node of the ID master. After it, walking over
// the node in either direction reads only what is there, and the IDs of entries that are not deleted ascend, from master on.
// One that is deleted may be above those behind it: XSETID can take the last ID back to before it. It returns how many
// entries there are, deleted or not, and the ID of the last that is not.
func validateNode(b []byte, master StreamID) (live, dead int, last StreamID, err error) {
	r := nodeReader{b: b, p: listpack.First(b)}
	live, dead = r.count(), r.count()
	fields := r.count()
	r.skip(fields)
	if r.int() != 0 {
		r.bad = true
	}
	deleted := 0
	for i := 0; i < live+dead && !r.bad; i++ {
		flags, ms, seq := r.int(), r.int(), r.int()
		n, elements := fields, 3+fields
		if flags&streamSameFields == 0 {
			n = r.count()
			elements = 4 + 2*n
			r.skip(n)
		}
		r.skip(n)
		id := StreamID{master.Ms + uint64(ms), master.Seq + uint64(seq)}
		if r.int() != int64(elements) || flags&^(streamDeleted|streamSameFields) != 0 {
			r.bad = true
		}
		if flags&streamDeleted != 0 {
			deleted++
			continue
		}
		if id.Less(master) || i > deleted && !last.Less(id) {
			r.bad = true
		}
		last = id
	}
	if r.bad || r.p != len(b) || deleted != dead {
		return 0, 0, StreamID{}, errStreamNode
	}
	return live, dead, last, nil
}

// nodeReader walks over the elements of a valid listpack and notes when it comes to the end or meets what is not an
// integer.
type nodeReader struct {
	b   []byte
	p   int
	bad bool
}

func (r *nodeReader) int() int64 {
	if r.bad || r.p >= len(r.b) {
		r.bad = true
		return 0
	}
	e := listpack.Get(r.b, r.p)
	r.p = listpack.Next(r.b, r.p)
	if !e.IsInt() {
		r.bad = true
	}
	return e.Int
}

// count is an integer that counts elements of this listpack.
func (r *nodeReader) count() int {
	n := r.int()
	if n < 0 || n > int64(len(r.b)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *nodeReader) skip(n int) {
	for ; n > 0 && !r.bad; n-- {
		if r.p >= len(r.b) {
			r.bad = true
			return
		}
		r.p = listpack.Next(r.b, r.p)
	}
}
