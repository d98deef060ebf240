package server

import (
	"strconv"
	"strings"

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
// figure that has no meaning here and that programs look for is 0.

// infoSection is one part of the reply.
type infoSection struct {
	name  string // lower case, as a client asks for it
	title string
	rank  sectionRank
	write func(*infoWriter)
}

// sectionRank says who gets a section without asking for it by name.
type sectionRank int8

const (
	inDefault sectionRank = iota // INFO
	inAll                        // INFO all, INFO everything
	byName
)

var infoSections = []infoSection{
	{"server", "Server", inDefault, infoServer},
	{"clients", "Clients", inDefault, infoClients},
	{"memory", "Memory", inDefault, infoMemory},
	{"persistence", "Persistence", inDefault, infoPersistence},
	{"stats", "Stats", inDefault, infoStats},
	{"replication", "Replication", inDefault, infoReplication},
	{"cpu", "CPU", inDefault, infoCPU},
	{"modules", "Modules", inDefault, func(*infoWriter) {}},
	{"commandstats", "Commandstats", inAll, infoCommandstats},
	{"errorstats", "Errorstats", inDefault, infoErrorstats},
	{"latencystats", "Latencystats", inAll, infoLatencystats},
	{"hotkeys", "Hotkeys", inAll, infoHotkeys},
	{"cluster", "Cluster", inDefault, infoCluster},
	{"keyspace", "Keyspace", inDefault, infoKeyspace},
	{"debug", "Debug", byName, infoDebug},
}

// infoWriter collects the lines. INFO holds all shards, so that its figures belong together; metrics takes one shard
// after the other, so that nobody waits for it.
type infoWriter struct {
	srv  *Server
	now  int64          // Unix milliseconds
	view *keyspace.View // takes the shards; nil: all of them are held
	mem  *memoryFigures
	buf  []byte
	to   func(name, value string) // gets the lines in place of buf, if it is set
}

// eachShard calls fn with each shard, which is held meanwhile.
func (w *infoWriter) eachShard(fn func(i int, sh *keyspace.Shard)) { w.srv.eachShard(w.view, fn) }

// eachShard calls fn with each shard. view takes it for as long as that lasts; with nil all shards are held already.
func (srv *Server) eachShard(view *keyspace.View, fn func(i int, sh *keyspace.Shard)) {
	for i := range srv.ks.Shards() {
		if view != nil {
			view.Take(1 << i)
		}
		fn(i, srv.ks.Shard(i))
		if view != nil {
			view.Release()
		}
	}
}

// memory is the figures about memory, gathered once.
func (w *infoWriter) memory() *memoryFigures {
	if w.mem == nil {
		m := w.srv.memory(w.view)
		w.mem = &m
	}
	return w.mem
}

func (w *infoWriter) text(name, value string) {
	if w.to != nil {
		w.to(name, value)
		return
	}
	w.buf = append(append(append(append(w.buf, name...), ':'), value...), "\r\n"...)
}

func (w *infoWriter) int(name string, n int64) { w.text(name, strconv.FormatInt(n, 10)) }

func (w *infoWriter) uint(name string, n uint64) { w.text(name, strconv.FormatUint(n, 10)) }

// zeros are figures that have no meaning here.
func (w *infoWriter) zeros(names ...string) {
	for _, n := range names {
		w.text(n, "0")
	}
}

func (w *infoWriter) fixed(name string, f float64, decimals int) {
	w.text(name, strconv.FormatFloat(f, 'f', decimals, 64))
}

// bytes is a size, and once more with a unit for people.
func (w *infoWriter) bytes(name string, n int64) {
	w.int(name, n)
	w.text(name+"_human", humanBytes(n))
}

func (w *infoWriter) percent(name string, part, whole int64) {
	w.text(name, strconv.FormatFloat(100*ratio(part, whole), 'f', 2, 64)+"%")
}

// ratio is part/whole, 0 if there is no whole.
func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// humanBytes writes a size with a unit, as redis-server does: 1.50M is 1572864.
func humanBytes(n int64) string {
	f, units := float64(n), "BKMGTPE"
	i := 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return strconv.FormatInt(n, 10) + "B"
	}
	return strconv.FormatFloat(f, 'f', 2, 64) + units[i:i+1]
}

func info(c *command.Ctx) {
	s := c.Client.(*session)
	s.ex.handIn()
	wanted := map[string]bool{}
	most := sectionRank(-1) // the highest rank that is shown without its name
	for _, a := range c.Args.Rest() {
		switch name := strings.ToLower(string(a)); name {
		case "default":
			most = max(most, inDefault)
		case "all", "everything":
			most = max(most, inAll)
		case "module_list":
			wanted["modules"] = true
		default:
			wanted[name] = true
		}
	}
	if len(wanted) == 0 {
		most = max(most, inDefault)
	}
	w := infoWriter{srv: s.srv, now: c.Now}
	for _, section := range infoSections {
		if wanted[section.name] || section.rank <= most {
			if len(w.buf) > 0 {
				w.buf = append(w.buf, "\r\n"...)
			}
			w.buf = append(w.buf, "# "+section.title+"\r\n"...)
			section.write(&w)
		}
	}
	c.Reply.Verbatim("txt", string(w.buf))
}

func init() { register(command.New("info", command.AllOfThem, info)) }
