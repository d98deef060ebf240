package server

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKeysInTheLog: what is said of a command that fails while the append-only file is loaded has its key, unless the operator
// wants no such thing in the log.
func TestKeysInTheLog(t *testing.T) {
	for hide, wants := range map[string][2]int{"no": {1, 0}, "yes": {0, 1}} {
		dir := t.TempDir()
		text := "*3\r\n$3\r\nSET\r\n$6\r\nsekrit\r\n$1\r\nx\r\n*2\r\n$4\r\nINCR\r\n$6\r\nsekrit\r\n"
		if err := os.WriteFile(filepath.Join(dir, "appendonly.aof"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		ts := startServer(t, "--dir", dir, "--appendonly", "yes", "--hide-user-data-from-log", hide)
		if n := ts.logged(`incr "sekrit", replies: ERR value is not an integer`); n != wants[0] {
			t.Errorf("hide-user-data-from-log %s: the key is in %d lines", hide, n)
		}
		if n := ts.logged(`incr "(redacted)", replies: ERR (redacted)`); n != wants[1] {
			t.Errorf("hide-user-data-from-log %s: %d lines leave it out", hide, n)
		}
		ts.stop()
	}
}
