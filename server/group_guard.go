package server

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	quorum "larder/replication/failover"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/config"
	"larder/server/netloop"
	"larder/server/resp"
)

// The guard stands between clients and a primary that may not be one any more, or whose writes may not be anywhere else.
//
// Before a command it asks whether the lease holds and how old the oldest write is that no replica has. At the end of a
// turn, before output leaves, it asks for the lease again: whatever was done in between was done by the primary. If the
// lease is over, the turn's replies are not sent and their clients' connections closed: they cannot know what became of
// their commands, and neither can we. Where a client's mode is sync, its output waits until enough replicas have all
// that was written up to the end of the turn, also for reads: nobody is told of what may still be lost.
type guard struct {
	on   atomic.Bool   // there is a group, or some mode is not async
	wake chan struct{} // says to keepGuard that it is on
	node atomic.Pointer[quorum.Node]

	modes atomic.Int64 // sessions with a mode of their own, ever
	least atomic.Int64 // the least number of replicas that a session of its own mode relies on, 0 for none

	written atomic.Int64    // the end of the last thing that a client has changed
	sure    [9]atomic.Int64 // up to where so many replicas have, or have had, everything; of 0 none

	oldest atomic.Int64 // when the oldest write was made that no replica has, on the clock of executor.nanos; 0: there is none
	mu     sync.Mutex
	ages   []writeAge // of what no replica has, the oldest first
	noted  int64      // where the last write ended when that was last looked at
}

// writeAge is a moment, and the end of what was written from then on until the next one.
type writeAge struct{ nanos, upto int64 }

const (
	errNoLease resp.Error = "READONLY This server is not sure to be the primary: it has no majority of its failover group at the moment."
	errUnsafe  resp.Error = "NOREPLICAS The oldest write that no replica has is older than write-safety allows."
)

// redirectTo is the error for clients that follow redirections.
func redirectTo(a config.Address) resp.Error {
	return resp.Error("REDIRECT " + a.Host + ":" + itoa(int64(a.Port)))
}

// update follows the configuration.
func (g *guard) update(srv *Server) {
	advance(&g.written, srv.repl.offset()) // while it was off nobody counted
	g.on.Store(srv.group.Load() != nil || srv.conf.WriteSafety.Get().Kind != config.SafetyAsync || g.modes.Load() > 0)
	advance(&g.written, srv.repl.offset()) // nor between the two lines above: a write is appended first, and then counted
	g.poke(srv)                            // replies that have waited may not have to any more
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// copies is how many replicas the coordinator may count on for every write that was acknowledged, 0 for none. What the
// server's own mode relies on counts from the start.
func (g *guard) copies(mode config.Safety) int {
	if mode.Kind == config.SafetySync {
		g.rely(mode.Replicas)
	}
	return int(g.least.Load())
}

// rely takes note that writes are acknowledged when so many replicas have them.
func (g *guard) rely(replicas int) {
	for {
		old := g.least.Load()
		if old != 0 && old <= int64(replicas) || g.least.CompareAndSwap(old, int64(replicas)) {
			return
		}
	}
}

// reset forgets the ages of writes: the role has changed. All shards are held.
func (g *guard) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ages, g.noted = g.ages[:0], 0
	g.oldest.Store(0)
}

// took is called when the server has become the primary of what it had as a replica, up to a position. All shards are held.
func (g *guard) took(at int64) {
	g.written.Store(at)
	for n := range g.sure {
		g.sure[n].Store(0)
	}
}

// advance makes a position the later one.
func advance(to *atomic.Int64, at int64) {
	for old := to.Load(); old < at && !to.CompareAndSwap(old, at); old = to.Load() {
	}
}

// safetyMode is the session's mode: its own, or the server's.
func (s *session) safetyMode() config.Safety {
	if s.safety != nil {
		return *s.safety
	}
	return s.srv.conf.WriteSafety.Get()
}

// leads tells whether this server may act as a primary now. Without a group it always may.
func (srv *Server) leads() bool {
	if srv.group.Load() == nil {
		return true
	}
	n := srv.guard.node.Load()
	return n != nil && n.Holds(quorum.Now())
}

// guardGates are the gates of the guard. They are asked only while it is on.
func (ex *executor) guardGates(s *session, row *command.Row) resp.Error {
	srv := ex.srv
	if s.link != nil || s.peer != nil || srv.repl.replica.Load() {
		return ""
	}
	writes := s.writes(row)
	if !writes && !s.has(row, spec.ReadOnly) && !s.has(row, spec.MayReplicate) {
		return ""
	}
	if e := ex.guardAsks(s, writes); e != "" {
		return e // that tells nothing which may still be lost
	}
	s.guarded = true
	return ""
}

// guardScript is the guard's gate for a script that is about to write: only then it is known that it does.
func (ex *executor) guardScript(s *session) resp.Error {
	if !ex.srv.guard.on.Load() || s.link != nil || s.peer != nil || ex.srv.repl.replica.Load() {
		return ""
	}
	return ex.guardAsks(s, true)
}

// guardAsks tells why a client of a primary may not read, or write, now.
func (ex *executor) guardAsks(s *session, writes bool) resp.Error {
	srv, mode := ex.srv, s.safetyMode()
	if !ex.leads() && (writes || mode.Kind == config.SafetySync || !srv.conf.FailoverReads.Get()) {
		return errNoLease
	}
	if mode.Kind == config.SafetySync && srv.online() < mode.Replicas && (writes || !srv.replicasHave(srv.guard.written.Load(), mode.Replicas)) {
		return resp.ErrNoReplicas // it would have to wait until there are some
	}
	if writes && mode.Kind == config.SafetyBounded {
		if old := srv.guard.oldest.Load(); old != 0 && ex.nanos-old > mode.Bound_ms*int64(time.Millisecond) {
			return errUnsafe
		}
	}
	return ""
}

// leads asks for the lease once in a turn; the turn's end asks again.
func (ex *executor) leads() bool {
	if ex.leadsAsked {
		return ex.leadsNow
	}
	ex.leadsAsked, ex.leadsNow = true, ex.srv.leads()
	return ex.leadsNow
}

// feedHold is a place in a connection's output that waits for replicas.
type feedHold struct {
	place uint64 // of the output, see netloop.Conn.Written
	end   int64  // of the stream
	need  int    // replicas
}

// guardTurn runs at the end of a turn, before its output leaves.
func (ex *executor) guardTurn() {
	srv := ex.srv
	g := &srv.guard
	asked, led := ex.leadsAsked, ex.leadsNow
	ex.leadsAsked = false
	if srv.repl.replica.Load() {
		for _, c := range ex.turnOf { // see endUnsure
			if s := c.User.(*session); s != nil {
				s.guarded = false
			}
		}
		for _, s := range ex.wroteFeed {
			s.wroteFeed = false
		}
		clear(ex.wroteFeed)
		ex.wroteFeed = ex.wroteFeed[:0]
		return
	}
	if !asked && len(ex.wroteFeed) > 0 { // clients that were blocked, served by another loop's command
		asked, led = true, true
	}
	lost := asked && led && !srv.leads()
	end := g.written.Load()
	g.noteWrites(ex, end)
	for _, c := range ex.turnOf {
		ex.guardClient(c.User.(*session), end, lost)
	}
	for _, s := range ex.wroteFeed {
		s.wroteFeed, s.guarded = false, true
		ex.guardClient(s, end, lost)
	}
	clear(ex.wroteFeed)
	ex.wroteFeed = ex.wroteFeed[:0]
	if len(ex.feedHeld) > 0 {
		ex.releaseFeed()
	}
}

// guardSoFar is guardTurn in the midst of a turn: what the turn has answered so far is about to leave, while current's
// command goes on.
func (ex *executor) guardSoFar(current *session) {
	if !ex.srv.guard.on.Load() {
		return
	}
	asked, led, guarded := ex.leadsAsked, ex.leadsNow, current != nil && current.guarded
	ex.guardTurn()
	ex.leadsAsked, ex.leadsNow = asked, led
	if guarded {
		current.guarded = true
	}
}

func (ex *executor) guardClient(s *session, end int64, lost bool) {
	if s == nil || !s.guarded {
		return
	}
	s.guarded = false
	if s.link != nil || s.peer != nil || s.conn.Closing() && s.conn.Pending() == 0 || s.conn.Pending() == 0 {
		return
	}
	if lost {
		s.conn.Close(netloop.ErrKilled)
		return
	}
	mode := s.safetyMode()
	if mode.Kind != config.SafetySync {
		return
	}
	ex.srv.guard.rely(mode.Replicas)
	if ex.srv.replicasHave(end, mode.Replicas) && len(s.feedHolds) == 0 {
		return
	}
	place := max(s.feedHeldTo, s.conn.BytesOut)
	s.feedHeldTo = s.conn.Written()
	if n := len(s.feedHolds); n > 0 && s.feedHeldTo == place {
		return
	}
	s.feedHolds = append(s.feedHolds, feedHold{place, end, mode.Replicas})
	if len(s.feedHolds) == 1 {
		s.conn.HoldToo(place)
		ex.feedHeld = append(ex.feedHeld, s)
		ex.feedHeldCount.Add(1)
	}
	ex.srv.askForAcksSoon(ex)
}

// askForAcksSoon asks the replicas how far they are, at most once for the same end of the stream.
func (srv *Server) askForAcksSoon(ex *executor) {
	if srv.askForAcksOnce() {
		ex.feedPeers()
	}
}

// replicasHave tells whether n replicas have confirmed the stream up to end, and can be counted on. In a group those are
// members, and the coordinator must know that they are counted on.
func (srv *Server) replicasHave(end int64, n int) bool {
	g := srv.group.Load()
	if g != nil {
		node := srv.guard.node.Load()
		if node == nil {
			return false
		}
		if c := node.Copies(); c == 0 || c > n {
			return false
		}
	}
	if n < len(srv.guard.sure) && end <= srv.guard.sure[n].Load() {
		return true
	}
	if !srv.confirmed(end, n) {
		return false
	}
	if n < len(srv.guard.sure) {
		advance(&srv.guard.sure[n], end)
	}
	return true
}

// confirmed tells whether n replicas that are there now have confirmed the stream up to end. In a group those are members.
func (srv *Server) confirmed(end int64, n int) bool {
	g := srv.group.Load()
	var counted [8]string
	have := counted[:0]
	for _, p := range srv.repl.list() {
		if !p.isOnline() || p.acked.Load() < end {
			continue
		}
		who := ""
		if g != nil {
			host, port := p.address()
			m, ok := memberAt(g.state.Load(), host, port)
			if !ok || slices.Contains(have, m.ID) { // it may be here twice: an old link that nobody has noticed is dead
				continue
			}
			who = m.ID
		}
		if have = append(have, who); len(have) >= n {
			return true
		}
	}
	return false
}

// online is how many replicas have a link that works.
func (srv *Server) online() (n int) {
	for _, p := range srv.repl.list() {
		if p.isOnline() {
			n++
		}
	}
	return n
}

// holdsReplies tells whether replies wait for replicas.
func (srv *Server) holdsReplies() bool {
	for _, ex := range srv.executors {
		if ex.feedHeldCount.Load() > 0 {
			return true
		}
	}
	return false
}

// releaseFeed lets go what enough replicas have, while this server is primary for sure; and what has waited by the server's mode
// when that is another one by now.
func (ex *executor) releaseFeed() {
	srv := ex.srv
	if srv.repl.replica.Load() || !srv.leads() {
		return
	}
	sync := srv.conf.WriteSafety.Get().Kind == config.SafetySync
	left := ex.feedHeld[:0]
	for _, s := range ex.feedHeld {
		n := 0
		for n < len(s.feedHolds) && (!sync && s.safety == nil || srv.replicasHave(s.feedHolds[n].end, s.feedHolds[n].need)) {
			n++
		}
		switch {
		case n == len(s.feedHolds):
			s.feedHolds = s.feedHolds[:0]
			s.conn.ReleaseToo()
			continue
		case n > 0:
			s.feedHolds = slices.Delete(s.feedHolds, 0, n)
			s.conn.HoldToo(s.feedHolds[0].place)
		}
		left = append(left, s)
	}
	clear(ex.feedHeld[len(left):])
	ex.feedHeldCount.Add(int64(len(left) - len(ex.feedHeld)))
	ex.feedHeld = left
}

// endFeedHolds comes before the server follows another one. Replies that enough replicas have leave. Whether the others tell the
// truth is never known here: their clients are closed, as those of a primary that has lost its lease. The world is stopped.
func (srv *Server) endFeedHolds(by *executor) {
	for _, ex := range srv.executors {
		ex.endUnsure(by)
		if len(ex.feedHeld) == 0 {
			continue
		}
		ex.releaseFeed()
		for _, s := range slices.Clone(ex.feedHeld) {
			by.condemn(s)
		}
		ex.post(func() {}) // in a turn it leaves
	}
}

// endUnsure is endFeedHolds for what the executor has answered in a turn that is not over: it is by's own, or has given way to by.
// When it ends there is nobody to ask any more.
func (ex *executor) endUnsure(by *executor) {
	srv := ex.srv
	if !srv.guard.on.Load() {
		return
	}
	lost := (ex.leadsAsked && ex.leadsNow || len(ex.wroteFeed) > 0) && !srv.leads()
	end := srv.guard.written.Load()
	look := func(s *session) {
		if s == nil || s.condemned.Load() || s.link != nil || s.peer != nil || s.conn.Pending() == 0 {
			return
		}
		mode := s.safetyMode()
		if lost || mode.Kind == config.SafetySync && !srv.replicasHave(end, mode.Replicas) {
			by.condemn(s)
		}
	}
	for _, c := range ex.turnOf {
		if s := c.User.(*session); s != nil && s.guarded {
			look(s)
		}
	}
	for _, s := range slices.Clone(ex.wroteFeed) {
		look(s)
	}
}

// forgetFeed is called when a client is gone.
func (ex *executor) forgetFeed(s *session) {
	if i := slices.Index(ex.feedHeld, s); i >= 0 {
		ex.feedHeld = slices.Delete(ex.feedHeld, i, i+1)
		ex.feedHeldCount.Add(-1)
	}
	if i := slices.Index(ex.wroteFeed, s); i >= 0 {
		ex.wroteFeed = slices.Delete(ex.wroteFeed, i, i+1)
	}
}

// poke makes the loops look again which replies may leave: a replica has said something, or the group has.
func (g *guard) poke(srv *Server) {
	if g.on.Load() {
		g.confirmed(srv)
	}
	for _, ex := range srv.executors {
		if ex.loop != nil && ex.feedHeldCount.Load() > 0 && !ex.feedPosted.Swap(true) {
			ex.post(func() {
				ex.feedPosted.Store(false)
				ex.releaseFeed()
			})
		}
	}
}

// agesEvery is how finely the ages of writes are told apart.
const agesEvery = int64(time.Millisecond)

// noteWrites takes note of how far clients have written by this turn. That replicas are asked what they have is in the stream, too,
// but no write: where answers are long in coming, there would always be a question that nobody has.
func (g *guard) noteWrites(ex *executor, end int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if end <= g.noted {
		return
	}
	g.noted = end
	n := len(g.ages)
	if n == 0 && ex.srv.confirmedByOne() >= end {
		return
	}
	if n > 0 && ex.nanos-g.ages[n-1].nanos < agesEvery {
		g.ages[n-1].upto = end
		return
	}
	if n == 0 {
		g.oldest.Store(max(1, ex.nanos))
	}
	g.ages = append(g.ages, writeAge{ex.nanos, end})
}

// confirmedByOne is up to where some replica has the stream.
func (srv *Server) confirmedByOne() (at int64) {
	for _, p := range srv.repl.list() {
		if p.isOnline() {
			at = max(at, p.acked.Load())
		}
	}
	return at
}

// confirmed forgets the writes that a replica has.
func (g *guard) confirmed(srv *Server) {
	at := srv.confirmedByOne()
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for n < len(g.ages) && g.ages[n].upto <= at {
		n++
	}
	if n == 0 {
		return
	}
	g.ages = slices.Delete(g.ages, 0, n)
	if len(g.ages) == 0 {
		g.oldest.Store(0)
	} else {
		g.oldest.Store(max(1, g.ages[0].nanos))
	}
}

// guardTick asks replicas for what is not confirmed, while anybody wants to know. The janitor's helper calls it.
func (srv *Server) guardTick() {
	g := &srv.guard
	if !g.on.Load() || srv.repl.replica.Load() {
		return
	}
	if srv.holdsReplies() || g.oldest.Load() != 0 {
		for _, p := range srv.repl.list() {
			if p.isOnline() {
				srv.askSoon(srv.askForAcks)
				break
			}
		}
	}
	g.poke(srv)
}

// guardEvery is how often the guard looks by itself, while it is on: a server that has nothing to guard sleeps.
const guardEvery = 25 * time.Millisecond

// keepGuard runs until the server stops.
func (srv *Server) keepGuard() {
	t := time.NewTicker(guardEvery)
	defer t.Stop()
	for {
		if !srv.guard.on.Load() {
			t.Stop()
			select {
			case <-srv.stopping:
				return
			case <-srv.guard.wake:
			}
			t.Reset(guardEvery)
			continue
		}
		select {
		case <-srv.stopping:
			return
		case <-t.C:
			srv.guardTick()
		}
	}
}
