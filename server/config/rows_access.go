package config

import "math"

// Access: who may do what.
type Access struct {
	RequirePass      String
	ACLFile          String
	ACLLogMaxLen     Int
	ACLPubsubDefault Enum[PubsubDefault]
}

var accessRows = []*Row{
	optional("requirepass", func(c *Config) *String { return &c.RequirePass }).sensitive(),
	text("aclfile", "", func(c *Config) *String { return &c.ACLFile }).immutable(),
	integer("acllog-max-len", 128, 0, math.MaxInt64, func(c *Config) *Int { return &c.ACLLogMaxLen }),
	enum("acl-pubsub-default", PubsubResetChannels, pubsubDefaultWords, func(c *Config) *Enum[PubsubDefault] { return &c.ACLPubsubDefault }),
}
