package server

import (
	"slices"
	"sync"
	"sync/atomic"

	"larder/server/config"
	"larder/server/resp"
)

// closing is a shutdown that waits for replicas: a primary with replicas that have not everything yet lets its clients'
// writes wait, for shutdown-timeout at most, and ends as soon as they have.
type closing struct {
	until_ms  atomic.Int64 // 0: there is none
	mu        sync.Mutex
	how       config.Shutdown
	waiting   []*session // clients that have said SHUTDOWN
	some      atomic.Bool
	handing   int           // shutdowns that begin with a planned switch of the group
	calledOff chan struct{} // closed when these are called off
}

// signals is what signals have asked for that has not begun: while DEBUG PAUSE-CRON is on, nothing does.
type signals struct {
	mu     sync.Mutex
	how    config.Shutdown
	wait   bool         // for the end of the pause
	active atomic.Int32 // shutdowns that signals have begun
}

// ShutdownBySignal has Shutdown begin, as a signal asks for it, and does not wait for it.
func (srv *Server) ShutdownBySignal(how config.Shutdown) {
	g := &srv.signals
	g.mu.Lock()
	defer g.mu.Unlock()
	if srv.cronPaused.Load() {
		g.how, g.wait = how, true
		return
	}
	srv.shutDownApart(how)
}

func (srv *Server) shutDownApart(how config.Shutdown) {
	srv.signals.active.Add(1)
	go func() {
		defer srv.signals.active.Add(-1)
		srv.Shutdown(how)
	}()
}

// InShutdown tells whether a shutdown is under way, so that whoever asks for another one insists.
func (srv *Server) InShutdown() bool {
	return srv.ended.Load() || srv.signals.active.Load() > 0 || srv.repl.closing.until_ms.Load() != 0
}

// forget calls off what waits for the end of the pause. It tells whether there was something.
func (g *signals) forget() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.wait
	g.wait = false
	return was
}

// pauseCron follows DEBUG PAUSE-CRON.
func (srv *Server) pauseCron(on bool) {
	g := &srv.signals
	g.mu.Lock()
	defer g.mu.Unlock()
	srv.cronPaused.Store(on)
	if !on && g.wait {
		g.wait = false
		srv.shutDownApart(g.how)
	}
}

// behind is how many replicas have not everything that they were sent, of how many.
func (r *replicas) behind() (n, all int) {
	end := r.offset()
	for _, p := range r.list() {
		if p.isOnline() && !p.caps.old {
			all++
			if p.acked.Load() != end {
				n++
			}
		}
	}
	return n, all
}

// closeLater begins to wait if there is something to wait for. s is the client that wants the shutdown, nil if it is a
// signal. The world is stopped, all shards are held.
func (srv *Server) closeLater(ex *executor, how config.Shutdown, s *session) bool {
	r := &srv.repl
	timeout := srv.conf.ShutdownTimeout.Get() * 1000
	if n, _ := r.behind(); n == 0 || how&config.ShutdownNow != 0 || timeout == 0 || r.replica.Load() || srv.loading.Load() {
		return false
	}
	c := &r.closing
	c.mu.Lock()
	defer c.mu.Unlock()
	c.how = how
	if s != nil {
		c.wait(s)
	}
	if c.until_ms.Load() == 0 {
		c.until_ms.Store(ex.steady() + timeout)
		srv.log.Info("Waiting for replicas before shutting down.")
	}
	srv.askForAcks()
	srv.nudgeReplication()
	return true
}

// wait makes a client wait for the server's end, or to be told that it goes on. mu is held.
func (c *closing) wait(s *session) {
	c.waiting = append(c.waiting, s)
	c.some.Store(true)
	s.conn.Suspend()
	s.srv.stats.blocked.Add(1)
}

// beginHanding notes that a shutdown begins with a planned switch. What it returns is closed when that is called off.
func (c *closing) beginHanding() (calledOff <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handing++; c.handing == 1 {
		c.calledOff = make(chan struct{})
	}
	return c.calledOff
}

// endHanding follows it, when nobody can call it off any more. It is true if somebody has.
func (c *closing) endHanding(calledOff <-chan struct{}) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calledOff == calledOff {
		c.handing--
	}
	select {
	case <-calledOff:
		return true
	default:
		return false
	}
}

// awaitClosing makes a client wait whose SHUTDOWN goes on elsewhere.
func (srv *Server) awaitClosing(s *session) {
	c := &srv.repl.closing
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wait(s)
}

// closeCron ends the server when there is nothing left to wait for. The janitor calls it, without shards.
func (srv *Server) closeCron(ex *executor) {
	c := &srv.repl.closing
	until := c.until_ms.Load()
	if until == 0 {
		return
	}
	n, all := srv.repl.behind()
	if n > 0 && ex.steady() < until {
		return
	}
	srv.inWorldOf(ex, func() {
		if c.until_ms.Load() == 0 {
			return
		}
		for _, p := range srv.repl.list() {
			if lag := srv.repl.offset() - p.acked.Load(); lag != 0 && p.isOnline() {
				srv.log.Info("Lagging replica " + p.name() + " reported offset " + itoa(lag) + " behind master, lag=" +
					itoa((ex.steady()-p.heard_ms.Load())/1000) + ", state=" + p.state() + ".")
			}
		}
		if all > 0 {
			srv.log.Info(itoa(int64(all-n)) + " of " + itoa(int64(all)) + " replicas are in sync when shutting down.")
		}
		c.mu.Lock()
		how := c.how
		c.mu.Unlock()
		if !srv.end(ex, how) {
			srv.stayOpen()
		}
	})
}

// forgetClosing takes a client out that is gone.
func (srv *Server) forgetClosing(s *session) {
	c := &srv.repl.closing
	if !c.some.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.waiting, s); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
		srv.stats.blocked.Add(-1)
	}
}

// stayOpen ends the waiting; the server goes on, and the clients that wanted its end are told so. It tells whether there
// was one.
func (srv *Server) stayOpen() bool {
	c := &srv.repl.closing
	c.mu.Lock()
	waiting := c.waiting
	c.waiting = nil
	was := c.until_ms.Swap(0) != 0
	if c.handing > 0 {
		close(c.calledOff)
		c.handing, c.calledOff, was = 0, nil, true
	}
	c.mu.Unlock()
	for _, s := range waiting {
		srv.stats.blocked.Add(-1)
		s.ex.post(func() {
			if !s.conn.Closing() {
				s.reply(func(w *resp.Writer) { w.Error(resp.ErrShutdownFailed) })
				s.ex.resume(s)
			}
		})
	}
	srv.unparkAll()
	return was
}
