package command

import (
	"math"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// streamRead is one stream of XREAD or XREADGROUP and what is wanted of it.
type streamRead struct {
	s     *datatypes.Stream
	g     datatypes.StreamGroup
	after datatypes.StreamID // entries above it
	fresh bool               // those that the group has delivered to nobody (">")
	here  bool               // there is such a stream
	idle  [2]int             // where the pending ones that are claimed begin and end in the scratch
}

// reading is what XREAD and XREADGROUP were asked for.
type reading struct {
	grouped         bool // XREADGROUP
	group, consumer []byte
	noAck           bool
	claim           bool
	minIdle         int64 // of what is claimed
	retry_ms        int64 // Unix milliseconds: when there may be more to claim
	count           int64 // 0 for all
	block           bool
	deadline_ms     int64
	keys, ids       [][]byte
	now             bool // one of the IDs is "$", which blocking replaces
}

func xread(c *Ctx) { c.readStreams(false) }

func xreadgroup(c *Ctx) { c.readStreams(true) }

func (c *Ctx) readStreams(grouped bool) {
	c.NoEffect() // what changes is told entry by entry
	r := reading{grouped: grouped}
	r.parse(c)
	if !c.Args.Done() || !r.find(c) {
		return
	}
	n := 0
	if c.streams.idle = c.streams.idle[:0]; cap(c.streams.idle) > idleKept {
		c.streams.idle = nil
	}
	var d resp.Deferred
	for i := range c.streams.reads {
		if !grouped && !c.Again && c.Overfull() {
			break // the same stream may have been named many times
		}
		from := &c.streams.reads[i]
		if !r.prepare(c, from, r.keys[i]) {
			continue
		}
		if n == 0 {
			d = c.Reply.Defer()
		}
		n++
		if c.Reply.Proto == 2 {
			c.Reply.Array(2)
		}
		c.Reply.Bulk(r.keys[i])
		switch {
		case !grouped:
			start, _ := from.after.Next()
			c.replyEntries(from.s.Iter(start, datatypes.MaxStreamID, false), r.count)
		case from.fresh:
			r.deliver(c, from, r.keys[i])
			c.Dirty++
		default:
			r.history(c, from) // no change that a replica or a file would hear of
		}
	}
	switch {
	case n > 0 && c.Reply.Proto == 2:
		c.Reply.SetArray(d, n)
	case n > 0:
		c.Reply.SetMap(d, n)
	case r.block:
		c.Block(r.keys, r.deadline_ms, ReplyNullArray)
		if c.Wait.Set {
			c.Wait.OnNoKey = grouped
			c.Wait.Retry_ms = r.retry_ms
			if r.now {
				c.Wait.Argv = r.resolved(c)
			}
		}
	default:
		c.Reply.NullArray()
	}
}

// parse reads the arguments.
func (r *reading) parse(c *Ctx) {
	a := &c.Args
	for a.More() {
		switch {
		case a.IsWith("BLOCK", 1):
			if c.Script {
				a.Wrong(resp.NoBlockInScript(string(a.At(0))))
			}
			r.block = true
			r.deadline_ms = c.blockArg()
		case a.IsWith("COUNT", 1):
			r.count = max(0, a.Int())
		case a.IsWith("STREAMS", 1):
			if a.Left()%2 != 0 {
				mark := "$"
				if r.grouped {
					mark = ">"
				}
				a.Wrong(resp.UnbalancedStreams(c.Row.Name, mark))
			}
			n := a.Left() / 2
			r.keys = a.Take(n)
			r.ids = a.Take(n)
		case a.IsWith("GROUP", 2):
			if !r.grouped {
				a.Wrong(resp.ErrXReadGroup)
			}
			r.group, r.consumer = a.Bytes(), a.Bytes()
		case a.Is("NOACK"):
			if !r.grouped {
				a.Wrong(resp.ErrXReadNoAck)
			}
			r.noAck = true
		case a.IsWith("CLAIM", 1):
			if !r.grouped {
				a.Wrong(resp.ErrXReadClaim)
			}
			if r.claim, r.minIdle = true, a.IntOr(resp.ErrClaimNotInt); r.minIdle < 0 {
				a.Wrong(resp.ErrClaimNegative)
			}
		default:
			a.Syntax()
		}
	}
	switch {
	case len(r.keys) == 0:
		a.Syntax()
	case r.grouped && r.group == nil:
		a.Wrong(resp.ErrXReadGroupMissing)
	}
}

// blockArg reads a timeout in milliseconds and returns when it ends: Unix milliseconds, 0 for never.
func (c *Ctx) blockArg() (deadline_ms int64) {
	ms := c.Args.IntOr(resp.ErrTimeoutNotInt)
	switch {
	case ms < 0:
		c.Args.Wrong(resp.ErrTimeoutNegative)
	case ms > math.MaxInt64-c.Now:
		c.Args.Wrong(resp.ErrTimeoutRange)
	case ms > 0:
		return c.Now + ms
	}
	return 0
}

// find looks up the streams and groups, and reads the IDs. It is false if an error is the reply.
func (r *reading) find(c *Ctx) bool {
	reads := c.streams.reads[:0]
	var pending [keyspace.MaxShards]int // entries that may become so, by shard: many streams may have few each
	for i, key := range r.keys {
		var from streamRead
		var ok bool
		if c.Again && !r.grouped && c.holdsOther(key, datatypes.TypeStream) {
			ok = true // whoever waits goes on waiting
		} else {
			from.s, from.here, ok = c.stream(key, r.grouped)
			if r.grouped && !c.Again {
				c.Asked(key, from.here || !ok) // for a change does not count by itself
			}
			if !ok {
				return false
			}
		}
		if r.grouped {
			if from.here {
				from.g, ok = from.s.Group(r.group)
			}
			if !from.here || !ok {
				c.Fail(resp.NoGroupReading(key, r.group))
				return false
			}
		}
		if e := r.readID(&from, r.ids[i]); e != "" {
			c.Fail(e)
			return false
		}
		if from.fresh {
			ks := c.Keyspace()
			n := &pending[ks.ShardOf(ks.Hash(key))]
			if !r.noAck {
				*n += atMost(from.s.Len(), r.count)
			}
			if r.claim {
				*n += atMost(from.g.PendingCount(), r.count)
			}
			if !c.reserve(key, *n*pendingBytes) {
				return false
			}
		}
		reads = append(reads, from)
	}
	c.streams.reads = reads
	if !c.Again { // each stream counts as two reads: they are looked at for what to read, and then read
		for i := range reads {
			c.Asked(r.keys[i], reads[i].here)
		}
	}
	return true
}

// holdsOther tells whether there is a key of another type.
func (c *Ctx) holdsOther(key []byte, t datatypes.Type) bool {
	in, ok := c.Stat(key)
	return ok && in.Type != t
}

// reservePending makes sure that there is room for n more pending entries, most of them if that is not 0.
func (c *Ctx) reservePending(key []byte, n int, most int64) bool {
	return c.reserve(key, atMost(n, most)*pendingBytes)
}

// atMost is n, or most if that is less and not 0.
func atMost(n int, most int64) int {
	if most > 0 {
		n = int(min(int64(n), most))
	}
	return n
}

// pendingBytes is more than a pending entry takes, the nodes that it stands in being half full.
const pendingBytes = 120

// readID reads an ID: above it are the entries that are wanted.
func (r *reading) readID(from *streamRead, text []byte) resp.Error {
	word := byte(0)
	if len(text) == 1 {
		word = text[0]
	}
	switch {
	case word == '$' && r.grouped:
		return resp.ErrXReadGroupDollar
	case word == '$':
		r.now = true
		if from.here {
			from.after = from.s.LastID()
		}
	case word == '+' && r.grouped:
		return resp.ErrXReadGroupPlus
	case word == '+': // the last entry, whenever there is one
		if from.here {
			from.after = from.s.LastID()
			if it := from.s.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, true); it.Next() {
				from.after, _ = it.ID().Prev()
			}
		}
	case word == '>' && !r.grouped:
		return resp.ErrXReadGreater
	case word == '>':
		from.fresh = true
	default:
		var ok bool
		if from.after, ok = datatypes.ParseStreamID(text, 0); !ok {
			return resp.ErrStreamID
		}
		from.fresh = r.grouped && from.after == datatypes.MaxStreamID
	}
	return ""
}

// prepare makes the consumer if need be, and tells whether there is something to answer of a stream.
func (r *reading) prepare(c *Ctx, from *streamRead, key []byte) bool {
	if !from.here {
		return false
	}
	if !r.grouped {
		return hasAbove(from.s, from.after)
	}
	served := !from.fresh
	if from.fresh {
		from.after = from.g.LastID()
		served = hasAbove(from.s, from.after)
		if r.claim && r.lookForIdle(c, from, key) {
			served = true
		}
	}
	consumer, made := from.g.CreateConsumer(r.consumer, c.Now)
	consumer.SetSeenTime(c.Now)
	if made {
		c.noted(key, "xgroup-createconsumer")
		if r.noAck || !from.fresh || !served { // else claiming an entry makes the consumer
			c.consumerMade(key, r.group, r.consumer)
		}
	}
	return served
}

// lookForIdle finds what is pending in the group and was not delivered for long enough, and tells whether there is any. What
// is pending of entries that are gone is not pending any more. And it notes when there may be more.
func (r *reading) lookForIdle(c *Ctx, from *streamRead, key []byte) bool {
	list := c.streams.idle
	begin := len(list)
	var next_ms int64
	for gone := true; gone; {
		list, next_ms = from.g.DeliveredBy(c.Now-r.minIdle, int(min(r.count, math.MaxInt32)), list[:begin])
		gone = false
		for _, e := range list[begin:] {
			if !from.s.Exists(e.ID) {
				c.lost(key, from.g, e)
				gone = true
			}
		}
	}
	c.streams.idle, from.idle = list, [2]int{begin, len(list)}
	// What others get from now on is claimed no earlier than that.
	retry_ms := c.Now + max(r.minIdle, claimPoll_ms)
	if retry_ms < 0 {
		retry_ms = math.MaxInt64
	}
	if next_ms > c.Now-r.minIdle && next_ms < math.MaxInt64-r.minIdle {
		retry_ms = min(retry_ms, next_ms+r.minIdle)
	}
	if r.retry_ms == 0 || retry_ms < r.retry_ms {
		r.retry_ms = retry_ms
	}
	return len(list) > begin
}

// idleKept is how many entries the list of those that a read claims keeps room for.
const idleKept = 4096

// claimPoll_ms is how long who waits for what others leave pending waits at least until it looks again.
const claimPoll_ms = 100

// hasAbove tells whether a stream has an entry above an ID.
func hasAbove(s *datatypes.Stream, id datatypes.StreamID) bool {
	start, ok := id.Next()
	if !ok || s.Len() == 0 || !id.Less(s.LastID()) {
		return false
	}
	it := s.Iter(start, datatypes.MaxStreamID, false)
	return it.Next()
}

// deliver answers entries that are claimed, and such as the group has delivered to nobody yet, and makes them pending for the
// consumer.
func (r *reading) deliver(c *Ctx, from *streamRead, key []byte) {
	consumer, _ := from.g.Consumer(r.consumer)
	start, _ := from.after.Next()
	d := c.Reply.Defer()
	n, advanced := 0, false
	for _, e := range c.streams.idle[from.idle[0]:from.idle[1]] {
		it := from.s.Iter(e.ID, e.ID, false)
		it.Next()
		r.replyDelivered(c, &it, c.Now-e.DeliveredAt, e.Deliveries)
		n++
		e.DeliveredAt, e.Consumer = c.Now, consumer
		e.Deliveries++
		consumer.Claim(e.ID, e.DeliveredAt, e.Deliveries)
		consumer.SetActiveTime(c.Now)
		c.claimed(key, from.g, e)
	}
	for it := from.s.Iter(start, datatypes.MaxStreamID, false); (r.count == 0 || int64(n) < r.count) && it.Next(); n++ {
		id := it.ID()
		if from.g.Advance(id) {
			advanced = true
		}
		r.replyDelivered(c, &it, 0, 0)
		if !r.noAck {
			consumer.Claim(id, c.Now, 1)
			consumer.SetActiveTime(c.Now)
			c.claimed(key, from.g, datatypes.Pending{ID: id, DeliveredAt: c.Now, Deliveries: 1, Consumer: consumer})
		}
	}
	c.Reply.SetArray(d, n)
	if advanced { // claiming says up to where it has read, but not how many entries that were
		c.groupMoved(key, from.g)
	}
}

// replyDelivered answers an entry, and, who asks for claimed ones, for how long and how often it was delivered before.
func (r *reading) replyDelivered(c *Ctx, it *datatypes.StreamIter, idle_ms, deliveries int64) {
	if !r.claim {
		c.replyEntry(it)
		return
	}
	c.Reply.Array(4)
	c.replyEntryParts(it)
	c.Reply.Int(max(0, idle_ms))
	c.Reply.Int(deliveries)
}

// history answers what is pending for the consumer and delivers it once more. Entries that were deleted have an ID only.
func (r *reading) history(c *Ctx, from *streamRead) {
	consumer, _ := from.g.Consumer(r.consumer)
	start, _ := from.after.Next()
	d := c.Reply.Defer()
	n := 0
	for p := consumer.PendingIter(start, datatypes.MaxStreamID); (r.count == 0 || int64(n) < r.count) && p.Next(); n++ {
		id := p.Entry().ID
		if it := from.s.Iter(id, id, false); it.Next() {
			c.replyEntry(&it)
			from.g.Redeliver(id, c.Now)
			continue
		}
		c.Reply.Array(2)
		c.replyID(id)
		c.Reply.NullArray()
	}
	c.Reply.SetArray(d, n)
}

// resolved is the request with the IDs that "$" stood for when it first came.
func (r *reading) resolved(c *Ctx) [][]byte {
	argv := append([][]byte(nil), c.Args.All()...)
	ids := argv[len(argv)-len(r.ids):]
	for i, text := range ids {
		if len(text) == 1 && text[0] == '$' {
			ids[i] = c.streams.reads[i].after.Append(nil)
		}
	}
	return argv
}

func init() {
	Register(
		row("xread", xread),
		row("xreadgroup", xreadgroup),
	)
}
