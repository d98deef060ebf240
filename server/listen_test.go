package server

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestSocketOfAGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	startServer(t, "--unixsocket", path, "--unixsocketgroup", strconv.Itoa(os.Getgid()), "--unixsocketperm", "770")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o770 {
		t.Fatalf("%v %v", info, err)
	}
	_, err = tryServer(t, "", []string{"--unixsocket", path + "2", "--unixsocketgroup", "nobody-is-in-this-group"})
	if err == nil || !strings.Contains(err.Error(), "Failed opening Unix socket") {
		t.Errorf("a server with a socket for nobody starts: %v", err)
	}
	if err := giveToGroup(path, "nobody-is-in-this-group"); err == nil || err.Error() != "unixsocketgroup: there is no group 'nobody-is-in-this-group'" {
		t.Errorf("%v", err)
	}
}

// TestPortChangesWhileItIsAsked: a failover group and the link to a primary ask for the port at any moment.
func TestPortChangesWhileItIsAsked(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	_, first, _ := strings.Cut(ts.addr, ":")
	ports := []string{first, freePort(t)}
	done := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, port := ts.announced(); !slices.Contains(ports, strconv.Itoa(port)) {
				t.Errorf("it is %d", port)
				return
			}
		}
	})
	for i := range 20 {
		c.want("config set port "+ports[(i+1)%2], "OK")
	}
	close(done)
	asking.Wait()
}
