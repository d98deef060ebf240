package config

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// larder.conf at the root of the tree is what operators begin with: it names every directive, and what it sets are the
// defaults.
func TestExampleFileIsComplete(t *testing.T) {
	path, err := filepath.Abs(filepath.Join("..", "..", "larder.conf"))
	must(t, err)
	text, err := os.ReadFile(path)
	must(t, err)
	s := New()
	must(t, s.Load(ParseArgs([]string{path}), nil))
	fresh := New()
	for _, r := range Rows() {
		if r.Hidden {
			continue
		}
		named := regexp.MustCompile(`(?m)^(# )?` + regexp.QuoteMeta(r.Name) + ` `)
		if r.NoEffect != "" {
			named = regexp.MustCompile(`(?m)[# ]` + regexp.QuoteMeta(r.Name) + `( |$)`)
		}
		if !named.Match(text) {
			t.Errorf("larder.conf does not mention %s", r.Name)
		}
		if got, want := r.format(r.load(&s.Config)), r.format(r.load(&fresh.Config)); got != want {
			t.Errorf("larder.conf sets %s to %q, which is not the default %q", r.Name, got, want)
		}
	}
	if ignored := s.Ignored(); len(ignored) > 0 {
		t.Errorf("larder.conf sets directives without effect: %v", ignored)
	}
}
