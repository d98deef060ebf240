package script

import lua "github.com/yuin/gopher-lua"

// getfenv gives the globals of a function. Those of the interpreter's own are what scripts see as theirs.
func (e *Engine) getfenv(L *lua.LState) int {
	fn, ok := L.Get(1).(*lua.LFunction)
	if !ok {
		fn = e.functionAt(L, optInt(L, 1, 1))
	}
	if fn.IsG {
		L.Push(e.env)
	} else {
		L.Push(fn.Env)
	}
	return 1
}

// setfenv changes the globals of a function of the script's own.
func (e *Engine) setfenv(L *lua.LState) int {
	env := L.CheckTable(2)
	fn, ok := L.Get(1).(*lua.LFunction)
	if !ok {
		fn = e.functionAt(L, checkInt(L, 1))
	}
	if fn.IsG {
		L.RaiseError("'setfenv' cannot change environment of given object")
	}
	real := e.real(env)
	for _, name := range helpers {
		real.RawSetString(name, e.globals.RawGetString(name))
	}
	fn.Env = env
	L.Push(fn)
	return 1
}

// functionAt is the function that stands so many levels above the one that runs. What is called in a protected call stands on
// another stack than what has called it.
func (e *Engine) functionAt(L *lua.LState, level int) *lua.LFunction {
	if level < 0 {
		L.ArgError(1, "level must be non-negative")
	}
	left := level
	for th := L; th != nil; th = e.owners[th] {
		for at := 0; ; at++ {
			f, ok := th.GetStack(at)
			if !ok {
				break
			}
			v, _ := L.GetInfo("f", f, lua.LNil)
			fn := v.(*lua.LFunction)
			if left == 0 {
				return fn
			}
			left--
			if fn.IsG {
				continue
			}
			ended := endedBefore(f)
			if left < ended {
				L.RaiseError("no function environment for tail call at level %d", level)
			}
			left -= ended
			at += ended
		}
	}
	L.ArgError(1, "invalid level")
	return nil
}

// newproxy makes a userdata that has a metatable if its argument is true or another such one, whose metatable it shares.
func newproxy(L *lua.LState) int {
	ud := L.NewUserData()
	ud.Value = isProxy{}
	switch v := L.Get(1).(type) {
	case *lua.LUserData:
		if v.Value != (isProxy{}) || v.Metatable == lua.LNil {
			L.ArgError(1, "boolean or proxy expected")
		}
		ud.Metatable = v.Metatable
	default:
		switch {
		case v == lua.LTrue:
			ud.Metatable = L.NewTable()
		case lua.LVAsBool(v):
			L.ArgError(1, "boolean or proxy expected")
		}
	}
	L.Push(ud)
	return 1
}

// isProxy is what newproxy puts into what it makes.
type isProxy struct{}
