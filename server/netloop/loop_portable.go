package netloop

import (
	"errors"
	"io"
	"net"
	"runtime"
	"time"
)

// A portable loop has no goroutine that does its turns. A turn is done by whichever goroutine holds the loop's mutex:
// that of a connection that has just read something, or the loop's own, which looks after messages and ticks.
//
//	connection   Read -> lock, Turn with this connection, unlock -> Write -> Read ...
//	loop         wait for a message or a tick -> lock, turn, unlock
//
// While a turn takes long its goroutine lets those in that wait for the loop, one after the other, and each does no more than
// what Aside says with what it has read (asidePortable).
//
// Output that a turn leaves at another connection than the one whose goroutine did it is written by a goroutine that
// is started for it. A goroutine that stays in Write for a tick is relieved: another one goes on to read, or a client
// that sends all its commands before it reads any reply would wait for us as we wait for it.

// side is what a connection of a portable loop has beyond any Conn.
type side struct {
	wake     chan struct{} // says to the reading goroutine: look again
	reader   int           // counts the goroutines that were told to read; the last one does
	reading  bool          // somebody is in Read
	writing  bool          // somebody is in Write
	since    time.Time     // when it went there
	pumping  bool          // it is the reading goroutine: nobody reads
	inFlight int           // bytes that it writes
	bufs     [][]byte
	room     int // bytes that it offers to Read
	layer    int // about the bytes that TLS takes, 0 without
}

const (
	portableFirst = 1 << 10 // what an idle connection offers to Read
	portableMost  = 64 << 10
	layerMost     = 16 << 10 // the most that a record of TLS has, and the most that is offered to Read there
)

// What TLS takes of its own was measured: for a connection that has sent little, and more for good once a record was large. The
// stack of the reading goroutine is counted with it.
const (
	layerIdle  = 16 << 10
	layerGrown = 56 << 10
)

func (l *Loop) kickPortable() {
	l.ensure()
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// hold takes the loop for a turn, or for a look at one of its connections.
func (l *Loop) hold() {
	l.mu.Lock()
	if l.serveAside == nil {
		l.h.Enter(l)
	}
}

func (l *Loop) letGo() {
	if l.serveAside == nil {
		l.h.Leave(l)
	}
	l.mu.Unlock()
}

// asideWait is how long those wait who have come upon a turn that takes long, and can do nothing in its midst.
const asideWait = time.Millisecond

// holdAfterRead is hold for somebody who has read something from a connection: while that stands in the turn that takes long
// nothing may be put to what it has sent before.
func (c *Conn) holdAfterRead() {
	l := c.loop
	for l.hold(); l.serveAside != nil && c.is(stReady); l.hold() {
		l.letGo()
		time.Sleep(asideWait)
	}
}

// asidePortable is Aside of a portable loop. Its turn's goroutine calls it: who waits for the loop may have it meanwhile.
func (l *Loop) asidePortable(serve func(*Conn)) {
	l.serveAside = serve
	l.mu.Unlock()
	runtime.Gosched()
	l.mu.Lock()
	l.serveAside = nil
}

// takeAside is turn in the midst of a turn that takes long. The loop's lists belong to that one.
func (l *Loop) takeAside(c *Conn, data []byte) {
	if len(data) == 0 || c.state&(stClosing|stClosed) != 0 {
		return
	}
	c.BytesIn += uint64(len(data))
	l.bytesIn.Add(uint64(len(data)))
	l.reads.Add(1)
	if c.keep(data) {
		l.serveAside(c)
		c.In.Stash(&l.pool)
	}
}

// keep puts what was read behind what the connection holds. It is false if there is no memory for it: then the connection closes.
func (c *Conn) keep(data []byte) bool {
	for len(data) > 0 {
		space := c.In.Space(&c.loop.pool)
		if space == nil {
			c.Close(ErrNoMemory)
			return false
		}
		n := copy(space, data)
		c.In.Filled(n)
		data = data[n:]
	}
	return true
}

func (l *Loop) mainPortable() {
	l.hold()
	l.nextTick = l.eng.TickAfter(time.Now())
	l.letGo()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.kick:
		case <-timer.C:
		}
		l.hold()
		if l.serveAside != nil { // what there is to do waits for the end of the turn
			l.letGo()
			timer.Reset(asideWait)
			continue
		}
		l.turn(nil, nil)
		l.Each(func(c *Conn) { l.relieve(c) })
		done := l.finished()
		next := l.nextTick
		l.letGo()
		if done {
			return
		}
		timer.Reset(time.Until(next))
	}
}

// turn is one turn; data is what c has received, if anything. The loop is held.
func (l *Loop) turn(c *Conn, data []byte) {
	if l.serveAside != nil {
		l.takeAside(c, data)
		return
	}
	worked := l.begin()
	if len(data) > 0 && c.state&(stClosing|stClosed) == 0 {
		c.BytesIn += uint64(len(data))
		l.bytesIn.Add(uint64(len(data)))
		l.reads.Add(1)
		if c.In.Buffered() == 0 {
			c.In.Feed(data)
		} else {
			c.keep(data)
		}
		l.fed = append(l.fed, c)
		l.makeReady(c)
	}
	l.run(worked)
	l.endPortable(c)
}

// endPortable ends a turn. What c has to say is left to the caller to write.
func (l *Loop) endPortable(c *Conn) {
	l.end(func(d *Conn) {
		if d != c {
			d.writeApart()
		}
	})
	if len(l.again) > 0 {
		l.kickPortable()
	}
}

// writeApart has a goroutine of its own send what may leave.
func (c *Conn) writeApart() {
	l := c.loop
	if c.sendable() == 0 || c.side.writing {
		return
	}
	l.eng.running.Add(1)
	c.side.writing, c.side.pumping = true, false
	go func() {
		defer l.eng.running.Done()
		l.hold()
		c.side.writing = false
		c.write(-1)
		l.letGo()
	}()
}

// serve is the goroutine of a new connection, of which ahead has been read already.
func (l *Loop) serve(c *Conn, nc net.Conn, ahead []byte) {
	defer l.eng.running.Done()
	c.nc = nc
	c.side = &side{wake: make(chan struct{}, 1), room: portableFirst}
	if layered(nc) {
		c.side.layer = layerIdle
	}
	l.hold()
	defer l.letGo()
	if l.box.ended || !l.stopAt.IsZero() {
		l.count.Add(-1)
		nc.Close()
		return
	}
	l.now = time.Now()
	l.admit(c)
	l.turn(c, ahead)
	c.pump(0)
}

// layered tells whether something stands between a connection and its socket: TLS.
func layered(nc net.Conn) bool {
	_, is := nc.(interface{ NetConn() net.Conn })
	return is
}

// pump reads and lets turns happen until the connection is closed or another goroutine reads. The loop is held when it
// is called and when it returns.
func (c *Conn) pump(me int) {
	l := c.loop
	most := portableMost
	if c.side.layer > 0 {
		most = layerMost
	}
	buf := make([]byte, portableFirst)
	for {
		c.side.room = len(buf)
		c.write(me)
		if c.is(stClosed) || c.side.reader != me {
			return
		}
		reading := c.reading()
		c.side.reading = reading
		l.letGo()
		if !reading {
			<-c.side.wake
			l.hold()
			continue
		}
		n, err := c.nc.Read(buf)
		c.holdAfterRead()
		c.side.reading = false
		switch {
		case c.is(stClosed):
			return
		case errors.Is(err, io.EOF):
			c.state |= stEOF
			c.touch()
		case err != nil:
			c.Close(err)
		}
		l.turn(c, buf[:n])
		// The buffer follows what the client sends at once.
		switch size := len(buf); {
		case n == size && size < most:
			buf = make([]byte, size*4)
		case n < size/4 && size > portableFirst && c.In.Buffered() == 0:
			buf = make([]byte, portableFirst)
		}
		if len(buf) == most && c.side.layer > 0 {
			c.side.layer = layerGrown
		}
	}
}

// sendable is the number of bytes that may leave.
func (c *Conn) sendable() int {
	n := c.out.Len()
	if hold := c.held(); hold != noHold {
		sent := c.BytesOut + uint64(c.side.inFlight)
		if hold <= sent {
			return 0
		}
		n = int(min(uint64(n), hold-sent))
	}
	return n
}

// write sends what may leave, unless another goroutine is at it. me is the number of the reading goroutine, or -1 for one
// that only writes. The loop is held when it is called and when it returns, not in between.
func (c *Conn) write(me int) {
	l, s := c.loop, c.side
	for !s.writing && c.state&(stClosed|stClosing) == 0 {
		if l.serveAside != nil && c.state&(stReady|stSuspended) != 0 {
			c.touch() // a reply is being made in what would leave, and marks places there: its turn's end looks after it
			return
		}
		n := c.sendable()
		if n == 0 {
			return
		}
		s.bufs = c.out.Take(s.bufs[:0], n)
		s.writing, s.since, s.pumping, s.inFlight = true, time.Now(), me == s.reader, n
		l.letGo()
		var err error
		for _, b := range s.bufs {
			if _, err = c.nc.Write(b); err != nil {
				break
			}
		}
		l.hold()
		for i, b := range s.bufs {
			l.pool.Put(b)
			s.bufs[i] = nil
		}
		s.writing, s.inFlight = false, 0
		l.writes.Add(1)
		if err == nil {
			c.BytesOut += uint64(n)
			l.bytesOut.Add(uint64(n))
		} else {
			c.Close(err)
		}
		c.touch()
		if l.serveAside != nil {
			continue // the turn that takes long looks after the loop's other connections when it ends
		}
		l.now = time.Now()
		l.endPortable(c)
	}
}

// relieve looks at a connection to which somebody has been writing for long. It starts another reading goroutine if it is the
// one there is. That one goes on writing,
// and ends when there is nothing left to write, so that never two of them read.
func (l *Loop) relieve(c *Conn) {
	s := c.side
	if !s.writing || l.now.Sub(s.since) < l.eng.opt.TickEvery/2 {
		return
	}
	if c.is(stLast) {
		c.lingers()
	}
	if !s.pumping {
		return
	}
	s.pumping = false
	s.reader++
	me := s.reader
	l.eng.running.Add(1)
	go func() {
		defer l.eng.running.Done()
		l.hold()
		defer l.letGo()
		c.pump(me)
	}()
}

// watchPortable lets the reading goroutine look again.
func (c *Conn) watchPortable() {
	if c.reading() || c.is(stClosed) {
		select {
		case c.side.wake <- struct{}{}:
		default:
		}
	}
}

// releasePortable ends the reading and the writing goroutine.
func (c *Conn) releasePortable() {
	if c.nc == nil {
		return
	}
	if c.detached {
		c.watchPortable()
		return
	}
	switch c.nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.nc.Close()
	default: // TLS says goodbye, for which it may have to wait
		c.loop.eng.running.Add(1)
		go func() {
			defer c.loop.eng.running.Done()
			c.nc.Close()
		}()
	}
	c.watchPortable()
}
