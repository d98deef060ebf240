package config

import "math"

// Newer: directives that came with Redis 8 and Valkey 8.1 and later, and that mean nothing here. Files that have them work.
type Newer struct {
	ImportMode                      Bool
	RDBVersionCheck                 Enum[VersionCheck]
	LogTimestampFormat              Enum[TimestampFormat]
	LuaEnableInsecureAPI            Bool
	ActiveDefragCycleUs             Int
	HashSeed                        String
	MPTCP                           Bool
	ReplMPTCP                       Bool
	TCPKeepaliveProbes              Int
	IOThreadsAlwaysActive           Bool
	MinIOThreadsAvoidCopyReply      Int
	MinStringSizeAvoidCopy          Int
	MinStringSizeAvoidCopyThreaded  Int
	Lookahead                       Int
	ReplicaFullSyncBufferLimit      Int // bytes
	VsetForceSingleThreaded         Bool
	TLSAutoReloadInterval           Int
	ClusterDatabases                Int
	ClusterAnnounceClientPort       Int
	ClusterAnnounceClientTLSPort    Int
	ClusterManualFailoverTimeout    Int
	ClusterSlotMigrationLogMaxLen   Int
	SlotMigrationMaxFailoverBytes   Int
	ClusterCompatibilitySampleRatio Int
	SlotMigrationHandoffMaxLagBytes Int
	SlotMigrationWritePauseTimeout  Int
	SlotMigrationDrainTimeout       Int
}

// VersionCheck says what becomes of a snapshot of a version that is not known.
type VersionCheck int32

const (
	VersionCheckStrict VersionCheck = iota
	VersionCheckRelaxed
)

var versionCheckWords = []word[VersionCheck]{{"strict", VersionCheckStrict}, {"relaxed", VersionCheckRelaxed}}

// TimestampFormat is how times stand in the log.
type TimestampFormat int32

const (
	TimestampLegacy TimestampFormat = iota
	TimestampISO8601
	TimestampMilliseconds
)

var timestampFormatWords = []word[TimestampFormat]{{"legacy", TimestampLegacy}, {"iso8601", TimestampISO8601}, {"milliseconds", TimestampMilliseconds}}

var newerRows = []*Row{
	boolean("import-mode", false, func(c *Config) *Bool { return &c.ImportMode }).noEffect("what is imported expires and is evicted like all else"),
	enum("rdb-version-check", VersionCheckStrict, versionCheckWords, func(c *Config) *Enum[VersionCheck] { return &c.RDBVersionCheck }).noEffect("snapshots of unknown versions are always refused"),
	enum("log-timestamp-format", TimestampLegacy, timestampFormatWords, func(c *Config) *Enum[TimestampFormat] { return &c.LogTimestampFormat }).noEffect("log-format says how a line looks"),
	boolean("lua-enable-insecure-api", false, func(c *Config) *Bool { return &c.LuaEnableInsecureAPI }).quietAlias("lua-enable-deprecated-api").hidden().noEffect("scripts never have what leaves their cage"),
	integer("active-defrag-cycle-us", 500, 0, 100000, func(c *Config) *Int { return &c.ActiveDefragCycleUs }).noEffect("Larder defragments in steps of its own"),
	optional("hash-seed", func(c *Config) *String { return &c.HashSeed }).noEffect("the hash is keyed anew in every process"),
	boolean("mptcp", false, func(c *Config) *Bool { return &c.MPTCP }).noEffect(noMultipath),
	boolean("repl-mptcp", false, func(c *Config) *Bool { return &c.ReplMPTCP }).noEffect(noMultipath),
	integer("tcp-keepalive-probes", 3, 1, math.MaxInt32, func(c *Config) *Int { return &c.TCPKeepaliveProbes }).hidden().noEffect("three probes go unanswered before a connection is dead"),
	boolean("io-threads-always-active", false, func(c *Config) *Bool { return &c.IOThreadsAlwaysActive }).hidden().noEffect(noIOThreads),
	integer("min-io-threads-avoid-copy-reply", 7, 0, math.MaxInt32, func(c *Config) *Int { return &c.MinIOThreadsAvoidCopyReply }).hidden().noEffect(noBorrowedReplies),
	integer("min-string-size-avoid-copy-reply", 16384, 0, math.MaxInt32, func(c *Config) *Int { return &c.MinStringSizeAvoidCopy }).hidden().noEffect(noBorrowedReplies),
	integer("min-string-size-avoid-copy-reply-threaded", 65536, 0, math.MaxInt32, func(c *Config) *Int { return &c.MinStringSizeAvoidCopyThreaded }).hidden().noEffect(noBorrowedReplies),
	integer("lookahead", 16, 1, math.MaxInt32, func(c *Config) *Int { return &c.Lookahead }).hidden().noEffect("a batch is all that a client has sent"),
	memory("replica-full-sync-buffer-limit", 0, 0, math.MaxInt64, func(c *Config) *Int { return &c.ReplicaFullSyncBufferLimit }).noEffect("a replica does not read ahead of the snapshot that it loads"),
	boolean("vset-force-single-threaded-execution", false, func(c *Config) *Bool { return &c.VsetForceSingleThreaded }).noEffect("there are no sets of vectors"),
	integer("tls-auto-reload-interval", 0, 0, math.MaxInt32, func(c *Config) *Int { return &c.TLSAutoReloadInterval }).noEffect("files that have changed are read again by themselves"),
	integer("cluster-databases", 1, 1, math.MaxInt32, func(c *Config) *Int { return &c.ClusterDatabases }).noEffect(noCluster),
	integer("cluster-announce-client-port", 0, 0, 65535, func(c *Config) *Int { return &c.ClusterAnnounceClientPort }).noEffect(noCluster),
	integer("cluster-announce-client-tls-port", 0, 0, 65535, func(c *Config) *Int { return &c.ClusterAnnounceClientTLSPort }).noEffect(noCluster),
	integer("cluster-manual-failover-timeout", 5000, 1, math.MaxInt32, func(c *Config) *Int { return &c.ClusterManualFailoverTimeout }).noEffect(noCluster),
	integer("cluster-slot-migration-log-max-len", 1000, 0, math.MaxInt64, func(c *Config) *Int { return &c.ClusterSlotMigrationLogMaxLen }).noEffect(noCluster),
	memory("slot-migration-max-failover-repl-bytes", 0, -1, math.MaxInt64, func(c *Config) *Int { return &c.SlotMigrationMaxFailoverBytes }).noEffect(noCluster),
	integer("cluster-compatibility-sample-ratio", 0, 0, 100, func(c *Config) *Int { return &c.ClusterCompatibilitySampleRatio }).noEffect(noCluster),
	memory("cluster-slot-migration-handoff-max-lag-bytes", 1<<20, 0, math.MaxInt64, func(c *Config) *Int { return &c.SlotMigrationHandoffMaxLagBytes }).noEffect(noCluster),
	integer("cluster-slot-migration-write-pause-timeout", 10000, 0, math.MaxInt64, func(c *Config) *Int { return &c.SlotMigrationWritePauseTimeout }).noEffect(noCluster),
	integer("cluster-slot-migration-sync-buffer-drain-timeout", 60000, 0, math.MaxInt64, func(c *Config) *Int { return &c.SlotMigrationDrainTimeout }).noEffect(noCluster),
}
