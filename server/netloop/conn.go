package netloop

import (
	"math"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"larder/server/resp"
)

// Conn is one connection. Unless said otherwise its methods and fields may be used only while its loop is held, that
// is by the Handler's methods.
type Conn struct {
	ID       uint64 // counts from 1 over all loops
	In       resp.Reader
	User     any // the session
	Origin   any // what Adopt was given; nil for others
	Listener *Listener
	Created  time.Time

	BytesIn, BytesOut uint64 // since it opened

	loop *Loop
	out  resp.Writer

	fd      int      // of an event loop, otherwise -1
	slot    int      // in loop.conns
	nc      net.Conn // of a portable loop
	side    *side    // of a portable loop
	peer    netip.AddrPort
	mask    uint32 // what epoll watches
	state   state
	holdAt  uint64 // output from here on waits; see HoldAfter
	holdToo uint64 // the same; see HoldToo
	why     error  // why it closes

	detached bool // what it was made of stays open, for somebody else

	drainBelow int
	drained    func(*Conn)

	signals atomic.Uint32 // what other goroutines want: sigWake, sigKill
	killed  atomic.Pointer[error]
}

type state uint16

const (
	stOpened    state = 1 << iota
	stReady           // stands in loop.ready
	stAgain           // stands in loop.again: has something to cut without new bytes
	stDirty           // stands in loop.dirty: may have output
	stClosing         // stands in loop.closing
	stClosed          // Closed has been called
	stSuspended       // cuts nothing until Resume
	stPaused          // reads nothing until ResumeReading
	stStalled         // has left input uncut because too much output waits
	stBlocked         // the socket takes no more
	stLast            // closes when its output is gone
	stEOF             // the client sends no more
	stBrief           // is suspended by SuspendBriefly
	stLingers         // Lingers has been called
)

func (c *Conn) is(s state) bool { return c.state&s != 0 }

// Loop is the loop that the connection belongs to, for good.
func (c *Conn) Loop() *Loop { return c.loop }

// Out is where replies are written. They are sent when the turn ends. The Writer starts with RESP2.
func (c *Conn) Out() *resp.Writer {
	if c.state&stDirty == 0 {
		c.touch()
	}
	return &c.out
}

func (c *Conn) touch() {
	if c.state&(stDirty|stClosed) == 0 {
		c.state |= stDirty
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// Pending is the number of bytes of output that the system has not taken.
func (c *Conn) Pending() int {
	n := c.out.Len()
	if c.side != nil {
		n += c.side.inFlight
	}
	return n
}

// Buffers is the memory in bytes that the connection's buffers take. A large input buffer counts by the pages that have
// been filled: the system gives memory for no others.
func (c *Conn) Buffers() int {
	in := c.In.Owned()
	if n := c.In.Buffered(); n > smallInput { // else it stands in the loop's window for this turn
		in = max(in, n)
	}
	if in > bigInput {
		in = (c.In.Buffered() + page - 1) &^ (page - 1)
	}
	out := c.out.Owned()
	if out <= smallOutput { // lent for a turn
		out = 0
	}
	if s := c.side; s != nil {
		in += s.room + s.layer - portableFirst // no connection of a portable loop has less
		out += s.inFlight
	}
	return in + out
}

const (
	bigInput    = 64 << 10
	smallInput  = 16 << 10
	smallOutput = 16 << 10
	page        = 4 << 10
)

// Proceed says whether the next command of the connection may run. It may not when the connection closes, is suspended,
// or owes so much output that it has to drain first; in the last case the connection comes back in a later Turn by
// itself. A server asks before each command.
func (c *Conn) Proceed() bool {
	if c.state&(stClosing|stClosed|stSuspended|stLast) != 0 {
		return false
	}
	if c.Pending() > int(c.loop.eng.outputPause.Load()) {
		c.state |= stStalled
		return false
	}
	return true
}

// Suspend keeps what the client has sent and will send, up to Options.InputPause, until Resume: the connection is not
// in Turn. A client that closes its end meanwhile is closed at once.
func (c *Conn) Suspend() { c.state = c.state&^stBrief | stSuspended }

// SuspendBriefly is Suspend for what the server does not do at once, though its client has not asked it to wait: a client that
// has said all it has to say, and closes its sending side meanwhile, still has its requests served and gets the replies.
func (c *Conn) SuspendBriefly() { c.state |= stSuspended | stBrief }

// Suspended says whether Suspend was called and Resume not yet.
func (c *Conn) Suspended() bool { return c.is(stSuspended) }

// Resume ends Suspend. If there is input the connection is in the next Turn.
func (c *Conn) Resume() {
	if !c.is(stSuspended) {
		return
	}
	c.state &^= stSuspended | stBrief
	c.touch() // what epoll watches may change
	if c.In.Buffered() > 0 {
		c.Yield()
	}
}

// InTurn says whether the connection belongs to the turn that is under way: LeaveTurn was not called.
func (c *Conn) InTurn() bool { return c.is(stReady) }

// Yield makes the connection come back in the next Turn with the input that it has, without waiting for more: its
// commands of this turn are used up.
func (c *Conn) Yield() {
	if c.state&(stAgain|stClosing|stClosed) == 0 {
		c.state |= stAgain
		c.loop.again = append(c.loop.again, c)
	}
}

// PauseReading stops reading from the socket until ResumeReading; what has been read is still handed over.
func (c *Conn) PauseReading() {
	c.state |= stPaused
	c.touch()
}

// ResumeReading ends PauseReading.
func (c *Conn) ResumeReading() {
	if c.is(stPaused) {
		c.state &^= stPaused
		c.touch()
	}
}

// CloseAfterReply closes the connection when all its output is sent. Nothing is cut or read any more.
func (c *Conn) CloseAfterReply() {
	c.state |= stLast
	c.touch()
}

// Close closes the connection when the turn ends, without sending what waits. Closed is told why.
func (c *Conn) Close(why error) {
	if c.state&(stClosing|stClosed) == 0 {
		c.state |= stClosing
		c.why = why
		c.loop.closing = append(c.loop.closing, c)
	}
}

// Sever ends the conversation at once, before the loop comes to close the connection: the other end hears of it now. The
// caller makes sure that the loop is between two callbacks, and that Closed has not been called.
func (c *Conn) Sever() {
	if c.fd >= 0 {
		shutdownSocket(c.fd)
	}
}

// Full says whether the client did not take the last of the output.
func (c *Conn) Full() bool { return c.is(stBlocked) || c.side != nil && c.side.writing }

// Gone asks the system whether the client has closed its end, which the loop may not have come to yet. Any goroutine may call
// it that makes sure that Closed has not returned.
func (c *Conn) Gone() bool { return c.fd >= 0 && hungUp(c.fd) }

// Closing says whether the connection closes or is closed.
func (c *Conn) Closing() bool { return c.state&(stClosing|stClosed|stLast) != 0 }

// Doomed says whether the connection is closed without waiting for its output to be sent, or is closed already.
func (c *Conn) Doomed() bool { return c.state&(stClosing|stClosed) != 0 }

// Written counts every byte that was ever written to Out. It names a place in the output for HoldAfter.
func (c *Conn) Written() uint64 { return c.BytesOut + uint64(c.Pending()) }

// HoldAfter lets output leave only up to a place that Written has named: replies behind it wait until HoldAfter names a
// later place, or Release.
func (c *Conn) HoldAfter(place uint64) {
	c.holdAt = place
	c.touch()
}

const noHold = math.MaxUint64

// Release ends HoldAfter.
func (c *Conn) Release() { c.HoldAfter(noHold) }

// HoldToo is a second HoldAfter that knows nothing of the first, for somebody else who has replies wait: output leaves up
// to the nearer of both places.
func (c *Conn) HoldToo(place uint64) {
	c.holdToo = place
	c.touch()
}

// ReleaseToo ends HoldToo.
func (c *Conn) ReleaseToo() { c.HoldToo(noHold) }

// held is the place up to which output may leave, noHold if all may.
func (c *Conn) held() uint64 { return min(c.holdAt, c.holdToo) }

// WhenDrained calls fn once, at the end of a turn, as soon as no more than below bytes of output wait. It is not called
// when the connection closes. A later call replaces it.
func (c *Conn) WhenDrained(below int, fn func(*Conn)) {
	c.drainBelow, c.drained = below, fn
	c.touch()
}

const (
	sigWake = 1 << iota
	sigKill
)

// Wake makes the loop call Handler.Woken for the connection. Any goroutine may call it at any time; it does nothing
// when the connection is closed.
func (c *Conn) Wake() { c.signal(sigWake) }

// Kill closes the connection as soon as its loop comes to it. Any goroutine may call it at any time.
func (c *Conn) Kill(why error) {
	c.killed.CompareAndSwap(nil, &why)
	c.signal(sigKill)
}

func (c *Conn) signal(sig uint32) {
	if c.signals.Or(sig) == 0 {
		c.loop.notify(c)
	}
}

// RemoteAddr is the client's address, "127.0.0.1:50000" or "[::1]:50000"; for a unix socket its path and ":0".
// Any goroutine may call it.
func (c *Conn) RemoteAddr() string {
	if c.peer.IsValid() {
		return c.peer.String()
	}
	if c.Listener != nil && c.Listener.Network == "unix" {
		return c.Listener.Addr + ":0"
	}
	if c.nc != nil {
		return c.nc.RemoteAddr().String()
	}
	return "?:0"
}

// LocalAddr is the address that the client has connected to.
func (c *Conn) LocalAddr() string {
	if c.Listener != nil && c.Listener.Network == "unix" {
		return c.Listener.Addr + ":0"
	}
	if c.nc != nil {
		return c.nc.LocalAddr().String()
	}
	if a := localAddr(c.fd); a.IsValid() {
		return a.String()
	}
	return "?:0"
}

// NetConn is what the connection was made of by Engine.Serve, nil if it was accepted by an event loop.
func (c *Conn) NetConn() net.Conn { return c.nc }

// FD is the number of the connection's descriptor, or -1 when it is not known.
func (c *Conn) FD() int { return c.fd }

func (e *Engine) newConn(l *Loop, ln *Listener) *Conn {
	c := &Conn{ID: e.nextID.Add(1), Listener: ln, Created: time.Now(), loop: l, fd: -1, slot: -1, holdAt: noHold, holdToo: noHold}
	c.out.Init(2, &l.pool)
	return c
}

// reading says whether the socket is to be read.
func (c *Conn) reading() bool {
	if c.state&(stPaused|stLast|stEOF|stClosing|stClosed|stStalled) != 0 {
		return false
	}
	// Somebody who left whole commands behind is not to be given more than it can be asked to keep.
	return c.state&(stSuspended|stAgain) == 0 || c.In.Buffered() < c.loop.eng.opt.InputPause
}
