package command

import (
	"math"

	"larder/datatypes"
	"larder/server/resp"
)

// fieldOp is one operation of BITFIELD.
type fieldOp struct {
	kind     fieldKind
	overflow overflow
	signed   bool
	width    int
	at       int64
	value    int64 // to be set or added
}

type fieldKind uint8

const (
	fieldGet fieldKind = iota
	fieldSet
	fieldIncr
)

// overflow says what becomes of a value that does not fit.
type overflow uint8

const (
	wrapAround overflow = iota
	saturate
	refuse
)

// fieldOps reads the operations. last is the bit behind the last one that is written, 0 if none is.
func (c *Ctx) fieldOps() (ops []fieldOp, last int64) {
	a := &c.Args
	ops = c.ops[:0]
	mode := wrapAround
	for a.More() {
		op := fieldOp{overflow: mode}
		switch {
		case a.IsWith("GET", 2):
			op.kind = fieldGet
		case a.IsWith("SET", 3):
			op.kind = fieldSet
		case a.IsWith("INCRBY", 3):
			op.kind = fieldIncr
		case a.IsWith("OVERFLOW", 1):
			switch {
			case a.Is("WRAP"):
				mode = wrapAround
			case a.Is("SAT"):
				mode = saturate
			case a.Is("FAIL"):
				mode = refuse
			default:
				a.Wrong(resp.ErrBitfieldOverflow)
			}
			continue
		default:
			a.Syntax()
			continue
		}
		op.signed, op.width = c.fieldType()
		op.at = c.bitOffset(op.width)
		if op.kind != fieldGet {
			op.value = a.Int()
			last = max(last, op.at+int64(op.width))
		}
		ops = append(ops, op)
	}
	c.ops = ops
	return ops, last
}

// fieldType reads i1 to i64 or u1 to u63.
func (c *Ctx) fieldType() (signed bool, width int) {
	a := &c.Args
	b := a.Bytes()
	if a.Bad() {
		return false, 1
	}
	widest := int64(0)
	if len(b) > 0 {
		switch b[0] {
		case 'i':
			signed, widest = true, 64
		case 'u':
			widest = 63
		}
	}
	if widest > 0 {
		if n, ok := datatypes.ParseInt(b[1:]); ok && n >= 1 && n <= widest {
			return signed, int(n)
		}
	}
	a.Wrong(resp.ErrBitfieldType)
	return false, 1
}

// bitfield makes the handler of BITFIELD, or of BITFIELD_RO.
func bitfield(readOnly bool) func(*Ctx) {
	return func(c *Ctx) {
		key := c.Args.Key()
		ops, last := c.fieldOps()
		if readOnly && last > 0 {
			c.Args.Wrong(resp.ErrBitfieldReadOnly)
		}
		if !c.Args.Done() {
			return
		}
		var b []byte
		var grew, ok bool
		if last == 0 {
			b, _, ok = c.ReadString(key)
		} else {
			b, grew, ok = c.editBits(key, int((last+7)>>3))
		}
		if !ok {
			return
		}
		c.Reply.Array(len(ops))
		changes := 0
		for _, op := range ops {
			if c.runField(b, op) || grew && op.kind != fieldGet {
				changes++
			}
		}
		if changes > 0 {
			c.ChangedBy(key, "setbit", changes)
		}
	}
}

// runField does one operation on b, replies to it and tells whether it has changed anything.
func (c *Ctx) runField(b []byte, op fieldOp) (changed bool) {
	old := op.load(b)
	if op.kind == fieldGet {
		c.Reply.Int(old)
		return false
	}
	was, by := old, op.value
	if op.kind == fieldSet {
		was, by = op.value, 0
	}
	val, fits := op.sum(was, by)
	if !fits && op.overflow == refuse {
		c.Reply.Null()
		return false
	}
	putBits(b, op.at, op.width, uint64(val))
	if op.kind == fieldSet {
		c.Reply.Int(old)
	} else {
		c.Reply.Int(val)
	}
	return val != old
}

// load is the integer that stands in b.
func (op *fieldOp) load(b []byte) int64 {
	u := getBits(b, op.at, op.width)
	if op.signed {
		return signExtend(u, op.width)
	}
	return int64(u)
}

func signExtend(u uint64, width int) int64 {
	return int64(u<<(64-width)) >> (64 - width)
}

// sum adds by to a value and tells whether the result fits; if not, it is what the mode of overflow makes of it. An
// unsigned value that is to be set arrives here as the signed integer of the same bits.
func (op *fieldOp) sum(value, by int64) (result int64, fits bool) {
	total := value + by
	var over, under bool
	var low, high int64
	if op.signed {
		high = math.MaxInt64 >> (64 - op.width)
		low = -high - 1
		over = by >= 0 && (total > high || total < value)
		under = !over && (total < low || by < 0 && total > value)
	} else {
		high = math.MaxInt64 >> (63 - op.width)
		over = uint64(value) > uint64(high) || by > high-value
		under = !over && by < 0 && total < 0
	}
	switch {
	case !over && !under:
		return total, true
	case op.overflow == saturate && over:
		return high, false
	case op.overflow == saturate:
		return low, false
	case op.signed:
		return signExtend(uint64(total), op.width), false
	}
	return int64(uint64(total) & uint64(high)), false
}
