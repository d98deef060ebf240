package server

import (
	"container/heap"
	"slices"
	"time"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/resp"
)

// A waiter is a client that is blocked on keys. It stands in the queue of each of them, in the keys' shards, and in
// the deadlines of its executor.
//
// Whoever makes a key ready runs the waiter's command on its behalf, holding the shards of all the waiter's keys, and
// hands the reply over to the waiter's own loop. done and the queues change only with those shards held.
type waiter struct {
	s       *session
	row     *command.Row
	argv    [][]byte // copies
	db      int
	keys    []string // each once
	places  []place  // in their queues
	number  uint64   // order of arrival
	since   int64
	timeout command.TimeoutReply
	onNoKey bool  // see command.Wait
	done    bool  // served, timed out or gone
	at      int   // in the deadlines
	end_ms  int64 // on the steady clock, 0: never
	look_ms int64 // on the steady clock: when there may be something though no key was changed, 0: never
}

// due_ms is when something has to be done about a waiter, on the steady clock; 0: never.
func (w *waiter) due_ms() int64 {
	if w.end_ms == 0 || w.look_ms != 0 && w.look_ms < w.end_ms {
		return w.look_ms
	}
	return w.end_ms
}

// block parks a client whose command found nothing to give. It must not miss a change between the command's look
// and its place in the queues: it stands in line first and then lets the command look again.
func (ex *executor) block(s *session, row *command.Row, argv [][]byte) {
	c := &ex.ctx
	w := &waiter{s: s, row: row, db: s.db, since: ex.now, timeout: c.Wait.Timeout, onNoKey: c.Wait.OnNoKey, at: -1}
	if c.Wait.Deadline_ms != 0 {
		w.end_ms = ex.srv.steady() + c.Wait.Deadline_ms - c.Now + 1 // the millisecond has begun before
	}
	if c.Wait.Argv != nil {
		argv = c.Wait.Argv
	}
	w.argv = copyArgs(argv)
	for _, k := range c.Wait.Keys {
		w.keys = append(w.keys, string(k))
	}
	w.keys = distinct(w.keys)
	s.wait = w
	s.conn.Suspend()
	ex.srv.stats.blocked.Add(1)
	ex.view.Take(ex.locksOfWaiter(w))
	ex.line(w)
	ex.look(w)
}

// look tries a waiter of this loop, whose shards are held, and gives them up. Was it in vain, the waiter stands in the deadlines
// then, if anything is to be done about it at some time.
func (ex *executor) look(w *waiter) {
	ex.view.Uncounted = true
	served := ex.tryServe(w)
	ex.view.Uncounted = false
	ex.view.Release()
	if served {
		return
	}
	c := &ex.ctx
	if w.look_ms = 0; c.Wait.Retry_ms != 0 {
		w.look_ms = ex.srv.steady() + max(c.Wait.Retry_ms-c.Now, 0) + 1
		if w.look_ms < 0 {
			w.look_ms = 0
		}
	}
	if due := w.due_ms(); due != 0 {
		ex.deadline.add(w)
		ex.tickAt(due)
	}
}

// lookAgain tries a waiter for which there may be something by now though no key was changed.
func (ex *executor) lookAgain(w *waiter) {
	if !ex.mayLook(w) {
		w.look_ms = ex.steady() + lookLater_ms
		ex.deadline.add(w)
		return
	}
	ex.view.Take(ex.locksOfWaiter(w))
	if w.done {
		ex.view.Release()
		return
	}
	ex.look(w)
}

// lookLater_ms is when a waiter is tried next that may not be tried now.
const lookLater_ms = 100

// mayLook tells whether a waiter's command could run now if it came now. Others are served by somebody's write, for which that
// was asked.
func (ex *executor) mayLook(w *waiter) bool {
	s, row, srv := w.s, w.row, ex.srv
	return !ex.pausedFor(s, row) && !srv.isBusy() && !srv.loading.Load() && !srv.stale() && srv.unsaved() == "" &&
		ex.replicaGates(s, row) == "" && (!srv.guard.on.Load() || ex.guardGates(s, row) == "")
}

// locksOfWaiter is the shards of a waiter's keys, and all others that its command needs. It is asked for each time: a key may
// have become a stray.
func (ex *executor) locksOfWaiter(w *waiter) keyspace.Set {
	set := ex.locksOf(w.row, w.argv)
	for _, k := range w.keys {
		set |= 1 << ex.srv.ks.ShardOf(ex.srv.ks.Hash([]byte(k)))
	}
	return set
}

func copyArgs(argv [][]byte) [][]byte {
	n := 0
	for _, a := range argv {
		n += len(a)
	}
	buf := make([]byte, 0, n)
	out := make([][]byte, len(argv))
	for i, a := range argv {
		at := len(buf)
		buf = append(buf, a...)
		out[i] = buf[at:len(buf):len(buf)]
	}
	return out
}

// tryServe runs a waiter's command, whose shards are held. If it has an answer now the waiter leaves its queues and
// the answer is on its way.
func (ex *executor) tryServe(w *waiter) bool {
	c, v := &ex.ctx, ex.view
	db, reply, client, noTouch := v.DB, c.Reply, c.Client, v.NoTouch
	out := &ex.served
	out.Empty()
	out.Proto = w.s.protocol
	v.DB, v.NoTouch, c.Reply, c.Client = w.db, w.s.noTouch, out, w.s
	c.MayBlock, c.Again = true, true
	current, own := ex.current, ex.own
	ex.current, ex.own = w.s, nil // what the command tells its own client follows the reply
	start := time.Now()
	refused := ex.refusesWaiter(w, out)
	if !refused {
		ex.run(w.row, w.argv, nil)
	}
	served := refused || !c.Wait.Set
	c.Wait.Set, c.Again = false, false
	v.DB, c.Reply, c.Client, v.NoTouch = db, reply, client, noTouch
	ends := ex.commit() // while it is the waiter's: what is done for it counts as written at once, see guard
	told := ex.own
	ex.current, ex.own = current, own
	if served {
		if !refused {
			ex.took(w.s, w.row, w.argv, time.Since(start))
			ex.logLarge(w.s, w.row, w.argv, sentSize(w.argv), out.Len())
		}
		ex.leaveQueues(w)
		w.s.answer(ex, w, out.Bytes(), told, ends)
	} else if len(told) > 0 {
		w.s.deliver(ex, told)
	}
	return served
}

// serveBlocked serves the clients that wait for keys which commands have made ready, in the order of their arrival at
// each key. What they do may make further keys ready.
func (ex *executor) serveBlocked() {
	ex.setTime() // what made them ready may have taken long, and what is over by now is not to be had
	for len(ex.ready) > 0 {
		k := ex.ready[0]
		ex.ready = ex.ready[1:]
		ex.serveKey(k)
	}
	ex.ready = nil
}

// wakeDatabase tries all clients that wait for keys of a database whose content is gone or was exchanged. All shards are held.
func (ex *executor) wakeDatabase(db int) {
	if ex.srv.stats.blocked.Load() == 0 || slices.Contains(ex.woken, db) { // we are told once for each shard
		return
	}
	ex.woken = append(ex.woken, db)
	for i := range ex.srv.ks.Shards() {
		ext, _ := ex.srv.ks.Shard(i).Ext.(*shardExt)
		if ext == nil {
			continue
		}
		for k := range ext.blocked {
			if k.db == db {
				ex.ready = append(ex.ready, k)
			}
		}
	}
}

// withdraw takes a waiter out of its queues: from now on nobody serves it. It is false if the waiting is over already. Who
// calls it holds all shards, or none.
func (ex *executor) withdraw(w *waiter) bool {
	if ex.view.Held() == 0 {
		ex.view.Take(ex.locksOfWaiter(w))
		defer ex.view.Release()
	}
	if w.done {
		return false
	}
	ex.leaveQueues(w)
	return true
}

// endWait ends a session's waiting from its own loop, with the reply that write gives, unless it was served or called off
// meanwhile.
func (ex *executor) endWait(s *session, write func(w *waiter)) {
	if w := s.wait; w != nil && ex.withdraw(w) {
		ex.waited(s, w, write)
	}
}

// waited gives a client on its own loop the reply to what it has waited for.
func (ex *executor) waited(s *session, w *waiter, write func(w *waiter)) {
	ex.deadline.remove(w)
	s.wait = nil
	s.takeInbox() // what it was told while it waited comes before
	s.reply(func(*resp.Writer) { write(w) })
	ex.srv.endAckWait(s) // an error may have been the reply to WAIT: no acknowledgement is to end what the client waits for next
	ex.resume(s)
}

// callOff ends the waiting of any client, and tells whether it waited. The world is stopped. From now on nobody serves the
// client, and it counts as blocked no more: whoever is told so may rely on that, though its own loop comes only later to give it
// the reply, by write.
func (ex *executor) callOff(s *session, write func(own *executor, w *waiter)) bool {
	w := s.wait
	if w == nil || !ex.withdraw(w) {
		return false
	}
	s.ex.post(func() {
		if s.wait == w {
			s.ex.waited(s, w, func(w *waiter) { write(s.ex, w) })
		}
	})
	return true
}

// forgetWait ends the waiting of a client that is to get no reply: on its own loop, or in a stopped world.
func (ex *executor) forgetWait(s *session) {
	if w := s.wait; w != nil {
		ex.withdraw(w)
		s.ex.deadline.remove(w)
		s.wait = nil
	}
}

// timeouts ends the waiting of the clients whose time is over, and looks again for those for whom there may be something by now.
func (ex *executor) timeouts() {
	for len(ex.deadline) > 0 && ex.deadline[0].due_ms() <= ex.steady() {
		w := ex.deadline[0]
		ex.deadline.remove(w)
		if w.end_ms != 0 && w.end_ms <= ex.steady() {
			ex.expireWait(w)
		} else {
			ex.lookAgain(w)
		}
	}
	if len(ex.deadline) > 0 {
		ex.tickAt(ex.deadline[0].due_ms())
	}
}

// expireWait ends a client's waiting as if its time were over.
func (ex *executor) expireWait(w *waiter) { ex.endWait(w.s, ex.timedOut) }

// timedOut words the reply to a client whose time is over.
func (ex *executor) timedOut(w *waiter) {
	ex.ctx.Reply = w.s.conn.Out()
	if w.timeout == command.ReplyRerun {
		ex.rerun(w)
	} else {
		ex.note(w.row).calls++
		ex.ctx.Reply.NullArray() // also where a single null would be the answer without waiting
	}
}

// rerun runs a command whose time is over once more, now without the right to block. Those that want this count who has something, and
// tell nothing of it: nobody has to have that before the client may hear it.
func (ex *executor) rerun(w *waiter) {
	c := &ex.ctx
	ex.view.DB = w.db
	c.Client, c.MayBlock, c.Again = w.s, false, true
	ex.view.Take(ex.locksOfWaiter(w))
	ex.run(w.row, w.argv, nil)
	w.s.wrote(ex.release())
}

// answer hands a served waiter its reply, what it is told besides, and where its effects end. The shards are held. Another
// loop's client gets it through its mailbox, behind what it was told before and ahead of what it is told next; its own loop
// does the rest.
func (s *session) answer(ex *executor, w *waiter, reply, told []byte, ends journalEnds) {
	if s.silent() {
		reply = nil
	}
	if s.ex == ex {
		s.takeInbox()
		s.served(w, ends)
		s.out().Raw(reply)
		s.out().Raw(told)
		ex.goOn(s)
		return
	}
	b := &s.box
	b.mu.Lock()
	b.bytes = append(append(b.bytes, reply...), told...)
	b.ended, b.ends = w, ends
	b.some.Store(true)
	b.mu.Unlock()
	s.conn.Wake()
}

// served ends the waiting of a client that has been served, on its own loop or in a stopped world.
func (s *session) served(w *waiter, ends journalEnds) {
	s.wrote(ends)
	s.saw()
	s.wait = nil
	s.srv.endAckWait(s)
	s.ex.deadline.remove(w)
}

// resume lets a client go on whose command has been answered.
func (ex *executor) resume(s *session) {
	s.lastUsed = ex.nanos
	s.conn.Resume()
	ex.afterReply(s)
}

// goOn is resume for a client whose reply came in the midst of something else.
func (ex *executor) goOn(s *session) {
	s.lastUsed = ex.nanos
	s.conn.Resume()
	ex.replied(s)
}

// waitFails makes what words an error for a client whose waiting ends with it.
func waitFails(e resp.Error) func(*executor, *waiter) {
	return func(ex *executor, w *waiter) {
		n := ex.note(w.row)
		n.calls++
		n.failed++
		ex.noteError(e)
		w.s.conn.Out().Error(e)
	}
}

// deadlines is a heap of waiters by when something has to be done about them.
type deadlines []*waiter

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].due_ms() < d[j].due_ms() }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i]; d[i].at, d[j].at = i, j }
func (d *deadlines) Push(x any)        { w := x.(*waiter); w.at = len(*d); *d = append(*d, w) }
func (d *deadlines) Pop() any {
	w := (*d)[len(*d)-1]
	(*d)[len(*d)-1] = nil
	*d = (*d)[:len(*d)-1]
	w.at = -1
	return w
}

func (d *deadlines) add(w *waiter) { heap.Push(d, w) }

func (d *deadlines) remove(w *waiter) {
	if w.at >= 0 {
		heap.Remove(d, w.at)
	}
}
