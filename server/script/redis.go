package script

import (
	"fmt"
	"math"
	"runtime/debug"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"larder/datatypes/decimal"
	"larder/server/resp"
)

// redisTable makes the table redis.
func (e *Engine) redisTable() *lua.LTable {
	t := e.L.NewTable()
	call, pcall := e.L.NewFunction(e.call), e.L.NewFunction(e.pcallCommand)
	t.RawSetString("call", call)
	t.RawSetString("pcall", pcall)
	e.unheard = map[lua.LValue]*lua.LFunction{call: e.L.NewFunction(e.callUnheard), pcall: e.L.NewFunction(e.pcallUnheard)}
	for name, fn := range map[string]lua.LGFunction{
		"log": e.log, "sha1hex": e.sha1hex,
		"error_reply": e.errorReply, "status_reply": e.statusReply, "setresp": e.setresp, "set_repl": e.setRepl,
		"replicate_commands": func(L *lua.LState) int { L.Push(lua.LTrue); return 1 },
		"breakpoint":         e.breakpoint, "debug": e.showValues, "acl_check_cmd": e.aclCheckCmd,
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

// serverTable is what the table redis is called in Valkey: its functions say that name when they are called wrongly.
func (e *Engine) serverTable(redis *lua.LTable) *lua.LTable {
	t := e.L.NewTable()
	t.Metatable = redis.Metatable
	each(redis, func(k, v lua.LValue) {
		if fn, ok := v.(*lua.LFunction); ok && e.unheard[fn] == nil {
			v = e.L.NewClosure(fn.GFunction, serverName)
		}
		t.RawSet(k, v)
	})
	return t
}

// serverName is what each function of that table has with it.
const serverName = lua.LString("server")

// asCalled is an error's text with the name by which the script knows the table of the function that it has called.
func asCalled(L *lua.LState, text string) string {
	if L.Get(lua.UpvalueIndex(1)) == serverName {
		return strings.Replace(text, "redis.", "server.", 1)
	}
	return text
}

// raise ends the script, or goes to the pcall around it, with an error table.
func raise(L *lua.LState, text string) {
	L.Error(errorTable(asCalled(L, text)), 1)
}

// raiseError is raise for what scripts call: a debugger shows it.
func (e *Engine) raiseError(L *lua.LState, text string) {
	e.showError(strings.TrimPrefix(asCalled(L, text), "ERR "))
	raise(L, text)
}

// needHost refuses what only makes sense while a script or a function runs.
func (e *Engine) needHost(L *lua.LState) {
	if e.host == nil || e.loading != nil {
		L.RaiseError("redis.call/pcall can not be used while a library is loaded")
	}
}

func (e *Engine) call(L *lua.LState) int {
	v := e.command(L, true)
	if t, ok := v.(*lua.LTable); ok && e.failed {
		L.Error(t, 1)
	}
	L.Push(v)
	return 1
}

func (e *Engine) pcallCommand(L *lua.LState) int {
	L.Push(e.command(L, true))
	return 1
}

// callUnheard and pcallUnheard are redis.call and redis.pcall for who does not listen to what they return.
func (e *Engine) callUnheard(L *lua.LState) int {
	if t, ok := e.command(L, false).(*lua.LTable); ok && e.failed {
		L.Error(t, 1)
	}
	return 0
}

func (e *Engine) pcallUnheard(L *lua.LState) int {
	e.command(L, false)
	return 0
}

// command runs a command and returns its reply as a Lua value. e.failed tells whether it is an error. What is not heard is not
// made a value of, but for an error.
func (e *Engine) command(L *lua.LState, heard bool) lua.LValue {
	e.needHost(L)
	e.failed = true
	argv, msg := e.arguments(L)
	if msg != "" {
		e.showError(strings.TrimPrefix(msg, "ERR "))
		return errorTable(msg)
	}
	return e.invoke(argv, heard)
}

// invoke is command for arguments that are there already.
func (e *Engine) invoke(argv [][]byte, heard bool) lua.LValue {
	e.failed = true
	if e.shows() {
		e.debug.showCommand(argv)
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
	if e.calls++; e.calls%lookCalls == 0 { // they may have taken long, and be large
		e.Hurry()
	}
	if refused != "" {
		e.showRefused(string(refused))
		t := errorTable(string(refused))
		t.RawSetString("ignore_error_stats_update", lua.LTrue)
		return t
	}
	b := w.Bytes()
	e.failed = b[0] == '-'
	v := lua.LValue(lua.LNil)
	if heard || e.failed {
		p := parser{b: b}
		v = p.value(e)
	}
	if e.shows() {
		if e.failed {
			e.showError(strings.TrimRight(string(b), "\r\n"))
		}
		e.debug.showReply(b)
	}
	if cap(b) > replyKept {
		e.reply = resp.Writer{}
	}
	return v
}

// breakpoint stops the script at its next line if there is a debugger.
func (e *Engine) breakpoint(L *lua.LState) int {
	if e.debug != nil {
		e.debug.asked = true
	}
	L.Push(lua.LBool(e.debug != nil))
	return 1
}

// showValues shows its arguments if there is a debugger.
func (e *Engine) showValues(L *lua.LState) int {
	if e.debug == nil {
		return 0
	}
	line := fmt.Appendf(nil, "<debug> line %d: ", e.debug.line)
	for i := 1; i <= L.GetTop(); i++ {
		if i > 1 {
			line = append(line, ", "...)
		}
		line = e.appendShown(line, L.Get(i), 0)
	}
	e.debug.say(string(line))
	return 0
}

// lookCalls is how many commands go by from one look at the host to the next, if there are not many instructions between them.
const lookCalls = 64

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
		e.raiseError(L, "ERR redis.log() requires two arguments or more.")
	}
	level, ok := number(L.Get(1))
	if !ok {
		e.raiseError(L, "ERR First argument must be a number (log level).")
	}
	if level < 0 || level >= 4 {
		e.raiseError(L, "ERR Invalid debug level.")
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

func (e *Engine) sha1hex(L *lua.LState) int {
	if L.GetTop() != 1 {
		e.raiseError(L, "ERR wrong number of arguments")
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

func (e *Engine) errorReply(L *lua.LState) int {
	if s, ok := oneString(L); ok {
		e.showError("-" + strings.TrimPrefix(string(s), "-"))
		L.Push(errorTable(string(s)))
	} else {
		e.showError("wrong number or type of arguments")
		L.Push(errorTable("ERR wrong number or type of arguments"))
	}
	return 1
}

func (e *Engine) statusReply(L *lua.LState) int {
	if s, ok := oneString(L); ok {
		L.Push(single("ok", s))
	} else {
		e.showError("wrong number or type of arguments")
		L.Push(errorTable("ERR wrong number or type of arguments"))
	}
	return 1
}

func (e *Engine) setresp(L *lua.LState) int {
	if L.GetTop() != 1 {
		e.raiseError(L, "ERR redis.setresp() requires one argument.")
	}
	n, _ := number(L.Get(1))
	if int(n) != 2 && int(n) != 3 {
		e.raiseError(L, "ERR RESP version must be 2 or 3.")
	}
	e.proto = int(n)
	return 0
}

func (e *Engine) setRepl(L *lua.LState) int {
	if L.GetTop() != 1 {
		e.raiseError(L, "ERR redis.set_repl() requires one argument.")
	}
	n, _ := number(L.Get(1))
	if int64(n)&^3 != 0 {
		e.raiseError(L, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	e.needHost(L)
	e.host.Replicate(int(n))
	return 0
}

func (e *Engine) aclCheckCmd(L *lua.LState) int {
	e.needHost(L)
	argv, msg := e.arguments(L)
	if msg != "" {
		e.raiseError(L, msg)
	}
	allowed, known := e.host.Allowed(argv)
	if !known {
		e.raiseError(L, "ERR Invalid command passed to redis.acl_check_cmd()")
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
