package server

import (
	"strconv"
	"time"

	"go.uber.org/zap"

	"larder/replication"
	"larder/server/command"
	"larder/server/resp"
)

// obey does what the primary says. No gate is asked: the primary has done so. Its bytes become the stream that this
// server's own replicas get, with the shards of the request still held, so that data and position always belong
// together; a transaction's do when it is over.
func (ex *executor) obey(s *session, rq *request) {
	l, row := s.link, rq.row
	if l.dead.Load() || l.starved.Load() != notStarved {
		s.close()
		return
	}
	if row != nil && ex.pausedFor(s, row) {
		ex.park(s, rq)
		return
	}
	if row != nil && row.Run != nil && row.ArityOK(len(rq.Args)) && (s.multi == nil || runsInMulti(row)) && ex.awaitsCopy(s, row, rq) {
		return
	}
	if row != nil && ex.isBeyond(s, row, rq.Args) {
		l.starved.Store(beyond)
		s.close()
		return
	}
	s.lastUsed = ex.nanos
	s.commands++
	s.lastRow = row
	l.heard.Store(ex.steady())
	out := s.out()
	mark, errs := out.Mark(), out.ErrCount
	l.raw = s.conn.In.Sent(&rq.Request)
	ex.starved = false
	getAck := false
	v, c := ex.view, &ex.ctx
	v.AllLive, c.Obey = true, true
	switch {
	case row == nil:
		ex.disobeyed(s, rq, resp.UnknownCommand(rq.Args))
	case !row.ArityOK(len(rq.Args)) || row.Run == nil:
		ex.disobeyed(s, rq, resp.WrongArgs(row.Name))
	case row.Name == "replconf":
		getAck = len(rq.Args) > 1 && isWord(rq.Args[1], "GETACK")
	case s.multi != nil && !runsInMulti(row):
		s.enqueue(row, rq.Args)
	default:
		ex.call(s, row, rq)
	}
	v.AllLive, c.Obey = false, false
	ex.obeyed(s)
	if l.starved.Load() != notStarved {
		s.close()
	} else if out.ErrCount != errs {
		ex.disobeyed(s, rq, out.LastErr)
	}
	out.Truncate(mark)
	if getAck {
		s.ack()
	}
}

// forgoes is for a request of a primary that does not run now: it is no part of the position.
func (s *session) forgoes() {
	if s.link != nil {
		s.link.raw = nil
	}
}

// obeyed takes note that the request has been done. It is called before its shards are given back; later calls do nothing.
func (ex *executor) obeyed(s *session) {
	l, r := s.link, &ex.srv.repl
	if l.raw == nil {
		return
	}
	raw := l.raw
	l.raw = nil
	if ex.starved {
		l.starve(s.lastRow)
		return
	}
	if s.multi != nil {
		l.held = append(l.held, raw...)
		return
	}
	if len(l.held) > 0 {
		l.held = append(l.held, raw...)
		raw = l.held
	}
	b := r.backlog.Load()
	r.mu.Lock()
	r.streamDB.Store(int32(s.db)) // before: who sees the one without the other gets SELECT twice
	b.Append(raw)
	r.mu.Unlock()
	if l.held = l.held[:0]; cap(l.held) > unitKept {
		l.held = nil
	}
}

// isBeyond tells whether a primary's request names a database that this server has not. What follows would be done in another one.
func (ex *executor) isBeyond(s *session, row *command.Row, argv [][]byte) bool {
	n := ex.srv.ks.Databases()
	not := func(arg []byte) bool {
		db, err := strconv.Atoi(string(arg))
		return err == nil && db >= n
	}
	switch {
	case row.Name == "select" && len(argv) == 2:
		return not(argv[1])
	case row.Name == "swapdb" && len(argv) == 3:
		return not(argv[1]) || not(argv[2])
	}
	return otherDatabase(row, argv, s.db) >= n
}

// What became of a request for which the system gave no memory, or that cannot be done here.
const (
	notStarved  = iota
	starved     // nothing of it was done
	starvedHalf // some of it may have been
	beyond      // nothing was done: it names a database that is not here
)

// retryBeyond is how long a link waits whose primary has more databases than this server: that will hardly change, but a snapshot
// may come with every attempt.
var retryBeyond = time.Minute

// starve ends the link at a request for which there is no memory: it is no part of this server's position, which nobody is to
// rely on to have it, and is asked for again later.
func (l *link) starve(row *command.Row) {
	how := int32(starved)
	if row.Name == "exec" || row.Counted > 0 {
		how = starvedHalf
	}
	l.starved.Store(how)
}

// afterStarving waits until it is time to ask again for a request for which there was no memory. If some of it was done the data
// are nobody's history any more.
func (l *link) afterStarving(how int32) {
	srv := l.srv
	if how == beyond {
		srv.log.Error("MASTER <-> REPLICA sync: the primary uses a database that this server has not: here are only " +
			itoa(int64(srv.ks.Databases())) + ". Nothing more can be taken over until 'databases' is set as it is there, and this server started again.")
		l.rests(retryBeyond)
		return
	}
	srv.log.Warn("MASTER <-> REPLICA sync: the system gives no memory for what the primary sends. It is asked for that again.")
	if how == starvedHalf {
		srv.inWorldDo(func(*executor) {
			if !l.dead.Load() {
				srv.repl.setHistory(replication.NewHistory(newRunID()))
				srv.replacing() // in a group it counts as one that has lost what it had, until it has caught up
				srv.dropPeers()
			}
		})
	}
	l.rests(srv.retryLink())
}

// disobeyed notes that something which the primary has done could not be done here: the data differ.
func (ex *executor) disobeyed(s *session, rq *request, e resp.Error) {
	n := ex.srv.repl.errorReplies.Add(1)
	if n <= 100 {
		ex.srv.log.Warn("== CRITICAL == This replica is sending an error to its master: '"+ex.srv.shownError(e)+"' after processing the command '"+
			string(rq.Args[0])+"'", zap.Int64("id", s.id))
	}
}
