package server

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"larder/server/tlsconf/testcert"
)

// TestTurnstile has handshakes go through a turnstile of one place, between clients who begin one and say nothing.
func TestTurnstile(t *testing.T) {
	ca, err := testcert.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(testcert.Options{Name: "server"})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert.CertFile, cert.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Client(testcert.Cert{})
	if err != nil {
		t.Fatal(err)
	}
	gate := make(turnstile, 1)
	var computing, most atomic.Int32
	conf := &tls.Config{SessionTicketsDisabled: true, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if n := computing.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer computing.Add(-1)
		return &pair, nil
	}}
	var silent, served sync.WaitGroup
	var ends []net.Conn
	for i := range 20 {
		ours, theirs := net.Pipe()
		ends = append(ends, ours, theirs)
		shake := func() error {
			c := gate.enter(ours)
			defer c.leave()
			return tls.Server(c, conf).Handshake()
		}
		if i%2 == 0 { // the first ones to come
			silent.Go(func() {
				if shake() == nil {
					t.Error("a client that says nothing is let in")
				}
			})
			continue
		}
		ours.SetDeadline(time.Now().Add(patience))
		theirs.SetDeadline(time.Now().Add(patience))
		served.Go(func() {
			if err := shake(); err != nil {
				t.Error(err)
			}
		})
		served.Go(func() {
			if err := tls.Client(theirs, client).Handshake(); err != nil {
				t.Error(err)
			}
		})
	}
	served.Wait()
	for _, nc := range ends {
		nc.Close()
	}
	silent.Wait()
	if most.Load() != 1 {
		t.Errorf("%d handshakes computed at once", most.Load())
	}
	if len(gate) != 0 {
		t.Errorf("%d places are taken when all is over", len(gate))
	}
}
