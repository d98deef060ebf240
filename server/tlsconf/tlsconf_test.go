package tlsconf

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/server/tlsconf/testcert"
)

func TestCiphers(t *testing.T) {
	names := func(list string) string {
		t.Helper()
		ids, err := parseCiphers(list)
		if err != nil {
			return "error"
		}
		var out []string
		for _, id := range ids {
			at := slices.IndexFunc(suites, func(s suite) bool { return s.id == id })
			out = append(out, suites[at].name)
		}
		return strings.Join(out, ":")
	}
	for list, want := range map[string]string{
		"": "", "nonsense": "error", "-ALL:AES128-SHA256": "AES128-SHA256", "AES256-SHA256": "error",
		"AES128-SHA:AES256-SHA": "AES128-SHA:AES256-SHA", "AES256-SHA,AES128-SHA AES256-SHA": "AES256-SHA:AES128-SHA",
		"kRSA+AESGCM":                         "AES256-GCM-SHA384:AES128-GCM-SHA256",
		"kRSA+AESGCM:!AES256:AES256-SHA":      "AES128-GCM-SHA256",
		"kRSA+AESGCM:-AES256:AES256-SHA":      "AES128-GCM-SHA256:AES256-SHA",
		"kRSA+AESGCM:+AES256:@STRENGTH":       "AES128-GCM-SHA256:AES256-GCM-SHA384",
		"COMPLEMENTOFDEFAULT":                 "ECDHE-RSA-DES-CBC3-SHA:DES-CBC3-SHA",
		"EECDH+aECDSA+CHACHA20":               "ECDHE-ECDSA-CHACHA20-POLY1305",
		"DEFAULT:!ECDHE:!AESGCM:!SHA:!SHA384": "AES128-SHA256",
	} {
		if got := names(list); got != want {
			t.Errorf("%q is %s, not %s", list, got, want)
		}
	}
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		known := slices.ContainsFunc(suites, func(c suite) bool { return c.id == s.ID })
		if !known && !slices.Contains(s.SupportedVersions, tls.VersionTLS13) && !strings.Contains(s.Name, "RC4") {
			t.Errorf("crypto/tls has %s, the list has not", s.Name)
		}
	}
}

func TestProtocols(t *testing.T) {
	for list, want := range map[string][2]uint16{
		"": {tls.VersionTLS12, tls.VersionTLS13}, "TLSv1.2": {tls.VersionTLS12, tls.VersionTLS12}, "tlsv1.3 TLSV1.2": {tls.VersionTLS12, tls.VersionTLS13},
		"TLSv1 TLSv1.1 TLSv1.2 TLSv1.3": {tls.VersionTLS10, tls.VersionTLS13}, "TLSv1.1 TLSv1.3": {}, "SSLv3": {}, " ": {},
	} {
		low, high, err := parseProtocols(list)
		if low != want[0] || high != want[1] || (err == nil) != (want[0] != 0) {
			t.Errorf("%q: %x to %x, %v", list, low, high, err)
		}
	}
}

// seal makes an encrypted key in the form of PKCS #8, as openssl does.
func seal(t *testing.T, der []byte, password string) []byte {
	t.Helper()
	must := func(v []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	salt, iv := make([]byte, 16), make([]byte, 16)
	rand.Read(salt)
	rand.Read(iv)
	block, err := aes.NewCipher(must(pbkdf2.Key(sha256.New, password, salt, 2048, 32)))
	if err != nil {
		t.Fatal(err)
	}
	n := 16 - len(der)%16
	data := append(slices.Clone(der), slices.Repeat([]byte{byte(n)}, n)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	id := func(oid asn1.ObjectIdentifier, params []byte) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: params}}
	}
	kdf := must(asn1.Marshal(pbkdf2Params{Salt: salt, Iterations: 2048, PRF: id(prfs[1].oid, asn1.NullBytes)}))
	scheme := must(asn1.Marshal(pbes2{id(oidPBKDF2, kdf), id(seals[2].oid, must(asn1.Marshal(iv)))}))
	outer := must(asn1.Marshal(encryptedKey{id(oidPBES2, scheme), data}))
	return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: outer})
}

func TestSealedKeys(t *testing.T) {
	ca, err := testcert.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, rsa := range []bool{false, true} {
		cert, err := ca.Issue(testcert.Options{Name: "server", RSA: rsa})
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := os.ReadFile(cert.KeyFile)
		block, _ := pem.Decode(plain)
		sealed := filepath.Join(ca.Dir, "sealed.key")
		if err := os.WriteFile(sealed, seal(t, block.Bytes, "1234"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := Options{Server: Pair{Cert: cert.CertFile, Key: sealed, Password: "1234"}}
		if _, err := New(o); err != nil {
			t.Error(err)
		}
		for _, password := range []string{"", "wrong"} {
			o.Server.Password = password
			if _, err := New(o); err == nil {
				t.Errorf("the password %q opens the key", password)
			} else if password == "" && !errors.Is(err, errPassword) {
				t.Errorf("without a password: %v", err)
			}
		}
	}
}

// FuzzSealedKey feeds the reader of encrypted keys anything: it must refuse it and not break.
func FuzzSealedKey(f *testing.F) {
	f.Add([]byte("\x30\x10\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x04\x01\x00"), "pw")
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		if len(der) > 1<<12 {
			return
		}
		if out, err := decryptPKCS8(der, []byte(password)); err == nil && len(out) > len(der) {
			t.Fatal("more came out than went in")
		}
	})
}

// Sessions are resumed for as long as the directive says, counted from the last handshake.
func TestSessionTime(t *testing.T) {
	ca, err := testcert.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(testcert.Options{Name: "server"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	conf, err := New(Options{Server: Pair{Cert: cert.CertFile, Key: cert.KeyFile}, Sessions: true, SessionTime_s: 300, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Client(testcert.Cert{})
	if err != nil {
		t.Fatal(err)
	}
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for _, step := range []struct {
		after   time.Duration
		resumed bool
	}{{0, false}, {time.Second, true}, {299 * time.Second, true}, {301 * time.Second, false}, {299 * time.Second, true}} {
		now = now.Add(step.after)
		if got := resumes(t, conf.Server, client); got != step.resumed {
			t.Errorf("after %v: resumed is %v", step.after, got)
		}
	}
}

// resumes makes a connection and tells whether a session was resumed. The client reads a byte, and so what the server says
// about the next session.
func resumes(t *testing.T, server, client *tls.Config) bool {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() {
		s := tls.Server(a, server)
		_, err := s.Write([]byte("x"))
		done <- err
		s.Close()
	}()
	c := tls.Client(b, client)
	defer b.Close()
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState().DidResume
}

func TestMoved(t *testing.T) {
	ca, err := testcert.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(testcert.Options{Name: "server"})
	if err != nil {
		t.Fatal(err)
	}
	conf, err := New(Options{Server: Pair{Cert: cert.CertFile, Key: cert.KeyFile}})
	if err != nil {
		t.Fatal(err)
	}
	if conf.Moved() {
		t.Error("files that nobody has touched have changed")
	}
	if err := os.Chtimes(cert.KeyFile, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if !conf.Moved() || conf.Moved() {
		t.Error("a change is to be seen once")
	}
}
