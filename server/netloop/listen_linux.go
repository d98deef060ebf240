package netloop

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func (e *Engine) listenTCP(host string, port, backlog int, tag string) (*Listener, error) {
	ip, zone, six, err := resolve(host)
	if err != nil {
		return nil, err
	}
	if e.opt.Portable {
		return e.listenTCPNet(ip, zone, six, port, tag, nil)
	}
	var sa unix.Sockaddr
	family := unix.AF_INET
	if six {
		family = unix.AF_INET6
		a := &unix.SockaddrInet6{Port: port, Addr: [16]byte(ip.To16())}
		if zone != "" {
			ifi, err := net.InterfaceByName(zone)
			if err != nil {
				return nil, err
			}
			a.ZoneId = uint32(ifi.Index)
		}
		sa = a
	} else {
		sa = &unix.SockaddrInet4{Port: port, Addr: [4]byte(ip.To4())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if six {
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err := bindAndListen(fd, sa, backlog, nil); err != nil {
		return nil, err
	}
	addr := localAddr(fd)
	return e.addFD(&Listener{Network: "tcp", Addr: addr.String(), Port: int(addr.Port()), Tag: tag, fd: fd})
}

func (e *Engine) listenUnix(path string, prepare func(path string) error, backlog int, tag string) (*Listener, error) {
	if e.opt.Portable {
		return e.listenUnixNet(path, prepare, tag)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	prepared := func() error {
		err := prepare(path)
		if err != nil {
			os.Remove(path)
		}
		return err
	}
	if err := bindAndListen(fd, &unix.SockaddrUnix{Name: path}, backlog, prepared); err != nil {
		return nil, err
	}
	return e.addFD(&Listener{Network: "unix", Addr: path, path: path, Tag: tag, fd: fd})
}

// bindAndListen closes the socket when it fails. between, if not nil, is called when it has an address and nobody can connect yet.
func bindAndListen(fd int, sa unix.Sockaddr, backlog int, between func() error) error {
	err := unix.Bind(fd, sa)
	if err == nil && between != nil {
		err = between()
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		unix.Close(fd)
	}
	return err
}

func (e *Engine) addFD(ln *Listener) (*Listener, error) {
	if err := e.add(ln); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// watch lets the first loop's epoll report connections; that loop spreads them.
func (ln *Listener) watch() error {
	err := addListener(ln.eng.loops[0].ep, ln.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(dataListener - ln.id)})
	return os.NewSyscallError("epoll_ctl", err)
}

// addListener is a variable for tests, in which the system refuses it.
var addListener = func(ep, fd int, ev *unix.EpollEvent) error { return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, ev) }

func (ln *Listener) closeFD() error { return unix.Close(ln.fd) }

// acceptMost is how many connections one event accepts, so that a flood of them leaves room for commands.
const acceptMost = 256

// accept takes the connections that wait at a listener and spreads them over the loops.
func (l *Loop) accept(id int) {
	e := l.eng
	e.mu.Lock()
	ln := e.listeners[id]
	e.mu.Unlock()
	if ln == nil {
		return
	}
	for range acceptMost {
		fd, sa, err := ln.acceptFD()
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			// Too many open files, most likely: the socket stays ready, so look away for a while.
			e.acceptFailed(os.NewSyscallError("accept", err))
			ln.pause()
			return
		}
		peer := addrPort(sa)
		if ln.Network == "tcp" {
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
			keepAlive(fd, time.Duration(e.keepAlive.Load()))
		}
		to := e.pick(e.loops)
		if to == l {
			l.adopt(fd, peer, ln, nil)
		} else if !to.announce(arrival{fd, peer, ln}) {
			to.count.Add(-1)
			unix.Close(fd)
		}
	}
}

// acceptFD takes one connection. The lock keeps the descriptor from being closed, and its number from being used for
// something else, meanwhile.
func (ln *Listener) acceptFD() (int, unix.Sockaddr, error) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.closed {
		return -1, nil, os.ErrClosed
	}
	return unix.Accept4(ln.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}

// pause stops looking at the listener for acceptPause.
func (ln *Listener) pause() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.closed {
		return
	}
	unix.EpollCtl(ln.eng.loops[0].ep, unix.EPOLL_CTL_DEL, ln.fd, nil)
	time.AfterFunc(acceptPause, ln.resume)
}

// resume looks at the listener again. The system may not let us (it is short of memory, or the user has as many descriptors in epoll
// sets as fs.epoll.max_user_watches allows): then it is tried again, or nobody would be let in any more.
func (ln *Listener) resume() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.closed {
		return
	}
	if err := ln.watch(); err != nil && !errors.Is(err, unix.EEXIST) {
		ln.eng.acceptFailed(err)
		time.AfterFunc(acceptPause, ln.resume)
	}
}

func keepAlive(fd int, idle time.Duration) {
	if idle <= 0 {
		return
	}
	s := max(int(idle/time.Second), 1)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, s)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(s/3, 1))
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3)
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 {
			ip = ip.WithZone(strconv.Itoa(int(a.ZoneId)))
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}

func localAddr(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(sa)
}
