package command

import (
	"math"
	"slices"

	"larder/datatypes"
	"larder/server/resp"
)

// source is one input of a union, an intersection or a difference: a sorted set, or a set whose members all count 1.
type source struct {
	z      *datatypes.ZSet
	s      *datatypes.Set
	weight float64
}

func (s *source) len() int {
	switch {
	case s.z != nil:
		return s.z.Len()
	case s.s != nil:
		return s.s.Len()
	}
	return 0
}

// score is a member's weighted score: no number if that is infinity times 0.
func (s *source) score(member []byte) (float64, bool) {
	switch {
	case s.z != nil:
		f, ok := s.z.Score(member)
		return f * s.weight, ok
	case s.s != nil && s.s.Has(member):
		return s.weight, true
	}
	return 0, false
}

// each calls fn for every member with its weighted score until it returns false.
func (s *source) each(fn func(member []byte, score float64) bool) {
	switch {
	case s.z != nil:
		s.z.Each(func(m []byte, f float64) bool { return fn(m, s.weigh(f)) })
	case s.s != nil:
		s.s.Each(func(m []byte) bool { return fn(m, s.weigh(1)) })
	}
}

func (s *source) weigh(f float64) float64 {
	f *= s.weight
	if math.IsNaN(f) { // infinity times 0
		return 0
	}
	return f
}

// aggregate is how the scores of one member in several inputs become one.
type aggregate uint8

const (
	sum aggregate = iota
	least
	greatest
)

// of adds b, which may be no number, to a, which is one.
func (g aggregate) of(a, b float64) float64 {
	switch g {
	case least:
		if b < a {
			return b
		}
		return a
	case greatest:
		if b > a {
			return b
		}
		return a
	}
	if a += b; math.IsNaN(a) { // +inf and -inf, or infinity times 0
		return 0
	}
	return a
}

// result is a sorted set that is made for one command: to be replied or installed at a key.
type result struct {
	m datatypes.MemHolder
	z datatypes.ZSet
	room
}

// scoredCost is what a member of a sorted set takes beyond its text, at most.
const scoredCost = 64

// newResult makes an empty result whose memory is that of the shard of key.
func (c *Ctx) newResult(key []byte) *result {
	r := new(result)
	r.room = room{key: key, made: &r.m}
	r.z.Bind(c.EnvOf(key), &r.m)
	return r
}

// put gives a member its score. It is false, and has done nothing, once there is no memory.
func (r *result) put(c *Ctx, score float64, member []byte) bool {
	if !r.takes(c, len(member)+scoredCost) {
		return false
	}
	r.z.Add(score, member, 0)
	return true
}

// add is put that, unlike ZADD, keeps -0 and 0 apart, as Redis does with what it has worked out.
func (r *result) add(c *Ctx, score float64, member []byte) bool {
	if score == 0 {
		if old, ok := r.z.Score(member); ok && old == 0 && math.Signbit(old) != math.Signbit(score) {
			r.z.Remove(member)
		}
		if math.Signbit(score) { // after a removal: a set that is empty is small again
			r.z.Hint(0, math.MaxInt) // a listpack has no -0
		}
	}
	return r.put(c, score, member)
}

// drop gives the result's memory back.
func (r *result) drop(c *Ctx) { c.Discard(r.key, datatypes.TypeZSet, &r.m) }

// failed tells whether there was no memory for the result: then that is the reply.
func (r *result) failed(c *Ctx) bool {
	if r.full {
		r.drop(c)
		c.Fail(resp.ErrOOM)
	}
	return r.full
}

// store installs the result at dst and answers its size.
func (r *result) store(c *Ctx, dst []byte, event string) {
	if r.failed(c) {
		return
	}
	r.z.Compact()
	n := r.z.Len()
	was := c.Install(dst, datatypes.TypeZSet, &r.m)
	switch {
	case n > 0:
		c.Changed(dst, event)
	case was:
		c.Gone(dst, "del")
	}
	c.Reply.Int(int64(n))
}

// reply answers the result and gives its memory back.
func (r *result) reply(c *Ctx, withScores bool) {
	if r.failed(c) {
		return
	}
	n := r.z.Len()
	it := r.z.Iter(0, n, false)
	if withScores {
		c.replyPairs(&it, n)
	} else {
		c.Reply.Array(n)
		for it.Next() {
			c.Reply.Bulk(it.Member())
		}
	}
	r.drop(c)
}

// algebra is a command over several sets and sorted sets.
type algebra struct {
	sources    []source
	aggregate  aggregate
	withScores bool
	limit      int64
	first      []byte // the first key
}

// read reads the arguments from the number of keys on. ok is false if an error is the reply.
func (g *algebra) read(c *Ctx, weighted, scoresAllowed, limitAllowed bool) (ok bool) {
	a := &c.Args
	count := a.IntOr(resp.ErrNotInteger)
	switch {
	case a.Bad():
	case count < 1:
		a.Wrong(resp.NeedsInputKey(c.Row.Name))
	case count > int64(a.Left()):
		a.Syntax()
	}
	if a.Bad() {
		return a.Done()
	}
	keys := a.Take(int(count))
	g.first = keys[0]
	g.sources = make([]source, len(keys))
	for i, key := range keys {
		s := &g.sources[i]
		s.weight = 1
		if t, found := c.Type(key); found && t == datatypes.TypeSet {
			s.s, _ = c.ReadSet(key)
			continue
		}
		if s.z, ok = c.ReadZSet(key); !ok {
			return false
		}
	}
	for a.More() {
		switch {
		case weighted && a.IsWith("WEIGHTS", len(keys)):
			for i := range keys {
				g.sources[i].weight = a.FloatOr(resp.ErrWeightNotFloat)
			}
		case weighted && a.IsWith("AGGREGATE", 1):
			switch {
			case a.Is("SUM"):
				g.aggregate = sum
			case a.Is("MIN"):
				g.aggregate = least
			case a.Is("MAX"):
				g.aggregate = greatest
			default:
				a.Syntax()
			}
		case scoresAllowed && a.Is("WITHSCORES"):
			g.withScores = true
		case limitAllowed && a.IsWith("LIMIT", 1):
			g.limit = a.IntIn(0, math.MaxInt64, resp.ErrLimitNegative)
		default:
			a.Syntax()
		}
	}
	return a.Done()
}

// union adds all members of all inputs to r.
func (g *algebra) union(c *Ctx, r *result) {
	slices.SortStableFunc(g.sources, func(a, b source) int { return a.len() - b.len() })
	for i := range g.sources {
		g.sources[i].each(func(member []byte, score float64) bool {
			c.item = append(c.item[:0], member...)
			if i > 0 {
				if old, ok := r.z.Score(c.item); ok {
					score = g.aggregate.of(old, score)
				}
			}
			return r.add(c, score, c.item)
		})
	}
}

// inter calls fn with the members that all inputs have, until it returns false.
func (g *algebra) inter(c *Ctx, fn func(member []byte, score float64) bool) {
	slices.SortStableFunc(g.sources, func(a, b source) int { return a.len() - b.len() })
	if g.sources[0].len() == 0 {
		return
	}
	g.sources[0].each(func(member []byte, score float64) bool {
		c.item = append(c.item[:0], member...)
		for i := 1; i < len(g.sources); i++ {
			f, ok := g.sources[i].score(c.item)
			if !ok {
				return true
			}
			score = g.aggregate.of(score, f)
		}
		return fn(c.item, score)
	})
}

// diff adds the members of the first input that no other has to r.
func (g *algebra) diff(c *Ctx, r *result) {
	g.sources[0].each(func(member []byte, score float64) bool {
		c.item = append(c.item[:0], member...)
		for i := 1; i < len(g.sources); i++ {
			if _, ok := g.sources[i].score(c.item); ok {
				return true
			}
		}
		return r.add(c, score, c.item)
	})
}

// operation fills a result.
type operation func(g *algebra, c *Ctx, r *result)

func intoResult(g *algebra, c *Ctx, r *result) {
	g.inter(c, func(member []byte, score float64) bool { return r.add(c, score, member) })
}

func unionOp(g *algebra, c *Ctx, r *result) { g.union(c, r) }
func diffOp(g *algebra, c *Ctx, r *result)  { g.diff(c, r) }

func zalgebra(op operation, weighted bool) func(*Ctx) {
	return func(c *Ctx) {
		var g algebra
		if !g.read(c, weighted, true, false) {
			return
		}
		r := c.newResult(g.first)
		op(&g, c, r)
		r.reply(c, g.withScores)
	}
}

func zalgebraStore(op operation, weighted bool, event string) func(*Ctx) {
	return func(c *Ctx) {
		dst := c.Args.Key()
		var g algebra
		if !g.read(c, weighted, false, false) {
			return
		}
		r := c.newResult(dst)
		op(&g, c, r)
		r.store(c, dst, event)
	}
}

func zintercard(c *Ctx) {
	var g algebra
	if !g.read(c, false, false, true) {
		return
	}
	n := int64(0)
	g.inter(c, func([]byte, float64) bool {
		n++
		return n != g.limit
	})
	c.Reply.Int(n)
}

func init() {
	Register(
		row("zunion", zalgebra(unionOp, true)),
		row("zinter", zalgebra(intoResult, true)),
		row("zdiff", zalgebra(diffOp, false)),
		row("zunionstore", zalgebraStore(unionOp, true, "zunionstore")),
		row("zinterstore", zalgebraStore(intoResult, true, "zinterstore")),
		row("zdiffstore", zalgebraStore(diffOp, false, "zdiffstore")),
		row("zintercard", zintercard),
	)
}
