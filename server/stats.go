package server

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"larder/keyspace"
	"larder/server/netloop"
)

// stats are the server's counts since the start or the last CONFIG RESETSTAT.
type stats struct {
	connections, rejected, commands atomic.Uint64
	queryBufferKills, outputKills   atomic.Uint64
	authFailures, evictedClients    atomic.Uint64
	evictedForClients               atomic.Uint64 // keys
	snapshots                       atomic.Uint64 // that were begun in the background, of any kind
	deniedCommands, deniedKeys      atomic.Uint64 // by access rules
	deniedChannels, deniedDBs       atomic.Uint64
	keptOut                         atomic.Uint64 // by allow-from
	errorReplies                    atomic.Uint64
	commandTime_ns                  atomic.Uint64
	sweep_ns                        atomic.Int64  // time that the janitor took for expiry
	sweepsCut                       atomic.Uint64 // stretches of that which ended with more keys due
	overSince_ms, over_ms           atomic.Int64  // since when the data is beyond maxmemory, 0: it is not; and how long it was before
	house_ns                        atomic.Int64  // and for all it does
	blocked                         atomic.Int64  // clients, not reset
	timed                           atomic.Int64  // those of them whose wait has an end, not reset
	subscribed, watching            atomic.Int64  // clients, not reset

	mu     sync.Mutex
	errors map[string]uint64 // replies by their code
	base   netloop.Traffic   // at the last reset
	rates  rates
}

// maxErrorCodes bounds the codes that are counted one by one: scripts make up their own.
const maxErrorCodes = 128

// ownCodes are those of the server itself, which are counted one by one even then.
var ownCodes = strings.Fields(`ERR BUSY BUSYGROUP BUSYKEY CLUSTERDOWN CROSSSLOT DENIED EXECABORT INVALIDOBJ IOERR LOADING MASTERDOWN
	MISCONF NOAUTH NOGROUP NOMASTERLINK NOPERM NOPROTO NOREPLICAS NOSCRIPT NOTBUSY OOM READONLY REDIRECT TRYAGAIN UNBLOCKED
	UNKILLABLE WRONGPASS WRONGTYPE`)

// otherErrors counts the errors whose codes were too many.
const otherErrors = "ERRORSTATS_OVERFLOW"

func (st *stats) addErrors(counts map[string]uint64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.errors == nil {
		st.errors = map[string]uint64{}
	}
	for code, n := range counts {
		st.errorReplies.Add(n)
		if _, known := st.errors[code]; !known && len(st.errors) >= maxErrorCodes && !slices.Contains(ownCodes, code) {
			code = otherErrors
		}
		st.errors[code] += n
	}
}

// resetStats is CONFIG RESETSTAT. The world is stopped, the shards are held. What access rules have refused is counted from the
// start on, as in Redis.
func (srv *Server) resetStats() {
	st := &srv.stats
	for _, n := range []*atomic.Uint64{
		&st.connections, &st.rejected, &st.commands, &st.queryBufferKills, &st.outputKills,
		&st.evictedClients, &st.evictedForClients, &st.errorReplies, &st.snapshots, &srv.saver.saves, &srv.aof.rewrites,
		&st.keptOut, &st.commandTime_ns, &st.sweepsCut, &srv.secure.handshakes, &srv.secure.failed, &srv.scripts.evicted, &srv.functions.freed,
	} {
		n.Store(0)
	}
	for _, n := range []*atomic.Uint64{
		&srv.repl.fullSyncs, &srv.repl.partialSyncs, &srv.repl.refusedSyncs, &srv.repl.bytesIn, &srv.repl.bytesOut, &srv.repl.errorReplies,
	} {
		n.Store(0)
	}
	if l := srv.aof.log.Load(); l != nil {
		l.ForgetDelayed()
	}
	st.sweep_ns.Store(0)
	st.forgetOver(time.Now().UnixMilli())
	st.house_ns.Store(0)
	for _, row := range srv.rows {
		for _, n := range []*atomic.Uint64{&row.Stats.Calls, &row.Stats.Time_ns, &row.Stats.Rejected, &row.Stats.Failed} {
			n.Store(0)
		}
	}
	for i := range srv.histograms {
		if h := srv.histograms[i].Load(); h != nil {
			h.reset()
		}
	}
	for i := range srv.ks.Shards() {
		srv.ks.Shard(i).Stats = keyspace.ShardStats{}
		srv.ks.Shard(i).ForgetHotKeys()
		srv.ks.Shard(i).ForgetDefragStats()
	}
	srv.defrag.forgetTimes()
	for _, ex := range srv.executors {
		for _, n := range []*atomic.Uint64{&ex.turns.count, &ex.turns.nanos, &ex.turns.longest, &ex.turns.commands} {
			n.Store(0)
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.errors = nil
	st.base = srv.engine.Traffic()
	st.rates.reset()
}

// traffic is what went through the sockets since the last reset.
func (srv *Server) traffic() netloop.Traffic {
	t := srv.engine.Traffic()
	srv.stats.mu.Lock()
	defer srv.stats.mu.Unlock()
	b := &srv.stats.base
	t.BytesIn -= b.BytesIn
	t.BytesOut -= b.BytesOut
	t.Reads -= b.Reads
	t.Writes -= b.Writes
	t.AcceptErrors -= b.AcceptErrors
	return t
}

// turnStats are the turns of one loop, those in which it had something to do. Only the loop changes them.
type turnStats struct {
	count, nanos      atomic.Uint64
	longest, commands atomic.Uint64 // nanoseconds of the longest, commands of the one with most
}

// raise sets a maximum.
func raise(to *atomic.Uint64, n uint64) {
	if n > to.Load() {
		to.Store(n)
	}
}

// turnTotals are the turnStats of a loop at one moment.
type turnTotals struct{ count, nanos, longest, commands uint64 }

// busiest is the turns of the loop that had most to do.
func (srv *Server) busiest() (t turnTotals) {
	for _, ex := range srv.executors {
		if n := ex.turns.nanos.Load(); n > t.nanos {
			t = turnTotals{ex.turns.count.Load(), n, ex.turns.longest.Load(), ex.turns.commands.Load()}
		}
	}
	return t
}

// noteOver notes whether the data is beyond maxmemory now.
func (st *stats) noteOver(over bool, now_ms int64) {
	switch since := st.overSince_ms.Load(); {
	case over && since == 0:
		st.overSince_ms.Store(now_ms)
	case !over && since != 0:
		st.over_ms.Add(max(0, now_ms-since))
		st.overSince_ms.Store(0)
	}
}

// forgetOver begins to measure that time anew.
func (st *stats) forgetOver(now_ms int64) {
	st.over_ms.Store(0)
	if since := st.overSince_ms.Load(); since != 0 {
		st.overSince_ms.CompareAndSwap(since, now_ms)
	}
}

// overFor is for how long, in ms, the data has been beyond maxmemory; 0 if it is not.
func (st *stats) overFor(now_ms int64) int64 {
	if since := st.overSince_ms.Load(); since != 0 {
		return max(0, now_ms-since)
	}
	return 0
}
