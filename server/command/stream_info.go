package command

import (
	"larder/datatypes"
	"larder/server/resp"
)

// infoStream finds the stream that XINFO is asked about. It is false if an error is the reply.
func (c *Ctx) infoStream() (key []byte, s *datatypes.Stream, ok bool) {
	key = c.Args.Key()
	s, found, ok := c.stream(key, false)
	if ok && !found {
		c.Fail(resp.ErrNoSuchKey)
	}
	return key, s, ok && found
}

// replyIntNamed and the like answer one pair of a map.
func (c *Ctx) replyIntNamed(name string, n int64) {
	c.Reply.BulkString(name)
	c.Reply.Int(n)
}

func (c *Ctx) replyIDNamed(name string, id datatypes.StreamID) {
	c.Reply.BulkString(name)
	c.replyID(id)
}

func (c *Ctx) replyName(name []byte) {
	c.Reply.BulkString("name")
	c.Reply.Bulk(name)
}

// fullEntries is how many entries of everything XINFO STREAM FULL shows unless it is told.
const fullEntries = 10

func xinfoStream(c *Ctx) {
	a := &c.Args
	_, s, ok := c.infoStream()
	if !ok {
		return
	}
	full, count := a.More(), int64(fullEntries)
	if full {
		if n := a.Left(); n != 1 && n != 3 || !a.Is("FULL") || n == 3 && !a.Is("COUNT") {
			c.Fail(resp.UnknownSubcommandOrArgs(a.At(1), "XINFO"))
			return
		}
		if a.More() {
			if count = a.Int(); count < 0 {
				count = fullEntries
			}
		}
	}
	if !a.Done() {
		return
	}
	if full {
		c.Reply.Map(9)
	} else {
		c.Reply.Map(10)
	}
	c.replyIntNamed("length", int64(s.Len()))
	c.replyIntNamed("radix-tree-keys", int64(s.NodeCount()))
	c.replyIntNamed("radix-tree-nodes", int64(s.TreeNodes()))
	c.replyIDNamed("last-generated-id", s.LastID())
	c.replyIDNamed("max-deleted-entry-id", s.MaxDeletedID())
	c.replyIntNamed("entries-added", int64(s.EntriesAdded()))
	c.replyIDNamed("recorded-first-entry-id", s.FirstID())
	if !full {
		c.replyIntNamed("groups", int64(s.GroupCount()))
		c.replyEdge("first-entry", s, false)
		c.replyEdge("last-entry", s, true)
		return
	}
	c.Reply.BulkString("entries")
	c.replyEntries(s.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, false), count)
	c.Reply.BulkString("groups")
	c.Reply.Array(s.GroupCount())
	for i := range s.GroupCount() {
		c.replyFullGroup(s.GroupAt(i), count)
	}
}

// replyEdge answers the first or the last entry.
func (c *Ctx) replyEdge(name string, s *datatypes.Stream, last bool) {
	c.Reply.BulkString(name)
	if it := s.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, last); it.Next() {
		c.replyEntry(&it)
	} else {
		c.Reply.Null()
	}
}

// replyProgress answers how far a group has read.
func (c *Ctx) replyProgress(g datatypes.StreamGroup) {
	c.replyIDNamed("last-delivered-id", g.LastID())
	c.Reply.BulkString("entries-read")
	if n := g.EntriesRead(); n != datatypes.EntriesReadUnknown {
		c.Reply.Int(n)
	} else {
		c.Reply.Null()
	}
	c.Reply.BulkString("lag")
	if n, ok := g.Lag(); ok {
		c.Reply.Int(n)
	} else {
		c.Reply.Null()
	}
}

func (c *Ctx) replyFullGroup(g datatypes.StreamGroup, count int64) {
	c.Reply.Map(7)
	c.replyName(g.Name())
	c.replyProgress(g)
	c.replyIntNamed("pel-count", int64(g.PendingCount()))
	c.Reply.BulkString("pending")
	c.replyPending(g.PendingIter(datatypes.StreamID{}, datatypes.MaxStreamID), count, true)
	c.Reply.BulkString("consumers")
	c.Reply.Array(g.ConsumerCount())
	for i := range g.ConsumerCount() {
		who := g.ConsumerAt(i)
		c.Reply.Map(5)
		c.replyName(who.Name())
		c.replyIntNamed("seen-time", who.SeenTime())
		c.replyIntNamed("active-time", who.ActiveTime())
		c.replyIntNamed("pel-count", int64(who.PendingCount()))
		c.Reply.BulkString("pending")
		c.replyPending(who.PendingIter(datatypes.StreamID{}, datatypes.MaxStreamID), count, false)
	}
}

// replyPending answers up to count pending entries, all if it is 0, with whom they belong to if named.
func (c *Ctx) replyPending(it datatypes.PendingIter, count int64, named bool) {
	d := c.Reply.Defer()
	n := 0
	for ; (count == 0 || int64(n) < count) && it.Next(); n++ {
		e := it.Entry()
		if named {
			c.Reply.Array(4)
		} else {
			c.Reply.Array(3)
		}
		c.replyID(e.ID)
		if named {
			c.Reply.Bulk(e.Consumer.Name())
		}
		c.Reply.Int(e.DeliveredAt)
		c.Reply.Int(e.Deliveries)
	}
	c.Reply.SetArray(d, n)
}

func xinfoGroups(c *Ctx) {
	_, s, ok := c.infoStream()
	if !ok {
		return
	}
	c.Reply.Array(s.GroupCount())
	for i := range s.GroupCount() {
		g := s.GroupAt(i)
		c.Reply.Map(6)
		c.replyName(g.Name())
		c.replyIntNamed("consumers", int64(g.ConsumerCount()))
		c.replyIntNamed("pending", int64(g.PendingCount()))
		c.replyProgress(g)
	}
}

func xinfoConsumers(c *Ctx) {
	key, s, ok := c.infoStream()
	if !ok {
		return
	}
	name := c.Args.Bytes()
	g, ok := s.Group(name)
	if !ok {
		c.Fail(resp.NoGroupOfKey(name, key))
		return
	}
	c.Reply.Array(g.ConsumerCount())
	for i := range g.ConsumerCount() {
		who := g.ConsumerAt(i)
		inactive := who.ActiveTime()
		if inactive != datatypes.NeverActive {
			inactive = c.Now - inactive
		}
		c.Reply.Map(4)
		c.replyName(who.Name())
		c.replyIntNamed("pending", int64(who.PendingCount()))
		c.replyIntNamed("idle", max(0, c.Now-who.SeenTime()))
		c.replyIntNamed("inactive", inactive)
	}
}

func xinfoHelp(c *Ctx) {
	c.Help(
		"CONSUMERS <key> <groupname>", "Describe the consumers of a group.",
		"GROUPS <key>", "Describe the consumer groups of a stream.",
		"STREAM <key> [FULL [COUNT <count>]]", "Describe a stream; FULL with its entries, groups and consumers.",
	)
}

func init() {
	Register(
		row("xinfo", nil),
		row("xinfo|stream", xinfoStream),
		row("xinfo|groups", xinfoGroups),
		row("xinfo|consumers", xinfoConsumers),
		row("xinfo|help", xinfoHelp),
	)
}
