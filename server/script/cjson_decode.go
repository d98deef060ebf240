package script

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// decoder reads one JSON text. Its messages are those of the library that Redis has, which looks at the text as tokens.
type decoder struct {
	e     *Engine
	L     *lua.LState
	c     *cjsonConf
	s     string
	at    int
	depth int
	buf   []byte

	kind  token
	start int // of the token
	text  string
	num   float64
	fault string // of a token that is none
}

type token uint8

const (
	tokObject token = iota
	tokObjectEnd
	tokArray
	tokArrayEnd
	tokString
	tokNumber
	tokTrue
	tokFalse
	tokNull
	tokColon
	tokComma
	tokEnd
	tokError
)

var tokenNames = [...]string{"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END", "T_STRING", "T_NUMBER", "T_BOOLEAN", "T_BOOLEAN",
	"T_NULL", "T_COLON", "T_COMMA", "T_END", "T_ERROR"}

func (e *Engine) jsonDecode(L *lua.LState, c *cjsonConf) int {
	if L.GetTop() != 1 {
		L.ArgError(1, "expected 1 argument")
	}
	s := checkText(L, 1)
	if len(s) >= 2 && (s[0] == 0 || s[1] == 0) {
		L.RaiseError("JSON parser does not support UTF-16 or UTF-32")
	}
	d := decoder{e: e, L: L, c: c, s: s}
	d.next()
	v := d.value()
	if d.next(); d.kind != tokEnd {
		d.unexpected("the end")
	}
	L.Push(v)
	return 1
}

// peek is the byte at i, 0 behind the end.
func (d *decoder) peek(i int) byte {
	if i < len(d.s) {
		return d.s[i]
	}
	return 0
}

func (d *decoder) wrong(why string) {
	d.kind, d.fault, d.start = tokError, why, d.at
}

func (d *decoder) unexpected(want string) {
	found := tokenNames[d.kind]
	if d.kind == tokError {
		found = d.fault
	}
	d.L.RaiseError("Expected %s but found %s at character %d", want, found, d.start+1)
}

// next reads a token.
func (d *decoder) next() {
	for c := d.peek(d.at); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = d.peek(d.at) {
		d.at++
	}
	d.start = d.at
	c := d.peek(d.at)
	switch c {
	case '{':
		d.kind = tokObject
	case '}':
		d.kind = tokObjectEnd
	case '[':
		d.kind = tokArray
	case ']':
		d.kind = tokArrayEnd
	case ',':
		d.kind = tokComma
	case ':':
		d.kind = tokColon
	case 0:
		d.kind = tokEnd
		return
	case '"':
		d.string()
		return
	default:
		d.word(c)
		return
	}
	d.at++
}

func (d *decoder) word(c byte) {
	rest := d.s[d.at:]
	switch {
	case c == '-' || '0' <= c && c <= '9':
		if !d.c.decodeInvalid && d.invalidNumber() {
			d.wrong("invalid number")
			return
		}
		d.number()
	case strings.HasPrefix(rest, "true"):
		d.kind = tokTrue
		d.at += 4
	case strings.HasPrefix(rest, "false"):
		d.kind = tokFalse
		d.at += 5
	case strings.HasPrefix(rest, "null"):
		d.kind = tokNull
		d.at += 4
	case d.c.decodeInvalid && strings.IndexByte("+iInN", c) >= 0 && d.invalidNumber():
		d.number()
	default:
		d.wrong("invalid token")
	}
}

// invalidNumber tells whether what stands here is a number for C but not for JSON.
func (d *decoder) invalidNumber() bool {
	i := d.at
	if d.peek(i) == '+' {
		return true
	}
	if d.peek(i) == '-' {
		i++
	}
	switch c := d.peek(i); {
	case c == '0':
		c2 := d.peek(i + 1)
		return c2|0x20 == 'x' || '0' <= c2 && c2 <= '9'
	case c <= '9':
		return false
	}
	word := strings.ToLower(d.s[i:min(len(d.s), i+3)])
	return word == "inf" || word == "nan"
}

// number reads as much as C's strtod would.
func (d *decoder) number() {
	n, f := strtod(d.s[d.at:])
	if n == 0 {
		d.wrong("invalid number")
		return
	}
	d.kind, d.num = tokNumber, f
	d.at += n
}

// strtod reads the longest number that s begins with, and returns its length, 0 if there is none.
func strtod(s string) (n int, f float64) {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	neg := i > 0 && s[0] == '-'
	signed := func(f float64) float64 {
		if neg {
			return -f
		}
		return f
	}
	rest := strings.ToLower(s[i:min(len(s), i+8)])
	switch {
	case strings.HasPrefix(rest, "infinity"):
		return i + 8, signed(math.Inf(1))
	case strings.HasPrefix(rest, "inf"):
		return i + 3, signed(math.Inf(1))
	case strings.HasPrefix(rest, "nan"):
		return i + 3, signed(math.NaN())
	}
	hex := strings.HasPrefix(rest, "0x")
	isDigit := func(c byte) bool {
		return '0' <= c && c <= '9' || hex && 'a' <= c|0x20 && c|0x20 <= 'f'
	}
	end := i
	if hex {
		end += 2
	}
	first, digits := end, 0
	for end < len(s) && isDigit(s[end]) {
		end++
		digits++
	}
	if end < len(s) && s[end] == '.' {
		end++
		for end < len(s) && isDigit(s[end]) {
			end++
			digits++
		}
	}
	if digits == 0 {
		if hex { // the zero of "0x" is a number
			return i + 1, signed(0)
		}
		return 0, 0
	}
	text, exp := s[first:end], byte('e')
	if hex {
		exp = 'p'
	}
	if end < len(s) && s[end]|0x20 == exp {
		k := end + 1
		if k < len(s) && (s[k] == '-' || s[k] == '+') {
			k++
		}
		from := k
		for k < len(s) && '0' <= s[k] && s[k] <= '9' {
			k++
		}
		if k > from {
			text, end = s[first:k], k
		}
	}
	if hex {
		text = "0x" + text
		if !strings.ContainsAny(text, "pP") {
			text += "p0"
		}
	}
	f, _ = strconv.ParseFloat(text, 64)
	return end, signed(f)
}

// string reads the token that begins with a quotation mark.
func (d *decoder) string() {
	d.at++
	b := d.buf[:0]
	for {
		from := d.at
		for d.at < len(d.s) && d.s[d.at] != '"' && d.s[d.at] != '\\' && d.s[d.at] != 0 {
			d.at++
		}
		if d.peek(d.at) == '"' && len(b) == 0 {
			d.kind, d.text = tokString, d.s[from:d.at]
			d.at++
			return
		}
		b = append(b, d.s[from:d.at]...)
		switch d.peek(d.at) {
		case '"':
			d.kind, d.text = tokString, string(b)
			d.buf = b
			d.at++
			return
		case 0:
			d.wrong("unexpected end of string")
			return
		}
		c := d.peek(d.at + 1)
		if c == 'u' {
			r, n := d.unicode()
			if n == 0 {
				d.wrong("invalid unicode escape code")
				return
			}
			b = appendRune(b, r)
			d.at += n
			continue
		}
		i := strings.IndexByte(`"\/btnfr`, c)
		if i < 0 || c == 0 {
			d.wrong("invalid escape code")
			return
		}
		b = append(b, "\"\\/\b\t\n\f\r"[i])
		d.at += 2
	}
}

// unicode reads \uXXXX, or a pair of them, and returns how long it is, 0 if it is wrong.
func (d *decoder) unicode() (r rune, n int) {
	r = d.hex4(d.at + 2)
	if r < 0 {
		return 0, 0
	}
	if r&0xf800 != 0xd800 {
		return r, 6
	}
	if r&0x400 != 0 || d.peek(d.at+6) != '\\' || d.peek(d.at+7) != 'u' {
		return 0, 0
	}
	low := d.hex4(d.at + 8)
	if low < 0 || low&0xfc00 != 0xdc00 {
		return 0, 0
	}
	return ((r&0x3ff)<<10 | low&0x3ff) + 0x10000, 12
}

func (d *decoder) hex4(i int) rune {
	r := rune(0)
	for k := range 4 {
		c := d.peek(i + k)
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

func appendRune(b []byte, r rune) []byte { return utf8.AppendRune(b, r) }

// value makes a Lua value of the token that was read, and of what follows if it opens something.
func (d *decoder) value() lua.LValue {
	switch d.kind {
	case tokString:
		return lua.LString(strings.Clone(d.text))
	case tokNumber:
		return lua.LNumber(d.num)
	case tokTrue:
		return lua.LTrue
	case tokFalse:
		return lua.LFalse
	case tokNull:
		return d.c.null
	case tokObject:
		return d.object()
	case tokArray:
		return d.array()
	}
	d.unexpected("value")
	return nil
}

func (d *decoder) descend() {
	if d.depth++; d.depth > min(d.c.decodeDepth, jsonDeepest) {
		d.L.RaiseError("Found too many nested data structures (%d) at character %d", d.depth, d.at)
	}
}

func (d *decoder) object() lua.LValue {
	d.descend()
	t := tableOf(fewFields)
	if d.next(); d.kind == tokObjectEnd {
		d.depth--
		return t
	}
	for {
		if d.kind != tokString {
			d.unexpected("object key string")
		}
		key := strings.Clone(d.text)
		if d.next(); d.kind != tokColon {
			d.unexpected("colon")
		}
		d.next()
		t.RawSetString(key, d.value())
		switch d.next(); d.kind {
		case tokObjectEnd:
			d.depth--
			return t
		case tokComma:
			d.next()
		default:
			d.unexpected("comma or object end")
		}
	}
}

func (d *decoder) array() lua.LValue {
	d.descend()
	t := &lua.LTable{Metatable: lua.LNil}
	if d.next(); d.kind == tokArrayEnd {
		d.depth--
		return t
	}
	for i := 1; ; i++ {
		t.RawSetInt(i, d.value())
		switch d.next(); d.kind {
		case tokArrayEnd:
			d.depth--
			return t
		case tokComma:
			d.next()
		default:
			d.unexpected("comma or array end")
		}
	}
}
