package metrics

import (
	"strconv"
	"strings"
)

// A figure is a field of INFO as a metric: its name without "redis_", and what it is. A name that ends in _total is a
// counter's.
type figure struct{ name, help string }

// figures are the fields that are plain numbers, by their names in INFO.
var figures = map[string]figure{
	"uptime_in_seconds": {"uptime_in_seconds", "Seconds since the start"},
	"process_id":        {"process_id", "Number of the process"},
	"io_threads_active": {"io_threads_active", "Whether I/O threads are at work"},

	"connected_clients":               {"connected_clients", "Clients that are connected, without replicas"},
	"blocked_clients":                 {"blocked_clients", "Clients that wait in a blocking command"},
	"tracking_clients":                {"tracking_clients", "Clients with client-side caching"},
	"clients_in_timeout_table":        {"clients_in_timeout_table", "Blocked clients whose wait has an end"},
	"pubsub_clients":                  {"pubsub_clients", "Clients that have subscribed"},
	"watching_clients":                {"watching_clients", "Clients that watch keys"},
	"total_watched_keys":              {"total_watched_keys", "Keys that are watched"},
	"total_blocking_keys":             {"total_blocking_keys", "Keys that clients wait for"},
	"total_blocking_keys_on_nokey":    {"total_blocking_keys_on_nokey", "Keys whose deletion clients wait for"},
	"maxclients":                      {"max_clients", "Limit of clients"},
	"cluster_connections":             {"cluster_connections", "Connections of the cluster bus"},
	"client_recent_max_output_buffer": {"client_recent_max_output_buffer_bytes", "Largest output that waited for a client lately"},
	"client_recent_max_input_buffer":  {"client_recent_max_input_buffer_bytes", "Largest input of a client that waited lately"},

	"used_memory":                   {"memory_used_bytes", "Memory that the server uses"},
	"used_memory_rss":               {"memory_used_rss_bytes", "Memory as the system sees it"},
	"used_memory_peak":              {"memory_used_peak_bytes", "Most memory that was used"},
	"used_memory_overhead":          {"memory_used_overhead_bytes", "Memory apart from the data"},
	"used_memory_startup":           {"memory_used_startup_bytes", "Memory that was used at the start"},
	"used_memory_dataset":           {"memory_used_dataset_bytes", "Memory of the data"},
	"used_memory_lua":               {"memory_used_lua_bytes", "Memory of scripts"},
	"used_memory_vm_eval":           {"memory_used_vm_eval_bytes", "Memory of the interpreters of EVAL"},
	"used_memory_vm_functions":      {"memory_used_vm_functions_bytes", "Memory of the interpreters of functions"},
	"used_memory_vm_total":          {"memory_used_vm_total", "Memory of all interpreters"},
	"used_memory_scripts":           {"memory_used_scripts_bytes", "Memory of cached scripts and functions"},
	"used_memory_scripts_eval":      {"memory_used_scripts_eval_bytes", "Memory of cached scripts"},
	"used_memory_functions":         {"memory_used_functions_bytes", "Memory of functions"},
	"number_of_cached_scripts":      {"number_of_cached_scripts", "Cached scripts"},
	"number_of_functions":           {"number_of_functions", "Functions"},
	"number_of_libraries":           {"number_of_libraries", "Libraries of functions"},
	"maxmemory":                     {"memory_max_bytes", "maxmemory"},
	"allocator_active":              {"allocator_active_bytes", "Pages in use"},
	"allocator_allocated":           {"allocator_allocated_bytes", "Memory that is allocated"},
	"allocator_resident":            {"allocator_resident_bytes", "Pages that are held"},
	"allocator_frag_ratio":          {"allocator_frag_ratio", "Pages in use for each allocated byte"},
	"allocator_frag_bytes":          {"allocator_frag_bytes", "Pages in use beyond what is allocated"},
	"allocator_rss_ratio":           {"allocator_rss_ratio", "Pages that are held for each one in use"},
	"allocator_rss_bytes":           {"allocator_rss_bytes", "Pages that are held beyond those in use"},
	"rss_overhead_ratio":            {"rss_overhead_ratio", "Resident memory for each held page"},
	"rss_overhead_bytes":            {"rss_overhead_bytes", "Resident memory beyond the held pages"},
	"mem_fragmentation_ratio":       {"mem_fragmentation_ratio", "Resident memory for each used byte"},
	"mem_fragmentation_bytes":       {"mem_fragmentation_bytes", "Resident memory beyond what is used"},
	"mem_clients_slaves":            {"mem_clients_slaves", "Memory of replicas' connections"},
	"mem_clients_normal":            {"mem_clients_normal", "Memory of clients"},
	"mem_aof_buffer":                {"mem_aof_buffer_bytes", "Memory of the append-only log's buffer"},
	"mem_cluster_links":             {"mem_cluster_links_bytes", "Memory of the cluster bus"},
	"mem_not_counted_for_evict":     {"mem_not_counted_for_eviction_bytes", "Used memory that maxmemory is not compared with"},
	"mem_total_replication_buffers": {"mem_total_replication_buffers_bytes", "Memory of replication"},
	"mem_replication_backlog":       {"mem_replication_backlog_bytes", "Memory of the replication backlog"},
	"lazyfree_pending_objects":      {"lazyfree_pending_objects", "Values that wait to be freed"},
	"lazyfreed_objects":             {"lazyfreed_objects_total", "Values that were freed in the background"},
	"active_defrag_running":         {"active_defrag_running", "Percent of a core that defragmentation takes"},
	"total_system_memory":           {"total_system_memory_bytes", "Memory of the machine"},

	"loading":                        {"loading_dump_file", "Whether a file is being loaded"},
	"async_loading":                  {"async_loading", "Whether a primary's data is being loaded beside the old"},
	"rdb_changes_since_last_save":    {"rdb_changes_since_last_save", "Changes since the last snapshot"},
	"rdb_bgsave_in_progress":         {"rdb_bgsave_in_progress", "Whether a snapshot is being written"},
	"rdb_last_save_time":             {"rdb_last_save_timestamp_seconds", "When the last snapshot was written"},
	"rdb_last_bgsave_status":         {"rdb_last_bgsave_status", "Whether the last snapshot succeeded"},
	"rdb_last_bgsave_time_sec":       {"rdb_last_bgsave_duration_sec", "How long the last snapshot took"},
	"rdb_current_bgsave_time_sec":    {"rdb_current_bgsave_duration_sec", "How long the present snapshot has taken"},
	"rdb_saves":                      {"rdb_saves_total", "Snapshots that were written"},
	"rdb_last_cow_size":              {"rdb_last_cow_size_bytes", "Memory that the last snapshot copied"},
	"rdb_last_load_keys_expired":     {"rdb_last_load_expired_keys", "Keys of the loaded file whose time was over"},
	"rdb_last_load_keys_loaded":      {"rdb_last_load_loaded_keys", "Keys of the loaded file"},
	"aof_enabled":                    {"aof_enabled", "Whether there is an append-only log"},
	"aof_rewrite_in_progress":        {"aof_rewrite_in_progress", "Whether the log is being rewritten"},
	"aof_rewrite_scheduled":          {"aof_rewrite_scheduled", "Whether a rewrite is to follow the snapshot"},
	"aof_last_rewrite_time_sec":      {"aof_last_rewrite_duration_sec", "How long the last rewrite took"},
	"aof_current_rewrite_time_sec":   {"aof_current_rewrite_duration_sec", "How long the present rewrite has taken"},
	"aof_last_cow_size":              {"aof_last_cow_size_bytes", "Memory that the last rewrite copied"},
	"aof_current_size":               {"aof_current_size_bytes", "Size of the log"},
	"aof_base_size":                  {"aof_base_size_bytes", "Size of the log after its last rewrite"},
	"aof_pending_rewrite":            {"aof_pending_rewrite", "Whether a rewrite is to follow the snapshot"},
	"aof_buffer_length":              {"aof_buffer_length", "Bytes that wait to be written to the log"},
	"aof_pending_bio_fsync":          {"aof_pending_bio_fsync", "Writes to the log that wait for the disk"},
	"aof_delayed_fsync":              {"aof_delayed_fsync", "How often the disk was too slow for the log"},
	"aof_last_bgrewrite_status":      {"aof_last_bgrewrite_status", "Whether the last rewrite succeeded"},
	"aof_last_write_status":          {"aof_last_write_status", "Whether the last write to the log succeeded"},
	"module_fork_in_progress":        {"module_fork_in_progress", "Whether a module has forked"},
	"module_fork_last_cow_size":      {"module_fork_last_cow_size", "Memory that a module's process copied"},
	"current_save_keys_processed":    {"current_save_keys_processed", "Keys that the present snapshot has written"},
	"current_save_keys_total":        {"current_save_keys_total_count", "Keys when the present snapshot began"},
	"current_fork_perc":              {"current_fork_perc", "How far a child process is"},
	"aof_rewrites":                   {"aof_rewrites_total", "Rewrites of the log"},
	"loading_total_bytes":            {"loading_total_bytes", "Size of the file that is being loaded"},
	"loading_loaded_bytes":           {"loading_loaded_bytes", "Bytes of it that were read"},
	"loading_eta_seconds":            {"loading_eta_seconds", "Seconds that loading is thought to take yet"},
	"loading_start_time":             {"load_start_time_seconds", "When loading began"},
	"total_connections_received":     {"connections_received_total", "Connections that were accepted"},
	"total_commands_processed":       {"commands_processed_total", "Commands that were run"},
	"instantaneous_ops_per_sec":      {"instantaneous_ops_per_sec", "Commands per second just now"},
	"total_net_input_bytes":          {"net_input_bytes_total", "Bytes that came in"},
	"total_net_output_bytes":         {"net_output_bytes_total", "Bytes that went out"},
	"total_net_repl_input_bytes":     {"net_repl_input_bytes_total", "Bytes that came in from the primary"},
	"total_net_repl_output_bytes":    {"net_repl_output_bytes_total", "Bytes that went out to replicas"},
	"instantaneous_input_kbps":       {"instantaneous_input_kbps", "KiB per second that come in just now"},
	"instantaneous_output_kbps":      {"instantaneous_output_kbps", "KiB per second that go out just now"},
	"rejected_connections":           {"rejected_connections_total", "Connections that were refused"},
	"sync_full":                      {"replica_resyncs_full", "Full syncs of replicas"},
	"sync_partial_ok":                {"replica_partial_resync_accepted", "Partial syncs of replicas"},
	"sync_partial_err":               {"replica_partial_resync_denied", "Partial syncs that had to become full"},
	"expired_keys":                   {"expired_keys_total", "Keys whose time was over"},
	"expired_subkeys":                {"expired_subkeys_total", "Hash fields whose time was over"},
	"expired_stale_perc":             {"expired_stale_percentage", "Percent of keys whose time is over and that are still there"},
	"expired_time_cap_reached_count": {"expired_time_cap_reached_total", "How often expiry was cut short"},
	"expire_cycle_cpu_milliseconds":  {"expire_cycle_cpu_time_ms_total", "Milliseconds that expiry took"},
	"evicted_keys":                   {"evicted_keys_total", "Keys that were evicted"},
	"evicted_clients":                {"evicted_clients_total", "Clients that were closed for their memory"},
	"evicted_scripts":                {"evicted_scripts_total", "Cached scripts that were dropped"},
	"total_eviction_exceeded_time":   {"total_eviction_exceeded_time", "Milliseconds above maxmemory"},
	"current_eviction_exceeded_time": {"current_eviction_exceeded_time", "Milliseconds above maxmemory since this began"},
	"keyspace_hits":                  {"keyspace_hits_total", "Look-ups that found a key"},
	"keyspace_misses":                {"keyspace_misses_total", "Look-ups that found none"},
	"pubsub_channels":                {"pubsub_channels", "Channels with subscribers"},
	"pubsub_patterns":                {"pubsub_patterns", "Patterns with subscribers"},
	"pubsubshard_channels":           {"pubsubshard_channels", "Sharded channels with subscribers"},
	"latest_fork_usec":               {"latest_fork_usec", "How long the last fork took: there is none"},
	"total_forks":                    {"forks_total", "Forks: there are none"},
	"migrate_cached_sockets":         {"migrate_cached_sockets_total", "Sockets of MIGRATE"},
	"slave_expires_tracked_keys":     {"slave_expires_tracked_keys", "Keys with a time of their own on a writable replica"},
	"active_defrag_hits":             {"defrag_hits", "Allocations that defragmentation moved"},
	"active_defrag_misses":           {"defrag_misses", "Allocations that it left"},
	"active_defrag_key_hits":         {"defrag_key_hits", "Keys of which it moved something"},
	"active_defrag_key_misses":       {"defrag_key_misses", "Keys that it left"},
	"total_active_defrag_time":       {"active_defrag_time_ms_total", "Milliseconds that it took"},
	"tracking_total_keys":            {"tracking_total_keys", "Keys that clients have in their caches"},
	"tracking_total_items":           {"tracking_total_items", "Clients with a key in their cache, over all keys"},
	"tracking_total_prefixes":        {"tracking_total_prefixes", "Prefixes that clients track"},
	"unexpected_error_replies":       {"unexpected_error_replies", "Errors that the primary's stream led to"},
	"total_error_replies":            {"total_error_replies", "Error replies"},
	"dump_payload_sanitizations":     {"dump_payload_sanitizations", "Payloads that were checked in depth"},
	"total_reads_processed":          {"total_reads_processed", "Reads from sockets"},
	"total_writes_processed":         {"total_writes_processed", "Writes to sockets"},
	"io_threaded_reads_processed":    {"io_threaded_reads_processed", "Reads by I/O threads"},
	"io_threaded_writes_processed":   {"io_threaded_writes_processed", "Writes by I/O threads"},
	"acl_access_denied_auth":         {"acl_access_denied_auth_total", "Failed authentications"},
	"acl_access_denied_cmd":          {"acl_access_denied_cmd_total", "Commands that access rules denied"},
	"acl_access_denied_key":          {"acl_access_denied_key_total", "Keys that access rules denied"},
	"acl_access_denied_channel":      {"acl_access_denied_channel_total", "Channels that access rules denied"},

	"client_query_buffer_limit_disconnections":  {"client_query_buffer_limit_disconnections_total", "Clients that were closed for too much input"},
	"client_output_buffer_limit_disconnections": {"client_output_buffer_limit_disconnections_total", "Clients that were closed for too much output"},

	"connected_slaves":               {"connected_slaves", "Replicas"},
	"min_slaves_good_slaves":         {"good_slaves", "Replicas that are not late"},
	"repl_backlog_size":              {"replication_backlog_bytes", "Size of the backlog"},
	"repl_backlog_active":            {"repl_backlog_is_active", "Whether there is a backlog"},
	"repl_backlog_first_byte_offset": {"repl_backlog_first_byte_offset", "Position of the backlog's first byte"},
	"repl_backlog_histlen":           {"repl_backlog_history_bytes", "Bytes in the backlog"},
	"master_repl_offset":             {"master_repl_offset", "Position of replication"},
	"second_repl_offset":             {"second_repl_offset", "Position up to which the former history is known"},
	"slave_repl_offset":              {"slave_repl_offset", "Position of this replica"},
	"slave_priority":                 {"slave_priority", "Priority for promotion"},
	"slave_read_only":                {"slave_read_only", "Whether this replica refuses writes"},
	"master_sync_left_bytes":         {"master_sync_left_bytes", "Bytes of the primary's snapshot that are to come"},
	"master_sync_total_bytes":        {"master_sync_total_bytes", "Size of the primary's snapshot"},
	"master_link_down_since_seconds": {"master_link_down_since_seconds", "How long the link to the primary has been down"},

	"used_cpu_sys":              {"cpu_sys_seconds_total", "Processor time in the system"},
	"used_cpu_user":             {"cpu_user_seconds_total", "Processor time in the program"},
	"used_cpu_sys_children":     {"cpu_sys_children_seconds_total", "Processor time of child processes in the system"},
	"used_cpu_user_children":    {"cpu_user_children_seconds_total", "Processor time of child processes"},
	"used_cpu_sys_main_thread":  {"cpu_sys_main_thread_seconds_total", "As cpu_sys_seconds_total: no thread is the main one"},
	"used_cpu_user_main_thread": {"cpu_user_main_thread_seconds_total", "As cpu_user_seconds_total: no thread is the main one"},

	"cluster_enabled": {"cluster_enabled", "Whether this is a node of Redis Cluster"},
}

// instanceLabels are the fields that redis_instance_info has as labels, in their order.
var instanceLabels = []string{"role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id", "process_id", "master_replid"}

// linkFields tell of the link to the primary; their metrics are labelled with who that is.
var linkFields = map[string]figure{
	"master_link_status":         {"master_link_up", "Whether the link to the primary is up"},
	"master_sync_in_progress":    {"master_sync_in_progress", "Whether the primary's snapshot is coming"},
	"master_last_io_seconds_ago": {"master_last_io_seconds_ago", "Seconds since the primary was last heard of"},
}

// Field takes a line of INFO. What no metric is made of is left out.
func (p *Page) Field(name, value string) {
	if f, ok := figures[name]; ok {
		if n, ok := number(value); ok {
			p.figure(f, n)
		}
	}
	if f, ok := linkFields[name]; ok {
		if n, ok := number(value); ok {
			p.Gauge("redis_"+f.name, f.help, n, "master_host", p.instance["master_host"], "master_port", p.instance["master_port"])
		}
		return
	}
	switch head, rest, _ := strings.Cut(name, "_"); {
	case head == "cmdstat":
		p.command(rest, pairs(value))
	case head == "errorstat":
		p.Counter("redis_errors_total", "Error replies by their code", atof(pairs(value)["count"]), "err", rest)
	case strings.HasPrefix(name, "db") && isNumber(name[2:]):
		p.database(name, pairs(value))
	case strings.HasPrefix(name, "slave") && isNumber(name[5:]):
		p.replica(pairs(value))
	default:
		p.instance[name] = value
		return
	}
}

func (p *Page) figure(f figure, value float64) {
	if strings.HasSuffix(f.name, "_total") {
		p.Counter("redis_"+f.name, f.help, value)
	} else {
		p.Gauge("redis_"+f.name, f.help, value)
	}
}

func (p *Page) command(name string, v map[string]string) {
	p.Counter("redis_commands_total", "Calls by command", atof(v["calls"]), "cmd", name)
	p.Counter("redis_commands_duration_seconds_total", "Time by command", atof(v["usec"])/1e6, "cmd", name)
	p.Counter("redis_commands_rejected_calls_total", "Calls that were refused before they ran, by command", atof(v["rejected_calls"]), "cmd", name)
	p.Counter("redis_commands_failed_calls_total", "Calls that ended with an error, by command", atof(v["failed_calls"]), "cmd", name)
}

func (p *Page) database(name string, v map[string]string) {
	if p.crowded("db") {
		return
	}
	p.Gauge("redis_db_keys", "Keys by database", atof(v["keys"]), "db", name)
	p.Gauge("redis_db_keys_expiring", "Keys with an expiry by database", atof(v["expires"]), "db", name)
	p.Gauge("redis_db_avg_ttl_seconds", "About how long keys with an expiry live on", atof(v["avg_ttl"])/1e3, "db", name)
}

func (p *Page) replica(v map[string]string) {
	if p.crowded("replica") {
		return
	}
	labels := []string{"slave_ip", v["ip"], "slave_port", v["port"], "slave_state", v["state"]}
	p.Gauge("redis_connected_slave_offset_bytes", "Position that the replica has confirmed", atof(v["offset"]), labels...)
	p.Gauge("redis_connected_slave_lag_seconds", "Seconds since the replica was last heard of", atof(v["lag"]), labels...)
}

// crowded counts what has a label of its own, and tells whether there were too many.
func (p *Page) crowded(what string) bool {
	p.counts[what]++
	return p.counts[what] > MaxLabels
}

// finish shows what is made of several fields.
func (p *Page) finish() {
	labels := make([]string, 0, 2*len(instanceLabels))
	for _, name := range instanceLabels {
		labels = append(labels, name, p.instance[name])
	}
	p.Gauge("redis_instance_info", "Who this is", 1, labels...)
	if p.instance["role"] == "slave" {
		p.Gauge("redis_slave_info", "Whose replica this is", 1, "master_host", p.instance["master_host"], "master_port", p.instance["master_port"],
			"read_only", p.instance["slave_read_only"])
	}
}

// number reads what INFO writes as a number or as an outcome.
func number(s string) (float64, bool) {
	switch s {
	case "ok", "up":
		return 1, true
	case "err", "fail", "down":
		return 0, true
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

func atof(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64) // INFO writes numbers
	return f
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// pairs cuts a=1,b=2.
func pairs(s string) map[string]string {
	m := map[string]string{}
	for s != "" {
		var one string
		one, s, _ = strings.Cut(s, ",")
		name, value, _ := strings.Cut(one, "=")
		m[name] = value
	}
	return m
}
