package server

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
	"larder/server/script"
)

// A scriptRun is a script or a function that is running.
type scriptRun struct {
	name     string
	eval     bool // a script, not a function
	flags    script.Flags
	readOnly bool // EVAL_RO and the like
	shared   bool // a function of a library that keeps a state: all its calls go to one engine
	declared bool // it can touch no keys but those that were named
	debugged bool // it stops now and then: nobody else is served

	s      *session
	engine *script.Engine
	start  time.Duration // by the server's age
	began  time.Time     // the same by the wall's clock, once the script has asked for it
	words  requestWords
	oom    bool // there was no room when it began
	obey   bool
	to     command.Target // where its effects go
	fate   atomic.Int32   // open, then written or doomed
	kill   atomic.Bool    // it is to end at the next instruction at which it is asked
	looks  int            // how often it was looked after
	heap   int64          // bytes in use on the Go heap when it was first measured
	live   int64          // bytes that the last collection before it has left there
	out    *resp.Writer
	owed   int         // bytes in out before its reply
	grown  atomic.Bool // a collection has left more than live and script-memory-limit
	large  bool        // it takes more than script-memory-limit
	late   bool        // it has taken longer than script-time-limit
	alone  bool        // it has become slow while the world has to stand still

	slow atomic.Int32 // notSlow, then slow once it has taken longer than busy-reply-threshold, then settled
}

// requestWords are the words of the request that runs a script. They stand where the loop reads requests, and may be told on other
// loops until the script ends.
type requestWords struct {
	mu   sync.Mutex // held by who sets, forgets or tells them: never by a script
	argv [][]byte   // nil: it has ended
}

func (w *requestWords) set(argv [][]byte) {
	w.mu.Lock()
	w.argv = argv
	w.mu.Unlock()
}

// tell lets word tell them. It is false if the script has ended.
func (w *requestWords) tell(word func(argv [][]byte)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.argv != nil {
		word(w.argv)
	}
	return w.argv != nil
}

// A script that is slow keeps the server busy until it is settled, by its end or because it is killed: from then on it can
// not become slow.
const (
	notSlow = iota
	slow
	settled
)

// A script that has written is not killed, and one that is killed has not written: what comes first holds.
const (
	open = iota
	written
	doomed
)

// wrote tells whether it has written.
func (r *scriptRun) wrote() bool { return r.fate.Load() == written }

// writes notes that it is about to write. It is false if it was killed before.
func (r *scriptRun) writes() bool { return r.fate.CompareAndSwap(open, written) || r.wrote() }

// dooms notes that it is to be killed. It is false if it has written before.
func (r *scriptRun) dooms() bool { return r.fate.CompareAndSwap(open, doomed) || !r.wrote() }

// busy tells whether it keeps the server busy.
func (r *scriptRun) busy() bool { return r.slow.Load() == slow }

// scriptHost is an executor as a script sees it.
type scriptHost executor

// runScript runs a script with the shards of its keys held, and more of them as it goes on.
func (ex *executor) runScript(c *command.Ctx, r *scriptRun, keys [][]byte, fn func(*script.Engine, *scriptRun) script.Result) {
	srv, s, v := ex.srv, c.Client.(*session), ex.view
	r.s, r.obey = s, c.Obey
	r.words.set(c.Args.All())
	r.to = command.ToLog | command.ToReplicas
	if e := ex.admitScript(r); e != "" {
		c.Fail(e)
		return
	}
	sg := &ex.scripting
	own := !ex.inTransaction
	giveUp := ex.asides.giveUp
	if r.obey { // what a primary sends, or a log has, is not refused: who would end the slow script is served aside meanwhile
		giveUp = nil
	}
	if own {
		if r.shared {
			if !lockUnless(&srv.functions.mu, ex.view.Waits, giveUp) {
				c.Fail(srv.busyOr())
				return
			}
			defer srv.functions.mu.Unlock()
		}
		if !r.declared {
			if !lockUnless(&srv.stray, ex.view.Waits, giveUp) {
				c.Fail(srv.busyOr())
				return
			}
			defer srv.stray.Unlock()
		}
		shards := ex.shardsOf(keys)
		if r.debugged {
			shards = srv.ks.All()
		}
		if !v.TakeUnless(shards, giveUp) {
			c.Fail(srv.busyOr())
			return
		}
		ex.hasShards()
	}
	row, reply, may, db := c.Row, c.Reply, c.MayBlock, s.db
	c.MayBlock, c.Script = false, true
	noted := ex.noted
	r.start, r.out, r.owed, r.live = srv.age(), reply, reply.Len(), srv.liveHeap.Load()
	sg.run = r
	r.engine = ex.engineFor(r)
	ex.running.Store(r)
	res := fn(r.engine, r)
	r.words.set(nil)
	ex.running.Store(nil)
	sg.run = nil
	srv.scriptEnded(r)
	s.db, v.DB = db, db
	c.Row, c.Reply, c.MayBlock, c.Script = row, reply, may, false
	c.Nested()
	// Errors of commands were counted where they happened: only what is the script's own counts again.
	ex.noted = noted
	if res.Failed && res.Counted {
		ex.noted++
		ex.note(row).failed++
	}
	if own {
		s.wrote(ex.release())
	}
}

// shardsOf is the shards of some keys.
func (ex *executor) shardsOf(keys [][]byte) (set keyspace.Set) {
	for _, k := range keys {
		set |= 1 << ex.srv.ks.ShardOf(ex.srv.ks.Hash(k))
	}
	return set
}

// admitScript asks what a script may do before it begins. A script that says nothing of itself is asked at each command
// instead.
func (ex *executor) admitScript(r *scriptRun) resp.Error {
	srv := ex.srv
	if srv.ks.MaxMemory() > 0 && !r.obey {
		if ex.inTransaction { // as it was for EXEC: what is refused for want of room is all of it
			r.oom = ex.full
		} else {
			r.oom = !ex.makeRoom()
		}
	}
	if r.flags&script.Compat != 0 {
		if srv.stale() {
			return resp.ErrMasterDown
		}
		return ""
	}
	if r.oom && r.flags&(script.AllowOOM|script.NoWrites) == 0 {
		return resp.ErrOOM
	}
	if srv.stale() && r.flags&script.AllowStale == 0 {
		return resp.ErrMasterDown
	}
	if r.flags&script.NoWrites != 0 {
		r.readOnly = true
		return ""
	}
	if r.obey {
		return ""
	}
	if e := srv.unsavedScript(); e != "" {
		return e
	}
	if e := ex.replicaGates(r.s, writeLike); e != "" {
		return e
	}
	if e := ex.guardScript(r.s); e != "" {
		return e
	}
	if r.readOnly {
		return resp.ErrScriptReadWrite
	}
	return ""
}

// writeLike is a command that writes, to ask the gates about.
var writeLike = &command.Row{Spec: spec.Must("set")}

// Call runs a command for the script.
func (h *scriptHost) Call(argv [][]byte, reply *resp.Writer) resp.Error {
	ex := (*executor)(h)
	srv, r := ex.srv, ex.scripting.run
	row, _ := srv.table.Find(argv)
	if e := ex.refuseInScript(r, row, argv); e != "" {
		if row != nil {
			ex.note(row).rejected++
		}
		ex.noteError(e)
		return e
	}
	if row.Has(spec.Write) && !r.writes() {
		return errDoomed
	}
	set := ex.locksOf(row, argv)
	if row.Locks == command.NoneOfThem && row.Has(spec.ArbitraryKeys) {
		set = srv.ks.All()
	}
	if missing := set &^ ex.view.Held(); missing != 0 {
		if r.declared { // the proof was wrong: two such scripts might wait for each other
			return errNotDeclared
		}
		ex.reach(missing)
	}
	c := &ex.ctx
	c.Reply = reply
	ex.view.DB = r.s.db
	effects := len(ex.unit.ops)
	start, timed := ex.startTimer(row)
	ex.run(row, argv, nil)
	r.s.scripted++
	ex.stopTimer(r.s, row, argv, start, timed)
	if r.to != command.ToLog|command.ToReplicas {
		for i := effects; i < len(ex.unit.ops); i++ {
			ex.unit.ops[i].to &= r.to
		}
	}
	return ""
}

// errDoomed is for a script that was killed an instruction ago: it ends at one of the next.
const errDoomed resp.Error = "ERR Script killed by user with SCRIPT KILL..."

const errNotDeclared resp.Error = "ERR Script attempted to access a key that it does not declare"

// reach takes shards that a script has not declared.
func (ex *executor) reach(missing keyspace.Set) { ex.view.TakeMore(missing) }

const errUnknownInScript resp.Error = "ERR Unknown Redis command called from script"

// refuseInScript is the gates for a script's commands.
func (ex *executor) refuseInScript(r *scriptRun, row *command.Row, argv [][]byte) resp.Error {
	srv := ex.srv
	switch {
	case row == nil && ex.knownButAbsent(argv):
		return "ERR This Redis command is not allowed from script"
	case row == nil:
		return errUnknownInScript
	case !row.ArityOK(len(argv)):
		return "ERR Wrong number of args calling Redis command from script"
	case row.Run == nil:
		return errUnknownInScript
	case (row.Has(spec.NoScript) || row.Locks == command.World) && !(srv.allowNoScript.Load() && (row.Locks != command.World || row.Name == "debug")):
		return "ERR This Redis command is not allowed from script"
	case !row.Has(spec.Stale) && srv.stale():
		return "ERR Can not execute the command on a stale replica"
	}
	if u := r.s.user; u != nil && !u.Free() && !r.obey {
		if e := ex.checkScript(r.s, row, argv); e != "" {
			return e
		}
	}
	if r.readOnly && (row.Has(spec.Write) || row.Has(spec.MayReplicate)) {
		return "ERR Write commands are not allowed from read-only scripts."
	}
	if r.obey || r.wrote() {
		return "" // it cannot be left halfway
	}
	if row.Has(spec.Write) {
		if e := srv.unsaved(); e != "" {
			return e
		}
		if e := ex.replicaGates(r.s, row); e != "" {
			return e
		}
		if e := ex.guardScript(r.s); e != "" {
			return e
		}
	}
	if r.oom && row.Has(spec.DenyOOM) && r.flags&script.AllowOOM == 0 {
		return resp.ErrOOM
	}
	return ""
}

// knownButAbsent tells whether a command that is not there would be refused to scripts if it were.
func (ex *executor) knownButAbsent(argv [][]byte) bool {
	name := strings.ToLower(string(argv[0]))
	s, known := spec.Lookup(name)
	if known && len(argv) > 1 {
		if sub, is := spec.Lookup(name + "|" + strings.ToLower(string(argv[1]))); is {
			s = sub
		}
	}
	return known && s.Has(spec.NoScript)
}

// Log writes a script's line to the log.
func (h *scriptHost) Log(level int, text string) {
	l := h.srv.log
	f := zap.String("script", h.scripting.run.name)
	switch level {
	case 0, 1:
		l.Debug(text, f)
	case 2:
		l.Info(text, f)
	default:
		l.Warn(text, f)
	}
}

// Replicate says where the script's effects go from here on.
func (h *scriptHost) Replicate(where int) {
	to := command.Target(0)
	if where&1 != 0 {
		to |= command.ToLog
	}
	if where&2 != 0 {
		to |= command.ToReplicas
	}
	h.scripting.run.to = to
}

// Allowed tells whether the script's user may run a command.
func (h *scriptHost) Allowed(argv [][]byte) (allowed, known bool) {
	ex := (*executor)(h)
	row, _ := ex.srv.table.Find(argv)
	if row == nil {
		return false, false
	}
	u := ex.scripting.run.s.user
	return u == nil || u.Free() || ex.maySend(ex.scripting.run.s, row, argv), true
}

// Interrupt is called now and then while a script runs.
func (h *scriptHost) Interrupt() (kill bool) {
	return (*executor)(h).whileScript(h.scripting.run)
}

// KillText is what a script that was ended tells its client.
func (h *scriptHost) KillText() string {
	if h.scripting.run.large {
		return "Script killed: not enough memory (script-memory-limit)..."
	}
	if h.scripting.run.alone {
		return "Script killed: it was slow in a transaction that keeps the server stopped for another of its commands..."
	}
	if h.scripting.run.late {
		return "Script killed: it ran for longer than script-time-limit..."
	}
	return strings.TrimPrefix(string(errDoomed), "ERR ")
}

// onlyReads tells whether what a request may change is up to scripts that promise not to write: its own, or for EXEC those
// that were queued.
func (ex *executor) onlyReads(s *session, row *command.Row, argv [][]byte) bool {
	if row.Name == "exec" && s.multi != nil {
		return !slices.ContainsFunc(s.multi.queue, func(q queued) bool { return s.mayWrite(q.row) && !ex.onlyReads(s, q.row, q.argv) })
	}
	flags, ok := ex.flagsOf(row, argv)
	return ok && flags&script.NoWrites != 0
}

// flagsOf is what the script that a request runs says of itself. ok is false if it says nothing, or if there is none.
func (ex *executor) flagsOf(row *command.Row, argv [][]byte) (flags script.Flags, ok bool) {
	switch row.Name {
	case "eval", "eval_ro":
		flags, _, err := script.Shebang(string(argv[1]))
		return flags, err == nil && flags&script.Compat == 0
	case "evalsha", "evalsha_ro":
		if s := ex.scriptNamed(argv[1]); s != nil {
			return s.Flags, s.Flags&script.Compat == 0
		}
	case "fcall", "fcall_ro":
		if f := ex.srv.functions.set.Load().Function(argv[1]); f != nil {
			return f.Flags, true
		}
	}
	return 0, false
}

// gatesOfQueued are the gates for a script that is about to be queued: what it says of itself is known already.
func (ex *executor) gatesOfQueued(s *session, row *command.Row, argv [][]byte) resp.Error {
	flags, ok := ex.flagsOf(row, argv)
	if !ok || flags&script.NoWrites != 0 {
		return ""
	}
	if ex.full && flags&script.AllowOOM == 0 {
		return resp.ErrOOM
	}
	return ex.replicaGates(s, writeLike)
}

// queuedForRoom tells whether a transaction that is to be executed has a script that will be refused if there is no room: one
// that says something of itself, and not that it needs none. Others are asked at each of their commands.
func (ex *executor) queuedForRoom(s *session, row *command.Row) bool {
	return row.Name == "exec" && s.multi != nil && slices.ContainsFunc(s.multi.queue, func(q queued) bool {
		flags, ok := ex.flagsOf(q.row, q.argv)
		return ok && flags&(script.NoWrites|script.AllowOOM) == 0
	})
}

// engineFor is the engine in which a script runs.
func (ex *executor) engineFor(r *scriptRun) *script.Engine {
	at := &ex.scripting.engine
	if r.shared {
		at = &ex.srv.functions.shared
	}
	if *at == nil {
		*at = ex.srv.newEngine()
	}
	return *at
}

// newEngine makes an engine with what the server calls itself.
func (srv *Server) newEngine() *script.Engine {
	srv.engines.Add(1)
	return script.New(script.Options{Version: RedisVersion, VersionNum: 0x00070204})
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
