// Package tlsconf makes crypto/tls configurations out of the directives tls-*. It reads the files that they name and knows
// nothing of connections.
//
//	tlsconf.go   Options, and the two configurations: for who connects here, and for where this server connects
//	ciphers.go   lists of cipher suites in OpenSSL's notation
//	keys.go      private keys, also those under a password
//	sign.go      how many handshakes compute at the same time
package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Pair is a certificate chain and its key, as files in PEM. The key's password may be empty.
type Pair struct{ Cert, Key, Password string }

// ClientAuth says whether clients show a certificate.
type ClientAuth uint8

// What is asked of clients.
const (
	NoClientCert       ClientAuth = iota
	OptionalClientCert            // but one that is shown has to be good
	RequireClientCert
)

// Options is what the configuration says. Paths are absolute or empty.
type Options struct {
	Server     Pair
	Others     []Pair // for clients that ask for a name which their certificates have and Server's has not
	Client     Pair   // shown to other servers; the server's own if empty
	CAFile     string
	CADir      string
	ClientAuth ClientAuth
	NeedCA     bool // this server connects to others

	Protocols     string // "TLSv1.2 TLSv1.3"; empty for these two
	Ciphers       string // up to TLS 1.2, in OpenSSL's notation; empty for what crypto/tls considers secure
	CipherSuites  string // of TLS 1.3, parted by colons; empty for all
	PreferServer  bool   // the order of Ciphers decides, not the client's
	Sessions      bool   // may be resumed
	SessionTime_s int64

	Now func() time.Time // nil is time.Now
}

// Config is what handshakes go by. It does not change; when options or files do there is a new one.
type Config struct {
	Server   *tls.Config // for connections that come in
	Client   *tls.Config // for connections that this server makes
	NotAfter time.Time   // when the first of the server's certificates ends

	files []fileState
	seen  []fileState // by the last Moved; only the watcher looks at it
}

// New reads the files. The error names the file that is wrong.
func New(o Options) (*Config, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Config{}
	switch {
	case o.Server.Cert == "":
		return nil, wording("No tls-cert-file configured!")
	case o.Server.Key == "":
		return nil, wording("No tls-key-file configured!")
	case (o.ClientAuth != NoClientCert || o.NeedCA) && o.CAFile == "" && o.CADir == "":
		return nil, wording("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or tls-auth-clients are enabled!")
	}
	base := tls.Config{Time: o.Now}
	var err error
	if base.MinVersion, base.MaxVersion, err = parseProtocols(o.Protocols); err != nil {
		return nil, err
	}
	if base.CipherSuites, err = parseCiphers(o.Ciphers); err != nil {
		return nil, err
	}
	suites, err := parseSuites(o.CipherSuites)
	if err != nil {
		return nil, err
	}
	own, err := c.load(o.Server)
	if err != nil {
		return nil, err
	}
	cas, err := c.loadCAs(o.CAFile, o.CADir)
	if err != nil {
		return nil, err
	}
	c.Server = c.server(base.Clone(), &o, own, cas, suites)
	for _, p := range o.Others {
		cert, err := c.load(p)
		if err != nil {
			return nil, err
		}
		c.Server.Certificates = append(c.Server.Certificates, cert)
	}
	c.NotAfter = c.Server.Certificates[0].Leaf.NotAfter
	for _, cert := range c.Server.Certificates {
		if cert.Leaf.NotAfter.Before(c.NotAfter) {
			c.NotAfter = cert.Leaf.NotAfter
		}
	}
	if o.Client.Cert != "" && o.Client.Key != "" {
		if own, err = c.load(o.Client); err != nil {
			return nil, err
		}
	}
	c.Client = client(base.Clone(), own, cas)
	return c, nil
}

// server completes the configuration of connections that come in.
func (c *Config) server(t *tls.Config, o *Options, own tls.Certificate, cas *x509.CertPool, suites []uint16) *tls.Config {
	t.Certificates = []tls.Certificate{own}
	t.ClientCAs = cas
	switch o.ClientAuth {
	case OptionalClientCert:
		t.ClientAuth = tls.VerifyClientCertIfGiven
	case RequireClientCert:
		t.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if len(suites) > 0 {
		t.VerifyConnection = func(st tls.ConnectionState) error { return checkSuite(st, suites) }
	}
	t.SessionTicketsDisabled = !o.Sessions
	if o.Sessions && o.SessionTime_s > 0 {
		limitSessions(t, time.Duration(o.SessionTime_s)*time.Second, o.Now)
	}
	if o.Ciphers != "" {
		order := t.CipherSuites
		t.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return choose(t, hello, order, o.PreferServer), nil
		}
	}
	return t
}

// limitSessions makes sessions whose ticket is too old begin anew: tickets carry the time at which they were given.
func limitSessions(t *tls.Config, most time.Duration, now func() time.Time) {
	t.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		ss.Extra = [][]byte{binary.BigEndian.AppendUint64(nil, uint64(now().UnixMilli()))}
		return t.EncryptTicket(cs, ss)
	}
	t.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := t.DecryptTicket(identity, cs)
		if err != nil || ss == nil {
			return nil, err
		}
		if len(ss.Extra) != 1 || len(ss.Extra[0]) != 8 {
			return nil, nil
		}
		began := time.UnixMilli(int64(binary.BigEndian.Uint64(ss.Extra[0])))
		if now().Sub(began) > most {
			return nil, nil
		}
		return ss, nil
	}
}

// client completes the configuration of connections to other servers. They have to show a certificate of the CAs, in any
// name: primaries and replicas are named by address as often as not.
func client(t *tls.Config, own tls.Certificate, cas *x509.CertPool) *tls.Config {
	t.Certificates = []tls.Certificate{own}
	t.InsecureSkipVerify = true // of the name; the chain is verified here
	t.VerifyConnection = func(st tls.ConnectionState) error {
		v := x509.VerifyOptions{Roots: cas, Intermediates: x509.NewCertPool(), CurrentTime: t.Time()}
		for _, cert := range st.PeerCertificates[1:] {
			v.Intermediates.AddCert(cert)
		}
		_, err := st.PeerCertificates[0].Verify(v)
		return err
	}
	return t
}

// load reads a certificate with its key.
func (c *Config) load(p Pair) (tls.Certificate, error) {
	chain, err := c.read(p.Cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("Failed to load certificate: %s: %w", p.Cert, err) //lint:ignore ST1005 operators search logs for this text
	}
	key, err := c.read(p.Key)
	if err == nil {
		key, err = decryptKey(key, p.Password)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("Failed to load private key: %s: %w", p.Key, err) //lint:ignore ST1005 operators search logs for this text
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		//lint:ignore ST1005 operators search logs for this text
		return tls.Certificate{}, fmt.Errorf("Failed to load certificate and private key: %s, %s: %w", p.Cert, p.Key, err)
	}
	cert.PrivateKey = limitSigner(cert.PrivateKey)
	return cert, nil
}

// loadCAs reads the certificates that others' must descend from. Files of the folder that hold none are passed over. The
// pool is nil if no place is given.
func (c *Config) loadCAs(file, dir string) (*x509.CertPool, error) {
	if file == "" && dir == "" {
		return nil, nil
	}
	wrong := func(err error) error {
		return fmt.Errorf("Failed to configure CA certificate(s) file/directory: %w", err) //lint:ignore ST1005 operators search logs for this text
	}
	pool := x509.NewCertPool()
	if file != "" {
		text, err := c.read(file)
		if err != nil {
			return nil, wrong(err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, wrong(fmt.Errorf("%s holds no certificate", file))
		}
	}
	if dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, wrong(err)
		}
		c.note(dir)
		for _, e := range entries {
			if text, err := c.read(filepath.Join(dir, e.Name())); err == nil {
				pool.AppendCertsFromPEM(text)
			}
		}
	}
	return pool, nil
}

var versions = []struct {
	name   string
	number uint16
}{{"TLSv1", tls.VersionTLS10}, {"TLSv1.1", tls.VersionTLS11}, {"TLSv1.2", tls.VersionTLS12}, {"TLSv1.3", tls.VersionTLS13}}

// parseProtocols reads a list of versions without a gap.
func parseProtocols(list string) (low, high uint16, err error) {
	if list == "" {
		return tls.VersionTLS12, tls.VersionTLS13, nil
	}
	var have [4]bool
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' }) {
		known := false
		for i, v := range versions {
			if strings.EqualFold(word, v.name) {
				have[i], known = true, true
			}
		}
		if !known {
			return 0, 0, wording("Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.")
		}
	}
	for i, v := range versions {
		if !have[i] {
			continue
		}
		if low == 0 {
			low = v.number
		} else if v.number != high+1 {
			return 0, 0, errors.New("tls-protocols must not leave out a version between two others")
		}
		high = v.number
	}
	if low == 0 {
		return 0, 0, errors.New("tls-protocols names no version")
	}
	return low, high, nil
}

// wording is an error in Redis's words, which operators search logs for.
type wording string

func (w wording) Error() string { return string(w) }

// fileState is what a file looked like when it was read.
type fileState struct {
	path string
	size int64
	time time.Time
}

func (c *Config) read(path string) ([]byte, error) {
	c.note(path)
	return os.ReadFile(path)
}

func (c *Config) note(path string) { c.files = append(c.files, stateOf(path)) }

func stateOf(path string) fileState {
	s := fileState{path: path}
	if info, err := os.Stat(path); err == nil {
		s.size, s.time = info.Size(), info.ModTime()
	}
	return s
}

// Moved tells whether one of the files has changed since the last call, or since it was read.
func (c *Config) Moved() bool {
	now := make([]fileState, len(c.files))
	for i, f := range c.files {
		now[i] = stateOf(f.path)
	}
	before := c.seen
	if before == nil {
		before = c.files
	}
	c.seen = now
	return !slices.EqualFunc(before, now, fileState.same)
}

func (f fileState) same(o fileState) bool { return f.size == o.size && f.time.Equal(o.time) }
