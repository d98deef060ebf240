package resp

import (
	"bytes"

	"larder/datatypes/words"
)

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

// splitWords splits a line into words by the rules of typed requests. ok is false when quotes are unbalanced or a closing
// quote is followed by something else than a space. The words stand in a or are slices of the line.
func splitWords(line []byte, a *Args) (list [][]byte, ok bool) {
	n := 0
	for i := words.Skip(line, 0); i < len(line); i = words.Skip(line, i) {
		var ok bool
		if _, i, _, ok = words.Next(line, i, a.room(len(line)-i)); !ok {
			return nil, false
		}
		n++
	}
	list = a.take(n)
	i := 0
	for k := range list {
		var quoted bool
		i = words.Skip(line, i)
		if list[k], i, quoted, _ = words.Next(line, i, a.room(len(line)-i)); quoted {
			a.keep(list[k])
		}
	}
	return list, true
}
