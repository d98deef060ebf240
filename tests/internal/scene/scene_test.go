package scene

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"larder/tests/internal/wire"
)

func value(t *testing.T, raw string) wire.Value {
	t.Helper()
	v, err := wire.Read(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return v
}

// Every value must be written so that it reads back as the same bytes, and so that its notation matches it.
func TestNotationStandsForTheSameBytes(t *testing.T) {
	for _, raw := range []string{
		"+OK\r\n", "+\r\n", "+ leading\r\n", "+trailing \r\n", "+\"quoted\"\r\n", "+~x\r\n", "+(none)\r\n", "-ERR no\r\n", "-\r\n", "-~\"x\"\r\n", ":-5\r\n", "$0\r\n\r\n", "$5\r\na\x00\r\n\xff\r\n",
		"$3\r\n...\r\n", "$1\r\n?\r\n", ",1.5\r\n", ",inf\r\n", "#t\r\n", "(123\r\n", "_\r\n", "!5\r\nERR x\r\n", "=5\r\ntxt:a\r\n", "*0\r\n", "~0\r\n", "%0\r\n",
		"*2\r\n*2\r\n+QUEUED\r\n-ERR a b]\r\n:1\r\n", "%2\r\n+a\r\n*1\r\n:1\r\n$1\r\nb\r\n%0\r\n", ">2\r\n+a\r\n~1\r\n#f\r\n", "|1\r\n+a\r\n:1\r\n",
		"$100\r\n" + strings.Repeat("ab", 50) + "\r\n", "*60\r\n" + strings.Repeat("$5\r\nhello\r\n", 60), "%30\r\n" + strings.Repeat("$5\r\nhello\r\n*2\r\n:1\r\n*0\r\n", 30),
		"*2\r\n*40\r\n" + strings.Repeat("$5\r\nhel\"o\r\n", 40) + "+x y\r\n",
	} {
		v := value(t, raw)
		lines := FormatValues([]wire.Value{v}, 2)
		back, err := ParsePatterns(lines)
		if err != nil || len(back) != 1 {
			t.Errorf("%q: %d values, %v, from\n%s", raw, len(back), err, strings.Join(lines, "\n"))
			continue
		}
		if !back[0].match(v) {
			t.Errorf("%q is written as something else:\n%s", raw, strings.Join(lines, "\n"))
		}
		other := v
		if other.Text = append(bytes.Clone(v.Text), 'x'); !v.Aggregate() && back[0].match(other) {
			t.Errorf("%q: the notation matches another text, too", raw)
		}
	}
}

func TestMatchers(t *testing.T) {
	for _, c := range []struct {
		pattern, raw string
		order        Order
		proto        int
		want         bool
	}{
		{`?`, ":1\r\n", AsGiven, 2, true},
		{`:~"[0-9]"`, ":1\r\n", AsGiven, 2, true},
		{`:~"[0-9]"`, ":12\r\n", AsGiven, 2, false},
		{`:~"[0-9]"`, "$1\r\n1\r\n", AsGiven, 2, false},
		{`$~"a\"\d"`, "$3\r\na\"5\r\n", AsGiven, 2, true},
		{`[1 ...]`, "", AsGiven, 2, false},
		{`[:1 ...]`, "*1\r\n:1\r\n", AsGiven, 2, true},
		{`[:1 ...]`, "*3\r\n:1\r\n:2\r\n:3\r\n", AsGiven, 2, true},
		{`[:1 ...]`, "*1\r\n:2\r\n", AsGiven, 2, false},
		{`[:1 :2]`, "*2\r\n:2\r\n:1\r\n", AsGiven, 2, false},
		{`[:1 :2]`, "*2\r\n:2\r\n:1\r\n", AnyOrder, 2, true},
		{`[:1 :1]`, "*2\r\n:2\r\n:1\r\n", AnyOrder, 2, false},
		{`[:1 :2 :3 :4]`, "*4\r\n:3\r\n:4\r\n:1\r\n:2\r\n", PairsAnyOrder, 2, true},
		{`[:1 :2 :3 :4]`, "*4\r\n:2\r\n:1\r\n:3\r\n:4\r\n", PairsAnyOrder, 2, false},
		{`[:3 :1]`, "*3\r\n:1\r\n:2\r\n:3\r\n", Contains, 2, true},
		{`[:3 :4]`, "*3\r\n:1\r\n:2\r\n:3\r\n", Contains, 2, false},
		{`[:3 :3]`, "*3\r\n:1\r\n:2\r\n:3\r\n", Contains, 2, false},
		{`{:1 :2 :3 :4}`, "%2\r\n:3\r\n:4\r\n:1\r\n:2\r\n", AnyOrder, 3, true},
		{`["0" [:1 :2]]`, "*2\r\n$1\r\n0\r\n*2\r\n:2\r\n:1\r\n", ScanAnyOrder, 2, true},
		{`["1" [:1 :2]]`, "*2\r\n$1\r\n0\r\n*2\r\n:2\r\n:1\r\n", ScanAnyOrder, 2, false},
		{`["0" [:1 :2 :3 :4]]`, "*2\r\n$1\r\n0\r\n*4\r\n:3\r\n:4\r\n:1\r\n:2\r\n", ScanPairsAnyOrder, 2, true},
		{`nil`, "$-1\r\n", AsGiven, 2, true},
		{`nil`, "*-1\r\n", AsGiven, 2, false},
		{`nil`, "$-1\r\n", AsGiven, 3, false},
		{`nil`, "_\r\n", AsGiven, 3, true},
		{`[nil*]`, "*1\r\n_\r\n", AsGiven, 3, true},
		{`_`, "$-1\r\n", AsGiven, 2, false},
		{`$-1`, "$-1\r\n", AsGiven, 3, true},
		{`$-1`, "_\r\n", AsGiven, 3, false},
		{`*-1`, "*-1\r\n", AsGiven, 3, true},
	} {
		r := &Reply{source: []string{"    " + c.pattern}}
		if err := r.parse(); err != nil {
			if c.raw != "" {
				t.Errorf("%s: %v", c.pattern, err)
			}
			continue
		}
		o := &Observed{Proto: c.proto, Values: []wire.Value{value(t, c.raw)}}
		if got := r.Match(o, c.order); got != c.want {
			t.Errorf("%s against %q in RESP%d: %v, want %v", c.pattern, c.raw, c.proto, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	vars := map[string]string{"id": "1-1"}
	for _, c := range []struct {
		line string
		want []string
	}{
		{`SET k v`, []string{"SET", "k", "v"}},
		{`  SET   k  ""`, []string{"SET", "k", ""}},
		{`SET "a \"b\"\n\x00\xff" 'c\'d\n'`, []string{"SET", "a \"b\"\n\x00\xff", "c'd\\n"}},
		{`SET k "ab"*3 x`, []string{"SET", "k", "ababab", "x"}},
		{`HSET h <f% v%>9..11 end`, []string{"HSET", "h", "f9", "v9", "f10", "v10", "f11", "v11", "end"}},
		{`XDEL x ${id} <${id} "${id}" $`, []string{"XDEL", "x", "1-1", "<1-1", "${id}", "$"}},
	} {
		got, err := expand(c.line, vars)
		if err != nil || strings.Join(got, "\x01") != strings.Join(c.want, "\x01") {
			t.Errorf("%s: %q, %v, want %q", c.line, got, err, c.want)
		}
		for _, arg := range got {
			back, err := expand(QuoteArg(arg), vars)
			if err != nil || len(back) != 1 || back[0] != arg {
				t.Errorf("argument %q is quoted as %s, which reads as %q, %v", arg, QuoteArg(arg), back, err)
			}
		}
	}
	for _, line := range []string{`SET "a`, `SET "a"b`, `SET ${none}`, `SET "\xzz"`, `SET 'a`} {
		if got, err := expand(line, vars); err == nil {
			t.Errorf("%s was read as %q", line, got)
		}
	}
}

const sample = `# about the file

== first one
! config maxmemory 100
! since 7.2
# a remark
@2 {sort} {until} KEYS *
    ["a" "b"]
  7.4 resp3:
    ~["a" "b"]
SUBSCRIBE a b
    >["subscribe" "a" :1]
    >["subscribe" "b" :2]
  larder:
    (none)
{closed} QUIT
    +OK
    (closed)

== second
PING
`

func TestAFileIsWrittenAsItWasRead(t *testing.T) {
	f, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Text(); got != sample {
		t.Errorf("got\n%s", got)
	}
	steps := f.Scenes[0].Steps()
	if len(f.Scenes) != 2 || len(steps) != 3 || f.Scenes[0].Since != V72 {
		t.Fatalf("%d scenes, %d steps", len(f.Scenes), len(steps))
	}
	if s := steps[0]; s.Conn != 2 || !s.Marks.Until || s.Marks.Order != AnyOrder || s.Command != "KEYS" {
		t.Errorf("first step: %+v", s)
	}
	if n := steps[1].ReplyCount(); n != 2 {
		t.Errorf("SUBSCRIBE a b has %d replies", n)
	}
	for _, c := range []struct {
		v     Version
		proto int
		want  int // index of the reply
	}{{V72, 2, 0}, {V72, 3, 0}, {V74, 2, 0}, {V74, 3, 1}, {Larder, 2, 0}, {Larder, 3, 1}} {
		if got := steps[0].Expected(c.v, c.proto); got != &steps[0].Replies[c.want] {
			t.Errorf("%v RESP%d: %v", c.v, c.proto, got)
		}
	}
	if got := steps[1].Expected(V70, 2); got != nil {
		t.Errorf("a reply since 7.2 is expected of 7.0: %v", got)
	}
	if got := steps[1].Expected(Larder, 3); got == nil || len(got.Values) != 0 {
		t.Errorf("larder's own reply: %v", got)
	}
}

func TestFilesThatAreWrong(t *testing.T) {
	for _, text := range []string{
		"PING\n", "== a\n    +OK\n", "== a\n! since 9.9\n", "== a\nPING\n! since 7.2\n", "== a\nPING\n    (none)\n  7.2\n", "== a\nPING\n    [\n",
		"== a\nPING\n    x\n", "== a\n{foo} PING\n", "== a\n@x PING\n", "== a\n{n=x} PING\n", "== a\nPING\n    +A\n  7.2:\n    +B\n  7.2:\n    +C\n", "== a\nPING\n    {:1}\n",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("accepted: %q", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(file.Text())
		if err != nil {
			t.Fatalf("%q was written as %q: %v", text, file.Text(), err)
		}
		if again.Text() != file.Text() {
			t.Fatalf("%q is not stable", text)
		}
	})
}
