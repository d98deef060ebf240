package server

import (
	"container/heap"
	"math/rand/v2"
	"strconv"
	"time"

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

// wroteLocally remembers what a client's command has given a time on a replica. What it has only read stays its primary's.
func (ex *executor) wroteLocally(row *command.Row, argv [][]byte) {
	v, r := ex.view, &ex.srv.repl
	note := func(key []byte, flags spec.KeyFlags) {
		if flags&spec.RO == 0 {
			in, _ := v.Stat(key)
			r.mu.Lock()
			r.local.note(dbKey{v.DB, string(key)}, in.Expire_ms)
			r.mu.Unlock()
		}
	}
	ex.keysOf(row, argv, note)
	if db, to := v.DB, otherDatabase(row, argv, v.DB); to >= 0 && to < ex.srv.ks.Databases() {
		v.DB = to
		ex.keysOf(row, argv, note)
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

const (
	localMost  = 2 * time.Millisecond // what expireLocal takes at a time
	localProbe = 4                    // keys whose time is not over that it looks at
)

// expireLocal removes those of these keys whose time is over, and forgets some of those that are gone otherwise: of keys taken at
// random until it has found a few that are still there. The janitor calls it, without shards.
func (srv *Server) expireLocal(ex *executor) {
	r := &srv.repl
	if r.tracked() == 0 {
		return
	}
	if !r.replica.Load() { // they are like all others now
		r.forgetLocal()
		return
	}
	db, began := ex.view.DB, time.Now()
	defer func() {
		ex.view.DB = db
		ex.setServeExpired()
	}()
	for there := 0; there < localProbe && time.Since(began) < localMost; {
		name, due, ok := r.nextLocal(ex.now)
		if !ok {
			return
		}
		if ex.lookAtLocal(name) && !due {
			there++
		}
	}
}

// nextLocal is the first key whose time is over at now, or else any one. It is false if there is none.
func (r *replicas) nextLocal(now int64) (name dbKey, due, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.local.queue
	if len(q) == 0 {
		return dbKey{}, false, false
	}
	k := q[0]
	if due = k.expire_ms <= now; !due {
		k = q[rand.IntN(len(q))]
	}
	return k.dbKey, due, true
}

// lookAtLocal removes a key if its time is over, and takes note of the time that it has. It tells whether it has one.
func (ex *executor) lookAtLocal(name dbKey) bool {
	r, v, key := &ex.srv.repl, ex.view, []byte(name.key)
	v.DB, v.ServeExpired = name.db, false
	v.Take(1 << ex.srv.ks.ShardOf(ex.srv.ks.Hash(key)))
	ex.listen()
	in, _ := v.Stat(key)
	r.mu.Lock()
	r.local.note(name, in.Expire_ms)
	r.mu.Unlock()
	ex.settle()
	ex.release()
	return in.Expire_ms != 0
}

// tracked is how many keys of the replica's own may expire.
func (r *replicas) tracked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.local.Len()
}

// forgetLocal forgets them all: the data is the primary's again. mu is not held.
func (r *replicas) forgetLocal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.local = localKeys{}
}

// localKeys is the keys with a time that clients have written to a replica. queue is a heap: its first is the one whose time is
// over next, as far as the clients' own writes tell. What their primary does to such keys, or a flush, is found out later.
type localKeys struct {
	byName map[dbKey]*localKey
	queue  []*localKey
}

type localKey struct {
	dbKey
	expire_ms int64
	at        int // in the queue
}

// note remembers a key with its time, or forgets it if that is 0.
func (l *localKeys) note(name dbKey, expire_ms int64) {
	k := l.byName[name]
	switch {
	case k == nil && expire_ms == 0:
	case k == nil:
		if l.byName == nil {
			l.byName = map[dbKey]*localKey{}
		}
		k = &localKey{dbKey: name, expire_ms: expire_ms}
		l.byName[name] = k
		heap.Push(l, k)
	case expire_ms == 0:
		delete(l.byName, name)
		heap.Remove(l, k.at)
	case k.expire_ms != expire_ms:
		k.expire_ms = expire_ms
		heap.Fix(l, k.at)
	}
}

// Len is heap.Interface's, and so are the others.
func (l *localKeys) Len() int { return len(l.queue) }

// Less compares times.
func (l *localKeys) Less(i, j int) bool { return l.queue[i].expire_ms < l.queue[j].expire_ms }

// Swap exchanges two keys.
func (l *localKeys) Swap(i, j int) {
	q := l.queue
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push appends a key.
func (l *localKeys) Push(x any) {
	k := x.(*localKey)
	k.at = len(l.queue)
	l.queue = append(l.queue, k)
}

// Pop removes the last key.
func (l *localKeys) Pop() any {
	last := len(l.queue) - 1
	k := l.queue[last]
	l.queue[last] = nil
	l.queue = l.queue[:last]
	return k
}
