package spec

import "strings"

// Flags say how the server has to treat a command.
type Flags uint32

// Command flags, in the order in which COMMAND INFO lists those that it shows.
const (
	Write           Flags = 1 << iota // may change data
	ReadOnly                          // reads data only
	DenyOOM                           // refused when memory is short and nothing can be evicted
	Admin                             // for operators
	PubSub                            // about channels
	NoScript                          // not from scripts
	Blocking                          // may block the connection
	Loading                           // also while the data set is loaded
	Stale                             // also on a replica that has lost its primary and may not serve stale data
	SkipMonitor                       // not shown by MONITOR
	SkipSlowlog                       // not shown by SLOWLOG
	Asking                            // implies ASKING in a cluster
	Fast                              // constant or logarithmic time
	NoAuth                            // before authentication
	NoMandatoryKeys                   // has key arguments, and their number may be 0
	NoAsyncLoading                    // not while a replica loads a new data set and serves the old one
	NoMulti                           // not inside MULTI
	MovableKeys                       // first, last and step do not tell all keys
	AllowBusy                         // also while a script runs for too long
	MayReplicate                      // changes nothing by itself but may send something to replicas
	Sentinel                          // also known to a Sentinel
	Protected                         // only when enable-debug-command or enable-module-command allows it
	ArbitraryKeys                     // may touch keys that the request does not name
	shownFlags      = MayReplicate - 1
)

var flagNames = []string{
	"write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking", "loading", "stale", "skip_monitor",
	"skip_slowlog", "asking", "fast", "no_auth", "no_mandatory_keys", "no_async_loading", "no_multi", "movablekeys",
	"allow_busy", "may_replicate", "sentinel", "protected", "touches_arbitrary_keys",
}

// String lists the names of all flags, also of those that COMMAND INFO hides.
func (f Flags) String() string { return strings.Join(bitNames(uint32(f), flagNames), " ") }

// Categories are the ACL categories that hold a command.
type Categories uint32

// ACL categories, in the order in which ACL CAT lists them.
const (
	CatKeyspace Categories = 1 << iota
	CatRead
	CatWrite
	CatSet
	CatSortedSet
	CatList
	CatHash
	CatString
	CatBitmap
	CatHyperLogLog
	CatGeo
	CatStream
	CatPubSub
	CatAdmin
	CatFast
	CatSlow
	CatBlocking
	CatDangerous
	CatConnection
	CatTransaction
	CatScripting
)

var categoryNames = []string{
	"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream",
	"pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting",
}

// CategoryNames returns the names of all categories without the @, in the order of ACL CAT. The slice is the
// caller's.
func CategoryNames() []string { return append([]string(nil), categoryNames...) }

// Category finds a category by its name without the @; case does not matter.
func Category(name string) (Categories, bool) {
	for i, n := range categoryNames {
		if strings.EqualFold(n, name) {
			return 1 << i, true
		}
	}
	return 0, false
}

// String lists the names with their @.
func (c Categories) String() string {
	names := bitNames(uint32(c), categoryNames)
	for i := range names {
		names[i] = "@" + names[i]
	}
	return strings.Join(names, " ")
}

// implied are the categories that follow from the flags. Script runners that promise to only read are not @read:
// what they read is up to the script, and each command inside is checked by itself.
func implied(f Flags, declared Categories) Categories {
	var c Categories
	for _, rule := range []struct {
		flag Flags
		add  Categories
	}{
		{Write, CatWrite}, {Admin, CatAdmin | CatDangerous}, {PubSub, CatPubSub}, {Fast, CatFast}, {Blocking, CatBlocking},
	} {
		if f&rule.flag != 0 {
			c |= rule.add
		}
	}
	if f&ReadOnly != 0 && declared&CatScripting == 0 {
		c |= CatRead
	}
	if (c|declared)&CatFast == 0 {
		c |= CatSlow
	}
	return c
}

// KeyFlags say what a command does with a key. Exactly one of RO, RW, OW and RM is set on a real key; the four after
// them are about the user's data inside the value and not about its type, size or existence.
type KeyFlags uint16

// Key flags, in the order in which COMMAND INFO lists them.
const (
	RO            KeyFlags = 1 << iota // reads
	RW                                 // changes
	OW                                 // overwrites whatever was there
	RM                                 // removes the key
	Access                             // returns, copies or uses data of the value
	Update                             // changes data
	Insert                             // adds data without changing what is there
	Delete                             // deletes data
	NotKey                             // not a key, but goes to the node that would hold a key of this name
	Incomplete                         // there may be more keys than the spec tells
	VariableFlags                      // the other flags depend on the arguments
)

var keyFlagNames = []string{
	"RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags",
}

// String lists the names as COMMAND INFO shows them.
func (f KeyFlags) String() string { return strings.Join(bitNames(uint32(f), keyFlagNames), " ") }

func bitNames(bits uint32, names []string) []string {
	var out []string
	for i, n := range names {
		if bits>>i&1 != 0 {
			out = append(out, n)
		}
	}
	return out
}

// A Group is a chapter of the manual.
type Group uint8

// The groups.
const (
	Generic Group = iota
	String
	List
	Set
	SortedSet
	Hash
	PubSubGroup
	Transactions
	Connection
	Server
	Scripting
	HyperLogLog
	Cluster
	Geo
	Stream
	Bitmap
)

// String is the name that COMMAND DOCS replies.
func (g Group) String() string {
	return [...]string{"generic", "string", "list", "set", "sorted-set", "hash", "pubsub", "transactions", "connection",
		"server", "scripting", "hyperloglog", "cluster", "geo", "stream", "bitmap"}[g]
}
