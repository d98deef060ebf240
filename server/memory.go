package server

import (
	"math/rand/v2"
	"runtime/metrics"
	"time"

	"larder/keyspace"
)

// usedMemory is what the data takes, in bytes, up to a few KiB per shard.
func (srv *Server) usedMemory() int64 { return srv.ks.Used() }

// processMemory is what the server takes apart from the data: what it took when it started, and its clients and replicas. What else
// comes and goes on the Go heap is known only when it is collected, so it shows in the resident set alone.
func (srv *Server) processMemory() int64 {
	return srv.base + srv.clientMemory() + srv.peerMemory() + srv.repl.memory()
}

// notePeak keeps the highest sum of both.
func (srv *Server) notePeak() (used int64) {
	used = srv.usedMemory() + srv.processMemory()
	for {
		peak := srv.peak.Load()
		if used <= peak || srv.peak.CompareAndSwap(peak, used) {
			return used
		}
	}
}

// readMetrics reads figures of the Go runtime, in bytes.
func readMetrics(names ...string) []int64 {
	samples := make([]metrics.Sample, len(names))
	for i, n := range names {
		samples[i].Name = n
	}
	metrics.Read(samples)
	out := make([]int64, len(names))
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			out[i] = int64(s.Value.Uint64())
		}
	}
	return out
}

// readSeconds reads figures of the Go runtime that are times, in seconds.
func readSeconds(names ...string) []float64 {
	samples := make([]metrics.Sample, len(names))
	for i, n := range names {
		samples[i].Name = n
	}
	metrics.Read(samples)
	out := make([]float64, len(names))
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindFloat64 {
			out[i] = s.Value.Float64()
		}
	}
	return out
}

// processFigures is what the system and the Go runtime say about the process's memory, in bytes. Asking them takes longer
// than all the rest of an INFO, so an answer is good for processFresh, as long as the data has not grown much.
type processFigures struct {
	at       time.Time
	resident int64 // that the arenas held then
	rss      int64
	heap     int64 // that the Go runtime holds
	heapUsed int64 // of that, in pages with objects
}

const (
	processFresh = 100 * time.Millisecond
	processDrift = 1 << 20
)

// process is the figures of now, or of a moment ago.
func (srv *Server) process() *processFigures {
	now, resident := time.Now(), srv.ks.Resident()
	if p := srv.processSeen.Load(); p != nil && now.Sub(p.at) < processFresh && max(resident-p.resident, p.resident-resident) < processDrift {
		return p
	}
	heap := readMetrics("/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/objects:bytes",
		"/memory/classes/heap/unused:bytes")
	p := &processFigures{
		at: now, resident: resident, rss: residentMemory(), heap: heap[0] - heap[1] - ballastSize, heapUsed: heap[2] + heap[3] - ballastSize,
	}
	srv.processSeen.Store(p)
	return p
}

// memoryFigures is where the memory is, in bytes.
type memoryFigures struct {
	used, peak, startup int64
	counted             int64 // of that, what maxmemory is compared with
	pressing            int64 // and what of the process is; 0 if nothing is
	data                int64 // entries, tables and structures
	tables              int64 // of that, the tables in which keys stand
	asked               int64 // what the data's allocations were asked for, before rounding
	clients             int64
	active, resident    int64 // pages in use, and all that are held
	rss                 int64 // as the system sees the process
	total               int64 // of the machine, 0 if not known
	bound               int64 // of it, what the process may have; 0 if not known, or not asked for
	logBuffer           int64 // waits to be written to the append-only file

	limit                         int64 // maxmemory
	policy                        string
	evicts, onlyVolatile, follows bool // keys are removed at the limit; of them, only those that expire; none, as for a replica

	keys, buried int
	lazyFreed    uint64
	databases    []databaseFigures // those with keys
}

type databaseFigures struct {
	index, keys, volatile int
	subvolatile           int // hashes of which a field has an expiry
	tables                int64

	ttlSum_ms int64 // of the keys in the sample
	ttls      int   // how many there are
}

// memory gathers the figures, shard by shard; see eachShard. There are none if the view gives up a shard.
func (srv *Server) memory(view *keyspace.View) (m memoryFigures, ok bool) {
	dbs := make([]databaseFigures, srv.ks.Databases())
	pages, now := int64(0), time.Now().UnixMilli()
	ok = srv.eachShard(view, func(_ int, sh *keyspace.Shard) {
		sh.SyncUsed() // what is told has to agree with what maxmemory is compared with
		a := sh.Arena()
		held := a.ResidentBytes()
		m.data += a.LiveBytes()
		m.asked += a.AskedBytes()
		pages += held
		m.active += held - a.DirtyBytes()
		m.buried += sh.Buried()
		m.lazyFreed += sh.Stats.LazyFreed
		sh.EachDatabase(func(db int) {
			d := &dbs[db]
			d.keys += sh.Len(db)
			d.volatile += sh.Volatile(db)
			d.subvolatile += sh.Subvolatile(db)
			d.tables += int64(sh.TableBytes(db))
			d.sampleTTL(sh, db, now)
		})
	})
	if !ok {
		return m, false
	}
	m.counted = srv.countedMemory()
	m.used = srv.notePeak()
	m.peak, m.startup = srv.peak.Load(), srv.startup
	m.clients = srv.clientMemory()
	for i, d := range dbs {
		if d.keys > 0 {
			d.index = i
			m.keys += d.keys
			m.tables += d.tables
			m.databases = append(m.databases, d)
		}
	}
	p := srv.process()
	m.active += p.heapUsed
	m.resident = pages + p.heap
	m.rss = p.rss
	m.total = systemMemory()
	m.logBuffer = srv.logBuffer()
	if m.limit = srv.ks.MaxMemory(); m.limit > smallLimit {
		m.pressing = srv.pressingMemory(m.limit)
	}
	m.policy = srv.ks.Policy.Name
	m.evicts, m.onlyVolatile = srv.ks.Policy.Evicts(), srv.ks.Policy.Volatile
	m.follows = srv.repl.replica.Load() && srv.conf.ReplicaIgnoreMaxmemory.Get()
	return m, true
}

// overhead is what is not the user's data: tables, clients and the server itself.
func (m *memoryFigures) overhead() int64 { return m.used - m.data + m.tables }

// dataset is the user's data.
func (m *memoryFigures) dataset() int64 { return m.used - m.overhead() }

// ttlRounds is how often each shard is asked for a sample of its keys' times.
const ttlRounds = 4

// sampleTTL adds a sample of the shard's keys that have an expiry.
func (d *databaseFigures) sampleTTL(sh *keyspace.Shard, db int, now_ms int64) {
	if sh.Volatile(db) == 0 {
		return
	}
	for range ttlRounds {
		sum, n := sh.SampleTTL(db, rand.Uint64(), now_ms)
		d.ttlSum_ms += sum
		d.ttls += n
	}
}

// avgTTL_ms is about how many milliseconds the keys that have an expiry live on.
func (d *databaseFigures) avgTTL_ms() int64 {
	if d.ttls == 0 {
		return 0
	}
	return d.ttlSum_ms / int64(d.ttls)
}
