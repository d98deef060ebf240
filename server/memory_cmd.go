package server

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"larder/server/command"
)

func memoryStats(c *command.Ctx) {
	srv := c.Client.(*session).srv
	m, _ := srv.memory(nil)
	over, data := m.overhead(), m.dataset()
	w := c.Reply
	n := 0
	at := w.Defer()
	entry := func(name string) {
		n++
		w.BulkString(name)
	}
	number := func(name string, v int64) {
		entry(name)
		w.Int(v)
	}
	quotient := func(name string, f float64) {
		entry(name)
		w.Double(f)
	}
	number("peak.allocated", m.peak)
	number("total.allocated", m.used)
	number("startup.allocated", m.startup)
	backlog, replicas := srv.replicaMemory()
	number("replication.backlog", backlog)
	number("clients.slaves", replicas)
	number("clients.normal", m.clients)
	number("cluster.links", 0)
	scripts := srv.scriptMemory()
	number("aof.buffer", srv.logBuffer())
	number("lua.caches", scripts.scripts)
	number("functions.caches", scripts.texts)
	tables := int64(0)
	for _, d := range m.databases {
		tables += d.tables
		entry("db." + strconv.Itoa(d.index))
		w.Map(3)
		w.BulkString("overhead.hashtable.main")
		w.Int(d.tables)
		w.BulkString("overhead.hashtable.expires")
		w.Int(0)
		w.BulkString("overhead.hashtable.slot-to-keys")
		w.Int(0)
	}
	number("overhead.db.hashtable.lut", tables)
	number("overhead.db.hashtable.rehashing", 0) // tables grow bucket by bucket
	number("overhead.total", over)
	number("keys.count", int64(m.keys))
	perKey := int64(0)
	if m.keys > 0 {
		perKey = m.data / int64(m.keys)
	}
	number("keys.bytes-per-key", perKey)
	number("dataset.bytes", data)
	quotient("dataset.percentage", 100*ratio(data, max(m.used-m.startup, data)))
	quotient("peak.percentage", 100*ratio(m.used, m.peak))
	number("allocator.allocated", m.used)
	number("allocator.active", m.active)
	number("allocator.resident", m.resident)
	number("allocator.muzzy", 0)
	quotient("allocator-fragmentation.ratio", ratio(m.active, m.used))
	number("allocator-fragmentation.bytes", m.active-m.used)
	quotient("allocator-rss.ratio", ratio(m.resident, m.active))
	number("allocator-rss.bytes", m.resident-m.active)
	quotient("rss-overhead.ratio", ratio(m.rss, m.resident))
	number("rss-overhead.bytes", m.rss-m.resident)
	quotient("fragmentation", ratio(m.rss, m.used))
	number("fragmentation.bytes", m.rss-m.used)
	w.SetMap(at, n)
}

func memoryMallocStats(c *command.Ctx) {
	m, _ := c.Client.(*session).srv.memory(nil)
	heap := readMetrics("/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/objects:bytes",
		"/memory/classes/heap/stacks:bytes", "/memory/classes/metadata/other:bytes", "/gc/heap/live:bytes")
	var b strings.Builder
	line := func(name string, n int64) { fmt.Fprintf(&b, "  %-28s %14d  %s\n", name, n, humanBytes(n)) }
	b.WriteString(allocatorName + ": the data\n")
	line("asked for", m.asked)
	line("allocated, with rounding", m.data)
	line("of that, tables of keys", m.tables)
	b.WriteString("Go heap: clients, loops and everything else\n")
	line("live at the last collection", heap[5]-ballastSize)
	line("with garbage", heap[2]-ballastSize)
	line("stacks", heap[3])
	line("mapped", heap[0]-heap[1]-ballastSize)
	b.WriteString("both\n")
	line("pages in use", m.active)
	line("pages held", m.resident)
	line("resident set of the process", m.rss)
	c.Reply.Verbatim("txt", b.String())
}

// memoryPurge gives back what is free, in the arenas and on the Go heap. It holds all shards meanwhile.
func memoryPurge(c *command.Ctx) {
	for i := range c.Keyspace().Shards() {
		for c.Keyspace().Shard(i).Arena().Trim(0, purgeStep) {
		}
	}
	debug.FreeOSMemory()
	c.Client.(*session).srv.processSeen.Store(nil)
	c.Reply.OK()
}

const purgeStep = 64 << 20

func memoryHelp(c *command.Ctx) {
	c.Help(
		"DOCTOR", "Report problems with memory in plain words.",
		"MALLOC-STATS", "Return the allocators' own figures.",
		"PURGE", "Give free memory back to the system.",
		"STATS", "Return in detail what memory is used for.",
		"USAGE <key> [SAMPLES <count>]", "Return the bytes that a key takes. Large collections are estimated from some elements (5 unless told, 0 for all).",
	)
}

func init() {
	register(
		command.New("memory|doctor", command.AllOfThem, memoryDoctor),
		command.New("memory|help", command.NoneOfThem, memoryHelp),
		command.New("memory|malloc-stats", command.AllOfThem, memoryMallocStats),
		command.New("memory|purge", command.AllOfThem, memoryPurge),
		command.New("memory|stats", command.AllOfThem, memoryStats),
	)
}
