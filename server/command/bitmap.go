package command

import (
	"math"

	"larder/datatypes"
	"larder/server/resp"
)

// Bit n of a string is bit 7-n%8 of byte n/8: the bits are counted from the most significant one of the first byte. A
// string ends with infinitely many bits that are 0.

// bitOffset reads a bit's place, in a string that may be mostString long. With width > 0 the form #n is allowed, which is the place
// of the n-th integer of that width.
func (c *Ctx) bitOffset(width int) int64 {
	a := &c.Args
	b := a.Bytes()
	if a.Bad() {
		return 0
	}
	numbered := width > 0 && len(b) > 0 && b[0] == '#'
	if numbered {
		b = b[1:]
	}
	n, ok := datatypes.ParseInt(b)
	if ok && numbered {
		if ok = n <= math.MaxInt64/int64(width); ok {
			n *= int64(width)
		}
	}
	if !ok || n < 0 || n>>3 >= c.mostString() {
		a.Wrong(resp.ErrBitOffset)
		return 0
	}
	return n
}

// bitValue reads 0 or 1.
func (c *Ctx) bitValue() byte { return byte(c.Args.IntIn(0, 1, resp.ErrBitValue)) }

// editBits opens the string at key and makes it at least size bytes long. grew tells whether it was shorter. It is not
// ok if the reply is an error.
func (c *Ctx) editBits(key []byte, size int) (b []byte, grew, ok bool) {
	if in, found := c.Stat(key); found && in.Type != datatypes.TypeString {
		c.wrongType()
		return nil, false, false
	}
	if !c.reserve(key, size) {
		return nil, false, false
	}
	h, _ := c.EditBytes(key)
	before := len(h.Bytes())
	return h.Extend(size), before < size, true
}

func setbit(c *Ctx) {
	key, at, bit := c.Args.Key(), c.bitOffset(0), c.bitValue()
	if !c.Args.Done() {
		return
	}
	b, grew, ok := c.editBits(key, int(at>>3)+1)
	if !ok {
		return
	}
	mask := byte(1) << (7 - at&7)
	old := b[at>>3] & mask
	if was := old != 0; was != (bit == 1) || grew {
		b[at>>3] = b[at>>3]&^mask | mask*bit
		c.Changed(key, "setbit")
	}
	c.Reply.Int(int64(min(old, 1)))
}

func getbit(c *Ctx) {
	key, at := c.Args.Key(), c.bitOffset(0)
	if !c.Args.Done() {
		return
	}
	val, _, ok := c.ReadString(key)
	switch {
	case !ok:
	case at>>3 < int64(len(val)):
		c.Reply.Int(int64(val[at>>3] >> (7 - at&7) & 1))
	default:
		c.Reply.Int(0)
	}
}

// bitRange is a range as BITCOUNT and BITPOS take it.
type bitRange struct {
	start, end     int64
	given, endless bool // any of it was given; the end was not
	inBits         bool
}

// bitRange reads [start [end [BYTE|BIT]]].
func (c *Ctx) bitRange() (r bitRange) {
	a := &c.Args
	if !a.More() {
		return bitRange{endless: true}
	}
	if a.Left() > 3 {
		a.Syntax()
	}
	r.given = true
	r.start = a.Int()
	if !a.More() {
		r.endless = true
		return r
	}
	end := a.Bytes()
	if unit := a.Peek(); c.Row.Name == "bitpos" && unit != nil && !EqualFold(unit, "BIT") && !EqualFold(unit, "BYTE") {
		a.Syntax() // told before what is wrong with the end
	}
	r.end = a.intOf(end)
	if a.More() {
		switch {
		case a.Is("BIT"):
			r.inBits = true
		case a.Is("BYTE"):
		default:
			a.Syntax()
		}
	}
	return r
}

// of is the range in a string of size bytes, as its first bit and the one behind its last.
func (r bitRange) of(size int) (from, to int64) {
	unit := int64(8)
	if r.inBits {
		unit = 1
	}
	total := int64(size) * 8 / unit
	start, end := r.start, r.end
	if r.endless {
		end = total - 1
	}
	if start < 0 {
		start = max(0, start+total)
	}
	if end < 0 {
		end = max(0, end+total)
	}
	end = min(end, total-1)
	if start > end {
		return 0, 0
	}
	return start * unit, (end + 1) * unit
}

func bitcount(c *Ctx) {
	key := c.Args.Key()
	if _, isInt := datatypes.ParseInt(c.Args.Peek()); !isInt && c.Args.Left() == 1 { // a single bound is Valkey's
		c.Args.Syntax()
	}
	r := c.bitRange()
	if r.given && r.endless {
		c.Args.Syntax()
	}
	if !c.Args.Done() {
		return
	}
	val, found, ok := c.ReadString(key)
	switch {
	case !ok:
	case !found, r.start < 0 && r.end < 0 && r.start > r.end:
		c.Reply.Int(0)
	default:
		from, to := r.of(len(val))
		c.Reply.Int(countBits(val, from, to))
	}
}

func bitpos(c *Ctx) {
	a := &c.Args
	key, bit := a.Key(), a.Int()
	if !a.Bad() && bit != 0 && bit != 1 {
		a.Wrong(resp.ErrBitArgument)
	}
	if a.Bad() {
		a.Done()
		return
	}
	r := c.bitRange()
	if !a.Done() {
		return
	}
	val, found, ok := c.ReadString(key)
	switch {
	case !ok:
		return
	case !found:
		c.Reply.Int(-bit)
		return
	}
	from, to := r.of(len(val))
	at := findBit(val, from, to, byte(bit))
	if at < 0 && bit == 0 && r.endless && from < to {
		at = to // the first of the zeros behind the string
	}
	c.Reply.Int(at)
}

func init() {
	Register(
		row("setbit", setbit),
		row("getbit", getbit),
		row("bitcount", bitcount),
		row("bitpos", bitpos),
		row("bitfield", bitfield(false)),
		row("bitfield_ro", bitfield(true)),
	)
}
