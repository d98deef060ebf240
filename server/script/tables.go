package script

import lua "github.com/yuin/gopher-lua"

// guardTableLibrary keeps the functions of table from changing a locked table.
func (e *Engine) guardTableLibrary(t *lua.LTable) {
	t.RawSetString("sort", e.L.NewFunction(e.sort))
	t.RawSetString("maxn", e.L.NewFunction(func(L *lua.LState) int {
		most := lua.LNumber(0)
		each(e.real(L.CheckTable(1)), func(k, _ lua.LValue) {
			if n, ok := k.(lua.LNumber); ok {
				most = max(most, n)
			}
		})
		L.Push(most)
		return 1
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
			if s, ok := k.(lua.LString); ok && isHelper(string(s)) {
				continue
			}
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

// sort is table.sort. It compares what Lua's own compares, in the same order: a function that gives no order, or values that have
// none, are found out in the same place.
func (e *Engine) sort(L *lua.LState) int {
	s := sorter{e: e, L: L, t: e.checkWritable(L, 1)}
	if L.Get(2) != lua.LNil {
		s.order = L.CheckFunction(2)
	}
	s.part(1, s.t.Len())
	return 0
}

type sorter struct {
	e     *Engine
	L     *lua.LState
	t     *lua.LTable
	order *lua.LFunction // nil: what is less comes first
}

func (s *sorter) less(a, b lua.LValue) bool {
	if s.order == nil {
		s.e.step(s.L)
		return s.L.LessThan(a, b)
	}
	s.L.Push(s.order)
	s.L.Push(a)
	s.L.Push(b)
	s.L.Call(2, 1)
	less := lua.LVAsBool(s.L.Get(-1))
	s.L.Pop(1)
	return less
}

func (s *sorter) at(i int) lua.LValue { return s.t.RawGetInt(i) }

// swap exchanges two items, which are known already.
func (s *sorter) swap(i, j int, at, other lua.LValue) {
	s.t.RawSetInt(i, other)
	s.t.RawSetInt(j, at)
}

// part sorts from low to high by the middle one of three: the shorter part by itself, then the longer one.
func (s *sorter) part(low, high int) {
	for low < high {
		s.inOrder(low, high)
		if high-low == 1 {
			return
		}
		middle := (low + high) / 2
		if !s.inOrder(low, middle) {
			s.inOrder(middle, high)
		}
		if high-low == 2 {
			return
		}
		pivot := s.at(middle)
		s.swap(middle, high-1, pivot, s.at(high-1))
		i := s.divide(low, high, pivot)
		s.swap(high-1, i, s.at(high-1), s.at(i))
		if i-low < high-i {
			s.part(low, i-1)
			low = i + 1
		} else {
			s.part(i+1, high)
			high = i - 1
		}
	}
}

// inOrder exchanges two items if the second comes before the first, and tells whether it has.
func (s *sorter) inOrder(first, second int) bool {
	a, b := s.at(first), s.at(second)
	if !s.less(b, a) {
		return false
	}
	s.swap(first, second, a, b)
	return true
}

// divide puts what is less than the pivot, which stands before the last, before what is greater; and returns where that begins.
func (s *sorter) divide(low, high int, pivot lua.LValue) int {
	i, j := low, high-1
	for {
		var up, down lua.LValue
		for i++; ; i++ {
			if up = s.at(i); !s.less(up, pivot) {
				break
			}
			s.inside(i <= high)
		}
		for j--; ; j-- {
			if down = s.at(j); !s.less(pivot, down) {
				break
			}
			s.inside(j >= low)
		}
		if j < i {
			return i
		}
		s.swap(i, j, up, down)
	}
}

func (s *sorter) inside(is bool) {
	if !is {
		s.L.RaiseError("invalid order function for sorting")
	}
}
