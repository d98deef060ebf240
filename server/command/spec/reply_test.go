package spec

import (
	"strings"
	"testing"
)

func TestInfoOfSubcommands(t *testing.T) {
	known := func(s *Spec) bool { return s.Name == "xinfo|groups" || s.Name == "xinfo|help" }
	var w textSink
	Must("xinfo").WriteInfo(&w, known)
	var groups, help textSink
	Must("xinfo|groups").WriteInfo(&groups, known)
	Must("xinfo|help").WriteInfo(&help, known)
	want := `[10 "xinfo" -2 <0> 0 0 0 <1 +@slow> <0> <0> [2 ` + groups.String() + " " + help.String() + "]]"
	if w.String() != want {
		t.Errorf("%s, want %s", w.String(), want)
	}
	if !strings.HasPrefix(groups.String(), `[10 "xinfo|groups" 3 <1 +readonly> 2 2 1 <`) || !strings.HasSuffix(help.String(), "<0>]") {
		t.Errorf("%s %s", groups.String(), help.String())
	}
}

func TestDocs(t *testing.T) {
	var w textSink
	Must("xinfo").WriteDocs(&w, func(s *Spec) bool { return s.Name == "xinfo|groups" })
	var groups textSink
	Must("xinfo|groups").WriteDocs(&groups, nil)
	want := `{10 "summary" "` + Must("xinfo").Summary + `" "since" "5.0.0" "group" "stream" "complexity" "` + Must("xinfo").Complexity +
		`" "subcommands" {2 "xinfo|groups" ` + groups.String() + "}}"
	if w.String() != want {
		t.Errorf("%s, want %s", w.String(), want)
	}
	if !strings.Contains(groups.String(), `"arguments" [1 {8 "name" "key" "type" "key" "display_text" "key" "key_spec_index" 0}]`) {
		t.Error(groups.String())
	}
	for _, s := range everySpec() { // textSink finds wrong counts
		var w textSink
		s.WriteDocs(&w, func(*Spec) bool { return true })
		if text := w.String(); !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}") {
			t.Errorf("%s: %s", s.Name, text)
		}
		if n := strings.Count(w.String(), `"subcommands"`); (n == 1) != (len(s.Subcommands) > 0) {
			t.Errorf("%s: subcommands %d times", s.Name, n)
		}
	}
}

func TestCategories(t *testing.T) {
	names := CategoryNames()
	if len(names) != 21 || names[0] != "keyspace" || names[20] != "scripting" {
		t.Errorf("%q", names)
	}
	for _, n := range names {
		c, ok := Category(strings.ToUpper(n))
		if !ok || c.String() != "@"+n {
			t.Errorf("%s is %v %v", n, c, ok)
		}
	}
	for _, n := range []string{"", "all", "@read", "nosuch"} {
		if c, ok := Category(n); ok {
			t.Errorf("%s is %v", n, c)
		}
	}
	for name, want := range map[string]string{
		"hexpire":      "@write @hash @fast",
		"hgetex":       "@write @hash @fast",
		"eval_ro":      "@slow @scripting",
		"msetex":       "@write @string @slow",
		"client|capa":  "@slow @connection",
		"publish":      "@pubsub @fast",
		"flushall":     "@keyspace @write @slow @dangerous",
		"config|get":   "@admin @slow @dangerous",
		"blmpop":       "@write @list @slow @blocking",
		"httl":         "@read @hash @fast",
		"cluster|info": "@slow",
	} {
		if got := Must(name).Categories.String(); got != want {
			t.Errorf("%s is in %s, want %s", name, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	if s := Must("client|list"); s.Subname() != "list" || s.Container != Must("client") {
		t.Errorf("%q in %v", s.Subname(), s.Container)
	}
	if s := Must("get"); s.Subname() != "get" || s.Container != nil {
		t.Errorf("%q in %v", s.Subname(), s.Container)
	}
	if _, ok := Lookup("GET"); ok {
		t.Error("the catalogue's names are lower case")
	}
	defer func() {
		if recover() == nil {
			t.Error("Must finds what is not there")
		}
	}()
	Must("client|nosuch")
}

func TestArity(t *testing.T) {
	for _, c := range []struct {
		name string
		argc int
		ok   bool
	}{{"get", 1, false}, {"get", 2, true}, {"get", 3, false}, {"mget", 1, false}, {"mget", 2, true}, {"mget", 1000, true}, {"client|id", 2, true}} {
		if Must(c.name).ArityOK(c.argc) != c.ok {
			t.Errorf("%s with %d arguments: %v", c.name, c.argc, !c.ok)
		}
	}
}
