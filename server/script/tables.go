package script

import lua "github.com/yuin/gopher-lua"

// guardTableLibrary keeps the functions of table from changing a locked table.
func (e *Engine) guardTableLibrary(t *lua.LTable) {
	order := t.RawGetString("sort").(*lua.LFunction).GFunction
	t.RawSetString("sort", e.L.NewFunction(func(L *lua.LState) int {
		e.checkWritable(L, 1)
		return order(L)
	}))
	t.RawSetString("insert", e.L.NewFunction(e.insert))
	t.RawSetString("remove", e.L.NewFunction(e.remove))
	t.RawSetString("concat", e.L.NewFunction(e.concat))
	t.RawSetString("getn", e.L.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LNumber(e.real(L.CheckTable(1)).Len()))
		return 1
	}))
	t.RawSetString("setn", e.L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("'setn' is obsolete")
		return 0
	}))
	t.RawSetString("foreach", e.L.NewFunction(func(L *lua.LState) int {
		t, fn := e.real(L.CheckTable(1)), L.CheckFunction(2)
		for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
			if callBack(L, fn, k, v) {
				return 1
			}
		}
		return 0
	}))
	t.RawSetString("foreachi", e.L.NewFunction(func(L *lua.LState) int {
		t, fn := e.real(L.CheckTable(1)), L.CheckFunction(2)
		for i, n := 1, t.Len(); i <= n; i++ {
			if callBack(L, fn, lua.LNumber(i), t.RawGetInt(i)) {
				return 1
			}
		}
		return 0
	}))
}

// callBack calls fn with a pair and leaves its result if there is one.
func callBack(L *lua.LState, fn *lua.LFunction, k, v lua.LValue) bool {
	L.Push(fn)
	L.Push(k)
	L.Push(v)
	L.Call(2, 1)
	if L.Get(-1) != lua.LNil {
		return true
	}
	L.Pop(1)
	return false
}

// concat is table.concat.
func (e *Engine) concat(L *lua.LState) int {
	t := e.real(L.CheckTable(1))
	sep, from := optText(L, 2, ""), optInt(L, 3, 1)
	to := optInt(L, 4, t.Len())
	var b []byte
	for i := from; i <= to; i++ {
		switch v := t.RawGetInt(i).(type) {
		case lua.LString:
			b = append(b, v...)
		case lua.LNumber:
			b = appendNumber(b, float64(v), 14)
		default:
			L.RaiseError("invalid value (%s) at index %d in table for 'concat'", v.Type().String(), i)
		}
		if i < to {
			b = append(b, sep...)
		}
		e.fits(L, len(b))
	}
	L.Push(lua.LString(b))
	return 1
}

// insert is table.insert.
func (e *Engine) insert(L *lua.LState) int {
	t := e.checkWritable(L, 1)
	switch L.GetTop() {
	case 2:
		t.Append(L.Get(2))
	case 3:
		at, v := checkInt(L, 2), L.Get(3)
		if at >= 1 {
			t.Insert(at, v)
			break
		}
		for i := t.Len() + 1; i > 0; i-- {
			t.RawSetInt(i, t.RawGetInt(i-1))
		}
		t.RawSetInt(at, v)
	default:
		L.RaiseError("wrong number of arguments to 'insert'")
	}
	return 0
}

// remove is table.remove.
func (e *Engine) remove(L *lua.LState) int {
	t := e.checkWritable(L, 1)
	n := t.Len()
	at := optInt(L, 2, n)
	if at < 1 || at > n {
		return 0
	}
	L.Push(t.Remove(at))
	return 1
}
