package server

import (
	"net"
	"strconv"
	"sync/atomic"

	"go.uber.org/zap"

	"larder/replication"
	"larder/server/netloop"
)

// A peer is a replica of this server: a client that has said PSYNC or SYNC. What it is sent is written by its own loop,
// which copies from the streams that all peers share as fast as the socket takes it:
//
//	waitStart ── a snapshot begins ──> waitEnd ── its file is there ──> sending ──> online
//	          └─ a snapshot begins, without a file ──────────────────> sending ──> acking ── REPLCONF ACK ──> online
//	PSYNC with a position that the backlog has ────────────────────────────────────────────────────────────> online
//
// In the state acking a replica may still look for the mark that ends the snapshot, and must not be sent anything else.
type peer struct {
	s      *session
	phase  atomic.Uint32
	caps   peerCaps
	reader *replication.Reader // of the backlog, from the moment of the snapshot on; of the peer's loop once it is online
	bulk   *replication.Reader // of the snapshot
	of     *transfer           // the snapshot that it is sent, nil when it has it

	acked, ackedDisk atomic.Int64 // positions; onNoDisk while the replica has not said what its disk has
	heard_ms         atomic.Int64 // when it last said something, or took something of a snapshot
	fed              atomic.Int64 // up to where the backlog has been written to its output
	asleep           atomic.Bool  // all there was has been
	ended            atomic.Bool
	softSince        int64 // of the janitor; see outputs.go
}

// peerCaps is what a connection has said by REPLCONF before it became a replica.
type peerCaps struct {
	port        int
	ip          string
	eof, psync2 bool
	rdbOnly     bool // it wants a snapshot and nothing else
	noKeys      bool // of that the functions only
	noFunctions bool // and not even those
	old         bool // it has said SYNC and never says what it has
}

// The phases of a peer.
const (
	peerWaitStart uint32 = iota
	peerWaitEnd
	peerSending
	peerAcking
	peerOnline
)

const (
	feedHigh = 256 << 10 // a peer's output is filled up to this
	feedLow  = 64 << 10  // and again when it has fallen to this
)

func (p *peer) isOnline() bool { return p.phase.Load() >= peerAcking }

// address is where clients reach the replica.
func (p *peer) address() (host string, port int) {
	host, _, err := net.SplitHostPort(p.s.conn.RemoteAddr())
	if err != nil {
		host = p.s.conn.RemoteAddr()
	}
	if p.caps.ip != "" {
		host = p.caps.ip
	}
	return host, p.caps.port
}

// name is the replica for the log.
func (p *peer) name() string {
	host, port := p.address()
	if port == 0 {
		return p.s.conn.RemoteAddr()
	}
	return oneLine(host) + ":" + strconv.Itoa(port)
}

// feed writes what the peer has to get to its output, as much as fits. Its loop calls it.
func (p *peer) feed() {
	c := p.s.conn
	if p.ended.Load() || c.Closing() {
		return
	}
	p.s.takeInbox() // what was said before, such as +FULLRESYNC
	for {
		var r *replication.Reader
		switch p.phase.Load() {
		case peerSending:
			r = p.bulk
		case peerOnline:
			r = p.reader
		default:
			return
		}
		p.asleep.Store(false)
		n := 0
		for c.Pending() < feedHigh {
			b := r.Next(feedHigh / 4)
			if len(b) == 0 {
				break
			}
			c.Out().Raw(b)
			n += len(b)
		}
		if n > 0 {
			p.s.srv.repl.bytesOut.Add(uint64(n))
		}
		if r == p.bulk && n > 0 {
			p.heard_ms.Store(p.s.ex.steady())
			p.of.moved()
		} else if r == p.reader {
			p.fed.Store(r.Pos())
		}
		if c.Pending() >= feedHigh {
			c.WhenDrained(feedLow, func(*netloop.Conn) { p.feed() })
			return
		}
		p.asleep.Store(true)
		if r.Left() > 0 { // came while it was falling asleep
			continue
		}
		if r == p.reader || !p.of.over.Load() || r.Left() > 0 {
			return
		}
		if !p.sent() {
			return
		}
	}
}

// hearPeer runs what a replica says. What it is sent is the stream and nothing else: one that asks for something which has
// an answer is none, and is closed.
func (ex *executor) hearPeer(s *session, rq *request) {
	if row := rq.row; row != nil && row.Name == "replconf" && len(rq.Args) > 1 && isWord(rq.Args[1], "ACK") {
		errs := s.out().ErrCount
		ex.dispatchClient(s, rq)      // it has no answer, but may let the stream go on
		if s.out().ErrCount != errs { // an error would stand in the midst of the stream, and nothing behind it may be sent
			ex.srv.log.Warn("Replica generated a reply to command 'replconf', disconnecting it: " + s.info(ex.nanos))
			s.close()
		}
		return
	}
	out := s.out()
	mark, before, errs := out.Mark(), s.conn.Written(), out.ErrCount
	ex.dispatchClient(s, rq)
	if s.conn.Written() == before {
		return
	}
	name := string(rq.Args[0])
	if rq.row != nil {
		name = rq.row.Name
	}
	if out.ErrCount != errs {
		ex.srv.log.Warn("== CRITICAL == This master is sending an error to its replica: '" + string(out.LastErr) +
			"' after processing the command '" + name + "'")
	}
	out.Truncate(mark)
	ex.srv.log.Warn("Replica generated a reply to command '" + name + "', disconnecting it: " + s.info(ex.nanos))
	s.close()
}

// sent follows the last byte of a snapshot. It tells whether the peer gets the stream, too.
func (p *peer) sent() (goesOn bool) {
	t := p.of
	p.bulk.Close()
	t.moved()
	if p.caps.rdbOnly {
		p.s.conn.CloseAfterReply()
		return false
	}
	if t.mark != "" {
		p.phase.Store(peerAcking)
	} else {
		p.phase.Store(peerOnline)
	}
	p.heard_ms.Store(p.s.ex.steady())
	p.s.srv.log.Info("Synchronization with replica " + p.name() + " succeeded")
	p.s.srv.repl.count(p.s.srv)
	return true
}

// wake makes the peer's loop look whether there is something to write. from is the executor that calls, or nil.
func (p *peer) wake(from *executor) {
	if from != nil && p.s.ex == from {
		p.feed()
	} else if p.asleep.Load() {
		p.s.conn.Wake()
	}
}

// feedPeers lets the replicas have what a turn has written. The executor is held.
func (ex *executor) feedPeers() {
	r := &ex.srv.repl
	list := r.online.Load()
	if list == nil {
		return
	}
	end := r.offset()
	for _, p := range *list {
		if p.phase.Load() != peerOnline || p.fed.Load() == end {
			continue
		}
		p.wake(ex)
	}
}

// checkPeerOutput closes the replica if it owes more than client-output-buffer-limit allows. What the backlog keeps anyway is
// allowed in any case. The janitor calls it.
func (srv *Server) checkPeerOutput(p *peer, now_ms int64) {
	if p.reader == nil || p.ended.Load() {
		return
	}
	l := srv.outputLimits.Load().Replica
	n, keep := uint64(p.reader.Left()), uint64(srv.conf.ReplBacklogSize.Get())
	over := l.Hard > 0 && n >= max(l.Hard, keep)
	if l.Soft > 0 && n >= max(l.Soft, keep) {
		if p.softSince == 0 {
			p.softSince = now_ms
		}
		over = over || now_ms-p.softSince > l.SoftSeconds*1000
	} else {
		p.softSince = 0
	}
	if over {
		srv.stats.outputKills.Add(1)
		srv.log.Warn("Client scheduled to be closed ASAP for overcoming of output buffer limits.",
			zap.Int64("id", p.s.id), zap.String("replica", p.name()), zap.Uint64("pending_bytes", n))
		p.s.conn.Kill(netloop.ErrKilled)
		srv.endPeer(p)
	}
}

// onNoDisk is before all positions: a write that stands in no stream, because nobody was there to get one, is on the disk of no
// replica either before that says so.
const onNoDisk = -1

// addPeer makes the session a replica. The world is stopped. What else the client has wished to be told would stand in the midst of
// the stream.
func (srv *Server) addPeer(s *session, phase uint32) *peer {
	s.ex.unsubscribeAll(s)
	s.ex.stopTracking(s)
	s.setProto(2) // one of RESP3 hears of what others read, if they have named it
	s.replyOff, s.replySkip = false, 0
	p := &peer{s: s, caps: s.caps}
	p.ackedDisk.Store(onNoDisk)
	p.phase.Store(phase)
	p.asleep.Store(true)
	p.heard_ms.Store(s.ex.steady())
	s.peer = p
	r := &srv.repl
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers = append(r.peers, p)
	r.publish()
	return p
}

// publish makes the list for those who only look. mu is held.
func (r *replicas) publish() {
	list := append([]*peer(nil), r.peers...)
	if len(list) == 0 {
		r.online.Store(nil)
		return
	}
	r.online.Store(&list)
}

// endPeer forgets a replica, whose connection is closed or about to be. It may be called several times by any goroutine.
func (srv *Server) endPeer(p *peer) {
	if p.ended.Swap(true) {
		return
	}
	r := &srv.repl
	r.mu.Lock()
	for i, o := range r.peers {
		if o == p {
			r.peers = append(r.peers[:i:i], r.peers[i+1:]...)
			break
		}
	}
	r.publish()
	if p.of != nil {
		p.of.deserted()
	}
	r.mu.Unlock()
	if p.reader != nil {
		p.reader.Close()
	}
	if p.bulk != nil {
		p.bulk.Close()
		p.of.moved()
	}
	r.count(srv)
	srv.log.Info("Connection with replica " + p.name() + " lost.")
}

// dropPeers closes all replicas: what they have is not what they would be sent from now on.
func (srv *Server) dropPeers() {
	for _, p := range srv.repl.list() {
		p.s.conn.Kill(netloop.ErrKilled)
		srv.endPeer(p)
	}
}
