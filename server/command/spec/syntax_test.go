package spec

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// render writes arguments in the notation that parseSyntax reads.
func render(args []Arg) string {
	var parts []string
	for i := range args {
		a := &args[i]
		s := renderArg(a)
		bare := a.Type == ArgPureToken && !a.Optional && !strings.HasSuffix(s, "'")
		if bare && i+1 < len(args) {
			s += ","
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

func renderArg(a *Arg) string {
	s := a.Name
	optional := a.Optional
	switch a.Type {
	case ArgPureToken:
		switch {
		case a.Token != "" && strings.ToLower(a.Token) == a.Name && !strings.ContainsAny(a.Token, wordEnds):
			s = a.Token
		default:
			s += "='" + a.Token + "'"
		}
	case ArgOneOf, ArgBlock:
		var parts []string
		for i := range a.Args {
			parts = append(parts, renderArg(&a.Args[i]))
		}
		inner := strings.Join(parts, "|")
		if a.Type == ArgBlock {
			inner = render(a.Args)
		}
		if s += "=(" + inner + ")"; optional && a.Token == "" {
			s = a.Name + "=[" + inner + "]"
			optional = false
		}
	default:
		s += [...]string{"", ":int", ":double", ":key", ":pattern", ":time"}[a.Type]
		if a.KeySpec >= 0 {
			s += "@" + strconv.Itoa(a.KeySpec)
		}
		if a.Display != "" {
			s += "/" + a.Display
		}
	}
	if a.Token != "" && a.Type != ArgPureToken {
		s = a.Token + " " + s
	}
	if a.Multiple {
		s += "..."
	}
	if a.MultipleToken {
		s += "&"
	}
	if a.Since != "" || a.DeprecatedSince != "" {
		s += "{" + a.Since
		if a.DeprecatedSince != "" {
			s += "-" + a.DeprecatedSince
		}
		s += "}"
	}
	if optional {
		s = "[" + s + "]"
	}
	return s
}

func TestSyntaxSaysEverything(t *testing.T) {
	for _, s := range everySpec() {
		args := s.Arguments()
		again, err := parseSyntax(render(args))
		if err != nil || !reflect.DeepEqual(args, again) {
			t.Errorf("%s: %s reads as %+v (%v), want %+v", s.Name, render(args), again, err, args)
		}
	}
}

func TestSyntaxNotation(t *testing.T) {
	leaf := func(name string, typ ArgType) Arg { return Arg{Name: name, Type: typ, KeySpec: -1} }
	with := func(a Arg, change func(*Arg)) Arg { change(&a); return a }
	pure := func(name, token string) Arg {
		return with(leaf(name, ArgPureToken), func(a *Arg) { a.Token = token })
	}
	for _, c := range []struct {
		text string
		want []Arg
	}{
		{"", nil},
		{"value", []Arg{leaf("value", ArgString)}},
		{"a:int b:double c:pattern d:time e:key", []Arg{leaf("a", ArgInteger), leaf("b", ArgDouble), leaf("c", ArgPattern),
			leaf("d", ArgUnixTime), leaf("e", ArgKey)}},
		{"key@2", []Arg{with(leaf("key", ArgKey), func(a *Arg) { a.KeySpec = 2 })}},
		{"p:pattern@1/ip:port...", []Arg{with(leaf("p", ArgPattern), func(a *Arg) {
			a.KeySpec, a.Display, a.Multiple = 1, "ip:port", true
		})}},
		{"NX", []Arg{pure("nx", "NX")}},
		{"change=CH equal='=' none=''", []Arg{pure("change", "CH"), pure("equal", "="), pure("none", "")}},
		{"EX seconds:int", []Arg{with(leaf("seconds", ArgInteger), func(a *Arg) { a.Token = "EX" })}},
		{"NX, value", []Arg{pure("nx", "NX"), leaf("value", ArgString)}},
		{"NX XX [GET]", []Arg{pure("nx", "NX"), pure("xx", "XX"), with(pure("get", "GET"), func(a *Arg) { a.Optional = true })}},
		{"NX [value]", []Arg{pure("nx", "NX"), with(leaf("value", ArgString), func(a *Arg) { a.Optional = true })}},
		{"order=(ASC|DESC)", []Arg{with(leaf("order", ArgOneOf), func(a *Arg) {
			a.Args = []Arg{pure("asc", "ASC"), pure("desc", "DESC")}
		})}},
		{"[LIMIT limit=(a:int b)]{2.0-7.2}", []Arg{with(leaf("limit", ArgBlock), func(a *Arg) {
			a.Token, a.Optional, a.Since, a.DeprecatedSince = "LIMIT", true, "2.0", "7.2"
			a.Args = []Arg{leaf("a", ArgInteger), leaf("b", ArgString)}
		})}},
		{"data=[f v]...", []Arg{with(leaf("data", ArgBlock), func(a *Arg) {
			a.Optional, a.Multiple, a.Args = true, true, []Arg{leaf("f", ArgString), leaf("v", ArgString)}
		})}},
		{"[GET p...&]", []Arg{with(leaf("p", ArgString), func(a *Arg) {
			a.Token, a.Optional, a.Multiple, a.MultipleToken = "GET", true, true, true
		})}},
	} {
		got, err := parseSyntax(c.text)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is read as %+v (%v), want %+v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{
		" ", "a  b", "a ", "a|b", "(a)", "[a b]", "[a|b]", "g=(a", "g=[a)", "g=(a b|c)", "a:nothing", "key@x", "key@", "a=", "a='x", "a{1",
		"a)", "]", "[", "a..", "A b c=", "p/x.y", "NX,value", "a&",
	} {
		if got, err := parseSyntax(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func FuzzSyntax(f *testing.F) {
	for _, s := range everySpec() {
		f.Add(s.Syntax)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args, err := parseSyntax(text)
		if err == nil && len(args) == 0 && text != "" {
			t.Errorf("%q has no arguments and no error", text)
		}
	})
}
