package compat

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"larder/tests/internal/peer"
)

// TestLogWithRoomLive kills a server that waits for the disk all the time, so that its log ends with room for more, and
// gives the folder to redis-server, and back: each finds what the other has written.
func TestLogWithRoomLive(t *testing.T) {
	if !*live {
		return
	}
	p := livePair(t)
	dir := t.TempDir()
	begin := func(p peer.Program) (*peer.Server, client) {
		s, err := peer.Start(p, peer.Options{Directives: []string{"appendonly yes", "appendfsync always"}, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		c, err := s.Dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return s, client{t, c}
	}
	n := 0
	for range 3 {
		s, c := begin(p.larder)
		if v := c.do("DBSIZE").String(); v != strconv.Itoa(n) {
			t.Fatalf("larder has %s keys, not %d", v, n)
		}
		for end := time.Now().Add(time.Minute); !endsWithRoom(t, dir); {
			for range 50 {
				c.do("SET", strconv.Itoa(n), "v")
				n++
			}
			if time.Now().After(end) {
				t.Fatal("the log was never given room")
			}
		}
		s.Kill()
		if check, err := exec.LookPath("redis-check-aof"); err == nil {
			manifest := filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest")
			if out, err := exec.Command(check, manifest).CombinedOutput(); err != nil {
				t.Errorf("redis-check-aof: %v\n%s", err, out)
			}
		}
		s, c = begin(p.redis)
		if v := c.do("DBSIZE").String(); v != strconv.Itoa(n) {
			t.Fatalf("redis-server has %s keys, not %d", v, n)
		}
		for range 10 {
			c.do("SET", strconv.Itoa(n), "v")
			n++
		}
		s.Kill()
	}
}

func endsWithRoom(t *testing.T, dir string) bool {
	names, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(names) != 1 {
		t.Fatalf("the log has the files %q, %v", names, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return bytes.HasSuffix(b, []byte("####\n"))
}
