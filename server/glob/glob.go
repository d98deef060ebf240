// Package glob matches names against patterns, as KEYS, PSUBSCRIBE and CONFIG GET have them.
package glob

import "bytes"

// Match tells whether name fits a glob pattern as KEYS has it: * any run, ? any byte, [abc] [a-c] [^a] one of a set,
// \\ takes the next byte as it is. With fold the case of ASCII letters does not count.
//
// It remembers only the last star, so its cost is at most the product of the two lengths, whatever the pattern. As in
// Redis, where each star is one level of a recursion that is bounded, more than maxStars of them match nothing. Nor does a
// pattern that is not decided after a number of steps which only one made for that purpose needs: patterns come from
// clients, and nobody else is served meanwhile.
func Match(pattern, name []byte, fold bool) bool {
	if len(name) == 0 { // not even a star fits an empty name, as in Redis
		return len(pattern) == 0
	}
	p, n, steps := 0, 0, maxSteps+stepsPerByte*len(name)
	star, mark, stars := -1, 0, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			for p+1 < len(pattern) && pattern[p+1] == '*' {
				p++
			}
			if stars++; stars > maxStars {
				return false
			}
			star, mark = p, n
			p++
			if p == len(pattern) {
				return true
			}
			if length, last := segment(pattern[p:]); last { // it can only be the end of the name
				if n = len(name) - length; n < mark {
					return false
				}
				star = -1
				continue
			}
			if mark = seek(pattern[p:], name, mark, fold); mark < 0 {
				return false
			}
			n = mark
			continue
		}
		next, ok := matchOne(pattern, p, name[n], fold)
		if steps -= 1 + next - p; steps < 0 {
			return false
		}
		if ok {
			p = next
			n++
			continue
		}
		if star < 0 {
			return false
		}
		p = star + 1
		if mark = seek(pattern[p:], name, mark+1, fold); mark < 0 {
			return false
		}
		n = mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// segment is how many bytes of a name a pattern takes up to its first star, and whether it has none.
func segment(pattern []byte) (length int, last bool) {
	for p := 0; p < len(pattern); length++ {
		if pattern[p] == '*' {
			return length, false
		}
		p, _ = matchOne(pattern, p, 0, false)
	}
	return length, true
}

// seek is where what follows a star may begin in the name, from a place on: where the plain text stands that the pattern
// begins with. It is -1 if that stands nowhere.
func seek(pattern, name []byte, from int, fold bool) int {
	text := pattern[:min(len(pattern), seekMost)]
	if i := bytes.IndexAny(text, `*?[\`); i >= 0 {
		text = text[:i]
	}
	if fold || len(text) == 0 || from >= len(name) {
		return from
	}
	i := bytes.Index(name[from:], text)
	if i < 0 {
		return -1
	}
	return from + i
}

const (
	maxSteps     = 16 << 20 // some tens of milliseconds
	stepsPerByte = 8        // of the name
	seekMost     = 32       // bytes of text that are looked for at once
)

const maxStars = 1000

// matchOne matches one byte against the pattern's element at p and returns where the next element begins.
func matchOne(pattern []byte, p int, c byte, fold bool) (next int, ok bool) {
	if p >= len(pattern) {
		return 0, false
	}
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchSet(pattern, p+1, c, fold)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, lower(pattern[p], fold) == lower(c, fold)
}

// matchSet matches one byte against the set whose first element is at p. A set that is not closed ends with the
// pattern.
func matchSet(pattern []byte, p int, c byte, fold bool) (next int, ok bool) {
	c = lower(c, fold)
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			ok = ok || lower(pattern[p], fold) == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high := lower(pattern[p], fold), lower(pattern[p+2], fold)
			if low > high {
				low, high = high, low
			}
			ok = ok || low <= c && c <= high
			p += 2
		default:
			ok = ok || lower(pattern[p], fold) == c
		}
	}
	return min(p+1, len(pattern)), ok != not
}

func lower(c byte, fold bool) byte {
	if fold && 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
