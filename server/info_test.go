package server

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// redisFields are what redis-server 7.2 shows in INFO everything on a primary that keeps nothing on disk.
const redisFields = `redis_version redis_git_sha1 redis_git_dirty redis_build_id redis_mode os arch_bits monotonic_clock
multiplexing_api atomicvar_api gcc_version process_id process_supervised run_id tcp_port server_time_usec
uptime_in_seconds uptime_in_days hz configured_hz lru_clock executable config_file io_threads_active listener0
connected_clients cluster_connections maxclients client_recent_max_input_buffer client_recent_max_output_buffer
blocked_clients tracking_clients clients_in_timeout_table total_blocking_keys total_blocking_keys_on_nokey used_memory
used_memory_human used_memory_rss used_memory_rss_human used_memory_peak used_memory_peak_human used_memory_peak_perc
used_memory_overhead used_memory_startup used_memory_dataset used_memory_dataset_perc allocator_allocated
allocator_active allocator_resident total_system_memory total_system_memory_human used_memory_lua used_memory_vm_eval
used_memory_lua_human used_memory_scripts_eval number_of_cached_scripts number_of_functions number_of_libraries
used_memory_vm_functions used_memory_vm_total used_memory_vm_total_human used_memory_functions used_memory_scripts
used_memory_scripts_human maxmemory maxmemory_human maxmemory_policy allocator_frag_ratio allocator_frag_bytes
allocator_rss_ratio allocator_rss_bytes rss_overhead_ratio rss_overhead_bytes mem_fragmentation_ratio
mem_fragmentation_bytes mem_not_counted_for_evict mem_replication_backlog mem_total_replication_buffers
mem_clients_slaves mem_clients_normal mem_cluster_links mem_aof_buffer mem_allocator active_defrag_running
lazyfree_pending_objects lazyfreed_objects loading async_loading current_cow_peak current_cow_size
current_cow_size_age current_fork_perc current_save_keys_processed current_save_keys_total
rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status
rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves rdb_last_cow_size rdb_last_load_keys_expired
rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress aof_rewrite_scheduled aof_last_rewrite_time_sec
aof_current_rewrite_time_sec aof_last_bgrewrite_status aof_rewrites aof_rewrites_consecutive_failures
aof_last_write_status aof_last_cow_size module_fork_in_progress module_fork_last_cow_size total_connections_received
total_commands_processed instantaneous_ops_per_sec total_net_input_bytes total_net_output_bytes
total_net_repl_input_bytes total_net_repl_output_bytes instantaneous_input_kbps instantaneous_output_kbps
instantaneous_input_repl_kbps instantaneous_output_repl_kbps rejected_connections sync_full sync_partial_ok
sync_partial_err expired_keys expired_stale_perc expired_time_cap_reached_count expire_cycle_cpu_milliseconds
evicted_keys evicted_clients evicted_scripts total_eviction_exceeded_time current_eviction_exceeded_time keyspace_hits
keyspace_misses pubsub_channels pubsub_patterns pubsubshard_channels latest_fork_usec total_forks
migrate_cached_sockets slave_expires_tracked_keys active_defrag_hits active_defrag_misses active_defrag_key_hits
active_defrag_key_misses total_active_defrag_time current_active_defrag_time tracking_total_keys
tracking_total_items tracking_total_prefixes unexpected_error_replies total_error_replies dump_payload_sanitizations
total_reads_processed total_writes_processed io_threaded_reads_processed io_threaded_writes_processed
reply_buffer_shrinks reply_buffer_expands eventloop_cycles eventloop_duration_sum eventloop_duration_cmd_sum
instantaneous_eventloop_cycles_per_sec instantaneous_eventloop_duration_usec acl_access_denied_auth
acl_access_denied_cmd acl_access_denied_key acl_access_denied_channel role connected_slaves master_failover_state
master_replid master_replid2 master_repl_offset second_repl_offset repl_backlog_active repl_backlog_size
repl_backlog_first_byte_offset repl_backlog_histlen used_cpu_sys used_cpu_user used_cpu_sys_children
used_cpu_user_children used_cpu_sys_main_thread used_cpu_user_main_thread cluster_enabled db0`

// valkeyFields are what valkey-server 8.0 has besides, but for its name and version.
const valkeyFields = `availability_zone allocator_muzzy mem_overhead_db_hashtable_rehashing pubsub_clients watching_clients
total_watched_keys client_query_buffer_limit_disconnections client_output_buffer_limit_disconnections
io_threaded_freed_objects io_threaded_poll_processed io_threaded_total_prefetch_batches io_threaded_total_prefetch_entries`

func TestInfoHasRedisFields(t *testing.T) {
	c := startServer(t).dial()
	c.want("set k v", "OK")
	text := c.text("info everything")
	have := map[string]bool{}
	for _, line := range strings.Split(text, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			if have[name] {
				t.Errorf("%s comes twice", name)
			}
			have[name] = true
			if value == "" && name != "config_file" && name != "availability_zone" {
				t.Errorf("%s has no value", name)
			}
		} else if line != "" && line[0] != '#' {
			t.Errorf("INFO has the line %q", line)
		}
	}
	for _, name := range strings.Fields(redisFields + " " + valkeyFields) {
		if !have[name] {
			t.Errorf("INFO has no %s", name)
		}
	}
}

func titles(text string) (list []string) {
	for _, line := range strings.Split(text, "\r\n") {
		if strings.HasPrefix(line, "# ") {
			list = append(list, line[2:])
		}
	}
	return list
}

func TestInfoSections(t *testing.T) {
	c := startServer(t).dial()
	usual := strings.Fields("Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Cluster Keyspace")
	all := strings.Fields("Server Clients Memory Persistence Stats Replication CPU Modules Commandstats Errorstats Latencystats Hotkeys Cluster Keyspace")
	for _, x := range []struct {
		request string
		want    []string
	}{
		{"info", usual},
		{"info default", usual},
		{"info all", all},
		{"info Everything", all},
		{"info cpu", []string{"CPU"}},
		{"info keyspace CPU cpu", []string{"CPU", "Keyspace"}},
		{"info cpu default", usual},
		{"info commandstats default", slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "Latencystats" || s == "Hotkeys" })},
		{"info debug", []string{"Debug"}},
		{"info sentinel", nil},
	} {
		if got := titles(c.text(x.request)); !slices.Equal(got, x.want) {
			t.Errorf("%s has the sections %v, not %v", x.request, got, x.want)
		}
	}
	c.want("hello 3", c.do("hello 3"))
	if text := c.text("info cpu"); !strings.HasPrefix(text, "txt:# CPU\r\n") {
		t.Errorf("in RESP3 INFO is %.20q, not verbatim text", text)
	}
}

func TestInfoTellsTheTruth(t *testing.T) {
	ts := startServer(t, "--databases", "4")
	c := ts.dial()
	if got := c.number("server", "process_id"); got != int64(os.Getpid()) {
		t.Errorf("process_id is %d", got)
	}
	if _, port, _ := strings.Cut(ts.addr, ":"); c.info("server", "tcp_port") != port {
		t.Errorf("tcp_port is not %s", port)
	}
	before := c.number("memory", "used_memory")
	c.want("debug populate 20000 key 200", "OK")
	c.want("select 2", "OK")
	c.want("set a b px 10000000", "OK")
	c.want("set b b px 30000000", "OK")
	c.want("set c b", "OK")
	if grown := c.number("memory", "used_memory") - before; grown < 20000*200 || grown > 20000*300 {
		t.Errorf("20000 keys of 200 bytes take %d bytes", grown)
	}
	memory := c.fields("memory")
	bytes := func(name string) int64 {
		n, err := strconv.ParseInt(memory[name], 10, 64)
		if err != nil {
			t.Errorf("%s:%s", name, memory[name])
		}
		return n
	}
	if sum := bytes("used_memory_overhead") + bytes("used_memory_dataset"); sum != bytes("used_memory") {
		t.Errorf("overhead and dataset make %d, not %d", sum, bytes("used_memory"))
	}
	if peak := c.number("memory", "used_memory_peak"); peak < before+20000*200 {
		t.Errorf("the peak is %d", peak)
	}
	if got := c.info("keyspace", "db0"); got != "keys=20000,expires=0,avg_ttl=0,subexpiry=0" {
		t.Errorf("db0:%s", got)
	}
	db2 := c.info("keyspace", "db2")
	ttl, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(db2, "keys=3,expires=2,avg_ttl="), ",subexpiry=0"))
	if ttl < 19_000_000 || ttl > 20_000_000 {
		t.Errorf("db2:%s", db2)
	}
	if n := c.number("persistence", "rdb_changes_since_last_save"); n != 3 {
		t.Errorf("there were %d changes", n)
	}
	c.want("config resetstat", "OK")
	c.want("get a", "b")
	c.want("get nothing", nil)
	c.want("get nothing", nil)
	if hits, misses := c.number("stats", "keyspace_hits"), c.number("stats", "keyspace_misses"); hits != 1 || misses != 2 {
		t.Errorf("%d hits and %d misses", hits, misses)
	}
	ts.dial()
	eventually(t, "a second client", func() bool { return c.number("clients", "connected_clients") == 2 })
	if in, out := c.number("stats", "total_net_input_bytes"), c.number("stats", "total_net_output_bytes"); in < 100 || out < 100 {
		t.Errorf("%d bytes came in and %d went out", in, out)
	}
	eventually(t, "a rate", func() bool {
		c.do("ping")
		return c.number("stats", "instantaneous_ops_per_sec") > 0
	})
	blocked := ts.dial()
	blocked.send("blpop nolist 100")
	eventually(t, "blocking", func() bool {
		return c.number("clients", "blocked_clients") == 1 && c.number("clients", "clients_in_timeout_table") == 1 &&
			c.number("clients", "total_blocking_keys") == 1
	})
	c.want("select 0", "OK")
	c.want("lpush nolist x", 1)
	if n := c.number("clients", "total_blocking_keys"); n != 0 {
		t.Errorf("%d keys block when nobody waits", n)
	}
}

func TestLazyFree(t *testing.T) {
	c := startServer(t).dial()
	c.want("debug populate 1000", "OK")
	var members []string
	for i := range 2000 {
		members = append(members, fmt.Sprint("member", i))
	}
	c.do(append([]string{"sadd", "s"}, members...)...)
	c.want("config resetstat", "OK")
	c.want("unlink s", 1)
	eventually(t, "the set's burial", func() bool { return c.number("memory", "lazyfreed_objects") == 1 })
	c.want("flushdb", "OK")
	eventually(t, "the database's burial", func() bool { return c.number("memory", "lazyfree_pending_objects") == 0 })
	if n := c.number("memory", "lazyfreed_objects"); n != 1001 {
		t.Errorf("%d objects were freed", n)
	}
}

// Functions take memory of the engine that has them, and many that are flushed are freed later.
func TestFunctionsTakeAndGiveMemory(t *testing.T) {
	c := startServer(t).dial()
	load := func(n int) {
		t.Helper()
		for i := range n {
			name := fmt.Sprint("l", i)
			code := "#!lua name=" + name + "\nredis.register_function('" + name + "', function() return 1 end)"
			if got := c.do("function", "load", code); got != name {
				t.Fatalf("FUNCTION LOAD: %v", got)
			}
		}
	}
	load(1)
	one := c.number("memory", "used_memory_vm_functions")
	c.want("function flush", "OK")
	load(500)
	if many := c.number("memory", "used_memory_vm_functions"); many < one+500*100 {
		t.Errorf("one function takes %d bytes, 500 take %d", one, many)
	}
	for _, s := range []struct {
		functions int
		flush     string
		freed     int64
	}{{0, "async", 501}, {100, "sync", 501}, {64, "async", 501}, {65, "async", 567}, {65, "", 567}} {
		load(s.functions)
		c.want("function flush "+s.flush, "OK")
		if n := c.number("memory", "lazyfreed_objects"); n != s.freed {
			t.Errorf("FUNCTION FLUSH %s of %d: %d objects were freed later, want %d", s.flush, s.functions, n, s.freed)
		}
		if n := c.number("memory", "used_memory_vm_functions"); n != 0 {
			t.Errorf("no function takes %d bytes", n)
		}
	}
	c.want("config resetstat", "OK")
	if n := c.number("memory", "lazyfreed_objects"); n != 0 {
		t.Errorf("%d after a reset", n)
	}
}

// Clients that listen, and those that watch, are counted once each, however they stop.
func TestListenersAndWatchersAreCounted(t *testing.T) {
	ts := startServer(t)
	c, a, b := ts.dial(), ts.dial(), ts.dial()
	want := func(listen, watch, keys int64) {
		t.Helper()
		eventually(t, "the counts", func() bool {
			return c.number("clients", "pubsub_clients") == listen && c.number("clients", "watching_clients") == watch &&
				c.number("clients", "total_watched_keys") == keys
		})
	}
	want(0, 0, 0)
	a.do("subscribe x")
	a.do("psubscribe x*")
	b.do("ssubscribe y")
	want(2, 0, 0)
	a.do("unsubscribe x")
	want(2, 0, 0)
	a.do("punsubscribe")
	want(1, 0, 0)
	b.do("reset")
	want(0, 0, 0)
	a.want("watch k l", "OK")
	b.want("watch l", "OK")
	b.want("watch l m", "OK")
	want(0, 2, 3)
	if line := b.text("client info"); !strings.Contains(line, " watch=2 ") {
		t.Errorf("CLIENT INFO of who watches two keys is %s", line)
	}
	b.want("unwatch", "OK")
	want(0, 1, 2)
	b.do("subscribe x")
	b.nc.Close()
	a.want("multi", "OK")
	a.list("exec")
	want(0, 0, 0)
	a.want("watch k", "OK")
	a.nc.Close()
	want(0, 0, 0)
}

// Hashes of which a field has an expiry are counted, whatever becomes of them.
func TestHashesWithVolatileFieldsAreCounted(t *testing.T) {
	c := startServer(t, "--databases", "2").dial()
	want := func(request string, db string, n int) {
		t.Helper()
		if request != "" {
			if e, failed := c.do(request).(replyError); failed {
				t.Fatalf("%s: %s", request, e)
			}
		}
		if got := c.info("keyspace", db); got != "" && !strings.HasSuffix(got, ",subexpiry="+strconv.Itoa(n)) || got == "" && n != 0 {
			t.Errorf("after %s %s is %s, not %d", request, db, got, n)
		}
	}
	want("set other 1", "db0", 0)
	want("hset h a 1 b 2", "db0", 0)
	want("hexpire h 1000 fields 1 a", "db0", 1)
	want("hexpire h 1000 fields 1 b", "db0", 1)
	want("expire h 5000", "db0", 1)
	want("persist h", "db0", 1)
	want("hpersist h fields 1 a", "db0", 1)
	want("hset h b 3", "db0", 0)
	want("hexpire h 1000 fields 2 a b", "db0", 1)
	for i := range 20 { // to other shards
		want("copy h copy"+strconv.Itoa(i), "db0", i+2)
	}
	want("rename h moved", "db0", 21)
	want("rename copy0 moved", "db0", 20)
	want("hdel moved a", "db0", 20)
	want("hdel moved b", "db0", 19)
	want("set copy1 x", "db0", 18)
	want("set copy2 "+strings.Repeat("x", 20000), "db0", 17)
	want("del copy3", "db0", 16)
	want("move copy4 1", "db0", 15)
	want("", "db1", 1)
	want("swapdb 0 1", "db0", 1)
	want("", "db1", 15)
	want("debug reload", "db1", 15)
	want("debug set-active-expire 0", "db0", 1)
	want("hpexpire copy4 1 fields 2 a b", "db0", 1)
	want("debug set-active-expire 1", "", 0)
	eventually(t, "the hash's end", func() bool { return c.info("keyspace", "db0") == "" })
	want("select 1", "db1", 15)
	want("hpexpire copy5 1 fields 1 a", "db1", 15)
	eventually(t, "the field's end", func() bool { return c.do("hlen copy5") == int64(1) })
	want("", "db1", 15)
	want("flushdb", "db1", 0)
	want("hset h a 1", "db1", 0)
}

func TestHumanBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1024: "1.00K", 1536: "1.50K", 1 << 20: "1.00M", 5 << 30: "5.00G", 1 << 40: "1.00T"} {
		if got := humanBytes(n); got != want {
			t.Errorf("%d bytes are %s, not %s", n, got, want)
		}
	}
}

// A flush is over when it is answered, also a large one; unless it is asked not to be.
func TestFlushGivesBackBeforeItAnswers(t *testing.T) {
	ts := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	c := ts.dial()
	before := c.number("memory", "used_memory")
	for _, keys := range []string{"100", "100000"} {
		for _, request := range []string{"flushall", "flushdb", "flushall sync", "flushdb sync"} {
			c.want("debug populate "+keys, "OK")
			if n := c.number("memory", "used_memory"); n < before+1000 {
				t.Fatalf("%s keys take %d bytes", keys, n-before)
			}
			c.want("debug pause-cron 1", "OK") // the janitor does not do it
			c.want(request, "OK")
			if n := c.number("memory", "lazyfree_pending_objects"); n != 0 {
				t.Errorf("after %s of %s keys %d objects wait to be freed", request, keys, n)
			}
			if n := c.number("memory", "used_memory"); n > before+20000 {
				t.Errorf("after %s of %s keys there are %d bytes more than before", request, keys, n-before)
			}
			c.want("debug pause-cron 0", "OK")
		}
	}
	c.want("debug populate 100000", "OK")
	c.want("debug pause-cron 1", "OK")
	c.want("flushall async", "OK")
	if n := c.number("memory", "lazyfree_pending_objects"); n == 0 {
		t.Error("FLUSHALL ASYNC has freed everything")
	}
	c.want("debug pause-cron 0", "OK")
	eventually(t, "the burial", func() bool { return c.number("memory", "lazyfree_pending_objects") == 0 })
	c.want("config resetstat", "OK")
	c.want("debug populate 50", "OK")
	c.want("multi", "OK")
	c.want("flushall", "QUEUED")
	if got := c.list("exec"); len(got) != 1 || got[0] != "OK" {
		t.Errorf("EXEC answers %v", got)
	}
	if n := c.number("memory", "lazyfreed_objects"); n != 0 {
		t.Errorf("a transaction has freed %d keys later", n)
	}
}

// TestInfoSeesWhatWasSentBefore sends something on one connection and, without waiting for the reply, INFO on another.
func TestInfoSeesWhatWasSentBefore(t *testing.T) {
	wait := settleWait
	settleWait = patience
	t.Cleanup(func() { settleWait = wait }) // when the server has stopped
	ts := startServer(t, "--event-loops", "2")
	a, b := ts.dial(), ts.dial()
	seen, tries := 0, 200
	for i := range tries {
		max := int64(1000 + i)
		a.send("config", "set", "maxclients", itoa(max)) // which stops all loops
		if b.number("clients", "maxclients") == max {
			seen++
		}
		if got := a.read(); got != "OK" {
			t.Fatal(got)
		}
		a.send("blpop", "list", "0")
		if b.number("clients", "blocked_clients") == 1 {
			seen++
		}
		b.want("rpush list x", 1)
		a.read()
	}
	if seen < tries*2*9/10 {
		t.Errorf("it was seen %d times of %d", seen, tries*2)
	}
}

// What CLIENT LIST counts of a client: bytes of requests and replies, and commands that have run to their end.
func TestClientTotals(t *testing.T) {
	ts := startServer(t)
	c, other := ts.dial(), ts.dial()
	id := fmt.Sprint(other.do("client id"))
	type totals struct{ in, out, commands int }
	read := func(line string) (n totals) {
		for _, f := range strings.Fields(line) {
			name, value, _ := strings.Cut(f, "=")
			switch v, _ := strconv.Atoi(value); name {
			case "tot-net-in":
				n.in = v
			case "tot-net-out":
				n.out = v
			case "tot-cmds":
				n.commands = v
			}
		}
		return n
	}
	of := func() totals { return read(c.text("client list id " + id)) }
	was := of()
	if was.in == 0 || was.out == 0 || was.commands != 1 {
		t.Errorf("after one command the totals are %+v", was)
	}
	const blpop = "*3\r\n$5\r\nblpop\r\n$4\r\nlist\r\n$1\r\n0\r\n"
	other.send("blpop list 0")
	eventually(t, "the client waits", func() bool { return c.info("clients", "blocked_clients") == "1" })
	if n := of(); n != (totals{was.in + len(blpop), was.out, was.commands}) {
		t.Errorf("while it waits the totals are %+v, before that %+v", n, was)
	}
	c.want("rpush list x", 1)
	other.read()
	const reply = "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n"
	eventually(t, "the reply is counted", func() bool {
		return of() == totals{was.in + len(blpop), was.out + len(reply), was.commands + 1}
	})
	first := read(c.text("client info"))
	const info = "*2\r\n$6\r\nclient\r\n$4\r\ninfo\r\n"
	if n := read(c.text("client info")); n.in != first.in+len(info) || n.out < first.out+300 || n.commands != first.commands+1 {
		t.Errorf("the client's own totals are %+v, before that %+v", n, first)
	}
	first = read(c.text("client info"))
	c.do("eval", "redis.call('ping') redis.call('ping')", "0")
	if n := read(c.text("client info")); n.commands != first.commands+4 {
		t.Errorf("with a script that called two commands there were %d, then %d", first.commands, n.commands)
	}
}
