package resp

import "strings"

// Errors of the commands about the server itself.
const (
	ErrNotListpack      Error = "ERR Not a listpack encoded object."
	ErrNotSDS           Error = "ERR Not an sds encoded string."
	ErrNoTable          Error = "ERR The value stored at the specified key is not represented using an hash table"
	ErrNoClientLimit    Error = "ERR maxmemory-clients is disabled."
	ErrNoSuchClient     Error = "ERR No such client"
	ErrClientIDPositive Error = "ERR client-id should be greater than 0"
	ErrUnblockReason    Error = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
	ErrPauseMode        Error = "ERR CLIENT PAUSE mode must be WRITE or ALL"
	ErrResetClient      Error = "ERR can only reset normal client connections"
	ErrNotInTransaction Error = "ERR Command not allowed inside a transaction"
	ErrRedirectTwice    Error = "ERR A client can only redirect to a single other client"
	ErrRedirectMissing  Error = "ERR The client ID you want redirect to does not exist"
	ErrPrefixNeedsBcast Error = "ERR PREFIX option requires BCAST mode to be enabled"
	ErrBcastSwitch      Error = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
	ErrBcastOpt         Error = "ERR OPTIN and OPTOUT are not compatible with BCAST"
	ErrOptInAndOut      Error = "ERR You can't specify both OPTIN mode and OPTOUT mode"
	ErrOptSwitch        Error = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
	ErrCachingMode      Error = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
	ErrCachingYes       Error = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
	ErrCachingNo        Error = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
	ErrNoConfigFile     Error = "ERR The server is running without a config file"
	ErrInvalidCommand   Error = "ERR Invalid command specified"
	ErrNoKeyArguments   Error = "ERR The command has no key arguments"
	ErrInvalidArity     Error = "ERR Invalid number of arguments specified for command"
	ErrInvalidArguments Error = "ERR Invalid arguments specified for command"
	ErrSlowlogCount     Error = "ERR count should be greater than or equal to -1"
	ErrDatabaseRange    Error = "ERR Out of range database"
	ErrNeedsRESP3       Error = "ERR RESP2 is not supported by this command"
	ErrPackedThreshold  Error = "ERR argument must be a memory value bigger than 1 and smaller than 4gb"
	ErrShutdownFailed   Error = "ERR Errors trying to SHUTDOWN. Check logs."
	ErrNoShutdown       Error = "ERR No shutdown in progress."
	ErrSaving           Error = "ERR Background save already in progress"
	ErrRewriting        Error = "ERR Background append only file rewriting already in progress"
	ErrRewriteFailed    Error = "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
	ErrOtherChild       Error = "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."
	ErrClusterDisabled  Error = "ERR This instance has cluster support disabled"
	ErrReplicaKeyspace  Error = "ERR Replica can't interact with the keyspace"
	ErrSSubscribeBlock  Error = "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"
	ErrMonitorBlocking  Error = "ERR MONITOR isn't allowed for DENY BLOCKING client"

	ErrNotFromThere   Error = "DENIED Connections from your address are not accepted here. The directive allow-from says from which they are: an operator can change it by CONFIG SET allow-from, or in the configuration file."
	ErrGenpassBits    Error = "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"
	ErrUserName       Error = "ERR Usernames can't contain spaces or null characters"
	ErrDefaultUser    Error = "ERR The 'default' user cannot be removed"
	ErrNoACLFile      Error = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration."
	ErrACLSave        Error = "ERR There was an error trying to save the ACLs. Please check the server logs for more information"
	ErrReplicaWait    Error = "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated."
	ErrReplicaWaitAOF Error = "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated."
	ErrWaitAOFOff     Error = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
	ErrOnlyMaster     Error = "ERR Command is not valid when client is a replica."
	ErrNoMasterLink   Error = "NOMASTERLINK Can't SYNC while not connected with my master"
	ErrNoMasterFail   Error = "NOMASTERLINK Can't SYNC while failing over"
	ErrPendingOutput  Error = "ERR SYNC and PSYNC are invalid with pending output"

	ErrFailoverNone      Error = "ERR No failover in progress."
	ErrFailoverTimeout   Error = "ERR FAILOVER timeout must be greater than 0"
	ErrFailoverRunning   Error = "ERR FAILOVER already in progress."
	ErrFailoverReplica   Error = "ERR FAILOVER is not valid when server is a replica."
	ErrFailoverNoReplica Error = "ERR FAILOVER requires connected replicas."
	ErrFailoverForce     Error = "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
	ErrFailoverTarget    Error = "ERR FAILOVER target HOST and PORT is not a replica."
	ErrFailoverOffline   Error = "ERR FAILOVER target replica is not online."
	ErrReplicaOfFailover Error = "ERR REPLICAOF not allowed while failing over."

	ErrNotBusy         Error = "NOTBUSY No scripts in execution right now."
	ErrUnkillable      Error = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
	ErrUnkillableLink  Error = "UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed."
	ErrScriptReadWrite Error = "ERR Can not execute a script with write flag using *_ro command."
	ErrScriptFlush     Error = "ERR SCRIPT FLUSH only support SYNC|ASYNC option"
	ErrKeysNegative    Error = "ERR Number of keys can't be negative"
	ErrBadKeysNumber   Error = "ERR Bad number of keys provided"
	ErrNoLibrary       Error = "ERR Library not found"
	ErrNoFunction      Error = "ERR Function not found"
	ErrNoFunctionCode  Error = "ERR Function code is missing"
	ErrFunctionFlush   Error = "ERR FUNCTION FLUSH only supports SYNC|ASYNC option"
	ErrRestorePolicy   Error = "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
	ErrNoLibraryName   Error = "ERR library name argument was not given"

	ErrCrossSlot   Error = "CROSSSLOT Keys in request don't hash to the same slot"
	ErrTryAgain    Error = "TRYAGAIN Multiple keys request during rehashing of slot"
	ErrClusterDown Error = "CLUSTERDOWN The cluster is down"
)

// NoBlockInScript is the reply to XREAD and XREADGROUP with BLOCK in a script; name is the command as the script spells it.
func NoBlockInScript(name string) Error {
	return Error("ERR " + name + " command is not allowed with BLOCK option from scripts")
}

// NoPerm is the reply to a command that the user may not run; why ends the sentence.
func NoPerm(why string) Error { return Error("NOPERM " + why) }

// ExecAbortBecause is the reply to EXEC when the transaction may not run at all: why is the error it would have met.
func ExecAbortBecause(why Error) Error {
	return "EXECABORT Transaction discarded because of: " + why
}

// MisconfAOF is the reply to a write while the append-only file cannot be written.
func MisconfAOF(why string) Error {
	return Error("MISCONF Errors writing to the AOF file: " + why)
}

// ErrMisconfRDBScript is ErrMisconfRDB for a script that says of itself that it may write.
const ErrMisconfRDBScript Error = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts."

// MisconfAOFScript is the reply to a script that says of itself that it may write, then.
func MisconfAOFScript(why string) Error {
	return Error("MISCONF Redis is configured to persist data to AOF, but it's currently unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts. AOF error: " + why)
}

// UnrecognizedOption is the reply of CLIENT SETINFO to an attribute that it does not know.
func UnrecognizedOption(option []byte) Error {
	return Error("ERR Unrecognized option '" + string(option) + "'")
}

// UnprintableName is the reply to a name that CLIENT LIST could not show on a line; what is "Client names" or the attribute.
func UnprintableName(what string) Error {
	return Error("ERR " + what + " cannot contain spaces, newlines or special characters.")
}

// UnknownClientType is the reply to a TYPE that clients do not have.
func UnknownClientType(name []byte) Error {
	return Error("ERR Unknown client type '" + string(name) + "'")
}

// ExecNoPerm is the reply to a queued command that the user may not run any more when EXEC comes to it.
func ExecNoPerm(why string) Error {
	return Error("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: " + why)
}

// UserNotFound and CommandNotFound are the replies of ACL DRYRUN to what there is not.
func UserNotFound(name []byte) Error { return Error("ERR User '" + string(name) + "' not found") }

// CommandNotFound: see UserNotFound.
func CommandNotFound(name []byte) Error {
	return Error("ERR Command '" + string(name) + "' not found")
}

// UnknownCategory is the reply of ACL CAT to a category that there is not.
func UnknownCategory(name []byte) Error {
	return Error("ERR Unknown category '" + string(printed(name, 128)) + "'")
}

// NoSuchUser is the reply to the name of a user that there is not.
func NoSuchUser(name []byte) Error { return Error("ERR No such user '" + string(name) + "'") }

// HelloOption is the reply to a word that HELLO does not know.
func HelloOption(word []byte) Error {
	return Error("ERR Syntax error in HELLO option '" + string(word) + "'")
}

// NoSamples is the reply of LATENCY GRAPH to an event that was never too slow.
func NoSamples(event string) Error {
	return Error("ERR No samples available for event '" + event + "'")
}

// WrongProtocolType is the reply of DEBUG PROTOCOL to a type that it does not know.
func WrongProtocolType(known []string) Error {
	return Error("ERR Wrong protocol type name. Please use one of the following: " + strings.Join(known, "|"))
}

// NotEnabled is the reply to DEBUG and its like while they are switched off.
func NotEnabled(command, option string) Error {
	return Error("ERR " + command + " command not allowed. If the " + option + " option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.")
}

// UnknownSubcommandOrArgs is the reply of a container command that checks its subcommand's arguments by hand.
func UnknownSubcommandOrArgs(sub []byte, upper string) Error {
	return Error("ERR unknown subcommand or wrong number of arguments for '" + string(printed(sub, 128)) + "'. Try " + upper + " HELP.")
}
