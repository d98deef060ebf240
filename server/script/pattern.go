package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Lua 5.1's patterns, and the functions of the string library that use them. The interpreter's own take time by the square
// of the replacements, know other errors, and cannot be ended while they try.
//
// A pattern ends at its first NUL. Positions are counted from 0 here, and from 1 where scripts see them.

const (
	maxCaptures    = 32
	maxPatternDeep = 50_000 // of match within match: as deep as the pattern has items
	patternTick    = 16     // steps of which the engine's clock sees one

	unfinished = -1 // lengths of captures that have none
	position   = -2
)

// A matcher is a pattern at work on one string.
type matcher struct {
	e        *Engine
	L        *lua.LState
	src, pat string
	level    int // captures so far
	captures [maxCaptures]capture
	deep     int
	steps    uint
}

type capture struct{ at, length int }

func (e *Engine) matcher(L *lua.LState, src, pat string) *matcher {
	if i := strings.IndexByte(pat, 0); i >= 0 {
		pat = pat[:i]
	}
	return &matcher{e: e, L: L, src: src, pat: pat}
}

// step counts time and ends the matching if the script is to end.
func (m *matcher) step() {
	if m.steps++; m.steps%patternTick == 0 {
		m.e.step(m.L)
	}
}

// at is byte i of the pattern, 0 behind its end.
func (m *matcher) at(i int) byte {
	if i < len(m.pat) {
		return m.pat[i]
	}
	return 0
}

// begin forgets what an attempt has captured.
func (m *matcher) begin() { m.level, m.deep = 0, 0 }

// match tries the pattern from p on at s. It returns where the match ends, -1 if there is none.
func (m *matcher) match(s, p int) int {
	if m.deep++; m.deep > maxPatternDeep {
		m.L.RaiseError("pattern too complex")
	}
	defer func() { m.deep-- }()
	for {
		m.step()
		if p == len(m.pat) {
			return s
		}
		switch c := m.pat[p]; {
		case c == '(' && m.at(p+1) == ')':
			return m.open(s, p+2, position)
		case c == '(':
			return m.open(s, p+1, unfinished)
		case c == ')':
			return m.close(s, p+1)
		case c == '$' && p+1 == len(m.pat):
			if s == len(m.src) {
				return s
			}
			return -1
		case c == '%' && m.at(p+1) == 'b':
			if s = m.balance(s, p+2); s < 0 {
				return -1
			}
			p += 4
			continue
		case c == '%' && m.at(p+1) == 'f':
			if p += 2; m.at(p) != '[' {
				m.L.RaiseError("%s", "missing '[' after '%f' in pattern")
			}
			end := m.classEnd(p)
			var before, here byte
			if s > 0 {
				before = m.src[s-1]
			}
			if s < len(m.src) {
				here = m.src[s]
			}
			if m.inSet(before, p, end-1) || !m.inSet(here, p, end-1) {
				return -1
			}
			p = end
			continue
		case c == '%' && isDigit(m.at(p+1)):
			if s = m.again(s, m.pat[p+1]); s < 0 {
				return -1
			}
			p += 2
			continue
		}
		end := m.classEnd(p)
		fits := m.fits(s, p, end)
		switch m.at(end) {
		case '?':
			if fits {
				if r := m.match(s+1, end+1); r >= 0 {
					return r
				}
			}
			p = end + 1
		case '*':
			return m.most(s, p, end)
		case '+':
			if !fits {
				return -1
			}
			return m.most(s+1, p, end)
		case '-':
			return m.least(s, p, end)
		default:
			if !fits {
				return -1
			}
			s, p = s+1, end
		}
	}
}

// most matches as many of the class at p as it can, then the rest.
func (m *matcher) most(s, p, end int) int {
	n := 0
	for m.fits(s+n, p, end) {
		m.step()
		n++
	}
	for ; n >= 0; n-- {
		if r := m.match(s+n, end+1); r >= 0 {
			return r
		}
	}
	return -1
}

// least matches as few as it can.
func (m *matcher) least(s, p, end int) int {
	for {
		if r := m.match(s, end+1); r >= 0 {
			return r
		}
		if !m.fits(s, p, end) {
			return -1
		}
		s++
	}
}

func (m *matcher) open(s, p, length int) int {
	if m.level >= maxCaptures {
		m.L.RaiseError("too many captures")
	}
	m.captures[m.level] = capture{s, length}
	m.level++
	r := m.match(s, p)
	if r < 0 {
		m.level--
	}
	return r
}

func (m *matcher) close(s, p int) int {
	i := m.level - 1
	for ; i >= 0 && m.captures[i].length != unfinished; i-- {
	}
	if i < 0 {
		m.L.RaiseError("invalid pattern capture")
	}
	c := &m.captures[i]
	c.length = s - c.at
	r := m.match(s, p)
	if r < 0 {
		c.length = unfinished
	}
	return r
}

// again matches what a capture has.
func (m *matcher) again(s int, digit byte) int {
	i := int(digit) - '1'
	if i < 0 || i >= m.level || m.captures[i].length == unfinished {
		m.L.RaiseError("invalid capture index")
	}
	c := m.captures[i]
	if c.length == position || !strings.HasPrefix(m.src[s:], m.src[c.at:c.at+c.length]) {
		return -1
	}
	return s + c.length
}

// balance matches from an opening to its closing byte, both at p.
func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		m.L.RaiseError("unbalanced pattern")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	open := 1
	for s++; s < len(m.src); s++ {
		m.step()
		switch m.src[s] {
		case m.pat[p+1]:
			if open--; open == 0 {
				return s + 1
			}
		case m.pat[p]:
			open++
		}
	}
	return -1
}

// classEnd is where the class that begins at p ends.
func (m *matcher) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p == len(m.pat) {
			m.L.RaiseError("%s", "malformed pattern (ends with '%')")
		}
		return p + 1
	case '[':
		if m.at(p) == '^' {
			p++
		}
		for first := true; first || m.at(p) != ']'; first = false {
			if p >= len(m.pat) {
				m.L.RaiseError("malformed pattern (missing ']')")
			}
			if p++; m.pat[p-1] == '%' && p < len(m.pat) {
				p++
			}
		}
		return p + 1
	}
	return p
}

// fits tells whether the byte at s is of the class from p to end.
func (m *matcher) fits(s, p, end int) bool {
	if s >= len(m.src) {
		return false
	}
	switch c := m.src[s]; m.pat[p] {
	case '.':
		return true
	case '%':
		return isOfClass(c, m.pat[p+1])
	case '[':
		return m.inSet(c, p, end-1)
	default:
		return m.pat[p] == c
	}
}

// inSet tells whether c is in the set from the bracket at p to that at end.
func (m *matcher) inSet(c byte, p, end int) bool {
	in := true
	if m.pat[p+1] == '^' {
		in = false
		p++
	}
	for p++; p < end; p++ {
		switch {
		case m.pat[p] == '%':
			if p++; isOfClass(c, m.pat[p]) {
				return in
			}
		case m.pat[p+1] == '-' && p+2 < end:
			if p += 2; m.pat[p-2] <= c && c <= m.pat[p] {
				return in
			}
		case m.pat[p] == c:
			return in
		}
	}
	return !in
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// isOfClass tells whether c is of the class that a letter behind % names.
func isOfClass(c, class byte) bool {
	var is bool
	switch class | 0x20 {
	case 'a':
		is = isLower(c) || isUpper(c)
	case 'c':
		is = c < ' ' || c == 127
	case 'd':
		is = isDigit(c)
	case 'l':
		is = isLower(c)
	case 'p':
		is = c > ' ' && c < 127 && !isAlnum(c)
	case 's':
		is = c == ' ' || '\t' <= c && c <= '\r'
	case 'u':
		is = isUpper(c)
	case 'w':
		is = isAlnum(c)
	case 'x':
		is = isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
	case 'z':
		is = c == 0
	default:
		return class == c
	}
	return is != isUpper(class)
}

// value is capture i of a match from s to end; the match itself if there are none.
func (m *matcher) value(i, s, end int) lua.LValue {
	if i >= m.level {
		if i > 0 {
			m.L.RaiseError("invalid capture index")
		}
		return lua.LString(m.src[s:end])
	}
	switch c := m.captures[i]; c.length {
	case unfinished:
		m.L.RaiseError("unfinished capture")
		return nil
	case position:
		return lua.LNumber(c.at + 1)
	default:
		return lua.LString(m.src[c.at : c.at+c.length])
	}
}

// push pushes all captures, or the match if there are none and whole is set.
func (m *matcher) push(s, end int, whole bool) int {
	n := m.level
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		m.L.Push(m.value(i, s, end))
	}
	return n
}

// find is string.find; match is string.match.
func (e *Engine) find(L *lua.LState) int  { return e.search(L, true) }
func (e *Engine) match(L *lua.LState) int { return e.search(L, false) }

func (e *Engine) search(L *lua.LState, find bool) int {
	src, pat := checkText(L, 1), checkText(L, 2)
	s := optInt(L, 3, 1)
	if s < 0 {
		s = max(0, len(src)+s+1)
	}
	s = min(max(s-1, 0), len(src))
	m := e.matcher(L, src, pat)
	if find && (lua.LVAsBool(L.Get(4)) || !strings.ContainsAny(m.pat, "^$*+?.([%-")) {
		at := strings.Index(src[s:], pat)
		if at < 0 {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(lua.LNumber(s + at + 1))
		L.Push(lua.LNumber(s + at + len(pat)))
		return 2
	}
	p := 0
	if m.at(0) == '^' {
		p = 1
	}
	for ; s <= len(src); s++ {
		m.begin()
		if end := m.match(s, p); end >= 0 {
			if !find {
				return m.push(s, end, true)
			}
			L.Push(lua.LNumber(s + 1))
			L.Push(lua.LNumber(end))
			return m.push(s, end, false) + 2
		}
		if p == 1 {
			break
		}
	}
	L.Push(lua.LNil)
	return 1
}

// gmatch is string.gmatch.
func (e *Engine) gmatch(L *lua.LState) int {
	src, pat := checkText(L, 1), checkText(L, 2)
	at := 0
	L.Push(L.NewFunction(func(L *lua.LState) int {
		m := e.matcher(L, src, pat)
		for s := at; s <= len(src); s++ {
			m.begin()
			if end := m.match(s, 0); end >= 0 {
				if at = end; end == s {
					at++
				}
				return m.push(s, end, true)
			}
		}
		at = len(src) + 1
		return 0
	}))
	return 1
}

// gsub is string.gsub.
func (e *Engine) gsub(L *lua.LState) int {
	src, pat := checkText(L, 1), checkText(L, 2)
	with := L.Get(3)
	switch v := with.(type) {
	case lua.LNumber:
		with = lua.LString(formatNumber(float64(v)))
	case lua.LString, *lua.LTable, *lua.LFunction:
	default:
		L.ArgError(3, "string/function/table expected")
	}
	most := optInt(L, 4, len(src)+1)
	m := e.matcher(L, src, pat)
	p := 0
	if m.at(0) == '^' {
		p = 1
	}
	var b []byte
	s, n := 0, 0
	for n < most {
		m.begin()
		end := m.match(s, p)
		if end >= 0 {
			n++
			b = m.replace(b, with, s, end)
			e.fits(L, len(b))
		}
		switch {
		case end > s:
			s = end
		case s < len(src):
			b = append(b, src[s])
			s++
		default:
			s++
		}
		if s > len(src) || p == 1 {
			break
		}
	}
	if s < len(src) {
		b = append(b, src[s:]...)
	}
	e.fits(L, len(b))
	L.Push(lua.LString(b))
	L.Push(lua.LNumber(n))
	return 2
}

// replace appends what stands for a match from s to end.
func (m *matcher) replace(b []byte, with lua.LValue, s, end int) []byte {
	var v lua.LValue
	switch w := with.(type) {
	case lua.LString:
		return m.fill(b, string(w), s, end)
	case *lua.LTable:
		v = m.L.GetTable(w, m.value(0, s, end))
	default:
		m.L.Push(w)
		n := m.push(s, end, true)
		m.L.Call(n, 1)
		v = m.L.Get(-1)
		m.L.Pop(1)
	}
	switch v := v.(type) {
	case lua.LString:
		return append(b, v...)
	case lua.LNumber:
		return appendNumber(b, float64(v), 14)
	}
	if lua.LVAsBool(v) {
		m.L.RaiseError("invalid replacement value (a %s)", v.Type().String())
	}
	return append(b, m.src[s:end]...)
}

// fill appends a replacement with its captures put in.
func (m *matcher) fill(b []byte, with string, s, end int) []byte {
	for i := 0; i < len(with); i++ {
		if with[i] != '%' {
			b = append(b, with[i])
			continue
		}
		i++
		switch {
		case i == len(with):
			b = append(b, 0)
		case !isDigit(with[i]):
			b = append(b, with[i])
		case with[i] == '0':
			b = append(b, m.src[s:end]...)
		default:
			switch v := m.value(int(with[i]-'1'), s, end).(type) {
			case lua.LString:
				b = append(b, v...)
			case lua.LNumber:
				b = appendNumber(b, float64(v), 14)
			}
		}
	}
	return b
}

// char is string.char.
func (e *Engine) char(L *lua.LState) int {
	b := make([]byte, L.GetTop())
	for i := range b {
		n := checkInt(L, i+1)
		if n < 0 || n > 255 {
			L.ArgError(i+1, "invalid value")
		}
		b[i] = byte(n)
	}
	L.Push(lua.LString(b))
	return 1
}
