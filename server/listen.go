package server

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"go.uber.org/zap"

	"larder/server/netloop"
)

// listen opens every address that the configuration names.
func (srv *Server) listen() error {
	backlog := int(srv.conf.TCPBacklog.Get())
	if port := int(srv.conf.Port.Get()); port != 0 && len(srv.conf.Bind.Get()) > 0 {
		lns, err := srv.engine.ListenTCP(srv.conf.Bind.Get(), port, backlog, "tcp")
		if err != nil {
			srv.logListenError(err)
			return fmt.Errorf("Failed listening on port %d (tcp), aborting.", port) //lint:ignore ST1005 operators search logs for this text
		}
		srv.tcp = lns
	}
	if path := srv.conf.UnixSocket.Get(); path != "" {
		path = srv.conf.Path(path)
		ln, err := srv.engine.ListenUnix(path, os.FileMode(srv.conf.UnixSocketPerm.Get()), backlog, "unix")
		if err != nil {
			srv.logListenError(err)
			return errors.New("Failed opening Unix socket, aborting.") //lint:ignore ST1005 operators search logs for this text
		}
		srv.unix = ln
	}
	if len(srv.tcp) == 0 && srv.unix == nil {
		return errors.New("Configured to not listen anywhere, exiting.") //lint:ignore ST1005 operators search logs for this text
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
func (srv *Server) relistenFor(text string) func() error {
	return func() error {
		if srv.relisten() != nil {
			return errors.New(text)
		}
		return nil
	}
}

// relisten opens the TCP addresses anew after port or bind has changed. The old ones stay if the new ones fail.
func (srv *Server) relisten() error {
	port := int(srv.conf.Port.Get())
	old := srv.tcp
	if port == 0 || len(srv.conf.Bind.Get()) == 0 {
		srv.tcp = nil
	} else {
		// The same port on other addresses cannot be opened while the old ones hold it.
		for _, ln := range old {
			ln.Close()
		}
		lns, err := srv.engine.ListenTCP(srv.conf.Bind.Get(), port, int(srv.conf.TCPBacklog.Get()), "tcp")
		if err == nil && len(lns) == 0 {
			err = errors.New("no address to listen on")
		}
		if err != nil {
			srv.tcp = srv.reopen(old)
			srv.logListenError(err)
			return err
		}
		srv.tcp = lns
		return nil
	}
	for _, ln := range old {
		ln.Close()
	}
	return nil
}

// reopen listens again where it was listened before a failed change.
func (srv *Server) reopen(old []*netloop.Listener) (lns []*netloop.Listener) {
	for _, ln := range old {
		host, _, _ := splitHostPort(ln.Addr)
		again, err := srv.engine.ListenTCP([]string{host}, ln.Port, int(srv.conf.TCPBacklog.Get()), ln.Tag)
		if err != nil {
			srv.log.Warn("Could not listen again on an address that was given up", zap.String("address", ln.Addr), zap.Error(err))
			continue
		}
		lns = append(lns, again...)
	}
	return lns
}

// writePidFile notes the process's number where the configuration wants it.
func (srv *Server) pidFile() string {
	if p := srv.conf.PidFile.Get(); p != "" {
		return srv.conf.Path(p)
	}
	return ""
}

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
