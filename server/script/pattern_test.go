package script

import (
	"fmt"
	"strings"
	"testing"

	"larder/server/resp"
)

// What Redis 7.2 answers to these: the results, or ! and the error.
func TestPatterns(t *testing.T) {
	e := New(Options{})
	for _, c := range []struct{ expr, want string }{
		{"string.find('hello world','o w')", "5|7"},
		{"string.find('hello','l',-2)", "4|4"},
		{"string.find('hello','l',100)", ""},
		{"string.find('hello','',10)", "6|5"},
		{"string.find('hello','')", "1|0"},
		{"string.find('a.b','.',2,true)", "2|2"},
		{"string.find('a+b','+',1,true)", "2|2"},
		{"string.find('hello','(l)(l)')", "3|4|l|l"},
		{"string.find('hello','()ll()')", "3|4|3|5"},
		{"string.find('hello','^h')", "1|1"},
		{"string.find('hello','^e')", ""},
		{"string.find('hello','o$')", "5|5"},
		{"string.find('hello$','$',1)", "7|6"},
		{"string.find('a$b','a$b')", "1|3"},
		{"string.find('THE (quick) fox','%((%a+)%)')", "5|11|quick"},
		{"string.find('a\\0b','b')", "3|3"},
		{"string.find('a\\0b','%z')", "2|2"},
		{"string.find('abc','b\\0c')", ""},
		{"string.match('key=val','(%w+)=(%w+)')", "key|val"},
		{"string.match('  trim  ','^%s*(.-)%s*$')", "trim"},
		{"string.match('2026-11-28','(%d+)-(%d+)-(%d+)')", "2026|11|28"},
		{"string.match('hello','.-')", ""},
		{"string.match('hello','.-$')", "hello"},
		{"string.match('[[x]]','%[(%[.*%])%]')", "[x]"},
		{"string.match('f(a(b)c)d','%b()')", "(a(b)c)"},
		{"string.match('THE (quick) fox','%f[%a]%a+%f[%A]',5)", "quick"},
		{"string.match('abcabc','(abc)%1')", "abc"},
		{"string.match('abcabd','(abc)%1')", ""},
		{"string.match('x]y','[]]')", "]"},
		{"string.match('x]y','[^]]')", "x"},
		{"string.match('a-b','[a%-]+')", "a-"},
		{"string.match('a-b','[a-]+')", "a-"},
		{"string.match('09az','[0-9a-f]+')", "09a"},
		{"string.match('aaa','a-b')", ""},
		{"string.match('aaab','a-b')", "aaab"},
		{"string.match('abc','%u')", ""},
		{"string.match('aBc','%u')", "B"},
		{"string.match('a1_','%W')", "_"},
		{"string.match('a\\t\\n','%c+')", "\x09\x0a"},
		{"string.match('0xFFg','%x+',3)", "FF"},
		{"string.match('a.,;','%p+')", ".,;"},
		{"string.match(123,'%d')", "1"},
		{"string.gsub('hello','l','L')", "heLLo|2"},
		{"string.gsub('hello','l','L',1)", "heLlo|1"},
		{"string.gsub('hello','l','L',0)", "hello|0"},
		{"string.gsub('hello','','-')", "-h-e-l-l-o-|6"},
		{"string.gsub('hello','x*','-')", "-h-e-l-l-o-|6"},
		{"string.gsub('hello','(l)','<%1%0>')", "he<ll><ll>o|2"},
		{"string.gsub('hello','l','%%')", "he%%o|2"},
		{"string.gsub('hello','l','%x')", "hexxo|2"},
		{"string.gsub('abc','%w',{a='1',b=2,c=false})", "12c|3"},
		{"string.gsub('abc','(%w)',function(c) if c=='b' then return nil end return c..c end)", "aabcc|3"},
		{"string.gsub('abc','()',function(p) return p end)", "1a2b3c4|4"},
		{"string.gsub('$name is $x','%$(%w+)',{name='lua'})", "lua is $x|2"},
		{"string.gsub('hello world','^h','H')", "Hello world|1"},
		{"string.gsub('hello hello','^h','H')", "Hello hello|1"},
		{"string.gsub('abc','b',7)", "a7c|1"},
		{"string.gsub('one two','(%w+) (%w+)','%2 %1')", "two one|1"},
		{"string.gsub('a','a','%')", "\x00|1"},
		{"string.find('a','[')", "!malformed pattern (missing ']')"},
		{"string.find('a','[a')", "!malformed pattern (missing ']')"},
		{"string.find('a','%')", "!malformed pattern (ends with '%')"},
		{"string.find('a','(')", "!unfinished capture"},
		{"string.find('a',')')", ""},
		{"string.find('a','a)')", ""},
		{"string.find('a','(a')", "!unfinished capture"},
		{"string.find('a','%1')", "!invalid capture index"},
		{"string.find('a','%f')", "!missing '[' after '%f' in pattern"},
		{"string.find('a','%b')", "!unbalanced pattern"},
		{"string.gsub('abc','b','%2')", "!invalid capture index"},
		{"string.gsub('abc','b',true)", "!bad argument #3 to 'gsub' (string/function/table expected)"},
		{"string.gsub('abc','b',{b=true})", "!invalid replacement value (a boolean)"},
		{"string.gsub('abc','b',function() return {} end)", "!invalid replacement value (a table)"},
		{"string.find('a',string.rep('(a',33))", ""},
		{"string.char(72,105)", "Hi"},
		{"string.char(256)", "!bad argument #1 to 'char' (invalid value)"},
		{"string.char(-1)", "!bad argument #1 to 'char' (invalid value)"},
		{"string.find()", "!bad argument #1 to 'find' (string expected, got no value)"},
		{"string.find('a')", "!bad argument #2 to 'find' (string expected, got no value)"},
		{"string.find({},'a')", "!bad argument #1 to 'find' (string expected, got table)"},
		{"(function() local r={} for k,v in string.gmatch('a=1, b=2','(%w+)=(%w+)') do r[#r+1]=k..v end return unpack(r) end)()", "a1|b2"},
		{"(function() local r={} for w in string.gmatch('one two','%a+') do r[#r+1]=w end return unpack(r) end)()", "one|two"},
		{"(function() local r={} for w in string.gmatch('abc','') do r[#r+1]='x'..w end return unpack(r) end)()", "x|x|x|x"},
		{"(function() local r={} for p in string.gmatch('abc','()') do r[#r+1]=p end return unpack(r) end)()", "1|2|3|4"},
		{"(function() local r={} for w in string.gmatch('^a','^a') do r[#r+1]=w end return unpack(r) end)()", "^a"},
	} {
		code := "local r={" + c.expr + "} for i=1,#r do r[i]=tostring(r[i]) end return table.concat(r,'|')"
		want := fmt.Sprintf("$%d\r\n%s", len(c.want), c.want)
		if text, isError := strings.CutPrefix(c.want, "!"); isError {
			want = "-ERR user_script:1: " + text + " script: "
		}
		if got := run(t, e, &testHost{}, code); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", c.expr, got, want)
		}
	}
}

// A pattern that tries for ever can be ended.
func TestPatternIsKilled(t *testing.T) {
	e := New(Options{})
	got := run(t, e, &testHost{kill: true}, "return string.find(string.rep('a',1000), string.rep('a?',1000)..string.rep('a',1000)..'b')")
	if !strings.Contains(got, "killed") {
		t.Errorf("it answers %q", got)
	}
}

func BenchmarkGsub(b *testing.B) {
	e := New(Options{})
	s, err := Compile([]byte("return #string.gsub(string.rep('ab',50000),'b','cd')"), nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e.Eval(&testHost{}, s, nil, nil, &resp.Writer{Proto: 2})
	}
}
