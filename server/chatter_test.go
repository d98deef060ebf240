package server

import (
	"io"
	"net"
	"path/filepath"
	"testing"
)

// TestVerbose: at the level verbose the log tells what becomes of connections, at notice it does not.
func TestVerbose(t *testing.T) {
	for _, level := range []string{"verbose", "notice"} {
		socket := filepath.Join(t.TempDir(), "s")
		ts := startServer(t, "--loglevel", level, "--unixsocket", socket)
		n := 0
		if level == "verbose" {
			n = 1
		}
		told := func(text string) {
			t.Helper()
			if n == 0 {
				return
			}
			eventually(t, text, func() bool { return ts.logged(text) == n })
		}
		c := ts.dial()
		c.want("client setname me", "OK")
		addr := c.nc.LocalAddr().String()
		told("Accepted " + addr)
		c.nc.Close()
		told("Client closed connection id=")
		told("addr=" + addr + " laddr=" + ts.addr)

		c = ts.dial()
		c.raw("*1\r\n*1\r\n")
		if _, err := io.ReadAll(c.r); err != nil {
			t.Fatal(err)
		}
		told("Protocol error (expected '$', got '*') from client: id=")

		nc, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		told("Accepted connection to " + socket)
		nc.Close()

		c = ts.dial()
		c.want("config set timeout 1", "OK")
		if _, err := c.r.ReadByte(); err != io.EOF {
			t.Fatal(err)
		}
		told("Closing idle client id=")
		if n == 0 {
			for _, text := range []string{"Accepted ", "Client closed", "Protocol error", "Closing idle"} {
				if ts.logged(text) > 0 {
					t.Errorf("%q is in the log at the level %s", text, level)
				}
			}
		}
	}
}
