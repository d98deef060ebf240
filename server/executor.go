package server

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/netloop"
	"larder/server/resp"
)

// An executor runs the commands of one loop. The janitor has one too, without a loop, for what it does to keys.
//
// Its lock is held while any of the loop's callbacks runs. Nobody waits for it but who stops the world: a command
// that looks at other clients (command.World) takes the locks of all executors, so that it finds every session at
// rest between two callbacks.
type executor struct {
	srv  *Server
	mu   sync.Mutex
	loop *netloop.Loop // nil for the janitor's

	now    int64 // Unix milliseconds, read when the turn began
	nanos  int64 // the same moment on the monotonic clock
	view   *keyspace.View
	ctx    command.Ctx
	args   resp.Args
	batch  []request
	staged keyspace.Batch
	refs   []spec.KeyRef

	inTransaction bool
	inWorld       bool

	ready    []dbKey     // keys that blocked clients may be served from
	pushes   resp.Writer // where messages to others are worded
	served   resp.Writer // the reply of a blocked client that is being served
	deadline deadlines

	current   *session     // whose command runs
	late      []string     // keys that it has made invalid in its own cache
	flushTold bool         // the tracked clients know already that everything is gone
	broadcast []broadcast  // changes that clients of prefixes are told of at the end of the turn
	clientMem atomic.Int64 // what the loop's clients cost, as of the last tick
	parked    []*session   // wait for the end of CLIENT PAUSE

	dirty   int       // changes that the server's counter has not been told of
	counts  []rowNote // by row ID, since the last time that they were handed in
	touched []int32   // the IDs of the rows that have counts
	errors  map[string]uint64
	sampler uint32
}

// rowNote counts what one loop did with a command, until it is handed in at the end of the turn.
type rowNote struct {
	calls, failed, rejected uint32
	timed                   uint32 // calls whose time was taken
	nanos                   uint64
}

func newExecutor(srv *Server, loop *netloop.Loop, seed uint64) *executor {
	ex := &executor{srv: srv, loop: loop, view: keyspace.NewView(srv.ks), errors: map[string]uint64{}}
	ex.counts = make([]rowNote, srv.rowCount)
	ex.ctx = command.Ctx{View: ex.view, Rand: rand.NewPCG(seed, 0x6c61726465720000)}
	ex.view.BeforeFlush = ex.beforeFlush
	return ex
}

// enter takes the executor for one callback of its loop.
func (ex *executor) enter() { ex.mu.Lock() }

func (ex *executor) leave() { ex.mu.Unlock() }

// post makes the executor's loop call fn, between two other callbacks. Any goroutine may call it.
func (ex *executor) post(fn func()) {
	ex.loop.Post(func() {
		ex.enter()
		defer ex.leave()
		ex.setTime()
		fn()
	})
}

// stopWorld waits until every other executor is between two callbacks and keeps them all there. The executor's own
// lock is given up meanwhile, so two that stop the world at once do not wait for each other.
func (ex *executor) stopWorld() {
	if ex.inWorld {
		return
	}
	ex.mu.Unlock()
	ex.srv.world.Lock()
	for _, o := range ex.srv.executors {
		o.mu.Lock()
	}
	ex.inWorld = true
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

// setTime reads the clock: what time it is for all commands until the next call.
func (ex *executor) setTime() {
	t := time.Now()
	ex.now = t.UnixMilli()
	ex.nanos = int64(t.Sub(ex.srv.started))
	ex.view.Now = ex.now
	ex.view.Record = ex.srv.recording.Load()
	ex.view.ServeExpired = ex.srv.pause.active(ex.now)
	ex.ctx.Conf = ex.srv.commandConf.Load()
}

// note is the counter of a row for this turn.
func (ex *executor) note(row *command.Row) *rowNote {
	n := &ex.counts[row.ID]
	if *n == (rowNote{}) {
		ex.touched = append(ex.touched, int32(row.ID))
	}
	return n
}

// noteError counts an error reply by its code.
func (ex *executor) noteError(e resp.Error) { ex.errors[e.Code()]++ }

// handIn adds what the turn has counted to the server's counters, where INFO reads them.
func (ex *executor) handIn() {
	if ex.dirty != 0 {
		ex.srv.dirty.Add(int64(ex.dirty))
		ex.dirty = 0
	}
	for _, id := range ex.touched {
		n, st := &ex.counts[id], &ex.srv.rows[id].Stats
		if n.calls > 0 {
			st.Calls.Add(uint64(n.calls))
			ex.srv.stats.commands.Add(uint64(n.calls))
			if n.timed > 0 { // calls that were not timed took as long as those that were
				st.Time_ns.Add(n.nanos * uint64(n.calls) / uint64(n.timed))
			} else {
				st.Time_ns.Add(st.Typical_ns.Load() * uint64(n.calls))
			}
		}
		if n.timed > 0 {
			st.Typical_ns.Store(n.nanos / uint64(n.timed))
		}
		if n.failed > 0 {
			st.Failed.Add(uint64(n.failed))
		}
		if n.rejected > 0 {
			st.Rejected.Add(uint64(n.rejected))
		}
		*n = rowNote{}
	}
	ex.touched = ex.touched[:0]
	if len(ex.errors) > 0 {
		ex.srv.stats.addErrors(ex.errors)
		clear(ex.errors)
	}
}

// timeEvery is how many fast commands go by until one is timed: reading the clock costs a tenth of a GET.
const timeEvery = 16

// startTimer reads the clock if the command's time is wanted: always for commands that are not fast, or when the slow
// log or the latency monitor are set to notice what a fast command may take; otherwise now and then.
func (ex *executor) startTimer(row *command.Row) (start time.Time, timed bool) {
	if row.Has(spec.Fast) && !ex.srv.timeAll.Load() {
		if ex.sampler++; ex.sampler%timeEvery != 0 {
			return time.Time{}, false
		}
	}
	return time.Now(), true
}

// stopTimer notes how long the command took.
func (ex *executor) stopTimer(s *session, row *command.Row, argv [][]byte, start time.Time, timed bool) {
	if !timed {
		return
	}
	d := time.Since(start)
	n := ex.note(row)
	n.timed++
	n.nanos += uint64(d)
}
