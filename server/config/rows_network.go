package config

import "math"

// Network: what clients reach the server by, and what a connection may hold.
type Network struct {
	Bind                         Value[[]string] // addresses to listen on; a leading '-' tolerates one that is not there
	Port                         Int             // TCP port; 0 does not listen on TCP
	TCPBacklog                   Int
	TCPKeepalive                 Int // seconds; 0 sends no probes
	Timeout                      Int // seconds after which an idle client is closed; 0 is never
	MaxClients                   Int
	ProtectedMode                Bool
	UnixSocket                   String // path; "" does not listen
	UnixSocketGroup              String // name or number; "" leaves that of the process
	UnixSocketPerm               Int    // 0 leaves what umask gives
	BindSourceAddr               String // address that outgoing links start from
	SocketMarkID                 Int
	ClientOutputBufferLimit      Value[OutputLimits] // by class: normal, replica, pubsub
	ClientQueryBufferLimit       Int                 // bytes
	ProtoMaxBulkLen              Int                 // bytes of one argument
	MaxmemoryClients             Int                 // bytes of all clients; -n is n percent of maxmemory; 0 is no limit
	MaxNewConnectionsPerCycle    Int
	MaxNewTLSConnectionsPerCycle Int
	MetricsPort                  Int                // HTTP port of /metrics, /healthz and /readyz; 0 does not listen
	MetricsBind                  Value[[]string]    // addresses for it, as in Bind
	AllowFrom                    Value[[]AllowRule] // where connections may come from; none: from anywhere
}

var networkRows = []*Row{
	bindRow(func(c *Config) *Value[[]string] { return &c.Bind }),
	integer("port", 6379, 0, 65535, func(c *Config) *Int { return &c.Port }),
	integer("tcp-backlog", 511, 0, math.MaxInt32, func(c *Config) *Int { return &c.TCPBacklog }).immutable(),
	integer("tcp-keepalive", 300, 0, math.MaxInt32, func(c *Config) *Int { return &c.TCPKeepalive }),
	integer("timeout", 0, 0, math.MaxInt32, func(c *Config) *Int { return &c.Timeout }),
	unsigned("maxclients", 10000, 1, math.MaxUint32, func(c *Config) *Int { return &c.MaxClients }),
	boolean("protected-mode", true, func(c *Config) *Bool { return &c.ProtectedMode }),
	optional("unixsocket", func(c *Config) *String { return &c.UnixSocket }).immutable(),
	optional("unixsocketgroup", func(c *Config) *String { return &c.UnixSocketGroup }).immutable().larder(),
	numeric("unixsocketperm", 0, number{min: 0, max: 0o777, unsigned: true, octal: true}, func(c *Config) *Int { return &c.UnixSocketPerm }).immutable(),
	optional("bind-source-addr", func(c *Config) *String { return &c.BindSourceAddr }),
	unsigned("socket-mark-id", 0, 0, math.MaxUint32, func(c *Config) *Int { return &c.SocketMarkID }).immutable().noEffect("Larder marks no sockets"),
	outputLimitsRow(func(c *Config) *Value[OutputLimits] { return &c.ClientOutputBufferLimit }),
	memoryUnsigned("client-query-buffer-limit", 1<<30, 1<<20, math.MaxInt64, func(c *Config) *Int { return &c.ClientQueryBufferLimit }),
	memory("proto-max-bulk-len", 512<<20, 1<<20, math.MaxInt64, func(c *Config) *Int { return &c.ProtoMaxBulkLen }),
	numeric("maxmemory-clients", 0, number{min: -100, max: math.MaxInt64, memory: true, percent: true}, func(c *Config) *Int { return &c.MaxmemoryClients }),
	unsigned("max-new-connections-per-cycle", 10, 1, 1000, func(c *Config) *Int { return &c.MaxNewConnectionsPerCycle }).noEffect("a loop accepts all that is waiting"),
	unsigned("max-new-tls-connections-per-cycle", 1, 1, 1000, func(c *Config) *Int { return &c.MaxNewTLSConnectionsPerCycle }).noEffect("handshakes do not stand in the way of commands"),
	allowFromRow(func(c *Config) *Value[[]AllowRule] { return &c.AllowFrom }).larder(),
	integer("metrics-port", 0, 0, 65535, func(c *Config) *Int { return &c.MetricsPort }).larder(),
	special("metrics-bind", []string{"127.0.0.1", "-::1"}, func(c *Config) *Value[[]string] { return &c.MetricsBind }, parseBind, joinWords).multi().larder(),
}
