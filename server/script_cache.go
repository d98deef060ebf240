package server

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/script"
)

// scriptCache is the scripts that EVALSHA finds, by their SHA1 in small letters. Those that SCRIPT LOAD has brought stay until
// SCRIPT FLUSH. Of those that came with EVAL, which some programs make anew for each call, the last used few are kept.
type scriptCache struct {
	mu     sync.RWMutex
	bySHA  map[string]*cachedScript
	passed []*cachedScript // those that came with EVAL
	bytes  int

	uses    atomic.Uint64 // a clock that moves on when another script is used
	epoch   atomic.Uint64 // how often it was emptied: what executors keep is worthless after that
	evicted atomic.Uint64 // how many have made room, since CONFIG RESETSTAT
}

// mostPassed is how many scripts that came with EVAL are kept.
const mostPassed = 500

type cachedScript struct {
	*script.Script
	used atomic.Uint64 // when last, by the cache's clock
	gone atomic.Bool   // it has made room
}

// touch notes that a script is used.
func (sc *scriptCache) touch(s *cachedScript) {
	if s.used.Load() != sc.uses.Load() {
		s.used.Store(sc.uses.Add(1))
	}
}

func (sc *scriptCache) find(sha string) *cachedScript {
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	return sc.bySHA[sha]
}

// add puts a script into the cache, to stay or until it makes room. If it is there already that one is returned.
func (sc *scriptCache) add(s *script.Script, stay bool) *cachedScript {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if old := sc.bySHA[s.SHA]; old != nil {
		if stay {
			sc.hold(old)
		}
		return old
	}
	if sc.bySHA == nil {
		sc.bySHA = map[string]*cachedScript{}
	}
	c := &cachedScript{Script: s}
	c.used.Store(sc.uses.Add(1))
	if !stay {
		for len(sc.passed) >= mostPassed {
			sc.evict()
		}
		sc.passed = append(sc.passed, c)
	}
	sc.bySHA[s.SHA] = c
	sc.bytes += len(s.Body) + scriptOverhead
	return c
}

// keep is find, and what it finds stays.
func (sc *scriptCache) keep(sha string) *cachedScript {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	c := sc.bySHA[sha]
	if c != nil {
		sc.hold(c)
	}
	return c
}

func (sc *scriptCache) hold(c *cachedScript) {
	if i := slices.Index(sc.passed, c); i >= 0 {
		sc.passed = slices.Delete(sc.passed, i, i+1)
	}
}

// evict takes the script that was not used for the longest time out of those that came with EVAL.
func (sc *scriptCache) evict() {
	oldest := 0
	for i, c := range sc.passed {
		if c.used.Load() < sc.passed[oldest].used.Load() {
			oldest = i
		}
	}
	c := sc.passed[oldest]
	sc.passed[oldest] = sc.passed[len(sc.passed)-1]
	sc.passed = sc.passed[:len(sc.passed)-1]
	delete(sc.bySHA, c.SHA)
	sc.bytes -= len(c.Body) + scriptOverhead
	c.gone.Store(true)
	sc.evicted.Add(1)
}

// scriptOverhead is about what a script takes besides its text.
const scriptOverhead = 300

func (sc *scriptCache) flush() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.bySHA, sc.passed, sc.bytes = nil, nil, 0
	sc.epoch.Add(1)
}

func (sc *scriptCache) size() (count, bytes int) {
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	return len(sc.bySHA), sc.bytes
}

// scripting is what an executor has for scripts.
type scripting struct {
	engine  *script.Engine
	epoch   uint64
	evicted uint64                   // the cache's count when what is known was forgotten last
	known   map[string]*cachedScript // by SHA as clients write it
	run     *scriptRun               // that runs now
	swept   *script.Libraries        // the set by which the engine has forgotten libraries last
}

// scriptNamed finds a script by the name that a client gives it, nil if there is none.
func (ex *executor) scriptNamed(sha []byte) *script.Script {
	sg, sc := &ex.scripting, &ex.srv.scripts
	if epoch, evicted := sc.epoch.Load(), sc.evicted.Load(); epoch != sg.epoch || evicted-sg.evicted > mostPassed {
		clear(sg.known)
		sg.epoch, sg.evicted = epoch, evicted
		if sg.engine != nil {
			sg.engine.Forget()
		}
	}
	c := sg.known[string(sha)]
	if c == nil || c.gone.Load() {
		if c = sc.find(strings.ToLower(string(sha))); c == nil {
			return nil
		}
		if sg.known == nil || len(sg.known) > knownScripts {
			sg.known = map[string]*cachedScript{}
		}
		sg.known[string(sha)] = c
	}
	sc.touch(c)
	return c.Script
}

// knownScripts is how many names an executor remembers.
const knownScripts = 10000

// scriptOf is the script with a text, which came with EVAL: the one in the cache, or it is compiled and kept there.
func (ex *executor) scriptOf(body []byte) (*script.Script, error) {
	if s := ex.scriptNamed([]byte(script.SHA(body))); s != nil {
		return s, nil
	}
	s, err := script.Compile(body, ex.srv.keyFinder)
	if err != nil {
		return nil, err
	}
	return ex.srv.scripts.add(s, false).Script, nil
}

// declaresAll tells whether it is proven of the script that a request runs that it touches no keys but those it names.
func (ex *executor) declaresAll(row *command.Row, argv [][]byte) bool {
	switch row.Name {
	case "eval", "eval_ro":
		s, err := ex.scriptOf(argv[1])
		return err == nil && s.Declared
	case "evalsha", "evalsha_ro":
		s := ex.scriptNamed(argv[1])
		return s != nil && s.Declared
	}
	return false
}

// loadScript makes a script of a text and keeps it.
func (srv *Server) loadScript(body []byte) (*script.Script, error) {
	if c := srv.scripts.keep(script.SHA(body)); c != nil {
		return c.Script, nil
	}
	s, err := script.Compile(body, srv.keyFinder)
	if err != nil {
		return nil, err
	}
	return srv.scripts.add(s, true).Script, nil
}

// keyFinder tells where a command has its keys; see script.KeyFinder.
func (srv *Server) keyFinder(name string, argc int, open bool) (first, last, step int, ok bool) {
	row := srv.table.Lookup([]byte(name))
	if row == nil || len(row.Subs) > 0 || row.Locks != command.OfKeys || row.Choose != nil || row.Has(spec.ArbitraryKeys) {
		return 0, 0, 0, false
	}
	if !row.HasKeys() {
		return 1, 0, 1, true
	}
	if open && row.Last < 0 {
		return 0, 0, 0, false
	}
	if first, last, step, ok = row.KeyRange(max(argc, row.Last+1)); !ok {
		return 0, 0, 0, false
	}
	if !open {
		last = min(last, argc-1)
	}
	return first, last, step, true
}

// scriptFigures is what INFO says of scripts and functions; sizes in bytes.
type scriptFigures struct{ engines, shared, scripts, texts, cached, functions, libraries int64 }

// scriptMemory adds up what scripts and functions take, about.
func (srv *Server) scriptMemory() (m scriptFigures) {
	cached, scripts := srv.scripts.size()
	set := srv.functions.set.Load()
	libraries, functions := set.Count()
	m = scriptFigures{
		engines: int64(srv.engines.Load()) * script.EngineMemory, scripts: int64(scripts), texts: int64(set.Bytes()),
		cached: int64(cached), functions: int64(functions), libraries: int64(libraries),
	}
	if libraries > 0 {
		m.shared = script.EngineMemory + int64(functions)*script.FunctionMemory // the one in which they were tried
	}
	return m
}
