package command

import (
	"math"
	"strconv"

	"larder/datatypes"
	"larder/datatypes/decimal"
	"larder/server/resp"
)

func zadd(c *Ctx) { c.zadd(0) }

// ZINCRBY is ZADD INCR, down to the options that it takes for such.
func zincrby(c *Ctx) { c.zadd(datatypes.ZAddIncr) }

func (c *Ctx) zadd(flags datatypes.ZAddFlags) {
	a := &c.Args
	key := a.Key()
	changed := false
options:
	for a.More() {
		switch {
		case a.Is("NX"):
			flags |= datatypes.ZAddNX
		case a.Is("XX"):
			flags |= datatypes.ZAddXX
		case a.Is("GT"):
			flags |= datatypes.ZAddGT
		case a.Is("LT"):
			flags |= datatypes.ZAddLT
		case a.Is("CH"):
			changed = true
		case a.Is("INCR"):
			flags |= datatypes.ZAddIncr
		default:
			break options
		}
	}
	pairs := a.Rest()
	has := func(f datatypes.ZAddFlags) bool { return flags&f == f }
	switch {
	case len(pairs) == 0 || len(pairs)%2 != 0:
		a.Syntax()
	case has(datatypes.ZAddNX | datatypes.ZAddXX):
		a.Wrong(resp.ErrZAddXXNX)
	case has(datatypes.ZAddGT | datatypes.ZAddLT), has(datatypes.ZAddNX | datatypes.ZAddGT), has(datatypes.ZAddNX | datatypes.ZAddLT):
		a.Wrong(resp.ErrZAddGTLTNX)
	case has(datatypes.ZAddIncr) && len(pairs) > 2:
		a.Wrong(resp.ErrZAddIncrPair)
	}
	if a.Done() {
		c.addScores(key, pairs, flags, changed)
	}
}

// addScores adds pairs of score and member. All scores are read before anything is changed.
func (c *Ctx) addScores(key []byte, pairs [][]byte, flags datatypes.ZAddFlags, countChanged bool) {
	c.scores = c.scores[:0]
	for i := 0; i < len(pairs); i += 2 {
		f, ok := datatypes.ParseFloat(pairs[i])
		if !ok {
			c.Fail(resp.ErrNotFloat)
			return
		}
		c.scores = append(c.scores, f)
	}
	c.addMembers(key, pairs, 2, flags, countChanged)
}

// addMembers adds members with the scores in c.scores. Each member is the last of a group of size arguments.
func (c *Ctx) addMembers(key []byte, groups [][]byte, size int, flags datatypes.ZAddFlags, countChanged bool) {
	z, ok := c.EditZSet(key)
	if !ok {
		return
	}
	incr := flags&datatypes.ZAddIncr != 0
	if z.Len() == 0 && flags&datatypes.ZAddXX != 0 {
		c.replyAdded(incr, false, 0, 0)
		return
	}
	first := 0
	if z.Len() == 0 {
		first = len(groups[size-1])
	}
	z.Hint(len(c.scores), first)
	added, updated := 0, 0
	var score float64
	var done bool
	for i, f := range c.scores {
		now, out := z.Add(f, groups[size*i+size-1], flags)
		switch out {
		case datatypes.ZNaN:
			c.Fail(resp.ErrScoreNaN)
			return
		case datatypes.ZAdded:
			added++
		case datatypes.ZUpdated:
			updated++
		}
		score, done = now, out != datatypes.ZSkipped
	}
	if added+updated > 0 {
		name := "zadd"
		if incr {
			name = "zincr"
		}
		c.ChangedBy(key, name, added+updated)
	}
	n := added
	if countChanged {
		n += updated
	}
	c.replyAdded(incr, done, score, n)
}

func (c *Ctx) replyAdded(incr, done bool, score float64, n int) {
	switch {
	case !incr:
		c.Reply.Int(int64(n))
	case done:
		c.Reply.Double(score)
	default:
		c.Reply.Null()
	}
}

func zrem(c *Ctx) {
	key, members := c.Args.Key(), c.Args.Rest()
	z, ok := c.EditZSet(key)
	if !ok {
		return
	}
	n := 0
	for _, m := range members {
		if z.Remove(m) {
			n++
		}
	}
	if n > 0 {
		c.ChangedBy(key, "zrem", n)
	}
	c.Reply.Int(int64(n))
}

func zcard(c *Ctx) {
	if z, ok := c.ReadZSet(c.Args.Key()); ok {
		c.Reply.Int(int64(z.Len()))
	}
}

func zscore(c *Ctx) {
	key, member := c.Args.Key(), c.Args.Bytes()
	if z, ok := c.ReadZSet(key); ok {
		c.replyScore(z, member)
	}
}

func (c *Ctx) replyScore(z *datatypes.ZSet, member []byte) {
	if score, ok := z.Score(member); ok {
		c.Reply.Double(score)
	} else {
		c.Reply.Null()
	}
}

func zmscore(c *Ctx) {
	key, members := c.Args.Key(), c.Args.Rest()
	z, ok := c.ReadZSet(key)
	if !ok {
		return
	}
	c.Reply.Array(len(members))
	for _, m := range members {
		c.replyScore(z, m)
	}
}

func zrankFrom(backward bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		key, member := a.Key(), a.Bytes()
		if a.Left() > 1 {
			a.Wrong(resp.WrongArgs(c.Row.Name))
		}
		withScore := a.Is("WITHSCORE")
		if !a.Done() {
			return
		}
		z, ok := c.ReadZSet(key)
		if !ok {
			return
		}
		rank, score, ok := z.Rank(member, backward)
		switch {
		case !ok && withScore:
			c.Reply.NullArray()
		case !ok:
			c.Reply.Null()
		case withScore:
			c.Reply.Array(2)
			c.Reply.Int(int64(rank))
			c.Reply.Double(score)
		default:
			c.Reply.Int(int64(rank))
		}
	}
}

// replyPairs answers n members with their scores: in RESP3 an array of pairs, in RESP2 all in one array.
func (c *Ctx) replyPairs(it *datatypes.ZSetIter, n int) {
	if c.Reply.Proto == 2 {
		n *= 2
	}
	c.Reply.Array(n)
	for it.Next() {
		if c.Reply.Proto == 3 {
			c.Reply.Array(2)
		}
		c.Reply.Bulk(it.Member())
		c.Reply.Double(it.Score())
	}
}

// zpopName is the command that pops from one end, and its event.
func zpopName(max bool) string {
	if max {
		return "zpopmax"
	}
	return "zpopmin"
}

func zpopFrom(max bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		key, count, counted := a.Key(), int64(1), a.More()
		if a.Left() > 1 {
			a.Syntax()
		}
		if counted {
			count = a.IntIn(0, math.MaxInt64, resp.ErrNotPositive)
		}
		if !a.Done() {
			return
		}
		z, ok := c.EditZSet(key)
		if !ok {
			return
		}
		n := int(min(count, int64(z.Len())))
		if n == 0 {
			c.Reply.Array(0)
			return
		}
		it, first := ends(z, max, n)
		if counted {
			c.replyPairs(&it, n)
		} else {
			it.Next()
			c.Reply.Array(2)
			c.Reply.Bulk(it.Member())
			c.Reply.Double(it.Score())
		}
		z.RemoveRanks(first, n)
		c.ChangedBy(key, zpopName(max), n)
	}
}

// ends walks over n members from one end, which begin at rank first.
func ends(z *datatypes.ZSet, max bool, n int) (it datatypes.ZSetIter, first int) {
	if max {
		return z.Iter(z.Len()-1, n, true), z.Len() - n
	}
	return z.Iter(0, n, false), 0
}

// popZSet gives a sorted set to pop from. A blocked command passes over keys that meanwhile hold something else; nil
// then.
func (c *Ctx) popZSet(key []byte) (*datatypes.ZSet, bool) {
	if c.Again && c.holdsOther(key, datatypes.TypeZSet) {
		return nil, true
	}
	return c.EditZSet(key)
}

func bzpopFrom(max bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		keys := a.Take(a.Left() - 1)
		deadline := c.timeoutArg()
		if !a.Done() {
			return
		}
		for _, key := range keys {
			z, ok := c.popZSet(key)
			if !ok {
				return
			}
			if z == nil || z.Len() == 0 {
				continue
			}
			it, first := ends(z, max, 1)
			it.Next()
			c.Reply.Array(3)
			c.Reply.Bulk(key)
			c.Reply.Bulk(it.Member())
			c.Reply.Double(it.Score())
			z.RemoveRanks(first, 1)
			c.Changed(key, zpopName(max))
			c.RewriteString(zpopName(max), string(key))
			return
		}
		c.Block(keys, deadline, ReplyNullArray)
	}
}

// zmpopArgs reads what ZMPOP and BZMPOP have in common.
func (a *Args) zmpopArgs() (keys [][]byte, max bool, count int64) {
	keys = a.keysArg()
	switch {
	case a.Is("MIN"):
	case a.Is("MAX"):
		max = true
	default:
		a.Syntax()
	}
	count = 1
	for given := false; a.More(); given = true {
		if given || !a.IsWith("COUNT", 1) {
			a.Syntax()
			break
		}
		count = a.IntIn(1, math.MaxInt64, resp.ErrCountZero)
	}
	return keys, max, count
}

// zpopMany pops up to count members of the first sorted set that has any.
func (c *Ctx) zpopMany(keys [][]byte, max bool, count int64) (found, ok bool) {
	for _, key := range keys {
		z, ok := c.popZSet(key)
		if !ok {
			return false, false
		}
		if z == nil || z.Len() == 0 {
			continue
		}
		n := int(min(count, int64(z.Len())))
		it, first := ends(z, max, n)
		c.Reply.Array(2)
		c.Reply.Bulk(key)
		c.Reply.Array(n)
		for it.Next() {
			c.Reply.Array(2)
			c.Reply.Bulk(it.Member())
			c.Reply.Double(it.Score())
		}
		z.RemoveRanks(first, n)
		c.ChangedBy(key, zpopName(max), n)
		if c.WantEffects {
			c.RewriteString(zpopName(max), string(key), strconv.Itoa(n))
		}
		return true, true
	}
	return false, true
}

func zmpop(c *Ctx) {
	keys, max, count := c.Args.zmpopArgs()
	if !c.Args.Done() {
		return
	}
	if found, ok := c.zpopMany(keys, max, count); ok && !found {
		c.Reply.NullArray()
	}
}

func bzmpop(c *Ctx) {
	timeout := c.Args.Bytes()
	keys, max, count := c.Args.zmpopArgs()
	deadline := c.timeoutOf(timeout) // what is wrong with it is told last
	if !c.Args.Done() {
		return
	}
	if found, ok := c.zpopMany(keys, max, count); ok && !found {
		c.Block(keys, deadline, ReplyNullArray)
	}
}

func zrandmember(c *Ctx) {
	a := &c.Args
	key := a.Key()
	if !a.More() {
		z, ok := c.ReadZSet(key)
		switch {
		case !ok:
		case z.Len() == 0:
			c.Reply.Null()
		default:
			member, _ := z.Random()
			c.Reply.Bulk(member)
		}
		return
	}
	n, distinct := a.randomCount()
	withScores := a.Is("WITHSCORES")
	if !a.doneRandom(n, distinct, withScores) {
		return
	}
	z, ok := c.ReadZSet(key)
	if !ok {
		return
	}
	if distinct {
		n = min(n, z.Len())
	}
	if z.Len() == 0 || n == 0 {
		c.Reply.Array(0)
		return
	}
	if withScores && c.Reply.Proto == 2 {
		c.Reply.Array(2 * n)
	} else {
		c.Reply.Array(n)
	}
	item := func(member []byte, score float64) {
		if withScores && c.Reply.Proto == 3 {
			c.Reply.Array(2)
		}
		c.Reply.Bulk(member)
		if withScores {
			c.Reply.Double(score)
		}
	}
	c.random(n, distinct, func(n int) { z.RandomN(n, distinct, item) })
}

func zscan(c *Ctx) {
	key := c.Args.Key()
	o := c.readScan(false, false, true)
	if c.badCursor() {
		return
	}
	z, ok := c.ReadZSet(key)
	if !ok || !c.scanReady(z.Len()) {
		return
	}
	var text [40]byte
	next := z.Scan(o.cursor, o.count, func(member []byte, score float64) {
		if !o.matches(member) {
			return
		}
		c.found.add(member)
		if !o.noScores {
			c.found.add(decimal.Append(text[:0], score))
		}
	})
	c.replyScan(next)
}

func init() {
	Register(
		row("zadd", zadd),
		row("zincrby", zincrby),
		row("zrem", zrem),
		row("zcard", zcard),
		row("zscore", zscore),
		row("zmscore", zmscore),
		row("zrank", zrankFrom(false)),
		row("zrevrank", zrankFrom(true)),
		row("zpopmin", zpopFrom(false)),
		row("zpopmax", zpopFrom(true)),
		row("bzpopmin", bzpopFrom(false)),
		row("bzpopmax", bzpopFrom(true)),
		row("zmpop", zmpop),
		row("bzmpop", bzmpop),
		row("zrandmember", zrandmember),
		row("zscan", zscan),
	)
}
