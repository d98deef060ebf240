package tlsconf

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"io"
	"runtime"
)

// signing is held while a handshake computes with a private key, which takes most of its time: a flood of new connections
// must not take the processors from those that are there.
var signing = make(chan struct{}, max(1, runtime.NumCPU()/4))

// signer is a private key of which only some are at work at the same time.
type signer struct{ crypto.Signer }

func (s signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signing <- struct{}{}
	defer func() { <-signing }()
	return s.Signer.Sign(random, digest, opts)
}

// decrypter is a signer whose key also decrypts: RSA, for suites without ECDHE.
type decrypter struct {
	signer
	crypto.Decrypter
}

func (d decrypter) Public() crypto.PublicKey { return d.signer.Public() }

func (d decrypter) Decrypt(random io.Reader, msg []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	signing <- struct{}{}
	defer func() { <-signing }()
	return d.Decrypter.Decrypt(random, msg, opts)
}

func limitSigner(key crypto.PrivateKey) crypto.PrivateKey {
	s, ok := key.(crypto.Signer)
	if !ok {
		return key
	}
	if d, ok := key.(crypto.Decrypter); ok {
		return decrypter{signer{s}, d}
	}
	return signer{s}
}

// isECDSA tells whether a certificate goes with the suites called so, as Ed25519 does, too.
func isECDSA(cert *tls.Certificate) bool {
	s, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return false
	}
	switch s.Public().(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
