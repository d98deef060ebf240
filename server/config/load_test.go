package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree writes files below a new directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for name, content := range files {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return dir
}

func TestInclude(t *testing.T) {
	dir := tree(t, map[string]string{
		"main.conf":         "timeout 1\ninclude %s/conf.d/*.conf\ninclude %s/none*.conf\ntcp-keepalive 7\n",
		"conf.d/10.conf":    "timeout 10\nsave 1 1\nslowlog-max-len 5",
		"conf.d/20.conf":    "timeout 20\nsave 2 2\ninclude %s/sub/one.conf\n",
		"conf.d/30.txt":     "timeout 30\n",
		"sub/one.conf":      "dir %s/sub\ninclude two.conf\n",
		"sub/two.conf":      "# found next to its including file, since dir was set\ndatabases 3\n",
		"empty.conf":        "",
		"cycle.conf":        "include %s/cycle.conf\n",
		"missing.conf":      "\n include %s/nosuch.conf\n",
		"bad.conf":          "timeout 1\ninclude %s/worse.conf\n",
		"worse.conf":        "\n\ntimeout x\n",
		"badpattern.conf":   "include %s/[\n",
		"unterminated.conf": "timeout '1",
	})
	for _, name := range []string{"main.conf", "conf.d/20.conf", "sub/one.conf", "cycle.conf", "missing.conf", "bad.conf", "badpattern.conf"} {
		path := filepath.Join(dir, name)
		content, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(content), "%s", dir)), 0o644))
	}
	load := func(name string) (*Store, error) {
		s := New()
		return s, s.Load(Source{File: filepath.Join(dir, name)}, nil)
	}

	s, err := load("main.conf")
	must(t, err)
	for name, want := range map[string]string{"timeout": "20", "tcp-keepalive": "7", "save": "1 1 2 2", "databases": "3", "slowlog-max-len": "5", "dir": dir + "/sub"} {
		if got := value(t, s, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if s.File() != filepath.Join(dir, "main.conf") {
		t.Errorf("the file is %s", s.File())
	}
	if got := s.Path("x/../y"); got != dir+"/sub/y" {
		t.Errorf("a relative path became %s", got)
	}
	if got := s.Path("/x/../y"); got != "/y" {
		t.Errorf("an absolute path became %s", got)
	}

	if _, err := load("empty.conf"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"cycle.conf":        "include goes too deep; does a file include itself?",
		"missing.conf":      "Fatal error, can't open config file '" + dir + "/nosuch.conf': No such file or directory (included by " + dir + "/missing.conf, line 2)",
		"bad.conf":          "at line 3\n>>> 'timeout x'\nargument couldn't be parsed into an integer\n" + dir + "/worse.conf, line 3: the value of 'timeout' is not acceptable",
		"badpattern.conf":   "the pattern is malformed",
		"unterminated.conf": "Unbalanced quotes in configuration line\n" + dir + "/unterminated.conf, line 1: a quote is not closed",
		"nosuch.conf":       "Fatal error, can't open config file '" + dir + "/nosuch.conf': No such file or directory",
		"sub":               "Is a directory",
	} {
		if _, err := load(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
}

func TestHints(t *testing.T) {
	for line, want := range map[string]string{
		"prot 7000":                  "there is no directive 'prot'; did you mean 'port'?",
		"maxmemmory 5mb":             "did you mean 'maxmemory'?",
		"apendonly yes":              "did you mean 'appendonly'?",
		"slave-prioritty 3":          "did you mean 'slave-priority'?",
		"MAXCLIENT 3":                "did you mean 'maxclients'?",
		"incldue x":                  "did you mean 'include'?",
		"xyzzy 1":                    "command line, line 1: there is no directive 'xyzzy'\x00",
		"key-load-dely 1":            "there is no directive 'key-load-dely'\x00",
		"port":                       "'port' takes one argument, not 0",
		"port 1 2":                   "'port' takes one argument, not 2",
		"rename-command a":           "'rename-command' takes two arguments, not 1",
		"user":                       "'user' takes at least one argument",
		"include a b":                "'include' takes one argument, not 2",
		"loadmodule":                 "'loadmodule' takes at least one argument",
		"list-max-ziplist-value 1 2": "takes one argument, not 2",
		"timeout \x001":              "the line contains a zero byte",
		"my.module":                  "Module config specified without value",
	} {
		err := New().Load(Source{Options: line}, nil)
		var mistake *Error
		if !errors.As(err, &mistake) {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if !strings.Contains(err.Error()+"\x00", want) {
			t.Errorf("%s: %v\nwant %s", line, err, want)
		}
	}
}

func TestStdin(t *testing.T) {
	dir := tree(t, map[string]string{"a.conf": "timeout 1\ndatabases 2"})
	stdin := strings.NewReader("timeout 3\nslowlog-max-len 5\n")
	s := New()
	must(t, s.Load(ParseArgs([]string{dir + "/a.conf", "--slowlog-max-len", "6", "-"}), stdin))
	for name, want := range map[string]string{"timeout": "3", "databases": "2", "slowlog-max-len": "6"} {
		if got := value(t, s, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	err := New().Load(Source{Stdin: true}, strings.NewReader("\nx"))
	if err == nil || !strings.Contains(err.Error(), "standard input, line 2") {
		t.Errorf("a mistake on standard input: %v", err)
	}
	if err := New().Load(Source{Stdin: true}, failingReader{}); err == nil {
		t.Error("standard input failed and nobody noticed")
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, fs.ErrClosed }

func TestParseArgs(t *testing.T) {
	for _, c := range []struct {
		args []string
		want Source
	}{
		{nil, Source{}},
		{[]string{"a.conf"}, Source{File: "a.conf"}},
		{[]string{"-"}, Source{Stdin: true}},
		{[]string{"-", "--port", "1"}, Source{Stdin: true, Options: `port "1" `}},
		{[]string{"a.conf", "--port", "1", "-"}, Source{File: "a.conf", Stdin: true, Options: `port "1" `}},
		{[]string{"a.conf", "--bind", "-", "::1"}, Source{File: "a.conf", Options: `bind "-" "::1" `}},
		{[]string{"redis.conf", "--port", "7000", "--save", "60", "1000"}, Source{File: "redis.conf", Options: "port \"7000\" \nsave \"60\" \"1000\" "}},
		{[]string{"--SAVE", "--port 1"}, Source{Options: "SAVE \"\"\nport 1 "}},
		{[]string{"--save"}, Source{Options: `save ""`}},
		{[]string{"--cache"}, Source{Options: "cache-mode yes"}},
		{[]string{"--port", "1", "--cache", "--save"}, Source{Options: "port \"1\" \ncache-mode yes \nsave \"\""}},
		{[]string{"--x", "--y", "--z"}, Source{Options: "x \"--y\" \nz "}},
	} {
		got := ParseArgs(c.args)
		if strings.TrimRight(got.Options, " ") != strings.TrimRight(c.want.Options, " ") || got.File != c.want.File || got.Stdin != c.want.Stdin {
			t.Errorf("%q\n got %+v\nwant %+v", c.args, got, c.want)
		}
	}
}

func TestValkeyNames(t *testing.T) {
	for line, name := range map[string]string{
		"server-cpulist 0-1": "server_cpulist", "bio-cpulist 2": "bio_cpulist", "aof-rewrite-cpulist 3": "aof_rewrite_cpulist",
		"bgsave-cpulist 0,3": "bgsave_cpulist", "primaryuser ada": "masteruser", "primaryauth pw": "masterauth",
		"cluster-announce-client-ipv4 10.0.0.1": "cluster-announce-client-ipv4", "cluster-announce-client-ipv6 ::1": "cluster-announce-client-ipv6",
	} {
		s := New()
		must(t, s.Load(Source{Options: line}, nil))
		_, want, _ := strings.Cut(line, " ")
		if got := s.Get(name); len(got) != 1 || got[0].Value != want {
			t.Errorf("after %q %s is %v", line, name, got)
		}
		alias, _, _ := strings.Cut(line, " ")
		if got := s.Get("*cpulist"); strings.HasSuffix(alias, "cpulist") && (len(got) != 4 || len(s.Get(alias)) != 1) {
			t.Errorf("%s or a pattern gives %v", alias, got) // Redis's suite sets all names but those that it knows cannot be
		}
	}
}

func TestLinesWithoutARow(t *testing.T) {
	s := New()
	must(t, s.Load(Source{Options: strings.Join([]string{
		"rename-command FLUSHALL ''", "rename-command get fetch", "user alice on >pw ~* +@all", "user bob", "loadmodule /x.so a b", "mod.level 3 4",
		"lua-replicate-commands yes", "sentinel", "activerehashing no", "activerehashing yes", "io-threads 4", "timeout 4",
	}, "\n")}, nil))
	renames := s.Renames()
	if len(renames) != 2 || renames[0].From != "FLUSHALL" || renames[0].To != "" || renames[1].To != "fetch" || renames[1].Where.Line != 2 {
		t.Errorf("renames: %+v", renames)
	}
	users := s.Users()
	if len(users) != 2 || users[0].Name != "alice" || !slices.Equal(users[0].Rules, []string{"on", ">pw", "~*", "+@all"}) || len(users[1].Rules) != 0 {
		t.Errorf("users: %+v", users)
	}
	var ignored []string
	for _, i := range s.Ignored() {
		ignored = append(ignored, i.Name)
	}
	if want := []string{"loadmodule", "mod.level", "lua-replicate-commands", "activerehashing", "io-threads"}; !slices.Equal(ignored, want) {
		t.Errorf("ignored: %q, want %q", ignored, want)
	}
	if err := renames[1].Where.Fail("No such command in rename-command", "there is no command 'get'"); err.Error() != "*** FATAL CONFIG FILE ERROR (Redis "+CompatVersion+") ***\n"+
		"Reading the configuration file, at line 3\n>>> 'rename-command get fetch'\nNo such command in rename-command\ncommand line, line 2: there is no command 'get'" {
		t.Errorf("a mistake found later reads\n%v", err)
	}
}

// Everything that CONFIG REWRITE writes is understood again and means the same.
func TestRewriteRoundTrip(t *testing.T) {
	dir := tree(t, map[string]string{"a.conf": "# mine\ndir /\nuser alice on\n", "b.conf": ""})
	path := filepath.Join(dir, "a.conf")
	s := New()
	must(t, s.Load(Source{File: path}, nil))
	must(t, s.Set(Caller{}, Pair{"save", "1 2 3 4"}, Pair{"maxmemory", "3mb"}, Pair{"requirepass", "\x00\"' \\x\xff#"}, Pair{"bind", "127.0.0.1 -::1"}, Pair{"maxmemory-clients", "9%"},
		Pair{"client-output-buffer-limit", "normal 1kb 2 3 replica 4 5gb 6"}, Pair{"shutdown-on-sigint", "nosave now"}, Pair{"notify-keyspace-events", "Kgn"},
		Pair{"latency-tracking-info-percentiles", "1 2.5"}, Pair{"oom-score-adj-values", "-1 2 3"}, Pair{"hz", "499"}, Pair{"proc-title-template", "{title} x"}))
	must(t, s.Adopt("replicaof", "::1 7000"))
	must(t, s.Adopt("unixsocketperm", "755"))
	for _, all := range []bool{false, true, true} {
		must(t, s.Rewrite(RewriteOptions{All: all}))
		again := New()
		must(t, again.Load(Source{File: path}, nil))
		for _, r := range Rows() {
			if a, b := s.Value(r), again.Value(r); a != b {
				t.Errorf("all %v: %s was %q, is %q after a restart", all, r.Name, a, b)
			}
		}
		content, err := os.ReadFile(path)
		must(t, err)
		if !strings.HasPrefix(string(content), "# mine\ndir \"/\"\nuser alice on\n\n"+signature+"\n") || strings.Count(string(content), signature) != 1 {
			t.Errorf("all %v: the file became\n%s", all, content)
		}
		if all && strings.Count(string(content), "\n") < len(Rows())-30 {
			t.Errorf("not all were written:\n%s", content)
		}
	}
	must(t, s.Rewrite(RewriteOptions{Users: func() []string {
		if s.rewriting.TryLock() {
			t.Error("the users are asked for while somebody else may write the file with later ones")
		}
		return []string{"bob off"}
	}}))
	if content, err := os.ReadFile(path); err != nil || !strings.Contains(string(content), "\nuser bob off\n") || strings.Contains(string(content), "alice") {
		t.Errorf("users were not rewritten: %v\n%s", err, content)
	}
}

func TestRewriteReplacesTheFileSafely(t *testing.T) {
	dir := tree(t, map[string]string{"a.conf": "timeout 1\n"})
	path := filepath.Join(dir, "a.conf")
	must(t, os.Chmod(path, 0o640))
	s := New()
	must(t, s.Load(Source{File: path}, nil))
	must(t, s.Rewrite(RewriteOptions{}))
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o640 {
		t.Errorf("the mode became %v", info.Mode())
	}
	must(t, os.Remove(path))
	must(t, s.Rewrite(RewriteOptions{}))
	if info, err = os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file: %v, %v", info, err)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("files were left behind: %v", entries)
	}
	must(t, os.RemoveAll(dir))
	if err := s.Rewrite(RewriteOptions{}); errText(err) != "Rewriting config file: No such file or directory" {
		t.Errorf("without its directory: %v", err)
	}
	if err := New().Rewrite(RewriteOptions{}); !errors.Is(err, ErrNoFile) {
		t.Errorf("without a file: %v", err)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"port", "prot", 1}, {"abc", "abd", 1}, {"abc", "ac", 1}, {"ac", "abc", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func FuzzSplitArgs(f *testing.F) {
	for _, s := range []string{"", `a b`, `"a\x41\n" 'b\'c' d"e f"`, `"`, `'`, `"a"b`, "a\vb\v c", `\x4`, `"\x4g\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if args, err := SplitArgs(Quote(s)); err != nil || len(args) != 1 || args[0] != s {
			t.Errorf("%q is quoted as %s and read as %q, %v", s, Quote(s), args, err)
		}
		args, err := SplitArgs(s)
		if err != nil {
			return
		}
		var quoted []string
		for _, a := range args {
			quoted = append(quoted, Quote(a))
		}
		if again, err := SplitArgs(strings.Join(quoted, " ")); err != nil || !slices.Equal(again, args) {
			t.Errorf("%q is %q, which reads as %q, %v", s, args, again, err)
		}
	})
}

// FuzzLoad reads any text as a configuration. What is accepted must survive CONFIG REWRITE and a restart.
func FuzzLoad(f *testing.F) {
	f.Add("timeout 5\nsave 1 2 3 4\n# c\nbind 1 2\n")
	f.Add("client-output-buffer-limit normal 1mb 2 3\nmaxmemory-clients 5%\nrequirepass '\\''\nnotify-keyspace-events KEA\nlatency-tracking-info-percentiles 1 2.3")
	for _, r := range Rows() {
		f.Add(r.Name + " " + r.Default() + "\n" + r.Name + " 1")
	}
	f.Add("user a b\nrename-command a b\nx.y z\nmaxmemory 1gb\nproc-title-template \"{title} {{{port}\"\nreplicaof a 1\nshutdown-on-sigint now force")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			return // other files are not part of the input
		}
		s := New()
		if err := s.Load(Source{Options: text}, nil); err != nil {
			var mistake *Error
			if !errors.As(err, &mistake) {
				t.Fatalf("not a mistake in the file: %v", err)
			}
			return
		}
		rewritten := s.rewritten(text, RewriteOptions{})
		again := New()
		if err := again.Load(Source{Options: rewritten}, nil); err != nil {
			t.Fatalf("%v\nin the rewritten file\n%s", err, rewritten)
		}
		// The end of the last line counts as an empty line, as in Redis; it is added once.
		if twice := again.rewritten(rewritten, RewriteOptions{}); strings.TrimRight(twice, "\n") != strings.TrimRight(rewritten, "\n") {
			t.Fatalf("rewritten again\n%s\nit becomes\n%s", rewritten, twice)
		}
		for _, r := range Rows() {
			if a, b := s.Value(r), again.Value(r); a != b {
				t.Fatalf("%s was %q, is %q after a restart", r.Name, a, b)
			}
		}
		if a, b := fmt.Sprint(len(s.Renames()), len(s.Users())), fmt.Sprint(len(again.Renames()), len(again.Users())); a != b {
			t.Fatalf("renames and users: %s, then %s", a, b)
		}
	})
}
