package server

import (
	"fmt"
	"hash/fnv"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"larder/keyspace"
	"larder/server/config"
)

func infoServer(w *infoWriter) {
	srv := w.srv
	up := srv.age()
	w.text("redis_version", RedisVersion)
	w.text("redis_git_sha1", Commit)
	w.int("redis_git_dirty", 0)
	w.text("redis_build_id", buildID)
	w.text("redis_mode", "standalone")
	w.text("os", systemName())
	w.int("arch_bits", strconv.IntSize)
	w.text("monotonic_clock", "Go runtime")
	w.text("multiplexing_api", multiplexing)
	w.text("atomicvar_api", "sync/atomic")
	w.text("gcc_version", "0.0.0") // as Redis says when another compiler was used
	w.int("process_id", int64(processID))
	w.text("process_supervised", supervisedBy(srv.conf.Supervised.Get()))
	w.text("run_id", srv.runID)
	w.int("tcp_port", srv.tcpPort())
	w.int("server_time_usec", time.Now().UnixMicro())
	w.int("uptime_in_seconds", int64(up.Seconds()))
	w.int("uptime_in_days", int64(up.Hours()/24))
	w.int("hz", srv.conf.HZ.Get())
	w.int("configured_hz", srv.conf.HZ.Get())
	w.int("lru_clock", int64(srv.ks.Clock.LRU(w.now)))
	w.text("executable", executable())
	w.text("config_file", srv.conf.File())
	w.int("io_threads_active", 0)
	if until := srv.repl.closing.until_ms.Load(); until != 0 {
		w.int("shutdown_in_milliseconds", max(0, until-srv.steady()))
	}
	w.text("availability_zone", srv.conf.AvailabilityZone.Get())
	for i, l := range srv.listenerLines() {
		w.text("listener"+strconv.Itoa(i), l)
	}
	if t := srv.secure.conf.Load(); t != nil {
		w.int("tls_cert_not_after", t.NotAfter.Unix())
	}
	w.text("larder_version", Version)
	w.text("go_version", runtime.Version())
	w.int("event_loops", int64(srv.loops))
	w.int("shards", int64(srv.ks.Shards()))
	w.int("goroutines", int64(runtime.NumGoroutine()))
}

// buildID tells builds apart.
var buildID = func() string {
	h := fnv.New64a()
	h.Write([]byte(Version + Commit + runtime.Version()))
	return fmt.Sprintf("%016x", h.Sum64())
}()

func supervisedBy(m config.SupervisedMode) string {
	switch {
	case m == config.SupervisedSystemd || m == config.SupervisedAuto && os.Getenv("NOTIFY_SOCKET") != "":
		return "systemd"
	case m == config.SupervisedUpstart || m == config.SupervisedAuto && os.Getenv("UPSTART_JOB") != "":
		return "upstart"
	}
	return "no"
}

// executable is the program's path, as it was when it was first asked for.
var executable = sync.OnceValue(func() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
})

var processID = os.Getpid()

// tcpPort is where clients connect: the port that was taken if the configured one is any.
func (srv *Server) tcpPort() int64 {
	if port := srv.tcpAt.Load(); port != 0 {
		return port
	}
	if port := srv.conf.Port.Get(); port != 0 {
		return port
	}
	if port := srv.tlsAt.Load(); port != 0 {
		return port
	}
	return srv.conf.TLSPort.Get()
}

// listenerLines describes what is listened at, all TCP addresses in one line.
func (srv *Server) listenerLines() (lines []string) {
	for _, k := range []portKind{portTCP, portTLS} {
		lns := *srv.listeners(k)
		if len(lns) == 0 {
			continue
		}
		var b strings.Builder
		b.WriteString("name=" + string(k))
		for _, ln := range lns {
			host, ok := hostOf(ln.Addr)
			if !ok {
				host = ln.Addr
			}
			b.WriteString(",bind=" + host)
		}
		b.WriteString(",port=" + strconv.Itoa(lns[0].Port))
		lines = append(lines, b.String())
	}
	if srv.unix != nil {
		lines = append(lines, "name=unix,bind="+srv.unix.Addr)
	}
	return lines
}

func infoClients(w *infoWriter) {
	srv := w.srv
	longIn, longOut := int64(0), int64(0)
	for _, ex := range srv.executors {
		longIn, longOut = max(longIn, ex.longIn.Load()), max(longOut, ex.longOut.Load())
	}
	blocking, onNoKey, watched := 0, 0, 0
	all := w.eachShard(func(_ int, sh *keyspace.Shard) {
		if ext, _ := sh.Ext.(*shardExt); ext != nil {
			blocking += len(ext.blocked)
			watched += len(ext.watched)
			for _, q := range ext.blocked {
				if q.onNoKey > 0 {
					onNoKey++
				}
			}
		}
	})
	w.int("connected_clients", int64(srv.clients.count()-len(srv.repl.list())))
	w.zeros("cluster_connections")
	w.int("maxclients", srv.conf.MaxClients.Get())
	w.int("client_recent_max_input_buffer", longIn)
	w.int("client_recent_max_output_buffer", longOut)
	w.int("blocked_clients", srv.stats.blocked.Load())
	w.int("tracking_clients", int64(srv.tracker.count.Load()))
	w.int("pubsub_clients", srv.stats.subscribed.Load())
	w.int("watching_clients", srv.stats.watching.Load())
	w.int("clients_in_timeout_table", srv.stats.timed.Load())
	if !all {
		return
	}
	w.int("total_watched_keys", int64(watched))
	w.int("total_blocking_keys", int64(blocking))
	w.int("total_blocking_keys_on_nokey", int64(onNoKey))
}

func infoCPU(w *infoWriter) {
	var self, children syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)
	seconds := func(name string, t syscall.Timeval) { w.fixed(name, time.Duration(t.Nano()).Seconds(), 6) }
	seconds("used_cpu_sys", self.Stime)
	seconds("used_cpu_user", self.Utime)
	seconds("used_cpu_sys_children", children.Stime)
	seconds("used_cpu_user_children", children.Utime)
	// No thread is the main one: the loops share the work.
	seconds("used_cpu_sys_main_thread", self.Stime)
	seconds("used_cpu_user_main_thread", self.Utime)
}

func infoCluster(w *infoWriter) { w.zeros("cluster_enabled") }
