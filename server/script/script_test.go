package script

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"larder/server/resp"
)

// testHost answers every command with its words.
type testHost struct{ kill bool }

func (h *testHost) Call(argv [][]byte, w *resp.Writer) resp.Error {
	if string(argv[0]) == "refuse" {
		return "ERR refused"
	}
	w.Array(len(argv))
	for _, a := range argv {
		w.Bulk(a)
	}
	return ""
}
func (h *testHost) Log(int, string)               {}
func (h *testHost) Replicate(int)                 {}
func (h *testHost) Allowed([][]byte) (bool, bool) { return true, true }
func (h *testHost) Interrupt() bool               { return h.kill }
func (h *testHost) KillText() string              { return "killed" }

// run is the reply to a script.
func run(t testing.TB, e *Engine, h Host, code string, keys ...string) string {
	t.Helper()
	s, err := Compile([]byte(code), nil)
	if err != nil {
		return "-" + err.Error()
	}
	var list [][]byte
	for _, k := range keys {
		list = append(list, []byte(k))
	}
	out := &resp.Writer{Proto: 2}
	e.Eval(h, s, list, nil, out)
	return strings.TrimSuffix(string(out.Bytes()), "\r\n")
}

func TestEngineGoesOnAfterErrors(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"return 1", ":1"},
		{"error('x')", "-ERR user_script:1: x script: "},
		{"return redis.call('refuse')", "-ERR refused script: "},
		{"local function f() return f() + 1 end f()", "-ERR user_script:1: stack overflow"},
		{"return string.rep('x', 2^40)", "-ERR user_script:1: not enough memory"},
		{"return {", "-Error compiling script (new function): user_script:1:"},
		{"return #KEYS", ":1"},
	} {
		if got := run(t, e, &testHost{}, c.code, "k"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
	if got := run(t, e, &testHost{kill: true}, "while true do end"); !strings.HasPrefix(got, "-ERR killed") {
		t.Errorf("a killed script: %q", got)
	}
	if got := run(t, e, &testHost{kill: true}, "for i = 1, 300 do redis.call('x') end return 1"); !strings.HasPrefix(got, "-ERR killed") {
		t.Errorf("a killed script of few instructions: %q", got)
	}
	if got := run(t, e, &testHost{}, "return KEYS[1]", "again"); got != "$5\r\nagain" {
		t.Errorf("after that: %q", got)
	}
}

// A large number as the key of a table takes no memory for those below it, however it comes there.
func TestNumberThatStandsAlone(t *testing.T) {
	e := New(Options{})
	for _, code := range []string{
		"local t = {} t[%d] = 'x' return {t[%d], t[1], #t}",
		"local t = {[%d] = 'x'} return {t[%d], t[1], #t}",
		"local t = {} table.insert(t, %d, 'x') return {t[%d], t[1], #t}",
		"local t = cmsgpack.unpack(cmsgpack.pack({[%d] = 'x'})) return {t[%d], t[1], #t}",
	} {
		code = fmt.Sprintf(code, arrayMost, arrayMost)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if got, want := run(t, e, &testHost{}, code), "*1\r\n$1\r\nx"; got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s takes %d bytes", code, took)
		}
	}
}

// TestDeep has scripts and data that go deeper than any stack.
func TestDeep(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"cjson.decode_max_depth(1000000000) cjson.decode(string.rep('[', 2000000))", "-ERR user_script:1: Found too many nested data structures (8001)"},
		{"cjson.encode_max_depth(1000000000) local t = {} for i = 1, 100000 do t = {t} end cjson.encode(t)", "-ERR user_script:1: Cannot serialise, excessive nesting (8001)"},
		{"return 'a'" + strings.Repeat("..'a'", 100000), "-Error compiling script (new function): user_script:1: chunk has too many syntax levels"},
		{"return " + strings.Repeat("not ", 100000) + "1", "-Error compiling script (new function): user_script:1: chunk has too many syntax levels"},
		{strings.Repeat("do ", 100000) + strings.Repeat("end ", 100000), "-Error compiling script (new function): user_script:1: chunk has too many syntax levels"},
		{"return 1" + strings.Repeat("+1", 2000), ":2001"},
		{"return #('a'" + strings.Repeat("..'a'", 150) + ")", ":151"},
	} {
		if got := run(t, e, &testHost{}, c.code, "k"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%.60s: %.200q, want %q", c.code, got, c.want)
		}
	}
}

// TestDeclared says which scripts are proven to touch declared keys only.
func TestDeclared(t *testing.T) {
	find := func(name string, argc int, open bool) (first, last, step int, ok bool) {
		switch name {
		case "get", "set":
			return 1, 1, 1, true
		case "del":
			return 1, argc - 1, 1, !open
		case "time":
			return 1, 0, 1, true
		}
		return 0, 0, 0, false
	}
	for _, c := range []struct {
		code string
		want bool
	}{
		{"return redis.call('get', KEYS[1])", true},
		{"return redis.pcall('set', KEYS[2], ARGV[1], unpack(ARGV))", true},
		{"return server.call('get', KEYS[1])", true},
		{"return server.call('get', 'x')", false},
		{"return pcall(server.call, 'get', 'x')", false},
		{"local server = redis return server.call('get', 'x')", false},
		{"local k = KEYS[1] return redis.call('get', k)", true},
		{"local k = KEYS[1] k = 'x' return redis.call('get', k)", false},
		{"local call = redis.call return call('get', KEYS[1])", true},
		{"local call = redis.call return call('get', ARGV[1])", false},
		{"for i, k in ipairs(KEYS) do redis.call('del', k) end", true},
		{"for i in ipairs(KEYS) do redis.call('del', KEYS[i]) end", true},
		{"for i, k in ipairs(KEYS) do k = 'x' redis.call('del', k) end", false},
		{"local f, s = ipairs(KEYS) s[1] = 'x' return redis.call('get', KEYS[1])", false},
		{"local t = {ipairs(KEYS)} t[2][1] = 'x' return redis.call('get', KEYS[1])", false},
		{"for i, k in (function(f, s) s[1] = 'x' return f, s, 0 end)(ipairs(KEYS)) do redis.call('get', KEYS[1]) end", false},
		{"for i = 1, #KEYS do redis.call('del', KEYS[i]) end", true},
		{"return redis.call('del', unpack(KEYS))", false},
		{"return redis.call('get', KEYS[1] .. 'x')", false},
		{"return redis.call('get', 'x')", false},
		{"return redis.call(ARGV[1], KEYS[1])", false},
		{"return redis.call('keys', '*')", false},
		{"return redis.call('time')", true},
		{"KEYS[1] = 'x' return redis.call('get', KEYS[1])", false},
		{"KEYS = {'x'} return redis.call('get', KEYS[1])", false},
		{"local K = KEYS K[1] = 'x' return redis.call('get', KEYS[1])", false},
		{"table.insert(KEYS, 1, 'x') return redis.call('get', KEYS[1])", false},
		{"local f = redis.call return pcall(f, 'get', 'x')", false},
		{"return pcall(redis.call, 'get', 'x')", false},
		{"local r = redis return r.call('get', 'x')", false},
		{"return redis['call']('get', 'x')", false},
		{"return _G.redis.call('get', 'x')", false},
		{"return loadstring(\"return redis.call('get', 'x')\")()", false},
		{"local function f(k) return redis.call('get', k) end return f('x')", false},
		{"local k = KEYS[1] local function f(k) return redis.call('get', k) end return f('x')", false},
		{"local redis = {call = redis.call} return redis.call('get', 'x')", false},
		{"return 1", true},
	} {
		s, err := Compile([]byte(c.code), find)
		if err != nil {
			t.Fatal(c.code, err)
		}
		if s.Declared != c.want {
			t.Errorf("%s: %v, want %v", c.code, s.Declared, c.want)
		}
	}
}

func TestShebang(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{"return 1", ""},
		{"#!lua\nreturn 1", ""},
		{"#!lua flags=no-writes,allow-stale\nreturn 1", "no-writes allow-stale"},
		{"#!lua", "Invalid script shebang"},
		{"#!sh\nreturn 1", "Unexpected engine in script shebang: #!sh"},
		{"#!lua flags=x\nreturn 1", "Unexpected flag in script shebang: x"},
		{"#!lua a=b\nreturn 1", "Unknown lua shebang option: a=b"},
	} {
		flags, rest, err := Shebang(c.body)
		got := strings.Join(flags.Words(), " ")
		if err != nil {
			got = err.Error()
		} else if strings.Count(rest, "\n") != strings.Count(c.body, "\n") {
			t.Errorf("%q loses lines: %q", c.body, rest)
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.body, got, c.want)
		}
	}
}

func TestStateful(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct {
		code string
		want bool
	}{
		{"redis.register_function('f', function() return 1 end)", false},
		{"local n = 5 redis.register_function('f', function() return n end)", false},
		{"local n = 0 redis.register_function('f', function() n = n + 1 return n end)", true},
		{"local t = {} redis.register_function('f', function() return t end)", true},
		{"local function g() return 1 end redis.register_function('f', function() return g() end)", false},
		{"local r = redis redis.register_function('f', function() return r end)", false},
	} {
		lib, err := e.LoadLibrary([]byte("#!lua name=x\n"+c.code), 0)
		if err != nil {
			t.Fatal(c.code, err)
		}
		if lib.Stateful != c.want {
			t.Errorf("%s: %v, want %v", c.code, lib.Stateful, c.want)
		}
	}
}

// FuzzDecoders feeds the decoders anything: whatever they accept they write again, and read the same.
func FuzzDecoders(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x",null]}`, "\x93\x01\x02\xa1x", "\xdf\xff\xff\xff\xff", `"\ud83d\ude00"`, "[[[[", "\x81\xc0\x01", strings.Repeat("\x91", 17) + "0"} {
		f.Add(s, "<i4s", s)
	}
	e := New(Options{MaxString: 1 << 20})
	code := func(body string) *Script {
		s, err := Compile([]byte(body), nil)
		if err != nil {
			f.Fatal(err)
		}
		return s
	}
	json := code("local ok, v = pcall(cjson.decode, ARGV[1]) if not ok then return 1 end local ok, s = pcall(cjson.encode, v) if not ok then return 1 end return cjson.encode(cjson.decode(s)) == s and 1 or 0")
	// What stands deeper than 16 tables is packed as nil: what is compared has been packed before.
	pack := code("local ok, v = pcall(cmsgpack.unpack_one, ARGV[1]) if not ok then return 1 end local _, x = cmsgpack.unpack_one(ARGV[1]) _, x = cmsgpack.unpack_one(cmsgpack.pack(x)) local s = cmsgpack.pack(x) local _, y = cmsgpack.unpack_one(s) return #cmsgpack.pack(y) == #s and 1 or 0")
	unpack := code("pcall(struct.unpack, ARGV[2], ARGV[3]) pcall(struct.size, ARGV[2]) pcall(struct.pack, ARGV[2], 1, 'a', 2, 'b') return 1")
	f.Fuzz(func(t *testing.T, data, format, bytes string) {
		for name, s := range map[string]*Script{"cjson": json, "cmsgpack": pack, "struct": unpack} {
			out := &resp.Writer{Proto: 2}
			e.Eval(&testHost{}, s, nil, [][]byte{[]byte(data), []byte(format), []byte(bytes)}, out)
			if got := string(out.Bytes()); got != ":1\r\n" {
				t.Errorf("%s of %q: %q", name, data, got)
			}
		}
	})
}

// BenchmarkGet is a script with one command: what running it costs besides the command.
func BenchmarkGet(b *testing.B) {
	s, err := Compile([]byte("return redis.call('get', KEYS[1])"), nil)
	if err != nil {
		b.Fatal(err)
	}
	e, out, keys := New(Options{}), &resp.Writer{Proto: 2}, [][]byte{[]byte("foo")}
	b.ReportAllocs()
	for b.Loop() {
		out.Empty()
		e.Eval(&testHost{}, s, keys, nil, out)
	}
}

// A script can measure the time that it takes, and learns nothing else of the system.
func TestClock(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local a = os.clock() while os.clock() == a do end return os.clock() > a and 1", ":1"},
		{"return type(os.clock())", "$6\r\nnumber"},
		{"return os.time", "$-1"},
		{"return os.getenv('HOME')", "-ERR user_script:1: attempt to call"},
		{"os.clock = nil", "-ERR user_script:1: Attempt to modify a readonly table"},
	} {
		if got := run(t, e, &testHost{}, c.code); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// A library's text that came to its end when it was loaded runs once more in each engine that calls it, and may be killed there.
func TestLibraryCanBeKilled(t *testing.T) {
	lib, err := New(Options{VersionNum: 1}).LoadLibrary([]byte("#!lua name=l\nif redis.REDIS_VERSION_NUM == 2 then while true do end end redis.register_function('f', function() return 1 end)"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[int]string{1: ":1\r\n", 2: "-ERR Error registering functions: killed\r\n"} {
		e, out := New(Options{VersionNum: version}), &resp.Writer{Proto: 2}
		r := e.Call(&testHost{kill: version == 2}, lib.Functions[0], nil, nil, out)
		if got := string(out.Bytes()); got != want || r.Failed != (version == 2) {
			t.Errorf("version %d: %q, %v", version, got, r)
		}
		if got := run(t, e, &testHost{}, "return 2"); got != ":2" {
			t.Errorf("after that: %q", got)
		}
	}
}

// What a script sets about JSON holds until it ends, for whichever engine runs the next one.
func TestSettingsOfJSON(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"cjson.encode_sparse_array(true) cjson.encode_number_precision(3) cjson.encode_invalid_numbers(true) return cjson.encode({[1] = 1.23456, [100] = 1})", "$18\r\n{\"1\":1.23,\"100\":1}"},
		{"return tostring(cjson.encode_sparse_array())", "$5\r\nfalse"},
		{"return cjson.encode_max_depth(1) + cjson.decode_max_depth(1)", ":2"},
		{"return {cjson.encode({{1.23456}}), #cjson.decode('[[1]]'), cjson.encode_number_precision()}", "*3\r\n$11\r\n[[1.23456]]\r\n:1\r\n:14"},
		{"local own = cjson.new() own.encode_max_depth(1) return {cjson.encode({{1}}), pcall(own.encode, {{1}}) and 1 or 2}", "*2\r\n$5\r\n[[1]]\r\n:2"},
		{"cjson.encode_max_depth(1) error('x')", "-ERR user_script:1: x"},
		{"return cjson.encode({{1}})", "$5\r\n[[1]]"},
	} {
		if got := run(t, e, &testHost{}, c.code); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// Small things that scripts may see, as in Redis, whose replies these are.
func TestSmallThingsAsInRedis(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"return string.format('%s|%5s|%.5s|%-3s|', 'a\\0b', 'a\\0b', 'a\\0b', 'a\\0b')", "$14\r\na|    a|a|a  |"},
		{"return #string.format('%s', string.rep('x', 120) .. '\\0b')", ":122"},
		{"return {tonumber('1\\0'), tonumber(' 1 \\0 5'), tonumber('0x10\\0'), tonumber('11\\0', 2), tonumber('\\0') == nil and 6}", "*5\r\n:1\r\n:1\r\n:16\r\n:3\r\n:6"},
		{"return '1\\0' + 1", "-ERR user_script:1: attempt to perform arithmetic on a string value"}, // for the interpreter it is none
		{"#!lua 'flags=no-writes'\nreturn 1", ":1"},
		{"#!lua 'flags=no-writes\nreturn 1", "-Invalid engine in script shebang"},
		{"#!lua 'flags=no-writes'x\nreturn 1", "-Invalid engine in script shebang"},
		{"return tostring(cjson.null)", "$15\r\nuserdata: (nil)"},
		{"return tostring(cjson.new().null) .. tostring(newproxy()):sub(1, 12)", "$27\r\nuserdata: (nil)userdata: 0x"},
		{"error(cjson.null)", "-ERR userdata: (nil) script: "},
		{"local f, err = load(function() error('x') end) return {f == nil and 1, err.err}", "*2\r\n:1\r\n$20\r\nERR user_script:1: x"},
		{"local f, err = load(function() error({a = 1}) end) return {f == nil and 1, err.a}", "*2\r\n:1\r\n:1"},
		{"local f, err = load(function() return {} end) return {f == nil and 1, err.err}", "*2\r\n:1\r\n$55\r\nERR user_script:1: reader function must return a string"},
		{"return load(function() error() end)", "$-1"},
		{"local n = 0 return load(function() n = n + 1 return n == 1 and 'return 7' or nil end)()", ":7"},
		{"local n = 0 local f, err = load(function() n = n + 1 return n == 1 and 'return +' or nil end, '=it') return err", "$27\r\nit:1: syntax error near '+'"},
		{"local a = -6 return {tostring(a % 3), tostring(-6 % 3), tostring(-0 % 5), tostring(-7 % 3), tostring(7 % -3), tostring(5.5 % 2)}", "*6\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n2\r\n$2\r\n-2\r\n$3\r\n1.5"},
		{"local t = {} return t.x % 3", "-ERR user_script:1: attempt to perform arithmetic on field 'x' (a nil value) script: "},
		{"return '\\300'", "-Error compiling script (new function): user_script:1: escape sequence too large"},
		{"local a = 'x\\065\\255\\\\300' --'\\300'\nlocal b = [[\\300]]\nreturn \"'\\256\"", "-Error compiling script (new function): user_script:3: escape sequence too large"},
		{"local a = 'x\\065\\255\\\\300' --'\\300'\nlocal b = [[\\300]]\nreturn #(a .. b)", ":11"},
	} {
		if got := run(t, e, &testHost{}, c.code); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
	if got := run(t, e, &testHost{kill: true}, "load(function() while true do end end) return 1"); !strings.HasPrefix(got, "-ERR killed") {
		t.Errorf("killed while it loads: %q", got)
	}
}
