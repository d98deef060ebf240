package script

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"larder/server/resp"
)

// A Host is the server as a script sees it. All calls come from the goroutine that runs the script.
type Host interface {
	// Call runs a command, the name first. The arguments are valid until Call returns. The reply goes to reply, whose
	// Proto says in which form; if the command may not run at all that is returned as an error instead.
	Call(argv [][]byte, reply *resp.Writer) resp.Error
	// Log writes a line to the server's log; level 0 is debug, 3 is warning.
	Log(level int, text string)
	// Replicate says where effects go from now on: bit 0 the append-only log, bit 1 replicas.
	Replicate(where int)
	// Allowed tells whether the script's user may run a command; known is false if there is no such command.
	Allowed(argv [][]byte) (allowed, known bool)
	// Interrupt is called every few thousand instructions. If it returns true the script ends with an error.
	Interrupt() (kill bool)
	// KillText is why Interrupt wanted that.
	KillText() string
}

// Options are the bounds and words of engines.
type Options struct {
	Version    string // REDIS_VERSION
	VersionNum int    // REDIS_VERSION_NUM
	LogLevel   func() int
	// MaxString is the most bytes that one string may have which a script makes; 0: 512 MiB.
	MaxString int
}

// An Engine is a Lua state in which scripts run one after the other.
type Engine struct {
	L   *lua.LState
	opt Options

	globals    *lua.LTable    // what is there
	env        *lua.LTable    // what scripts see as their globals: nothing in it can be changed
	loadEnv    *lua.LTable    // the same while a library is loaded
	raise      *lua.LFunction // error
	stringMeta *lua.LTable    // metatable of strings, for scripts to look at
	missing    *lua.LTable    // metatable of what has to be there
	locked     map[*lua.LTable]*lua.LTable
	unheard    map[lua.LValue]*lua.LFunction // what does the same as redis.call, or pcall, and returns nothing

	host        Host
	proto       int
	ignoreStats bool
	failed      bool // the last command replied an error
	inHost      bool
	panicked    []byte // where the host was when it panicked
	rnd         random
	cjson       cjsonConf

	ticks       uint32
	armed       armed
	onError     func(*lua.LState)               // fails
	verbatim    bool                            // what is raised next is a script's own
	studied     map[string][]*studied           // functions of texts that had errors
	studiedText int                             // bytes of these
	debugged    map[*lua.FunctionProto]*studied // those of a text that is debugged
	calls       uint32                          // of commands
	hurried     atomic.Bool                     // the host is to be asked at the next instruction
	lookAt      int                             // bytes of the reply at which it is
	stop        chan struct{}                   // closed: the script is to end
	dead        chan struct{}

	threads

	debug   *Debugger        // nil unless the engine is there for one script that is debugged
	scripts map[string]*text // by SHA
	libs    map[string]*loadedLib
	loading *loader

	argv  [][]byte
	args  []byte
	reply resp.Writer
}

const (
	callDepth     = 5000    // of Lua functions; the trace of an error takes time by its square
	registryFirst = 1 << 10 // values on the stack
	registryMost  = 1 << 20
	registryStep  = 32 << 10
	tickMask      = 1<<12 - 1
	arrayMost     = 1 << 23 // numbers from here on are keys of a table's hash
)

// A table's array goes from 1 to the largest number below the bound, with whatever holes: a number that stands alone, such
// as the id of a user, takes 16 bytes for each one below it. At the bound that is 128 MiB; the library's own would be 1 GiB.
// So a list has fewer items than that, which is more than a script can look at before others find it slow.
func init() { lua.MaxArrayIndex = arrayMost }

// New makes an engine.
func New(o Options) *Engine {
	if o.MaxString == 0 {
		o.MaxString = 512 << 20
	}
	if o.LogLevel == nil {
		o.LogLevel = func() int { return 0 }
	}
	e := &Engine{opt: o, locked: map[*lua.LTable]*lua.LTable{}, scripts: map[string]*text{}, libs: map[string]*loadedLib{}}
	e.studied, e.onError = map[string][]*studied{}, e.fails
	e.dead = make(chan struct{})
	close(e.dead)
	e.rnd.seed(int32(rand.Uint32()))
	e.cjson.cjsonSettings = newCJSONSettings()
	e.begin()
	return e
}

// begin makes the state, with nothing in it of what was there before.
func (e *Engine) begin() {
	e.threads, e.armed, e.verbatim = threads{}, armed{}, false
	clear(e.locked)
	clear(e.scripts)
	clear(e.libs)
	e.L = lua.NewState(lua.Options{
		SkipOpenLibs: true, CallStackSize: callDepth, MinimizeStackMemory: true,
		RegistrySize: registryFirst, RegistryMaxSize: registryMost, RegistryGrowStep: registryStep,
	})
	e.furnish()
	e.watch(e.L)
}

// survive is guarded for what no other call stands around. The interpreter takes a panic of its own for an error, too, but may panic
// once more when it writes down where that was: its state is of no use then, and the engine goes on with another one.
func (e *Engine) survive(args, results int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if e.inHost {
				panic(r)
			}
			e.begin()
			err = fmt.Errorf("the interpreter has failed: %v", r)
		}
	}()
	return e.guarded(e.L, args, results)
}

// Close gives back what the state holds.
func (e *Engine) Close() { e.L.Close() }

// clock is the engine as the context of its state: the interpreter asks it before every instruction whether it is done,
// which is the one place where a running script can be looked after.
type clock Engine

func (c *clock) Done() <-chan struct{} {
	if c.ticks++; c.ticks&tickMask == 0 || c.hurried.Load() {
		c.look()
	}
	return c.stop
}

// look finds out whether the script is to end.
func (c *clock) look() {
	if c.armed.L != nil {
		c.armed.L.Panic = c.onError
		c.ticks = c.armed.ticks + 1
		c.armed = armed{}
		if c.ticks&tickMask != 0 && !c.hurried.Load() {
			return
		}
	}
	c.hurried.Store(false)
	switch {
	case c.stop != nil:
	case c.loading != nil && !c.loading.deadline.IsZero():
		if time.Now().After(c.loading.deadline) {
			c.loading.late = true
			c.stop = c.dead
		}
	case c.host != nil && c.host.Interrupt():
		c.stop = c.dead
	}
}

// Hurry makes the engine ask its host at the next instruction whether the script is to end. Any goroutine may call it.
func (e *Engine) Hurry() { e.hurried.Store(true) }

// step is for functions that walk over what may be large: it counts as an instruction, and ends the script if it is to end.
func (e *Engine) step(L *lua.LState) {
	if (*clock)(e).Done() != nil {
		L.RaiseError("%s", e.killText())
	}
}

func (c *clock) Err() error {
	if c.stop != nil {
		return errKilled
	}
	return nil
}

func (c *clock) Value(any) any { return nil }

func (c *clock) Deadline() (t time.Time, ok bool) { return t, false }

var _ context.Context = (*clock)(nil)

type killed struct{}

func (killed) Error() string { return "Script killed by user with SCRIPT KILL..." }

var errKilled error = killed{}

// Eval runs a script with its keys and arguments and writes its reply. The result tells about an error reply.
func (e *Engine) Eval(h Host, s *Script, keys, args [][]byte, out *resp.Writer) Result {
	t := e.scripts[s.SHA]
	if t == nil {
		if len(e.scripts) >= mostReady {
			clear(e.scripts)
		}
		t = e.ready(s.proto)
		e.scripts[s.SHA] = t
	}
	t.give(e, keys, args)
	defer t.take(e)
	return e.run(h, s.SHA, out, t.fn)
}

// mostReady is how many scripts an engine keeps ready. Beyond it starts over: that takes a few microseconds for each.
const mostReady = 10000

func (e *Engine) newFunction(proto *lua.FunctionProto) *lua.LFunction {
	fn := e.L.NewFunctionFromProto(proto)
	fn.Env = e.env
	return fn
}

// Forget drops all scripts.
func (e *Engine) Forget() { clear(e.scripts) }

func (e *Engine) list(items [][]byte) *lua.LTable {
	t := e.L.CreateTable(len(items), 0)
	for i, b := range items {
		t.RawSetInt(i+1, lua.LString(b))
	}
	return t
}

// Result is what is left to say of a script that has replied.
type Result struct {
	Failed  bool // the reply is an error
	Counted bool // which is a command's, and was counted as such
	Killed  bool
}

// run calls a function and replies what it returns.
func (e *Engine) run(h Host, name string, out *resp.Writer, fn *lua.LFunction, args ...lua.LValue) (r Result) {
	e.host, e.proto, e.stop, e.ignoreStats = h, 2, nil, false
	e.reply.Proto = 2
	e.used, e.nested, e.frames = 0, 0, 0
	e.L.Push(fn)
	for _, a := range args {
		e.L.Push(a)
	}
	err := e.survive(len(args), 1)
	L := e.L
	if err == nil {
		v := L.Get(-1)
		L.Pop(1)
		r = e.answer(out, v)
	} else {
		text, counted := e.describe(err, name)
		out.Error(resp.Error(newlines.Replace(text)))
		r = Result{Failed: true, Counted: counted, Killed: e.stop != nil}
	}
	e.host, e.stop = nil, nil
	e.cjson.cjsonSettings = newCJSONSettings()
	if L.GetTop() != 0 {
		L.SetTop(0)
	}
	return r
}

// answer replies what a script has returned. A reply that makes the script end is taken back.
func (e *Engine) answer(out *resp.Writer, v lua.LValue) Result {
	begin, errs := out.Mark(), out.ErrCount
	e.lookAt = out.Len() + lookEvery
	e.write(out, v, 0)
	if e.stop == nil {
		return Result{Failed: out.ErrCount != errs, Counted: e.ignoreStats}
	}
	out.Truncate(begin)
	out.ErrCount = errs
	out.Error(resp.Error("ERR " + e.killText()))
	return Result{Failed: true, Killed: true}
}

// checkPanic lets a panic of the server's own go on: the interpreter takes all panics for errors of the script.
func (e *Engine) checkPanic(err error) {
	if e.inHost {
		panic(fmt.Sprintf("%v\n%s", err, e.panicked))
	}
}

// describe words an error that has ended a script.
func (e *Engine) describe(err error, name string) (text string, counted bool) {
	f := failureOf(err)
	t, isTable := f.value.(*lua.LTable)
	switch {
	case e.stop != nil:
		text = "ERR " + e.killText()
	case isTable:
		t = e.real(t)
		text = "ERR unknown error"
		if v := t.RawGetString("err"); lua.LVCanConvToString(v) {
			text = textOf(v)
		}
		counted = t.RawGetString("ignore_error_stats_update") == lua.LTrue
	default:
		text = "ERR " + toText2(e.L, f.value)
	}
	if f.source != "" {
		text += " script: " + name + ", on " + f.source + ":" + strconv.Itoa(f.line) + "."
	}
	return text, counted
}

// killText is why a script was ended.
func (e *Engine) killText() string {
	if e.debug != nil && e.debug.why != "" {
		return e.debug.why
	}
	if e.host != nil {
		return e.host.KillText()
	}
	return errKilled.Error()
}

// toText2 is tostring for what was raised.
func toText2(L *lua.LState, v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return formatNumber(float64(v))
	}
	return asShown(L, v)
}

// fits raises an error if a string of n bytes would be too long.
func (e *Engine) fits(L *lua.LState, n int) {
	if n > e.opt.MaxString || n < 0 {
		L.RaiseError("not enough memory")
	}
}

// EngineMemory is about what an engine takes, in bytes.
const EngineMemory = 30 << 10

// FunctionMemory is about what a function takes in it.
const FunctionMemory = 200
