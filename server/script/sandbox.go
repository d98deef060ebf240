package script

import (
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Redis lets scripts change neither globals nor libraries. The interpreter knows no such tables, so what a script gets
// of them is an empty table whose metatable looks everything up in the real one and refuses to write. locked finds the
// real one; everything that reads a table's own content has to ask real first.

const readOnlyText = "Attempt to modify a readonly table"

// kept are the interpreter's own basic functions that scripts have: they see their arguments and nothing else.
var kept = []string{"rawequal", "type"}

// furnish fills a new state.
func (e *Engine) furnish() {
	L := e.L
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString, lua.OpenMath, lua.OpenCoroutine} {
		L.Push(L.NewFunction(open))
		L.Call(0, 0)
	}
	opened := L.Get(lua.GlobalsIndex).(*lua.LTable)
	g := L.NewTable()
	e.globals = g
	for _, name := range kept {
		g.RawSetString(name, opened.RawGetString(name))
	}
	g.RawSetString("_VERSION", lua.LString("Lua 5.1"))
	for name, fn := range map[string]lua.LGFunction{
		"tostring": tostring, "tonumber": tonumber, "pcall": e.pcall, "xpcall": e.xpcall, "next": e.next, "rawget": e.rawget,
		"rawset": e.rawset, "getmetatable": e.getmetatable, "setmetatable": e.setmetatable, "loadstring": e.loadstring,
		"load": e.load, "unpack": e.unpack, "gcinfo": gcinfo, "collectgarbage": collectgarbage, "setfenv": e.setfenv, "getfenv": e.getfenv, "newproxy": newproxy,
		"error": e.errorOf, "select": selectArguments, "assert": assert, asText: e.text, asNumber: asLimit, idle: e.idle,
	} {
		g.RawSetString(name, L.NewFunction(fn))
	}
	e.raise = g.RawGetString("error").(*lua.LFunction)
	g.RawSetString("ipairs", L.NewFunction(ipairs(L.NewFunction(nextItem))))
	next := g.RawGetString("next")
	g.RawSetString("pairs", L.NewFunction(func(L *lua.LState) int {
		t := L.CheckTable(1)
		L.Push(next)
		L.Push(t)
		L.Push(lua.LNil)
		return 3
	}))
	library := func(name string) *lua.LTable { // with the interpreter's own functions, which it puts into other tables, too
		t := L.NewTable()
		each(opened.RawGetString(name).(*lua.LTable), t.RawSet)
		return t
	}
	str := library("string")
	for name, fn := range map[string]lua.LGFunction{
		"find": e.find, "match": e.match, "gmatch": e.gmatch, "gfind": e.gmatch, "gsub": e.gsub, "char": e.char,
		"format": e.format, "rep": e.rep, "byte": byteOf, "sub": sub, "len": length, "lower": lower, "upper": upper, "reverse": reverse,
	} {
		str.RawSetString(name, L.NewFunction(fn))
	}
	str.RawSetString("dump", L.NewFunction(dump))
	str.RawSetString("__index", lua.LNil)
	strings := L.NewTable() // the metatable
	strings.RawSetString("__index", str)
	L.SetMetatable(lua.LString(""), strings)
	tab := library("table")
	e.guardTableLibrary(tab)
	math := library("math")
	for _, name := range []string{"max", "min"} {
		of := math.RawGetString(name).(*lua.LFunction).GFunction
		math.RawSetString(name, L.NewFunction(func(L *lua.LState) int {
			checkNumber(L, 1)
			return of(L)
		}))
	}
	math.RawSetString("huge", lua.LNumber(infinite))
	math.RawSetString("mod", math.RawGetString("fmod"))
	math.RawSetString("modf", L.NewFunction(modf))
	math.RawSetString("ldexp", L.NewFunction(ldexp))
	math.RawSetString("random", L.NewFunction(e.mathRandom))
	math.RawSetString("randomseed", L.NewFunction(e.mathRandomseed))
	co := library("coroutine")
	e.coroutines(co)
	os := L.NewTable()
	os.RawSetString("clock", L.NewFunction(osClock))
	redis := e.redisTable()
	for name, t := range map[string]*lua.LTable{
		"string": str, "table": tab, "math": math, "os": os, "coroutine": co, "redis": redis, "server": e.serverTable(redis),
		"cjson": e.cjsonTable(), "cmsgpack": e.cmsgpackTable(), "struct": e.structTable(), "bit": e.bitTable(),
	} {
		g.RawSetString(name, e.lock(t))
	}
	shown := L.NewTable() // what scripts see of the metatable of strings, with the library as they see that
	shown.RawSetString("__index", g.RawGetString("string"))
	e.stringMeta = e.lock(shown)
	e.env = e.lock(g)
	g.RawSetString("_G", e.env)
	mt := L.NewTable() // of the real globals: what is not there is an error
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("Script attempted to access nonexistent global variable '%s'", lua.LVAsString(L.Get(2)))
		return 0
	}))
	g.Metatable = mt
	e.missing = mt
	e.loadEnv = e.libraryGlobals(redis)
	for _, t := range e.locked {
		each(t, func(_, v lua.LValue) {
			if fn, ok := v.(*lua.LFunction); ok {
				fn.Env = e.env
			}
		})
	}
	// The interpreter's globals have files and the real libraries in them. Nothing looks there any more: for whoever came that far
	// there is nothing.
	L.G.Global, L.G.Registry, L.Env = e.env, L.NewTable(), e.env
	each(opened, func(k, _ lua.LValue) { opened.RawSet(k, lua.LNil) })
}

// compiledHeader is what the compiled text of Lua 5.1 begins with on a machine of 64 bits, by its lundump.c: version 5.1, little endian,
// and the sizes of its types.
const compiledHeader = "\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00"

// dump is string.dump. Nothing loads compiled text, in Redis neither, so its header is all there is of it.
func dump(L *lua.LState) int {
	if L.CheckFunction(1).IsG {
		L.RaiseError("unable to dump given function")
	}
	L.Push(lua.LString(compiledHeader))
	return 1
}

// osClock is seconds that have passed, for scripts that measure what they do. A processor's time would be that of all loops.
func osClock(L *lua.LState) int {
	L.Push(lua.LNumber(time.Since(began).Seconds()))
	return 1
}

var began = time.Now()

// lock makes the table through which scripts see t.
func (e *Engine) lock(t *lua.LTable) *lua.LTable {
	p := e.L.NewTable()
	mt := e.L.NewTable()
	mt.RawSetString("__index", t)
	mt.RawSetString("__newindex", e.L.NewFunction(func(L *lua.LState) int {
		L.RaiseError(readOnlyText)
		return 0
	}))
	p.Metatable = mt
	e.locked[p] = t
	return p
}

// real is the table behind a locked one, or the table itself.
func (e *Engine) real(t *lua.LTable) *lua.LTable {
	if r := e.locked[t]; r != nil {
		return r
	}
	return t
}

// checkWritable refuses a locked table as argument i.
func (e *Engine) checkWritable(L *lua.LState, i int) *lua.LTable {
	t := L.CheckTable(i)
	if e.locked[t] != nil {
		L.Error(lua.LString(readOnlyText), 0)
	}
	return t
}

func (e *Engine) next(L *lua.LState) int {
	t := e.real(L.CheckTable(1))
	k := lua.LValue(lua.LNil)
	if L.GetTop() > 1 {
		k = L.Get(2)
	}
	for {
		var v lua.LValue
		k, v = t.Next(k)
		if k == lua.LNil {
			L.Push(lua.LNil)
			return 1
		}
		if s, ok := k.(lua.LString); ok && isHelper(string(s)) {
			continue
		}
		L.Push(k)
		L.Push(v)
		return 2
	}
}

func (e *Engine) rawget(L *lua.LState) int {
	L.Push(e.real(L.CheckTable(1)).RawGet(L.CheckAny(2)))
	return 1
}

func (e *Engine) rawset(L *lua.LState) int {
	t, k, v := e.checkWritable(L, 1), L.CheckAny(2), L.CheckAny(3)
	if k == lua.LNil {
		L.Error(lua.LString("table index is nil"), 0)
	} else if n, ok := k.(lua.LNumber); ok && n != n {
		L.Error(lua.LString("table index is NaN"), 0)
	}
	t.RawSet(k, v)
	L.SetTop(1)
	return 1
}

func (e *Engine) getmetatable(L *lua.LState) int {
	v := L.CheckAny(1)
	if t, ok := v.(*lua.LTable); ok && e.locked[t] != nil {
		mt, ok := e.locked[t].Metatable.(*lua.LTable)
		if !ok {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(e.lockOnce(mt))
		return 1
	}
	if _, ok := v.(lua.LString); ok {
		L.Push(e.stringMeta)
		return 1
	}
	mt := L.GetMetatable(v)
	if t, ok := mt.(*lua.LTable); ok {
		if field := t.RawGetString("__metatable"); field != lua.LNil {
			mt = field
		}
	}
	L.Push(mt)
	return 1
}

// lockOnce is lock for a table that scripts may ask for again and again.
func (e *Engine) lockOnce(t *lua.LTable) *lua.LTable {
	for p, r := range e.locked {
		if r == t {
			return p
		}
	}
	return e.lock(t)
}

func (e *Engine) setmetatable(L *lua.LState) int {
	t := e.checkWritable(L, 1)
	if L.GetTop() < 2 || L.Get(2) != lua.LNil && L.Get(2).Type() != lua.LTTable {
		L.ArgError(2, "nil or table expected")
	}
	if mt, ok := t.Metatable.(*lua.LTable); ok && mt.RawGetString("__metatable") != lua.LNil {
		L.RaiseError("cannot change a protected metatable")
	}
	L.SetMetatable(t, L.Get(2))
	L.SetTop(1)
	return 1
}

func (e *Engine) loadstring(L *lua.LState) int {
	return e.loadText(L, checkText(L, 1), optText(L, 2, ""))
}

// load puts the pieces together that a function gives. What that raises is returned.
func (e *Engine) load(L *lua.LState) int {
	fn, name := L.CheckFunction(1), optText(L, 2, "=(load)")
	var b strings.Builder
	for {
		L.SetTop(0)
		L.Push(fn)
		th, err := e.protect(L, 0)
		if err != nil {
			return e.notLoaded(L, failureOf(err))
		}
		v := th.Get(1)
		th.SetTop(0)
		if v != lua.LNil && !lua.LVCanConvToString(v) {
			return e.notLoaded(L, failure{value: lua.LString(L.Where(1) + " reader function must return a string")})
		}
		s := textOf(v)
		if v == lua.LNil || s == "" {
			return e.loadText(L, b.String(), name)
		}
		b.WriteString(s)
		e.fits(L, b.Len())
	}
}

// notLoaded is what load returns of an error: nil, and it as a table.
func (e *Engine) notLoaded(L *lua.LState, f failure) int {
	if e.stop != nil {
		L.RaiseError("%s", e.killText())
	}
	t, ok := f.value.(*lua.LTable)
	if !ok {
		t = errorTable("ERR " + toText2(L, f.value))
	}
	L.SetTop(0)
	L.Push(lua.LNil)
	L.Push(t)
	return 2
}

func (e *Engine) loadText(L *lua.LState, code, source string) int {
	if source == "" {
		source = code
	}
	_, proto, err := compile(code, chunkName(source))
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(err.Error()))
		return 2
	}
	remember(proto, code, source)
	L.Push(e.newFunction(proto))
	return 1
}

// chunkName is what Lua calls a text that was loaded under a name: in 60 bytes at most.
func chunkName(source string) string {
	const most, around = 60, len(` [string "..."] `) + 1
	switch source[0] {
	case '=':
		return source[1:min(len(source), most)]
	case '@':
		if n := len(source) - 1 - (most - len(` '...' `) - 1); n > 0 {
			return "..." + source[1+n:]
		}
		return source[1:]
	}
	source, _, _ = strings.Cut(source, "\x00") // it is a string of C
	line := source
	if i := strings.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	if line = line[:min(len(line), most-around)]; len(line) < len(source) {
		line += "..."
	}
	return `[string "` + line + `"]`
}

func (e *Engine) unpack(L *lua.LState) int {
	t := e.real(L.CheckTable(1))
	start, end := optInt(L, 2, 1), optInt(L, 3, t.Len())
	if end >= start && uint64(end)-uint64(start) >= maxUnpack {
		L.RaiseError("too many results to unpack")
	}
	for i := start; i <= end; i++ {
		L.Push(t.RawGetInt(i))
	}
	return max(0, end-start+1)
}

// maxUnpack is how many values unpack returns at most: as many as fit on Lua's stack.
const maxUnpack = 7999

func tostring(L *lua.LState) int {
	switch v := L.CheckAny(1).(type) {
	case lua.LString:
		L.Push(v)
	case lua.LNumber:
		L.Push(lua.LString(formatNumber(float64(v))))
	default:
		if t, ok := L.GetMetatable(v).(*lua.LTable); ok {
			if fn := t.RawGetString("__tostring"); fn != lua.LNil {
				call(L, fn, v)
				return 1
			}
		}
		L.Push(lua.LString(asShown(L, v)))
	}
	return 1
}

// asShown is what there is to see of what is neither text nor number.
func asShown(L *lua.LState, v lua.LValue) string {
	if u, ok := v.(*lua.LUserData); ok && u.Value == (isNull{}) {
		return "userdata: (nil)"
	}
	return L.ToStringMeta(v).String()
}

// call calls what may be no function, for one result.
func call(L *lua.LState, fn lua.LValue, args ...lua.LValue) {
	if _, ok := fn.(*lua.LFunction); !ok && L.GetMetaField(fn, "__call") == lua.LNil {
		L.Error(lua.LString("attempt to call a "+fn.Type().String()+" value"), 0)
	}
	L.Push(fn)
	for _, a := range args {
		L.Push(a)
	}
	L.Call(len(args), 1)
}

// text makes text of a number that is about to be joined; everything else stays.
func (e *Engine) text(L *lua.LState) int {
	v := L.Get(1)
	switch s := v.(type) {
	case lua.LNumber:
		v = lua.LString(formatNumber(float64(s)))
	case lua.LString:
		e.fits(L, len(s))
	}
	L.Push(v)
	return 1
}

func tonumber(L *lua.LState) int {
	v := L.CheckAny(1)
	base := optInt(L, 2, 10)
	if base == 10 {
		if s, ok := v.(lua.LString); ok { // it is a string of C
			text, _, _ := strings.Cut(string(s), "\x00")
			v = lua.LString(text)
		}
		if n, ok := number(v); ok {
			L.Push(lua.LNumber(n))
		} else {
			L.Push(lua.LNil)
		}
		return 1
	}
	if base < 2 || base > 36 {
		L.ArgError(2, "base out of range")
	}
	if n, ok := parseBase(checkText(L, 1), base); ok {
		L.Push(lua.LNumber(n))
	} else {
		L.Push(lua.LNil)
	}
	return 1
}

func gcinfo(L *lua.LState) int {
	L.Push(lua.LNumber(EngineMemory / 1024))
	return 1
}

func collectgarbage(L *lua.LState) int {
	switch what := optText(L, 1, "collect"); what {
	case "count":
		L.Push(lua.LNumber(EngineMemory / 1024))
	case "collect", "stop", "restart", "step", "setpause", "setstepmul":
		L.Push(lua.LNumber(0))
	default:
		L.ArgError(1, "invalid option '"+what+"'")
	}
	return 1
}
