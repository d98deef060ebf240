package server

import (
	"math"
	"strconv"
	"time"

	"go.uber.org/zap"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/netloop"
	"larder/server/resp"
)

// request is one command of a turn: cut, looked up and hashed before any of the batch runs.
type request struct {
	resp.Request
	s         *session
	row       *command.Row // nil if there is no such command
	container *command.Row // set if only the subcommand is unknown
	raw       []byte       // as it was sent, if that is the exact form
	hash      uint64       // of the single key
	hashed    bool
	done      bool       // it was answered while another one took long
	fault     resp.Error // not a request but the end of the connection
}

// batchMax is how many requests are cut ahead. Their buckets and entries have to stay in the nearest caches until the
// last of them runs.
const batchMax = keyspace.BatchSize

// Turn runs what the ready connections have sent. Who asks for one key does not wait for somebody else's pipeline: if some
// have sent much, those that have sent little go first, and get their replies at once; and what is not done after turnMost
// waits for the next turn, to which others come who have sent something meanwhile.
func (srv *Server) Turn(l *netloop.Loop, ready []*netloop.Conn) {
	ex := l.User.(*executor)
	if srv.ended.Load() {
		return
	}
	ex.beginPart(ready)
	ex.asides.left = false
	ex.weighTurn()
	if light := ex.lightFirst(ready); light > 0 {
		ex.work(ready[:light])
		srv.TurnEnd(l)
		l.SendEarly()
		ex.beginPart(ready)
		ready = ready[light:]
	}
	ex.work(ready)
}

const (
	lightMost  = 1 << 10  // bytes that a connection has sent which goes first
	heavyLeast = 16 << 10 // that the others have sent together
	turnMost   = 2 * time.Millisecond
)

// beginPart begins a turn about some connections, or goes on with it.
func (ex *executor) beginPart(ready []*netloop.Conn) {
	ex.setTime()
	ex.beginTurn()
	ex.partBegan = time.Duration(ex.nanos)
	ex.args.Reset()
	ex.turnOf = ready
}

// lightFirst moves those to the front that have sent little, and tells how many they are; 0 if the order does not matter.
func (ex *executor) lightFirst(ready []*netloop.Conn) (light int) {
	heavy := 0
	for _, c := range ready {
		if n := c.In.Buffered(); n > lightMost {
			heavy += n
		} else {
			light++
		}
	}
	if light == 0 || heavy < heavyLeast {
		return 0
	}
	late := ex.late[:0]
	first := ready[:0]
	for _, c := range ready {
		if c.In.Buffered() > lightMost {
			late = append(late, c)
		} else {
			first = append(first, c)
		}
	}
	copy(ready[light:], late)
	clear(late)
	ex.late = late
	return light
}

// work runs what the connections have sent, batch by batch: cut all, stage all, run all. Those that are left when that has
// taken long enough come again in the next turn. A loop that serves one connection at a time leaves none.
func (ex *executor) work(ready []*netloop.Conn) {
	for len(ready) > 0 {
		ex.batch = ex.batch[:0]
		ready = ex.cut(ready)
		ex.stage()
		ex.runBatch()
		if len(ready) > 0 && ex.srv.age()-ex.partBegan > turnMost && !ex.loop.Portable() {
			for _, c := range ready {
				c.Yield()
			}
			return
		}
	}
}

// cut fills the batch from the ready connections and returns those that are left. The last connection of a full
// batch comes first again.
func (ex *executor) cut(ready []*netloop.Conn) []*netloop.Conn {
	srv := ex.srv
	for i, c := range ready {
		s := c.User.(*session)
		if !c.InTurn() { // it was served while a command took long, and may have read since: its next turn has all of it
			c.Yield()
			continue
		}
		lim := srv.limits.Load()
		if s.stranger() {
			lim = srv.unauthLimits.Load()
		}
		if s.link != nil {
			lim = &linkLimits
			s.link.hears(s)
		}
		if s.peer != nil { // while it loads a snapshot, or does what takes long, it sends empty lines
			s.peer.heard_ms.Store(ex.steady())
		}
		for c.Proceed() {
			if len(ex.batch) == batchMax {
				return ready[i:]
			}
			rq := ex.another(s)
			st := c.In.Next(lim, &ex.args, &rq.Request)
			if st == resp.Command {
				ex.prepare(rq)
				if s.stranger() { // the next request's bounds depend on what this one does
					return ready[i:]
				}
				continue
			}
			if st == resp.NeedMore {
				ex.batch = ex.batch[:len(ex.batch)-1]
				break
			}
			rq.fault = "overflow"
			if st == resp.ProtocolError {
				rq.fault = resp.Error(c.In.Err())
			}
			break
		}
	}
	return nil
}

// another makes the batch one request longer. What the one had that stood there before does not matter: cutting a request
// and prepare fill it.
func (ex *executor) another(s *session) *request {
	n := len(ex.batch)
	ex.batch = ex.batch[:n+1]
	rq := &ex.batch[n]
	rq.s, rq.raw, rq.hashed, rq.done, rq.fault = s, nil, false, false, ""
	return rq
}

// linkLimits bound what a primary may send: it has checked its clients already.
var linkLimits = resp.Limits{MaxBulk: math.MaxInt, MaxArgs: math.MaxInt32}

// prepare looks the command up and hashes its key if there is one at a fixed place.
func (ex *executor) prepare(rq *request) {
	row, container := ex.srv.table.Find(rq.Args)
	rq.row, rq.container = row, container
	if row != nil && row.Single > 0 && row.Single < len(rq.Args) {
		rq.hash, rq.hashed = ex.srv.ks.Hash(rq.Args[row.Single]), true
	}
}

// stage asks for the memory that the batch will read, all of it at once: the loads overlap, where one command after
// the other would wait for each of its own.
func (ex *executor) stage() {
	few := len(ex.batch) < 4
	for i := range ex.batch {
		switch rq := &ex.batch[i]; {
		case rq.fault != "" || rq.row == nil:
		case rq.row.Many:
			ex.stageKeys(rq)
		case rq.hashed && !few:
			ex.stageOne(rq, rq.hash)
		case rq.row.Counted > 0 && !few:
			ex.stageCounted(rq)
		}
	}
	ex.staged.Load()
	if few {
		return
	}
	for i := range ex.batch {
		if rq := &ex.batch[i]; rq.hashed && rq.row.Member > 0 && rq.row.Member < len(rq.Args) {
			ex.srv.ks.StageMember(&ex.staged, rq.s.db, rq.hash, ex.srv.ks.Hash(rq.Args[rq.row.Member]))
		}
	}
	ex.staged.Load()
}

// stageKeys asks for the first keys of a request that may have many. What is asked for has to stay in the second cache until
// the request runs.
func (ex *executor) stageKeys(rq *request) {
	first, last, step, ok := rq.row.KeyRange(len(rq.Args))
	if !ok || last < first+step {
		return
	}
	last = min(last, first+(mostStaged-1)*step)
	for i := first; i <= last; i += step {
		ex.stageOne(rq, ex.srv.ks.Hash(rq.Args[i]))
	}
}

// stageCounted asks for the first keys of a request that says how many it has: those of a script.
func (ex *executor) stageCounted(rq *request) {
	at := rq.row.Counted
	if at >= len(rq.Args) {
		return
	}
	n, err := strconv.ParseUint(string(rq.Args[at]), 10, 16)
	if err != nil || n > uint64(len(rq.Args)-at-1) {
		return // it will be told
	}
	for _, key := range rq.Args[at+1 : at+1+min(int(n), mostStaged)] {
		ex.stageOne(rq, ex.srv.ks.Hash(key))
	}
}

// mostStaged is how many keys of one request are asked for ahead.
const mostStaged = 128

func (ex *executor) stageOne(rq *request, hash uint64) {
	if ex.staged.Full() {
		ex.staged.Load()
	}
	ex.srv.ks.Stage(&ex.staged, rq.s.db, hash)
}

// runBatch runs the requests in order. When a connection stops in the middle (it blocks, it closes, it owes too much
// output) what was cut ahead for it is put back.
func (ex *executor) runBatch() {
	for i := 0; i < len(ex.batch) && !ex.srv.ended.Load(); i++ { // after the last snapshot nothing may change
		rq := &ex.batch[i]
		ex.asides.batch = i
		s := rq.s
		if rq.done || s.condemned.Load() { // that one was killed while this loop waited for the world to stop
			continue
		}
		s.takeInbox() // what it was told before its request runs comes before the reply
		if !s.conn.Proceed() {
			ex.putBack(i)
			for i+1 < len(ex.batch) && ex.batch[i+1].s == s {
				i++
			}
			continue
		}
		if rq.fault != "" {
			ex.protocolError(s, rq.fault)
			continue
		}
		rq.raw = s.conn.In.Raw(&rq.Request)
		ex.asides.serving = s
		ex.dispatch(s, rq)
	}
	ex.asides.batch, ex.asides.serving = len(ex.batch), nil // what runs between the batches has no requests beside it
}

// putBack puts a request of the batch back into its connection, which has stopped before it, and with it all that follow.
func (ex *executor) putBack(i int) {
	rq := &ex.batch[i]
	if rq.fault == "" && !rq.s.paused { // else the one that was parked has been put back, with all that follow
		rq.s.conn.In.Unread(&rq.Request)
	}
}

// protocolError ends a connection whose bytes are no requests.
func (ex *executor) protocolError(s *session, e resp.Error) {
	if e == "overflow" {
		ex.overflow(s)
		return
	}
	s.tellFault(e)
	if s.peer != nil { // what it is sent is the stream, and nothing else
		ex.noteError(e)
		s.close()
		return
	}
	s.reply(func(w *resp.Writer) { w.Error(e) })
	ex.noteError(e)
	ex.depart(s)
}

// overflow ends a connection that has sent more than client-query-buffer-limit without anything having run.
func (ex *executor) overflow(s *session) {
	ex.srv.stats.queryBufferKills.Add(1)
	ex.srv.log.Warn("Closing client that reached max query buffer length", zap.Int64("id", s.id), zap.String("addr", s.conn.RemoteAddr()))
	s.conn.Close(netloop.ErrKilled)
}

// TurnEnd runs before the turn's output is sent.
func (srv *Server) TurnEnd(l *netloop.Loop) {
	ex := l.User.(*executor)
	if len(ex.ready) > 0 && !srv.ended.Load() { // made ready by what is no command: an eviction, the end of somebody's waiting
		ex.serveBlocked()
	}
	if ex.srv.tracker.count.Load() > 0 {
		ex.endTracking()
	}
	if ex.srv.guard.on.Load() {
		ex.guardTurn()
	}
	if ex.srv.repl.wantAcks.Load() && ex.srv.repl.wantAcks.Swap(false) {
		ex.srv.askForAcks()
	}
	ex.feedPeers()
	ex.weighTurn()
	ex.turnOf = nil
	if len(ex.told) > 0 {
		clear(ex.told)
		ex.told = ex.told[:0]
	}
	ex.handIn()
	ex.endHolds()
	ex.endTurn()
}
