package script

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// cjsonConf is a library cjson.
type cjsonConf struct {
	cjsonSettings
	null *lua.LUserData
	buf  []byte
}

// cjsonSettings are what scripts can set about JSON. They hold until the script ends: each loop has an engine of its own, and
// which of them runs the next script is nothing that anybody could know.
type cjsonSettings struct {
	sparseConvert bool
	sparseRatio   int
	sparseSafe    int
	encodeDepth   int
	decodeDepth   int
	precision     int
	keepBuffer    bool
	encodeInvalid string // "off", "on" or "null"
	decodeInvalid bool
}

func newCJSONSettings() cjsonSettings {
	return cjsonSettings{
		sparseRatio: 2, sparseSafe: 10, encodeDepth: 1000, decodeDepth: 1000, precision: 14, keepBuffer: true,
		encodeInvalid: "off", decodeInvalid: true,
	}
}

// cjsonTable makes the table cjson.
func (e *Engine) cjsonTable() *lua.LTable {
	if e.cjson.null == nil {
		e.cjson.null = &lua.LUserData{Metatable: lua.LNil, Value: isNull{}}
	}
	return e.newCJSON(&e.cjson)
}

// isNull is what cjson.null is made of: in Redis it is a pointer to nothing.
type isNull struct{}

func (e *Engine) newCJSON(c *cjsonConf) *lua.LTable {
	t := e.L.NewTable()
	for name, fn := range map[string]lua.LGFunction{
		"encode": func(L *lua.LState) int { return e.jsonEncode(L, c) },
		"decode": func(L *lua.LState) int { return e.jsonDecode(L, c) },
		"new": func(L *lua.LState) int {
			n := cjsonConf{cjsonSettings: newCJSONSettings(), null: c.null}
			L.Push(e.newCJSON(&n))
			return 1
		},
		"encode_sparse_array": func(L *lua.LState) int {
			jsonArgs(L, 3)
			jsonBool(L, 1, &c.sparseConvert)
			jsonInt(L, 2, &c.sparseRatio, 0, math.MaxInt32)
			jsonInt(L, 3, &c.sparseSafe, 0, math.MaxInt32)
			L.Push(lua.LBool(c.sparseConvert))
			L.Push(lua.LNumber(c.sparseRatio))
			L.Push(lua.LNumber(c.sparseSafe))
			return 3
		},
		"encode_max_depth":        func(L *lua.LState) int { return jsonNumber(L, &c.encodeDepth, 1, math.MaxInt32) },
		"decode_max_depth":        func(L *lua.LState) int { return jsonNumber(L, &c.decodeDepth, 1, math.MaxInt32) },
		"encode_number_precision": func(L *lua.LState) int { return jsonNumber(L, &c.precision, 1, 14) },
		"encode_keep_buffer":      func(L *lua.LState) int { return jsonSwitch(L, &c.keepBuffer) },
		"decode_invalid_numbers":  func(L *lua.LState) int { return jsonSwitch(L, &c.decodeInvalid) },
		"encode_invalid_numbers": func(L *lua.LState) int {
			jsonArgs(L, 1)
			switch v := L.Get(1).(type) {
			case lua.LBool:
				c.encodeInvalid = map[bool]string{false: "off", true: "on"}[bool(v)]
			case lua.LString:
				if v != "off" && v != "on" && v != "null" {
					L.ArgError(1, "invalid option '"+string(v)+"'")
				}
				c.encodeInvalid = string(v)
			}
			if c.encodeInvalid == "null" {
				L.Push(lua.LString("null"))
			} else {
				L.Push(lua.LBool(c.encodeInvalid == "on"))
			}
			return 1
		},
	} {
		t.RawSetString(name, e.L.NewFunction(fn))
	}
	t.RawSetString("null", c.null)
	t.RawSetString("_NAME", lua.LString("cjson"))
	t.RawSetString("_VERSION", lua.LString("2.1.0"))
	return t
}

func jsonArgs(L *lua.LState, most int) {
	if L.GetTop() > most {
		L.ArgError(most+1, "found too many arguments")
	}
}

func jsonBool(L *lua.LState, i int, b *bool) {
	switch v := L.Get(i).(type) {
	case lua.LBool:
		*b = bool(v)
	case lua.LString:
		switch v {
		case "on":
			*b = true
		case "off":
			*b = false
		default:
			L.ArgError(i, "invalid option '"+string(v)+"'")
		}
	}
}

func jsonInt(L *lua.LState, i int, n *int, low, high int) {
	if L.Get(i) == lua.LNil {
		return
	}
	v := int(toInt64(checkNumber(L, i)))
	if v < low || v > high {
		L.ArgError(i, "expected integer between "+formatNumber(float64(low))+" and "+formatNumber(float64(high)))
	}
	*n = v
}

func jsonNumber(L *lua.LState, n *int, low, high int) int {
	jsonArgs(L, 1)
	jsonInt(L, 1, n, low, high)
	L.Push(lua.LNumber(*n))
	return 1
}

func jsonSwitch(L *lua.LState, b *bool) int {
	jsonArgs(L, 1)
	jsonBool(L, 1, b)
	L.Push(lua.LBool(*b))
	return 1
}

// jsonDeepest is how deeply tables may be nested whatever the script has set; Lua's stack in Redis ends about there.
const jsonDeepest = 8000

// encoder writes one value as JSON.
type encoder struct {
	e *Engine
	L *lua.LState
	c *cjsonConf
	b []byte
}

func (e *Engine) jsonEncode(L *lua.LState, c *cjsonConf) int {
	if L.GetTop() != 1 {
		L.ArgError(1, "expected 1 argument")
	}
	j := encoder{e: e, L: L, c: c, b: c.buf[:0]}
	c.buf = nil
	j.value(L.Get(1), 0)
	L.Push(lua.LString(j.b))
	if c.keepBuffer && cap(j.b) <= 1<<20 {
		c.buf = j.b
	}
	return 1
}

func (j *encoder) value(v lua.LValue, depth int) {
	j.e.fits(j.L, len(j.b))
	j.e.step(j.L)
	switch v := v.(type) {
	case lua.LString:
		j.text(string(v))
	case lua.LNumber:
		j.number(float64(v))
	case lua.LBool:
		if v {
			j.b = append(j.b, "true"...)
		} else {
			j.b = append(j.b, "false"...)
		}
	case *lua.LTable:
		j.table(j.e.real(v), depth+1)
	case *lua.LUserData:
		if v != j.c.null {
			j.refuse(v, "type not supported")
		}
		j.b = append(j.b, "null"...)
	case *lua.LNilType:
		j.b = append(j.b, "null"...)
	default:
		j.refuse(v, "type not supported")
	}
}

func (j *encoder) refuse(v lua.LValue, why string) {
	j.L.RaiseError("Cannot serialise %s: %s", v.Type().String(), why)
}

func (j *encoder) number(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		switch {
		case j.c.encodeInvalid == "off":
			j.refuse(lua.LNumber(f), "must not be NaN or Inf")
		case j.c.encodeInvalid == "null":
			j.b = append(j.b, "null"...)
			return
		case math.IsNaN(f):
			j.b = append(j.b, "nan"...)
			return
		}
	}
	j.b = appendNumber(j.b, f, j.c.precision)
}

const hexDigits = "0123456789abcdef"

func (j *encoder) text(s string) {
	j.e.fits(j.L, len(j.b)+len(s))
	b := append(j.b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '/':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\t':
			b = append(b, `\t`...)
		case '\n':
			b = append(b, `\n`...)
		case '\f':
			b = append(b, `\f`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			if c < ' ' || c == 127 {
				b = append(b, `\u00`...)
				b = append(b, hexDigits[c>>4], hexDigits[c&15])
			} else {
				b = append(b, c)
			}
		}
	}
	j.b = append(b, '"')
}

// arrayLength is the length of a table that is an array, -1 for another.
func (j *encoder) arrayLength(t *lua.LTable) int {
	largest, items := 0, 0
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		j.e.step(j.L)
		n, ok := k.(lua.LNumber)
		if !ok || n < 1 || float64(n) != math.Floor(float64(n)) {
			return -1
		}
		largest = max(largest, int(toInt64(float64(n))))
		items++
	}
	if j.c.sparseRatio > 0 && largest > items*j.c.sparseRatio && largest > j.c.sparseSafe {
		if !j.c.sparseConvert {
			j.refuse(t, "excessively sparse array")
		}
		return -1
	}
	return largest
}

func (j *encoder) table(t *lua.LTable, depth int) {
	if depth > min(j.c.encodeDepth, jsonDeepest) {
		j.L.RaiseError("Cannot serialise, excessive nesting (%d)", depth)
	}
	if n := j.arrayLength(t); n > 0 {
		j.b = append(j.b, '[')
		for i := 1; i <= n; i++ {
			if i > 1 {
				j.b = append(j.b, ',')
			}
			j.value(t.RawGetInt(i), depth)
		}
		j.b = append(j.b, ']')
		return
	}
	j.b = append(j.b, '{')
	first := true
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if s, ok := k.(lua.LString); ok && isHelper(string(s)) {
			continue
		}
		if !first {
			j.b = append(j.b, ',')
		}
		first = false
		switch k := k.(type) {
		case lua.LString:
			j.text(string(k))
		case lua.LNumber:
			j.b = append(j.b, '"')
			j.number(float64(k))
			j.b = append(j.b, '"')
		default:
			j.refuse(k, "table key must be a number or string")
		}
		j.b = append(j.b, ':')
		j.value(v, depth)
	}
	j.b = append(j.b, '}')
}
