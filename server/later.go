package server

import (
	"sync/atomic"

	"larder/keyspace"
	"larder/server/resp"
)

// later answers a client's command with what work returns, which may wait for the disk: it runs outside of the loop,
// and the client's next requests wait for it. write words the reply, on the loop again.
func (ex *executor) later(s *session, work func() (write func(w *resp.Writer))) {
	s.conn.SuspendBriefly()
	go func() {
		write := work()
		ex.post(func() {
			s.reply(write)
			ex.resume(s)
		})
	}()
}

// awaitBurial has the client whose command runs wait for its OK until what was dropped is given back, by a goroutine that
// holds one shard at a time. It is false for who must not wait.
func (ex *executor) awaitBurial() bool {
	srv, s := ex.srv, ex.current
	if s == nil || s.link != nil {
		return false
	}
	srv.saver.background.Add(1)
	ex.later(s, func() func(*resp.Writer) {
		srv.buryAll()
		srv.saver.background.Done()
		return func(w *resp.Writer) {
			w.OK()
			s.wrote(journalEnds{log: s.logEnd, feed: s.feedEnd}) // the reply waits for the log as it would have at once
			s.await(s.awaited)
		}
	})
	return true
}

// buryAll gives back what was dropped in all shards.
func (srv *Server) buryAll() {
	view := keyspace.NewView(srv.ks)
	for i := range srv.ks.Shards() {
		for more := true; more && !srv.ended.Load(); {
			srv.ks.GiveWay(1 << i)
			view.Take(1 << i)
			more = srv.ks.Shard(i).Bury(buryBudget)
			view.Release()
		}
	}
}

// A task is what a command has left to others, who wait for the disk. The server does not end before it is over.
type task struct {
	over   atomic.Bool
	before *task // that the same client waits for; set before the client waits for this one
}

// leaveToDisk has work done outside of the loop.
func (srv *Server) leaveToDisk(work func()) *task {
	t := &task{}
	srv.saver.background.Go(func() {
		work()
		t.over.Store(true)
		srv.logAdvanced()
	})
	return t
}

// done tells whether nobody has to wait for the task, which may be nil.
func (t *task) done() bool { return t == nil || t.over.Load() && t.before.done() }

// await has the client's replies from this turn on leave when a task is over. What else it sends is served meanwhile. s may be
// nil: a command that is nobody's.
func (s *session) await(t *task) {
	if s == nil || s.link != nil || s.ex.loop == nil || t.done() {
		return
	}
	if t != s.awaited && !s.awaited.done() {
		t.before = s.awaited
	}
	s.awaited = t
	s.holdsBack()
}
