package server

import "net"

// A turnstile bounds how many handshakes compute at the same time, by its capacity: as many as the runtime has processors
// beyond those of the loops. Each handshake takes one for some tenths of a millisecond, and a loop that comes back from
// its wait while they have all of them would stand in line behind every handshake that has begun. Who waits for a client's
// next message is outside, so that slow clients keep nobody waiting.
type turnstile chan struct{}

// enter wraps a connection whose handshake is going to begin, and waits until that may compute.
func (t turnstile) enter(nc net.Conn) *turnstileConn {
	t <- struct{}{}
	return &turnstileConn{Conn: nc, inside: t}
}

// turnstileConn is a connection whose handshake is inside, except while it reads or writes.
type turnstileConn struct {
	net.Conn
	inside turnstile // nil once the handshake is over
}

// leave ends the handshake: from here on the connection is what it was.
func (c *turnstileConn) leave() {
	<-c.inside
	c.inside = nil
}

func (c *turnstileConn) Read(b []byte) (int, error) {
	if c.inside != nil {
		<-c.inside
		defer func() { c.inside <- struct{}{} }()
	}
	return c.Conn.Read(b)
}

func (c *turnstileConn) Write(b []byte) (int, error) {
	if c.inside != nil {
		<-c.inside
		defer func() { c.inside <- struct{}{} }()
	}
	return c.Conn.Write(b)
}
