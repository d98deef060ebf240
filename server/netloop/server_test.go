package netloop

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"larder/server/resp"
)

// testServer is a Handler with a few commands that exercise the loops.
//
//	PING               +PONG
//	ECHO x             x
//	BIG n              n bytes
//	ID                 the connection's number
//	BYE                +OK, then closes
//	DROP               closes without a reply
//	WAIT               suspends; Woken answers +WOKEN and resumes
//	PAUSE              +OK, and reads nothing more until Woken
//	HOLD               +HELD, which stays back until Woken releases it
//	DRAIN n            n bytes, and +DRAINED when they are gone
//	TICK n             asks for a Tick in n milliseconds
//	TELL id            when this connection closes, the other one gets +GONE
//	LONG               +DROPPED, which it takes back when the test ends the command, and +DONE
type testServer struct {
	t       *testing.T
	lim     resp.Limits
	perTurn atomic.Int64 // commands that a connection may run in a turn; 0 = all

	opened, closed, ran, woken, ticks, turnEnds atomic.Int64
	lingered                                    atomic.Int64
	mostPending                                 atomic.Int64
	mostReady                                   atomic.Int64
	conns                                       sync.Map // ID -> *Conn
	why                                         sync.Map // ID -> error
	onOpened                                    atomic.Pointer[func(c *Conn)]
	onTick                                      func(l *Loop) // of the only loop that has one
	big                                         []byte
	given                                       chan net.Conn // detached connections that the test takes
	longRuns, longEnds                          atomic.Bool   // of LONG
}

// loopState is what the server keeps per loop; inside says that a method of the Handler runs, works that the loop is
// between Enter and Leave.
type loopState struct {
	inside, works atomic.Bool
	args          resp.Args
}

type connState struct {
	held bool
	tell *Conn
}

// bigText is what BIG replies the beginning of.
var bigText = []byte(strings.Repeat("0123456789", 20<<20/10))

func newTestServer(t *testing.T) *testServer {
	return &testServer{t: t, lim: resp.DefaultLimits(), big: bigText, given: make(chan net.Conn, 1)}
}

// Enter and Leave check that they take turns.
func (s *testServer) Enter(l *Loop) {
	if l.User == nil {
		l.User = new(loopState)
	}
	if !l.User.(*loopState).works.CompareAndSwap(false, true) {
		s.t.Error("the handler is entered twice")
	}
}

func (s *testServer) Leave(l *Loop) {
	if !l.User.(*loopState).works.CompareAndSwap(true, false) {
		s.t.Error("the handler is left without having been entered")
	}
}

// enter checks that no two methods of the Handler run at once for one loop, and none outside of Enter and Leave.
func (s *testServer) enter(l *Loop) *loopState {
	st := l.User.(*loopState)
	if !st.works.Load() {
		s.t.Error("a method of the handler runs without Enter")
	}
	if !st.inside.CompareAndSwap(false, true) {
		s.t.Error("two methods of the handler run at once")
	}
	return st
}

func (st *loopState) leave() { st.inside.Store(false) }

func (s *testServer) Opened(c *Conn) {
	defer s.enter(c.Loop()).leave()
	s.opened.Add(1)
	c.User = new(connState)
	s.conns.Store(c.ID, c)
	if fn := s.onOpened.Load(); fn != nil {
		(*fn)(c)
	}
}

func (s *testServer) setOnOpened(fn func(c *Conn)) { s.onOpened.Store(&fn) }

func (s *testServer) Closed(c *Conn, why error) {
	defer s.enter(c.Loop()).leave()
	s.closed.Add(1)
	s.conns.Delete(c.ID)
	s.why.Store(c.ID, fmt.Sprint(why))
	if d := c.User.(*connState).tell; d != nil && d.Loop() == c.Loop() {
		d.Out().Simple("GONE")
	} else if d != nil {
		d.Loop().Post(func() { d.Out().Simple("GONE") })
	}
}

func (s *testServer) TurnEnd(l *Loop) {
	defer s.enter(l).leave()
	s.turnEnds.Add(1)
}

func (s *testServer) Tick(l *Loop) {
	defer s.enter(l).leave()
	s.ticks.Add(1)
	if s.onTick != nil {
		s.onTick(l)
	}
}

func (s *testServer) Lingers(c *Conn) {
	defer s.enter(c.Loop()).leave()
	s.lingered.Add(1)
}

func (s *testServer) Woken(c *Conn) {
	defer s.enter(c.Loop()).leave()
	s.woken.Add(1)
	if st := c.User.(*connState); st.held {
		st.held = false
		c.Release()
	}
	c.ResumeReading()
	if c.Suspended() {
		c.Out().Simple("WOKEN")
		c.Resume()
	}
}

func (s *testServer) Turn(l *Loop, ready []*Conn) {
	st := s.enter(l)
	defer st.leave()
	st.args.Reset()
	s.mostReady.Store(max(s.mostReady.Load(), int64(len(ready))))
	seen := map[*Conn]bool{}
	for _, c := range ready {
		if seen[c] {
			s.t.Error("a connection is twice in a turn")
		}
		seen[c] = true
		s.serve(c, &st.args)
	}
}

func (s *testServer) serve(c *Conn, a *resp.Args) {
	var q resp.Request
	for n, most := int64(0), s.perTurn.Load(); c.Proceed(); n++ {
		if most > 0 && n == most {
			c.Yield()
			return
		}
		switch c.In.Next(&s.lim, a, &q) {
		case resp.NeedMore:
			return
		case resp.Command:
			s.run(c, q.Args)
			s.ran.Add(1)
			s.mostPending.Store(max(s.mostPending.Load(), int64(c.Pending())))
		default:
			c.Out().Error(resp.Error(c.In.Err()))
			c.CloseAfterReply()
		}
	}
}

func (s *testServer) run(c *Conn, args [][]byte) {
	n := 0
	if len(args) > 1 {
		n, _ = strconv.Atoi(string(args[1]))
	}
	switch string(args[0]) {
	case "PING":
		c.Out().Simple("PONG")
	case "ECHO":
		c.Out().Bulk(args[1])
	case "BIG":
		c.Out().Bulk(s.big[:n])
	case "ID":
		c.Out().Int(int64(c.ID))
	case "BYE":
		c.Out().OK()
		c.CloseAfterReply()
	case "DROP":
		c.Close(ErrKilled)
	case "WAIT":
		c.Suspend()
	case "MOMENT":
		c.SuspendBriefly()
	case "PAUSE":
		c.Out().OK()
		c.PauseReading()
	case "HOLD":
		if st := c.User.(*connState); !st.held {
			st.held = true
			c.HoldAfter(c.Written())
		}
		c.Out().Simple("HELD")
	case "DRAIN":
		c.Out().Bulk(s.big[:n])
		c.WhenDrained(0, func(c *Conn) { c.Out().Simple("DRAINED") })
	case "TICK":
		c.Loop().TickBefore(c.Loop().Now().Add(time.Duration(n) * time.Millisecond))
		c.Out().OK()
	case "TALK":
		nc, err := c.Borrow()
		if err != nil {
			c.Out().Error("ERR " + resp.Error(err.Error()))
			return
		}
		c.PauseReading()
		echo(nc)
		c.Out().Simple("TALKED")
		c.CloseAfterReply()
	case "LEAVE":
		nc, err := c.Detach()
		if err != nil {
			c.Out().Error("ERR " + resp.Error(err.Error()))
			return
		}
		if n > 0 {
			s.given <- nc
			return
		}
		go echo(nc)
	case "LONG":
		mark := c.Out().Mark()
		c.Out().Simple("DROPPED")
		for s.longRuns.Store(true); !s.longEnds.Load(); {
			c.Loop().Aside(func(*Conn) {})
		}
		c.Out().Truncate(mark)
		c.Out().Simple("DONE")
	case "TELL":
		c.User.(*connState).tell = s.conn(int64(n))
		c.Out().OK()
	default:
		c.Out().Error("ERR unknown")
	}
}

// echo answers a line with the same line, and closes the connection.
func echo(nc net.Conn) {
	io.WriteString(nc, "+hello\r\n")
	line, _ := bufio.NewReader(nc).ReadString('\n')
	io.WriteString(nc, "+"+line)
	nc.Close()
}

// conn finds the server's side of a connection.
func (s *testServer) conn(id int64) *Conn {
	c, ok := s.conns.Load(uint64(id))
	if !ok {
		s.t.Fatalf("no connection %d", id)
	}
	return c.(*Conn)
}

// kinds are the loops that every test runs on.
var kinds = []struct {
	name string
	opt  Options
}{
	{"one event loop", Options{Loops: 1}},
	{"three event loops", Options{Loops: 3}},
	{"portable", Options{Loops: 2, Portable: true}},
}

// each runs a test on every kind of loop, and afterwards looks for descriptors and goroutines that were left.
func each(t *testing.T, change func(o *Options), test func(t *testing.T, s *testServer, e *Engine, addr string)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			fds, goroutines := countFDs(), runtime.NumGoroutine()
			s := newTestServer(t)
			opt := k.opt
			opt.TickEvery = 20 * time.Millisecond
			if change != nil {
				change(&opt)
			}
			e, err := New(s, opt)
			if err != nil {
				t.Fatal(err)
			}
			lns, err := e.ListenTCP([]string{"127.0.0.1"}, 0, 511, "main")
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Start(); err != nil {
				t.Fatal(err)
			}
			stopped := false
			stop := func() {
				if !stopped {
					stopped = true
					e.Stop(5 * time.Second)
				}
			}
			defer stop()
			test(t, s, e, lns[0].Addr)
			stop()
			if s.opened.Load() != s.closed.Load() || e.Conns() != 0 {
				t.Errorf("%d opened, %d closed, %d counted", s.opened.Load(), s.closed.Load(), e.Conns())
			}
			wait(t, "goroutines and descriptors", func() bool { return runtime.NumGoroutine() <= goroutines && countFDs() <= fds })
		})
	}
}

// patience is how long a test waits for what has to happen: longer than any machine needs, however busy.
const patience = 3 * time.Minute

func countFDs() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not a system that shows them
	}
	return len(list)
}

// wait polls until something is true.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: waited for too long", what)
		}
	}
}

// client is a test's side of a connection.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func dial(t *testing.T, network, addr string) *client {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	return &client{c, t, newReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("sending %.60q: %v", text, err)
	}
}

// reply reads one reply: a line, or the content of a bulk.
func (c *client) reply() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("reading a reply: %v", err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line[0] != '$' {
		return line
	}
	n, _ := strconv.Atoi(line[1:])
	b := make([]byte, n+2)
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.t.Fatalf("reading a bulk of %d: %v", n, err)
	}
	return string(b[:n])
}

func (c *client) want(replies ...string) {
	c.t.Helper()
	for _, want := range replies {
		if got := c.reply(); got != want {
			c.t.Fatalf("got %.60q, want %.60q", got, want)
		}
	}
}

// ends reads to the end, which must come without anything before it.
func (c *client) ends() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Fatalf("got %q instead of the end", b)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatal("the connection stays open")
	}
}

func (c *client) id() int64 {
	c.t.Helper()
	c.send("ID\r\n")
	n, err := strconv.ParseInt(strings.TrimPrefix(c.reply(), ":"), 10, 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }
