package script

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"larder/server/resp"
)

// Whatever was compiled is understood once more when there is an error: every function of every text, also once it is linked.
func TestTextsAreStudied(t *testing.T) {
	e := New(Options{})
	var all func(p *lua.FunctionProto) (n int)
	all = func(p *lua.FunctionProto) (n int) {
		if f := e.study(p); f == nil {
			return -1000000
		} else if f.line(len(p.Code)-1) == 0 {
			t.Errorf("no line of the last instruction of %s", p.DbgCalls[0].Name)
		}
		for _, inner := range p.FunctionPrototypes {
			n += all(inner)
		}
		return n + 1
	}
	rnd, functions := rand.New(rand.NewPCG(11, 12)), 0
	for range 1000 {
		choices := make([]byte, 20+rnd.IntN(600))
		for i := range choices {
			choices[i] = byte(rnd.Uint32())
		}
		code := strings.ReplaceAll((&author{choices: choices}).write(), " local ", "\nlocal ")
		s, err := Compile([]byte(code), nil)
		if err != nil {
			continue
		}
		n := all(e.ready(s.proto).fn.Proto)
		if n < 0 {
			t.Fatalf("a function was not understood of:\n%s", code)
		}
		functions += n
	}
	if functions < 1000 {
		t.Errorf("%d functions: that shows little", functions)
	}
	if len(e.studied) > mostStudied || e.studiedText > mostStudiedText {
		t.Errorf("%d texts of %d bytes are kept", len(e.studied), e.studiedText)
	}
}

// Errors say the same wherever they are caught.
func TestNamesWhereErrorsAreCaught(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ code, want string }{
		{"local x return select(2, pcall(function() return x.y end))", "upvalue 'x' (a nil value)"},
		{"local c = coroutine.create(function(x) return x.y end) return select(2, coroutine.resume(c))", "local 'x' (a nil value)"},
		{"local c = coroutine.wrap(function(x) x = coroutine.yield() return x.y end) c() return select(2, pcall(c))", "local 'x' (a nil value)"},
		{"return select(2, pcall(coroutine.wrap(function(x) return x.y end)))", "local 'x' (a nil value)"},
		{"return select(2, xpcall(function() return redis.x.y end, function(e) return e end))", "field 'x' (a nil value)"},
		{"return select(4, pcall(pcall, pcall, function(x) return x.y end))", "local 'x' (a nil value)"},
		{"local s = '' for i = 1, 3 do s = s .. select(2, pcall(function() return KEYS['k' .. i].x end)) end return s", "field '?' (a nil value)"},
		{"return select(2, pcall(error)) == nil and select(2, pcall(function(x) return x.y end))", "local 'x' (a nil value)"},
		{"return select(2, pcall(loadstring('local a = {} return a.b.c')))", "field 'b' (a nil value)"},
		{"return select(2, pcall(table.foreach, {1}, function(k, v) return v.x end))", "local 'v' (a number value)"},
		{"return select(2, pcall(string.gsub, 'x', 'x', function(k) return k + 1 end))", "local 'k' (a string value)"},
	} {
		if got := run(t, e, &testHost{}, c.code, "k"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
	if e.armed.L != nil {
		t.Error("a stack waits for its first instruction")
	}
}

// BenchmarkCaughtError is a script that makes an error and catches it.
func BenchmarkCaughtError(b *testing.B) {
	e, out := New(Options{}), &resp.Writer{Proto: 2}
	s, err := Compile([]byte("local ok, err = pcall(function(x) return x.y end, nil) return err"), nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		out.Empty()
		e.Eval(&testHost{}, s, nil, nil, out)
	}
}

// The functions of the table say the name by which it was called, redis or, as in Valkey, server.
func TestErrorsNameTheTableOfTheServer(t *testing.T) {
	for _, c := range []struct{ code, want string }{
		{"redis.setresp()", "-ERR redis.setresp() requires one argument."},
		{"server.setresp()", "-ERR server.setresp() requires one argument."},
		{"server.set_repl()", "-ERR server.set_repl() requires one argument."},
		{"local s = server return s.log(1)", "-ERR server.log() requires two arguments or more."},
		{"return pcall(server.setresp) and 1 or 2", ":2"},
		{"return select(2, pcall(server.setresp))", "$43\r\nERR server.setresp() requires one argument."},
		{"return server.sha1hex('') == redis.sha1hex('') and server.call == redis.call and server.REDIS_VERSION == redis.REDIS_VERSION and 1", ":1"},
		{"server.nothing()", "-ERR user_script:1: attempt to call field 'nothing' (a nil value)"},
		{"server.x = 1", "-ERR user_script:1: Attempt to modify a readonly table"},
	} {
		if got := run(t, New(Options{}), &testHost{}, c.code); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.code, got, c.want)
		}
	}
	for _, name := range []string{"redis", "server"} {
		want := "first argument to " + name + ".register_function must be a string"
		_, err := New(Options{}).LoadLibrary([]byte("#!lua name=l\n"+name+".register_function({}, function() end)"), time.Second)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		want = "calling " + name + ".register_function with a single argument"
		_, err = New(Options{}).LoadLibrary([]byte("#!lua name=l\n"+name+".register_function('f')"), time.Second)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
