package main

import (
	"math/rand/v2"
	"strings"
)

// With -keywords keys, groups, consumers and short members have the names of options. A server that looks for the keys of a request, to
// lock them or to ask what a user may do, must find those that the command itself reads, whatever they are called.

// disguised are the words of scripts that get such names.
var disguised = append(append([]string(nil), allKeys...), "ga", "gb", "alice", "bob", "carol", "a", "b", "c", "d", "e", "y0", "y1")

// keywords are at least as many.
var keywords = []string{
	"STREAMS", "GROUP", "COUNT", "BLOCK", "NOACK", "CLAIM", "STORE", "STOREDIST", "BY", "GET", "LIMIT", "ALPHA", "DESC", "KEYS", "WEIGHTS", "AGGREGATE",
	"WITHSCORES", "MATCH", "FIELDS", "NX", "XX", "EX", "MAXLEN", "MINID", "NOMKSTREAM", "LEFT", "RIGHT", "MIN", "MAX", "REPLACE", "FREQ", "DB", "ASC",
	"KEEPTTL", "1", "2", "0", "*", "$", ">", "-", "~", "=", "JUSTID", "LASTID", "IDLE", "FROMMEMBER", "BYRADIUS", "ANY", "LEN", "IDX", "SUM", "SAMPLES", "LT",
}

// disguise gives them to the words of a case, each of them the same everywhere.
func (c *testCase) disguise(rnd *rand.Rand) {
	names := make(map[string]string, len(disguised))
	var quoted []string // as scripts in Lua have them
	for i, k := range rnd.Perm(len(keywords))[:len(disguised)] {
		names[disguised[i]] = keywords[k]
		quoted = append(quoted, "'"+disguised[i]+"'", "'"+keywords[k]+"'")
	}
	inScripts := strings.NewReplacer(quoted...)
	for _, u := range c.units {
		for _, s := range u {
			for i, word := range s.args {
				if name, is := names[word]; is && i > 0 {
					s.args[i] = name
				} else {
					s.args[i] = inScripts.Replace(word)
				}
			}
		}
	}
}
