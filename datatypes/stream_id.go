package datatypes

import (
	"bytes"
	"math"
	"strconv"
)

// A StreamID names an entry of a stream: a time in Unix milliseconds and a number among the entries of that millisecond.
type StreamID struct{ Ms, Seq uint64 }

// MaxStreamID is above all others, or equal.
var MaxStreamID = StreamID{math.MaxUint64, math.MaxUint64}

// Compare is -1, 0 or 1 as a is below, equal to or above b.
func (a StreamID) Compare(b StreamID) int {
	switch {
	case a == b:
		return 0
	case a.Less(b):
		return -1
	}
	return 1
}

// Less tells whether a is below b.
func (a StreamID) Less(b StreamID) bool { return a.Ms < b.Ms || a.Ms == b.Ms && a.Seq < b.Seq }

// IsZero tells whether a is 0-0, which no entry has.
func (a StreamID) IsZero() bool { return a == StreamID{} }

// Next is the ID after a. There is none after MaxStreamID: ok is false, and the ID is 0-0.
func (a StreamID) Next() (id StreamID, ok bool) {
	if a.Seq++; a.Seq == 0 {
		a.Ms++
		return a, a.Ms != 0
	}
	return a, true
}

// Prev is the ID before a. There is none before 0-0: ok is false, and the ID is MaxStreamID.
func (a StreamID) Prev() (id StreamID, ok bool) {
	if a.Seq--; a.Seq == math.MaxUint64 {
		a.Ms--
		return a, a.Ms != math.MaxUint64
	}
	return a, true
}

// Append appends the ID as clients see it: 1526919030474-55.
func (a StreamID) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, a.Ms, 10)
	return strconv.AppendUint(append(dst, '-'), a.Seq, 10)
}

// String is the ID as clients see it.
func (a StreamID) String() string { return string(a.Append(nil)) }

const streamIDMaxText = 127 // longer texts are refused unread

// ParseStreamID reads an ID such as 1526919030474-55. An ID without its second half gets missingSeq there.
func ParseStreamID(b []byte, missingSeq uint64) (id StreamID, ok bool) {
	if len(b) > streamIDMaxText {
		return StreamID{}, false
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i] // a zero byte ends the text, as in Redis
	}
	id.Seq = missingSeq
	if i := bytes.IndexByte(b, '-'); i >= 0 {
		if id.Seq, ok = ParseUint(b[i+1:]); !ok {
			return StreamID{}, false
		}
		b = b[:i]
	}
	if id.Ms, ok = ParseUint(b); !ok {
		return StreamID{}, false
	}
	return id, true
}

// ParseStreamAutoID reads an ID as XADD takes it, except "*": the second half may be left to the server, as in
// 1526919030474-*; auto is true then and Seq is 0.
func ParseStreamAutoID(b []byte) (id StreamID, auto, ok bool) {
	if n := len(b); n > 2 && n <= streamIDMaxText && string(b[n-2:]) == "-*" && bytes.IndexByte(b, '-') == n-2 && bytes.IndexByte(b, 0) < 0 {
		id.Ms, ok = ParseUint(b[:n-2])
		return id, true, ok
	}
	id, ok = ParseStreamID(b, 0)
	return id, false, ok
}

// ParseStreamRangeID reads an ID of which "-" and "+" are the lowest and the highest.
func ParseStreamRangeID(b []byte, missingSeq uint64) (StreamID, bool) {
	if len(b) == 1 {
		switch b[0] {
		case '-':
			return StreamID{}, true
		case '+':
			return MaxStreamID, true
		}
	}
	return ParseStreamID(b, missingSeq)
}

// ParseStreamBound reads one end of a range as XRANGE takes it: "-", "+", an ID, or an ID with "(" in front, which
// excludes it.
func ParseStreamBound(b []byte, missingSeq uint64) (id StreamID, exclusive, ok bool) {
	if len(b) > 1 && b[0] == '(' {
		id, ok = ParseStreamID(b[1:], missingSeq)
		return id, true, ok
	}
	id, ok = ParseStreamRangeID(b, missingSeq)
	return id, false, ok
}
