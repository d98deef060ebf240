package resp

import "bytes"

// cutInline cuts a request that a person typed: words on a line, where "..." may hold \xHH, \n, \r, \t, \b and \a, and
// '...' may hold \'. A word without quotes is a slice of the window; one with quotes stands in a.
func (r *Reader) cutInline(a *Args, req *Request) Status {
	b := r.win[r.pos:]
	line := b
	if len(line) > MaxLine+1 {
		line = line[:MaxLine+1]
	}
	end := bytes.IndexByte(line, '\n')
	// A zero byte hides what follows it, as it does from Redis.
	if end < 0 || bytes.IndexByte(line[:end], 0) >= 0 {
		if len(line) > MaxLine {
			return r.fail(tooBigInline)
		}
		return NeedMore
	}
	line = line[:end]
	if end > 0 && line[end-1] == '\r' {
		line = line[:end-1]
	}
	args, ok := splitWords(line, a)
	if !ok {
		return r.fail(unbalanced)
	}
	start := r.pos
	r.pos += end + 1
	if len(args) == 0 {
		return again
	}
	*req = Request{Args: args, Inline: true, start: start, end: r.pos}
	return Command
}

// SplitLine splits a line into words by the rules of typed requests. ok is false when quotes are unbalanced or a
// closing quote is followed by something else than a space. The words stand in a or are slices of the line.
func SplitLine(line []byte, a *Args) (words [][]byte, ok bool) { return splitWords(line, a) }

func splitWords(line []byte, a *Args) ([][]byte, bool) {
	n := countWords(line)
	if n < 0 {
		return nil, false
	}
	words := a.take(n)
	i := 0
	for k := range words {
		for isSpace(line[i]) {
			i++
		}
		words[k], i, _ = word(line, i, a)
	}
	return words, true
}

// countWords is the number of words, or -1 when the line cannot be split.
func countWords(line []byte) (n int) {
	for i := 0; ; n++ {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return n
		}
		var ok bool
		if _, i, ok = word(line, i, nil); !ok {
			return -1
		}
	}
}

// word reads the word that begins at line[i] and returns it and where it ends. Without a it only looks where.
func word(line []byte, i int, a *Args) (w []byte, end int, ok bool) {
	start, quoted := i, false
	for i < len(line) && !endsWord(line[i]) {
		if line[i] == '"' || line[i] == '\'' {
			quoted = true
			break
		}
		i++
	}
	if !quoted {
		return line[start:i:i], i, true
	}
	var out []byte
	if a != nil {
		out = a.room(len(line) - start)
	}
	put := func(c byte) {
		if a != nil {
			out = append(out, c)
		}
	}
	var q byte // the open quote, 0 before it
	for i = start; i < len(line); {
		c := line[i]
		i++
		switch {
		case q == 0 && (c == '"' || c == '\''):
			q = c
		case q != 0 && c == q: // ends the word
			if a != nil {
				a.keep(out)
			}
			return out[:len(out):len(out)], i, i == len(line) || isSpace(line[i])
		case q == 0 || c != '\\' || i >= len(line):
			put(c)
		case q == '\'':
			if line[i] == '\'' {
				c = '\''
				i++
			}
			put(c)
		case line[i] == 'x' && i+2 < len(line) && isHex(line[i+1]) && isHex(line[i+2]):
			put(hexValue(line[i+1])<<4 | hexValue(line[i+2]))
			i += 3
		default:
			put(unescape(line[i]))
			i++
		}
	}
	return nil, i, false // the quote is still open
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
