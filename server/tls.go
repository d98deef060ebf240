package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"larder/server/acl"
	"larder/server/config"
	"larder/server/netloop"
	"larder/server/tlsconf"
)

// secureState is what TLS connections go by, and their counts.
type secureState struct {
	conf               atomic.Pointer[tlsconf.Config] // nil as long as nothing uses it
	handshakes, failed atomic.Uint64
	turnstile          turnstile
}

// tlsDirectives are those that make a new TLS configuration. Files are read again also when their names stay.
var tlsDirectives = []string{
	"tls-replication", "tls-cluster", "tls-auth-clients", "tls-cert-file", "tls-key-file", "tls-key-file-pass", "tls-client-cert-file",
	"tls-client-key-file", "tls-client-key-file-pass", "tls-ca-cert-file", "tls-ca-cert-dir", "tls-protocols", "tls-ciphers",
	"tls-ciphersuites", "tls-prefer-server-ciphers", "tls-session-caching", "tls-session-cache-timeout", "tls-sni-certs",
}

// handshakeTimeout is how long a handshake may take, from the moment when the connection is there.
var handshakeTimeout = 10 * time.Second

// certificateCheck is how often files are looked at.
const certificateCheck = 5 * time.Second

// tlsOptions is what the directives say.
func (srv *Server) tlsOptions() tlsconf.Options {
	c := srv.conf
	path := func(p string) string {
		if p == "" {
			return ""
		}
		return c.Path(p)
	}
	o := tlsconf.Options{
		Server:        tlsconf.Pair{Cert: path(c.TLSCertFile.Get()), Key: path(c.TLSKeyFile.Get()), Password: c.TLSKeyFilePass.Get()},
		Client:        tlsconf.Pair{Cert: path(c.TLSClientCertFile.Get()), Key: path(c.TLSClientKeyFile.Get()), Password: c.TLSClientKeyFilePass.Get()},
		CAFile:        path(c.TLSCACertFile.Get()),
		CADir:         path(c.TLSCACertDir.Get()),
		NeedCA:        c.TLSReplication.Get() || c.TLSCluster.Get(),
		Protocols:     c.TLSProtocols.Get(),
		Ciphers:       c.TLSCiphers.Get(),
		CipherSuites:  c.TLSCiphersuites.Get(),
		PreferServer:  c.TLSPreferServerCiphers.Get(),
		Sessions:      c.TLSSessionCaching.Get(),
		SessionTime_s: c.TLSSessionCacheTimeout.Get(),
	}
	switch c.TLSAuthClients.Get() {
	case config.TLSAuthYes:
		o.ClientAuth = tlsconf.RequireClientCert
	case config.TLSAuthOptional:
		o.ClientAuth = tlsconf.OptionalClientCert
	}
	files := c.TLSSNICerts.Get()
	for i := 0; i+1 < len(files); i += 2 {
		o.Others = append(o.Others, tlsconf.Pair{Cert: path(files[i]), Key: path(files[i+1]), Password: o.Server.Password})
	}
	return o
}

// configureTLS reads certificates and keys if anything uses them. If something is wrong what was read before stays.
func (srv *Server) configureTLS() error {
	if srv.conf.TLSPort.Get() == 0 && !srv.conf.TLSReplication.Get() && !srv.conf.TLSCluster.Get() {
		srv.secure.conf.Store(nil)
		return nil
	}
	next, err := tlsconf.New(srv.tlsOptions())
	if err != nil {
		return err
	}
	srv.secure.conf.Store(next)
	return nil
}

// followTLS is configureTLS for CONFIG SET.
func (srv *Server) followTLS() error {
	if err := srv.configureTLS(); err != nil {
		srv.log.Warn(err.Error())
		return errors.New("Unable to update TLS configuration. Check server logs.") //lint:ignore ST1005 clients read this text
	}
	return nil
}

// relistenTLS follows tls-port.
func (srv *Server) relistenTLS() error {
	if err := srv.followTLS(); err != nil {
		return err
	}
	return srv.relistenFor("Unable to listen on this port. Check server logs.", portTLS)()
}

// ReloadTLS reads certificates and keys again. Connections that are there stay as they are. If something is wrong the log
// says so, and what was read before goes on to be used. Any goroutine may call it.
func (srv *Server) ReloadTLS() {
	old := srv.secure.conf.Load()
	if old == nil {
		return
	}
	next, err := tlsconf.New(srv.tlsOptions())
	if err != nil {
		srv.log.Warn("Cannot read the TLS certificates again; those that were read before stay in use", zap.Error(err))
		return
	}
	if srv.secure.conf.CompareAndSwap(old, next) {
		srv.log.Info("TLS certificates were read again", zap.Time("not-after", next.NotAfter))
	}
}

// watchCertificates reads certificates and keys again when their files change. A change that cannot be used is not tried
// again until the files change once more.
func (srv *Server) watchCertificates() {
	ticks := time.NewTicker(certificateCheck)
	defer ticks.Stop()
	for {
		select {
		case <-srv.stopping:
			return
		case <-ticks.C:
		}
		if c := srv.secure.conf.Load(); c != nil && c.Moved() {
			srv.ReloadTLS()
		}
	}
}

// shakeHands is the door of TLS ports. It runs on a goroutine of each connection's own, so that nobody waits for a client's
// handshake but itself.
func (srv *Server) shakeHands(nc net.Conn) (net.Conn, error) {
	c := srv.secure.conf.Load()
	if c == nil {
		return nil, net.ErrClosed
	}
	nc.SetDeadline(time.Now().Add(handshakeTimeout))
	if srv.keepsOut(portTLS, nc.LocalAddr().String(), nc.RemoteAddr().String()) {
		nc.Write(tellDenied)
		return nil, errors.New("not allowed from there")
	}
	gated := srv.secure.turnstile.enter(nc)
	t := tls.Server(gated, c.Server)
	err := t.Handshake()
	gated.leave()
	if err != nil {
		srv.secure.failed.Add(1)
		srv.log.Debug("Error accepting a client connection", zap.Error(err), zap.String("addr", nc.RemoteAddr().String()))
		return nil, err
	}
	srv.secure.handshakes.Add(1)
	nc.SetDeadline(time.Time{})
	return t, nil
}

// secureLink makes a connection to another server one of TLS if the directive for its kind, tls-replication or tls-cluster,
// asks for that. When it fails nc is closed.
func (srv *Server) secureLink(ctx context.Context, nc net.Conn, secure bool) (net.Conn, error) {
	if !secure {
		return nc, nil
	}
	c := srv.secure.conf.Load()
	if c == nil {
		nc.Close()
		return nil, errors.New("TLS is not configured")
	}
	t := tls.Client(nc, c.Client)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return t, nil
}

// certifiedUser is the user that a client's certificate names, if tls-auth-clients-user says that it may. nil if there is
// no such user, or it is off.
func (srv *Server) certifiedUser(c *netloop.Conn) *acl.User {
	t, ok := c.NetConn().(*tls.Conn)
	if !ok || srv.conf.TLSAuthClientsUser.Get() == config.TLSUserOff {
		return nil
	}
	st := t.ConnectionState()
	if len(st.VerifiedChains) == 0 { // what nobody has signed says nothing
		return nil
	}
	name := st.VerifiedChains[0][0].Subject.CommonName
	u := srv.access.users.Get([]byte(name))
	if u == nil || !u.On() {
		srv.log.Debug("No user for the name in a client's certificate", zap.String("name", name))
		return nil
	}
	return u
}
