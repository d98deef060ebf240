package server

import (
	"fmt"
	"math"
	"strings"
	"time"

	"go.uber.org/zap"

	"larder/eviction"
	"larder/keyspace"
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// followConfig takes over what the configuration says now, and again whenever CONFIG SET changes it. CONFIG SET runs in
// a stopped world with all shards held, so what commands read without a lock may be changed here.
func (srv *Server) followConfig() {
	c := srv.conf
	srv.activeExpire.Store(true)
	follow := func(apply func(), names ...string) {
		c.OnChange(func() error { apply(); return nil }, names...)
		apply()
	}
	follow(func() {
		srv.publishCommandConf()
		lim := resp.Limits{
			MaxBulk: int(c.ProtoMaxBulkLen.Get()), MaxArgs: resp.DefaultMaxArgs, MaxBuffered: int(c.ClientQueryBufferLimit.Get()),
		}
		un := lim
		un.Unauth = true
		srv.limits.Store(&lim)
		srv.unauthLimits.Store(&un)
	}, "proto-max-bulk-len", "client-query-buffer-limit")
	follow(srv.publishCommandConf, "rdbcompression")
	follow(func() {
		srv.guard.update(srv)
		if s := c.WriteSafety.Get(); s.Kind == config.SafetySync {
			srv.guard.rely(s.Replicas)
		}
	}, "write-safety")
	follow(srv.followEncoding, "hash-max-listpack-entries", "hash-max-listpack-value", "set-max-intset-entries",
		"set-max-listpack-entries", "set-max-listpack-value", "zset-max-listpack-entries", "zset-max-listpack-value",
		"list-max-listpack-size", "list-compress-depth", "stream-node-max-bytes", "stream-node-max-entries", "hll-sparse-max-bytes")
	follow(func() {
		srv.ks.SetMaxMemory(c.Maxmemory.Get())
		srv.boundGarbage()
		if bound, most := memoryBound(), c.Maxmemory.Get(); bound > 0 && most > bound {
			srv.log.Warn("maxmemory is more than all the memory that there is for this process: the system ends it before that is reached. Set it lower",
				zap.Int64("maxmemory_bytes", most), zap.Int64("memory_bytes", bound))
		}
	}, "maxmemory")
	follow(func() {
		srv.ks.SetPolicy(eviction.ByName(c.MaxmemoryPolicy.Get().String()))
		srv.ks.BySize = c.S3fifoBySize.Get()
		srv.ks.Clock.LogFactor = int(c.LFULogFactor.Get())
		srv.ks.Clock.DecayTime = int(c.LFUDecayTime.Get())
	}, "maxmemory-policy", "s3fifo-by-size", "lfu-log-factor", "lfu-decay-time")
	follow(func() {
		srv.ks.LazyFree = keyspace.LazyFree{
			Eviction: c.LazyfreeLazyEviction.Get(), Expire: c.LazyfreeLazyExpire.Get(), ServerDel: c.LazyfreeLazyServerDel.Get(),
			UserDel: c.LazyfreeLazyUserDel.Get(), UserFlush: c.LazyfreeLazyUserFlush.Get(),
		}
	}, "lazyfree-lazy-eviction", "lazyfree-lazy-expire", "lazyfree-lazy-server-del", "lazyfree-lazy-user-del", "lazyfree-lazy-user-flush")
	follow(func() {
		srv.engine.SetKeepAlive(time.Duration(c.TCPKeepalive.Get()) * time.Second)
	}, "tcp-keepalive")
	follow(srv.followWatchdog, "watchdog-period")
	follow(srv.followTimes, "slowlog-log-slower-than", "slowlog-max-len", "commandlog-request-larger-than", "commandlog-large-request-max-len",
		"commandlog-reply-larger-than", "commandlog-large-reply-max-len", "latency-monitor-threshold", "latency-tracking")
	follow(func() {
		l := c.ClientOutputBufferLimit.Get()
		srv.outputLimits.Store(&l)
	}, "client-output-buffer-limit")
	follow(func() {
		if b := srv.repl.backlog.Load(); b != nil {
			b.SetKeep(c.ReplBacklogSize.Get())
		}
	}, "repl-backlog-size")
	follow(func() { srv.repl.count(srv) }, "min-replicas-to-write", "min-replicas-max-lag")
	follow(srv.setRecording, "notify-keyspace-events")
	follow(func() { srv.access.log.SetMax(int(c.ACLLogMaxLen.Get())) }, "acllog-max-len")
	follow(func() { srv.access.users.AllChannels = c.ACLPubsubDefault.Get() == config.PubsubAllChannels }, "acl-pubsub-default")
	users := srv.access.users
	requirePass := func() error { users.SetDefaultPassword(c.RequirePass.Get()); return nil }
	c.OnChangeKeeping(users.KeepDefaultPassword, requirePass, "requirepass") // it may have others by ACL SETUSER
	_ = requirePass()
	c.OnChange(srv.followMaxClients, "maxclients")
	c.OnChange(srv.relistenFor("Unable to listen on this port. Check server logs.", portTCP), "port")
	c.OnChange(srv.relistenFor("Failed to bind to specified addresses.", portTCP, portTLS), "bind")
	c.OnChange(srv.followTLS, tlsDirectives...)
	c.OnChange(srv.relistenTLS, "tls-port")
	c.OnChange(srv.followBackupConfig, "backup-schedule")
	c.OnChange(func() error { srv.followLogConfig(); return nil }, "appendfsync", "aof-timestamp-enabled")
	c.OnChange(func() error { srv.followAutoGC(); return nil }, "aof-disable-auto-gc")
	c.OnChange(func() error { srv.followDir(); return nil }, "dir")
	c.OnChange(func() error { return srv.setAppendonly(srv.setter, c.Appendonly.Get()) }, "appendonly")
}

// publishCommandConf gives handlers the configuration that they go by.
func (srv *Server) publishCommandConf() {
	srv.commandConf.Store(&command.Conf{
		MaxBulk:        srv.conf.ProtoMaxBulkLen.Get(),
		Dump:           srv.codecOptions(),
		UncheckedDumps: srv.skipChecksums.Load(),
	})
}

// followEncoding takes over the borders between compact and large encodings.
func (srv *Server) followEncoding() {
	c, l := srv.conf, srv.ks.Limits
	for _, x := range []struct {
		to   *int
		from *config.Int
	}{
		{&l.HashMaxListpackEntries, &c.HashMaxListpackEntries},
		{&l.HashMaxListpackValue, &c.HashMaxListpackValue},
		{&l.SetMaxIntsetEntries, &c.SetMaxIntsetEntries},
		{&l.SetMaxListpackEntries, &c.SetMaxListpackEntries},
		{&l.SetMaxListpackValue, &c.SetMaxListpackValue},
		{&l.ZSetMaxListpackEntries, &c.ZsetMaxListpackEntries},
		{&l.ZSetMaxListpackValue, &c.ZsetMaxListpackValue},
		{&l.ListMaxListpackSize, &c.ListMaxListpackSize},
		{&l.StreamNodeMaxBytes, &c.StreamNodeMaxBytes},
		{&l.StreamNodeMaxEntries, &c.StreamNodeMaxEntries},
		{&l.HLLSparseMaxBytes, &c.HLLSparseMaxBytes},
	} {
		*x.to = int(x.from.Get())
	}
}

// preciseBelow is how long a quick command may take before it has to be noticed each time.
const preciseBelow = time.Millisecond

// bytesOrNever is a limit of a log of large commands: -1 is none.
func bytesOrNever(n int64) int64 {
	if n < 0 {
		return math.MaxInt64
	}
	return n
}

// followTimes takes over which run times, and which sizes, are noticed.
func (srv *Server) followTimes() {
	c := srv.conf
	slow := time.Duration(-1)
	if us := c.SlowlogLogSlowerThan.Get(); us >= 0 {
		slow = time.Duration(min(us, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
	}
	logs := &srv.logs
	logs.slow.limit.Store(int64(slow))
	logs.slow.setMax(int(c.SlowlogMaxLen.Get()))
	logs.request.limit.Store(bytesOrNever(c.CommandlogRequestLargerThan.Get()))
	logs.request.setMax(int(c.CommandlogLargeRequestMaxLen.Get()))
	logs.reply.limit.Store(bytesOrNever(c.CommandlogReplyLargerThan.Get()))
	logs.reply.setMax(int(c.CommandlogLargeReplyMaxLen.Get()))
	threshold := milliseconds(c.LatencyMonitorThreshold.Get())
	srv.latency.threshold.Store(int64(threshold))
	srv.tracking.Store(c.LatencyTracking.Get())
	srv.timeAll.Store(slow >= 0 && slow < preciseBelow || threshold > 0)
}

// renameCommand applies a rename-command line: the command is known by another name, or not at all.
func (srv *Server) renameCommand(r config.Rename) error {
	row := srv.table.Lookup([]byte(r.From))
	if row == nil || !srv.table.Remove(strings.ToLower(r.From)) {
		return r.Where.Fail("No such command in rename-command", fmt.Sprintf("there is no command '%s'", r.From))
	}
	to := strings.ToLower(r.To)
	if to == "" {
		return nil
	}
	if srv.table.Lookup([]byte(to)) != nil {
		return r.Where.Fail("Target command name already exists", fmt.Sprintf("there is a command '%s' already", r.To))
	}
	srv.table.Add(to, row)
	return nil
}

// setRecording asks for every change to be recorded while somebody hears of changes wherever they happen.
func (srv *Server) setRecording() {
	srv.tracker.mu.Lock() // two that come at once: the answer of the later one stays
	defer srv.tracker.mu.Unlock()
	srv.recording.Store(srv.conf.NotifyKeyspaceEvents.Get() != 0 || srv.tracker.count.Load() > 0)
}
