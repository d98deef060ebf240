package command

import "testing"

// DELEX looks at the key before it looks at the condition.
func TestDelexOrder(t *testing.T) {
	l := newLab(t)
	l.do("SET", "s", "hello")
	l.do("RPUSH", "l", "a")
	for _, c := range []struct{ request, reply string }{
		{"DELEX none IFEQ x", ":0"},
		{"DELEX none FOO x", ":0"},
		{"DELEX none IFDEQ x", ":0"},
		{"DELEX none IFEQ", "-ERR wrong number of arguments for 'delex' command"},
		{"DELEX s IFEQ hello x", "-ERR wrong number of arguments for 'delex' command"},
		{"DELEX l IFEQ a", "-ERR Key should be of string type if conditions are specified"},
		{"DELEX l FOO a", "-ERR Key should be of string type if conditions are specified"},
		{"DELEX s FOO hello", "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"},
		{"DELEX s IFDEQ 0123", "-ERR must be exactly 16 hexadecimal characters"},
		{"DELEX s IFEQ other", ":0"},
		{"DELEX s IFNE hello", ":0"},
		{"DELEX s IFDNE 9555E8555c62dcfd", ":0"},
		{"DELEX s IFDEQ 9555E8555c62dcfd", ":1"},
		{"DELEX l", ":1"},
		{"DELEX l", ":0"},
		{"DELIFEQ none x", ":0"},
	} {
		l.want(c.reply, words(c.request)...)
	}
}
