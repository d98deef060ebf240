package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"larder/keyspace"
)

// fetch is an HTTP request to the server's metrics port.
func (ts *testServer) fetch(path string) (code int, body string) {
	ts.t.Helper()
	url := "http://" + ts.observer.http.Addr() + path
	res, err := http.Get(url)
	if err != nil {
		ts.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		ts.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

type families map[string]*dto.MetricFamily

// metrics reads /metrics as Prometheus does.
func (ts *testServer) metrics() families {
	ts.t.Helper()
	code, body := ts.fetch("/metrics")
	if code != http.StatusOK {
		ts.t.Fatalf("/metrics answers %d %s", code, body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	m, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		ts.t.Fatalf("/metrics cannot be read: %v\n%s", err, body)
	}
	return m
}

// value is that of a counter or gauge with these labels, names and values in turn.
func (m families) value(name string, labels ...string) (float64, bool) {
	for _, x := range m[name].GetMetric() {
		have := map[string]string{}
		for _, l := range x.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		fits := true
		for i := 0; i < len(labels); i += 2 {
			fits = fits && have[labels[i]] == labels[i+1]
		}
		switch {
		case !fits:
		case x.Counter != nil:
			return x.Counter.GetValue(), true
		case x.Gauge != nil:
			return x.Gauge.GetValue(), true
		case x.Summary != nil:
			return float64(x.Summary.GetSampleCount()), true
		case x.Histogram != nil:
			return float64(x.Histogram.GetSampleCount()), true
		}
	}
	return 0, false
}

func (m families) want(t *testing.T, want float64, name string, labels ...string) {
	t.Helper()
	if got, ok := m.value(name, labels...); !ok || got != want {
		t.Errorf("%s%q is %v (there: %v), not %v", name, labels, got, ok, want)
	}
}

// dashboardNames are the series that redis_exporter's dashboards and alerts ask for.
const dashboardNames = `redis_up redis_uptime_in_seconds redis_start_time_seconds redis_instance_info redis_connected_clients
redis_blocked_clients redis_memory_used_bytes redis_memory_max_bytes redis_memory_used_rss_bytes redis_memory_used_peak_bytes
redis_mem_fragmentation_ratio redis_commands_total redis_commands_processed_total redis_commands_duration_seconds_total
redis_commands_failed_calls_total redis_commands_rejected_calls_total redis_commands_latencies_usec redis_latency_percentiles_usec
redis_keyspace_hits_total redis_keyspace_misses_total redis_db_keys redis_db_keys_expiring redis_db_avg_ttl_seconds
redis_expired_keys_total redis_evicted_keys_total redis_net_input_bytes_total redis_net_output_bytes_total
redis_rejected_connections_total redis_connections_received_total redis_connected_slaves redis_master_repl_offset
redis_repl_backlog_is_active redis_replication_backlog_bytes redis_rdb_last_bgsave_status redis_rdb_changes_since_last_save
redis_rdb_last_save_timestamp_seconds redis_rdb_bgsave_in_progress redis_rdb_last_bgsave_duration_sec redis_aof_enabled
redis_aof_last_bgrewrite_status redis_aof_last_write_status redis_aof_rewrite_in_progress redis_loading_dump_file
redis_cpu_sys_seconds_total redis_cpu_user_seconds_total redis_pubsub_channels redis_pubsub_patterns redis_slowlog_length
redis_slowlog_last_id redis_last_slow_execution_duration_seconds redis_errors_total redis_config_maxclients
redis_config_maxmemory redis_exporter_last_scrape_duration_seconds redis_exporter_scrapes_total redis_allocator_active_bytes
redis_defrag_hits redis_active_defrag_running redis_lazyfree_pending_objects redis_process_id redis_tracking_clients
larder_build_info larder_ready larder_expire_lag_seconds larder_shard_keys larder_shard_memory_bytes
larder_shard_imbalance_ratio larder_loop_busy_seconds_total larder_loop_turns_total larder_gc_cpu_share
larder_gc_cpu_seconds_total larder_snapshot_progress_ratio larder_loading_progress_ratio larder_replication_behind_bytes
larder_replication_silence_seconds larder_writes_refused larder_metrics_seconds_total go_goroutines process_open_fds`

func TestMetrics(t *testing.T) {
	ts := startServer(t, "--metrics-port", freePort(t), "--databases", "4", "--maxmemory", "8gb", "--latency-monitor-threshold", "1", "--shards", "4")
	c := ts.dial()
	for i := range 50 {
		c.want(fmt.Sprint("set key", i, " v"), "OK")
	}
	c.want("set volatile v px 10000000", "OK")
	c.want("select 3", "OK")
	c.want("set other v", "OK")
	c.want("get other", "v")
	c.want("get nothing", nil)
	c.do("lpush other x")
	c.want("set gone v px 1", "OK")
	eventually(t, "expiry", func() bool { return c.do("get gone") == nil })
	c.do("info") // hands in what the loop has counted so far
	m := ts.metrics()
	for _, name := range strings.Fields(dashboardNames) {
		if m[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
	for name, kind := range map[string]dto.MetricType{
		"redis_keyspace_hits_total": dto.MetricType_COUNTER, "redis_connected_clients": dto.MetricType_GAUGE,
		// These go up and down, whatever redis_exporter calls them.
		"redis_memory_used_vm_total": dto.MetricType_GAUGE, "redis_migrate_cached_sockets_total": dto.MetricType_GAUGE,
	} {
		if got := m[name].GetType(); got != kind {
			t.Errorf("%s is a %v", name, got)
		}
	}
	m.want(t, 1, "redis_up")
	m.want(t, 1, "larder_ready")
	m.want(t, 53, "redis_commands_total", "cmd", "set")
	m.want(t, 53, "redis_commands_latencies_usec", "cmd", "set")
	m.want(t, 53, "redis_latency_percentiles_usec", "cmd", "set")
	m.want(t, 1, "redis_commands_failed_calls_total", "cmd", "lpush")
	m.want(t, 1, "redis_errors_total", "err", "WRONGTYPE")
	m.want(t, 51, "redis_db_keys", "db", "db0")
	m.want(t, 1, "redis_db_keys_expiring", "db", "db0")
	m.want(t, 1, "redis_db_keys", "db", "db3")
	m.want(t, 1, "redis_expired_keys_total")
	m.want(t, 8<<30, "redis_memory_max_bytes")
	m.want(t, 1, "redis_connected_clients")
	m.want(t, 1, "redis_instance_info", "role", "master", "redis_version", RedisVersion, "redis_mode", "standalone", "maxmemory_policy", "noeviction", "run_id", ts.runID,
		"tcp_port", fmt.Sprint(ts.tcpPort()))
	if ttl, _ := m.value("redis_db_avg_ttl_seconds", "db", "db0"); ttl < 8000 || ttl > 10000 {
		t.Errorf("keys live on for %v s", ttl)
	}
	sum := 0.0
	for _, x := range m["larder_shard_keys"].GetMetric() {
		sum += x.Gauge.GetValue()
	}
	if n := len(m["larder_shard_keys"].GetMetric()); n != 4 || sum != 52 {
		t.Errorf("%v keys in %d shards", sum, n)
	}
	again := ts.metrics()
	again.want(t, 2, "redis_exporter_scrapes_total")
	c.want("config resetstat", "OK")
	ts.metrics().want(t, 0, "redis_expired_keys_total")
}

// TestMetricsWhileAShardIsHeld: what holds a shard for long holds up no reader of metrics, however many there are.
func TestMetricsWhileAShardIsHeld(t *testing.T) {
	ts := startServer(t, "--metrics-port", freePort(t), "--shards", "4")
	ts.dial().want("set k v", "OK")
	whole := ts.metrics()
	whole.want(t, 0, "larder_metrics_incomplete")
	whole.want(t, 1, "redis_db_keys", "db", "db0")
	view := keyspace.NewView(ts.ks)
	view.Take(1 << 3)
	release := sync.OnceFunc(view.Release)
	defer release()
	url, began := "http://"+ts.observer.http.Addr()+"/metrics", time.Now()
	readers := http.Client{Timeout: 30 * time.Second}
	answers := make(chan error, 4)
	for range cap(answers) {
		go func() {
			res, err := readers.Get(url)
			if err == nil {
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					err = errors.New(res.Status)
				}
			}
			answers <- err
		}()
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took >= 4*shardsWait {
		t.Errorf("those who asked at once waited one after the other, %v in all", took)
	}
	m := ts.metrics()
	m.want(t, 1, "larder_metrics_incomplete")
	m.want(t, 1, "redis_up")
	m.want(t, 1, "redis_connected_clients")
	m.want(t, 1, "redis_commands_total", "cmd", "set")
	m.want(t, 1, "redis_instance_info", "role", "master", "maxmemory_policy", "noeviction")
	for _, name := range []string{"redis_db_keys", "redis_memory_used_bytes", "redis_keyspace_hits_total", "redis_total_watched_keys", "larder_shard_imbalance_ratio"} {
		if m[name] != nil {
			t.Errorf("there is %s, though a shard was not looked at", name)
		}
	}
	release()
	eventually(t, "the other figures", func() bool {
		m := ts.metrics()
		n, _ := m.value("larder_metrics_incomplete")
		return n == 0 && m["redis_db_keys"] != nil
	})
}

// TestMetricsOfEmptyDatabases: a database that has lost its keys has none, which is something else than not being there.
func TestMetricsOfEmptyDatabases(t *testing.T) {
	ts := startServer(t, "--metrics-port", freePort(t))
	c := ts.dial()
	m := ts.metrics()
	m.want(t, 0, "redis_db_keys", "db", "db0")
	m.want(t, 0, "redis_db_keys_expiring", "db", "db0")
	c.want("select 3", "OK")
	c.want("set k v ex 1000", "OK")
	m = ts.metrics()
	m.want(t, 1, "redis_db_keys", "db", "db3")
	m.want(t, 1, "redis_db_keys_expiring", "db", "db3")
	c.want("flushall", "OK")
	m = ts.metrics()
	m.want(t, 0, "redis_db_keys", "db", "db3")
	m.want(t, 0, "redis_db_keys_expiring", "db", "db3")
	if n := len(m["redis_db_keys"].GetMetric()); n != 2 {
		t.Errorf("%d databases are shown", n)
	}
}

// What INFO says and what the metrics say is the same, and whatever a command leaves behind has a bounded number of series.
func TestMetricsAreBounded(t *testing.T) {
	ts := startServer(t, "--metrics-port", freePort(t), "--databases", "1000")
	c := ts.dial()
	for db := range 1000 {
		c.want(fmt.Sprint("select ", db), "OK")
		c.want("set k v", "OK")
	}
	for i := range 300 {
		c.do(fmt.Sprint("nosuchcommand", i))
		c.do("client", "setname", fmt.Sprint("name", i))
	}
	m, series := ts.metrics(), 0
	for _, f := range m {
		series += len(f.GetMetric())
	}
	if n := len(m["redis_db_keys"].GetMetric()); n != 128 {
		t.Errorf("%d databases are shown", n)
	}
	if series > 1000 {
		t.Errorf("there are %d series", series)
	}
}

// TestMetricsOfOddNames: what a client has named in bytes that are no text does not take the other metrics away.
func TestMetricsOfOddNames(t *testing.T) {
	ts := startServer(t, "--metrics-port", freePort(t))
	c := ts.dial()
	for range 2 {
		c.do("eval", "return redis.error_reply('B\xff\xfeD one')", "0")
	}
	c.do("eval", "return redis.error_reply('B\xfe\xfeD two')", "0")
	c.do("replconf", "ip-address", "\xff")
	m := ts.metrics()
	m.want(t, 1, "redis_up")
	if n, ok := m.value("redis_errors_total", "err", "B\uFFFDD"); !ok || n != 2 && n != 1 {
		t.Errorf("%v errors, there: %v", n, ok)
	}
}

func TestMetricsOfAReplica(t *testing.T) {
	primary := startServer(t, "--metrics-port", freePort(t))
	host, port, _ := strings.Cut(primary.addr, ":")
	replica := startServer(t, "--metrics-port", freePort(t))
	if code, body := replica.fetch("/readyz"); code != 200 || body != "ok\n" {
		t.Errorf("/readyz answers %d %s", code, body)
	}
	replica.dial().want("replicaof "+host+" "+port, "OK")
	eventually(t, "replication", func() bool { code, _ := replica.fetch("/readyz"); return code == 200 })
	primary.dial().want("set k v", "OK")
	m := replica.metrics()
	m.want(t, 1, "redis_master_link_up", "master_host", host, "master_port", port)
	m.want(t, 1, "redis_slave_info", "master_host", host, "master_port", port, "read_only", "1")
	m.want(t, 1, "redis_instance_info", "role", "slave")
	m.want(t, 0, "redis_master_sync_in_progress")
	eventually(t, "the replica's word", func() bool {
		n, ok := primary.metrics().value("redis_connected_slave_offset_bytes", "slave_state", "online")
		return ok && n > 0
	})
	primary.metrics().want(t, 1, "redis_connected_slaves")
	primary.stop()
	eventually(t, "the link's end", func() bool {
		code, body := replica.fetch("/readyz")
		return code == http.StatusServiceUnavailable && strings.HasPrefix(body, "a replica whose link to its primary is down: ")
	})
	m = replica.metrics()
	m.want(t, 0, "redis_master_link_up")
	m.want(t, 0, "larder_ready")
	if code, body := replica.fetch("/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz answers %d %s", code, body)
	}
}

func TestHealthWhileACommandRuns(t *testing.T) {
	ts := startServer(t, "--metrics-port", freePort(t), "--event-loops", "2")
	healthy := func() bool {
		code, body := ts.fetch("/healthz")
		return code == 200 && body == "ok\n"
	}
	eventually(t, "health", healthy)
	c := ts.dial()
	eventually(t, "the check's failure", func() bool {
		c.send("debug sleep 2.5") // the check may come too late on a busy machine
		code, body := ts.fetch("/healthz")
		if got := c.read(); got != "OK" {
			t.Errorf("DEBUG SLEEP answers %v", got)
		}
		return code == http.StatusServiceUnavailable && strings.Contains(body, "event loops")
	})
	eventually(t, "health again", healthy)
}

// TestHealthForTwo: two who ask at once, while a loop is in its turn, both hear of its end.
func TestHealthForTwo(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	check, ex := ts.aliveCheck(), ts.executors[0]
	for range 3 {
		ex.enter()
		answers := make(chan error, 2)
		for range cap(answers) {
			go func() { answers <- check() }()
		}
		for range 1000 {
			runtime.Gosched()
		}
		ex.leave()
		for range cap(answers) {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
	}
}

// What the check says of a loop that is stuck counts those that serve clients by default, not the ones that stand by for TLS and links.
func TestHealthCountsClientsLoops(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	ex := ts.executors[0]
	ex.enter()
	err := ts.aliveCheck()()
	ex.leave()
	if err == nil || !strings.HasPrefix(err.Error(), "1 of 2 event loops ") {
		t.Errorf("the check says %v", err)
	}
}

func TestReadyWhileLoading(t *testing.T) {
	ts := startServer(t, "--metrics-port", freePort(t))
	ts.loading.Store(true)
	ts.saver.loaded.total.Store(200)
	ts.saver.loaded.read.Store(50)
	if code, body := ts.fetch("/readyz"); code != http.StatusServiceUnavailable || body != "loading: 25.0%\n" {
		t.Errorf("/readyz answers %d %s", code, body)
	}
	m := ts.metrics()
	m.want(t, 0.25, "larder_loading_progress_ratio")
	m.want(t, 1, "redis_loading_dump_file")
	ts.loading.Store(false)
	ts.metrics().want(t, 1, "larder_loading_progress_ratio")
}

func TestMetricsPortChanges(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	if addr := ts.observer.http.Addr(); addr != "" {
		t.Fatalf("by default it is listened at %s", addr)
	}
	first, second := freePort(t), freePort(t)
	c.want("config set metrics-port "+first, "OK")
	ts.metrics().want(t, 1, "redis_up")
	c.want("config set metrics-port "+second, "OK")
	if got := ts.observer.http.Addr(); got != "127.0.0.1:"+second {
		t.Errorf("it is listened at %s", got)
	}
	ts.metrics().want(t, 1, "redis_up")
	if _, err := net.Dial("tcp", "127.0.0.1:"+first); err == nil {
		t.Error("the first port is still open")
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, taken, _ := net.SplitHostPort(busy.Addr().String())
	c.want("config set metrics-port "+taken, replyError("ERR CONFIG SET failed (possibly related to argument 'metrics-port') - Unable to listen for readers of metrics. Check server logs."))
	ts.metrics().want(t, 1, "redis_up")
	c.want("config set metrics-port "+second+" metrics-bind *", "OK")
	ts.metrics().want(t, 1, "redis_up")
	if hasIPv6() {
		if got := c.do("config", "set", "metrics-bind", "0.0.0.0 ::"); got != "OK" {
			t.Errorf("both families at one port: %v", got)
		}
		c.want("config set metrics-bind 0.0.0.0", "OK")
		if nc, err := net.Dial("tcp", "[::1]:"+second); err == nil {
			nc.Close()
			t.Error("0.0.0.0 is IPv6, too")
		}
	}
	c.want("config set metrics-port 0", "OK")
	if _, err := net.Dial("tcp", "127.0.0.1:"+second); err == nil {
		t.Error("the port is open though there should be none")
	}
	for path, want := range map[string]int{"/": 200, "/nothing": 404} {
		c.want("config set metrics-port "+second, "OK")
		if code, _ := ts.fetch(path); code != want {
			t.Errorf("%s answers %d", path, code)
		}
	}
}
