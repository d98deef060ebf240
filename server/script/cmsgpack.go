package script

import (
	"encoding/binary"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// msgpackDepth is how deeply tables may be nested; deeper ones are nil.
const msgpackDepth = 16

// cmsgpackTable makes the table cmsgpack.
func (e *Engine) cmsgpackTable() *lua.LTable {
	t := e.L.NewTable()
	for name, fn := range map[string]lua.LGFunction{
		"pack":         e.msgpack,
		"unpack":       func(L *lua.LState) int { return e.msgunpack(L, 0, 0) },
		"unpack_one":   func(L *lua.LState) int { return e.msgunpack(L, 1, optInt(L, 2, 0)) },
		"unpack_limit": func(L *lua.LState) int { return e.msgunpack(L, int(checkNumber(L, 2)), optInt(L, 3, 0)) },
	} {
		t.RawSetString(name, e.L.NewFunction(fn))
	}
	for name, text := range map[string]string{
		"_NAME": "cmsgpack", "_VERSION": "lua-cmsgpack 0.4.0", "_COPYRIGHT": "Copyright (C) 2012, Redis Ltd.",
		"_DESCRIPTION": "MessagePack C implementation for Lua",
	} {
		t.RawSetString(name, lua.LString(text))
	}
	return t
}

func (e *Engine) msgpack(L *lua.LState) int {
	n := L.GetTop()
	if n == 0 {
		L.ArgError(0, "MessagePack pack needs input.")
	}
	var b []byte
	for i := 1; i <= n; i++ {
		b = e.packValue(L, b, L.Get(i), 0)
	}
	L.Push(lua.LString(b))
	return 1
}

func (e *Engine) packValue(L *lua.LState, b []byte, v lua.LValue, level int) []byte {
	e.fits(L, len(b))
	e.step(L)
	switch v := v.(type) {
	case lua.LString:
		switch n := len(v); {
		case n < 32:
			b = append(b, 0xa0|byte(n))
		case n <= 0xff:
			b = append(b, 0xd9, byte(n))
		case n <= 0xffff:
			b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
		default:
			b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(n))
		}
		return append(b, v...)
	case lua.LBool:
		if v {
			return append(b, 0xc3)
		}
		return append(b, 0xc2)
	case lua.LNumber:
		f := float64(v)
		if f >= -1<<63 && f < 1<<63 && f == math.Trunc(f) {
			return packInt(b, int64(f))
		}
		if float64(float32(f)) == f {
			return binary.BigEndian.AppendUint32(append(b, 0xca), math.Float32bits(float32(f)))
		}
		bits := math.Float64bits(f)
		if f != f {
			bits = 0x7ff8 << 48 // as C reads "nan"; Go's has a last bit of its own
		}
		return binary.BigEndian.AppendUint64(append(b, 0xcb), bits)
	case *lua.LTable:
		if level < msgpackDepth {
			return e.packTable(L, b, e.real(v), level)
		}
	}
	return append(b, 0xc0)
}

func packInt(b []byte, n int64) []byte {
	switch {
	case n >= 0 && n <= 127, n < 0 && n >= -32:
		return append(b, byte(n))
	case n >= 0 && n <= 0xff:
		return append(b, 0xcc, byte(n))
	case n >= 0 && n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n >= 0 && n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	case n >= 0:
		return binary.BigEndian.AppendUint64(append(b, 0xcf), uint64(n))
	case n >= -128:
		return append(b, 0xd0, byte(n))
	case n >= -32768:
		return binary.BigEndian.AppendUint16(append(b, 0xd1), uint16(n))
	case n >= -2147483648:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

func packLength(b []byte, n int, short, medium byte) []byte {
	switch {
	case n <= 15:
		return append(b, short|byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, medium), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, medium+1), uint32(n))
}

func (e *Engine) packTable(L *lua.LState, b []byte, t *lua.LTable, level int) []byte {
	count, largest, array := 0, 0, true
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		e.step(L)
		count++
		n, ok := k.(lua.LNumber)
		if !ok || n <= 0 || float64(n) != math.Trunc(float64(n)) || n > math.MaxInt32 {
			array = false
			continue
		}
		largest = max(largest, int(n))
	}
	if array && largest == count {
		b = packLength(b, count, 0x90, 0xdc)
		for i := 1; i <= count; i++ {
			b = e.packValue(L, b, t.RawGetInt(i), level+1)
		}
		return b
	}
	b = packLength(b, count, 0x80, 0xde)
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		b = e.packValue(L, b, k, level+1)
		b = e.packValue(L, b, v, level+1)
	}
	return b
}

// unpacker reads MessagePack.
type unpacker struct {
	L   *lua.LState
	s   string
	at  int
	bad string
}

const msgTruncated = "Missing bytes in input."

func (e *Engine) msgunpack(L *lua.LState, limit, offset int) int {
	s := checkText(L, 1)
	all := limit == 0 && offset == 0
	switch {
	case offset < 0 || limit < 0:
		L.RaiseError("Invalid request to unpack with offset of %d and limit of %d.", offset, len(s))
	case offset > len(s):
		L.RaiseError("Start offset %d greater than input length %d.", offset, len(s))
	}
	if all {
		limit = math.MaxInt32
	}
	u := unpacker{L: L, s: s, at: offset}
	L.SetTop(0)
	var values []lua.LValue
	for len(values) < limit && u.at < len(s) {
		v := u.value(0)
		if u.bad != "" {
			L.RaiseError("%s", u.bad)
		}
		if len(values) > maxUnpack {
			L.RaiseError("too many return values at once; use unpack_one or unpack_limit instead.")
		}
		values = append(values, v)
	}
	n := len(values)
	if !all {
		next := -1
		if u.at < len(s) {
			next = u.at
		}
		L.Push(lua.LNumber(next))
		n++
	}
	for _, v := range values {
		L.Push(v)
	}
	return n
}

// take is the next n bytes.
func (u *unpacker) take(n int) string {
	if n < 0 || len(u.s)-u.at < n {
		u.bad = msgTruncated
		return ""
	}
	b := u.s[u.at : u.at+n]
	u.at += n
	return b
}

// uint is the next n bytes as an integer, the first one highest.
func (u *unpacker) uint(n int) (v uint64) {
	b := u.take(n)
	for i := range len(b) {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// maxNesting bounds what unpack follows: more than this is no data but an attack on the stack.
const maxNesting = 4000

func (u *unpacker) value(depth int) lua.LValue {
	if depth > maxNesting {
		u.L.RaiseError("too many nested values")
	}
	h := u.take(1)
	if u.bad != "" {
		return lua.LNil
	}
	switch c := h[0]; {
	case c < 0x80:
		return lua.LNumber(c)
	case c >= 0xe0:
		return lua.LNumber(int8(c))
	case c&0xe0 == 0xa0:
		return lua.LString(u.take(int(c & 0x1f)))
	case c&0xf0 == 0x90:
		return u.array(int(c&0xf), depth)
	case c&0xf0 == 0x80:
		return u.hash(int(c&0xf), depth)
	default:
		return u.long(c, depth)
	}
}

// long reads what has its size or its length behind the first byte.
func (u *unpacker) long(c byte, depth int) lua.LValue {
	switch c {
	case 0xc0:
		return lua.LNil
	case 0xc2:
		return lua.LFalse
	case 0xc3:
		return lua.LTrue
	case 0xca:
		return lua.LNumber(math.Float32frombits(uint32(u.uint(4))))
	case 0xcb:
		return lua.LNumber(math.Float64frombits(u.uint(8)))
	case 0xcc, 0xcd, 0xce:
		return lua.LNumber(u.uint(1 << (c - 0xcc)))
	case 0xcf: // as Redis, which knows signed integers only
		return lua.LNumber(int64(u.uint(8)))
	case 0xd0:
		return lua.LNumber(int8(u.uint(1)))
	case 0xd1:
		return lua.LNumber(int16(u.uint(2)))
	case 0xd2:
		return lua.LNumber(int32(u.uint(4)))
	case 0xd3:
		return lua.LNumber(int64(u.uint(8)))
	case 0xd9, 0xda, 0xdb:
		return lua.LString(u.take(int(u.uint(1 << (c - 0xd9)))))
	case 0xdc, 0xdd:
		return u.array(int(u.uint(2<<(c-0xdc))), depth)
	case 0xde, 0xdf:
		return u.hash(int(u.uint(2<<(c-0xde))), depth)
	}
	u.bad = "Bad data format in input."
	return lua.LNil
}

func (u *unpacker) array(n, depth int) lua.LValue {
	t := &lua.LTable{Metatable: lua.LNil}
	for i := 1; i <= n && u.bad == ""; i++ {
		if v := u.value(depth + 1); v != lua.LNil {
			t.RawSetInt(i, v)
		}
	}
	return t
}

func (u *unpacker) hash(n, depth int) lua.LValue {
	t := tableOf(fewFields)
	for range n {
		k := u.value(depth + 1)
		if u.bad != "" {
			break
		}
		v := u.value(depth + 1)
		if u.bad != "" {
			break
		}
		switch f, isNumber := k.(lua.LNumber); {
		case k == lua.LNil:
			u.L.RaiseError("table index is nil")
		case isNumber && math.IsNaN(float64(f)):
			u.L.RaiseError("table index is NaN")
		}
		t.RawSet(k, v)
	}
	return t
}
