package server

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// TestLoopsAreAsOne gives two servers, one with a single loop and one with several, the same requests over several
// connections, each sent when the reply to the one before has come: all that every connection gets has to be the same, in the
// same order.
func TestLoopsAreAsOne(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := &crossModel{t: t, rnd: rand.New(rand.NewPCG(seed, 7))}
			for i := range m.sides {
				ts := startServer(t, "--event-loops", fmt.Sprint(1+2*i), "--save", "")
				m.sides[i] = &crossSide{ts: ts, clients: make([]*crossClient, crossClients)}
			}
			for slot := range crossClients {
				m.dial(slot)
			}
			for m.step = range 800 {
				m.act()
			}
			for slot := range crossClients {
				if m.multi[slot] {
					m.do(slot, "discard")
					m.multi[slot] = false
				}
			}
			for slot := range crossClients {
				if m.ready(slot, true) {
					m.do(slot, "ping")
				}
				m.compare(slot)
			}
		})
	}
}

const crossClients = 6

type crossModel struct {
	t     *testing.T
	rnd   *rand.Rand
	step  int
	sides [2]*crossSide
	multi [crossClients]bool // who is in a transaction
	trace []string
}

// crossSide is one of the servers with its clients.
type crossSide struct {
	ts      *testServer
	clients []*crossClient
}

// crossClient collects all that a connection gets.
type crossClient struct {
	*testClient
	name    string // its ID
	asked   int    // requests sent
	mu      sync.Mutex
	got     []string
	replies []string // those of got that are no pushes
	over    bool
}

func (c *crossClient) collect() {
	for {
		kind, err := c.r.Peek(1)
		var v any
		if err == nil {
			v, err = c.parse()
		}
		c.mu.Lock()
		if err != nil {
			c.over = true
			c.mu.Unlock()
			return
		}
		text := steady(fmt.Sprintf("%#v", v))
		c.got = append(c.got, text)
		if kind[0] != '>' {
			c.replies = append(c.replies, text)
		}
		c.mu.Unlock()
	}
}

// answered tells whether the last request has its reply, or never gets one.
func (c *crossClient) answered() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == 0 {
		return "", true
	}
	if len(c.replies) >= c.asked {
		return c.replies[c.asked-1], true
	}
	return "closed", c.over
}

func (m *crossModel) dial(slot int) {
	m.multi[slot] = false
	for _, side := range m.sides {
		c := &crossClient{testClient: side.ts.dial()}
		c.list("hello 3")
		c.name = c.id()
		side.clients[slot] = c
		go c.collect()
	}
	if a, b := m.sides[0].clients[slot].name, m.sides[1].clients[slot].name; a != b {
		m.t.Fatalf("the clients have IDs %s and %s", a, b)
	}
}

func (m *crossModel) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("step %d: %s\nafter\n%s", m.step, fmt.Sprintf(format, args...), strings.Join(m.trace[max(0, len(m.trace)-40):], "\n"))
}

// do has a client ask something and waits for the reply, or until it is blocked. It returns the reply of both, "" if they are
// blocked.
func (m *crossModel) do(slot int, words ...string) string {
	m.t.Helper()
	m.trace = append(m.trace, fmt.Sprint(slot, " ", words))
	var replies [2]string
	for i, side := range m.sides {
		c, before := side.clients[slot], side.ts.stats.blocked.Load()
		c.asked++
		c.send(words...)
		if strings.Contains(words[0], "subscribe") {
			c.send("echo", fmt.Sprint(m.step)) // their replies are pushes
		}
		blocks := strings.HasPrefix(words[0], "b")
		eventually(m.t, "a reply", func() (done bool) {
			if replies[i], done = c.answered(); !done {
				replies[i] = ""
			}
			return done || blocks && side.ts.stats.blocked.Load() > before
		})
	}
	if replies[0] != replies[1] {
		m.fail("one loop answers %s, several %s", replies[0], replies[1])
	}
	return replies[0]
}

// steady is what of a reply does not depend on time and memory.
func steady(text string) string {
	var b strings.Builder
	switch {
	case strings.Contains(text, " tot-net-in="): // CLIENT LIST
		for _, line := range strings.Split(text, `\n`) {
			_, line, _ = strings.Cut(line, " flags=")
			line, _, _ = strings.Cut(line, " qbuf=")
			b.WriteString(line + "\n")
		}
		return b.String()
	case !strings.HasPrefix(text, `"txt:# `):
		return text
	}
	for _, line := range strings.Split(text, `\r\n`) {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(name, "cmdstat_"):
			calls, rest, _ := strings.Cut(value, ",")
			_, rest, _ = strings.Cut(rest, "rejected_calls")
			value = calls + rest
		case strings.HasPrefix(name, "errorstat_"), strings.HasSuffix(name, "_clients"), strings.HasPrefix(name, "total_watched"),
			strings.HasPrefix(name, "total_blocking"), strings.HasPrefix(name, "pubsub"), strings.HasPrefix(name, "keyspace_"),
			strings.HasPrefix(name, "tracking_total"), name == "clients_in_timeout_table", name == "rdb_changes_since_last_save",
			name == "total_commands_processed", name == "total_error_replies":
		default:
			continue
		}
		b.WriteString(name + ":" + value + "\n")
	}
	return b.String()
}

// ready tells whether a client can be asked something: it is if what it waited for is over. With force it is made so.
func (m *crossModel) ready(slot int, force bool) bool {
	m.t.Helper()
	pending := false
	for _, side := range m.sides {
		_, done := side.clients[slot].answered()
		pending = pending || !done
	}
	if pending {
		other := (slot + 1) % crossClients
		for ; other != slot; other = (other + 1) % crossClients { // somebody who has got all that it asked for
			_, a := m.sides[0].clients[other].answered()
			_, b := m.sides[1].clients[other].answered()
			if a && b && !m.multi[other] {
				break
			}
		}
		if other == slot {
			return false
		}
		flags, _, _ := strings.Cut(m.do(other, "client list id "+m.sides[0].clients[slot].name), " ")
		if strings.Contains(flags, "b") {
			if !force {
				return false
			}
			m.do(other, "client unblock "+m.sides[0].clients[slot].name)
		}
		for _, side := range m.sides {
			eventually(m.t, "the reply", func() bool { _, done := side.clients[slot].answered(); return done })
		}
	}
	return true
}

// compare fails if what a client got is not the same on both sides.
func (m *crossModel) compare(slot int) {
	m.t.Helper()
	a, b := m.sides[0].clients[slot], m.sides[1].clients[slot]
	a.mu.Lock()
	defer a.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !reflect.DeepEqual(a.got, b.got) {
		m.fail("client %d got\n%s\nfrom one loop,\n%s\nfrom several", slot, strings.Join(a.got, "\n"), strings.Join(b.got, "\n"))
	}
}

// replace waits until a client's connections are closed, and makes others.
func (m *crossModel) replace(slot int) {
	m.t.Helper()
	for _, side := range m.sides {
		c := side.clients[slot]
		eventually(m.t, "closing", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.over
		})
	}
	m.compare(slot)
	m.dial(slot)
}

// act has somebody do something.
func (m *crossModel) act() {
	slot, other := m.rnd.IntN(crossClients), m.rnd.IntN(crossClients)
	if !m.ready(slot, m.rnd.IntN(10) == 0) {
		return
	}
	pick := func(names string) string {
		list := strings.Fields(names)
		return list[m.rnd.IntN(len(list))]
	}
	k, q, ch, n := pick("k1 k2 k3"), pick("q1 q2"), pick("c1 c2"), fmt.Sprint(m.step)
	id := m.sides[0].clients[other].name
	requests := "get set incr mget del exists rpush rpush rpush lpop llen blpop blpop blmove bzpopmin zadd watch unwatch multi multi exec discard " +
		"subscribe unsubscribe psubscribe punsubscribe ssubscribe publish publish spublish numsub numpat kill unblock unblock tracking bcast off list " +
		"clients stats commandstats errorstats flushall swapdb select notify resetstat eval load evalsha flush reset quit slowlog persistence"
	if m.multi[slot] {
		requests = "get set incr rpush lpop del publish blpop zadd resetstat select swapdb exec exec exec discard"
	}
	request := pick(requests)
	switch request {
	case "get", "incr", "exists", "watch":
		m.do(slot, request+" "+k)
	case "mget":
		m.do(slot, "mget k1 k2 k3")
	case "set":
		m.do(slot, "set "+k+" "+n)
	case "del":
		m.do(slot, "del "+pick("k1 k2 k3 q1 q2 z"))
	case "rpush":
		m.do(slot, "rpush "+q+" "+n+pick(".a .b"))
	case "lpop", "llen":
		m.do(slot, request+" "+q)
	case "blpop":
		m.do(slot, "blpop "+q+" q2 "+pick("0 1000"))
	case "blmove":
		m.do(slot, "blmove q1 q2 left right 0")
	case "bzpopmin":
		m.do(slot, "bzpopmin z 1000")
	case "zadd":
		m.do(slot, "zadd z 1 "+n)
	case "unwatch", "multi", "exec", "discard", "flushall":
		m.do(slot, request)
		m.multi[slot] = request == "multi"
	case "subscribe", "unsubscribe", "ssubscribe":
		m.do(slot, request, ch)
	case "psubscribe", "punsubscribe":
		m.do(slot, request, pick("c* *1"))
	case "publish", "spublish":
		m.do(slot, request+" "+ch+" "+n)
	case "numsub":
		m.do(slot, "pubsub numsub c1 c2")
	case "numpat":
		m.do(slot, "pubsub numpat")
	case "kill":
		if reply := m.do(slot, "client kill id "+id); reply == "1" {
			m.replace(other)
		}
	case "unblock":
		m.do(slot, "client unblock "+id+" "+pick("error timeout timeout"))
	case "tracking":
		m.do(slot, "client tracking on")
	case "bcast":
		m.do(slot, "client tracking on bcast")
	case "off":
		m.do(slot, "client tracking off")
	case "list":
		m.do(slot, "client list")
	case "clients", "stats", "commandstats", "errorstats", "persistence":
		m.do(slot, "info "+request)
	case "swapdb":
		m.do(slot, "swapdb 0 1")
	case "select":
		m.do(slot, "select "+pick("0 0 1"))
	case "notify":
		m.do(slot, "config", "set", "notify-keyspace-events", pick("KEA Kl E$x K"))
	case "resetstat":
		m.do(slot, "config resetstat")
	case "eval":
		m.do(slot, "eval", "return redis.call('rpush', KEYS[1], ARGV[1])", "1", q, n)
	case "load":
		m.do(slot, "script", "load", "return 1")
	case "evalsha":
		m.do(slot, "evalsha e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0")
	case "flush":
		m.do(slot, "script flush")
	case "slowlog":
		m.do(slot, "slowlog reset")
	case "reset":
		m.do(slot, "reset")
		m.do(slot, "hello 3")
	case "quit":
		m.do(slot, "quit")
		m.replace(slot)
	}
}
