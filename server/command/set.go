package command

import (
	"math"

	"larder/datatypes"
	"larder/server/resp"
)

// Commands about one set, and SMOVE. Those that combine sets stand in set_algebra.go.

func sadd(c *Ctx) {
	key, members := c.Args.Key(), c.Args.Rest()
	s, ok := c.EditSet(key)
	if !ok {
		return
	}
	s.Hint(len(members), members[0])
	added := 0
	for i, member := range members {
		if i%stageMany == 0 && len(members) > 1 {
			s.Stage(members[i:], 1)
		}
		if s.Add(member) {
			added++
		}
	}
	if added > 0 {
		c.ChangedBy(key, "sadd", added)
	}
	c.Reply.Int(int64(added))
}

func srem(c *Ctx) {
	key, members := c.Args.Key(), c.Args.Rest()
	s, ok := c.EditSet(key)
	if !ok {
		return
	}
	removed := 0
	for i, member := range members {
		if i%stageMany == 0 && len(members) > 1 {
			s.Stage(members[i:], 1)
		}
		if s.Remove(member) {
			if removed++; s.Len() == 0 {
				break
			}
		}
	}
	if removed > 0 {
		c.ChangedBy(key, "srem", removed)
	}
	c.Reply.Int(int64(removed))
}

func sismember(c *Ctx) {
	key, member := c.Args.Key(), c.Args.Bytes()
	if s, ok := c.ReadSet(key); ok {
		c.replyHas(s, member)
	}
}

func (c *Ctx) replyHas(s *datatypes.Set, member []byte) {
	if s.Has(member) {
		c.Reply.Int(1)
	} else {
		c.Reply.Int(0)
	}
}

func smismember(c *Ctx) {
	key, members := c.Args.Key(), c.Args.Rest()
	s, ok := c.ReadSet(key)
	if !ok {
		return
	}
	c.Reply.Array(len(members))
	for i, member := range members {
		if i%stageMany == 0 && len(members) > 1 {
			s.Stage(members[i:], 1)
		}
		c.replyHas(s, member)
	}
}

func scard(c *Ctx) {
	if s, ok := c.ReadSet(c.Args.Key()); ok {
		c.Reply.Int(int64(s.Len()))
	}
}

func smembers(c *Ctx) {
	if s, ok := c.ReadSet(c.Args.Key()); ok {
		c.Reply.Set(s.Len())
		c.replyMembers(s)
	}
}

// replyMembers writes all members of s, without what announces them.
func (c *Ctx) replyMembers(s *datatypes.Set) {
	w := c.Reply
	s.Each(func(member []byte) bool {
		w.Bulk(member)
		return true
	})
}

// smove takes a member out of one set and puts it into another. What happens to the first is settled before the second
// is touched, so that the notifications come in Redis's order.
func smove(c *Ctx) {
	src, dst, member := c.Args.Key(), c.Args.Key(), c.Args.Bytes()
	from, ok := c.EditSet(src)
	if !ok {
		return
	}
	if from.Len() == 0 { // a missing source comes before a target of another type
		c.Reply.Int(0)
		return
	}
	if _, ok := c.EditSet(dst); !ok {
		return
	}
	if string(src) == string(dst) {
		c.replyHas(from, member)
		return
	}
	if !from.Remove(member) {
		c.Reply.Int(0)
		return
	}
	c.Changed(src, "srem")
	c.Settle()
	if to, _ := c.View.EditSet(dst); to.Add(member) {
		c.Changed(dst, "sadd")
	}
	c.Reply.Int(1)
}

func sscan(c *Ctx) {
	key := c.Args.Key()
	o := c.readScan(false, false, false)
	if c.badCursor() {
		return
	}
	s, ok := c.ReadSet(key)
	if !ok || !c.scanReady(s.Len()) {
		return
	}
	next := s.Scan(o.cursor, o.count, func(member []byte) {
		if o.matches(member) {
			c.found.add(member)
		}
	})
	c.replyScan(next)
}

// badCursor replies the error of a cursor that is no number. In HSCAN and SSCAN it comes before the key is looked at,
// the errors of options come after that (scanReady).
func (c *Ctx) badCursor() bool {
	if c.Args.err != resp.ErrInvalidCursor {
		return false
	}
	return !c.Args.Done()
}

// scanReady answers the scan of a collection without items, or the error of a bad option; otherwise the scan can begin.
func (c *Ctx) scanReady(items int) bool {
	c.found.reset()
	if items == 0 {
		c.replyScan(0)
		return false
	}
	return c.Args.Done()
}

func spop(c *Ctx) {
	a := &c.Args
	key := a.Key()
	if a.More() {
		n := a.IntIn(0, math.MaxInt64, resp.ErrNotPositive)
		if a.Len() > 3 { // whatever the number is
			c.Fail(resp.ErrSyntax)
			return
		}
		if a.Done() {
			c.spopMany(key, n)
		}
		return
	}
	s, ok := c.EditSet(key)
	if !ok {
		return
	}
	member, ok := s.Pop(c.scratch(512)[:0])
	if !ok {
		c.Reply.Null()
		return
	}
	c.Reply.Bulk(member)
	c.Changed(key, "spop")
	if c.WantEffects {
		c.Rewrite([]byte("SREM"), key, member)
	}
}

// spopMany takes n random members out of a set.
func (c *Ctx) spopMany(key []byte, n int64) {
	s, ok := c.EditSet(key)
	if !ok {
		return
	}
	size := s.Len()
	if n == 0 || size == 0 {
		c.Reply.Set(0)
		return
	}
	if n >= int64(size) {
		c.CountRead(key, true) // as in Redis, which answers it as a union
		c.Reply.Set(size)
		c.replyMembers(s)
		c.ChangedBy(key, "spop", size)
		c.Settle() // the handle ends here, as the key is dropped as a whole
		c.Delete(key)
		c.Gone(key, "del")
		c.Dirty--
		c.rewriteRemoval(key, c.Keyspace().LazyFree.ServerDel)
		return
	}
	count := int(n)
	c.Reply.Set(count)
	c.found.reset()
	for range count {
		member, _ := s.Pop(c.scratch(512)[:0])
		c.Reply.Bulk(member)
		if c.WantEffects {
			if c.found.add(member); len(c.found.ends) == sremMany {
				c.removedMembers(key)
			}
		}
	}
	c.ChangedBy(key, "spop", count)
	if c.WantEffects && len(c.found.ends) > 0 {
		c.removedMembers(key)
	}
}

// sremMany is how many members one SREM names that replicas get to see.
const sremMany = 1024

// removedMembers makes a SREM of the members in c.found a part of the effect, and forgets them.
func (c *Ctx) removedMembers(key []byte) {
	argv := make([][]byte, 0, 2+len(c.found.ends))
	argv = append(argv, []byte("SREM"), key)
	c.found.each(func(member []byte) { argv = append(argv, member) })
	c.Rewrite(argv...)
	c.found.reset()
}

// maxRandom is how many random items a command may ask for that may come more than once, when the client's output is
// not bounded: nothing else would bound its reply.
const maxRandom = 1 << 24

// randomAtOnce is how many of them are made before it is looked whether there are too many bytes.
const randomAtOnce = 1 << 14

// random makes n random items in parts by one, which is called with the number for each part. A part that makes none is the
// last: there is nothing to draw from.
func (c *Ctx) random(n int, distinct bool, one func(n int)) {
	for !distinct && n > randomAtOnce && !c.Overfull() {
		before := c.Reply.Len()
		if one(randomAtOnce); c.Reply.Len() == before {
			return
		}
		n -= randomAtOnce
	}
	if !c.Overfull() {
		one(n)
	}
}

// randomCount reads the count of SRANDMEMBER and its like: how many random items, and whether they must be distinct.
func (a *Args) randomCount() (n int, distinct bool) {
	count := a.Int()
	switch {
	case a.Bad():
	case count == math.MinInt64:
		a.Wrong(resp.ErrCountRange)
	case count < 0:
		return int(-count), false
	default:
		return int(count), true
	}
	return 0, true
}

// doneRandom is Done behind such a count. That it asks for too many items is told only of a request that is well-formed. Pairs
// count twice.
func (a *Args) doneRandom(n int, distinct, pairs bool) bool {
	if a.More() {
		a.Syntax()
	}
	if pairs && n > math.MaxInt/2 || !distinct && n > maxRandom && a.c.mostReply() == 0 {
		a.Wrong(resp.ErrOutOfRange)
	}
	return a.Done()
}

func srandmember(c *Ctx) {
	a := &c.Args
	key := a.Key()
	if !a.More() {
		s, ok := c.ReadSet(key)
		if !ok {
			return
		}
		if s.Len() > 0 {
			c.Reply.Bulk(s.Random())
		} else {
			c.Reply.Null()
		}
		return
	}
	n, distinct := a.randomCount()
	if a.Len() > 3 { // whatever the count is
		c.Fail(resp.ErrSyntax)
		return
	}
	if !a.doneRandom(n, distinct, false) {
		return
	}
	s, ok := c.ReadSet(key)
	if !ok {
		return
	}
	size := s.Len()
	if distinct || size == 0 {
		n = min(n, size)
	}
	w := c.Reply
	w.Array(n)
	if distinct && n == size {
		c.replyMembers(s)
		return
	}
	c.random(n, distinct, func(n int) {
		s.RandomN(n, distinct, func(member []byte) { w.Bulk(member) })
	})
}

func init() {
	Register(
		row("sadd", sadd),
		row("srem", srem),
		row("sismember", sismember),
		row("smismember", smismember),
		row("scard", scard),
		row("smembers", smembers),
		row("smove", smove),
		row("sscan", sscan),
		row("spop", spop),
		row("srandmember", srandmember),
	)
}
