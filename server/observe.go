package server

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"larder/keyspace"
	"larder/replication"
	"larder/server/command"
	"larder/server/metrics"
)

// observer shows the server to those who watch it: /metrics, /healthz and /readyz at metrics-port.
type observer struct {
	http *metrics.Server
	view *keyspace.View // takes shards, one after the other
	had  []bool         // the databases in which keys were seen, by their numbers
}

// observe listens where the configuration says.
func (srv *Server) observe() error {
	o := &srv.observer
	o.view = keyspace.NewView(srv.ks)
	o.had = make([]bool, srv.ks.Databases())
	o.had[0] = true
	o.http = metrics.New(metrics.Options{Tell: srv.tell, Alive: srv.aliveCheck(), Ready: srv.readiness})
	srv.conf.OnChange(srv.reobserve, "metrics-port", "metrics-bind")
	return srv.reobserve()
}

// reobserve follows metrics-port and metrics-bind.
func (srv *Server) reobserve() error {
	if err := srv.observer.http.Listen(srv.conf.MetricsBind.Get(), int(srv.conf.MetricsPort.Get())); err != nil {
		srv.log.Warn("Could not listen for readers of metrics", zap.Int("port", int(srv.conf.MetricsPort.Get())), zap.Error(err))
		return errors.New("Unable to listen for readers of metrics. Check server logs.") //lint:ignore ST1005 clients read this text
	}
	return nil
}

// aliveWait is how long a loop may take to come to the end of what it does before it is called stuck.
const aliveWait = time.Second

// aliveCheck makes the check behind /healthz: every loop comes, within aliveWait, to a point between two callbacks.
func (srv *Server) aliveCheck() func() error {
	asked := make([]glance, len(srv.executors))
	return func() error {
		var answers []<-chan struct{}
		for i, ex := range srv.executors {
			if ex.loop != nil {
				answers = append(answers, asked[i].at(ex))
			}
		}
		timer := time.NewTimer(aliveWait)
		defer timer.Stop()
		missing := 0
		for _, answer := range answers {
			select {
			case <-answer:
			case <-timer.C:
				timer.Reset(0) // the others are only looked at
				select {
				case <-answer:
				default:
					missing++
				}
			}
		}
		if missing == 0 {
			return nil
		}
		// Besides there are loops that stand by for connections of other kinds: they may miss, too, while the world is stopped.
		return fmt.Errorf("%d of %d event loops have been in one command, or have waited for one, for %s", min(missing, srv.loops), srv.loops, aliveWait)
	}
}

// A glance at a loop waits for it to come to a point between two callbacks. One goroutine at most does, for all who ask meanwhile.
type glance struct {
	mu    sync.Mutex
	there chan struct{} // closed when the loop has come; nil while nobody waits
}

// at is closed when the executor's loop has come to such a point.
func (g *glance) at(ex *executor) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.there != nil {
		return g.there
	}
	there := make(chan struct{})
	g.there = there
	go func() {
		ex.enter()
		ex.leave()
		g.mu.Lock()
		g.there = nil
		g.mu.Unlock()
		close(there)
	}()
	return there
}

// readiness says why clients should not be sent here, if they should not.
func (srv *Server) readiness() error {
	select {
	case <-srv.stopping:
		return errors.New("shutting down")
	default:
	}
	if srv.ended.Load() {
		return errors.New("shutting down")
	}
	if srv.loading.Load() {
		if total := srv.saver.loaded.total.Load(); total > 0 {
			return fmt.Errorf("loading: %.1f%%", 100*float64(srv.saver.loaded.read.Load())/float64(total))
		}
		return errors.New("loading")
	}
	select {
	case <-srv.ready:
	default:
		return errors.New("starting")
	}
	if l := srv.repl.link.Load(); l != nil {
		if state := l.State(); state != replication.StateConnected {
			return fmt.Errorf("a replica whose link to its primary is down: %s", state)
		}
	}
	return nil
}

// observedSections are the sections of INFO that metrics are made of. That about the server itself is left out: it
// looks at listeners, which change in a stopped world.
var observedSections = []func(*infoWriter){
	infoReplication, infoClients, infoMemory, infoPersistence, infoStats, infoCPU, infoCommandstats, infoErrorstats, infoCluster, infoKeyspace,
}

// shardsWait is how long a page of metrics may wait, all in all, for shards that somebody holds: less than readers have patience.
const shardsWait = 2 * time.Second

// tell puts everything on a page of metrics. It takes one shard at a time, and none for longer than it takes to read
// some counters. What needs a shard that a script or another command has held for shardsWait is left out: those who watch the
// server want to know about it at that time most of all. Those who ask meanwhile wait together, not one after the other.
func (srv *Server) tell(p *metrics.Page) {
	now := time.Now()
	up := now.Sub(srv.started)
	p.Field("redis_version", RedisVersion)
	p.Field("redis_build_id", buildID)
	p.Field("redis_mode", "standalone")
	p.Field("os", systemName())
	p.Field("tcp_port", strconv.FormatInt(srv.tcpPort(), 10))
	p.Field("maxmemory_policy", srv.conf.MaxmemoryPolicy.Get().String()) // it labels the server, also when the section Memory is left out
	p.Field("run_id", srv.runID)
	p.Field("process_id", strconv.Itoa(os.Getpid()))
	p.Field("uptime_in_seconds", strconv.FormatInt(int64(up.Seconds()), 10))
	p.Gauge("redis_start_time_seconds", "When the server started", float64(srv.started.Unix()))
	until := p.Asked.Add(shardsWait)
	srv.observer.view.GiveUp = func() bool { return time.Now().After(until) }
	w := &infoWriter{srv: srv, now: now.UnixMilli(), view: srv.observer.view, to: p.Field}
	for _, section := range observedSections {
		section(w)
	}
	srv.tellEmpty(p, w)
	p.Gauge("redis_config_maxclients", "maxclients", float64(srv.conf.MaxClients.Get()))
	p.Gauge("redis_config_maxmemory", "maxmemory", float64(uint64(srv.conf.Maxmemory.Get())))
	srv.tellSlow(p)
	srv.tellTimes(p)
	srv.tellLoops(p)
	srv.tellShards(p, w)
	srv.tellCollector(p)
	srv.tellFiles(p)
	srv.tellReplicas(p, srv.steady())
	ready := 1.0
	if srv.readiness() != nil {
		ready = 0
	}
	incomplete := 0.0
	if w.incomplete {
		incomplete = 1
	}
	p.Gauge("larder_metrics_incomplete", "Whether figures are missing here because a command has held a part of the keys for too long", incomplete)
	p.Gauge("larder_ready", "Whether clients should be sent here", ready)
	p.Gauge("larder_build_info", "Which version this is", 1, "version", Version, "commit", Commit, "go_version", runtime.Version())
}

// tellEmpty tells of the databases that have no keys, which INFO leaves out: a series that ends is no 0 to those who watch it. Only
// of the first one and of those that had keys, as most databases are never used.
func (srv *Server) tellEmpty(p *metrics.Page, w *infoWriter) {
	m := w.memory()
	if m == nil {
		return
	}
	had, has := srv.observer.had, map[int]bool{}
	for _, d := range m.databases {
		had[d.index], has[d.index] = true, true
	}
	for db, before := range had {
		if before && !has[db] {
			p.Field("db"+strconv.Itoa(db), "keys=0,expires=0,avg_ttl=0,subexpiry=0")
		}
	}
}

// tellSlow tells of the slow log and the latency monitor.
func (srv *Server) tellSlow(p *metrics.Page) {
	l := &srv.logs.slow
	l.mu.Lock()
	n, last, took := len(l.entries), int64(0), 0.0
	if n > 0 {
		last, took = l.entries[n-1].id, float64(l.entries[n-1].value)/1e6
	}
	l.mu.Unlock()
	p.Gauge("redis_slowlog_length", "Entries in the slow log", float64(n))
	p.Gauge("redis_slowlog_last_id", "Number of the slow log's last entry", float64(last))
	p.Gauge("redis_last_slow_execution_duration_seconds", "How long the slow log's last command took", took)
	m := &srv.latency
	m.mu.Lock()
	defer m.mu.Unlock()
	for event, e := range m.events {
		s := e.samples[len(e.samples)-1]
		p.Gauge("redis_latency_spike_last", "When the event was last slow", float64(s.at_s), "event_name", event)
		p.Gauge("redis_latency_spike_duration_seconds", "How slow it was then", float64(s.took_ms)/1e3, "event_name", event)
	}
}

// tellTimes tells how long commands take, as LATENCY HISTOGRAM and INFO latencystats do.
func (srv *Server) tellTimes(p *metrics.Page) {
	percentiles := srv.conf.LatencyTrackingInfoPercentiles.Get()
	for _, row := range srv.statRows(func(r *command.Row) bool { return srv.histograms[r.ID].Load() != nil }) {
		h := srv.histograms[row.ID].Load()
		total, sum := h.total(), float64(row.Stats.Time_ns.Load())/1e3
		if total == 0 {
			continue
		}
		quantiles, buckets := map[float64]float64{}, map[float64]uint64{}
		for _, q := range percentiles {
			quantiles[q] = float64(h.percentile(q)) / 1e3
		}
		for _, s := range h.steps() {
			buckets[float64(s.usec)] = s.calls
		}
		p.Summary("redis_latency_percentiles_usec", "Run times in microseconds by percentile", total, sum, quantiles, "cmd", row.Name)
		p.Histogram("redis_commands_latencies_usec", "Run times in microseconds", total, sum, buckets, "cmd", row.Name)
	}
}

// tellLoops tells how busy the loops are: the rate of larder_loop_busy_seconds_total is the part of a core that a loop
// takes.
func (srv *Server) tellLoops(p *metrics.Page) {
	for i, ex := range srv.executors {
		if ex.loop == nil {
			continue
		}
		turns := ex.turns.count.Load()
		if turns == 0 && i >= srv.loops {
			continue // a loop for connections that no event loop can serve, and there were none
		}
		loop := strconv.Itoa(i)
		p.Counter("larder_loop_busy_seconds_total", "Time that the loop was busy", float64(ex.turns.nanos.Load())/1e9, "loop", loop)
		p.Counter("larder_loop_turns_total", "Turns in which the loop had something to do", float64(turns), "loop", loop)
		p.Gauge("larder_loop_longest_turn_seconds", "The longest turn since the start or CONFIG RESETSTAT", float64(ex.turns.longest.Load())/1e9, "loop", loop)
		p.Gauge("larder_loop_clients_memory_bytes", "Memory of the loop's clients", float64(ex.clientMem.Load()), "loop", loop)
	}
	p.Counter("larder_janitor_busy_seconds_total", "Time that expiry, freeing, defragmentation and the like took", float64(srv.stats.house_ns.Load())/1e9)
	p.Counter("larder_expire_busy_seconds_total", "Of that, the time that expiry took", float64(srv.stats.sweep_ns.Load())/1e9)
}

// tellShards tells how the keys are spread.
func (srv *Server) tellShards(p *metrics.Page, w *infoWriter) {
	shards := srv.ks.Shards()
	var most, sum, lag int64
	all := w.eachShard(func(i int, sh *keyspace.Shard) {
		keys := int64(0)
		for db := range srv.ks.Databases() {
			keys += int64(sh.Len(db))
		}
		n := strconv.Itoa(i)
		p.Gauge("larder_shard_keys", "Keys in the shard", float64(keys), "shard", n)
		p.Gauge("larder_shard_memory_bytes", "Memory of the shard's data", float64(sh.Arena().LiveBytes()), "shard", n)
		most, sum, lag = max(most, keys), sum+keys, max(lag, sh.Stats.ExpireLag_ms)
	})
	if !all {
		return
	}
	balance := 1.0
	if sum > 0 {
		balance = float64(most) * float64(shards) / float64(sum)
	}
	p.Gauge("larder_shard_imbalance_ratio", "Keys of the fullest shard over the mean", balance)
	p.Gauge("larder_expire_lag_seconds", "How late the last expired keys were removed", float64(lag)/1e3)
}

// tellCollector tells what Go's garbage collector takes. The data stands outside of its heap.
func (srv *Server) tellCollector(p *metrics.Page) {
	t := readSeconds("/cpu/classes/total:cpu-seconds", "/cpu/classes/idle:cpu-seconds", "/cpu/classes/gc/total:cpu-seconds")
	gc, share := t[2], 0.0
	if busy := t[0] - t[1]; busy > 0 {
		share = gc / busy
	}
	p.Counter("larder_gc_cpu_seconds_total", "Processor time of the garbage collector, as of its last run", gc)
	p.Gauge("larder_gc_cpu_share", "Its part of all processor time since the start, 0 to 1", share)
}

// tellFiles tells how far a snapshot, or the loading of one, is.
func (srv *Server) tellFiles(p *metrics.Page) {
	progress := 0.0
	if job := srv.saver.job.Load(); job != nil {
		if done, total := job.Progress(); total > 0 {
			progress = min(1, float64(done)/float64(total))
		}
	}
	p.Gauge("larder_snapshot_progress_ratio", "Part of the keys that the present snapshot has written, 0 if there is none", progress)
	loaded := 1.0
	if st := &srv.saver.loaded; srv.loading.Load() {
		loaded = ratio(st.read.Load(), st.total.Load())
	}
	p.Gauge("larder_loading_progress_ratio", "Part of the file that was loaded, 1 if nothing is being loaded", loaded)
}

// tellReplicas tells how far replicas are behind.
func (srv *Server) tellReplicas(p *metrics.Page, now_ms int64) {
	r := &srv.repl
	end, behind, lag := r.offset(), int64(0), int64(0)
	for _, peer := range r.list() {
		if peer.isOnline() {
			behind = max(behind, end-peer.acked.Load())
			lag = max(lag, now_ms-peer.heard_ms.Load())
		}
	}
	p.Gauge("larder_replication_behind_bytes", "What the slowest replica that is online has not confirmed yet", float64(behind))
	p.Gauge("larder_replication_silence_seconds", "Time since the replica was heard of that has been silent for longest", float64(max(0, lag))/1e3)
	p.Gauge("larder_replication_good_replicas", "Replicas that are online and not late (min-replicas-max-lag)", float64(r.good.Load()))
	refused := 0.0
	if srv.unsaved() != "" {
		refused = 1
	}
	p.Gauge("larder_writes_refused", "Whether clients' writes are refused because they could not be saved", refused)
}

// stopObserving ends the readers of metrics; it must not be called while a shard is held.
func (srv *Server) stopObserving() { srv.observer.http.Close() }
