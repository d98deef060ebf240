package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"larder/server/resp"
)

// A Library is what FUNCTION LOAD was given: a text that registers functions when it runs. It never changes. Each engine
// that calls one of its functions runs the text once for itself, unless the functions share something that they can
// change: such a library is Stateful, and all its calls have to go to one engine.
type Library struct {
	Name      string
	Code      string
	Functions []*Function // by name
	Stateful  bool

	proto *lua.FunctionProto
}

// A Function is one of a library.
type Function struct {
	Name        string
	Description string
	Described   bool
	Flags       Flags
	Library     *Library
}

// loadedLib is a library in an engine.
type loadedLib struct {
	lib       *Library
	functions map[string]*lua.LFunction
}

// loader collects what a library registers while its text runs.
type loader struct {
	functions map[string]*Function
	values    map[string]*lua.LFunction
	deadline  time.Time // zero: none
	late      bool
}

// fault is an error whose text begins with a capital, as Redis's do.
type fault string

func (f fault) Error() string { return string(f) }

// has tells whether a function of this name, in any case, was registered.
func (ld *loader) has(name string) bool {
	for n := range ld.functions {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// What is wrong with a library, in Redis's words and without a code.
const (
	errNoMetadata  fault = "Missing library metadata"
	errBadMetadata fault = "Invalid library metadata"
	errNoName      fault = "Library name was not given"
	errTwoNames    fault = "Invalid metadata value, name argument was given multiple times"
	errName        fault = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
	errNoFunctions fault = "No functions registered"
)

func faultf(format string, args ...any) error { return fault(fmt.Sprintf(format, args...)) }

// validName tells whether libraries and functions may be called so.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '_' {
			return false
		}
	}
	return s != ""
}

// metadata reads a library's first line.
func metadata(code string) (name, engine, rest string, err error) {
	head, isHead := strings.CutPrefix(code, "#!")
	if !isHead {
		return "", "", "", errNoMetadata
	}
	line, rest, found := strings.Cut(head, "\n")
	if !found {
		return "", "", "", errBadMetadata
	}
	words, ok := splitWords("#!" + line)
	if !ok {
		return "", "", "", errBadMetadata
	}
	named := false
	for _, w := range words[1:] {
		if len(w) < 5 || !strings.EqualFold(w[:5], "name=") {
			return "", "", "", faultf("Invalid metadata value given: %s", w)
		}
		if named {
			return "", "", "", errTwoNames
		}
		name, named = w[5:], true
	}
	if !named {
		return "", "", "", errNoName
	}
	return name, strings.TrimPrefix(words[0], "#!"), "\n" + rest, nil
}

// splitWords parts a line at blanks; quotation marks keep words together.
func splitWords(line string) (words []string, ok bool) {
	for {
		line = strings.TrimLeft(line, " \t\r\n\v\f")
		if line == "" {
			return words, true
		}
		var w []byte
		for line != "" && !strings.ContainsRune(" \t\r\n\v\f", rune(line[0])) {
			q := line[0]
			if q != '"' && q != '\'' {
				w = append(w, q)
				line = line[1:]
				continue
			}
			end := strings.IndexByte(line[1:], q)
			if end < 0 {
				return nil, false
			}
			w = append(w, line[1:1+end]...)
			line = line[end+2:]
			if line != "" && !strings.ContainsRune(" \t\r\n\v\f", rune(line[0])) {
				return nil, false
			}
		}
		words = append(words, string(w))
	}
}

// LoadLibrary runs a library's text and collects what it registers. The time it may take is not bounded if limit is 0.
func (e *Engine) LoadLibrary(code []byte, limit time.Duration) (*Library, error) {
	name, engine, rest, err := metadata(string(code))
	if err == nil {
		err = checkNames(name, engine)
	}
	if err != nil {
		return nil, err
	}
	_, proto, err := compile(rest, "user_function")
	if err != nil {
		return nil, faultf("Error compiling function: %v", err)
	}
	lib := &Library{Name: name, Code: string(code), proto: proto}
	ld := &loader{functions: map[string]*Function{}, values: map[string]*lua.LFunction{}}
	if limit > 0 {
		ld.deadline = time.Now().Add(limit)
	}
	if err := e.runLibrary(lib, ld); err != nil {
		return nil, err
	}
	if len(ld.functions) == 0 {
		return nil, errNoFunctions
	}
	seen := map[*lua.LFunction]bool{}
	for _, n := range slices.Sorted(maps.Keys(ld.functions)) {
		f := ld.functions[n]
		f.Library = lib
		lib.Functions = append(lib.Functions, f)
		lib.Stateful = lib.Stateful || e.keepsState(ld.values[n], seen)
	}
	return lib, nil
}

func (e *Engine) runLibrary(lib *Library, ld *loader) error {
	fn := e.L.NewFunctionFromProto(lib.proto)
	fn.Env = e.loadEnv
	e.loading, e.stop = ld, nil
	e.L.Push(fn)
	err := e.survive(0, 0)
	killed := e.stop != nil
	e.loading, e.stop = nil, nil
	e.L.SetTop(0)
	switch {
	case err == nil:
		return nil
	case ld.late:
		return fault("Error registering functions: FUNCTION LOAD timeout")
	case killed:
		return fault("Error registering functions: " + e.killText())
	}
	msg := ""
	switch v := failureOf(err).value.(type) {
	case *lua.LTable:
		msg = lua.LVAsString(v.RawGetString("err"))
	default:
		msg = "ERR " + toText2(e.L, v)
	}
	return faultf("Error registering functions: %s", msg)
}

// keepsState tells whether a function can see something that a function can change: a table, or a variable that is
// assigned to.
func (e *Engine) keepsState(fn *lua.LFunction, seen map[*lua.LFunction]bool) bool {
	if seen[fn] || fn.IsG {
		return false
	}
	seen[fn] = true
	if assignsUpvalue(fn.Proto) || fn.Env != e.loadEnv && fn.Env != e.env {
		return true
	}
	for _, u := range fn.Upvalues {
		switch v := u.Value().(type) {
		case *lua.LTable:
			if e.locked[v] == nil {
				return true
			}
		case *lua.LFunction:
			if e.keepsState(v, seen) {
				return true
			}
		case *lua.LUserData:
			if v != e.cjson.null {
				return true
			}
		case *lua.LState:
			return true
		}
	}
	return false
}

func assignsUpvalue(p *lua.FunctionProto) bool {
	for _, code := range p.Code {
		if opcode(code) == lua.OP_SETUPVAL {
			return true
		}
	}
	return slices.ContainsFunc(p.FunctionPrototypes, assignsUpvalue)
}

// Call calls a function with its keys and arguments and writes its reply.
func (e *Engine) Call(h Host, f *Function, keys, args [][]byte, out *resp.Writer) Result {
	e.host = h // which may end the library's text, too: that it came to its end once says nothing of here and now
	fn, err := e.instance(f)
	e.host = nil
	if err != nil {
		out.Error(resp.Error("ERR " + err.Error()))
		return Result{Failed: true}
	}
	return e.run(h, f.Name, out, fn, e.list(keys), e.list(args))
}

// instance is the engine's own copy of a function.
func (e *Engine) instance(f *Function) (*lua.LFunction, error) {
	l := e.libs[f.Library.Name]
	if l == nil || l.lib != f.Library {
		ld := &loader{functions: map[string]*Function{}, values: map[string]*lua.LFunction{}}
		if err := e.runLibrary(f.Library, ld); err != nil {
			return nil, err
		}
		l = &loadedLib{lib: f.Library, functions: ld.values}
		st := settler{e: e, seen: map[*lua.LFunction]bool{}, links: canLink(f.Library.proto)}
		for _, fn := range l.functions {
			st.settle(fn)
		}
		e.libs[f.Library.Name] = l
	}
	fn := l.functions[f.Name]
	if fn == nil {
		return nil, faultf("Function %s was not registered again", f.Name)
	}
	return fn, nil
}

// A settler gives functions that were made while a library was loaded the globals that functions have when they run.
type settler struct {
	e     *Engine
	seen  map[*lua.LFunction]bool
	links bool // to these globals
}

func (st *settler) settle(fn *lua.LFunction) {
	if st.seen[fn] || fn.IsG {
		return
	}
	st.seen[fn] = true
	if fn.Env == st.e.loadEnv {
		fn.Env = st.e.env
		if st.links {
			fn.Proto = st.e.link(fn.Proto, nil)
		}
	}
	for _, u := range fn.Upvalues {
		st.value(u.Value(), 0)
	}
}

func (st *settler) value(v lua.LValue, depth int) {
	switch v := v.(type) {
	case *lua.LFunction:
		st.settle(v)
	case *lua.LTable:
		if st.e.locked[v] != nil || depth > 16 {
			return
		}
		each(v, func(_, v lua.LValue) { st.value(v, depth+1) })
	}
}

// ForgetLibraries drops what was loaded of libraries that are not in keep.
func (e *Engine) ForgetLibraries(keep *Libraries) {
	for name, l := range e.libs {
		if keep.libs.get([]byte(name)) != l.lib {
			delete(e.libs, name)
		}
	}
}

// libraryGlobals are the globals of a library's text while it is loaded: hardly anything.
func (e *Engine) libraryGlobals(redis *lua.LTable) *lua.LTable {
	r := e.L.NewTable()
	each(redis, func(k, v lua.LValue) {
		if s, ok := k.(lua.LString); ok && (strings.HasPrefix(string(s), "LOG_") || strings.HasPrefix(string(s), "REDIS_") || s == "log") {
			r.RawSet(k, v)
		}
	})
	r.RawSetString("register_function", e.L.NewFunction(e.registerFunction))
	r.Metatable = e.missing
	g := e.L.NewTable()
	g.RawSetString("redis", e.lock(r))
	g.RawSetString("server", e.lock(e.serverTable(r)))
	for _, name := range helpers {
		g.RawSetString(name, e.globals.RawGetString(name))
	}
	g.Metatable = e.missing
	return e.lock(g)
}

func (e *Engine) registerFunction(L *lua.LState) int {
	ld := e.loading
	if ld == nil {
		raise(L, "ERR redis.register_function can only be called on FUNCTION LOAD command")
	}
	f := &Function{}
	var fn *lua.LFunction
	switch L.GetTop() {
	case 1:
		fn = f.readNamed(L)
	case 2:
		if !lua.LVCanConvToString(L.Get(1)) {
			raise(L, "ERR first argument to redis.register_function must be a string")
		}
		f.Name = textOf(L.Get(1))
		ok := false
		if fn, ok = L.Get(2).(*lua.LFunction); !ok {
			raise(L, "ERR second argument to redis.register_function must be a function")
		}
	default:
		raise(L, "ERR wrong number of arguments to redis.register_function")
	}
	switch {
	case !validName(f.Name):
		raise(L, "ERR "+errName.Error())
	case ld.has(f.Name):
		raise(L, "ERR Function already exists in the library")
	}
	ld.functions[f.Name], ld.values[f.Name] = f, fn
	return 0
}

// readNamed reads the form with one table.
func (f *Function) readNamed(L *lua.LState) (fn *lua.LFunction) {
	t, ok := L.Get(1).(*lua.LTable)
	if !ok {
		raise(L, "ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).")
	}
	named := false
	each(t, func(k, v lua.LValue) {
		if !lua.LVCanConvToString(k) {
			raise(L, "ERR named argument key given to redis.register_function is not a string")
		}
		switch strings.ToLower(textOf(k)) {
		case "function_name":
			if !lua.LVCanConvToString(v) {
				raise(L, "ERR function_name argument given to redis.register_function must be a string")
			}
			f.Name, named = textOf(v), true
		case "description":
			if !lua.LVCanConvToString(v) {
				raise(L, "ERR description argument given to redis.register_function must be a string")
			}
			f.Description, f.Described = textOf(v), true
		case "callback":
			if fn, ok = v.(*lua.LFunction); !ok {
				raise(L, "ERR callback argument given to redis.register_function must be a function")
			}
		case "flags":
			flags, ok := v.(*lua.LTable)
			if !ok {
				raise(L, "ERR flags argument to redis.register_function must be a table representing function flags")
			}
			for i := 1; flags.RawGetInt(i) != lua.LNil; i++ {
				flag, known := flagOf(strings.ToLower(textOf(flags.RawGetInt(i))))
				if !known {
					raise(L, "ERR unknown flag given")
				}
				f.Flags |= flag
			}
		default:
			raise(L, "ERR unknown argument given to redis.register_function")
		}
	})
	switch {
	case !named:
		raise(L, "ERR redis.register_function must get a function name argument")
	case fn == nil:
		raise(L, "ERR redis.register_function must get a callback argument")
	}
	return fn
}

// LibraryName reads the name from a library's first line.
func LibraryName(code []byte) (string, error) {
	name, engine, _, err := metadata(string(code))
	if err == nil {
		err = checkNames(name, engine)
	}
	return name, err
}

// checkNames is what can be said of a library before its text is compiled.
func checkNames(name, engine string) error {
	switch {
	case !validName(name):
		return errName
	case !strings.EqualFold(engine, "lua"):
		return faultf("Engine '%s' not found", engine)
	}
	return nil
}
