package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/server/tlsconf/testcert"
)

// A busy machine may take its time for a handshake. Nothing here goes by that a client has no more of it.
func init() { handshakeTimeout = time.Hour }

// tlsWorld is an authority, a server with a certificate of it, and a client's certificate.
type tlsWorld struct {
	*testServer
	ca             *testcert.Authority
	server, client testcert.Cert
	port           string
}

func startTLS(t *testing.T, options ...string) *tlsWorld {
	t.Helper()
	w := &tlsWorld{}
	var err error
	if w.ca, err = testcert.New(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	w.server = w.issue(t, testcert.Options{Name: "server", DNS: []string{"plain.example"}})
	w.client = w.issue(t, testcert.Options{Name: "ann"})
	w.port = freePort(t)
	w.testServer = startServer(t, append([]string{
		"--tls-port", w.port, "--tls-cert-file", w.server.CertFile, "--tls-key-file", w.server.KeyFile, "--tls-ca-cert-file", w.ca.File,
	}, options...)...)
	return w
}

func (w *tlsWorld) issue(t *testing.T, o testcert.Options) testcert.Cert {
	t.Helper()
	c, err := w.ca.Issue(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// conf is what a client needs that shows a certificate, or none.
func (w *tlsWorld) conf(c testcert.Cert) *tls.Config {
	w.t.Helper()
	conf, err := w.ca.Client(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return conf
}

// connect is a client over TLS, or why there is none. A client of TLS 1.3 learns only from its first read that its
// certificate is not liked.
func (w *tlsWorld) connect(conf *tls.Config) (*testClient, tls.ConnectionState, error) {
	w.t.Helper()
	nc, err := tls.Dial("tcp", "127.0.0.1:"+w.port, conf)
	if err != nil {
		return nil, tls.ConnectionState{}, err
	}
	w.t.Cleanup(func() { nc.Close() })
	c := &testClient{t: w.t, nc: nc, r: bufio.NewReader(nc)}
	nc.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(nc, "PING\r\n"); err == nil {
		_, err = c.parse()
	}
	nc.SetDeadline(time.Time{})
	return c, nc.ConnectionState(), err
}

func (w *tlsWorld) dialTLS(conf *tls.Config) *testClient {
	w.t.Helper()
	c, _, err := w.connect(conf)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestTLSNextToPlain(t *testing.T) {
	w := startTLS(t)
	plain, secret := w.dial(), w.dialTLS(w.conf(w.client))
	secret.want("set k v", "OK")
	plain.want("get k", "v")
	big := strings.Repeat("x", 1<<20)
	if secret.do("set", "big", big) != "OK" || secret.do("get", "big") != big {
		t.Error("a large value does not go through")
	}
	secret.want("subscribe news", []any{"subscribe", "news", int64(1)})
	plain.want("publish news hello", 1)
	if m, ok := secret.read().([]any); !ok || m[2] != "hello" {
		t.Errorf("the message is %v", m)
	}
	if n := plain.number("stats", "tls_handshakes"); n != 1 {
		t.Errorf("%d handshakes", n)
	}
	if l := plain.info("server", "listener1"); l != "name=tls,bind=127.0.0.1,port="+w.port {
		t.Errorf("the listener is described as %q", l)
	}
}

func TestTLSClientCertificates(t *testing.T) {
	w := startTLS(t)
	c := w.dial()
	if _, _, err := w.connect(w.conf(testcert.Cert{})); err == nil {
		t.Error("a client without a certificate is let in")
	}
	for _, mode := range []string{"optional", "no"} {
		c.want("config set tls-auth-clients "+mode, "OK")
		if _, _, err := w.connect(w.conf(testcert.Cert{})); err != nil {
			t.Errorf("tls-auth-clients %s: %v", mode, err)
		}
	}
	other, err := testcert.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.Issue(testcert.Options{Name: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	c.want("config set tls-auth-clients optional", "OK")
	if _, _, err := w.connect(w.conf(stranger)); err == nil {
		t.Error("a certificate of another authority is accepted")
	}
	eventually(t, "two failed handshakes are counted", func() bool { return c.number("stats", "tls_handshakes_failed") == 2 })
}

func TestTLSUserOfTheCertificate(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients-user", "CN", "--requirepass", "pw")
	admin := w.dial()
	admin.want("auth pw", "OK")
	admin.want("acl setuser ann off >x ~* +@all", "OK")
	admin.want("config set tls-auth-clients optional", "OK")
	conf := w.conf(w.client)
	off, _, err := w.connect(conf)
	if err != nil {
		t.Fatal(err)
	}
	off.want("ping", replyError("NOAUTH Authentication required."))
	admin.want("acl setuser ann on", "OK")
	ann := w.dialTLS(conf)
	ann.want("acl whoami", "ann")
	ann.want("auth pw", "OK")
	ann.want("acl whoami", "default")
	ann.want("reset", "RESET")
	ann.want("acl whoami", "ann")
	admin.want("acl deluser ann", 1)
	ann.wantClosed()
}

// Clients get the certificate that has the name which they ask for.
func TestTLSNames(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients", "no")
	a := w.issue(t, testcert.Options{Name: "a", DNS: []string{"a.example"}})
	b := w.issue(t, testcert.Options{Name: "b", DNS: []string{"*.b.example"}, RSA: true})
	c := w.dial()
	if v := c.do("config", "set", "tls-sni-certs", strings.Join([]string{a.CertFile, a.KeyFile, b.CertFile, b.KeyFile}, " ")); v != "OK" {
		t.Fatal(v)
	}
	for name, want := range map[string]string{"a.example": "a", "x.b.example": "b", "plain.example": "server", "127.0.0.1": "server"} {
		conf := w.conf(testcert.Cert{})
		conf.ServerName = name
		_, st, err := w.connect(conf)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := st.PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%s gets the certificate %s", name, got)
		}
	}
}

func TestTLSSettings(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients", "no")
	c := w.dial()
	rsa := w.issue(t, testcert.Options{Name: "rsa", RSA: true})
	if v := c.do("config", "set", "tls-cert-file", rsa.CertFile, "tls-key-file", rsa.KeyFile, "tls-protocols", "TLSv1.2"); v != "OK" {
		t.Fatal(v)
	}
	conf := w.conf(testcert.Cert{})
	if _, st, err := w.connect(conf); err != nil || st.Version != tls.VersionTLS12 {
		t.Errorf("version %x, %v", st.Version, err)
	}
	conf.MinVersion = tls.VersionTLS13
	if _, _, err := w.connect(conf); err == nil {
		t.Error("TLS 1.3 is served though it is off")
	}
	conf.MinVersion = 0
	suite := func() uint16 {
		t.Helper()
		_, st, err := w.connect(conf)
		if err != nil {
			t.Error(err)
		}
		return st.CipherSuite
	}
	c.want("config set tls-ciphers ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA256 tls-prefer-server-ciphers yes", "OK")
	if got := suite(); got != tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 {
		t.Errorf("suite %s", tls.CipherSuiteName(got))
	}
	conf.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA256}
	if got := suite(); got != tls.TLS_RSA_WITH_AES_128_CBC_SHA256 {
		t.Errorf("suite %s", tls.CipherSuiteName(got))
	}
	c.want("config set tls-ciphers DEFAULT:-AES128-SHA256", "OK")
	if _, _, err := w.connect(conf); err == nil {
		t.Error("a suite that was taken out is served")
	}
	c.want("config set tls-protocols TLSv1.3 tls-ciphersuites TLS_CHACHA20_POLY1305_SHA256", "OK")
	conf.CipherSuites = nil
	if _, st, err := w.connect(conf); err == nil && st.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		t.Errorf("suite %s", tls.CipherSuiteName(st.CipherSuite))
	}
}

// What cannot be used changes nothing, and the reply says so.
func TestTLSSettingsAreAtomic(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients", "no")
	c := w.dial()
	refused := func(name string) replyError {
		return replyError("ERR CONFIG SET failed (possibly related to argument '" + name + "') - Unable to update TLS configuration. Check server logs.")
	}
	for _, pair := range [][2]string{
		{"tls-cert-file", "/nonexistent"}, {"tls-key-file", w.client.KeyFile}, {"tls-ca-cert-file", w.server.KeyFile},
		{"tls-protocols", "SSLv3"}, {"tls-ciphers", "NONSENSE"}, {"tls-ciphersuites", "TLS_NONSENSE"}, {"tls-sni-certs", "/nonexistent /nonexistent"},
	} {
		before := c.do("config", "get", pair[0])
		if got := c.do("config", "set", pair[0], pair[1]); got != refused(pair[0]) {
			t.Errorf("%s: %v", pair[0], got)
		}
		if after := c.do("config", "get", pair[0]); len(after.([]any)) != 2 || after.([]any)[1] != before.([]any)[1] {
			t.Errorf("%s is %v now", pair[0], after)
		}
	}
	if _, _, err := w.connect(w.conf(testcert.Cert{})); err != nil {
		t.Error(err)
	}
	none := startServer(t)
	nc := none.dial()
	nc.want("config set tls-port "+freePort(t), refused("tls-port"))
	nc.want("config get tls-port", []any{"tls-port", "0"})
}

func TestTLSPortMoves(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients", "no")
	c := w.dial()
	old := w.dialTLS(w.conf(testcert.Cert{}))
	w.port = freePort(t)
	c.want("config set tls-port "+w.port, "OK")
	old.want("ping", "PONG")
	w.dialTLS(w.conf(testcert.Cert{})).want("config set tls-port 0", "OK")
	if _, _, err := w.connect(w.conf(testcert.Cert{})); err == nil {
		t.Error("the port is open still")
	}
	c.want("config set tls-port "+w.port, "OK")
	w.dialTLS(w.conf(testcert.Cert{}))
}

// New files under the same names are read by SIGHUP, which calls ReloadTLS, and by CONFIG SET of the same name. Files that
// are no good leave what there was.
func TestTLSReload(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients", "no")
	serial := func() int64 {
		t.Helper()
		_, st, err := w.connect(w.conf(testcert.Cert{}))
		if err != nil {
			t.Fatal(err)
		}
		return st.PeerCertificates[0].SerialNumber.Int64()
	}
	first := serial()
	w.issue(t, testcert.Options{Name: "server"})
	if serial() != first {
		t.Error("the new file is in use already")
	}
	w.ReloadTLS()
	second := serial()
	if second == first {
		t.Error("the old certificate is in use still")
	}
	w.issue(t, testcert.Options{Name: "server"})
	if v := w.dial().do("config", "set", "tls-cert-file", w.server.CertFile); v != "OK" || serial() == second {
		t.Errorf("CONFIG SET answers %v and reads nothing", v)
	}
	third := serial()
	if err := os.WriteFile(w.server.KeyFile, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.ReloadTLS()
	if serial() != third {
		t.Error("a broken key changes the certificate")
	}
}

// What TLS takes for a client counts as that client's memory. What it was lent for a large request is given back when it sends
// little again.
func TestTLSClientsAreWeighed(t *testing.T) {
	w := startTLS(t)
	c, secret := w.dial(), w.dialTLS(w.conf(w.client))
	id := secret.id()
	weighs := func(least, most int) {
		t.Helper()
		eventually(t, fmt.Sprintf("a weight of %d to %d", least, most), func() bool {
			_, after, _ := strings.Cut(c.text("client list id "+id), " tot-mem=")
			text, _, _ := strings.Cut(after, " ")
			n, err := strconv.Atoi(text)
			return err == nil && n >= least && n < most
		})
	}
	weighs(16<<10, 24<<10)
	big := strings.Repeat("x", 300_000)
	if secret.do("echo", big) != big {
		t.Error("a large request is not answered")
	}
	secret.want("ping", "PONG")
	weighs(56<<10, 64<<10)
}

// Clients that connect and say nothing keep nobody else out, and a stop of the server does not wait for them.
func TestTLSHalfOpen(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients", "no")
	var silent []net.Conn
	for range 50 {
		nc, err := net.Dial("tcp", "127.0.0.1:"+w.port)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		silent = append(silent, nc)
	}
	w.dialTLS(w.conf(testcert.Cert{})).want("ping", "PONG")
	plain := w.dial()
	if n := plain.number("clients", "connected_clients"); n != 2 {
		t.Errorf("%d clients", n)
	}
	over := make(chan struct{})
	go func() {
		w.stop()
		close(over)
	}()
	eventually(t, "the end of the server", func() bool { return isClosed(over) })
	for _, nc := range silent {
		nc.SetReadDeadline(time.Now().Add(patience))
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Error("a connection that never spoke was answered")
		}
	}
}

// Clients that connect and say nothing take no more descriptors than there are clients that may still come.
func TestTLSHalfOpenAreCounted(t *testing.T) {
	const most, silent = 5, 20
	w := startTLS(t, "--maxclients", itoa(most))
	closed := make(chan struct{}, silent)
	for range silent {
		nc, err := net.Dial("tcp", "127.0.0.1:"+w.port)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		go func() {
			nc.Read(make([]byte, 1))
			closed <- struct{}{}
		}()
	}
	for range silent - most {
		<-closed
	}
	for range most - 1 {
		w.dial().want("ping", "PONG")
		<-closed
	}
	w.dialTLS(w.conf(w.client)).want("ping", "PONG")
	<-closed
}

// A link to another server goes over TLS when tls-replication says so, and only to whom the authority knows.
func TestTLSLink(t *testing.T) {
	w := startTLS(t, "--tls-replication", "yes")
	dial := func(srv *Server) (net.Conn, error) {
		nc, err := net.Dial("tcp", "127.0.0.1:"+w.port)
		if err != nil {
			t.Fatal(err)
		}
		return srv.secureLink(context.Background(), nc, srv.conf.TLSReplication.Get())
	}
	nc, err := dial(w.Server)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &testClient{t: t, nc: nc, r: bufio.NewReader(nc)}
	c.want("ping", "PONG")
	stranger := startTLS(t, "--tls-replication", "yes")
	if nc, err := dial(stranger.Server); err == nil {
		nc.Close()
		t.Error("the certificate of an unknown authority is accepted")
	}
}

// A replica whose links go over TLS tells the port at which it speaks that: there it is found when it takes over.
func TestTLSReplicaTellsItsTLSPort(t *testing.T) {
	w := startTLS(t, "--tls-replication", "yes")
	port := freePort(t)
	r := startServer(t, "--tls-port", port, "--tls-replication", "yes",
		"--tls-cert-file", w.server.CertFile, "--tls-key-file", w.server.KeyFile, "--tls-ca-cert-file", w.ca.File).dial()
	p := w.dial()
	r.want("replicaof 127.0.0.1 "+w.port, "OK")
	eventually(t, "the replica's port", func() bool {
		return strings.Contains(p.text("info", "replication"), "slave0:ip=127.0.0.1,port="+port+",state=online")
	})
	p.want("set before v", "OK")
	eventually(t, "the replica's data", func() bool { // it may be called online before it has loaded, and would not take over
		return strings.Contains(r.text("info", "replication"), "master_link_status:up") && r.do("get before") == "v"
	})
	p.want("failover to 127.0.0.1 "+port, "OK")
	eventually(t, "the old primary's link", func() bool {
		return strings.Contains(p.text("info", "replication"), "master_link_status:up")
	})
	r.want("set k v", "OK")
	eventually(t, "the old primary's value", func() bool { return p.do("get k") == "v" })
}

func TestAllowFrom(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients", "no", "--allow-from", "10.0.0.0/8", "127.0.0.0/8")
	c := w.dial()
	c.want("ping", "PONG")
	c.want("config get allow-from", []any{"allow-from", "10.0.0.0/8 127.0.0.0/8"})
	set := func(rules string) {
		t.Helper()
		if v := c.do("config", "set", "allow-from", rules); v != "OK" {
			t.Fatal(v)
		}
	}
	set("tcp=10.0.0.0/8")
	w.dialTLS(w.conf(testcert.Cert{}))
	if v, ok := w.dial().read().(replyError); !ok || !strings.HasPrefix(string(v), "DENIED Connections from your address are not accepted here.") {
		t.Errorf("a connection that is kept out reads %v", v)
	}
	set("tls=10.0.0.0/8")
	w.dial().want("ping", "PONG")
	nc, err := net.Dial("tcp", "127.0.0.1:"+w.port)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if b, _ := io.ReadAll(nc); string(b) != string(tellDenied) {
		t.Errorf("a TLS connection that is kept out reads %x", b)
	}
	if _, _, err := w.connect(w.conf(testcert.Cert{})); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("a TLS client that is kept out hears %v", err)
	}
	set("10.0.0.0/8 " + strings.TrimPrefix(w.addr, "tcp:") + "=127.0.0.1")
	w.dial().want("ping", "PONG")
	if n := c.number("stats", "rejected_by_allow_from"); n != 3 {
		t.Errorf("%d connections were kept out", n)
	}
	if v, ok := c.do("config set allow-from 10.0.0.0/40").(replyError); !ok || !strings.Contains(string(v), "must be an address or a range") {
		t.Errorf("nonsense: %v", v)
	}
	set("")
	w.dialTLS(w.conf(testcert.Cert{}))
}

// Many at once: commands on TLS connections of both portable loops, next to new handshakes.
func TestTLSConcurrency(t *testing.T) {
	w := startTLS(t, "--tls-auth-clients", "no")
	conf := w.conf(testcert.Cert{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 5 {
				nc, err := tls.Dial("tcp", "127.0.0.1:"+w.port, conf)
				if err != nil {
					t.Error(err)
					return
				}
				r := bufio.NewReader(nc)
				for j := range 50 {
					key := "k" + strconv.Itoa(i)
					io.WriteString(nc, "*3\r\n$3\r\nSET\r\n$2\r\n"+key+"\r\n$2\r\n"+strconv.Itoa(10+j)+"\r\n*2\r\n$3\r\nGET\r\n$2\r\n"+key+"\r\n")
					for _, want := range []string{"+OK", "$2", strconv.Itoa(10 + j)} {
						if line, err := r.ReadString('\n'); err != nil || strings.TrimRight(line, "\r\n") != want {
							t.Errorf("%q, %v", line, err)
							return
						}
					}
				}
				nc.Close()
			}
		})
	}
	all.Wait()
}

// Clients of TLS are answered beside a slow script of another one, and can end it, also where one loop serves all of them.
func TestTLSBesideSlowScript(t *testing.T) {
	w := startTLS(t, "--event-loops", "1", "--busy-reply-threshold", "5")
	conf := w.conf(w.client)
	for range 3 {
		slow, o := w.dialTLS(conf), w.dialTLS(conf)
		for _, c := range []*testClient{slow, o} {
			c.want("ping", "PONG")
		}
		slow.send("eval", endless, "0")
		eventually(t, "a slow script", func() bool { return isError(o.do("get x"), "BUSY ") })
		late := w.dialTLS(conf)
		if v := late.do("get x"); !isError(v, "BUSY ") {
			t.Fatalf("who comes late is answered %v", v)
		}
		o.send("get y")
		o.send("echo z")
		for range 2 {
			if v := o.read(); !isError(v, "BUSY ") {
				t.Fatal(v)
			}
		}
		o.nc.Close()
		late.want("script kill", "OK")
		if v := slow.read(); !isError(v, "ERR Script killed by user") {
			t.Fatal(v)
		}
		late.want("get x", nil)
		slow.want("echo x", "x")
		eventually(t, "closing", func() bool { return late.number("clients", "connected_clients") == 2 })
		slow.nc.Close()
		late.nc.Close()
		plain := w.dial()
		eventually(t, "closing", func() bool { return plain.number("clients", "connected_clients") == 1 })
		plain.nc.Close()
	}
}
