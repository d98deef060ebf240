package server

import (
	"time"

	"larder/replication"
	"larder/server/config"
)

// ReplicationStatus is what a server is and has.
type ReplicationStatus struct {
	Replica  bool
	Primary  config.Address    // of a replica
	Link     replication.State // of a replica
	Down     time.Duration     // for how long the link has been down; 0 if it is up
	History  replication.History
	Offset   int64
	Replicas []ReplicaStatus
}

// ReplicaStatus is what a primary knows of a replica.
type ReplicaStatus struct {
	ID                 int64 // of the client
	Host               string
	Port               int
	Online             bool
	Acked, AckedOnDisk int64
	Lag                time.Duration // since it was last heard of
}

// replicationStatus may be called by any goroutine.
func (srv *Server) replicationStatus() ReplicationStatus {
	r := &srv.repl
	st := ReplicationStatus{Replica: r.replica.Load(), History: *r.history.Load(), Offset: r.offset()}
	if l := r.link.Load(); l != nil {
		st.Primary, st.Link = l.addr, l.State()
		st.Down = l.downFor()
	}
	now := time.Now().UnixMilli()
	for _, p := range r.list() {
		host, port := p.address()
		st.Replicas = append(st.Replicas, ReplicaStatus{
			ID: p.s.id, Host: host, Port: port, Online: p.isOnline(), Acked: p.acked.Load(), AckedOnDisk: p.ackedDisk.Load(),
			Lag: time.Duration(now-p.heard_ms.Load()) * time.Millisecond,
		})
	}
	return st
}

// list is all replicas as of now. It must not be changed.
func (r *replicas) list() []*peer {
	if l := r.online.Load(); l != nil {
		return *l
	}
	return nil
}
