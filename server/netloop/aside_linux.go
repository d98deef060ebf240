package netloop

import (
	"golang.org/x/sys/unix"
)

// Aside serves clients in the midst of a turn that takes long: it accepts connections, reads from those that the turn is
// not about, hands each to serve and sends what it writes. It is called by the Handler, from the loop's own goroutine,
// and waits for nobody but those who do the same for a portable loop.
//
// The window belongs to the turn's requests, so whatever comes in goes straight into the connections' own buffers.
func (l *Loop) Aside(serve func(*Conn)) {
	if l.portable {
		l.asidePortable(serve)
		return
	}
	l.arrive()
	n, e := pollEvents(l.ep, l.asideEvents())
	if e != 0 {
		return
	}
	for i := range l.aside[:n] {
		ev := &l.aside[i]
		switch {
		case ev.Fd >= 0:
			if c := l.conns[ev.Fd]; c != nil && c.state&(stReady|stClosing|stClosed) == 0 {
				l.asideEvent(c, ev.Events, serve)
			}
		case ev.Fd == dataWake:
			var count [8]byte
			unix.Read(l.eventFD, count[:])
		default:
			l.accept(dataListener - int(ev.Fd))
		}
	}
	l.arrive()
}

func (l *Loop) asideEvents() []unix.EpollEvent {
	if l.aside == nil {
		l.aside = make([]unix.EpollEvent, eventsPerTurn)
	}
	return l.aside
}

func (l *Loop) asideEvent(c *Conn, events uint32, serve func(*Conn)) {
	if events&unix.EPOLLOUT != 0 {
		c.state &^= stBlocked
	}
	if events&unix.EPOLLIN != 0 && c.reading() && c.state&stSuspended == 0 {
		space := c.In.Space(&l.pool)
		if space == nil {
			c.Close(ErrNoMemory)
			return
		}
		n, e := recv(c.fd, space[:min(len(space), readHuge)])
		switch {
		case e == 0 && n > 0:
			c.BytesIn += uint64(n)
			l.bytesIn.Add(uint64(n))
			c.In.Filled(n)
			serve(c)
		case e == 0:
			c.state |= stEOF // what it is owed is sent first
		case e != unix.EAGAIN && e != unix.EINTR:
			c.Close(e)
			return
		}
		c.In.Stash(&l.pool)
	}
	l.FlushAside(c)
}

// FlushAside sends what waits for a connection without waiting for the end of the turn.
func (l *Loop) FlushAside(c *Conn) {
	if c.state&stClosing != 0 {
		return
	}
	if l.portable {
		c.writeApart()
		return
	}
	l.flush(c)
	l.settle(c)
}
