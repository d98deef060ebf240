package script

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Lua takes text for a number wherever it is one, and a number for text, which it prints with 14 digits. The interpreter's own
// functions do so in some places: those that take integers, or text, are here instead.

// checkNumber is an argument that is a number, or text that is one.
func checkNumber(L *lua.LState, i int) float64 {
	if n, ok := number(L.Get(i)); ok {
		return n
	}
	L.ArgError(i, "number expected, got "+typeName(L, i))
	return 0
}

// checkText is an argument that is a string or a number.
func checkText(L *lua.LState, i int) string {
	if v := L.Get(i); lua.LVCanConvToString(v) {
		return textOf(v)
	}
	L.ArgError(i, "string expected, got "+typeName(L, i))
	return ""
}

func typeName(L *lua.LState, i int) string {
	if i > L.GetTop() {
		return "no value"
	}
	return L.Get(i).Type().String()
}

// checkInt is an argument that is a number, cut to an integer.
func checkInt(L *lua.LState, i int) int { return int(toInt64(checkNumber(L, i))) }

func optInt(L *lua.LState, i, otherwise int) int {
	if L.Get(i) == lua.LNil {
		return otherwise
	}
	return int(toInt64(checkNumber(L, i)))
}

// optText is an argument that may be left out.
func optText(L *lua.LState, i int, s string) string {
	if L.Get(i) == lua.LNil {
		return s
	}
	return checkText(L, i)
}

// asLimit makes a number of text that is one, for loops; everything else stays, and the loop refuses it.
func asLimit(L *lua.LState) int {
	v := L.Get(1)
	if n, ok := number(v); ok {
		v = lua.LNumber(n)
	}
	L.Push(v)
	return 1
}

// idle counts from one number to another, by a third or by 1, as a loop with nothing in it does.
func (e *Engine) idle(L *lua.LState) int {
	const between = 64 // counts from one look at whether the script is to end to the next
	limit, step := checkNumber(L, 2), 1.0
	if L.GetTop() > 2 {
		step = checkNumber(L, 3)
	}
	for n, i := checkNumber(L, 1), 1; step > 0 && n <= limit || step <= 0 && n >= limit; n, i = n+step, i+1 {
		if i%between == 0 {
			e.step(L)
		}
	}
	return 0
}

// errorOf is error: what is text, or a number, gets the place before it from which the function was called that stands so many
// levels above.
func (e *Engine) errorOf(L *lua.LState) int {
	v, level := L.Get(1), optInt(L, 2, 1)
	if level > 0 && lua.LVCanConvToString(v) {
		text := textOf(v)
		if at := L.Where(level); at != "" && !strings.HasPrefix(at, "[G]") { // a function of the script's own
			text = at + " " + text
		}
		v = lua.LString(text)
	}
	e.verbatim = true
	L.Error(v, 0)
	return 0
}

func assert(L *lua.LState) int {
	if L.GetTop() == 0 {
		L.ArgError(1, "value expected")
	}
	if !lua.LVAsBool(L.Get(1)) {
		L.RaiseError("%s", optText(L, 2, "assertion failed!"))
	}
	return L.GetTop()
}

// selectArguments is select.
func selectArguments(L *lua.LState) int {
	n := L.GetTop() - 1
	if L.Get(1) == lua.LString("#") {
		L.Push(lua.LNumber(n))
		return 1
	}
	i := checkInt(L, 1)
	if i < 0 {
		i = n + 1 + i
	}
	if i < 1 {
		L.ArgError(1, "index out of range")
	}
	return max(0, n+1-i)
}

// infinite is math.huge.
var infinite = math.Inf(1)

func ldexp(L *lua.LState) int {
	L.Push(lua.LNumber(math.Ldexp(checkNumber(L, 1), checkInt(L, 2))))
	return 1
}

// modf is math.modf: the integer and the rest, both with the sign of the whole.
func modf(L *lua.LState) int {
	f := checkNumber(L, 1)
	whole, rest := math.Modf(f)
	if math.IsInf(f, 0) {
		whole, rest = f, math.Copysign(0, f)
	}
	L.Push(lua.LNumber(whole))
	L.Push(lua.LNumber(rest))
	return 2
}

// ipairs is the function of that name, each what gives one item after the other.
func ipairs(each *lua.LFunction) lua.LGFunction {
	return func(L *lua.LState) int {
		t := L.CheckTable(1)
		L.Push(each)
		L.Push(t)
		L.Push(lua.LNumber(0))
		return 3
	}
}

// nextItem is what ipairs gives: the item behind a place.
func nextItem(L *lua.LState) int {
	i := checkInt(L, 2) + 1
	v := L.CheckTable(1).RawGetInt(i)
	if v == lua.LNil {
		return 0
	}
	L.Push(lua.LNumber(i))
	L.Push(v)
	return 2
}
