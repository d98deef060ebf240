// Package netloop moves bytes between sockets and a Handler.
//
//	netloop.go        Engine, Handler, Options: what a server sees
//	conn.go           Conn: one connection
//	loop.go           Loop: one turn, step by step, the same for both kinds of loop; inbox.go messages from elsewhere
//	loop_linux.go     an epoll loop, one per core; sys_linux.go its system calls
//	loop_portable.go  a goroutine per connection, on every system and for anything that is a net.Conn (TLS)
//	adopt_linux.go    a connection that was dialled (to a primary), on an event loop that has nothing else to do
//	listen*.go        listeners
//
// A loop lives in turns. In every turn it reads once from each socket that has something, hands all those connections
// to the Handler in one call, and when the Handler has answered, writes once to each socket. One turn in which two
// clients had sent something:
//
//	epoll_wait                    2 events
//	recv 7  -> window[0:14]       *1\r\n$4\r\nPING\r\n
//	recv 9  -> window[14:34]      *2\r\n$3\r\nGET\r\n$1\r\n
//	Handler.Turn(l, [7 9])        cuts PING from 7 and answers, finds GET of 9 unfinished
//	Handler.TurnEnd(l)            whatever must happen before a reply may leave (log, fsync)
//	send 7  <- +PONG\r\n
//	                              the 20 bytes of 9 move to a buffer of its own; the window is free again
//
// Everything of a Handler is called while its loop is held: on the goroutine of an epoll loop, or by one goroutine at
// a time for a portable loop. A Conn and its buffers may be touched only there. From anywhere else there are Conn.Wake,
// Conn.Kill and Loop.Post, which never block.
//
// A connection that neither asks nor owes anything holds no buffer.
package netloop

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Handler is the server.
type Handler interface {
	// Enter is called before a loop touches its connections and before it calls anything else below, Leave when it waits
	// again. Whoever keeps a loop from returning from Enter finds all its connections at rest.
	Enter(l *Loop)
	Leave(l *Loop)
	// Opened is called once per connection, before anything else about it. It may write (a refusal) and close.
	Opened(c *Conn)
	// Turn hands over every connection that has something new to cut: bytes that came in, or bytes left over when it
	// was suspended, had yielded or had too much output. Each stands there once. What the Reader of a connection has
	// cut stays valid until Turn returns.
	Turn(l *Loop, ready []*Conn)
	// TurnEnd is called once at the end of every turn in which anything else was called, before output is sent.
	TurnEnd(l *Loop)
	// Woken is called for a connection that somebody has called Wake on, once for any number of such calls, before Turn.
	Woken(c *Conn)
	// Tick is called every Options.TickEvery, and by the time that TickBefore has asked for.
	Tick(l *Loop)
	// Lingers is called once for a connection that closes after its reply, when its client does not take all of that: of an
	// event loop at the end of the turn in which that is found, of a portable loop when it has written for about a tick.
	Lingers(c *Conn)
	// Closed is the last call about a connection; its output is lost from here on. why is nil when the Handler closed
	// it, io.EOF when the client did, otherwise what went wrong.
	Closed(c *Conn, why error)
}

// Options of an Engine. A loop that waits holds one of the scheduler's GOMAXPROCS until somebody misses it, which takes
// the scheduler up to 10 ms to notice: a server that has work outside of its loops sets GOMAXPROCS a little higher than
// the number of loops. Zero values are replaced by the defaults named here.
type Options struct {
	Loops       int           // event loops, one per core: default GOMAXPROCS
	Portable    bool          // a goroutine per connection also where event loops exist
	TickEvery   time.Duration // 100 ms
	OutputPause int           // bytes of output that wait; beyond it a connection is not read: default 32 MiB
	InputPause  int           // bytes of input that a suspended connection may send ahead: default 1 MiB
	KeepAlive   time.Duration // idle time before TCP keepalive probes; 0 none
	AtDoor      func() int    // how many connections may stand at the doors of listeners now, one at least; any goroutine calls it; nil: 1024
}

// Why connections close.
var (
	ErrKilled   = errors.New("closed by the server")
	ErrShutdown = errors.New("the server stops")
	ErrNoMemory = errors.New("no memory for a request that arrives")
)

// Engine owns the loops and the listeners.
type Engine struct {
	handler Handler
	opt     Options

	outputPause atomic.Int64
	keepAlive   atomic.Int64
	nextID      atomic.Uint64
	epoch       time.Time     // ticks are counted from here
	turns       atomic.Uint32 // spreads connections over loops that have equally many

	loops    []*Loop // what serves sockets
	portable []*Loop // what serves net.Conns: the same ones when Options.Portable
	apart    *Loop   // an event loop for what Adopt is given; nil where there are none

	doors        doors
	acceptErrors atomic.Uint64
	acceptError  atomic.Pointer[error] // the last of them
	started      atomic.Bool

	mu           sync.Mutex
	listeners    map[int]*Listener
	nextListener int
	stopping     bool
	running      sync.WaitGroup // loops, acceptors and connections' goroutines
}

// New makes an Engine whose loops do not run yet.
func New(h Handler, o Options) (*Engine, error) {
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	if o.TickEvery <= 0 {
		o.TickEvery = 100 * time.Millisecond
	}
	if o.OutputPause <= 0 {
		o.OutputPause = 32 << 20
	}
	if o.InputPause <= 0 {
		o.InputPause = 1 << 20
	}
	e := &Engine{handler: h, opt: o, epoch: time.Now(), listeners: map[int]*Listener{}}
	e.outputPause.Store(int64(o.OutputPause))
	e.keepAlive.Store(int64(o.KeepAlive))
	if !o.Portable && haveEventLoops {
		for i := range o.Loops {
			l := e.newLoop(i, false)
			if err := l.open(); err != nil {
				for _, l := range e.loops {
					l.discard()
				}
				return nil, err
			}
			e.loops = append(e.loops, l)
		}
	}
	for range o.Loops {
		e.portable = append(e.portable, e.newLoop(len(e.loops)+len(e.portable), true))
	}
	if len(e.loops) == 0 {
		e.loops = e.portable
		return e, nil
	}
	e.apart = e.newLoop(len(e.loops)+len(e.portable), false)
	if err := e.apart.open(); err != nil {
		for _, l := range e.loops {
			l.discard()
		}
		return nil, err
	}
	return e, nil
}

// Loops are all loops: the event loops, then those that serve net.Conns, then the one for what Adopt is given.
func (e *Engine) Loops() []*Loop {
	if e.opt.Portable || !haveEventLoops {
		return e.portable
	}
	all := append(append([]*Loop(nil), e.loops...), e.portable...)
	return append(all, e.apart)
}

// Start lets the loops run. Listeners opened before begin to accept.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started.Swap(true) {
		return nil
	}
	for _, l := range e.loops {
		l.ensure()
	}
	var err error
	for _, ln := range e.listeners {
		err = errors.Join(err, ln.start())
	}
	return err
}

// Stop closes the listeners, lets every connection's output go out, closes the connections and ends the loops. What is
// not done after the grace time is cut off. It must not be called by a Handler's method.
func (e *Engine) Stop(grace time.Duration) {
	e.mu.Lock()
	e.stopping = true
	started := e.started.Load()
	open := make([]*Listener, 0, len(e.listeners))
	for _, ln := range e.listeners {
		open = append(open, ln)
	}
	e.mu.Unlock()
	for _, ln := range open {
		ln.Close()
	}
	e.doors.close()
	if !started {
		for _, l := range e.loops {
			l.discard()
		}
		if e.apart != nil {
			e.apart.discard()
		}
		return
	}
	for _, l := range e.Loops() {
		l.stop(time.Now().Add(grace))
	}
	e.running.Wait()
}

// SetOutputPause changes Options.OutputPause.
func (e *Engine) SetOutputPause(bytes int) { e.outputPause.Store(int64(bytes)) }

// SetKeepAlive changes Options.KeepAlive for connections that come from now on.
func (e *Engine) SetKeepAlive(idle time.Duration) { e.keepAlive.Store(int64(idle)) }

// Conns is the number of connections that are open, including those whose Opened is still to come.
func (e *Engine) Conns() int {
	n := 0
	for _, l := range e.Loops() {
		n += int(l.count.Load())
	}
	return n
}

// Traffic is what has gone through the sockets since the start.
type Traffic struct {
	BytesIn, BytesOut uint64
	Reads, Writes     uint64 // system calls that moved bytes
	Turns             uint64
	AcceptErrors      uint64 // times that accepting failed, for want of descriptors for example
}

// Traffic sums over the loops.
func (e *Engine) Traffic() (t Traffic) {
	for _, l := range e.Loops() {
		t.BytesIn += l.bytesIn.Load()
		t.BytesOut += l.bytesOut.Load()
		t.Reads += l.reads.Load()
		t.Writes += l.writes.Load()
		t.Turns += l.turnCount.Load()
	}
	t.AcceptErrors = e.acceptErrors.Load()
	return t
}

// acceptFailed notes why accepting has failed.
func (e *Engine) acceptFailed(err error) {
	e.acceptError.Store(&err)
	e.acceptErrors.Add(1)
}

// AcceptError is how often accepting has failed, and why the last time.
func (e *Engine) AcceptError() (times uint64, last error) {
	if times = e.acceptErrors.Load(); times > 0 {
		last = *e.acceptError.Load()
	}
	return times, last
}

// Serve takes a connection over that somebody else has accepted or dialled. It may be of any kind, for example TLS. ln
// is what its Conn names as its listener and may be nil. If the Engine is stopping the connection is closed.
func (e *Engine) Serve(nc net.Conn, ln *Listener) { e.serve(nc, ln, nil, nil) }

func (e *Engine) serve(nc net.Conn, ln *Listener, ahead []byte, origin any) {
	e.mu.Lock()
	refuse := e.stopping || !e.started.Load()
	if !refuse {
		e.running.Add(1)
	}
	e.mu.Unlock()
	if refuse {
		nc.Close()
		return
	}
	l := e.pick(e.portable)
	l.ensure()
	c := e.newConn(l, ln)
	c.Origin = origin
	go l.serve(c, nc, ahead)
}

// Adopt is Serve for a connection that somebody has dialled and talked with already: ahead is what was read of it beyond that, and
// comes first. The Conn's Origin is origin. A TCP connection goes to an event loop that has nothing else to do, where there are
// event loops: so it costs no more than a client's does, and waits for no client's command.
func (e *Engine) Adopt(nc net.Conn, ahead []byte, origin any) {
	if e.apart == nil || !e.apart.take(nc, ahead, origin) {
		e.serve(nc, nil, ahead, origin)
	}
}

// pick chooses the loop with the fewest connections, and counts one more there.
func (e *Engine) pick(loops []*Loop) *Loop {
	k := int(e.turns.Add(1))
	best := loops[k%len(loops)]
	for i := range loops {
		if l := loops[(k+i)%len(loops)]; l.count.Load() < best.count.Load() {
			best = l
		}
	}
	best.count.Add(1)
	return best
}
