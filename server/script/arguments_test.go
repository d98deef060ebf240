package script

import (
	"strings"
	"testing"
)

// What Lua 5.1 says of the same, which takes text for numbers and numbers for text.
func TestTextsThatAreNumbers(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local n = 0 for i = 1, KEYS[1] do n = n + i end return n", ":55"},
		{"local n = 0 for i = KEYS[1], '1', '-3' do n = n + i end return n", ":22"},
		{"local n = 0 for i = 1, KEYS[1] .. '' do if i > 3 then break end n = i end return n", ":3"},
		{"return {pcall(function() for i = 1, 'x' do end end)}", "*2\r\n$-1\r\n$43\r\nuser_script:1: 'for' limit must be a number"},
		{"return {pcall(function() for i = 'x', 1 do end end)}", "*2\r\n$-1\r\n$51\r\nuser_script:1: 'for' initial value must be a number"},
		{"return {pcall(function() for i = 1, 2, 'x' do end end)}", "*2\r\n$-1\r\n$42\r\nuser_script:1: 'for' step must be a number"},
		{"return string.sub('abcdef', '2', '4')", "$3\r\nbcd"},
		{"return string.sub(2^53, 1, 5)", "$5\r\n9.007"},
		{"return string.rep('ab', '3')", "$6\r\nababab"},
		{"return {string.byte('abc', '2', '3')}", "*2\r\n:98\r\n:99"},
		{"return string.len(2^53)", ":18"},
		{"return string.upper(1e15)", "$5\r\n1E+15"},
		{"return string.lower('Aé') .. string.reverse('abc')", "$6\r\naécba"},
		{"return {string.find('abcabc', 'b', '3')}", "*2\r\n:5\r\n:5"},
		{"return (string.gsub('aaa', 'a', 'b', '2'))", "$3\r\nbba"},
		{"return string.char('65', 66)", "$2\r\nAB"},
		{"return {unpack({1, 2, 3}, '2')}", "*2\r\n:2\r\n:3"},
		{"return table.concat({1, 2, 3}, 0, '2')", "$3\r\n203"},
		{"local t = {1, 2, 3} table.insert(t, '2', 9) return t", "*4\r\n:1\r\n:9\r\n:2\r\n:3"},
		{"local t = {1, 2, 3} return {table.remove(t, '1'), #t}", "*2\r\n:1\r\n:2"},
		{"return select('2', 'a', 'b', 'c')", "$1\r\nb"},
		{"return tonumber('ff', '16')", ":255"},
		{"return math.ldexp('2', '3')", ":16"},
	} {
		if got := run(t, e, &testHost{}, c.code, "10"); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// What Lua 5.1 does where the interpreter's own functions do something else.
func TestFunctionsAsInLua(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"return {string.byte('abc')}", "*1\r\n:97"},
		{"return {string.byte('abc', -1)}", "*1\r\n:99"},
		{"return {string.byte('abc', 10)}", "*0"},
		{"return {string.byte('abc', -10, 10)}", "*3\r\n:97\r\n:98\r\n:99"},
		{"return string.sub('abc', 3, 2) .. string.sub('abc', -2) .. string.sub('abc', -10, 1) .. string.sub('abc', 9)", "$3\r\nbca"},
		{"return tostring(math.huge) .. tostring(-math.huge)", "$7\r\ninf-inf"},
		{"return math.mod(-7, 3)", ":-1"},
		{"return select('#', table.remove({}))", ":0"},
		{"local t = {1, 2} return {table.remove(t, 0) == nil and #t, table.remove(t), #t}", "*3\r\n:2\r\n:2\r\n:1"},
		{"local t = {1, 2, 3} table.insert(t, 0, 9) return {t[0], t[2], #t}", "*3\r\n:9\r\n:1\r\n:4"},
		{"local t = {1} table.insert(t, -2^62, 9) return {t[2], #t}", "*2\r\n:1\r\n:2"},
		{"return select(2, pcall(table.insert, {}, 1, 2, 3))", "$37\r\nwrong number of arguments to 'insert'"},
		{"return {select(-1, 1, 2)}", "*1\r\n:2"},
		{"return {select(5, 1, 2)}", "*0"},
		{"return select('#', pcall(select, -5, 1))", ":2"},
		{"return pcall(unpack, {}, -2^63, 2^53)", "$-1"},
		{"local f = function() for i = 1, n do s = s .. i end return s end setfenv(f, {n = '3', s = ''}) return f()", "$3\r\n123"},
		{"local e = {} setfenv(1, e) return next and 1 or 2", ":2"},
		{"local e = {} setfenv(function() end, e) return next(e) == nil and 1 or 2", ":1"},
	} {
		if got := run(t, e, &testHost{}, c.code); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// error says where it was called if it raises a text or a number; what has no text is an unknown error.
func TestErrorsOfScripts(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"error()", "-ERR nil"},
		{"error(1)", "-ERR user_script:1: 1"},
		{"error('x', 0)", "-ERR x"},
		{"error('x', '1')", "-ERR user_script:1: x"},
		{"error({})", "-ERR unknown error"},
		{"error({err = {}})", "-ERR unknown error"},
		{"local ok, e = pcall(function() error('x', 2) end) return e", "$1\r\nx"},
		{"local function f() error('x', 2) end local ok, e = pcall(function() f() end) return e", "$16\r\nuser_script:1: x"},
		{"assert()", "-ERR user_script:1: bad argument #1 to 'assert' (value expected)"},
		{"assert(false, 5)", "-ERR user_script:1: 5"},
		{"return assert(1, 2)", ":1"},
	} {
		if got, _, _ := strings.Cut(run(t, e, &testHost{}, c.code), " script: "); got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}

// What Redis replies to the same.
func TestSortAndTheRest(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local t = {} for i = 1, 100 do t[i] = (i * 37) % 101 end table.sort(t) for i = 2, 100 do if t[i] < t[i - 1] then return i end end return 'sorted'", "$6\r\nsorted"},
		{"local t = {} for i = 1, 50 do t[i] = i % 7 end table.sort(t, function(a, b) return a > b end) for i = 2, 50 do if t[i] > t[i - 1] then return i end end return #t", ":50"},
		{"local t = {'b', 'a', 'C'} table.sort(t) return t", "*3\r\n$1\r\nC\r\n$1\r\na\r\n$1\r\nb"},
		{"local t = {} for i = 1, 20 do t[i] = i end return {pcall(table.sort, t, function(a, b) return true end)}", "*2\r\n$-1\r\n$34\r\ninvalid order function for sorting"},
		{"return {pcall(table.sort, {5, 3, 5, 1, 5, 5, 5, 5}, function(a, b) return a >= b end)}", "*2\r\n$-1\r\n$49\r\nuser_script:1: attempt to compare nil with number"},
		{"return {pcall(table.sort, {3, '1', 2})}", "*2\r\n$-1\r\n$37\r\nattempt to compare string with number"},
		{"return {pcall(table.sort, {{}, {}})}", "*2\r\n$-1\r\n$35\r\nattempt to compare two table values"},
		{"return {table.maxn({1, nil, 3}), table.maxn({[10] = 1}), table.maxn({}), table.maxn({[1.5] = 1}) * 10}", "*4\r\n:3\r\n:10\r\n:0\r\n:15"},
		{"return tostring(tonumber('99999999999999999999', 16))", "$18\r\n1.844674407371e+19"},
		{"return string.format('%c%c%3c|', 0, 65, 0)", "$4\r\nA  |"},
		{"return tostring(select(2, math.modf(1 / 0))) .. math.modf(-3.7)", "$3\r\n0-3"},
		{"return getmetatable('').__index == string and getmetatable('x') == getmetatable('y') and ('x'):upper()", "$1\r\nX"},
		{"return {xpcall(function() error('a') end, function(e) error('b') end)}", "*2\r\n$-1\r\n$23\r\nerror in error handling"},
		{"for i, k in ipairs({1}), 'x' do end", "-ERR user_script:1: bad argument #2 to '(for generator)' (number expected, got nil)"},
		{"local n = 0 for i, k in ipairs({4, 5, nil, 6}) do n = n + i * k end return n", ":14"},
	} {
		got, _, _ := strings.Cut(run(t, e, &testHost{}, c.code), " script: ")
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
}
