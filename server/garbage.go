package server

import (
	"runtime/debug"
	"sync/atomic"
)

// garbage is what the janitor knows of the Go heap. What is there are buffers, mostly: a command of a hundred megabytes passes
// through the log's on its way to the file, and leaves them behind. The collector takes what was in use when it last came by
// for the measure, and with so much of it may not come again for minutes. The system has to hold all of that meanwhile, and
// at maxmemory keys would go for it. So a heap that has become much larger, and has stopped growing, is collected, and what is
// free goes back to the system.
//
// While garbage is made all the time, as scripts do, the collector comes by itself every 70 MB or so (see ballast): what went back
// to the system would have to be fetched again at once, page by page, which can cost more than the scripts. So then it takes more.
//
// It may have been no garbage, or not yet: then the next try is twice as long in coming, unless the heap grows by half. So it
// is if as much is there again soon: scripts, say, leave garbage all the time, which the collector takes by itself, and what
// went back to the system has to be fetched again.
type garbage struct {
	start    int64        // bytes that were held at the start
	left     int64        // and after the last collection of this kind
	held     int64        // at the last look
	made     int64        // bytes that were allocated until then, ever
	still    int          // looks since it has grown
	patience int          // looks from the last collection of this kind to the next
	waited   int          // how many of them have been
	before   int64        // bytes that were held before the last collection, if that has helped; else 0
	back     int          // looks after it at which as much was held again; 0: not yet
	swept    atomic.Int64 // what the collection that was begun has left; 0: it has not ended
	sweeping bool         // one was begun
}

const (
	garbageLeast   = 64 << 20         // bytes that may lie around
	garbageMost    = 3 * garbageLeast // and while so many are made between two looks:
	garbageChurn   = 2 << 20
	garbageStill   = 3 // looks without growth
	garbageSoonest = 5 // looks
	garbageLatest  = 1 << 10
	garbageSoon    = 50 // looks after which what comes back has come for another reason
)

// due tells whether to collect now. held is what the Go heap holds of the system's memory, made what was allocated on it since
// the program began, in bytes. Whoever is told so stores in swept what is held afterwards.
func (g *garbage) due(held, made int64) bool {
	if g.sweeping {
		left := g.swept.Swap(0)
		if left == 0 {
			return false
		}
		helped, again := left <= g.held/8*7, g.back != 0 && g.back <= garbageSoon
		if helped && !again {
			g.patience = garbageSoonest
		} else {
			g.patience = min(max(2*g.patience, garbageSoonest), garbageLatest)
		}
		g.sweeping, g.waited, g.left, g.back, g.before = false, 0, left, 0, 0
		if helped {
			g.before = g.held
		}
	}
	if held > g.held+g.held/16 {
		g.still = 0
	} else {
		g.still++
	}
	g.held = held
	g.waited++
	if g.back == 0 && g.before != 0 && held > g.before/8*7 {
		g.back = g.waited
	}
	least := int64(garbageLeast)
	if made-g.made > garbageChurn {
		least = garbageMost
	}
	g.made = made
	worth := held > g.start+least
	again := g.waited >= g.patience || held > g.left+g.left/2+garbageLeast
	g.sweeping = worth && again && g.still >= garbageStill
	return g.sweeping
}

// sweepGarbage has the Go heap collected if that is due, apart: it takes some milliseconds for each hundred megabytes.
func (srv *Server) sweepGarbage() {
	if !srv.garbage.due(goHeapHeld(), readMetrics("/gc/heap/allocs:bytes")[0]) {
		return
	}
	go func() {
		debug.FreeOSMemory()
		srv.garbage.swept.Store(max(1, goHeapHeld()))
		srv.processSeen.Store(nil)
	}()
}
