package server

import (
	"strconv"

	"larder/replication"
	"larder/server/command"
	"larder/server/resp"
)

// psync makes the client a replica. It runs in a stopped world with all shards held, so that the position of the stream
// belongs to the data.
//
//	PSYNC ? -1                 a snapshot, then the stream
//	PSYNC <history> <byte>     the stream from that byte on, counted from 1, if we have it; else a snapshot
//	PSYNC <history> <byte> FAILOVER   as before, and be a primary: the one that asks is yours, and will be your replica
func psync(c *command.Ctx) {
	s := c.Client.(*session)
	srv := s.srv
	a := &c.Args
	id := string(a.Bytes())
	from := a.IntOr(resp.ErrNotInteger)
	if a.Bad() {
		s.srv.log.Warn("Replica " + s.conn.RemoteAddr() + " asks for synchronization but with a wrong offset")
	}
	takeOver := false
	if a.More() {
		if !a.Is("FAILOVER") {
			a.Syntax()
		}
		takeOver = true
	}
	if s.peer != nil || s.monitor || !a.Done() { // to Redis a monitor is a replica already
		return
	}
	if takeOver {
		if e := srv.takeOver(id); e != "" {
			c.Fail(e)
			return
		}
	}
	if e := srv.mayFeed(s, takeOver); e != "" {
		c.Fail(e)
		return
	}
	if srv.resume(s, id, from) {
		return
	}
	if id != "?" {
		srv.repl.refusedSyncs.Add(1)
	}
	srv.awaitSnapshot(s)
}

// takesOverEarly tells whether a request is a PSYNC that makes this server the primary in the place of its own, and what
// that one has written is still on its way: it came by another connection, which nothing keeps behind this one.
func (ex *executor) takesOverEarly(s *session, row *command.Row, argv [][]byte) bool {
	if row.Name != "psync" || len(argv) != 4 || !isWord(argv[3], "FAILOVER") {
		return false
	}
	r := &ex.srv.repl
	l := r.link.Load()
	next, err := strconv.ParseInt(string(argv[2]), 10, 64)
	if l == nil || err != nil || l.State() != replication.StateConnected || r.offset() >= next-1 {
		return false
	}
	if s.askedFirst == 0 {
		s.askedFirst = ex.steady()
	}
	return ex.steady()-s.askedFirst < takeOverMost_ms && ex.steady()-max(s.askedFirst, l.heard.Load()) < takeOverQuiet_ms
}

// How long a server waits, before it takes over, for what its primary has written: as long as it comes, within bounds.
var (
	takeOverMost_ms  int64 = 2000
	takeOverQuiet_ms int64 = 500
)

// syncOld makes a replica of a client that knows nothing but snapshots.
func syncOld(c *command.Ctx) {
	s := c.Client.(*session)
	if s.peer != nil || s.monitor {
		return
	}
	if e := s.srv.mayFeed(s, false); e != "" {
		c.Fail(e)
		return
	}
	s.caps.old = true
	s.srv.awaitSnapshot(s)
}

// mayFeed tells why the client cannot be a replica now.
func (srv *Server) mayFeed(s *session, partial bool) resp.Error {
	s.takeInbox() // a message, too, is output that it has not got
	r := &srv.repl
	switch l := r.link.Load(); {
	case srv.failing() && !partial:
		return resp.ErrNoMasterFail
	case r.replica.Load() && (l == nil || l.State() != replication.StateConnected):
		return resp.ErrNoMasterLink
	case srv.resting():
		return resp.ErrNoMasterLink
	case s.conn.Pending() > 0:
		return resp.ErrPendingOutput
	}
	return ""
}

// resume lets a replica go on from the byte that it names, counted from 1, if that is possible.
func (srv *Server) resume(s *session, id string, from int64) bool {
	r := &srv.repl
	b, at := r.backlog.Load(), from-1
	h := r.history.Load()
	switch {
	case id == "?":
		return false
	case !h.Covers(id, at):
		if id == h.ID2 {
			srv.log.Info("Partial resynchronization not accepted: Requested offset for second ID was " + itoa(from) +
				", but I can reply up to " + itoa(h.SecondOffset()))
		} else {
			srv.log.Info("Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '" + oneLine(id) +
				"', my replication IDs are '" + h.ID + "' and '" + h.ID2 + "')")
		}
		return false
	case b == nil:
		srv.log.Info("Unable to partial resync with replica for lack of backlog (Replica request was: " + itoa(from) + ").")
		return false
	}
	reader := b.Reader(at)
	if reader == nil {
		srv.log.Info("Unable to partial resync with replica " + s.conn.RemoteAddr() + " for lack of backlog (Replica request was: " + itoa(from) + ").")
		return false
	}
	p := srv.addPeer(s, peerWaitStart)
	p.reader = reader
	p.acked.Store(at)
	p.ackedDisk.Store(onNoDisk)
	p.phase.Store(peerOnline)
	line := "+CONTINUE"
	if p.caps.psync2 {
		line += " " + h.ID
	}
	s.out().RawString(line + "\r\n")
	r.partialSyncs.Add(1)
	r.count(srv)
	srv.log.Info("Partial resynchronization request from " + p.name() + " accepted. Sending " + itoa(b.End()-at) +
		" bytes of backlog starting from offset " + itoa(from) + ".")
	return true
}

// awaitSnapshot makes the client a replica that waits for a snapshot, and begins one if there is nothing to wait for.
func (srv *Server) awaitSnapshot(s *session) {
	r := &srv.repl
	r.fullSyncs.Add(1)
	p := srv.addPeer(s, peerWaitStart)
	if r.backlog.Load() == nil {
		// Nobody could know what this server has been writing so far: a history begins.
		if !r.replica.Load() {
			r.setHistory(replication.NewHistory(newRunID()))
		}
		b := srv.startBacklog(r.parked.Load())
		srv.log.Info("Replication backlog created, my new replication IDs are '" + r.history.Load().ID + "' and '" + replication.NoHistory +
			"' at " + strconv.FormatInt(b.End(), 10))
	}
	srv.log.Info("Replica " + p.name() + " asks for synchronization")
	srv.joinOrBegin(s.ex, p)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func init() {
	register(
		command.New("psync", command.World, psync),
		command.New("sync", command.World, syncOld),
	)
}
