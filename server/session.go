package server

import (
	"sync"
	"sync/atomic"
	"time"

	"larder/server/acl"
	"larder/server/command"
	"larder/server/config"
	"larder/server/netloop"
	"larder/server/resp"
)

// A session is one client: what it has told us about itself and what state its connection is in.
//
// A session belongs to the executor of its loop and is touched by nobody else, with two exceptions: a command that
// runs in a stopped world (command.World) may look at and change all sessions, and deliver may be called anywhere.
type session struct {
	srv  *Server
	conn *netloop.Conn
	ex   *executor
	id   int64

	name, libName, libVer string
	laddr                 string // what localAddr has found
	created, lastUsed     int64  // executor.nanos then: nobody sets that clock
	lastRow               *command.Row
	commands, scripted    uint64 // requests, and what scripts have called

	db       int
	authed   bool
	protocol int // 2 or 3
	sub      subscriptions

	tracks  *tracks // not nil while CLIENT TRACKING is on
	caching caching
	user    *acl.User // nil: nobody's rules hold, as for what a primary sends
	noted   noted

	noTouch, noEvict bool
	replyOff         bool // CLIENT REPLY OFF
	replySkip        int  // 2: skip the next command's reply, 1: this one's
	monitor          bool

	condemned  atomic.Bool // is being closed by somebody else's command: not shown any more
	weight     int64       // what its loop's sum of client memory has of it
	peerWeight int64       // and the sum of replicas' memory

	multi   *transaction // not nil between MULTI and EXEC
	watched []*watchedKey
	voided  bool        // these are watched no more, and go once their shards can be had; see unwatchSoon
	dirty   atomic.Bool // a watched key has changed; set by whoever changes it, under its shard

	peer *peer    // not nil once the client is a replica
	caps peerCaps // what it has said of itself before
	link *link    // not nil for the connection to our primary

	askedFirst int64 // when it asked this server to take over, on the steady clock; see takesOverEarly

	acks *ackWait // not nil while it is in WAIT or WAITAOF

	wait   *waiter // not nil until its loop knows that the waiting is over; see blocked
	paused bool    // waits for the end of CLIENT PAUSE, or of a copy

	copy *copyJob // what was copied, or is being copied, for its request

	holds    []hold // places in the output that wait for the log
	heldTo   uint64 // up to where the output has been looked at for that
	wroteLog bool   // stands in the executor's list of who wrote in this turn
	awaited  *task  // that its replies wait for, too

	debug debugMode // SCRIPT DEBUG

	safety     *config.Safety // CLIENT WRITE-SAFETY; nil: the server's
	guarded    bool           // has seen or changed data in this turn
	wroteFeed  bool           // stands in its executor's list of that name
	feedHolds  []feedHold
	feedHeldTo uint64 // the end of the output that waits for replicas

	logEnd, feedEnd int64 // positions in the log and in what replicas are sent after the client's last write

	moved     uint64       // how many bytes it had sent and got at movedAt; see closeIdle
	movedAt   int64        // executor.nanos then
	leftAt    int64        // when it was said to close after its reply, on the steady clock; see depart
	softSince int64        // since when the output has passed the soft limit, on the steady clock; 0: it has not
	pushProto atomic.Int32 // protocol, for other loops that have something to deliver
	listens   atomic.Bool  // sub.any, for the same
	overcome  atomic.Bool  // is closed because of what it is owed: it is told nothing more
	box       mailbox
}

// mailbox is what other loops' commands have left for the client, in that order, until its own loop takes it.
type mailbox struct {
	some  atomic.Bool // there is something
	mu    sync.Mutex
	bytes []byte
	ended *waiter // the reply to what this one waited for is among the bytes
	ends  journalEnds
}

// noted is what the client said in CLIENT CAPA, and READONLY.
type noted struct{ redirect, readsHere bool }

// out is where replies to the client go.
func (s *session) out() *resp.Writer { return s.conn.Out() }

// silent tells whether the client wants no reply to what it has asked (CLIENT REPLY).
func (s *session) silent() bool { return s.replyOff || s.replySkip == 1 }

// reply lets write word a reply, which a client that wants none does not get.
func (s *session) reply(write func(w *resp.Writer)) {
	w := s.out()
	mark := w.Mark()
	if write(w); s.silent() {
		w.Truncate(mark)
	}
}

// blocked tells whether the client waits for something. The shards of what it waits for are held, or the world is stopped, or
// it is the client's own loop that asks.
func (s *session) blocked() bool { return s.wait != nil && !s.wait.done }

// answered is what follows every reply: CLIENT REPLY SKIP counts down, and what CLIENT CACHING said about the next command has
// held for that one. Other CLIENT commands may stand between, and a transaction is one command.
func (s *session) answered() {
	if s.replySkip > 0 {
		s.replySkip--
	}
	if s.caching != cachingUnsaid && s.multi == nil && !isClientCommand(s.lastRow) {
		s.caching = cachingUnsaid
	}
}

// restricted tells whether the client is a subscriber of RESP2, who may send hardly anything.
func (s *session) restricted() bool { return s.protocol == 2 && s.sub.any() }

// setProto changes the protocol of replies from the next one on.
func (s *session) setProto(version int) {
	s.protocol = version
	s.pushProto.Store(int32(version))
	s.conn.Out().Proto = version
}

// close ends the connection without another word.
func (s *session) close() { s.conn.Close(netloop.ErrKilled) }

// idle is how long the client has said nothing.
func (s *session) idle(nanos int64) time.Duration { return time.Duration(max(0, nanos-s.lastUsed)) }

// age is how long it has been connected.
func (s *session) age(nanos int64) time.Duration { return time.Duration(max(0, nanos-s.created)) }
