package config

import "math"

// Server: the process: its threads, logs, signals and doors for operators.
type Server struct {
	Databases                      Int
	Shards                         Int // a power of two; 0: by the number of processors
	EventLoops                     Int // 0 is one for each processor
	Daemonize                      Bool
	Supervised                     Enum[SupervisedMode]
	PidFile                        String
	LogLevel                       Enum[LogLevel]
	LogFile                        String // path; "" is standard output
	LogFormat                      Enum[LogFormat]
	SyslogEnabled                  Bool
	SyslogIdent                    String
	SyslogFacility                 Enum[SyslogFacility]
	AlwaysShowLogo                 Bool
	CrashLogEnabled                Bool
	CrashMemcheckEnabled           Bool
	HideUserDataFromLog            Bool
	UseExitOnPanic                 Bool
	Dir                            String // working directory, absolute
	SetProcTitle                   Bool
	ProcTitleTemplate              String
	HZ                             Int
	DynamicHZ                      Bool
	WatchdogPeriod                 Int
	DisableTHP                     Bool
	IgnoreWarnings                 String
	LocaleCollate                  String
	OOMScoreAdj                    Enum[OOMScoreAdj]
	OOMScoreAdjValues              Value[OOMScores] // for a primary, a replica, a child process
	ServerCPUList                  String
	BioCPUList                     String
	AOFRewriteCPUList              String
	BgsaveCPUList                  String
	IOThreads                      Int
	IOThreadsDoReads               Bool
	EventsPerIOThread              Int
	PrefetchBatchMaxSize           Int
	AvailabilityZone               String
	DebugContext                   String
	EnableDebugAssert              Bool
	ReqResLogfile                  String
	ClientDefaultRESP              Int
	ExtendedRedisCompatibility     Bool
	EnableProtectedConfigs         Enum[Allow]
	EnableDebugCommand             Enum[Allow]
	EnableModuleCommand            Enum[Allow]
	ShutdownOnSigint               Enum[Shutdown]
	ShutdownOnSigterm              Enum[Shutdown]
	ShutdownTimeout                Int // seconds to wait for replicas
	SlowlogMaxLen                  Int
	SlowlogLogSlowerThan           Int // microseconds; -1 logs nothing
	CommandlogLargeRequestMaxLen   Int
	CommandlogRequestLargerThan    Int // bytes, -1: never
	CommandlogLargeReplyMaxLen     Int
	CommandlogReplyLargerThan      Int // bytes, -1: never
	LatencyMonitorThreshold        Int // milliseconds; 0 is off
	LatencyTracking                Bool
	LatencyTrackingInfoPercentiles Value[[]float64]
	NotifyKeyspaceEvents           Enum[Events]
	ScriptTimeLimit                Int // milliseconds after which a script that has written nothing is ended, 0: never
	ScriptMemoryLimit              Int // bytes that a script may make the heap grow by, 0: any
	BusyReplyThreshold             Int // milliseconds that a script may run alone
	TrackingTableMaxKeys           Int
}

var serverRows = []*Row{
	integer("databases", 16, 1, math.MaxInt32, func(c *Config) *Int { return &c.Databases }).immutable(),
	valid(integer("shards", 0, 0, 64, func(c *Config) *Int { return &c.Shards }), checkPowerOfTwo).immutable().larder(),
	integer("event-loops", 0, 0, 1024, func(c *Config) *Int { return &c.EventLoops }).immutable().larder(),
	boolean("daemonize", false, func(c *Config) *Bool { return &c.Daemonize }).immutable(),
	enum("supervised", SupervisedNo, supervisedModeWords, func(c *Config) *Enum[SupervisedMode] { return &c.Supervised }).immutable(),
	optional("pidfile", func(c *Config) *String { return &c.PidFile }).immutable(),
	enum("loglevel", LogNotice, logLevelWords, func(c *Config) *Enum[LogLevel] { return &c.LogLevel }),
	text("logfile", "", func(c *Config) *String { return &c.LogFile }).immutable(),
	enum("log-format", LogConsole, logFormatWords, func(c *Config) *Enum[LogFormat] { return &c.LogFormat }).immutable().larder(),
	boolean("syslog-enabled", false, func(c *Config) *Bool { return &c.SyslogEnabled }).immutable(),
	text("syslog-ident", "redis", func(c *Config) *String { return &c.SyslogIdent }).immutable(),
	enum("syslog-facility", FacilityLocal0, syslogFacilityWords, func(c *Config) *Enum[SyslogFacility] { return &c.SyslogFacility }).immutable(),
	boolean("always-show-logo", false, func(c *Config) *Bool { return &c.AlwaysShowLogo }).immutable(),
	boolean("crash-log-enabled", true, func(c *Config) *Bool { return &c.CrashLogEnabled }),
	boolean("crash-memcheck-enabled", true, func(c *Config) *Bool { return &c.CrashMemcheckEnabled }).noEffect("Larder does not test the machine's memory"),
	boolean("hide-user-data-from-log", false, func(c *Config) *Bool { return &c.HideUserDataFromLog }),
	boolean("use-exit-on-panic", false, func(c *Config) *Bool { return &c.UseExitOnPanic }).hidden().noEffect("a failed assertion always ends the process"),
	dirRow(func(c *Config) *String { return &c.Dir }).protected().denyLoading(),
	boolean("set-proc-title", true, func(c *Config) *Bool { return &c.SetProcTitle }).immutable(),
	valid(text("proc-title-template", "{title} {listen-addr} {server-mode}", func(c *Config) *String { return &c.ProcTitleTemplate }), checkTitleTemplate),
	integer("hz", 10, 0, math.MaxInt32, func(c *Config) *Int { return &c.HZ }).clamp(1, 500),
	boolean("dynamic-hz", true, func(c *Config) *Bool { return &c.DynamicHZ }).noEffect(noCron),
	integer("watchdog-period", 0, 0, math.MaxInt32, func(c *Config) *Int { return &c.WatchdogPeriod }).hidden(),
	boolean("disable-thp", true, func(c *Config) *Bool { return &c.DisableTHP }).immutable(),
	text("ignore-warnings", "", func(c *Config) *String { return &c.IgnoreWarnings }).noEffect("Larder does not refuse to start on a kernel's account"),
	text("locale-collate", "", func(c *Config) *String { return &c.LocaleCollate }).noEffect("SORT ALPHA compares bytes"),
	enum("oom-score-adj", OOMNo, oomScoreAdjWords, func(c *Config) *Enum[OOMScoreAdj] { return &c.OOMScoreAdj }),
	special("oom-score-adj-values", OOMScores{0, 200, 800}, func(c *Config) *Value[OOMScores] { return &c.OOMScoreAdjValues }, parseOOMScores, OOMScores.String).multi(),
	optional("server_cpulist", func(c *Config) *String { return &c.ServerCPUList }).quietAlias("server-cpulist").immutable().noEffect(noPinning),
	optional("bio_cpulist", func(c *Config) *String { return &c.BioCPUList }).quietAlias("bio-cpulist").immutable().noEffect(noPinning),
	optional("aof_rewrite_cpulist", func(c *Config) *String { return &c.AOFRewriteCPUList }).quietAlias("aof-rewrite-cpulist").immutable().noEffect(noPinning),
	optional("bgsave_cpulist", func(c *Config) *String { return &c.BgsaveCPUList }).quietAlias("bgsave-cpulist").immutable().noEffect(noPinning),
	integer("io-threads", 1, 1, 128, func(c *Config) *Int { return &c.IOThreads }).immutable().noEffect(noIOThreads),
	boolean("io-threads-do-reads", false, func(c *Config) *Bool { return &c.IOThreadsDoReads }).immutable().noEffect(noIOThreads),
	integer("events-per-io-thread", 2, 0, math.MaxInt32, func(c *Config) *Int { return &c.EventsPerIOThread }).hidden().noEffect(noIOThreads),
	unsigned("prefetch-batch-max-size", 16, 0, 128, func(c *Config) *Int { return &c.PrefetchBatchMaxSize }).noEffect("a batch is all that a client has sent"),
	text("availability-zone", "", func(c *Config) *String { return &c.AvailabilityZone }),
	text("debug-context", "", func(c *Config) *String { return &c.DebugContext }).hidden().noEffect("the report of a crash is the Go runtime's"),
	boolean("enable-debug-assert", false, func(c *Config) *Bool { return &c.EnableDebugAssert }).hidden().noEffect("assertions are on in a build of their own"),
	text("req-res-logfile", "", func(c *Config) *String { return &c.ReqResLogfile }).hidden().noEffect("Larder writes no file of requests and replies"),
	integer("client-default-resp", 2, 2, 3, func(c *Config) *Int { return &c.ClientDefaultRESP }).hidden().noEffect("clients ask for RESP3 with HELLO"),
	boolean("extended-redis-compatibility", false, func(c *Config) *Bool { return &c.ExtendedRedisCompatibility }).noEffect("Larder always answers as Redis"),
	enum("enable-protected-configs", AllowNo, allowWords, func(c *Config) *Enum[Allow] { return &c.EnableProtectedConfigs }).immutable(),
	enum("enable-debug-command", AllowNo, allowWords, func(c *Config) *Enum[Allow] { return &c.EnableDebugCommand }).immutable(),
	enum("enable-module-command", AllowNo, allowWords, func(c *Config) *Enum[Allow] { return &c.EnableModuleCommand }).immutable(),
	valid(flagWords("shutdown-on-sigint", ShutdownDefault, shutdownWords, func(c *Config) *Enum[Shutdown] { return &c.ShutdownOnSigint }), checkShutdown),
	valid(flagWords("shutdown-on-sigterm", ShutdownDefault, shutdownWords, func(c *Config) *Enum[Shutdown] { return &c.ShutdownOnSigterm }), checkShutdown),
	integer("shutdown-timeout", 10, 0, math.MaxInt32, func(c *Config) *Int { return &c.ShutdownTimeout }),
	integer("slowlog-max-len", 128, 0, math.MaxInt64, func(c *Config) *Int { return &c.SlowlogMaxLen }).quietAlias("commandlog-slow-execution-max-len"),
	integer("slowlog-log-slower-than", 10000, -1, math.MaxInt64, func(c *Config) *Int { return &c.SlowlogLogSlowerThan }).quietAlias("commandlog-execution-slower-than"),
	integer("commandlog-large-request-max-len", 128, 0, math.MaxInt64, func(c *Config) *Int { return &c.CommandlogLargeRequestMaxLen }),
	integer("commandlog-request-larger-than", 1<<20, -1, math.MaxInt64, func(c *Config) *Int { return &c.CommandlogRequestLargerThan }),
	integer("commandlog-large-reply-max-len", 128, 0, math.MaxInt64, func(c *Config) *Int { return &c.CommandlogLargeReplyMaxLen }),
	integer("commandlog-reply-larger-than", 1<<20, -1, math.MaxInt64, func(c *Config) *Int { return &c.CommandlogReplyLargerThan }),
	integer("latency-monitor-threshold", 0, 0, math.MaxInt64, func(c *Config) *Int { return &c.LatencyMonitorThreshold }),
	boolean("latency-tracking", true, func(c *Config) *Bool { return &c.LatencyTracking }),
	percentilesRow(func(c *Config) *Value[[]float64] { return &c.LatencyTrackingInfoPercentiles }),
	eventsRow(func(c *Config) *Enum[Events] { return &c.NotifyKeyspaceEvents }),
	memory("script-memory-limit", 1<<30, 0, math.MaxInt64, func(c *Config) *Int { return &c.ScriptMemoryLimit }).larder(),
	integer("script-time-limit", 0, 0, math.MaxInt64, func(c *Config) *Int { return &c.ScriptTimeLimit }).larder(),
	integer("busy-reply-threshold", 5000, 0, math.MaxInt64, func(c *Config) *Int { return &c.BusyReplyThreshold }).alias("lua-time-limit"),
	unsigned("tracking-table-max-keys", 1000000, 0, math.MaxInt64, func(c *Config) *Int { return &c.TrackingTableMaxKeys }),
}
