package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
	valkey  bool
	version int // 700 for Redis 7.0; larder says what it is compatible with
	larder  bool
	control *wire.Conn
	times   bool    // contents reads the times of hash fields, too
	idle    []*link // connections of earlier scripts, reset

	before    []step // the script before
	unsettled bool   // it has left clients blocked, whose connections are closed
}

var versionField = regexp.MustCompile(`redis_version:(\d+)\.(\d+)`)

// newSide connects and sets the directives; those of the second list only if the server is of version 7.2 or later.
func newSide(name, addr string, limits, since72 [][2]string) (*side, error) {
	c, err := wire.Dial(addr)
	if err != nil {
		return nil, err
	}
	c.Timeout = answerLimit
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
	s.version = min(major*100+minor, 9000) // builds between two releases say 255
	s.name = fmt.Sprintf("%s %d.%d", s.name, major, minor)
	s.valkey = strings.Contains(info.String(), "valkey_version:")
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

// takes tells whether the server refuses none of some commands, which stand between semicolons.
func (s *side) takes(commands string) bool {
	for c := range strings.SplitSeq(commands, ";") {
		if v, err := s.control.Do(strings.Fields(c)...); err != nil || v.IsError() {
			return false
		}
	}
	return true
}

// manner is how a script is played.
type manner struct {
	proto    int // 2 or 3
	together int // how many commands are sent before their replies are read
}

// maxTogether is few enough commands, and maxBytes little enough, that neither side's socket buffers fill up while the
// other is still sending.
const (
	maxTogether = 100
	maxBytes    = 64 << 10
)

// player plays one script on one server.
type player struct {
	side *side
	manner
	links   map[int]*link
	blocked int
	buf     []byte
	marks   int // PINGs that have marked an end
	last    []byte
}

func (s *side) player(how manner) *player {
	return &player{side: s, manner: how, links: map[int]*link{}}
}

// clean empties the server and sets back what the script before has set.
func (s *side) clean() error {
	if s.unsettled {
		if err := s.settle(); err != nil {
			return err
		}
		s.unsettled = false
	}
	calls := [][]string{{"FLUSHALL"}}
	if uses(s.before, "CONFIG") {
		calls = append(calls, []string{"CONFIG", "SET", "notify-keyspace-events", ""})
	}
	if uses(s.before, "SCRIPT", "EVALSHA", "EVALSHA_RO") {
		calls = append(calls, []string{"SCRIPT", "FLUSH"})
	}
	if uses(s.before, "FUNCTION", "FCALL", "FCALL_RO") {
		calls = append(calls, []string{"FUNCTION", "FLUSH"})
	}
	for _, c := range calls {
		if _, err := s.call(c...); err != nil {
			return err
		}
	}
	return nil
}

func uses(script []step, names ...string) bool {
	return slices.ContainsFunc(script, func(s step) bool { return slices.Contains(names, s.name()) })
}

// play runs a script on an empty server and returns one reply per step (of a step that blocks or only tells: nothing,
// its reply is that of the step which awaits it), then what is there when it is over.
func (s *side) play(script []step, how manner) (replies [][]byte, end []step, left [][]byte, err error) {
	if err = s.clean(); err != nil {
		return nil, nil, nil, err
	}
	s.before = script
	p := s.player(how)
	defer func() { err = errors.Join(err, p.end(err == nil)) }()
	if replies, err = p.play(script); err == nil {
		end, left, err = p.contents()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.name, err)
	}
	return replies, end, left, err
}

func (p *player) play(script []step) ([][]byte, error) {
	replies := make([][]byte, len(script))
	for from := 0; from < len(script); {
		to := from + p.run(script[from:])
		if err := p.segment(script[from:to], replies[from:to]); err != nil {
			for i := max(0, from-8); i < to; i++ {
				err = fmt.Errorf("%w\n  %s   -> %.60q", err, line(script[i]), replies[i])
			}
			return nil, err
		}
		from = to
	}
	return replies, nil
}

// run is how many steps from the first one on are one piece: commands of one connection that are sent together, or what is
// only told, and the collecting after it.
func (p *player) run(script []step) int {
	to := 1
	same := func(kinds ...stepKind) bool {
		return to < len(script) && script[to].conn == script[0].conn && slices.Contains(kinds, script[to].kind)
	}
	switch script[0].kind {
	case plain:
		for size := 0; to < p.together && same(plain); to++ {
			for _, a := range script[to].args {
				size += len(a)
			}
			if size > maxBytes || slices.Contains(script[to].args, lastDump) {
				break
			}
		}
	case tell:
		for p.together > 1 && to < p.together && same(tell, collect) && script[to-1].kind == tell {
			to++
		}
	}
	return to
}

// link is the connection of this number, opened or reset when it is first used.
func (p *player) link(n int) (l *link, err error) {
	if l := p.links[n]; l != nil {
		return l, nil
	}
	if i := len(p.side.idle) - 1; i >= 0 {
		l = p.side.idle[i]
		p.side.idle = p.side.idle[:i]
	} else if l, err = dial(p.side.addr); err != nil {
		return nil, err
	}
	p.links[n] = l
	if err := l.send(wire.AppendRequest(nil, "HELLO", itoa(p.proto))); err != nil {
		return nil, err
	}
	_, err = l.frame()
	return l, err
}

// end makes the connections ready for the next script, or closes them.
func (p *player) end(well bool) error {
	for _, l := range p.links {
		if l.busy || !well {
			l.close()
			p.side.unsettled = true
			continue
		}
		mark := p.mark()
		if err := l.send(wire.AppendRequest(wire.AppendRequest(nil, "RESET"), "PING", mark)); err != nil {
			return err
		}
		if _, err := l.until(mark); err != nil {
			return fmt.Errorf("at the end: %w", err)
		}
		l.buf, l.at = nil, 0
		p.side.idle = append(p.side.idle, l)
	}
	return nil
}

func (p *player) mark() string {
	p.marks++
	return "mark:" + itoa(p.marks) + ":differ"
}

func (p *player) segment(steps []step, replies [][]byte) error {
	if steps[0].kind == leave {
		if l := p.links[steps[0].conn]; l != nil {
			l.close()
			delete(p.links, steps[0].conn)
		}
		return nil
	}
	l, err := p.link(steps[0].conn)
	if err != nil {
		return err
	}
	p.buf = p.buf[:0]
	for _, s := range steps {
		args := s.args
		if len(args) == 0 {
			continue
		}
		if slices.Contains(args, lastDump) {
			args = p.withDump(args)
		}
		p.buf = wire.AppendRequest(p.buf, args...)
	}
	switch steps[0].kind {
	case await:
		if l.busy {
			l.busy = false
			p.blocked--
		}
		if replies[0], err = l.reply(); err != nil {
			err = fmt.Errorf("the blocked client %d: %w", steps[0].conn, err)
		}
		return err
	case collect, tell:
		last := len(steps) - 1
		if steps[last].kind == tell {
			return l.send(p.buf)
		}
		mark := p.mark()
		if err = l.send(wire.AppendRequest(p.buf, "PING", mark)); err == nil {
			replies[last], err = l.until(mark)
		}
		return err
	}
	if err := l.send(p.buf); err != nil {
		return err
	}
	switch steps[0].kind {
	case block:
		l.busy = true
		p.blocked++
		return p.awaitBlocked(l, steps[0].args)
	}
	for i := range steps {
		if replies[i], err = l.reply(); err != nil {
			return fmt.Errorf("command %q: %w", steps[i].args, err)
		}
		if len(steps[i].args) > 0 && strings.EqualFold(steps[i].args[0], "DUMP") {
			p.last = replies[i]
		}
	}
	return nil
}

// lastDump stands for what the last DUMP has given, which is each server's own.
const lastDump = "\x00the last dump\x00"

func (p *player) withDump(args []string) []string {
	body := p.last
	if at := bytes.IndexByte(body, '\n'); at >= 0 && body[0] == '$' {
		body = bytes.TrimSuffix(body[at+1:], []byte("\r\n"))
	}
	args = slices.Clone(args)
	args[slices.Index(args, lastDump)] = string(body)
	return args
}

var blockedClients = regexp.MustCompile(`(?m)^blocked_clients:(\d+)`)

// awaitBlocked waits until the server counts the clients that should be blocked, or the client has its answer at once.
func (p *player) awaitBlocked(l *link, args []string) error {
	for began, tries := time.Now(), 0; time.Since(began) < answerLimit; tries++ {
		n, err := p.side.blockedClients()
		if err != nil {
			return err
		}
		if n == p.blocked || tries > 20 && !l.silent() {
			return nil
		}
	}
	return fmt.Errorf("command %q should block and does not", args)
}

// settle waits until no client is blocked any more.
func (s *side) settle() error {
	for began := time.Now(); time.Since(began) < answerLimit; {
		if n, err := s.blockedClients(); n == 0 || err != nil {
			return err
		}
	}
	return errors.New("clients whose connections are closed stay blocked")
}

func (s *side) blockedClients() (int, error) {
	info, err := s.call("INFO", "clients")
	if err != nil {
		return 0, err
	}
	m := blockedClients.FindSubmatch(info.Text)
	if m == nil {
		return 0, fmt.Errorf("%s: no blocked_clients in INFO", s.name)
	}
	return strconv.Atoi(string(m[1]))
}
