package command

import (
	"math"

	"larder/datatypes"
	"larder/server/resp"
)

// Args walks through a command's arguments. The first thing that is wrong is remembered, everything after it reads as
// zero, and Done replies it: a handler reads all its arguments before it looks at anything else.
type Args struct {
	argv [][]byte
	pos  int
	err  resp.Error
	c    *Ctx
}

// Len is the number of arguments, the command's name included.
func (a *Args) Len() int { return len(a.argv) }

// At is argument i; 0 is the command's name.
func (a *Args) At(i int) []byte { return a.argv[i] }

// All is all arguments, the command's name included.
func (a *Args) All() [][]byte { return a.argv }

// Left is the number of arguments that were not read yet.
func (a *Args) Left() int {
	if a.err != "" {
		return 0
	}
	return len(a.argv) - a.pos
}

// More tells whether there are arguments left. It is false once something was wrong.
func (a *Args) More() bool { return a.Left() > 0 }

// Bytes reads one argument as it is.
func (a *Args) Bytes() []byte {
	if a.err != "" {
		return nil
	}
	if a.pos >= len(a.argv) {
		a.Wrong(resp.ErrSyntax)
		return nil
	}
	b := a.argv[a.pos]
	a.pos++
	return b
}

// Key reads a key's name.
func (a *Args) Key() []byte { return a.Bytes() }

// Peek is the next argument, nil if there is none.
func (a *Args) Peek() []byte {
	if a.Left() == 0 {
		return nil
	}
	return a.argv[a.pos]
}

// Rest reads all arguments that are left.
func (a *Args) Rest() [][]byte { return a.Take(a.Left()) }

// Take reads n arguments.
func (a *Args) Take(n int) [][]byte {
	if a.err != "" {
		return nil
	}
	if n < 0 || n > a.Left() {
		a.Wrong(resp.ErrSyntax)
		return nil
	}
	r := a.argv[a.pos : a.pos+n]
	a.pos += n
	return r
}

// Pairs reads the rest, which must come in twos.
func (a *Args) Pairs() [][]byte {
	if a.Left()%2 != 0 {
		a.Wrong(resp.WrongArgs(a.c.Row.Name))
		return nil
	}
	return a.Rest()
}

// Is reads the next argument if it is the given word, in any case. word is written in capitals.
func (a *Args) Is(word string) bool {
	if a.Left() == 0 || !EqualFold(a.argv[a.pos], word) {
		return false
	}
	a.pos++
	return true
}

// IsWith is Is for a word that must have n arguments behind it; without them it is not that word.
func (a *Args) IsWith(word string, n int) bool { return a.Left() > n && a.Is(word) }

// Int reads a 64-bit integer.
func (a *Args) Int() int64 { return a.IntOr(resp.ErrNotInteger) }

// IntAt is Int for argument i, whichever is the next one.
func (a *Args) IntAt(i int) int64 {
	if a.err != "" {
		return 0
	}
	n, ok := datatypes.ParseInt(a.argv[i])
	if !ok {
		a.Wrong(resp.ErrNotInteger)
	}
	return n
}

// IntOr is Int with another error text.
func (a *Args) IntOr(text resp.Error) int64 {
	b := a.Bytes()
	if a.err != "" {
		return 0
	}
	n, ok := datatypes.ParseInt(b)
	if !ok {
		a.Wrong(text)
	}
	return n
}

// intOf is Int for an argument that was read before.
func (a *Args) intOf(text []byte) int64 {
	if a.err != "" {
		return 0
	}
	n, ok := datatypes.ParseInt(text)
	if !ok {
		a.Wrong(resp.ErrNotInteger)
	}
	return n
}

// Float reads a double.
func (a *Args) Float() float64 { return a.FloatOr(resp.ErrNotFloat) }

// FloatOr is Float with another error text.
func (a *Args) FloatOr(text resp.Error) float64 {
	b := a.Bytes()
	if a.err != "" {
		return 0
	}
	f, ok := datatypes.ParseFloat(b)
	if !ok {
		a.Wrong(text)
	}
	return f
}

// IntIn reads an integer from low to high, both included.
func (a *Args) IntIn(low, high int64, text resp.Error) int64 {
	n := a.IntOr(text)
	if a.err == "" && (n < low || n > high) {
		a.Wrong(text)
		return 0
	}
	return n
}

// Int32 reads a 32-bit integer. What is none at all is notInteger, and what does not fit has a text of its own unless
// outOfRange is given.
func (a *Args) Int32(notInteger, outOfRange resp.Error) int64 {
	n := a.IntOr(notInteger)
	if a.err == "" && int64(int32(n)) != n {
		if outOfRange == "" {
			outOfRange = resp.ErrInt32Range
		}
		a.Wrong(outOfRange)
		return 0
	}
	return n
}

// Wrong remembers an error unless there is one already.
func (a *Args) Wrong(e resp.Error) {
	if a.err == "" {
		a.err = e
	}
}

// Syntax remembers a syntax error.
func (a *Args) Syntax() { a.Wrong(resp.ErrSyntax) }

// Bad tells whether something was wrong so far.
func (a *Args) Bad() bool { return a.err != "" }

// Done ends the reading. If anything was wrong, or arguments are left over, that is the reply and Done is false.
func (a *Args) Done() bool {
	if a.err == "" && a.pos < len(a.argv) {
		a.err = resp.ErrSyntax
	}
	if a.err != "" {
		a.c.Fail(a.err)
		return false
	}
	return true
}

// EqualFold compares an argument with a word written in capitals, without regard to the case of ASCII letters.
func EqualFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// timeoutArg reads the timeout of a blocking command, in seconds with a fraction, and returns when it ends: Unix
// milliseconds, 0 for never.
func (c *Ctx) timeoutArg() (deadline_ms int64) { return c.timeoutOf(c.Args.Bytes()) }

// timeoutOf is timeoutArg for an argument that was read before. Redis takes timeouts for long doubles: what no double can
// hold is out of range, or next to nothing, and a number all the same.
func (c *Ctx) timeoutOf(text []byte) (deadline_ms int64) {
	if c.Args.Bad() {
		return 0
	}
	f, ok := datatypes.ParseFloat(text)
	if !ok {
		var long datatypes.Long
		if long, ok = datatypes.ParseLong(text); !ok {
			c.Args.Wrong(resp.ErrTimeoutNotFloat)
			return 0
		}
		f = long.Bound()
	}
	ms := math.Ceil(f * 1000)
	switch {
	case ms < 0:
		c.Args.Wrong(resp.ErrTimeoutNegative)
	case ms >= math.MaxInt64 || int64(ms) > math.MaxInt64-c.Now:
		c.Args.Wrong(resp.ErrTimeoutRange)
	case ms > 0:
		return c.Now + int64(ms)
	}
	return 0
}
