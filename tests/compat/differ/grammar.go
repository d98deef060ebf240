package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A template describes the scripts of one command, options and all, in one line:
//
//	SET {str} {val} [NX|XX] [GET] [EX {ttl}|PXAT {at_ms}|KEEPTTL]
//	MSET ({key} {val})+
//	SPOP {set@a} [{count}] ; DEL {@a}
//	DEL {list@a} ; 2!BLPOP {@a} 0 ; RPUSH {@a} {val}+ ; 2<
//
//	{name}     words that the generator of that name makes (generators.go)
//	{name@a}   the same, remembered; {@a} gives them again
//	[x|y]      nothing, or x, or y
//	(x|y)      x or y
//	x+         x one to four times
//	"a&b\nc"   one word, a b, with the rest on the next line
//	;          the next command; all commands of a template stay together when a failing script is made smaller
//	2: 2! 2<   the command goes to connection 2; it goes there and blocks; what connection 2 waits for is read
//	2> 2~      the command goes there, and nothing is read; all that connection 2 has heard since is read
//	2x         connection 2 is closed
//	2x         connection 2 is closed
type template struct {
	text  string
	steps []templateStep
}

type templateStep struct {
	conn int
	kind stepKind
	body node
}

type stepKind int

const (
	plain   stepKind = iota
	block            // the command blocks: its reply is that of a later await
	await            // read the reply of the blocked command
	tell             // the command is sent, and nothing is read
	collect          // read all that has come to a connection
	leave            // the connection is closed; the next command of this number opens a new one
)

// node is a piece of a template.
type node interface {
	emit(g *generator, out []string) []string
}

type (
	word     string
	call     struct{ name, bind string }
	sequence []node
	choice   struct {
		of       []node
		optional bool
	}
	repeat struct{ of node }
)

func (w word) emit(_ *generator, out []string) []string { return append(out, string(w)) }

func (c call) emit(g *generator, out []string) []string {
	if c.name == "" {
		return append(out, g.bound[c.bind]...)
	}
	words := generators[c.name](g)
	if c.bind != "" {
		g.bound[c.bind] = words
	}
	return append(out, words...)
}

func (s sequence) emit(g *generator, out []string) []string {
	for _, n := range s {
		out = n.emit(g, out)
	}
	return out
}

func (c choice) emit(g *generator, out []string) []string {
	if c.optional && g.chance(0.6) {
		return out
	}
	return c.of[g.IntN(len(c.of))].emit(g, out)
}

func (r repeat) emit(g *generator, out []string) []string {
	n := 1 + g.IntN(4)
	if g.chance(0.03) {
		n = 20
	}
	for range n {
		out = r.of.emit(g, out)
	}
	return out
}

// parseTemplate panics on mistakes: templates are part of this program.
func parseTemplate(text string) template {
	t := template{text: text}
	for _, part := range strings.Split(text, " ; ") {
		s := templateStep{conn: 1}
		part = strings.TrimSpace(part)
		if len(part) > 1 && part[0] >= '1' && part[0] <= '9' && strings.ContainsRune(":!<>~x", rune(part[1])) {
			s.conn = int(part[0] - '0')
			s.kind = map[byte]stepKind{':': plain, '!': block, '<': await, '>': tell, '~': collect, 'x': leave}[part[1]]
			part = part[2:]
		}
		p := &templateParser{text: text, rest: part}
		s.body = p.sequence("")
		if p.rest != "" {
			p.fail("text after the end")
		}
		t.steps = append(t.steps, s)
	}
	return t
}

type templateParser struct{ text, rest string }

func (p *templateParser) fail(why string) {
	panic(fmt.Sprintf("template %q: %s at %q", p.text, why, p.rest))
}

// sequence reads until one of the stop characters.
func (p *templateParser) sequence(stop string) node {
	var s sequence
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.rest == "" {
			return s
		}
		if strings.IndexByte(stop, p.rest[0]) >= 0 {
			return s
		}
		n := p.one()
		if strings.HasPrefix(p.rest, "+") {
			p.rest = p.rest[1:]
			n = repeat{n}
		}
		s = append(s, n)
	}
}

func (p *templateParser) one() node {
	switch p.rest[0] {
	case '[':
		return p.choice(']', true)
	case '(':
		if len(p.rest) > 1 && p.rest[1] != ' ' { // "(1" alone is written {exclusive}
			return p.choice(')', false)
		}
	case '{':
		inner, after, ok := strings.Cut(p.rest[1:], "}")
		if !ok {
			p.fail("no }")
		}
		p.rest = after
		name, bind, _ := strings.Cut(inner, "@")
		if _, known := generators[name]; !known && name != "" {
			p.fail("no generator " + name)
		}
		return call{name, bind}
	}
	if p.rest[0] == '"' { // a script; & stands for a blank
		text, after, ok := strings.Cut(p.rest[1:], `"`)
		if !ok {
			p.fail("no closing quote")
		}
		p.rest = after
		return word(strings.NewReplacer("&", " ", `\n`, "\n").Replace(text))
	}
	end := strings.IndexAny(p.rest, " |])")
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		p.fail("unexpected character")
	}
	w := p.rest[:end]
	p.rest = p.rest[end:]
	return word(w)
}

func (p *templateParser) choice(end byte, optional bool) node {
	c := choice{optional: optional}
	p.rest = p.rest[1:]
	for {
		c.of = append(c.of, p.sequence("|"+string(end)))
		if p.rest == "" {
			p.fail("group without end")
		}
		last := p.rest[0] == end
		p.rest = p.rest[1:]
		if last {
			return c
		}
	}
}

// generator makes scripts. All its choices come from one seed.
type generator struct {
	*rand.Rand
	bound    map[string][]string
	families []family
	total    int // sum of weights
	streamMS int // rises with each stream entry, so that most identifiers are larger than the last
}

func newGenerator(seed, number uint64, families []family) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, number)), families: families}
	for _, f := range families {
		g.total += f.weight
	}
	return g
}

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func (g *generator) pick(words ...string) string { return words[g.IntN(len(words))] }

// step is one command of a script, or the reading of a blocked client's reply.
type step struct {
	conn int
	kind stepKind
	args []string
}

// unit is what one template made.
type unit []step

// next makes the next piece of a script.
func (g *generator) next() unit {
	n := g.IntN(g.total)
	for _, f := range g.families {
		if n -= f.weight; n < 0 {
			return g.unit(f.templates[g.IntN(len(f.templates))])
		}
	}
	panic("weights do not add up")
}

func (g *generator) unit(t template) unit {
	defer func(outer map[string][]string) { g.bound = outer }(g.bound)
	g.bound = map[string][]string{}
	var u unit
	for _, s := range t.steps {
		args := s.body.emit(g, nil)
		u = append(u, step{conn: s.conn, kind: s.kind, args: args})
	}
	if len(u) == 1 && u[0].kind == plain && g.chance(0.06) && !mayBlock(u[0].args) && !usesFlatKey(u[0].args) {
		u[0].args = g.spoil(u[0].args)
	}
	return u
}

// mayBlock says whether a wrong word could make the command wait for ever, or others, or do what it should not: LSET takes
// the lower half of a huge index in Redis.
func mayBlock(args []string) bool {
	name := args[0]
	return len(name) > 2 && name[0] == 'B' && strings.IndexByte("LRZ", name[1]) >= 0 || slices.Contains(args, "BLOCK") ||
		slices.Contains([]string{"WAIT", "WAITAOF", "CLIENT", "DEBUG", "CONFIG", "AUTH", "HELLO", "LSET"}, name)
}

func usesFlatKey(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return slices.Contains(flatKeys, a) })
}

// junk are words that are wrong in most places.
var junk = []string{"foo", "", "-1", "0", "1.5", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "nan", "inf", " 1", "NX", "XX", "GT", "COUNT", "LIMIT",
	"WITHSCORES", "GET", "[a", "(5", "-", "+", "$", "#", "k0", "0x10", "1e5", "\x00\xff"}

// spoil makes a command wrong in one place, most of the time. Words that would make a command wait, or give a key a
// short life, are not among those that it puts in.
func (g *generator) spoil(args []string) []string {
	out := append([]string(nil), args...)
	at := 1 + g.IntN(len(out)+1)
	junk := g.pick(junk...)
	switch {
	case at >= len(out) || g.chance(0.2):
		return append(out, junk)
	case g.chance(0.4):
		return append(out[:at], out[at+1:]...)
	case g.chance(0.2):
		return append(out[:at], append([]string{out[at]}, out[at:]...)...)
	}
	out[at] = junk
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }
