package server

import (
	"slices"

	"larder/server/command"
	"larder/server/resp"
)

// wait answers how many replicas have what the client has written, once there are enough of them or the time is over.
func wait(c *command.Ctx) {
	s := c.Client.(*session)
	replicas, deadline := c.Args.Int(), waitTimeout(c)
	if !c.Args.Done() {
		return
	}
	if s.srv.repl.replica.Load() {
		c.Fail(resp.ErrReplicaWait)
		return
	}
	n := &ackNeed{replicas: replicas, feed: s.feedEnd}
	if have := s.counted(n); have.enough(n) || !c.MayBlock {
		s.srv.endAckWait(s)
		c.Reply.Int(have.replicas)
		return
	}
	s.srv.awaitAcks(s, n)
	c.Block(nil, deadline, command.ReplyRerun)
}

// waitaof is wait for writes that are on disk, here and on replicas.
func waitaof(c *command.Ctx) {
	s := c.Client.(*session)
	local := c.Args.Int()
	if !c.Args.Bad() && local != 0 && local != 1 {
		c.Args.Wrong("ERR value is out of range, value must between 0 and 1")
	}
	replicas := c.Args.IntIn(0, 1<<31-1, resp.ErrNotPositive)
	deadline := waitTimeout(c)
	if !c.Args.Done() {
		return
	}
	if s.srv.repl.replica.Load() {
		c.Fail(resp.ErrReplicaWaitAOF)
		return
	}
	if local > 0 && s.srv.aof.state.Load() == logOff {
		c.Fail("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
		return
	}
	n := &ackNeed{onDisk: true, local: local, replicas: replicas, feed: s.feedEnd, log: s.logEnd}
	have := s.counted(n)
	if !have.enough(n) && c.MayBlock {
		s.srv.awaitAcks(s, n)
		c.Block(nil, deadline, command.ReplyRerun)
		return
	}
	s.srv.endAckWait(s)
	c.Reply.Array(2)
	c.Reply.Int(have.local)
	c.Reply.Int(have.replicas)
}

// ackNeed is what a client in WAIT or WAITAOF waits for: so many servers that have these positions.
type ackNeed struct {
	onDisk          bool
	local, replicas int64
	feed, log       int64
}

// ackHave is how many servers have them.
type ackHave struct{ local, replicas int64 }

func (h ackHave) enough(n *ackNeed) bool { return h.local >= n.local && h.replicas >= n.replicas }

// has counts who has what is needed.
func (srv *Server) has(n *ackNeed) (h ackHave) {
	if n.onDisk && srv.logSynced(n.log) {
		h.local = 1
	}
	for _, p := range srv.repl.list() {
		at := &p.acked
		if n.onDisk {
			at = &p.ackedDisk
		}
		if p.isOnline() && at.Load() >= n.feed {
			h.replicas++
		}
	}
	return h
}

// An ackWait is a client that waits for acknowledgements.
type ackWait struct {
	s     *session
	need  ackNeed
	heard ackHave // what let it go on; of its loop
}

// counted is who has what is needed. If there were enough when the client was let go on they count, too: one of them may have
// left since, but the client is not to wait again, and not to hear of fewer than it has waited for.
func (s *session) counted(n *ackNeed) ackHave {
	have := s.srv.has(n)
	if w := s.acks; w != nil && !have.enough(n) && w.heard.enough(n) {
		return w.heard
	}
	return have
}

// awaitAcks makes the client hear of acknowledgements, and asks the replicas for them at the end of the turn.
func (srv *Server) awaitAcks(s *session, n *ackNeed) {
	r := &srv.repl
	if s.acks == nil {
		w := &ackWait{s: s, need: *n}
		s.acks = w
		r.mu.Lock()
		r.waits = append(r.waits, w)
		r.mu.Unlock()
	}
	r.wantAcks.Store(true)
}

// endAckWait ends what awaitAcks began.
func (srv *Server) endAckWait(s *session) {
	w, r := s.acks, &srv.repl
	if w == nil {
		return
	}
	s.acks = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.waits, w); i >= 0 {
		r.waits = slices.Delete(r.waits, i, i+1)
	}
}

// serveWaits lets those clients go on who have waited for what a replica has just acknowledged, or the disk.
func (srv *Server) serveWaits() {
	r := &srv.repl
	r.mu.Lock()
	defer r.mu.Unlock()
	off := srv.aof.state.Load() == logOff // then nobody need wait for the disk: there is an error to be replied
	for _, w := range r.waits {
		if have := srv.has(&w.need); have.enough(&w.need) || off && w.need.local > 0 {
			s := w.s
			s.ex.post(func() {
				if s.acks == w && s.wait != nil {
					w.heard = have
					s.ex.expireWait(s.wait) // it runs again and finds enough
				}
			})
		}
	}
}

// askForAcks asks the replicas at once what they have.
func (srv *Server) askForAcks() {
	if end := srv.say("*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"); end != 0 {
		srv.repl.asked.Store(end)
	}
}

// askForAcksOnce asks them unless nothing has been written since they were asked last. The question is part of the stream: who
// waits for a replica to have all of it, and asks again before there can be an answer, waits for ever.
func (srv *Server) askForAcksOnce() (asked bool) {
	if srv.repl.asked.Load() == srv.repl.offset() {
		return false
	}
	srv.askForAcks()
	return true
}

// waitTimeout reads a timeout in milliseconds and returns when it ends, 0 for never.
func waitTimeout(c *command.Ctx) (deadline_ms int64) {
	ms := c.Args.IntOr(resp.ErrTimeoutNotInt)
	switch {
	case c.Args.Bad():
	case ms < 0:
		c.Args.Wrong(resp.ErrTimeoutNegative)
	case ms > 1<<62:
		c.Args.Wrong(resp.ErrTimeoutRange)
	case ms > 0:
		return c.Now + ms
	}
	return 0
}

func init() {
	register(
		command.New("wait", command.NoneOfThem, wait),
		command.New("waitaof", command.NoneOfThem, waitaof),
	)
}
