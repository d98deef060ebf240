package command

import (
	"math"

	"larder/datatypes"
	"larder/server/resp"
)

// findGroup finds a group for reading or claiming. It is false if an error is the reply.
func (c *Ctx) findGroup(key, name []byte, edit bool) (s *datatypes.Stream, g datatypes.StreamGroup, ok bool) {
	s, found, ok := c.stream(key, edit)
	if edit {
		c.Asked(key, found || !ok) // to claim counts as a read
	}
	if !ok {
		return s, g, false
	}
	if found {
		g, found = s.Group(name)
	}
	if !found {
		c.Fail(resp.NoGroup(key, name))
	}
	return s, g, found
}

func xpending(c *Ctx) {
	a := &c.Args
	if n := a.Len(); n != 3 && (n < 6 || n > 9) {
		c.Fail(resp.ErrSyntax)
		return
	}
	key, name := a.Key(), a.Bytes()
	if a.Len() == 3 {
		if _, g, ok := c.findGroup(key, name, false); ok {
			c.pendingSummary(g)
		}
		return
	}
	minIdle := int64(0)
	if a.Is("IDLE") {
		if minIdle = a.Int(); a.Len() < 8 {
			a.Syntax()
		}
	}
	// What is wrong with the count is told before what is wrong with the range.
	at := a.pos
	a.pos += 2
	count := max(0, a.Int())
	a.pos = at
	start, end := a.streamStart(), a.streamEnd()
	a.Bytes()
	var consumer []byte
	if a.More() {
		consumer = a.Bytes()
	}
	a.Rest() // Redis passes over one more argument
	if !a.Done() {
		return
	}
	_, g, ok := c.findGroup(key, name, false)
	if !ok {
		return
	}
	it := g.PendingIter(start, end)
	if consumer != nil {
		who, ok := g.Consumer(consumer)
		if !ok {
			c.Reply.Array(0)
			return
		}
		it = who.PendingIter(start, end)
	}
	d := c.Reply.Defer()
	n := 0
	for int64(n) < count && it.Next() {
		e := it.Entry()
		idle := c.Now - e.DeliveredAt
		if idle < minIdle && minIdle != 0 {
			continue
		}
		n++
		c.Reply.Array(4)
		c.replyID(e.ID)
		c.Reply.Bulk(e.Consumer.Name())
		c.Reply.Int(max(0, idle))
		c.Reply.Int(e.Deliveries)
	}
	c.Reply.SetArray(d, n)
}

// pendingSummary answers how much is pending, from which ID to which, and for whom.
func (c *Ctx) pendingSummary(g datatypes.StreamGroup) {
	c.Reply.Array(4)
	c.Reply.Int(int64(g.PendingCount()))
	first, last, ok := g.PendingRange()
	if !ok {
		c.Reply.Null()
		c.Reply.Null()
		c.Reply.NullArray()
		return
	}
	c.replyID(first)
	c.replyID(last)
	d := c.Reply.Defer()
	n := 0
	for i := range g.ConsumerCount() {
		who := g.ConsumerAt(i)
		if who.PendingCount() == 0 {
			continue
		}
		n++
		c.Reply.Array(2)
		c.Reply.Bulk(who.Name())
		c.Reply.BulkInt(int64(who.PendingCount()))
	}
	c.Reply.SetArray(d, n)
}

// claimer finds or makes the consumer that claims. It needs to be told by consumerMade if it claims nothing.
func (c *Ctx) claimer(key []byte, g datatypes.StreamGroup, name []byte) (who datatypes.StreamConsumer, made bool) {
	who, made = g.CreateConsumer(name, c.Now)
	if made {
		c.noted(key, "xgroup-createconsumer")
	}
	who.SetSeenTime(c.Now)
	return who, made
}

// consumerMade tells that a group has a new consumer.
func (c *Ctx) consumerMade(key []byte, group, name []byte) {
	c.rewritten = true
	if c.WantEffects {
		c.Rewrite([]byte("XGROUP"), []byte("CREATECONSUMER"), key, group, name)
	}
}

// lost takes an entry that was deleted out of what is pending. Claiming it does the same to an equal stream.
func (c *Ctx) lost(key []byte, g datatypes.StreamGroup, e datatypes.Pending) {
	c.claimed(key, g, e)
	c.Dirty++
	g.Ack(e.ID)
}

// claiming is the options of XCLAIM.
type claiming struct {
	force, justID bool
	at_ms         int64 // delivery time
	retries       int64 // -1: not given
	last          datatypes.StreamID
}

func (o *claiming) parse(c *Ctx) {
	a := &c.Args
	o.at_ms, o.retries = -1, -1
	for a.More() {
		switch {
		case a.Is("FORCE"):
			o.force = true
		case a.Is("JUSTID"):
			o.justID = true
		case a.IsWith("IDLE", 1):
			o.at_ms = c.Now - a.IntOr(resp.ErrXClaimIdle)
		case a.IsWith("TIME", 1):
			o.at_ms = a.IntOr(resp.ErrXClaimTime)
		case a.IsWith("RETRYCOUNT", 1):
			o.retries = a.IntOr(resp.ErrXClaimRetryCount)
		case a.IsWith("LASTID", 1):
			o.last = a.streamID()
		default:
			a.Wrong(resp.UnrecognizedXClaim(a.Peek()))
		}
	}
	if o.at_ms < 0 || o.at_ms > c.Now { // clients whose clocks differ must not fail
		o.at_ms = c.Now
	}
}

func xclaim(c *Ctx) {
	a := &c.Args
	c.NoEffect()
	key, name, consumer := a.Key(), a.Bytes(), a.Bytes()
	s, g, ok := c.findGroup(key, name, true)
	if !ok {
		return
	}
	minIdle := max(0, a.IntOr(resp.ErrXClaimMinIdle))
	ids := c.streams.ids[:0]
	for a.More() {
		id, ok := datatypes.ParseStreamID(a.Peek(), 0)
		if !ok {
			break // the options
		}
		a.Bytes()
		ids = append(ids, id)
	}
	c.streams.ids = ids
	var o claiming
	o.parse(c)
	if !a.Done() || !c.reservePending(key, len(ids), 0) {
		return
	}
	moved := g.LastID().Less(o.last)
	switch {
	case moved && c.Obey && len(ids) == 1 && ids[0] == o.last: // so XREADGROUP is told: it has read one more
		g.Advance(o.last)
	case moved:
		g.SetLastID(o.last)
	}
	who, made := c.claimer(key, g, consumer)
	d := c.Reply.Defer()
	n, told := 0, false
	for _, id := range ids {
		e, pending := g.Pending(id)
		it := s.Iter(id, id, false)
		switch {
		case !it.Next():
			if pending {
				c.lost(key, g, e)
				told = true
			}
			continue
		case !pending && !o.force, pending && minIdle > 0 && c.Now-e.DeliveredAt < minIdle:
			continue
		}
		deliveries := e.Deliveries
		if !pending {
			deliveries = 1
		}
		if o.retries >= 0 {
			deliveries = o.retries
		} else if !o.justID {
			deliveries++
		}
		who.Claim(id, o.at_ms, deliveries)
		who.SetActiveTime(c.Now)
		if o.justID {
			c.replyID(id)
		} else {
			c.replyEntry(&it)
		}
		n++
		c.claimed(key, g, datatypes.Pending{ID: id, DeliveredAt: o.at_ms, Deliveries: deliveries, Consumer: who})
		told = true
		c.Dirty++
	}
	c.Reply.SetArray(d, n)
	if made && n == 0 {
		c.consumerMade(key, name, consumer)
	}
	if moved && !(told && c.Obey) { // claiming the last entry tells that it was read, which it was not
		c.groupMoved(key, g)
		c.Dirty++
	}
}

func xautoclaim(c *Ctx) {
	a := &c.Args
	c.NoEffect()
	key, name, consumer := a.Key(), a.Bytes(), a.Bytes()
	minIdle := max(0, a.IntOr(resp.ErrXAutoClaimMinIdle))
	start := a.streamStart()
	count, justID := int64(100), false
	for a.More() {
		switch {
		case a.IsWith("COUNT", 1):
			count = a.IntIn(1, math.MaxInt64/16, resp.ErrCountPositive)
		case a.Is("JUSTID"):
			justID = true
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		c.Asked(key, c.Meet(key)) // Redis looks the key up first
		return
	}
	s, g, ok := c.findGroup(key, name, true)
	if !ok {
		return
	}
	if !c.reservePending(key, g.PendingCount(), count) {
		return
	}
	who, made := c.claimer(key, g, consumer)
	ids, gone := c.streams.ids[:0], c.streams.gone[:0]
	it := g.PendingIter(start, datatypes.MaxStreamID)
	for tries := 10 * count; tries > 0 && int64(len(ids)+len(gone)) < count && it.Next(); tries-- {
		e := it.Entry()
		if !s.Exists(e.ID) {
			c.lost(key, g, e)
			gone = append(gone, e.ID)
			continue
		}
		if minIdle > 0 && c.Now-e.DeliveredAt < minIdle {
			continue
		}
		e.DeliveredAt, e.Consumer = c.Now, who
		if !justID {
			e.Deliveries++
		}
		who.Claim(e.ID, e.DeliveredAt, e.Deliveries)
		who.SetActiveTime(c.Now)
		c.claimed(key, g, e)
		c.Dirty++
		ids = append(ids, e.ID)
	}
	if made && len(ids) == 0 {
		c.consumerMade(key, name, consumer)
	}
	var next datatypes.StreamID
	if it.Next() {
		next = it.Entry().ID
	}
	c.streams.ids, c.streams.gone = ids, gone
	c.Reply.Array(3)
	c.replyID(next)
	c.Reply.Array(len(ids))
	for _, id := range ids {
		if justID {
			c.replyID(id)
			continue
		}
		it := s.Iter(id, id, false)
		it.Next()
		c.replyEntry(&it)
	}
	c.Reply.Array(len(gone))
	for _, id := range gone {
		c.replyID(id)
	}
}

func init() {
	Register(
		row("xpending", xpending),
		row("xclaim", xclaim),
		row("xautoclaim", xautoclaim),
	)
}
