package server

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
)

// COPY of a value of a million elements would keep its shards for some hundred milliseconds. So a large value is copied ahead, in
// steps between which the shards are let go (keyspace.Copying), and the request waits meanwhile, put back into its connection as
// one that CLIENT PAUSE holds up. When the copy is made the request runs as any other does: through the gates, to the
// handler, which looks whether the source is there and the destination is not, and has only to give the copy its key.
// Events, effects, replication, the log, watchers and blocked clients come from that run and know of nothing else.
//
//	COPY board old ── large? ── BeginCopy ── step, step, … (turn by turn of the client's own loop) ── COPY runs
//	                                │                                                                 │
//	ZADD board …   (another client) └── is put back, and runs again when ─────────────────────────────┘
//
// It takes effect at its end. So that it comes to an end nobody changes the source meanwhile:
//
//   - A request that names the source as a key that it may change, a transaction with such a command or a script that declares the
//     key, waits (mustAwait). Reads do not, nor who writes to the destination: that is looked at only at the end.
//   - What cannot wait makes the copy stale: a command that has changed nothing when it is found to need the key, as a script
//     that has not declared it or a blocked client that is served; FLUSHALL, SWAPDB, RENAME of another database's key; expiry of the
//     key, eviction; a snapshot or other data that takes the place of all. Then the request looks again, from the beginning: there may be
//     nothing left to copy. After copyTries of these it copies in one go, as slow as that is, for it must end some time.
//   - Who has a copy waits for nobody, so nobody waits in a circle; where a COPY overwrites what another one copies, the other one
//     begins again.
//   - Who waits for a source goes before the next COPY of it: that begins only copyGrace_ms later.
//
// A copy takes memory in use while it is made, and is refused when there is no more, as COPY is: when it begins. One that is
// complete is not refused. Its client's end frees it, in steps; a request that is refused when it runs again, too.
//
// Transactions have all their COPYs made ahead; one whose source an earlier command of the transaction changes is copied in one go,
// and so is what scripts copy and what is read from the log at the start. What a primary sends is copied in steps.
type copyJob struct {
	s        *session
	parts    []*keyspace.Copying // of a transaction: of each COPY
	sources  []dbKey             // of the parts
	at       int                 // the part that is being made
	tries    int                 // that came to nothing before
	deferred int                 // steps in a row that others went before
	queued   bool                // stands in the executor's list
	gone     bool                // nobody waits for it any more
}

const (
	copyTries    = 3  // copies that become stale before it is done in one go
	copyGivesWay = 16 // turns that a step waits while others want its shards
	copyGrace_ms = 20
)

// copies is the sources of what is being copied. A few: it is asked by requests that write only while there are any.
type copies struct {
	some atomic.Int32 // sources that are being copied
	mu   sync.Mutex
	held map[dbKey]*heldSource
}

// heldSource is a value that is being copied, or was until a moment ago.
type heldSource struct {
	copies   int
	wanted   bool  // somebody waits to change it
	until_ms int64 // no copy begins before, on the steady clock, if nothing else is the case
}

// hold notes that a copy of k begins. It is false if somebody waits for k who goes before.
func (cs *copies) hold(k dbKey, now_ms int64) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for k, h := range cs.held {
		if h.copies == 0 && h.until_ms <= now_ms {
			delete(cs.held, k)
		}
	}
	h := cs.held[k]
	switch {
	case h == nil:
		if cs.held == nil {
			cs.held = map[dbKey]*heldSource{}
		}
		h = &heldSource{}
		cs.held[k] = h
	case h.wanted:
		return false
	}
	if h.copies++; h.copies == 1 {
		cs.some.Add(1)
	}
	return true
}

// letGo notes that a copy of k is over. It tells whether somebody has waited for that.
func (cs *copies) letGo(k dbKey, now_ms int64) (wanted bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	h := cs.held[k]
	if h.copies--; h.copies > 0 {
		return false
	}
	cs.some.Add(-1)
	if h.until_ms = now_ms + copyGrace_ms; !h.wanted {
		delete(cs.held, k)
	}
	return h.wanted
}

// wants tells whether k is being copied, and notes that somebody waits for it if so.
func (cs *copies) wants(k dbKey) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	h := cs.held[k]
	if h == nil || h.copies == 0 {
		return false
	}
	h.wanted = true
	return true
}

// ready tells whether all that the client has waited for is there.
func (j *copyJob) ready() bool {
	return j != nil && len(j.parts) > 0 && !slices.ContainsFunc(j.parts, func(c *keyspace.Copying) bool { return !c.Ready() })
}

// full tells that there was no memory.
func (j *copyJob) full() bool {
	return slices.ContainsFunc(j.parts, (*keyspace.Copying).Full)
}

// awaitsCopy tells whether a request waits, put back: for a copy that it asks for, or for one of a value that it changes. If it
// does not, it may run now, and finds what was copied for it.
func (ex *executor) awaitsCopy(s *session, row *command.Row, rq *request) bool {
	tries := 0
	if j := s.copy; j != nil {
		if j.ready() {
			ex.view.Copies = j.parts
			return false
		}
		if tries = j.tries + 1; j.full() {
			tries = copyTries // in one go it is refused
		}
		ex.endCopy(s)
	}
	cs := &ex.srv.copies
	if cs.some.Load() > 0 && ex.mustAwait(s, row, rq.Args) {
		ex.park(s, rq)
		return true
	}
	if tries >= copyTries || !s.copiesKeys(row) {
		return false
	}
	j := &copyJob{s: s, tries: tries}
	s.copy = j
	if !ex.beginCopies(s, j, row, rq.Args) {
		ex.endCopy(s) // those that have begun
		ex.park(s, rq)
		return true
	}
	if len(j.parts) == 0 {
		s.copy = nil
		return false
	}
	s.conn.In.Unread(&rq.Request)
	s.conn.SuspendBriefly()
	s.paused = true
	ex.srv.stats.blocked.Add(1)
	ex.queueCopy(j)
	return true
}

// copiesKeys tells whether a request is COPY, or a transaction with one.
func (s *session) copiesKeys(row *command.Row) bool {
	return row.Copies || row.Name == "exec" && s.multi != nil && s.multi.copies && !s.multi.failed && !s.dirty.Load()
}

// eachOfRequest calls fn with a request, or with all commands of the transaction that it executes, and the database that each
// will find selected.
func (s *session) eachOfRequest(row *command.Row, argv [][]byte, fn func(db int, row *command.Row, argv [][]byte)) {
	if row.Name != "exec" || s.multi == nil {
		fn(s.db, row, argv)
		return
	}
	db := s.db
	for _, q := range s.multi.queue {
		if q.row.Name == "select" && len(q.argv) == 2 {
			if n, err := strconv.Atoi(string(q.argv[1])); err == nil {
				db = n
			}
		}
		fn(db, q.row, q.argv)
	}
}

// mustAwait tells whether a request may change a value that is being copied.
func (ex *executor) mustAwait(s *session, row *command.Row, argv [][]byte) (waits bool) {
	if !s.mayWrite(row) {
		return false
	}
	cs := &ex.srv.copies
	s.eachOfRequest(row, argv, func(db int, row *command.Row, argv [][]byte) {
		if waits || !s.mayWrite(row) {
			return
		}
		delivers := row.Name == "xreadgroup" // it only reads entries, and notes that
		ex.keysOf(row, argv, func(key []byte, flags spec.KeyFlags) {
			waits = waits || (delivers || flags&spec.RO == 0) && cs.wants(dbKey{db, string(key)})
		})
	})
	return waits && !ex.onlyReads(s, row, argv)
}

// beginCopies begins to copy what a request asks for, as far as it is large. It is false if somebody goes before.
func (ex *executor) beginCopies(s *session, j *copyJob, row *command.Row, argv [][]byte) (ok bool) {
	srv, v := ex.srv, ex.view
	ok = true
	s.eachOfRequest(row, argv, func(db int, row *command.Row, argv [][]byte) {
		if !ok || !row.Copies {
			return
		}
		src, dst, to, replace, known := command.CopyOf(argv, db)
		if !known || to >= srv.ks.Databases() || db >= srv.ks.Databases() {
			return
		}
		set := keyspace.Set(1<<srv.ks.ShardOf(srv.ks.Hash(src)) | 1<<srv.ks.ShardOf(srv.ks.Hash(dst)))
		if !v.TakeUnless(set, ex.asides.giveUp) {
			return
		}
		v.DB = db
		ex.listen()
		c := v.BeginCopy(src, dst, to, replace)
		ex.settle() // a key may have expired
		ex.release()
		if c == nil {
			return
		}
		k := dbKey{db, string(src)}
		if ok = srv.copies.hold(k, ex.steady()); !ok {
			ex.dropCopy(c)
			return
		}
		j.parts, j.sources = append(j.parts, c), append(j.sources, k)
	})
	return ok
}

// dropCopy gives back what was made.
func (ex *executor) dropCopy(c *keyspace.Copying) {
	ex.view.Take(c.Shards())
	ex.view.DropCopy(c)
	ex.view.Release()
}

// endCopy ends what was copied for a client's request, which has run, or is not going to. No shard is held.
func (ex *executor) endCopy(s *session) {
	ex.endJob(s.copy)
	s.copy = nil
}

func (ex *executor) endJob(j *copyJob) {
	wanted := false
	for i, c := range j.parts {
		ex.dropCopy(c)
		wanted = ex.srv.copies.letGo(j.sources[i], ex.steady()) || wanted
	}
	j.parts, j.sources = nil, nil
	if wanted {
		ex.srv.unparkAll()
	}
}

// forgetCopy has what was copied for a client given back that is gone: on its own loop, or in a stopped world.
func (s *session) forgetCopy() {
	j := s.copy
	if j == nil {
		return
	}
	s.copy, j.gone = nil, true
	if !j.queued { // it waits for something else, being complete
		s.ex.queueCopy(j)
	}
}

// queueCopy has the loop work on a copy.
func (ex *executor) queueCopy(j *copyJob) {
	j.queued = true
	ex.copying = append(ex.copying, j)
	ex.postCopying()
}

// postCopying has the loop go on with its copies in the next turn.
func (ex *executor) postCopying() {
	if !ex.copyingSoon && len(ex.copying) > 0 {
		ex.copyingSoon = true
		ex.post(ex.goOnCopying)
	}
}

// goOnCopying makes one step of one of the loop's copies, each in turn.
func (ex *executor) goOnCopying() {
	ex.copyingSoon = false
	if len(ex.copying) == 0 {
		return
	}
	j := ex.copying[0]
	ex.copying = slices.Delete(ex.copying, 0, 1)
	if ex.copyStep(j) {
		ex.copying = append(ex.copying, j)
		if j.deferred > copyGivesWay {
			ex.tickAt(ex.steady() + 1) // somebody keeps a shard for long
			return
		}
		ex.postCopying()
		return
	}
	ex.postCopying()
	if j.queued = false; j.gone {
		ex.endJob(j)
		return
	}
	if s := j.s; s.paused {
		s.paused = false
		s.lastUsed = ex.nanos // it was not the client that was idle
		ex.srv.stats.blocked.Add(-1)
		s.conn.Resume()
	}
}

// copyStep makes a step and tells whether there is more to do.
func (ex *executor) copyStep(j *copyJob) (more bool) {
	if j.gone || ex.srv.ended.Load() {
		return false
	}
	c := j.parts[j.at]
	set := c.Shards()
	if j.deferred < copyGivesWay && ex.srv.ks.Wanted(set) || !ex.view.TryTake(set) {
		j.deferred++
		return true
	}
	j.deferred = 0
	more = ex.view.CopyStep(c)
	ex.view.Release()
	if !more && c.Ready() && j.at+1 < len(j.parts) {
		j.at++
		return true
	}
	return more
}
