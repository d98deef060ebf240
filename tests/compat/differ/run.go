package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"larder/tests/internal/wire"
)

func (s step) name() string {
	if len(s.args) == 0 {
		return ""
	}
	return strings.ToUpper(s.args[0])
}

// side is one of the two servers.
type side struct {
	name    string
	addr    string
	version int // 700 for Redis 7.0; larder says what it is compatible with
	larder  bool
	control *wire.Conn
}

var versionField = regexp.MustCompile(`redis_version:(\d+)\.(\d+)`)

// newSide connects and sets the directives; those of the second list only if the server is of version 7.2 or later.
func newSide(name, addr string, limits, since72 [][2]string) (*side, error) {
	c, err := wire.Dial(addr)
	if err != nil {
		return nil, err
	}
	c.Timeout = time.Minute
	s := &side{name: name, addr: addr, control: c}
	info, err := s.call("INFO", "server")
	if err != nil {
		return nil, err
	}
	m := versionField.FindStringSubmatch(info.String())
	if m == nil {
		return nil, fmt.Errorf("%s: no redis_version in INFO", name)
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	s.version = major*100 + minor
	s.name = fmt.Sprintf("%s %d.%d", s.name, major, minor)
	if s.larder = strings.Contains(info.String(), "larder_version:"); s.larder {
		s.version = 9999
	}
	if s.version >= 702 {
		limits = slices.Concat(limits, since72)
	}
	for _, l := range limits {
		if _, err := s.call("CONFIG", "SET", l[0], l[1]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *side) call(args ...string) (wire.Value, error) {
	v, err := s.control.Do(args...)
	if err == nil && v.IsError() {
		err = errors.New(v.String())
	}
	if err != nil {
		return v, fmt.Errorf("%s: %s: %w", s.name, strings.Join(args, " "), err)
	}
	return v, nil
}

// play runs a script on an empty server and returns one reply per step (of a blocking step: nothing, its reply is
// that of the step which awaits it).
func (s *side) play(script []step, proto int) ([]wire.Value, error) {
	if _, err := s.call("FLUSHALL"); err != nil {
		return nil, err
	}
	p := player{side: s, proto: proto, conns: map[int]*wire.Conn{}}
	defer p.close()
	replies := make([]wire.Value, len(script))
	for from := 0; from < len(script); {
		to := from + 1
		if script[from].kind == plain {
			for to < len(script) && to-from < maxPipeline && script[to].kind == plain && script[to].conn == script[from].conn {
				to++
			}
		}
		if err := p.segment(script[from:to], replies[from:to]); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		from = to
	}
	return replies, nil
}

// maxPipeline is how many commands are sent before their replies are read: few enough that neither side's socket
// buffers fill up while the other is still sending.
const maxPipeline = 100

type player struct {
	side    *side
	proto   int
	conns   map[int]*wire.Conn
	blocked int
	buf     []byte
}

func (p *player) close() {
	for _, c := range p.conns {
		c.Close()
	}
}

func (p *player) conn(n int) (*wire.Conn, error) {
	if c := p.conns[n]; c != nil {
		return c, nil
	}
	c, err := wire.Dial(p.side.addr)
	if err != nil {
		return nil, err
	}
	c.Timeout = time.Minute
	p.conns[n] = c
	if p.proto == 3 {
		_, err = c.Do("HELLO", "3")
	}
	return c, err
}

func (p *player) segment(steps []step, replies []wire.Value) error {
	c, err := p.conn(steps[0].conn)
	if err != nil {
		return err
	}
	if steps[0].kind == await {
		p.blocked--
		replies[0], err = c.Receive()
		return err
	}
	p.buf = p.buf[:0]
	for _, s := range steps {
		p.buf = wire.AppendRequest(p.buf, s.args...)
	}
	if err := c.SendRaw(p.buf); err != nil {
		return err
	}
	if steps[0].kind == block {
		p.blocked++
		return p.awaitBlocked(steps[0].args)
	}
	for i := range steps {
		if replies[i], err = c.Receive(); err != nil {
			return fmt.Errorf("command %q: %w", steps[i].args, err)
		}
	}
	return nil
}

var blockedClients = regexp.MustCompile(`(?m)^blocked_clients:(\d+)`)

func (p *player) awaitBlocked(args []string) error {
	for began := time.Now(); time.Since(began) < 20*time.Second; {
		info, err := p.side.call("INFO", "clients")
		if err != nil {
			return err
		}
		if m := blockedClients.FindStringSubmatch(info.String()); m != nil && m[1] == strconv.Itoa(p.blocked) {
			return nil
		}
	}
	return fmt.Errorf("command %q should block and does not", args)
}

// mismatch is the first difference between two runs of a script.
type mismatch struct {
	index int
	args  []string
	a, b  wire.Value
}

// signature is the same for differences that probably have one cause.
func (m *mismatch) signature() string {
	return strings.ToUpper(m.args[0]) + " " + gist(m.a) + " " + gist(m.b)
}

// gist is what a reply says without what it holds: its kind, or the beginning of an error.
func gist(v wire.Value) string {
	if !v.IsError() {
		return string(v.Kind)
	}
	words := strings.Fields(v.String())
	return strings.Join(words[:min(5, len(words))], " ")
}

func (m *mismatch) String() string {
	text := fmt.Sprintf("%q: %q and %q", m.args, m.a.Append(nil), m.b.Append(nil))
	return text[:min(len(text), 2000)]
}

// versus runs scripts on two servers and compares.
type versus struct {
	a, b     *side
	expected map[string]int // how often an intended difference was seen
	seen     map[string]int // how often a difference was found, by its signature
	keeper   *keeper        // not nil: b is what was kept of a
}

// older is the lower of the two versions.
func (v *versus) older() int { return min(v.a.version, v.b.version) }

// play runs the script on both servers at once and returns the first unintended difference, or nil.
func (v *versus) play(script []step, proto int) (*mismatch, error) {
	if v.keeper != nil {
		return v.playKept(script, proto)
	}
	var ra, rb []wire.Value
	var ea, eb error
	var both sync.WaitGroup
	both.Go(func() { ra, ea = v.a.play(script, proto) })
	both.Go(func() { rb, eb = v.b.play(script, proto) })
	both.Wait()
	if err := errors.Join(ea, eb); err != nil {
		return nil, err
	}
	return v.compare(script, ra, rb), nil
}

func (v *versus) compare(script []step, ra, rb []wire.Value) *mismatch {
	// What two errors say otherwise leaves the servers in the same state: once reported, it hides nothing else.
	differs := func(m *mismatch) bool {
		if m.a.IsError() && m.b.IsError() && v.seen[m.signature()] > 0 {
			v.seen[m.signature()]++
			return false
		}
		return true
	}
	queued := map[int][][]string{} // by connection: what EXEC will answer for
	waiting := map[int][]string{}  // by connection: the command that blocks
	for i, s := range script {
		a, b := ra[i], rb[i]
		args := s.args
		switch s.kind {
		case block:
			waiting[s.conn] = args
			continue
		case await:
			args = waiting[s.conn]
		}
		name := strings.ToUpper(args[0])
		switch {
		case name == "MULTI" && a.String() == "OK":
			queued[s.conn] = nil
		case a.Kind == '+' && string(a.Text) == "QUEUED":
			queued[s.conn] = append(queued[s.conn], args)
		case name == "EXEC" && a.Aggregate() && len(a.Elems) == len(queued[s.conn]) && len(b.Elems) == len(a.Elems) && a.Kind == b.Kind:
			for j, inner := range queued[s.conn] {
				if m := (&mismatch{i, inner, a.Elems[j], b.Elems[j]}); !v.accept(inner, m.a, m.b) && differs(m) {
					return m
				}
			}
			continue
		}
		if m := (&mismatch{i, args, a, b}); !v.accept(args, a, b) && differs(m) {
			return m
		}
	}
	return nil
}

func (v *versus) accept(args []string, a, b wire.Value) bool {
	if same(args, a, b) {
		return true
	}
	x, y := a, b
	if v.a.version < v.b.version {
		x, y = b, a
	}
	why := intended(args, x, y, v.older())
	if why == "" {
		return false
	}
	v.expected[why]++
	return true
}

// contents are the commands that read all that a script may have left behind.
func contents() []step {
	var script []step
	add := func(args ...string) { script = append(script, step{conn: 1, args: args}) }
	for _, db := range []string{"0", "1", "2"} {
		add("SELECT", db)
		add("DBSIZE")
		add("KEYS", "*")
		for _, key := range slices.Concat(allKeys, flatKeys) {
			for _, args := range [][]string{
				{"TYPE", key}, {"PEXPIRETIME", key}, {"OBJECT", "ENCODING", key}, {"GET", key}, {"LRANGE", key, "0", "-1"}, {"SMEMBERS", key}, {"HGETALL", key},
				{"ZRANGE", key, "0", "-1", "WITHSCORES"}, {"XRANGE", key, "-", "+"}, {"XINFO", "STREAM", key, "FULL", "COUNT", "0"},
			} {
				if db == "0" || args[0] != "XRANGE" {
					add(args...)
				}
			}
		}
	}
	return script
}
