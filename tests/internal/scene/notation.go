package scene

import (
	"fmt"
	"regexp"
	"strings"

	"larder/tests/internal/wire"
)

// The notation of replies. Each spelling stands for one byte sequence (nil: for one in each protocol):
//
//	+OK   -ERR no such key        simple strings and errors: to the end of the line, or +"..." inside of aggregates
//	:5    ,1.5    #t    (123      integer, double, boolean, big number
//	"a\x00"   !"ERR x"   ="txt:a" bulk string, blob error, verbatim string
//	nil   nil*                    $-1 and *-1 in RESP2, both _ in RESP3
//	$-1   *-1   _                 these, in either protocol
//	[1 2]  ~[...]  >[...]         array, set, push
//	{k v}  |{k v}                 map, attribute
//
// Matchers: ? any value; ... any number of further elements; a tilde and a regular expression after the type
// (":~", "+~", "$~", ",~", "-~", "=~") for the whole text of a scalar.

// Pattern is a reply as written in a scene: a value, or a matcher.
type Pattern struct {
	wire.Value // of an exact value; Kind and Elems of an aggregate
	Elems      []Pattern
	re         *regexp.Regexp // the text of a scalar of this Kind must match
	any, rest  bool
	exact      bool // $-1 or *-1, whatever the protocol
}

const (
	indent = "    "
	width  = 110 // columns after which a reply is broken
)

// ParsePatterns reads the lines of a reply.
func ParsePatterns(lines []string) ([]Pattern, error) {
	r := &reader{s: strings.Join(lines, "\n")}
	var out []Pattern
	for {
		r.skipBlank()
		if r.s == "" {
			return out, nil
		}
		p, err := r.value(true)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
}

type reader struct{ s string }

func (r *reader) skipBlank() { r.s = strings.TrimLeft(r.s, " \n") }

func (r *reader) value(top bool) (Pattern, error) {
	s := r.s
	switch {
	case strings.HasPrefix(s, "..."):
		r.s = s[3:]
		return Pattern{rest: true}, nil
	case s[0] == '?':
		r.s = s[1:]
		return Pattern{any: true}, nil
	case s[0] == '"':
		return r.text('$')
	case len(s) > 2 && s[1] == '~' && s[2] == '"':
		return r.matcher(s[0])
	case s[0] == '[':
		return r.aggregate('*', s[1:], ']')
	case s[0] == '{':
		return r.aggregate('%', s[1:], '}')
	case strings.HasPrefix(s, "~["):
		return r.aggregate('~', s[2:], ']')
	case strings.HasPrefix(s, ">["):
		return r.aggregate('>', s[2:], ']')
	case strings.HasPrefix(s, "|{"):
		return r.aggregate('|', s[2:], '}')
	case strings.ContainsRune("+-!=", rune(s[0])) && len(s) > 1 && s[1] == '"':
		r.s = s[1:]
		return r.text(s[0])
	case top && (s[0] == '+' || s[0] == '-'):
		line, after, _ := strings.Cut(s[1:], "\n")
		r.s = after
		return Pattern{Value: wire.Value{Kind: s[0], Text: []byte(line)}}, nil
	}
	return r.word()
}

func (r *reader) text(kind byte) (Pattern, error) {
	text, rest, err := cutQuoted(r.s)
	if err == nil {
		text, rest, err = cutRepeat(text, rest)
	}
	r.s = rest
	return Pattern{Value: wire.Value{Kind: kind, Text: []byte(text)}}, err
}

func (r *reader) matcher(kind byte) (Pattern, error) {
	// The expression's own backslashes stay: only \" is an escape of the notation.
	s := r.s[2:]
	for i := 1; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		if s[i] == '"' {
			r.s = s[i+1:]
			re, err := regexp.Compile(`(?s)\A(?:` + strings.ReplaceAll(s[1:i], `\"`, `"`) + `)\z`)
			return Pattern{Value: wire.Value{Kind: kind}, re: re}, err
		}
	}
	return Pattern{}, fmt.Errorf("matcher without closing quote: %.60q", s)
}

func (r *reader) aggregate(kind byte, rest string, end byte) (Pattern, error) {
	p := Pattern{Value: wire.Value{Kind: kind}}
	r.s = rest
	for {
		r.skipBlank()
		if r.s == "" {
			return p, fmt.Errorf("no closing %c", end)
		}
		if r.s[0] == end {
			r.s = r.s[1:]
			if kind != '*' && kind != '~' && kind != '>' && len(p.Elems)%2 != 0 && !p.Elems[len(p.Elems)-1].rest {
				return p, fmt.Errorf("map with a key and no value")
			}
			return p, nil
		}
		e, err := r.value(false)
		if err != nil {
			return p, err
		}
		p.Elems = append(p.Elems, e)
	}
}

func (r *reader) word() (Pattern, error) {
	end := strings.IndexAny(r.s, " \n]}")
	if end < 0 {
		end = len(r.s)
	}
	w := r.s[:end]
	r.s = r.s[end:]
	switch {
	case w == "nil":
		return Pattern{Value: wire.Value{Kind: '$', Null: true}}, nil
	case w == "nil*":
		return Pattern{Value: wire.Value{Kind: '*', Null: true}}, nil
	case w == "$-1" || w == "*-1":
		return Pattern{Value: wire.Value{Kind: w[0], Null: true}, exact: true}, nil
	case w == "_":
		return Pattern{Value: wire.Value{Kind: '_'}}, nil
	case w != "" && strings.ContainsRune(":,#(+-", rune(w[0])):
		return Pattern{Value: wire.Value{Kind: w[0], Text: []byte(w[1:])}}, nil
	}
	return Pattern{}, fmt.Errorf("no value begins with %.40q", w+r.s)
}

// FormatValues writes values that were received in a protocol as the lines of a reply.
func FormatValues(values []wire.Value, proto int) []string {
	var lines []string
	for _, v := range values {
		if proto == 3 && v.Null { // after RESET, say
			lines = append(lines, indent+string(v.Kind)+"-1")
			continue
		}
		if flat := formatFlat(v, true); len(indent)+len(flat) <= width || !v.Aggregate() || len(v.Elems) == 0 {
			lines = append(lines, indent+flat)
			continue
		}
		lines = formatTall(lines, v, indent)
	}
	return lines
}

var brackets = map[byte][2]string{'*': {"[", "]"}, '~': {"~[", "]"}, '>': {">[", "]"}, '%': {"{", "}"}, '|': {"|{", "}"}}

// formatTall writes an aggregate over several lines: elements that are scalars fill lines, others have their own.
func formatTall(lines []string, v wire.Value, pad string) []string {
	b := brackets[v.Kind]
	lines = append(lines, pad+b[0])
	inner := pad + "  "
	row := ""
	flush := func() {
		if row != "" {
			lines = append(lines, inner+row)
			row = ""
		}
	}
	step := 1
	if v.Kind == '%' || v.Kind == '|' {
		step = 2
	}
	for i := 0; i < len(v.Elems); i += step {
		e := v.Elems[i : i+step]
		flat := formatFlat(e[0], false)
		if step == 2 {
			flat += " " + formatFlat(e[1], false)
		}
		last := e[step-1]
		switch {
		case last.Aggregate() && len(last.Elems) > 0 && len(inner)+len(flat) > width:
			flush()
			if step == 2 {
				lines = append(lines, inner+formatFlat(e[0], false))
			}
			lines = formatTall(lines, last, inner)
		case last.Aggregate() || step == 2:
			flush()
			lines = append(lines, inner+flat)
		case row == "":
			row = flat
		case len(inner)+len(row)+1+len(flat) > width:
			flush()
			row = flat
		default:
			row += " " + flat
		}
	}
	flush()
	return append(lines, pad+b[1])
}

var plainText = regexp.MustCompile(`^[!-~](?:[ -~]*[!-~])?$`)
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

func formatFlat(v wire.Value, top bool) string {
	switch {
	case v.Aggregate():
		b := brackets[v.Kind]
		parts := make([]string, len(v.Elems))
		for i, e := range v.Elems {
			parts[i] = formatFlat(e, false)
		}
		return b[0] + strings.Join(parts, " ") + b[1]
	case v.Null && v.Kind == '*':
		return "nil*"
	case v.Null:
		return "nil"
	case v.Kind == '$':
		return Quote(string(v.Text))
	case v.Kind == '!' || v.Kind == '=':
		return string(v.Kind) + Quote(string(v.Text))
	case v.Kind == '+' || v.Kind == '-':
		text := string(v.Text)
		if top && plainText.MatchString(text) && text[0] != '"' && text[0] != '~' || plainWord.MatchString(text) {
			return string(v.Kind) + text
		}
		return string(v.Kind) + Quote(text)
	}
	return string(v.Kind) + string(v.Text)
}
