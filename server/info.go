package server

import (
	"math/bits"
	"strconv"

	"larder/keyspace"
	"larder/server/command"
)

// INFO is lines of name:value in sections:
//
//	# CPU
//	used_cpu_sys:0.031250
//	used_cpu_user:0.015625
//
// The names are Redis's wherever the thing is the same; what only Larder has follows at the end of its section. A
// figure that has no meaning here and that programs look for is 0. Programs ask often, so an answer costs no more than
// to add up counters: what the system has to be asked is kept for a moment (processFigures).

// infoSection is one part of the reply.
type infoSection struct {
	name   string // in capitals
	title  string
	rank   sectionRank
	shards bool // it looks at the shards
	write  func(*infoWriter)
}

// sectionRank says who gets a section without asking for it by name.
type sectionRank int8

const (
	inDefault sectionRank = iota // INFO
	inAll                        // INFO all, INFO everything
	byName
)

var infoSections = []infoSection{
	{"SERVER", "Server", inDefault, false, infoServer},
	{"CLIENTS", "Clients", inDefault, true, infoClients},
	{"MEMORY", "Memory", inDefault, true, infoMemory},
	{"PERSISTENCE", "Persistence", inDefault, false, infoPersistence},
	{"STATS", "Stats", inDefault, true, infoStats},
	{"REPLICATION", "Replication", inDefault, false, infoReplication},
	{"CPU", "CPU", inDefault, false, infoCPU},
	{"MODULES", "Modules", inDefault, false, func(*infoWriter) {}},
	{"COMMANDSTATS", "Commandstats", inAll, false, infoCommandstats},
	{"ERRORSTATS", "Errorstats", inDefault, false, infoErrorstats},
	{"LATENCYSTATS", "Latencystats", inAll, false, infoLatencystats},
	{"HOTKEYS", "Hotkeys", inAll, true, infoHotkeys},
	{"CLUSTER", "Cluster", inDefault, false, infoCluster},
	{"KEYSPACE", "Keyspace", inDefault, true, infoKeyspace},
	{"DEBUG", "Debug", byName, false, infoDebug},
}

// A sectionSet is a set of sections: bit i is infoSections[i].
type sectionSet uint32

// The sections that are shown without their names, and those that look at shards.
var sectionsDefault, sectionsAll, sectionsOfShards sectionSet

func init() {
	for i := range infoSections {
		s, bit := &infoSections[i], sectionSet(1)<<i
		if s.rank <= inDefault {
			sectionsDefault |= bit
		}
		if s.rank <= inAll {
			sectionsAll |= bit
		}
		if s.shards {
			sectionsOfShards |= bit
		}
	}
}

// sectionsNamed is what the words behind INFO ask for.
func sectionsNamed(words [][]byte) (set sectionSet) {
	named := false
	for _, word := range words {
		switch {
		case command.EqualFold(word, "DEFAULT"):
			set |= sectionsDefault
		case command.EqualFold(word, "ALL"), command.EqualFold(word, "EVERYTHING"):
			set |= sectionsAll
		default:
			named = true
			if command.EqualFold(word, "MODULE_LIST") {
				word = []byte("MODULES")
			}
			for i := range infoSections {
				if command.EqualFold(word, infoSections[i].name) {
					set |= 1 << i
				}
			}
		}
	}
	if !named {
		set |= sectionsDefault
	}
	return set
}

// infoLocks are the shards that an INFO needs: all, so that its figures belong together, or none.
func infoLocks(argv [][]byte) command.Locks {
	if sectionsNamed(argv[1:])&sectionsOfShards != 0 {
		return command.AllOfThem
	}
	return command.NoneOfThem
}

// infoWriter collects the lines. INFO holds all shards; metrics takes one shard after the other, so that nobody waits for
// it.
type infoWriter struct {
	srv  *Server
	now  int64          // Unix milliseconds
	view *keyspace.View // takes the shards, unless its GiveUp says that it took too long; nil: all of them are held
	mem  *memoryFigures
	buf  []byte
	to   func(name, value string) // gets the lines in place of buf, if it is set

	incomplete bool // something was left out because the view has given up a shard
}

// eachShard calls fn with each shard, which is held meanwhile. It is false if the view has given up one of them; then what
// was to be made of all of them is left out.
func (w *infoWriter) eachShard(fn func(i int, sh *keyspace.Shard)) bool {
	if w.srv.eachShard(w.view, fn) {
		return true
	}
	w.incomplete = true
	return false
}

// eachShard calls fn with each shard. view takes it for as long as that lasts; with nil all shards are held already. It is false,
// and the remaining shards are not looked at, if the view gives up one of them.
func (srv *Server) eachShard(view *keyspace.View, fn func(i int, sh *keyspace.Shard)) bool {
	for i := range srv.ks.Shards() {
		if view != nil && !view.TakeUnless(1<<i, view.GiveUp) {
			return false
		}
		fn(i, srv.ks.Shard(i))
		if view != nil {
			view.Release()
		}
	}
	return true
}

// memory is the figures about memory, gathered once; nil if the view has given up a shard.
func (w *infoWriter) memory() *memoryFigures {
	if w.mem == nil {
		m, ok := w.srv.memory(w.view)
		if !ok {
			w.incomplete = true
			return nil
		}
		w.mem = &m
	}
	return w.mem
}

// begin is the place for a value of that name, and end is behind it: what was appended in between is the value.
func (w *infoWriter) begin(name string) (at int) {
	if w.to != nil {
		return 0
	}
	w.buf = append(append(w.buf, name...), ':')
	return len(w.buf)
}

func (w *infoWriter) end(name string, at int) {
	if w.to != nil {
		w.to(name, string(w.buf[at:]))
		w.buf = w.buf[:at]
		return
	}
	w.buf = append(w.buf, '\r', '\n')
}

func (w *infoWriter) text(name, value string) {
	at := w.begin(name)
	w.buf = append(w.buf, value...)
	w.end(name, at)
}

func (w *infoWriter) int(name string, n int64) {
	at := w.begin(name)
	w.buf = strconv.AppendInt(w.buf, n, 10)
	w.end(name, at)
}

func (w *infoWriter) uint(name string, n uint64) {
	at := w.begin(name)
	w.buf = strconv.AppendUint(w.buf, n, 10)
	w.end(name, at)
}

// zeros are figures that have no meaning here.
func (w *infoWriter) zeros(names ...string) {
	for _, n := range names {
		w.text(n, "0")
	}
}

func (w *infoWriter) fixed(name string, f float64, decimals int) {
	at := w.begin(name)
	w.buf = strconv.AppendFloat(w.buf, f, 'f', decimals, 64)
	w.end(name, at)
}

// bytes is a size, and once more with a unit for people.
func (w *infoWriter) bytes(name string, n int64) {
	w.int(name, n)
	name += "_human"
	at := w.begin(name)
	w.buf = appendHuman(w.buf, n)
	w.end(name, at)
}

func (w *infoWriter) percent(name string, part, whole int64) {
	at := w.begin(name)
	w.buf = append(strconv.AppendFloat(w.buf, 100*ratio(part, whole), 'f', 2, 64), '%')
	w.end(name, at)
}

// ratio is part/whole, 0 if there is no whole.
func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// humanBytes writes a size with a unit, as redis-server does: 1.50M is 1572864.
func humanBytes(n int64) string { return string(appendHuman(nil, n)) }

func appendHuman(b []byte, n int64) []byte {
	f, units := float64(n), "BKMGTPE"
	i := 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return append(strconv.AppendInt(b, n, 10), 'B')
	}
	return append(strconv.AppendFloat(b, f, 'f', 2, 64), units[i])
}

// sections writes sections, each under its title.
func (w *infoWriter) sections(set sectionSet) {
	for ; set != 0; set &= set - 1 {
		section := &infoSections[bits.TrailingZeros32(uint32(set))]
		if len(w.buf) > 0 {
			w.buf = append(w.buf, "\r\n"...)
		}
		w.buf = append(append(append(w.buf, "# "...), section.title...), "\r\n"...)
		section.write(w)
	}
}

func info(c *command.Ctx) {
	s := c.Client.(*session)
	s.ex.handIn()
	w := infoWriter{srv: s.srv, now: c.Now, buf: s.ex.infoText[:0]}
	w.sections(sectionsNamed(c.Args.Rest()))
	s.ex.infoText = w.buf
	c.Reply.VerbatimBytes("txt", w.buf)
}

func init() { register(command.Choosing("info", infoLocks, info)) }
