package server

import (
	"strconv"

	"larder/server/command"
	"larder/server/command/spec"
)

// A replica that is not read-only lets clients change its data. What they write is its own: its primary and its replicas
// never hear of it, and nobody but the replica itself can remove such a key when its time is over.

// writesItself tells whether the command that is about to run is a client's write where expired keys stay: on a replica, or, for
// what a pause does not hold up, on a primary. For that the key that it finds expired is gone, not only hidden: it could not be made
// anew beside the old one.
func (ex *executor) writesItself() bool {
	if ex.ctx.Obey {
		return false
	}
	ex.view.ServeExpired = false
	return true
}

// wroteItself follows it. The shards are held.
func (ex *executor) wroteItself(row *command.Row, argv [][]byte) {
	ex.view.Settle()
	if ex.srv.repl.replica.Load() {
		ex.wroteLocally(row, argv)
	}
	ex.setServeExpired()
}

// wroteLocally remembers what a client's command has given a time on a replica.
func (ex *executor) wroteLocally(row *command.Row, argv [][]byte) {
	v, r := ex.view, &ex.srv.repl
	note := func(key []byte, _ spec.KeyFlags) {
		if in, ok := v.Stat(key); ok && in.Expire_ms != 0 {
			r.mu.Lock()
			if r.local == nil {
				r.local = map[dbKey]struct{}{}
			}
			r.local[dbKey{v.DB, string(key)}] = struct{}{}
			r.mu.Unlock()
		}
	}
	ex.keysOf(row, argv, note)
	if db, to := v.DB, otherDatabase(row, argv, v.DB); to >= 0 && to < ex.srv.ks.Databases() {
		v.DB = to
		ex.keysOf(row, argv, func(key []byte, flags spec.KeyFlags) {
			if flags&spec.RO == 0 {
				note(key, flags)
			}
		})
		v.DB = db
	}
}

// otherDatabase is the one that a command with database db selected has put its key into, -1 if there is none.
func otherDatabase(row *command.Row, argv [][]byte, db int) int {
	switch {
	case row.Name == "move" && len(argv) == 3:
		if n, err := strconv.Atoi(string(argv[2])); err == nil {
			return n
		}
	case row.Copies:
		if _, _, to, _, known := command.CopyOf(argv, db); known && to != db {
			return to
		}
	}
	return -1
}

// expireLocal removes those of these keys whose time is over. The janitor calls it, without shards.
func (srv *Server) expireLocal(ex *executor) {
	r, v := &srv.repl, ex.view
	r.mu.Lock()
	keys := make([]dbKey, 0, len(r.local))
	for k := range r.local {
		keys = append(keys, k)
	}
	r.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	db := v.DB
	defer func() { v.DB = db }()
	for _, k := range keys {
		key := []byte(k.key)
		v.DB, v.ServeExpired = k.db, !r.replica.Load()
		v.Take(1 << srv.ks.ShardOf(srv.ks.Hash(key)))
		ex.listen()
		in, ok := v.Stat(key)
		ex.settle()
		ex.release()
		if !ok || in.Expire_ms == 0 || v.ServeExpired {
			r.mu.Lock()
			delete(r.local, k)
			r.mu.Unlock()
		}
	}
	ex.setServeExpired()
}

// tracked is how many keys of the replica's own may expire.
func (r *replicas) tracked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.local)
}

// forgetLocal forgets them all: the data is the primary's again. mu is not held.
func (r *replicas) forgetLocal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.local = nil
}
