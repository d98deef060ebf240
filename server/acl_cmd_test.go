package server

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const noGet = replyError("NOPERM User ann has no permissions to run the 'get' command")

func TestACLGates(t *testing.T) {
	ts := startServer(t)
	admin, c := ts.dial(), ts.dial()
	admin.want("acl setuser ann on >pw ~a:* &news +@all -get -@admin", "OK")
	c.want("auth ann wrong", replyError("WRONGPASS invalid username-password pair or user is disabled."))
	c.want("auth ann pw", "OK")
	c.want("acl whoami", "ann")
	c.want("get a:1", noGet)
	c.want("set a:1 x", "OK")
	c.want("set b:1 x", replyError("NOPERM No permissions to access a key"))
	c.want("mset a:1 x b:1 x", replyError("NOPERM No permissions to access a key"))
	c.want("publish news x", 0)
	c.want("publish other x", replyError("NOPERM No permissions to access a channel"))
	c.want("acl users", replyError("NOPERM User ann has no permissions to run the 'acl|users' command"))
	c.want("sort a:1 by w_*", replyError("ERR BY option of SORT denied due to insufficient ACL permissions."))
	c.want("multi", "OK")
	c.want("get a:1", noGet)
	c.want("exec", replyError("EXECABORT Transaction discarded because of previous errors."))
	for field, n := range map[string]string{"auth": "1", "cmd": "3", "key": "2", "channel": "1"} {
		if got := admin.info("stats", "acl_access_denied_"+field); got != n {
			t.Errorf("acl_access_denied_%s is %s, not %s", field, got, n)
		}
	}
}

// What was allowed when it was queued, or when the client began to wait, may not be so any more.
func TestACLIsAskedAgain(t *testing.T) {
	ts := startServer(t)
	admin, c := ts.dial(), ts.dial()
	admin.want("acl setuser ann on nopass ~* +@all", "OK")
	c.want("auth ann x", "OK")
	c.want("multi", "OK")
	c.want("set k 1", "QUEUED")
	c.want("get k", "QUEUED")
	admin.want("acl setuser ann -get", "OK")
	c.want("exec", []any{"OK", replyError("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: no permission to execute the command or subcommand")})
	c.send("blpop list 0")
	eventually(t, "the client waits", func() bool { return admin.info("clients", "blocked_clients") == "1" })
	admin.want("acl setuser ann resetkeys", "OK")
	admin.want("rpush list x", 1)
	if got := c.read(); got != replyError("NOPERM No permissions to access a key") {
		t.Errorf("the waiting client was answered %v", got)
	}
	admin.want("llen list", 1)
}

func TestACLCutsConnections(t *testing.T) {
	ts := startServer(t)
	admin := ts.dial()
	admin.want("acl setuser ann on nopass ~* &a &b +@all", "OK")
	gone, listener, other := ts.dial(), ts.dial(), ts.dial()
	listener.want("auth ann x", "OK")
	listener.want("subscribe a", []any{"subscribe", "a", int64(1)})
	other.want("auth ann x", "OK")
	other.want("subscribe b", []any{"subscribe", "b", int64(1)})
	admin.want("acl setuser ann resetchannels &b", "OK")
	listener.wantClosed()
	admin.want("publish b x", 1)
	if got, ok := other.read().([]any); !ok || got[2] != "x" {
		t.Errorf("who may still listen got %v", got)
	}
	gone.want("auth ann x", "OK")
	gone.want("acl deluser ann nobody", 1)
	gone.wantClosed()
	other.wantClosed()
}

func (c *testClient) wantClosed() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Errorf("the connection is open and says %q", b)
	}
}

func TestACLFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(file, []byte("user default on nopass ~* &* +@all\n\nuser ann on >pw ~a:* +get\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts := startServer(t, "--aclfile", file)
	c, ann := ts.dial(), ts.dial()
	ann.want("auth ann pw", "OK")
	c.want("acl setuser bob on nopass +@all", "OK")
	c.want("acl save", "OK")
	text, _ := os.ReadFile(file)
	if want := "user ann on sanitize-payload #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 ~a:* resetchannels -@all +get\n" +
		"user bob on nopass sanitize-payload resetchannels +@all\nuser default on nopass sanitize-payload ~* &* +@all\n"; string(text) != want {
		t.Errorf("the file says %s", text)
	}
	if err := os.WriteFile(file, []byte("user bob on +nonsense\nuser bob\nann\nuser carl (+get\nuser d foo bar"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.want("acl load", replyError("ERR "+strings.Join([]string{
		file + ":1: Error in applying operation '+nonsense': Unknown command or category name in ACL.",
		"WARNING: Duplicate user 'bob' found on line 2.",
		file + ":3 should start with user keyword followed by the username.",
		file + ":4: Unmatched parenthesis in selector definition." + file + ":5: Syntax error.",
		"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
	}, " ")))
	c.want("acl users", []any{"ann", "bob", "default"})
}

// A user whose name is empty is the same after the ACL file, or the configuration, was written and read.
func TestUserWithoutNameIsKept(t *testing.T) {
	dir := t.TempDir()
	file, conf := filepath.Join(dir, "users.acl"), filepath.Join(dir, "redis.conf")
	for _, path := range []string{file, conf} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const line = "user  on nopass sanitize-payload ~* resetchannels -@all +get"
	users := []any{line, "user default on nopass sanitize-payload ~* &* +@all"}
	c := startServer(t, "--aclfile", file).dial()
	c.do("acl", "setuser", "", "on", "nopass", "~*", "+get")
	c.want("acl save", "OK")
	c.want("acl load", "OK")
	c.want("acl list", users)
	if err := os.WriteFile(file, []byte("user  bob on\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.want("acl load", replyError("ERR "+file+":1: Syntax error. WARNING: ACL errors detected, no change to the previously active ACL rules was performed"))

	c = startServerWith(t, conf).dial()
	c.do("acl", "setuser", "", "on", "nopass", "~*", "+get")
	c.want("config rewrite", "OK")
	startServerWith(t, conf).dial().want("acl list", users)
}

// Who is connected goes on as the user that the file has now, but for those that it does not know and for subscribers of
// what they may not hear any more.
func TestACLLoadCutsOnlyWhomItConcerns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.acl")
	write := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("user ann on >pw ~* &* +@all", "user bob on nopass ~* &* +@all")
	ts := startServer(t, "--aclfile", file)
	admin := ts.dial()
	as := func(user string) *testClient {
		c := ts.dial()
		c.want("auth "+user+" pw", "OK")
		return c
	}
	ann, hears, overhears, waits, gone := as("ann"), as("ann"), as("ann"), as("ann"), as("bob")
	hears.want("subscribe a", []any{"subscribe", "a", int64(1)})
	overhears.want("subscribe b", []any{"subscribe", "b", int64(1)})
	waits.send("blpop list 0")
	eventually(t, "the client waits", func() bool { return admin.info("clients", "blocked_clients") == "1" })
	write("user ann on >other ~* &a +@all -get")
	admin.want("acl load", "OK")
	gone.wantClosed()
	overhears.wantClosed()
	ann.want("acl whoami", "ann")
	ann.want("get k", noGet)
	admin.want("acl setuser ann -blpop", "OK") // the user that it is now, not the one that it was
	ann.want("rpush list x", 1)
	if got := waits.read(); got != replyError("NOPERM User ann has no permissions to run the 'blpop' command") {
		t.Errorf("who waited got %v", got)
	}
	admin.want("publish a x", 1)
	if got, ok := hears.read().([]any); !ok || got[2] != "x" {
		t.Errorf("who may still listen got %v", got)
	}
	write("user bob on nopass +@all")
	ann.want("acl load", "OK") // and then it is closed itself
	ann.wantClosed()
	admin.want("acl users", []any{"bob", "default"})
}

func TestUsersOfTheConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(file, []byte("requirepass gone\nuser default on >pw ~* +@all -acl\nuser ann on nopass (~a:* +get) allkeys -@all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts := startServerWith(t, file)
	c := ts.dial()
	c.want("ping", replyError("NOAUTH Authentication required."))
	c.want("auth gone", replyError("WRONGPASS invalid username-password pair or user is disabled."))
	c.want("auth pw", "OK")
	c.want("acl whoami", replyError("NOPERM User default has no permissions to run the 'acl|whoami' command"))
	c.want("config set requirepass new", "OK")
	c.want("auth new", "OK")
	c.want("config rewrite", "OK")
	text, _ := os.ReadFile(file)
	for _, line := range []string{
		"user default on sanitize-payload #11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437 ~* resetchannels +@all -acl",
		"user ann on nopass sanitize-payload ~* resetchannels -@all (~a:* resetchannels -@all +get)",
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("the file lacks %q:\n%s", line, text)
		}
	}
}

func TestDatabaseRules(t *testing.T) {
	ts := startServer(t)
	admin, c := ts.dial(), ts.dial()
	admin.want("acl setuser ann on nopass ~* +@all db=0,3", "OK")
	admin.want("acl list", []any{"user ann on nopass sanitize-payload ~* resetchannels db=0,3 +@all", "user default on nopass sanitize-payload ~* &* +@all"})
	no := replyError("NOPERM No permissions to access database")
	c.want("auth ann x", "OK")
	c.want("set k 1", "OK")
	c.want("select 1", no)
	c.want("select 3", "OK")
	c.want("copy k k2 db 0", 0)
	c.want("move k 1", no)
	c.want("swapdb 0 3", "OK")
	c.want("swapdb 0 2", no)
	c.want("flushall", no)
	admin.want("acl setuser ann resetdbs", "OK")
	c.want("dbsize", no)
	c.want("ping", "PONG")
	admin.want("acl setuser ann alldbs", "OK")
	c.want("flushall", "OK")
	admin.want("acl setuser ann db=x", replyError("ERR Error in ACL SETUSER modifier 'db=x': Database ids are numbers from 0 on, parted by commas"))
}

// TestDatabaseRulesInScripts: what a script does is asked of the database that it has selected, from the very next command on.
func TestDatabaseRulesInScripts(t *testing.T) {
	ts := startServer(t)
	admin, c := ts.dial(), ts.dial()
	admin.want("acl setuser ann on nopass ~* +@all db=0 (~* +get +select db=1)", "OK")
	c.want("auth ann x", "OK")
	no := replyError("ERR ACL failure in script: No permissions to access database")
	run := func(script string, want any) {
		t.Helper()
		if got := c.do("eval", script, "0"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", script, got, want)
		}
	}
	run("redis.call('select', 1) return redis.pcall('set', 'k', 'v')", no)
	run("redis.call('select', 1) return redis.call('get', 'k')", nil)
	run("redis.call('select', 1) return {redis.acl_check_cmd('get', 'k') and 1 or 0, redis.acl_check_cmd('set', 'k', 'v') and 1 or 0}", []any{int64(1), int64(0)})
	admin.want("acl setuser ann resetkeys ~k", "OK")
	run("return redis.acl_check_cmd('set')", int64(1)) // without arguments it is about nothing but the command
	run("return redis.call('set', 'k', 'v')", "OK")
	run("return redis.pcall('select', 2)", no)
}

// TestSaveUsersOnSlowDisk: who saves the users waits for the disk, and nobody else does. Of several who save them the last one's stay,
// whoever comes to the disk first.
func TestSaveUsersOnSlowDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acl")
	file := filepath.Join(dir, "users")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("user default on nopass ~* &* +@all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts := startServer(t, "--aclfile", file, "--event-loops", "1")
	first, second, other := ts.dial(), ts.dial(), ts.dial()
	ts.access.file.mu.Lock() // the disk
	first.send("acl save")
	eventually(t, "the first", func() bool { return ts.access.file.asked.Load() == 1 })
	other.want("acl setuser ann on nopass", "OK")
	second.send("acl save")
	eventually(t, "the second", func() bool { return ts.access.file.asked.Load() == 2 })
	other.want("ping", "PONG")
	ts.access.file.mu.Unlock()
	for _, c := range []*testClient{first, second} {
		if got := c.read(); got != "OK" {
			t.Error(got)
		}
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "user ann ") {
		t.Errorf("the file has %q, %v", text, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	failed := replyError("ERR There was an error trying to save the ACLs. Please check the server logs for more information")
	first.want("acl save", failed)
	first.want("multi", "OK")
	first.want("acl save", "QUEUED")
	first.want("exec", []any{failed})
}

// TestRefusedConfigSetLeavesPasswords: passwords that the default user has from ACL SETUSER are none of requirepass, and stay when a
// CONFIG SET is refused that would have changed it.
func TestRefusedConfigSetLeavesPasswords(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("acl setuser default resetpass >one >two", "OK")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, _ := net.SplitHostPort(busy.Addr().String())
	refused := replyError("ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.")
	for _, line := range []string{"config set port " + port + " requirepass x", "config set requirepass x port " + port} {
		c.want(line, refused)
		stranger := ts.dial()
		stranger.want("ping", replyError("NOAUTH Authentication required."))
		stranger.want("auth x", replyError("WRONGPASS invalid username-password pair or user is disabled."))
		stranger.want("auth one", "OK")
		stranger.want("auth two", "OK")
	}
	c.want("config set requirepass x", "OK")
	c.want("config set port "+port+" requirepass y", refused)
	ts.dial().want("auth x", "OK")
	c.want("acl setuser default nopass", "OK")
	c.want("config set port "+port+" requirepass y", refused)
	ts.dial().want("ping", "PONG")
}
