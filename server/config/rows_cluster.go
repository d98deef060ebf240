package config

import "math"

// Cluster: the directives of Redis Cluster, which Larder is not.
type Cluster struct {
	ClusterEnabled                  Bool
	ClusterConfigFile               String
	ClusterPort                     Int
	ClusterAnnounceIP               String
	ClusterAnnounceClientIPv4       String
	ClusterAnnounceClientIPv6       String
	ClusterAnnouncePort             Int
	ClusterAnnounceBusPort          Int
	ClusterAnnounceTLSPort          Int
	ClusterAnnounceHostname         String
	ClusterAnnounceHumanNodename    String
	ClusterPreferredEndpointType    Enum[EndpointType]
	ClusterNodeTimeout              Int // milliseconds
	ClusterPingInterval             Int
	ClusterMigrationBarrier         Int
	ClusterReplicaValidityFactor    Int
	ClusterReplicaNoFailover        Bool
	ClusterRequireFullCoverage      Bool
	ClusterAllowReadsWhenDown       Bool
	ClusterAllowPubsubshardWhenDown Bool
	ClusterAllowReplicaMigration    Bool
	ClusterLinkSendbufLimit         Int // bytes, to be read as uint64
	ClusterBlacklistTTL             Int // seconds
	ClusterSlotStatsEnabled         Bool
}

var clusterRows = []*Row{
	boolean("cluster-enabled", false, func(c *Config) *Bool { return &c.ClusterEnabled }).immutable().noEffect(noCluster),
	text("cluster-config-file", "nodes.conf", func(c *Config) *String { return &c.ClusterConfigFile }).immutable().noEffect(noCluster),
	integer("cluster-port", 0, 0, 65535, func(c *Config) *Int { return &c.ClusterPort }).immutable().noEffect(noCluster),
	optional("cluster-announce-ip", func(c *Config) *String { return &c.ClusterAnnounceIP }).noEffect(noCluster),
	optional("cluster-announce-client-ipv4", func(c *Config) *String { return &c.ClusterAnnounceClientIPv4 }).noEffect(noCluster),
	optional("cluster-announce-client-ipv6", func(c *Config) *String { return &c.ClusterAnnounceClientIPv6 }).noEffect(noCluster),
	integer("cluster-announce-port", 0, 0, 65535, func(c *Config) *Int { return &c.ClusterAnnouncePort }).noEffect(noCluster),
	integer("cluster-announce-bus-port", 0, 0, 65535, func(c *Config) *Int { return &c.ClusterAnnounceBusPort }).noEffect(noCluster),
	integer("cluster-announce-tls-port", 0, 0, 65535, func(c *Config) *Int { return &c.ClusterAnnounceTLSPort }).noEffect(noCluster),
	valid(optional("cluster-announce-hostname", func(c *Config) *String { return &c.ClusterAnnounceHostname }), checkHostname).noEffect(noCluster),
	valid(optional("cluster-announce-human-nodename", func(c *Config) *String { return &c.ClusterAnnounceHumanNodename }), checkNodename).noEffect(noCluster),
	enum("cluster-preferred-endpoint-type", EndpointIP, endpointTypeWords, func(c *Config) *Enum[EndpointType] { return &c.ClusterPreferredEndpointType }).noEffect(noCluster),
	integer("cluster-node-timeout", 15000, 0, math.MaxInt64, func(c *Config) *Int { return &c.ClusterNodeTimeout }).noEffect(noCluster),
	integer("cluster-ping-interval", 0, 0, math.MaxInt64, func(c *Config) *Int { return &c.ClusterPingInterval }).hidden().noEffect(noCluster),
	integer("cluster-migration-barrier", 1, 0, math.MaxInt32, func(c *Config) *Int { return &c.ClusterMigrationBarrier }).noEffect(noCluster),
	integer("cluster-replica-validity-factor", 10, 0, math.MaxInt32, func(c *Config) *Int { return &c.ClusterReplicaValidityFactor }).alias("cluster-slave-validity-factor").noEffect(noCluster),
	boolean("cluster-replica-no-failover", false, func(c *Config) *Bool { return &c.ClusterReplicaNoFailover }).alias("cluster-slave-no-failover").noEffect(noCluster),
	boolean("cluster-require-full-coverage", true, func(c *Config) *Bool { return &c.ClusterRequireFullCoverage }).noEffect(noCluster),
	boolean("cluster-allow-reads-when-down", false, func(c *Config) *Bool { return &c.ClusterAllowReadsWhenDown }).noEffect(noCluster),
	boolean("cluster-allow-pubsubshard-when-down", true, func(c *Config) *Bool { return &c.ClusterAllowPubsubshardWhenDown }).noEffect(noCluster),
	boolean("cluster-allow-replica-migration", true, func(c *Config) *Bool { return &c.ClusterAllowReplicaMigration }).noEffect(noCluster),
	memoryUnsigned("cluster-link-sendbuf-limit", 0, 0, -1, func(c *Config) *Int { return &c.ClusterLinkSendbufLimit }).noEffect(noCluster),
	integer("cluster-blacklist-ttl", 60, 0, math.MaxInt32, func(c *Config) *Int { return &c.ClusterBlacklistTTL }).noEffect(noCluster),
	boolean("cluster-slot-stats-enabled", false, func(c *Config) *Bool { return &c.ClusterSlotStatsEnabled }).noEffect(noCluster),
}
