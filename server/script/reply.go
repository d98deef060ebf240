package script

import (
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"larder/server/resp"
)

// maxDepth is how deeply a reply may be nested; Lua's stack in Redis ends about there.
const maxDepth = 3990

// parser reads one reply in the protocol's form, which this server has written itself.
type parser struct {
	b  []byte
	at int
}

// line is the rest of the current line.
func (p *parser) line() []byte {
	start := p.at
	for p.b[p.at] != '\r' {
		p.at++
	}
	l := p.b[start:p.at]
	p.at += 2
	return l
}

// number is the rest of the current line as an integer.
func (p *parser) number() int64 {
	n, neg := int64(0), false
	if p.b[p.at] == '-' {
		neg = true
		p.at++
	}
	for c := p.b[p.at]; c != '\r'; c = p.b[p.at] {
		n = n*10 + int64(c-'0')
		p.at++
	}
	p.at += 2
	if neg {
		return -n
	}
	return n
}

// value makes a Lua value of a reply.
func (p *parser) value(e *Engine) lua.LValue {
	kind := p.b[p.at]
	p.at++
	switch kind {
	case ':':
		return lua.LNumber(p.number())
	case '$':
		n := p.number()
		if n < 0 {
			return lua.LFalse
		}
		s := p.b[p.at : p.at+int(n)]
		p.at += int(n) + 2
		return lua.LString(s)
	case '+':
		return single("ok", lua.LString(p.line()))
	case '-':
		t := errorTable(string(p.line()))
		t.RawSetString("ignore_error_stats_update", lua.LTrue)
		return t
	case '*', '>':
		n := p.number()
		if n < 0 {
			return lua.LFalse
		}
		t := e.L.CreateTable(int(n), 0)
		for i := range int(n) {
			t.RawSetInt(i+1, p.value(e))
		}
		return t
	case '_':
		p.line()
		return lua.LNil
	case '#':
		return lua.LBool(p.line()[0] == 't')
	case ',':
		f, _ := strconv.ParseFloat(string(p.line()), 64)
		return single("double", lua.LNumber(f))
	case '(':
		return single("big_number", lua.LString(p.line()))
	case '=':
		n := int(p.number())
		s := p.b[p.at : p.at+n]
		p.at += n + 2
		v := tableOf(2)
		v.RawSetString("format", lua.LString(s[:3]))
		v.RawSetString("string", lua.LString(s[4:]))
		return single("verbatim_string", v)
	case '%':
		n := int(p.number())
		t := tableOf(n)
		for range n {
			k := p.value(e)
			v := p.value(e)
			setField(t, k, v)
		}
		return single("map", t)
	case '~':
		n := int(p.number())
		t := tableOf(n)
		for range n {
			setField(t, p.value(e), lua.LTrue)
		}
		return single("set", t)
	case '|': // an attribute, then what it belongs to
		for range 2 * int(p.number()) {
			p.value(e)
		}
		return p.value(e)
	}
	panic("assertion failed: a reply begins with " + strconv.Quote(string(kind)))
}

// setField sets a field by any key but nil.
func setField(t *lua.LTable, k, v lua.LValue) {
	if k != lua.LNil {
		t.RawSet(k, v)
	}
}

func single(name string, v lua.LValue) *lua.LTable {
	t := tableOf(1)
	t.RawSetString(name, v)
	return t
}

// tableOf is an empty table with room for so many fields. The library's own room is for 32, two kilobytes.
func tableOf(fields int) *lua.LTable {
	var any *lua.LState // a table is of no state
	return any.CreateTable(0, fields)
}

// errorTable is the Lua form of an error: its code, a space, its text. The minus sign may stand before it; without a
// space it is all text.
func errorTable(text string) *lua.LTable {
	text = strings.Trim(strings.TrimPrefix(text, "-"), "\r\n")
	if !strings.Contains(text, " ") {
		text = "ERR " + text
	}
	return single("err", lua.LString(text))
}

// fewFields is the room for fields of a table of which nothing is known, or nothing that can be relied on: it takes none before
// the first one comes.
const fewFields = 1

var newlines = strings.NewReplacer("\r", " ", "\n", " ")

// lookEvery is how many bytes of a reply are written from one look at the host to the next.
const lookEvery = 1 << 20

// ended counts a part of a reply as an instruction, and tells whether the script is to end: a table that holds itself twice
// has no end.
func (e *Engine) ended(w *resp.Writer) bool {
	if n := w.Len(); n >= e.lookAt {
		e.lookAt = n + lookEvery
		(*clock)(e).look()
	}
	return (*clock)(e).Done() != nil
}

// write replies a Lua value, or a part of it if the script is to end.
func (e *Engine) write(w *resp.Writer, v lua.LValue, depth int) {
	if e.ended(w) {
		return
	}
	if depth > maxDepth {
		w.Error("ERR reached lua stack limit")
		return
	}
	switch v := v.(type) {
	case lua.LString:
		w.BulkString(string(v))
	case lua.LNumber:
		w.Int(toInt64(float64(v)))
	case lua.LBool:
		switch {
		case e.proto == 3:
			w.Bool(bool(v))
		case bool(v):
			w.Int(1)
		default:
			w.Null()
		}
	case *lua.LTable:
		e.writeTable(w, e.real(v), depth)
	default:
		w.Null()
	}
}

func (e *Engine) writeTable(w *resp.Writer, t *lua.LTable, depth int) {
	if s, ok := t.RawGetString("err").(lua.LString); ok {
		e.ignoreStats = t.RawGetString("ignore_error_stats_update") == lua.LTrue
		w.Error(resp.Error(newlines.Replace(string(s))))
		return
	}
	if s, ok := t.RawGetString("ok").(lua.LString); ok {
		w.Simple(newlines.Replace(string(s)))
		return
	}
	if n, ok := t.RawGetString("double").(lua.LNumber); ok {
		w.Double(float64(n))
		return
	}
	if s, ok := t.RawGetString("big_number").(lua.LString); ok {
		w.BigNumber(newlines.Replace(string(s)))
		return
	}
	if v, ok := t.RawGetString("verbatim_string").(*lua.LTable); ok {
		format, isFormat := v.RawGetString("format").(lua.LString)
		text, isText := v.RawGetString("string").(lua.LString)
		if isFormat && isText {
			w.Verbatim(string(format), string(text))
			return
		}
	}
	if m, ok := t.RawGetString("map").(*lua.LTable); ok {
		at, n := w.Defer(), 0
		for k, v := m.Next(lua.LNil); k != lua.LNil && e.stop == nil; k, v = m.Next(k) {
			e.write(w, k, depth+1)
			e.write(w, v, depth+1)
			n++
		}
		w.SetMap(at, n)
		return
	}
	if m, ok := t.RawGetString("set").(*lua.LTable); ok {
		at, n := w.Defer(), 0
		for k, _ := m.Next(lua.LNil); k != lua.LNil && e.stop == nil; k, _ = m.Next(k) {
			e.write(w, k, depth+1)
			n++
		}
		w.SetSet(at, n)
		return
	}
	e.writeArray(w, t, depth)
}

func (e *Engine) writeArray(w *resp.Writer, t *lua.LTable, depth int) {
	n := 0
	for t.RawGetInt(n+1) != lua.LNil && (*clock)(e).Done() == nil {
		n++
	}
	w.Array(n)
	for i := 0; i < n && e.stop == nil; i++ {
		e.write(w, t.RawGetInt(i+1), depth+1)
	}
}

// each calls fn with every pair of a table.
func each(t *lua.LTable, fn func(k, v lua.LValue)) {
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		fn(k, v)
	}
}

// toInt64 is C's conversion of a double to a long long: the lowest number for what does not fit.
func toInt64(f float64) int64 {
	if f >= -9223372036854775808 && f < 9223372036854775808 {
		return int64(f)
	}
	return -1 << 63
}
