package config

// Why a directive has no effect, where several have the same reason. Every directive of redis-server is accepted, so
// that its configuration files work unchanged; what Larder then ignores it says, at startup and in NoEffect.
const (
	noCluster         = "Larder is not a node of Redis Cluster"
	noCron            = "timers run when they are due, not at a fixed rate"
	noEviction        = "one command evicts a fixed number of keys at most"
	noBorrowedReplies = "replies are copied while the shard is held"
	noIOThreads       = "event-loops says how many threads serve clients"
	noMultipath       = "connections have one path each"
	noModules         = "Larder loads no modules"
	noPinning         = "threads are not pinned to processors"
	atOnce            = "data that a snapshot replaces is given back at once, as a whole"
	alwaysChecked     = "payloads are always checked"
)
