package server

import (
	"math/bits"
	"os"
	"runtime/debug"

	"go.uber.org/zap"
)

// What maxmemory bounds. The data may take that much; and so may the process as a whole:
//
//	data        bytes of keys and values, tables and what the policy keeps
//	clients     their buffers, unless maxmemory-clients gives them an account of their own
//	resident    pages that hold the data, with the gaps in between, and free pages
//	program     what the process takes besides
//
// The replication backlog and the buffers of the append-only file have limits of their own and are not counted. Keys go
// when data and clients are too much, as in Redis; if that is because of clients the log says so, and the memory doctor.
// When only the pages are too many, entries move closer together first (keyspace.View.Squeeze), and keys go when that is not
// enough.
const (
	evictAtOnce   = 64 // steps by which one command makes room at most: what is still too much is left to the next ones
	squeezeAtOnce = 4  // of them, those that do not remove a key,
	buryAtOnce    = 16 // those that give back what was dropped before,
	sparseAtOnce  = 4  // and those that remove one only because pages are too many: they are given back when enough has left

	// A process of less than smallLimit is mostly program: there the data alone counts. From largeLimit on all does.
	smallLimit = 32 << 20
	largeLimit = 96 << 20

	// mostBase is the part of the Go heap at the start that counts as used memory. The rest is the program's, as its code
	// is, and shows in the resident set.
	mostBase = 1 << 20
)

// outOfMemory tells whether the data, or the process, has passed maxmemory.
func (srv *Server) outOfMemory() bool { return srv.dataOver() || srv.processOver() }

func (srv *Server) dataOver() bool {
	limit := srv.ks.MaxMemory()
	return limit > 0 && srv.countedMemory() > limit
}

// countedMemory is what is compared with maxmemory before the process as a whole is.
func (srv *Server) countedMemory() int64 { return srv.countedData() + srv.base + srv.countedClients() }

// countedData is what keys have to make room for, of what the arenas hold: not what only a snapshot still needs of a database that
// was emptied, which in Redis is the child's.
func (srv *Server) countedData() int64 { return srv.ks.Used() - srv.ks.Shadow() }

// countedClients is what clients take, if that counts.
func (srv *Server) countedClients() int64 {
	if srv.conf.MaxmemoryClients.Get() != 0 {
		return 0
	}
	return srv.clientMemory()
}

// processOver tells whether the pages that hold the data, and the program, are more than maxmemory.
func (srv *Server) processOver() bool {
	limit := srv.ks.MaxMemory()
	return limit > smallLimit && srv.pressingMemory(limit) > limit
}

// farOutOfMemory tells whether the data has passed maxmemory, or the process by more than what commands leave to the next ones.
func (srv *Server) farOutOfMemory() bool {
	limit := srv.ks.MaxMemory()
	return srv.dataOver() || limit > smallLimit && srv.pressingMemory(limit) > limit+limit/farPart
}

// farPart is the part of maxmemory by which pages may be too many before somebody else than the commands that write gives keys up.
const farPart = 128

// pressingMemory is what of the process is compared with a limit of more than smallLimit.
func (srv *Server) pressingMemory(limit int64) int64 {
	used := srv.ks.Used()
	extra := srv.ks.Resident() + srv.program.Load() - used
	return used - srv.ks.Shadow() + srv.countedClients() + extra/1024*min(1024, (limit-smallLimit)/((largeLimit-smallLimit)/1024))
}

// blameClients writes to the log, once a minute at most, that keys go because of clients.
func (srv *Server) blameClients(now_ms int64) {
	clients := srv.countedClients()
	if clients <= clientsSeen || srv.countedData()+srv.base > srv.ks.MaxMemory() {
		return
	}
	srv.stats.evictedForClients.Add(1)
	if last := srv.blamed_ms.Load(); now_ms-last > 60_000 && srv.blamed_ms.CompareAndSwap(last, now_ms) {
		srv.log.Warn("Keys are evicted because clients take memory: maxmemory-clients would bound it", zap.Int64("client_bytes", clients))
	}
}

// clientsSeen is how much clients take before they are blamed.
const clientsSeen = 1 << 20

// noteProgram measures what the process takes besides the data and the clients.
func (srv *Server) noteProgram() {
	heap := goHeapHeld()
	if srv.programStart == 0 { // at the start
		srv.heapStart = heap
		srv.programStart = max(1, residentMemory()-srv.ks.Resident())
	}
	srv.program.Store(srv.programStart + max(0, heap-srv.heapStart-srv.clientMemory()))
}

// goHeapHeld is the memory that the Go runtime holds from the system.
func goHeapHeld() int64 {
	m := readMetrics("/memory/classes/total:bytes", "/memory/classes/heap/released:bytes")
	return m[0] - m[1] - ballastSize
}

// logBuffer is what waits to be written to the append-only file.
func (srv *Server) logBuffer() int64 {
	if l := srv.aof.log.Load(); l != nil {
		return l.Pending()
	}
	return 0
}

// boundGarbage has the Go heap collected earlier when the process has a limit: with the ballast about 14 MB may wait to be
// collected then, instead of 70. While it sends snapshots, which pass through the heap, half of that.
func (srv *Server) boundGarbage() {
	if os.Getenv("GOGC") != "" || srv.copyOf != nil {
		return
	}
	srv.garbageLock.Lock()
	defer srv.garbageLock.Unlock()
	percent := 100
	if srv.ks.MaxMemory() > 0 {
		percent = 20
	}
	if srv.repl.sending.Load() > 0 {
		percent = 10
	}
	debug.SetGCPercent(percent)
}

// buryStep gives back some of what was dropped in one of the shards. No shard is held before.
func (ex *executor) buryStep() {
	i := bits.TrailingZeros64(uint64(ex.srv.ks.Graves()))
	if i == 64 {
		return
	}
	if ex.view.TakeUnless(1<<i, ex.view.GiveUp) {
		ex.srv.ks.Shard(i).Bury(buryBudget)
		ex.view.Release()
	}
}

// dataStays tells whether nothing leaves for want of memory, and nothing is refused for it: a replica is what its primary is; a
// member of a group that rests goes on from the position that its data has, see say; what is being loaded is not what it will
// be, and to what is left of a value that went in the midst of it the rest would be added; clients are paused so that the data
// stands still: what they have sent is asked again when the pause is over; and a script that keeps the server busy has some of
// the shards, for which who wants to end it must not wait.
func (ex *executor) dataStays() bool {
	srv := ex.srv
	return srv.repl.replica.Load() && srv.conf.ReplicaIgnoreMaxmemory.Get() || srv.resting() || srv.loading.Load() || srv.isBusy() ||
		srv.pause.active(ex.steady()) || srv.failoverPaused()
}

// makeRoom evicts keys while the data is beyond maxmemory, and tells whether there is room for more: it is within the
// limit, or it was possible to evict as many as one command should. No shard is held before.
func (ex *executor) makeRoom() bool {
	srv := ex.srv
	if !srv.outOfMemory() {
		return true
	}
	if ex.dataStays() {
		return true
	}
	evicts := srv.ks.Policy.Evicts()
	samples := int(srv.conf.MaxmemorySamples.Get())
	squeezed, buried, sparse := 0, 0, 0
	for range evictAtOnce {
		if srv.ks.Graves() != 0 { // what is gone already comes before what is still wanted
			if buried == buryAtOnce {
				return true
			}
			buried++
			if ex.buryStep(); !srv.outOfMemory() {
				return true
			}
			continue
		}
		if squeezed < squeezeAtOnce && !srv.dataOver() {
			squeezed++
			if ex.view.Squeeze() {
				if !srv.outOfMemory() {
					return true
				}
				continue
			}
			squeezed = squeezeAtOnce
		}
		if !evicts {
			return !srv.dataOver() && squeezed < squeezeAtOnce
		}
		if !srv.dataOver() {
			if sparse == sparseAtOnce {
				return true
			}
			sparse++
		}
		srv.blameClients(ex.now)
		if !ex.view.Evict(samples) {
			return ex.view.Missed() || ex.dataStays() // by now
		}
		ex.settle()
		ex.releaseApart()
		if !srv.outOfMemory() {
			return true
		}
	}
	return true
}
