package command

import (
	"fmt"
	"strings"
	"testing"
)

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

// A digest is looked at once there is a string to compare it with.
func TestSetDigest(t *testing.T) {
	l := newLab(t)
	l.do("SET", "s", "hello")
	l.do("RPUSH", "l", "a")
	const wrong = "-ERR must be exactly 16 hexadecimal characters"
	for _, c := range []struct{ request, reply string }{
		{"SET none v IFDEQ 0123", "$-1"},
		{"SET none v IFDNE 0123", "+OK"},
		{"SET none v IFDNE 0123", wrong},
		{"SET s v IFDEQ 0123", wrong},
		{"SET s v IFDEQ 0123 GET", wrong},
		{"SET s v EX 0 IFDEQ 0123", "-ERR invalid expire time in 'set' command"},
		{"SET l v IFDEQ 0123", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SET s v IFDEQ 9555e8555c62dcfc GET", "$5 hello"},
		{"SET s v IFDEQ 9555E8555c62dcfd GET", "$5 hello"},
		{"GET s", "$1 v"},
		{"MSETEX 2147483647 a b", "-ERR wrong number of key-value pairs"},
		{"MSETEX 2147483648 a b", "-ERR invalid numkeys value"},
	} {
		l.want(c.reply, words(c.request)...)
	}
}

// What replicas and the log see of commands that came after Redis 7 are commands that Redis 7 has.
func TestConditionsLeaveNoTraceInEffects(t *testing.T) {
	l := newLab(t)
	l.c.WantEffects = true
	now := l.c.Now
	for _, step := range []struct{ request, effects string }{
		{"SET s a", "SET s a"},
		{"SET s b NX", ""},
		{"SET s b XX", "SET s b XX"},
		{"SET s c IFEQ a", ""},
		{"SET s c IFEQ b GET", "SET s c"},
		{"SET s d IFNE a KEEPTTL", "SET s d KEEPTTL"},
		{"SET s e IFDNE 0000000000000000 EX 10", fmt.Sprintf("SET s e PXAT %d", now+10_000)},
		{"SET s f IFEQ e EXAT 1", "DEL s"},
		{"SET s g IFNE e EXAT 1", ""},
		{"MSETEX 2 a 1 b 2", "SET a 1; SET b 2"},
		{"MSETEX 2 a 3 c 4 NX", ""},
		{"MSETEX 2 a 3 b 4 XX KEEPTTL", "SET a 3 KEEPTTL; SET b 4 KEEPTTL"},
		{"MSETEX 1 a 5 PX 7", fmt.Sprintf("SET a 5 PXAT %d", now+7)},
		{"DELEX a IFEQ 5", "DEL a"},
		{"DELIFEQ b 4", "DEL b"},
	} {
		l.do(words(step.request)...)
		if got := strings.Join(l.effects, "; "); got != step.effects {
			t.Errorf("%s: effect %s, want %s", step.request, got, step.effects)
		}
	}
}
