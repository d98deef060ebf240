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
	source string     // of the innermost Lua function, as Redis calls it, "" if none ran
	line   int
}

// The interpreter has words of its own for errors, and says too little. While a function is called that may raise one, what
// ends it is fails, which finds the stack as it was. The interpreter sets its own way of ending functions with each protected
// call, before which it cannot be told of another: so fails is put there when the first instruction asks for the time.

// arm has the first instruction that runs see to it that errors on a stack go to fails. The result is for disarm.
func (e *Engine) arm(L *lua.LState) (before armed) {
	before = e.armed
	e.armed = armed{L, e.ticks}
	if before.L != nil {
		e.armed.ticks = before.ticks
	}
	e.ticks = tickMask
	return before
}

// disarm ends what arm has begun, and goes on with what it interrupted.
func (e *Engine) disarm(before armed) {
	switch {
	case before.L != nil: // for which no instruction has run yet
		if e.armed.L == nil {
			before.ticks = e.ticks
		} else {
			before.ticks = e.armed.ticks
		}
		e.ticks = tickMask
	case e.armed.L != nil:
		e.ticks = e.armed.ticks
	}
	e.armed = before
}

// armed is a stack on which errors are to go to fails, and how many instructions the engine had counted.
type armed struct {
	L     *lua.LState
	ticks uint32
}

// guarded is the interpreter's PCall with errors in Lua's words.
func (e *Engine) guarded(L *lua.LState, args, results int) error {
	called := L.Get(-args - 1)
	before := e.arm(L)
	err := L.PCall(args, results, nil)
	e.disarm(before)
	if err != nil {
		e.verbatim = false
		e.checkPanic(err)
		wordUnheard(err, called, args)
	}
	return err
}

// place is where an error was raised: the innermost function of a script.
type place struct {
	source, name string // of the text, as Redis calls it and as Lua does
	line         int
}

func (p *place) Error() string { return p.name + ":" + strconv.Itoa(p.line) + ":" }

// noTrace keeps the interpreter from writing down the stack for an error.
const noTrace = "\t"

// fails ends what runs on L with the error that stands on its stack.
func (e *Engine) fails(L *lua.LState) {
	err := &lua.ApiError{Type: lua.ApiErrorRun, Object: L.Get(-1), StackTrace: noTrace}
	verbatim := e.verbatim
	e.verbatim = false
	text, isText := err.Object.(lua.LString)
	if c, ok := innermost(L); ok {
		at := c.place()
		if f := e.study(c.fn.Proto); f != nil {
			at.line = f.line(c.pc)
		}
		err.Cause = at
		if isText && !verbatim {
			err.Object = lua.LString(e.word(L, c, at, string(text)))
		}
	} else if isText && !verbatim {
		top, _ := activeAt(L, 0)
		err.Object = lua.LString(fromLibrary(strings.TrimPrefix(string(text), " "), term{"", "?"}, top.args))
	}
	panic(err)
}

// active is a function on a stack: the instruction that runs if it is one of a script, else how many arguments it has.
type active struct {
	info     *lua.Debug
	fn       *lua.LFunction
	level    int
	pc, args int
}

func activeAt(L *lua.LState, level int) (f active, ok bool) {
	f.level = level
	if f.info, ok = L.GetStack(level); !ok {
		return f, false
	}
	v, _ := L.GetInfo("f", f.info, lua.LNil)
	if f.fn, ok = v.(*lua.LFunction); !ok {
		return f, false
	}
	f.pc, _ = whereIs(f.info)
	f.pc--
	if f.fn.IsG && level == 0 {
		f.args = L.GetTop() - 1 // with the error on it
	}
	return f, true
}

// innermost is the innermost function of a script on a stack.
func innermost(L *lua.LState) (f active, ok bool) {
	for level := 0; ; level++ {
		if f, ok = activeAt(L, level); !ok || !f.fn.IsG {
			return f, ok && f.pc >= 0
		}
	}
}

// place is where the interpreter sees a function.
func (f active) place() *place {
	p := f.fn.Proto
	return &place{sourceOf(p), p.SourceName, p.DbgSourcePositions[f.pc]}
}

// value is what an instruction of the function means by an operand.
func (f active) value(L *lua.LState, operand int) lua.LValue {
	if operand >= firstConstant {
		return f.fn.Proto.Constants[operand-firstConstant]
	}
	_, v := L.GetLocal(f.info, operand+1)
	return v
}

// word words an error that was raised with a text while c ran, or something that it called.
func (e *Engine) word(L *lua.LState, c active, at *place, text string) string {
	text, placed := strings.CutPrefix(text, c.place().Error()+" ")
	switch {
	case !placed:
		return text
	case c.level == 0:
		return at.Error() + " " + c.inWords(L, e.study(c.fn.Proto), text)
	}
	called := term{"", "?"}
	inst := c.fn.Proto.Code[c.pc]
	if c.level == 1 {
		switch opcode(inst) {
		case lua.OP_CALL, lua.OP_TAILCALL:
			if t := e.study(c.fn.Proto).term(c.pc, 0); t.kind != "" {
				called = t
			}
		case lua.OP_TFORLOOP:
			called = term{"local", "(for generator)"}
		}
	}
	top, _ := activeAt(L, 0)
	text = fromLibrary(text, called, top.args)
	if c.level > 1 || ofInterpreter(text) { // of what no function of a script has called, or the interpreter within such
		return text
	}
	return at.Error() + " " + text
}

// ofInterpreter tells whether a text, which is worded already, is what the interpreter says of values.
func ofInterpreter(text string) bool {
	return strings.HasPrefix(text, "attempt to compare ") || strings.HasPrefix(text, "attempt to call ") || strings.HasPrefix(text, "attempt to index ")
}

// The beginnings of what the interpreter says.
const (
	saysIndex    = "attempt to index a non-table object("
	saysCall     = "attempt to call a non-function object"
	saysCompare  = "attempt to compare "
	saysConcat   = "cannot perform concat operation"
	saysArith    = "cannot perform "
	saysNegative = "__unm undefined"
	saysLength   = "__len undefined"
	saysFor      = "for statement "
	saysArgument = "bad argument #"
	saysFull     = "registry overflow"
	saysLoop     = "too many recursions in "
)

// inWords words what the interpreter says of the instruction that c has come to.
func (c active) inWords(L *lua.LState, f *studied, text string) string {
	inst := c.fn.Proto.Code[c.pc]
	a, b, cc := operandA(inst), operandB(inst), operandC(inst)
	typ := func(operand int) string { return c.value(L, operand).Type().String() }
	switch {
	case strings.HasPrefix(text, saysIndex):
		at := b
		if op := opcode(inst); op == lua.OP_SETTABLE || op == lua.OP_SETTABLEKS {
			at = a
		}
		of, _, _ := strings.Cut(text[len(saysIndex):], ")")
		if v := c.value(L, at); v.Type().String() == of && v.Type() != lua.LTTable {
			return "attempt to index " + f.term(c.pc, 0).with(of)
		}
		return "attempt to index a " + of + " value"
	case text == saysCall:
		switch opcode(inst) {
		case lua.OP_CALL, lua.OP_TAILCALL, lua.OP_TFORLOOP:
			return "attempt to call " + f.term(c.pc, 0).with(typ(a))
		}
	case strings.HasPrefix(text, saysConcat):
		if typ := c.event(L, "__concat", b, cc); typ != "" {
			return "attempt to call a " + typ + " value"
		}
		at := cc
		isText := func(operand int) bool { return lua.LVCanConvToString(c.value(L, operand)) }
		if !isText(cc) && !isText(cc-1) {
			at = cc - 1
		}
		for at > b && isText(at) {
			at--
		}
		return "attempt to concatenate " + f.term(c.pc, at-b).with(typ(at))
	case strings.HasPrefix(text, saysArith):
		if typ := c.event(L, arithmetic[opcode(inst)], b, cc); typ != "" {
			return "attempt to call a " + typ + " value"
		}
		operand, at := b, 0
		if _, ok := number(c.value(L, b)); ok {
			operand, at = cc, 1
		}
		return "attempt to perform arithmetic on " + f.term(c.pc, at).with(typ(operand))
	case text == saysNegative:
		return "attempt to perform arithmetic on " + f.term(c.pc, 0).with(typ(b))
	case text == saysLength:
		return "attempt to get length of " + f.term(c.pc, 0).with(typ(b))
	case strings.HasPrefix(text, saysFor):
		for i, what := range []string{"initial value", "limit", "step"} {
			if c.value(L, a+i).Type() != lua.LTNumber {
				return "'for' " + what + " must be a number"
			}
		}
	}
	return generally(text)
}

// arithmetic is the metamethods of operations.
var arithmetic = map[int]string{
	lua.OP_ADD: "__add", lua.OP_SUB: "__sub", lua.OP_MUL: "__mul", lua.OP_DIV: "__div", lua.OP_MOD: "__mod", lua.OP_POW: "__pow",
}

// event is the type of a metamethod of operands, from one to another, that is no function; empty if there is none.
func (c active) event(L *lua.LState, name string, from, to int) string {
	if to < from {
		from, to = to, from
	}
	for _, operand := range []int{from, to} {
		if t, ok := L.GetMetatable(c.value(L, operand)).(*lua.LTable); ok {
			if v := t.RawGetString(name); v != lua.LNil && v.Type() != lua.LTFunction {
				return v.Type().String()
			}
		}
	}
	return ""
}

// generally words what the interpreter says, whoever it is about.
func generally(text string) string {
	switch {
	case strings.HasPrefix(text, saysCompare):
		one, other, ok := strings.Cut(text[len(saysCompare):], " with ")
		if ok && len(one) > 2 && len(other) > 2 && one[2] == other[2] { // by which Lua knows equal types, and takes some for such
			return saysCompare + "two " + one + " values"
		}
	case text == saysFull:
		return "stack overflow"
	case text == saysCall:
		return "attempt to call a nil value"
	case strings.HasPrefix(text, saysIndex):
		of, _, _ := strings.Cut(text[len(saysIndex):], ")")
		return "attempt to index a " + of + " value"
	case strings.HasPrefix(text, saysLoop):
		return "loop in " + text[len(saysLoop):]
	}
	return text
}

// fromLibrary words what a function says that is none of the script's, and was called with so many arguments.
func fromLibrary(text string, called term, args int) string {
	rest, ok := strings.CutPrefix(text, saysArgument)
	if !ok {
		return generally(text)
	}
	number, rest, ok := strings.Cut(rest, " to ")
	at := strings.Index(rest, " (")
	n, err := strconv.Atoi(number)
	if !ok || at < 0 || err != nil {
		return text
	}
	what := rest[at:]
	if n > args {
		what = strings.Replace(what, "expected, got nil)", "expected, got no value)", 1)
	}
	if called.kind == "method" {
		if n--; n == 0 {
			return "calling '" + called.name + "' on bad self" + what
		}
	}
	return saysArgument + strconv.Itoa(n) + " to '" + called.name + "'" + what
}

// wordUnheard words an error that has not gone to fails: none of a script's functions ran, or the stack was full.
func wordUnheard(err error, called lua.LValue, args int) {
	ae, ok := err.(*lua.ApiError)
	if !ok || ae.Cause != nil {
		return
	}
	text, ok := ae.Object.(lua.LString)
	if !ok || ae.Type == lua.ApiErrorPanic || ae.StackTrace == noTrace {
		return
	}
	s, ok := strings.CutPrefix(string(text), " ")
	switch {
	case !ok:
		return
	case s == saysCall:
		s = "attempt to call a " + called.Type().String() + " value"
	}
	ae.Object = lua.LString(fromLibrary(s, term{"", "?"}, args))
}

var traceLine = regexp.MustCompile(`(?m)^\t([^\[].*):(\d+): in `)

const fullStack = lua.LString("lua callstack overflow")

// failureOf finds out what was raised and where.
func failureOf(err error) failure {
	ae, ok := err.(*lua.ApiError)
	if !ok {
		return failure{value: lua.LString(err.Error())}
	}
	f := failure{value: ae.Object}
	if ae.Object == nil {
		f.value = lua.LString(ae.Error())
	}
	if at, ok := ae.Cause.(*place); ok {
		f.source, f.line = at.source, at.line
	} else if m := traceLine.FindStringSubmatch(ae.StackTrace); m != nil {
		f.source = "@" + m[1]
		f.line, _ = strconv.Atoi(m[2])
		if f.value == fullStack {
			f.value = lua.LString(m[1] + ":" + m[2] + ": stack overflow")
		}
	}
	return f
}
