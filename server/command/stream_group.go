package command

import (
	"strconv"

	"larder/datatypes"
	"larder/server/resp"
)

// groupArgs is what the subcommands of XGROUP begin with, and what CREATE and SETID end with.
type groupArgs struct {
	key, name    []byte
	s            *datatypes.Stream
	g            datatypes.StreamGroup
	here, exists bool // the stream, the group
	mkstream     bool
	read         int64 // ENTRIESREAD
}

// openGroup reads key and group, and the options behind the ID if there are any, and looks both up. needs tells
// whether the group must be there. It is false if an error is the reply.
func (c *Ctx) openGroup(options, mkstream, needs bool) (x groupArgs, ok bool) {
	a := &c.Args
	x.key, x.name, x.read = a.Key(), a.Bytes(), datatypes.EntriesReadUnknown
	if options {
		at := a.pos
		a.Bytes()
		for a.More() {
			switch {
			case mkstream && a.Is("MKSTREAM"):
				x.mkstream = true
			case a.IsWith("ENTRIESREAD", 1):
				if x.read = a.Int(); x.read < 0 && x.read != datatypes.EntriesReadUnknown {
					a.Wrong(resp.ErrEntriesRead)
				}
			default:
				a.Wrong(resp.UnknownSubcommandOrArgs(a.At(1), "XGROUP"))
			}
		}
		if !a.Done() {
			return x, false
		}
		a.pos = at
	}
	if x.s, x.here, ok = c.stream(x.key, true); !ok {
		return x, false
	}
	if x.here {
		x.g, x.exists = x.s.Group(x.name)
	}
	switch {
	case x.mkstream:
	case !x.here:
		c.Fail(resp.ErrXGroupNoKey)
		return x, false
	case needs && !x.exists:
		c.Fail(resp.NoGroupOfKey(x.name, x.key))
		return x, false
	}
	return x, true
}

// groupID reads the ID from which a group is to read: one, or "$" for the stream's last.
func (c *Ctx) groupID(x *groupArgs, parse func([]byte, uint64) (datatypes.StreamID, bool)) (id datatypes.StreamID, ok bool) {
	text := c.Args.Bytes()
	if len(text) == 1 && text[0] == '$' {
		return x.s.LastID(), true
	}
	if id, ok = parse(text, 0); !ok {
		c.Fail(resp.ErrStreamID)
	}
	return id, ok
}

func xgroupCreate(c *Ctx) {
	x, ok := c.openGroup(true, true, false)
	if !ok {
		return
	}
	if c.Args.Len() > 8 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "XGROUP"))
		return
	}
	id, ok := c.groupID(&x, datatypes.ParseStreamID)
	if !ok {
		return
	}
	x.s.Create()
	_, made := x.s.CreateGroup(x.name, id, x.read)
	switch {
	case !made:
		c.Fail(resp.ErrBusyGroup)
		return
	case x.here:
		c.noted(x.key, "xgroup-create")
	default:
		c.Changed(x.key, "xgroup-create")
	}
	c.Reply.OK()
}

func xgroupSetID(c *Ctx) {
	x, ok := c.openGroup(true, false, true)
	if !ok {
		return
	}
	if n := c.Args.Len(); n != 5 && n != 7 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "XGROUP"))
		return
	}
	id, ok := c.groupID(&x, datatypes.ParseStreamRangeID)
	if !ok {
		return
	}
	x.g.SetLastID(id)
	x.g.SetEntriesRead(x.read)
	c.noted(x.key, "xgroup-setid")
	c.Reply.OK()
}

// groupMoved tells that a group has come to another ID, and how many entries it has read.
func (c *Ctx) groupMoved(key []byte, g datatypes.StreamGroup) {
	c.rewritten = true
	if !c.WantEffects {
		return
	}
	s := &c.streams
	c.Rewrite([]byte("XGROUP"), []byte("SETID"), key, g.Name(), g.LastID().Append(s.nums[0][:0]),
		[]byte("ENTRIESREAD"), strconv.AppendInt(s.nums[1][:0], g.EntriesRead(), 10))
}

// claimed tells that an entry is pending as e says, in a way that can be told twice.
func (c *Ctx) claimed(key []byte, g datatypes.StreamGroup, e datatypes.Pending) {
	c.rewritten = true
	if !c.WantEffects {
		return
	}
	s := &c.streams
	c.Rewrite([]byte("XCLAIM"), key, g.Name(), e.Consumer.Name(), []byte("0"), e.ID.Append(s.text[:0]),
		[]byte("TIME"), strconv.AppendInt(s.nums[0][:0], e.DeliveredAt, 10),
		[]byte("RETRYCOUNT"), strconv.AppendInt(s.nums[1][:0], e.Deliveries, 10),
		[]byte("FORCE"), []byte("JUSTID"), []byte("LASTID"), g.LastID().Append(s.nums[2][:0]))
}

func xgroupDestroy(c *Ctx) {
	x, ok := c.openGroup(false, false, false)
	switch {
	case !ok:
	case !x.exists:
		c.Reply.Int(0)
	default:
		x.s.DestroyGroup(x.name)
		c.Dirty++
		c.Ready(x.key, "xgroup-destroy") // whoever waits for the group has to hear of it
		c.Reply.Int(1)
	}
}

func xgroupCreateConsumer(c *Ctx) {
	x, ok := c.openGroup(false, false, true)
	if !ok {
		return
	}
	if _, made := x.g.CreateConsumer(c.Args.Bytes(), c.Now); made {
		c.noted(x.key, "xgroup-createconsumer")
		c.Reply.Int(1)
	} else {
		c.Reply.Int(0)
	}
}

func xgroupDelConsumer(c *Ctx) {
	x, ok := c.openGroup(false, false, true)
	if !ok {
		return
	}
	pending, there := x.g.DeleteConsumer(c.Args.Bytes())
	if there {
		c.noted(x.key, "xgroup-delconsumer")
	}
	c.Reply.Int(int64(pending))
}

func xack(c *Ctx) {
	key, name := c.Args.Key(), c.Args.Bytes()
	s, found, ok := c.stream(key, true)
	c.Asked(key, found || !ok)
	if !ok {
		return
	}
	var g datatypes.StreamGroup
	if found {
		g, found = s.Group(name)
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
		if g.Ack(id) {
			n++
		}
	}
	c.Dirty += n
	c.Reply.Int(int64(n))
}

func xgroupHelp(c *Ctx) {
	c.Help(
		"CREATE <key> <groupname> <id|$> [MKSTREAM] [ENTRIESREAD <n>]", "Add a consumer group that reads from an ID on; MKSTREAM makes the stream if it is missing.",
		"CREATECONSUMER <key> <groupname> <consumer>", "Add a consumer to a group.",
		"DELCONSUMER <key> <groupname> <consumer>", "Remove a consumer and what is pending for it.",
		"DESTROY <key> <groupname>", "Remove a group.",
		"SETID <key> <groupname> <id|$> [ENTRIESREAD <n>]", "Set the ID up to which a group has read.",
	)
}

func init() {
	Register(
		row("xgroup", nil),
		row("xgroup|create", xgroupCreate),
		row("xgroup|setid", xgroupSetID),
		row("xgroup|destroy", xgroupDestroy),
		row("xgroup|createconsumer", xgroupCreateConsumer),
		row("xgroup|delconsumer", xgroupDelConsumer),
		row("xgroup|help", xgroupHelp),
		row("xack", xack),
	)
}
