package resp

import (
	"math"
	"strconv"
)

// Errors about keys and values of one type, beyond those of errors.go.
const (
	ErrSpecifiedStrings Error = "ERR The specified keys must contain string values"
	ErrLCSLenAndIdx     Error = "ERR If you want both the length and indexes, please just use IDX."
	ErrLCSTooLong       Error = "ERR String too long for LCS"
	ErrLCSMemory        Error = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
	ErrDigest           Error = "ERR must be exactly 16 hexadecimal characters"
	ErrDelexCondition   Error = "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"
	ErrDelexType        Error = "ERR Key should be of string type if conditions are specified"
	ErrInvalidNumKeys   Error = "ERR invalid numkeys value"
	ErrKeyValuePairs    Error = "ERR wrong number of key-value pairs"
	ErrExpireNXWith     Error = "ERR NX and XX, GT or LT options at the same time are not compatible"
	ErrExpireGTLT       Error = "ERR GT and LT options at the same time are not compatible"
	ErrInvalidTTL       Error = "ERR Invalid TTL value, must be >= 0"
	ErrInvalidIdleTime  Error = "ERR Invalid IDLETIME value, must be >= 0"
	ErrInvalidFreq      Error = "ERR Invalid FREQ value, must be >= 0 and <= 255"
	ErrDumpPayload      Error = "ERR DUMP payload version or checksum are wrong"
	ErrBadDataFormat    Error = "ERR Bad data format"
	ErrInvalidFirstDB   Error = "ERR invalid first DB index"
	ErrInvalidSecondDB  Error = "ERR invalid second DB index"
	ErrIdleUnderLFU     Error = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	ErrFreqWithoutLFU   Error = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	ErrMigrateKeys      Error = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"

	ErrSortScores     Error = "ERR One or more scores can't be converted into double"
	ErrSortByDenied   Error = "ERR BY option of SORT denied due to insufficient ACL permissions."
	ErrSortGetDenied  Error = "ERR GET option of SORT denied due to insufficient ACL permissions."
	ErrRankZero       Error = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"
	ErrMaxLenNegative Error = "ERR MAXLEN can't be negative"
	ErrCountNegative  Error = "ERR COUNT can't be negative"
	ErrCountZero      Error = "ERR count should be greater than 0"

	ErrZAddXXNX         Error = "ERR XX and NX options at the same time are not compatible"
	ErrZAddGTLTNX       Error = "ERR GT, LT, and/or NX options at the same time are not compatible"
	ErrZAddIncrPair     Error = "ERR INCR option supports a single increment-element pair"
	ErrZRangeLimit      Error = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
	ErrZRangeWithScores Error = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"

	ErrGeoUnit       Error = "ERR unsupported unit provided. please use M, KM, FT, MI"
	ErrGeoRadius     Error = "ERR radius cannot be negative"
	ErrGeoBox        Error = "ERR height or width cannot be negative"
	ErrGeoMember     Error = "ERR could not decode requested zset member"
	ErrGeoNeedRadius Error = "ERR need numeric radius"
	ErrGeoNeedWidth  Error = "ERR need numeric width"
	ErrGeoNeedHeight Error = "ERR need numeric height"
	ErrGeoAny        Error = "ERR the ANY argument requires COUNT argument"

	ErrStreamID             Error = "ERR Invalid stream ID specified as stream command argument"
	ErrStreamZeroID         Error = "ERR The ID specified in XADD must be greater than 0-0"
	ErrStreamSmallID        Error = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
	ErrStreamFull           Error = "ERR The stream has exhausted the last possible ID, unable to add more items"
	ErrStreamTooLarge       Error = "ERR Elements are too large to be stored"
	ErrStreamStart          Error = "ERR invalid start ID for the interval"
	ErrStreamEnd            Error = "ERR invalid end ID for the interval"
	ErrTrimBoth             Error = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
	ErrTrimMaxLen           Error = "ERR The MAXLEN argument must be >= 0."
	ErrTrimLimit            Error = "ERR The LIMIT argument must be >= 0."
	ErrTrimLimitNoStrategy  Error = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
	ErrTrimLimitNotApprox   Error = "ERR syntax error, LIMIT cannot be used without the special ~ option"
	ErrTrimNoStrategy       Error = "ERR syntax error, XTRIM must be called with a trimming strategy"
	ErrXReadGroup           Error = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
	ErrXReadNoAck           Error = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
	ErrXReadClaim           Error = "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead."
	ErrClaimNotInt          Error = "ERR min-idle-time is not an integer"
	ErrClaimNegative        Error = "ERR min-idle-time must be a positive integer"
	ErrNumIDs               Error = "ERR Number of IDs must be a positive integer"
	ErrNumIDsMatch          Error = "ERR The `numids` parameter must match the number of arguments"
	ErrXReadGroupMissing    Error = "ERR Missing GROUP option for XREADGROUP"
	ErrXReadGroupDollar     Error = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."
	ErrXReadGroupPlus       Error = "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set."
	ErrXReadGreater         Error = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
	ErrXGroupNoKey          Error = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically."
	ErrBusyGroup            Error = "BUSYGROUP Consumer Group name already exists"
	ErrEntriesRead          Error = "ERR value for ENTRIESREAD must be positive or -1"
	ErrEntriesAdded         Error = "ERR entries_added must be positive"
	ErrXSetIDMaxDeleted     Error = "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
	ErrXSetIDCurrentDeleted Error = "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
	ErrXSetIDTop            Error = "ERR The ID specified in XSETID is smaller than the target stream top item"
	ErrXClaimMinIdle        Error = "ERR Invalid min-idle-time argument for XCLAIM"
	ErrXClaimIdle           Error = "ERR Invalid IDLE option argument for XCLAIM"
	ErrXClaimTime           Error = "ERR Invalid TIME option argument for XCLAIM"
	ErrXClaimRetryCount     Error = "ERR Invalid RETRYCOUNT option argument for XCLAIM"
	ErrXAutoClaimMinIdle    Error = "ERR Invalid min-idle-time argument for XAUTOCLAIM"
	ErrCountPositive        Error = "ERR COUNT must be > 0"
	ErrXSetIDEntries        Error = "ERR The entries_added specified in XSETID is smaller than the target stream length"
)

// NoGroup is the reply to a stream or group that is not there.
func NoGroup(key, group []byte) Error {
	return Error("NOGROUP No such key '" + string(printed(key, len(key))) + "' or consumer group '" + string(printed(group, len(group))) + "'")
}

// NoGroupReading is NoGroup as XREADGROUP words it.
func NoGroupReading(key, group []byte) Error {
	return NoGroup(key, group) + " in XREADGROUP with GROUP option"
}

// NoGroupOfKey is the reply of XGROUP and XINFO to a group that is not there, while the stream is.
func NoGroupOfKey(group, key []byte) Error {
	return Error("NOGROUP No such consumer group '" + string(printed(group, len(group))) + "' for key name '" + string(printed(key, len(key))) + "'")
}

// BitopTwo is the reply to an operation of BITOP that needs more than one source.
func BitopTwo(operation string) Error {
	return Error("ERR BITOP " + operation + " must be called with at least two source keys.")
}

// UnbalancedStreams is the reply to xread or xreadgroup with other than one ID per stream; id is what may stand for one.
func UnbalancedStreams(name, id string) Error {
	return Error("ERR Unbalanced '" + name + "' list of streams: for each stream key an ID or '" + id + "' must be specified.")
}

// UnrecognizedXClaim is the reply to an option that XCLAIM does not know.
func UnrecognizedXClaim(option []byte) Error {
	return Error("ERR Unrecognized XCLAIM option '" + string(printed(option, len(option))) + "'")
}

// NeedsInputKey is the reply to a union or intersection of nothing.
func NeedsInputKey(name string) Error {
	return Error("ERR at least 1 input key is needed for '" + name + "' command")
}

// GeoStoreOptions is the reply to GEORADIUS or GEOSEARCHSTORE that is to store and to show; what is what it stores with:
// "STORE option in GEORADIUS" or "GEOSEARCHSTORE".
func GeoStoreOptions(what string) Error {
	return Error("ERR " + what + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
}

// GeoInvalidPlace is the reply to a position that is not on the map.
func GeoInvalidPlace(lon, lat float64) Error {
	return Error("ERR invalid longitude,latitude pair " + fixed6(lon) + "," + fixed6(lat))
}

// fixed6 is a number with six digits behind the point, as printf writes it.
func fixed6(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'f', 6, 64)
}

// GeoOneCentre is the reply to a search with no centre or with two; name is the command as the client wrote it.
func GeoOneCentre(name []byte) Error {
	return Error("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + string(name))
}

// GeoOneShape is the reply to a search with no shape or with two.
func GeoOneShape(name []byte) Error {
	return Error("ERR exactly one of BYRADIUS and BYBOX can be specified for " + string(name))
}

// UnsupportedOption is the reply of the EXPIRE family to a word that it does not know.
func UnsupportedOption(option []byte) Error {
	return Error("ERR Unsupported option " + string(printed(option, len(option))))
}
