package server

import (
	"larder/server/command"
	"larder/server/config"
)

// redacted stands in the slow log and in MONITOR in the place of what may be a secret.
var redacted = []byte("(redacted)")

// isSecret tells whether argument i of a request may be a secret: a password, or what tells of users.
func isSecret(row *command.Row, argv [][]byte, i int) bool {
	switch row.Declared.Name {
	case "auth":
		return i >= 1
	case "acl|setuser", "acl|getuser", "acl|deluser":
		return i >= 2
	case "hello":
		return i >= 3 && follows(argv, i, "AUTH", 2)
	case "migrate":
		return i >= 7 && (follows(argv, i, "AUTH", 1) || follows(argv, i, "AUTH2", 2))
	case "config|set":
		if i < 3 || i%2 == 0 {
			return false
		}
		d := config.Lookup(string(argv[i-1]))
		return d != nil && d.Sensitive
	}
	return false
}

// follows tells whether argument i is one of the n behind a word.
func follows(argv [][]byte, i int, word string, n int) bool {
	for ; n > 0; n-- {
		if command.EqualFold(argv[i-n], word) {
			return true
		}
	}
	return false
}
