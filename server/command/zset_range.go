package command

import (
	"larder/datatypes"
	"larder/server/resp"
)

// zrange is a range of a sorted set as one of the range commands asks for it.
type zrange struct {
	by         rangeBy
	rev        bool
	start      int64 // by rank
	stop       int64
	scores     datatypes.ScoreRange
	min, max   datatypes.LexBound
	offset     int64
	limit      int64 // -1: no limit
	withScores bool
}

type rangeBy uint8

const (
	byRank rangeBy = iota
	byScore
	byLex
)

// bounds reads the two ends. Where the walk is backwards the greater one comes first.
func (r *zrange) bounds(a *Args, first, second []byte) {
	if r.rev && r.by != byRank {
		first, second = second, first
	}
	var ok1, ok2 bool
	switch r.by {
	case byRank:
		r.start, ok1 = datatypes.ParseInt(first)
		r.stop, ok2 = datatypes.ParseInt(second)
		if !ok1 || !ok2 {
			a.Wrong(resp.ErrNotInteger)
		}
	case byScore:
		r.scores.Min, r.scores.MinEx, ok1 = datatypes.ParseScoreBound(first)
		r.scores.Max, r.scores.MaxEx, ok2 = datatypes.ParseScoreBound(second)
		if !ok1 || !ok2 {
			a.Wrong(resp.ErrMinMaxNotFloat)
		}
	case byLex:
		r.min, ok1 = datatypes.ParseLexBound(first)
		r.max, ok2 = datatypes.ParseLexBound(second)
		if !ok1 || !ok2 {
			a.Wrong(resp.ErrMinMaxNotLex)
		}
	}
}

// walk finds the range in z: the rank of the member that comes first in the walk, and how many come.
func (r *zrange) walk(z *datatypes.ZSet) (first, count int) {
	switch r.by {
	case byRank:
		first, count = z.Ranks(clampInt(r.start), clampInt(r.stop))
		if r.rev {
			first = z.Len() - 1 - first
		}
		return first, count
	case byScore:
		first, count = z.ScoreRanks(r.scores)
	case byLex:
		first, count = z.LexRanks(r.min, r.max)
	}
	if r.rev {
		first += count - 1
	}
	skip := r.offset
	if skip < 0 || skip >= int64(count) {
		return first, 0
	}
	count -= int(skip)
	if r.rev {
		first -= int(skip)
	} else {
		first += int(skip)
	}
	if r.limit >= 0 {
		count = int(min(int64(count), r.limit))
	}
	return first, count
}

// reply answers the range of the sorted set at key.
func (r *zrange) reply(c *Ctx, key []byte) {
	z, ok := c.ReadZSet(key)
	if !ok {
		return
	}
	first, count := r.walk(z)
	it := z.Iter(first, count, r.rev)
	if r.withScores {
		c.replyPairs(&it, count)
		return
	}
	c.Reply.Array(count)
	for it.Next() {
		c.Reply.Bulk(it.Member())
	}
}

// options reads what follows the two ends of a range. modern is ZRANGE, which chooses by and direction here.
func (r *zrange) options(a *Args, modern, scoresAllowed bool) {
	r.limit = -1
	for a.More() {
		switch {
		case scoresAllowed && a.Is("WITHSCORES"):
			r.withScores = true
		case a.IsWith("LIMIT", 2):
			r.offset, r.limit = a.Int(), a.Int()
		case modern && r.by == byRank && a.Is("BYSCORE"):
			r.by = byScore
		case modern && r.by == byRank && a.Is("BYLEX"):
			r.by = byLex
		case modern && !r.rev && a.Is("REV"):
			r.rev = true
		default:
			a.Syntax()
		}
	}
	if a.Bad() {
		return
	}
	switch {
	case r.limit != -1 && r.by == byRank:
		a.Wrong(resp.ErrZRangeLimit)
	case r.withScores && r.by == byLex:
		a.Wrong(resp.ErrZRangeWithScores)
	}
}

func zrangeCmd(c *Ctx) {
	a := &c.Args
	key, first, second := a.Key(), a.Bytes(), a.Bytes()
	var r zrange
	r.options(a, true, true)
	r.bounds(a, first, second)
	if a.Done() {
		r.reply(c, key)
	}
}

// zrangeOld makes a handler of the commands that ZRANGE's options have replaced.
func zrangeOld(by rangeBy, rev bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		key, first, second := a.Key(), a.Bytes(), a.Bytes()
		r := zrange{by: by, rev: rev}
		r.options(a, false, true)
		r.bounds(a, first, second)
		if a.Done() {
			r.reply(c, key)
		}
	}
}

func zrangestore(c *Ctx) {
	a := &c.Args
	dst, src, first, second := a.Key(), a.Key(), a.Bytes(), a.Bytes()
	var r zrange
	r.options(a, true, false)
	r.bounds(a, first, second)
	if !a.Done() {
		return
	}
	z, ok := c.ReadZSet(src)
	if !ok {
		return
	}
	from, count := r.walk(z)
	t := c.newResult(dst)
	if r.by == byRank { // as Redis, which can be seen in what becomes of a score of -0
		t.z.Hint(count, 0)
	}
	for it := z.Iter(from, count, r.rev); it.Next(); {
		c.item = append(c.item[:0], it.Member()...) // what is stored may not lie in the shard
		if !t.put(c, it.Score(), c.item) {
			break
		}
	}
	t.store(c, dst, "zrangestore")
}

func zcount(c *Ctx) {
	c.countRange(byScore)
}

func zlexcount(c *Ctx) {
	c.countRange(byLex)
}

func (c *Ctx) countRange(by rangeBy) {
	a := &c.Args
	key, first, second := a.Key(), a.Bytes(), a.Bytes()
	r := zrange{by: by, limit: -1}
	r.bounds(a, first, second)
	if !a.Done() {
		return
	}
	if z, ok := c.ReadZSet(key); ok {
		_, n := r.walk(z)
		c.Reply.Int(int64(n))
	}
}

func zremrange(by rangeBy, event string) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		key, first, second := a.Key(), a.Bytes(), a.Bytes()
		r := zrange{by: by, limit: -1}
		r.bounds(a, first, second)
		if !a.Done() {
			return
		}
		z, ok := c.EditZSet(key)
		if !ok {
			return
		}
		from, n := r.walk(z)
		if n > 0 {
			z.RemoveRanks(from, n)
			c.ChangedBy(key, event, n)
		}
		c.Reply.Int(int64(n))
	}
}

func init() {
	Register(
		row("zrange", zrangeCmd),
		row("zrevrange", zrangeOld(byRank, true)),
		row("zrangebyscore", zrangeOld(byScore, false)),
		row("zrevrangebyscore", zrangeOld(byScore, true)),
		row("zrangebylex", zrangeOld(byLex, false)),
		row("zrevrangebylex", zrangeOld(byLex, true)),
		row("zrangestore", zrangestore),
		row("zcount", zcount),
		row("zlexcount", zlexcount),
		row("zremrangebyrank", zremrange(byRank, "zremrangebyrank")),
		row("zremrangebyscore", zremrange(byScore, "zremrangebyscore")),
		row("zremrangebylex", zremrange(byLex, "zremrangebylex")),
	)
}
