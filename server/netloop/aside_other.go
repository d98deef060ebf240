//go:build !linux

package netloop

// Aside is for loops with events, of which there are none here.
func (l *Loop) Aside(func(*Conn)) {}

// FlushAside is for loops with events.
func (l *Loop) FlushAside(*Conn) {}

// LeaveTurn is for loops with events.
func (l *Loop) LeaveTurn(*Conn) {}
