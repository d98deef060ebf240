package server

import (
	"sync"
	"sync/atomic"

	"larder/replication"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/config"
	"larder/server/resp"
	"larder/server/script"
)

// Replication, as the server sees it:
//
//	replica.go        what a server is, primary or replica, and how it becomes the other; the backlog
//	replica_peer.go   the primary's side: one replica, and how the stream gets to it
//	replica_psync.go  PSYNC and SYNC: how a connection becomes a replica
//	replica_sync.go   one snapshot for any number of replicas
//	replica_cron.go   what is done from time to time
//	replica_link.go   the replica's side: the connection to the primary until the stream comes
//	replica_load.go   the snapshot that a primary has sent
//	replica_obey.go   the stream: doing what the primary says
//	replica_cmd.go    REPLICAOF, ROLE, REPLCONF; failover.go FAILOVER; wait.go WAIT and WAITAOF
//	replica_info.go   INFO replication
//
// A position in the stream and the data belong together: both are only looked at together, and changed, with all
// shards held, or those of the keys concerned. The role changes in a stopped world.
type replicas struct {
	// replica is true while the server follows a primary. It changes in a stopped world with all shards held.
	replica atomic.Bool
	link    atomic.Pointer[link] // to the primary; nil on a primary
	last    atomic.Pointer[link] // the last one there was

	history atomic.Pointer[replication.History]
	backlog atomic.Pointer[replication.Stream] // nil before anybody needed one
	parked  atomic.Int64                       // the position while there is no backlog

	streamDB atomic.Int32 // database that was selected at the end of the last primary's stream

	mu       sync.Mutex   // of what follows, and of backlog and streamDB together
	peers    []*peer      // replicas of this server in the order of their coming
	transfer *transfer    // the snapshot that is being sent, nil if there is none
	sending  atomic.Int32 // such snapshots, and those that have just been sent

	online   atomic.Pointer[[]*peer] // a copy of peers for who only looks
	good     atomic.Int32            // replicas that are online and not late; see min-replicas-to-write
	wantAcks atomic.Bool             // somebody waits to hear from the replicas what they have
	asked    atomic.Int64            // the end of the stream after replicas were last asked how far they are
	waits    []*ackWait              // clients in WAIT and WAITAOF
	local    localKeys

	alone_ms int64 // when the last replica was gone, on the steady clock; of the janitor
	cron_ms  int64 // when the cron last ran in full; of the janitor
	ping_ms  int64 // when the replicas were last pinged; of the janitor
	nudge    chan struct{}

	failover failover
	closing  closing

	saved savedPosition

	fullSyncs, partialSyncs, refusedSyncs atomic.Uint64
	bytesIn, bytesOut                     atomic.Uint64
	errorReplies                          atomic.Uint64 // to what the primary said
}

func (r *replicas) init() {
	h := replication.NewHistory(newRunID())
	r.history.Store(&h)
	r.nudge = make(chan struct{}, 1)
}

// offset is the position after the last write: of the primary's that this server has, or of its own that replicas may
// have.
func (r *replicas) offset() int64 {
	if b := r.backlog.Load(); b != nil {
		return b.End()
	}
	return r.parked.Load()
}

// setHistory renames the history of the data.
func (r *replicas) setHistory(h replication.History) { r.history.Store(&h) }

// backlogSink takes the effects of a primary.
type backlogSink struct{ *replication.Stream }

// startBacklog makes a backlog that begins at a position. All shards are held.
func (srv *Server) startBacklog(at int64) *replication.Stream {
	r := &srv.repl
	b := replication.NewStream(at, srv.conf.ReplBacklogSize.Get())
	r.parked.Store(at)
	srv.journal.placeAnew()
	r.backlog.Store(b)
	if !r.replica.Load() {
		srv.journal.attach(command.ToReplicas, backlogSink{b})
	}
	return b
}

// dropBacklog forgets the backlog, but not the position. All shards are held.
func (srv *Server) dropBacklog() {
	r := &srv.repl
	r.parked.Store(r.offset())
	srv.journal.detach(command.ToReplicas)
	r.backlog.Store(nil)
}

// followReplicaOf is called when the server has loaded its data: it follows the primary that the configuration names, from
// the first moment at which somebody could find a key whose time is over: on a replica it is not for this server to say.
func (srv *Server) followReplicaOf() {
	a := srv.conf.ReplicaOf.Get()
	if a.Host == "" {
		srv.endLoading()
		return
	}
	ex := srv.janitor
	ex.enter()
	defer ex.leave()
	ex.stopWorld()
	defer ex.startWorld()
	ex.setTime()
	ex.view.Take(srv.ks.All())
	defer ex.view.Release()
	srv.becomeReplica(ex, a, false)
	srv.endLoading()
}

// becomeReplica makes the server a replica of another. The world is stopped, all shards are held. handOver says that the
// other one is a replica of this server and has to become its primary by this.
func (srv *Server) becomeReplica(ex *executor, primary config.Address, handOver bool) {
	r := &srv.repl
	was := r.replica.Load()
	if l := r.link.Load(); l != nil {
		l.stop()
	}
	if !was {
		srv.endFeedHolds(ex)
		// What this server has is a history that its new primary may know.
		if db := srv.journal.feedDB(); db >= 0 { // else nothing was written since the last time
			r.streamDB.Store(db)
		}
		srv.journal.detach(command.ToReplicas)
		r.replica.Store(true)
		if r.backlog.Load() == nil {
			srv.startBacklog(r.offset())
		}
		srv.unblockAll(ex, "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)")
	}
	srv.setServeExpired()
	srv.adoptReplicaOf(primary.String())
	l := newLink(srv, primary, handOver)
	r.link.Store(l)
	go l.run()
	srv.log.Info("Connecting to MASTER " + oneLine(primary.String()))
}

// becomePrimary ends what becomeReplica began: the server goes on by itself with the data that it has, as a history of its
// own under the name id. The world is stopped, all shards are held.
func (srv *Server) becomePrimary(id string) {
	r := &srv.repl
	if !r.replica.Load() {
		return
	}
	r.link.Load().stop()
	r.link.Store(nil)
	r.replica.Store(false)
	srv.setServeExpired()
	if srv.aof.relieved.Load() != nil { // writes wait for a base: it is tried soon, however often it has failed
		srv.aof.failures.Store(0)
	}
	srv.adoptReplicaOf("no one")
	if b := r.backlog.Load(); b != nil {
		srv.journal.attach(command.ToReplicas, backlogSink{b})
	}
	srv.guard.took(r.offset())
	srv.renameHistory(id)
	srv.resumeLog()
}

// renameHistory begins a history of this server's own, under the name id. The world is stopped, all shards are held.
func (srv *Server) renameHistory(id string) {
	r := &srv.repl
	srv.dropPeers() // they learn of the new history when they come back, and lose nothing
	h := r.history.Load().Fork(id, r.offset())
	r.setHistory(h)
	srv.log.Info("Setting secondary replication ID to " + h.ID2 + ", valid up to offset: " + itoa(h.SecondOffset()) + ". New replication ID is " + h.ID)
}

// setServeExpired lets all executors know at once whether they may remove what expired. The world is stopped.
func (srv *Server) setServeExpired() {
	for _, ex := range srv.executors {
		ex.setServeExpired()
	}
	srv.ks.WakeAt(0)
	if srv.RoleChanged != nil {
		srv.RoleChanged(srv.repl.replica.Load())
	}
}

func (ex *executor) setServeExpired() {
	srv := ex.srv // a member of a group that is nothing yet will follow somebody, or reign, from where its data is
	ex.view.ServeExpired = srv.repl.replica.Load() || srv.pause.active(ex.steady()) || srv.failing() || srv.resting()
}

// endLink ends the link when the server stops.
func (srv *Server) endLink() {
	if l := srv.repl.last.Load(); l != nil {
		l.stop()
		<-l.over
	}
}

func (srv *Server) adoptReplicaOf(value string) {
	_ = srv.conf.Adopt("replicaof", value) // the value was parsed already
}

// unblockAll ends the waiting of all blocked clients with an error. The world is stopped.
func (srv *Server) unblockAll(ex *executor, e resp.Error) {
	for _, s := range srv.clients.all() {
		ex.callOff(s, func(own *executor, w *waiter) {
			waitFails(e)(own, w)
			own.depart(s)
		})
	}
}

// inWorldDo calls fn in a stopped world with all shards held. It must not be called by a command or a loop.
func (srv *Server) inWorldDo(fn func(ex *executor)) {
	ex := srv.linker
	ex.enter()
	defer ex.leave()
	srv.inWorldOf(ex, func() {
		ex.setTime()
		fn(ex)
	})
	if len(ex.ready) > 0 && !srv.ended.Load() {
		ex.serveBlocked()
		ex.handIn()
	}
}

// replicaGates are the gates about primaries and replicas, for clients.
func (ex *executor) replicaGates(s *session, row *command.Row) resp.Error {
	r := &ex.srv.repl
	if (s.peer != nil || s.monitor) && (row.Has(spec.Write) || row.Has(spec.ReadOnly) || row.Has(spec.MayReplicate)) {
		return resp.ErrReplicaKeyspace
	}
	replica, least := r.replica.Load(), ex.srv.conf.MinReplicasToWrite.Get()
	if replica && s.wantsPrimary(row) {
		if ex.srv.handingOver() {
			return "" // it waits until there is a primary: see pausedFor
		}
		if l := r.link.Load(); l != nil {
			return redirectTo(l.addr)
		}
	}
	if !replica && least == 0 || !s.writes(row) {
		return ""
	}
	switch {
	case replica && ex.srv.conf.ReplicaReadOnly.Get():
		return resp.ErrReadOnly
	case !replica && least > 0 && ex.srv.conf.MinReplicasMaxLag.Get() > 0 && int64(r.good.Load()) < least:
		return resp.ErrNoReplicas
	}
	return ""
}

// wantsPrimary tells whether a replica is to say where the primary is when it is asked this.
func (s *session) wantsPrimary(row *command.Row) bool {
	return s.noted.redirect && s.link == nil && (s.writes(row) || s.has(row, spec.ReadOnly) && !s.noted.readsHere)
}

// writes tells whether a request is a write: for EXEC, whether anything that was queued is.
func (s *session) writes(row *command.Row) bool {
	if row.Has(spec.Write) {
		return true
	}
	if row.Name == "exec" && s.multi != nil {
		for _, q := range s.multi.queue {
			if q.row.Has(spec.Write) {
				return true
			}
			if flags, ok := s.ex.flagsOf(q.row, q.argv); ok && flags&script.NoWrites == 0 {
				return true
			}
		}
	}
	return false
}

// stale tells whether the server is a replica that must not answer from data that may be old.
func (srv *Server) stale() bool {
	l := srv.repl.link.Load()
	return l != nil && l.State() != replication.StateConnected && !srv.conf.ReplicaServeStaleData.Get()
}

// list is all replicas as of now. It must not be changed.
func (r *replicas) list() []*peer {
	if l := r.online.Load(); l != nil {
		return *l
	}
	return nil
}
