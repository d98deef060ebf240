package server

import (
	"go.uber.org/zap"
	"math"

	"larder/replication"
	"larder/server/command"
	"larder/server/netloop"
)

// replicationCron does what has to be done from time to time. The janitor calls it about ten times in a second, without
// shards, its executor held.
func (srv *Server) replicationCron(ex *executor) {
	r := &srv.repl
	srv.failoverCron(ex)
	srv.closeCron(ex)
	for _, p := range r.list() {
		if p.phase.Load() == peerWaitStart {
			ex.view.Take(srv.ks.All())
			srv.beginTransfer(ex)
			ex.view.Release()
			break
		}
	}
	for _, p := range r.list() {
		srv.checkPeerOutput(p, ex.steady())
	}
	srv.checkTransfer()
	if srv.aof.state.Load() == logOff {
		srv.serveWaits()
	}
	srv.expireLocal(ex)
	ex.feedPeers()
	now_ms := ex.steady()
	if now_ms-r.cron_ms < 1000 {
		return
	}
	r.cron_ms = now_ms
	timeout_ms := srv.conf.ReplTimeout.Get() * 1000
	if l := r.link.Load(); l != nil {
		l.cron(now_ms, timeout_ms)
	}
	srv.pingPeers(ex)
	for _, p := range r.list() {
		srv.lookAfterPeer(p, now_ms, timeout_ms)
	}
	r.count(srv)
	srv.expireBacklog(ex)
}

// pingPeers lets replicas know that the primary is there, through the stream: theirs do the same.
func (srv *Server) pingPeers(ex *executor) {
	r := &srv.repl
	if ex.steady()-r.ping_ms < srv.conf.ReplPingReplicaPeriod.Get()*1000 {
		return
	}
	r.ping_ms = ex.steady()
	if r.replica.Load() || len(r.list()) == 0 || srv.failoverPaused() {
		return
	}
	srv.say("*1\r\n$4\r\nPING\r\n")
	ex.feedPeers()
}

// say puts a request into the stream that is no effect of a command. A member of a group that rests says nothing: its position
// is one in a history that others go on with, and whatever it added would stand where they have something else.
// It returns where the request ends, 0 if it was not said.
func (srv *Server) say(request string) (end int64) {
	if srv.resting() {
		return 0
	}
	return srv.journal.say(command.ToReplicas, []byte(request))
}

// say hands a sink a request that is no effect: it needs no database.
func (j *journal) say(to command.Target, p []byte) (end int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.sink(to); s.to != nil {
		s.end = s.to.Append(p)
		if to == command.ToReplicas {
			j.notePlace()
		}
		return s.end
	}
	return 0
}

// lookAfterPeer tells a replica that waits that it is not forgotten, and gives one up that has not been heard of.
func (srv *Server) lookAfterPeer(p *peer, now_ms, timeout_ms int64) {
	kind := "streaming"
	switch p.phase.Load() {
	case peerWaitStart, peerWaitEnd:
		p.s.deliver(srv.janitor, []byte("\n"))
		return
	case peerSending:
		if p.bulk.Left() == 0 { // it waits for others, or for the data
			p.heard_ms.Store(now_ms)
			return
		}
		kind = "full"
	case peerOnline:
		if p.caps.old {
			return
		}
	}
	if now_ms-p.heard_ms.Load() > timeout_ms {
		srv.log.Warn("Disconnecting timedout replica ("+kind+" sync)", zap.String("replica", p.name()))
		p.s.conn.Kill(netloop.ErrKilled)
		srv.endPeer(p)
	}
}

// count finds out how many replicas are good, as min-replicas-to-write means it.
func (r *replicas) count(srv *Server) {
	lag := srv.conf.MinReplicasMaxLag.Get()
	now, n := srv.steady(), int32(0)
	for _, p := range r.list() {
		if p.isOnline() && (now-p.heard_ms.Load())/1000 <= lag {
			n++
		}
	}
	r.good.Store(n)
}

// expireBacklog gives the backlog up when no replica has been there for repl-backlog-ttl.
func (srv *Server) expireBacklog(ex *executor) {
	r := &srv.repl
	ttl := srv.conf.ReplBacklogTTL.Get()
	if len(r.list()) > 0 || r.replica.Load() || r.backlog.Load() == nil || srv.group.Load() != nil {
		r.alone_ms = 0
		return
	}
	if r.alone_ms == 0 {
		r.alone_ms = ex.steady()
	}
	if ttl == 0 || ex.steady()-r.alone_ms <= min(ttl, math.MaxInt64/1000)*1000 {
		return
	}
	ex.view.Take(srv.ks.All())
	defer ex.view.Release()
	if len(r.list()) > 0 || r.replica.Load() || r.backlog.Load() == nil {
		return
	}
	srv.dropBacklog()
	r.setHistory(replication.NewHistory(newRunID()))
	srv.log.Info("Replication backlog freed after " + itoa(ttl) + " seconds without connected replicas.")
}
