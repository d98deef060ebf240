package script

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"larder/server/resp"
)

// talker is a client of the debugger that says what it was told to, and "step" when that is over.
type talker struct {
	say      []string // the words of each request parted by spaces; "eof" goes away, "kill" interrupts
	heard    []string
	discards bool
	then     string // instead of "step"
}

func (c *talker) Send(lines []string) { c.heard = append(c.heard, lines...) }
func (c *talker) Discards() bool      { return c.discards }

func (c *talker) Receive() ([]byte, error) {
	next := c.then
	if len(c.say) > 0 {
		next, c.say = c.say[0], c.say[1:]
	} else if next == "" {
		next = "step"
	}
	switch next {
	case "eof":
		return nil, io.EOF
	case "kill":
		return nil, ErrInterrupted
	}
	return request(strings.Split(next, " ")...), nil
}

// request is words as a client sends them.
func request(words ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

// debugged runs a script under the debugger, and returns its reply.
func debugged(t *testing.T, code string, c *talker, limit time.Duration) string {
	t.Helper()
	s, err := Compile([]byte(code), nil)
	if err != nil {
		t.Fatalf("%s: %v", code, err)
	}
	e := New(Options{})
	defer e.Close()
	d := NewDebugger([]byte(code), c, func() time.Duration { return limit })
	out := &resp.Writer{Proto: 2}
	e.Debug(&testHost{}, d, s, [][]byte{[]byte("k")}, nil, out)
	d.End()
	return strings.TrimSuffix(string(out.Bytes()), "\r\n")
}

// stops is the lines at which a script stops that runs step by step.
func stops(t *testing.T, code string) (list []int) {
	t.Helper()
	c := &talker{}
	debugged(t, code, c, 0)
	for _, h := range c.heard {
		var line int
		if n, _ := fmt.Sscanf(h, "* Stopped at %d,", &line); n == 1 {
			list = append(list, line)
		}
	}
	return list
}

// The lines at which a script stops are those of Redis.
func TestLinesBegin(t *testing.T) {
	for _, c := range []struct {
		name, code string
		want       []int
	}{
		{"assignments", "local a, b = 1, 2\na, b = b, a\nlocal c = a\nlocal d = b\nreturn d", []int{1, 2, 3, 4, 5}},
		{"nothing", "", []int{1}},
		{"comments", "-- a\n\n-- b\n", []int{1}},
		{"blank lines", "\n\nlocal a = 1\n\n--\nreturn a\n\n", []int{3, 6}},
		{"if", "local a = 1\nif a == 2 then\n  a = 3\nelseif a == 1 then\n  a = 4\nelse\n  a = 5\nend\nreturn a", []int{1, 2, 4, 5, 9}},
		{"one line", "local n = 0 for i = 1, 2 do n = n + 1 end return n", []int{1, 1, 1}},
		{"numeric for", "for i = 1, 2 do\n  local x = i\nend\nreturn 1", []int{1, 2, 1, 2, 1, 4}},
		{"generic for", "for k, v in ipairs({1}) do\n  local x = v\nend\nreturn 1", []int{1, 2, 1, 4}},
		{"while", "local n = 0\nwhile n < 2 do\n  n = n + 1\nend\nreturn n", []int{1, 2, 3, 2, 3, 2, 5}},
		{"while true", "local n = 0\nwhile true do\n  n = n + 1\n  if n == 2 then\n    break\n  end\nend\nreturn n", []int{1, 3, 4, 3, 4, 5, 8}},
		{"repeat", "local n = 0\nrepeat\n  local m = n\n  n = n + 1\nuntil m == 1\nreturn n", []int{1, 3, 4, 5, 3, 4, 5, 6}},
		{"do", "do\n  local a = 1\nend\nreturn 1", []int{2, 4}},
		{"functions", "local function f(x)\n  local y = x\n  return y\nend\nlocal g = function(x)\n  return f(x) + 1\nend\nlocal r = g(1)\nreturn r",
			[]int{4, 7, 8, 6, 2, 3, 9}},
		{"a function without return", "local function f()\n  local x = 1\nend\nf()\nreturn 1", []int{3, 4, 2, 3, 5}},
		{"fields", "local t = {}\nfunction t.f(x)\n  return x\nend\nfunction t:g(x)\n  return x\nend\nt.h = function()\n  return 1\nend\nt.f(1)\nt:g(2)\nreturn t.h()",
			[]int{1, 4, 2, 7, 5, 10, 11, 3, 12, 6, 13, 9}},
		{"functions in functions", "local function a()\n  local function b()\n    return 1\n  end\n  return b() + 0\nend\nreturn a() + 0", []int{6, 7, 4, 5, 3}},
		{"a recursion", "local function f(n)\n  if n == 0 then return 0 end\n  return 1 + f(n - 1)\nend\nreturn f(1)", []int{4, 5, 2, 3, 2}},
		{"a tail call", "local function f(n)\n  return n\nend\nlocal function g(n)\n  return f(n)\nend\nreturn g(1)", []int{3, 6, 7, 5, 2}},
		{"pcall", "local ok = pcall(function()\n  error('x')\nend)\nreturn 1", []int{1, 3, 1, 2, 4}},
		{"a coroutine", "local co = coroutine.wrap(function()\n  coroutine.yield(1)\n  return 2\nend)\nlocal a = co()\nlocal b = co()\nreturn a + b",
			[]int{1, 4, 1, 5, 2, 6, 3, 7}},
		{"a callback", "local s = string.gsub('ab', '.', function(c)\n  return c\nend)\nreturn s", []int{1, 3, 1, 2, 2, 4}},
		{"a call of many lines", "local t = tostring(\n  1\n)\nreturn t", []int{1, 2, 1, 4}},
		{"an expression of many lines", "local a = 1\nlocal b = a +\n  a *\n  a\nreturn b", []int{1, 4, 5}},
		{"a condition of many lines", "local a = 1\nif a == 1 and\n   a < 2 then\n  a = 2\nend\nreturn a", []int{1, 2, 3, 4, 6}},
		{"a table of many lines", "local t = {\n  a = 1,\n  b = tostring(2),\n  c = 3 }\nreturn t.a", []int{1, 2, 3, 4, 5}},
		{"a loop after a loop", "local n = 0\nwhile n < 1 do\n  n = n + 1\n  for i = 1, 1 do\n    local x = i\n  end\nend\nreturn n", []int{1, 2, 3, 4, 5, 4, 6, 2, 8}},
		{"a captured variable", "local f\ndo\n  local x = 1\n  f = function() return x end\nend\nreturn f()", []int{1, 3, 4, 6, 4}},
		{"constants", "local n = 1\nif nil then\n  n = 2\nelse\n  n = 3\nend\nreturn n", []int{1, 2, 5, 7}},
		{"loadstring", "local f = loadstring('local q = 1\\nreturn q')\nreturn f() + 1", []int{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := stops(t, c.code); !slices.Equal(got, c.want) {
				t.Errorf("%q stops at %v, want %v", c.code, got, c.want)
			}
			if plain, again := run(t, New(Options{}), &testHost{}, c.code), debugged(t, c.code, &talker{then: "continue"}, 0); plain != again {
				t.Errorf("%q returns %q, under the debugger %q", c.code, plain, again)
			}
		})
	}
}

// shown is what "print" shows at the first stop in a line.
func shown(t *testing.T, code string, line int) string {
	t.Helper()
	c := &talker{say: []string{fmt.Sprint("break ", line), "continue", "print", "abort"}}
	if line == 1 {
		c.say = []string{"print", "abort"}
	}
	debugged(t, code, c, 0)
	var values []string
	for _, h := range c.heard {
		if v, is := strings.CutPrefix(h, "<value> "); is {
			values = append(values, v)
		} else if strings.HasPrefix(h, "No local") {
			values = append(values, "none")
		}
	}
	return strings.Join(values, ", ")
}

// A variable is shown from the line after its own on to the end of its block.
func TestVariablesThatAreThere(t *testing.T) {
	blocks := "do\n  local a = 1\n  local b = 2\nend\ndo\n  local c = 3\n  local d = 4\nend\nlocal e = 5\nif e then\n  local f = 6\n  e = f\nelse\n  local g = 7\nend\nreturn e"
	loops := "local t = 1\nfor i = 1, 1 do\n  local x = i\n  t = x\nend\nfor k in pairs({q = 1}) do\n  local y = k\n  t = y\nend\nwhile t do\n  local z = t\n  t = nil\nend\n" +
		"repeat\n  local w = 1\nuntil w\nreturn t"
	functions := "local function f(p, ...)\n  local q = p\n  return q\nend\nlocal g = function() return 1 end\nlocal o = {}\nfunction o:m(a)\n  return a\nend\nf(1)\no:m(2)\nreturn 1"
	swaps := "local a, b = 1, 2\na, b = b, a\nlocal c = a\nreturn c"
	for _, c := range []struct {
		code string
		line int
		want string
	}{
		{swaps, 2, "a = 1, b = 2"}, {swaps, 3, "a = 2, b = 1"}, {swaps, 4, "a = 2, b = 1, c = 2"},
		{blocks, 3, "a = 1"}, {blocks, 6, "none"}, {blocks, 7, "c = 3"}, {blocks, 9, "none"}, {blocks, 10, "e = 5"},
		{blocks, 11, "e = 5"}, {blocks, 12, "e = 5, f = 6"}, {blocks, 16, "e = 6"},
		{loops, 2, "t = 1"}, {loops, 3, "t = 1, (for index) = 1, (for limit) = 1, (for step) = 1, i = 1"},
		{loops, 4, "t = 1, (for index) = 1, (for limit) = 1, (for step) = 1, i = 1, x = 1"}, {loops, 6, "t = 1"},
		{loops, 10, `t = "q"`}, {loops, 12, `t = "q", z = "q"`}, {loops, 15, "t = nil"}, {loops, 16, "t = nil, w = 1"}, {loops, 17, "t = nil"},
		{functions, 2, "p = 1, arg = {[\"n\"]=0}"}, {functions, 3, "p = 1, arg = {[\"n\"]=0}, q = 1"},
	} {
		if got := shown(t, c.code, c.line); got != c.want {
			t.Errorf("in line %d: %s, want %s", c.line, got, c.want)
		}
	}
}

// Every function of a script has a record of its variables: the compiler has done what was expected.
func TestVariablesAreUnderstood(t *testing.T) {
	for _, code := range []string{
		"local a for i = 1, 2 do local b = function(c, ...) local d = ... for k, v in pairs(c) do if v then break end end end end",
		"repeat local a = function() return a end until a do local b end local c, d = 1, function(e) return function() return e end end",
		"local t = {f = function(x) return x end, [function() return 1 end] = {function(y) local z end}} function t.g() end function t:h() local i end",
		"while true do if nil then break else do break end end end for i = 1, 0 do end for k in next, {} do end repeat until true return (function() local x end)()",
		"for i = 1, 3 do goto continue local x = i ::continue:: end",
		"local a, b = 1, 2 if a then a, b = b, function() local c, d = a, b c, d = d, c return c end end local t = {} t[a], b = b, a local e = 1",
	} {
		proto, _, _, err := compileDebugged(code, "user_script")
		if err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		var check func(p *lua.FunctionProto)
		check = func(p *lua.FunctionProto) {
			if slices.ContainsFunc(p.DbgLocals, func(v *lua.DbgLocalInfo) bool { return strings.HasPrefix(v.Name, "\x00") }) {
				t.Errorf("%s: a mark is shown as a variable", code)
			}
			for _, sub := range p.FunctionPrototypes {
				check(sub)
			}
		}
		check(proto)
		if proto.DbgLocals == nil && strings.HasPrefix(code, "local") {
			t.Errorf("%s: the variables are not known", code)
		}
	}
}

// Values and replies are shown as Redis shows them.
func TestValuesThatAreShown(t *testing.T) {
	for _, c := range []struct{ code, want string }{
		{"nil", "nil"}, {"true", "true"}, {"1", "1"}, {"-1.5", "-1.5"}, {"123456789", "1.23457e+08"}, {"1e20", "1e+20"}, {"0.1", "0.1"}, {"1/0", "inf"},
		{`'a"b\\c\n\r\t\a\b\0\255'`, `"a\"b\\c\n\r\t\a\b\x00\xff"`},
		{"{}", "{}"}, {"{1,{2,'x'}}", `{1; {2; "x"}}`}, {"{a={b=1}}", `{["a"]={["b"]=1}}`}, {"{1,nil,3}", "{[1]=1; [3]=3}"}, {"{[true]=false}", "{[true]=false}"},
		{"{{{{{{{{{{{1}}}}}}}}}}}", "{{{{{{{{{{<max recursion level reached! Nested table?>}}}}}}}}}}"},
	} {
		k := &talker{say: []string{"eval " + c.code, "abort"}}
		debugged(t, "return 1", k, 0)
		if want := "<retval> " + c.want; !slices.Contains(k.heard, want) {
			t.Errorf("%s is shown as %q, want %s", c.code, k.heard, want)
		}
	}
	k := &talker{say: []string{"eval tostring", "eval coroutine.create(function() end)", "abort"}}
	debugged(t, "return 1", k, 0)
	if !strings.HasPrefix(k.heard[2], `<retval> "function@0x`) || !strings.HasPrefix(k.heard[3], `<retval> "thread@0x`) {
		t.Errorf("a function and a thread: %q", k.heard)
	}
	for _, c := range []struct{ reply, want string }{
		{"+OK\r\n", `"+OK"`}, {"-ERR x\r\n", `"-ERR x"`}, {":5\r\n", "5"}, {"$3\r\na\r\n\r\n", `"a\r\n"`}, {"$-1\r\n", "NULL"}, {"*-1\r\n", "NULL"}, {"*0\r\n", "[]"},
		{"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", `[1,["x"]]`}, {"~2\r\n:1\r\n:2\r\n", "~(1,2)"}, {"%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", `{"+a" => 1,"+b" => 2}`},
		{"_\r\n", "(null)"}, {"#t\r\n", "#true"}, {"#f\r\n", "#false"}, {",1.5\r\n", "(double) 1.5"}, {"(123\r\n", "123"}, {"=5\r\ntxt:x\r\n", `"txt:x"`},
	} {
		if got := string(appendReply(nil, []byte(c.reply))); got != c.want {
			t.Errorf("%q is shown as %s, want %s", c.reply, got, c.want)
		}
	}
}

// What ends a script ends it whatever it does about it.
func TestDebuggerEndsScripts(t *testing.T) {
	guarded := "local n = 0\nwhile true do\n  pcall(function()\n    n = n + 1\n  end)\nend"
	for _, c := range []struct {
		say  []string
		want string
	}{
		{[]string{"s", "s", "s", "abort"}, "-ERR script aborted for user request script: "},
		{[]string{"s", "kill"}, "-ERR killed script: "},
		{[]string{"s", "eval while"}, "-ERR script aborted"},
	} {
		k := &talker{say: c.say, then: "abort"}
		if got := debugged(t, guarded, k, 0); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %s", c.say, got)
		}
		if k.heard[len(k.heard)-1] != "<endsession>" {
			t.Errorf("%q: %q", c.say, k.heard)
		}
	}
	if got := debugged(t, guarded, &talker{say: []string{"s", "eof"}, discards: true}, 0); !strings.HasPrefix(got, "-ERR the client of the debugger is gone script: ") {
		t.Error(got)
	}
	k := &talker{say: []string{"c", "p n", "c"}, then: "abort"}
	if got := debugged(t, guarded, k, time.Nanosecond); !strings.HasPrefix(got, "-ERR script aborted") || !strings.Contains(strings.Join(k.heard, "\n"), "stop reason = timeout reached, infinite loop?") {
		t.Errorf("%s: %q", got, k.heard)
	}
	if got := debugged(t, guarded, &talker{say: []string{"eof"}}, time.Nanosecond); !strings.HasPrefix(got, "-ERR timeout during Lua debugging with client closing connection script: ") {
		t.Error(got)
	}
	if got := debugged(t, "local a = 1\nreturn a", &talker{say: []string{"eof"}}, time.Nanosecond); got != ":1" {
		t.Errorf("a script whose client is gone: %s", got)
	}
}

// Code that the client gives ends, and with it nothing else.
func TestDebuggerEndsItsOwnCode(t *testing.T) {
	k := &talker{say: []string{"eval while true do pcall(function() while true do end end) end", "eval 1"}}
	if got := debugged(t, "return 7", k, time.Millisecond); got != ":7" {
		t.Error(got)
	}
	if got := k.heard[2:4]; got[0] != "<error> ldb_eval:1: it takes too long" || got[1] != "<retval> 1" {
		t.Errorf("%q", got)
	}
	k = &talker{say: []string{"c"}, then: "abort"}
	if got := debugged(t, "loadstring('while true do end')()", k, time.Nanosecond); !strings.HasPrefix(got, "-ERR script aborted") {
		t.Errorf("a script that was made by the script: %s", got)
	}
}

// What is shown while a script goes step by step, and what only later.
func TestDebuggerShowsErrors(t *testing.T) {
	code := "redis.sha1hex()\nreturn 1"
	k := &talker{}
	debugged(t, code, k, 0)
	if !slices.Contains(k.heard, "<error> wrong number of arguments") {
		t.Errorf("%q", k.heard)
	}
	k = &talker{then: "continue"}
	debugged(t, code, k, 0)
	if slices.ContainsFunc(k.heard, func(l string) bool { return strings.HasPrefix(l, "<error>") }) {
		t.Errorf("%q", k.heard)
	}
	k = &talker{say: []string{"eval redis.call('refuse')", "eval error({})", "eval error({err='X y'})", "redis refuse", "redis", "xyzzy", "hel\x00p", "HELP"}}
	debugged(t, "return 1", k, 0)
	want := []string{"<error> ERR refused", "<error> nil", "<error> X y", "<redis> refuse", "<error> refused",
		"<error> Unknown Redis Lua debugger command or wrong number of arguments.", "<error> Unknown Redis Lua debugger command or wrong number of arguments.",
		"<error> Unknown Redis Lua debugger command or wrong number of arguments.", "Commands of the Lua debugger, by their name or its first letter:"}
	if got := k.heard[2:]; !slices.Equal(got[:len(want)], want) {
		t.Errorf("%q", got)
	}
}

func TestServerWords(t *testing.T) {
	for _, word := range []string{"redis", "r", "valkey", "v", "server", "SERVER"} {
		k := &talker{say: []string{word + " refuse"}}
		debugged(t, "return 1", k, 0)
		if want := []string{"<redis> refuse", "<error> refused"}; len(k.heard) < 4 || !slices.Equal(k.heard[2:4], want) {
			t.Errorf("%s: %q", word, k.heard)
		}
	}
	k := &talker{say: []string{"s"}}
	debugged(t, "local a = 1\nreturn a", k, 0)
	if len(k.heard) < 3 || !strings.HasPrefix(k.heard[2], "* Stopped at 2") {
		t.Errorf("s is not step: %q", k.heard)
	}
}

func TestBreakpoints(t *testing.T) {
	code := strings.Repeat("local _ = 1\n", 70) + "return 1"
	var say []string
	for l := range mostBreaks + 1 {
		say = append(say, fmt.Sprint("b ", l+2))
	}
	k := &talker{say: append(say, "b 2", "b -2", "b 3", "b 0", "b"), then: "abort"}
	debugged(t, code, k, 0)
	got := strings.Join(k.heard, "\n")
	for _, want := range []string{"Too many breakpoints set.\nToo many breakpoints set.\nBreakpoint removed.\nWrong line number.\nAll breakpoints removed.\nNo breakpoints set."} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// What a client says comes in pieces, and is not trusted.
func TestParseWords(t *testing.T) {
	whole := request("print", "a\r\nb\x00")
	for n := range len(whole) {
		if words, used, ok := parseWords(whole[:n]); words != nil || used != 0 || !ok {
			t.Errorf("%q: %q, %d, %v", whole[:n], words, used, ok)
		}
	}
	if words, used, ok := parseWords(append(whole, "*1"...)); !slices.Equal(words, []string{"print", "a\r\nb\x00"}) || used != len(whole) || !ok {
		t.Errorf("%q, %d, %v", words, used, ok)
	}
	for _, bad := range []string{"step\r\n", "*0\r\n", "*-1\r\n", "*x\r\n", "*2000\r\n", "*1\r\n:1\r\n", "*1\r\n$0\r\n\r\n", "*1\r\n$2000\r\n", "*1\r\n$1\r\nabc", "*1\r\n$x\r\n",
		"*" + strings.Repeat("1", 100)} {
		if words, _, ok := parseWords([]byte(bad)); ok {
			t.Errorf("%q: %q", bad, words)
		}
	}
	c := &refusing{}
	d := NewDebugger([]byte("return 1"), c, func() time.Duration { return 0 })
	if _, err := d.hear(); err == nil || err.Error() != "protocol error" {
		t.Errorf("what is no request: %v", err)
	}
}

// refusing says what is no request.
type refusing struct{ talker }

func (*refusing) Receive() ([]byte, error) { return []byte("hello\r\n"), nil }
