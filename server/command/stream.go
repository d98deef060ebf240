package command

import (
	"strconv"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// streamScratch is what the commands about streams work with. It is kept from one command to the next, so that they
// allocate nothing.
type streamScratch struct {
	text  [48]byte             // an ID as text
	nums  [3][48]byte          // words of an effect
	ids   []datatypes.StreamID // IDs that were given, or found
	gone  []datatypes.StreamID // IDs of entries that were deleted
	acked []datatypes.StreamID // IDs that were pending
	idle  []datatypes.Pending  // that a read claims
	reads []streamRead
	argv  [][]byte // an effect
}

// replyID answers an ID.
func (c *Ctx) replyID(id datatypes.StreamID) { c.Reply.Bulk(id.Append(c.streams.text[:0])) }

// replyEntry answers the entry that an iterator stands at: its ID and its fields and values.
func (c *Ctx) replyEntry(it *datatypes.StreamIter) {
	c.Reply.Array(2)
	c.replyEntryParts(it)
}

func (c *Ctx) replyEntryParts(it *datatypes.StreamIter) {
	c.replyID(it.ID())
	c.Reply.Array(2 * it.FieldCount())
	for it.Field() {
		c.Reply.Bulk(it.Name())
		c.Reply.Bulk(it.Value())
	}
}

// replyEntries answers up to most entries as an array, all of them if most is 0.
func (c *Ctx) replyEntries(it datatypes.StreamIter, most int64) {
	d := c.Reply.Defer()
	n := 0
	for (most == 0 || int64(n) < most) && it.Next() {
		c.replyEntry(&it)
		n++
	}
	c.Reply.SetArray(d, n)
}

// stream looks a stream up. found is false if there is no such key; s is then an empty stream, which Create makes one.
// ok is false if the key holds something else, which is the reply then.
func (c *Ctx) stream(key []byte, edit bool) (s *datatypes.Stream, found, ok bool) {
	var st keyspace.Status
	if edit {
		s, st = c.View.EditStream(key)
	} else {
		s, st = c.View.ReadStream(key)
	}
	s, ok = open(c, s, st)
	return s, st == keyspace.Found, ok
}

// noted tells of a change of a stream that is none of its entries: watchers of the key and caches do not mind.
func (c *Ctx) noted(key []byte, event string) {
	c.Dirty++
	c.Notice(key, event)
}

// streamID reads an ID, whose second half is 0 if it has none.
func (a *Args) streamID() datatypes.StreamID {
	id, ok := datatypes.ParseStreamID(a.Bytes(), 0)
	if !ok {
		a.Wrong(resp.ErrStreamID)
	}
	return id
}

// streamStart reads the lower end of a range of IDs, which is included.
func (a *Args) streamStart() datatypes.StreamID {
	id, exclusive, ok := datatypes.ParseStreamBound(a.Bytes(), 0)
	if !ok {
		a.Wrong(resp.ErrStreamID)
	}
	if exclusive {
		if id, ok = id.Next(); !ok {
			a.Wrong(resp.ErrStreamStart)
		}
	}
	return id
}

// streamEnd reads the upper end of a range of IDs, which is included.
func (a *Args) streamEnd() datatypes.StreamID {
	id, exclusive, ok := datatypes.ParseStreamBound(a.Bytes(), 1<<64-1)
	if !ok {
		a.Wrong(resp.ErrStreamID)
	}
	if exclusive {
		if id, ok = id.Prev(); !ok {
			a.Wrong(resp.ErrStreamEnd)
		}
	}
	return id
}

// streamIDs reads the rest as IDs.
func (c *Ctx) streamIDs() []datatypes.StreamID {
	ids := c.streams.ids[:0]
	for c.Args.More() {
		ids = append(ids, c.Args.streamID())
	}
	c.streams.ids = ids
	return ids
}

// trimming is the part of XADD and XTRIM that says which entries go.
type trimming struct {
	given  bool
	byID   bool
	approx bool
	most   int64
	min    datatypes.StreamID
	limit  int64 // entries deleted at most, 0 for no limit
	capped bool  // a limit was given

	refs      refs
	refsGiven bool
	was       datatypes.StreamID   // the first entry before
	gone      []datatypes.StreamID // what went because it was acknowledged
}

// option reads one option of trimming. It is false if the next argument is none.
func (t *trimming) option(a *Args) bool {
	switch {
	case a.IsWith("MAXLEN", 1):
		t.begin(a, false)
		if t.most = a.Int(); t.most < 0 {
			a.Wrong(resp.ErrTrimMaxLen)
		}
	case a.IsWith("MINID", 1):
		t.begin(a, true)
		t.min = a.streamID()
	case a.IsWith("LIMIT", 1):
		t.capped = true
		if t.limit = a.Int(); t.limit < 0 {
			a.Wrong(resp.ErrTrimLimit)
		}
	default:
		return t.refs.option(a, &t.refsGiven)
	}
	return true
}

// begin reads what may stand before the threshold.
func (t *trimming) begin(a *Args, byID bool) {
	if t.given {
		a.Wrong(resp.ErrTrimBoth)
	}
	t.given, t.byID = true, byID
	if t.approx = a.IsWith("~", 1); !t.approx {
		a.IsWith("=", 1)
	}
}

// settle looks whether the options go together, and sets the limit that approximate trimming has by itself: the
// entries of 100 nodes. What comes from the log or the primary has been decided there.
func (t *trimming) settle(c *Ctx, key []byte) {
	a := &c.Args
	switch {
	case t.limit != 0 && !t.given:
		a.Wrong(resp.ErrTrimLimitNoStrategy)
	case !t.given && c.Row.Name == "xtrim":
		a.Wrong(resp.ErrTrimNoStrategy)
	case c.Obey:
		t.limit = 0
	case t.capped && !t.approx:
		a.Wrong(resp.ErrTrimLimitNotApprox)
	case t.approx && !t.capped:
		t.limit = 100 * int64(c.EnvOf(key).Limits.StreamNodeMaxEntries)
		if t.limit <= 0 {
			t.limit = 10_000
		}
		t.limit = min(t.limit, 1_000_000)
	}
}

// apply deletes the entries that go and returns how many they were.
func (t *trimming) apply(c *Ctx, s *datatypes.Stream) int {
	if t.refs == onlyAcked && s.GroupCount() > 0 {
		return t.applyAcked(c, s)
	}
	t.was = s.FirstID()
	if t.byID {
		return s.TrimMinID(t.min, t.approx, int(t.limit))
	}
	return s.TrimMaxLen(int(t.most), t.approx, int(t.limit))
}

// applyAcked is apply for entries that all groups have acknowledged. The others stay, and so it is no trimming for those who
// ask what was deleted.
func (t *trimming) applyAcked(c *Ctx, s *datatypes.Stream) int {
	last, most := datatypes.MaxStreamID, s.Len()
	if t.byID {
		var ok bool
		if last, ok = t.min.Prev(); !ok {
			return 0
		}
	} else {
		most = int(max(0, int64(most)-t.most))
	}
	t.gone = s.Unneeded(last, most, int(t.limit), c.streams.gone[:0])
	c.streams.gone = t.gone
	for _, id := range t.gone {
		s.Delete(id)
	}
	return len(t.gone)
}

// also tells, after the effect, what else has changed: the entries that have gone one by one, and the references to what was
// trimmed.
func (t *trimming) also(c *Ctx, key []byte, s *datatypes.Stream) {
	if len(t.gone) > 0 {
		c.rewriteIDs(t.gone, []byte("XDEL"), key)
	}
	if t.refs == dropRefs {
		last := datatypes.MaxStreamID
		if s.Len() > 0 {
			last, _ = s.FirstID().Prev()
		}
		c.forgetRange(key, s, t.was, last)
	}
}

// plain tells whether the request says by itself what has changed, in the words of all servers.
func (t *trimming) plain() bool { return !t.approx && !t.capped && !t.refsGiven }

// effect appends the options that do exactly to an equal stream what apply did to s.
func (t *trimming) effect(c *Ctx, s *datatypes.Stream, argv [][]byte) [][]byte {
	if !t.given || t.refs == onlyAcked && s.GroupCount() > 0 {
		return argv
	}
	if !t.byID {
		most := t.most
		if t.approx {
			most = int64(s.Len())
		}
		return append(argv, []byte("MAXLEN"), []byte("="), strconv.AppendInt(c.streams.nums[0][:0], most, 10))
	}
	first := t.min
	if t.approx {
		if first = s.FirstID(); s.Len() == 0 {
			first = datatypes.MaxStreamID
		}
	}
	return append(argv, []byte("MINID"), []byte("="), first.Append(c.streams.nums[0][:0]))
}

func xadd(c *Ctx) {
	a := &c.Args
	key := a.Key()
	var t trimming
	var id datatypes.StreamID
	makes, whole, auto := true, true, false // auto: the second half of the ID is ours to choose
options:
	for a.More() {
		switch {
		case a.Is("*"):
			whole = false
			break options
		case t.option(a):
		case a.Is("NOMKSTREAM"):
			makes = false
		default:
			var ok bool
			if id, auto, ok = datatypes.ParseStreamAutoID(a.Bytes()); !ok {
				a.Wrong(resp.ErrStreamID)
			}
			break options
		}
	}
	t.settle(c, key)
	pairs := a.Rest()
	switch {
	case len(pairs) == 0 || len(pairs)%2 != 0:
		a.Wrong(resp.WrongArgs(c.Row.Name))
	case whole && !auto && id.IsZero():
		a.Wrong(resp.ErrStreamZeroID)
	}
	if !a.Done() {
		return
	}
	s, found, ok := c.stream(key, true)
	if !ok {
		return
	}
	if !found && !makes {
		c.Reply.Null()
		return
	}
	if s.LastID() == datatypes.MaxStreamID {
		c.Fail(resp.ErrStreamFull)
		return
	}
	chosen := true
	switch {
	case !whole:
		id, _ = s.NextID(c.Now)
	case auto:
		id, ok = s.NextSeq(id.Ms)
	default:
		chosen = false
	}
	if !ok || !s.LastID().Less(id) {
		c.Fail(resp.ErrStreamSmallID)
		return
	}
	if !datatypes.StreamFits(pairs) {
		c.Fail(resp.ErrStreamTooLarge)
		return
	}
	if !c.reserve(key, s.AddMoves()) {
		return
	}
	s.Add(id, pairs)
	c.replyID(id)
	c.Changed(key, "xadd")
	trimmed := 0
	if t.given {
		trimmed = t.apply(c, s)
	}
	if trimmed > 0 {
		c.Event(key, "xtrim")
	}
	if c.WantEffects && (chosen || !t.plain()) {
		argv := append(c.streams.argv[:0], []byte("XADD"), key)
		argv = append(t.effect(c, s, argv), id.Append(c.streams.nums[1][:0]))
		c.streams.argv = append(argv, pairs...)
		c.Rewrite(c.streams.argv...)
		clear(c.streams.argv)
	}
	if trimmed > 0 {
		t.also(c, key, s)
	}
}

func xtrim(c *Ctx) {
	a := &c.Args
	key := a.Key()
	var t trimming
	for a.More() {
		if !t.option(a) {
			a.Syntax()
		}
	}
	t.settle(c, key)
	if !a.Done() {
		return
	}
	s, _, ok := c.stream(key, true)
	if !ok {
		return
	}
	n := t.apply(c, s)
	if n > 0 {
		c.ChangedBy(key, "xtrim", n)
		if c.WantEffects && !t.plain() && len(t.gone) == 0 {
			c.Rewrite(t.effect(c, s, append(c.streams.argv[:0], []byte("XTRIM"), key))...)
		}
		t.also(c, key, s)
	}
	c.Reply.Int(int64(n))
}

func xlen(c *Ctx) {
	if s, ok := c.ReadStream(c.Args.Key()); ok {
		c.Reply.Int(int64(s.Len()))
	}
}

func xrangeFrom(backward bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		key := a.Key()
		var start, end datatypes.StreamID
		if backward {
			// The upper end comes first, but what is wrong with the lower one is told first.
			high := a.pos
			a.pos++
			start = a.streamStart()
			next := a.pos
			a.pos = high
			end = a.streamEnd()
			a.pos = next
		} else {
			start, end = a.streamStart(), a.streamEnd()
		}
		count := int64(-1)
		for a.More() {
			if !a.IsWith("COUNT", 1) {
				a.Syntax()
				break
			}
			count = max(0, a.Int())
		}
		if !a.Done() {
			return
		}
		s, found, ok := c.stream(key, false)
		switch {
		case !ok:
		case !found:
			c.Reply.Array(0)
		case count == 0:
			c.Reply.NullArray()
		default:
			c.replyEntries(s.Iter(start, end, backward), max(0, count))
		}
	}
}

func xsetid(c *Ctx) {
	a := &c.Args
	key, id := a.Key(), a.streamID()
	added := int64(-1)
	var deleted datatypes.StreamID
	for a.More() {
		switch {
		case a.IsWith("ENTRIESADDED", 1):
			if added = a.Int(); added < 0 {
				a.Wrong(resp.ErrEntriesAdded)
			}
		case a.IsWith("MAXDELETEDID", 1):
			if deleted = a.streamID(); id.Less(deleted) {
				a.Wrong(resp.ErrXSetIDMaxDeleted)
			}
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	s, found, ok := c.stream(key, true)
	if !ok {
		return
	}
	var top datatypes.StreamID
	if it := s.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, true); it.Next() {
		top = it.ID()
	}
	switch {
	case !found:
		c.Fail(resp.ErrNoSuchKey)
	case id.Less(s.MaxDeletedID()):
		c.Fail(resp.ErrXSetIDCurrentDeleted)
	case id.Less(top):
		c.Fail(resp.ErrXSetIDTop)
	case added != -1 && added < int64(s.Len()):
		c.Fail(resp.ErrXSetIDEntries)
	default:
		s.SetLastID(id)
		if added != -1 {
			s.SetEntriesAdded(uint64(added))
		}
		if !deleted.IsZero() {
			s.SetMaxDeletedID(deleted)
		}
		c.noted(key, "xsetid")
		c.Reply.OK()
	}
}

func init() {
	Register(
		row("xadd", xadd),
		row("xtrim", xtrim),
		row("xlen", xlen),
		row("xrange", xrangeFrom(false)),
		row("xrevrange", xrangeFrom(true)),
		row("xsetid", xsetid),
	)
}
