package server

import (
	"net"
	"strings"
	"testing"

	"go.uber.org/zap"

	"larder/server/config"
)

// TestLinkWaitsForOwnData: a group may name the primary while a member still loads its own data. The link begins when that is
// over: a snapshot that came before would be mixed with what is loaded.
func TestLinkWaitsForOwnData(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conf := config.New()
	if err := conf.Load(config.ParseArgs([]string{"--dir", t.TempDir(), "--shards", "4"}), strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	srv, err := New(conf, zap.NewNop()) // it does not run: nothing is loaded
	if err != nil {
		t.Fatal(err)
	}
	defer srv.ks.Close()
	for range 50 {
		l := newLink(srv, config.Address{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}, false)
		go l.run()
		mine, err := net.Dial("tcp", ln.Addr().String()) // time enough for the link to be there, too
		if err != nil {
			t.Fatal(err)
		}
		nc, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if nc.RemoteAddr().String() != mine.LocalAddr().String() {
			t.Error("the link does not wait")
		}
		nc.Close()
		mine.Close()
		l.stop()
		<-l.over
		if t.Failed() {
			return
		}
	}
}
