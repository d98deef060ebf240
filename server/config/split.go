package config

var errUnbalanced = wording("Unbalanced quotes in configuration line")

// SplitArgs cuts a line into arguments as Redis does for its configuration file and for inline requests.
//
// Arguments are separated by blanks. Inside "double quotes" \n \r \t \b \a and \xHH are escapes and any other \c is c;
// inside 'single quotes' only \' is one. A closing quote must be followed by a blank or the end of the line. Quotes
// may open in the middle of an argument: ab"c d" is the one argument `abc d`. It fails on an unclosed quote and on
// text glued to a closing one.
func SplitArgs(line string) ([]string, error) {
	args := []string{}
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return args, nil
		}
		arg, next, ok := splitOne(line, i)
		if !ok {
			return nil, errUnbalanced
		}
		args = append(args, arg)
		i = next
	}
}

// splitOne reads the argument that starts at line[i] and returns it with the place behind it.
func splitOne(line string, i int) (arg string, next int, ok bool) {
	var out []byte
	for ; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\n', '\r', '\t':
			return string(out), i, true
		case '"', '\'':
			if out, i, ok = appendQuoted(out, line, i); !ok {
				return "", 0, false
			}
			return string(out), i, i == len(line) || isSpace(line[i])
		default:
			out = append(out, c)
		}
	}
	return string(out), i, true
}

// appendQuoted reads the quoted text that opens at line[i]; next is the place behind the closing quote.
func appendQuoted(out []byte, line string, i int) (_ []byte, next int, ok bool) {
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			return out, i + 1, true
		case c == '\\' && quote == '\'' && i+1 < len(line) && line[i+1] == '\'':
			i++
			out = append(out, '\'')
		case c == '\\' && quote == '"' && i+3 < len(line) && line[i+1] == 'x' && hexDigit(line[i+2]) >= 0 && hexDigit(line[i+3]) >= 0:
			out = append(out, byte(hexDigit(line[i+2])<<4|hexDigit(line[i+3])))
			i += 3
		case c == '\\' && quote == '"' && i+1 < len(line):
			i++
			out = append(out, unescape(line[i]))
		default:
			out = append(out, c)
		}
	}
	return nil, 0, false
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Quote is the inverse of SplitArgs for one argument: double quotes around it, unprintable bytes as \xHH.
func Quote(s string) string {
	const hex = "0123456789abcdef"
	out := make([]byte, 0, len(s)+2)
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\' || c == '"':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c == '\a':
			out = append(out, '\\', 'a')
		case c == '\b':
			out = append(out, '\\', 'b')
		case c < ' ' || c > '~':
			out = append(out, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return string(append(out, '"'))
}
