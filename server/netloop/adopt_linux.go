package netloop

import (
	"net"

	"golang.org/x/sys/unix"
)

// take makes a TCP connection one of the loop's, by a descriptor of its own; nc is closed. It is false, and nothing has been done, for
// what is no such thing, or if the system gives no descriptor.
func (l *Loop) take(nc net.Conn, ahead []byte, origin any) bool {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	fd := -1
	raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil || fd < 0 {
		return false
	}
	addr, ok := tcp.RemoteAddr().(*net.TCPAddr)
	if !ok { // it has been closed
		unix.Close(fd)
		return false
	}
	l.eng.mu.Lock()
	refuse := l.eng.stopping || !l.eng.started.Load()
	if !refuse {
		l.ensure()
	}
	l.eng.mu.Unlock()
	if refuse {
		unix.Close(fd)
		return false
	}
	l.count.Add(1)
	posted := l.Post(func() {
		c := l.adopt(fd, addr.AddrPort(), nil, origin)
		if len(ahead) > 0 && c.keep(ahead) {
			c.BytesIn += uint64(len(ahead))
			l.bytesIn.Add(uint64(len(ahead)))
			c.Yield()
		}
	})
	if !posted {
		l.count.Add(-1)
		unix.Close(fd)
		return false
	}
	tcp.Close()
	return true
}
