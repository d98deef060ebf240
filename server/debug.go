package server

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"larder/keyspace"
	"larder/replication"
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// debugCommand is a subcommand of DEBUG. The catalogue does not know them: they are not for clients, and come and go.
type debugCommand struct {
	min, max int // arguments behind the subcommand; max -1 is any number
	usage    string
	does     string
	run      func(c *command.Ctx, srv *Server)
}

// debugAny runs in a stopped world: its subcommands look into everything, and some are there to stop it.
func debugAny(c *command.Ctx) {
	name := c.Args.Bytes()
	d, known := debugCommands[strings.ToLower(string(name))]
	if n := c.Args.Left(); !known || n < d.min || d.max >= 0 && n > d.max {
		if len(name) == 4 && command.EqualFold(name, "HELP") && n == 0 {
			debugHelp(c)
			return
		}
		c.Fail(resp.UnknownSubcommandOrArgs(name, "DEBUG"))
		return
	}
	d.run(c, c.Client.(*session).srv)
}

var debugCommands = map[string]debugCommand{
	"change-repl-id": {0, 0, "CHANGE-REPL-ID", "Begin a new replication history.", func(c *command.Ctx, srv *Server) {
		srv.repl.setHistory(replication.NewHistory(newRunID()))
		srv.log.Info("Changing replication IDs after receiving change-repl-id")
		c.Reply.OK()
	}},
	"check": {0, 0, "CHECK", "Look for anything inconsistent in all data and its memory; takes time and memory in proportion.", func(c *command.Ctx, srv *Server) {
		if err := srv.ks.Check(); err != nil {
			c.Fail(resp.Error("ERR " + err.Error()))
			return
		}
		c.Reply.OK()
	}},
	"client-eviction": {0, 0, "CLIENT-EVICTION", "Describe what clients cost that may be evicted.", debugClientEviction},
	"config-rewrite-force-all": {0, 0, "CONFIG-REWRITE-FORCE-ALL", "CONFIG REWRITE with every directive, also those that have their default.", func(c *command.Ctx, srv *Server) {
		srv.noteUsers()
		if err := srv.conf.Rewrite(config.RewriteOptions{All: true, Users: srv.notedUsers}); err != nil {
			c.Fail(resp.Error("ERR " + err.Error()))
			return
		}
		c.Reply.OK()
	}},
	"digest": {0, 0, "DIGEST", "Return a fingerprint of all data, the same as that of a redis-server with equal data.", func(c *command.Ctx, _ *Server) {
		c.Reply.Simple(c.DigestOfAll().String())
	}},
	"digest-value": {0, -1, "DIGEST-VALUE <key> [<key> ...]", "Return the fingerprints of the values of keys.", func(c *command.Ctx, _ *Server) {
		keys := c.Args.Rest()
		c.Reply.Array(len(keys))
		for _, k := range keys {
			c.Reply.Simple(c.DigestOf(k).String())
		}
	}},
	"error": {1, 1, "ERROR <text>", "Reply this error.", func(c *command.Ctx, _ *Server) {
		c.Fail(resp.Error(c.Args.Bytes()))
	}},
	"htstats":          {1, 2, "HTSTATS <dbid> [full]", "Describe the tables of a database.", debugTables},
	"htstats-key":      {1, 2, "HTSTATS-KEY <key> [full]", "Describe the table that a large value is kept in.", debugTableOf},
	"listpack":         {1, 1, "LISTPACK <key>", "Write what is known of a value that is one listpack to the log.", debugListpack},
	"sdslen":           {1, 1, "SDSLEN <key>", "Return the lengths of a key and its string.", debugSDSLen},
	"stringmatch-test": {0, 0, "STRINGMATCH-TEST", "Match names and patterns made by chance.", debugGlob},
	"log": {1, 1, "LOG <text>", "Write a line to the log.", func(c *command.Ctx, srv *Server) {
		srv.log.Warn("DEBUG LOG: " + string(c.Args.Bytes()))
		c.Reply.OK()
	}},
	"object":   {1, 1, "OBJECT <key>", "Describe how the value of a key is stored.", debugObject},
	"populate": {1, 3, "POPULATE <count> [<prefix>] [<size>]", "Make keys <prefix>:<number>, unless they exist, with values of <size> bytes.", debugPopulate},
	"protocol": {1, 1, "PROTOCOL <type>", "Reply something of a type: " + strings.Join(protocolTypes, ", ") + ".", debugProtocol},
	"pause-cron": {1, 1, "PAUSE-CRON <0|1>", "Stop, or go on with, what is done between commands.", func(c *command.Ctx, srv *Server) {
		debugSwitch(c, srv.pauseCron)
	}},
	"quicklist-packed-threshold": {1, 1, "QUICKLIST-PACKED-THRESHOLD <size>", "Accepted: lists keep items of any size in the same way here.", func(c *command.Ctx, _ *Server) {
		if _, ok := config.ParseMemory(string(c.Args.Bytes())); !ok {
			c.Fail(resp.ErrPackedThreshold)
			return
		}
		c.Reply.OK()
	}},
	"replicate": {1, -1, "REPLICATE <command> [<argument> ...]", "Give a command to the replicas that nobody has run.", func(c *command.Ctx, srv *Server) {
		var w resp.Writer
		args := c.Args.Rest()
		w.Array(len(args))
		for _, a := range args {
			w.Bulk(a)
		}
		srv.say(string(w.Bytes()))
		c.Reply.OK()
	}},
	"replybuffer": {2, 2, "REPLYBUFFER (PEAK-RESET-TIME <milliseconds>|RESIZING <0|1>)", "Accepted: a buffer goes back as soon as it is empty.", func(c *command.Ctx, _ *Server) {
		if a := &c.Args; !a.Is("PEAK-RESET-TIME") && !a.Is("RESIZING") {
			c.Fail(resp.ErrSyntax)
			return
		}
		c.Reply.OK()
	}},
	"set-disable-deny-scripts": {1, 1, "SET-DISABLE-DENY-SCRIPTS <0|1>", "Let scripts call commands that are not for them.", func(c *command.Ctx, srv *Server) {
		srv.allowNoScript.Store(string(c.Args.Bytes()) == "1")
		c.Reply.OK()
	}},
	"set-active-expire": {1, 1, "SET-ACTIVE-EXPIRE <0|1>", "Stop, or go on with, removing expired keys that nobody asks for.", func(c *command.Ctx, srv *Server) {
		debugSwitch(c, func(on bool) { srv.activeExpire.Store(on) })
	}},
	"sleep":      {1, 1, "SLEEP <seconds>", "Stop the whole server for a time, decimals allowed.", debugSleep},
	"structsize": {0, 0, "STRUCTSIZE", "Return the sizes of the server's own structures.", debugStructsize},
}

func debugHelp(c *command.Ctx) {
	names := make([]string, 0, len(debugCommands))
	for n := range debugCommands {
		names = append(names, n)
	}
	slices.Sort(names)
	var lines []string
	for _, n := range names {
		lines = append(lines, debugCommands[n].usage, debugCommands[n].does)
	}
	c.Help(lines...)
}

// debugSwitch reads 0 or 1.
func debugSwitch(c *command.Ctx, set func(on bool)) {
	n := c.Args.Int()
	if !c.Args.Done() {
		return
	}
	set(n != 0)
	c.Reply.OK()
}

func debugSleep(c *command.Ctx, _ *Server) {
	seconds, err := strconv.ParseFloat(string(c.Args.Bytes()), 64)
	if err == nil && seconds > 0 {
		time.Sleep(time.Duration(seconds * float64(time.Second)))
	}
	c.Reply.OK()
}

func debugObject(c *command.Ctx, srv *Server) {
	key := c.Args.Bytes()
	c.AllLive = true // what is there, whether or not clients may see it
	defer func() { c.AllLive = false }()
	in, ok := c.Stat(key)
	if !ok {
		c.Fail(resp.ErrNoSuchKey)
		return
	}
	encoding, _ := c.Encoding(key)
	c.Reply.Simple("Value at:0x" + strconv.FormatUint(c.Place(key), 16) + " refcount:1 encoding:" + encoding +
		" serializedlength:" + strconv.Itoa(c.SnapshotLen(key)) + " lru:" + strconv.FormatUint(uint64(in.Access), 10) +
		" lru_seconds_idle:" + strconv.FormatInt(c.Clock().Idle(in.Access, c.Now), 10) + quicklistFacts(c, srv, key, encoding))
}

// quicklistFacts is what DEBUG OBJECT says of long lists besides.
func quicklistFacts(c *command.Ctx, srv *Server, key []byte, encoding string) string {
	if encoding != "quicklist" {
		return ""
	}
	l := c.PeekList(key)
	blocks, size := 0, 0
	l.Blocks(func(b []byte) bool {
		blocks++
		size += len(b)
		return true
	})
	return fmt.Sprintf(" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:%d ql_uncompressed_size:%d", blocks,
		float64(l.Len())/float64(blocks), srv.conf.ListMaxListpackSize.Get(), oneIf(srv.conf.ListCompressDepth.Get() != 0), size)
}

func debugPopulate(c *command.Ctx, _ *Server) {
	a := &c.Args
	count := a.IntIn(0, 1<<62, resp.ErrNotPositive)
	prefix := []byte("key")
	size := int64(0)
	if a.More() {
		prefix = a.Bytes()
	}
	if a.More() {
		size = a.IntIn(0, keyspace.MaxValue, resp.ErrNotPositive)
	}
	if !a.Done() {
		return
	}
	var key, val []byte
	ks := c.Keyspace()
	hides := c.ServeExpired
	c.ServeExpired = false // a key whose time is over cannot be made anew beside the old one
	defer func() { c.ServeExpired = hides }()
	for n := range count {
		key = strconv.AppendInt(append(append(key[:0], prefix...), ':'), n, 10)
		if c.Has(key) {
			continue
		}
		val = strconv.AppendInt(append(val[:0], "value:"...), n, 10)
		if size > 0 {
			for int64(len(val)) < size {
				val = append(val, 0)
			}
			val = val[:size]
		}
		if !ks.Reserve(1<<ks.ShardOf(ks.Hash(key)), len(key)+len(val)) {
			c.Fail(resp.ErrOOM)
			return
		}
		c.SetString(key, val, 0)
	}
	c.Reply.OK()
}

// debugTables describes a database's tables: one per shard, here summed up.
func debugTables(c *command.Ctx, srv *Server) {
	db := c.Args.IntOr(resp.ErrDatabaseRange)
	full := c.Args.Is("FULL")
	if c.Args.Bad() || db < 0 || db >= int64(srv.ks.Databases()) {
		c.Fail(resp.ErrDatabaseRange)
		return
	}
	const (
		line  = 64 // bytes of a bucket
		slots = 12
	)
	keys, bytes, volatile := 0, 0, 0
	var b strings.Builder
	for i := range srv.ks.Shards() {
		sh := srv.ks.Shard(i)
		keys += sh.Len(int(db))
		bytes += sh.TableBytes(int(db))
		volatile += sh.Volatile(int(db))
		if full && sh.Len(int(db)) > 0 {
			b.WriteString(" shard " + strconv.Itoa(i) + ": " + strconv.Itoa(sh.Len(int(db))) + " keys, " + strconv.Itoa(sh.TableBytes(int(db))) + " bytes\n")
		}
	}
	c.Reply.Verbatim("txt", "[Dictionary HT]\nHash table 0 stats (main hash table):\n"+
		" table size: "+strconv.Itoa(bytes/line*slots)+"\n number of elements: "+strconv.Itoa(keys)+"\n bytes: "+strconv.Itoa(bytes)+"\n"+b.String()+
		"[Expires HT]\nHash table 0 stats (main hash table):\n number of elements: "+strconv.Itoa(volatile)+", in the table of the keys\n")
}

func debugStructsize(c *command.Ctx, _ *Server) {
	c.Reply.Simple("bits:" + strconv.Itoa(strconv.IntSize) + " arch:" + runtime.GOARCH + " session:" + strconv.Itoa(sessionSize))
}

// protocolTypes are the words of DEBUG PROTOCOL.
var protocolTypes = []string{"string", "integer", "double", "bignum", "null", "array", "set", "map", "attrib", "push", "verbatim", "true", "false"}

func debugProtocol(c *command.Ctx, _ *Server) {
	w := c.Reply
	switch strings.ToLower(string(c.Args.Bytes())) {
	case "string":
		w.BulkString("Hello World")
	case "integer":
		w.Int(12345)
	case "double":
		w.Double(3.141)
	case "bignum":
		w.BigNumber("1234567999999999999999999999999999999")
	case "null":
		w.Null()
	case "array":
		w.Array(3)
		for i := range 3 {
			w.Int(int64(i))
		}
	case "set":
		w.Set(3)
		for i := range 3 {
			w.Int(int64(i))
		}
	case "map":
		w.Map(3)
		for i := range 3 {
			w.Int(int64(i))
			w.Bool(i == 1)
		}
	case "attrib":
		if w.Attribute(1) {
			w.BulkString("key-popularity")
			w.Array(2)
			w.BulkString("key:123")
			w.Int(90)
		}
		w.BulkString("Some real reply following the attribute")
	case "push":
		if w.Proto < 3 {
			c.Fail(resp.ErrNeedsRESP3)
			return
		}
		w.BulkString("Some real reply following the push reply") // pushes come after the reply of their command
		w.Push(2)
		w.BulkString("server-cpu-usage")
		w.Int(42)
	case "true":
		w.Bool(true)
	case "false":
		w.Bool(false)
	case "verbatim":
		w.Verbatim("txt", "This is a verbatim\nstring")
	default:
		c.Fail(resp.WrongProtocolType(protocolTypes))
	}
}

func init() { register(command.New("debug", command.World, debugAny)) }
