package config

import "strings"

// hasGlob says whether a CONFIG GET argument is a pattern; without one of these characters it is a plain name.
func hasGlob(s string) bool { return strings.ContainsAny(s, "[*?") }

// match reports whether name fits the glob pattern, both in lower case: * ? [abc] [^a-z] and \c. It runs in
// O(len(pattern) * len(name)), since a later * makes retrying an earlier one needless.
func match(pattern, name string) bool {
	p, n := 0, 0
	star, mark := -1, 0 // the last * seen, and how far of name it has swallowed
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, n
			p++
			continue
		}
		if next, ok := matchOne(pattern, p, name[n]); ok {
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
	return strings.Trim(pattern[p:], "*") == ""
}

// matchOne matches c against the single-character element at pattern[p] and returns the place behind it.
func matchOne(pattern string, p int, c byte) (next int, ok bool) {
	if p == len(pattern) {
		return p, false
	}
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c
}

// matchClass matches c against the class whose first character is pattern[p]. A class that is not closed ends with
// the pattern, as in Redis.
func matchClass(pattern string, p int, c byte) (next int, ok bool) {
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			ok = ok || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			lo, hi := min(pattern[p], pattern[p+2]), max(pattern[p], pattern[p+2])
			ok = ok || lo <= c && c <= hi
			p += 2
		default:
			ok = ok || pattern[p] == c
		}
	}
	return min(p+1, len(pattern)), ok != not
}
