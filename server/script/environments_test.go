package script

import (
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// walker goes from what scripts have to all that they can reach from there, and tells of what they may not have: tables
// that can be changed, and names.
const walker = `
	local seen, out = {}, {}
	local function walk(path, v)
		if type(v) ~= 'table' and type(v) ~= 'function' and type(v) ~= 'userdata' or seen[v] then return end
		seen[v] = true
		if type(v) == 'function' then
			walk(path .. ' environment', getfenv(v))
			return
		end
		walk(path .. ' metatable', getmetatable(v))
		if type(v) ~= 'table' then return end
		if pcall(function() v.x = 1 end) or pcall(rawset, v, 'x', 1) or pcall(setmetatable, v, {}) or pcall(table.insert, v, 1) then
			table.insert(out, path .. ' can be changed')
		end
		for k, x in pairs(v) do
			table.insert(out, path .. '.' .. tostring(k))
			walk(path .. '.' .. tostring(k), x)
		end
		table.foreach(v, function(k, x) walk(path .. '.' .. tostring(k), x) end)
	end
	local own = {}
	for name, v in pairs({globals = _G, text = getmetatable(''), thread = coroutine.create(function() end), level = getfenv(0), here = getfenv(1)}) do own[name] = v end
	walk('_G', _G)
	for name, v in pairs(own) do walk(name, v) end
	for name, f in pairs({pcall = pcall, wrap = coroutine.wrap(function() end), loaded = loadstring('return 1'), load = load(function() end)}) do
		if getfenv(f) ~= _G then table.insert(out, 'environment of ' .. name) end
	end
	local inside = {function() return getfenv(0) end, function() return getfenv(2) end, function() return getfenv(loadstring('return 1')) end,
		function() return getfenv(coroutine.wrap(function() return 1 end)) end, function() return loadstring('return getfenv(0)')() end}
	for i, f in ipairs(inside) do
		local _, a = pcall(f)
		local _, b = xpcall(f, f)
		local _, c = xpcall(error, f)
		local d = coroutine.wrap(function() local e = i ~= 2 and f() or _G return e end)()
		if a ~= _G or b ~= _G or c ~= _G or d ~= _G then table.insert(out, 'environment inside ' .. i) end
	end
	return out`

// TestNothingElseCanBeReached: whatever a script does, it comes to the names that it may have and to no table that others see.
func TestNothingElseCanBeReached(t *testing.T) {
	e := New(Options{})
	reply := run(t, e, &testHost{}, walker)
	if !strings.HasPrefix(reply, "*") {
		t.Fatal(reply)
	}
	var got []string
	for i, line := range strings.Split(reply, "\r\n") {
		if i > 0 && i%2 == 0 {
			got = append(got, line)
		}
	}
	known := map[string]bool{"text metatable.__index": true, "_G metatable.__index": true, "text.__index": true}
	for library, names := range map[string]string{
		"": `assert bit cjson cmsgpack collectgarbage coroutine error gcinfo getfenv getmetatable ipairs load loadstring math newproxy next os
			pairs pcall rawequal rawget rawset redis select server setfenv setmetatable string struct table tonumber tostring type
			unpack xpcall _G _VERSION KEYS ARGV`,
		"bit":       "arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex",
		"coroutine": "create resume running status wrap yield",
		"cmsgpack":  "_COPYRIGHT _DESCRIPTION _NAME _VERSION pack unpack unpack_limit unpack_one",
		"cjson": `_NAME _VERSION decode decode_invalid_numbers decode_max_depth encode encode_invalid_numbers encode_keep_buffer
			encode_max_depth encode_number_precision encode_sparse_array new null`,
		"math": `abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min mod modf pi pow rad
			random randomseed sin sinh sqrt tan tanh`,
		"os": "clock",
		"redis": `LOG_DEBUG LOG_NOTICE LOG_VERBOSE LOG_WARNING REDIS_VERSION REDIS_VERSION_NUM REPL_ALL REPL_AOF REPL_NONE REPL_REPLICA
			REPL_SLAVE acl_check_cmd breakpoint call debug error_reply log pcall replicate_commands set_repl setresp sha1hex status_reply`,
		"string": "byte char dump find format gfind gmatch gsub len lower match rep reverse sub upper",
		"struct": "pack size unpack",
		"table":  "concat foreach foreachi getn insert maxn remove setn sort",
	} {
		for _, name := range strings.Fields(names) {
			path := "_G." + strings.TrimPrefix(library+"."+name, ".")
			known[path] = true
			if library == "redis" {
				known["_G.server."+name] = true
			}
		}
	}
	for _, path := range got {
		if !known[path] && !strings.HasPrefix(path, "_G.KEYS") && !strings.HasPrefix(path, "_G.ARGV") {
			t.Errorf("scripts have %s", path)
		}
	}
	for path := range known {
		if strings.Count(path, ".") == 2 && !slices.Contains(got, path) {
			t.Errorf("scripts do not have %s", path)
		}
	}
}

// TestInterpretersGlobals: the interpreter itself has no other globals for whatever is made later on.
func TestInterpretersGlobals(t *testing.T) {
	e := New(Options{})
	th, _ := e.L.NewThread()
	for name, of := range map[string]*lua.LTable{
		"Global": e.L.G.Global, "Env": e.L.Env, "thread": th.Env, "function": th.NewFunction(nextItem).Env, "userdata": th.NewUserData().Env,
	} {
		if of != e.env {
			t.Errorf("%s is not what scripts see as their globals", name)
		}
	}
	if v := e.L.GetField(e.L.G.Registry, "_LOADED"); v != lua.LNil {
		t.Errorf("the registry has libraries: %v", v)
	}
}

// TestEnvironments: getfenv, setfenv and newproxy as in Redis, whose replies these are.
func TestEnvironments(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"return tostring(getfenv(0) == _G)", "$4\r\ntrue"},
		{"return tostring(getfenv(pcall) == _G)", "$4\r\ntrue"},
		{"return tostring(getfenv(redis.call) == _G)", "$4\r\ntrue"},
		{"return tostring(getfenv() == _G and getfenv(nil) == _G and getfenv(1) == _G and getfenv('1') == _G)", "$4\r\ntrue"},
		{"return getfenv(-1)", "-ERR user_script:1: bad argument #1 to 'getfenv' (level must be non-negative) script: "},
		{"return getfenv(5)", "-ERR user_script:1: bad argument #1 to 'getfenv' (invalid level) script: "},
		{"return getfenv(1e9)", "-ERR user_script:1: bad argument #1 to 'getfenv' (invalid level) script: "},
		{"return getfenv('x')", "-ERR user_script:1: bad argument #1 to 'getfenv' (number expected, got string) script: "},
		{"return getfenv({})", "-ERR user_script:1: bad argument #1 to 'getfenv' (number expected, got table) script: "},
		{"return getfenv(coroutine.create(function() end))", "-ERR user_script:1: bad argument #1 to 'getfenv' (number expected, got thread) script: "},
		{"local function f() local e = getfenv(2) return e end local function g() return f() end return g()", "-ERR user_script:1: no function environment for tail call at level 2 script: "},
		{"local function f() local e = getfenv(3) return e end local function g() return f() end local e = g() return tostring(e == _G)", "$4\r\ntrue"},
		{"return tostring(select(2, pcall(getfenv, 2)) == _G)", "$4\r\ntrue"},
		{"return tostring(select(2, pcall(function() local e = getfenv(2) return e == _G end)))", "$4\r\ntrue"},
		{"local e = setmetatable({}, {__index = _G}) local function f() local ok, g = pcall(function() local x = getfenv(3) return x end) return tostring(g == e) end setfenv(f, e) return f()", "$4\r\ntrue"},
		{"return tostring(coroutine.wrap(function() local a = getfenv(0) return a == _G end)())", "$4\r\ntrue"},
		{"return coroutine.wrap(function() local a = getfenv(2) return a end)()", "-ERR user_script:1: user_script:1: bad argument #1 to 'getfenv' (invalid level) script: "},
		{"setfenv(-1, {})", "-ERR user_script:1: bad argument #1 to 'setfenv' (level must be non-negative) script: "},
		{"setfenv(9, {})", "-ERR user_script:1: bad argument #1 to 'setfenv' (invalid level) script: "},
		{"setfenv(pcall, {})", "-ERR user_script:1: 'setfenv' cannot change environment of given object script: "},
		{"setfenv('a', {})", "-ERR user_script:1: bad argument #1 to 'setfenv' (number expected, got string) script: "},
		{"setfenv(1)", "-ERR user_script:1: bad argument #2 to 'setfenv' (table expected, got no value) script: "},
		{"setfenv(1, {x = 5}) return x", ":5"},
		{"newproxy(1)", "-ERR user_script:1: bad argument #1 to 'newproxy' (boolean or proxy expected) script: "},
		{"newproxy(cjson.null)", "-ERR user_script:1: bad argument #1 to 'newproxy' (boolean or proxy expected) script: "},
		{"local p = newproxy(true) local q = newproxy(p) return tostring(getmetatable(p) == getmetatable(q) and getmetatable(newproxy()) == nil)", "$4\r\ntrue"},
	} {
		if got := run(t, e, &testHost{}, c.code); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}
