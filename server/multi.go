package server

import (
	"bytes"
	"slices"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
)

// A transaction is what a client has queued since MULTI. EXEC takes the shards of all its commands at once, runs them
// in order and gives its effect to the log and the replicas as one.
type transaction struct {
	queue   []queued
	args    [][]byte // room for the arguments of what is queued next, behind those of what was queued last
	text    []byte   // the same for the bytes of those that are not long
	bytes   int      // of the arguments, for CLIENT LIST and the limits
	words   int      // how many arguments that is
	failed  bool     // a command could not be queued: EXEC refuses
	world   bool     // a command looks at other clients: EXEC stops the world
	copies  bool     // a command is COPY
	renames bool     // a command may give a value to a key of another shard
	db      int      // the database that the commands queued so far will have selected
}

type queued struct {
	row  *command.Row
	argv [][]byte
}

// A transaction's room grows by doubling up to these; a larger one is not kept for the next transaction.
const (
	mostQueueRoom = 128 // commands
	mostArgsRoom  = 512
	mostTextRoom  = 8 << 10
	longArgument  = mostTextRoom / 4 // has memory of its own, so that little room is left over
)

// enqueue keeps a request until EXEC.
func (s *session) enqueue(row *command.Row, argv [][]byte) {
	t := s.multi
	t.queue = append(t.queue, queued{row, t.keep(argv)})
	t.world = t.world || row.Locks == command.World
	t.copies = t.copies || row.Copies
	t.renames = t.renames || row.Renames
	s.reply(func(w *resp.Writer) { w.Simple("QUEUED") })
}

// enqueueClients is enqueue for what clients send. It is false if this one has queued more than it may have sent: then it is closed.
func (ex *executor) enqueueClients(s *session, row *command.Row, argv [][]byte) bool {
	s.enqueue(row, argv)
	if s.multi.size() > int(ex.srv.conf.ClientQueryBufferLimit.Get()) {
		ex.overflow(s)
		return false
	}
	return true
}

// keep copies arguments, which are slices of the read buffer. Where there is no room for them behind the others there is new
// room: what was kept before stays where it is.
func (t *transaction) keep(argv [][]byte) [][]byte {
	if len(argv) > cap(t.args)-len(t.args) {
		t.args = make([][]byte, 0, max(len(argv), min(max(8, 2*cap(t.args)), mostArgsRoom)))
	}
	first := len(t.args)
	for _, a := range argv {
		t.bytes += len(a)
		if len(a) > longArgument {
			t.args = append(t.args, bytes.Clone(a))
			continue
		}
		if len(a) > cap(t.text)-len(t.text) {
			t.text = make([]byte, 0, max(len(a), min(max(64, 2*cap(t.text)), mostTextRoom)))
		}
		at := len(t.text)
		t.text = append(t.text, a...)
		t.args = append(t.args, t.text[at:len(t.text):len(t.text)])
	}
	t.words += len(argv)
	return t.args[first:len(t.args):len(t.args)]
}

// reuse keeps the room of a transaction that has run for the next one of this loop's clients.
func (ex *executor) reuse(t *transaction) {
	if cap(t.queue) > mostQueueRoom || cap(t.args) > mostArgsRoom {
		return
	}
	clear(t.queue)
	clear(t.args)
	*t = transaction{queue: t.queue[:0], args: t.args[:0], text: t.text[:0]}
	ex.ended = t
}

// size is what a transaction takes, in bytes: of many short commands most is not their arguments.
func (t *transaction) size() int {
	const word, command = 24, 32
	return t.bytes + t.words*word + len(t.queue)*command
}

// failTransaction makes the EXEC of a client whose command was refused fail.
func (s *session) failTransaction() {
	if s.multi != nil {
		s.multi.failed = true
	}
}

func multi(c *command.Ctx) {
	s := c.Client.(*session)
	if s.multi != nil {
		c.Fail(resp.ErrNestedMulti)
		return
	}
	if s.multi = s.ex.ended; s.multi == nil {
		s.multi = &transaction{}
	}
	s.ex.ended, s.multi.db = nil, s.db
	c.Reply.OK()
}

func discard(c *command.Ctx) {
	s := c.Client.(*session)
	if s.multi == nil {
		c.Fail(resp.ErrDiscardNoMulti)
		return
	}
	s.multi = nil
	s.ex.unwatchSoon(s)
	c.Reply.OK()
}

// exec runs what was queued. Unlike other handlers it takes the shards itself: those of all the commands at once.
func exec(c *command.Ctx) {
	s := c.Client.(*session)
	ex := s.ex
	t := s.multi
	switch {
	case t == nil:
		c.Fail(resp.ErrExecNoMulti)
		return
	case t.failed:
		s.multi = nil
		ex.unwatchSoon(s)
		c.Fail(resp.ErrExecAbort)
		return
	}
	set, strays := ex.locksOfAll(t.queue)
	set |= s.watchedSet()
	if ex.view.Strayed != nil {
		set = ex.srv.ks.All()
	}
	if slices.ContainsFunc(t.queue, func(q queued) bool { return isFunctionCall(q.row) }) {
		lockUnless(&ex.srv.functions.mu, ex.view.Waits, nil) // before any shard, whether or not the library needs it
		defer ex.srv.functions.mu.Unlock()
	}
	if strays {
		lockUnless(&ex.srv.stray, ex.view.Waits, nil)
		defer ex.srv.stray.Unlock()
	}
	ex.view.Take(set)
	ex.hasShards()
	changed := s.watchedChanged(ex.view)
	s.unwatchHeld()
	s.multi = nil
	if changed {
		ex.view.Release()
		c.Reply.NullArray()
		return
	}
	ex.runQueue(s, t.queue)
	s.wrote(ex.commit())
	if s.link != nil {
		ex.obeyed(s)
	}
	ex.view.Release()
	ex.reuse(t)
	c.Nested()
}

// locksOfAll is the shards that the queued commands need together. strays tells that a script is among them which may find
// in its midst that it needs more: there is one such at a time, see keyspace/lock.go.
func (ex *executor) locksOfAll(queue []queued) (set keyspace.Set, strays bool) {
	ks := ex.srv.ks
	for _, q := range queue {
		set |= ex.locksOf(q.row, q.argv)
		if q.row.Locks != command.NoneOfThem {
			continue
		}
		if q.row.Has(spec.ArbitraryKeys) {
			set = ks.All()
		}
		if q.row.Counted > 0 { // scripts and functions
			ex.keysOf(q.row, q.argv, func(key []byte, _ spec.KeyFlags) { set |= 1 << ks.ShardOf(ks.Hash(key)) })
			strays = strays || !ex.declaresAll(q.row, q.argv)
		}
	}
	return set, strays && set != ks.All()
}

// runQueue runs a transaction's commands. Whether the user may run them is asked again; all else was asked for EXEC.
func (ex *executor) runQueue(s *session, queue []queued) {
	c := &ex.ctx
	row := c.Row
	ex.inTransaction = true
	c.MayBlock = false
	c.Reply.Array(len(queue))
	for i, q := range queue {
		ex.queued = queue[i+1:]
		if u := s.user; u != nil && !u.Free() {
			if e := ex.checkAccess(s, q.row, q.argv); e != "" {
				ex.note(q.row).rejected++
				c.Reply.Error(e)
				ex.noteError(e)
				continue
			}
		}
		start, timed := ex.startTimer(q.row)
		mark, before := c.Reply.Mark(), c.Reply.Len()
		ex.view.DB = s.db
		if s.silent() && subscribes(q.row) {
			ex.runApart(s, q)
		} else {
			ex.run(q.row, q.argv, nil)
		}
		ex.stopTimer(s, q.row, q.argv, start, timed)
		ex.logLarge(s, q.row, q.argv, sentSize(q.argv), c.Reply.Len()-before)
		if c.Overfull() { // the client is closed; what is queued runs, but nobody gets the replies
			c.Reply.Truncate(mark)
		}
	}
	ex.inTransaction, ex.queued = false, nil
	c.Row = row
}

// runApart runs a command that answers by messages, for a client that wants no replies: messages it gets all the same, though not
// the reply to EXEC.
func (ex *executor) runApart(s *session, q queued) {
	c := &ex.ctx
	out, messages := c.Reply, resp.Writer{Proto: s.protocol}
	c.Reply = &messages
	ex.run(q.row, q.argv, nil)
	c.Reply = out
	if messages.ErrCount == 0 {
		ex.own = append(ex.own, messages.Bytes()...)
	}
}
