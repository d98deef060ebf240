package server

import (
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// redacted stands in the slow log, in MONITOR and in the log in the place of what is not to be shown.
var redacted = []byte("(redacted)")

// shownKey is a key as the log has it: not at all with hide-user-data-from-log.
func (srv *Server) shownKey(key []byte) string {
	if srv.conf.HideUserDataFromLog.Get() {
		return string(redacted)
	}
	return string(key)
}

// shownError is an error reply as the log has it. Its text may repeat what a client has sent.
func (srv *Server) shownError(e resp.Error) string {
	if srv.conf.HideUserDataFromLog.Get() {
		return e.Code() + " " + string(redacted)
	}
	return string(e)
}

// isSecret tells whether argument i of a request may be a secret: a password, or what tells of users.
func isSecret(row *command.Row, argv [][]byte, i int) bool {
	switch row.Name {
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
