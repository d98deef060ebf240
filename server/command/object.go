package command

import (
	"math"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// objectKey is what there is at the key that OBJECT asks for: a read, but a miss is no event and the key not touched.
func (c *Ctx) objectKey(key []byte) (keyspace.Info, bool) {
	in, ok := c.Stat(key)
	c.CountRead(key, ok)
	return in, ok
}

func objectEncoding(c *Ctx) {
	key := c.Args.Key()
	if _, ok := c.objectKey(key); ok {
		name, _ := c.Encoding(key)
		c.Reply.BulkString(name)
	} else {
		c.Reply.Null()
	}
}

func objectIdletime(c *Ctx) {
	in, ok := c.objectKey(c.Args.Key())
	switch {
	case !ok:
		c.Reply.Null()
	case c.Clock().LFU:
		c.Fail(resp.ErrIdleUnderLFU)
	default:
		c.Reply.Int(c.Clock().Idle(in.Access, c.Now))
	}
}

func objectFreq(c *Ctx) {
	in, ok := c.objectKey(c.Args.Key())
	switch {
	case !ok:
		c.Reply.Null()
	case !c.Clock().LFU && !c.Clock().FIFO: // s3fifo counts, and has a clock as well
		c.Fail(resp.ErrFreqWithoutLFU)
	default:
		c.Reply.Int(int64(c.Clock().Count(in.Access, c.Now)))
	}
}

// objectRefcount answers 1: values are never shared here. The integers below 10000 answer what they do in Redis, where
// they are shared objects unless the policy at maxmemory goes by accesses.
func objectRefcount(c *Ctx) {
	key := c.Args.Key()
	in, ok := c.objectKey(key)
	switch {
	case !ok:
		c.Reply.Null()
	case in.Type == datatypes.TypeString && in.Enc == datatypes.EncInt:
		if val, _ := c.PeekString(key); len(val) < 5 && val[0] != '-' && !c.Keyspace().AccessMatters() {
			c.Reply.Int(math.MaxInt32)
			return
		}
		c.Reply.Int(1)
	default:
		c.Reply.Int(1)
	}
}

func objectHelp(c *Ctx) {
	c.Help(
		"ENCODING <key>", "Return how the value of a key is stored.",
		"FREQ <key>", "Return how often a key is accessed, on a logarithmic scale from 0 to 255.",
		"IDLETIME <key>", "Return the seconds since the last access to a key.",
		"REFCOUNT <key>", "Return how many keys share the value of a key: always 1.",
	)
}

// usageSamples is how many elements MEMORY USAGE looks at unless it is told.
const usageSamples = 5

func memoryUsage(c *Ctx) {
	a := &c.Args
	key := a.Key()
	samples := int64(usageSamples)
	for a.More() {
		if !a.IsWith("SAMPLES", 1) {
			a.Syntax()
			break
		}
		if samples = a.Int(); samples < 0 {
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	if n, ok := c.Memory(key, int(samples)); ok {
		c.Reply.Int(int64(n))
	} else {
		c.Reply.Null()
	}
}

func init() {
	Register(
		row("object", nil),
		row("object|encoding", objectEncoding),
		row("object|freq", objectFreq),
		row("object|idletime", objectIdletime),
		row("object|refcount", objectRefcount),
		row("object|help", objectHelp),
		row("memory", nil),
		row("memory|usage", memoryUsage),
	)
}

// InTable is the number of elements of a collection that is kept in a table; it is false for everything else.
func (c *Ctx) InTable(key []byte) (n int, ok bool) {
	encoding, _ := c.Encoding(key)
	switch t, _ := c.Type(key); {
	case encoding == "skiplist":
		z, _ := c.ReadZSet(key)
		return z.Len(), true
	case encoding != "hashtable":
		return 0, false
	case t == datatypes.TypeSet:
		s, _ := c.ReadSet(key)
		return s.Len(), true
	default:
		h, _ := c.ReadHash(key)
		return h.Len(), true
	}
}
