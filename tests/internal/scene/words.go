package scene

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// parseStep reads a command line: [@conn] {marks} command words.
func parseStep(line string) (*Step, error) {
	s := &Step{Source: line, Conn: 1, Marks: Marks{N: -1}}
	rest := strings.TrimSpace(line)
	if strings.HasPrefix(rest, "@") {
		word, after, _ := strings.Cut(rest[1:], " ")
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("connection number %q", word)
		}
		s.Conn, rest = n, strings.TrimSpace(after)
	}
	for strings.HasPrefix(rest, "{") {
		mark, after, ok := strings.Cut(rest[1:], "}")
		if !ok {
			return nil, fmt.Errorf("mark without }: %q", rest)
		}
		if err := s.Marks.set(mark); err != nil {
			return nil, err
		}
		rest = strings.TrimSpace(after)
	}
	s.words = rest
	args, err := expand(rest, nil)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("no command: %q", line)
	}
	s.Command = strings.ToUpper(args[0])
	return s, nil
}

func (m *Marks) set(mark string) (err error) {
	name, value, _ := strings.Cut(mark, "=")
	switch name {
	case "sort":
		m.Order = AnyOrder
	case "pairs":
		m.Order = PairsAnyOrder
	case "contains":
		m.Order = Contains
	case "scan":
		m.Order = ScanAnyOrder
	case "scanpairs":
		m.Order = ScanPairsAnyOrder
	case "n":
		m.N, err = strconv.Atoi(value)
	case "until":
		m.Until = true
	case "block":
		m.Block = true
	case "send":
		m.Send = true
	case "closed":
		m.Close = true
	case "save":
		m.Save = value
	case "since":
		m.Since, err = parseVersion(value)
	default:
		err = fmt.Errorf("unknown mark {%s}", mark)
	}
	return err
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

// Args are the words of the step's command, with ${name} replaced from vars.
func (s *Step) Args(vars map[string]string) ([]string, error) {
	if vars == nil {
		vars = map[string]string{}
	}
	return expand(s.words, vars)
}

// expand splits a command line into arguments. With nil vars, variables are left as they stand.
func expand(line string, vars map[string]string) ([]string, error) {
	var args []string
	for {
		line = strings.TrimLeft(line, " ")
		if line == "" {
			return args, nil
		}
		if group, from, to, after, ok := cutRange(line); ok {
			for i := from; i <= to; i++ {
				words, err := expand(strings.ReplaceAll(group, "%", strconv.Itoa(i)), vars)
				if err != nil {
					return nil, err
				}
				args = append(args, words...)
			}
			line = after
			continue
		}
		word, after, err := cutWord(line, vars)
		if err != nil {
			return nil, err
		}
		args = append(args, word)
		line = after
	}
}

var rangeWord = regexp.MustCompile(`^<([^>]+)>(\d+)\.\.(\d+)( |$)`)

// cutRange reads <text with %>from..to.
func cutRange(line string) (group string, from, to int, after string, ok bool) {
	m := rangeWord.FindStringSubmatch(line)
	if m == nil {
		return "", 0, 0, line, false
	}
	from, err1 := strconv.Atoi(m[2])
	to, err2 := strconv.Atoi(m[3])
	return m[1], from, to, line[len(m[0]):], err1 == nil && err2 == nil
}

func cutWord(line string, vars map[string]string) (word, after string, err error) {
	switch line[0] {
	case '"', '\'':
		text, rest, err := cutQuoted(line)
		if err != nil {
			return "", "", err
		}
		if text, rest, err = cutRepeat(text, rest); err != nil {
			return "", "", err
		}
		if rest != "" && rest[0] != ' ' {
			return "", "", fmt.Errorf("text right after a closing quote: %q", rest)
		}
		return text, rest, nil
	}
	word, after, _ = strings.Cut(line, " ")
	word, err = substitute(word, vars)
	return word, after, err
}

func substitute(word string, vars map[string]string) (string, error) {
	if vars == nil || !strings.Contains(word, "${") {
		return word, nil
	}
	var missing string
	word = variable.ReplaceAllStringFunc(word, func(m string) string {
		v, ok := vars[m[2:len(m)-1]]
		if !ok {
			missing = m
		}
		return v
	})
	if missing != "" {
		return "", fmt.Errorf("%s was not saved by an earlier command", missing)
	}
	return word, nil
}

// cutRepeat reads the *1000 that may stand right after a closing quote.
func cutRepeat(text, rest string) (string, string, error) {
	if !strings.HasPrefix(rest, "*") {
		return text, rest, nil
	}
	end := 1
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(rest[1:end])
	if err != nil || n*len(text) > 1<<29 {
		return "", "", fmt.Errorf("repeat count %q", rest[1:end])
	}
	return strings.Repeat(text, n), rest[end:], nil
}

// cutQuoted reads a quoted text at the start of s: "..." with redis-cli's escapes, or '...' where only \' is one.
func cutQuoted(s string) (text, rest string, err error) {
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == quote:
			return b.String(), s[i+1:], nil
		case c != '\\' || i+1 == len(s):
			b.WriteByte(c)
		case quote == '\'':
			if s[i+1] == '\'' {
				i++
			}
			b.WriteByte(s[i])
		case s[i+1] == 'x' && i+3 < len(s):
			n, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err != nil {
				return "", "", fmt.Errorf(`escape \x%s`, s[i+2:i+4])
			}
			b.WriteByte(byte(n))
			i += 3
		default:
			i++
			b.WriteByte(unescape(s[i]))
		}
	}
	return "", "", fmt.Errorf("no closing quote: %.60q", s)
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'a':
		return '\a'
	case 'b':
		return '\b'
	}
	return c
}

// Quote writes a text in double quotes, with the escapes that cutQuoted reads; long repeated texts as "ab"*1000.
func Quote(text string) string {
	for period := 1; period <= 8 && len(text) >= 32; period++ {
		if len(text)%period == 0 && text[period:] == text[:len(text)-period] {
			return Quote(text[:period]) + "*" + strconv.Itoa(len(text)/period)
		}
	}
	b := make([]byte, 0, len(text)+2)
	b = append(b, '"')
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < 0x20 || c > 0x7e:
			b = fmt.Appendf(b, `\x%02x`, c)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// QuoteArg writes an argument bare where that reads back as the same, else quoted.
func QuoteArg(arg string) string {
	if arg == "" || strings.ContainsAny(arg[:1], "\"'<{@.#=!") || strings.Contains(arg, "${") {
		return Quote(arg)
	}
	if len(arg) >= 64 {
		if q := Quote(arg); len(q) < len(arg) {
			return q
		}
	}
	for i := 0; i < len(arg); i++ {
		if arg[i] <= 0x20 || arg[i] > 0x7e {
			return Quote(arg)
		}
	}
	return arg
}
