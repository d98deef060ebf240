package server

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
