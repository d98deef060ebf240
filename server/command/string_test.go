package command

import (
	"strings"
	"testing"
)

// TestFailedEditOfAnInteger: an integer that was to become a longer string, and could not, is still one.
func TestFailedEditOfAnInteger(t *testing.T) {
	l := newLabOf(t, 16<<20)
	l.c.Conf.MaxBulk = 1 << 20
	key := l.keyIn(0, "k")
	l.do("SET", key, 12)
	tooLong := strings.Repeat("x", 1<<20-1)
	for _, request := range [][]any{
		{"APPEND", key, tooLong}, {"SETRANGE", key, 2, tooLong}, {"SETBIT", key, 8 << 20, 1}, {"BITFIELD", key, "SET", "u8", 8 << 20, 1},
	} {
		if got := l.do(request...); !strings.HasPrefix(got, "-ERR") {
			t.Errorf("%.20v: %.60q", request, got)
		}
		l.want("$3 int", "OBJECT", "ENCODING", key)
	}
	l.fill(0)
	for _, request := range [][]any{
		{"APPEND", key, tooLong[:900_000]}, {"SETRANGE", key, 2, tooLong[:900_000]}, {"SETBIT", key, 7 << 20, 1},
	} {
		if got := l.do(request...); !strings.HasPrefix(got, "-OOM") {
			t.Errorf("%.20v: %.60q", request, got)
		}
		l.want("$3 int", "OBJECT", "ENCODING", key)
	}
	l.want(":3", "APPEND", key, "3")
	l.want("$3 123", "GET", key)
	l.want("$3 raw", "OBJECT", "ENCODING", key)
}
