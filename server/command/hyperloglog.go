package command

import (
	"encoding/binary"
	"math"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// Commands about HyperLogLogs, which are strings; see datatypes.HyperLogLog.

// readHLL gives the HyperLogLog at key. ok is false if there is something else, which is the reply then.
func (c *Ctx) readHLL(key []byte) (b []byte, found, ok bool) {
	b, found, ok = c.ReadString(key)
	if ok && found && !datatypes.ValidHLL(b) {
		c.Fail(resp.ErrNotHLL)
		return nil, false, false
	}
	return b, found, ok
}

// editHLL opens the HyperLogLog at key for a change. If there is none, it is for the caller to create it.
func (c *Ctx) editHLL(key []byte) (x *datatypes.HyperLogLog, found, ok bool) {
	b, st := c.PeekString(key)
	switch {
	case st == keyspace.WrongType:
		c.wrongType()
		return nil, false, false
	case st == keyspace.Found && !datatypes.ValidHLL(b):
		c.Fail(resp.ErrNotHLL)
		return nil, false, false
	}
	h, _ := c.EditBytes(key)
	c.hll.Bind(c.Keyspace().Limits, h)
	return &c.hll, st == keyspace.Found, true
}

func pfadd(c *Ctx) {
	key, elements := c.Args.Key(), c.Args.Rest()
	x, found, ok := c.editHLL(key)
	if !ok {
		return
	}
	n := 0
	if !found {
		x.Create()
		n++
	}
	for _, e := range elements {
		changed, ok := x.Add(e)
		if !ok {
			c.Fail(resp.ErrCorruptHLL)
			return
		}
		if changed {
			n++
		}
	}
	if n == 0 {
		c.Reply.Int(0)
		return
	}
	x.Invalidate()
	c.ChangedBy(key, "pfadd", n)
	c.Reply.Int(1)
}

// pfcount estimates. Of a single key the estimate is kept in the value, which is a change that replicas are told of.
func pfcount(c *Ctx) {
	keys := c.Args.Rest()
	if len(keys) > 1 {
		if regs, _, ok := c.mergeHLLs(keys); ok {
			c.Reply.Int(int64(datatypes.HLLCountRegisters(regs)))
		}
		return
	}
	b, found, ok := c.readHLL(keys[0])
	switch {
	case !ok:
		return
	case !found:
		c.Reply.Int(0)
		return
	}
	if n, ok := datatypes.HLLEstimate(b); ok {
		c.Reply.Int(int64(n))
		return
	}
	n, ok := datatypes.HLLCount(b)
	if !ok {
		c.Fail(resp.ErrCorruptHLL)
		return
	}
	x, _, _ := c.editHLL(keys[0])
	x.PutEstimate(n)
	c.Changed(keys[0], "")
	c.Reply.Int(int64(n))
}

// mergeHLLs collects the registers of all HyperLogLogs at keys in scratch memory. dense tells whether one of them is.
func (c *Ctx) mergeHLLs(keys [][]byte) (regs []byte, dense, ok bool) {
	regs = c.scratch(datatypes.HLLRegisters)
	clear(regs)
	for _, key := range keys {
		b, found, ok := c.readHLL(key)
		if !ok {
			return nil, false, false
		}
		if !found {
			continue
		}
		dense = dense || !datatypes.HLLIsSparse(b)
		if !datatypes.HLLMerge(regs, b) {
			c.Fail(resp.ErrCorruptHLL)
			return nil, false, false
		}
	}
	return regs, dense, true
}

func pfmerge(c *Ctx) {
	keys := c.Args.Rest()
	regs, dense, ok := c.mergeHLLs(keys) // the target counts, too
	if !ok {
		return
	}
	x, found, _ := c.editHLL(keys[0])
	if !found {
		x.Create()
	}
	if dense && !x.ToDense() || !x.Merge(regs) {
		c.Fail(resp.ErrCorruptHLL)
		return
	}
	x.Invalidate()
	c.Changed(keys[0], "pfadd")
	c.Reply.OK()
}

func pfdebug(c *Ctx) {
	sub, key := c.Args.Bytes(), c.Args.Key()
	if !c.Has(key) {
		c.Fail(resp.ErrKeyMissing)
		return
	}
	b, _, ok := c.readHLL(key)
	if !ok {
		return
	}
	switch {
	case EqualFold(sub, "GETREG"):
		if !c.hllToDense(key) {
			return
		}
		regs, _, _ := c.mergeHLLs([][]byte{key})
		c.Reply.Array(len(regs))
		for _, rank := range regs {
			c.Reply.Int(int64(rank))
		}
	case EqualFold(sub, "DECODE"):
		if !datatypes.HLLIsSparse(b) {
			c.Fail(resp.ErrHLLNotSparse)
			return
		}
		c.Reply.Bulk(datatypes.AppendHLLRuns(nil, b))
	case EqualFold(sub, "ENCODING"):
		if datatypes.HLLIsSparse(b) {
			c.Reply.Simple("sparse")
		} else {
			c.Reply.Simple("dense")
		}
	case EqualFold(sub, "TODENSE"):
		n := int64(0)
		if datatypes.HLLIsSparse(b) {
			n = 1
		}
		if c.hllToDense(key) {
			c.Reply.Int(n)
		}
	default:
		c.Fail(resp.Error("ERR Unknown PFDEBUG subcommand '" + string(sub) + "'"))
	}
}

// hllToDense makes the HyperLogLog at key a dense one.
func (c *Ctx) hllToDense(key []byte) bool {
	b, _, _ := c.readHLL(key)
	if !datatypes.HLLIsSparse(b) {
		return true
	}
	x, _, _ := c.editHLL(key)
	if !x.ToDense() {
		c.Fail(resp.ErrCorruptHLL)
		return false
	}
	c.Changed(key, "")
	return true
}

// pfselftest counts ever more elements and looks at how far the estimates are off. Redis goes up to ten million, which
// would keep other clients waiting for seconds.
func pfselftest(c *Ctx) {
	var m datatypes.MemHolder
	var x datatypes.HyperLogLog
	x.Bind(c.Keyspace().Limits, &m)
	x.Create()
	seed := c.Rand64()
	var element [8]byte
	for n, next := 1, 1; n <= 100_000; n++ {
		binary.LittleEndian.PutUint64(element[:], seed^uint64(n))
		if _, ok := x.Add(element[:]); !ok {
			c.Fail("TESTFAILED the registers are corrupt")
			return
		}
		if n < next {
			continue
		}
		next *= 10
		got, ok := datatypes.HLLCount(m.Bytes())
		off := math.Abs(float64(got) - float64(n))
		// The standard error is 1.04 / sqrt(16384); of small numbers hardly any is miscounted.
		if !ok || off > max(float64(n)*1.04/128*5, 1) {
			c.Fail("TESTFAILED Too big error")
			return
		}
	}
	c.Reply.OK()
}

func init() {
	Register(
		row("pfadd", pfadd),
		row("pfcount", pfcount),
		row("pfmerge", pfmerge),
		row("pfdebug", pfdebug),
		row("pfselftest", pfselftest),
	)
}
