package netloop

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"larder/server/resp"
)

// Loop serves a part of the connections, one turn at a time. See the package's comment.
type Loop struct {
	Index int // in Engine.Loops
	User  any // the server's state of this loop

	eng  *Engine
	h    Handler
	now  time.Time
	pool resp.Pool

	conns   []*Conn // by slot; nil where a slot is free
	free    []int   // slots
	fed     []*Conn // have received bytes in this turn
	ready   []*Conn // of this turn
	again   []*Conn // of the next turn
	spare   []*Conn // what again was a turn ago
	dirty   []*Conn // to be flushed when the turn ends
	closing []*Conn // to be closed when the turn ends

	box      inbox
	nextTick time.Time
	stopAt   time.Time // not zero: the loop ends, at this time by force

	portable bool
	begun    atomic.Bool // its goroutine runs
	mu       sync.Mutex  // a portable loop is held by whoever holds this

	serveAside func(*Conn) // of a portable loop whose turn takes long: what who holds it in between does with what it has read

	kick chan struct{}
	eventLoop

	count                                       atomic.Int64 // connections
	bytesIn, bytesOut, reads, writes, turnCount atomic.Uint64
}

func (e *Engine) newLoop(index int, portable bool) *Loop {
	l := &Loop{Index: index, eng: e, h: e.handler, portable: portable, kick: make(chan struct{}, 1), now: time.Now()}
	l.pool.Big = NewBig()
	return l
}

// ensure lets the loop's goroutine run. Loops that serve net.Conns beside event loops are begun when first used.
func (l *Loop) ensure() {
	if l.eng.started.Load() && l.begun.CompareAndSwap(false, true) {
		l.eng.running.Add(1)
		go l.main()
	}
}

// Now is the time that the turn began.
func (l *Loop) Now() time.Time { return l.now }

// Each calls fn for every open connection of the loop.
func (l *Loop) Each(fn func(c *Conn)) {
	for _, c := range l.conns {
		if c != nil && c.state&stClosed == 0 {
			fn(c)
		}
	}
}

// TickBefore makes the next Tick come no later than t.
func (l *Loop) TickBefore(t time.Time) {
	if t.Before(l.nextTick) {
		l.nextTick = t
		if l.portable {
			l.kickPortable() // its goroutine waits for the old time
		}
	}
}

// admit gives the connection its slot and shows it to the Handler.
func (l *Loop) admit(c *Conn) {
	if n := len(l.free); n > 0 {
		c.slot = l.free[n-1]
		l.free = l.free[:n-1]
		l.conns[c.slot] = c
	} else {
		c.slot = len(l.conns)
		l.conns = append(l.conns, c)
	}
	c.state |= stOpened
	l.TickBefore(l.eng.TickAfter(l.now))
	l.h.Opened(c)
	c.touch()
}

// makeReady puts the connection into this turn.
func (l *Loop) makeReady(c *Conn) {
	if c.state&(stReady|stSuspended|stClosing|stClosed|stLast) == 0 {
		c.state |= stReady
		l.ready = append(l.ready, c)
	}
}

// begin takes what other goroutines have sent and what the last turn left over.
func (l *Loop) begin() (worked bool) {
	l.now = time.Now()
	worked = l.drainInbox()
	again := l.again
	l.again, l.spare = l.spare[:0], again[:0]
	for _, c := range again {
		if c.is(stAgain) {
			c.state &^= stAgain
			l.makeReady(c)
		}
	}
	clear(again)
	if !l.stopAt.IsZero() {
		l.wind()
	}
	return worked
}

// run hands the ready connections over, and ticks.
func (l *Loop) run(worked bool) {
	if len(l.ready) > 0 {
		l.h.Turn(l, l.ready)
		worked = true
	}
	if !l.now.Before(l.nextTick) {
		l.nextTick = l.eng.TickAfter(l.now)
		if l.count.Load() == 0 {
			l.nextTick = l.nextTick.Add(idleTicks * l.eng.opt.TickEvery)
		}
		l.pool.Trim()
		l.h.Tick(l)
		worked = true
	}
	if worked || len(l.dirty) > 0 || len(l.closing) > 0 {
		l.h.TurnEnd(l)
		l.turnCount.Add(1)
	}
}

// idleTicks is how many ticks a loop without connections leaves out. The first connection ends that.
const idleTicks = 9

// TickAfter is when the next tick is due. All loops tick at once: a processor that sleeps is woken less often.
func (e *Engine) TickAfter(t time.Time) time.Time {
	every := e.opt.TickEvery
	return e.epoch.Add(t.Sub(e.epoch)/every*every + every)
}

// end moves unfinished input away, sends output with flush, and closes what is to be closed.
func (l *Loop) end(flush func(*Conn)) {
	for _, c := range l.ready {
		c.In.Stash(&l.pool)
		c.state &^= stReady
		c.touch()
	}
	clear(l.ready)
	l.ready = l.ready[:0]
	for _, c := range l.fed {
		c.In.Stash(&l.pool)
		c.touch()
	}
	clear(l.fed)
	l.fed = l.fed[:0]
	// Whoever is told of a drained or a closed connection may write to others and close others.
	for len(l.dirty) > 0 || len(l.closing) > 0 {
		for i := 0; i < len(l.dirty); i++ {
			c := l.dirty[i]
			c.state &^= stDirty
			if c.state&stClosing == 0 {
				flush(c)
				l.settle(c)
			}
		}
		clear(l.dirty)
		l.dirty = l.dirty[:0]
		for i := 0; i < len(l.closing); i++ {
			l.close(l.closing[i])
		}
		clear(l.closing)
		l.closing = l.closing[:0]
	}
}

// LeaveTurn takes a connection out of the turn: what it has sent and was not cut is kept, and Aside may serve it.
func (l *Loop) LeaveTurn(c *Conn) {
	c.In.Stash(&l.pool)
	c.state &^= stReady
	c.touch()
}

// Portable tells whether the loop serves its connections one at a time, each by a goroutine.
func (l *Loop) Portable() bool { return l.portable }

// settle finds out what the connection waits for from here on.
func (l *Loop) settle(c *Conn) {
	pending := c.Pending()
	if c.is(stStalled) && pending <= int(l.eng.outputPause.Load())/2 {
		c.state &^= stStalled
		c.Yield()
	}
	if c.drained != nil && pending <= c.drainBelow {
		fn := c.drained
		c.drained = nil
		fn(c)
		pending = c.Pending()
	}
	if c.is(stEOF) && c.state&(stAgain|stStalled|stBrief) == 0 {
		if c.is(stSuspended) {
			c.Close(io.EOF)
		} else if !c.is(stLast) {
			c.state |= stLast
			c.why = io.EOF
		}
	}
	if c.is(stLast) {
		if pending == 0 {
			c.Close(c.why)
		} else if c.is(stBlocked) {
			c.lingers()
		}
	}
	if c.state&stClosing == 0 {
		l.watch(c)
	}
}

// lingers tells the Handler, once, of a connection that closes and whose client does not take what it is owed.
func (c *Conn) lingers() {
	if c.state&(stLingers|stClosing|stClosed) == 0 {
		c.state |= stLingers
		c.loop.h.Lingers(c)
	}
}

// wind lets every connection finish; it is called in each turn of a loop that stops.
func (l *Loop) wind() {
	l.Each(func(c *Conn) {
		switch {
		case !l.now.Before(l.stopAt):
			c.Close(ErrShutdown)
		case !c.is(stLast):
			if c.why == nil {
				c.why = ErrShutdown
			}
			c.CloseAfterReply()
		}
	})
	if l.stopAt.Before(l.nextTick) {
		l.nextTick = l.stopAt
	}
}

// stop makes the loop end when its connections have, and at a time by force. Any goroutine may call it.
func (l *Loop) stop(at time.Time) {
	l.Post(func() { l.stopAt = at })
}

// finished says whether a loop that stops has nothing left, and if so lets nothing more come in.
func (l *Loop) finished() bool {
	return !l.stopAt.IsZero() && l.count.Load() == 0 && l.box.shut()
}

// close ends the connection.
func (l *Loop) close(c *Conn) {
	if c.is(stClosed) {
		return
	}
	c.state = c.state&^stAgain | stClosed
	c.drained = nil
	if c.slot >= 0 {
		l.h.Closed(c, c.why)
		l.conns[c.slot] = nil
		l.free = append(l.free, c.slot)
	}
	c.In.Close(&l.pool)
	c.out.Reset()
	c.out.Init(c.out.Proto, nil) // what is still written to it is for nobody, and must not take buffers along
	l.release(c)
	l.count.Add(-1)
}
