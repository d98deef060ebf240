package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCacheMode: what nobody has said is what a cache wants; what somebody has said counts.
func TestCacheMode(t *testing.T) {
	get := func(ts *testServer, name string) string {
		return ts.dial().do("config", "get", name).([]any)[1].(string)
	}
	cache := startServer(t, "--cache")
	for name, want := range map[string]string{"cache-mode": "yes", "maxmemory-policy": "allkeys-s3fifo", "save": "", "appendonly": "no"} {
		if got := get(cache, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	limit := memoryBound()
	if got := cache.conf.Maxmemory.Get(); got != limit/4*3 || cache.ks.MaxMemory() != got {
		t.Errorf("of %d bytes the cache takes %d", limit, got)
	}
	own := startServer(t, "--cache", "--maxmemory", "64mb", "--maxmemory-policy", "volatile-lru", "--save", "60", "1", "--s3fifo-by-size", "yes")
	for name, want := range map[string]string{"maxmemory": "67108864", "maxmemory-policy": "volatile-lru", "save": "60 1"} {
		if got := get(own, name); got != want {
			t.Errorf("%s is %q, want %q as it was said", name, got, want)
		}
	}
	if !own.ks.BySize {
		t.Error("s3fifo-by-size has no effect")
	}
	if got := own.dial().do("config", "set", "cache-mode", "no"); !strings.Contains(string(got.(replyError)), "immutable") {
		t.Errorf("cache-mode was changed: %v", got)
	}
}

// TestCacheModeIsNotWrittenDown: what follows from the machine follows from the next one, unless somebody has said it.
func TestCacheModeIsNotWrittenDown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "larder.conf")
	if err := os.WriteFile(file, []byte("cache-mode yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts := startServerWith(t, file)
	c := ts.dial()
	written := func() string {
		c.want("config rewrite", "OK")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text := written()
	for _, name := range []string{"\nmaxmemory", "\nsave", "\nappendonly"} {
		if strings.Contains(text, name) {
			t.Errorf("the file has %q:\n%s", name[1:], text)
		}
	}
	limit := ts.conf.Maxmemory.Get()
	c.want("config set maxmemory "+itoa(limit), "OK")
	if text := written(); !strings.Contains(text, "\nmaxmemory ") {
		t.Errorf("what was said is not in the file:\n%s", text)
	}
	c.want("config set maxmemory-policy allkeys-lru", "OK")
	if text := written(); !strings.Contains(text, "\nmaxmemory-policy allkeys-lru") {
		t.Errorf("what was said is not in the file:\n%s", text)
	}
}
