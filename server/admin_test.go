package server

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/server/config"
	"larder/server/resp"
)

func TestTimeAndRole(t *testing.T) {
	c := startServer(t).dial()
	before := time.Now()
	l := c.list("time")
	s, _ := strconv.ParseInt(l[0].(string), 10, 64)
	us, _ := strconv.ParseInt(l[1].(string), 10, 64)
	if now := time.Unix(s, us*1000); now.Before(before.Truncate(time.Microsecond)) || now.After(time.Now()) {
		t.Errorf("TIME is %v", now)
	}
	c.want("role", []any{"master", int64(0), []any{}})
	c.want("time x", replyError("ERR wrong number of arguments for 'time' command"))
}

func TestLolwut(t *testing.T) {
	c := startServer(t).dial()
	for _, request := range []string{"lolwut", "lolwut 5", "lolwut version", "lolwut version 6 1 2 3"} {
		text := c.text(request)
		if !strings.HasSuffix(text, "\nRedis ver. "+RedisVersion+", Larder ver. "+Version+"\n") {
			t.Errorf("%s ends with %q", request, text[max(0, len(text)-60):])
		}
	}
	c.want("lolwut version x", replyError("ERR value is not an integer or out of range"))
	for seed := range uint64(200) { // whatever chance says, the larder has straight walls
		n := seed
		lines := strings.Split(drawLarder(func() uint64 { n = n*6364136223846793005 + 1442695040888963407; return n >> 33 }), "\n")
		for _, line := range lines[:len(lines)-1] {
			if len(line) != shelfWidth+2 {
				t.Fatalf("with seed %d a line is %q", seed, line)
			}
		}
	}
}

func TestMemoryCommands(t *testing.T) {
	c := startServer(t).dial()
	c.want("memory usage nothing", nil)
	c.do("set", "key", strings.Repeat("v", 1000))
	if n := c.do("memory usage key").(int64); n < 1003 || n > 1100 {
		t.Errorf("a string of 1000 bytes takes %d", n)
	}
	for i := range 1000 {
		c.do("sadd", "s", strings.Repeat("m", 100)+strconv.Itoa(i))
	}
	all, some := c.do("memory usage s samples 0").(int64), c.do("memory usage s").(int64)
	if all < 100_000 || all > 150_000 || some < all*9/10 || some > all*11/10 {
		t.Errorf("1000 members of 100 bytes take %d, estimated %d", all, some)
	}
	for _, wrong := range []string{"memory usage s x", "memory usage s samples", "memory usage s samples -1"} {
		c.want(wrong, replyError("ERR syntax error"))
	}
	stats := map[string]any{}
	l := c.list("memory stats")
	for i := 0; i < len(l); i += 2 {
		stats[l[i].(string)] = l[i+1]
	}
	if stats["keys.count"] != int64(2) || stats["dataset.bytes"].(int64) < 100_000 || stats["total.allocated"].(int64) < stats["dataset.bytes"].(int64) {
		t.Errorf("MEMORY STATS is %v", stats)
	}
	if db, ok := stats["db.0"].([]any); !ok || db[0] != "overhead.hashtable.main" {
		t.Errorf("db.0 is %v", stats["db.0"])
	}
	for name, value := range stats { // redis-py before 5.0 takes every db. for a database
		if _, ok := value.([]any); strings.HasPrefix(name, "db.") && !ok {
			t.Errorf("%s is %v", name, value)
		}
	}
	db := stats["db.0"].([]any)
	if stats["overhead.db.hashtable.lut"] != db[1] || stats["overhead.db.hashtable.rehashing"] != int64(0) {
		t.Errorf("of tables MEMORY STATS says %v", stats)
	}
	if text := c.text("memory doctor"); text == "" {
		t.Error("MEMORY DOCTOR says nothing")
	}
	if text := c.text("memory malloc-stats"); !strings.Contains(text, "larder-arena") {
		t.Errorf("MEMORY MALLOC-STATS is %q", text)
	}
	c.want("memory purge", "OK")
}

func TestMemoryReport(t *testing.T) {
	const mb = 1 << 20
	for _, x := range []struct {
		m    memoryFigures
		want string
	}{
		{memoryFigures{used: mb}, "nearly empty"},
		{memoryFigures{used: 100 * mb, peak: 100 * mb, active: 110 * mb, resident: 120 * mb, rss: 120 * mb}, "looks unusual.\n"},
		{memoryFigures{used: 100 * mb, peak: 200 * mb, active: 110 * mb, resident: 120 * mb, rss: 120 * mb}, "At its peak"},
		{memoryFigures{used: 100 * mb, peak: 100 * mb, active: 200 * mb, resident: 200 * mb, rss: 200 * mb}, "fragmented"},
		{memoryFigures{used: 100 * mb, peak: 100 * mb, active: 110 * mb, resident: 120 * mb, rss: 200 * mb}, "80.00M more"},
		{memoryFigures{used: 100 * mb, peak: 100 * mb, active: 110 * mb, resident: 120 * mb, rss: 120 * mb, clients: 50 * mb}, "Clients take 50.00M"},
		{memoryFigures{used: 100 * mb, logBuffer: 50 * mb}, "50.00M wait to be written"},
		{memoryFigures{used: mb, limit: 3 * mb, bound: 2 * mb, policy: "noeviction"}, "maxmemory is 3.00M, but the machine"},
		{memoryFigures{used: 90 * mb, rss: 95 * mb, bound: 100 * mb}, "there is no maxmemory"},
		{memoryFigures{used: 100 * mb, counted: 100 * mb, limit: 100 * mb, policy: "noeviction"}, "noeviction: writes that need memory are refused"},
		{memoryFigures{used: 100 * mb, counted: 100 * mb, limit: 100 * mb, policy: "volatile-lru", evicts: true, onlyVolatile: true,
			databases: []databaseFigures{{keys: 5}}}, "no key has a time to live"},
		{memoryFigures{used: 100 * mb, counted: 100 * mb, limit: 100 * mb, policy: "volatile-lru", evicts: true, onlyVolatile: true,
			databases: []databaseFigures{{keys: 5}, {keys: 5, volatile: 1}}}, "looks unusual.\n"},
		{memoryFigures{used: 100 * mb, counted: 100 * mb, limit: 100 * mb, policy: "allkeys-lru", evicts: true}, "looks unusual.\n"},
		{memoryFigures{used: 100 * mb, counted: 120 * mb, limit: 100 * mb, policy: "allkeys-lru", evicts: true, follows: true}, "A replica removes nothing"},
	} {
		if got := x.m.report(); !strings.Contains(got, x.want) {
			t.Errorf("%+v is reported as %q", x.m, got)
		}
	}
}

// Every container of this package has a HELP that names all its subcommands.
func TestHelp(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	for _, row := range ts.topRows() {
		if row.Sub([]byte("help")) == nil || row.Name == "cluster" { // which is not there
			continue
		}
		lines := c.list(row.Name + " help")
		text := ""
		for _, l := range lines {
			text += l.(string) + "\n"
		}
		name := strings.ToUpper(row.Name)
		if lines[0] != name+" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:" || !strings.HasSuffix(text, "\nHELP\n    Print this help.\n") {
			t.Errorf("%s HELP is %q", name, text)
		}
		for _, sub := range row.Subs {
			if word := strings.ToUpper(sub.Subname()); !strings.Contains(text, "\n"+word) {
				t.Errorf("%s HELP does not explain %s", name, word)
			}
		}
	}
}

func TestMaxClientsFollowsTheSystem(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	})
	files := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0 // another system
		}
		return len(list)
	}
	before := files()
	ts := startServer(t, "--maxclients", "50", "--event-loops", "20", "--appendonly", "yes", "--dir", t.TempDir())
	c := ts.dial()
	c.want("ping", "PONG")
	const more = 10 // for snapshots, rewrites, links
	if own, reserved := files()-before, int(ts.reservedFiles()); own+more > reserved {
		t.Errorf("the server has %d files open, and %d for itself", own, reserved)
	}
	low := syscall.Rlimit{Cur: 64, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	c.want("config set maxclients 100", "OK")
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil || now.Cur != 100+uint64(ts.reservedFiles()) {
		t.Errorf("for 100 clients there may be %d files (%v)", now.Cur, err)
	}
	c.want("config set maxclients 4000000000", replyError("ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle the specified number of clients, try with "+c.tries()))
	if got := c.list("config get maxclients"); !reflect.DeepEqual(got, []any{"maxclients", "100"}) {
		t.Errorf("a refused maxclients leaves %v", got)
	}
}

// tries is how many clients the system can be made to allow.
func (c *testClient) tries() string {
	e := string(c.do("config set maxclients 4000000000").(replyError))
	return e[strings.LastIndexByte(e, ' ')+1:]
}

// TestSignals ends the server by a signal, unless it was called off before it began.
func TestSignals(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("debug pause-cron 1", "OK")
	ts.ShutdownBySignal(config.ShutdownNosave)
	c.want("shutdown abort", "OK")
	c.want("shutdown abort", replyError(resp.ErrNoShutdown))
	c.want("debug pause-cron 0", "OK")
	c.want("ping", "PONG")

	temp := filepath.Join(ts.conf.Path("."), tempSnapshot())
	if err := os.WriteFile(temp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.want("debug pause-cron 1", "OK")
	ts.ShutdownBySignal(config.ShutdownNosave)
	c.send("debug pause-cron 0")
	eventually(t, "the end", ts.InShutdown)
	ts.Abandon()
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", temp, err)
	}
}

// TestSnapshotSaysWhatItCopies looks at the memory of keys that change while a snapshot is written.
func TestSnapshotSaysWhatItCopies(t *testing.T) {
	ts := startServer(t, "--save", "")
	c := ts.dial()
	c.want("debug populate 1000 key 5000", "OK")
	c.want("config set rdb-key-save-delay "+forLong, "OK")
	c.do("bgsave")
	field := func(name string) int64 { return c.number("persistence", name) }
	eventually(t, "the first keys are written", func() bool { return field("current_save_keys_processed") > 0 })
	if n := field("current_cow_size"); n != 0 {
		t.Errorf("%d bytes copied, and nothing has changed", n)
	}
	for i := range 1000 {
		c.want("append key:"+itoa(int64(i))+" x", 5001)
	}
	all := field("current_cow_size")
	if all < 500*5000 || all > 1000*10000 {
		t.Errorf("%d bytes copied", all)
	}
	if p := c.info("persistence", "current_fork_perc"); p == "0.00" {
		t.Errorf("%s %% are done", p)
	}
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the end of the snapshot", func() bool { return field("rdb_bgsave_in_progress") == 0 })
	if last, now := field("rdb_last_cow_size"), field("current_cow_size"); last != all || now != 0 {
		t.Errorf("the last one has copied %d bytes of %d, the present one %d", last, all, now)
	}
}

// A snapshot in the background can be ended, and so can the wish for one. What it would have saved is not taken for saved.
func TestBgsaveCancel(t *testing.T) {
	ts := startServer(t, "--save", "3600 1000", "--rdb-key-save-delay", forLong, "--appendonly", "yes")
	c := ts.dial()
	none := replyError("ERR Background saving is currently not in progress or scheduled")
	c.want("bgsave cancel", none)
	c.want("bgsave cancel now", replyError("ERR syntax error"))
	c.want("debug populate 20", "OK")
	c.want("set k v", "OK")
	changes := c.number("persistence", "rdb_changes_since_last_save")
	c.want("bgsave", "Background saving started")
	c.want("bgsave cancel", "Background saving cancelled")
	c.want("bgsave cancel", none)
	eventually(t, "its file is gone", func() bool {
		files, _ := filepath.Glob(filepath.Join(ts.conf.Dir.Get(), "*.rdb"))
		return len(files) == 0
	})
	if c.number("persistence", "rdb_bgsave_in_progress") != 0 || c.info("persistence", "rdb_last_bgsave_status") != "ok" {
		t.Error("a snapshot that was ended is in progress, or counts as failed")
	}
	if n := c.number("persistence", "rdb_changes_since_last_save"); n != changes {
		t.Errorf("%d changes were to be saved, then %d", changes, n)
	}
	c.do("bgrewriteaof")
	c.want("bgsave schedule", "Background saving scheduled")
	c.want("bgsave cancel", "Scheduled background saving cancelled")
	c.want("bgsave cancel", none)
	if c.number("persistence", "aof_rewrite_in_progress") != 1 {
		t.Error("the rewrite has ended, too")
	}
	c.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the end of the rewrite", func() bool { return c.number("persistence", "aof_rewrite_in_progress") == 0 })
}
