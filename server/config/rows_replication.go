package config

import "math"

// Replication: primaries and replicas.
type Replication struct {
	ReplicaOf                    Value[Address]
	MasterUser                   String
	MasterAuth                   String
	ReplicaServeStaleData        Bool
	ReplicaReadOnly              Bool
	ReplicaIgnoreMaxmemory       Bool
	ReplicaLazyFlush             Bool
	ReplicaAnnounced             Bool
	ReplicaIgnoreDiskWriteErrors Bool
	ReplicaAnnounceIP            String
	ReplicaAnnouncePort          Int
	ReplicaPriority              Int
	MinReplicasToWrite           Int
	MinReplicasMaxLag            Int // seconds
	ReplTimeout                  Int // seconds
	ReplPingReplicaPeriod        Int // seconds
	ReplDisableTCPNodelay        Bool
	ReplDisklessSync             Bool
	ReplDisklessSyncDelay        Int // seconds
	ReplDisklessSyncMaxReplicas  Int
	ReplDisklessLoad             Enum[DisklessLoad]
	DualChannelReplication       Bool
	ReplBacklogSize              Int // bytes
	ReplBacklogTTL               Int // seconds
	PropagationErrorBehavior     Enum[PropagationError]
	WriteSafety                  Value[Safety]
	FailoverGroup                String
	FailoverListen               String
	FailoverAnnounce             String
	FailoverPeers                Value[[]string]
	FailoverSecret               String
	FailoverProfile              Enum[Profile]
	FailoverReads                Bool
	SentinelPort                 Int
}

var replicationRows = []*Row{
	replicaOfRow(func(c *Config) *Value[Address] { return &c.ReplicaOf }).alias("slaveof").immutable(),
	optional("masteruser", func(c *Config) *String { return &c.MasterUser }).alias("primaryuser").sensitive(),
	optional("masterauth", func(c *Config) *String { return &c.MasterAuth }).alias("primaryauth").sensitive(),
	boolean("replica-serve-stale-data", true, func(c *Config) *Bool { return &c.ReplicaServeStaleData }).alias("slave-serve-stale-data"),
	boolean("replica-read-only", true, func(c *Config) *Bool { return &c.ReplicaReadOnly }).alias("slave-read-only"),
	boolean("replica-ignore-maxmemory", true, func(c *Config) *Bool { return &c.ReplicaIgnoreMaxmemory }).alias("slave-ignore-maxmemory"),
	boolean("replica-lazy-flush", false, func(c *Config) *Bool { return &c.ReplicaLazyFlush }).alias("slave-lazy-flush").noEffect(atOnce),
	boolean("replica-announced", true, func(c *Config) *Bool { return &c.ReplicaAnnounced }),
	boolean("replica-ignore-disk-write-errors", false, func(c *Config) *Bool { return &c.ReplicaIgnoreDiskWriteErrors }).noEffect("a replica follows its primary whether it can write to its disk or not, and says so in the log"),
	optional("replica-announce-ip", func(c *Config) *String { return &c.ReplicaAnnounceIP }).alias("slave-announce-ip"),
	integer("replica-announce-port", 0, 0, 65535, func(c *Config) *Int { return &c.ReplicaAnnouncePort }).alias("slave-announce-port"),
	integer("replica-priority", 100, 0, math.MaxInt32, func(c *Config) *Int { return &c.ReplicaPriority }).alias("slave-priority"),
	integer("min-replicas-to-write", 0, 0, math.MaxInt32, func(c *Config) *Int { return &c.MinReplicasToWrite }).alias("min-slaves-to-write"),
	integer("min-replicas-max-lag", 10, 0, math.MaxInt32, func(c *Config) *Int { return &c.MinReplicasMaxLag }).alias("min-slaves-max-lag"),
	integer("repl-timeout", 60, 1, math.MaxInt32, func(c *Config) *Int { return &c.ReplTimeout }),
	integer("repl-ping-replica-period", 10, 1, math.MaxInt32, func(c *Config) *Int { return &c.ReplPingReplicaPeriod }).alias("repl-ping-slave-period"),
	boolean("repl-disable-tcp-nodelay", false, func(c *Config) *Bool { return &c.ReplDisableTCPNodelay }),
	boolean("repl-diskless-sync", true, func(c *Config) *Bool { return &c.ReplDisklessSync }),
	integer("repl-diskless-sync-delay", 5, 0, math.MaxInt32, func(c *Config) *Int { return &c.ReplDisklessSyncDelay }),
	integer("repl-diskless-sync-max-replicas", 0, 0, math.MaxInt32, func(c *Config) *Int { return &c.ReplDisklessSyncMaxReplicas }),
	boolean("dual-channel-replication-enabled", false, func(c *Config) *Bool { return &c.DualChannelReplication }).noEffect("one connection carries snapshot and stream"),
	enum("repl-diskless-load", DisklessLoadDisabled, disklessLoadWords, func(c *Config) *Enum[DisklessLoad] { return &c.ReplDisklessLoad }).denyLoading(),
	memory("repl-backlog-size", 1<<20, 1, math.MaxInt64, func(c *Config) *Int { return &c.ReplBacklogSize }).clamp(16<<10, math.MaxInt64),
	integer("repl-backlog-ttl", 3600, 0, math.MaxInt64, func(c *Config) *Int { return &c.ReplBacklogTTL }),
	enum("propagation-error-behavior", PropagationIgnore, propagationErrorWords, func(c *Config) *Enum[PropagationError] { return &c.PropagationErrorBehavior }).noEffect("a command that fails on a replica is logged, and the replica goes on"),
	safetyRow(func(c *Config) *Value[Safety] { return &c.WriteSafety }).larder(),
	optional("failover-group", func(c *Config) *String { return &c.FailoverGroup }).immutable().larder(),
	optional("failover-listen", func(c *Config) *String { return &c.FailoverListen }).immutable().larder(),
	optional("failover-announce", func(c *Config) *String { return &c.FailoverAnnounce }).immutable().larder(),
	peersRow(func(c *Config) *Value[[]string] { return &c.FailoverPeers }).immutable().larder(),
	optional("failover-secret", func(c *Config) *String { return &c.FailoverSecret }).sensitive().immutable().larder(),
	enum("failover-profile", ProfileDefault, profileWords, func(c *Config) *Enum[Profile] { return &c.FailoverProfile }).immutable().larder(),
	boolean("failover-reads", true, func(c *Config) *Bool { return &c.FailoverReads }).larder(),
	integer("sentinel-port", 0, 0, 65535, func(c *Config) *Int { return &c.SentinelPort }).immutable().larder(),
}
