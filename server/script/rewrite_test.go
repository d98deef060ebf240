package script

import (
	"strings"
	"testing"
)

// What is compiled of a script does what it says, also where the interpreter's own compiler jumps elsewhere.
func TestLoopsThatBeginWithJumps(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local n = 0 for k, v in ipairs({1, 2, 3}) do if false then n = 100 end n = n + 1 end return n", ":3"},
		{"local n = 0 for k, v in ipairs({1, 2, 3}) do if nil then n = 100 elseif true then n = n + 1 else n = 50 end end return n", ":3"},
		{"local n = 0 repeat if false then n = 100 else n = n + 1 end until n > 3 return n", ":4"},
		{"local n = 0 while true do while false do n = 7 end n = n + 1 if n > 3 then break end end return n", ":4"},
		{"local n = 0 for k, v in pairs({a = 1, b = 2}) do repeat break until false n = n + 1 end return n", ":2"},
		{"local n = 0 for k, v in pairs({a = 1, b = 2}) do while true do break end n = n + 1 end return n", ":2"},
		{"local n = 0 for k, v in pairs({a = 1, b = 2}) do do do while true do break end end end n = n + 1 end return n", ":2"},
		{"local n = 0 while (false and n) or n < 3 do n = n + 1 end return n", ":3"},
		{"local n = 0 repeat local x = nil and n n = n + 1 until n == 3 return n", ":3"},
		{"local n = 0 repeat local x = (false or n) + 1 n = x until n == 3 return n", ":3"},
		{"local n = 0 while true do if not (not nil) then n = 100 end n = n + 1 if n > 3 then return n end end", ":4"},
		{"local n = 0 for _, v in ipairs({1, 2}) do if 'x' then do break end end n = 1 end return n", ":0"},
		{"if nil then return 1 elseif false or 1 then return 2 end", ":2"},
		{"while false do return 1 end return 2", ":2"},
	} {
		if got := run(t, e, &testHost{}, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// A loop with nothing in it counts as Lua does, and is ended as any other.
func TestLoopsWithNothingInThem(t *testing.T) {
	for _, c := range []struct{ code, want string }{
		{"for i = 1, 200000000 do end return 1", ":1"},
		{"for i = 5, 1 do end for i = 1, 5, 2 do end for i = 0x10, 1, 5 do end return 2", ":2"},
		{"local function f() for i = 1, 10 do end return 3 end return f()", ":3"},
		{"for i = 1, 'x' do end", "-ERR user_script:1: 'for' limit must be a number"},
		{"for i = 1, nil do end", "-ERR user_script:1: 'for' limit must be a number"},
		{"local n = 0 for i = 1, ARGV[1] or 5 do end for i = 1, 3 do n = n + i end return n", ":6"},
	} {
		if got := run(t, New(Options{}), &testHost{}, c.code); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
	for _, code := range []string{"for i = 1, 1e300 do end", "for i = 2, 1, 0 do end", "for i = 1, 1e15 do end"} {
		if got := run(t, New(Options{}), &testHost{kill: true}, code); !strings.HasPrefix(got, "-ERR killed") {
			t.Errorf("%s, killed: %q", code, got)
		}
	}
}

// A variable that is given a function is not known inside of it, unlike a local function.
func TestFunctionsAndTheirOwnNames(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local function g() return 1 end local g = function() return g() + 1 end return g()", ":2"},
		{"local function f(n) if n == 0 then return 7 end return f(n - 1) end return f(3)", ":7"},
		{"local f = function(f) return f end return f(3)", ":3"},
		{"local q = 5 local q = function() q = q + 1 return q end return q()", ":6"},
		{"local f = 1 for i = 1, 1 do local f = function() return f end return f() end", ":1"},
		{"local f = 1 local t = {function() local f = function() return f end return f() end} return t[1]()", ":1"},
		{"local h = function() return pcall(function() return h end) end return tostring(h())", "$5\r\nfalse"},
	} {
		if got := run(t, e, &testHost{}, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// All values of an assignment are there before the first is stored, and tables and keys are those from before it.
func TestAssignmentsToSeveralPlaces(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local a, b = 1, 2 a, b = b, a return {a, b}", "*2\r\n:2\r\n:1"},
		{"local a, b, c = 1, 2, 3 a, b, c = c, a, b return {a, b, c}", "*3\r\n:3\r\n:1\r\n:2"},
		{"local a, b = 0, 1 for i = 1, 5 do a, b = b, a + b end return {a, b}", "*2\r\n:5\r\n:8"},
		{"local a, b = 1, 2 b, a = 10, b .. 'x' return {a, b}", "*2\r\n$2\r\n2x\r\n:10"},
		{"local a, b = 1, 2 b, a = 10, {b} return {a[1], b}", "*2\r\n:2\r\n:10"},
		{"local a, b = 1, 2 b, a = 10, (function() return b end)() return {a, b}", "*2\r\n:2\r\n:10"},
		{"local a, b, c = 1, 2 b, a, c = 10, (function() return b, 7 end)() return {a, b, c}", "*3\r\n:2\r\n:10\r\n:7"},
		{"local a, b = 1, 2 b, a = 10, b == 2 and b or 0 return {a, b}", "*2\r\n:2\r\n:10"},
		{"local t = {1} local u = t t, t[1] = {}, 5 return {u[1], t[1] == nil and 6}", "*2\r\n:5\r\n:6"},
		{"local i, t = 1, {} i, t[i] = i + 1, 20 return {i, t[1], t[2] == nil and 6}", "*3\r\n:2\r\n:20\r\n:6"},
		{"local i, t = 2, {1, 2, 3} t[i], i, t[i + 1] = i + 7, 9, t[i] return {t[1], t[2], t[3], i}", "*4\r\n:1\r\n:9\r\n:2\r\n:9"},
		{"local t = {} t.x, t.x = 1, 2 return t.x", ":1"},
		{"local a a, a = 1, 2 + 0 return a", ":1"},
		{"local a, b, c = 5, 5, 5 a, b, c = 1, a return {a, b, c == nil and 6}", "*3\r\n:1\r\n:5\r\n:6"},
		{"local a, b, n = 1, 2, 0 local f = function() n = n + 1 return n end a, b = f(), f(), f() return {a, b, n}", "*3\r\n:1\r\n:2\r\n:3"},
		{"local a, b = 1, 2 while true do a, b = b, a if a == 2 then break end end return {a, b}", "*2\r\n:2\r\n:1"},
		{"local a, b = 1, 2 local f = function() a, b = b, a end f() return {a, b}", "*2\r\n:2\r\n:1"},
		{"local a a, a = 5 return a", ":5"},
		{"local a, b a, b, a = 5, 6 return {a, b}", "*2\r\n:5\r\n:6"},
		{"local function f() return 1, 2 end local a, b, c c, a, c = f() return {a, c}", "*2\r\n:2\r\n:1"},
		{"local f = {} f.a, f.b = function() return 1 end, function() return 2 end return {f.a(), f.b()}", "*2\r\n:1\r\n:2"},
		{"local f, g = 1, 2 f, g = function() return g end, function() return 5 end return f()()", ":5"},
	} {
		if got := run(t, e, &testHost{}, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// A variable becomes what decides about and and or.
func TestAssignmentsOfConditions(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local b = {} b = b.x and 1 return type(b)", "$3\r\nnil"},
		{"local b, t = 5, {} b = t.x and t.y return type(b)", "$3\r\nnil"},
		{"local b, t = 5, {} b = t.d and t.d.e or t.f return type(b)", "$3\r\nnil"},
		{"local b = {} b = tonumber(b) and 1 return type(b)", "$3\r\nnil"},
		{"local b = {} b = not b and 1 return tostring(b)", "$5\r\nfalse"},
		{"local b = {x = false} b = b.x and 1 return tostring(b)", "$5\r\nfalse"},
		{"local b = {x = 2} b = b.x and 1 return b", ":1"},
		{"local a, b = 1, {} a, b = b.x and 1, b.x or 7 return {a == nil and 6, b}", "*2\r\n:6\r\n:7"},
		{"local b = 5 local function f(x) b = x and x.y and x.y.z end f({y = {}}) return type(b)", "$3\r\nnil"},
		{"local c = {1} c, c[1] = c[2] return type(c)", "$3\r\nnil"},
		{"local b = 5 for i = 1, 2 do b = KEYS[i] and i end return type(b)", "$3\r\nnil"},
	} {
		if got := run(t, e, &testHost{}, c.code, "k"); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// What a function returns is made of the argument, also if it takes the argument's place.
func TestAssignmentsOfWhatIsReturned(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local function g(p) p = (string.upper(p)) return p end return g('x')", "$1\r\nX"},
		{"local function trim(s) s = (s:gsub('^%s+', '')) return s end return trim('  x')", "$1\r\nx"},
		{"local function g(p, q) p, q = 1, string.upper(q), 2 return q end return g('x', 'y')", "$1\r\nY"},
		{"local function g(p) p = string.upper(p), 2 return p end return g('x')", "$1\r\nX"},
		{"local function g(p, q) q, p = string.upper(q), 1 return q end return g('x', 'y')", "$1\r\nY"},
		{"local function g(p, ...) p = (...) return p end return g(1, 2, 3)", ":2"},
	} {
		if got := run(t, e, &testHost{}, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// A field with a key takes one value, also as the last one.
func TestLastFieldsOfTables(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local function f() return 7, 8 end local t = {1, x = f()} return {#t, t.x, t[2] == nil and 6}", "*3\r\n:1\r\n:7\r\n:6"},
		{"local function f(...) local t = {..., n = select('#', ...)} return {#t, t[1], t.n} end return f(4, 5, 6)", "*3\r\n:1\r\n:4\r\n:3"},
		{"local function f(...) local t = {9, x = ...} return {#t, t.x} end return f(4, 5, 6)", "*2\r\n:1\r\n:4"},
		{"local function f() return 7, 8 end local t = {1, [5] = f()} return {t[1], t[2] == nil and 6, t[5]}", "*3\r\n:1\r\n:6\r\n:7"},
		{"local function f() return 7, 8 end return {1, f()}", "*3\r\n:1\r\n:7\r\n:8"},
		{"local function f() return 7, 8 end local t = {x = f()} return {#t, t.x}", "*2\r\n:0\r\n:7"},
	} {
		if got := run(t, e, &testHost{}, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}
