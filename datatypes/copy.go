package datatypes

import (
	"math"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
	"larder/datatypes/table"
)

// A Copier makes a value equal to a large one, whose encoding is EncRoot, step by step. It keeps where it is as a position
// within the value, and no ref: what the value is made of may be moved between the steps, as defragmentation does. Nothing
// else may change in it. What has been made so far is a structure that FreeStep takes.
//
//	set, hash     the table gets the shape of the other's, then the entries in the order of their hashes; cursor
//	sorted set    the table gets its shape, then members come from the lowest score on, each into table and tree; count
//	list          block by block; count, of items
//	stream        node by node, then the groups and what is pending with their consumers; id, group, consumer
//
// The zero Copier is at the beginning.
type Copier struct {
	begun, shaped, listed bool // the structure is there; its table has its shape; a stream's nodes are complete

	full bool // the system refuses the memory for an element

	cursor          uint64
	skip            int // entries at the cursor that have been copied
	count           int
	id              StreamID
	group, consumer int

	refs   []arena.Ref // of a batch
	hashes []uint64
}

// The work of a step is counted in elements of a few bytes. Copying one takes 0.1 to 0.3 µs, most of it for memory that is not
// in the caches.
const (
	copyBatch   = 32  // elements that are loaded side by side
	copyBytes   = 512 // so many bytes count as one more
	copySegment = 8   // what a table's segment counts that gets its shape

	copyLarge = 16 << 10 // an element of more bytes has memory of its own reserved
	copySlack = 1 << 20  // with what the rest of the step may take
)

// CopyNeeds is the number of bytes, in count allocations, for which the arena of the copy must have room before a step, by
// Reserve. It does not count what is large in itself.
func CopyNeeds(budget int) (bytes, count int) {
	return budget*copyBytes + copyLarge, budget + copyBatch
}

// CopyRoom is the number of bytes for which the arena of the copy must have room before Copy, if the value takes size bytes.
func CopyRoom(size int) int {
	if size > copyLarge {
		size += copySlack // an element may be large enough to want it
	}
	return size
}

// Full tells that a step has found no memory for a large element. The copy cannot be completed.
func (c *Copier) Full() bool { return c.full }

// takes tells whether the arena takes an element of so many bytes.
func (c *Copier) takes(a *arena.Arena, size int) bool {
	if size > copyLarge && !a.Reserve(2*size+copySlack) {
		c.full = true
	}
	return !c.full
}

// Step makes about budget elements more in to, which has no bytes before the first step, and tells whether to is
// complete. from is of type t. The two may belong to different shards, which are both held.
func (c *Copier) Step(t Type, fromEnv *Env, from Holder, toEnv *Env, to Holder, budget int) (done bool) {
	switch t {
	case TypeList:
		var x, y List
		x.Bind(fromEnv, from)
		y.Bind(toEnv, to)
		return c.list(&x, &y, budget)
	case TypeZSet:
		var x, y ZSet
		x.Bind(fromEnv, from)
		y.Bind(toEnv, to)
		return c.zset(&x, &y, budget)
	case TypeStream:
		var x, y Stream
		x.Bind(fromEnv, from)
		y.Bind(toEnv, to)
		return c.stream(&x, &y, budget)
	case TypeHash:
		return c.entries(fromEnv, from, toEnv, to, budget, copyField)
	case TypeSet:
		return c.entries(fromEnv, from, toEnv, to, budget, copyMember)
	}
	panic("assertion failed: no structure of type " + t.String())
}

// Copy is all steps at once. O(size).
func Copy(t Type, fromEnv *Env, from Holder, toEnv *Env, to Holder) {
	var c Copier
	for !c.Step(t, fromEnv, from, toEnv, to, math.MaxInt) {
		if c.full {
			panic("out of memory: the room for a copy was not made sure of")
		}
	}
}

// shape lets to become like from, which takes a part of the budget.
func (c *Copier) shape(from, to *table.Table, budget int) (left int) {
	for !c.shaped && budget > 0 {
		n := min(budget/copySegment+1, copyBatch)
		c.cursor = to.Shape(from, c.cursor, n)
		c.shaped = c.cursor == 0
		budget -= n * copySegment
	}
	return budget
}

// entries is Step for what is a table of members. copied makes an entry like e in the arena to, and tells its expiry and size;
// made is 0 if there is no room.
func (c *Copier) entries(fromEnv *Env, from Holder, toEnv *Env, to Holder, budget int,
	copied func(c *Copier, a *arena.Arena, e arena.Ref, to *arena.Arena) (made arena.Ref, expire_ms int64, size int)) (done bool) {
	if !c.begun {
		c.begun = true
		t := table.New(toEnv.Arena, memberLayout{}, toEnv.Hash)
		setRoot(to, t.Root())
	}
	a, b := fromEnv.Arena, toEnv.Arena
	x := table.Open(a, rootRef(from), memberLayout{}, fromEnv.Hash)
	y := table.Open(b, rootRef(to), memberLayout{}, toEnv.Hash)
	for budget = c.shape(&x, &y, budget); budget > 0; budget-- {
		c.refs = c.refs[:0]
		next := x.Scan(c.cursor, copyBatch, func(e arena.Ref) {
			a.Prefetch(e)
			c.refs = append(c.refs, e)
		})
		for _, e := range c.refs[c.skip:] {
			if budget <= 0 {
				return false
			}
			key := memberLayout{}.Key(a, e)
			if h := toEnv.Hash(key); !table.Passed(c.cursor, h) {
				made, expire_ms, size := copied(c, a, e, b)
				if made == 0 {
					return false
				}
				if invariant.Enabled {
					_, twice := y.Find(h, key)
					invariant.Check(!twice, "copy: an entry twice")
				}
				y.Insert(h, made, expire_ms)
				budget -= 1 + size/copyBytes
			}
			c.skip++
		}
		if c.cursor, c.skip = next, 0; next == 0 {
			return true
		}
		if len(c.refs) == 0 {
			budget -= copySegment // it has gone through empty ones
		}
	}
	return false
}

// copyMember makes a member entry like e.
func copyMember(c *Copier, a *arena.Arena, e arena.Ref, to *arena.Arena) (made arena.Ref, expire_ms int64, size int) {
	if size = memberSize(len(memberLayout{}.Key(a, e))); !c.takes(to, size) {
		return 0, 0, 0
	}
	made = to.Alloc(size)
	copy(to.Bytes(made, size), a.Bytes(e, size))
	return made, 0, size
}

// copyField makes a field entry like e.
func copyField(c *Copier, a *arena.Arena, e arena.Ref, to *arena.Arena) (made arena.Ref, expire_ms int64, size int) {
	f := openField(a, e)
	var value []byte // that stands elsewhere
	if f.kind == fieldFar {
		value = a.Bytes(f.far())
	}
	if size = f.size + len(value); !c.takes(to, size) {
		return 0, 0, 0
	}
	made = to.Alloc(f.size)
	copy(to.Bytes(made, f.size), a.Bytes(e, f.size))
	if len(value) > 0 {
		far := to.Alloc(len(value))
		copy(to.Bytes(far, len(value)), value)
		g := openField(to, made)
		g.setFar(far)
	}
	return made, f.expire, size
}

// zset is Step for sorted sets.
func (c *Copier) zset(x, y *ZSet, budget int) (done bool) {
	a, b := x.env.Arena, y.env.Arena
	if !c.begun {
		c.begun = true
		y.grow(0)
	}
	_, fromTable, fromTree := x.open()
	r, tab, tree := y.open()
	if budget = c.shape(&fromTable, &tab, budget); !c.shaped {
		return false
	}
	n := fromTree.Len()
	for at := fromTree.At(c.count); c.count < n && budget > 0; {
		c.refs, c.hashes = c.refs[:0], c.hashes[:0]
		for ; len(c.refs) < copyBatch && at.Valid(); at.Next() {
			a.Prefetch(at.Ref())
			c.refs = append(c.refs, at.Ref())
		}
		for _, e := range c.refs {
			h := y.env.Hash(zmemberLayout{}.Key(a, e))
			tab.Stage1(h)
			c.hashes = append(c.hashes, h)
		}
		for i, e := range c.refs {
			size := zentryBytes(zmemberLayout{}.Key(a, e))
			if budget <= 0 || !c.takes(b, size) {
				return false
			}
			made := b.Alloc(size)
			copy(b.Bytes(made, size), a.Bytes(e, size))
			r.bytes += uint64(arena.RoundUp(size))
			tab.Insert(c.hashes[i], made, 0)
			tree.Append(*y.score(made), made)
			budget -= 1 + size/copyBytes
			c.count++
		}
	}
	return c.count == n
}

// list is Step for lists.
func (c *Copier) list(x, y *List, budget int) (done bool) {
	if !c.begun { // what has been a tree stays one, however small it has become
		c.begun = true
		y.grow()
	}
	t, n := x.tree(), x.Len()
	var p listPath
	if c.count < n {
		t.findItem(&p, c.count)
	}
	for c.count < n && budget > 0 {
		d := t.block(&p)
		b := d.bytes(t.a)
		if !c.takes(y.env.Arena, len(b)) {
			return false
		}
		c.count += int(d.count)
		budget -= 1 + len(b)/copyBytes
		y.AppendListpack(b)
		t.next(&p)
	}
	return c.count == n
}

// stream is Step for streams.
func (c *Copier) stream(x, y *Stream, budget int) (done bool) {
	h, d := x.head(), y.edit()
	for !c.listed {
		master, b, more := x.NodeAfter(c.id)
		if more {
			if budget <= 0 || !c.takes(y.env.Arena, len(b)) {
				return false
			}
			y.addNode(d, master, b)
			budget -= 1 + len(b)/copyBytes
			c.id, more = master.Next()
		}
		if !more {
			d.length, d.added, d.first, d.last, d.maxDeleted = h.length, h.added, h.first, h.last, h.maxDeleted
			c.listed, c.id = true, StreamID{}
		}
	}
	for ; c.group < x.GroupCount(); c.group, c.consumer = c.group+1, 0 {
		from := x.GroupAt(c.group)
		to, _ := y.CreateGroup(from.Name(), from.LastID(), from.EntriesRead()) // or finds it
		for ; c.consumer < from.ConsumerCount(); c.consumer, c.id = c.consumer+1, (StreamID{}) {
			if budget, done = c.pending(from.ConsumerAt(c.consumer), to, budget); !done {
				return false
			}
		}
		if budget--; budget <= 0 && c.group+1 < x.GroupCount() {
			c.group, c.consumer = c.group+1, 0
			return false
		}
	}
	return true
}

// pending copies a consumer into the group to, with what is pending, from an ID on. It returns what is left of the budget, and
// whether that was all.
func (c *Copier) pending(from StreamConsumer, to StreamGroup, budget int) (left int, done bool) {
	if budget <= 0 {
		return budget, false
	}
	x, made := to.CreateConsumer(from.Name(), from.SeenTime())
	if made {
		x.SetActiveTime(from.ActiveTime())
	}
	for it := from.PendingIter(c.id, MaxStreamID); it.Next(); budget -= 2 {
		e := it.Entry()
		if c.id = e.ID; budget <= 0 {
			return budget, false
		}
		x.Claim(e.ID, e.DeliveredAt, e.Deliveries)
	}
	return budget - 1, true
}

// CopyWeight is about what Step counts for a value of type t whose encoding is EncRoot: a little work for a large one, too.
func CopyWeight(t Type, env *Env, h Holder) int {
	v := Bind(t, env, h)
	n := v.Bytes(copyBatch) / copyBytes
	switch x := v.(type) {
	case *ZSet:
		n += x.Len()
	case *Stream:
		for i := range min(x.GroupCount(), copyGroups) {
			g := x.GroupAt(i)
			n += g.ConsumerCount() + 2*g.PendingCount()
		}
		n += x.GroupCount()
	case *Hash:
		n += x.Len()
	case *Set:
		n += x.Len()
	}
	return n
}

// copyGroups is how many groups of a stream are looked at one by one for that.
const copyGroups = 1000
