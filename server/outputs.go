package server

import (
	"go.uber.org/zap"

	"larder/server/config"
	"larder/server/netloop"
)

// outputUnseen is how much output may wait before the limits count: as much as fits into the buffer that redis-server has for
// each client and does not count.
const outputUnseen = 16 << 10

// outputLimit is what client-output-buffer-limit says for the session's class.
func (s *session) outputLimit() config.OutputLimit {
	l := s.srv.outputLimits.Load()
	switch s.class() {
	case classPubSub:
		return l.Pubsub
	case classReplica:
		return l.Replica
	}
	return l.Normal
}

// hardLimitOf is the hard limit for a client that is no replica and listens, or does not.
func (s *session) hardLimitOf(listens bool) uint64 {
	l := s.srv.outputLimits.Load()
	if listens {
		return l.Pubsub.Hard
	}
	return l.Normal.Hard
}

// checkOutput closes a client that owes too much output: at once beyond the hard limit of its class, after some time
// beyond the soft one. Who has not said yet who it is may owe next to nothing.
func (ex *executor) checkOutput(s *session) { ex.checkOwed(s, s.conn.Pending()) }

// checkOwed is checkOutput for a client that owes n bytes.
func (ex *executor) checkOwed(s *session, n int) {
	if n <= outputUnseen {
		s.softSince = 0
		return
	}
	l := s.outputLimit()
	over := l.Hard > 0 && uint64(n) >= l.Hard || s.stranger()
	if l.Soft > 0 && uint64(n) >= l.Soft {
		if s.softSince == 0 {
			s.softSince = ex.steady()
		}
		over = over || ex.steady()/1000-s.softSince/1000 > l.SoftSeconds // as Redis does, by a clock of seconds
	} else {
		s.softSince = 0
	}
	if over && !s.conn.Doomed() { // also who has said QUIT, and then reads nothing
		ex.srv.cutOutput(s, n)
		s.close()
	}
}

// mostReply is how much output a client may be owed while a reply is made.
func (s *session) mostReply() uint64 {
	if s.link != nil || s.peer != nil {
		return 0
	}
	if hard := s.outputLimit().Hard; hard > 0 {
		return max(hard, outputUnseen)
	}
	return 0
}

// cutOff closes the client whose command runs, because the reply that is being made is too long. It gets nothing of it. A client
// that wants no replies is not owed them.
func (ex *executor) cutOff(owed int) {
	if s := ex.current; s != nil && !s.silent() && !s.conn.Closing() {
		ex.srv.cutOutput(s, owed)
		s.close()
	}
}

// checkOutputs looks at the clients that are beyond their soft limit and say nothing, and at those whose last reply waits for
// somebody else: for the log, or for replicas.
func (ex *executor) checkOutputs() {
	ex.loop.Each(func(c *netloop.Conn) {
		s, _ := c.User.(*session)
		if s == nil {
			return
		}
		ex.checkOutput(s)
		if s.leftAt != 0 && ex.steady()-s.leftAt > lingers_ms {
			ex.srv.Lingers(c)
		}
	})
}

// lingers_ms is how long a client that has departed may wait for its last reply until others see it again.
const lingers_ms = 1000

// cutOutput notes that a client is closed because of its output, once.
func (srv *Server) cutOutput(s *session, pending int) {
	if s.overcome.Swap(true) {
		return
	}
	srv.stats.outputKills.Add(1)
	srv.log.Warn("Client scheduled to be closed ASAP for overcoming of output buffer limits.",
		zap.Int64("id", s.id), zap.String("addr", s.conn.RemoteAddr()), zap.Int("pending_bytes", pending))
}
