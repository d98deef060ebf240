package server

import (
	"errors"
	"math"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"larder/replication"
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// failover is FAILOVER: the primary lets a replica take over without a write being lost. Its clients' writes wait until
// the replica has everything; then the primary becomes its replica, by a PSYNC that makes the other one a primary:
//
//	FAILOVER ──> waiting: writes wait, until a replica has all ──> handing over: PSYNC … FAILOVER ──> a replica
//	                │ TIMEOUT, ABORT                                    │ refused, ABORT
//	                └──> a primary as before                            └──> a primary again
//
// It changes in a stopped world only, with all shards held; the janitor, whose executor is held, may look at it.
type failover struct {
	state  atomic.Uint32
	host   string // the replica that is to take over; "" for any
	port   int
	force  bool  // also if it does not have everything when the time is over
	end_ms int64 // 0 for never
}

// The states of a failover.
const (
	failoverNone uint32 = iota
	failoverWaiting
	failoverHanding
)

var failoverNames = [...]string{"no-failover", "waiting-for-sync", "failover-in-progress"}

func (srv *Server) failing() bool {
	if g := srv.group.Load(); g != nil && g.draining.Load() {
		return true
	}
	return srv.repl.failover.state.Load() != failoverNone
}

// handingOver tells whether this server has made itself a replica of one that is not a primary yet.
func (srv *Server) handingOver() bool { return srv.repl.failover.state.Load() == failoverHanding }

// failoverPaused tells whether clients' writes wait for a failover, a shutdown that waits for replicas, or keys that move.
func (srv *Server) failoverPaused() bool {
	return srv.failing() || srv.repl.closing.until_ms.Load() != 0 || srv.moves.pausing.Load() > 0
}

// parksWrites tells whether clients' writes are parked for that.
func (srv *Server) parksWrites(now_ms int64) bool {
	g := srv.group.Load()
	return srv.failoverPaused() && (g == nil || !g.leftAlone(now_ms))
}

func failoverCmd(c *command.Ctx) {
	s := c.Client.(*session)
	srv, a := s.srv, &c.Args
	f := &srv.repl.failover
	var host string
	var port, timeout int64
	var force, abort, timed bool
	for a.More() {
		switch {
		case a.IsWith("TIMEOUT", 1) && !timed:
			timed = true
			timeout = a.IntOr(resp.ErrNotInteger)
			if !a.Bad() && timeout <= 0 {
				a.Wrong(resp.ErrFailoverTimeout)
			}
		case !abort && a.Is("ABORT"):
			abort = true
		case a.IsWith("TO", 2) && host == "":
			host = string(a.Bytes())
			port = a.IntOr(resp.ErrNotInteger)
		case !force && a.Is("FORCE"):
			force = true
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	if g := srv.group.Load(); g != nil && g.node != nil {
		if abort || force {
			c.Fail("ERR In a failover group a switch ends by itself; ABORT and FORCE are not for it.")
			return
		}
		srv.switchGroup(s.ex, s, host, int(port))
		return
	}
	switch {
	case abort && (timed || host != "" || force):
		c.Fail(resp.ErrSyntax)
		return
	case abort && !srv.failing():
		c.Fail(resp.ErrFailoverNone)
		return
	case abort:
		srv.abortFailover("Failover manually aborted")
		c.Reply.OK()
		return
	case srv.failing():
		c.Fail(resp.ErrFailoverRunning)
		return
	case srv.repl.replica.Load():
		c.Fail(resp.ErrFailoverReplica)
		return
	case len(srv.repl.list()) == 0:
		c.Fail(resp.ErrFailoverNoReplica)
		return
	case force && (!timed || host == ""):
		c.Fail(resp.ErrFailoverForce)
		return
	}
	if host != "" {
		p := srv.findPeer(host, int(port))
		if p == nil {
			c.Fail(resp.ErrFailoverTarget)
			return
		}
		if !p.isOnline() {
			c.Fail(resp.ErrFailoverOffline)
			return
		}
	}
	f.host, f.port, f.force, f.end_ms = host, int(port), force, 0
	if timed {
		now := c.Client.(*session).ex.steady()
		f.end_ms = now + min(timeout, math.MaxInt64-now)
	}
	srv.log.Info("FAILOVER requested" + strings.TrimSuffix(" to "+oneLine(host), " to ") + ".")
	f.state.Store(failoverWaiting)
	srv.setServeExpired()
	srv.nudgeReplication()
	c.Reply.OK()
}

// findPeer is the replica at an address.
func (srv *Server) findPeer(host string, port int) *peer {
	for _, p := range srv.repl.list() {
		if h, n := p.address(); n == port && strings.EqualFold(h, host) {
			return p
		}
	}
	return nil
}

// failoverCron looks how far a failover is. The janitor calls it, without shards.
func (srv *Server) failoverCron(ex *executor) {
	f := &srv.repl.failover
	if f.state.Load() != failoverWaiting {
		return
	}
	if _, found, over := srv.failoverDue(ex.steady()); !found && !over {
		srv.askForAcksOnce()
		return
	}
	srv.inWorldOf(ex, func() {
		if f.state.Load() != failoverWaiting { // a client was here first, and has called it off
			return
		}
		switch to, found, over := srv.failoverDue(ex.steady()); {
		case found:
			text := "Failover target " + net.JoinHostPort(to.Host, strconv.Itoa(to.Port)) + " is synced, failing over."
			if over {
				text = "Failover to " + net.JoinHostPort(to.Host, strconv.Itoa(to.Port)) + " time out exceeded, failing over."
			}
			srv.log.Info(text)
			f.state.Store(failoverHanding)
			srv.becomeReplica(ex, to, true)
		case over:
			srv.abortFailover("Replica never caught up before timeout")
		}
	})
}

// failoverDue tells which replica is to take over now, if one is, and whether the time for that is over.
func (srv *Server) failoverDue(now_ms int64) (to config.Address, found, over bool) {
	f := &srv.repl.failover
	if over = f.end_ms != 0 && now_ms >= f.end_ms; over {
		return config.Address{Host: f.host, Port: f.port}, f.force, over
	}
	end := srv.repl.offset()
	for _, p := range srv.repl.list() {
		h, n := p.address()
		if p.isOnline() && p.acked.Load() == end && (f.host == "" || n == f.port && strings.EqualFold(h, f.host)) {
			return config.Address{Host: h, Port: n}, true, false
		}
	}
	return to, false, false
}

// inWorldOf calls fn in a stopped world with all shards held, for an executor that holds none.
func (srv *Server) inWorldOf(ex *executor, fn func()) {
	ex.stopWorld()
	defer ex.startWorld()
	ex.view.Take(srv.ks.All())
	defer ex.view.Release()
	fn()
}

// abortFailover ends a failover that has not come to its end. The world is stopped, all shards are held.
func (srv *Server) abortFailover(why string) {
	srv.log.Info("Aborting failover: " + why)
	if srv.handingOver() {
		srv.becomePrimary(newRunID())
	}
	srv.endFailover()
}

// endFailover lets writes go on.
func (srv *Server) endFailover() {
	srv.repl.failover.state.Store(failoverNone)
	srv.unparkAll()
}

// failoverAccepted follows the answer to PSYNC … FAILOVER: the other side is a primary from now on, whatever becomes of the snapshot
// that it may send. It must not be asked again: it would refuse, and there would be two of them.
func (srv *Server) failoverAccepted(l *link) {
	srv.inWorldDo(func(*executor) {
		if srv.repl.link.Load() == l && srv.handingOver() {
			srv.log.Info("Failover has succeeded: this server is a replica of " + oneLine(l.addr.String()))
			srv.endFailover()
		}
	})
}

// failoverLinkFailed follows a failure of a link that was made for a failover. A target that is a primary by now is one because it was
// asked before, if the answer to that is what got lost: this server follows it.
func (srv *Server) failoverLinkFailed(l *link, err error) {
	if !failoverRefused(err) {
		return
	}
	if l.unsure && errors.Is(err, replication.ErrTakenOver) {
		l.handOver.Store(false)
		srv.failoverAccepted(l)
		return
	}
	srv.inWorldDo(func(ex *executor) {
		if srv.handingOver() && srv.repl.link.Load() == l {
			srv.abortFailover("Failover target rejected psync request")
		}
	})
}

// takeOver makes this server, a replica, the primary of its primary, which has asked for it and has the history id. The
// world is stopped, all shards are held.
func (srv *Server) takeOver(id string) resp.Error {
	r := &srv.repl
	switch {
	case srv.group.Load() != nil: // it would be nobody's replica then, and no primary either
		return "ERR PSYNC FAILOVER can't be sent to a member of a failover group, which says who is the primary."
	case !r.replica.Load():
		return "ERR PSYNC FAILOVER can't be sent to a master."
	case !strings.EqualFold(id, r.history.Load().ID):
		return "ERR PSYNC FAILOVER replid must match my replid."
	}
	srv.log.Info("Failover request was accepted: this server is the primary now")
	srv.becomePrimary(newRunID())
	return ""
}

func init() { register(command.New("failover", command.World, failoverCmd)) }
