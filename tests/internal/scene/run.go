package scene

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"larder/tests/internal/wire"
)

// Target is a server that scenes are run on.
type Target struct {
	Addr    string
	Version Version
	// ReplyLimit is how long a reply may take before the scene is given up.
	ReplyLimit time.Duration

	control *wire.Conn
}

// NewTarget connects to a server. Which version it is, it asks, unless it is larder.
func NewTarget(addr string, larder bool) (*Target, error) {
	c, err := wire.Dial(addr)
	if err != nil {
		return nil, err
	}
	t := &Target{Addr: addr, ReplyLimit: time.Minute, control: c, Version: Larder}
	if larder {
		return t, nil
	}
	info, err := c.Do("INFO", "server")
	if err != nil {
		return nil, err
	}
	t.Version, err = versionOf(info.String())
	return t, err
}

// Close closes the control connection.
func (t *Target) Close() error { return t.control.Close() }

var redisVersion = regexp.MustCompile(`(?m)^redis_version:(\d+)\.(\d+)`)

func versionOf(info string) (Version, error) {
	m := redisVersion.FindStringSubmatch(info)
	if m == nil {
		return 0, fmt.Errorf("no redis_version in INFO server")
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	switch {
	case major > 8 || major == 8 && minor >= 4:
		return V84, nil
	case major > 7 || major == 7 && minor >= 4:
		return V74, nil
	case major == 7 && minor >= 2:
		return V72, nil
	}
	return V70, nil
}

// Outcome is what one step did. Wanted is nil where nothing is recorded for this server.
type Outcome struct {
	Step     *Step
	Observed *Observed
	Wanted   *Reply
}

// OK says whether the step went as recorded.
func (o *Outcome) OK() bool {
	if o.Step.ReplyCount() == 0 && o.Wanted == nil {
		return o.Observed.Failure == nil
	}
	return o.Wanted.Match(o.Observed, o.Step.Marks.Order)
}

// Run plays the scene in one protocol. It returns the steps that ran: after a reply that does not come, the rest of
// the scene is not played. The error is one of the test's own surroundings.
func (t *Target) Run(s *Scene, proto int) (_ []Outcome, err error) {
	r := &run{target: t, scene: s, proto: proto, conns: map[int]*wire.Conn{}, addrs: map[string]bool{}, vars: map[string]string{}}
	defer func() { err = errors.Join(err, r.close()) }()
	if _, err := t.call("FLUSHALL"); err != nil {
		return nil, err
	}
	restore, err := t.configure(s.Config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, restore()) }()
	var outcomes []Outcome
	for _, step := range s.Steps() {
		if step.Marks.Since > t.Version {
			continue
		}
		o := Outcome{Step: step, Wanted: step.Expected(t.Version, proto)}
		if o.Observed, err = r.play(step, o.Wanted); err != nil {
			return outcomes, fmt.Errorf("line %d: %s: %w", step.Line, step.Source, err)
		}
		outcomes = append(outcomes, o)
		if o.Observed.Failure != nil {
			return outcomes, nil
		}
	}
	if err := r.leftovers(); err != nil && len(outcomes) > 0 {
		outcomes[len(outcomes)-1].Observed.Failure = err
	}
	return outcomes, nil
}

// call runs a command of the runner's own on the control connection; an error reply is an error.
func (t *Target) call(args ...string) (wire.Value, error) {
	v, err := t.control.Do(args...)
	if err == nil && v.IsError() {
		err = errors.New(v.String())
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return v, nil
}

// configure sets directives and returns how to set back what they were.
func (t *Target) configure(config [][2]string) (restore func() error, err error) {
	var before [][2]string
	restore = func() error {
		var errs []error
		for i := len(before) - 1; i >= 0; i-- {
			_, err := t.call("CONFIG", "SET", before[i][0], before[i][1])
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	for _, c := range config {
		old, err := t.call("CONFIG", "GET", c[0])
		if err == nil && len(old.Elems) != 2 {
			err = fmt.Errorf("CONFIG GET %s: no such directive", c[0])
		}
		if err == nil {
			_, err = t.call("CONFIG", "SET", c[0], c[1])
		}
		if err != nil {
			return nil, errors.Join(err, restore())
		}
		before = append(before, [2]string{c[0], old.Elems[1].String()})
	}
	return restore, nil
}

type run struct {
	target  *Target
	scene   *Scene
	proto   int
	conns   map[int]*wire.Conn
	addrs   map[string]bool // of all connections that the scene has had
	vars    map[string]string
	blocked int // clients that the scene expects to be blocked now
	blocks  map[int]bool
}

// close closes the scene's connections and waits until the server has noticed: what they subscribed to, and what they are
// blocked on, must not meet the next scene.
func (r *run) close() error {
	for _, c := range r.conns {
		c.Close()
	}
	began := time.Now()
	for len(r.addrs) > 0 {
		v, err := r.target.call("CLIENT", "LIST")
		if err != nil {
			return err
		}
		left := ""
		for _, m := range clientAddr.FindAllStringSubmatch(v.String(), -1) {
			if r.addrs[m[1]] {
				left = m[1]
			}
		}
		if left == "" {
			return nil
		}
		if time.Since(began) > r.target.ReplyLimit {
			return fmt.Errorf("the server does not notice that %s is closed", left)
		}
	}
	return nil
}

var clientAddr = regexp.MustCompile(` addr=(\S+)`)

func (r *run) conn(n int) (*wire.Conn, error) {
	if c := r.conns[n]; c != nil {
		return c, nil
	}
	c, err := wire.Dial(r.target.Addr)
	if err != nil {
		return nil, err
	}
	r.conns[n] = c
	r.addrs[c.LocalAddr()] = true
	c.Timeout = r.target.ReplyLimit
	if r.proto == 3 {
		v, err := c.Do("HELLO", "3")
		if err == nil && v.IsError() {
			err = errors.New(v.String())
		}
		if err != nil {
			return nil, fmt.Errorf("HELLO 3: %w", err)
		}
	}
	return c, nil
}

// play sends one step and gathers what belongs to it.
func (r *run) play(step *Step, wanted *Reply) (*Observed, error) {
	args, err := step.Args(r.vars)
	if err != nil {
		return nil, err
	}
	c, err := r.conn(step.Conn)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for {
		o, err := r.once(c, step, args)
		if err != nil {
			return nil, err
		}
		if !step.Marks.Until || o.Failure != nil || wanted.Match(o, step.Marks.Order) || time.Since(began) > r.target.ReplyLimit {
			return o, nil
		}
	}
}

// maxRepliesBeforeClose bounds what is read while waiting for a connection to be closed.
const maxRepliesBeforeClose = 100

func (r *run) once(c *wire.Conn, step *Step, args []string) (*Observed, error) {
	o := &Observed{Proto: r.proto}
	var err error
	switch step.Command {
	case ".RAW":
		err = c.SendRaw([]byte(strings.Join(args[1:], "")))
	case ".READ":
		if r.blocks[step.Conn] {
			delete(r.blocks, step.Conn)
			r.blocked--
		}
	case ".CLOSE":
		delete(r.conns, step.Conn)
		if err := c.Close(); err != nil || !r.blocks[step.Conn] {
			return o, err
		}
		delete(r.blocks, step.Conn)
		r.blocked--
		o.Failure = r.awaitBlocked() // until the server has noticed
		return o, nil
	default:
		err = c.Send(args...)
	}
	if err != nil && !isClosed(err) {
		return nil, err
	}
	if step.Marks.Block {
		if r.blocks == nil {
			r.blocks = map[int]bool{}
		}
		r.blocks[step.Conn] = true
		r.blocked++
		o.Failure = r.awaitBlocked()
		return o, nil
	}
	n := step.ReplyCount()
	if step.Marks.Close {
		n = maxRepliesBeforeClose
	}
	r.receive(c, n, o)
	if o.Closed {
		delete(r.conns, step.Conn)
		c.Close()
	}
	if step.Marks.Save != "" && len(o.Values) > 0 {
		r.vars[step.Marks.Save] = o.Values[0].String()
	}
	return o, nil
}

func (r *run) receive(c *wire.Conn, n int, o *Observed) {
	for range n {
		v, err := c.Receive()
		switch {
		case isClosed(err):
			o.Closed = true
			return
		case err != nil:
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				err = fmt.Errorf("no reply within %v", r.target.ReplyLimit)
			}
			o.Failure = err
			return
		}
		o.Values = append(o.Values, v)
	}
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

var blockedClients = regexp.MustCompile(`(?m)^blocked_clients:(\d+)`)

// awaitBlocked waits until the server counts as many blocked clients as the scene has.
func (r *run) awaitBlocked() error {
	began := time.Now()
	for {
		v, err := r.target.call("INFO", "clients")
		if err != nil {
			return err
		}
		m := blockedClients.FindStringSubmatch(v.String())
		if m != nil && m[1] == strconv.Itoa(r.blocked) {
			return nil
		}
		if time.Since(began) > r.target.ReplyLimit {
			return fmt.Errorf("%d clients should be blocked, INFO says %q", r.blocked, m)
		}
	}
}

// leftovers finds replies that nobody asked for.
func (r *run) leftovers() error {
	for n, c := range r.conns {
		some, err := c.Pending(time.Millisecond)
		if isClosed(err) || !some {
			continue
		}
		v, err := c.Receive()
		if err != nil {
			return fmt.Errorf("connection %d, after its last reply: %w", n, err)
		}
		return fmt.Errorf("connection %d received more than was asked for: %s", n, bytes.TrimSpace(v.Append(nil)))
	}
	return nil
}
