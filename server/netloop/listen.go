package netloop

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Listener is one address at which connections are accepted.
type Listener struct {
	Network string // tcp or unix
	Addr    string // host:port as it is bound, or the path of a unix socket
	Port    int    // of tcp
	Tag     string // the caller's word for it

	eng    *Engine
	fd     int          // of the event loops, otherwise -1
	id     int          // of the event loops
	nl     net.Listener // of the portable loops
	door   Door
	path   string // to be removed when it closes
	mu     sync.Mutex
	closed bool
}

// A Door prepares a connection that was accepted before anybody else sees it: the handshake of TLS. It runs on a goroutine
// of its own for each connection and returns what is to be served, or an error, upon which the connection is closed. It has
// to bound the time that it waits for the client.
type Door func(nc net.Conn) (net.Conn, error)

// maxAtDoor is how many connections stand at the doors of all listeners, unless Options.AtDoor allows fewer. When there are
// more, the one that has stood there for longest is closed: clients that connect and then say nothing do not keep others out.
const maxAtDoor = 1024

// doors are the connections that stand at the doors of an Engine's listeners.
type doors struct {
	mu   sync.Mutex
	shut bool
	list list.List // of net.Conn, the oldest first
}

// ThinDoors closes the oldest connections at the doors as far as there are more than Options.AtDoor allows by now. Any goroutine
// may call it, also a Handler's method.
func (e *Engine) ThinDoors() {
	most := maxAtDoor
	if e.opt.AtDoor != nil {
		most = min(most, max(1, e.opt.AtDoor()))
	}
	e.doors.thin(most)
}

func (d *doors) thin(most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.list.Len() > most {
		el := d.list.Front()
		d.list.Remove(el)
		el.Value.(net.Conn).Close()
	}
}

// close closes all, and whoever comes from now on.
func (d *doors) close() {
	d.mu.Lock()
	d.shut = true
	d.mu.Unlock()
	d.thin(0)
}

// enter lets a connection stand at the door. It is nil when the Engine stops.
func (d *doors) enter(nc net.Conn) *list.Element {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return nil
	}
	return d.list.PushBack(nc)
}

func (d *doors) leave(el *list.Element) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list.Remove(el) // does nothing for one that was closed
}

// ListenError says which address could not be listened at.
type ListenError struct {
	Network string
	Addr    string // host or path
	Port    int    // of tcp
	Err     error
}

func (e *ListenError) Error() string {
	if e.Network == "unix" {
		return fmt.Sprintf("listening at unix socket %s: %v", e.Addr, e.Err)
	}
	return fmt.Sprintf("listening at %s port %d: %v", e.Addr, e.Port, e.Err)
}

func (e *ListenError) Unwrap() error { return e.Err }

// ListenTCP listens at all the addresses, in Redis's notation: an IP address or host name, * for all of IPv4, ::* for
// all of IPv6, with a - in front if it does not matter when this machine does not have it. Addresses of a family that
// the system does not know are passed over in any case. Port 0 takes a free one. Either all listen or none, and then
// the error is a *ListenError. The list is empty, without an error, when every address was passed over.
//
// The Engine must have been started, or be started later. Any goroutine may call it.
func (e *Engine) ListenTCP(addrs []string, port, backlog int, tag string) ([]*Listener, error) {
	return listenAll(addrs, port, func(host string) (*Listener, error) { return e.listenTCP(host, port, backlog, tag) })
}

// ListenTCPDoor is ListenTCP for connections that have to pass a door. They are served by the portable loops.
func (e *Engine) ListenTCPDoor(addrs []string, port int, tag string, door Door) ([]*Listener, error) {
	return listenAll(addrs, port, func(host string) (*Listener, error) {
		ip, zone, six, err := resolve(host)
		if err != nil {
			return nil, err
		}
		return e.listenTCPNet(ip, zone, six, port, tag, door)
	})
}

// listenAll listens at all the addresses or at none.
func listenAll(addrs []string, port int, listen func(host string) (*Listener, error)) ([]*Listener, error) {
	var all []*Listener
	for _, a := range addrs {
		host, optional := a, false
		if len(host) > 0 && host[0] == '-' {
			host, optional = host[1:], true
		}
		ln, err := listen(host)
		if err == nil {
			all = append(all, ln)
			continue
		}
		if unknownFamily(err) || optional && errors.Is(err, syscall.EADDRNOTAVAIL) {
			continue
		}
		for _, ln := range all {
			ln.Close()
		}
		return nil, &ListenError{Network: "tcp", Addr: host, Port: port, Err: err}
	}
	return all, nil
}

func unknownFamily(err error) bool {
	for _, no := range []error{syscall.EAFNOSUPPORT, syscall.EPFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.ESOCKTNOSUPPORT, syscall.ENOPROTOOPT} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// resolve turns an address of ListenTCP into an IP, and says whether it is one of IPv6.
func resolve(host string) (ip net.IP, zone string, six bool, err error) {
	switch host {
	case "*":
		return net.IPv4zero, "", false, nil
	case "::*":
		return net.IPv6unspecified, "", true, nil
	}
	a, err := net.ResolveIPAddr("ip", host)
	if err != nil {
		return nil, "", false, err
	}
	if four := a.IP.To4(); four != nil {
		return four, "", false, nil
	}
	return a.IP, a.Zone, true, nil
}

// ListenUnix listens at a socket in the file system. prepare, which may be nil, is called when the socket is there and gives it
// its permissions and its owner: where there are event loops nobody can connect before that is done. A socket left behind
// there is removed first, and an empty file, with which somebody has reserved the name. The error is a *ListenError.
func (e *Engine) ListenUnix(path string, prepare func(path string) error, backlog int, tag string) (*Listener, error) {
	if st, err := os.Lstat(path); err == nil && (st.Mode()&os.ModeSocket != 0 || st.Mode().IsRegular() && st.Size() == 0) {
		os.Remove(path)
	}
	if prepare == nil {
		prepare = func(string) error { return nil }
	}
	ln, err := e.listenUnix(path, prepare, backlog, tag)
	if err != nil {
		return nil, &ListenError{Network: "unix", Addr: path, Err: err}
	}
	return ln, nil
}

// Listen accepts from any net.Listener through the portable loops: a TLS listener for example. Closing the returned
// Listener closes it.
func (e *Engine) Listen(nl net.Listener, tag string) (*Listener, error) {
	return e.listenOn(nl, nl.Addr().Network(), tag, nil)
}

func (e *Engine) listenOn(nl net.Listener, network, tag string, door Door) (*Listener, error) {
	ln := &Listener{Network: network, Addr: nl.Addr().String(), Tag: tag, fd: -1, nl: nl, door: door}
	if a, ok := nl.Addr().(*net.TCPAddr); ok {
		ln.Port = a.Port
	}
	if err := e.add(ln); err != nil {
		nl.Close()
		return nil, err
	}
	return ln, nil
}

// add makes a listener part of the Engine.
func (e *Engine) add(ln *Listener) error {
	ln.eng = e
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return ErrShutdown
	}
	e.nextListener++
	ln.id = e.nextListener
	e.listeners[ln.id] = ln
	if e.started.Load() {
		return ln.start()
	}
	return nil
}

// start lets it accept; the Engine's lock is held.
func (ln *Listener) start() error {
	if ln.nl == nil {
		return ln.watch()
	}
	ln.eng.running.Add(1)
	go ln.acceptPortable()
	return nil
}

// Close stops accepting; connections that were accepted stay, also those at the door. Any goroutine may call it, also a Handler's method.
func (ln *Listener) Close() error {
	ln.mu.Lock()
	if ln.closed {
		ln.mu.Unlock()
		return nil
	}
	ln.closed = true
	var err error
	if ln.nl != nil {
		err = ln.nl.Close()
	} else {
		err = ln.closeFD()
	}
	if ln.path != "" {
		os.Remove(ln.path)
	}
	ln.mu.Unlock()
	ln.eng.mu.Lock()
	delete(ln.eng.listeners, ln.id)
	ln.eng.mu.Unlock()
	return err
}

// acceptPortable is the goroutine of a net.Listener.
func (ln *Listener) acceptPortable() {
	defer ln.eng.running.Done()
	for {
		nc, err := ln.nl.Accept()
		if err == nil {
			inner := nc
			if w, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
				inner = w.NetConn()
			}
			if t, ok := inner.(*net.TCPConn); ok {
				idle := time.Duration(ln.eng.keepAlive.Load())
				t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: idle > 0, Idle: idle, Interval: max(idle/3, time.Second), Count: 3})
			}
			if ln.door == nil {
				ln.eng.Serve(nc, ln)
			} else {
				ln.letIn(nc)
			}
			continue
		}
		ln.mu.Lock()
		closed := ln.closed
		ln.mu.Unlock()
		if closed || errors.Is(err, net.ErrClosed) {
			return
		}
		// Too many open files, most likely: try again when some may have closed.
		ln.eng.acceptFailed(err)
		time.Sleep(acceptPause)
	}
}

// letIn takes a connection through the door.
func (ln *Listener) letIn(nc net.Conn) {
	e := ln.eng
	el := e.doors.enter(nc)
	if el == nil {
		nc.Close()
		return
	}
	e.ThinDoors()
	e.running.Add(1)
	go func() {
		defer e.running.Done()
		in, err := ln.door(nc)
		e.doors.leave(el)
		if err != nil {
			nc.Close()
			return
		}
		e.Serve(in, ln)
	}()
}

// acceptPause is how long nothing is accepted after accepting has failed.
const acceptPause = 100 * time.Millisecond

func (e *Engine) listenNet(network, addr string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1}
	return lc.Listen(context.Background(), network, addr)
}
