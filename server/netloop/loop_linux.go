package netloop

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const haveEventLoops = true

const (
	eventsPerTurn = 64
	readSmall     = 16 << 10                        // room that every event of a turn is sure to get
	readLarge     = 64 << 10                        // and the most that it gets in the window
	readHuge      = 256 << 10                       // the most that one recv takes, straight into a connection's own buffer
	readMost      = 1 << 20                         // the most of a large argument that one turn takes beyond the first recv
	lastPacket    = 64 << 10                        // what a packet holds at most, if it stays on this machine
	sendMost      = 512 << 10                       // the most that one send gives
	windowSize    = eventsPerTurn * (readSmall * 2) // leftover and new bytes of every event; only what is used is touched
)

// eventLoop is what an epoll loop has beyond any Loop.
type eventLoop struct {
	ep       int
	eventFD  int
	parker   *parker
	quiet    bool        // the last wait ended without events: it was for the tick
	yielded  time.Time   // when the loop last went through the scheduler
	sleeping atomic.Bool // waits in epoll: whoever sends something writes to eventFD
	events   []unix.EpollEvent
	window   []byte
	aside    []unix.EpollEvent // see Aside
	arrivals arrivals
	bufs     [][]byte
}

// What an epoll event carries is the slot of its connection, or one of these.
const (
	dataWake     = -1
	dataListener = -2 // and below: -2-id
)

func (l *Loop) open() (err error) {
	if l.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if l.eventFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(l.ep)
		return os.NewSyscallError("eventfd", err)
	}
	l.events = make([]unix.EpollEvent, eventsPerTurn)
	l.window = make([]byte, windowSize)
	if err = unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, l.eventFD, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: dataWake}); err != nil {
		l.discard()
		return os.NewSyscallError("epoll_ctl", err)
	}
	l.parker = newParker(l.ep)
	return nil
}

// discard closes what open has opened.
func (l *Loop) discard() {
	if !l.portable {
		if l.parker != nil {
			l.parker.close()
		}
		unix.Close(l.ep)
		unix.Close(l.eventFD)
	}
}

func (l *Loop) wakeUp() {
	if l.portable {
		l.kickPortable()
		return
	}
	if !l.begun.Load() {
		l.ensure()
	}
	if l.sleeping.CompareAndSwap(true, false) {
		one := [8]byte{1}
		unix.Write(l.eventFD, one[:]) // fails only when the counter is full: then it wakes anyway
	}
}

// asleep tells whether the loop waits and nothing is there that ends it.
func (l *Loop) asleep() bool {
	return !l.portable && l.sleeping.Load() && !l.box.some.Load() && !readable(l.ep) && l.sleeping.Load()
}

func (l *Loop) main() {
	defer l.eng.running.Done()
	if l.portable {
		l.mainPortable()
		return
	}
	l.nextTick = l.eng.TickAfter(time.Now())
	for !l.finished() {
		n := l.fetch()
		l.h.Enter(l)
		worked := l.begin()
		used := 0
		for i := range l.events[:n] {
			ev := &l.events[i]
			switch {
			case ev.Fd >= 0:
				if c := l.conns[ev.Fd]; c != nil {
					used += l.event(c, ev.Events, l.window[used:], n-i)
				}
			case ev.Fd == dataWake:
				var count [8]byte
				unix.Read(l.eventFD, count[:])
			default:
				l.accept(dataListener - int(ev.Fd))
				worked = true
			}
		}
		l.run(worked)
		l.end(l.flush)
		l.h.Leave(l)
		if l.now.Sub(l.yielded) >= yieldEvery {
			l.yielded = l.now
			runtime.Gosched()
		}
	}
	l.discard()
}

// fetch waits for events, a message or the next tick. It asks once: looking first without waiting, to spare the
// scheduler's bookkeeping when there is something already, was measured to cost more than it saves as soon as turns
// are small.
func (l *Loop) fetch() int {
	wait_ms := (time.Until(l.nextTick) + time.Millisecond - 1) / time.Millisecond
	if len(l.again) > 0 || wait_ms <= 0 {
		n, e := pollEvents(l.ep, l.events)
		if e != 0 {
			return 0
		}
		return n
	}
	l.sleeping.Store(true)
	if l.box.some.Load() {
		wait_ms = 0
	}
	n, e := 0, syscall.Errno(0)
	if l.parker == nil || wait_ms*time.Millisecond <= parkAfter {
		n, e = waitEvents(l.ep, l.events, int(wait_ms))
	} else {
		if !l.quiet {
			n, e = waitEvents(l.ep, l.events, int(parkAfter/time.Millisecond))
		}
		if n == 0 {
			n = l.parker.wait(l.ep, l.events, l.nextTick)
			l.yielded = time.Now()
		}
	}
	l.quiet = n == 0
	l.sleeping.Store(false)
	if e != 0 {
		return 0
	}
	return n
}

// event does what epoll has reported about a connection. room is what is free of the window, left the number of events
// that share it. It returns how much of the room it has used.
func (l *Loop) event(c *Conn, events uint32, room []byte, left int) (used int) {
	if c.state&(stClosing|stClosed) != 0 {
		return 0
	}
	if events&unix.EPOLLOUT != 0 {
		c.state &^= stBlocked
		c.touch()
	}
	switch {
	case c.is(stReady) && c.In.Buffered() >= readLarge: // it has enough left from the last turn
	case events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 && c.reading():
		return l.receive(c, room[:min(len(room), max(len(room)/left, 2*readSmall), readLarge)])
	case events&unix.EPOLLERR != 0:
		c.Close(socketError(c.fd))
	case events&unix.EPOLLHUP != 0:
		c.Close(io.EOF)
	case events&unix.EPOLLRDHUP != 0:
		c.state |= stEOF
		c.touch()
	}
	return 0
}

// receive reads once from the connection's socket, into the room in the window, or behind what the connection holds if
// that is much.
func (l *Loop) receive(c *Conn, room []byte) (used int) {
	var n, kept, want int
	var e syscall.Errno
	direct := !c.In.Small()
	if direct {
		space := c.In.Space(&l.pool)
		if space == nil {
			c.Close(ErrNoMemory)
			return 0
		}
		want = min(len(space), readHuge)
		n, e = recv(c.fd, space[:want])
	} else {
		kept = c.In.Buffered()
		want = len(room) - kept
		n, e = recv(c.fd, room[kept:])
	}
	switch {
	case e == 0 && n > 0:
		c.BytesIn += uint64(n)
		l.bytesIn.Add(uint64(n))
		l.reads.Add(1)
		if direct {
			c.In.Filled(n)
		} else {
			if kept > 0 {
				c.In.MoveTo(room, &l.pool)
			}
			c.In.Feed(room[: kept+n : kept+n])
			used = kept + n
		}
		l.fed = append(l.fed, c)
		l.makeReady(c)
		if n == want || !c.In.Small() {
			l.receiveRest(c)
		}
	case e == 0:
		c.state |= stEOF
		c.touch()
	case e != unix.EAGAIN && e != unix.EINTR:
		c.Close(e)
	}
	return used
}

// receiveRest reads on, up to readMost bytes, when a large argument is arriving and the first read has got all that it
// had room for: what a client has sent before is then there when another one's request is served.
//
// The end of a large argument may wait at the other side for us to confirm the rest: senders that wait before they send
// a packet that is not full (TCP_NODELAY is off) meet systems here that confirm late, up to 40 ms. So what there is is
// confirmed at once when what is missing may be such a packet.
func (l *Loop) receiveRest(c *Conn) {
	confirmed := !c.peer.IsValid() // only TCP confirms
	for most := readMost; most > 0; {
		missing := c.In.Missing() // the rest of a large argument or of the line behind it
		if missing == 0 {
			return
		}
		space := c.In.Space(&l.pool)
		if space == nil {
			return // the next turn finds it out again, and closes
		}
		space = space[:min(len(space), readHuge, most)]
		n, e := recv(c.fd, space)
		if e == unix.EAGAIN && !confirmed && missing <= lastPacket {
			confirmed = true
			confirm(c.fd)
			continue
		}
		if e != 0 || n <= 0 {
			return
		}
		confirmed = !c.peer.IsValid()
		c.BytesIn += uint64(n)
		l.bytesIn.Add(uint64(n))
		l.reads.Add(1)
		c.In.Filled(n)
		most -= n // a short read is no end: taking bytes makes room for those that wait at the other side
	}
}

// flush sends what waits, once.
func (l *Loop) flush(c *Conn) {
	limit := c.out.Len()
	if limit == 0 || c.is(stBlocked) {
		return
	}
	if hold := c.held(); hold != noHold {
		if hold <= c.BytesOut {
			return
		}
		limit = int(min(uint64(limit), hold-c.BytesOut))
	}
	limit = min(limit, sendMost)
	l.bufs = c.out.Buffers(l.bufs[:0], limit)
	var n int
	var e syscall.Errno
	if len(l.bufs) == 1 {
		n, e = send(c.fd, l.bufs[0])
	} else {
		n, e = sendv(c.fd, l.bufs[:min(len(l.bufs), maxIOV)])
	}
	clear(l.bufs)
	switch {
	case e == 0:
		c.BytesOut += uint64(n)
		l.bytesOut.Add(uint64(n))
		l.writes.Add(1)
		c.out.Advance(n)
		if n < limit || limit == sendMost && c.out.Len() > 0 {
			c.state |= stBlocked
		}
	case e == unix.EAGAIN || e == unix.EINTR:
		c.state |= stBlocked
	default:
		c.Close(e)
	}
}

// SendEarly sends what has been written so far in this turn without waiting for its end. It is called by the Handler, from
// within Turn, when TurnEnd has been done for what was written. Portable loops do nothing: they serve one connection at a time.
func (l *Loop) SendEarly() {
	if l.portable {
		return
	}
	for _, c := range l.dirty {
		if c.state&stClosing == 0 {
			l.flush(c)
		}
	}
}

// watch tells epoll what the connection waits for.
func (l *Loop) watch(c *Conn) {
	if l.portable {
		c.watchPortable()
		return
	}
	mask := uint32(0)
	if c.reading() {
		mask = unix.EPOLLIN
	} else if c.is(stSuspended) && c.state&(stEOF|stLast) == 0 {
		mask = unix.EPOLLRDHUP // a client that waits for something may go away
	}
	if c.is(stBlocked) {
		mask |= unix.EPOLLOUT
	}
	if mask != c.mask {
		c.mask = mask
		if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: mask, Fd: int32(c.slot)}); err != nil {
			c.Close(os.NewSyscallError("epoll_ctl", err))
		}
	}
}

// arrivals are sockets that another loop has accepted for this one. They do not wait in the inbox, because they are let in
// even while a turn takes long.
type arrivals struct {
	some atomic.Bool
	mu   sync.Mutex
	list []arrival
}

type arrival struct {
	fd   int
	peer netip.AddrPort
	ln   *Listener
}

// announce hands the loop a socket. It is false when the loop has ended.
func (l *Loop) announce(a arrival) bool {
	l.arrivals.mu.Lock()
	l.arrivals.list = append(l.arrivals.list, a)
	l.arrivals.some.Store(true)
	l.arrivals.mu.Unlock()
	return l.Post(l.arrive)
}

// arrive makes connections of the sockets that were announced.
func (l *Loop) arrive() {
	if !l.arrivals.some.Load() {
		return
	}
	l.arrivals.mu.Lock()
	list := l.arrivals.list
	l.arrivals.list = nil
	l.arrivals.some.Store(false)
	l.arrivals.mu.Unlock()
	for _, a := range list {
		l.adopt(a.fd, a.peer, a.ln, nil)
	}
}

// adopt makes a connection of a socket.
func (l *Loop) adopt(fd int, peer netip.AddrPort, ln *Listener, origin any) *Conn {
	c := l.eng.newConn(l, ln)
	c.fd, c.peer, c.mask, c.Origin = fd, peer, unix.EPOLLIN, origin
	l.admit(c)
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: c.mask, Fd: int32(c.slot)}); err != nil {
		c.Close(os.NewSyscallError("epoll_ctl", err))
	}
	return c
}

// release closes the connection's socket.
func (l *Loop) release(c *Conn) {
	if c.fd >= 0 {
		if c.detached {
			unix.EpollCtl(l.ep, unix.EPOLL_CTL_DEL, c.fd, nil) // fails only for what is not in the set
		}
		unix.Close(c.fd) // leaves the epoll set by itself, if no other descriptor has the socket
		c.fd = -1
	}
	if l.portable {
		c.releasePortable()
	}
}

func socketError(fd int) error {
	if v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && v != 0 {
		return syscall.Errno(v)
	}
	return errors.New("connection lost")
}
