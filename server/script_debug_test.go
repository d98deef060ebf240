package server

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// transcript is a recorded session of the debugger.
type transcript struct {
	name         string
	script, talk []string // talk: "> " what the client says, "  " what it reads, "= " the script's reply at the end
	keys, args   []string
}

// transcripts reads testdata/debugger.txt.
func transcripts(t *testing.T) (list []*transcript) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "debugger.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var tr *transcript
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, is := strings.CutPrefix(line, "== "); is {
			tr = &transcript{name: name}
			list = append(list, tr)
			continue
		}
		switch word, rest, _ := strings.Cut(line, " "); {
		case tr == nil || line == "":
		case word == "|":
			if text, is := strings.CutSuffix(rest, `\r`); is {
				rest = text + "\r"
			}
			tr.script = append(tr.script, rest)
		case word == "keys":
			tr.keys = strings.Fields(rest)
		case word == "args":
			tr.args = strings.Fields(rest)
		default:
			tr.talk = append(tr.talk, line)
		}
	}
	return list
}

// debug begins a session.
func (c *testClient) debug(mode, script string, args ...string) {
	c.t.Helper()
	c.want("script debug "+mode, "OK")
	if len(args) == 0 {
		args = []string{"0"}
	}
	c.send(append([]string{"EVAL", script}, args...)...)
}

// lines reads what the debugger says.
func (c *testClient) lines() []string {
	c.t.Helper()
	v := c.read()
	list, ok := v.([]any)
	if !ok {
		c.t.Fatalf("the debugger answers %v", v)
	}
	lines := make([]string, len(list))
	for i, l := range list {
		lines[i] = fmt.Sprint(l)
	}
	return lines
}

// say sends words to the debugger and returns what it says.
func (c *testClient) say(words ...string) string {
	c.t.Helper()
	c.send(words...)
	return strings.Join(c.lines(), "\n")
}

// closed fails the test unless the server has closed the connection.
func (c *testClient) closed() {
	c.t.Helper()
	if v, err := c.parse(); err == nil {
		c.t.Errorf("the connection goes on: %v", v)
	}
}

// words is what a client says, as redis-cli cuts it: the code of eval is one word here.
func (tr *transcript) words(line string) []string {
	word, code, is := strings.Cut(line, " ")
	if is && (word == "eval" || word == "e") {
		return []string{word, code}
	}
	return strings.Fields(line)
}

var pointers = regexp.MustCompile("0x[0-9a-f]+")

// play runs the session and returns it as it was recorded.
func (tr *transcript) play(c *testClient, mode string) (talk []string) {
	c.t.Helper()
	args := append([]string{fmt.Sprint(len(tr.keys))}, tr.keys...)
	c.debug(mode, strings.Join(tr.script, "\n"), append(args, tr.args...)...)
	said := 0
	for {
		lines := c.lines()
		for _, l := range lines {
			talk = append(talk, "  "+pointers.ReplaceAllString(l, "0x0"))
		}
		if slices.Contains(lines, "<endsession>") {
			talk = append(talk, "= "+strings.TrimSpace(fmt.Sprint(c.read())))
			c.closed()
			return talk
		}
		for said < len(tr.talk) && !strings.HasPrefix(tr.talk[said], "> ") {
			said++
		}
		if said == len(tr.talk) {
			return append(talk, "the session goes on")
		}
		talk = append(talk, tr.talk[said])
		c.send(tr.words(tr.talk[said][2:])...)
		said++
	}
}

// TestDebuggerAsRedis runs recorded sessions, on the data and on a copy of it.
func TestDebuggerAsRedis(t *testing.T) {
	ts := startServer(t)
	for _, tr := range transcripts(t) {
		for _, mode := range []string{"sync", "yes"} {
			t.Run(tr.name+"/"+mode, func(t *testing.T) {
				c := ts.dial()
				c.t = t
				c.want("flushall", "OK")
				got := tr.play(c, mode)
				for i := range max(len(got), len(tr.talk)) {
					if i >= len(got) || i >= len(tr.talk) || got[i] != tr.talk[i] {
						from := max(0, i-3)
						t.Fatalf("line %d of the session:\n%s\nwant\n%s", i+1, strings.Join(got[min(from, len(got)):min(i+2, len(got))], "\n"),
							strings.Join(tr.talk[min(from, len(tr.talk)):min(i+2, len(tr.talk))], "\n"))
					}
				}
			})
		}
	}
}

const writesTwice = "redis.call('set', 'a', '1')\nredis.call('set', 'b', '2')\nreturn redis.call('dbsize')"

// TestDebugSync has a session on the data: nobody is served meanwhile, and what the script does stays and is replicated.
func TestDebugSync(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--busy-reply-threshold", "20", "--appendonly", "yes", "--repl-diskless-sync-delay", "0")
	replica := startServer(t)
	replica.follow(ts)
	c, others := ts.dial(), []*testClient{ts.dial(), ts.dial(), ts.dial(), ts.dial()}
	c.debug("sync", writesTwice)
	if got := strings.Join(c.lines(), "\n"); got != "* Stopped at 1, stop reason = step over\n-> 1   redis.call('set', 'a', '1')" {
		t.Fatal(got)
	}
	for _, o := range others {
		eventually(t, "others hear that the server is busy", func() bool { return isError(o.do("GET", "a"), "BUSY ") })
	}
	if got := c.say("step"); !strings.HasPrefix(got, "<redis> set a 1\n<reply> \"+OK\"\n* Stopped at 2,") {
		t.Error(got)
	}
	if v := others[0].do("SCRIPT", "KILL"); !isError(v, "UNKILLABLE ") {
		t.Errorf("SCRIPT KILL of a script that has written: %v", v)
	}
	if got := c.say("continue"); got != "<endsession>" {
		t.Error(got)
	}
	if v := c.read(); v != int64(2) {
		t.Errorf("the script: %v", v)
	}
	c.closed()
	for _, o := range others {
		eventually(t, "others are served again", func() bool { return o.do("GET", "b") == "2" })
	}
	same(t, ts, replica)
	others[0].want("debug loadaof", "OK")
	others[0].want("get a", "1")

	c = ts.dial()
	c.debug("sync", "local x = 1\nredis.call('set', 'c', x)")
	c.lines()
	eventually(t, "the server is busy", func() bool { return isError(others[0].do("PING"), "BUSY ") })
	others[0].want("script kill", "OK")
	if got := strings.Join(c.lines(), "\n"); got != "<endsession>" {
		t.Error(got)
	}
	if v := c.read(); !isError(v, "ERR Script killed by user with SCRIPT KILL") {
		t.Errorf("a script that was killed: %v", v)
	}
	eventually(t, "others are served again", func() bool { return others[1].do("EXISTS", "c") == int64(0) })
}

// TestDebugSyncWithoutClient: the script goes on when its client is gone, and is ended if it does not come to an end.
func TestDebugSyncWithoutClient(t *testing.T) {
	ts := startServer(t, "--busy-reply-threshold", "20")
	c, o := ts.dial(), ts.dial()
	c.debug("sync", writesTwice)
	c.lines()
	c.nc.Close()
	eventually(t, "the script has run", func() bool { return o.do("GET", "b") == "2" })
	c = ts.dial()
	c.debug("sync", "redis.call('set', 'c', '3')\n"+endless)
	c.lines()
	c.nc.Close()
	eventually(t, "the server goes on", func() bool { return o.do("GET", "c") == "3" })
}

// TestDebugCopy has a session on a copy: the others are served, and nothing of what the script does stays.
func TestDebugCopy(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--databases", "4")
	c, o := ts.dial(), ts.dial()
	goroutines := runtime.NumGoroutine()
	o.want("set a 0", "OK")
	o.do("rpush", "list", "x", "y")
	o.want("set volatile 1 px 100000", "OK")
	o.want("acl setuser ann on nopass ~* +@all -incr", "OK")
	c.do("HELLO", "3", "AUTH", "ann", "x")
	c.want("select 2", "OK")
	c.want("set two 2", "OK")
	c.debug("yes", "local t = redis.call('get', 'two')\nredis.call('select', 0)\nredis.call('set', 'a', t)\nlocal l = redis.call('lrange', 'list', 0, -1)\n"+
		"local e = redis.pcall('incr', 'a')['err']\nredis.setresp(3)\nreturn {t, redis.call('get', 'a'), #l, e, redis.call('ttl', 'volatile') > 0}")
	if got := c.lines()[0]; got != "* Stopped at 1, stop reason = step over" {
		t.Error(got)
	}
	o.want("set a 1", "OK")
	if v := o.do("CLIENT", "LIST"); strings.Count(fmt.Sprint(v), "\n") != 1 {
		t.Errorf("the client that debugs is listed: %v", v)
	}
	if got := c.say("redis", "get", "a"); got != "<redis> get a\n<reply> NULL" {
		t.Errorf("the client's database: %s", got)
	}
	if got := c.say("continue"); got != "<endsession>" {
		t.Error(got)
	}
	if v := fmt.Sprint(c.read()); v != "[2 2 2 ERR ACL failure in script: User ann has no permissions to run the 'incr' command t]" {
		t.Errorf("the script: %s", v)
	}
	c.closed()
	o.want("get a", "1")
	eventually(t, "the copy is gone", func() bool { return ts.debugs.count.Load() == 0 })
	eventually(t, "nothing of it is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := ts.logged("in which a script was debugged is gone"); n != 1 {
		t.Errorf("%d copies were given up", n)
	}
}

// TestDebugCopyOfOddUser: who debugs in a copy is held to its rules there, whatever it is called.
func TestDebugCopyOfOddUser(t *testing.T) {
	ts := startServer(t)
	o := ts.dial()
	o.want("set secret x", "OK")
	for _, name := range []string{"", "ann\u00a0on"} {
		c := ts.dial()
		o.do("ACL", "SETUSER", name, "on", "nopass", "~a", "~b\u00a0~*", "+@all")
		if v := c.do("AUTH", name, "x"); v != "OK" {
			t.Fatalf("log-in as %q: %v", name, v)
		}
		c.debug("yes", "return 1")
		c.lines()
		if got := c.say("redis", "get", "secret"); !strings.Contains(got, "No permissions to access a key") {
			t.Errorf("%q reads what it may not: %s", name, got)
		}
		c.nc.Close()
	}
}

// TestDebugCopies: there are only so many, a client that goes gives up its own, and so does the end of the server.
func TestDebugCopies(t *testing.T) {
	ts := startServer(t)
	var list []*testClient
	for range mostCopies {
		c := ts.dial()
		c.debug("yes", writesTwice)
		c.lines()
		list = append(list, c)
	}
	c := ts.dial()
	c.debug("yes", writesTwice)
	if v := c.read(); v != replyError(errManyCopies) {
		t.Errorf("one more copy: %v", v)
	}
	c.want("script debug no", "OK")
	c.want("dbsize", int64(0))
	list[0].nc.Close()
	eventually(t, "there is room for another copy", func() bool { return ts.debugs.count.Load() == mostCopies-1 })
	c.debug("yes", "local n = 0\n"+endless)
	c.lines()
	c.send("continue")
	ts.stop()
	for _, c := range list[1:] {
		if _, err := io.Copy(io.Discard, c.nc); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("the connection goes on: %v", err)
		}
	}
}

// TestDebugCopyNeedsMemory: no copy is begun that would not fit.
func TestDebugCopyNeedsMemory(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	for _, bound := range []int64{1, 0} {
		ts.inWorldDo(func(*executor) { ts.debugs.bound = func() int64 { return bound } })
		c.debug("yes", "return 1")
		if v := c.read(); (v == replyError(errCopyMemory)) != (bound == 1) {
			t.Errorf("with %d bytes of memory: %v", bound, v)
		}
	}
	eventually(t, "the session is counted", func() bool { return ts.debugs.count.Load() == 1 })
}

// TestDebugCopyBesideSnapshots has a copy made while a snapshot is written, and one while the data is flushed.
func TestDebugCopyBesideSnapshots(t *testing.T) {
	ts := startServer(t, "--rdb-key-save-delay", "1000")
	c, o := ts.dial(), ts.dial()
	for i := range 300 {
		o.do("SET", fmt.Sprint("key", i), "v")
	}
	o.want("bgsave", "Background saving started")
	c.debug("yes", "return redis.call('dbsize')")
	o.want("flushall", "OK")
	o.want("set one 1", "OK")
	c.lines()
	if got := c.say("continue"); got != "<endsession>" {
		t.Error(got)
	}
	if v := c.read(); v != int64(300) && v != int64(0) && v != int64(1) {
		t.Errorf("the copy is of no moment: it has %v keys", v)
	}
	o.want("dbsize", int64(1))
}

// TestDebugAtTheEnd: a session that holds the server does not keep it from ending.
func TestDebugAtTheEnd(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.debug("sync", writesTwice)
	c.lines()
	ts.stop()
}

// TestDebugRefusals is what cannot be debugged.
func TestDebugRefusals(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("script debug maybe", replyError("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
	c.want("script debug yes", "OK")
	if v := c.do("EVALSHA", strings.Repeat("a", shaLen), "0"); v != replyError("ERR Please use EVAL instead of EVALSHA for debugging") {
		t.Errorf("EVALSHA: %v", v)
	}
	c.want("multi", "OK")
	c.do("EVAL", "return 1", "0")
	c.do("SCRIPT", "DEBUG", "NO")
	if v := fmt.Sprint(c.do("EXEC")); v != "["+string(errDebugMulti)+" "+string(errDebugPipeline)+"]" {
		t.Errorf("inside MULTI: %s", v)
	}
	io.WriteString(c.nc, "PING\r\nEVAL return 0\r\n")
	if v := fmt.Sprint([]any{c.read(), c.read()}); v != "[PONG "+string(errEvalPipeline)+"]" {
		t.Errorf("a pipeline: %v", v)
	}
	c.want("script debug no", "OK")
	if v := c.do("EVAL", "return {redis.breakpoint() and 1 or 0, redis.debug('x')}", "0"); fmt.Sprint(v) != "[0]" {
		t.Errorf("without the debugger: %v", v)
	}
	c.want("acl setuser ann on nopass ~* +@all -script|debug", "OK")
	c.want("auth ann x", "OK")
	c.want("script debug sync", replyError("NOPERM User ann has no permissions to run the 'script|debug' command"))
}

// TestDebugAheadOfTheDebugger: what a client sends at once with its EVAL is for the debugger.
func TestDebugAheadOfTheDebugger(t *testing.T) {
	ts := startServer(t)
	for _, mode := range []string{"sync", "yes"} {
		c := ts.dial()
		c.want("script debug "+mode, "OK")
		io.WriteString(c.nc, "*3\r\n$4\r\nEVAL\r\n$20\r\nlocal a = 1\nreturn a\r\n$1\r\n0\r\n*1\r\n$1\r\ns\r\n*2\r\n$1\r\np\r\n$1\r\na\r\n*1\r\n$1\r\nc\r\n")
		c.lines()
		c.lines()
		if got := c.lines(); len(got) != 1 || got[0] != "<value> 1" {
			t.Errorf("print: %q", got)
		}
		c.lines()
		if v := c.read(); v != int64(1) {
			t.Errorf("the script: %v", v)
		}
		c.closed()
	}
}

// TestDebugAfterAPause: a request that had to wait is debugged as any other.
func TestDebugAfterAPause(t *testing.T) {
	ts := startServer(t, "--event-loops", "1")
	for _, mode := range []string{"sync", "yes"} {
		c, o := ts.dial(), ts.dial()
		c.want("script debug "+mode, "OK")
		o.want("client pause 100000 write", "OK")
		io.WriteString(c.nc, "*3\r\n$4\r\nEVAL\r\n$20\r\nlocal a = 1\nreturn a\r\n$1\r\n0\r\n*1\r\n$1\r\ns\r\n*2\r\n$1\r\np\r\n$1\r\na\r\n")
		eventually(t, "the request waits", func() bool { return strings.Contains(o.text("client list"), "cmd=eval") })
		o.send("client unpause") // with one loop the reply comes when the session is over
		c.lines()
		c.lines()
		if got := c.lines(); len(got) != 1 || got[0] != "<value> 1" {
			t.Errorf("print: %q", got)
		}
		if got := c.say("c"); got != "<endsession>" {
			t.Error(got)
		}
		if v := c.read(); v != int64(1) {
			t.Errorf("the script: %v", v)
		}
		c.closed()
		if v := o.read(); v != "OK" {
			t.Error(v)
		}
	}
}

// TestDebugConnections has sessions over TLS and unix sockets.
func TestDebugConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	w := startTLS(t, "--unixsocket", path, "--tls-auth-clients", "no")
	dial := map[string]func() (net.Conn, error){
		"unix": func() (net.Conn, error) { return net.Dial("unix", path) },
		"tls": func() (net.Conn, error) {
			return tls.Dial("tcp", "127.0.0.1:"+w.port, &tls.Config{InsecureSkipVerify: true})
		},
	}
	for kind, dial := range dial {
		for _, mode := range []string{"sync", "yes"} {
			nc, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			c := &testClient{t: t, nc: nc, r: bufio.NewReader(nc)}
			c.debug(mode, writesTwice)
			c.lines()
			if got := c.say("print", "KEYS"); got != "<value> {}" {
				t.Errorf("%s, %s: %s", kind, mode, got)
			}
			if got := c.say("c"); got != "<endsession>" {
				t.Errorf("%s, %s: %s", kind, mode, got)
			}
			if v := c.read(); v != int64(2) {
				t.Errorf("%s, %s: the script: %v", kind, mode, v)
			}
			c.closed()
			w.dial().want("flushall", "OK")
		}
	}
}
