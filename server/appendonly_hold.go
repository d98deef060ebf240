package server

import (
	"larder/server/config"
)

// A reply to a write leaves when the log has the write: under appendfsync always when the disk has it, otherwise when
// the system has it, so that it outlives the process. Reads of other clients never wait. A connection's output waits
// from the first such reply of a turn on; what a client sends further goes on being served, and its replies follow in
// order.
//
// Under everysec and no, a disk that is busy holds nobody up: when a write has not come through within some milliseconds
// (persistence.LogOptions.Stall), replies leave before the system has what they are about, as they do in redis-server when
// an fsync is slow, until one has come through in time again.

// hold is a place in a connection's output that waits for the log, or for a task.
type hold struct {
	place uint64 // of the output, see netloop.Conn.Written
	end   int64  // of the log
	task  *task
}

// holding is what an executor knows of replies that wait.
type holding struct {
	wrote []*session // in this turn, to the log, or await a task
	held  []*session // have output that waits
}

// logReached is the position up to which replies may leave.
func (srv *Server) logReached() (at int64, all bool) {
	l, on := srv.aof.log.Load(), srv.aof.state.Load() == logOn
	if e := srv.aof.ending.Load(); e != nil { // it was on when what it still has to write was answered
		l, on = e.first().log, true
	}
	switch {
	case l == nil:
		return 0, true
	case srv.conf.Appendfsync.Get() == config.FsyncAlways:
		return l.Synced(), !on
	}
	refused := l.Failing() && on // what the disk has refused is not on its way
	return l.Written(), l.Stalled() && !refused
}

// holdsBack has the end of the turn look at what the client's replies wait for.
func (s *session) holdsBack() {
	if !s.wroteLog {
		s.wroteLog = true
		s.ex.holding.wrote = append(s.ex.holding.wrote, s)
	}
}

// leaves tells whether what waits may leave when the log has come to at.
func (h *hold) leaves(at int64, all bool) bool { return (all || h.end <= at) && h.task.done() }

// endHolds runs at the end of a turn, before its output leaves.
func (ex *executor) endHolds() {
	h := &ex.holding
	if len(h.wrote) == 0 {
		return
	}
	at, all := ex.srv.logReached()
	for _, s := range h.wrote {
		s.wroteLog = false
		if s.awaited.done() {
			s.awaited = nil
		}
		next := hold{end: s.logEnd, task: s.awaited}
		if next.leaves(at, all) || s.conn == nil || s.conn.Closing() && s.conn.Pending() == 0 {
			continue
		}
		next.place = max(s.heldTo, s.conn.BytesOut)
		s.heldTo = s.conn.Written()
		if s.holds = append(s.holds, next); len(s.holds) == 1 {
			s.conn.HoldAfter(next.place)
			h.held = append(h.held, s)
			ex.heldCount.Add(1)
		}
	}
	clear(h.wrote)
	h.wrote = h.wrote[:0]
	if len(h.held) > 0 {
		ex.releaseHeld() // the log may have come there meanwhile, without telling
	}
}

// releaseHeld lets go what the log has reached.
func (ex *executor) releaseHeld() {
	at, all := ex.srv.logReached()
	h := &ex.holding
	left := h.held[:0]
	for _, s := range h.held {
		n := 0
		for n < len(s.holds) && s.holds[n].leaves(at, all) {
			n++
		}
		switch {
		case n == len(s.holds):
			s.holds = s.holds[:0]
			s.conn.Release()
			continue
		case n > 0:
			s.holds = append(s.holds[:0], s.holds[n:]...)
			s.conn.HoldAfter(s.holds[0].place)
		}
		left = append(left, s)
	}
	clear(h.held[len(left):])
	ex.heldCount.Add(int64(len(left) - len(h.held)))
	h.held = left
}

// logAdvanced is called by the log when it has come further.
func (srv *Server) logAdvanced() {
	for _, ex := range srv.executors {
		if ex.loop != nil && ex.heldCount.Load() > 0 && !ex.releasePosted.Swap(true) {
			ex.post(func() {
				ex.releasePosted.Store(false)
				ex.releaseHeld()
			})
		}
	}
	srv.serveWaits()
}

// logSynced tells whether the disk has a position of the log. After a wait that has failed nobody knows until there is a new base.
func (srv *Server) logSynced(end int64) bool {
	l := srv.aof.log.Load()
	return l != nil && srv.aof.state.Load() == logOn && !l.Suspect() && l.Synced() >= max(end, srv.aof.enabledAt.Load())
}

// syncedOffset is up to where the primary's writes are on this replica's disk. It is looked at when the primary is told:
// what had been done by the last time, and is on the disk by now.
func (srv *Server) syncedOffset() (at int64, on bool) {
	l, a := srv.aof.log.Load(), &srv.aof
	if l == nil || a.state.Load() != logOn {
		return 0, false
	}
	if l.Suspect() {
		return a.acked.Load(), true
	}
	if l.Synced() >= a.ackEnd.Load() {
		a.acked.Store(a.ackNext.Load())
	}
	next := srv.repl.offset()
	end := l.End()
	if l.Synced() >= end {
		a.acked.Store(next)
	}
	a.ackNext.Store(next)
	a.ackEnd.Store(end)
	return a.acked.Load(), true
}
