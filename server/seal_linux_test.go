package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSnapshotsOnTheirWayAreSealed: a snapshot that goes to a replica, or comes from the primary, over a file without a name is as
// encrypted there as one that has a name, and arrives all the same.
func TestSnapshotsOnTheirWayAreSealed(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("one "+strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ diskless, file string }{
		"to a replica":     {"no", "temp-repl-"},
		"from the primary": {"yes", "temp-sync-"},
	} {
		t.Run(name, func(t *testing.T) {
			primary := startServer(t, "--encryption-key-file", keys, "--repl-diskless-sync", c.diskless, "--repl-diskless-sync-delay", "0",
				"--rdb-key-save-delay", forLong)
			p := primary.dial()
			fillAll(p)
			replica := startServer(t, "--encryption-key-file", keys)
			r := replica.dial()
			r.want("set old data", "OK") // what comes instead is complete before that goes
			host, port, _ := strings.Cut(primary.addr, ":")
			r.want("replicaof "+host+" "+port, "OK")
			var head string
			eventually(t, "the file", func() bool {
				head = headOfNameless(c.file)
				return head != ""
			})
			if !strings.HasPrefix(head, "LRDSEAL1") {
				t.Errorf("it begins with %q", head)
			}
			p.want("config set rdb-key-save-delay 0", "OK")
			eventually(t, "the data", func() bool { return digest(r) == digest(p) })
		})
	}
}

// headOfNameless is what a file that is open, whose name begins so and is gone, begins with; "" if there is none, or it is empty.
func headOfNameless(name string) string {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		path := filepath.Join("/proc/self/fd", fd.Name())
		if to, err := os.Readlink(path); err != nil || !strings.HasPrefix(filepath.Base(to), name) {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		head := make([]byte, 8)
		n, _ := f.Read(head)
		f.Close()
		if n == len(head) {
			return string(head)
		}
	}
	return ""
}
