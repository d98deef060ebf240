package server

import (
	"fmt"
	"strconv"
	"time"

	"larder/replication"
)

var peerStates = [...]string{peerWaitStart: "wait_bgsave", peerWaitEnd: "wait_bgsave", peerSending: "send_bulk", peerAcking: "online", peerOnline: "online"}

// state is what INFO calls the replica's phase: a snapshot that is sent while it is made is still to be waited for.
func (p *peer) state() string {
	phase := p.phase.Load()
	if phase == peerSending && p.of.mark != "" {
		phase = peerWaitEnd
	}
	return peerStates[phase]
}

func infoReplication(w *infoWriter) {
	srv := w.srv
	r, conf := &srv.repl, srv.conf
	if l := r.link.Load(); l != nil {
		w.text("role", "slave")
		infoLink(w, l)
	} else {
		w.text("role", "master")
	}
	list := r.list()
	w.int("connected_slaves", int64(len(list)))
	if conf.MinReplicasToWrite.Get() > 0 && conf.MinReplicasMaxLag.Get() > 0 {
		w.int("min_slaves_good_slaves", int64(r.good.Load()))
	}
	for i, p := range list {
		host, port := p.address()
		lag := int64(0)
		if p.phase.Load() == peerOnline {
			lag = max(0, srv.steady()-p.heard_ms.Load()) / 1000
		}
		w.text("slave"+strconv.Itoa(i), fmt.Sprintf("ip=%s,port=%d,state=%s,offset=%d,lag=%d", host, port, p.state(), p.acked.Load(), lag))
	}
	w.zeros("replicas_waiting_psync") // nobody takes a snapshot by a connection of its own
	h, b := r.history.Load(), r.backlog.Load()
	w.text("master_failover_state", failoverNames[r.failover.state.Load()])
	w.text("master_replid", h.ID)
	w.text("master_replid2", h.ID2)
	w.int("master_repl_offset", r.offset())
	w.int("second_repl_offset", h.SecondOffset())
	w.flag("repl_backlog_active", b != nil)
	w.int("repl_backlog_size", conf.ReplBacklogSize.Get())
	defer infoGroup(w)
	if b == nil {
		w.zeros("repl_backlog_first_byte_offset", "repl_backlog_histlen")
		return
	}
	start := b.Start()
	w.int("repl_backlog_first_byte_offset", start+1)
	w.int("repl_backlog_histlen", b.End()-start)
}

// infoLink says what a replica knows of its primary.
func infoLink(w *infoWriter, l *link) {
	srv := w.srv
	conf, state, at := srv.conf, l.State(), srv.repl.offset()
	seconds := func(since_ms int64) int64 { return max(0, srv.steady()-since_ms) / 1000 }
	w.text("master_host", l.addr.Host)
	w.int("master_port", int64(l.addr.Port))
	if state == replication.StateConnected {
		w.text("master_link_status", "up")
		w.int("master_last_io_seconds_ago", seconds(l.heard.Load()))
	} else {
		w.text("master_link_status", "down")
		w.int("master_last_io_seconds_ago", -1)
	}
	w.flag("master_sync_in_progress", state == replication.StateTransfer)
	w.int("slave_read_repl_offset", max(at, l.got.Load()))
	w.int("slave_repl_offset", at)
	if state == replication.StateTransfer {
		total, read := l.total.Load(), l.read.Load()
		perc, left := 0.0, int64(-1)
		if total > 0 {
			perc, left = 100*float64(read)/float64(total), total-read
		}
		w.int("master_sync_total_bytes", max(0, total))
		w.int("master_sync_read_bytes", read)
		w.int("master_sync_left_bytes", left)
		w.fixed("master_sync_perc", perc, 2)
		w.int("master_sync_last_io_seconds_ago", seconds(l.heard.Load()))
	}
	if state != replication.StateConnected {
		w.int("master_link_down_since_seconds", int64(l.downFor()/time.Second))
	}
	w.int("slave_priority", conf.ReplicaPriority.Get())
	w.flag("slave_read_only", conf.ReplicaReadOnly.Get())
	w.flag("replica_announced", conf.ReplicaAnnounced.Get())
}

// memory is what the backlog and the snapshot under way take, in bytes.
func (r *replicas) memory() (n int64) {
	if b := r.backlog.Load(); b != nil {
		n = b.Size()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.transfer != nil {
		n += r.transfer.stream.Size()
	}
	return n
}

// replicaMemory is what replication takes, in two parts: what the backlog is allowed, and what there is beyond that because of
// replicas, who may be behind.
func (srv *Server) replicaMemory() (backlog, replicas int64) {
	r, keep := &srv.repl, srv.conf.ReplBacklogSize.Get()
	backlog = r.memory()
	if len(r.list()) == 0 {
		return backlog, 0
	}
	over := max(0, backlog-keep)
	return backlog - over, over + srv.peerMemory()
}
