package script

import (
	"testing"
)

// TestThreadsAsInLua: protected calls and coroutines do what they do in Redis, whose replies these are.
func TestThreadsAsInLua(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{`local co co = coroutine.create(function() local c2 = coroutine.create(function() return coroutine.resume(co) end) local r = {coroutine.resume(c2)} return tostring(r[1]) .. tostring(r[2]) .. tostring(r[3]) end) local r = {coroutine.resume(co)} return tostring(r[1]) .. tostring(r[2])`, "$43\r\ntruetruefalsecannot resume normal coroutine"},
		{`local co co = coroutine.create(function() local c2 = coroutine.create(function() return coroutine.status(co) end) return coroutine.resume(c2) end) return {select(3, coroutine.resume(co))}`, "*1\r\n$6\r\nnormal"},
		{`local co co = coroutine.wrap(function() return co() end) local ok, e = pcall(co) return tostring(e)`, "$46\r\nuser_script:1: cannot resume running coroutine"},
		{`local co = coroutine.wrap(function() return 1 end) co() local ok, e = pcall(co) return tostring(e)`, "$28\r\ncannot resume dead coroutine"},
		{`local co = coroutine.create(function() return 1 end) coroutine.resume(co) local ok, e = coroutine.resume(co) return {e, coroutine.status(co)}`, "*2\r\n$28\r\ncannot resume dead coroutine\r\n$4\r\ndead"},
		{`local co co = coroutine.create(function() return coroutine.resume(co) end) local a, b, c = coroutine.resume(co) return tostring(c)`, "$31\r\ncannot resume running coroutine"},
		{`local c c = coroutine.create(function() return pcall(function() return coroutine.resume(c) end) end) local r = {coroutine.resume(c)} return {tostring(r[2]), tostring(r[3]), r[4]}`, "*3\r\n$4\r\ntrue\r\n$5\r\nfalse\r\n$31\r\ncannot resume running coroutine"},
		{`local ok, e = pcall(coroutine.yield, 1) return tostring(e)`, "$50\r\nattempt to yield across metamethod/C-call boundary"},
		{`coroutine.yield(1) return 2`, "-ERR attempt to yield across metamethod/C-call boundary script: a65aa46cc0aa868ccf4d32459fc3de7ab4b36834, on @user_script:1."},
		{`local co = coroutine.create(function() local ok, e = pcall(function() coroutine.yield(5) return 6 end) return tostring(ok) .. tostring(e) end) local a, b = coroutine.resume(co) local c, d = coroutine.resume(co) return {tostring(b), tostring(d)}`, "*2\r\n$55\r\nfalseattempt to yield across metamethod/C-call boundary\r\n$28\r\ncannot resume dead coroutine"},
		{`local mt = setmetatable({}, {__index = function(t, k) return coroutine.yield(k) end}) local c = coroutine.wrap(function() return mt.x end) local ok, e = pcall(c) return e`, "$50\r\nattempt to yield across metamethod/C-call boundary"},
		{`local c = coroutine.wrap(function() for a in function() return coroutine.yield(1) end do end end) local ok, e = pcall(c) return e`, "$50\r\nattempt to yield across metamethod/C-call boundary"},
		{`local c = coroutine.wrap(function() table.sort({3, 2, 1}, function(a, b) coroutine.yield(1) return a < b end) end) local ok, e = pcall(c) return e`, "$50\r\nattempt to yield across metamethod/C-call boundary"},
		{`local c = coroutine.wrap(function() return coroutine.yield(1) end) return {c(), c(7)}`, "*2\r\n:1\r\n:7"},
		{`local c = coroutine.wrap(function() local function g() return coroutine.yield(1) end local x = g() return x + 1 end) return {c(), c(7)}`, "*2\r\n:1\r\n:8"},
		{`local c = coroutine.create(function(...) local a = {...} local b = {coroutine.yield(a[1], a[2])} return b[2] end) local r = {coroutine.resume(c, 1, 2)} local s = {coroutine.resume(c, 3, 4)} return {r[2], r[3], s[2], coroutine.status(c)}`, "*4\r\n:1\r\n:2\r\n:4\r\n$4\r\ndead"},
		{`return tostring(coroutine.running())`, "$3\r\nnil"},
		{`local c = coroutine.wrap(function() return pcall(function() return coroutine.status(coroutine.running()) end) end) return {select(2, c())}`, "*1\r\n$7\r\nrunning"},
		{`local w = coroutine.wrap(function() error('boom') end) local ok, e = pcall(function() w() end) return e`, "$34\r\nuser_script:1: user_script:1: boom"},
		{`local w = coroutine.wrap(function() error({err = 'BOOM x'}) end) local ok, e = pcall(w) return e`, "$6\r\nBOOM x"},
		{`local function f() return coroutine.wrap(f)() end local ok, e = pcall(f) return tostring(ok)`, "$5\r\nfalse"},
		{`local n = 0 local function f() n = n + 1 local ok, e = pcall(f) if not ok then error(e, 0) end end local ok, e = pcall(f) return {tostring(ok), e}`, "*2\r\n$5\r\nfalse\r\n$16\r\nC stack overflow"},
		{`local n = 0 local f f = function() n = n + 1 return pcall(f) end f() return tostring(n > 100)`, "$4\r\ntrue"},
		{`local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end return {select(2, pcall(deep, 3000))}`, "*1\r\n:3000"},
		{`local x = 1 local f = function() return x end pcall(function() error('e') end) x = 2 return f()`, ":2"},
		{`local n = 0 local function add() n = n + 1 end add() pcall(string.rep) add() n = n + 10 add() return n`, ":13"},
		{`local x = 1 local g = function() return x end xpcall(function() error('a') end, function(e) x = x + 1 return e end) x = x + 5 return g()`, ":7"},
		{`local n = 0 local function add() n = n + 1 end local c = coroutine.wrap(function() add() pcall(function() local x = nil + 1 end) n = n + 10 add() coroutine.yield() add() end) c() n = n + 100 c() return n`, ":113"},
		{`local t = {} for i = 1, 3 do pcall(function() local j = i t[i] = function() j = j + 1 return j end error('x') end) end return {t[1](), t[1](), t[2](), t[3]()}`, "*4\r\n:2\r\n:3\r\n:3\r\n:4"},
		{`return {select('#', pcall(error, {code = 5})), select('#', pcall(error, {err = 'a'})), select('#', pcall(error)), select('#', pcall(error, 'x'))}`, "*4\r\n:3\r\n:2\r\n:2\r\n:2"},
		{`return {select(2, pcall(error, 'x', 2)), select(2, pcall(error, 'x', 1)), select(2, pcall(error, ' x', 0))}`, "*3\r\n$16\r\nuser_script:1: x\r\n$1\r\nx\r\n$2\r\n x"},
		{`return {select(2, xpcall(function() error('a') end, function(e) return 'h:' .. e end))}`, "*1\r\n$18\r\nh:user_script:1: a"},
		{`return {select(2, xpcall(function() return 1, 2 end, error))}`, "*2\r\n:1\r\n:2"},
		{"local c = coroutine.create(function() return {} + 1 end) return {select(2, coroutine.resume(c))}", "*1\r\n$61\r\nuser_script:1: attempt to perform arithmetic on a table value"},
		{"local c = coroutine.wrap(function() local a, b = coroutine.yield() coroutine.yield(a == nil and b == nil and 1) return {coroutine.yield()} end) c() return {c(), c() == nil and 5, #c(7, 8)}", "*3\r\n:1\r\n:5\r\n:2"},
		{"return {select(2, pcall(error, 10, 2))}", "*1\r\n$17\r\nuser_script:1: 10"},
	} {
		if got := run(t, e, &testHost{}, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
	if e.nested != 0 || e.frames != 0 || e.used != 0 || len(e.owners) != 0 {
		t.Errorf("%d stacks wait for others, with %d functions; %d asides are used by %d", e.nested, e.frames, e.used, len(e.owners))
	}
}
