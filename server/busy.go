package server

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/netloop"
	"larder/server/resp"
)

// A script that runs for longer than busy-reply-threshold makes the server busy: every client is told so, on all loops,
// and may only ask for the script to be ended. The loop that runs the script serves its other clients aside, from within
// the script, every few thousand instructions; so does a loop that waits for a shard that the script holds.

// asideEvery is how often a loop looks aside while something takes long.
const asideEvery = time.Millisecond

// heapEvery is how many looks at a script go by from one measuring of the heap to the next: some milliseconds.
const heapEvery = 16

// asides is what an executor has for serving clients in the midst of something else.
type asides struct {
	on      bool         // it is doing so
	last    time.Time    // when it did so last
	args    resp.Args    //
	ctx     *command.Ctx // the other one is in use
	left    bool         // the connections of this turn were taken out of it
	serving *session     // whose request is being served
	batch   int          // the request of the turn's batch that runs
	giveUp  func() bool
}

// isBusy tells whether a script has run for too long.
func (srv *Server) isBusy() bool { return srv.busyScripts.Load() > 0 }

// busyRun is the script or function that has run for too long, nil if there is none. Of several it is one that can be killed:
// what another waits for in its midst, the one has. Of these it is one of the kind that eval names, if there is any.
func (srv *Server) busyRun(eval bool) (run *scriptRun) {
	if !srv.isBusy() {
		return nil
	}
	best := -1
	for _, ex := range srv.executors {
		r := ex.running.Load()
		if r == nil || !r.busy() {
			continue
		}
		rank := 0
		if !r.obey && !r.wrote() {
			rank = 1
			if r.eval == eval {
				rank = 2
			}
		}
		if rank > best {
			best, run = rank, r
		}
	}
	return run
}

// runningRun is a script, or if eval is false a function, that runs: the one that keeps the server busy, or else the one
// that has run for longest. It is nil if there is none, or only such as are killed already.
func (srv *Server) runningRun(eval bool) (longest *scriptRun) {
	if r := srv.busyRun(eval); r != nil {
		return r
	}
	for _, ex := range srv.executors {
		if r := ex.running.Load(); r != nil && r.eval == eval && !r.kill.Load() && (longest == nil || r.start < longest.start) {
			longest = r
		}
	}
	return longest
}

// busyError is what clients are told meanwhile, "" if the server is not busy.
func (srv *Server) busyError() resp.Error {
	r := srv.busyRun(true)
	switch {
	case r == nil:
		return ""
	case r.eval:
		return resp.ErrBusyScript
	}
	return resp.ErrBusyFunction
}

// busyOr is busyError for somebody who has just found the server busy.
func (srv *Server) busyOr() resp.Error {
	if e := srv.busyError(); e != "" {
		return e
	}
	return resp.ErrBusyScript
}

// killScript ends the script that keeps the server busy, or is about to: other loops hear of it before it does.
func (srv *Server) killScript(c *command.Ctx, eval bool) {
	r := srv.runningRun(eval)
	switch {
	case r == nil:
		c.Fail(resp.ErrNotBusy)
	case r.obey:
		c.Fail(resp.ErrUnkillableLink)
	case r.wrote():
		c.Fail(resp.ErrUnkillable)
	case eval && !r.eval:
		c.Fail(resp.ErrBusyFunction)
	case !eval && r.eval:
		c.Fail(resp.ErrBusyScript)
	case !r.dooms(): // it has written just now
		c.Fail(resp.ErrUnkillable)
	default:
		r.kill.Store(true)
		srv.scriptEnded(r) // who hears that it is killed need not wait for its end to be served
		c.Reply.OK()
	}
}

// shutdownBusy ends the server in the midst of a script. Nothing is saved.
func (srv *Server) shutdownBusy() {
	srv.log.Warn("User requested shutdown...")
	srv.ended.Store(true)
	for _, ex := range srv.executors {
		if r := ex.running.Load(); r != nil {
			r.kill.Store(true)
		}
	}
	srv.shutdown()
}

// whileScript is called now and then while a script runs. It tells whether the script is to end.
func (ex *executor) whileScript(r *scriptRun) (kill bool) {
	if r.kill.Load() {
		return true
	}
	took := ex.srv.age() - r.start
	if limit := milliseconds(ex.srv.conf.ScriptTimeLimit.Get()); limit > 0 && took > limit && !r.obey && !r.wrote() && !r.debugged {
		r.late = true
		return true
	}
	if ex.scriptGrows(r) && !r.obey {
		r.large = true
		return true
	}
	threshold := milliseconds(ex.srv.conf.BusyReplyThreshold.Get())
	if threshold <= 0 || took < threshold {
		return false
	}
	if r.slow.CompareAndSwap(notSlow, slow) {
		ex.srv.busyScripts.Add(1)
		if ex.srv.copyOf == nil {
			ex.srv.log.Warn("Slow script detected: still in execution after the time of busy-reply-threshold. You can try killing the script using the SCRIPT KILL command.",
				zap.String("script", r.name), zap.Int64("milliseconds", took.Milliseconds()))
		}
	}
	if r.alone = ex.loop != nil && !ex.leaveWorld() && !r.obey && !r.wrote() && !r.debugged; r.alone {
		return true // nobody else could end it
	}
	ex.lookAside()
	if r.kill.Load() {
		ex.srv.scriptEnded(r)
		return true
	}
	return false
}

// scriptGrows tells whether a script takes more memory than it may: for its reply, or on the Go heap. That is measured now and
// then, and whenever it is collected: one instruction may make half a gigabyte.
func (ex *executor) scriptGrows(r *scriptRun) bool {
	limit := ex.srv.conf.ScriptMemoryLimit.Get()
	if limit <= 0 {
		return false
	}
	if r.grown.Load() || int64(r.out.Len()-r.owed) > limit {
		return true
	}
	if r.looks++; r.looks%heapEvery != 0 {
		return false
	}
	heap := readMetrics("/memory/classes/heap/objects:bytes")[0]
	if r.heap == 0 {
		r.heap = heap
	}
	return heap-r.heap > limit
}

// watchHeap looks after the scripts that run whenever the Go heap has been collected, until the server ends.
func (srv *Server) watchHeap() {
	type mark struct{ of *Server } // is garbage again and again
	var collected func(m *mark)
	collected = func(m *mark) {
		live := readMetrics("/gc/heap/live:bytes")[0]
		srv.liveHeap.Store(live)
		limit := srv.conf.ScriptMemoryLimit.Get()
		for _, ex := range srv.executors {
			if r := ex.running.Load(); r != nil && limit > 0 && live-r.live > limit {
				r.grown.Store(true)
				r.engine.Hurry()
			}
		}
		select {
		case <-srv.stopped:
		default:
			runtime.SetFinalizer(m, collected)
		}
	}
	srv.liveHeap.Store(readMetrics("/gc/heap/live:bytes")[0])
	runtime.SetFinalizer(&mark{srv}, collected)
}

// hurryScripts has every script that runs at a tick looked after at its next instruction, until the server ends. Some thousand
// instructions may take minutes, if each goes through a string of many megabytes.
func (srv *Server) hurryScripts() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-srv.stopping:
			return
		case now := <-timer.C:
			for _, ex := range srv.executors {
				if r := ex.running.Load(); r != nil {
					r.engine.Hurry()
				}
			}
			timer.Reset(srv.engine.TickAfter(now).Sub(now))
		}
	}
}

// milliseconds is the time that a directive gives, however large: then it is the longest that there is.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// scriptEnded takes back what whileScript has said.
func (srv *Server) scriptEnded(r *scriptRun) {
	if r.slow.Swap(settled) == slow {
		srv.busyScripts.Add(-1)
	}
}

// whileWaiting is called while the executor waits for a shard that somebody has held for long.
func (ex *executor) whileWaiting() {
	if ex.srv.isBusy() {
		ex.lookAside()
	}
}

// lookAside serves the loop's other clients, as far as a busy server does.
func (ex *executor) lookAside() {
	if ex.within != nil {
		ex.within.lookAside()
		return
	}
	a := &ex.asides
	if ex.loop == nil || a.on || time.Since(a.last) < asideEvery || !ex.leaveWorld() {
		return
	}
	a.on = true
	now, nanos, current, own, viewNow := ex.now, ex.nanos, ex.current, ex.own, ex.view.Now
	inTransaction, noted := ex.inTransaction, ex.noted
	ex.current, ex.own = nil, nil // what the command has told its own client follows its reply, and nobody else's
	ex.inTransaction = false      // nor are others in its client's transaction
	if !a.left {
		a.left = ex.leaveTurn(a.serving)
	}
	ex.loop.Aside(func(c *netloop.Conn) { ex.serveAside(c) })
	ex.now, ex.nanos, ex.current, ex.own, ex.view.Now = now, nanos, current, own, viewNow
	ex.inTransaction, ex.noted = inTransaction, noted
	a.on, a.last = false, time.Now()
}

// leaveWorld lets the other loops go on if they were stopped for a transaction whose script takes long: one of them may be asked
// to end it. All shards are held, so it stays one step of the data. It is false if the world has to stand still, for
// something else or for what is queued behind the script.
func (ex *executor) leaveWorld() bool {
	if !ex.inWorld {
		return true
	}
	if !ex.inTransaction || ex.running.Load() == nil || slices.ContainsFunc(ex.queued, func(q queued) bool { return q.row.Locks == command.World }) {
		return false
	}
	ex.view.Strayed = nil // what is still renamed is copied, as a script's would be without a stopped world
	ex.startWorld()
	return true
}

// leaveTurn answers the rest of the turn's requests and lets its connections be served aside from now on: all but the
// one whose command runs. It is false if the server has ceased to be busy meanwhile: then the turn goes on with them.
func (ex *executor) leaveTurn(current *session) bool {
	for i := ex.asides.batch + 1; i < len(ex.batch); i++ {
		if !ex.srv.isBusy() {
			return false
		}
		rq := &ex.batch[i]
		s := rq.s
		if rq.done || !s.leavesTurn(current) {
			continue
		}
		if !s.conn.Proceed() { // it waits for something, and what was cut ahead of it belongs to it again
			ex.putBack(i)
			for ; i < len(ex.batch) && ex.batch[i].s == s; i++ {
				ex.batch[i].done = true
			}
			i--
			continue
		}
		if rq.fault == "" {
			rq.done = true
			s.takeInbox()
			ex.dispatchBusy(s, rq)
		}
	}
	ex.srv.kickLog()
	ex.endHolds() // what was answered before the command that takes long leaves when it may
	ex.guardSoFar(current)
	for _, c := range ex.turnOf {
		if s, _ := c.User.(*session); s == nil || !s.leavesTurn(current) {
			continue
		}
		ex.loop.LeaveTurn(c)
		ex.serveAside(c)
		ex.loop.FlushAside(c)
	}
	return true
}

// leavesTurn tells whether a client is served aside while the command of another one takes long. Primaries and replicas are not:
// what they say waits.
func (s *session) leavesTurn(current *session) bool {
	return s != current && s.link == nil && s.peer == nil
}

// serveAside runs what a connection has sent, as far as a busy server does.
func (ex *executor) serveAside(c *netloop.Conn) {
	s, _ := c.User.(*session)
	if s == nil {
		return
	}
	if !s.leavesTurn(nil) {
		c.Yield()
		return
	}
	s.takeInbox()
	lim := ex.srv.limits.Load()
	if s.stranger() {
		lim = ex.srv.unauthLimits.Load()
	}
	for c.Proceed() {
		if !ex.srv.isBusy() { // not any more: it is served when this is over
			c.Yield()
			return
		}
		rq := request{s: s}
		ex.asides.args.Reset()
		switch c.In.Next(lim, &ex.asides.args, &rq.Request) {
		case resp.Command:
			ex.prepare(&rq)
			ex.dispatchBusy(s, &rq)
		case resp.NeedMore:
			return
		case resp.Overflow:
			ex.overflow(s)
			return
		default:
			ex.protocolError(s, resp.Error(c.In.Err()))
			return
		}
	}
}

// dispatchBusy is dispatch while the executor is in the midst of something else: no shard may be touched, and neither
// view nor context. Hardly anything runs.
func (ex *executor) dispatchBusy(s *session, rq *request) {
	srv, row := ex.srv, rq.row
	s.lastUsed = ex.nanos
	s.commands++
	if s.lastRow = row; row == nil {
		ex.unknown(s, rq)
		return
	}
	e := resp.Error("")
	switch {
	case !row.ArityOK(len(rq.Args)) || row.Run == nil:
		e = resp.WrongArgs(row.Name)
	case !s.authed && !row.Has(spec.NoAuth) && !srv.openToAll():
		e = resp.ErrNoAuth
	case s.multi != nil && row.Has(spec.NoMulti):
		e = resp.ErrNoMulti
	case s.user != nil && !s.user.Free():
		e = ex.checkAccess(s, row, rq.Args)
	}
	queues := s.multi != nil && !runsInMulti(row)
	switch {
	case e != "":
	case s.restricted() && !allowedWhileSubscribed(row):
		e = resp.NotAllowedInSubscriber(row.Name)
	case srv.loading.Load() && !row.Has(spec.Loading):
		e = resp.ErrLoading
	case !row.Has(spec.AllowBusy) || !queues && !runsAside(row):
		e = srv.busyOr()
	}
	if e != "" {
		ex.rejectBusy(s, row, e)
		return
	}
	if queues {
		if ex.enqueueClients(s, row, rq.Args) {
			s.answered()
		}
		return
	}
	if row.Name == "shutdown" {
		ex.shutdownIfBusy(s, rq)
		return
	}
	a := &ex.asides
	if a.ctx == nil {
		a.ctx = &command.Ctx{View: keyspace.NewView(srv.ks), Rand: rand.NewPCG(rand.Uint64(), 0), Warn: ex.ctx.Warn}
	}
	c := a.ctx
	c.Client, c.Reply, c.Conf, c.MayBlock, c.Now = s, s.out(), ex.ctx.Conf, false, ex.now
	c.View.DB = s.db
	c.Begin(row, rq.Args)
	s.reply(func(w *resp.Writer) {
		errs := w.ErrCount
		row.Run(c)
		n := ex.note(row)
		n.calls++
		if w.ErrCount != errs {
			n.failed++
			ex.noteError(w.LastErr)
		}
	})
	s.answered()
}

// runsAside tells whether a command that a busy server allows needs nothing that is in use.
func runsAside(row *command.Row) bool {
	switch row.Name {
	case "auth", "hello", "quit", "multi", "discard", "unwatch", "script|kill", "function|kill", "function|stats", "shutdown":
		return true
	}
	return false
}

// rejectBusy is reject for who is served aside.
func (ex *executor) rejectBusy(s *session, row *command.Row, e resp.Error) {
	ex.note(row).rejected++
	if row.Name == "exec" {
		e = ex.abort(s, e)
	}
	s.failTransaction()
	s.reply(func(w *resp.Writer) { w.Error(e) })
	ex.noteError(e)
	s.answered()
}

// shutdownIfBusy is SHUTDOWN while a script runs: it must say NOSAVE.
func (ex *executor) shutdownIfBusy(s *session, rq *request) {
	for _, a := range rq.Args[1:] {
		if command.EqualFold(a, "NOSAVE") {
			ex.srv.shutdownBusy()
			return
		}
	}
	ex.rejectBusy(s, rq.row, ex.srv.busyOr()) // also if the script has ended just now
}

// lockUnless takes a lock, or gives up when giveUp says so while it is waited for. waits, which may be nil, is called
// meanwhile.
func lockUnless(mu *sync.Mutex, waits func(), giveUp func() bool) bool {
	for range 100 {
		if mu.TryLock() {
			return true
		}
		runtime.Gosched()
	}
	for nap := 20 * time.Microsecond; ; nap = min(2*nap, 500*time.Microsecond) {
		time.Sleep(nap)
		if mu.TryLock() {
			return true
		}
		if giveUp != nil && giveUp() {
			return false
		}
		if waits != nil {
			waits()
		}
	}
}
