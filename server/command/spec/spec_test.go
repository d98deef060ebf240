package spec

import (
	"slices"
	"strings"
	"testing"
)

// every entry of the catalogue, by name.
func everySpec() []*Spec {
	var all []*Spec
	for _, s := range catalogue {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Spec) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// TestCatalogueIsSound holds what must be true of every entry, whatever any server says of it.
func TestCatalogueIsSound(t *testing.T) {
	for _, s := range everySpec() {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf(s.Name+": "+format, args...)
		}
		if s.Name != strings.ToLower(s.Name) {
			fail("the name is not lower case")
		}
		if (s.Container != nil) != strings.Contains(s.Name, "|") {
			fail("container %v", s.Container)
		}
		if s.Container != nil {
			if s.Container.Container != nil {
				fail("a subcommand of a subcommand")
			}
			if s.Group != s.Container.Group {
				fail("group %v, its container has %v", s.Group, s.Container.Group)
			}
			if s.Arity == 1 || s.Arity == -1 {
				fail("arity %d does not count both words", s.Arity)
			}
		}
		if s.Arity == 0 {
			fail("no arity")
		}
		if s.Since == "" || s.Complexity == "" {
			fail("since %q, complexity %q", s.Since, s.Complexity)
		}
		if s.Summary == "" || !strings.HasSuffix(s.Summary, ".") || strings.Count(s.Summary, ". ") > 0 || len(s.Summary) > 120 {
			fail("the summary is not one short sentence: %q", s.Summary)
		}
		if s.Has(Write) && s.Has(ReadOnly) {
			fail("both a write and a read")
		}
		if s.DeprecatedSince != "" && s.ReplacedBy == "" || s.DeprecatedSince == "" && s.ReplacedBy != "" {
			fail("deprecated since %q, replaced by %q", s.DeprecatedSince, s.ReplacedBy)
		}
		args, err := parseSyntax(s.Syntax)
		if err != nil {
			fail("%v", err)
			continue
		}
		if fewest := fewestWords(args) + 1 + strings.Count(s.Name, "|"); s.Arity > 0 && fewest != s.Arity {
			fail("arity %d, but the syntax needs %d words", s.Arity, fewest)
		} else if s.Arity < 0 && fewest > -s.Arity {
			fail("arity %d, but the syntax needs %d words", s.Arity, fewest)
		}
		used := map[int]bool{}
		eachArg(args, func(a *Arg) {
			if a.KeySpec >= len(s.Keys) {
				fail("argument %s is told by key spec %d of %d", a.Name, a.KeySpec, len(s.Keys))
			}
			used[a.KeySpec] = true
			if a.Type == ArgKey && a.KeySpec < 0 {
				fail("argument %s is a key without a key spec", a.Name)
			}
			if a.Token != strings.ToUpper(a.Token) || a.Name != strings.ToLower(a.Name) || a.Name == "" {
				fail("argument %q has the token %q", a.Name, a.Token)
			}
			names := map[string]bool{}
			for _, sub := range a.Args {
				if names[sub.Name] {
					fail("two arguments %s in %s", sub.Name, a.Name)
				}
				names[sub.Name] = true
			}
		})
		for i, k := range s.Keys {
			if k.Flags&NotKey == 0 && !used[i] && !s.System && s.Name != "restore-asking" {
				fail("no argument is told by key spec %d", i)
			}
			if n := popcount(k.Flags & (RO | RW | OW | RM)); n != 1 && k.Flags&NotKey == 0 {
				fail("key spec %d has %d of RO, RW, OW and RM", i, n)
			}
			if s.Has(ReadOnly) && !s.Has(MayReplicate) && k.Flags&(RW|OW|RM) != 0 { // PFCOUNT caches what it has counted
				fail("a read that writes key %d", i)
			}
			if k.Begin == BeginIndex && k.Pos < 1+strings.Count(s.Name, "|") {
				fail("key spec %d begins at %d", i, k.Pos)
			}
		}
	}
}

func popcount(f KeyFlags) int {
	n := 0
	for ; f != 0; f &= f - 1 {
		n++
	}
	return n
}

func eachArg(args []Arg, fn func(*Arg)) {
	for i := range args {
		fn(&args[i])
		eachArg(args[i].Args, fn)
	}
}

// fewestWords is the length of the shortest request that the arguments allow.
func fewestWords(args []Arg) int {
	n := 0
	for i := range args {
		a := &args[i]
		if a.Optional {
			continue
		}
		switch a.Type {
		case ArgPureToken:
			n++
		case ArgBlock:
			n += fewestWords(a.Args)
		case ArgOneOf:
			fewest := -1
			for j := range a.Args {
				if m := fewestWords(a.Args[j : j+1]); fewest < 0 || m < fewest {
					fewest = m
				}
			}
			n += fewest
		default:
			n++
		}
		if a.Token != "" && a.Type != ArgPureToken {
			n++
		}
	}
	return n
}
