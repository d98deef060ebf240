package server

import (
	"slices"
	"strconv"
	"strings"

	"larder/keyspace"
	"larder/server/command"
)

func infoMemory(w *infoWriter) {
	m := w.memory()
	if m == nil {
		return
	}
	over, data := m.overhead(), m.dataset()
	w.bytes("used_memory", m.used)
	w.bytes("used_memory_rss", m.rss)
	w.bytes("used_memory_peak", m.peak)
	w.percent("used_memory_peak_perc", m.used, m.peak)
	w.int("used_memory_overhead", over)
	w.int("used_memory_startup", m.startup)
	w.int("used_memory_dataset", data)
	w.percent("used_memory_dataset_perc", data, max(m.used-m.startup, data))
	w.int("allocator_allocated", m.used)
	w.int("allocator_active", m.active)
	w.int("allocator_resident", m.resident)
	w.zeros("allocator_muzzy")
	w.bytes("total_system_memory", m.total)
	sm := w.srv.scriptMemory()
	w.bytes("used_memory_lua", sm.engines)
	w.int("used_memory_vm_eval", sm.engines)
	w.int("used_memory_scripts_eval", sm.scripts)
	w.int("number_of_cached_scripts", sm.cached)
	w.int("number_of_functions", sm.functions)
	w.int("number_of_libraries", sm.libraries)
	w.int("used_memory_vm_functions", sm.shared)
	w.bytes("used_memory_vm_total", sm.engines+sm.shared)
	w.int("used_memory_functions", sm.texts)
	w.bytes("used_memory_scripts", sm.scripts+sm.texts)
	w.bytes("maxmemory", w.srv.conf.Maxmemory.Get())
	w.text("maxmemory_policy", w.srv.conf.MaxmemoryPolicy.Get().String())
	w.fixed("allocator_frag_ratio", ratio(m.active, m.used), 2)
	w.int("allocator_frag_bytes", m.active-m.used)
	w.fixed("allocator_rss_ratio", ratio(m.resident, m.active), 2)
	w.int("allocator_rss_bytes", m.resident-m.active)
	w.fixed("rss_overhead_ratio", ratio(m.rss, m.resident), 2)
	w.int("rss_overhead_bytes", m.rss-m.resident)
	w.fixed("mem_fragmentation_ratio", ratio(m.rss, m.used), 2)
	w.int("mem_fragmentation_bytes", m.rss-m.used)
	w.int("mem_not_counted_for_evict", max(0, m.used-m.counted))
	backlog, replicas := w.srv.replicaMemory()
	w.int("mem_replication_backlog", backlog)
	w.int("mem_total_replication_buffers", w.srv.repl.memory())
	w.int("mem_clients_slaves", replicas)
	w.int("mem_clients_normal", m.clients)
	w.zeros("mem_cluster_links")
	w.int("mem_aof_buffer", m.logBuffer)
	w.text("mem_allocator", allocatorName)
	w.zeros("mem_overhead_db_hashtable_rehashing")
	w.int("active_defrag_running", int64(w.srv.defrag.effort.Load()))
	w.int("lazyfree_pending_objects", int64(m.buried))
	w.uint("lazyfreed_objects", m.lazyFreed+w.srv.functions.freed.Load())
	w.int("mem_tables", m.tables)
	w.int("mem_rounding", m.data-m.asked)
}

// allocatorName is what Redis's own tests and other tools go by: with jemalloc they expect its inner figures.
const allocatorName = "larder-arena"

func infoStats(w *infoWriter) {
	srv, st := w.srv, &w.srv.stats
	var keys keyspace.ShardStats
	var defrag keyspace.DefragStats
	if !w.eachShard(func(_ int, sh *keyspace.Shard) {
		s := &sh.Stats
		defrag.Add(sh.DefragStats())
		keys.Hits += s.Hits
		keys.Misses += s.Misses
		keys.Expired += s.Expired
		keys.Evicted += s.Evicted
		keys.FieldsExpired += s.FieldsExpired
		keys.ExpireLag_ms = max(keys.ExpireLag_ms, s.ExpireLag_ms)
	}) {
		return
	}
	t, turns := srv.traffic(), srv.busiest()
	st.mu.Lock()
	r := st.rates
	st.mu.Unlock()
	w.uint("total_connections_received", st.connections.Load())
	w.uint("total_commands_processed", st.commands.Load())
	w.uint("instantaneous_ops_per_sec", r.ops.perSecond())
	w.uint("total_net_input_bytes", t.BytesIn)
	w.uint("total_net_output_bytes", t.BytesOut)
	w.uint("total_net_repl_input_bytes", srv.repl.bytesIn.Load())
	w.uint("total_net_repl_output_bytes", srv.repl.bytesOut.Load())
	w.fixed("instantaneous_input_kbps", float64(r.in.perSecond())/1024, 2)
	w.fixed("instantaneous_output_kbps", float64(r.out.perSecond())/1024, 2)
	w.fixed("instantaneous_input_repl_kbps", float64(r.replIn.perSecond())/1024, 2)
	w.fixed("instantaneous_output_repl_kbps", float64(r.replOut.perSecond())/1024, 2)
	w.uint("rejected_connections", st.rejected.Load())
	w.uint("sync_full", srv.repl.fullSyncs.Load())
	w.uint("sync_partial_ok", srv.repl.partialSyncs.Load())
	w.uint("sync_partial_err", srv.repl.refusedSyncs.Load())
	w.uint("expired_keys", keys.Expired)
	w.fixed("expired_stale_perc", 0, 2)
	w.uint("expired_time_cap_reached_count", st.sweepsCut.Load())
	w.int("expire_cycle_cpu_milliseconds", st.sweep_ns.Load()/1e6)
	w.uint("evicted_keys", keys.Evicted)
	w.uint("evicted_clients", st.evictedClients.Load())
	w.uint("evicted_scripts", srv.scripts.evicted.Load())
	over := st.overFor(w.now)
	w.int("total_eviction_exceeded_time", st.over_ms.Load()+over)
	w.int("current_eviction_exceeded_time", over)
	w.uint("keyspace_hits", keys.Hits)
	w.uint("keyspace_misses", keys.Misses)
	channels, patterns := srv.hubs.plain.Totals()
	sharded, _ := srv.hubs.sharded.Totals()
	w.int("pubsub_channels", int64(channels))
	w.int("pubsub_patterns", int64(patterns))
	w.int("pubsubshard_channels", int64(sharded))
	w.zeros("latest_fork_usec")
	w.uint("total_forks", st.snapshots.Load()) // there is no fork, but who waits for a snapshot to begin looks at this
	w.int("migrate_cached_sockets", int64(srv.moves.kept()))
	w.int("slave_expires_tracked_keys", int64(srv.repl.tracked()))
	w.uint("active_defrag_hits", defrag.Moved)
	w.uint("active_defrag_misses", defrag.Looked)
	w.uint("active_defrag_key_hits", defrag.KeysMoved)
	w.uint("active_defrag_key_misses", defrag.KeysLooked-defrag.KeysMoved)
	total_ms, this_ms := srv.defrag.times()
	w.int("total_active_defrag_time", total_ms)
	w.int("current_active_defrag_time", this_ms)
	trackedKeys, trackedItems, prefixes := srv.tracker.totals()
	w.int("tracking_total_keys", int64(trackedKeys))
	w.int("tracking_total_items", int64(trackedItems))
	w.int("tracking_total_prefixes", int64(prefixes))
	w.uint("unexpected_error_replies", srv.repl.errorReplies.Load())
	w.uint("total_error_replies", st.errorReplies.Load())
	w.zeros("dump_payload_sanitizations")
	w.uint("total_reads_processed", t.Reads)
	w.uint("total_writes_processed", t.Writes)
	w.zeros("io_threaded_reads_processed", "io_threaded_writes_processed", "io_threaded_freed_objects", "io_threaded_poll_processed",
		"io_threaded_total_prefetch_batches", "io_threaded_total_prefetch_entries", "reply_buffer_shrinks", "reply_buffer_expands")
	// The loop with most to do: what it cannot take is the server's limit.
	w.uint("eventloop_cycles", turns.count)
	w.uint("eventloop_duration_sum", turns.nanos/1000)
	w.uint("eventloop_duration_cmd_sum", st.commandTime_ns.Load()/1000)
	w.uint("instantaneous_eventloop_cycles_per_sec", r.turns.perSecond())
	w.uint("instantaneous_eventloop_duration_usec", r.busy_us.perSecond())
	w.uint("acl_access_denied_auth", st.authFailures.Load())
	w.uint("acl_access_denied_cmd", st.deniedCommands.Load())
	w.uint("acl_access_denied_key", st.deniedKeys.Load())
	w.uint("acl_access_denied_channel", st.deniedChannels.Load())
	w.uint("acl_access_denied_db", st.deniedDBs.Load())
	w.uint("client_query_buffer_limit_disconnections", st.queryBufferKills.Load())
	w.uint("client_output_buffer_limit_disconnections", st.outputKills.Load())
	w.int("expire_lag_ms", keys.ExpireLag_ms)
	w.uint("evicted_keys_for_clients", st.evictedForClients.Load())
	w.uint("expired_subkeys", keys.FieldsExpired)
	w.uint("accept_errors", t.AcceptErrors)
	w.uint("rejected_by_allow_from", st.keptOut.Load())
	w.uint("tls_handshakes", srv.secure.handshakes.Load())
	w.uint("tls_handshakes_failed", srv.secure.failed.Load())
}

// statRows is the rows with a figure of some kind, by name.
func (srv *Server) statRows(has func(*command.Row) bool) (list []*command.Row) {
	for _, row := range srv.rows {
		if has(row) {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(a, b *command.Row) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func infoCommandstats(w *infoWriter) {
	for _, row := range w.srv.statRows(func(r *command.Row) bool {
		return r.Stats.Calls.Load()+r.Stats.Rejected.Load()+r.Stats.Failed.Load() > 0
	}) {
		s := &row.Stats
		calls, nanos := s.Calls.Load(), s.Time_ns.Load()
		perCall := 0.0
		if calls > 0 {
			perCall = float64(nanos) / 1000 / float64(calls)
		}
		w.text("cmdstat_"+row.Name, "calls="+strconv.FormatUint(calls, 10)+",usec="+strconv.FormatUint(nanos/1000, 10)+
			",usec_per_call="+strconv.FormatFloat(perCall, 'f', 2, 64)+",rejected_calls="+strconv.FormatUint(s.Rejected.Load(), 10)+
			",failed_calls="+strconv.FormatUint(s.Failed.Load(), 10))
	}
}

// fieldName makes what a client may have chosen a part of a field's name, as Redis does.
var fieldName = strings.NewReplacer("#", "_", ":", "_", "\r", "_", "\n", "_")

func infoErrorstats(w *infoWriter) {
	st := &w.srv.stats
	st.mu.Lock()
	defer st.mu.Unlock()
	codes := make([]string, 0, len(st.errors))
	for code := range st.errors {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	for _, code := range codes {
		w.text("errorstat_"+fieldName.Replace(code), "count="+strconv.FormatUint(st.errors[code], 10))
	}
}

func infoLatencystats(w *infoWriter) {
	percentiles := w.srv.conf.LatencyTrackingInfoPercentiles.Get()
	for _, row := range w.srv.statRows(func(r *command.Row) bool {
		h := w.srv.histograms[r.ID].Load()
		return h != nil && h.total() > 0
	}) {
		h := w.srv.histograms[row.ID].Load()
		parts := make([]string, len(percentiles))
		for i, p := range percentiles {
			parts[i] = "p" + strconv.FormatFloat(p, 'g', -1, 64) + "=" + strconv.FormatFloat(float64(h.percentile(p))/1000, 'f', 3, 64)
		}
		w.text("latency_percentiles_usec_"+row.Name, strings.Join(parts, ","))
	}
}

func infoKeyspace(w *infoWriter) {
	m := w.memory()
	if m == nil {
		return
	}
	for _, d := range m.databases {
		w.text("db"+strconv.Itoa(d.index), "keys="+strconv.Itoa(d.keys)+",expires="+strconv.Itoa(d.volatile)+
			",avg_ttl="+strconv.FormatInt(d.avgTTL_ms(), 10)+",subexpiry="+strconv.Itoa(d.subvolatile))
	}
}

func infoDebug(w *infoWriter) {
	turns := w.srv.busiest()
	w.zeros("eventloop_duration_aof_sum")
	w.int("eventloop_duration_cron_sum", w.srv.stats.house_ns.Load()/1000)
	w.uint("eventloop_duration_max", turns.longest/1000)
	w.uint("eventloop_cmd_per_cycle_max", turns.commands)
}
