package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"larder/replication"
	quorum "larder/replication/failover"
	"larder/server/config"
	"larder/server/resp"
)

// A failover group, as a data node sees it:
//
//	group.go        the member: what it reports, and how it becomes primary or replica when the group says so
//	group_guard.go  writes are for who holds the lease; replies that wait for replicas
//	safety.go       write-safety: the mode of the server and of each client
//	sentinel.go     the port at which clients ask who is primary
type group struct {
	srv     *Server
	node    *quorum.Node
	id      string
	profile quorum.Profile

	loaded   atomic.Bool  // the data of the start is there
	keys     atomic.Int64 // that it had
	reigning atomic.Uint64
	draining atomic.Bool  // writes wait for a planned switch
	drained  atomic.Int64 // until when, on the steady clock, once the heir has everything; 0: it has not
	state    atomic.Pointer[quorum.State]
	ended    atomic.Bool

	spread atomic.Pointer[spread]
}

// spread is up to where a primary had written when it learned that a member had left: what was acknowledged by then may have
// been counted on that member, and has to be on others before it is forgotten.
type spread struct {
	epoch, leaves uint64
	upto          int64
	done          atomic.Bool
}

// Mistakes in the configuration of a group.
var (
	errFailoverListen = errors.New("failover-group needs failover-listen, an address like 10.0.0.1:7379")
	errFailoverPeers  = errors.New("failover-group needs failover-peers, the addresses of the other members")
	errFailoverFollow = errors.New("a member of a failover group is told by the group whom to follow: take replicaof out of the configuration")
)

// startGroup makes this server a member of its failover group, if it has one. Its data may still be loading.
func (srv *Server) startGroup() error {
	conf := srv.conf
	name := conf.FailoverGroup.Get()
	if name == "" {
		for directive, given := range map[string]bool{
			"failover-listen": conf.FailoverListen.Get() != "", "failover-peers": len(conf.FailoverPeers.Get()) > 0, "sentinel-port": conf.SentinelPort.Get() != 0,
		} {
			if given {
				srv.log.Warn(directive + " has no effect without failover-group")
			}
		}
		return nil
	}
	listen, id := conf.FailoverListen.Get(), conf.FailoverAnnounce.Get()
	switch {
	case listen == "":
		return errFailoverListen
	case len(conf.FailoverPeers.Get()) == 0:
		return errFailoverPeers
	case conf.ReplicaOf.Get().Host != "":
		return errFailoverFollow
	}
	if id == "" {
		id = listen
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("failover-listen: %w", err)
	}
	g := &group{srv: srv, id: id, profile: quorum.Profiles[conf.FailoverProfile.Get().String()]}
	g.state.Store(&quorum.State{})
	srv.group.Store(g)
	srv.guard.update(srv)
	node, err := quorum.Start(quorum.Options{
		Group: name, Secret: conf.FailoverSecret.Get(), ID: id, Peers: conf.FailoverPeers.Get(),
		Dir: conf.Path("failover"), Profile: g.profile, Local: g,
		Log: func(s string) { srv.log.Info(s) }, Warn: func(s string) { srv.log.Warn(s) },
	}, ln)
	if err != nil {
		ln.Close()
		return err
	}
	g.node = node
	srv.guard.node.Store(node)
	if port := int(conf.SentinelPort.Get()); port != 0 {
		s := &sentinel{group: name, node: node, port: port, password: conf.RequirePass.Get}
		if err := startSentinel(s, conf.Bind.Get()); err != nil {
			return err // the server, which does not start then, leaves the group
		}
		srv.sentinel.Store(s)
	}
	return nil
}

// dataLoaded lets the group know that what this server had on disk is there now.
func (srv *Server) dataLoaded() {
	g := srv.group.Load()
	if g == nil {
		return
	}
	keys := int64(0)
	srv.ks.Lock(srv.ks.All())
	for db := range srv.ks.Databases() {
		n, _ := srv.ks.Counts(srv.ks.All(), db)
		keys += int64(n)
	}
	srv.ks.Unlock(srv.ks.All())
	g.keys.Store(keys)
	g.loaded.Store(true)
}

// stopGroup leaves the group's work to the others.
func (srv *Server) stopGroup() {
	if s := srv.sentinel.Load(); s != nil {
		s.stop()
	}
	if g := srv.group.Load(); g != nil {
		g.ended.Store(true)
		srv.guard.node.Store(nil)
		if g.node != nil {
			g.node.Stop()
		}
	}
}

// announced is the address that this server tells its primary, and the group.
func (srv *Server) announced() (host string, port int) {
	host, port = srv.conf.ReplicaAnnounceIP.Get(), int(srv.conf.ReplicaAnnouncePort.Get())
	if g := srv.group.Load(); g != nil && host == "" {
		host, _, _ = net.SplitHostPort(g.id)
	}
	switch {
	case port != 0:
	case srv.conf.TLSReplication.Get() && srv.tlsAt.Load() != 0: // who comes to follow this server speaks TLS then
		port = int(srv.tlsAt.Load())
	default:
		port = int(srv.tcpPort())
	}
	return host, port
}

// syncDelay_ms is how long a full synchronization waits for more replicas. In a group it does not: there is one less to
// take over meanwhile.
func (srv *Server) syncDelay_ms() int64 {
	if srv.group.Load() != nil {
		return 0
	}
	return srv.conf.ReplDisklessSyncDelay.Get() * 1000
}

// Report is quorum.Local's.
func (g *group) Report(r *quorum.Report) {
	srv := g.srv
	r.Member.Host, r.Member.Port = srv.announced()
	r.Member.Sentinel = int(srv.conf.SentinelPort.Get())
	r.Member.Priority = int(srv.conf.ReplicaPriority.Get())
	r.Copies = srv.guard.copies(srv.conf.WriteSafety.Get())
	if s := g.spread.Load(); s != nil && s.epoch == g.reigning.Load() {
		if s.done.Load() || srv.confirmed(s.upto, max(1, r.Copies)) {
			s.done.Store(true)
			r.Spread = s.leaves
		}
	}
	p := &r.Position
	p.Loading = !g.loaded.Load() || srv.loading.Load()
	h := srv.repl.history.Load()
	p.Offset = srv.repl.offset()
	if again := srv.repl.history.Load(); again != h || srv.loading.Load() { // neither belongs to the other
		p.Loading = true
		h = again
	}
	p.Lines = []quorum.Line{{ReplID: h.ID, Upto: -1}}
	if h.ID2 != replication.NoHistory {
		p.Lines = append(p.Lines, quorum.Line{ReplID: h.ID2, Upto: h.End2})
	}
	p.Keys = g.keys.Load()
	p.Leading = !srv.repl.replica.Load()
}

// Reign is quorum.Local's: this server is primary from now on, unless a snapshot is taking the place of the data for which
// it was chosen.
func (g *group) Reign(epoch uint64, replID string, start int64) (ok bool) {
	srv := g.srv
	srv.inWorldDo(func(ex *executor) {
		if ok = !srv.loading.Load() && srv.repl.offset() >= start; !ok {
			return
		}
		if srv.repl.replica.Load() {
			srv.becomePrimary(replID)
			srv.guard.sure[1].Store(start) // what nobody was told of among that the one before has, too; what came after the poll may be here alone
		} else {
			srv.renameHistory(replID)
			if g.reigning.Load() == 0 { // what it was started with may be on no replica, and nobody is to be told of it before
				advance(&srv.guard.written, srv.repl.offset())
			}
		}
		if srv.repl.backlog.Load() == nil {
			srv.startBacklog(srv.repl.offset())
		}
		srv.guard.reset()
		g.reigning.Store(epoch)
		g.endDrain()
	})
	return ok
}

// Follow is quorum.Local's.
func (g *group) Follow(m quorum.Member) {
	srv := g.srv
	srv.inWorldDo(func(ex *executor) {
		was := g.reigning.Swap(0) != 0
		srv.becomeReplica(ex, config.Address{Host: m.Host, Port: m.Port}, false)
		srv.guard.reset()
		if was {
			g.sendAway(ex)
		}
		g.endDrain()
	})
}

// Rest is quorum.Local's.
func (g *group) Rest() {
	srv := g.srv
	srv.inWorldDo(func(ex *executor) {
		if g.reigning.Swap(0) != 0 {
			g.sendAway(ex)
		}
		srv.guard.reset()
		g.endDrain()
	})
}

// resting tells whether this server is a member of a group that neither is its primary nor follows it: it was started,
// or has lost its majority. Whoever took its data now might give up more recent data for it: a primary that was killed and
// is back with what its disk had looks to its replicas as if it had never been away.
func (srv *Server) resting() bool {
	g := srv.group.Load()
	return g != nil && g.reigning.Load() == 0 && !srv.repl.replica.Load()
}

// mayReplace tells whether a snapshot of the primary may take the place of this server's data: in a group it has to have shown
// the lease, for which it is given a moment.
func (l *link) mayReplace() bool {
	g := l.srv.group.Load()
	if g == nil {
		return true
	}
	node := l.srv.guard.node.Load()
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for end := time.After(2 * g.profile.Interval); node != nil && !node.Proven(); {
		select {
		case <-t.C:
		case <-l.ctx.Done():
			return false
		case <-end:
			return false
		}
	}
	return node != nil
}

// replacing is called before a snapshot takes the place of the data, and what it returns when it has as a whole.
func (srv *Server) replacing() (done func()) {
	if node := srv.guard.node.Load(); node != nil {
		return node.Replacing()
	}
	return func() {}
}

// sendAway closes the clients of a primary that is one no more: they find the new one when they connect again, and none
// goes on reading here as if nothing had happened. Those that understand a redirection stay.
func (g *group) sendAway(ex *executor) {
	for _, s := range g.srv.clients.all() {
		if s.link == nil && s.peer == nil && (!s.noted.redirect || len(s.feedHolds) > 0) {
			ex.condemn(s)
		}
	}
}

// endDrain lets writes go on that wait for a switch. The world is stopped.
func (g *group) endDrain() {
	g.drained.Store(0)
	if g.draining.Swap(false) {
		g.srv.setServeExpired()
		g.srv.unparkAll()
	}
}

// leftAlone tells whether the heir has everything and has not become the primary for long: the majority is gone that would say so.
// Writes do not wait for that any more. They are refused, since this server has given its lease up; else all stays as it is.
func (g *group) leftAlone(now_ms int64) bool {
	until := g.drained.Load()
	return until != 0 && now_ms > until
}

// drainAsk is how often a replica that is to take over is asked how far it is.
const drainAsk = 100 * time.Millisecond

// Drain is quorum.Local's: writes wait until the heir has everything.
func (g *group) Drain(ctx context.Context, heir quorum.Member) bool {
	srv := g.srv
	srv.inWorldDo(func(*executor) { // nobody is in the middle of a write
		g.draining.Store(true)
		srv.setServeExpired()
	})
	t := time.NewTicker(time.Millisecond)
	defer t.Stop()
	var asked time.Time
	for {
		if there, has := srv.peerHas(heir, srv.repl.offset()); there {
			if has && !srv.holdsReplies() { // what was done is also said
				g.drained.Store(srv.steady() + max(g.profile.Lease, time.Second).Milliseconds())
				return true
			}
			srv.guard.poke(srv)
			if now := time.Now(); now.Sub(asked) > drainAsk {
				asked = now
				srv.askSoon(func() { srv.askForAcksOnce() })
			}
		}
		select {
		case <-ctx.Done():
			srv.inWorldDo(func(*executor) { g.endDrain() })
			return false
		case <-t.C:
		}
	}
}

// peerHas tells whether a member has a link that works, and has confirmed all up to end by one. It may be here twice: an old link that
// nobody has noticed is dead.
func (srv *Server) peerHas(m quorum.Member, end int64) (there, has bool) {
	for _, p := range srv.repl.list() {
		if h, n := p.address(); p.isOnline() && n == m.Port && strings.EqualFold(h, m.Host) {
			there, has = true, has || p.acked.Load() == end
		}
	}
	return there, has
}

// askSoon asks the replicas what they have, from any goroutine: by askForAcks, or askForAcksOnce.
func (srv *Server) askSoon(ask func()) {
	ex := srv.executors[0]
	ex.post(func() {
		ask()
		ex.feedPeers()
	})
}

// Changed is quorum.Local's.
func (g *group) Changed(s *quorum.State) {
	before := g.state.Swap(s)
	g.noteLeaves(s)
	if before.Primary != s.Primary || before.Members[before.Primary] != s.Members[s.Primary] {
		if sp := g.srv.sentinel.Load(); sp != nil {
			sp.switched(before, s)
		}
	}
	g.srv.guard.poke(g.srv)
}

// noteLeaves takes note of where this primary is when a member has left. Those that confirmed counts from here on are the ones
// that stayed.
func (g *group) noteLeaves(s *quorum.State) {
	epoch := g.reigning.Load()
	if len(s.Gone) == 0 || epoch == 0 {
		return
	}
	if old := g.spread.Load(); old == nil || old.epoch != epoch || old.leaves != s.Leaves {
		g.spread.Store(&spread{epoch: epoch, leaves: s.Leaves, upto: g.srv.repl.offset()})
	}
}

// memberAt finds the member whose clients' address is host and port.
func memberAt(s *quorum.State, host string, port int) (quorum.Member, bool) {
	for _, m := range s.Members {
		if m.Data && m.Port == port && strings.EqualFold(m.Host, host) {
			return m, true
		}
	}
	return quorum.Member{}, false
}

// switchGroup is FAILOVER in a group: a planned switch. It may take some seconds.
func (srv *Server) switchGroup(ex *executor, s *session, host string, port int) {
	g := srv.group.Load()
	to := ""
	if host != "" {
		m, ok := memberAt(g.state.Load(), host, port)
		if !ok {
			s.out().Error(resp.ErrFailoverTarget)
			return
		}
		to = m.ID
	}
	ex.later(s, func() func(*resp.Writer) {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		_, err := g.node.Switch(ctx, to)
		return func(w *resp.Writer) {
			if err != nil {
				w.Error(resp.Error("ERR " + err.Error()))
				return
			}
			w.OK()
		}
	})
}

// handsOver tells whether a shutdown begins with a planned switch: this server is its group's primary, and is not told to end
// at once.
func (srv *Server) handsOver(how config.Shutdown) bool {
	g := srv.group.Load()
	return g != nil && how&config.ShutdownNow == 0 && g.reigning.Load() != 0 && srv.leads() && srv.conf.ShutdownTimeout.Get() > 0
}

// handOver lets another member be primary before this one ends, so that no write is lost and none has to wait for the end
// of the lease. If nobody can take over this server ends all the same, unless the shutdown is called off.
func (srv *Server) handOver(calledOff <-chan struct{}) {
	g := srv.group.Load()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(srv.conf.ShutdownTimeout.Get())*time.Second)
	defer cancel()
	go func() {
		select {
		case <-calledOff:
			cancel()
		case <-ctx.Done():
		}
	}()
	t := time.NewTicker(g.profile.Interval / 4)
	defer t.Stop()
	for patience := time.After(2 * g.profile.Lease); ; {
		to, err := g.node.Switch(ctx, "")
		if now := g.node.State().Primary; err != nil && now != "" && now != g.id { // whoever it is: a second switch might come back to this one
			to, err = now, nil
		}
		if err == nil {
			srv.log.Info("Failover: " + to + " takes over before the shutdown")
			return
		}
		select {
		case <-calledOff:
			g.callOff()
			return
		default:
		}
		select {
		case <-t.C: // the coordinator may be new and have heard of nobody yet
			if ctx.Err() == nil {
				continue
			}
		case <-patience:
		case <-ctx.Done():
		}
		srv.log.Warn("Failover: no other member takes over before the shutdown: " + err.Error())
		return
	}
}

// callOff ends a planned switch. Where the coordinator is elsewhere it does not know that nobody waits for it any more.
func (g *group) callOff() {
	ctx, cancel := context.WithTimeout(context.Background(), g.profile.Lease)
	defer cancel()
	if err := g.node.CallOff(ctx); err != nil {
		g.srv.log.Warn("Failover: the planned switch could not be called off: " + err.Error())
	}
}

// infoGroup is what INFO replication says of the group.
func infoGroup(w *infoWriter) {
	g := w.srv.group.Load()
	if g == nil {
		return
	}
	st := g.state.Load()
	p := st.Members[st.Primary]
	w.text("failover_group", w.srv.conf.FailoverGroup.Get())
	w.int("failover_epoch", int64(st.Epoch))
	primary := ""
	if st.Primary != "" {
		primary = net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
	}
	w.text("failover_primary", primary)
	w.int("failover_members", int64(len(st.Members)))
	held, intact := time.Duration(0), false
	if n := w.srv.guard.node.Load(); n != nil {
		held, intact = n.Held(quorum.Now()), n.Intact()
	}
	w.int("failover_lease_ms", held.Milliseconds())
	w.flag("failover_intact", intact)
}
