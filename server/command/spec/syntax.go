package spec

import (
	"fmt"
	"strconv"
	"strings"
)

// The notation of Spec.Syntax is the manual's, with just enough added to name every part:
//
//	key@0                      a key, told by the command's key spec 0
//	value  count:int           an argument, a string unless a type follows: int, double, pattern, time, key
//	by-pattern:pattern@1       types and key specs go together
//	password/secret            shown to people as "secret"
//	NX                         a word of the protocol that stands for itself; its name is "nx"
//	change=CH  equal='='       … with a name of its own; quoted if it does not look like a word, and it may be empty
//	EX seconds:int             a word and its value are one argument
//	order=(ASC|DESC)           one of several
//	data=(field value)         several together
//	LIMIT limit=(a:int b:int)  a word and its values
//	[GET]  order=[ASC|DESC]    not required
//	value...                   once or more
//	GET pattern...&            once or more, each time with its word
//	GET{6.2.0}  a{2.0-7.2}     since this version, deprecated since the other
//	NX, value                  the comma says that value does not belong to the word before it
//
// For example `key@0 [LIMIT count:int{6.2.0}] id=(auto='*'|id)` is a key, an optional number after the word LIMIT,
// and either a star or an ID. A bracket with a single argument inside makes that argument optional; with several,
// it is a group and needs a name.

// ArgType is what an argument of a command's documentation is.
type ArgType uint8

// Argument types.
const (
	ArgString ArgType = iota
	ArgInteger
	ArgDouble
	ArgKey
	ArgPattern
	ArgUnixTime
	ArgPureToken
	ArgOneOf
	ArgBlock
)

// String is the name that COMMAND DOCS replies.
func (t ArgType) String() string {
	return [...]string{"string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof", "block"}[t]
}

// An Arg is one node of a command's documented arguments.
type Arg struct {
	Name            string
	Type            ArgType
	Token           string // upper case; of a pure token it may be empty
	Display         string // empty: as Name
	Since           string
	DeprecatedSince string
	KeySpec         int // index into Spec.Keys, or -1
	Optional        bool
	Multiple        bool
	MultipleToken   bool
	Args            []Arg // of ArgOneOf and ArgBlock
}

// Arguments parses Syntax. It panics if the notation is broken: the catalogue is ours.
func (s *Spec) Arguments() []Arg {
	args, err := parseSyntax(s.Syntax)
	if err != nil {
		panic("spec: " + s.Name + ": " + err.Error())
	}
	return args
}

// parseSyntax reads the notation described above.
func parseSyntax(text string) (args []Arg, err error) {
	if text == "" {
		return nil, nil
	}
	p := parser{rest: text}
	defer func() {
		if r := recover(); r != nil {
			e, ours := r.(syntaxError)
			if !ours {
				panic(r)
			}
			args, err = nil, fmt.Errorf("syntax at %q: %s", p.rest, string(e))
		}
	}()
	groups := p.alternatives()
	if p.rest != "" {
		p.fail("unexpected")
	}
	if len(groups) > 1 {
		p.fail("alternatives outside of brackets")
	}
	return groups[0], nil
}

type syntaxError string

type parser struct{ rest string }

func (p *parser) fail(why string) { panic(syntaxError(why)) }

// take removes the given text from the front if it is there.
func (p *parser) take(text string) bool {
	if !strings.HasPrefix(p.rest, text) {
		return false
	}
	p.rest = p.rest[len(text):]
	return true
}

// until removes and returns what stands before the first of the given bytes.
func (p *parser) until(ends string) string {
	i := strings.IndexAny(p.rest, ends)
	if i < 0 {
		i = len(p.rest)
	}
	word := p.rest[:i]
	p.rest = p.rest[i:]
	return word
}

// alternatives reads sequences with | between them, up to a closing bracket or the end.
func (p *parser) alternatives() [][]Arg {
	alts := [][]Arg{p.sequence()}
	for p.take("|") {
		alts = append(alts, p.sequence())
	}
	return alts
}

func (p *parser) sequence() []Arg {
	args := []Arg{p.arg()}
	for p.take(" ") {
		args = append(args, p.arg())
	}
	return args
}

const wordEnds = " |[](){}'=:@/,&."

// arg reads one argument with everything that belongs to it.
func (p *parser) arg() Arg {
	if p.take("[") {
		return p.group("", true)
	}
	var a Arg
	switch name := p.word(); {
	case name == "":
		p.fail("a name or a word is missing")
	case p.take("=["):
		return p.group(name, true)
	case p.take("=("):
		return p.group(name, false)
	case p.take("="):
		a = Arg{Name: name, Type: ArgPureToken, Token: p.word(), KeySpec: -1}
		if a.Token == "" {
			a.Token = p.quoted()
		}
	case strings.ToUpper(name) == name:
		if value, ok := p.value(); ok {
			value.Token = name
			return value
		}
		a = Arg{Name: strings.ToLower(name), Type: ArgPureToken, Token: name, KeySpec: -1}
	default:
		a = p.leaf(name)
	}
	p.suffix(&a)
	return a
}

// word reads a name or a word of the protocol; empty if something else follows. A dot inside is allowed, three are not.
func (p *parser) word() string {
	i := strings.IndexAny(p.rest, wordEnds)
	if i < 0 {
		i = len(p.rest)
	}
	w := p.rest[:i]
	p.rest = p.rest[i:]
	return w
}

func (p *parser) quoted() string {
	if !p.take("'") {
		p.fail("a word is missing")
	}
	w := p.until("'")
	if !p.take("'") {
		p.fail("broken quotes")
	}
	return w
}

// value reads the argument that belongs to a word just read, if there is one: an argument or a group with a name,
// but no word and nothing optional.
func (p *parser) value() (Arg, bool) {
	before := p.rest
	if !p.take(" ") {
		p.take(",")
		return Arg{}, false
	}
	name := p.word()
	if name != "" && strings.ToUpper(name) != name {
		if p.take("=(") {
			return p.group(name, false), true
		}
		if !strings.HasPrefix(p.rest, "=") {
			a := p.leaf(name)
			p.suffix(&a)
			return a, true
		}
	}
	p.rest = before
	return Arg{}, false
}

// leaf reads what follows the name of a plain argument.
func (p *parser) leaf(name string) Arg {
	a := Arg{Name: name, KeySpec: -1}
	if p.take(":") {
		switch word := p.word(); word {
		case "int":
			a.Type = ArgInteger
		case "double":
			a.Type = ArgDouble
		case "pattern":
			a.Type = ArgPattern
		case "time":
			a.Type = ArgUnixTime
		case "key":
			a.Type = ArgKey
		default:
			p.fail("no type " + word)
		}
	}
	if p.take("@") {
		n, err := strconv.Atoi(p.word())
		if err != nil {
			p.fail("a key spec is a number")
		}
		a.KeySpec = n
		if a.Type == ArgString {
			a.Type = ArgKey
		}
	}
	if p.take("/") {
		a.Display = p.until(" |[](){}.,") // anything but what ends it: "ip:port"
	}
	return a
}

// group reads what stands inside brackets, and the closing one with its suffixes.
func (p *parser) group(name string, optional bool) Arg {
	alts := p.alternatives()
	closing := ")"
	if optional {
		closing = "]"
	}
	if !p.take(closing) {
		p.fail("no " + closing)
	}
	a := Arg{Name: name, KeySpec: -1}
	switch {
	case name == "" && len(alts) == 1 && len(alts[0]) == 1:
		a = alts[0][0]
	case name == "":
		p.fail("a group needs a name")
	case len(alts) == 1:
		a.Type, a.Args = ArgBlock, alts[0]
	default:
		a.Type = ArgOneOf
		for _, alt := range alts {
			if len(alt) != 1 {
				p.fail("an alternative of several arguments needs brackets and a name")
			}
			a.Args = append(a.Args, alt[0])
		}
	}
	if optional {
		a.Optional = true
	}
	p.suffix(&a)
	return a
}

func (p *parser) suffix(a *Arg) {
	if p.take("...") {
		a.Multiple = true
		a.MultipleToken = p.take("&")
	}
	if p.take("{") {
		versions := p.until("}")
		a.Since, a.DeprecatedSince, _ = strings.Cut(versions, "-")
		if !p.take("}") {
			p.fail("no }")
		}
	}
}
