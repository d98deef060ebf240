package script

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Protected calls and coroutines. The interpreter runs each coroutine on a stack of its own, one within the other, and leaves
// it to its users to do nothing that it cannot: to resume who is active already, to yield through a function of the library
// or a metamethod, to go so deep that the process ends. All of that is refused here, in Lua's words.
//
// An error closes the variables of all functions on its stack that closures have captured: those of the functions that go
// on after a pcall would not be the closure's any more. So a protected call, too, runs on a stack of its own, an aside, for
// which it is as if it were part of the one below it.

// threads is what an engine knows of its stacks. Asides are used in the order in which they stand, and kept.
type threads struct {
	asides []*lua.LState
	used   int                         // asides
	owners map[*lua.LState]*lua.LState // of all asides: on which stack the protected call stands
	nested int                         // stacks that wait for another one
	frames int                         // functions on them
}

// mostNested is how many stacks may wait for each other: LUAI_MAXCCALLS, by which Lua bounds calls from C.
const mostNested = 200

const (
	msgNested = "C stack overflow"
	msgYield  = "attempt to yield across metamethod/C-call boundary"
)

// descend notes that L is about to wait for another stack, on which callDepth functions may stand again. It returns what ascend
// is to be told, or that it is too deep.
func (e *Engine) descend(L *lua.LState) (frames int, ok bool) {
	if f, there := L.GetStack(0); there {
		_, frames = whereIs(f)
	}
	if e.nested == mostNested || e.frames+frames > callDepth {
		return 0, false
	}
	e.nested++
	e.frames += frames
	return frames, true
}

func (e *Engine) ascend(frames int) {
	e.nested--
	e.frames -= frames
}

// protect calls what stands first on the stack with the n values after it. Its results, or what is left of it, stand on the
// stack that is returned, until it is used for the next call.
func (e *Engine) protect(L *lua.LState, n int) (*lua.LState, error) {
	if e.debug != nil { // which shows where the script is by its stack
		L.SetTop(n + 1)
		return L, e.guarded(L, n, lua.MultRet)
	}
	frames, ok := e.descend(L)
	if !ok {
		L.Error(lua.LString(msgNested), 0)
	}
	if e.used == len(e.asides) {
		th, _ := e.L.NewThread()
		e.watch(th)
		e.asides = append(e.asides, th)
	}
	th := e.asides[e.used]
	if e.owners == nil {
		e.owners = map[*lua.LState]*lua.LState{}
	}
	e.owners[th] = L
	e.used++
	current := L.G.CurrentThread
	th.SetTop(0)
	for i := range n + 1 {
		th.Push(L.Get(i + 1))
	}
	err := e.guarded(th, n, lua.MultRet)
	L.G.CurrentThread = current
	e.used--
	delete(e.owners, th)
	e.ascend(frames)
	return th, err
}

// results puts a protected call's results on the stack behind true, and returns how many values that is.
func results(L, from *lua.LState) int {
	if L == from {
		L.Insert(lua.LTrue, 1)
		return L.GetTop()
	}
	n := from.GetTop()
	L.SetTop(0)
	L.Push(lua.LTrue)
	for i := range n {
		L.Push(from.Get(i + 1))
	}
	from.SetTop(0)
	return n + 1
}

// pcall is Redis's: of an error table it gives the text, or nil behind it if it has none.
func (e *Engine) pcall(L *lua.LState) int {
	if L.GetTop() == 0 { // it puts true before what it calls, and here there is nothing else
		L.Push(lua.LFalse)
		L.Push(lua.LString("attempt to call a boolean value"))
		return 2
	}
	var v lua.LValue
	fn, _ := L.Get(1).(*lua.LFunction)
	switch top := L.GetTop(); {
	case fn == e.raise && (top == 2 || top == 3 && L.Get(3) == lua.LNumber(0)): // no function of the script has called error
		v = L.Get(2)
	case fn == e.raise && top == 3 && lua.LVCanConvToString(L.Get(2)) && L.Get(3) == lua.LNumber(2): // the place is that of pcall
		v = lua.LString(L.Where(1) + " " + textOf(L.Get(2)))
	default:
		th, err := e.protect(L, L.GetTop()-1)
		if err == nil {
			return results(L, th)
		}
		v = failureOf(err).value
	}
	L.SetTop(0)
	L.Push(lua.LFalse)
	t, ok := v.(*lua.LTable)
	if !ok {
		L.Push(v)
		return 2
	}
	field := e.real(t).RawGetString("err")
	if lua.LVCanConvToString(field) {
		L.Push(field)
		return 2
	}
	L.Push(v)
	L.Push(field)
	return 3
}

func (e *Engine) xpcall(L *lua.LState) int {
	if L.GetTop() < 2 {
		L.ArgError(2, "value expected")
	}
	handler := L.Get(2)
	th, err := e.protect(L, 0)
	if err == nil {
		return results(L, th)
	}
	v := failureOf(err).value
	L.SetTop(0)
	L.Push(handler)
	L.Push(v)
	v = lua.LString("error in error handling")
	if handler.Type() == lua.LTFunction {
		if th, err := e.protect(L, 1); err == nil {
			v = th.Get(1)
			th.SetTop(0)
		}
	}
	L.SetTop(0)
	L.Push(lua.LFalse)
	L.Push(v)
	return 2
}

// coroutines makes the library coroutine of the interpreter's own. Coroutines count instructions as the main thread does.
func (e *Engine) coroutines(t *lua.LTable) {
	coroutine := func(L *lua.LState) *lua.LState {
		co, ok := L.Get(1).(*lua.LState)
		if !ok {
			L.ArgError(1, "coroutine expected")
		}
		return co
	}
	create, resume := t.RawGetString("create").(*lua.LFunction).GFunction, t.RawGetString("resume").(*lua.LFunction).GFunction
	newThread := func(L *lua.LState) *lua.LState {
		if fn, ok := L.Get(1).(*lua.LFunction); !ok || fn.IsG {
			L.ArgError(1, "Lua function expected")
		}
		create(L)
		th := L.Get(-1).(*lua.LState)
		e.watch(th)
		return th
	}
	// resumed resumes co, with all that is on the stack as arguments, and returns how many values of the result stand at its
	// end: the first is true, or false and the other an error.
	resumed := func(L, co *lua.LState) int {
		fails := func(msg string) int {
			L.Push(lua.LFalse)
			L.Push(lua.LString(msg))
			return 2
		}
		if s := e.status(L, co); s != "suspended" {
			return fails("cannot resume " + s + " coroutine")
		}
		frames, ok := e.descend(L)
		if !ok {
			return fails(msgNested)
		}
		for range awaited(co) - L.GetTop() {
			L.Push(lua.LNil)
		}
		L.Insert(co, 1)
		current, before := L.G.CurrentThread, e.arm(co)
		n := resume(L)
		e.disarm(before)
		L.G.CurrentThread = current
		e.ascend(frames)
		if L.Get(-1) == fullStack && L.Get(-n) == lua.LFalse {
			L.Pop(1)
			L.Push(lua.LString("stack overflow"))
		}
		return n
	}
	for name, fn := range map[string]lua.LGFunction{
		"create": func(L *lua.LState) int { newThread(L); return 1 },
		"resume": func(L *lua.LState) int {
			co := coroutine(L)
			L.Remove(1)
			return resumed(L, co)
		},
		"wrap": func(L *lua.LState) int {
			co := newThread(L)
			L.Push(L.NewFunction(func(L *lua.LState) int {
				n := resumed(L, co)
				if L.Get(-n) == lua.LFalse {
					L.Error(L.Get(-1), 1)
				}
				return n - 1
			}))
			return 1
		},
		"yield": func(L *lua.LState) int {
			if L.Parent == nil || !yields(L) {
				L.Error(lua.LString(msgYield), 0)
			}
			return -1
		},
		"status": func(L *lua.LState) int {
			L.Push(lua.LString(e.status(L, coroutine(L))))
			return 1
		},
		"running": func(L *lua.LState) int {
			if th := e.below(L); th != e.L {
				L.Push(th)
			} else {
				L.Push(lua.LNil)
			}
			return 1
		},
	} {
		t.RawSetString(name, e.L.NewFunction(fn))
	}
}

// awaited is how many values a coroutine makes use of that has yielded. The interpreter gives it as many as it is resumed with.
func awaited(co *lua.LState) int {
	if f, ok := activeAt(co, 0); ok && !f.fn.IsG && f.pc >= 0 {
		if inst := f.fn.Proto.Code[f.pc]; opcode(inst) == lua.OP_CALL {
			return operandC(inst) - 1
		}
	}
	return 0
}

// below is the coroutine, or the main thread, that L is a part of.
func (e *Engine) below(L *lua.LState) *lua.LState {
	for owner := e.owners[L]; owner != nil; owner = e.owners[L] {
		L = owner
	}
	return L
}

// status is that of a coroutine as the one that runs on L sees it.
func (e *Engine) status(L, co *lua.LState) string {
	if co.Dead {
		return "dead"
	}
	th := e.below(L)
	if th == co {
		return "running"
	}
	for th = th.Parent; th != nil; th = e.below(th).Parent {
		if e.below(th) == co {
			return "normal"
		}
	}
	return "suspended"
}

// yieldsStay makes return coroutine.yield(x) an ordinary call: after a tail call from a coroutine's own function nothing would be
// left to go on with. Like Lua's, such calls are known by their names.
func yieldsStay(p *lua.FunctionProto) {
	for _, c := range p.DbgCalls {
		if strings.Contains(strings.ToLower(c.Name), "yield") && opcode(p.Code[c.Pc]) == lua.OP_TAILCALL {
			p.Code[c.Pc] = uint32(lua.OP_CALL)<<26 | p.Code[c.Pc]&(1<<26-1)
		}
	}
	for _, inner := range p.FunctionPrototypes {
		yieldsStay(inner)
	}
}

// callers are the instructions by which a function calls another that may yield.
var callers = []int{lua.OP_CALL, lua.OP_TAILCALL}

// yields tells whether the function that runs on L, which is yield, may: every other one was called by an instruction of a Lua
// function, and by one that is for calls. What was called in another way has a function of the interpreter waiting for it.
func yields(L *lua.LState) bool {
	for level := 1; ; level++ {
		f, ok := L.GetStack(level)
		if !ok {
			return true
		}
		v, err := L.GetInfo("f", f, lua.LNil)
		fn, is := v.(*lua.LFunction)
		if err != nil || !is || fn.IsG {
			return false
		}
		if pc, _ := whereIs(f); pc == 0 || !slices.Contains(callers, opcode(fn.Proto.Code[pc-1])) {
			return false
		}
	}
}
