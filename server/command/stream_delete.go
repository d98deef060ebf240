package command

import (
	"larder/datatypes"
	"larder/server/resp"
)

// XDEL and those of its kind that ask what the groups have to do with an entry. Effects are told in the words that all
// servers know: XDEL, XACK and XTRIM.

// refs is what becomes of the groups' references to entries that are deleted or trimmed.
type refs uint8

const (
	keepRefs  refs = iota // what is pending stays so, and whoever claims it learns that the entry is gone
	dropRefs              // nothing of them is pending any more
	onlyAcked             // only entries go that all groups have read and acknowledged
)

// option reads KEEPREF, DELREF or ACKED. It is false if the next argument is none.
func (r *refs) option(a *Args, given *bool) bool {
	switch {
	case a.Is("KEEPREF"):
		*r = keepRefs
	case a.Is("DELREF"):
		*r = dropRefs
	case a.Is("ACKED"):
		*r = onlyAcked
	default:
		return false
	}
	if *given {
		a.Syntax()
	}
	*given = true
	return true
}

func xdel(c *Ctx) {
	key := c.Args.Key()
	s, found, ok := c.stream(key, true)
	if !ok {
		return
	}
	if !found {
		c.Reply.Int(0)
		return
	}
	ids := c.streamIDs()
	if !c.Args.Done() {
		return
	}
	n := 0
	for _, id := range ids {
		if s.Delete(id) {
			n++
		}
	}
	if n > 0 {
		c.ChangedBy(key, "xdel", n)
	}
	c.Reply.Int(int64(n))
}

// What XDELEX and XACKDEL answer for an ID.
const (
	entryAbsent  = -1 // or not pending in the group
	entryDeleted = 1
	entryNeeded  = 2 // by a group, and not deleted therefore
)

// deletionArgs reads the options and the IDs of XDELEX and XACKDEL.
func (c *Ctx) deletionArgs() (r refs, ids []datatypes.StreamID) {
	a := &c.Args
	given := false
	ids = c.streams.ids[:0]
	for a.More() {
		switch {
		case r.option(a, &given):
		case len(ids) == 0 && a.IsWith("IDS", 1):
			n := a.IntIn(1, 1<<31-1, resp.ErrNumIDs)
			if n > int64(a.Left()) {
				a.Wrong(resp.ErrNumIDsMatch)
			}
			for range n {
				if a.Bad() {
					break
				}
				ids = append(ids, a.streamID())
			}
		default:
			a.Syntax()
		}
	}
	if len(ids) == 0 {
		a.Syntax()
	}
	c.streams.ids = ids
	return r, ids
}

func xdelex(c *Ctx) {
	key := c.Args.Key()
	r, ids := c.deletionArgs()
	if !c.Args.Done() {
		return
	}
	s, _, ok := c.stream(key, true)
	if !ok {
		return
	}
	c.Reply.Array(len(ids))
	gone := c.streams.gone[:0]
	for _, id := range ids {
		switch {
		case r == onlyAcked && s.Exists(id) && s.Needed(id):
			c.Reply.Int(entryNeeded)
		case s.Delete(id):
			gone = append(gone, id)
			c.Reply.Int(entryDeleted)
		default:
			c.Reply.Int(entryAbsent)
		}
	}
	c.streams.gone = gone
	c.entriesGone(key, gone)
	if r == dropRefs {
		c.forget(key, s, ids)
	}
}

func xackdel(c *Ctx) {
	a := &c.Args
	key, name := a.Key(), a.Bytes()
	r, ids := c.deletionArgs()
	if !a.Done() {
		return
	}
	s, found, ok := c.stream(key, true)
	if !ok {
		return
	}
	var g datatypes.StreamGroup
	if found {
		g, found = s.Group(name)
	}
	c.Reply.Array(len(ids))
	acked, gone := ids[:0], c.streams.gone[:0]
	for _, id := range ids {
		if !found || !g.Ack(id) {
			c.Reply.Int(entryAbsent)
			continue
		}
		acked = append(acked, id)
		switch {
		case r == onlyAcked && s.Needed(id):
			c.Reply.Int(entryNeeded)
			continue
		case s.Delete(id):
			gone = append(gone, id)
		}
		c.Reply.Int(entryDeleted)
	}
	c.streams.gone = gone
	if len(acked) > 0 {
		c.Dirty += len(acked)
		c.rewriteIDs(acked, []byte("XACK"), key, name)
	}
	c.entriesGone(key, gone)
	if r == dropRefs {
		c.forget(key, s, acked)
	}
}

// entriesGone tells that entries were deleted.
func (c *Ctx) entriesGone(key []byte, gone []datatypes.StreamID) {
	c.rewritten = true
	if len(gone) > 0 {
		c.ChangedBy(key, "xdel", len(gone))
		c.rewriteIDs(gone, []byte("XDEL"), key)
	}
}

// forget acknowledges entries in all groups that have them pending.
func (c *Ctx) forget(key []byte, s *datatypes.Stream, ids []datatypes.StreamID) {
	for i := range s.GroupCount() {
		g := s.GroupAt(i)
		acked := c.streams.acked[:0]
		for _, id := range ids {
			if g.Ack(id) {
				acked = append(acked, id)
			}
		}
		c.acknowledged(key, g, acked)
	}
}

// forgetRange is forget for all entries from start to last, both included.
func (c *Ctx) forgetRange(key []byte, s *datatypes.Stream, start, last datatypes.StreamID) {
	for i := range s.GroupCount() {
		g := s.GroupAt(i)
		acked := c.streams.acked[:0]
		for it := g.PendingIter(start, last); it.Next(); {
			id := it.Entry().ID
			g.Ack(id)
			acked = append(acked, id)
		}
		c.acknowledged(key, g, acked)
	}
}

// acknowledged tells that entries are not pending in a group any more, and keeps the list for the next command.
func (c *Ctx) acknowledged(key []byte, g datatypes.StreamGroup, ids []datatypes.StreamID) {
	c.streams.acked = ids
	if len(ids) > 0 {
		c.Dirty += len(ids)
		c.rewriteIDs(ids, []byte("XACK"), key, g.Name())
	}
}

// idsInEffect is how many IDs one effect has at most: requests have a bound.
const idsInEffect = 1024

// rewriteIDs tells effects of some words and IDs behind them.
func (c *Ctx) rewriteIDs(ids []datatypes.StreamID, words ...[]byte) {
	c.rewritten = true
	if !c.WantEffects {
		return
	}
	for len(ids) > 0 {
		n := min(len(ids), idsInEffect)
		argv := append(c.streams.argv[:0], words...)
		for _, id := range ids[:n] {
			argv = append(argv, id.Append(nil))
		}
		c.Rewrite(argv...)
		clear(argv)
		c.streams.argv = argv
		ids = ids[n:]
	}
}

func init() {
	Register(
		row("xdel", xdel),
		row("xdelex", xdelex),
		row("xackdel", xackdel),
	)
}
