package netloop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestListeners(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		old := dial(t, "tcp", addr)
		defer old.Close()
		conn := s.conn(old.id())
		if conn.Listener.Tag != "main" || conn.Listener.Network != "tcp" || conn.Listener.Addr != addr {
			t.Errorf("it came through %+v", conn.Listener)
		}
		if conn.RemoteAddr() != old.LocalAddr().String() || conn.LocalAddr() != addr {
			t.Errorf("from %s to %s, want from %s to %s", conn.RemoteAddr(), conn.LocalAddr(), old.LocalAddr(), addr)
		}

		// Listeners close and open again while it runs, from the outside and by a command.
		for i := range 10 {
			if i%2 == 0 {
				conn.Listener.Close()
			} else {
				done := make(chan bool)
				conn.Loop().Post(func() { conn.Listener.Close(); close(done) })
				<-done
			}
			if c, err := net.Dial("tcp", addr); err == nil {
				c.Close()
				t.Fatal("a closed listener accepts")
			}
			lns, err := e.ListenTCP([]string{"127.0.0.1"}, conn.Listener.Port, 5, fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			c := dial(t, "tcp", addr)
			conn = s.conn(c.id())
			if conn.Listener != lns[0] || lns[0].Tag != fmt.Sprint(i) {
				t.Fatal("it came through another listener")
			}
			c.Close()
			old.send("PING\r\n") // who is connected stays
			old.want("+PONG")
		}

		// Addresses that are taken, that this machine does not have, and several at once.
		var le *ListenError
		if _, err := e.ListenTCP([]string{"127.0.0.1"}, conn.Listener.Port, 5, ""); !errors.As(err, &le) || !errors.Is(err, syscall.EADDRINUSE) ||
			le.Port != conn.Listener.Port || le.Addr != "127.0.0.1" {
			t.Errorf("a port that is taken: %v", err)
		}
		if _, err := e.ListenTCP([]string{"192.0.2.1"}, 0, 5, ""); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("an address of somebody else: %v", err)
		}
		if _, err := e.ListenTCP([]string{"no-such-host.invalid"}, 0, 5, ""); !errors.As(err, &le) {
			t.Errorf("a name that nobody has: %v", err)
		}
		if lns, err := e.ListenTCP([]string{"-192.0.2.1"}, 0, 5, ""); err != nil || len(lns) != 0 {
			t.Errorf("an optional address of somebody else: %d listeners, %v", len(lns), err)
		}
		lns, err := e.ListenTCP([]string{"127.0.0.2", "-192.0.2.1", "localhost"}, 0, 5, "")
		if err != nil || len(lns) != 2 {
			t.Fatalf("two of three addresses: %d listeners, %v", len(lns), err)
		}
		for _, ln := range lns {
			c := dial(t, "tcp", ln.Addr)
			c.send("PING\r\n")
			c.want("+PONG")
			c.Close()
			ln.Close()
			ln.Close()
		}
		if _, err := e.ListenTCP([]string{"127.0.0.2", "192.0.2.1"}, lns[0].Port, 5, ""); err == nil {
			t.Error("listening at an address of somebody else")
		}
		again, err := e.ListenTCP([]string{"127.0.0.2"}, lns[0].Port, 5, "") // nothing was left behind
		if err != nil {
			t.Fatal(err)
		}
		again[0].Close()
		if all, err := e.ListenTCP([]string{"*"}, 0, 5, ""); err != nil || len(all) != 1 || !strings.HasPrefix(all[0].Addr, "0.0.0.0:") {
			t.Errorf("all of IPv4: %v", err)
		}
		if haveIPv6() {
			lns, err := e.ListenTCP([]string{"::1", "::*"}, 0, 5, "")
			if err != nil || len(lns) != 2 {
				t.Fatalf("IPv6: %v", err)
			}
			c := dial(t, "tcp", lns[0].Addr)
			defer c.Close()
			conn := s.conn(c.id())
			if conn.RemoteAddr() != c.LocalAddr().String() || !strings.HasPrefix(conn.RemoteAddr(), "[::1]:") {
				t.Errorf("from %s, want %s", conn.RemoteAddr(), c.LocalAddr())
			}
			if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", lns[1].Port)); err == nil {
				c.Close()
				t.Error("a listener of IPv6 takes IPv4")
			}
		} else if lns, err := e.ListenTCP([]string{"::1", "::*", "127.0.0.1"}, 0, 5, ""); err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("a machine without IPv6: %d listeners, %v", len(lns), err)
		}
	})
}

func haveIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

func TestUnixSocket(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		path := filepath.Join(t.TempDir(), "s.sock")
		guarded := func(path string) error {
			if nc, err := net.Dial("unix", path); err == nil && !e.opt.Portable {
				t.Error("somebody connects before the permissions are set")
				nc.Close()
			} else if err == nil {
				nc.Close()
				wait(t, "the early one is gone", func() bool { return e.Conns() == 0 })
			}
			return os.Chmod(path, 0o700)
		}
		for range 2 {
			ln, err := e.ListenUnix(path, guarded, 5, "")
			if err != nil {
				t.Fatal(err)
			}
			if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
				t.Fatalf("permissions %v, %v", st.Mode(), err)
			}
			c := dial(t, "unix", path)
			conn := s.conn(c.id())
			if conn.Listener != ln || conn.RemoteAddr() != path+":0" || conn.LocalAddr() != path+":0" {
				t.Errorf("from %s to %s", conn.RemoteAddr(), conn.LocalAddr())
			}
			// All that a client has sent before it goes is run.
			ran := s.ran.Load()
			c.send(strings.Repeat("PING\r\n", 100))
			c.Close()
			wait(t, "all is run", func() bool { return s.ran.Load() == ran+100 })
			ln.Close()
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Fatal("the socket is still there")
			}
			// One that a killed server has left behind.
			left, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			left.(*net.UnixListener).SetUnlinkOnClose(false)
			left.Close()
		}
		// An empty file that holds the name is replaced, one with something in it is not.
		for _, content := range []string{"", "x"} {
			os.Remove(path)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			ln, err := e.ListenUnix(path, nil, 5, "")
			if err == nil {
				ln.Close()
			}
			if (err == nil) != (content == "") {
				t.Errorf("in the place of a file with %q: %v", content, err)
			}
		}
		// What cannot be prepared is not left behind.
		os.Remove(path)
		if _, err := e.ListenUnix(path, func(string) error { return os.ErrPermission }, 5, ""); !errors.Is(err, os.ErrPermission) {
			t.Errorf("without permissions: %v", err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Error("a socket is there that nobody listens at")
		}
		var le *ListenError
		if _, err := e.ListenUnix("/nowhere/at/all", nil, 5, ""); !errors.As(err, &le) || le.Network != "unix" || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a folder that is not there: %v", err)
		}
	})
}

// TestTLS serves encrypted connections beside plain ones.
func TestTLS(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		nl, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln, err := e.Listen(tls.NewListener(nl, &tls.Config{Certificates: []tls.Certificate{certificate(t)}}), "tls")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := tls.Dial("tcp", ln.Addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		raw.SetDeadline(time.Now().Add(patience))
		c := &client{raw, t, newReader(raw)}
		defer c.Close()
		conn := s.conn(c.id())
		if conn.Listener.Tag != "tls" || conn.RemoteAddr() != raw.LocalAddr().String() {
			t.Errorf("from %s through %q", conn.RemoteAddr(), conn.Listener.Tag)
		}
		go io.WriteString(c, "PING\r\nBIG 10000000\r\n"+strings.Repeat("ECHO "+strings.Repeat("z", 1000)+"\r\n", 1000))
		c.want("+PONG", string(s.big[:10000000]))
		for range 1000 {
			c.want(strings.Repeat("z", 1000))
		}
		ran := s.ran.Load()
		c.send("WAIT\r\n")
		wait(t, "it waits", func() bool { return s.ran.Load() == ran+1 })
		conn.Wake()
		c.want("+WOKEN")
		// Somebody who does not speak TLS.
		wrong := dial(t, "tcp", ln.Addr)
		wrong.send("PING\r\n\r\n\r\n\r\n\r\n\r\n")
		io.Copy(io.Discard, wrong)
		wrong.Close()
		wait(t, "it is closed", func() bool { return e.Conns() == 1 })
	})
}

func certificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Connections at the door are no more than there is room for, the oldest go first, and a listener that closes leaves them.
func TestDoor(t *testing.T) {
	var room atomic.Int64
	each(t, func(o *Options) { o.AtDoor = func() int { return int(room.Load()) } }, func(t *testing.T, s *testServer, e *Engine, addr string) {
		room.Store(3)
		lns, err := e.ListenTCPDoor([]string{"127.0.0.1"}, 0, "door", func(nc net.Conn) (net.Conn, error) {
			_, err := nc.Read(make([]byte, 1))
			return nc, err
		})
		if err != nil {
			t.Fatal(err)
		}
		atDoor := func() int {
			e.doors.mu.Lock()
			defer e.doors.mu.Unlock()
			return e.doors.list.Len()
		}
		var all []*client
		for i := range 8 {
			c := dial(t, "tcp", lns[0].Addr)
			defer c.Close()
			all = append(all, c)
			if i >= 3 {
				all[i-3].ends()
			}
		}
		wait(t, "the door", func() bool { return atDoor() == 3 })
		room.Store(0) // somebody is let in all the same
		e.ThinDoors()
		all[5].ends()
		all[6].ends()
		lns[0].Close()
		all[7].send("xPING\r\n")
		all[7].want("+PONG")
	})
}

// TestTooManyFiles lets accepting fail for want of descriptors, and then again not.
func TestTooManyFiles(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		// Sockets that exist already can be connected when no more can be made.
		var fds []int
		for range 3 {
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Close(fd)
			fds = append(fds, fd)
		}
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		low := limit
		low.Cur = 0
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}); err != nil {
				break
			}
		}
		if err == nil {
			wait(t, "accepting fails", func() bool { return e.Traffic().AcceptErrors > 0 })
		}
		began, turns := time.Now(), e.Traffic().Turns
		if err2 := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		wait(t, "they are accepted", func() bool { return e.Conns() == len(fds) })
		took := time.Since(began)
		if n := e.Traffic().Turns - turns; n > 200+uint64(took.Milliseconds()) {
			t.Errorf("%d turns while nothing could be accepted, for %v", n, took)
		}
	})
}

// TestIdleConnectionsAreSmall measures what a connection that has been used and says nothing costs on the Go heap.
func TestIdleConnectionsAreSmall(t *testing.T) {
	s := newTestServer(t)
	e, err := New(s, Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	lns, err := e.ListenTCP([]string{"127.0.0.1"}, 0, 511, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Stop(time.Second)
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	fds := make([]int, 0, 2000)
	defer func() {
		for _, fd := range fds {
			syscall.Close(fd)
		}
	}()
	connect := func(n int) {
		for range n {
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0) // outside of the Go heap
			if err != nil {
				t.Fatal(err)
			}
			fds = append(fds, fd)
			if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: lns[0].Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
				t.Fatal(err)
			}
			if _, err := syscall.Write(fd, []byte("BIG 5000\r\nPING\r\n*1\r\n$4\r\nPI")); err != nil {
				t.Fatal(err)
			}
		}
	}
	connect(100)
	wait(t, "all are served", func() bool { return s.ran.Load() == 200 })
	before := heap()
	const n = 1000
	connect(n)
	wait(t, "all are served", func() bool { return s.ran.Load() == 2*(100+n) })
	each := int64(0)
	wait(t, "at most 1024 bytes of the Go heap for each idle connection", func() bool { // the last turn may still give buffers back
		each = (heap() - before) / n
		return each <= 1024
	})
	t.Logf("%d bytes for each", each)
}
