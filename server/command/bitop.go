package command

import (
	"larder/datatypes"
	"larder/server/resp"
)

// A bitOperation says how BITOP combines its sources: others into the first one, one after the other. Where the first one
// is not like the others it can come last instead.
//
//	AND    all of them        DIFF   the first one without the others
//	OR     any of them        DIFF1  the others without the first one
//	XOR    an odd number      ANDOR  the first one, where any of the others is
//	NOT    not the only one   ONE    exactly one of them
type bitOperation struct {
	name    string
	combine func(dst, src []byte)
	last    func(dst, src []byte) // of the first source, which comes after all others then
	newer   bool                  // than Redis 7
}

var bitOperations = []bitOperation{
	{name: "AND", combine: andBits},
	{name: "OR", combine: orBits},
	{name: "XOR", combine: xorBits},
	{name: "NOT"},
	{name: "DIFF", combine: clearBits, newer: true},
	{name: "DIFF1", combine: orBits, last: clearBits, newer: true},
	{name: "ANDOR", combine: orBits, last: andBits, newer: true},
	{name: "ONE", newer: true},
}

// settle looks whether there are as many sources as the operation wants.
func (op *bitOperation) settle(a *Args, sources int) {
	switch {
	case op.name == "NOT" && sources != 1:
		a.Wrong(resp.ErrBitopNot)
	case (op.last != nil || op.name == "DIFF") && sources < 2:
		a.Wrong(resp.BitopTwo(op.name))
	}
}

// bitopChunk is how much of its operands BITOP combines at once. The sources may be the destination as well, so what comes
// out is written only when all of them have been read.
const bitopChunk = 32 << 10

func bitop(c *Ctx) {
	a := &c.Args
	var op *bitOperation
	for i := range bitOperations {
		if a.Is(bitOperations[i].name) {
			op = &bitOperations[i]
			break
		}
	}
	if op == nil {
		a.Syntax()
	}
	dst, sources := a.Key(), a.Rest()
	if op != nil {
		op.settle(a, len(sources))
	}
	if !a.Done() {
		return
	}
	size := 0
	for _, key := range sources {
		val, _, ok := c.ReadString(key)
		if !ok {
			return
		}
		size = max(size, len(val))
	}
	if size == 0 {
		if c.Delete(dst) {
			c.Gone(dst, "del")
			c.Rewrite([]byte("DEL"), dst)
		}
		c.Reply.Int(0)
		return
	}
	if !c.reserve(dst, size) {
		return
	}
	if in, ok := c.Stat(dst); ok && in.Type != datatypes.TypeString {
		c.Replace(dst)
	}
	h, _ := c.EditBytes(dst)
	if len(h.Bytes()) > size { // then it is none of the sources
		h.Resize(size)
	} else {
		h.Extend(size)
	}
	c.SetExpire(dst, 0)
	room := min(size, bitopChunk)
	buf := c.scratch(2 * room)
	buf, more := buf[:room], buf[room:]
	for at := 0; at < size; at += len(buf) {
		buf = buf[:min(len(buf), size-at)]
		c.combineChunk(op, sources, at, buf, more[:len(buf)])
		copy(h.Bytes()[at:], buf)
	}
	c.Changed(dst, "set")
	if op.newer && c.WantEffects { // whoever reads them may know the older ones only
		c.Rewrite([]byte("SET"), dst, h.Bytes())
	}
	c.Reply.Int(int64(size))
}

// combineChunk makes what the operation makes of the sources' bytes from at on, as many as buf has. more is room.
func (c *Ctx) combineChunk(op *bitOperation, sources [][]byte, at int, buf, more []byte) {
	chunk := func(key []byte) []byte {
		val, _ := c.PeekString(key)
		return val[min(at, len(val)):min(at+len(buf), len(val))]
	}
	rest := sources
	if op.last != nil {
		rest = sources[1:]
	}
	clear(buf[copy(buf, chunk(rest[0])):])
	rest = rest[1:]
	switch op.name {
	case "NOT":
		invertBits(buf)
		return
	case "ONE":
		clear(more)
		for _, key := range rest {
			oneBits(buf, more, chunk(key))
		}
		return
	}
	for _, key := range rest {
		combineShort(op.combine, buf, chunk(key), op.name == "AND")
	}
	if op.last != nil {
		combineShort(op.last, buf, chunk(sources[0]), op.name == "ANDOR")
	}
}

// combineShort combines src, which may be shorter than dst and goes on with zeros. They matter to and alone.
func combineShort(combine func(dst, src []byte), dst, src []byte, and bool) {
	combine(dst[:len(src)], src)
	if and {
		clear(dst[len(src):])
	}
}

func init() {
	Register(row("bitop", bitop))
}
