package command

import (
	"strconv"

	"larder/datatypes"
	"larder/server/resp"
)

// Commands about hashes, but for those about the time of single fields, which stand in hash_expire.go.
//
// A field whose time is over is gone for every reader, though it may still be there until the sweep comes by or a
// command asks for it by name: then it is removed at once, as Redis does it (lapse). Only HLEN counts such fields and
// only HDEL sees them, also as in Redis.

// stageMany is how many look-ups in one hash or set are prepared together; see datatypes.Hash.Stage.
const stageMany = 32

// overdue tells whether h may have fields whose time is over.
func (c *Ctx) overdue(h *datatypes.Hash) bool {
	at := h.MinExpire()
	return at != 0 && at < c.FieldNow()
}

// lapse follows look-ups of the fields names[0], names[step], … of which some were not found: those whose time is over
// are removed. If it returns true, h is dead.
func (c *Ctx) lapse(key []byte, h *datatypes.Hash, names [][]byte, step int) (looked bool) {
	if !c.overdue(h) || c.ServeExpired {
		return false
	}
	c.Settle()
	c.ExpireFields(key, names, step, func(name []byte) { c.removedField(key, name) })
	c.Settle()
	return true
}

// editFields is EditHash for a command whose outcome depends on whether the named fields are there: those whose time is
// over are removed first. Replicas are told of it before they see the command, so that they need no clock of their own
// to come to the same.
func (c *Ctx) editFields(key []byte, names [][]byte, step int) (h *datatypes.Hash, ok bool) {
	if h, ok = c.EditHash(key); !ok || !c.lapse(key, h, names, step) {
		return h, ok
	}
	h, _ = c.View.EditHash(key)
	return h, true
}

// removedField makes the removal of a field a part of the command's effect.
func (c *Ctx) removedField(key, name []byte) {
	if c.WantEffects {
		c.Rewrite([]byte("HDEL"), key, name)
	}
}

// verbatim makes the command itself a part of its effect if something else is one already.
func (c *Ctx) verbatim() {
	if c.rewritten && c.WantEffects {
		c.Rewrite(c.Args.All()...)
	}
}

func hset(c *Ctx) {
	if created, ok := c.setFields(); ok {
		c.Reply.Int(created)
	}
}

func hmset(c *Ctx) {
	if _, ok := c.setFields(); ok {
		c.Reply.OK()
	}
}

// setFields reads a key and pairs of fields and values, and sets them. Their expiry is gone then.
func (c *Ctx) setFields() (created int64, ok bool) {
	key, pairs := c.Args.Key(), c.Args.Pairs()
	if !c.Args.Done() {
		return 0, false
	}
	h, ok := c.EditHash(key)
	if !ok {
		return 0, false
	}
	h.Hint(len(pairs) / 2)
	for i := 0; i < len(pairs); i += 2 {
		if i%(2*stageMany) == 0 && len(pairs) > 2 {
			h.Stage(pairs[i:], 2)
		}
		if h.Set(pairs[i], pairs[i+1], c.FieldNow()) {
			created++
		}
	}
	c.ChangedBy(key, "hset", len(pairs)/2)
	return created, true
}

func hsetnx(c *Ctx) {
	key, name, value := c.Args.Key(), c.Args.Bytes(), c.Args.Bytes()
	h, ok := c.editFields(key, c.Args.All()[2:3], 1)
	if !ok {
		return
	}
	if !h.SetNX(name, value, c.FieldNow()) {
		c.Reply.Int(0)
		return
	}
	c.Changed(key, "hset")
	c.verbatim()
	c.Reply.Int(1)
}

func hget(c *Ctx) {
	key, name := c.Args.Key(), c.Args.Bytes()
	h, ok := c.ReadHash(key)
	if !ok {
		return
	}
	if value, ok := h.Get(name, c.FieldNow()); ok {
		c.Reply.Bulk(value)
		return
	}
	c.Reply.Null()
	c.lapse(key, h, c.Args.All()[2:], 1)
}

func hmget(c *Ctx) {
	key, names := c.Args.Key(), c.Args.Rest()
	h, ok := c.ReadHash(key)
	if !ok {
		return
	}
	if c.replyValues(h, names) {
		c.lapse(key, h, names, 1)
	}
}

// replyValues answers an array of the fields' values, and tells whether some are missing.
func (c *Ctx) replyValues(h *datatypes.Hash, names [][]byte) (missing bool) {
	c.Reply.Array(len(names))
	for i, name := range names {
		if i%stageMany == 0 && len(names) > 1 {
			h.Stage(names[i:], 1)
		}
		if c.Overfull() {
			break
		}
		if value, ok := h.Get(name, c.FieldNow()); ok {
			c.Reply.Bulk(value)
		} else {
			c.Reply.Null()
			missing = true
		}
	}
	return missing
}

func hexists(c *Ctx) {
	key, name := c.Args.Key(), c.Args.Bytes()
	h, ok := c.ReadHash(key)
	if !ok {
		return
	}
	if h.Exists(name, c.FieldNow()) {
		c.Reply.Int(1)
		return
	}
	c.Reply.Int(0)
	c.lapse(key, h, c.Args.All()[2:], 1)
}

func hstrlen(c *Ctx) {
	key, name := c.Args.Key(), c.Args.Bytes()
	h, ok := c.ReadHash(key)
	if !ok {
		return
	}
	value, ok := h.Get(name, c.FieldNow())
	c.Reply.Int(int64(len(value)))
	if !ok {
		c.lapse(key, h, c.Args.All()[2:], 1)
	}
}

func hlen(c *Ctx) {
	if h, ok := c.ReadHash(c.Args.Key()); ok {
		c.Reply.Int(int64(h.Len()))
	}
}

func hgetall(c *Ctx) {
	h, ok := c.ReadHash(c.Args.Key())
	if !ok {
		return
	}
	w := c.Reply
	if !c.overdue(h) {
		w.Map(h.Len())
		h.Each(0, func(name, value []byte, _ int64) bool {
			w.Bulk(name)
			w.Bulk(value)
			return true
		})
		return
	}
	at, n := w.Defer(), 0
	h.Each(c.FieldNow(), func(name, value []byte, _ int64) bool {
		w.Bulk(name)
		w.Bulk(value)
		n++
		return true
	})
	w.SetMap(at, n)
}

func hkeys(c *Ctx) {
	c.listHash(func(w *resp.Writer, name, _ []byte) { w.Bulk(name) })
}

func hvals(c *Ctx) {
	c.listHash(func(w *resp.Writer, _, value []byte) { w.Bulk(value) })
}

// listHash answers an array with one item for each field, written by item.
func (c *Ctx) listHash(item func(w *resp.Writer, name, value []byte)) {
	h, ok := c.ReadHash(c.Args.Key())
	if !ok {
		return
	}
	w := c.Reply
	if !c.overdue(h) {
		w.Array(h.Len())
		h.Each(0, func(name, value []byte, _ int64) bool {
			item(w, name, value)
			return true
		})
		return
	}
	at, n := w.Defer(), 0
	h.Each(c.FieldNow(), func(name, value []byte, _ int64) bool {
		item(w, name, value)
		n++
		return true
	})
	w.SetArray(at, n)
}

func hincrby(c *Ctx) {
	key, name, by := c.Args.Key(), c.Args.Bytes(), c.Args.Int()
	if !c.Args.Done() {
		return
	}
	h, ok := c.editFields(key, c.Args.All()[2:3], 1)
	if !ok {
		return
	}
	n := int64(0)
	if text, found := h.Get(name, c.FieldNow()); found {
		if n, ok = datatypes.ParseInt(text); !ok {
			c.Fail(resp.ErrHashNotInteger)
			return
		}
	}
	sum := n + by
	if (sum < n) != (by < 0) {
		c.Fail(resp.ErrOverflow)
		return
	}
	h.SetKeepTTL(name, strconv.AppendInt(c.scratch(20)[:0], sum, 10), c.FieldNow())
	c.Changed(key, "hincrby")
	c.verbatim()
	c.Reply.Int(sum)
}

func hincrbyfloat(c *Ctx) {
	key, name, arg := c.Args.Key(), c.Args.Bytes(), c.Args.Bytes()
	by, ok := datatypes.ParseLong(arg)
	if !ok {
		c.Fail(resp.ErrNotFloat)
		return
	}
	if by.IsInf() {
		c.Fail(resp.ErrIncrementNaN)
		return
	}
	h, ok := c.editFields(key, c.Args.All()[2:3], 1)
	if !ok {
		return
	}
	sum := datatypes.LongOfInt(0)
	if text, found := h.Get(name, c.FieldNow()); found {
		if sum, ok = datatypes.ParseLong(text); !ok {
			c.Fail(resp.ErrHashNotFloat)
			return
		}
	}
	if sum, ok = sum.Add(by); !ok || sum.IsInf() {
		c.Fail(resp.ErrNaNOrInfinity)
		return
	}
	text := sum.AppendHuman(c.scratch(64)[:0])
	h.SetKeepTTL(name, text, c.FieldNow())
	c.Changed(key, "hincrbyfloat")
	if c.WantEffects {
		c.Rewrite([]byte("HSET"), key, name, text)
		if at_ms, _ := h.ExpireAt(name, c.FieldNow()); at_ms != 0 { // which HSET removes
			c.Rewrite([]byte("HPEXPIREAT"), key, strconv.AppendInt(nil, at_ms, 10), []byte("FIELDS"), []byte("1"), name)
		}
	}
	c.Reply.Bulk(text)
}

func hdel(c *Ctx) {
	key, names := c.Args.Key(), c.Args.Rest()
	h, ok := c.EditHash(key)
	if !ok {
		return
	}
	n := 0
	for i, name := range names {
		if i%stageMany == 0 && len(names) > 1 {
			h.Stage(names[i:], 1)
		}
		if h.Del(name, 0) {
			if n++; h.Len() == 0 {
				break
			}
		}
	}
	if n > 0 {
		c.ChangedBy(key, "hdel", n)
	}
	c.Reply.Int(int64(n))
}

func hscan(c *Ctx) {
	key := c.Args.Key()
	o := c.readScan(false, true, false)
	if c.badCursor() {
		return
	}
	h, ok := c.ReadHash(key)
	if !ok || !c.scanReady(h.Len()) {
		return
	}
	next := h.Scan(o.cursor, o.count, c.FieldNow(), func(name, value []byte, _ int64) {
		if o.matches(name) {
			c.found.add(name)
			if !o.noValues {
				c.found.add(value)
			}
		}
	})
	c.replyScan(next)
}

func hrandfield(c *Ctx) {
	a := &c.Args
	key := a.Key()
	if !a.More() {
		h, ok := c.ReadHash(key)
		if !ok {
			return
		}
		c.lapseAll(key, &h)
		if name, _, ok := h.Random(c.FieldNow()); ok {
			c.Reply.Bulk(name)
		} else {
			c.Reply.Null()
		}
		return
	}
	n, distinct := a.randomCount()
	withValues := a.Is("WITHVALUES")
	if !a.doneRandom(n, distinct, withValues) {
		return
	}
	h, ok := c.ReadHash(key)
	if !ok {
		return
	}
	c.lapseAll(key, &h)
	c.replyRandomFields(h, n, distinct, withValues)
}

// lapseAll removes fields whose time is over, a bounded number of them, and opens the hash for reading anew.
func (c *Ctx) lapseAll(key []byte, h **datatypes.Hash) {
	if !c.overdue(*h) || c.ServeExpired {
		return
	}
	c.Settle()
	c.ExpireDueFields(key, lapseAtOnce, func(name []byte) { c.removedField(key, name) })
	c.Settle()
	*h, _ = c.View.ReadHash(key)
}

// lapseAtOnce is the number of fields up to which a command removes all those whose time is over.
const lapseAtOnce = 1000

// replyRandomFields answers n random fields: in RESP3 with values as pairs.
func (c *Ctx) replyRandomFields(h *datatypes.Hash, n int, distinct, withValues bool) {
	w := c.Reply
	pairs := withValues && w.Proto == 3
	at, items := w.Defer(), 0
	item := func(name, value []byte) {
		if pairs {
			w.Array(2)
		}
		w.Bulk(name)
		items++
		if withValues {
			w.Bulk(value)
			if !pairs {
				items++
			}
		}
	}
	c.random(n, distinct, func(n int) { h.RandomN(n, distinct, c.FieldNow(), item) })
	w.SetArray(at, items)
}

func init() {
	Register(
		row("hset", hset),
		row("hmset", hmset),
		row("hsetnx", hsetnx),
		row("hget", hget),
		row("hmget", hmget),
		row("hexists", hexists),
		row("hstrlen", hstrlen),
		row("hlen", hlen),
		row("hgetall", hgetall),
		row("hkeys", hkeys),
		row("hvals", hvals),
		row("hincrby", hincrby),
		row("hincrbyfloat", hincrbyfloat),
		row("hdel", hdel),
		row("hscan", hscan),
		row("hrandfield", hrandfield),
	)
}
