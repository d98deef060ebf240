//go:build !linux

package netloop

import (
	"errors"
	"net"
	"net/netip"

	"larder/server/resp"
)

// Systems without epoll have portable loops only.
const haveEventLoops = false

type eventLoop struct{}

func (l *Loop) open() error   { return errors.ErrUnsupported }
func (l *Loop) discard()      {}
func (l *Loop) asleep() bool  { return false }
func (l *Loop) wakeUp()       { l.kickPortable() }
func (l *Loop) watch(c *Conn) { c.watchPortable() }

// take is false: there are no event loops.
func (l *Loop) take(net.Conn, []byte, any) bool { return false }

// SendEarly does nothing: each connection is served by itself.
func (l *Loop) SendEarly() {}

func (l *Loop) release(c *Conn) { c.releasePortable() }

func (l *Loop) main() {
	defer l.eng.running.Done()
	l.mainPortable()
}

// NewBig leaves large buffers to the Go heap.
func NewBig() resp.Big { return nil }

func localAddr(int) netip.AddrPort { return netip.AddrPort{} }

func shutdownSocket(int) {}

func hungUp(int) bool { return false }
