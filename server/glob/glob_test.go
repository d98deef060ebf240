package glob

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"*", "", false}, {"*", "a", true}, {"", "a", false}, {"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "abcd", false},
		{"*foo", "foofoo", true}, {"*foo*", "xfoy", false}, {"*foo*", "xfoofoy", true}, {"*ab?d*", "abxabcd", true}, {"*[ab]x", "aabx", true},
		{"*[^a]x", "ax", false}, {"h[a-c]llo", "hbllo", true}, {"h[c-a]llo", "hbllo", true}, {"h[^e]llo", "hello", false}, {"a\\*b", "a*b", true},
		{"a\\*b", "axb", false}, {"*\\*b", "xx*b", true}, {"[", "a", false}, {"[a", "a", true}, {"a**b", "axxb", true}, {"?*?", "a", false},
		{"?*?", "ab", true}, {"*" + strings.Repeat("x", 40), strings.Repeat("x", 45), true}, {"*" + strings.Repeat("x", 40) + "y", strings.Repeat("x", 45), false},
	} {
		if got := Match([]byte(c.pattern), []byte(c.name), false); got != c.want {
			t.Errorf("%q against %q: %v", c.pattern, c.name, got)
		}
	}
	if !Match([]byte("*FOO*"), []byte("xfooy"), true) || Match([]byte("*FOO*"), []byte("xfooy"), false) {
		t.Error("case")
	}
}

// slow is the definition: a star takes nothing or one more byte.
func slow(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		return slow(pattern[1:], name) || name != "" && slow(pattern, name[1:])
	case name == "":
		return false
	}
	next, ok := matchOne([]byte(pattern), 0, name[0], false)
	return ok && slow(pattern[next:], name[1:])
}

func TestMatchAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	draw := func(letters string, n int) string {
		var b strings.Builder
		for range r.IntN(n) {
			b.WriteByte(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	for range 200_000 {
		pattern, name := draw("ab*?[]^-\\", 9), draw("ab", 10)
		if name == "" {
			continue
		}
		if got, want := Match([]byte(pattern), []byte(name), false), slow(pattern, name); got != want {
			t.Fatalf("%q against %q: %v", pattern, name, got)
		}
	}
}

// Patterns that are made to take long come to an end soon, with the answer no.
func TestHostilePatterns(t *testing.T) {
	const n = 1 << 20
	name := []byte(strings.Repeat("a", n))
	for what, pattern := range map[string]string{
		"a long text that is nearly there": "*" + strings.Repeat("a", n/2) + "b",
		"question marks in it":             "*" + strings.Repeat("a?", n/4) + "b",
		"a large set":                      "*" + strings.Repeat("["+strings.Repeat("ab", n/4)+"]", 2) + "b",
		"many stars":                       strings.Repeat("*a", n/2) + "b",
		"a star at every place":            strings.Repeat("a*", 999) + "b",
	} {
		began := time.Now()
		if Match([]byte(pattern), name, false) {
			t.Errorf("%s matches", what)
		}
		if d := time.Since(began); d > time.Minute {
			t.Errorf("%s takes %v", what, d)
		}
	}
	if !Match([]byte("*"+strings.Repeat("a", n/2)), name, false) {
		t.Error("a long pattern that fits does not match")
	}
}
