package server

import (
	"strings"
	"sync"
	"sync/atomic"

	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/script"
)

// scriptCache is the scripts that EVALSHA finds, by their SHA1 in small letters.
type scriptCache struct {
	mu    sync.RWMutex
	bySHA map[string]*script.Script
	bytes int
	epoch atomic.Uint64 // how often it was emptied: what executors keep is worthless after that
}

func (sc *scriptCache) find(sha string) *script.Script {
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	return sc.bySHA[sha]
}

// add keeps a script. If it is there already that one is returned.
func (sc *scriptCache) add(s *script.Script) *script.Script {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if old := sc.bySHA[s.SHA]; old != nil {
		return old
	}
	if sc.bySHA == nil {
		sc.bySHA = map[string]*script.Script{}
	}
	sc.bySHA[s.SHA] = s
	sc.bytes += len(s.Body) + scriptOverhead
	return s
}

// scriptOverhead is about what a script takes besides its text.
const scriptOverhead = 300

func (sc *scriptCache) flush() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.bySHA, sc.bytes = nil, 0
	sc.epoch.Add(1)
}

func (sc *scriptCache) size() (count, bytes int) {
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	return len(sc.bySHA), sc.bytes
}

// scripting is what an executor has for scripts.
type scripting struct {
	engine *script.Engine
	epoch  uint64
	known  map[string]*script.Script // by SHA as clients write it
	run    *scriptRun                // that runs now
}

// scriptNamed finds a script by the name that a client gives it, nil if there is none.
func (ex *executor) scriptNamed(sha []byte) *script.Script {
	sg := &ex.scripting
	if epoch := ex.srv.scripts.epoch.Load(); epoch != sg.epoch {
		clear(sg.known)
		sg.epoch = epoch
		if sg.engine != nil {
			sg.engine.Forget()
		}
	}
	if s := sg.known[string(sha)]; s != nil {
		return s
	}
	s := ex.srv.scripts.find(strings.ToLower(string(sha)))
	if s != nil {
		if sg.known == nil || len(sg.known) > knownScripts {
			sg.known = map[string]*script.Script{}
		}
		sg.known[string(sha)] = s
	}
	return s
}

// knownScripts is how many names an executor remembers.
const knownScripts = 10000

// scriptOf is the script with a text: the one in the cache, or it is compiled and kept there.
func (ex *executor) scriptOf(body []byte) (*script.Script, error) {
	if s := ex.scriptNamed([]byte(script.SHA(body))); s != nil {
		return s, nil
	}
	s, err := script.Compile(body, ex.srv.keyFinder)
	if err != nil {
		return nil, err
	}
	return ex.srv.scripts.add(s), nil
}

// keyFinder tells where a command has its keys; see script.KeyFinder.
func (srv *Server) keyFinder(name string, argc int, open bool) (first, last, step int, ok bool) {
	row := srv.table.Lookup([]byte(name))
	if row == nil || len(row.Subs) > 0 || row.Locks != command.OfKeys || row.Choose != nil || row.Has(spec.ArbitraryKeys) {
		return 0, 0, 0, row == nil || row.Has(spec.NoScript)
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
		m.shared = script.EngineMemory // the one in which they were tried
	}
	return m
}
