//go:build !linux

package netloop

// Aside serves clients in the midst of a turn that takes long: those that wait for the loop have it meanwhile.
func (l *Loop) Aside(serve func(*Conn)) { l.asidePortable(serve) }

// FlushAside sends what waits for a connection without waiting for the end of the turn.
func (l *Loop) FlushAside(c *Conn) {
	if c.state&stClosing == 0 {
		c.writeApart()
	}
}
