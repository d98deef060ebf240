package netloop

import (
	"errors"
	"net"
)

// ErrInUse is the error of Borrow and Detach for a connection that is being read or written at this moment.
var ErrInUse = errors.New("the connection is in use")

// Borrow gives the connection's socket to who serves a request of the connection and goes on talking with the client in
// the midst of the turn. Meanwhile the loop neither reads nor writes it: nothing may wait to be sent. It is given back by
// Close, which leaves the connection open, before the turn goes on.
func (c *Conn) Borrow() (net.Conn, error) {
	if c.Pending() > 0 || c.side != nil && (c.side.reading || c.side.writing) {
		return nil, ErrInUse
	}
	if c.nc != nil {
		return keptOpen{c.nc}, nil
	}
	return duplicate(c.fd)
}

// keptOpen is a connection that its borrower does not close.
type keptOpen struct{ net.Conn }

func (keptOpen) Close() error { return nil }

// Detach closes the Conn, but not the connection, which is the caller's from now on. What was read of it and not cut is lost
// unless the caller has taken it.
func (c *Conn) Detach() (net.Conn, error) {
	nc, err := c.Borrow()
	if err != nil {
		return nil, err
	}
	if k, ok := nc.(keptOpen); ok {
		nc = k.Conn
	}
	c.detached = true
	c.Close(nil)
	return nc, nil
}
