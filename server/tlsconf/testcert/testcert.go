// Package testcert makes certificates for tests and benchmarks: an authority of its own, and what it signs, as PEM files.
package testcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority signs certificates and keeps them in a folder.
type Authority struct {
	Dir  string
	File string // its own certificate

	cert *x509.Certificate
	key  crypto.Signer
	next int64
}

// New makes an authority whose files stand in dir.
func New(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{Dir: dir, File: filepath.Join(dir, "ca.crt"), key: key, next: 1}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, write(a.File, "CERTIFICATE", der)
}

// Cert is what Issue makes.
type Cert struct{ CertFile, KeyFile string }

// Options of Issue.
type Options struct {
	Name     string   // of the files, and the subject's common name
	DNS      []string // names of the server; it has 127.0.0.1 and ::1 in any case
	RSA      bool     // a key of RSA, else one of ECDSA
	NotAfter time.Time
}

// Issue makes and signs a certificate that is good for servers and clients. Files of the same name are replaced.
func (a *Authority) Issue(o Options) (c Cert, err error) {
	c = Cert{filepath.Join(a.Dir, o.Name+".crt"), filepath.Join(a.Dir, o.Name+".key")}
	var key crypto.Signer
	if o.RSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return c, err
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = time.Now().Add(12 * time.Hour)
	}
	a.next++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: o.Name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: o.NotAfter,
		DNSNames: o.DNS, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		return c, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return c, err
	}
	if err := write(c.KeyFile, "PRIVATE KEY", keyDER); err != nil {
		return c, err
	}
	return c, write(c.CertFile, "CERTIFICATE", der)
}

// Client is what a client needs that trusts the authority and shows a certificate, or none if c is zero.
func (a *Authority) Client(c Cert) (*tls.Config, error) {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	t := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	if c.CertFile == "" {
		return t, nil
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	t.Certificates = []tls.Certificate{pair}
	return t, err
}

func write(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
