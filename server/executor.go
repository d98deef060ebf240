package server

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"larder/keyspace"
	"larder/server/acl"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/netloop"
	"larder/server/resp"
)

// An executor runs the commands of one loop. The janitor has one too, without a loop, for what it does to keys.
//
// Its lock is held while the loop is not waiting. Nobody waits for it but who stops the world: a command that looks at
// other clients (command.World) takes the locks of all executors, so that it finds every session and every connection
// at rest between two turns.
type executor struct {
	srv    *Server
	mu     sync.Mutex
	wanted atomic.Int32  // who stops the world waits for mu
	loop   *netloop.Loop // nil for the janitor's

	leadsAsked, leadsNow bool       // whether the lease holds, asked once in a turn
	wroteFeed            []*session // have written in this turn what replicas get
	feedHeld             []*session // have output that waits for replicas
	feedHeldCount        atomic.Int64
	feedPosted           atomic.Bool

	now    int64 // Unix milliseconds, read when the turn began, or since
	nanos  int64 // the same moment on the monotonic clock
	view   *keyspace.View
	ctx    command.Ctx
	args   resp.Args
	batch  []request
	staged keyspace.Batch
	refs   []spec.KeyRef
	checks acl.Scratch // for access checks

	unit   unit           // effects of what runs, until they are committed
	effect resp.Writer    // where effects are worded that are no command's own
	mute   command.Target // who is not to hear of what this executor does

	inTransaction bool
	full          bool         // there was no room when the request that runs was let in
	starved       bool         // the system had no memory for something that has to be done
	queued        []queued     // what the transaction has left behind the command that runs
	ended         *transaction // whose room the next MULTI takes; nil if there is none
	inWorld       bool

	holding       holding
	heldCount     atomic.Int64 // of holding.held
	releasePosted atomic.Bool

	ready    []dbKey     // keys that blocked clients may be served from
	pushes   resp.Writer // where messages to others are worded
	served   resp.Writer // the reply of a blocked client that is being served
	deadline deadlines

	asides    asides
	within    *executor // whose command does a log by this one
	scripting scripting
	infoText  []byte                    // where INFO is worded
	running   atomic.Pointer[scriptRun] // scripting.run, for others to see

	current       *session        // whose command runs
	requestSize   int             // bytes of its request
	own           []byte          // messages for it, to be sent after its reply
	woken         []int           // databases whose waiters are going to be tried
	unheardNext   time.Time       // when a message that nobody hears may wait for other loops again
	flushTold     bool            // the tracked clients know already that everything is gone
	broadcast     []broadcast     // changes that clients of prefixes are told of at the end of the turn
	peerMem       atomic.Int64    // what the connections of its replicas cost
	clientMem     atomic.Int64    // what the loop's clients cost
	longIn        atomic.Int64    // the largest input of one of them
	longOut       atomic.Int64    // and the largest output
	parked        []*session      // wait for the end of CLIENT PAUSE, of a loading or of somebody's copy
	parkedGone    int             // how many of them have gone meanwhile
	parkedLoading bool            // some of them for the latter
	copying       []*copyJob      // what the loop is copying
	copyingSoon   bool            // it goes on with that in the next turn
	turnOf        []*netloop.Conn // that the turn is about
	late          []*netloop.Conn // room for lightFirst
	told          []*session      // got messages in this turn; only kept while clients have a limit of memory

	dirty     int       // of the view's changes, those that the server's counter has been told of
	counts    []rowNote // by row ID, since the last time that they were handed in
	touched   []int32   // the IDs of the rows that have counts
	errors    map[string]uint64
	noted     uint64 // error replies that were counted, ever
	sampler   uint32
	began     int64         // when the turn began, on the clock of nanos; 0 between turns
	partBegan time.Duration // the same of the part of it that runs; see Turn
	watched   atomic.Int64  // the same, for the watchdog
	turns     turnStats
}

// rowNote counts what one loop did with a command, until it is handed in at the end of the turn.
type rowNote struct {
	calls, failed, rejected uint32
	timed                   uint32 // calls whose time was taken
	nanos                   uint64 // of those
	typical                 uint32 // nanoseconds of the last one, 0 before the first; stays
	listed                  bool   // stands in touched
}

func newExecutor(srv *Server, loop *netloop.Loop, seed uint64) *executor {
	ex := &executor{srv: srv, loop: loop, view: keyspace.NewView(srv.ks), errors: map[string]uint64{}, batch: make([]request, 0, batchMax)}
	ex.counts = make([]rowNote, srv.rowCount)
	ex.ctx = command.Ctx{View: ex.view, Rand: rand.NewPCG(seed, 0x6c61726465720000), Warn: func(text string) { srv.log.Warn(text) }}
	ex.view.BeforeFlush = ex.beforeFlush
	ex.view.Waits = ex.whileWaiting
	ex.asides.giveUp, ex.view.GiveUp = srv.isBusy, srv.isBusy
	ex.view.BeforeEvict = ex.listen
	ex.ctx.ReadsAll = ex.readsAll
	ex.ctx.CutOff = ex.cutOff
	ex.ctx.AwaitBurial = ex.awaitBurial
	return ex
}

// Enter and Leave are netloop.Handler's: a loop works from the one to the other.
func (srv *Server) Enter(l *netloop.Loop) { l.User.(*executor).enter() }
func (srv *Server) Leave(l *netloop.Loop) { l.User.(*executor).leave() }

// enter takes the executor for work that its loop has not called for. Who stops the world comes first: see heldFor.
func (ex *executor) enter() {
	for ex.wanted.Load() > 0 {
		time.Sleep(wantedNap)
	}
	ex.mu.Lock()
}

func (ex *executor) leave() { ex.mu.Unlock() }

// wantedNap is how long a loop that is wanted waits for who wants it, before it looks again.
const wantedNap = 20 * time.Microsecond

// heldFor takes the executor's lock for who stops the world, unless giveUp says that he need not. He naps between his tries, and a
// loop that has much to do is gone from its lock for no longer than it takes to ask for events: so it is told that it is wanted, and
// does not begin another turn before he has been there. Else those loops that he has taken already might stand still for thousands
// of this one's turns.
func (ex *executor) heldFor(giveUp func() bool) bool {
	if ex.mu.TryLock() {
		return true
	}
	ex.wanted.Add(1)
	defer ex.wanted.Add(-1)
	return lockUnless(&ex.mu, nil, giveUp)
}

// post makes the executor's loop call fn at the beginning of a turn. Any goroutine may call it.
func (ex *executor) post(fn func()) {
	ex.loop.Post(func() {
		ex.setTime()
		fn()
	})
}

// stopWorld waits until every other executor is between two turns and keeps them all there. The executor's own
// lock is given up meanwhile, so two that stop the world at once do not wait for each other. While a script keeps the server
// busy nobody is kept: one of those that would be may be asked to end it. It is not for loops, which would serve nobody.
func (ex *executor) stopWorld() {
	for !ex.stopWorldUnless(ex.srv.isBusy) {
		ex.mu.Unlock()
		for ex.srv.isBusy() {
			time.Sleep(asideEvery)
		}
		ex.mu.Lock()
		ex.follow()
	}
}

// stopWorldUnless is stopWorld for somebody who need not do so: it is false if giveUp said so while others were waited
// for.
func (ex *executor) stopWorldUnless(giveUp func() bool) bool {
	if ex.inWorld {
		return true
	}
	ex.mu.Unlock()
	ok := lockUnless(&ex.srv.world, nil, giveUp)
	if ok {
		for i, o := range ex.srv.executors {
			if ok = o.heldFor(giveUp); !ok {
				for _, o := range ex.srv.executors[:i] {
					o.mu.Unlock()
				}
				ex.srv.world.Unlock()
				break
			}
		}
	}
	if !ok {
		ex.mu.Lock()
		ex.follow()
		return false
	}
	ex.inWorld = true
	ex.srv.worlds.Add(1)
	ex.follow()
	return true
}

// startWorld lets the others go on; the executor keeps its own lock.
func (ex *executor) startWorld() {
	if !ex.inWorld {
		return
	}
	ex.inWorld = false
	for _, o := range ex.srv.executors {
		if o != ex {
			o.mu.Unlock()
		}
	}
	ex.srv.world.Unlock()
}

// setTime reads the clock: what time it is for all commands until the next call. A turn begins with it, and it is called again where
// something has taken long.
func (ex *executor) setTime() {
	t := time.Now()
	ex.now = ex.srv.timeOfDay_ms(t)
	ex.nanos = int64(t.Sub(ex.srv.started))
	ex.view.Now = ex.now
	ex.follow()
}

// timeOfDay_ms is a moment on the clock that times of keys are told by, in Unix milliseconds.
func (srv *Server) timeOfDay_ms(t time.Time) int64 { return t.UnixMilli() + srv.clockStep_ms.Load() }

// catchUp reads the clock again, between two commands, if at that age it is long ago: what has come in one turn with a command that
// takes long is later than that, and so is what it sets to expire.
func (ex *executor) catchUp(age time.Duration) {
	if int64(age)-ex.nanos >= int64(time.Millisecond) {
		ex.setTime()
	}
}

// hasShards is catchUp for a command that has its shards now, if it may have waited for them.
func (ex *executor) hasShards() {
	if ex.view.Waited {
		ex.view.Waited = false
		ex.catchUp(ex.srv.age())
	}
}

// steady is a clock of milliseconds for what has to last, or to come, after a while: nobody sets it. It begins with 1.
func (ex *executor) steady() int64 { return ex.nanos/int64(time.Millisecond) + 1 }

// tickAt makes the loop look around at a time of the steady clock.
func (ex *executor) tickAt(ms int64) {
	ex.loop.TickBefore(ex.srv.started.Add(time.Duration(min(ms-1, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond))
}

// steady is the clock for those who have no executor.
func (srv *Server) steady() int64 { return srv.age().Milliseconds() + 1 }

// follow takes over what commands have changed that concerns all executors. It is asked for again whenever this one has given
// its lock up, in the midst of a turn too: what another client was told has been done holds for what runs from here on.
func (ex *executor) follow() {
	ex.view.Record = ex.srv.recording.Load()
	ex.setServeExpired()
	ex.ctx.Conf = ex.srv.commandConf.Load()
}

// note is the counter of a row for this turn.
func (ex *executor) note(row *command.Row) *rowNote {
	n := &ex.counts[row.ID]
	if !n.listed {
		n.listed = true
		ex.touched = append(ex.touched, int32(row.ID))
	}
	return n
}

// noteError counts an error reply by its code.
func (ex *executor) noteError(e resp.Error) {
	ex.errors[e.Code()]++
	ex.noted++
}

// handIn adds what the turn has counted to the server's counters, where INFO reads them.
func (ex *executor) handIn() {
	ex.srv.kickLog()
	if d := ex.view.Dirty - ex.dirty; d != 0 {
		ex.srv.dirty.Add(int64(d))
		ex.dirty += d
	}
	calls := 0
	for _, id := range ex.touched {
		n, st := &ex.counts[id], &ex.srv.rows[id].Stats
		calls += int(n.calls)
		if n.calls > 0 {
			st.Calls.Add(uint64(n.calls))
			ex.srv.stats.commands.Add(uint64(n.calls))
		}
		if n.failed > 0 {
			st.Failed.Add(uint64(n.failed))
		}
		if n.rejected > 0 {
			st.Rejected.Add(uint64(n.rejected))
		}
		if n.calls > n.timed { // calls that were not timed took as long as the last one that was
			more := uint64(n.calls - n.timed)
			n.nanos += more * uint64(n.typical)
			if ex.srv.tracking.Load() {
				ex.srv.histogram(int(id)).add(uint64(n.typical), more)
			}
		}
		if n.nanos > 0 {
			st.Time_ns.Add(n.nanos)
			ex.srv.stats.commandTime_ns.Add(n.nanos)
		}
		*n = rowNote{typical: n.typical}
	}
	raise(&ex.turns.commands, uint64(calls))
	ex.touched = ex.touched[:0]
	if len(ex.errors) > 0 {
		ex.srv.stats.addErrors(ex.errors)
		clear(ex.errors)
	}
}

// beginTurn and endTurn measure how long the loop is busy.
func (ex *executor) beginTurn() {
	if ex.began == 0 {
		ex.began = ex.nanos
		if ex.srv.watchdog.on.Load() {
			ex.watched.Store(ex.began)
		}
	}
}

func (ex *executor) endTurn() {
	if ex.began == 0 {
		return
	}
	d := uint64(int64(ex.srv.age()) - ex.began)
	ex.began = 0
	if ex.watched.Load() != 0 {
		ex.watched.Store(0)
	}
	ex.turns.count.Add(1)
	ex.turns.nanos.Add(d)
	raise(&ex.turns.longest, d)
}

// timeEvery is how many quick commands go by until one is timed: reading the clock costs a tenth of a GET.
const timeEvery = 16

// age is how long ago the server started. To read this clock takes half the time that it takes to read that of the wall.
func (srv *Server) age() time.Duration { return time.Since(srv.started) }

// startTimer reads the clock if the command's time is wanted: always for commands that are not quick, or when the slow
// log or the latency monitor are set to notice what a quick command may take; otherwise now and then. start is an age.
func (ex *executor) startTimer(row *command.Row) (start time.Duration, timed bool) {
	if row.Quick && ex.counts[row.ID].typical != 0 && !ex.srv.timeAll.Load() {
		if ex.sampler++; ex.sampler%timeEvery != 0 {
			return 0, false
		}
	}
	return ex.srv.age(), true
}

// stopTimer notes how long the command took, unless it blocks: then it is not over. It returns the age, if it has looked, or 0.
func (ex *executor) stopTimer(s *session, row *command.Row, argv [][]byte, start time.Duration, timed bool) (end time.Duration) {
	if timed && !ex.ctx.Wait.Set {
		end = ex.srv.age()
		ex.took(s, row, argv, end-start)
	}
	return end
}

// took notes how long a command took.
func (ex *executor) took(s *session, row *command.Row, argv [][]byte, d time.Duration) {
	srv := ex.srv
	n := ex.note(row)
	n.timed++
	n.nanos += uint64(d)
	n.typical = uint32(max(1, min(d, math.MaxUint32)))
	if srv.tracking.Load() {
		srv.histogram(row.ID).add(uint64(d), 1)
	}
	if limit := srv.logs.slow.limit.Load(); limit >= 0 && int64(d) >= limit && !row.Has(spec.SkipSlowlog) && s.conn != nil { // a log that is loaded has none
		srv.logs.slow.add(s, row, argv, ex.now/1000, d.Microseconds())
	}
	if limit := srv.latency.threshold.Load(); limit > 0 && int64(d) >= limit {
		event := "command"
		if row.Has(spec.Fast) {
			event = "fast-command"
		}
		srv.latency.add(event, ex.now/1000, d)
	}
}
