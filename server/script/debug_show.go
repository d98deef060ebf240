package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"larder/datatypes/words"
)

// deepest is how many tables within tables a debugger shows.
const deepest = 10

// appendShown writes a Lua value as a debugger shows it: a table as {1; 2} if its keys count from 1, else as {["a"]=1}.
func (e *Engine) appendShown(dst []byte, v lua.LValue, depth int) []byte {
	if depth == deepest {
		return append(dst, "<max recursion level reached! Nested table?>"...)
	}
	switch v := v.(type) {
	case lua.LString:
		return words.AppendQuoted(dst, string(v))
	case lua.LBool:
		return append(dst, v.String()...)
	case lua.LNumber:
		return appendNumber(dst, float64(v), 6)
	case *lua.LNilType:
		return append(dst, "nil"...)
	case *lua.LTable:
		return e.appendTable(dst, e.real(v), depth+1)
	}
	return fmt.Appendf(dst, "\"%s@%p\"", v.Type(), v)
}

func (e *Engine) appendTable(dst []byte, t *lua.LTable, depth int) []byte {
	list, n := true, 0
	each(t, func(k, _ lua.LValue) {
		n++
		list = list && k == lua.LNumber(n)
	})
	dst = append(dst, '{')
	first := true
	each(t, func(k, v lua.LValue) {
		if !first {
			dst = append(dst, "; "...)
		}
		first = false
		if !list {
			dst = append(dst, '[')
			dst = append(e.appendShown(dst, k, depth), "]="...)
		}
		dst = e.appendShown(dst, v, depth)
	})
	return append(dst, '}')
}

// appendReply writes a reply as a debugger shows it.
func appendReply(dst, reply []byte) []byte {
	p := parser{b: reply}
	return p.appendShown(dst)
}

func (p *parser) appendShown(dst []byte) []byte {
	kind := p.b[p.at]
	p.at++
	switch kind {
	case '+', '-':
		start := p.at - 1
		p.line()
		return words.AppendQuoted(dst, p.b[start:p.at-2])
	case '$', '=':
		n := int(p.number())
		if n < 0 {
			return append(dst, "NULL"...)
		}
		p.at += n + 2
		return words.AppendQuoted(dst, p.b[p.at-n-2:p.at-2])
	case '_':
		p.line()
		return append(dst, "(null)"...)
	case '#':
		if p.line()[0] == 't' {
			return append(dst, "#true"...)
		}
		return append(dst, "#false"...)
	case ',':
		return append(append(dst, "(double) "...), p.line()...)
	case ':', '(':
		return append(dst, p.line()...)
	case '%':
		return p.appendMany(dst, "{", "}", true)
	case '~':
		return p.appendMany(dst, "~(", ")", false)
	}
	return p.appendMany(dst, "[", "]", false)
}

// appendMany is appendShown for as many replies as the line says; in pairs if it is a map.
func (p *parser) appendMany(dst []byte, open, end string, pairs bool) []byte {
	n := int(p.number())
	if n < 0 {
		return append(dst, "NULL"...)
	}
	dst = append(dst, open...)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.appendShown(dst)
		if pairs {
			dst = p.appendShown(append(dst, " => "...))
		}
	}
	return append(dst, end...)
}
