package metrics

import (
	"strconv"
	"strings"
)

// A figure is a field of INFO as a metric: its name without "redis_", and what it is. A name that ends in _total is a
// counter's, unless it is said to be a gauge.
type figure struct {
	name, help string
	gauge      bool
}

// figures are the fields that are plain numbers, by their names in INFO.
var figures = map[string]figure{
	"uptime_in_seconds": {name: "uptime_in_seconds", help: "Seconds since the start"},
	"process_id":        {name: "process_id", help: "Number of the process"},
	"io_threads_active": {name: "io_threads_active", help: "Whether I/O threads are at work"},

	"connected_clients":               {name: "connected_clients", help: "Clients that are connected, without replicas"},
	"blocked_clients":                 {name: "blocked_clients", help: "Clients that wait in a blocking command"},
	"tracking_clients":                {name: "tracking_clients", help: "Clients with client-side caching"},
	"clients_in_timeout_table":        {name: "clients_in_timeout_table", help: "Blocked clients whose wait has an end"},
	"pubsub_clients":                  {name: "pubsub_clients", help: "Clients that have subscribed"},
	"watching_clients":                {name: "watching_clients", help: "Clients that watch keys"},
	"total_watched_keys":              {name: "total_watched_keys", help: "Keys that are watched"},
	"total_blocking_keys":             {name: "total_blocking_keys", help: "Keys that clients wait for"},
	"total_blocking_keys_on_nokey":    {name: "total_blocking_keys_on_nokey", help: "Keys whose deletion clients wait for"},
	"maxclients":                      {name: "max_clients", help: "Limit of clients"},
	"cluster_connections":             {name: "cluster_connections", help: "Connections of the cluster bus"},
	"client_recent_max_output_buffer": {name: "client_recent_max_output_buffer_bytes", help: "Largest output that waited for a client lately"},
	"client_recent_max_input_buffer":  {name: "client_recent_max_input_buffer_bytes", help: "Largest input of a client that waited lately"},

	"used_memory":                   {name: "memory_used_bytes", help: "Memory that the server uses"},
	"used_memory_rss":               {name: "memory_used_rss_bytes", help: "Memory as the system sees it"},
	"used_memory_peak":              {name: "memory_used_peak_bytes", help: "Most memory that was used"},
	"used_memory_overhead":          {name: "memory_used_overhead_bytes", help: "Memory apart from the data"},
	"used_memory_startup":           {name: "memory_used_startup_bytes", help: "Memory that was used at the start"},
	"used_memory_dataset":           {name: "memory_used_dataset_bytes", help: "Memory of the data"},
	"used_memory_lua":               {name: "memory_used_lua_bytes", help: "Memory of scripts"},
	"used_memory_vm_eval":           {name: "memory_used_vm_eval_bytes", help: "Memory of the interpreters of EVAL"},
	"used_memory_vm_functions":      {name: "memory_used_vm_functions_bytes", help: "Memory of the interpreters of functions"},
	"used_memory_vm_total":          {name: "memory_used_vm_total", help: "Memory of all interpreters", gauge: true},
	"used_memory_scripts":           {name: "memory_used_scripts_bytes", help: "Memory of cached scripts and functions"},
	"used_memory_scripts_eval":      {name: "memory_used_scripts_eval_bytes", help: "Memory of cached scripts"},
	"used_memory_functions":         {name: "memory_used_functions_bytes", help: "Memory of functions"},
	"number_of_cached_scripts":      {name: "number_of_cached_scripts", help: "Cached scripts"},
	"number_of_functions":           {name: "number_of_functions", help: "Functions"},
	"number_of_libraries":           {name: "number_of_libraries", help: "Libraries of functions"},
	"maxmemory":                     {name: "memory_max_bytes", help: "maxmemory"},
	"allocator_active":              {name: "allocator_active_bytes", help: "Pages in use"},
	"allocator_allocated":           {name: "allocator_allocated_bytes", help: "Memory that is allocated"},
	"allocator_resident":            {name: "allocator_resident_bytes", help: "Pages that are held"},
	"allocator_frag_ratio":          {name: "allocator_frag_ratio", help: "Pages in use for each allocated byte"},
	"allocator_frag_bytes":          {name: "allocator_frag_bytes", help: "Pages in use beyond what is allocated"},
	"allocator_rss_ratio":           {name: "allocator_rss_ratio", help: "Pages that are held for each one in use"},
	"allocator_rss_bytes":           {name: "allocator_rss_bytes", help: "Pages that are held beyond those in use"},
	"rss_overhead_ratio":            {name: "rss_overhead_ratio", help: "Resident memory for each held page"},
	"rss_overhead_bytes":            {name: "rss_overhead_bytes", help: "Resident memory beyond the held pages"},
	"mem_fragmentation_ratio":       {name: "mem_fragmentation_ratio", help: "Resident memory for each used byte"},
	"mem_fragmentation_bytes":       {name: "mem_fragmentation_bytes", help: "Resident memory beyond what is used"},
	"mem_clients_slaves":            {name: "mem_clients_slaves", help: "Memory of replicas' connections"},
	"mem_clients_normal":            {name: "mem_clients_normal", help: "Memory of clients"},
	"mem_aof_buffer":                {name: "mem_aof_buffer_bytes", help: "Memory of the append-only log's buffer"},
	"mem_cluster_links":             {name: "mem_cluster_links_bytes", help: "Memory of the cluster bus"},
	"mem_not_counted_for_evict":     {name: "mem_not_counted_for_eviction_bytes", help: "Used memory that maxmemory is not compared with"},
	"mem_total_replication_buffers": {name: "mem_total_replication_buffers_bytes", help: "Memory of replication"},
	"mem_replication_backlog":       {name: "mem_replication_backlog_bytes", help: "Memory of the replication backlog"},
	"lazyfree_pending_objects":      {name: "lazyfree_pending_objects", help: "Values that wait to be freed"},
	"lazyfreed_objects":             {name: "lazyfreed_objects_total", help: "Values that were freed in the background"},
	"active_defrag_running":         {name: "active_defrag_running", help: "Percent of a core that defragmentation takes"},
	"total_system_memory":           {name: "total_system_memory_bytes", help: "Memory of the machine"},

	"loading":                        {name: "loading_dump_file", help: "Whether a file is being loaded"},
	"async_loading":                  {name: "async_loading", help: "Whether a primary's data is being loaded beside the old"},
	"rdb_changes_since_last_save":    {name: "rdb_changes_since_last_save", help: "Changes since the last snapshot"},
	"rdb_bgsave_in_progress":         {name: "rdb_bgsave_in_progress", help: "Whether a snapshot is being written"},
	"rdb_last_save_time":             {name: "rdb_last_save_timestamp_seconds", help: "When the last snapshot was written"},
	"rdb_last_bgsave_status":         {name: "rdb_last_bgsave_status", help: "Whether the last snapshot succeeded"},
	"rdb_last_bgsave_time_sec":       {name: "rdb_last_bgsave_duration_sec", help: "How long the last snapshot took"},
	"rdb_current_bgsave_time_sec":    {name: "rdb_current_bgsave_duration_sec", help: "How long the present snapshot has taken"},
	"rdb_saves":                      {name: "rdb_saves_total", help: "Snapshots that were written"},
	"rdb_last_cow_size":              {name: "rdb_last_cow_size_bytes", help: "Memory that the last snapshot copied"},
	"rdb_last_load_keys_expired":     {name: "rdb_last_load_expired_keys", help: "Keys of the loaded file whose time was over"},
	"rdb_last_load_keys_loaded":      {name: "rdb_last_load_loaded_keys", help: "Keys of the loaded file"},
	"aof_enabled":                    {name: "aof_enabled", help: "Whether there is an append-only log"},
	"aof_rewrite_in_progress":        {name: "aof_rewrite_in_progress", help: "Whether the log is being rewritten"},
	"aof_rewrite_scheduled":          {name: "aof_rewrite_scheduled", help: "Whether a rewrite is to follow the snapshot"},
	"aof_last_rewrite_time_sec":      {name: "aof_last_rewrite_duration_sec", help: "How long the last rewrite took"},
	"aof_current_rewrite_time_sec":   {name: "aof_current_rewrite_duration_sec", help: "How long the present rewrite has taken"},
	"aof_last_cow_size":              {name: "aof_last_cow_size_bytes", help: "Memory that the last rewrite copied"},
	"aof_current_size":               {name: "aof_current_size_bytes", help: "Size of the log"},
	"aof_base_size":                  {name: "aof_base_size_bytes", help: "Size of the log after its last rewrite"},
	"aof_pending_rewrite":            {name: "aof_pending_rewrite", help: "Whether a rewrite is to follow the snapshot"},
	"aof_buffer_length":              {name: "aof_buffer_length", help: "Bytes that wait to be written to the log"},
	"aof_pending_bio_fsync":          {name: "aof_pending_bio_fsync", help: "Writes to the log that wait for the disk"},
	"aof_delayed_fsync":              {name: "aof_delayed_fsync", help: "How often the disk was too slow for the log"},
	"aof_last_bgrewrite_status":      {name: "aof_last_bgrewrite_status", help: "Whether the last rewrite succeeded"},
	"aof_last_write_status":          {name: "aof_last_write_status", help: "Whether the last write to the log succeeded"},
	"module_fork_in_progress":        {name: "module_fork_in_progress", help: "Whether a module has forked"},
	"module_fork_last_cow_size":      {name: "module_fork_last_cow_size", help: "Memory that a module's process copied"},
	"current_save_keys_processed":    {name: "current_save_keys_processed", help: "Keys that the present snapshot has written"},
	"current_save_keys_total":        {name: "current_save_keys_total_count", help: "Keys when the present snapshot began"},
	"current_fork_perc":              {name: "current_fork_perc", help: "How far a child process is"},
	"aof_rewrites":                   {name: "aof_rewrites_total", help: "Rewrites of the log"},
	"loading_total_bytes":            {name: "loading_total_bytes", help: "Size of the file that is being loaded"},
	"loading_loaded_bytes":           {name: "loading_loaded_bytes", help: "Bytes of it that were read"},
	"loading_eta_seconds":            {name: "loading_eta_seconds", help: "Seconds that loading is thought to take yet"},
	"loading_start_time":             {name: "load_start_time_seconds", help: "When loading began"},
	"total_connections_received":     {name: "connections_received_total", help: "Connections that were accepted"},
	"total_commands_processed":       {name: "commands_processed_total", help: "Commands that were run"},
	"instantaneous_ops_per_sec":      {name: "instantaneous_ops_per_sec", help: "Commands per second just now"},
	"total_net_input_bytes":          {name: "net_input_bytes_total", help: "Bytes that came in"},
	"total_net_output_bytes":         {name: "net_output_bytes_total", help: "Bytes that went out"},
	"total_net_repl_input_bytes":     {name: "net_repl_input_bytes_total", help: "Bytes that came in from the primary"},
	"total_net_repl_output_bytes":    {name: "net_repl_output_bytes_total", help: "Bytes that went out to replicas"},
	"instantaneous_input_kbps":       {name: "instantaneous_input_kbps", help: "KiB per second that come in just now"},
	"instantaneous_output_kbps":      {name: "instantaneous_output_kbps", help: "KiB per second that go out just now"},
	"rejected_connections":           {name: "rejected_connections_total", help: "Connections that were refused"},
	"sync_full":                      {name: "replica_resyncs_full", help: "Full syncs of replicas"},
	"sync_partial_ok":                {name: "replica_partial_resync_accepted", help: "Partial syncs of replicas"},
	"sync_partial_err":               {name: "replica_partial_resync_denied", help: "Partial syncs that had to become full"},
	"expired_keys":                   {name: "expired_keys_total", help: "Keys whose time was over"},
	"expired_subkeys":                {name: "expired_subkeys_total", help: "Hash fields whose time was over"},
	"expired_stale_perc":             {name: "expired_stale_percentage", help: "Percent of keys whose time is over and that are still there"},
	"expired_time_cap_reached_count": {name: "expired_time_cap_reached_total", help: "How often expiry was cut short"},
	"expire_cycle_cpu_milliseconds":  {name: "expire_cycle_cpu_time_ms_total", help: "Milliseconds that expiry took"},
	"evicted_keys":                   {name: "evicted_keys_total", help: "Keys that were evicted"},
	"evicted_clients":                {name: "evicted_clients_total", help: "Clients that were closed for their memory"},
	"evicted_scripts":                {name: "evicted_scripts_total", help: "Cached scripts that were dropped"},
	"total_eviction_exceeded_time":   {name: "total_eviction_exceeded_time", help: "Milliseconds above maxmemory"},
	"current_eviction_exceeded_time": {name: "current_eviction_exceeded_time", help: "Milliseconds above maxmemory since this began"},
	"keyspace_hits":                  {name: "keyspace_hits_total", help: "Look-ups that found a key"},
	"keyspace_misses":                {name: "keyspace_misses_total", help: "Look-ups that found none"},
	"pubsub_channels":                {name: "pubsub_channels", help: "Channels with subscribers"},
	"pubsub_patterns":                {name: "pubsub_patterns", help: "Patterns with subscribers"},
	"pubsubshard_channels":           {name: "pubsubshard_channels", help: "Sharded channels with subscribers"},
	"latest_fork_usec":               {name: "latest_fork_usec", help: "How long the last fork took: there is none"},
	"total_forks":                    {name: "forks_total", help: "Snapshots that were begun in the background: there is no fork"},
	"migrate_cached_sockets":         {name: "migrate_cached_sockets_total", help: "Sockets of MIGRATE", gauge: true},
	"slave_expires_tracked_keys":     {name: "slave_expires_tracked_keys", help: "Keys with a time of their own on a writable replica"},
	"active_defrag_hits":             {name: "defrag_hits", help: "Allocations that defragmentation moved"},
	"active_defrag_misses":           {name: "defrag_misses", help: "Allocations that it left"},
	"active_defrag_key_hits":         {name: "defrag_key_hits", help: "Keys of which it moved something"},
	"active_defrag_key_misses":       {name: "defrag_key_misses", help: "Keys that it left"},
	"total_active_defrag_time":       {name: "active_defrag_time_ms_total", help: "Milliseconds that it took"},
	"tracking_total_keys":            {name: "tracking_total_keys", help: "Keys that clients have in their caches"},
	"tracking_total_items":           {name: "tracking_total_items", help: "Clients with a key in their cache, over all keys"},
	"tracking_total_prefixes":        {name: "tracking_total_prefixes", help: "Prefixes that clients track"},
	"unexpected_error_replies":       {name: "unexpected_error_replies", help: "Errors that the primary's stream led to"},
	"total_error_replies":            {name: "total_error_replies", help: "Error replies"},
	"dump_payload_sanitizations":     {name: "dump_payload_sanitizations", help: "Payloads that were checked in depth"},
	"total_reads_processed":          {name: "total_reads_processed", help: "Reads from sockets"},
	"total_writes_processed":         {name: "total_writes_processed", help: "Writes to sockets"},
	"io_threaded_reads_processed":    {name: "io_threaded_reads_processed", help: "Reads by I/O threads"},
	"io_threaded_writes_processed":   {name: "io_threaded_writes_processed", help: "Writes by I/O threads"},
	"acl_access_denied_auth":         {name: "acl_access_denied_auth_total", help: "Failed authentications"},
	"acl_access_denied_cmd":          {name: "acl_access_denied_cmd_total", help: "Commands that access rules denied"},
	"acl_access_denied_key":          {name: "acl_access_denied_key_total", help: "Keys that access rules denied"},
	"acl_access_denied_channel":      {name: "acl_access_denied_channel_total", help: "Channels that access rules denied"},

	"client_query_buffer_limit_disconnections":  {name: "client_query_buffer_limit_disconnections_total", help: "Clients that were closed for too much input"},
	"client_output_buffer_limit_disconnections": {name: "client_output_buffer_limit_disconnections_total", help: "Clients that were closed for too much output"},

	"connected_slaves":               {name: "connected_slaves", help: "Replicas"},
	"min_slaves_good_slaves":         {name: "good_slaves", help: "Replicas that are not late"},
	"repl_backlog_size":              {name: "replication_backlog_bytes", help: "Size of the backlog"},
	"repl_backlog_active":            {name: "repl_backlog_is_active", help: "Whether there is a backlog"},
	"repl_backlog_first_byte_offset": {name: "repl_backlog_first_byte_offset", help: "Position of the backlog's first byte"},
	"repl_backlog_histlen":           {name: "repl_backlog_history_bytes", help: "Bytes in the backlog"},
	"master_repl_offset":             {name: "master_repl_offset", help: "Position of replication"},
	"second_repl_offset":             {name: "second_repl_offset", help: "Position up to which the former history is known"},
	"slave_repl_offset":              {name: "slave_repl_offset", help: "Position of this replica"},
	"slave_priority":                 {name: "slave_priority", help: "Priority for promotion"},
	"slave_read_only":                {name: "slave_read_only", help: "Whether this replica refuses writes"},
	"master_sync_left_bytes":         {name: "master_sync_left_bytes", help: "Bytes of the primary's snapshot that are to come"},
	"master_sync_total_bytes":        {name: "master_sync_total_bytes", help: "Size of the primary's snapshot"},
	"master_link_down_since_seconds": {name: "master_link_down_since_seconds", help: "How long the link to the primary has been down"},

	"used_cpu_sys":              {name: "cpu_sys_seconds_total", help: "Processor time in the system"},
	"used_cpu_user":             {name: "cpu_user_seconds_total", help: "Processor time in the program"},
	"used_cpu_sys_children":     {name: "cpu_sys_children_seconds_total", help: "Processor time of child processes in the system"},
	"used_cpu_user_children":    {name: "cpu_user_children_seconds_total", help: "Processor time of child processes"},
	"used_cpu_sys_main_thread":  {name: "cpu_sys_main_thread_seconds_total", help: "As cpu_sys_seconds_total: no thread is the main one"},
	"used_cpu_user_main_thread": {name: "cpu_user_main_thread_seconds_total", help: "As cpu_user_seconds_total: no thread is the main one"},

	"cluster_enabled": {name: "cluster_enabled", help: "Whether this is a node of Redis Cluster"},
}

// instanceLabels are the fields that redis_instance_info has as labels, in their order.
var instanceLabels = []string{"role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id", "process_id", "master_replid"}

// linkFields tell of the link to the primary; their metrics are labelled with who that is.
var linkFields = map[string]figure{
	"master_link_status":         {name: "master_link_up", help: "Whether the link to the primary is up"},
	"master_sync_in_progress":    {name: "master_sync_in_progress", help: "Whether the primary's snapshot is coming"},
	"master_last_io_seconds_ago": {name: "master_last_io_seconds_ago", help: "Seconds since the primary was last heard of"},
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
	if strings.HasSuffix(f.name, "_total") && !f.gauge {
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
