package server

import (
	"bytes"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
)

// pauseState is what CLIENT PAUSE asked for. Requests that have to wait are put back into their connections, which
// cut nothing until the pause is over.
type pauseState struct {
	until_ms atomic.Int64 // 0: no pause
	all      atomic.Bool  // every command waits, not only writes

	mu    sync.Mutex
	ready map[dbKey]struct{} // keys whose waiters could have been served but for the pause
}

// active tells whether there is a pause at now_ms of the steady clock.
func (p *pauseState) active(now_ms int64) bool { return p.until_ms.Load() > now_ms }

// holds tells whether a client that is blocked on a key is not to be served: what it waits for has come together with the pause.
func (p *pauseState) holds(w *waiter, now_ms int64) bool {
	return p.active(now_ms) && (p.all.Load() || w.row.Has(spec.Write) || w.row.Has(spec.MayReplicate))
}

// leave notes a key whose waiters are to be served when the pause is over.
func (p *pauseState) leave(k dbKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready == nil {
		p.ready = map[dbKey]struct{}{}
	}
	p.ready[k] = struct{}{}
}

// left gives the keys that were noted, if there is no pause any more.
func (p *pauseState) left(now_ms int64) []dbKey {
	if p.active(now_ms) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := slices.Collect(maps.Keys(p.ready))
	p.ready = nil
	return keys
}

// pausedFor tells whether a request has to wait.
func (ex *executor) pausedFor(s *session, row *command.Row) bool {
	p := &ex.srv.pause
	if ex.srv.crowded() && s.mayWrite(row) {
		return true
	}
	if s.peer != nil {
		return false
	}
	if ex.srv.parksWrites(ex.steady()) && s.link == nil && s.mayWrite(row) || ex.srv.handingOver() && s.wantsPrimary(row) {
		return true
	}
	if p.until_ms.Load() == 0 || !p.active(ex.steady()) {
		return false
	}
	return p.all.Load() || s.mayWrite(row)
}

// mustWait is pausedFor that looks closely at scripts, which may be known not to write.
func (ex *executor) mustWait(s *session, row *command.Row, argv [][]byte) bool {
	return ex.pausedFor(s, row) && (ex.pausesAll() || !ex.onlyReads(s, row, argv))
}

// pausesAll tells whether there is a pause for every command. What an earlier one was for does not count, whatever else is
// waited for now.
func (ex *executor) pausesAll() bool {
	p := &ex.srv.pause
	return p.all.Load() && p.active(ex.steady())
}

// mayWrite tells whether a request may change something, or send something to replicas.
func (s *session) mayWrite(row *command.Row) bool {
	return s.has(row, spec.Write) || s.has(row, spec.MayReplicate)
}

// park puts a request back until the pause is over. A client that goes away while somebody has asked for a pause is gone, with
// all that it has sent, as from Redis; what else is waited for is no reason that it could know.
func (ex *executor) park(s *session, rq *request) {
	s.conn.In.Unread(&rq.Request)
	if ex.srv.pause.active(ex.steady()) {
		s.conn.Suspend()
	} else {
		s.conn.SuspendBriefly()
	}
	s.paused = true
	ex.parked = append(ex.parked, s)
	ex.srv.stats.blocked.Add(1)
	ex.tickAt(max(ex.srv.pause.until_ms.Load(), ex.steady()+crowdedWait_ms))
}

// crowdedWait_ms is how long requests wait before it is looked again whether a snapshot has caught up.
const crowdedWait_ms = 5

// unpark lets the parked clients go on if what they wait for is over.
func (ex *executor) unpark() {
	if len(ex.parked) == 0 {
		return
	}
	if ex.parkedLoading {
		ex.unparkLoaded()
		return
	}
	if until := ex.srv.pause.until_ms.Load(); until > ex.steady() {
		ex.tickAt(until)
		return
	}
	if ex.srv.crowded() || ex.srv.parksWrites(ex.steady()) {
		ex.tickAt(ex.steady() + crowdedWait_ms)
		return
	}
	ex.resumeParked()
}

// resumeParked lets all of the loop's parked clients go on. Who still has to wait is parked again.
func (ex *executor) resumeParked() {
	for _, s := range ex.parked {
		if s.paused {
			s.paused = false
			s.lastUsed = ex.nanos // it was not the client that was idle
			ex.srv.stats.blocked.Add(-1)
			s.conn.Resume()
		}
	}
	ex.parked, ex.parkedGone = nil, 0
}

// unparkOne forgets a parked client that is gone: on its own loop, or in a stopped world. The list that it stands in is gone through
// when half of it has gone: a pause may be long, and clients may come and go meanwhile.
func (ex *executor) unparkOne(s *session) {
	if !s.paused {
		return
	}
	s.paused = false
	ex.srv.stats.blocked.Add(-1)
	own := s.ex
	if own.parkedGone++; 2*own.parkedGone >= len(own.parked) {
		own.parked = slices.DeleteFunc(own.parked, func(s *session) bool { return !s.paused })
		own.parkedGone = 0
	}
}

func clientPause(c *command.Ctx) {
	a := &c.Args
	if a.Left() > 2 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "CLIENT"))
		return
	}
	all := true
	if a.Left() == 2 { // a wrong mode comes before a wrong time
		switch mode := a.At(3); {
		case bytes.EqualFold(mode, []byte("WRITE")):
			all = false
		case !bytes.EqualFold(mode, []byte("ALL")):
			c.Fail("ERR CLIENT PAUSE mode must be WRITE or ALL")
			return
		}
	}
	ms := a.IntOr(resp.ErrTimeoutNotInt)
	a.Take(a.Left())
	if !a.Bad() && ms < 0 {
		a.Wrong(resp.ErrTimeoutNegative)
	}
	if !a.Done() {
		return
	}
	now_ms := c.Client.(*session).ex.steady()
	until, ok := now_ms+ms, true
	if until < ms {
		ok = false
	}
	if !ok {
		c.Fail(resp.ErrTimeoutRange)
		return
	}
	p := &c.Client.(*session).srv.pause
	// A pause is never made shorter or weaker by another one.
	if p.active(now_ms) {
		all = all || p.all.Load()
		until = max(until, p.until_ms.Load())
	}
	p.all.Store(all)
	p.until_ms.Store(until)
	c.Reply.OK()
}

func clientUnpause(c *command.Ctx) {
	s := c.Client.(*session)
	srv := s.srv
	srv.pause.until_ms.Store(0)
	s.ex.ready = append(s.ex.ready, srv.pause.left(s.ex.steady())...)
	loops := slices.DeleteFunc(slices.Clone(srv.executors), func(ex *executor) bool { return len(ex.parked) == 0 })
	srv.unparkAll()
	if len(loops) == 0 || !c.MayBlock {
		c.Reply.OK()
		return
	}
	// What has waited runs before anything that is sent after this reply, unless it takes long.
	done := make(chan struct{}, len(loops))
	for _, ex := range loops {
		ex.post(func() { ex.post(func() { done <- struct{}{} }) }) // the turn in between is theirs
	}
	s.ex.later(s, func() func(*resp.Writer) {
		timer := time.NewTimer(unpauseWait)
		defer timer.Stop()
		for range loops {
			select {
			case <-done:
			case <-timer.C:
				return (*resp.Writer).OK
			}
		}
		return (*resp.Writer).OK
	})
}

// unpauseWait is how long CLIENT UNPAUSE waits for what it lets run.
const unpauseWait = 100 * time.Millisecond

// unparkAll lets all parked clients go on for whom nothing is in the way any more.
func (srv *Server) unparkAll() {
	for _, ex := range srv.executors {
		if ex.loop != nil {
			ex.post(ex.unpark)
		}
	}
}
