// Package glob matches names against patterns, as KEYS, PSUBSCRIBE and CONFIG GET have them.
package glob

// Match tells whether name fits a glob pattern as KEYS has it: * any run, ? any byte, [abc] [a-c] [^a] one of a set,
// \\ takes the next byte as it is. With fold the case of ASCII letters does not count.
//
// It remembers only the last star, so its cost is at most the product of the two lengths, whatever the pattern. As in
// Redis, where each star is one level of a recursion that is bounded, more than maxStars of them match nothing.
func Match(pattern, name []byte, fold bool) bool {
	if len(name) == 0 { // not even a star fits an empty name, as in Redis
		return len(pattern) == 0
	}
	p, n := 0, 0
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
			continue
		}
		if next, ok := matchOne(pattern, p, name[n], fold); ok {
			p = next
			n++
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		p, n = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

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
