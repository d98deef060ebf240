package script

import (
	"regexp"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// failure is an error that ended a script, in the words of Lua and Redis.
type failure struct {
	value  lua.LValue // what was raised
	source string     // of the innermost Lua function, "" if none ran
	line   int
}

var traceLine = regexp.MustCompile(`(?m)^\t([^\[].*):(\d+): in `)

// failureOf finds out what was raised and where. The state no longer knows, but the error has a trace of the stack. protos
// are the texts in which names are looked up.
func failureOf(err error, protos ...*lua.FunctionProto) failure {
	ae, ok := err.(*lua.ApiError)
	if !ok {
		return failure{value: lua.LString(err.Error())}
	}
	f := failure{value: ae.Object}
	if ae.Object == nil {
		f.value = lua.LString(ae.Error())
	}
	if m := traceLine.FindStringSubmatch(ae.StackTrace); m != nil {
		f.source = m[1]
		f.line, _ = strconv.Atoi(m[2])
	}
	if f.value == lua.LString("lua callstack overflow") {
		f.value = lua.LString(f.source + ":" + strconv.Itoa(f.line) + ": stack overflow")
	}
	if s, ok := f.value.(lua.LString); ok {
		f.value = lua.LString(translate(string(s), func() string {
			for _, p := range protos {
				if p != nil && p.SourceName == f.source {
					return calledName(p, f.line)
				}
			}
			return ""
		}))
	}
	return f
}

// What the interpreter says, and what Lua says.
var phrases = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`^(\S+:\d+:) attempt to index a non-table object\((\w+)\) with key '.*'$`), "$1 attempt to index a $2 value"},
	{regexp.MustCompile(`^(\S+:\d+:) attempt to call a non-function object$`), "$1 attempt to call <name>a nil value"},
	{regexp.MustCompile(`^(\S+:\d+:) cannot perform concat operation between (?:string|number) and (\w+)$`), "$1 attempt to concatenate a $2 value"},
	{regexp.MustCompile(`^(\S+:\d+:) cannot perform concat operation between (\w+) and \w+$`), "$1 attempt to concatenate a $2 value"},
	{regexp.MustCompile(`^(\S+:\d+:) cannot perform \w+ operation between number and (\w+)$`), "$1 attempt to perform arithmetic on a $2 value"},
	{regexp.MustCompile(`^(\S+:\d+:) cannot perform \w+ operation between (\w+) and \w+$`), "$1 attempt to perform arithmetic on a $2 value"},
	{regexp.MustCompile(`^(\S+:\d+:) __unm undefined$`), "$1 attempt to perform arithmetic on a nil value"},
	{regexp.MustCompile(`^(\S+:\d+:) __len undefined$`), "$1 attempt to get length of a nil value"},
	{regexp.MustCompile(`^(\S+:\d+:) bad argument #(\d+) to ([\w.]+) \(`), "$1 bad argument #$2 to '$3' ("},
	{regexp.MustCompile(`^(\S+:\d+:) registry overflow$`), "$1 stack overflow"},
	{regexp.MustCompile(`^(\S+:\d+:) for statement init must be`), "$1 'for' initial value must be"},
	{regexp.MustCompile(`^(\S+:\d+:) for statement (limit|step) must be`), "$1 'for' $2 must be"},
}

// translate words the interpreter's errors as Lua does. name tells what was called that cannot be, if that is known.
func translate(msg string, name func() string) string {
	for _, p := range phrases {
		if !p.re.MatchString(msg) {
			continue
		}
		msg = p.re.ReplaceAllString(msg, p.with)
		if strings.Contains(msg, "<name>") {
			what := ""
			if n := name(); n != "" {
				msg = strings.Replace(msg, "a nil value", "(a nil value)", 1)
				what = n + " "
			}
			msg = strings.Replace(msg, "<name>", what, 1)
		}
		return msg
	}
	return msg
}

// calledName is what Lua calls the function that is called on a line, if there is but one call: "field 'x'".
func calledName(p *lua.FunctionProto, line int) string {
	found := ""
	var look func(p *lua.FunctionProto) bool
	look = func(p *lua.FunctionProto) bool {
		for _, c := range p.DbgCalls {
			if c.Pc >= len(p.DbgSourcePositions) || p.DbgSourcePositions[c.Pc] != line {
				continue
			}
			if found != "" {
				return false
			}
			found = kindOf(p, c) + " '" + c.Name + "'"
		}
		for _, sub := range p.FunctionPrototypes {
			if !look(sub) {
				return false
			}
		}
		return true
	}
	if !look(p) || strings.HasSuffix(found, "'?'") {
		return ""
	}
	return found
}

// kindOf tells how a called function was named.
func kindOf(p *lua.FunctionProto, c lua.DbgCall) string {
	named := func(at int) bool {
		return at < len(p.Constants) && p.Constants[at] == lua.LString(c.Name)
	}
	for pc := c.Pc - 1; pc >= 0; pc-- {
		inst := p.Code[pc]
		b, key := operandB(inst), operandC(inst)&^firstConstant
		switch opcode(inst) {
		case lua.OP_GETTABLE, lua.OP_GETTABLEKS:
			if named(key) {
				return "field"
			}
		case lua.OP_SELF:
			if named(key) {
				return "method"
			}
		case lua.OP_GETGLOBAL:
			if named(operandBx(inst)) {
				return "global"
			}
		case lua.OP_GETUPVAL:
			if b < len(p.DbgUpvalues) && p.DbgUpvalues[b] == c.Name {
				return "upvalue"
			}
		}
	}
	return "local"
}
