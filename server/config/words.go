package config

import "errors"

// The enumerations, with the words that Redis has for them. The zero value is not always the default: the rows say
// what is.

// SupervisedMode says who is told that the server is ready.
type SupervisedMode int32

const (
	SupervisedNo SupervisedMode = iota
	SupervisedAuto
	SupervisedSystemd
	SupervisedUpstart
)

var supervisedModeWords = []word[SupervisedMode]{{"upstart", SupervisedUpstart}, {"systemd", SupervisedSystemd}, {"auto", SupervisedAuto}, {"no", SupervisedNo}}

// LogLevel is the least important level that is written.
type LogLevel int32

const (
	LogDebug LogLevel = iota
	LogVerbose
	LogNotice
	LogWarning
	LogNothing
)

var logLevelWords = []word[LogLevel]{{"debug", LogDebug}, {"verbose", LogVerbose}, {"notice", LogNotice}, {"warning", LogWarning}, {"nothing", LogNothing}}

// LogFormat is the form of a log line.
type LogFormat int32

const (
	LogConsole LogFormat = iota // as Redis writes them
	LogJSON
)

var logFormatWords = []word[LogFormat]{{"console", LogConsole}, {"legacy", LogConsole}, {"json", LogJSON}} // legacy is Valkey's word

// SyslogFacility is where syslog would file lines.
type SyslogFacility int32

const (
	FacilityUser SyslogFacility = iota
	FacilityLocal0
	FacilityLocal1
	FacilityLocal2
	FacilityLocal3
	FacilityLocal4
	FacilityLocal5
	FacilityLocal6
	FacilityLocal7
)

var syslogFacilityWords = []word[SyslogFacility]{
	{"user", FacilityUser}, {"local0", FacilityLocal0}, {"local1", FacilityLocal1}, {"local2", FacilityLocal2}, {"local3", FacilityLocal3},
	{"local4", FacilityLocal4}, {"local5", FacilityLocal5}, {"local6", FacilityLocal6}, {"local7", FacilityLocal7},
}

// OOMScoreAdj says whether the process's oom_score_adj is set, and from where it counts.
type OOMScoreAdj int32

const (
	OOMNo OOMScoreAdj = iota
	OOMRelative
	OOMAbsolute
)

var oomScoreAdjWords = []word[OOMScoreAdj]{{"no", OOMNo}, {"yes", OOMRelative}, {"relative", OOMRelative}, {"absolute", OOMAbsolute}}

// Allow says which connections may do something dangerous.
type Allow int32

const (
	AllowNo Allow = iota
	AllowYes
	AllowLocal // connections over the unix socket and from this machine
)

var allowWords = []word[Allow]{{"no", AllowNo}, {"yes", AllowYes}, {"local", AllowLocal}}

// Allows reports whether a connection, which may be local, is let through.
func (a Allow) Allows(local bool) bool { return a == AllowYes || a == AllowLocal && local }

// Shutdown is the set of options that a signal's shutdown runs with.
type Shutdown int32

const (
	ShutdownSave Shutdown = 1 << iota
	ShutdownNosave
	ShutdownNow
	ShutdownForce
	ShutdownDefault Shutdown = 0
)

var shutdownWords = []word[Shutdown]{{"default", ShutdownDefault}, {"save", ShutdownSave}, {"nosave", ShutdownNosave}, {"now", ShutdownNow}, {"force", ShutdownForce}}

func checkShutdown(s Shutdown) error {
	if s&ShutdownSave != 0 && s&ShutdownNosave != 0 {
		return errors.New("shutdown options SAVE and NOSAVE can't be used simultaneously")
	}
	return nil
}

// MaxmemoryPolicy says which keys go when maxmemory is reached.
type MaxmemoryPolicy int32

const (
	PolicyNoEviction MaxmemoryPolicy = iota
	PolicyAllkeysLRU
	PolicyAllkeysLFU
	PolicyAllkeysRandom
	PolicyVolatileLRU
	PolicyVolatileLFU
	PolicyVolatileRandom
	PolicyVolatileTTL
	PolicyAllkeysS3FIFO
	PolicyVolatileS3FIFO
)

var maxmemoryPolicyWords = []word[MaxmemoryPolicy]{
	{"volatile-lru", PolicyVolatileLRU}, {"volatile-lfu", PolicyVolatileLFU}, {"volatile-random", PolicyVolatileRandom}, {"volatile-ttl", PolicyVolatileTTL},
	{"allkeys-lru", PolicyAllkeysLRU}, {"allkeys-lfu", PolicyAllkeysLFU}, {"allkeys-random", PolicyAllkeysRandom}, {"noeviction", PolicyNoEviction},
	{"allkeys-s3fifo", PolicyAllkeysS3FIFO}, {"volatile-s3fifo", PolicyVolatileS3FIFO},
}

// String is the policy's name.
func (p MaxmemoryPolicy) String() string { return formatWords(maxmemoryPolicyWords, p) }

// PubsubDefault is what a new user may subscribe to.
type PubsubDefault int32

const (
	PubsubResetChannels PubsubDefault = iota
	PubsubAllChannels
)

var pubsubDefaultWords = []word[PubsubDefault]{{"allchannels", PubsubAllChannels}, {"resetchannels", PubsubResetChannels}}

// Sanitize says which dumps are checked in full.
type Sanitize int32

const (
	SanitizeNo Sanitize = iota
	SanitizeYes
	SanitizeClients
)

var sanitizeWords = []word[Sanitize]{{"no", SanitizeNo}, {"yes", SanitizeYes}, {"clients", SanitizeClients}}

// Fsync says when the append-only file reaches the disk.
type Fsync int32

const (
	FsyncNo Fsync = iota
	FsyncEverysec
	FsyncAlways
)

var fsyncWords = []word[Fsync]{{"everysec", FsyncEverysec}, {"always", FsyncAlways}, {"no", FsyncNo}}

// DisklessLoad says whether a replica loads a snapshot from the socket.
type DisklessLoad int32

const (
	DisklessLoadDisabled DisklessLoad = iota
	DisklessLoadOnEmptyDB
	DisklessLoadSwapDB
	DisklessLoadFlush
)

var disklessLoadWords = []word[DisklessLoad]{
	{"disabled", DisklessLoadDisabled}, {"on-empty-db", DisklessLoadOnEmptyDB}, {"swapdb", DisklessLoadSwapDB}, {"flush-before-load", DisklessLoadFlush},
}

// PropagationError is what a failing command of the replication stream does.
type PropagationError int32

const (
	PropagationIgnore PropagationError = iota
	PropagationPanic
	PropagationPanicOnReplicas
)

var propagationErrorWords = []word[PropagationError]{{"ignore", PropagationIgnore}, {"panic", PropagationPanic}, {"panic-on-replicas", PropagationPanicOnReplicas}}

// EndpointType is how a cluster node names itself.
type EndpointType int32

const (
	EndpointIP EndpointType = iota
	EndpointHostname
	EndpointUnknown
)

var endpointTypeWords = []word[EndpointType]{{"ip", EndpointIP}, {"hostname", EndpointHostname}, {"unknown-endpoint", EndpointUnknown}}

// TLSAuth says whether clients must show a certificate.
type TLSAuth int32

const (
	TLSAuthNo TLSAuth = iota
	TLSAuthYes
	TLSAuthOptional
)

// TLSUser says which field of a client's certificate names the user that the client is at once.
type TLSUser int32

const (
	TLSUserOff TLSUser = iota
	TLSUserCN
)

var tlsUserWords = []word[TLSUser]{{"off", TLSUserOff}, {"cn", TLSUserCN}}

var tlsAuthWords = []word[TLSAuth]{{"no", TLSAuthNo}, {"yes", TLSAuthYes}, {"optional", TLSAuthOptional}}
