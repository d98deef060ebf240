package server

import (
	"fmt"

	"larder/persistence"
	"larder/replication"
	"larder/server/command"
	"larder/server/resp"
)

// A snapshot says which position of which history it is of, and so does an append-only log that was closed in good order:
// a server that loads it at its start can go on from there, a replica with its primary, a primary with its replicas.

// savedPosition is what the file that was loaded has said.
type savedPosition struct {
	id string
	at int64
	db int

	lapsed *replication.Stream // from there on, the removal of keys that were not loaded because their time was over; nil if none
	last   int                 // database of the last of them
}

// position is the position that the data belongs to, if there is one that somebody may go on from. All shards are held.
func (srv *Server) position() (p savedPosition, ok bool) {
	r := &srv.repl
	if r.backlog.Load() == nil || srv.loading.Load() { // what is there is not what the position is of
		return p, false
	}
	db := r.streamDB.Load()
	if own := srv.journal.feedDB(); own >= 0 {
		db = own
	}
	return savedPosition{id: r.history.Load().ID, at: r.offset(), db: int(db)}, true
}

// positionAux is what a snapshot says of that. All shards are held.
func (srv *Server) positionAux() []persistence.Aux {
	p, ok := srv.position()
	if !ok {
		return nil
	}
	return []persistence.Aux{
		{Name: "repl-stream-db", Value: fmt.Sprint(p.db)},
		{Name: "repl-id", Value: p.id},
		{Name: "repl-offset", Value: itoa(p.at)},
	}
}

// noteSaved takes what a snapshot says of its position.
func (r *replicas) noteSaved(name, value string) {
	switch name {
	case "repl-id":
		r.saved.id = value
	case "repl-offset":
		fmt.Sscan(value, &r.saved.at)
	case "repl-stream-db":
		fmt.Sscan(value, &r.saved.db)
	}
}

// noteLapsed takes a key that was left out when the server's own file was loaded. What a file says of its position stands
// before its keys.
func (srv *Server) noteLapsed(db int, key []byte) {
	p := &srv.repl.saved
	if p.id == "" {
		return
	}
	if p.lapsed == nil {
		p.lapsed, p.last = replication.NewStream(p.at, srv.conf.ReplBacklogSize.Get()), -1
	}
	var w resp.Writer
	if db != p.last {
		p.last = db
		w.Array(2)
		w.BulkString("SELECT")
		w.BulkInt(int64(db))
	}
	w.Array(2)
	w.BulkString("DEL")
	w.Bulk(key)
	p.lapsed.Append(w.Bytes())
}

// adoptSaved goes on from the position of the snapshot that was loaded at the start. What a primary writes from now on is
// a history of its own, which has everything of the old one until here.
func (srv *Server) adoptSaved() {
	r := &srv.repl
	p := r.saved
	if len(p.id) != replication.IDLen || p.at < 0 || p.db < 0 || p.db >= srv.ks.Databases() {
		return
	}
	srv.ks.Lock(srv.ks.All())
	defer srv.ks.Unlock(srv.ks.All())
	h := replication.NewHistory(p.id)
	if srv.conf.ReplicaOf.Get().Host == "" && srv.group.Load() == nil { // a group says later who goes on
		h = h.Fork(newRunID(), p.at)
	}
	r.setHistory(h)
	if p.lapsed == nil {
		srv.startBacklog(p.at)
	} else { // who goes on from there has those keys still
		r.backlog.Store(p.lapsed)
		srv.journal.attach(command.ToReplicas, backlogSink{p.lapsed})
	}
	r.streamDB.Store(int32(p.db))
}
