package script

import (
	"math"
	"runtime/debug"

	lua "github.com/yuin/gopher-lua"

	"larder/datatypes/decimal"
	"larder/server/resp"
)

// redisTable makes the table redis.
func (e *Engine) redisTable() *lua.LTable {
	t := e.L.NewTable()
	for name, fn := range map[string]lua.LGFunction{
		"call": e.call, "pcall": e.pcallCommand, "log": e.log, "sha1hex": sha1hex,
		"error_reply": errorReply, "status_reply": statusReply, "setresp": e.setresp, "set_repl": e.setRepl,
		"replicate_commands": func(L *lua.LState) int { L.Push(lua.LTrue); return 1 },
		"breakpoint":         func(L *lua.LState) int { L.Push(lua.LFalse); return 1 },
		"debug":              func(*lua.LState) int { return 0 },
		"acl_check_cmd":      e.aclCheckCmd,
	} {
		t.RawSetString(name, e.L.NewFunction(fn))
	}
	for name, n := range map[string]int{
		"LOG_DEBUG": 0, "LOG_VERBOSE": 1, "LOG_NOTICE": 2, "LOG_WARNING": 3,
		"REPL_NONE": 0, "REPL_AOF": 1, "REPL_SLAVE": 2, "REPL_REPLICA": 2, "REPL_ALL": 3,
		"REDIS_VERSION_NUM": e.opt.VersionNum,
	} {
		t.RawSetString(name, lua.LNumber(n))
	}
	t.RawSetString("REDIS_VERSION", lua.LString(e.opt.Version))
	return t
}

// raise ends the script, or goes to the pcall around it, with an error table.
func raise(L *lua.LState, text string) {
	L.Error(errorTable(text), 1)
}

// needHost refuses what only makes sense while a script or a function runs.
func (e *Engine) needHost(L *lua.LState) {
	if e.host == nil || e.loading != nil {
		L.RaiseError("redis.call/pcall can not be used while a library is loaded")
	}
}

func (e *Engine) call(L *lua.LState) int {
	v := e.command(L)
	if t, ok := v.(*lua.LTable); ok && e.failed {
		L.Error(t, 1)
	}
	L.Push(v)
	return 1
}

func (e *Engine) pcallCommand(L *lua.LState) int {
	L.Push(e.command(L))
	return 1
}

// command runs a command and returns its reply as a Lua value. e.failed tells whether it is an error.
func (e *Engine) command(L *lua.LState) lua.LValue {
	e.needHost(L)
	e.failed = true
	argv, msg := e.arguments(L)
	if msg != "" {
		return errorTable(msg)
	}
	w := &e.reply
	w.Empty()
	w.Proto = e.proto
	e.inHost = true
	defer func() {
		if e.inHost {
			e.panicked = debug.Stack()
		}
	}()
	refused := e.host.Call(argv, w)
	e.inHost = false
	if refused != "" {
		t := errorTable(string(refused))
		t.RawSetString("ignore_error_stats_update", lua.LTrue)
		return t
	}
	b := w.Bytes()
	e.failed = b[0] == '-'
	p := parser{b: b}
	v := p.value(e)
	if cap(b) > replyKept {
		e.reply = resp.Writer{}
	}
	return v
}

// replyKept and argsKept are the sizes in bytes up to which buffers are kept from one command to the next.
const (
	replyKept = 1 << 20
	argsKept  = 1 << 20
)

// arguments makes a request of what a function was called with.
func (e *Engine) arguments(L *lua.LState) (argv [][]byte, msg string) {
	n := L.GetTop()
	if n == 0 {
		return nil, "ERR Please specify at least one argument for this redis lib call"
	}
	if cap(e.args) > argsKept {
		e.args = nil
	}
	size := 0
	for i := 1; i <= n; i++ {
		switch v := L.Get(i).(type) {
		case lua.LString:
			size += len(v)
		case lua.LNumber:
			size += 32
		default:
			return nil, "ERR Lua redis lib command arguments must be strings or integers"
		}
	}
	if cap(e.args) < size {
		e.args = make([]byte, 0, max(size, 256))
	}
	buf, argv := e.args[:0], e.argv[:0]
	for i := 1; i <= n; i++ {
		at := len(buf)
		switch v := L.Get(i).(type) {
		case lua.LString:
			buf = append(buf, v...)
		case lua.LNumber:
			buf = appendArgument(buf, float64(v))
		}
		argv = append(argv, buf[at:len(buf):len(buf)])
	}
	e.args, e.argv = buf, argv
	return argv, ""
}

// appendArgument prints a number as an argument: integers as such as long as a double tells them apart.
func appendArgument(dst []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<52 {
		return appendInt(dst, int64(f))
	}
	return decimal.Append(dst, f)
}

func (e *Engine) log(L *lua.LState) int {
	n := L.GetTop()
	if n < 2 {
		raise(L, "ERR redis.log() requires two arguments or more.")
	}
	level, ok := number(L.Get(1))
	if !ok {
		raise(L, "ERR First argument must be a number (log level).")
	}
	if level < 0 || level >= 4 {
		raise(L, "ERR Invalid debug level.")
	}
	if int(level) < e.opt.LogLevel() || e.host == nil {
		return 0
	}
	var text []byte
	for i := 2; i <= n; i++ {
		if v := L.Get(i); lua.LVCanConvToString(v) {
			if i > 2 {
				text = append(text, ' ')
			}
			text = append(text, textOf(v)...)
		}
	}
	e.host.Log(int(level), string(text))
	return 0
}

func sha1hex(L *lua.LState) int {
	if L.GetTop() != 1 {
		raise(L, "ERR wrong number of arguments")
	}
	L.Push(lua.LString(SHA([]byte(textOf(L.Get(1))))))
	return 1
}

// oneString is the only argument, if it is a string.
func oneString(L *lua.LState) (s lua.LString, ok bool) {
	if L.GetTop() != 1 {
		return "", false
	}
	s, ok = L.Get(1).(lua.LString)
	return s, ok
}

func errorReply(L *lua.LState) int {
	if s, ok := oneString(L); ok {
		L.Push(errorTable(string(s)))
	} else {
		L.Push(errorTable("ERR wrong number or type of arguments"))
	}
	return 1
}

func statusReply(L *lua.LState) int {
	if s, ok := oneString(L); ok {
		L.Push(single("ok", s))
	} else {
		L.Push(errorTable("ERR wrong number or type of arguments"))
	}
	return 1
}

func (e *Engine) setresp(L *lua.LState) int {
	if L.GetTop() != 1 {
		raise(L, "ERR redis.setresp() requires one argument.")
	}
	n, _ := number(L.Get(1))
	if int(n) != 2 && int(n) != 3 {
		raise(L, "ERR RESP version must be 2 or 3.")
	}
	e.proto = int(n)
	return 0
}

func (e *Engine) setRepl(L *lua.LState) int {
	if L.GetTop() != 1 {
		raise(L, "ERR redis.set_repl() requires one argument.")
	}
	n, _ := number(L.Get(1))
	if int64(n)&^3 != 0 {
		raise(L, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	e.needHost(L)
	e.host.Replicate(int(n))
	return 0
}

func (e *Engine) aclCheckCmd(L *lua.LState) int {
	e.needHost(L)
	argv, msg := e.arguments(L)
	if msg != "" {
		raise(L, msg)
	}
	allowed, known := e.host.Allowed(argv)
	if !known {
		raise(L, "ERR Invalid command passed to redis.acl_check_cmd()")
	}
	L.Push(lua.LBool(allowed))
	return 1
}

// number is a value as lua_tonumber takes it: text that is a number counts.
func number(v lua.LValue) (float64, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return float64(v), true
	case lua.LString:
		return parseNumber(string(v))
	}
	return 0, false
}

// textOf is a value as lua_tolstring takes it: numbers are printed.
func textOf(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return formatNumber(float64(v))
	}
	return ""
}
