package compat

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestLogWithRoomLive kills a server that waits for the disk all the time, so that its log ends with room for more, and
// gives the folder to redis-server, and back: each finds what the other has written.
func TestLogWithRoomLive(t *testing.T) {
	if !*live {
		return
	}
	p := livePair(t)
	dir := t.TempDir()
	always := []string{"appendonly yes", "appendfsync always"}
	n := 0
	for range 3 {
		s, c := serve(t, p.larder, dir, always...)
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
		s, c = serve(t, p.redis, dir, always...)
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
