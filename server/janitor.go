package server

import (
	"math/bits"
	"time"

	"larder/keyspace"
)

// The janitor does what has to be done between commands: it removes keys whose time is over, frees large values step
// by step, merges tables, empties sparse pages and gives memory back. It takes one shard at a time, each in turn, and keeps
// it for about a tenth of a millisecond.
//
// Removing and freeing are done at once, at most half of the time. The rest is upkeep: it has a share of a core of its
// own, upkeepShare or what defrag.go says, and waits when it has used that up. When nothing is there to do the janitor
// looks at the shards every tickEvery; who makes something expire earlier than that wakes it.
type janitor struct {
	srv *Server
	ex  *executor

	shards []shardNote
	graves keyspace.Set // shards with dropped values
	upkeep keyspace.Set // shards with tables to merge or pages to give back
	turn   int          // the shard that was last worked on
	credit time.Duration
	paid   time.Time // when credit was last added
	looks  int

	bigTurn int       // the shard in which big keys are looked for
	bigNext time.Time // when that goes on

	refused     uint64    // times that accepting had failed at the last look
	refusedTold time.Time // when the log last said so

	commands uint64 // that had been run at the last look
	quiet    int    // looks since any was, with nothing left to do
}

// shardNote is what the janitor knows of a shard.
type shardNote struct {
	live int64 // bytes, when it last looked
	idle int   // looks since that has changed
	left int64 // bytes that the last walk of defragmentation could not gain

	walked int64 // what live was when that began
}

const (
	sweepEvery  = 10 * time.Millisecond // expired keys wait for each other that long
	stretch     = time.Millisecond / 2  // of work, and of rest after it
	upkeepShare = 25                    // percent of a core
	upkeepLeast = 200 * time.Microsecond

	sweepBudget = 128     // keys removed while a shard is held once
	buryBudget  = 512     // allocations freed while a shard is held once
	tendBudget  = 32      // segments of tables looked at while a shard is held once; rebuilding counts as 16
	trimBudget  = 1 << 20 // bytes given back while a shard is held once
	trimKept    = 16      // this part of what a shard's data takes is kept free for what comes next
	idleLooks   = 10      // unchanged for so many looks, a shard is idle: it keeps nothing then
	quietLooks  = 100     // without a command for so many looks, the server is at rest
)

// keepHouse runs until the server stops.
func (srv *Server) keepHouse() {
	j := &janitor{srv: srv, ex: srv.janitor, shards: make([]shardNote, srv.ks.Shards())}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var look time.Time // the next one
	for {
		select {
		case <-srv.stopping:
			return
		case <-timer.C:
		case <-srv.ks.Wake():
		case <-srv.repl.nudge:
		}
		start := time.Now()
		if !start.Before(look) {
			srv.sample()
			j.warnAccepting(start)
			look = srv.engine.TickAfter(start) // when the loops look, too: what sleeps is woken once
			if !srv.cronPaused.Load() && !j.atRest() {
				j.look()
			}
		}
		next := look
		if !srv.cronPaused.Load() {
			next = j.clean(start, look)
			srv.stats.house_ns.Add(int64(time.Since(start)))
		}
		timer.Reset(time.Until(next))
	}
}

// clean does what is due and some upkeep, and returns when it wants to be called again, which is not after latest.
func (j *janitor) clean(start, latest time.Time) time.Time {
	ex := j.ex
	ex.enter()
	defer ex.leave()
	ex.setTime()
	busy := j.expire(start)
	j.graves |= j.srv.ks.Graves()
	busy = j.bury(start) || busy
	busy = j.shrink(start) || busy
	next := j.lookForBig(j.doUpkeep(latest))
	ex.handIn()
	if !j.srv.loading.Load() { // else half of a primary's snapshot would be what is kept
		j.srv.followRewrites(ex)
		if !j.srv.rewriteIsNext() {
			j.srv.followSavePoints(ex)
			j.srv.followBackups(ex)
		}
		j.srv.relieveLog(ex)
	}
	j.srv.replicationCron(ex)
	if ex.ready = append(ex.ready, j.srv.pause.left(ex.steady())...); len(ex.ready) > 0 {
		ex.serveBlocked()
	}
	if busy {
		return time.Now().Add(stretch)
	}
	return j.nextSweep(next)
}

// expires tells whether keys are removed when their time is over.
func (j *janitor) expires() bool { return j.srv.activeExpire.Load() && !j.ex.view.ServeExpired }

// nextSweep is when the next key is due, if that is before latest.
func (j *janitor) nextSweep(latest time.Time) time.Time {
	if !j.expires() {
		return latest
	}
	now := time.Now()
	now_ms := j.srv.timeOfDay_ms(now)
	// The steady clock says how long it is until latest. The time of day in latest itself is counted from the start of the server, and has
	// nothing to do with that of now if the clock was set since.
	latest_ms := now_ms + latest.Sub(now).Milliseconds()
	j.srv.ks.WakeAt(latest_ms)
	due, next_ms := j.srv.ks.Due(now_ms)
	if due == 0 && next_ms >= latest_ms {
		return latest
	}
	soon_ms := now_ms + sweepEvery.Milliseconds()
	if next_ms = max(next_ms, soon_ms); due != 0 {
		next_ms = soon_ms
	}
	j.srv.ks.WakeAt(next_ms)
	if next_ms >= latest_ms {
		return latest
	}
	return now.Add(time.Duration(next_ms-now_ms) * time.Millisecond)
}

// expire removes what is due, from each shard in turn, for one stretch. It tells whether there is more.
func (j *janitor) expire(start time.Time) (more bool) {
	if !j.expires() {
		return false
	}
	set, _ := j.srv.ks.Due(j.ex.now)
	if set == 0 {
		return false
	}
	for now := start; set != 0; {
		for s := set; s != 0 && now.Sub(start) < stretch; s &= s - 1 {
			i := bits.TrailingZeros64(uint64(s))
			if !j.ex.sweep(i) {
				set &^= 1 << i
			}
			j.srv.latency.note("expire-cycle", now)
			now = time.Now()
		}
		if now.Sub(start) >= stretch {
			break
		}
	}
	j.srv.stats.sweep_ns.Add(int64(time.Since(start)))
	if set != 0 {
		j.srv.stats.sweepsCut.Add(1)
	}
	return set != 0
}

// sweep removes due keys of one shard and tells whether there are more.
func (ex *executor) sweep(i int) bool {
	ex.view.Take(1 << i)
	defer ex.releaseApart()
	ex.listen()
	_, more := ex.view.Sweep(i, sweepBudget)
	ex.settle()
	return more
}

// bury frees what commands have dropped, in each shard in turn, for the rest of the stretch. It tells whether there
// is more.
func (j *janitor) bury(start time.Time) (more bool) {
	for j.graves != 0 && time.Since(start) < stretch {
		i := j.next(j.graves)
		if !j.hold(i, func(s *keyspace.Shard) bool { return s.Bury(buryBudget) }) {
			j.graves &^= 1 << i
			j.upkeep |= 1 << i // to give the pages back
		}
	}
	return j.graves != 0
}

// shrink makes room if the data or the process is far beyond maxmemory, because that was lowered, for the rest of the stretch. It
// tells whether there is more to do. What commands have just added they make room for themselves.
func (j *janitor) shrink(start time.Time) (more bool) {
	defer func() { j.srv.stats.noteOver(j.srv.dataOver(), j.ex.now) }()
	for j.srv.farOutOfMemory() && !j.ex.dataStays() && j.ex.makeRoom() {
		if time.Since(start) >= stretch {
			return j.srv.farOutOfMemory()
		}
	}
	return false
}

// next is the shard of a set whose turn it is.
func (j *janitor) next(s keyspace.Set) int {
	rest := s >> (j.turn + 1) << (j.turn + 1)
	if rest == 0 {
		rest = s
	}
	j.turn = bits.TrailingZeros64(uint64(rest))
	return j.turn
}

// hold runs a step of work on a shard.
func (j *janitor) hold(i int, step func(s *keyspace.Shard) (more bool)) (more bool) {
	j.ex.view.Take(1 << i)
	defer j.ex.view.Release()
	return step(j.srv.ks.Shard(i))
}

// atRest tells whether a look may be left out: nothing has happened for long, and only every tenth look is taken then.
func (j *janitor) atRest() bool {
	n := j.srv.stats.commands.Load()
	if n != j.commands || j.upkeep != 0 || j.graves != 0 || j.srv.defrag.queue != 0 || j.srv.ks.MaxMemory() > 0 {
		j.commands, j.quiet = n, 0
		return false
	}
	j.quiet++
	return j.resting()
}

// resting is the answer that atRest gave last.
func (j *janitor) resting() bool { return j.quiet > quietLooks && j.quiet%10 != 0 }

// look finds out what there is to do.
func (j *janitor) look() {
	j.ex.enter()
	defer j.ex.leave()
	for i := range j.shards {
		n := &j.shards[i]
		wants := j.hold(i, func(s *keyspace.Shard) bool {
			live, _, free := s.Fragmentation()
			if live != n.live {
				n.live, n.idle = live, 0
			} else {
				n.idle++
			}
			if s.Buried() > 0 {
				j.graves |= 1 << i
			}
			return n.idle == idleLooks || free > n.kept() || s.Tend(tendBudget)
		})
		if wants {
			j.upkeep |= 1 << i
		}
	}
	if srv := j.srv; srv.ks.MaxMemory() > 0 && srv.ks.Policy.Evicts() {
		srv.ks.CountKeys(nil, nil)
		srv.noteProgram()
	}
	j.srv.sweepGarbage()
	if j.looks++; j.looks%planLooks == 0 {
		j.planDefrag()
		j.forgetStrays()
	}
}

// kept is how many bytes of free memory the shard keeps.
func (n *shardNote) kept() int64 {
	if n.idle >= idleLooks {
		return 0
	}
	return n.live / trimKept
}

// doUpkeep spends what upkeep may take. It returns when it wants to go on, not after latest.
func (j *janitor) doUpkeep(latest time.Time) time.Time {
	now := time.Now()
	share := time.Duration(upkeepShare)
	if j.upkeep == 0 {
		if share = time.Duration(j.srv.defrag.effort.Load()); share == 0 {
			j.paid, j.credit = now, upkeepLeast
			return latest
		}
	}
	j.credit = min(j.credit+now.Sub(j.paid)*share/100, stretch)
	j.paid = now
	for j.credit > 0 && (j.upkeep != 0 || j.srv.defrag.queue != 0) {
		if j.upkeep != 0 {
			j.upkeepStep()
		} else {
			j.defragStep()
		}
		spent := time.Since(now)
		now = now.Add(spent)
		j.credit -= spent
	}
	if j.upkeep == 0 && j.srv.defrag.queue == 0 {
		return latest
	}
	if next := now.Add((upkeepLeast - min(j.credit, 0)) * 100 / share); next.Before(latest) {
		return next
	}
	return latest
}

// upkeepStep does one step of merging tables or giving pages back, in the next shard that has any.
func (j *janitor) upkeepStep() {
	i := j.next(j.upkeep)
	if !j.hold(i, func(s *keyspace.Shard) bool {
		return s.Tend(tendBudget) || s.Buried() == 0 && s.Trim(j.shards[i].kept(), trimBudget)
	}) {
		j.upkeep &^= 1 << i
	}
}
