package server

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"larder/persistence/codec"
	"larder/server/command"
	"larder/server/glob"
	"larder/server/resp"
	"larder/server/script"
)

// functions are the libraries that FUNCTION LOAD was given. They change while all shards are held, so that a snapshot and
// a replica's copy have them as they are at their one moment.
type functions struct {
	set atomic.Pointer[script.Libraries]

	freed atomic.Uint64 // functions, and their engine, that FUNCTION FLUSH has left to be freed later

	mu     sync.Mutex // held by who uses the engine in which libraries run that keep a state: taken before any shard
	shared *script.Engine
	swept  atomic.Pointer[script.Libraries] // the set by which the shared engine has forgotten libraries last

	trying sync.Mutex // held by who uses the engine in which texts are tried: nothing else is taken meanwhile
	loader *script.Engine
}

// forgetLibraries has the engines forget what they have loaded of libraries that are gone. The loop's tick calls it: nothing runs in
// the loop's own engine.
func (ex *executor) forgetLibraries() {
	f, sg := &ex.srv.functions, &ex.scripting
	set := f.set.Load()
	if set != sg.swept {
		sg.swept = set
		if sg.engine != nil {
			sg.engine.ForgetLibraries(set)
		}
	}
	if set != f.swept.Load() && f.mu.TryLock() {
		defer f.mu.Unlock()
		set = f.set.Load() // what has run in the shared engine since the look above is in this one, and its state stays
		f.swept.Store(set)
		if f.shared != nil {
			f.shared.ForgetLibraries(set)
		}
	}
}

// freedLater is how many functions are so few that freeing them counts as done at once.
const freedLater = 64

// libraryTime is how long a library's text may run.
const libraryTime = 500 * time.Millisecond

// load makes a library of its text.
func (f *functions) load(srv *Server, code []byte, limit time.Duration) (*script.Library, error) {
	f.trying.Lock()
	defer f.trying.Unlock()
	if f.loader == nil {
		f.loader = srv.newEngine()
	}
	return f.loader.LoadLibrary(code, limit)
}

// addFunctions loads a library that a file or a primary brings into a set.
func (srv *Server) addFunctions(set *script.Libraries, code []byte, replace bool) (*script.Libraries, error) {
	lib, err := srv.functions.load(srv, code, 0)
	if err != nil {
		return nil, err
	}
	return set.With(lib, replace)
}

// functionCodes is the text of each library.
func (srv *Server) functionCodes() (codes [][]byte) {
	for _, lib := range srv.functions.set.Load().All() {
		codes = append(codes, []byte(lib.Code))
	}
	return codes
}

// fcall makes the handler of FCALL and FCALL_RO.
func fcall(readOnly bool) func(*command.Ctx) {
	return func(c *command.Ctx) {
		s := c.Client.(*session)
		ex := s.ex
		argv := c.Args.All()
		if ex.srv.monitors.count.Load() > 0 {
			ex.show(s, c.Row, argv)
		}
		f := ex.srv.functions.set.Load().Function(argv[1])
		if f == nil {
			c.Fail(resp.ErrNoFunction)
			return
		}
		keys, args, ok := scriptArgs(c, resp.ErrBadKeysNumber)
		if !ok {
			return
		}
		ex.runScript(c, &scriptRun{name: f.Name, flags: f.Flags, readOnly: readOnly, shared: f.Library.Stateful}, keys,
			func(e *script.Engine, r *scriptRun) script.Result {
				return e.Call((*scriptHost)(ex), f, keys, args, c.Reply)
			})
	}
}

// functionLoad keeps a library.
func functionLoad(c *command.Ctx) {
	srv := c.Client.(*session).srv
	replace := false
	for c.Args.Left() > 1 {
		word := c.Args.Bytes()
		if !command.EqualFold(word, "REPLACE") {
			c.Fail(resp.Error("ERR Unknown option given: " + string(word)))
			return
		}
		replace = true
	}
	limit := libraryTime
	if c.Obey {
		limit = 0
	}
	set := srv.functions.set.Load()
	code := c.Args.Bytes()
	if name, err := script.LibraryName(code); err == nil && set.Has(name) && !replace {
		c.Fail(resp.Error("ERR Library '" + name + "' already exists"))
		return
	}
	lib, err := srv.functions.load(srv, code, limit)
	if err == nil {
		set, err = set.With(lib, replace)
	}
	if err != nil {
		c.Fail(resp.Error("ERR " + err.Error()))
		return
	}
	srv.functions.set.Store(set)
	c.Dirty++
	c.Reply.BulkString(lib.Name)
}

func functionDelete(c *command.Ctx) {
	srv := c.Client.(*session).srv
	set, name := srv.functions.set.Load(), string(c.Args.Bytes())
	if !set.Has(name) {
		c.Fail(resp.ErrNoLibrary)
		return
	}
	srv.functions.set.Store(set.Without(name))
	c.Dirty++
	c.Reply.OK()
}

func functionFlush(c *command.Ctx) {
	if c.Args.Left() > 1 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "FUNCTION"))
		return
	}
	later := c.Keyspace().LazyFree.UserFlush
	switch {
	case c.Args.Is("SYNC"):
		later = false
	case c.Args.Is("ASYNC"):
		later = true
	case c.Args.More():
		c.Fail(resp.ErrFunctionFlush)
		return
	}
	f := &c.Client.(*session).srv.functions
	if _, n := f.set.Load().Count(); later && n > freedLater {
		f.freed.Add(uint64(n) + 1)
	}
	f.set.Store(&script.Libraries{})
	c.Dirty++
	c.Reply.OK()
}

func functionList(c *command.Ctx) {
	var pattern []byte
	code := false
	for c.Args.More() {
		switch {
		case !code && c.Args.Is("WITHCODE"):
			code = true
		case pattern == nil && c.Args.Is("LIBRARYNAME"):
			if !c.Args.More() {
				c.Fail(resp.ErrNoLibraryName)
				return
			}
			pattern = c.Args.Bytes()
		default:
			c.Fail(resp.Error("ERR Unknown argument " + string(c.Args.Bytes())))
			return
		}
	}
	w := c.Reply
	at, n := w.Defer(), 0
	for _, lib := range c.Client.(*session).srv.functions.set.Load().All() {
		if pattern != nil && !glob.Match(pattern, []byte(lib.Name), true) {
			continue
		}
		n++
		if code {
			w.Map(4)
		} else {
			w.Map(3)
		}
		w.BulkString("library_name")
		w.BulkString(lib.Name)
		w.BulkString("engine")
		w.BulkString("LUA")
		w.BulkString("functions")
		w.Array(len(lib.Functions))
		for _, f := range lib.Functions {
			w.Map(3)
			w.BulkString("name")
			w.BulkString(f.Name)
			w.BulkString("description")
			if f.Described {
				w.BulkString(f.Description)
			} else {
				w.Null()
			}
			w.BulkString("flags")
			words := f.Flags.Words()
			w.Set(len(words))
			for _, word := range words {
				w.Simple(word)
			}
		}
		if code {
			w.BulkString("library_code")
			w.BulkString(lib.Code)
		}
	}
	w.SetArray(at, n)
}

// functionStats tells what runs, and how many libraries and functions there are.
func functionStats(c *command.Ctx) {
	srv := c.Client.(*session).srv
	run := srv.runningRun(false)
	if run != nil && run.eval {
		c.Fail(resp.ErrBusyScript)
		return
	}
	w := c.Reply
	w.Map(2)
	w.BulkString("running_script")
	told := run != nil && run.words.tell(func(argv [][]byte) {
		w.Map(3)
		w.BulkString("name")
		w.BulkString(run.name)
		w.BulkString("command")
		w.Array(len(argv))
		for _, a := range argv {
			w.Bulk(a)
		}
		w.BulkString("duration_ms")
		w.Int((srv.age() - run.start).Milliseconds())
	})
	if !told {
		w.Null()
	}
	libraries, count := srv.functions.set.Load().Count()
	w.BulkString("engines")
	w.Map(1)
	w.BulkString("LUA")
	w.Map(2)
	w.BulkString("libraries_count")
	w.Int(int64(libraries))
	w.BulkString("functions_count")
	w.Int(int64(count))
}

func functionDump(c *command.Ctx) {
	c.Reply.Bulk(codec.DumpFunctions(c.Client.(*session).srv.functionCodes(), c.Conf.Dump))
}

func functionRestore(c *command.Ctx) {
	srv := c.Client.(*session).srv
	payload := c.Args.Bytes()
	if c.Args.Left() > 1 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "FUNCTION"))
		return
	}
	replace, flush := false, false
	switch {
	case !c.Args.More(), c.Args.Is("APPEND"):
	case c.Args.Is("REPLACE"):
		replace = true
	case c.Args.Is("FLUSH"):
		flush = true
	default:
		c.Fail(resp.ErrRestorePolicy)
		return
	}
	codes, err := codec.RestoreFunctions(payload, c.Conf.UncheckedDumps)
	if err != nil {
		c.Fail(resp.Error("ERR " + err.Error()))
		return
	}
	set := &script.Libraries{}
	for _, code := range codes {
		lib, err := srv.functions.load(srv, code, 0)
		if err == nil {
			set, err = set.With(lib, false)
		}
		if err != nil {
			c.Fail(resp.Error("ERR " + err.Error()))
			return
		}
	}
	if !flush {
		if set, err = srv.functions.set.Load().Join(set, replace); err != nil {
			c.Fail(resp.Error("ERR " + err.Error()))
			return
		}
	}
	srv.functions.set.Store(set)
	c.Dirty++
	c.Reply.OK()
}

func functionKill(c *command.Ctx) { c.Client.(*session).srv.killScript(c, false) }

func functionHelp(c *command.Ctx) {
	c.Help(
		"DELETE <LIBRARY NAME>", "Remove a library.",
		"DUMP", "Return all libraries in a form that RESTORE takes.",
		"FLUSH [ASYNC|SYNC]", "Remove all libraries.",
		"KILL", "End the function that is running.",
		"LIST [LIBRARYNAME PATTERN] [WITHCODE]", "Describe the libraries.",
		"LOAD [REPLACE] <FUNCTION CODE>", "Add a library.",
		"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]", "Bring back libraries from what DUMP gave.",
		"STATS", "Tell what runs and how many functions there are.",
	)
}

func init() {
	register(
		command.New("fcall", command.NoneOfThem, fcall(false)),
		command.New("fcall_ro", command.NoneOfThem, fcall(true)),
		command.New("function", command.NoneOfThem, nil),
		command.New("function|delete", command.AllOfThem, functionDelete),
		command.New("function|dump", command.NoneOfThem, functionDump),
		command.New("function|flush", command.AllOfThem, functionFlush),
		command.New("function|help", command.NoneOfThem, functionHelp),
		command.New("function|kill", command.NoneOfThem, functionKill),
		command.New("function|list", command.NoneOfThem, functionList),
		command.New("function|load", command.AllOfThem, functionLoad),
		command.New("function|restore", command.AllOfThem, functionRestore),
		command.New("function|stats", command.NoneOfThem, functionStats),
	)
}

// isFunctionCall tells whether a command calls functions.
func isFunctionCall(row *command.Row) bool { return strings.HasPrefix(row.Name, "fcall") }
