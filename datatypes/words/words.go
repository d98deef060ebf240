// Package words cuts a line into words as Redis does, for requests that a person typed, for the lines of redis.conf and of an
// append-only manifest; and quotes words as Redis does wherever it shows them.
//
// Words are separated by blanks. Inside "double quotes" \n \r \t \b \a and \xHH are escapes and any other \c is c; inside
// 'single quotes' only \' is one. Quotes may open in the middle of a word, ab"c d" is the one word `abc d`; a closing quote
// ends it, and must be followed by a blank or the end of the line.
package words

// Skip is the place of the first byte from line[i] on that is no blank.
func Skip(line []byte, i int) int {
	for i < len(line) && isSpace(line[i]) {
		i++
	}
	return i
}

// Next reads the word that begins at line[i], which is no blank, and returns it and where it ends. A word without quotes is
// a slice of the line. One with quotes is put into room, if that is large enough: len(line)-i bytes always are. It fails on
// a quote that stays open, and on a closing one with text right behind it.
func Next(line []byte, i int, room []byte) (word []byte, end int, quoted, ok bool) {
	start := i
	for i < len(line) && !endsWord(line[i]) && line[i] != '"' && line[i] != '\'' {
		i++
	}
	if i == len(line) || endsWord(line[i]) {
		return line[start:i:i], i, false, true
	}
	out := append(room[:0], line[start:i]...)
	quote := line[i]
	for i++; i < len(line); {
		c := line[i]
		i++
		switch {
		case c == quote:
			return out[:len(out):len(out)], i, true, i == len(line) || isSpace(line[i])
		case c != '\\' || i == len(line):
			out = append(out, c)
		case quote == '\'':
			if line[i] == '\'' {
				c = '\''
				i++
			}
			out = append(out, c)
		case line[i] == 'x' && i+2 < len(line) && isHex(line[i+1]) && isHex(line[i+2]):
			out = append(out, hexValue(line[i+1])<<4|hexValue(line[i+2]))
			i += 3
		default:
			out = append(out, unescape(line[i]))
			i++
		}
	}
	return nil, i, true, false
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

// isSpace says what may stand between words and behind a closing quote, endsWord what ends a word without quotes:
// vertical tab and form feed do not.
func isSpace(c byte) bool { return c == ' ' || c-'\t' <= '\r'-'\t' }

func endsWord(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isHex(c byte) bool { return c-'0' <= 9 || (c|32)-'a' <= 5 }

func hexValue(c byte) byte {
	if c-'0' <= 9 {
		return c - '0'
	}
	return (c | 32) - 'a' + 10
}

// Split cuts a line into all its words. It fails as Next does.
func Split(line string) (words []string, ok bool) {
	words, b := []string{}, []byte(line)
	for i := Skip(b, 0); i < len(b); i = Skip(b, i) {
		word, end, _, ok := Next(b, i, nil)
		if !ok {
			return nil, false
		}
		words, i = append(words, string(word)), end
	}
	return words, true
}

// Quote is the inverse for one word: double quotes around it, unprintable bytes as \xHH.
func Quote(s string) string { return string(AppendQuoted(make([]byte, 0, len(s)+2), s)) }

// AppendQuoted appends what Quote makes of s.
func AppendQuoted[T string | []byte](dst []byte, s T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\' || c == '"':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\a':
			dst = append(dst, '\\', 'a')
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c < ' ' || c > '~':
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
