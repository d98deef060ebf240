package server

import (
	"slices"

	"go.uber.org/zap"

	"larder/server/netloop"
)

// What clients cost is weighed at every tick, for INFO. While there is a limit (maxmemory-clients, maxmemory) it is also weighed
// at both ends of every turn for the clients that the turn is about: before it for what they have sent, after it for
// what they are owed. Each loop keeps the sum of its own clients.

// clientLimit is what maxmemory-clients allows all clients together, in bytes; 0 is no limit. A negative directive is a
// percentage of maxmemory. It is never so little that nobody could change it any more.
func (srv *Server) clientLimit() int64 {
	n := srv.conf.MaxmemoryClients.Get()
	if n < 0 {
		all := srv.ks.MaxMemory()
		n = min(all, max(1, all/100*-n+all%100*-n/100)) // 0 only without a maxmemory
	}
	if n == 0 {
		return 0
	}
	return max(n, leastClientLimit)
}

// leastClientLimit is the least that all clients may take together, whatever maxmemory-clients says.
const leastClientLimit = 128 << 10

// weigh notes what a client of the loop costs now. What a replica costs is not counted with the other clients: no key has to
// go because a replica is behind.
func (ex *executor) weigh(s *session) {
	n, peer := int64(s.memory()), int64(0)
	switch {
	case s.conn.Doomed(): // not who closes when it has its reply: that may wait for long
		n = 0
	case s.peer != nil:
		n, peer = 0, n
	}
	ex.setWeight(s, n, peer)
}

func (ex *executor) setWeight(s *session, n, peer int64) {
	if n != s.weight {
		ex.clientMem.Add(n - s.weight)
		s.weight = n
	}
	if peer != s.peerWeight {
		ex.peerMem.Add(peer - s.peerWeight)
		s.peerWeight = peer
	}
}

// weighTurn weighs the clients that a turn is about, if there is a limit on them or on memory as a whole, and makes room
// if that of the clients is passed.
func (ex *executor) weighTurn() {
	limit := ex.srv.clientLimit()
	if limit <= 0 && ex.srv.ks.MaxMemory() == 0 {
		return
	}
	for _, c := range ex.turnOf {
		ex.weigh(c.User.(*session))
	}
	for _, s := range ex.told {
		ex.weigh(s)
	}
	if limit > 0 {
		ex.evictClients(limit)
	}
}

// weighClients weighs all of the loop's clients.
func (ex *executor) weighClients() {
	longIn, longOut := 0, 0
	ex.loop.Each(func(c *netloop.Conn) {
		if s, _ := c.User.(*session); s != nil {
			ex.weigh(s)
			longIn, longOut = max(longIn, c.In.Buffered()), max(longOut, c.Pending())
		}
	})
	ex.longIn.Store(int64(longIn))
	ex.longOut.Store(int64(longOut))
}

// clientMemory is what all clients cost in bytes.
func (srv *Server) clientMemory() (total int64) {
	for _, ex := range srv.executors {
		total += ex.clientMem.Load()
	}
	return total
}

// peerMemory is what the connections to all replicas cost in bytes, without the stream that they share.
func (srv *Server) peerMemory() (total int64) {
	for _, ex := range srv.executors {
		total += ex.peerMem.Load()
	}
	return total
}

// futileWait_ms is how long nobody looks for clients to evict after a search that found too few.
const futileWait_ms = 50

// evictClients closes the largest clients until the rest is within the limit. Those that asked not to be evicted count,
// but stay. While a script keeps the server busy none is: the world does not stop then, and the next turn or tick looks again.
func (ex *executor) evictClients(limit int64) {
	srv := ex.srv
	if srv.clientMemory() <= limit || ex.steady() < srv.futile_ms.Load() {
		return
	}
	world := !ex.inWorld
	if world {
		if !ex.stopWorldUnless(ex.asides.giveUp) {
			return
		}
		defer ex.startWorld()
	}
	var list []*session
	total := int64(0)
	for _, s := range srv.clients.all() {
		s.ex.weigh(s)
		total += s.weight
		if !s.noEvict && s.link == nil && s.weight > 0 {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b *session) int { return int(b.weight - a.weight) })
	for _, s := range list {
		if total <= limit {
			return
		}
		total -= s.weight
		srv.stats.evictedClients.Add(1)
		srv.log.Info("Evicting client", zap.Int64("id", s.id), zap.String("addr", s.conn.RemoteAddr()), zap.Int64("bytes", s.weight))
		ex.condemn(s)
	}
	if total > limit {
		srv.futile_ms.Store(ex.steady() + futileWait_ms)
	}
}

// condemn closes another client from any executor. The world is stopped. From now on nobody is told that it is there, what
// it has sent does not run, and neither an element nor a message goes to it: whoever is told that it is closed may rely on
// that, though its own loop comes to it only later.
func (ex *executor) condemn(s *session) {
	s.condemned.Store(true)
	ex.srv.clients.remove(s)
	s.emptyInbox()
	ex.forget(s)
	s.ex.setWeight(s, 0, 0)
	switch {
	case s.conn.Pending() > 0 && !s.conn.Full() && !ex.srv.guard.on.Load(): // it was given something before: an element, that nobody else gets
		s.conn.CloseAfterReply()
		s.ex.post(func() { s.ex.post(s.closeFull) })
	default:
		if s.ex == ex {
			s.close()
		} else {
			s.conn.Kill(netloop.ErrKilled)
		}
		s.conn.Sever() // it hears of it now, not when its loop comes to it
	}
}

// closeFull closes a condemned client that does not take what it still was to get.
func (s *session) closeFull() {
	if s.conn.Full() {
		s.close()
	}
}

// What a client may owe before its next command is run, in bytes: as a rule, and while all clients together owe much.
const (
	owedByOne      = 32 << 20
	owedByOneTight = 256 << 10
	owedByAll      = 8       // of the memory that there is all clients may owe this part until that happens
	owedLeast      = 1 << 30 // but no less than this, or than half of it
)

// tightenOutputs looks at what all clients owe: each of a thousand that read nothing may be owed little.
func (srv *Server) tightenOutputs() {
	most := srv.owedMost.Load()
	if most == 0 {
		bound := memoryBound()
		most = max(bound/owedByAll, min(bound/2, owedLeast))
		if bound == 0 {
			most = owedLeast
		}
		if !srv.owedMost.CompareAndSwap(0, most) { // it was given meanwhile
			most = srv.owedMost.Load()
		}
	}
	owed := srv.clientMemory()
	switch tight := srv.tight.Load(); {
	case !tight && owed > most:
		srv.engine.SetOutputPause(owedByOneTight)
		srv.tight.Store(true)
		srv.log.Warn("Clients are owed much output that they do not read; they are served with less of it", zap.Int64("bytes", owed))
	case tight && owed < most/2:
		srv.engine.SetOutputPause(owedByOne)
		srv.tight.Store(false)
	}
}
