package config

import "math"

// Memory: how much may be kept, and what goes when it is full.
type Memory struct {
	Maxmemory                  Int // bytes, to be read as uint64; 0 is no limit
	MaxmemoryPolicy            Enum[MaxmemoryPolicy]
	MaxmemorySamples           Int
	CacheMode                  Bool // what the configuration does not say is what a cache wants
	S3fifoBySize               Bool
	MaxmemoryEvictionTenacity  Int
	LFULogFactor               Int
	LFUDecayTime               Int // minutes
	LazyfreeLazyEviction       Bool
	LazyfreeLazyExpire         Bool
	LazyfreeLazyServerDel      Bool
	LazyfreeLazyUserDel        Bool
	LazyfreeLazyUserFlush      Bool
	ActiveExpireEffort         Int
	Activerehashing            Bool
	Activedefrag               Bool
	ActiveDefragCycleMin       Int // percent of a core
	ActiveDefragCycleMax       Int // percent of a core
	ActiveDefragThresholdLower Int // percent
	ActiveDefragThresholdUpper Int // percent
	ActiveDefragIgnoreBytes    Int // bytes
	ActiveDefragMaxScanFields  Int
	JemallocBgThread           Bool
}

var memoryRows = []*Row{
	memoryUnsigned("maxmemory", 0, 0, -1, func(c *Config) *Int { return &c.Maxmemory }),
	enum("maxmemory-policy", PolicyNoEviction, maxmemoryPolicyWords, func(c *Config) *Enum[MaxmemoryPolicy] { return &c.MaxmemoryPolicy }),
	integer("maxmemory-samples", 5, 1, math.MaxInt32, func(c *Config) *Int { return &c.MaxmemorySamples }),
	boolean("cache-mode", false, func(c *Config) *Bool { return &c.CacheMode }).immutable().larder(),
	boolean("s3fifo-by-size", false, func(c *Config) *Bool { return &c.S3fifoBySize }).larder(),
	integer("maxmemory-eviction-tenacity", 10, 0, 100, func(c *Config) *Int { return &c.MaxmemoryEvictionTenacity }).noEffect(noEviction),
	integer("lfu-log-factor", 10, 0, math.MaxInt32, func(c *Config) *Int { return &c.LFULogFactor }),
	integer("lfu-decay-time", 1, 0, math.MaxInt32, func(c *Config) *Int { return &c.LFUDecayTime }),
	boolean("lazyfree-lazy-eviction", false, func(c *Config) *Bool { return &c.LazyfreeLazyEviction }),
	boolean("lazyfree-lazy-expire", false, func(c *Config) *Bool { return &c.LazyfreeLazyExpire }),
	boolean("lazyfree-lazy-server-del", false, func(c *Config) *Bool { return &c.LazyfreeLazyServerDel }),
	boolean("lazyfree-lazy-user-del", false, func(c *Config) *Bool { return &c.LazyfreeLazyUserDel }),
	boolean("lazyfree-lazy-user-flush", false, func(c *Config) *Bool { return &c.LazyfreeLazyUserFlush }),
	integer("active-expire-effort", 1, 1, 10, func(c *Config) *Int { return &c.ActiveExpireEffort }).noEffect("keys expire on time at any effort"),
	boolean("activerehashing", true, func(c *Config) *Bool { return &c.Activerehashing }).noEffect("tables grow segment by segment and are never rehashed"),
	boolean("activedefrag", true, func(c *Config) *Bool { return &c.Activedefrag }),
	integer("active-defrag-cycle-min", 1, 1, 99, func(c *Config) *Int { return &c.ActiveDefragCycleMin }),
	integer("active-defrag-cycle-max", 25, 1, 99, func(c *Config) *Int { return &c.ActiveDefragCycleMax }),
	integer("active-defrag-threshold-lower", 10, 0, 1000, func(c *Config) *Int { return &c.ActiveDefragThresholdLower }),
	integer("active-defrag-threshold-upper", 100, 0, 1000, func(c *Config) *Int { return &c.ActiveDefragThresholdUpper }),
	memoryUnsigned("active-defrag-ignore-bytes", 2<<20, 1, math.MaxInt64, func(c *Config) *Int { return &c.ActiveDefragIgnoreBytes }),
	integer("active-defrag-max-scan-fields", 1000, 1, math.MaxInt64, func(c *Config) *Int { return &c.ActiveDefragMaxScanFields }).noEffect("large collections are walked in steps of their own"),
	boolean("jemalloc-bg-thread", true, func(c *Config) *Bool { return &c.JemallocBgThread }).noEffect("Larder has its own allocator"),
}
