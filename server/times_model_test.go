package server

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTimesAgainstModel gives keys and fields of hashes times, moves them about, and lets hours go by on a clock that is set. A primary
// with a log, its replica, whose clock is often another, and a plain model have to agree on what is there, on how long it will be, and
// on how often something has expired; also after what makes data anew from files and snapshots.
func TestTimesAgainstModel(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := newTimesModel(t, seed)
			for m.step = range 700 {
				m.act()
			}
			m.compare()
		})
	}
}

// timesModel is what there should be. All times are in hours: 0 is when the test begins, and something that ends at n does so half an
// hour before. So it does not matter how long a step of the test takes.
type timesModel struct {
	t                *testing.T
	rnd              *rand.Rand
	step             int
	primary, replica *testServer
	p, r             *testClient
	began            time.Time
	now              int
	skew             int // hours that the replica's clock is ahead
	dbs              [2]map[string]*timedValue
	over             [2]map[string][]string // keys that have expired with the last hours, and of others the fields
	keys, fields     int64                  // how many have expired ever
	hidden           bool                   // there is a pause: what has expired stays
	lazy             bool                   // what has expired is removed only when it is asked for
	trace            []string
}

// timedValue is a string, or a hash if it has fields. at is when it ends, never if that is forever.
type timedValue struct {
	text   string
	fields map[string]timedField
	at     int
}

type timedField struct {
	text string
	at   int
}

// forever is later than all times that the test gives.
const forever = 1 << 20

func newTimesModel(t *testing.T, seed uint64) *timesModel {
	m := &timesModel{t: t, rnd: rand.New(rand.NewPCG(seed, 11)), began: time.Now()}
	m.primary = startServer(t, "--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0",
		"--repl-diskless-sync-delay", "0", "--aof-use-rdb-preamble", []string{"yes", "no"}[seed%2])
	m.replica = startServer(t, "--repl-diskless-sync-delay", "0", "--repl-diskless-load", []string{"swapdb", "disabled"}[seed/2%2])
	m.p, m.r = m.primary.dial(), m.replica.dial()
	m.replica.follow(m.primary)
	for i := range m.dbs {
		m.dbs[i] = map[string]*timedValue{}
	}
	return m
}

// act does one thing.
func (m *timesModel) act() {
	db := m.rnd.IntN(2)
	switch n := m.rnd.IntN(100); {
	case n < 25:
		m.onString(db, m.name("s"))
	case n < 60:
		m.onHash(db, m.name("h"))
	case n < 85:
		m.onKey(db)
	case n < 95:
		m.pass(1 + m.rnd.IntN(3))
	case n < 97:
		m.skew = m.rnd.IntN(9) - 4
		m.replica.clockStep_ms.Store(int64(m.now+m.skew) * time.Hour.Milliseconds())
	default:
		m.upheaval()
	}
}

func (m *timesModel) name(kind string) string { return kind + strconv.Itoa(m.rnd.IntN(6)) }

// pass lets hours go by. What is over then is asked for, so that it goes, or it is waited for.
func (m *timesModel) pass(hours int) {
	m.hidden = m.rnd.IntN(4) == 0
	if m.hidden {
		m.ask(0, "OK", "client", "pause", "600000", "write")
	}
	if m.lazy = m.rnd.IntN(2) == 0; m.lazy {
		m.ask(0, "OK", "debug", "set-active-expire", "0")
	}
	m.now += hours
	m.note("%d hours later", m.now)
	m.primary.clockStep_ms.Store(int64(m.now) * time.Hour.Milliseconds())
	m.replica.clockStep_ms.Store(int64(m.now+m.skew) * time.Hour.Milliseconds())
	m.over = [2]map[string][]string{{}, {}}
	for db, all := range m.dbs {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			v := all[key]
			if v.at <= m.now {
				m.over[db][key] = nil
				delete(all, key)
				m.keys++
				continue
			}
			for _, f := range slices.Sorted(maps.Keys(v.fields)) {
				if v.fields[f].at <= m.now {
					m.over[db][key] = append(m.over[db][key], f)
					delete(v.fields, f)
					m.fields++
				}
			}
			m.dropEmpty(db, key)
		}
	}
	if m.hidden {
		m.readAll()
		m.ask(0, "OK", "client", "unpause")
		m.hidden = false
	}
	if m.lazy {
		if m.rnd.IntN(3) == 0 {
			m.upheaval()
		}
		m.readAll()
		m.ask(0, "OK", "debug", "set-active-expire", "1")
		m.lazy = false
	}
	m.swept()
}

// readAll reads what is over: nothing of it may be seen.
func (m *timesModel) readAll() {
	for db, all := range m.over {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			fields := all[key]
			if fields == nil {
				m.ask(db, int64(0), "exists", key)
				m.ask(db, int64(-2), "pttl", key)
				continue
			}
			m.ask(db, make([]any, len(fields)), append([]string{"hmget", key}, fields...)...)
		}
	}
}

// swept waits until nothing is left of what is over, and compares how much that was.
func (m *timesModel) swept() {
	m.t.Helper()
	eventually(m.t, "the end of what is over", func() bool {
		st := m.p.fields("stats")
		keys, _ := strconv.ParseInt(st["expired_keys"], 10, 64)
		fields, _ := strconv.ParseInt(st["expired_subkeys"], 10, 64)
		if keys > m.keys || fields > m.fields {
			m.fatalf("%d keys and %d fields have expired, not %d and %d", keys, fields, m.keys, m.fields)
		}
		return keys == m.keys && fields == m.fields
	})
	for db, all := range m.dbs {
		m.ask(db, int64(len(all)), "dbsize")
	}
}

// upheaval makes data anew from files or snapshots, or exchanges it; then it compares everything.
func (m *timesModel) upheaval() {
	switch m.rnd.IntN(7) {
	case 0:
		m.ask(0, "OK", "debug", "reload")
	case 1:
		m.ask(0, "OK", "debug", "loadaof")
	case 2:
		m.p.do("bgrewriteaof")
		eventually(m.t, "the rewrite", func() bool {
			st := m.p.fields("persistence")
			return st["aof_rewrite_in_progress"] == "0" && st["aof_rewrite_scheduled"] == "0"
		})
		m.note("bgrewriteaof")
	case 3:
		m.ask(0, "OK", "swapdb", "0", "1")
		m.dbs[0], m.dbs[1] = m.dbs[1], m.dbs[0]
		m.over[0], m.over[1] = m.over[1], m.over[0]
	case 4:
		m.ask(0, "OK", "debug", "change-repl-id")
		m.follows()
	case 5:
		m.follows()
	default:
		m.r.want("debug reload", "OK")
		m.note("debug reload on the replica")
	}
	m.compare()
}

// follows makes the replica come once more.
func (m *timesModel) follows() {
	syncs := func() int64 { return m.p.number("stats", "sync_full") + m.p.number("stats", "sync_partial_ok") }
	before := syncs()
	m.replica.breakLink()
	eventually(m.t, "the replica's return", func() bool { return syncs() > before })
	m.note("the replica has come once more")
}

// compare looks at everything on both servers, at the same time of day.
func (m *timesModel) compare() {
	m.t.Helper()
	m.skew = 0
	m.replica.clockStep_ms.Store(int64(m.now) * time.Hour.Milliseconds())
	m.look("the primary", m.p)
	eventually(m.t, "the same position", func() bool {
		return m.r.info("replication", "master_link_status") == "up" &&
			m.p.info("replication", "master_repl_offset") == m.r.info("replication", "slave_repl_offset")
	})
	m.look("the replica", m.r)
	m.primary.check()
	m.replica.check()
}

func (m *timesModel) look(who string, c *testClient) {
	m.t.Helper()
	for db, all := range m.dbs {
		c.want("select "+strconv.Itoa(db), "OK")
		got, want := map[string]string{}, map[string]string{}
		for _, k := range c.list("keys *") {
			key := k.(string)
			line := fmt.Sprint("ends ", m.hour(c.do("pexpiretime", key)))
			if key[0] == 's' {
				line += " " + c.text("get", key)
			} else {
				fields := c.list("hgetall", key)
				if len(fields) == 0 && m.lazy {
					continue // a hash is there until somebody finds out that it is empty
				}
				for i := 0; i < len(fields); i += 2 {
					at := c.list("hpexpiretime", key, "fields", "1", fields[i].(string))
					fields[i] = fmt.Sprint(fields[i], "=", fields[i+1], " ends ", m.hour(at[0]))
				}
				names := map[string]bool{}
				for i := 0; i < len(fields); i += 2 {
					names[fields[i].(string)] = true
				}
				line += fmt.Sprint(slices.Sorted(maps.Keys(names)))
			}
			got[key] = line
		}
		for key, v := range all {
			line := fmt.Sprint("ends ", v.at)
			if v.fields == nil {
				line += " " + v.text
			} else {
				var fields []string
				for f, x := range v.fields {
					fields = append(fields, fmt.Sprint(f, "=", x.text, " ends ", x.at))
				}
				line += fmt.Sprint(slices.Sorted(slices.Values(fields)))
			}
			want[key] = line
		}
		if !reflect.DeepEqual(got, want) {
			m.fatalf("database %d of %s: %v\nwant %v", db, who, got, want)
		}
		if n := c.do("dbsize"); n != int64(len(all)) && !m.lazy {
			m.fatalf("database %d of %s has %v keys, not %d", db, who, n, len(all))
		}
	}
	c.want("select 0", "OK")
}

// hour is a time of the model for one that a server has told.
func (m *timesModel) hour(at any) int {
	ms := at.(int64)
	if ms == -1 {
		return forever
	}
	return int((time.UnixMilli(ms).Sub(m.began) + time.Hour) / time.Hour)
}

// ask sends a request to the primary by itself, in a transaction or from a script, and compares the reply.
func (m *timesModel) ask(db int, want any, words ...string) {
	m.t.Helper()
	m.p.do("select", strconv.Itoa(db))
	var got any
	how := m.rnd.IntN(6)
	switch words[0] {
	case "debug", "client", "swapdb":
		how = 5
	}
	switch how {
	case 0:
		m.p.do("multi")
		m.p.do(words...)
		got = m.p.list("exec")[0]
	case 1:
		if m.hidden { // for scripts may write
			got = m.p.do(words...)
			break
		}
		got = m.p.do(append([]string{"eval", "return redis.call(unpack(ARGV))", "0"}, words...)...)
	default:
		got = m.p.do(words...)
	}
	m.note("%d: %q: %v", db, words, got)
	if !reflect.DeepEqual(got, want) {
		m.fatalf("%q answers %#v, not %#v", words, got, want)
	}
}

func (m *timesModel) note(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

func (m *timesModel) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("step %d: "+format+"\n%s", append(append([]any{m.step}, args...), strings.Join(m.trace[max(0, len(m.trace)-60):], "\n"))...)
}

func (m *timesModel) dropEmpty(db int, key string) {
	if v := m.dbs[db][key]; v != nil && v.fields != nil && len(v.fields) == 0 {
		delete(m.dbs[db], key)
	}
}

// later is a time that is to come, or, now and then if that may be, one that is over.
func (m *timesModel) later(past bool) int {
	if past && m.rnd.IntN(6) == 0 {
		return m.now - m.rnd.IntN(2)
	}
	return m.now + 1 + m.rnd.IntN(6)
}

// words are one of four options, or commands, that say a time.
func (m *timesModel) words(at int, names [4]string) (name, n string) {
	i := m.rnd.IntN(4)
	d := m.began.Add(time.Duration(at)*time.Hour - time.Hour/2)
	ms := d.UnixMilli()
	if i < 2 { // from now on
		ms = (time.Duration(at-m.now)*time.Hour - time.Hour/2).Milliseconds()
	}
	if i%2 == 0 {
		ms /= 1000
	}
	return names[i], strconv.FormatInt(ms, 10)
}
