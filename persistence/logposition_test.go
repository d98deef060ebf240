package persistence

import "testing"

func TestLogPosition(t *testing.T) {
	for _, p := range []LogPosition{
		{"75cd7bc10c49047e0d163660f3b90625b1af31dc", 1<<62 + 1, 1023, false},
		{"75cd7bc10c49047e0d163660f3b90625b1af31dc", 1<<62 + 1, 1023, true},
		{ID: "-"},
	} {
		line := p.Line()
		if len(line) > logLine {
			t.Errorf("the line has %d bytes", len(line))
		}
		if got, ok := ParseLogPosition(line); !ok || got != p {
			t.Errorf("%s is read as %v, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "#", "#POS", "#POS:\r\n", "#POS:x\r\n", "#POS:x:1\r\n", "#POS:x:1:\r\n", "#POS:x:y:0\r\n", "#POS:x:1:+\r\n", "#TS:1\r\n", "#SUM:1:2:3\r\n"} {
		if p, ok := ParseLogPosition([]byte(line)); ok {
			t.Errorf("%q is read as %v", line, p)
		}
	}
}
