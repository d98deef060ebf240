package words

import (
	"bytes"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string // nil: it cannot be cut
	}{
		{"", []string{}},
		{" \t\v\f ", []string{}},
		{"set k v", []string{"set", "k", "v"}},
		{"  set\tk \r\n v ", []string{"set", "k", "v"}},
		{"a\vb", []string{"a\vb"}},
		{`"" ''`, []string{"", ""}},
		{`ab"c d" e`, []string{"abc d", "e"}},
		{`"\n\r\t\b\a\q\"\\"`, []string{"\n\r\t\b\aq\"\\"}},
		{`"\x41\xfF\x4"`, []string{"A\xffx4"}},
		{`'\n\'\x41'`, []string{`\n'\x41`}},
		{"\"a\"\v'b'", []string{"a", "b"}},
		{`"a"b`, nil},
		{`"a""b"`, nil},
		{`"a`, nil},
		{`a'`, nil},
		{`"a\"`, nil},
		{`"a\`, nil},
	} {
		got, ok := Split(c.line)
		if ok != (c.want != nil) || len(got) != len(c.want) {
			t.Errorf("%q is cut into %q, %v", c.line, got, ok)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%q is cut into %q", c.line, got)
			}
		}
	}
}

// Quote gives one word, which is what was quoted, and the room that Next asks for is always enough.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "a b", `"`, `\x`, "\x00\xff\n", `it's "so"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := Split(Quote(s)); !ok || len(got) != 1 || got[0] != s {
			t.Fatalf("%q comes back as %q", s, got)
		}
		b := []byte(s)
		for i := Skip(b, 0); i < len(b); i = Skip(b, i) {
			room := make([]byte, 0, len(b)-i)
			w, end, quoted, ok := Next(b, i, room)
			if !ok {
				return
			}
			if end <= i || quoted && len(w) > 0 && &w[0] != &room[:1][0] || !quoted && !bytes.Equal(w, b[i:end]) {
				t.Fatalf("%q at %d: %q up to %d", s, i, w, end)
			}
			i = end
		}
	})
}

// What stands in quotes is the same for bytes and text, and appended.
func TestAppendQuoted(t *testing.T) {
	const want = `k="\x00a\"\\\n\r\t\a\b\xff~\x7f"`
	if got := string(AppendQuoted([]byte("k="), []byte("\x00a\"\\\n\r\t\a\b\xff~\x7f"))); got != want {
		t.Errorf("%s instead of %s", got, want)
	}
}
