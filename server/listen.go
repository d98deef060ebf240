package server

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"sync/atomic"

	"go.uber.org/zap"

	"larder/server/config"
	"larder/server/netloop"
)

// portKind is what is spoken at a port: plain, or TLS.
type portKind string

const (
	portTCP portKind = "tcp"
	portTLS portKind = "tls"
)

// listeners are those of a kind.
func (srv *Server) listeners(k portKind) *[]*netloop.Listener {
	if k == portTLS {
		return &srv.tls
	}
	return &srv.tcp
}

// listening is the ports of the first listeners of each kind, 0 where there are none: for those who ask while they change, such as
// a failover group.
type listening struct{ tcpAt, tlsAt atomic.Int64 }

// listensAt notes who listens for a kind from now on.
func (srv *Server) listensAt(k portKind, lns []*netloop.Listener) {
	*srv.listeners(k) = lns
	port, at := int64(0), &srv.tcpAt
	if len(lns) > 0 {
		port = int64(lns[0].Port)
	}
	if k == portTLS {
		at = &srv.tlsAt
	}
	at.Store(port)
}

// port is the port of a kind that the configuration names, 0 for none.
func (srv *Server) port(k portKind) int {
	if k == portTLS {
		return int(srv.conf.TLSPort.Get())
	}
	return int(srv.conf.Port.Get())
}

// open listens at addresses, all of them or none.
func (srv *Server) open(k portKind, addrs []string, port int) ([]*netloop.Listener, error) {
	if k == portTLS {
		return srv.engine.ListenTCPDoor(addrs, port, string(k), srv.shakeHands)
	}
	return srv.engine.ListenTCP(addrs, port, int(srv.conf.TCPBacklog.Get()), string(k))
}

// listen opens every address that the configuration names.
func (srv *Server) listen() error {
	if err := srv.configureTLS(); err != nil {
		srv.log.Warn(err.Error())
		return errors.New("Failed to configure TLS. Check logs for more info.") //lint:ignore ST1005 operators search logs for this text
	}
	for _, k := range []portKind{portTCP, portTLS} {
		port := srv.port(k)
		if port == 0 || len(srv.conf.Bind.Get()) == 0 {
			continue
		}
		lns, err := srv.open(k, srv.conf.Bind.Get(), port)
		if err != nil {
			srv.logListenError(err)
			return fmt.Errorf("Failed listening on port %d (%s), aborting.", port, k) //lint:ignore ST1005 operators search logs for this text
		}
		srv.listensAt(k, lns)
	}
	if path := srv.conf.UnixSocket.Get(); path != "" {
		path = srv.conf.Path(path)
		ln, err := srv.engine.ListenUnix(path, srv.guardSocket, int(srv.conf.TCPBacklog.Get()), "unix")
		if err != nil {
			srv.logListenError(err)
			return errors.New("Failed opening Unix socket, aborting.") //lint:ignore ST1005 operators search logs for this text
		}
		srv.unix = ln
	}
	if len(srv.tcp) == 0 && len(srv.tls) == 0 && srv.unix == nil {
		return errors.New("Configured to not listen anywhere, exiting.") //lint:ignore ST1005 operators search logs for this text
	}
	return nil
}

// guardSocket says who may connect to the Unix socket, as the configuration has it.
func (srv *Server) guardSocket(path string) error {
	if perm := srv.conf.UnixSocketPerm.Get(); perm != 0 {
		if err := os.Chmod(path, os.FileMode(perm)); err != nil {
			return err
		}
	}
	if group := srv.conf.UnixSocketGroup.Get(); group != "" {
		return giveToGroup(path, group)
	}
	return nil
}

func (srv *Server) logListenError(err error) {
	var le *netloop.ListenError
	if errors.As(err, &le) && le.Network == "tcp" {
		srv.log.Warn("Could not create server TCP listening socket", zap.String("address", le.Addr), zap.Int("port", le.Port), zap.Error(le.Err))
		return
	}
	srv.log.Warn("Could not listen", zap.Error(err))
}

// relistenFor is relisten with the error that clients read when the directive of that name cannot be changed.
func (srv *Server) relistenFor(text string, kinds ...portKind) func() error {
	return func() error {
		for _, k := range kinds {
			if srv.relisten(k) != nil {
				return errors.New(text)
			}
		}
		return nil
	}
}

// relisten opens the addresses of a kind anew after port or bind has changed. The old ones stay if the new ones fail.
func (srv *Server) relisten(k portKind) error {
	old, port := *srv.listeners(k), srv.port(k)
	// The same port on other addresses cannot be opened while the old ones hold it.
	for _, ln := range old {
		ln.Close()
	}
	if port == 0 || len(srv.conf.Bind.Get()) == 0 {
		srv.listensAt(k, nil)
		return nil
	}
	next, err := srv.open(k, srv.conf.Bind.Get(), port)
	if err == nil && len(next) == 0 {
		err = errors.New("no address to listen on")
	}
	if err != nil {
		srv.listensAt(k, srv.reopen(k, old))
		srv.logListenError(err)
		return err
	}
	srv.listensAt(k, next)
	return nil
}

// reopen listens again where it was listened before a failed change.
func (srv *Server) reopen(k portKind, old []*netloop.Listener) (lns []*netloop.Listener) {
	for _, ln := range old {
		host, _ := hostOf(ln.Addr)
		again, err := srv.open(k, []string{host}, ln.Port)
		if err != nil {
			srv.log.Warn("Could not listen again on an address that was given up", zap.String("address", ln.Addr), zap.Error(err))
			continue
		}
		lns = append(lns, again...)
	}
	return lns
}

// tellDenied is a fatal alert of TLS 1.0 to 1.3, "access denied", for a client that has not begun the handshake.
var tellDenied = []byte{21, 3, 1, 0, 2, 2, 49}

// keepsOut tells whether allow-from keeps a connection out that comes to a listener.
func (srv *Server) keepsOut(k portKind, at, from string) bool {
	rules := srv.conf.AllowFrom.Get()
	if len(rules) == 0 {
		return false
	}
	local, _ := netip.ParseAddrPort(at)
	peer, err := netip.ParseAddrPort(from)
	if err != nil || config.AllowsFrom(rules, string(k), local, peer.Addr()) {
		return false
	}
	srv.stats.keptOut.Add(1)
	srv.stats.rejected.Add(1)
	return true
}

// pidFile is where the configuration wants the process's number, "" for nowhere.
func (srv *Server) pidFile() string {
	if p := srv.conf.PidFile.Get(); p != "" {
		return srv.conf.Path(p)
	}
	return ""
}

// writePidFile notes the process's number.
func (srv *Server) writePidFile() {
	p := srv.pidFile()
	if p == "" {
		return
	}
	if err := os.WriteFile(p, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		srv.log.Warn("Failed to write PID file", zap.Error(err))
	}
}

// removeFiles removes what the server has put into the file system for as long as it runs.
func (srv *Server) removeFiles() {
	if p := srv.pidFile(); p != "" {
		os.Remove(p)
	}
}

// giveToGroup makes a file that of a group, which is told by name or number.
func giveToGroup(path, group string) error {
	g, err := user.LookupGroup(group)
	if err != nil {
		if g, err = user.LookupGroupId(group); err != nil {
			return fmt.Errorf("unixsocketgroup: there is no group '%s'", group)
		}
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return fmt.Errorf("unixsocketgroup: %w", err)
	}
	return os.Chown(path, -1, id)
}
