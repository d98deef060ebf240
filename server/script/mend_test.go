package script

import (
	"fmt"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// joined is what fn gives for the numbers from 1 to n, with something between.
func joined(n int, between string, fn func(i int) string) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		if i > 1 {
			b.WriteString(between)
		}
		b.WriteString(fn(i))
	}
	return b.String()
}

// TestLongJumps: what is too long for a jump is refused, by the words of Lua, and the engine goes on.
func TestLongJumps(t *testing.T) {
	e := New(Options{})
	body := "string.rep('x()', 70000)" // two instructions each
	for _, c := range []struct{ code, want string }{
		{"return loadstring('local x=0 for i=1,2 do '..string.rep('x=x+1 ',131200)..' end return x')()", "-ERR user_script:1: attempt to call a nil value script: "},
		{"return {select(2, loadstring('local x=0 for i=1,2 do ' .. " + body + " .. ' end return x', '=f'))}", "*1\r\n$34\r\nf:1: control structure too long"},
		{"return {select(2, loadstring('local x=f while x<3 do ' .. " + body + " .. ' end return x', '=f'))}", "*1\r\n$34\r\nf:1: control structure too long"},
		{"return {select(2, loadstring('local x=0 repeat ' .. " + body + " .. ' until x>3 return x', '=f'))}", "*1\r\n$34\r\nf:1: control structure too long"},
		{"return {select(2, loadstring('local x=0 for k in pairs({1}) do ' .. " + body + " .. ' end return x', '=f'))}", "*1\r\n$34\r\nf:1: control structure too long"},
		{"return {select(2, loadstring('local x=0 if x == 1 then ' .. " + body + " .. ' end return x', '=f'))}", "*1\r\n$34\r\nf:1: control structure too long"},
		{"local x = 5 < 6", "$-1"},
		{"local x = KEYS[1] and 5 < 6", "$-1"},
		{"return 5 < 6", ":1"},
		{"return loadstring('local x=0 for i=1,2 do ' .. string.rep('x=x+1 ', 60000) .. ' end return x')()", ":120000"},
		{"return loadstring('local x=0 ' .. string.rep('x=x+1 ', 60000) .. ' if x > 1 then return x end')()", ":60000"},
	} {
		want := strings.ReplaceAll(c.want, "$34", fmt.Sprintf("$%d", len("f:1: control structure too long")))
		if got := run(t, e, &testHost{}, c.code); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", c.code, got, want)
		}
	}
}

// TestManyUpvalues: a function sees sixty variables of others at most, as in Lua, so that none gets another one's place.
func TestManyUpvalues(t *testing.T) {
	e := New(Options{})
	name := func(i int) string { return fmt.Sprintf("a%d", i) }
	number := func(i int) string { return fmt.Sprint(i) }
	for n, want := range map[int]string{
		60: ":1830", 61: "-Error compiling script (new function): user_script:1: function at line 1 has more than 60 upvalues",
	} {
		code := "local " + joined(n, ",", name) + " = " + joined(n, ",", number) + " return (function() return " + joined(n, "+", name) + " end)()"
		if got := run(t, e, &testHost{}, code); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{
		240: ":240", 260: "-Error compiling script (new function): user_script:1: function or expression too complex",
	} {
		code := "return select('#', " + joined(n, ",", func(int) string { return "function() end" }) + ")"
		if got := run(t, e, &testHost{}, code); got != want {
			t.Errorf("a call with %d functions: %q", n, got)
		}
	}
	code := "local t = {select(100, " + joined(150, ",", func(i int) string { return fmt.Sprintf("function() return %d end", i) }) + ")} return {#t, t[1](), t[51]()}"
	if got := run(t, e, &testHost{}, code); got != "*3\r\n:51\r\n:100\r\n:150" {
		t.Errorf("a call with many functions: %q", got)
	}
}

// TestItemsOfTables: all items of a table come to their places, however many there are and whatever stands behind them.
func TestItemsOfTables(t *testing.T) {
	e := New(Options{})
	number := func(i int) string { return fmt.Sprint(i) }
	const sum = " local s = 0 for i = 1, #t do if t[i] ~= i then return 'item ' .. i end s = s + 1 end return s"
	for _, n := range []int{1, 49, 50, 51, 100, 101, 25500, 25551} {
		items := joined(n, ",", number)
		for _, c := range []struct {
			code string
			want int
		}{
			{"local t = {" + items + "}" + sum, n},
			{fmt.Sprintf("local function f(a, b, c) return a, b, c end local t = {%s, f(%d, %d, %d)}", items, n+1, n+2, n+3) + sum, n + 3},
			{fmt.Sprintf("local function f(...) local t = {%s, ...}", items) + sum + fmt.Sprintf(" end return f(%d, %d)", n+1, n+2), n + 2},
			{fmt.Sprintf("local function f(...) local t = {%s, ...}", items) + sum + " end return f()", n},
			{"local t = {" + items + ", x = tostring(1), [-1] = 7, y = {1, 2, tostring(3)}} if t.x ~= '1' or t.y[3] ~= '3' then return 'field' end" + sum, n},
			{"local t = {x = 1, {" + items + "}, y = tostring(2), {" + items + ", unpack({" + fmt.Sprint(n+1) + "})}} if #t ~= 2 or #t[2] ~= #t[1] + 1 then return 'tables' end t = t[2]" + sum, n + 1},
		} {
			if got, want := run(t, e, &testHost{}, c.code), fmt.Sprintf(":%d", c.want); got != want {
				t.Errorf("%d items, %.40s … %s: %q, want %q", n, c.code, c.code[max(0, len(c.code)-120):], got, want)
			}
		}
	}
	// The one case in which an instruction has no room for the number that it needs.
	code := "local t = {" + joined(25550, ",", number) + ", unpack({1})} return #t"
	if got := run(t, e, &testHost{}, code); got != "-Error compiling script (new function): user_script:1: function or expression too complex" {
		t.Errorf("25550 items and more: %q", got)
	}
}

// TestEngineSurvivesTheInterpreter: an engine goes on with a new state when the interpreter itself fails, whatever it was doing.
func TestEngineSurvivesTheInterpreter(t *testing.T) {
	e := New(Options{})
	for _, code := range []string{"local x = KEYS[9] if x then x = 5 end return x", "return pcall(function() local x = KEYS[9] if x then x = 5 end return x end)"} {
		s, err := Compile([]byte(code), nil)
		if err != nil {
			t.Fatal(err)
		}
		ruin(s.proto)
		if got := outcome(e, s); !strings.Contains(got, "ERR") {
			t.Errorf("%s, ruined: %q", code, got)
		}
		if got := run(t, e, &testHost{}, "local ok, err = pcall(error, 'x') return {#KEYS, err, string.format('%d', 3)}", "k"); got != "*3\r\n:1\r\n$1\r\nx\r\n$1\r\n3" {
			t.Errorf("after %s: %q", code, got)
		}
	}
}

// ruin makes all jumps of a function lead before its beginning.
func ruin(p *lua.FunctionProto) {
	for at, inst := range p.Code {
		if opcode(inst) == lua.OP_JMP {
			p.Code[at] = uint32(lua.OP_JMP) << 26
		}
	}
	for _, inner := range p.FunctionPrototypes {
		ruin(inner)
	}
}
