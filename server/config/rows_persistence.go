package config

import "math"

// Persistence: snapshots and the append-only folder.
type Persistence struct {
	Save                              Value[[]SavePoint]
	DBFilename                        String
	RDBChecksum                       Bool
	RDBCompression                    Bool
	RDBVersion                        Int // of the format that is written
	RDBDelSyncFiles                   Bool
	RDBSaveIncrementalFsync           Bool
	RDBKeySaveDelay                   Int // microseconds, for tests
	KeyLoadDelay                      Int // microseconds, for tests
	LoadingProcessEventsIntervalBytes Int
	StopWritesOnBgsaveError           Bool
	Appendonly                        Bool
	AppendFilename                    String
	AppendDirname                     String
	Appendfsync                       Enum[Fsync]
	NoAppendfsyncOnRewrite            Bool
	AutoAOFRewritePercentage          Int
	AutoAOFRewriteMinSize             Int // bytes
	AOFLoadTruncated                  Bool
	AOFUseRDBPreamble                 Bool
	AOFTimestampEnabled               Bool
	AOFRewriteIncrementalFsync        Bool
	AOFDisableAutoGC                  Bool
	AOFSalvage                        Bool
	EncryptionKeyFile                 String
	BackupSchedule                    String
	BackupDir                         String
	BackupRetention                   Int // backups that stay, 0 for all
}

var persistenceRows = []*Row{
	saveRow(func(c *Config) *Value[[]SavePoint] { return &c.Save }),
	valid(text("dbfilename", "dump.rdb", func(c *Config) *String { return &c.DBFilename }), checkDBFilename).protected(),
	boolean("rdbchecksum", true, func(c *Config) *Bool { return &c.RDBChecksum }).immutable(),
	boolean("rdbcompression", true, func(c *Config) *Bool { return &c.RDBCompression }),
	integer("rdb-version", 10, 10, 12, func(c *Config) *Int { return &c.RDBVersion }).larder(),
	boolean("rdb-del-sync-files", false, func(c *Config) *Bool { return &c.RDBDelSyncFiles }).noEffect("replicas get their data over the network, without files"),
	boolean("rdb-save-incremental-fsync", true, func(c *Config) *Bool { return &c.RDBSaveIncrementalFsync }),
	integer("rdb-key-save-delay", 0, math.MinInt32, math.MaxInt32, func(c *Config) *Int { return &c.RDBKeySaveDelay }).hidden(),
	integer("key-load-delay", 0, math.MinInt32, math.MaxInt32, func(c *Config) *Int { return &c.KeyLoadDelay }).hidden(),
	integer("loading-process-events-interval-bytes", 2<<20, 1024, math.MaxInt32, func(c *Config) *Int { return &c.LoadingProcessEventsIntervalBytes }).hidden(),
	boolean("stop-writes-on-bgsave-error", true, func(c *Config) *Bool { return &c.StopWritesOnBgsaveError }),
	boolean("appendonly", false, func(c *Config) *Bool { return &c.Appendonly }).denyLoading(),
	valid(text("appendfilename", "appendonly.aof", func(c *Config) *String { return &c.AppendFilename }), checkBaseName("appendfilename", "filename")).immutable(),
	valid(text("appenddirname", "appendonlydir", func(c *Config) *String { return &c.AppendDirname }), checkBaseName("appenddirname", "dirname")).immutable(),
	enum("appendfsync", FsyncEverysec, fsyncWords, func(c *Config) *Enum[Fsync] { return &c.Appendfsync }),
	boolean("no-appendfsync-on-rewrite", false, func(c *Config) *Bool { return &c.NoAppendfsyncOnRewrite }),
	integer("auto-aof-rewrite-percentage", 100, 0, math.MaxInt32, func(c *Config) *Int { return &c.AutoAOFRewritePercentage }),
	memory("auto-aof-rewrite-min-size", 64<<20, 0, math.MaxInt64, func(c *Config) *Int { return &c.AutoAOFRewriteMinSize }),
	boolean("aof-load-truncated", true, func(c *Config) *Bool { return &c.AOFLoadTruncated }),
	boolean("aof-use-rdb-preamble", true, func(c *Config) *Bool { return &c.AOFUseRDBPreamble }),
	boolean("aof-timestamp-enabled", false, func(c *Config) *Bool { return &c.AOFTimestampEnabled }),
	boolean("aof-rewrite-incremental-fsync", true, func(c *Config) *Bool { return &c.AOFRewriteIncrementalFsync }),
	boolean("aof-disable-auto-gc", false, func(c *Config) *Bool { return &c.AOFDisableAutoGC }).hidden(),
	boolean("aof-salvage", false, func(c *Config) *Bool { return &c.AOFSalvage }).larder(),
	optional("encryption-key-file", func(c *Config) *String { return &c.EncryptionKeyFile }).immutable().larder(),
	optional("backup-schedule", func(c *Config) *String { return &c.BackupSchedule }).larder(),
	text("backup-dir", "backups", func(c *Config) *String { return &c.BackupDir }).protected().larder(),
	integer("backup-retention", 7, 0, math.MaxInt32, func(c *Config) *Int { return &c.BackupRetention }).larder(),
}
