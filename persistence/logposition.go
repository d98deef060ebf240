package persistence

import (
	"fmt"
	"strings"
)

// A LogPosition says which position of which replication history the data belongs to that a log makes, up to the line that
// says so:
//
//	#POS:75cd7bc10c49047e0d163660f3b90625b1af31dc:8241:0\r\n
//
// A command behind it, whoever has written it, makes it wrong, unless the line ends with ":+": then the bytes of what
// follows are those of the stream.
type LogPosition struct {
	ID     string // of the history, "-" if that is not known
	At     int64
	DB     int // that the stream has selected
	Counts bool
}

// Line is the line.
func (p LogPosition) Line() []byte {
	end := ""
	if p.Counts {
		end = ":+"
	}
	return fmt.Appendf(nil, "#POS:%s:%d:%d%s\r\n", p.ID, p.At, p.DB, end)
}

// ParseLogPosition reads an annotation of a log, if it is such a line.
func ParseLogPosition(line []byte) (p LogPosition, ok bool) {
	text, ok := strings.CutPrefix(string(line), "#POS:")
	if !ok {
		return p, false
	}
	p.ID, text, ok = strings.Cut(text, ":")
	if !ok {
		return p, false
	}
	if rest, ok := strings.CutSuffix(text, ":+\r\n"); ok {
		text, p.Counts = rest+"\r\n", true
	}
	n, err := fmt.Sscanf(text, "%d:%d\r\n", &p.At, &p.DB)
	return p, err == nil && n == 2
}
