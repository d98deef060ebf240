package main

import (
	"crypto/tls"
	"net"

	"larder/server/tlsconf/testcert"
	"larder/tests/internal/wire"
)

// dial connects to a server. Some clients come by TLS, for whom it has other loops.
func (s *storm) dial(server int, secure bool) (*wire.Conn, error) {
	if !secure {
		return s.servers[server].Dial()
	}
	conf, err := s.authority.Client(testcert.Cert{})
	if err != nil {
		return nil, err
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: s.o.patience}, Config: conf}
	nc, err := d.Dial("tcp", s.secure[server])
	if err != nil {
		return nil, err
	}
	return wire.Over(nc), nil
}
