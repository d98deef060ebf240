package server

import (
	"sync"
	"sync/atomic"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/resp"
)

// The journal is the one order in which the effects of all commands stand: what the append-only log keeps and the
// replicas are sent. An effect is a request in the protocol's form, most often the client's own bytes.
//
// What one command, transaction or script does is a unit, and so is a key that the janitor removes. Its effects are collected while it runs
// and committed at its end, with its shards still held, so for every key they stand in the order in which they happened.
// A unit of several effects stands between MULTI and EXEC: whoever reads it does all of it or nothing. SELECT stands
// before an effect whenever the reader has another database selected. A unit that set a key in database 2 after the
// expired key k was found there reads
//
//	*1 MULTI  *2 SELECT 2  *2 DEL k  *3 SET k v  *1 EXEC
//
// Sinks take units whole, in one call each, under the journal's lock: they copy and never wait.
type journal struct {
	active atomic.Uint32 // targets that have a sink
	mu     sync.Mutex
	sinks  [2]journalSink // by target
	buf    resp.Writer
	repl   *replicas
	place  logPlace
}

type journalSink struct {
	to  effectSink
	db  int   // that the reader has selected, -1 unknown
	end int64 // position after the last unit
}

// effectSink takes the journal's units.
type effectSink interface {
	// Append takes a whole unit: it copies p and never waits. end is the position just after it.
	Append(p []byte) (end int64)
}

// journalEnds are the positions after a unit, 0 where it was not wanted.
type journalEnds struct{ log, feed int64 }

// op is one effect of a unit.
type op struct {
	db   int
	to   command.Target
	data []byte
}

// attach makes a sink receive what follows. The caller holds all shards, so that it is clear what precedes.
func (j *journal) attach(to command.Target, sink effectSink) {
	j.mu.Lock()
	defer j.mu.Unlock()
	*j.sink(to) = journalSink{to: sink, db: -1}
	j.place.known = false
	j.active.Store(j.active.Load() | uint32(to))
}

// detach ends what attach began.
func (j *journal) detach(to command.Target) {
	j.mu.Lock()
	defer j.mu.Unlock()
	*j.sink(to) = journalSink{}
	j.active.Store(j.active.Load() &^ uint32(to))
}

// reselect makes the next unit begin with SELECT: somebody new will read from here on.
func (j *journal) reselect(to command.Target) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sink(to).db = -1
	j.place.known = false
}

func (j *journal) sink(to command.Target) *journalSink {
	if to == command.ToLog {
		return &j.sinks[0]
	}
	return &j.sinks[1]
}

// commit hands a unit to the sinks that want it. whole says that who reads it does all of it or nothing.
// from is the primary whose request it is, nil if it is nobody's.
func (j *journal) commit(ops []op, except command.Target, whole bool, from *link) (ends journalEnds) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if except&command.ToReplicas == 0 {
		ends.feed = j.hand(&j.sinks[1], command.ToReplicas, ops, whole)
	}
	j.reach(from)
	if except&command.ToLog == 0 {
		ends.log = j.hand(&j.sinks[0], command.ToLog, ops, whole)
	}
	return ends
}

// hand gives a sink those effects of a unit that are meant for it.
func (j *journal) hand(s *journalSink, target command.Target, ops []op, whole bool) (end int64) {
	if s.to == nil {
		return 0
	}
	n, last := 0, 0
	for i := range ops {
		if ops[i].to&target != 0 {
			n, last = n+1, i
		}
	}
	if n == 0 {
		return 0
	}
	if o := &ops[last]; n == 1 && o.db == s.db {
		return j.give(s, target, o.data)
	}
	w := &j.buf
	defer w.Empty() // the next one may be long in coming, and this one half a gigabyte
	whole = whole && n > 1
	if whole {
		w.Array(1)
		w.BulkString("MULTI")
	}
	for i := range ops {
		o := &ops[i]
		if o.to&target == 0 {
			continue
		}
		if o.db != s.db {
			s.db = o.db
			w.Array(2)
			w.BulkString("SELECT")
			w.BulkInt(int64(o.db))
		}
		w.Raw(o.data)
	}
	if whole {
		w.Array(1)
		w.BulkString("EXEC")
	}
	return j.give(s, target, w.Bytes())
}

// give appends a unit to a sink.
func (j *journal) give(s *journalSink, target command.Target, p []byte) (end int64) {
	if target == command.ToLog {
		p = j.placed(p)
	}
	s.end = s.to.Append(p)
	return s.end
}

// unit is what an executor has collected since its last commit.
type unit struct {
	ops   []op
	own   []byte // the bytes of the effects
	loose bool   // those of the last one are still somebody else's, which saves copying them if nothing follows
}

// add collects an effect. Its bytes have to stay until the next call, keep or the commit.
func (u *unit) add(o op) {
	u.keep()
	u.ops = append(u.ops, o)
	u.loose = true
}

// keep makes the last effect's bytes our own.
func (u *unit) keep() {
	if !u.loose {
		return
	}
	u.loose = false
	o, at := &u.ops[len(u.ops)-1], len(u.own)
	u.own = append(u.own, o.data...)
	o.data = u.own[at:len(u.own):len(u.own)]
}

func (u *unit) reset() {
	if clear(u.ops); cap(u.ops) > opsKept {
		u.ops = nil
	}
	u.ops, u.loose = u.ops[:0], false
	if u.own = u.own[:0]; cap(u.own) > unitKept {
		u.own = nil
	}
}

// What is kept of a unit's memory for the next one.
const (
	unitKept = 64 << 10 // bytes
	opsKept  = 1 << 10  // effects
)

// listen finds out whether effects are wanted. That changes only while all shards are held, so the caller holds some.
func (ex *executor) listen() {
	on := ex.srv.journal.active.Load() != 0
	ex.ctx.WantEffects = on
	ex.view.RecordGone = on
}

// collect adds to the unit what a command did: keys that it found expired or had to evict, then its own effect.
// raw is the request as it was sent, if that is known.
func (ex *executor) collect(db int, raw []byte, dirty int) {
	ex.collectGone()
	c := &ex.ctx
	to := command.ToLog | command.ToReplicas
	if ex.view.Dirty == dirty {
		if to = c.Forced(); to == 0 {
			return
		}
	}
	if !c.Rewritten() {
		if raw == nil {
			raw = c.Effect()
		}
		ex.unit.add(op{db, to, raw})
		return
	}
	at, data := 0, c.Effect()
	for _, end := range c.EffectEnds() {
		ex.unit.add(op{db, to, data[at:end]})
		at = end
	}
}

// collectGone adds the removal of keys that are gone though no command said so.
func (ex *executor) collectGone() {
	for i := range ex.view.Events {
		e := &ex.view.Events[i]
		var lazy bool
		switch e.Kind {
		case keyspace.Expired:
			lazy = ex.srv.conf.LazyfreeLazyExpire.Get()
		case keyspace.Evicted:
			lazy = ex.srv.conf.LazyfreeLazyEviction.Get()
		case keyspace.FieldExpired:
			ex.collectWords(e.DB, "HDEL", e.Key, e.Field)
			continue
		default:
			continue
		}
		if lazy {
			ex.collectWords(e.DB, "UNLINK", e.Key)
		} else {
			ex.collectWords(e.DB, "DEL", e.Key)
		}
	}
}

func (ex *executor) collectWords(db int, name string, args ...[]byte) {
	w := &ex.effect
	w.Empty()
	w.Array(1 + len(args))
	w.BulkString(name)
	for _, a := range args {
		w.Bulk(a)
	}
	ex.unit.add(op{db, command.ToLog | command.ToReplicas, w.Bytes()})
	ex.unit.keep()
}

// commit ends the unit, with its shards still held.
func (ex *executor) commit() (ends journalEnds) { return ex.commitAs(true) }

// commitApart is commit for what came upon keys at random: that several of them are gone belongs to no whole.
func (ex *executor) commitApart() (ends journalEnds) { return ex.commitAs(false) }

func (ex *executor) commitAs(whole bool) (ends journalEnds) {
	if len(ex.unit.ops) == 0 {
		return ends
	}
	var from *link
	if ex.current != nil {
		from = ex.current.link
	}
	mute := ex.mute
	if ex.srv.resting() { // what it publishes, and the like, is no part of the history that others go on with: see say
		mute |= command.ToReplicas
	}
	ends = ex.srv.journal.commit(ex.unit.ops, mute, whole, from)
	ex.unit.reset()
	if ex.current != nil && ex.srv.guard.on.Load() { // not what expires or is evicted, which everybody finds out by himself
		advance(&ex.srv.guard.written, ends.feed)
	}
	return ends
}

// release commits the unit and gives the shards back.
func (ex *executor) release() (ends journalEnds) {
	ends = ex.commit()
	ex.view.Release()
	return ends
}

// releaseApart is release for what came upon keys at random.
func (ex *executor) releaseApart() {
	ex.commitApart()
	ex.view.Release()
}

// wrote notes how far the log and the replicas have to be until they have what the client has written.
func (s *session) wrote(ends journalEnds) {
	s.logEnd = max(s.logEnd, ends.log)
	if ends.feed != 0 { // the later one, also where the position is a lower one: that of another primary's data, which were taken over
		s.feedEnd = ends.feed
	}
	if ends.log != 0 && s.ex.loop != nil {
		s.holdsBack()
	}
	if ends.feed != 0 && s.srv.guard.on.Load() {
		advance(&s.srv.guard.written, ends.feed)
		s.saw()
	}
}

// saw notes that the client is told in this turn of something that replicas may not have. Whose request is in the turn is
// known; this is for those who were blocked.
func (s *session) saw() {
	if !s.wroteFeed && s.ex.loop != nil && s.srv.guard.on.Load() {
		s.wroteFeed = true
		s.ex.wroteFeed = append(s.ex.wroteFeed, s)
	}
}
