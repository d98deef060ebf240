package server

import (
	"strconv"

	"larder/persistence"
	"larder/replication"
)

// logPlace is what somebody who reads the log to its end will take for its position in the history of replication. The log
// has the bytes of the stream, so after one line that says a position, each unit moves it by its own length: what primary
// and replica have in common costs the log nothing. Where that does not hold, since a PING is in the stream alone, or SELECT
// in the log, the unit stands between lines that say so:
//
//	#POS:-:0:0                      from here on it is not known
//	*3 SET k v
//	#POS:75cd…:8241:0:+             here it is, and what follows counts
//
// A crash may lose the last of these lines, and the position with it, but never leaves one that is wrong.
type logPlace struct {
	known bool
	id    string
	at    int64

	reached   int64 // of a replica: the position after what its primary's requests have put into the log
	reachedDB int   // that is selected there
	after     int64 // the position after the unit that is being handed out, -1 if there is none
	db        int   // that is selected there
	buf       []byte
}

// reach finds the position after the unit. mu is held.
func (j *journal) reach(from *link) {
	w, b := &j.place, j.repl.backlog.Load()
	switch {
	case b == nil:
		w.after = -1
	case j.sinks[1].to != nil:
		w.after, w.db = b.End(), j.sinks[1].db
	case from != nil && from.raw != nil:
		w.reached, w.reachedDB = b.End()+int64(len(from.held)+len(from.raw)), from.session.Load().db
		w.after, w.db = w.reached, w.reachedDB
	default: // the replica's own
		db := int(j.repl.streamDB.Load()) // before the position: see obeyed
		if w.after, w.db = b.End(), db; w.after < w.reached {
			w.after, w.db = w.reached, w.reachedDB
		}
	}
}

// placed is the unit as the log gets it.
func (j *journal) placed(p []byte) []byte {
	w := &j.place
	if w.after < 0 && !w.known {
		return p
	}
	id := j.repl.history.Load().ID
	if w.known && w.id == id && w.at+int64(len(p)) == w.after {
		w.at = w.after
		return p
	}
	w.buf = append(w.buf[:0], persistence.LogPosition{ID: "-"}.Line()...)
	w.buf = append(w.buf, p...)
	if w.known = w.after >= 0; w.known {
		w.id, w.at = id, w.after
		w.buf = append(w.buf, w.line()...)
	}
	p = w.buf
	if cap(w.buf) > unitKept {
		w.buf = nil
	}
	return p
}

// line says the place.
func (w *logPlace) line() []byte {
	return persistence.LogPosition{ID: w.id, At: w.at, DB: max(0, w.db), Counts: true}.Line()
}

// notePlace tells the log how far the stream of a primary is, after what is in the stream alone. mu is held.
func (j *journal) notePlace() {
	log, b := &j.sinks[0], j.repl.backlog.Load()
	if log.to == nil || b == nil || j.repl.replica.Load() {
		return
	}
	w := &j.place
	w.known, w.id, w.at, w.db = true, j.repl.history.Load().ID, b.End(), j.sinks[1].db
	log.end = log.to.Append(w.line())
}

// feedDB is the database that the stream of this primary has selected, -1 if it is none or its next unit says so.
func (j *journal) feedDB() int32 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := &j.sinks[1]; s.to != nil {
		return int32(s.db)
	}
	return -1
}

// A placeReader finds the position of a log that is read.
type placeReader struct {
	p  persistence.LogPosition
	ok bool
}

// note takes an annotation.
func (r *placeReader) note(line []byte) {
	if p, ok := persistence.ParseLogPosition(line); ok {
		r.p, r.ok = p, len(p.ID) == replication.IDLen
	}
}

// command takes a command, or part of a transaction. A database that is selected again is somebody else's work: this server
// selects one only when that is another, redis-server whenever it starts.
func (r *placeReader) command(argv [][]byte, size int) {
	if !r.ok {
		return
	}
	if len(argv) == 2 && isWord(argv[0], "SELECT") {
		db, err := strconv.Atoi(string(argv[1]))
		r.ok = err == nil && db != r.p.DB
		r.p.DB = db
	}
	r.p.At += int64(size)
	r.ok = r.ok && r.p.Counts
}

// placeAnew says that positions have begun anew. All shards are held.
func (j *journal) placeAnew() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.place.known, j.place.reached = false, 0
}
