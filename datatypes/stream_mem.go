package datatypes

import (
	"errors"
	"fmt"
	"unsafe"

	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

// Freeing.

// freeStream is FreeStep for streams: the nodes, then the groups.
func freeStream(env *Env, root arena.Ref, budget int) (done bool) {
	a := env.Arena
	h := (*streamHead)(a.Ptr(root))
	t := streamNodes(a, h)
	budget, done = t.freeStep(budget, func(v unsafe.Pointer) {
		n := (*streamNode)(v)
		a.Free(n.ref, int(n.cap))
	})
	if !done {
		return false
	}
	for h.groups.n > 0 {
		i := int(h.groups.n) - 1
		g := h.groups.refs(a)[h.groups.slots(a)[i]]
		if budget, done = freeGroup(a, h, g, budget); !done {
			return false
		}
		h.groups.remove(a, h.tally(), i)
	}
	a.Free(root, streamHeadBytes)
	return true
}

// freeGroup frees about budget allocations of a group, itself at last. It returns what is left of the budget, and whether
// all is gone.
func freeGroup(a *arena.Arena, h *streamHead, group arena.Ref, budget int) (left int, done bool) {
	g := (*streamGroup)(a.Ptr(group))
	for g.consumers.n > 0 {
		i := int(g.consumers.n) - 1
		r := g.consumers.refs(a)[g.consumers.slots(a)[i]]
		t := idTree{a, &(*streamConsumer)(a.Ptr(r)).pending, g.tally(h), 0}
		if budget, done = t.freeStep(budget, nil); !done || budget <= 0 {
			return 0, false
		}
		g.consumers.remove(a, g.tally(h), i)
		freeNamed(a, g.tally(h), r)
		budget--
	}
	t := idTree{a, &g.pending, g.tally(h), streamPendingBytes}
	if budget, done = t.freeStep(budget, nil); !done || budget <= 0 {
		return 0, false
	}
	freeNamed(a, h.tally(), group)
	return budget - 1, true
}

// Moving.

// Defrag moves what lies in pages that the arena is emptying, about budget allocations per call. It begins with cursor 0
// and goes on with what it returned, until that is 0. Where it goes on within a tree is kept in the stream; what is added
// in between may be left out.
func (s *Stream) Defrag(cursor uint64, budget int) (next uint64) {
	if s.h.Enc() != EncRoot {
		return 0
	}
	a := s.env.Arena
	budget = max(budget, 2) // a step needs one for the consumer and one for a leaf
	if cursor == 0 {
		if r := rootRef(s.h); a.ShouldMove(r, streamHeadBytes) {
			setRoot(s.h, a.Move(r, streamHeadBytes))
		}
		s.head().defrag = StreamID{}
	}
	h := s.head()
	// The cursor counts the parts: 0 the nodes, then for each group itself and its pending entries, and each consumer.
	part := uint64(0)
	more := false
	if cursor <= 1 {
		t := s.nodes(h)
		if h.defrag, budget, more = t.defrag(h.defrag, budget, func(v unsafe.Pointer) {
			n := (*streamNode)(v)
			n.ref = moveMarked(a, n.ref, int(n.cap))
		}); more {
			return 1
		}
		h.defrag = StreamID{}
	}
	part = 2
	moveDir(a, &h.groups)
	for i := range s.GroupCount() {
		group := part
		part++
		if cursor <= group {
			moveSlot(a, &h.groups, i)
		}
		g := s.GroupAt(i)
		if cursor <= group {
			moveDir(a, &g.group().consumers)
			t := g.tree()
			if h.defrag, budget, more = t.defrag(h.defrag, budget, nil); more || budget <= 0 {
				return group
			}
			h.defrag = StreamID{}
		}
		for k := range g.ConsumerCount() {
			consumer := part
			part++
			if cursor > consumer {
				continue
			}
			moveSlot(a, &g.group().consumers, k)
			t := g.ConsumerAt(k).tree()
			if h.defrag, budget, more = t.defrag(h.defrag, budget-1, nil); more || budget <= 0 {
				return consumer
			}
			h.defrag = StreamID{}
		}
	}
	return 0
}

func moveDir(a *arena.Arena, d *nameDir) {
	if d.room > 0 {
		d.ref = moveMarked(a, d.ref, d.bytes())
	}
}

// moveSlot moves the group or consumer at place i of the order.
func moveSlot(a *arena.Arena, d *nameDir, i int) {
	r := &d.refs(a)[d.slots(a)[i]]
	*r = moveMarked(a, *r, namedBytes(a, *r))
}

// Reading node by node, and loading.

// EachNode calls fn for the stream's nodes in order, each with its ID and listpack, until it returns false.
func (s *Stream) EachNode(fn func(master StreamID, b []byte) bool) {
	t := s.nodes(s.head())
	var p idPath
	for ok := t.first(&p); ok; ok = t.next(&p) {
		if !fn(t.id(&p), (*streamNode)(t.value(&p)).bytes(t.a)) {
			return
		}
	}
}

// NodeAfter is the first node with an ID of at least from. It is for walks over a stream that may change in between:
// the caller goes on with the next ID. ok is false if there is none.
func (s *Stream) NodeAfter(from StreamID) (master StreamID, b []byte, ok bool) {
	t := s.nodes(s.head())
	var p idPath
	if !t.seekGE(&p, from) {
		return master, nil, false
	}
	return t.id(&p), (*streamNode)(t.value(&p)).bytes(t.a), true
}

// LoadNode appends a node of an RDB file: its ID and its listpack as Redis has it. The bytes are checked entirely. Nodes
// come in order. The counters are set afterwards by LoadCounters.
func (s *Stream) LoadNode(master StreamID, full []byte) error {
	b, err := listpack.ParseRedis(full)
	if err != nil {
		return err
	}
	live, _, _, err := validateNode(b, master)
	if err != nil {
		return err
	}
	h := s.edit()
	if it := s.Iter(StreamID{}, MaxStreamID, true); it.Next() && !it.ID().Less(master) {
		return fmt.Errorf("%w: ID %v after %v", errStreamNode, master, it.ID())
	}
	if live == 0 {
		return nil // Redis leaves such nodes behind after some trims
	}
	s.addNode(h, master, b)
	h.length += uint64(live)
	return nil
}

// addNode copies a node that is valid to the end of the tree.
func (s *Stream) addNode(h *streamHead, master StreamID, b []byte) {
	t := s.nodes(h)
	var p idPath
	t.find(&p, master)
	t.insert(&p, master)
	n := (*streamNode)(t.value(&p))
	n.resize(s.env.Arena, h, len(b), len(b))
	copy(n.bytes(s.env.Arena), b)
	q := listpack.First(b)
	n.live = uint32(listpack.Get(b, q).Int)
	n.dead = uint32(listpack.Get(b, listpack.Next(b, q)).Int)
}

// LoadCounters sets what an RDB file says of the stream besides its nodes. It fails if that contradicts them.
func (s *Stream) LoadCounters(length uint64, last, maxDeleted StreamID, added uint64) error {
	h := s.edit()
	if length != h.length {
		return fmt.Errorf("%w: %d entries, not %d", errStreamNode, h.length, length)
	}
	if it := s.Iter(StreamID{}, MaxStreamID, true); it.Next() && last.Less(it.ID()) {
		return fmt.Errorf("%w: entry %v above the last ID %v", errStreamNode, it.ID(), last)
	}
	h.last, h.maxDeleted, h.added = last, maxDeleted, added
	s.findFirst(h)
	return nil
}

// Checking.

// Check looks at the whole stream and says what is inconsistent.
func (s *Stream) Check() error {
	if s.h.Enc() != EncRoot {
		if len(s.h.Bytes()) != 0 {
			return errors.New("stream: bytes that are no root")
		}
		return nil
	}
	a, h := s.env.Arena, s.head()
	size := uint64(arena.RoundUp(streamHeadBytes))
	t := s.nodes(h)
	if err := t.check(&size); err != nil {
		return err
	}
	length, first, last := uint64(0), StreamID{}, StreamID{}
	var p idPath
	for ok := t.first(&p); ok; ok = t.next(&p) {
		n := (*streamNode)(t.value(&p))
		if err := listpack.Validate(n.bytes(a)); err != nil {
			return err
		}
		live, dead, end, err := validateNode(n.bytes(a), t.id(&p))
		if err != nil {
			return fmt.Errorf("stream: node %v: %w", t.id(&p), err)
		}
		if live != int(n.live) || dead != int(n.dead) || live == 0 || t.id(&p).Compare(last) <= 0 && !last.IsZero() {
			return fmt.Errorf("stream: node %v has %d entries, %d deleted, is counted as %d, %d", t.id(&p), live, dead, n.live, n.dead)
		}
		size += uint64(arena.RoundUp(int(n.cap)))
		length += uint64(live)
		last = end
	}
	if it := s.Iter(StreamID{}, MaxStreamID, false); it.Next() {
		first = it.ID()
	}
	if length != h.length || first != h.first {
		return fmt.Errorf("stream: %d entries from %v on, the header says %d from %v on", length, first, h.length, h.first)
	}
	if err := s.checkDir(&h.groups, &size); err != nil {
		return err
	}
	for i := range s.GroupCount() {
		g := s.GroupAt(i)
		own := uint64(arena.RoundUp(namedBytes(a, g.ref)))
		inside := own
		if err := s.checkGroup(g, &inside); err != nil {
			return err
		}
		if inside != g.group().bytes {
			return fmt.Errorf("stream: group %q has %d bytes, it says %d", g.Name(), inside, g.group().bytes)
		}
		size += inside - own
	}
	if size != h.bytes {
		return fmt.Errorf("stream: %d bytes, the header says %d", size, h.bytes)
	}
	return nil
}

// checkDir looks at a directory: the names in order, the slots a permutation.
func (s *Stream) checkDir(d *nameDir, size *uint64) error {
	a := s.env.Arena
	seen := make([]bool, d.room)
	for i, slot := range d.slots(a) {
		if seen[slot] {
			return fmt.Errorf("stream: slot %d twice", slot)
		}
		seen[slot] = true
		if i > 0 && i < int(d.n) && string(streamName(a, d.refs(a)[d.slots(a)[i-1]])) >= string(streamName(a, d.refs(a)[slot])) {
			return fmt.Errorf("stream: names %d and %d are not in order", i-1, i)
		}
		if i < int(d.n) {
			*size += uint64(arena.RoundUp(namedBytes(a, d.refs(a)[slot])))
		}
	}
	if d.room > 0 {
		*size += uint64(arena.RoundUp(d.bytes()))
	}
	return nil
}

func (s *Stream) checkGroup(g StreamGroup, size *uint64) error {
	x := g.group()
	if err := s.checkDir(&x.consumers, size); err != nil {
		return err
	}
	t := g.tree()
	if err := t.check(size); err != nil {
		return err
	}
	n := 0
	for i := range g.ConsumerCount() {
		c := g.ConsumerAt(i)
		mine := c.tree()
		if err := mine.check(size); err != nil {
			return err
		}
		n += c.PendingCount()
		var p, q idPath
		for ok := mine.first(&p); ok; ok = mine.next(&p) {
			if !t.find(&q, mine.id(&p)) || (*streamPending)(t.value(&q)).owner != c.slot+1 {
				return fmt.Errorf("stream: entry %v of consumer %q is not in the group's list", mine.id(&p), c.Name())
			}
		}
	}
	var p idPath
	for ok := t.first(&p); ok; ok = t.next(&p) {
		if e := g.pendingAt(&t, &p); e.DeliveredAt < x.oldest_ms {
			return fmt.Errorf("stream: entry %v was delivered at %d, none is to be older than %d", e.ID, e.DeliveredAt, x.oldest_ms)
		}
	}
	if n != g.PendingCount() {
		return fmt.Errorf("stream: consumers have %d pending entries, the group %d", n, g.PendingCount())
	}
	return nil
}

// check looks at a tree of IDs and adds to size what it takes.
func (t *idTree) check(size *uint64) error {
	if (t.root.node == 0) != (t.root.count == 0) {
		return fmt.Errorf("IDs: %d in the tree at %#x", t.root.count, t.root.node)
	}
	if t.root.node == 0 {
		return nil
	}
	n := uint64(0)
	if err := t.checkNode(t.root.node, int(t.root.height), StreamID{}, MaxStreamID, &n, size); err != nil {
		return err
	}
	if n != t.root.count {
		return fmt.Errorf("IDs: %d are counted as %d", n, t.root.count)
	}
	return nil
}

// checkNode looks at a node whose IDs are in [low, high], or below high if that is not MaxStreamID.
func (t *idTree) checkNode(r arena.Ref, height int, low, high StreamID, count, size *uint64) error {
	h := *t.header(r)
	if height == 0 {
		if h.n == 0 || h.n > h.room || int(h.room) > t.full() || int(h.room) < t.full() && t.root.height > 0 {
			return fmt.Errorf("IDs: leaf %#x: %+v", r, h)
		}
		for i, id := range t.ids(r)[:h.n] {
			if id.Less(low) || high != MaxStreamID && !id.Less(high) || i > 0 && !t.ids(r)[i-1].Less(id) {
				return fmt.Errorf("IDs: %v in leaf %#x of [%v,%v)", id, r, low, high)
			}
		}
		*count += uint64(h.n)
		*size += uint64(arena.RoundUp(t.leafBytes(int(h.room))))
		return nil
	}
	in := t.inner(r)
	if h.n == 0 || int(h.n) > idInnerChildren || height == int(t.root.height) && h.n < 2 {
		return fmt.Errorf("IDs: inner node %#x has %d children", r, h.n)
	}
	*size += uint64(arena.RoundUp(idInnerBytes))
	for i := range int(h.n) {
		lo, hi := low, high
		if i > 0 {
			lo = in.key[i]
		}
		if i+1 < int(h.n) {
			hi = in.key[i+1]
		}
		if err := t.checkNode(in.child[i], height-1, lo, hi, count, size); err != nil {
			return err
		}
	}
	return nil
}
