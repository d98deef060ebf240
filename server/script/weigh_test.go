package script

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyConstants: texts, numbers and fields come to their places, however many different ones a function has.
func TestManyConstants(t *testing.T) {
	e := New(Options{})
	const n = 40000
	for _, c := range []struct{ code, want string }{
		{"local t = {" + joined(n, ",", func(i int) string { return fmt.Sprintf("'v%d'", i) }) + "} for i = 1, #t do if t[i] ~= 'v' .. i then return i end end return #t", ":40000"},
		{"local t = {" + joined(n, ",", func(i int) string { return fmt.Sprint(i) }) + "} for i = 1, #t do if t[i] ~= i then return i end end return #t", ":40000"},
		{"local t = {" + joined(n, ",", func(i int) string { return fmt.Sprintf("-%d.5", i) }) + "} for i = 1, #t do if t[i] ~= -i - 0.5 then return i end end return #t", ":40000"},
		{"local t = {" + joined(20000, ",", func(i int) string { return fmt.Sprintf("k%d = 'v%d'", i, i) }) + "} for i = 1, 20000 do if t['k' .. i] ~= 'v' .. i then return i end end return t.k20000", "$6\r\nv20000"},
		{"local t = {} " + joined(5000, " ", func(i int) string { return fmt.Sprintf("t.f%d = %d if t.f%d ~= %d then return %d end", i, i, i, i, i) }) + " return t.f4999", ":4999"},
		{"local n = 0 local function f(s) n = n + #s end " + joined(5000, " ", func(i int) string { return fmt.Sprintf("f('x%d') f('x' .. %d)", i, i) }) + " return n", ":47786"},
		{"local t = {" + joined(1000, ",", func(i int) string {
			return fmt.Sprintf("%d and 'a%d' or %d, not %d, #'b%d', 2 * %d - %d", i, i, i, i, i, i, i)
		}) + "} return {t[3997], t[3998] == false and 1, t[3999], t[4000], #t}", "*5\r\n$5\r\na1000\r\n:1\r\n:5\r\n:1000\r\n:4000"},
		{"local t = {" + joined(1000, ",", func(i int) string { return fmt.Sprintf("'v%d'", i) }) + "} local function f() return {" + joined(1000, ",", func(i int) string { return fmt.Sprintf("'w%d'", i) }) + "} end return {t[999], f()[998], '\x00held', 3.141592653589793e-301 == t[1] and 1 or 2}", "*4\r\n$4\r\nv999\r\n$4\r\nw998\r\n$5\r\n\x00held\r\n:2"},
	} {
		if got := run(t, e, &testHost{}, c.code); got != c.want {
			t.Errorf("%.60s …: %.80q, want %q", c.code, got, c.want)
		}
	}
	// Errors know the line, and what a value is called.
	code := "local t = {\n" + joined(1000, ",\n", func(i int) string { return fmt.Sprintf("'v%d'", i) }) + "}\nt.none.field = 1"
	if got := run(t, e, &testHost{}, code); !strings.HasPrefix(got, "-ERR user_script:1002: attempt to index field 'none' (a nil value)") {
		t.Errorf("an error behind many constants: %q", got)
	}
	code = "local t = {" + joined(1000, ",", func(i int) string { return fmt.Sprintf("'v%d'", i) }) + ",\n-'x'}"
	if got := run(t, e, &testHost{}, code); !strings.HasPrefix(got, "-ERR user_script:2: attempt to perform arithmetic on a string value") {
		t.Errorf("an error among many constants: %q", got)
	}
}

// TestWhatTakesTooLong: what the compiler would take long for is refused before, and anything near to what scripts are is not.
func TestWhatTakesTooLong(t *testing.T) {
	numbered := func(n int, format string) string {
		return joined(n, " ", func(i int) string { return strings.ReplaceAll(format, "#", fmt.Sprint(i)) })
	}
	repeated := func(n int, s string) string { return strings.Repeat(s, n) }
	names := "local a" + joined(190, "", func(i int) string { return fmt.Sprintf(",a%d", i) }) + " "
	for _, c := range []struct {
		name, code string
		fine       bool
	}{
		{"sums", "local x " + repeated(100, "x=x"+repeated(4000, "+x")+" "), false},
		{"a long sum", "local x x=x" + repeated(1000, "+x"), true},
		{"signs", "local x " + repeated(100, "x="+repeated(2000, "- - ")+"x "), false},
		{"joined", "local x " + repeated(1000, "x=x"+repeated(300, "..x")+" "), false},
		{"globals", numbered(20000, "x=b#"), false},
		{"some globals", numbered(3000, "x=b#"), true},
		{"methods", "local x " + numbered(20000, "x:b#()"), false},
		{"calculated", "local x " + numbered(20000, "x=x+#"), false},
		{"functions", repeated(6000, "f=function()end "), false},
		{"some functions", repeated(2000, "f=function()end "), true},
		{"names in many variables", names + repeated(120000, "a=a "), false},
		{"names in some functions", names + repeated(20, "local f=function(...)") + names + repeated(1000, "a=a ") + repeated(20, "end "), true},
		{"names in many functions", names + repeated(150, "local f=function(...) "+names) + repeated(20000, "a=a ") + repeated(150, "end "), false},
		{"labels", numbered(20000, "::a#::"), false},
		{"blocks", repeated(201, "do ") + repeated(201, "end "), false},
		{"deep blocks", repeated(199, "do ") + repeated(199, "end "), true},
		{"many elseif", "local x if x then x=1 " + repeated(1000, "elseif x then x=1 ") + "end", true},
		{"jumps", "local x, a, b = 0 " + repeated(33000, "x=a and b "), false},
		{"code", repeated(180000, "f()"), false},
		{"a lot of code", repeated(120000, "f()"), true},
		{"strings", "return {'" + repeated(3<<20, "x") + "', [[" + repeated(1<<20, "x\n") + "]], [==[" + repeated(1<<20, "x") + "]]]==]} --" + repeated(1<<20, "x") + "\n--[[" + repeated(1<<20, "\n'") + "]]", true},
		{"very long", "--" + repeated(17<<20, "x"), false},
		{"distinct texts", "local t={" + joined(150000, ",", func(i int) string { return fmt.Sprintf("'%d'", i) }) + "}", false},
	} {
		_, err := Compile([]byte(c.code), nil)
		if (err == nil) != c.fine {
			t.Errorf("%s, %d bytes: %v", c.name, len(c.code), err)
		}
	}
}

// TestCodeIn: what stands in strings and comments does not count, wherever these end.
func TestCodeIn(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "a = 1": 3, "a='x'": 4, "a='x\\'y'b": 5, "a -- b\nc": 2, "a --[[ b\n ]] c": 2, "a --[==[ ]] ]==] c": 2, "a[[ b ]] c": 3, "a[1]": 4,
		"a[=[ b ]] ]=]c": 3, "a[= b": 4, "'a": 2, "'a\nb": 3, "--": 0, "--[[": 0, "a-b": 3, "a[[": 2, "'a\\": 2, "[": 1, "-": 1,
	} {
		if got, _ := codeIn(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
