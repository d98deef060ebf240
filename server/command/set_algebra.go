package command

import (
	"math"
	"slices"

	"larder/datatypes"
	"larder/server/resp"
)

// Commands that combine sets: intersections, unions and differences, replied, counted or stored.
//
// The sets of one command may stand in different shards, which are all held, and are only read. What is replied is
// written as it is found. A result that is stored, or that is needed to see what was found already, is a setResult: a
// set without a key, in the memory of the shard of the key that it belongs to. Making it grow moves nothing that the
// sets' slices lie in.
//
// The order of work is chosen by the sizes:
//
//	intersection  the smallest set is walked through and looked up in the others, smaller ones first
//	union         up to fewSets sets: each is walked through and looked up in those before it, the largest being the
//	              first; beyond that, a result tells what was there already
//	difference    the first set is walked through and looked up in the others, larger ones first, or, when they are
//	              many and small, in their union
//
// Large sets are walked through in batches, of which all look-ups in another set are prepared together.

// fewSets is how many sets a union looks its members up in rather than make a copy.
const fewSets = 4

// algebraSets is what a command over several sets works with, kept from one command to the next.
type algebraSets struct {
	sets   []*datatypes.Set
	result setResult // what is stored or replied
	others setResult // what is taken away from the first set of a difference
	batch  [stageMany][]byte
}

// setResult is a set that is made for one command.
type setResult struct {
	set datatypes.Set
	m   datatypes.MemHolder
	room
}

const (
	memberCost   = 32       // what a member takes beyond its text, at most
	resultKept   = 64 << 10 // bytes of a compact result's memory that are kept for the next
	distinctOver = 4096     // beyond so many members a set is worth walking through in batches
)

// begin makes the result an empty one in the shard of key.
func (r *setResult) begin(c *Ctx, key []byte) *setResult {
	if cap(r.m.Bytes()) > resultKept {
		r.m = datatypes.MemHolder{}
	}
	r.m.Resize(0)
	r.m.SetEnc(datatypes.EncBlob)
	r.room = room{key: key, made: &r.m}
	r.set.Bind(c.EnvOf(key), &r.m)
	return r
}

// add adds a member and tells whether it is new. It is false, too, once there is no memory.
func (r *setResult) add(c *Ctx, member []byte) bool {
	return r.takes(c, len(member)+memberCost) && r.set.Add(member)
}

// drop gives the result's memory back.
func (r *setResult) drop(c *Ctx) { c.Discard(r.key, datatypes.TypeSet, &r.m) }

// store makes the result the value of dst and answers its size.
func (r *setResult) store(c *Ctx, dst []byte, event string) {
	if r.full {
		r.drop(c)
		c.Fail(resp.ErrOOM)
		return
	}
	n := r.set.Len()
	was := c.Install(dst, datatypes.TypeSet, &r.m)
	switch {
	case n > 0:
		c.Changed(dst, event)
	case was:
		c.Gone(dst, "del")
	}
	c.Reply.Int(int64(n))
}

// readSets opens the sets at keys; those that are missing are empty.
func (c *Ctx) readSets(keys [][]byte) (sets []*datatypes.Set, ok bool) {
	sets = c.algebra.sets[:0]
	for _, key := range keys {
		s, ok := c.ReadSet(key)
		if !ok {
			return nil, false
		}
		sets = append(sets, s)
	}
	if cap(sets) <= 1024 {
		c.algebra.sets = sets
	}
	return sets, true
}

func bySize(a, b *datatypes.Set) int { return a.Len() - b.Len() }

func byFallingSize(a, b *datatypes.Set) int { return b.Len() - a.Len() }

// walk calls fn with the members of s, some at a time, until it returns false. fn may keep and change the slice, but
// not beyond the call.
func (c *Ctx) walk(s *datatypes.Set, fn func(members [][]byte) bool) {
	batch := &c.algebra.batch
	if s.Len() < distinctOver || s.Encoding() != "hashtable" {
		s.Each(func(member []byte) bool {
			batch[0] = member
			return fn(batch[:1])
		})
		return
	}
	n, more := 0, true
	s.Each(func(member []byte) bool {
		batch[n] = member
		if n++; n == len(batch) {
			more, n = fn(batch[:n]), 0
		}
		return more
	})
	if more && n > 0 {
		fn(batch[:n])
	}
}

// in keeps of the members those that are in s, or those that are not.
func in(s *datatypes.Set, members [][]byte, wanted bool) [][]byte {
	if len(members) > 1 {
		s.Stage(members, 1)
	}
	kept := members[:0]
	for _, member := range members {
		if s.Has(member) == wanted {
			kept = append(kept, member)
		}
	}
	return kept
}

// intersect calls fn with the members that all sets have, until it returns false. It changes the order of sets.
func (c *Ctx) intersect(sets []*datatypes.Set, fn func(member []byte) bool) {
	slices.SortStableFunc(sets, bySize)
	c.walk(sets[0], func(members [][]byte) bool {
		for _, s := range sets[1:] {
			if members = in(s, members, true); len(members) == 0 {
				return true
			}
		}
		for _, member := range members {
			if !fn(member) {
				return false
			}
		}
		return true
	})
}

func sinter(c *Ctx) {
	sets, ok := c.readSets(c.Args.Rest())
	if !ok {
		return
	}
	w := c.Reply
	at, n := w.Defer(), 0
	c.intersect(sets, func(member []byte) bool {
		w.Bulk(member)
		n++
		return true
	})
	w.SetSet(at, n)
}

func sintercard(c *Ctx) {
	a := &c.Args
	count := a.IntIn(1, math.MaxInt64, resp.ErrNumKeys)
	if !a.Bad() && count > int64(a.Left()) {
		a.Wrong(resp.ErrTooManyKeys)
	}
	keys := a.Take(int(count))
	limit := int64(0)
	for a.More() {
		if a.IsWith("LIMIT", 1) {
			limit = a.IntIn(0, math.MaxInt64, resp.ErrLimitNegative)
		} else {
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	sets, ok := c.readSets(keys)
	if !ok {
		return
	}
	n := int64(0)
	c.intersect(sets, func([]byte) bool {
		n++
		return n != limit
	})
	c.Reply.Int(n)
}

func sinterstore(c *Ctx) {
	dst := c.Args.Key()
	sets, ok := c.readSets(c.Args.Rest())
	if !ok {
		return
	}
	r := c.algebra.result.begin(c, dst)
	c.intersect(sets, func(member []byte) bool {
		r.add(c, member)
		return !r.full
	})
	r.store(c, dst, "sinterstore")
}

func sunion(c *Ctx) {
	keys := c.Args.Rest()
	sets, ok := c.readSets(keys)
	if !ok {
		return
	}
	sets = slices.DeleteFunc(sets, func(s *datatypes.Set) bool { return s.Len() == 0 })
	w := c.Reply
	if len(sets) == 1 {
		w.Set(sets[0].Len())
		c.replyMembers(sets[0])
		return
	}
	if c.onlyInts(sets) { // the reply ascends, as in Redis
		r := c.algebra.result.begin(c, keys[0])
		for _, s := range sets {
			s.Each(func(member []byte) bool {
				r.set.Add(member)
				return true
			})
		}
		w.Set(r.set.Len())
		c.replyMembers(&r.set)
		return
	}
	at, n := w.Defer(), 0
	emit := func(member []byte) {
		w.Bulk(member)
		n++
	}
	if len(sets) <= fewSets {
		c.uniteByLookup(sets, emit)
	} else {
		mark := w.Mark()
		r := c.algebra.result.begin(c, keys[0])
		if !c.unite(r, sets, emit) { // no memory: it takes longer without
			w.Truncate(mark)
			n = 0
			c.uniteByLookup(sets, emit)
		}
		r.drop(c)
	}
	w.SetSet(at, n)
}

// onlyInts tells whether sets are intsets that together fit in one.
func (c *Ctx) onlyInts(sets []*datatypes.Set) bool {
	total := 0
	for _, s := range sets {
		if total += s.Len(); s.Encoding() != "intset" || total > c.Keyspace().Limits.SetMaxIntsetEntries {
			return false
		}
	}
	return true
}

// uniteByLookup calls fn once with every member that any of the sets has. Sets of few members keep their order, which
// is that of Redis's reply then.
func (c *Ctx) uniteByLookup(sets []*datatypes.Set, fn func(member []byte)) {
	if slices.ContainsFunc(sets, func(s *datatypes.Set) bool { return s.Encoding() == "hashtable" }) {
		slices.SortStableFunc(sets, byFallingSize)
	}
	for i, s := range sets {
		c.walk(s, func(members [][]byte) bool {
			for _, before := range sets[:i] {
				if members = in(before, members, false); len(members) == 0 {
					return true
				}
			}
			for _, member := range members {
				fn(member)
			}
			return true
		})
	}
}

// unite adds all members of the sets to r and calls fn with those that are new. It is false if there is no memory.
func (c *Ctx) unite(r *setResult, sets []*datatypes.Set, fn func(member []byte)) bool {
	slices.SortStableFunc(sets, byFallingSize)
	for _, s := range sets {
		c.walk(s, func(members [][]byte) bool {
			if r.left == 0 {
				r.expect(c, s.Len(), members[0])
			}
			if len(members) > 1 {
				r.set.Stage(members, 1)
			}
			for _, member := range members {
				if r.add(c, member) {
					fn(member)
				}
			}
			return !r.full
		})
	}
	return !r.full
}

// expect prepares an empty result for n members at least, of which first is one. Only what will certainly be a table
// begins as one.
func (r *setResult) expect(c *Ctx, n int, first []byte) {
	limits := c.Keyspace().Limits
	if r.more(c, 0, n) && n > max(limits.SetMaxIntsetEntries, limits.SetMaxListpackEntries) {
		r.set.Hint(n, first)
	}
}

// nothing is done with a member.
func nothing([]byte) {}

func sunionstore(c *Ctx) {
	dst := c.Args.Key()
	sets, ok := c.readSets(c.Args.Rest())
	if !ok {
		return
	}
	r := c.algebra.result.begin(c, dst)
	c.unite(r, sets, nothing)
	r.store(c, dst, "sunionstore")
}

// subtract calls fn with the members of the first of the sets at keys that no other of them has.
func (c *Ctx) subtract(sets []*datatypes.Set, keys [][]byte, fn func(member []byte) bool) {
	for _, key := range keys[1:] {
		if string(key) == string(keys[0]) {
			return
		}
	}
	first := sets[0]
	others := slices.DeleteFunc(sets[1:], func(s *datatypes.Set) bool { return s.Len() == 0 })
	total := 0
	for _, s := range others {
		total += s.Len()
	}
	united := &c.algebra.others
	if n := first.Len(); len(others) > 1 && n+3*total < n*len(others)/2 {
		// To add a member to the union takes about three times as long as to look one up.
		if united.begin(c, keys[0]); c.unite(united, others, nothing) {
			others = append(others[:0], &united.set)
		}
		defer united.drop(c)
	}
	slices.SortStableFunc(others, byFallingSize)
	c.walk(first, func(members [][]byte) bool {
		for _, s := range others {
			if members = in(s, members, false); len(members) == 0 {
				return true
			}
		}
		for _, member := range members {
			if !fn(member) {
				return false
			}
		}
		return true
	})
}

func sdiff(c *Ctx) {
	keys := c.Args.Rest()
	sets, ok := c.readSets(keys)
	if !ok {
		return
	}
	w := c.Reply
	at, n := w.Defer(), 0
	c.subtract(sets, keys, func(member []byte) bool {
		w.Bulk(member)
		n++
		return true
	})
	w.SetSet(at, n)
}

func sdiffstore(c *Ctx) {
	dst, keys := c.Args.Key(), c.Args.Rest()
	sets, ok := c.readSets(keys)
	if !ok {
		return
	}
	r := c.algebra.result.begin(c, dst)
	c.subtract(sets, keys, func(member []byte) bool {
		r.add(c, member)
		return !r.full
	})
	r.store(c, dst, "sdiffstore")
}

func init() {
	Register(
		row("sinter", sinter),
		row("sintercard", sintercard),
		row("sinterstore", sinterstore),
		row("sunion", sunion),
		row("sunionstore", sunionstore),
		row("sdiff", sdiff),
		row("sdiffstore", sdiffstore),
	)
}
