package server

import (
	"slices"
	"sync"
	"time"

	"larder/server/netloop"
	"larder/server/resp"
)

// clientList is every connected client by its ID.
type clientList struct {
	mu   sync.Mutex
	byID map[int64]*session
	peak int
}

func (l *clientList) add(s *session) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[int64]*session{}
	}
	l.byID[s.id] = s
	l.peak = max(l.peak, len(l.byID))
	return len(l.byID)
}

func (l *clientList) remove(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, s.id)
}

// count is the number of clients.
func (l *clientList) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

// all is every client in the order of their IDs. The sessions may be looked at only in a stopped world.
func (l *clientList) all() []*session {
	l.mu.Lock()
	list := make([]*session, 0, len(l.byID))
	for _, s := range l.byID {
		list = append(list, s)
	}
	l.mu.Unlock()
	slices.SortFunc(list, func(a, b *session) int { return int(a.id - b.id) })
	return list
}

// find is the client with an ID, nil if there is none.
func (l *clientList) find(id int64) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id]
}

// Opened makes a session for a new connection, or refuses it.
func (srv *Server) Opened(c *netloop.Conn) {
	ex := c.Loop().User.(*executor)
	ex.setTime()
	s := &session{srv: srv, conn: c, ex: ex, id: int64(c.ID), created: ex.nanos, lastUsed: ex.nanos, protocol: 2}
	srv.welcome(s)
	s.pushProto.Store(2)
	c.User = s
	n := srv.clients.add(s)
	srv.stats.connections.Add(1)
	srv.engine.ThinDoors()
	if l, ok := c.Origin.(*link); ok {
		l.opened(s)
		return
	}
	if srv.copyOf != nil {
		srv.copyOf.adopt(s)
		return
	}
	srv.tellOpened(c)
	switch {
	case c.Listener != nil && c.Listener.Tag == string(portTCP) && srv.keepsOut(portTCP, c.LocalAddr(), c.RemoteAddr()):
		srv.refuse(c, resp.ErrNotFromThere)
	case srv.refusesStranger(c):
		srv.stats.rejected.Add(1)
		srv.refuse(c, resp.ErrProtectedMode)
	case n > int(srv.conf.MaxClients.Get()):
		srv.stats.rejected.Add(1)
		srv.refuse(c, resp.ErrMaxClients)
	}
}

// refuse turns a connection away.
func (srv *Server) refuse(c *netloop.Conn, e resp.Error) {
	srv.clients.remove(c.User.(*session))
	c.Out().Error(e)
	c.CloseAfterReply()
}

// Lingers has a client seen again that was to close at once and does not take its last replies: it has its memory and its
// descriptor like any other, and has to be counted, found and evicted like any other.
func (srv *Server) Lingers(c *netloop.Conn) {
	s, _ := c.User.(*session)
	switch {
	case s == nil:
	case s.condemned.Load():
		s.close()
	default:
		srv.clients.add(s)
	}
}

// Closed forgets the session of a connection that is gone.
func (srv *Server) Closed(c *netloop.Conn, why error) {
	s, _ := c.User.(*session)
	if s == nil {
		return
	}
	ex := s.ex
	ex.setTime()
	if s.link == nil && srv.copyOf == nil {
		s.tellClosed(why)
	}
	ex.forget(s)
	ex.forgetFeed(s)
	if s.link != nil {
		s.link.closed(why)
	}
	ex.setWeight(s, 0, 0)
	srv.clients.remove(s)
	if srv.copyOf != nil {
		close(srv.copyOf.over)
	}
}

// forget undoes all that the session has registered anywhere: on its own loop, or in a stopped world.
func (ex *executor) forget(s *session) {
	ex.forgetWait(s)
	ex.unwatchAll(s)
	s.multi = nil
	ex.unsubscribeAll(s)
	ex.stopMonitor(s)
	ex.stopTracking(s)
	ex.unparkOne(s)
	s.forgetCopy()
	ex.srv.endAckWait(s)
	ex.srv.forgetClosing(s)
	if s.peer != nil {
		ex.srv.endPeer(s.peer)
	}
}

// depart takes a client that closes once it has its reply out of what others see: whoever has that reply may rely on it. If it
// does not take the reply others see it again; see Lingers. Keys that it watches stay watched until it has closed.
func (ex *executor) depart(s *session) {
	s.conn.CloseAfterReply()
	s.leftAt = ex.steady()
	ex.srv.clients.remove(s)
	ex.unsubscribeAll(s)
	ex.stopMonitor(s)
	ex.stopTracking(s)
}

// Woken hands a session what others have left for it.
func (srv *Server) Woken(c *netloop.Conn) {
	s := c.User.(*session)
	if s.wait != nil || s.peer != nil {
		s.ex.setTime()
	}
	s.takeInbox()
	if s.peer != nil {
		s.peer.feed()
	}
}

// Tick looks after what happens without a request: the ends of waits, and clients that have been idle for too long.
func (srv *Server) Tick(l *netloop.Loop) {
	ex := l.User.(*executor)
	ex.setTime()
	ex.beginTurn()
	ex.timeouts()
	ex.unpark()
	ex.postCopying()
	ex.releaseHeld()
	ex.closeIdle()
	ex.checkOutputs()
	ex.handIn()
	ex.weighClients()
	ex.forgetLibraries()
	if limit := srv.clientLimit(); limit > 0 {
		ex.evictClients(limit)
	}
}

// deliver gives a session bytes that somebody else's command has made for it: a message, an invalidation. Any
// executor may call it for any session. The order of several from the same executor is kept. Who is about to be closed gets
// nothing more.
func (s *session) deliver(from *executor, b []byte) {
	switch {
	case s.overcome.Load():
	case s == from.current: // what a command tells its own client comes after its reply
		from.own = append(from.own, b...)
		if from == s.ex {
			from.checkOwed(s, s.conn.Pending()+len(from.own))
		}
	case from != s.ex:
		s.leave(b)
	case !s.conn.Closing():
		s.takeInbox()
		s.conn.Out().Raw(b)
		from.checkOutput(s)
		from.noteTold(s)
	}
}

// leave puts what another loop's command tells the client into its mailbox. Its own loop may come to it only when a script is
// over: meanwhile it is owed no more than it may be.
func (s *session) leave(b []byte) {
	box := &s.box
	box.mu.Lock()
	box.bytes = append(box.bytes, b...)
	n := len(box.bytes)
	hard := s.hardLimitOf(s.listens.Load())
	over := n > outputUnseen && hard > 0 && uint64(n) >= hard
	if over {
		box.bytes = nil
	}
	box.some.Store(true)
	box.mu.Unlock()
	if over {
		s.srv.cutOutput(s, n)
		s.conn.Kill(netloop.ErrKilled)
		return
	}
	s.conn.Wake()
}

// takeInbox moves what others delivered to the session's output, on its own loop. That may be the reply to what it has waited
// for: then it goes on.
func (s *session) takeInbox() {
	if !s.box.some.Load() {
		return
	}
	answered := s.emptyInbox()
	s.ex.noteTold(s)
	if answered {
		s.ex.goOn(s)
	} else {
		s.ex.checkOutput(s)
	}
}

// emptyInbox is takeInbox but for what follows, also in a stopped world. It tells whether the client was blocked.
func (s *session) emptyInbox() (answered bool) {
	b := &s.box
	b.mu.Lock()
	bytes, w, ends := b.bytes, b.ended, b.ends
	b.bytes, b.ended = nil, nil
	b.some.Store(false)
	b.mu.Unlock()
	if w != nil && s.wait == w {
		answered = true
		s.served(w, ends)
	}
	if len(bytes) > 0 && !s.conn.Doomed() {
		s.conn.Out().Raw(bytes)
	}
	return answered
}

// noteTold keeps in mind to weigh a client that was sent a message.
func (ex *executor) noteTold(s *session) {
	if ex.srv.clientLimit() > 0 && (len(ex.told) == 0 || ex.told[len(ex.told)-1] != s) {
		ex.told = append(ex.told, s)
	}
}

// closeIdle ends connections that have been still for longer than the directive timeout allows. Those are not meant that wait
// for something, or listen.
func (ex *executor) closeIdle() {
	limit := time.Duration(ex.srv.conf.Timeout.Get()) * time.Second
	if limit == 0 {
		return
	}
	ex.loop.Each(func(c *netloop.Conn) {
		s, _ := c.User.(*session)
		if s == nil {
			return
		}
		if n := c.BytesIn + c.BytesOut; n != s.moved { // a large value comes in, or goes out, piece by piece
			s.moved, s.movedAt = n, ex.nanos
		}
		if c.Suspended() || s.peer != nil || s.link != nil || s.monitor || s.sub.any() {
			return
		}
		if min(s.idle(ex.nanos), time.Duration(ex.nanos-s.movedAt)) > limit {
			s.tellIdle()
			s.close()
		}
	})
}
