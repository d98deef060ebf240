package server

import (
	"slices"
	"strings"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
)

// dispatch runs one request of a client: through the gates, then at once or into the client's transaction.
func (ex *executor) dispatch(s *session, rq *request) {
	switch {
	case s.link != nil:
		ex.obey(s, rq)
	case s.peer != nil:
		ex.hearPeer(s, rq)
	default:
		ex.dispatchClient(s, rq)
	}
	if s.paused && s.link == nil { // it is put back, and counted when it comes again
		s.commands--
	}
	if s.copy != nil {
		if ex.view.Copies = nil; !s.paused { // it has run, or was refused
			ex.endCopy(s)
		}
	}
}

// dispatchClient is dispatch for whoever gets replies.
func (ex *executor) dispatchClient(s *session, rq *request) {
	argv, row := rq.Args, rq.row
	s.lastUsed = ex.nanos
	s.commands++
	if s.lastRow = row; row == nil {
		ex.unknown(s, rq)
		return
	}
	if e := ex.gates(s, row, argv); e != "" {
		if e == resp.ErrLoading && ex.srv.loadsBriefly(ex.steady()) {
			ex.parkForLoading(s, rq)
			return
		}
		ex.reject(s, row, e)
		return
	}
	if row.Name == "shutdown" && ex.srv.isBusy() {
		ex.shutdownIfBusy(s, rq)
		return
	}
	if s.voided && (row.Name == "watch" || row.Name == "exec") && !ex.unwatchSoon(s) {
		ex.reject(s, row, ex.srv.busyOr())
		return
	}
	if ex.mustWait(s, row, argv) || row.Locks == command.World && ex.takesOverEarly(s, row, argv) {
		ex.park(s, rq)
		return
	}
	if s.multi != nil && !runsInMulti(row) {
		if e := ex.gatesOfQueued(s, row, argv); e != "" {
			ex.reject(s, row, e)
			return
		}
		if ex.enqueueClients(s, row, argv) {
			ex.afterReply(s)
		}
		return
	}
	if ex.awaitsCopy(s, row, rq) {
		return
	}
	ex.call(s, row, rq)
}

// gates are what stands between a request and its handler, in the order in which they are asked. The answer is the
// error to reply, or nothing. EXEC is asked for all that it runs: a transaction is refused as a whole, or not at all.
func (ex *executor) gates(s *session, row *command.Row, argv [][]byte) resp.Error {
	srv := ex.srv
	if !row.ArityOK(len(argv)) {
		return resp.WrongArgs(row.Name)
	}
	if row.Run == nil {
		return resp.WrongArgs(row.Name)
	}
	if row.Has(spec.Protected) {
		if e := srv.protects(s, row); e != "" {
			return e
		}
	}
	if !s.authed && !row.Has(spec.NoAuth) && !srv.openToAll() {
		return resp.ErrNoAuth
	}
	if s.multi != nil && row.Has(spec.NoMulti) {
		return resp.ErrNoMulti
	}
	if u := s.user; u != nil && !u.Free() {
		if e := ex.checkAccess(s, row, argv); e != "" {
			return e
		}
	}
	if srv.isBusy() && s.link == nil {
		if srv.loading.Load() && s.lacks(row, spec.Loading) { // a script of the log takes long
			return resp.ErrLoading
		}
		if e := srv.busyError(); e != "" && !row.Has(spec.AllowBusy) {
			return e
		}
	}
	ex.full = srv.ks.MaxMemory() > 0 && !row.Has(spec.AllowBusy) && !ex.makeRoom()
	if ex.full && (s.has(row, spec.DenyOOM) || ex.queuedForRoom(s, row)) && !s.copy.ready() {
		return resp.ErrOOM
	}
	if s.has(row, spec.Write) || row.Name == "ping" {
		if e := srv.unsaved(); e != "" {
			return e
		}
	}
	if e := ex.replicaGates(s, row); e != "" {
		return e
	}
	if srv.guard.on.Load() {
		if e := ex.guardGates(s, row); e != "" {
			return e
		}
	}
	if s.restricted() && !allowedWhileSubscribed(row) {
		return resp.NotAllowedInSubscriber(row.Name)
	}
	if srv.stale() && s.lacks(row, spec.Stale) {
		return resp.ErrMasterDown
	}
	if srv.loading.Load() && s.lacks(row, spec.Loading) {
		return resp.ErrLoading
	}
	if srv.loadingAside.Load() && s.has(row, spec.NoAsyncLoading) {
		return resp.ErrLoading
	}
	return ""
}

// protects is what a client is told that may not use DEBUG, or add modules, from where it is.
func (srv *Server) protects(s *session, row *command.Row) resp.Error {
	name, option, allow := "DEBUG", "enable-debug-command", srv.conf.EnableDebugCommand.Get()
	if row.Container != nil && row.Container.Name == "module" {
		name, option, allow = "MODULE", "enable-module-command", srv.conf.EnableModuleCommand.Get()
	}
	if allow.Allows(isLocal(s.conn)) {
		return ""
	}
	return resp.NotEnabled(name, option)
}

// has tells whether a request has a flag: for EXEC, whether anything that was queued has it.
func (s *session) has(row *command.Row, flag spec.Flags) bool {
	return row.Has(flag) || s.multi != nil && row.Name == "exec" &&
		slices.ContainsFunc(s.multi.queue, func(q queued) bool { return q.row.Has(flag) })
}

// lacks tells whether a request has not a flag: for EXEC, whether anything that was queued has it not.
func (s *session) lacks(row *command.Row, flag spec.Flags) bool {
	return !row.Has(flag) || s.multi != nil && row.Name == "exec" &&
		slices.ContainsFunc(s.multi.queue, func(q queued) bool { return !q.row.Has(flag) })
}

// runsInMulti tells which commands are not queued inside a transaction.
func runsInMulti(row *command.Row) bool {
	switch row.Name {
	case "exec", "discard", "multi", "watch", "quit", "reset":
		return true
	}
	return false
}

// reject replies a gate's error. It spoils a transaction that is being queued.
func (ex *executor) reject(s *session, row *command.Row, e resp.Error) {
	if row != nil {
		ex.note(row).rejected++
	}
	if row != nil && row.Name == "exec" {
		e = ex.abort(s, e)
	}
	s.failTransaction()
	s.reply(func(w *resp.Writer) { w.Error(e) })
	ex.noteError(e)
	ex.afterReply(s)
}

// abort ends the transaction of a client whose EXEC meets a gate's error: nothing that was queued will run. It returns what the
// client is told.
func (ex *executor) abort(s *session, e resp.Error) resp.Error {
	s.multi = nil
	ex.unwatchSoon(s)
	if strings.HasPrefix(string(e), "REDIRECT ") {
		return e
	}
	return resp.ExecAbortBecause(resp.Error(strings.TrimPrefix(string(e), "ERR ")))
}

// unknown replies to a request that is no command.
func (ex *executor) unknown(s *session, rq *request) {
	argv := rq.Args
	if c := rq.container; c != nil {
		ex.reject(s, nil, resp.UnknownSubcommand(argv[1], c.Name))
		return
	}
	if name := argv[0]; command.EqualFold(name, "POST") || command.EqualFold(name, "HOST:") {
		ex.srv.log.Warn("Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. " +
			"This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection aborted.")
		s.close()
		return
	}
	ex.reject(s, nil, resp.UnknownCommand(argv))
}

// call stops the world if the request needs that, and runs it.
func (ex *executor) call(s *session, row *command.Row, rq *request) {
	if row.Locks != command.World && !(row.Name == "exec" && s.multi != nil && s.multi.world) && !ex.renamesFar(s, row, rq.Args) {
		if s.link != nil || ex.settleBefore(s, row, rq) {
			ex.perform(s, row, rq)
		}
		return
	}
	before := ex.srv.worlds.Load()
	ex.settleOthers(false)
	if !ex.stopWorldUnless(ex.asides.giveUp) {
		ex.refuseBusy(s, row, rq)
		return
	}
	defer ex.startWorld()
	ex.view.Strayed = ex.strayed
	defer func() { ex.view.Strayed = nil }()
	switch {
	case s.condemned.Load() || s.link != nil && s.link.dead.Load(): // meanwhile
		s.forgoes()
	case ex.srv.worlds.Load() != before+1 && s.link == nil && ex.overtaken(s, row, rq):
	default:
		ex.perform(s, row, rq)
	}
}

// settleBefore waits for other loops if a request of a client is about what they do. It is false if the request does not run now:
// what the gates and a pause are asked about may have changed meanwhile.
func (ex *executor) settleBefore(s *session, row *command.Row, rq *request) bool {
	before := ex.srv.worlds.Load()
	switch {
	case row.Choose != nil && row.Name == "info": // it tells what all clients are doing, too
		ex.settleOthers(true)
	case row.Has(spec.PubSub):
		ex.settleListeners(row, rq.Args)
	default:
		return true
	}
	return !s.condemned.Load() && (ex.srv.worlds.Load() == before || !ex.overtaken(s, row, rq))
}

// refuseBusy answers a request that would have to wait for a slow script. What a primary sends is never refused: it comes again.
func (ex *executor) refuseBusy(s *session, row *command.Row, rq *request) {
	if s.link != nil {
		s.forgoes()
		ex.park(s, rq)
		s.commands-- // it is counted when it comes again
		return
	}
	ex.reject(s, row, ex.srv.busyOr())
}

// overtaken asks the gates once more: while the request waited for the world to stop, somebody else's command may have closed
// one. It is true if the request does not run now.
func (ex *executor) overtaken(s *session, row *command.Row, rq *request) bool {
	if e := ex.gates(s, row, rq.Args); e != "" {
		ex.reject(s, row, e)
		return true
	}
	if ex.mustWait(s, row, rq.Args) {
		ex.park(s, rq)
		return true
	}
	return false
}

// perform takes the shards that the request needs, runs it and tells everybody who has to hear of it.
func (ex *executor) perform(s *session, row *command.Row, rq *request) {
	c := &ex.ctx
	v := ex.view
	v.DB = s.db
	v.NoTouch = s.noTouch
	c.Client, c.Reply, c.MayBlock, c.Again, c.MostReply = s, s.out(), true, false, s.mostReply()
	var set keyspace.Set
	if row.Renames && v.Strayed != nil {
		set = ex.srv.ks.All()
	} else if rq.hashed {
		set = 1 << ex.srv.ks.ShardOf(rq.hash)
	} else {
		set = ex.locksOf(row, rq.Args)
	}
	start, timed := ex.startTimer(row)
	ex.catchUp(start)
	mark, before := c.Reply.Mark(), c.Reply.Len()
	if set != 0 && !v.TakeUnless(set, ex.asides.giveUp) {
		ex.refuseBusy(s, row, rq)
		return
	}
	ex.hasShards()
	if rq.hashed { // until the shards are given back: another request's key may stand at the same place
		v.Hint(rq.Args[row.First], rq.hash)
	}
	ex.current, ex.requestSize = s, rq.Size()
	ex.run(row, rq.Args, rq.raw)
	switch {
	case len(ex.unit.ops) > 1 && row.Has(spec.ArbitraryKeys):
		s.wrote(ex.commitApart())
	case len(ex.unit.ops) > 0:
		s.wrote(ex.commit())
	}
	if s.link != nil {
		ex.obeyed(s)
	}
	if set != 0 {
		v.Release()
	}
	ex.current = nil
	ex.catchUp(ex.stopTimer(s, row, rq.Args, start, timed))
	if s.silent() && !subscribes(row) { // before it waits: what it is told then is no reply
		s.out().Truncate(mark)
	}
	waits := c.Wait.Set // its next look, at once, leaves nothing of that
	if waits {
		ex.block(s, row, rq.Args)
	}
	if !waits { // else it is logged when it is over
		ex.logLarge(s, row, rq.Args, rq.Size(), c.Reply.Len()-before)
	}
	ex.afterReply(s)
	if len(v.Lapsed) > 0 {
		ex.removeLapsed()
	}
	if len(ex.ready) > 0 {
		ex.serveBlocked()
	}
}

// removeLapsed removes the expired keys that a SCAN has come across.
func (ex *executor) removeLapsed() {
	v := ex.view
	db := v.DB
	for _, l := range v.Lapsed {
		v.DB = l.DB
		v.Take(1 << ex.srv.ks.ShardOf(ex.srv.ks.Hash(l.Key)))
		ex.listen()
		v.Has(l.Key)
		ex.settle()
		ex.release()
	}
	v.DB, v.Lapsed = db, nil
}

// run is one command with its shards held: the handler, then what follows from what it did.
func (ex *executor) run(row *command.Row, argv [][]byte, raw []byte) {
	c := &ex.ctx
	db, dirty, errs, noted := ex.view.DB, ex.view.Dirty, c.Reply.ErrCount, ex.noted
	ex.listen()
	ex.unit.keep()
	c.Begin(row, argv)
	itself := ex.view.ServeExpired && row.Has(spec.Write) && ex.writesItself()
	if e := ex.reserve(row, argv); e != "" {
		c.Fail(e)
	} else {
		row.Run(c)
	}
	if itself {
		ex.wroteItself(row, argv)
	}
	if ex.current != nil && !c.Again && ex.srv.monitors.count.Load() > 0 && !row.Has(spec.SkipMonitor) { // else it shows itself
		ex.show(ex.current, row, argv)
	}
	ex.view.Settle()
	if !c.Wait.Set { // else it is counted when it is over
		n := ex.note(row)
		n.calls++
		if c.Reply.ErrCount-errs != uint32(ex.noted-noted) { // an error of its own, not one of a queued command
			n.failed++
			ex.noteError(c.Reply.LastErr)
			if c.Obey && strings.HasPrefix(string(c.Reply.LastErr), "OOM ") { // maxmemory does not count here
				ex.starved = true
			}
		}
	}
	if c.WantEffects {
		ex.collect(db, raw, dirty)
	}
	if len(ex.view.Events) > 0 {
		ex.after()
	}
	// After that: a key that the command has found expired is told of as it was known before, and now it is known to be gone.
	if s := ex.current; s != nil && s.tracks != nil && !row.Has(spec.NoMandatoryKeys) { // what a script reads counts, not what it declares
		ex.remember(s, row, argv)
	}
	if row.Name == "flushall" && !c.Failed() && ex.mute == 0 {
		ex.srv.flushedAll(ex)
	}
}

// reserve makes sure that the shards held have room for what a command may write, so that an allocation that the system
// refuses is an error reply. Commands that only remove need none; those that remove parts of a value may have to move the
// rest. The answer is the error to reply, or nothing.
func (ex *executor) reserve(row *command.Row, argv [][]byte) resp.Error {
	if !row.Has(spec.Write) {
		return ""
	}
	size := 0
	for _, a := range argv {
		size += len(a)
	}
	if size > keyspace.MaxKey {
		if e := tooLarge(row, argv); e != "" {
			return e
		}
	}
	if ex.srv.ks.ReserveMany(ex.view.Held(), size, len(argv)) {
		return ""
	}
	switch row.Name {
	case "del", "unlink", "getdel", "flushdb", "flushall", "swapdb":
		return ""
	}
	return resp.ErrOOM
}

// tooLarge is the error of a write with a key or anything else that is too large to be kept. Clients cannot send the latter; a script,
// a primary and a log can.
func tooLarge(row *command.Row, argv [][]byte) resp.Error {
	for _, a := range argv {
		if len(a) > keyspace.MaxValue {
			return resp.ErrStringTooBig
		}
	}
	for _, k := range row.AppendKeys(nil, argv) {
		if len(argv[k.Pos]) > keyspace.MaxKey {
			return resp.ErrKeyTooBig
		}
	}
	return ""
}

// allowedWhileSubscribed tells which commands a subscriber of RESP2 may send.
func allowedWhileSubscribed(row *command.Row) bool {
	switch row.Name {
	case "ping", "subscribe", "ssubscribe", "unsubscribe", "sunsubscribe", "psubscribe", "punsubscribe", "quit", "reset":
		return true
	}
	return false
}

// afterReply is what follows a command's reply, or comes in its place if the reply is still to come.
func (ex *executor) afterReply(s *session) {
	if len(ex.own) > 0 {
		if !s.conn.Doomed() {
			s.out().Raw(ex.own)
		}
		if ex.own = ex.own[:0]; cap(ex.own) > ownKept {
			ex.own = nil
		}
	}
	ex.replied(s)
}

// ownKept is the size in bytes up to which the buffer of what a command tells its own client is kept for the next one.
const ownKept = 64 << 10

// replied is afterReply but for what the executor's command tells its own client.
func (ex *executor) replied(s *session) {
	if !s.conn.Suspended() {
		s.answered()
	}
	ex.checkOutput(s)
}
