//go:build !linux

package netloop

import (
	"errors"
	"net/netip"
)

// Systems without epoll have portable loops only.
const haveEventLoops = false

type eventLoop struct{}

func (l *Loop) open() error     { return errors.ErrUnsupported }
func (l *Loop) discard()        {}
func (l *Loop) wakeUp()         { l.kickPortable() }
func (l *Loop) watch(c *Conn)   { c.watchPortable() }
func (l *Loop) release(c *Conn) { c.releasePortable() }

func (l *Loop) main() {
	defer l.eng.running.Done()
	l.mainPortable()
}

func localAddr(int) netip.AddrPort { return netip.AddrPort{} }
