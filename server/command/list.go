package command

import (
	"math"
	"strconv"

	"larder/datatypes"
	"larder/server/resp"
)

// side is an end of a list.
type side bool

const (
	head side = true
	tail side = false
)

func (s side) pushed() string {
	if s == head {
		return "lpush"
	}
	return "rpush"
}

func (s side) popped() string {
	if s == head {
		return "lpop"
	}
	return "rpop"
}

// push adds an item at a side.
func (s side) push(l *datatypes.List, items ...[]byte) {
	if s == head {
		l.PushHead(items...)
	} else {
		l.PushTail(items...)
	}
}

// at is the index of the item at a side.
func (s side) at() int {
	if s == head {
		return 0
	}
	return -1
}

func (s side) drop(l *datatypes.List, n int) {
	if s == head {
		l.DropHead(n)
	} else {
		l.DropTail(n)
	}
}

// sideArg reads LEFT or RIGHT.
func (a *Args) sideArg() side {
	switch {
	case a.Is("LEFT"):
		return head
	case a.Is("RIGHT"):
		return tail
	}
	a.Syntax()
	return head
}

func pushIn(s side, onlyExisting bool) func(*Ctx) {
	return func(c *Ctx) {
		key, items := c.Args.Key(), c.Args.Rest()
		l, ok := c.EditList(key)
		if !ok {
			return
		}
		if onlyExisting && l.Len() == 0 {
			c.Reply.Int(0)
			return
		}
		s.push(l, items...)
		c.ChangedBy(key, s.pushed(), len(items))
		c.Reply.Int(int64(l.Len()))
	}
}

func popFrom(s side) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		key, count, counted := a.Key(), int64(0), a.More()
		if a.Left() > 1 {
			a.Wrong(resp.WrongArgs(c.Row.Name))
		}
		if counted {
			count = a.IntIn(0, math.MaxInt64, resp.ErrNotPositive)
		}
		if !a.Done() {
			return
		}
		l, ok := c.EditList(key)
		switch {
		case !ok:
		case l.Len() == 0 && counted:
			c.Reply.NullArray()
		case l.Len() == 0:
			c.Reply.Null()
		case !counted:
			item, _ := l.Index(s.at())
			c.Reply.Bulk(item)
			s.drop(l, 1)
			c.Changed(key, s.popped())
		case count == 0:
			c.Reply.Array(0)
		default:
			n := int(min(count, int64(l.Len())))
			c.replyPopped(l, s, n)
			s.drop(l, n)
			c.ChangedBy(key, s.popped(), n)
		}
	}
}

// replyPopped answers the first n items from a side, as an array in the order in which they are popped.
func (c *Ctx) replyPopped(l *datatypes.List, s side, n int) {
	c.Reply.Array(n)
	for it := l.Iter(s.at(), n, s == tail); it.Next(); {
		c.Reply.Bulk(it.Bytes())
	}
}

func llen(c *Ctx) {
	if l, ok := c.ReadList(c.Args.Key()); ok {
		c.Reply.Int(int64(l.Len()))
	}
}

func lrange(c *Ctx) {
	key, start, stop := c.Args.Key(), c.Args.Int(), c.Args.Int()
	if !c.Args.Done() {
		return
	}
	l, ok := c.ReadList(key)
	if !ok {
		return
	}
	it, n := l.Range(clampInt(start), clampInt(stop))
	c.Reply.Array(n)
	for it.Next() {
		c.Reply.Bulk(it.Bytes())
	}
}

// clampInt keeps an index within what positions in memory can be, so that sums of it do not overflow.
func clampInt(n int64) int { return int(min(max(n, -1<<40), 1<<40)) }

func lindex(c *Ctx) {
	l, ok := c.ReadList(c.Args.Key())
	if !ok {
		return
	}
	if l.Len() == 0 { // nobody looks what is wrong with the index
		c.Reply.Null()
		return
	}
	index := c.Args.Int()
	if !c.Args.Done() {
		return
	}
	if item, ok := l.Index(clampInt(index)); ok {
		c.Reply.Bulk(item)
	} else {
		c.Reply.Null()
	}
}

func lset(c *Ctx) {
	key := c.Args.Key()
	l, ok := c.EditList(key)
	if !ok {
		return
	}
	if l.Len() == 0 { // told before what is wrong with the index
		c.Fail(resp.ErrNoSuchKey)
		return
	}
	index, item := c.Args.Int(), c.Args.Bytes()
	switch {
	case !c.Args.Done():
	case !l.Set(clampInt(index), item):
		c.Fail(resp.ErrIndexRange)
	default:
		c.Changed(key, "lset")
		c.Reply.OK()
	}
}

func linsert(c *Ctx) {
	a := &c.Args
	key := a.Key()
	before := false
	switch {
	case a.Is("BEFORE"):
		before = true
	case a.Is("AFTER"):
	default:
		a.Syntax()
	}
	pivot, item := a.Bytes(), a.Bytes()
	if !a.Done() {
		return
	}
	l, ok := c.EditList(key)
	if !ok {
		return
	}
	if l.Len() == 0 {
		c.Reply.Int(0)
		return
	}
	found := false
	if before {
		found = l.InsertBefore(pivot, item)
	} else {
		found = l.InsertAfter(pivot, item)
	}
	if !found {
		c.Reply.Int(-1)
		return
	}
	c.Changed(key, "linsert")
	c.Reply.Int(int64(l.Len()))
}

func lrem(c *Ctx) {
	key, count, item := c.Args.Key(), c.Args.Int(), c.Args.Bytes()
	if !c.Args.Done() {
		return
	}
	l, ok := c.EditList(key)
	if !ok {
		return
	}
	n := l.Remove(clampInt(count), item)
	if n > 0 {
		c.ChangedBy(key, "lrem", n)
	}
	c.Reply.Int(int64(n))
}

func ltrim(c *Ctx) {
	key, start, stop := c.Args.Key(), c.Args.Int(), c.Args.Int()
	if !c.Args.Done() {
		return
	}
	l, ok := c.EditList(key)
	if !ok {
		return
	}
	if l.Len() > 0 {
		c.ChangedBy(key, "ltrim", l.Trim(clampInt(start), clampInt(stop))) // an event also if nothing was removed
	}
	c.Reply.OK()
}

func lpos(c *Ctx) {
	a := &c.Args
	key, item := a.Key(), a.Bytes()
	rank, count, maxLen := int64(1), int64(-1), int64(0)
	for a.More() {
		switch {
		case a.IsWith("RANK", 1):
			rank = a.Int()
			switch {
			case a.Bad():
			case rank == 0:
				a.Wrong(resp.ErrRankZero)
			case rank == -1<<63:
				a.Wrong(resp.ErrCountRange)
			}
		case a.IsWith("COUNT", 1):
			count = a.IntIn(0, math.MaxInt64, resp.ErrCountNegative)
		case a.IsWith("MAXLEN", 1):
			maxLen = a.IntIn(0, math.MaxInt64, resp.ErrMaxLenNegative)
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	l, ok := c.ReadList(key)
	if !ok {
		return
	}
	if count < 0 {
		at := -1
		l.Pos(item, clampInt(rank), clampInt(maxLen), func(i int) bool { at = i; return false })
		if at < 0 {
			c.Reply.Null()
		} else {
			c.Reply.Int(int64(at))
		}
		return
	}
	n := int64(0)
	d := c.Reply.Defer()
	l.Pos(item, clampInt(rank), clampInt(maxLen), func(i int) bool {
		c.Reply.Int(int64(i))
		n++
		return n != count
	})
	c.Reply.SetArray(d, int(n))
}

func lmove(c *Ctx) {
	src, dst := c.Args.Key(), c.Args.Key()
	from, to := c.Args.sideArg(), c.Args.sideArg()
	if !c.Args.Done() {
		return
	}
	if found, ok := c.moveItem(src, dst, from, to); ok && !found {
		c.Reply.Null()
	}
}

func rpoplpush(c *Ctx) {
	src, dst := c.Args.Key(), c.Args.Key()
	if !c.Args.Done() {
		return
	}
	if found, ok := c.moveItem(src, dst, tail, head); ok && !found {
		c.Reply.Null()
	}
}

// moveItem moves one item and answers it. ok is false if an error is the reply; found is false if there was nothing to
// move, and nothing was replied.
func (c *Ctx) moveItem(src, dst []byte, from, to side) (found, ok bool) {
	s, ok := c.EditList(src)
	if !ok {
		return false, false
	}
	if s.Len() == 0 {
		return false, true
	}
	d := s
	if string(src) != string(dst) {
		if d, ok = c.EditList(dst); !ok {
			return false, false
		}
	}
	item, _ := s.Index(from.at())
	if !c.reserve(dst, len(item)) {
		return true, false
	}
	c.item = append(c.item[:0], item...) // what is stored may not lie in the shard
	c.Reply.Bulk(c.item)
	if s == d {
		s.Rotate(from == head, to == head, c.item)
	} else {
		from.drop(s, 1)
		to.push(d, c.item)
	}
	c.Event(dst, to.pushed())
	c.Changed(src, from.popped())
	switch c.Row.Name {
	case "blmove":
		c.Rewrite([]byte("LMOVE"), src, dst, c.Args.At(3), c.Args.At(4))
	case "brpoplpush":
		c.Rewrite([]byte("RPOPLPUSH"), src, dst)
	}
	return true, true
}

// popName is the command that pops from a side, for effects.
func (s side) popName() []byte {
	if s == head {
		return []byte("LPOP")
	}
	return []byte("RPOP")
}

// keysArg reads a number of keys and the keys.
func (a *Args) keysArg() [][]byte {
	n := a.IntIn(1, math.MaxInt64, resp.ErrNumKeys)
	if !a.Bad() && n > int64(a.Left()) {
		a.Syntax()
	}
	return a.Take(int(n))
}

// mpopArgs reads what LMPOP and BLMPOP have in common.
func (a *Args) mpopArgs() (keys [][]byte, s side, count int64) {
	keys = a.keysArg()
	s = a.sideArg()
	count = 1
	given := false
	for a.More() {
		if given || !a.IsWith("COUNT", 1) {
			a.Syntax()
			break
		}
		given = true
		count = a.IntIn(1, math.MaxInt64, resp.ErrCountZero)
	}
	return keys, s, count
}

func lmpop(c *Ctx) {
	keys, s, count := c.Args.mpopArgs()
	if !c.Args.Done() {
		return
	}
	if found, ok := c.popMany(keys, s, count); ok && !found {
		c.Reply.NullArray()
	}
}

// popMany pops up to count items of the first list that has any and answers its key and the items.
func (c *Ctx) popMany(keys [][]byte, s side, count int64) (found, ok bool) {
	for _, key := range keys {
		l, ok := c.popList(key)
		if !ok {
			return false, false
		}
		if l == nil || l.Len() == 0 {
			continue
		}
		n := int(min(count, int64(l.Len())))
		c.Reply.Array(2)
		c.Reply.Bulk(key)
		c.replyPopped(l, s, n)
		s.drop(l, n)
		c.ChangedBy(key, s.popped(), n)
		if c.WantEffects {
			c.Rewrite(s.popName(), key, strconv.AppendInt(nil, int64(n), 10))
		}
		return true, true
	}
	return false, true
}

// popList gives a list to pop from. A blocked command passes over keys that meanwhile hold something else; nil then.
func (c *Ctx) popList(key []byte) (*datatypes.List, bool) {
	if c.Again && c.holdsOther(key, datatypes.TypeList) {
		return nil, true
	}
	return c.EditList(key)
}

func blpopFrom(s side) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		keys := a.Take(a.Left() - 1)
		deadline := c.timeoutArg()
		if !a.Done() {
			return
		}
		for _, key := range keys {
			l, ok := c.popList(key)
			if !ok {
				return
			}
			if l == nil || l.Len() == 0 {
				continue
			}
			item, _ := l.Index(s.at())
			c.Reply.Array(2)
			c.Reply.Bulk(key)
			c.Reply.Bulk(item)
			s.drop(l, 1)
			c.Changed(key, s.popped())
			c.Rewrite(s.popName(), key)
			return
		}
		c.Block(keys, deadline, ReplyNullArray)
	}
}

func blmove(c *Ctx) {
	src, dst := c.Args.Key(), c.Args.Key()
	from, to := c.Args.sideArg(), c.Args.sideArg()
	deadline := c.timeoutArg()
	if c.Args.Done() {
		c.blockingMove(src, dst, from, to, deadline)
	}
}

func brpoplpush(c *Ctx) {
	src, dst := c.Args.Key(), c.Args.Key()
	deadline := c.timeoutArg()
	if c.Args.Done() {
		c.blockingMove(src, dst, tail, head, deadline)
	}
}

func (c *Ctx) blockingMove(src, dst []byte, from, to side, deadline int64) {
	if !c.Again || !c.holdsOther(src, datatypes.TypeList) {
		if found, ok := c.moveItem(src, dst, from, to); !ok || found {
			return
		}
	}
	if !c.MayBlock {
		c.Reply.Null() // not the null array that ends a wait
		return
	}
	c.Block(c.Args.All()[1:2], deadline, ReplyNullArray)
}

func blmpop(c *Ctx) {
	timeout := c.Args.Bytes()
	keys, s, count := c.Args.mpopArgs()
	deadline := c.timeoutOf(timeout) // what is wrong with it is told last
	if !c.Args.Done() {
		return
	}
	if found, ok := c.popMany(keys, s, count); ok && !found {
		c.Block(keys, deadline, ReplyNullArray)
	}
}

func init() {
	Register(
		row("lpush", pushIn(head, false)),
		row("rpush", pushIn(tail, false)),
		row("lpushx", pushIn(head, true)),
		row("rpushx", pushIn(tail, true)),
		row("lpop", popFrom(head)),
		row("rpop", popFrom(tail)),
		row("llen", llen),
		row("lrange", lrange),
		row("lindex", lindex),
		row("lset", lset),
		row("linsert", linsert),
		row("lrem", lrem),
		row("ltrim", ltrim),
		row("lpos", lpos),
		row("lmove", lmove),
		row("rpoplpush", rpoplpush),
		row("lmpop", lmpop),
		row("blpop", blpopFrom(head)),
		row("brpop", blpopFrom(tail)),
		row("blmove", blmove),
		row("brpoplpush", brpoplpush),
		row("blmpop", blmpop),
	)
}
