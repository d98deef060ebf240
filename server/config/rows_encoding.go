package config

import "math"

// Encoding: borders between a value's compact and its large form.
type Encoding struct {
	HashMaxListpackEntries Int
	HashMaxListpackValue   Int // bytes
	SetMaxIntsetEntries    Int
	SetMaxListpackEntries  Int
	SetMaxListpackValue    Int // bytes
	ZsetMaxListpackEntries Int
	ZsetMaxListpackValue   Int // bytes
	ListMaxListpackSize    Int // items of a block; -1 to -5: 4, 8, 16, 32, 64 KiB
	ListCompressDepth      Int
	StreamNodeMaxBytes     Int // bytes
	StreamNodeMaxEntries   Int
	HLLSparseMaxBytes      Int // bytes
	SanitizeDumpPayload    Enum[Sanitize]
}

var encodingRows = []*Row{
	unsigned("hash-max-listpack-entries", 512, 0, math.MaxInt64, func(c *Config) *Int { return &c.HashMaxListpackEntries }).alias("hash-max-ziplist-entries"),
	memoryUnsigned("hash-max-listpack-value", 64, 0, math.MaxInt64, func(c *Config) *Int { return &c.HashMaxListpackValue }).alias("hash-max-ziplist-value"),
	unsigned("set-max-intset-entries", 512, 0, math.MaxInt64, func(c *Config) *Int { return &c.SetMaxIntsetEntries }),
	unsigned("set-max-listpack-entries", 128, 0, math.MaxInt64, func(c *Config) *Int { return &c.SetMaxListpackEntries }),
	unsigned("set-max-listpack-value", 64, 0, math.MaxInt64, func(c *Config) *Int { return &c.SetMaxListpackValue }),
	unsigned("zset-max-listpack-entries", 128, 0, math.MaxInt64, func(c *Config) *Int { return &c.ZsetMaxListpackEntries }).alias("zset-max-ziplist-entries"),
	memoryUnsigned("zset-max-listpack-value", 64, 0, math.MaxInt64, func(c *Config) *Int { return &c.ZsetMaxListpackValue }).alias("zset-max-ziplist-value"),
	integer("list-max-listpack-size", -2, math.MinInt32, math.MaxInt32, func(c *Config) *Int { return &c.ListMaxListpackSize }).alias("list-max-ziplist-size"),
	integer("list-compress-depth", 0, 0, math.MaxInt32, func(c *Config) *Int { return &c.ListCompressDepth }).noEffect("list blocks are not compressed"),
	memoryUnsigned("stream-node-max-bytes", 4096, 0, math.MaxInt64, func(c *Config) *Int { return &c.StreamNodeMaxBytes }),
	integer("stream-node-max-entries", 100, 0, math.MaxInt64, func(c *Config) *Int { return &c.StreamNodeMaxEntries }),
	memoryUnsigned("hll-sparse-max-bytes", 3000, 0, math.MaxInt64, func(c *Config) *Int { return &c.HLLSparseMaxBytes }),
	enum("sanitize-dump-payload", SanitizeNo, sanitizeWords, func(c *Config) *Enum[Sanitize] { return &c.SanitizeDumpPayload }).noEffect(alwaysChecked),
}
