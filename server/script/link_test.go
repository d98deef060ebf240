package script

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"larder/server/resp"
)

// wordyHost answers as strictHost and writes down what it was asked.
type wordyHost struct {
	strictHost
	heard strings.Builder
}

func (h *wordyHost) Call(argv [][]byte, w *resp.Writer) resp.Error {
	fmt.Fprintf(&h.heard, "%q", argv)
	switch string(argv[0]) {
	case "refuse":
		return "ERR refused"
	case "fail":
		w.Error("WRONG that failed")
		return ""
	case "status":
		w.OK()
		return ""
	}
	return h.strictHost.Call(argv, w)
}

var address = regexp.MustCompile(`0x[0-9a-f]+`)

// outcome is what a script replies and asks for.
func outcome(e *Engine, s *Script) string {
	h, out := &wordyHost{}, &resp.Writer{Proto: 2}
	e.Eval(h, s, [][]byte{[]byte("k1"), []byte("k2")}, [][]byte{[]byte("v1"), []byte("x")}, out)
	return address.ReplaceAllString(h.heard.String()+string(out.Bytes()), "0x")
}

// plain makes an engine look up by name what a script speaks of.
func plain(e *Engine, s *Script) {
	e.scripts[s.SHA] = &text{fn: e.newFunction(s.proto), proto: s.proto}
}

// TestLinkedScriptsDoTheSame: random scripts, and some in which others jump to where a field is read.
func TestLinkedScriptsDoTheSame(t *testing.T) {
	codes := []string{
		"local x = {call = function() return 'mine' end} return (ARGV[1] and x or redis).call('get', KEYS[1])",
		"local x = {call = function() return 'mine' end} return (ARGV[9] and x or redis).call('get', KEYS[1])",
		"local x = {call = function() return 'mine' end} return (ARGV[1] and redis or x).call('get', KEYS[1])",
		"local r = 1 for i = 1, 3 do r = math.max(r, i) end return {r, math.pi, redis.REPL_ALL, #KEYS, KEYS[2], ARGV[2]}",
		"local f = function() return KEYS[1], function() return ARGV[1] end end local a, b = f() return {a, b()}",
		"KEYS[1] = 'k2' ARGV[3] = 'more' return {KEYS[1], ARGV[3], #ARGV}",
		"redis.call('set', KEYS[1], ARGV[1] and ARGV[2] or 'z') redis.pcall('get', KEYS[2]) return redis.call('get', KEYS[1])",
		"redis.call('set', KEYS[1], redis.call('get', (redis.call('get', 'x')))) redis.call('set', 'a', (function() redis.call('get', 'b') return 1 end)())",
		"do local call = redis.call end local f = function(...) return ... end f() return f(1)",
		"do local call = redis.call call('get', KEYS[1]) end local x = tostring(1) tostring(2) return x",
		"redis.call('refuse') return 1", "redis.pcall('refuse') return 1", "redis.call() return 1", "redis.pcall({}) return 1", "redis.call('fail') return 1",
		"return {pcall(function() redis.call('fail') end)}", "return pcall(redis.call, 'fail')", "redis.call('fail', redis.call('get', KEYS[1]))",
		"local a = {redis.call('get', KEYS[1]), redis.call('status')} redis.call('get', unpack(a, 1, 1)) return a",
		"local a, b = redis.call('get', KEYS[1]) for i = 1, 2 do redis.call('set', KEYS[1], i) end return {a, type(b)}",
		"if redis.call('get', KEYS[1]) then redis.call('get', 'y') else redis.call('get', 'n') end return redis.call('status')['ok']",
		"local KEYS = {'mine'} return KEYS[1]", "KEYS = {} return KEYS[1]", "redis = nil return redis", "return redis.none",
		"redis.none()", "redis()", "math.pi()", "none()", "KEYS()", "return none", "return redis['call']('get', KEYS[1])",
		"local t = {" + strings.Repeat("redis.call('get', KEYS[1]), ", 120) + "} return #t",
		"local t = {} for i = 1, 600 do t[i] = 'c' .. i end return table.concat(t) .. cjson.encode({t[1]}) .. 7",
		"return {" + strings.Repeat("'x', ", 26_000) + "redis.call('get', KEYS[1])}", // a list whose parts are counted in an instruction's place
		"local " + strings.Repeat("a, ", 150) + "a = 1 return {redis.call('get', KEYS[1]), tostring(1)}",
		"return pcall(function() return redis.call('get', KEYS[1]) .. cjson.decode('[') end)",
		"local w = coroutine.wrap(function() coroutine.yield(KEYS[1]) return redis.call('get', KEYS[2]) end) return {w(), w()}",
		"return setfenv(function() return KEYS end, {KEYS = 'mine'})()", "return _G.KEYS[1]", "return loadstring('return KEYS[1]')()",
		"return #getfenv().KEYS", "setfenv(1, {redis = {call = function() return 'mine' end}, KEYS = {}}) return redis.call('get', KEYS[1])",
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		choices := make([]byte, 20+rnd.IntN(600))
		for i := range choices {
			choices[i] = byte(rnd.Uint32())
		}
		codes = append(codes, (&author{choices: choices}).write())
	}
	one, other := New(Options{MaxString: 1 << 20}), New(Options{MaxString: 1 << 20})
	linked := 0
	for _, code := range codes {
		s, err := Compile([]byte(code), nil)
		if err != nil || strings.Contains(code, "os.clock") || strings.Contains(code, "math.random") {
			continue
		}
		plain(other, s)
		got, want := outcome(one, s), outcome(other, s)
		if got != want {
			t.Fatalf("%s\nlinked: %q\nby name: %q", code, got, want)
		}
		if one.scripts[s.SHA].linked {
			linked++
		}
		if got := outcome(one, s); got != want {
			t.Fatalf("%s\na second time: %q\nby name: %q", code, got, want)
		}
	}
	if linked < 400 {
		t.Errorf("%d scripts of %d were linked: that shows little", linked, len(codes))
	}
}

// TestNothingOfArgumentsIsKept: what a script was given goes when it ends.
func TestNothingOfArgumentsIsKept(t *testing.T) {
	e := New(Options{})
	for _, code := range []string{"return {KEYS[1], (function() return ARGV[1] end)()}", "return _G.KEYS[1]", "error(ARGV[1])"} {
		s, err := Compile([]byte(code), nil)
		if err != nil {
			t.Fatal(err)
		}
		outcome(e, s)
		for _, c := range append(e.scripts[s.SHA].keys, e.scripts[s.SHA].argv...) {
			if *c != lua.LNil {
				t.Errorf("%s: %v is left", code, *c)
			}
		}
		if e.globals.RawGetString("KEYS") != lua.LNil || e.globals.RawGetString("ARGV") != lua.LNil {
			t.Errorf("%s: a global is left", code)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	for _, c := range []struct{ name, code string }{
		{"get", "return redis.call('get', KEYS[1])"},
		{"limit", `local n = tonumber(redis.call('get', KEYS[1])) or 0 if n >= tonumber(ARGV[1]) * 1000 then return 0 end
			redis.call('set', KEYS[1], n + 1) return math.floor(n)`},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := Compile([]byte(c.code), nil)
			if err != nil {
				b.Fatal(err)
			}
			e, h, out := New(Options{}), &lengthHost{}, &resp.Writer{Proto: 2}
			keys, args := [][]byte{[]byte("key")}, [][]byte{[]byte("100")}
			b.ReportAllocs()
			for b.Loop() {
				out.Empty()
				e.Eval(h, s, keys, args, out)
			}
		})
	}
}

// lengthHost answers with a number as text.
type lengthHost struct{ testHost }

func (h *lengthHost) Call(argv [][]byte, w *resp.Writer) resp.Error {
	w.Bulk([]byte("17"))
	return ""
}
