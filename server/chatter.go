package server

import (
	"errors"
	"io"
	"strings"

	"go.uber.org/zap"

	"larder/server/netloop"
	"larder/server/resp"
)

// What becomes of connections is told in the log at the level verbose, in Redis's words:
//
//	12345:M 22 Nov 2026 19:34:12.001 - Accepted 127.0.0.1:50000
//	12345:M 22 Nov 2026 19:34:14.250 - Client closed connection id=7 addr=127.0.0.1:50000 laddr=127.0.0.1:6379 …

// chats tells whether anybody wants to know that.
func (srv *Server) chats() bool { return srv.log.Core().Enabled(zap.DebugLevel) }

// tellOpened tells of a new connection.
func (srv *Server) tellOpened(c *netloop.Conn) {
	switch {
	case !srv.chats():
	case c.Listener != nil && c.Listener.Network == "unix":
		srv.log.Debug("Accepted connection to " + c.Listener.Addr)
	default:
		srv.log.Debug("Accepted " + c.RemoteAddr())
	}
}

// tellClosed tells of a connection that the client has ended, or that is lost. What the server ends by itself is told
// where it does that.
func (s *session) tellClosed(why error) {
	switch {
	case why == nil || errors.Is(why, netloop.ErrKilled) || errors.Is(why, netloop.ErrShutdown) || !s.srv.chats():
	case errors.Is(why, io.EOF):
		s.srv.log.Debug("Client closed connection " + s.info(s.ex.nanos))
	default:
		s.srv.log.Debug("Reading from client: " + reason(why) + " " + s.info(s.ex.nanos))
	}
}

// tellFault tells of a client whose bytes are no request.
func (s *session) tellFault(e resp.Error) {
	if s.srv.chats() {
		s.srv.log.Debug("Protocol error (" + strings.TrimPrefix(string(e), "ERR Protocol error: ") + ") from client: " + s.info(s.ex.nanos))
	}
}

// tellIdle tells of a client that is closed because it was still for too long.
func (s *session) tellIdle() {
	if s.srv.chats() {
		s.srv.log.Debug("Closing idle client " + s.info(s.ex.nanos))
	}
}
