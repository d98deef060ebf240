package resp

import (
	"bytes"
	"strings"
)

// Error is an error reply: its code, a space, its text. Clients depend on many of them to the letter.
type Error string

// Error makes it an error.
func (e Error) Error() string { return string(e) }

// Code is the first word, by which INFO errorstats counts.
func (e Error) Code() string {
	code, _, found := strings.Cut(string(e), " ")
	if !found || len(code) > 32 {
		return "ERR"
	}
	return code
}

// What many commands reply.
const (
	ErrWrongType        Error = "WRONGTYPE Operation against a key holding the wrong kind of value"
	ErrNoSuchKey        Error = "ERR no such key"
	ErrSyntax           Error = "ERR syntax error"
	ErrSameObject       Error = "ERR source and destination objects are the same"
	ErrIndexRange       Error = "ERR index out of range"
	ErrNotInteger       Error = "ERR value is not an integer or out of range"
	ErrOutOfRange       Error = "ERR value is out of range"
	ErrNotPositive      Error = "ERR value is out of range, must be positive"
	ErrNotFloat         Error = "ERR value is not a valid float"
	ErrNaNOrInfinity    Error = "ERR increment would produce NaN or Infinity"
	ErrOverflow         Error = "ERR increment or decrement would overflow"
	ErrDecrOverflow     Error = "ERR decrement would overflow"
	ErrOffsetRange      Error = "ERR offset is out of range"
	ErrStringTooBig     Error = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	ErrKeyTooBig        Error = "ERR key exceeds maximum allowed size (512 MB)"
	ErrInvalidCursor    Error = "ERR invalid cursor"
	ErrDBIndex          Error = "ERR DB index is out of range"
	ErrInvalidDBIndex   Error = "ERR invalid DB index"
	ErrBusyKey          Error = "BUSYKEY Target key name already exists."
	ErrTimeoutNotFloat  Error = "ERR timeout is not a float or out of range"
	ErrTimeoutNegative  Error = "ERR timeout is negative"
	ErrTimeoutNotInt    Error = "ERR timeout is not an integer or out of range"
	ErrTimeoutRange     Error = "ERR timeout is out of range"
	ErrMinMaxNotFloat   Error = "ERR min or max is not a float"
	ErrMinMaxNotLex     Error = "ERR min or max not valid string range item"
	ErrWeightNotFloat   Error = "ERR weight value is not a float"
	ErrScoreNaN         Error = "ERR resulting score is not a number (NaN)"
	ErrHashNotInteger   Error = "ERR hash value is not an integer"
	ErrHashNotFloat     Error = "ERR hash value is not a float"
	ErrIncrementNaN     Error = "ERR value is NaN or Infinity"
	ErrFieldsMissing    Error = "ERR Mandatory argument FIELDS is missing or not at the right position"
	ErrFieldsDiffer     Error = "ERR The `numfields` parameter must match the number of arguments"
	ErrFieldsPositive   Error = "ERR Number of fields must be a positive integer"
	ErrNumFields        Error = "ERR Parameter `numFields` should be greater than 0"
	ErrNoFields         Error = "ERR missing FIELDS argument"
	ErrFieldCount       Error = "ERR invalid number of fields"
	ErrNoExpireTime     Error = "ERR missing expire time"
	ErrNegativeExpire   Error = "ERR invalid expire time, must be >= 0"
	ErrOneOfFXXFNX      Error = "ERR Only one of FXX or FNX arguments can be specified"
	ErrOneOfExpire      Error = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
	ErrCountRange       Error = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
	ErrInt32Range       Error = "ERR value is out of range, value must between -2147483648 and 2147483647"
	ErrFirstDBIndex     Error = "ERR invalid first DB index"
	ErrSecondDBIndex    Error = "ERR invalid second DB index"
	ErrNumKeys          Error = "ERR numkeys should be greater than 0"
	ErrTooManyKeys      Error = "ERR Number of keys can't be greater than number of args"
	ErrLimitNegative    Error = "ERR LIMIT can't be negative"
	ErrNoValues         Error = "ERR NOVALUES option can only be used in HSCAN"
	ErrNoScores         Error = "ERR NOSCORES option can only be used in ZSCAN"
	ErrNotHLL           Error = "WRONGTYPE Key is not a valid HyperLogLog string value."
	ErrCorruptHLL       Error = "INVALIDOBJ Corrupted HLL object detected"
	ErrHLLNotSparse     Error = "ERR HLL encoding is not sparse"
	ErrKeyMissing       Error = "ERR The specified key does not exist"
	ErrBitOffset        Error = "ERR bit offset is not an integer or out of range"
	ErrBitValue         Error = "ERR bit is not an integer or out of range"
	ErrBitArgument      Error = "ERR The bit argument must be 1 or 0."
	ErrBitopNot         Error = "ERR BITOP NOT must be called with a single source key."
	ErrBitfieldType     Error = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
	ErrBitfieldOverflow Error = "ERR Invalid OVERFLOW type specified"
	ErrBitfieldReadOnly Error = "ERR BITFIELD_RO only supports the GET subcommand"
)

// What the gates reply before a command runs.
const (
	ErrNoAuth         Error = "NOAUTH Authentication required."
	ErrNoAuthHello    Error = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
	ErrWrongPass      Error = "WRONGPASS invalid username-password pair or user is disabled."
	ErrAuthNoPassword Error = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
	ErrNoProto        Error = "NOPROTO unsupported protocol version"
	ErrProtoNotInt    Error = "ERR Protocol version is not an integer or out of range"
	ErrOOM            Error = "OOM command not allowed when used memory > 'maxmemory'."
	ErrReadOnly       Error = "READONLY You can't write against a read only replica."
	ErrMisconfRDB     Error = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."
	ErrLoading        Error = "LOADING Redis is loading the dataset in memory"
	ErrBusyScript     Error = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
	ErrBusyFunction   Error = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
	ErrMasterDown     Error = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
	ErrNoReplicas     Error = "NOREPLICAS Not enough good replicas to write."
	ErrExecAbort      Error = "EXECABORT Transaction discarded because of previous errors."
	ErrNestedMulti    Error = "ERR MULTI calls can not be nested"
	ErrNoMulti        Error = "ERR Command not allowed inside a transaction"
	ErrExecNoMulti    Error = "ERR EXEC without MULTI"
	ErrDiscardNoMulti Error = "ERR DISCARD without MULTI"
	ErrWatchInMulti   Error = "ERR WATCH inside MULTI is not allowed"
	ErrMaxClients     Error = "ERR max number of clients reached"
	ErrUnblocked      Error = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
	ErrUnblockedRole  Error = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
	ErrNoScript       Error = "NOSCRIPT No matching script. Please use EVAL."
	ErrDenyBlocking   Error = "ERR DENYBLOCKING client"
	ErrProtectedMode  Error = "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside."
)

// WrongArgs is the reply to a command with too few or too many arguments; name in lower case, with a subcommand joined
// by a bar ("client|id").
func WrongArgs(name string) Error {
	return Error("ERR wrong number of arguments for '" + name + "' command")
}

// UnknownCommand quotes the name and the first arguments, 128 bytes of either at most.
func UnknownCommand(args [][]byte) Error {
	var b strings.Builder
	b.WriteString("ERR unknown command '")
	b.Write(printed(args[0], 128))
	b.WriteString("', with args beginning with: ")
	for left, i := 128, 1; i < len(args) && left > 0; i++ {
		arg := printed(args[i], left)
		b.WriteString("'")
		b.Write(arg)
		b.WriteString("' ")
		left -= len(arg) + 3
	}
	return Error(b.String())
}

// printed is what C's printf shows of an argument: up to its first zero byte, and n bytes at most.
func printed(arg []byte, n int) []byte {
	arg = arg[:min(len(arg), n)]
	if i := bytes.IndexByte(arg, 0); i >= 0 {
		arg = arg[:i]
	}
	return arg
}

// UnknownSubcommand is the reply to a container command with a word that it does not know; name as typed.
func UnknownSubcommand(sub []byte, name string) Error {
	return Error("ERR unknown subcommand '" + string(printed(sub, 128)) + "'. Try " + strings.ToUpper(name) + " HELP.")
}

// InvalidExpire is the reply to a time that is zero, negative or too far away.
func InvalidExpire(name string) Error {
	return Error("ERR invalid expire time in '" + name + "' command")
}

// NotAllowedInSubscriber is the reply to a command that a RESP2 client may not send while it is subscribed.
func NotAllowedInSubscriber(name string) Error {
	return Error("ERR Can't execute '" + name + "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context")
}
