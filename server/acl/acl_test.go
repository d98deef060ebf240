package acl

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/server/command/spec"
	"larder/server/glob"
)

var everything = NewCommands(spec.All())

func makeUser(t *testing.T, rules ...string) (*Users, *User) {
	t.Helper()
	us := NewUsers(everything)
	u, err := us.Set("ann", rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	return us, u
}

func (u *User) ask(request string) string {
	argv := bytesOf(strings.Fields(request))
	c := everything.Get(strings.ToLower(string(argv[0])))
	if len(c.subs) > 0 {
		c = everything.Get(string(argv[0]) + "|" + string(argv[1]))
	}
	v, at := u.Check(Request{Command: c, Argv: argv}, &Scratch{})
	if v == Allowed || v == DeniedCommand {
		return v.String()
	}
	return fmt.Sprintf("%s %d", v, at)
}

func bytesOf(words []string) [][]byte {
	list := make([][]byte, len(words))
	for i, w := range words {
		list[i] = []byte(w)
	}
	return list
}

func TestRulesInWords(t *testing.T) {
	const hash = "#5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8" // of "password"
	for _, c := range []struct{ rules, want string }{
		{"", "off sanitize-payload resetchannels -@all"},
		{"on nopass allkeys allchannels allcommands", "on nopass sanitize-payload ~* &* +@all"},
		{"on >password >password", "on sanitize-payload " + hash + " resetchannels -@all"},
		{">password nopass", "off nopass sanitize-payload resetchannels -@all"},
		{"nopass >password <password", "off sanitize-payload resetchannels -@all"},
		{hash + " !" + hash[1:], "off sanitize-payload resetchannels -@all"},
		{"~a ~b ~a %R~c %W~c %r~d %wr~e &x &y &x", "off sanitize-payload ~a ~b ~c %R~d ~e resetchannels &x &y -@all"},
		{"~a ~* resetkeys ~b", "off sanitize-payload ~b resetchannels -@all"},
		{"+GET +@Admin -config|SET +debug|object", "off sanitize-payload resetchannels -@all +get +@admin -config|set +debug|object"},
		{"+@all -config +config|get -get +get", "off sanitize-payload resetchannels +@all -config +config|get +get"},
		{"+config|get +config|set -config", "off sanitize-payload resetchannels -@all -config"},
		{"+client|id +clientlike -client", ""},
		{"-@all +get +@all", "off sanitize-payload resetchannels +@all"},
		{"+get (+set ~x) ( +del  ~y ) (%R~z &c +@read) clearselectors", "off sanitize-payload resetchannels -@all +get"},
		{"(~x\u00a0~* +get)", "off sanitize-payload resetchannels -@all (~x\u00a0~* resetchannels -@all +get)"},
		{"(~x\t+get)", "off sanitize-payload resetchannels -@all (~x resetchannels -@all +get)"},
		{"+get (+set ~x) (%R~z &c +@read)", "off sanitize-payload resetchannels -@all +get (~x resetchannels -@all +set) (%R~z resetchannels &c -@all +@read)"},
		{"on nopass ~* &* +@all (+get) skip-sanitize-payload reset", "off sanitize-payload resetchannels -@all"},
		{"skip-sanitize-payload db=3,1 db=2", "off skip-sanitize-payload resetchannels db=1,2,3 -@all"},
		{"db=1 resetdbs", "off sanitize-payload resetchannels resetdbs -@all"},
		{"db=1 alldbs", "off sanitize-payload resetchannels -@all"},
	} {
		us := NewUsers(everything)
		u, err := us.Set("ann", strings.Split(c.rules, " "), nil)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s is accepted", c.rules)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
		} else if got := u.String(); got != c.want {
			t.Errorf("%s\n is %s\nnot %s", c.rules, got, c.want)
		}
	}
}

func TestRulesThatAreWrong(t *testing.T) {
	for rule, want := range map[string]reason{
		"+nonsense": unknownCommand, "-nonsense": unknownCommand, "+@nonsense": unknownCommand, "-config|nonsense": unknownCommand,
		"+config|nonsense": unknownCommand, "-select|0": unknownCommand, "+": unknownCommand, "-": unknownCommand, "+@": unknownCommand,
		"+config|get|x": subcommandArg, "+select|": syntaxError, "nonsense": syntaxError, ")": syntaxError, "%": syntaxError,
		"%~a": syntaxError, "%R": syntaxError, "%RR~a": syntaxError, "%X~a": syntaxError, "~a b": syntaxError, "&a\x00": syntaxError,
		"#123": badHash, "!123": badHash, "#" + strings.Repeat("A", 64): badHash, "<none": noSuchPassword, "(+nonsense)": unknownCommand,
		"((+get))": syntaxError, "(on)": syntaxError, "db=": badDatabase, "db=x": badDatabase, "db=1,,2": badDatabase, "db=-1": badDatabase,
	} {
		us := NewUsers(everything)
		before, err := us.Set("ann", []string{"on", "+get"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := before.String()
		_, err = us.Set("ann", []string{"+set", rule}, nil)
		e, ok := err.(*RuleError)
		if !ok || e.reason != want || e.Rule != rule {
			t.Errorf("%q: %v, not %q", rule, err, want)
		}
		if got := us.Get([]byte("ann")).String(); got != text {
			t.Errorf("%q was refused, but the user is %s now", rule, got)
		}
	}
	us, _ := makeUser(t, "~*", "&*")
	if _, err := us.Set("ann", []string{"~a"}, nil); err == nil || !strings.Contains(err.Error(), "allkeys") {
		t.Errorf("a key pattern behind all keys: %v", err)
	}
	if _, err := us.Set("ann", []string{"&a"}, nil); err == nil || !strings.Contains(err.Error(), "allchannels") {
		t.Errorf("a channel behind all channels: %v", err)
	}
	if _, err := us.Set("bob", []string{"on", "(+get", "~a"}, nil); err == nil || err.Error() != "Unmatched parenthesis in acl selector starting at '(+get'." {
		t.Errorf("an open parenthesis: %v", err)
	}
	if us.Get([]byte("bob")) != nil {
		t.Error("a user was made by rules that are wrong")
	}
}

func TestVerdicts(t *testing.T) {
	_, u := makeUser(t, "on", "~a:*", "%R~r:*", "%W~w:*", "&news:*", "&all:*", "+@all", "-del", "-config", "+config|get", "-select", "+select|0",
		"(~sel:* +del +get)")
	for request, want := range map[string]string{
		"get a:1": "allowed", "get r:1": "allowed", "get w:1": "key 1", "get x": "key 1", "set w:1 x": "allowed", "set r:1 x": "key 1",
		"set w:1 x get": "key 1", "mget a:1 r:1": "allowed", "mget a:1 x r:1": "key 2", "copy r:1 w:1": "allowed", "copy w:1 r:1": "key 1",
		"rename a:1 r:1": "key 2", "del a:1": "key 1", "del sel:1": "allowed", "get sel:1": "allowed", "set sel:1 x": "key 1",
		"config get x": "allowed", "config set a b": "command", "select 0": "allowed", "select 1": "command",
		"publish news:1 x": "allowed", "publish x y": "channel 1", "subscribe news:1 x": "channel 2", "psubscribe news:*": "allowed",
		"psubscribe news:1": "channel 1", "unsubscribe x": "allowed", "punsubscribe x": "allowed", "spublish all:x y": "allowed",
		"auth x y": "allowed", "eval x 2 a:1 x": "key 4", "xread count 1 streams a:1 x 0 0": "key 5", "exists r:1": "allowed", "exists w:1": "allowed",
		"exists x": "key 1", "bitfield r:1 get u8 0": "allowed", "bitfield r:1 set u8 0 1": "key 1", "sort r:1 store w:1": "allowed",
		"sort r:1 store r:2": "key 3",
	} {
		if got := u.ask(request); got != want {
			t.Errorf("%s: %s, not %s", request, got, want)
		}
	}
	if !u.MayHear("news:1", false) || u.MayHear("news:1", true) || !u.MayHear("news:*", true) || u.MayHear("x", false) {
		t.Error("what the user may hear")
	}
}

func TestFreeUsers(t *testing.T) {
	for rules, free := range map[string]bool{
		"~* &* +@all": true, "~* +@all": false, "~* &* +@all -get": false, "~* &* +@all -get +get": false, "+get (~* &* +@all)": true,
		"~* &* +@all db=0": false,
	} {
		if _, u := makeUser(t, strings.Split(rules, " ")...); u.Free() != free {
			t.Errorf("%s: %v", rules, u.Free())
		}
	}
}

func TestLogin(t *testing.T) {
	us, u := makeUser(t, "on", ">one", ">two")
	for _, c := range []struct {
		name, password string
		ok             bool
	}{{"ann", "one", true}, {"ann", "two", true}, {"ann", "three", false}, {"ann", "", false}, {"bob", "one", false}, {"default", "any", true}} {
		if got := us.Login([]byte(c.name), []byte(c.password)); (got != nil) != c.ok {
			t.Errorf("%s with %q: %v", c.name, c.password, got)
		}
	}
	u.on = false
	if us.Login([]byte("ann"), []byte("one")) != nil {
		t.Error("a user who is off logs in")
	}
	us.SetDefaultPassword("pw")
	if us.Login([]byte("default"), []byte("any")) != nil || us.Login([]byte("default"), []byte("pw")) == nil {
		t.Error("the default user's password")
	}
}

func TestLogGroups(t *testing.T) {
	var l Log
	l.SetMax(3)
	at := func(object string, ms int64) { l.Add(Event{Why: DeniedKey, Object: object, User: "ann", At_ms: ms}) }
	at("a", 0)
	at("b", 1)
	at("a", 60_000)
	got := l.Latest(10)
	if len(got) != 2 || got[0].Object != "a" || got[0].Count != 2 || got[0].ID != 0 || got[0].At_ms != 60_000 || got[1].ID != 1 {
		t.Errorf("%+v", got)
	}
	at("a", 120_001)
	at("c", 120_002)
	if got = l.Latest(10); len(got) != 3 || got[0].Object != "c" || got[1].ID != 2 || got[2].Object != "a" || got[2].ID != 0 {
		t.Errorf("%+v", got)
	}
	l.SetMax(2)
	if got = l.Latest(10); len(got) != 3 {
		t.Errorf("%d entries are left before another one comes", len(got))
	}
	at("d", 120_003)
	if got = l.Latest(10); len(got) != 2 || got[0].Object != "d" || got[1].Object != "c" {
		t.Errorf("%+v", got)
	}
	l.SetMax(0)
	at("d", 120_004)
	if got = l.Latest(10); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	l.SetMax(3)
	l.Reset()
	at("d", 0)
	if got = l.Latest(1); len(got) != 1 || got[0].ID != 5 {
		t.Errorf("%+v", got)
	}
}

// model is a user as plainly as can be: what is allowed stands in a map, rules are kept in a list.
type model struct {
	on          bool
	commands    map[string]bool
	keys        []string // "~x", "%R~x"
	channels    []string
	allKeys, ch bool
}

// TestAgainstModel applies random rules to a user and to a plain model, and compares what both allow.
func TestAgainstModel(t *testing.T) {
	words := []string{
		"on", "off", "+get", "-get", "+set", "-set", "+@read", "-@read", "+@write", "-@write", "+@all", "-@all", "+config", "-config", "+config|get",
		"-config|get", "+config|set", "+@string", "-@dangerous", "~a*", "%R~b*", "%W~c*", "allkeys", "resetkeys", "&x*", "allchannels", "resetchannels",
		"+publish", "+@pubsub", "+@slow", "-@fast", "reset",
	}
	requests := []string{"get a1", "get b1", "get c1", "set a1 v", "set b1 v", "set c1 v", "config get x", "config set x y", "publish x1 m", "publish y m", "mget a1 b1 c1", "ping"}
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 500 {
		us := NewUsers(everything)
		m := &model{commands: map[string]bool{}}
		var done []string
		for range 1 + r.IntN(8) {
			w := words[r.IntN(len(words))]
			u, err := us.Set("ann", []string{w}, nil)
			if ok := m.apply(w); ok != (err == nil) {
				t.Fatalf("%v then %s: %v", done, w, err)
			}
			if err != nil {
				continue
			}
			done = append(done, w)
			if u.On() != m.on {
				t.Fatalf("%v: on is %v", done, u.On())
			}
			for _, q := range requests {
				if got := u.ask(q) == "allowed"; got != m.allows(q) {
					t.Fatalf("round %d, %v: %s is %s", round, done, q, u.ask(q))
				}
			}
			again, err := NewUsers(everything).Set("again", strings.Fields(u.String()), nil)
			if err != nil || again.String() != u.String() {
				t.Fatalf("%v: %s becomes %v, %v", done, u, again, err)
			}
			for _, q := range requests {
				if again.ask(q) != u.ask(q) {
					t.Fatalf("%v: as its own rules say, %s is %s", done, q, again.ask(q))
				}
			}
		}
	}
}

func (m *model) apply(w string) bool {
	switch {
	case w == "on", w == "off":
		m.on = w == "on"
	case w == "reset":
		*m = model{commands: map[string]bool{}}
	case w == "allkeys":
		m.allKeys, m.keys = true, nil
	case w == "resetkeys":
		m.allKeys, m.keys = false, nil
	case w == "allchannels":
		m.ch, m.channels = true, nil
	case w == "resetchannels":
		m.ch, m.channels = false, nil
	case w[0] == '~' || w[0] == '%':
		if m.allKeys {
			return false
		}
		m.keys = append(m.keys, w)
	case w[0] == '&':
		if m.ch {
			return false
		}
		m.channels = append(m.channels, w[1:])
	default:
		for _, s := range spec.All() {
			name, allow := w[1:], w[0] == '+'
			in := s.Name == name || s.Container != nil && s.Container.Name == name || name == "@all"
			if cat, ok := spec.Category(strings.TrimPrefix(name, "@")); ok && name[0] == '@' {
				in = s.Categories&cat != 0 || s.Container != nil && s.Container.Categories&cat != 0
			}
			if in {
				m.commands[s.Name] = allow
			}
		}
	}
	return true
}

func (m *model) allows(request string) bool {
	argv := strings.Fields(request)
	name := argv[0]
	if name == "config" {
		name += "|" + argv[1]
	}
	if !m.commands[name] {
		return false
	}
	key := func(k string, write bool) bool {
		return m.allKeys || slices.ContainsFunc(m.keys, func(p string) bool {
			kind, pattern, _ := strings.Cut(p, "~")
			return (kind == "" || kind == "%R" && !write || kind == "%W" && write) && glob.Match([]byte(pattern), []byte(k), false)
		})
	}
	switch argv[0] {
	case "get", "mget":
		return !slices.ContainsFunc(argv[1:], func(k string) bool { return !key(k, false) })
	case "set":
		return key(argv[1], true)
	case "publish":
		return m.ch || slices.ContainsFunc(m.channels, func(p string) bool { return glob.Match([]byte(p), []byte(argv[1]), false) })
	}
	return true
}

// FuzzRules feeds the parser anything. What it accepts reads the same when it is written and read again, and gives the same
// rights; what it refuses changes nothing.
func FuzzRules(f *testing.F) {
	f.Add("on >pw ~a:* %R~b &c +@read -get +config|get (+set ~x) db=1,2", "get a:1")
	f.Add("((+get)) ( ~* ) reset (+@all allkeys", "set b 1")
	f.Add("+select|0 -@all allcommands %rw~x nopass <pw", "select 0")
	f.Fuzz(func(t *testing.T, rules, request string) {
		us := NewUsers(everything)
		u, err := us.Set("ann", strings.Split(rules, " "), nil)
		if err != nil {
			if us.Get([]byte("ann")) != nil {
				t.Fatal("refused rules made a user")
			}
			if strings.Contains(err.Error(), "\x00") {
				t.Fatalf("the error holds a zero byte: %q", err)
			}
			return
		}
		text := u.String()
		if strings.ContainsAny(text, "\n\r\x00") {
			t.Fatalf("%q is no line", text)
		}
		other := NewUsers(everything)
		again, err := other.Set("ann", strings.Split(text, " "), nil)
		if err != nil || again.String() != text {
			t.Fatalf("%q\nis read as\n%v, %v", text, again, err)
		}
		parsed, err := us.Parse("file", "user ann "+text+"\n")
		if err != nil || parsed.Get([]byte("ann")).String() != text {
			t.Fatalf("%q in a file: %v", text, err)
		}
		argv := strings.Fields(request)
		if len(argv) == 0 {
			return
		}
		c := everything.Get(argv[0])
		if c == nil || len(c.subs) > 0 {
			return
		}
		r := Request{Command: c, Argv: bytesOf(argv)}
		v, at := u.Check(r, &Scratch{})
		if w, wat := again.Check(r, &Scratch{}); w != v || wat != at {
			t.Fatalf("%q allows %q as %v, and read again as %v", text, request, v, w)
		}
		if at >= len(argv) {
			t.Fatalf("argument %d of %q", at, request)
		}
	})
}
