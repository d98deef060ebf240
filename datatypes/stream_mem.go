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
		if budget, done = freeGroup(a, h, h.groups.at(a, int(h.groups.n)-1), budget); !done {
			return false
		}
		h.groups.n--
	}
	if _, done = h.groups.freeStep(a, h.tally(), budget); done {
		a.Free(root, streamHeadBytes)
	}
	return done
}

// freeGroup frees about budget allocations of a group, itself at last. It returns what is left of the budget, and whether
// all is gone.
func freeGroup(a *arena.Arena, h *streamHead, group arena.Ref, budget int) (left int, done bool) {
	g := (*streamGroup)(a.Ptr(group))
	for g.consumers.n > 0 {
		r := g.consumers.at(a, int(g.consumers.n)-1)
		t := idTree{a, &(*streamConsumer)(a.Ptr(r)).pending, g.tally(h), 0}
		if budget, done = t.freeStep(budget, nil); !done || budget <= 0 {
			return 0, false
		}
		g.consumers.n-- // the directory goes when it names nothing
		freeNamed(a, g.tally(h), r)
		budget--
	}
	if budget, done = g.consumers.freeStep(a, g.tally(h), budget); !done {
		return 0, false
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
// and goes on with what it returned, until that is 0. Where it goes on within a group and a tree is kept in the stream; what is
// added in between may be left out.
func (s *Stream) Defrag(cursor uint64, budget int) (next uint64) {
	if s.h.Enc() != EncRoot {
		return 0
	}
	a := s.env.Arena
	budget = max(budget, 1)
	if cursor == 0 {
		if r := rootRef(s.h); a.ShouldMove(r, streamHeadBytes) {
			setRoot(s.h, a.Move(r, streamHeadBytes))
		}
		s.head().defrag, s.head().defragPart = StreamID{}, 0
		cursor = defragNodes
	}
	h := s.head()
	more := false
	if cursor == defragNodes {
		t := s.nodes(h)
		if h.defrag, budget, more = t.defrag(h.defrag, budget, func(v unsafe.Pointer) {
			n := (*streamNode)(v)
			n.ref = moveMarked(a, n.ref, int(n.cap))
		}); more {
			return cursor
		}
		cursor = defragGroups
	}
	for ; cursor-defragGroups < uint64(h.groups.n); cursor++ {
		if budget, more = s.defragGroup(h, int(cursor-defragGroups), budget); more {
			return cursor
		}
	}
	return 0
}

// Cursors of Defrag.
const (
	defragNodes  = 1
	defragGroups = 2 // the first group; the others follow
)

// defragGroup goes on with the group number i. It returns what is left of the budget; more is false when the group is done.
func (s *Stream) defragGroup(h *streamHead, i, budget int) (left int, more bool) {
	if budget <= 0 {
		return 0, true
	}
	g := StreamGroup{s, h.groups.move(s.env.Arena, i, false)}
	t := g.tree()
	for ; int(h.defragPart) <= g.ConsumerCount(); h.defragPart++ {
		if h.defragPart > 0 {
			if budget <= 0 {
				return 0, true
			}
			c, looked := g.moveConsumer(int(h.defragPart) - 1)
			t = c.tree()
			budget = max(budget-looked, 1) // it goes on, whatever that was
		}
		if h.defrag, budget, more = t.defrag(h.defrag, budget, nil); more {
			return 0, true
		}
		budget--
	}
	h.defragPart = 0
	return budget, false
}

// moveConsumer moves the consumer number i, if it stands in a page that is being emptied, and returns how many allocations and
// pending entries it has looked at: each of those names it. One that has far more than it is large stays where it is.
func (g StreamGroup) moveConsumer(i int) (c StreamConsumer, looked int) {
	a, d := g.s.env.Arena, &g.group().consumers
	c = g.ConsumerAt(i)
	old := c.ref
	c.ref = d.move(a, i, c.PendingCount() > moveWithMost+namedBytes(a, old)/4)
	if c.ref == old {
		return c, 1
	}
	mine, all := c.tree(), g.tree()
	var p, q idPath
	for ok := mine.first(&p); ok; ok = mine.next(&p) {
		if all.find(&q, mine.id(&p)) {
			(*streamPending)(all.value(&q)).owner = c.ref
		}
	}
	return c, 1 + c.PendingCount()
}

// moveWithMost is how many pending entries a consumer may have to be moved, and one for each four of its bytes. What stays has
// less than a tenth of the memory that its pending entries take.
const moveWithMost = 256

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
	if err := h.groups.check(a, &size); err != nil {
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

func (s *Stream) checkGroup(g StreamGroup, size *uint64) error {
	x := g.group()
	if err := x.consumers.check(s.env.Arena, size); err != nil {
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
			if !t.find(&q, mine.id(&p)) || (*streamPending)(t.value(&q)).owner != c.ref {
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
