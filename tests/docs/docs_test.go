// Package docs holds the documentation to what the server really is: docs/commands.md is made of the tables that it goes
// by, options in examples are directives that there are, and links lead somewhere.
//
//	go test ./tests/docs -update     writes docs/commands.md anew
package docs

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"larder/server/command/spec"
	"larder/server/config"
	"larder/tests/internal/peer"
)

var update = flag.Bool("update", false, "write docs/commands.md anew")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	peer.RemoveBuild()
	os.Exit(code)
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := peer.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// served is the names of all commands that the server has, "client|list" among them.
func served(t *testing.T) (names []string) {
	t.Helper()
	program, err := peer.Build()
	if err != nil {
		t.Fatal(err)
	}
	s, err := peer.Start(program, peer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	c, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.Do("COMMAND", "LIST")
	if err != nil || list.IsError() {
		t.Fatalf("COMMAND LIST: %v %v", list, err)
	}
	for _, v := range list.Elems {
		names = append(names, strings.ToLower(v.String()))
	}
	slices.Sort(names)
	return names
}

const head = `# Commands

Every command of the server, from the tables that it goes by: ` + "`go test ./tests/docs -update`" + ` makes this page. Words in capitals stand
for themselves, what is in brackets may be left out. ` + "`COMMAND DOCS`" + ` says the same to programs.

`

func page(names []string) string {
	groups := map[string][]*spec.Spec{}
	for _, name := range names {
		s, ok := spec.Lookup(name)
		if !ok || s.System || len(s.Subcommands) > 0 && s.Arity == -2 && s.Syntax == "" {
			continue // a container is its subcommands
		}
		groups[s.Group.String()] = append(groups[s.Group.String()], s)
	}
	var b strings.Builder
	b.WriteString(head)
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&b, "## %s\n\n| command | since | |\n|---|---|---|\n", strings.ReplaceAll(g, "_", " "))
		for _, s := range groups[g] {
			text := strings.ToUpper(strings.ReplaceAll(s.Name, "|", " "))
			if args := syntax(s.Arguments()); args != "" {
				text += " " + args
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s %s |\n", strings.ReplaceAll(text, "|", `\|`), s.Since, s.Summary, s.Complexity)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// syntax words arguments as the manual does.
func syntax(args []spec.Arg) string {
	var words []string
	for _, a := range args {
		words = append(words, argument(a))
	}
	return strings.Join(words, " ")
}

func argument(a spec.Arg) string {
	text := a.Display
	if text == "" {
		text = a.Name
	}
	switch a.Type {
	case spec.ArgPureToken:
		text = ""
	case spec.ArgOneOf:
		var ways []string
		for _, x := range a.Args {
			ways = append(ways, argument(x))
		}
		text = strings.Join(ways, " | ")
		if !a.Optional {
			text = "<" + text + ">"
		}
	case spec.ArgBlock:
		text = syntax(a.Args)
	}
	token := a.Token
	if a.Type == spec.ArgPureToken && token == "" {
		token = `""`
	}
	once := strings.TrimSpace(token + " " + text)
	if a.Multiple {
		more := text
		if a.MultipleToken {
			more = once
		}
		once += " [" + more + " ...]"
	}
	if a.Optional {
		return "[" + once + "]"
	}
	return once
}

func TestCommandsAreThose(t *testing.T) {
	path := filepath.Join(root(t), "docs", "commands.md")
	want := page(served(t))
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("docs/commands.md is not what the server has; go test ./tests/docs -update writes it anew")
	}
}

// pages are README and docs, by the path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	dir := root(t)
	list, err := filepath.Glob(filepath.Join(dir, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, path := range append(list, filepath.Join(dir, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(dir, path)
		out[name] = string(text)
	}
	return out
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	option  = regexp.MustCompile(`(?:larder|bin/larder|LARDER) (?:serve |[^\s]+\.conf )[^\n]*`)
	flags   = regexp.MustCompile(`(?:^|\s)--([a-z][a-z0-9-]*)`)
)

// anchor is what a heading is called in links.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, place, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			target := name
			if to != "" {
				target = filepath.Join(filepath.Dir(name), to)
			}
			if _, err := os.Stat(filepath.Join(root(t), target)); err != nil {
				t.Errorf("%s: there is no %s", name, m[1])
				continue
			}
			if place != "" && !slices.ContainsFunc(heading.FindAllStringSubmatch(all[target], -1), func(h []string) bool { return anchor(h[1]) == place }) {
				t.Errorf("%s: %s has no heading #%s", name, target, place)
			}
		}
	}
}

func TestOptionsAreDirectives(t *testing.T) {
	known := map[string]bool{"cache": true} // a word for cache-mode yes
	for _, r := range config.Rows() {
		known[r.Name], known[r.Alias] = true, true
	}
	checked := 0
	for name, text := range pages(t) {
		text = strings.ReplaceAll(text, "\\\n", " ")
		for _, line := range option.FindAllString(text, -1) {
			line, _, _ = strings.Cut(line, "#")
			for _, m := range flags.FindAllStringSubmatch(line, -1) {
				if checked++; !known[m[1]] {
					t.Errorf("%s: there is no directive %s: %s", name, m[1], strings.TrimSpace(line))
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d options were found in the examples", checked)
	}
}

// Lines of the configuration in the examples are read as they stand: there is no comment behind a value.
func TestLinesOfTheConfigurationAreRead(t *testing.T) {
	checked := 0
	for name, text := range pages(t) {
		for line := range strings.Lines(text) {
			line, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
			if word, _, _ := strings.Cut(line, " "); !indented || config.Lookup(word) == nil {
				continue
			}
			checked++
			if err := config.New().Load(config.Source{Stdin: true}, strings.NewReader(line)); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d lines were found in the examples", checked)
	}
}
