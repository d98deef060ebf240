package server

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// fillAll makes keys of every type in two databases.
func fillAll(c *testClient) {
	for db := range 2 {
		c.do("select", strconv.Itoa(db))
		for i := range 50 {
			n := strconv.Itoa(i)
			c.do("set", "s"+n, strings.Repeat("v", i*40))
			c.do("set", "i"+n, n, "px", "10000000")
			c.do("rpush", "l", n, strings.Repeat("x", i))
			c.do("sadd", "m", "m"+n)
			c.do("sadd", "ints", n)
			c.do("zadd", "z", n+".25", "m"+n)
			c.do("hset", "h", "f"+n, n)
			c.do("xadd", "x", "*", "f", n)
		}
		c.do("hpexpire", "h", "10000000", "fields", "1", "f7")
		c.do("xgroup", "create", "x", "g", "0")
		c.do("xreadgroup", "group", "g", "alice", "count", "7", "streams", "x", ">")
		c.do("xdel", "x", "1-1")
		c.do("spop", "m", "3")
		c.do("multi")
		c.do("incr", "counter")
		c.do("lpush", "l", "first")
		c.do("exec")
		c.do("del", "s3")
	}
	c.do("select", "0")
}

func digest(c *testClient) string { return c.text("debug", "digest") }

func rewriteLog(t *testing.T, c *testClient) {
	t.Helper()
	before := c.number("persistence", "aof_rewrites")
	c.do("bgrewriteaof")
	eventually(t, "the rewrite", func() bool {
		return c.number("persistence", "aof_rewrites") > before && c.info("persistence", "aof_rewrite_in_progress") == "0"
	})
	if got := c.info("persistence", "aof_last_bgrewrite_status"); got != "ok" {
		t.Fatalf("the rewrite ended with %s", got)
	}
}

// manifestOf is the manifest without its checksum.
func manifestOf(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"))
	if err != nil {
		t.Fatal(err)
	}
	lines, _, _ := strings.Cut(string(b), "#")
	return lines
}

// failsToStart runs a server that is expected not to come up, because of what the disk has.
func failsToStart(t *testing.T, options ...string) {
	t.Helper()
	_, err := tryServer(t, "", options)
	var damage logDamage
	if !errors.As(err, &damage) && !errors.Is(err, errLoading) {
		t.Errorf("the start has not failed because of the data: %v", err)
	}
}

// TestAppendOnlyRestart: what was written is there after a restart, whatever the files look like.
func TestAppendOnlyRestart(t *testing.T) {
	for _, options := range [][]string{
		{"--appendfsync", "always"},
		{"--appendfsync", "everysec", "--aof-timestamp-enabled", "yes"},
		{"--appendfsync", "no", "--aof-use-rdb-preamble", "no"},
	} {
		t.Run(options[1], func(t *testing.T) {
			dir := t.TempDir()
			options = append(options, "--dir", dir, "--appendonly", "yes")
			ts := startServer(t, options...)
			c := ts.dial()
			fillAll(c)
			want := digest(c)
			c.want("debug loadaof", "OK")
			if got := digest(c); got != want {
				t.Fatal("DEBUG LOADAOF changes the data")
			}
			ts.stop()

			ts = startServer(t, options...)
			c = ts.dial()
			if got := digest(c); got != want {
				t.Fatal("the data differs after a restart")
			}
			rewriteLog(t, c)
			if got := digest(c); got != want {
				t.Fatal("a rewrite changes the data")
			}
			ext := "rdb"
			if options[1] == "no" {
				ext = "aof"
			}
			if got := manifestOf(t, dir); got != "file appendonly.aof.2.base."+ext+" seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n" {
				t.Errorf("the manifest is %s", got)
			}
			files, _ := os.ReadDir(filepath.Join(dir, "appendonlydir"))
			if len(files) != 3 {
				t.Errorf("%d files are left", len(files))
			}
			c.want("set later 1", "OK")
			want = digest(c)
			ts.stop()

			ts = startServer(t, options...)
			if got := digest(ts.dial()); got != want {
				t.Error("the data differs after a rewrite and a restart")
			}
		})
	}
}

// TestRewriteUnderWrites rewrites while others write: base and what follows it are parted at one moment.
func TestRewriteUnderWrites(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes", "--appendfsync", "no"}
	ts := startServer(t, options...)
	c := ts.dial()
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 2 {
		writer := ts.dial()
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				writer.do("incr", fmt.Sprintf("n%d", i%500))
				writer.do("rpush", fmt.Sprintf("l%d", w), strconv.Itoa(i))
				writer.do("eval", "redis.call('incr', KEYS[1]) redis.call('incr', KEYS[2])", "2", "a", "b")
			}
		})
	}
	for range 5 {
		eventually(t, "growth", func() bool {
			return c.number("persistence", "aof_current_size") > c.number("persistence", "aof_base_size")+20000
		})
		rewriteLog(t, c)
	}
	close(stop)
	all.Wait()
	want := digest(c)
	ts.stop()
	ts = startServer(t, options...)
	c = ts.dial()
	if got := digest(c); got != want {
		t.Error("the data differs")
	}
	if a, b := c.do("get a"), c.do("get b"); a != b || a == nil {
		t.Errorf("%v and %v were counted together", a, b)
	}
}

// TestLoadScripts loads scripts, which redis-server before 7.0 wrote to its log as they were.
func TestLoadScripts(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes", "--aof-use-rdb-preamble", "no"}
	ts := startServer(t, options...)
	ts.stop()
	f, err := os.OpenFile(filepath.Join(dir, "appendonlydir", "appendonly.aof.1.incr.aof"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"return redis.call('incr', KEYS[1])", "return redis.call('incr', 'not' .. KEYS[1])"} {
		fmt.Fprintf(f, "*4\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n1\r\n$1\r\nx\r\n", len(script), script)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c := startServer(t, append(options, "--slowlog-log-slower-than", "0")...).dial() // nothing that is loaded is a client's
	for range 2 {
		c.want("mget x notx", []any{"1", "1"})
		c.want("debug loadaof", "OK") // with all shards held
	}
}

// TestLoadSlowScript: while a script of the log that DEBUG LOADAOF loads takes long, all others hear that data is loaded, be
// they on the loop that loads it or on another.
func TestLoadSlowScript(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--busy-reply-threshold", "1", "--event-loops", "2"}
	ts := startServer(t, options...)
	f, err := os.OpenFile(filepath.Join(dir, "appendonlydir", "appendonly.aof.1.incr.aof"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// It takes three times as long as those wait who are not told.
	script := "redis.call('set', KEYS[1], 'y') local function now() local t = redis.call('time') return t[1] * 1000 + t[2] / 1000 end " +
		"local start = now() repeat until now() > start + 300"
	fmt.Fprintf(f, "*4\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n1\r\n$1\r\nx\r\n", len(script), script)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	loads, others := ts.dial(), []*testClient{ts.dial(), ts.dial()} // loops take connections in turn
	hears := func(c *testClient) bool {
		for range 1000 { // it may ask before the loading has begun
			if e, is := c.do("ping").(replyError); is && strings.HasPrefix(string(e), "LOADING ") {
				return true
			}
		}
		return false
	}
	eventually(t, "LOADING on both loops", func() bool {
		loads.send("debug loadaof")
		both := hears(others[0]) && hears(others[1])
		if got := loads.read(); got != "OK" {
			t.Fatal(got)
		}
		return both
	})
	others[0].want("get x", "y")
}

// TestAppendOnlySwitch switches the log on and off while the server runs.
func TestAppendOnlySwitch(t *testing.T) {
	dir := t.TempDir()
	ts := startServer(t, "--dir", dir)
	c := ts.dial()
	fillAll(c)
	c.want("config set appendonly yes", "OK")
	c.want("set during 1", "OK")
	eventually(t, "the first base", func() bool { return c.info("persistence", "aof_pending_rewrite") == "0" })
	c.want("set after 1", "OK")
	c.want("config set appendonly no", "OK")
	if got := c.info("persistence", "aof_enabled"); got != "0" {
		t.Errorf("aof_enabled is %s", got)
	}
	want := digest(c)
	c.want("debug loadaof", "OK")
	if digest(c) != want {
		t.Error("the files differ from the data")
	}
	c.want("set unlogged 1", "OK")
	c.want("config set appendonly yes", "OK")
	eventually(t, "the next base", func() bool { return c.info("persistence", "aof_pending_rewrite") == "0" })
	want = digest(c)
	ts.stop()
	ts = startServer(t, "--dir", dir, "--appendonly", "yes")
	if digest(ts.dial()) != want {
		t.Error("the data differs after a restart")
	}
}

// TestAppendOnlyAgain switches the log off and on under a client that has written to the one before.
func TestAppendOnlyAgain(t *testing.T) {
	ts := startServer(t, "--dir", t.TempDir(), "--appendonly", "yes", "--appendfsync", "always")
	c := ts.dial()
	for i := range 100 {
		c.want("incr k", int64(i+1))
	}
	c.want("config set appendonly no", "OK")
	c.want("incr k", int64(101))
	c.want("config set appendonly yes", "OK")
	c.want("waitaof 1 0 0", []any{int64(1), int64(0)})
	if n := c.info("persistence", "aof_rewrite_in_progress"); n != "0" {
		t.Error("who has waited for the log finds it still being made")
	}
	c.want("incr k", int64(102)) // the reply waits for the new log's disk, and not for the position that the old one had
	c.want("waitaof 1 0 0", []any{int64(1), int64(0)})
}

// TestAppendOnlyUpgrade takes the single file of an older server over.
func TestAppendOnlyUpgrade(t *testing.T) {
	dir := t.TempDir()
	old := "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*1\r\n$5\r\nMULTI\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n*1\r\n$4\r\nEXEC\r\n"
	if err := os.WriteFile(filepath.Join(dir, "appendonly.aof"), []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	ts := startServer(t, "--dir", dir, "--appendonly", "yes")
	c := ts.dial()
	c.want("get a", "1")
	c.want("select 1", "OK")
	c.want("get b", "2")
	if got := manifestOf(t, dir); got != "file appendonly.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n" {
		t.Errorf("the manifest is %s", got)
	}
	rewriteLog(t, c)
	if _, err := os.Stat(filepath.Join(dir, "appendonlydir", "appendonly.aof")); err == nil {
		t.Error("the old file is still there")
	}
}

// TestAppendOnlyDamage: a torn end is cut off, a damaged middle is refused or, if that is wanted, what is before it kept.
func TestAppendOnlyDamage(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes", "--appendfsync", "always"}
	ts := startServer(t, options...)
	c := ts.dial()
	for i := range 1000 {
		c.do("set", fmt.Sprintf("k%d", i), strings.Repeat("v", 50))
	}
	ts.stop()
	file := filepath.Join(dir, "appendonlydir", "appendonly.aof.1.incr.aof")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(append(bytes.Clone(whole), "*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1\r\n1\r\n"...))
	failsToStart(t, append(options, "--aof-load-truncated", "no")...)
	ts = startServer(t, options...)
	c = ts.dial()
	c.want("dbsize", 1000)
	c.want("set next 1", "OK")
	ts.stop()
	ts = startServer(t, options...)
	ts.dial().want("dbsize", 1001)
	ts.stop()

	write(append(bytes.Clone(whole), make([]byte, 5000)...))
	ts = startServer(t, options...)
	ts.dial().want("dbsize", 1000)
	ts.stop()

	bad := bytes.Clone(whole)
	bad[len(bad)/2] ^= 1
	write(bad)
	failsToStart(t, options...)
	newBadDisk(t).set(func(op, name string) error { // no rewrite begins
		if op == "open" && strings.Contains(name, ".3.incr.") {
			return syscall.EIO
		}
		return nil
	})
	ts = startServer(t, append(options, "--aof-salvage", "yes")...)
	c = ts.dial()
	n := c.do("dbsize").(int64)
	if n < 300 || n > 700 {
		t.Errorf("%d keys were saved", n)
	}
	c.want("set later v", "OK") // behind the damage nobody would find it
	killed := t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil { // what kill -9 leaves
		t.Fatal(err)
	}
	ts.stop()
	for _, dir := range []string{dir, killed} {
		ts = startServer(t, "--dir", dir, "--appendonly", "yes")
		c = ts.dial()
		c.want("get later", "v")
		c.want("dbsize", int(n)+1)
	}
}

// TestTornBeforeEmpty: a crash just after a rewrite has begun may leave the last file empty and the end of the one before torn.
// That is no damage, as it is if the last one has anything.
func TestTornBeforeEmpty(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("k "+strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--encryption-key-file", key}} {
		dir := t.TempDir()
		options := append([]string{"--dir", dir, "--appendonly", "yes"}, more...)
		disk := newBadDisk(t)
		ts := startServer(t, options...)
		c := ts.dial()
		c.want("set k v", "OK")
		c.want("set last v", "OK")
		disk.set(func(op, name string) error { // the base never gets there
			if op == "sync" && strings.Contains(name, "rewriteaof") {
				return syscall.EIO
			}
			return nil
		})
		c.do("bgrewriteaof")
		eventually(t, "the end of the rewrite", func() bool { return c.info("persistence", "aof_last_bgrewrite_status") == "err" })
		ts.stop()
		disk.set(nil)
		file := func(n int) string {
			return filepath.Join(dir, "appendonlydir", fmt.Sprintf("appendonly.aof.%d.incr.aof", n))
		}
		whole, err := os.ReadFile(file(1))
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.LastIndex(whole, []byte("#SUM")); i > 0 {
			whole = whole[:i]
		}
		if err := os.WriteFile(file(1), whole[:len(whole)-3], 0o644); err != nil {
			t.Fatal(err)
		}
		ts = startServer(t, options...)
		c = ts.dial()
		c.want("mget k last", []any{"v", nil})
		c.want("set next v", "OK")
		ts.stop()
		startServer(t, options...).dial().want("mget k last next", []any{"v", nil, "v"})
	}
}

// TestFullDisk: while nothing can be written reads go on and writes are refused; everything recovers by itself.
func TestFullDisk(t *testing.T) {
	disk, dir := newBadDisk(t), t.TempDir()
	for _, policy := range []string{"everysec", "always"} {
		options := []string{"--dir", dir, "--appendonly", "yes", "--appendfsync", policy}
		ts := startServer(t, options...)
		c, w := ts.dial(), ts.dial()
		c.want("set k before", "OK")
		disk.set(func(op, name string) error {
			if op == "write" && strings.Contains(name, "incr") {
				return syscall.ENOSPC
			}
			return nil
		})
		w.send("set k full")
		eventually(t, "the fault", func() bool { return c.info("persistence", "aof_last_write_status") == "err" })
		c.want("set k more", replyError("MISCONF Errors writing to the AOF file: No space left on device"))
		c.want("ping", replyError("MISCONF Errors writing to the AOF file: No space left on device"))
		eventually(t, "the stall", ts.aof.log.Load().Stalled)
		for range 100 {
			c.want("get k", "full")
		}
		eventually(t, "the replies of one client wait", func() bool { return ts.held() == 1 })
		const write = "return redis.call('set', KEYS[1], 'script')"
		for script, want := range map[string]string{
			write:             "MISCONF Errors writing to the AOF file: No space left on device",
			"#!lua\n" + write: "MISCONF Redis is configured to persist data to AOF, but it's currently unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts. AOF error: No space left on device",
			"return redis.pcall('set', KEYS[1], 'script')": "MISCONF Errors writing to the AOF file: No space left on device",
		} {
			if got, ok := c.do("eval", script, "1", "k").(replyError); !ok || !strings.HasPrefix(string(got), want) {
				t.Errorf("%s: %q", script, got)
			}
		}
		if got := c.do("eval", "return redis.call('get', KEYS[1])", "1", "k"); got != "full" {
			t.Errorf("a script that reads: %v", got)
		}
		c.want("get k", "full")
		disk.set(nil)
		eventually(t, "recovery", func() bool { return c.info("persistence", "aof_last_write_status") == "ok" })
		if got := w.read(); got != "OK" {
			t.Errorf("the write that met the fault answers %v", got)
		}
		c.want("set k after", "OK")
		ts.stop()
		ts = startServer(t, options...)
		ts.dial().want("get k", "after")
		ts.stop()
	}
}

// held is of how many clients the replies wait for the disk.
func (ts *testServer) held() (n int64) {
	for _, ex := range ts.executors {
		n += ex.heldCount.Load()
	}
	return n
}

// TestSlowDisk: under appendfsync always the reply waits for the disk, and nobody else does.
func TestSlowDisk(t *testing.T) {
	disk := newBadDisk(t)
	ts := startServer(t, "--dir", t.TempDir(), "--appendonly", "yes", "--appendfsync", "always")
	w, r := ts.dial(), ts.dial()
	w.want("set k 1", "OK")
	stuck := true
	disk.set(func(op, name string) error {
		for op == "sync" && stuck {
			disk.gone.Wait()
		}
		return nil
	})
	w.send("set k 2")
	w.send("get k")
	eventually(t, "the write", func() bool { return r.do("get k") == "2" })
	for range 100 {
		r.want("get k", "2")
	}
	eventually(t, "the replies of one client wait", func() bool { return ts.held() == 1 })
	disk.mu.Lock()
	stuck = false
	disk.gone.Broadcast()
	disk.mu.Unlock()
	if a, b := w.read(), w.read(); a != "OK" || b != "2" {
		t.Errorf("replies %v, %v", a, b)
	}
	w.want("waitaof 1 0 0", []any{int64(1), int64(0)})
}

// TestStalledDisk: under appendfsync everysec a write that does not come through holds nobody up.
func TestStalledDisk(t *testing.T) {
	disk := newBadDisk(t)
	ts := startServer(t, "--dir", t.TempDir(), "--appendonly", "yes", "--appendfsync", "everysec")
	c := ts.dial()
	stuck := true
	disk.set(func(op, name string) error {
		for op == "write" && stuck {
			disk.gone.Wait()
		}
		return nil
	})
	c.want("incr k", int64(1)) // when the log has seen that it takes long
	if _, all := ts.logReached(); !all {
		t.Error("replies still wait for the disk")
	}
	for i := range 1000 {
		c.want("incr k", int64(i+2))
	}
	disk.mu.Lock()
	stuck = false
	disk.gone.Broadcast()
	disk.mu.Unlock()
	c.want("waitaof 1 0 0", []any{int64(1), int64(0)})
}

// TestSealedFiles encrypts snapshot and log, and changes the key.
func TestSealedFiles(t *testing.T) {
	dir := t.TempDir()
	key := func(name string, lines ...string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second := "one "+strings.Repeat("ab", 32), "two "+strings.Repeat("cd", 32)
	one, two, other := key("one", first), key("two", second, first), key("other", "one "+strings.Repeat("00", 32))
	options := []string{"--dir", dir, "--appendonly", "yes", "--encryption-key-file"}
	ts := startServer(t, append(options, one)...)
	c := ts.dial()
	fillAll(c)
	c.do("set", "secret", "a long and rather secret text")
	c.want("save", "OK")
	want := digest(c)
	ts.stop()
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if b, err := os.ReadFile(path); err == nil && (bytes.Contains(b, []byte("rather secret")) || bytes.Contains(b, []byte("counter"))) {
			t.Errorf("%s is not encrypted", path)
		}
		return nil
	})
	failsToStart(t, append(options, other)...)
	failsToStart(t, options[:4]...)

	ts = startServer(t, append(options, two)...)
	c = ts.dial()
	if digest(c) != want {
		t.Fatal("the data differs")
	}
	rewriteLog(t, c)
	ts.stop()
	new := key("new", second)
	ts = startServer(t, append(options, new)...)
	if digest(ts.dial()) != want {
		t.Fatal("the data differs with the new key")
	}
	ts.stop()
	ts = startServer(t, "--dir", dir, "--encryption-key-file", two) // the snapshot has the second one by now
	c = ts.dial()
	if digest(c) != want {
		t.Errorf("the data of the snapshot differs: %v keys", c.do("dbsize"))
	}
}

// TestAppendOnlyRefused: a log that cannot be switched on stays off, and nobody tries again.
func TestAppendOnlyRefused(t *testing.T) {
	disk := newBadDisk(t)
	ts := startServer(t, "--dir", t.TempDir())
	disk.set(func(op, name string) error {
		if op == "open" && strings.Contains(name, "incr") {
			return syscall.ENOSPC
		}
		return nil
	})
	c := ts.dial()
	if got := fmt.Sprint(c.do("config set appendonly yes")); !strings.Contains(got, "Unable to turn on AOF") {
		t.Error(got)
	}
	c.want("config get appendonly", []any{"appendonly", "no"})
	if got := c.info("persistence", "aof_rewrite_scheduled"); got != "0" {
		t.Errorf("aof_rewrite_scheduled:%s", got)
	}
}

// TestLoadAOFAmidSave: changes that are forgotten are not counted off once more when the snapshot ends that has them.
func TestLoadAOFAmidSave(t *testing.T) {
	ts := startServer(t, "--dir", t.TempDir(), "--appendonly", "yes", "--save", "", "--rdb-key-save-delay", "10000000")
	c := ts.dial()
	for i := range 9 {
		c.want("incr k", i+1)
	}
	c.want("bgsave", "Background saving started")
	c.want("debug loadaof", "OK")
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the end of the snapshot", func() bool { return c.info("persistence", "rdb_bgsave_in_progress") == "0" })
	c.want("incr k", 10)
	eventually(t, "the change", func() bool { return c.number("persistence", "rdb_changes_since_last_save") == 1 })
}
