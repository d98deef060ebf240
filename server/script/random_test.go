package script

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"larder/server/resp"
)

// author writes scripts of whatever a bytes' worth of choices leads to. They go for what a sandbox has to hold: KEYS by all
// ways that lead to it, functions that call functions, metatables, environments, and libraries with odd arguments.
type author struct {
	choices []byte
	depth   int
}

func (a *author) pick(n int) int {
	if len(a.choices) == 0 {
		return 0
	}
	c := a.choices[0]
	a.choices = a.choices[1:]
	return int(c) % n
}

func (a *author) one(of ...string) string { return of[a.pick(len(of))] }

func (a *author) name() string {
	if a.pick(12) == 1 {
		return a.one("KEYS", "ARGV", "redis", "server", "ipairs", "call")
	}
	return a.one("a", "b", "k")
}

// value is an expression. The first of each choice is a short one: that is what is left when there are no choices any more.
func (a *author) value() string {
	a.depth++
	defer func() { a.depth-- }()
	n := 26
	if a.depth > 4 || a.pick(3) > 0 {
		n = 8
	}
	switch a.pick(n) {
	case 1:
		return a.one("1", "2", "0", "-1", "1e300", "0/0", "8388607", "2^53")
	case 2:
		return a.one("'x'", "'get'", "'del'", "''", "'%d+'", "'([a-z])'", `'\0'`)
	case 3, 4:
		return a.one("KEYS[1]", "KEYS[2]", "KEYS[#KEYS]", "ARGV[1]", "KEYS[3]")
	case 5, 6, 7:
		return a.name()
	case 8:
		return "{" + a.value() + ", " + a.value() + ", x = " + a.value() + "}"
	case 9:
		return "{" + a.name() + "}"
	case 10:
		return a.value() + a.one("..", "+", "==", " and ", " or ", "<") + a.value()
	case 11:
		return a.one("#", "not ", "-") + a.value()
	case 12:
		return a.name() + "[" + a.value() + "]"
	case 13:
		return "(function(" + a.one("", "a", "a, b", "...", "k") + ") " + a.statements(2) + " return " + a.one("a", "k", "...", a.value()) + " end)"
	case 14, 15, 16:
		return a.one("ipairs", "pairs", "unpack", "next", "tostring", "tonumber", "type", "select", "pcall", "rawget", "getmetatable",
			"getfenv", "loadstring", "table.concat", "string.upper", "cjson.encode", "cjson.decode", "cmsgpack.pack", "cmsgpack.unpack",
			"struct.pack", "struct.unpack", "bit.bxor", "redis.sha1hex", "redis.error_reply", "math.max", "coroutine.wrap", "coroutine.create",
			"coroutine.resume", "coroutine.yield", "coroutine.status", "coroutine.running", "string.gmatch", "os.clock",
		) + "(" + a.values() + ")"
	case 17:
		return a.one("string.rep", "string.sub", "string.find", "string.gsub", "string.format", "table.remove", "table.insert", "table.sort",
			"rawset", "rawequal", "setmetatable", "setfenv", "xpcall", "select", "string.byte", "cjson.decode_max_depth", "math.random") +
			"(" + a.value() + ", " + a.value() + ", " + a.value() + ")"
	case 18:
		return "setmetatable(" + a.one("{}", "KEYS", "redis", a.value()) + ", {" + a.one("__index", "__newindex", "__call", "__len", "__gc", "__metatable", "__concat", "__tostring") + " = " + a.value() + "})"
	case 19, 20, 21:
		return a.command()
	case 22:
		return a.name() + "(" + a.values() + ")"
	case 24, 25:
		return a.one("coroutine.wrap", "coroutine.create", "pcall") + "(function(...) " + a.statements(2) + " return " + a.one("coroutine.yield(a)", "k(a)", "coroutine.resume(a)", a.values2()) + " end)"
	case 23:
		return "_G" + a.one("", ".redis", ".KEYS", "['redis']", ".a")
	}
	return "1"
}

func (a *author) values() string {
	return a.one("", a.name(), a.value(), a.value()+", "+a.value(), "...")
}

func (a *author) command() string {
	how := a.one("redis.call", "redis.pcall", "server.call", "call", "redis['call']")
	return how + "(" + a.one("'get', KEYS[1]", "'get', k", "'set', KEYS[1], ARGV[1]", "'get', "+a.value(), "'del', k, KEYS[2]", a.value()+", "+a.value(), a.values()) + ")"
}

func (a *author) statements(n int) string {
	a.depth++
	defer func() { a.depth-- }()
	if a.depth > 5 {
		n = 0
	}
	var b strings.Builder
	for range n {
		b.WriteString(a.statement() + " ")
	}
	return b.String()
}

func (a *author) statement() string {
	switch a.pick(18) {
	case 16, 17:
		return a.command()
	case 1, 2:
		return "local " + a.name() + " = " + a.value()
	case 3:
		return "local " + a.name() + ", " + a.name() + " = " + a.values2()
	case 4, 5:
		return a.name() + " = " + a.value()
	case 6, 7:
		return a.name() + "[" + a.one("1", "2", a.value()) + "] = " + a.value()
	case 8:
		return "if " + a.value() + " then " + a.statements(2) + " else " + a.statements(1) + " end"
	case 9:
		return "for " + a.one("i", "a", "k") + " = 1, " + a.one("3", "#KEYS", "#ARGV") + " do " + a.statements(2) + " end"
	case 10, 11:
		return "for " + a.one("i", "_", "a") + ", " + a.one("k", "a", "f") + " in " + a.one("ipairs(KEYS)", "pairs(KEYS)", "ipairs("+a.value()+")", a.value(), "ipairs(KEYS), "+a.value()) + " do " + a.statements(2) + " end"
	case 12:
		return "local function " + a.one("f", "call", "ipairs") + "(" + a.one("", "k", "a, k", "...") + ") " + a.statements(2) + " end"
	case 13, 14:
		return "local _ = " + a.command()
	case 15:
		return "local _ = " + a.value()
	}
	return "local a = 1"
}

func (a *author) values2() string {
	return a.one("ipairs(KEYS)", a.value()+", "+a.value(), "unpack(KEYS)", "...")
}

// write is the script: statements, or some way to get at a table, and what changes that before a command names a key.
func (a *author) write() string {
	if a.pick(2) == 1 {
		how := a.one("local a, b, k = "+a.values2(), a.statements(2)+"local a, b, k = "+a.values2(), "local a, b, k = (function(...) return ... end)("+a.values2()+")",
			"for a, b in "+a.values2()+" do", "local a, b, k = pcall("+a.one("ipairs", "pairs", "next", "select", "unpack")+", "+a.values2()+")")
		end := ""
		if strings.HasSuffix(how, " do") {
			end = "break end "
		}
		return how + " for _, t in pairs({a, b, k}) do if type(t) == 'table' then t[1] = 'x' end end " + end + "return redis.call('get', KEYS[1])"
	}
	return a.statements(2+a.pick(9)) + "return " + a.one(a.value(), a.command())
}

// strictHost answers like testHost, but for commands on keys that nobody has declared. It ends scripts that do not end.
type strictHost struct {
	testHost
	keys  []string
	wrong string
	asked int
}

func (h *strictHost) Call(argv [][]byte, w *resp.Writer) resp.Error {
	if first, last, step, ok := findKeys(string(argv[0]), len(argv), false); ok {
		for i := first; i <= min(last, len(argv)-1); i += step {
			if !slices.Contains(h.keys, string(argv[i])) {
				h.wrong = fmt.Sprintf("%q", argv)
			}
		}
	} else {
		h.wrong = fmt.Sprintf("%q", argv)
	}
	w.Bulk(argv[len(argv)-1])
	return ""
}

func (h *strictHost) Interrupt() bool {
	h.asked++
	return h.asked > 8
}

func findKeys(name string, argc int, open bool) (first, last, step int, ok bool) {
	switch name {
	case "get", "set":
		return 1, 1, 1, true
	case "del":
		return 1, argc - 1, 1, !open
	}
	return 0, 0, 0, false
}

// shape describes what scripts share: every table and function that can be reached from their globals.
func shape(e *Engine) string {
	var b strings.Builder
	seen := map[lua.LValue]int{}
	var walk func(v lua.LValue, depth int)
	walk = func(v lua.LValue, depth int) {
		t, ok := v.(*lua.LTable)
		if !ok {
			fmt.Fprintf(&b, "%s ", v)
			return
		}
		if n, ok := seen[t]; ok {
			fmt.Fprintf(&b, "#%d ", n)
			return
		}
		seen[t] = len(seen)
		var lines []string
		t.ForEach(func(k, v lua.LValue) {
			if s := k.String(); depth > 0 || s != "KEYS" && s != "ARGV" {
				lines = append(lines, s)
			}
		})
		slices.Sort(lines)
		b.WriteString("{")
		for _, k := range lines {
			b.WriteString(k + "=")
			walk(t.RawGetString(k), depth+1)
		}
		b.WriteString("}")
		if t.Metatable != nil && t.Metatable != lua.LNil {
			b.WriteString("meta ")
			walk(t.Metatable, depth+1)
		}
	}
	walk(e.globals, 0)
	walk(e.env, 0)
	return b.String()
}

// tryScript runs one script of an author's and looks what it has left behind.
func tryScript(t *testing.T, e *Engine, want, code string) {
	t.Helper()
	s, err := Compile([]byte(code), findKeys)
	if err != nil {
		return
	}
	h := &strictHost{keys: []string{"k1", "k2"}}
	out := &resp.Writer{Proto: 2}
	e.Eval(h, s, [][]byte{[]byte("k1"), []byte("k2")}, [][]byte{[]byte("v1"), []byte("x")}, out)
	if s.Declared && h.wrong != "" {
		t.Fatalf("declared, and does %s:\n%s", h.wrong, code)
	}
	if len(out.Bytes()) == 0 {
		t.Fatalf("no reply:\n%s", code)
	}
	if got := shape(e); got != want {
		t.Fatalf("what scripts share has changed:\n%s\n%s\n%s", code, want, got)
	}
}

// TestRandomScripts: no script ends the process, changes what the next one sees, or touches keys of which it was proven
// that it does not.
func TestRandomScripts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 9))
	e := New(Options{MaxString: 1 << 20})
	want := shape(e)
	declared, calls := 0, 0
	for range 10_000 {
		choices := make([]byte, 20+rnd.IntN(600))
		for i := range choices {
			choices[i] = byte(rnd.Uint32())
		}
		code := (&author{choices: choices}).write()
		tryScript(t, e, want, code)
		if s, err := Compile([]byte(code), findKeys); err == nil && s.Declared {
			declared++
			calls += strings.Count(code, "call(")
		}
	}
	if declared < 200 || calls < 20 {
		t.Errorf("%d scripts were proven to touch declared keys only, with %d calls: that shows little", declared, calls)
	}
	if got := run(t, e, &testHost{}, "return {KEYS[1], redis.sha1hex('')}", "k"); got != "*2\r\n$1\r\nk\r\n$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709" {
		t.Errorf("after all that: %q", got)
	}
}

func FuzzScripts(f *testing.F) {
	f.Add([]byte("a few choices"))
	f.Add([]byte{3, 2, 1, 10, 0, 1, 13, 2, 19, 1})
	e := New(Options{MaxString: 1 << 20})
	want := shape(e)
	f.Fuzz(func(t *testing.T, choices []byte) {
		if len(choices) < 4096 {
			tryScript(t, e, want, (&author{choices: choices}).write())
		}
	})
}
