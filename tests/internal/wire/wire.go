// Package wire is the client side that the tests use: it sends requests as given and keeps replies byte for byte.
//
// It is not a client library. A library hides what a compatibility test wants to see: whether an absent value came as
// "$-1", "*-1" or "_", whether a score came as a bulk string or as a double. A Value is a reply read strictly, so that
// Append gives back exactly the bytes that were received:
//
//	bytes received          Value
//	+OK\r\n                 {Kind '+', Text "OK"}
//	$-1\r\n                 {Kind '$', Null}
//	*2\r\n:1\r\n$1\r\na\r\n {Kind '*', Elems [{':' "1"} {'$' "a"}]}
//	%1\r\n+k\r\n#t\r\n      {Kind '%', Elems [{'+' "k"} {'#' "t"}]}     maps hold keys and values in turn
//
// Whatever is not in its only legal form (a length written "03", a bare "\n") is an error of the server under test and
// is reported as a *ProtocolError.
package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// Value is one reply or push message, in RESP2 or RESP3.
type Value struct {
	Kind  byte    // the type byte: + - : $ * and RESP3's _ , # ( ! = % ~ > |
	Null  bool    // $-1 and *-1; RESP3's _ is a Kind of its own
	Text  []byte  // the line after the type byte, or the body of a bulk string ($ ! =)
	Elems []Value // of aggregates * ~ > % |; maps and attributes hold keys and values in turn
}

// ProtocolError says that the server sent bytes which no RESP reader accepts, or more than the limits of this reader.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "malformed reply: " + e.What }

const (
	maxBulk  = 1 << 30
	maxElems = 1 << 26
	maxDepth = 64
)

// Read reads one value. io.EOF is returned only where the stream ends between two values.
func Read(r *bufio.Reader) (Value, error) { return read(r, 0) }

func read(r *bufio.Reader, depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, &ProtocolError{"nested too deep"}
	}
	line, err := r.ReadSlice('\n')
	if err != nil {
		return Value{}, lineError(line, err, depth)
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return Value{}, &ProtocolError{fmt.Sprintf("line %q does not end in CR LF", line)}
	}
	kind, text := line[0], line[1:len(line)-2]
	switch kind {
	case '+', '-', ':', ',', '#', '(', '_':
		return Value{Kind: kind, Text: bytes.Clone(text)}, checkScalar(kind, text)
	case '$', '!', '=':
		return readBulk(r, kind, text)
	case '*', '~', '>', '%', '|':
		return readAggregate(r, kind, text, depth)
	}
	return Value{}, &ProtocolError{fmt.Sprintf("unknown type in line %q", line)}
}

func lineError(line []byte, err error, depth int) error {
	switch {
	case err == bufio.ErrBufferFull:
		return &ProtocolError{fmt.Sprintf("line of more than %d bytes: %.40q", len(line), line)}
	case err == io.EOF && (len(line) > 0 || depth > 0):
		return io.ErrUnexpectedEOF
	}
	return err
}

func readBulk(r *bufio.Reader, kind byte, text []byte) (Value, error) {
	n, err := length(kind, text, maxBulk)
	if err != nil || n < 0 {
		return Value{Kind: kind, Null: n < 0}, err
	}
	body := make([]byte, n+2)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Value{}, err
	}
	if body[n] != '\r' || body[n+1] != '\n' {
		return Value{}, &ProtocolError{fmt.Sprintf("bulk string of %d bytes does not end in CR LF but in %q", n, body[n:])}
	}
	return Value{Kind: kind, Text: body[:n:n]}, nil
}

func readAggregate(r *bufio.Reader, kind byte, text []byte, depth int) (Value, error) {
	n, err := length(kind, text, maxElems)
	if err != nil || n < 0 {
		return Value{Kind: kind, Null: n < 0}, err
	}
	if kind == '%' || kind == '|' {
		n *= 2
	}
	elems := make([]Value, 0, min(n, 4096))
	for range n {
		e, err := read(r, depth+1)
		if err != nil {
			return Value{}, err
		}
		elems = append(elems, e)
	}
	return Value{Kind: kind, Elems: elems}, nil
}

// length reads the count of a bulk string or an aggregate; -1 is legal for $ and * alone.
func length(kind byte, text []byte, limit int) (int, error) {
	n, err := strconv.Atoi(string(text))
	if err != nil || strconv.Itoa(n) != string(text) || n > limit || n < -1 || (n == -1 && kind != '$' && kind != '*') {
		return 0, &ProtocolError{fmt.Sprintf("length %c%s", kind, text)}
	}
	return n, nil
}

func checkScalar(kind byte, text []byte) error {
	ok := true
	switch kind {
	case ':':
		n, err := strconv.ParseInt(string(text), 10, 64)
		ok = err == nil && strconv.FormatInt(n, 10) == string(text)
	case '#':
		ok = string(text) == "t" || string(text) == "f"
	case '_':
		ok = len(text) == 0
	case '(':
		digits := bytes.TrimPrefix(text, []byte("-"))
		ok = len(digits) > 0 && len(bytes.Trim(digits, "0123456789")) == 0
	case ',':
		_, err := strconv.ParseFloat(string(text), 64)
		ok = err == nil && len(text) > 0
	case '+', '-':
		ok = !bytes.ContainsAny(text, "\r")
	}
	if !ok {
		return &ProtocolError{fmt.Sprintf("%c%s", kind, text)}
	}
	return nil
}

// Append appends the value's bytes as they stand on the wire.
func (v Value) Append(b []byte) []byte {
	b = append(b, v.Kind)
	switch {
	case v.Null:
		return append(b, "-1\r\n"...)
	case v.Kind == '$' || v.Kind == '!' || v.Kind == '=':
		b = strconv.AppendInt(b, int64(len(v.Text)), 10)
		b = append(append(b, "\r\n"...), v.Text...)
	case v.Aggregate():
		n := len(v.Elems)
		if v.Kind == '%' || v.Kind == '|' {
			n /= 2
		}
		b = append(strconv.AppendInt(b, int64(n), 10), "\r\n"...)
		for _, e := range v.Elems {
			b = e.Append(b)
		}
		return b
	default:
		b = append(b, v.Text...)
	}
	return append(b, "\r\n"...)
}

// Aggregate says whether the value holds other values; a null array holds none.
func (v Value) Aggregate() bool {
	switch v.Kind {
	case '*', '~', '>', '%', '|':
		return !v.Null
	}
	return false
}

// IsError says whether the value is an error reply.
func (v Value) IsError() bool { return v.Kind == '-' || v.Kind == '!' }

// IsNil says whether the value is one of the three forms of "nothing there".
func (v Value) IsNil() bool { return v.Null || v.Kind == '_' }

// Int is the value of an integer reply, or of a bulk string that holds one; ok is false for everything else.
func (v Value) Int() (n int64, ok bool) {
	if v.Kind != ':' && (v.Kind != '$' || v.Null) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v.Text), 10, 64)
	return n, err == nil
}

// String is the scalar's text without its type, or the wire bytes of anything else, quoted.
func (v Value) String() string {
	if v.Aggregate() || v.IsNil() {
		return strconv.Quote(string(v.Append(nil)))
	}
	if v.Kind == '=' && len(v.Text) >= 4 {
		return string(v.Text[4:])
	}
	return string(v.Text)
}

// AppendRequest appends one command in the form that clients send: an array of bulk strings.
func AppendRequest(b []byte, args ...string) []byte {
	b = append(b, '*')
	b = append(strconv.AppendInt(b, int64(len(args)), 10), "\r\n"...)
	for _, a := range args {
		b = append(b, '$')
		b = append(strconv.AppendInt(b, int64(len(a)), 10), "\r\n"...)
		b = append(append(b, a...), "\r\n"...)
	}
	return b
}

// Parse reads the one value that b holds.
func Parse(b []byte) (Value, error) {
	r := bufio.NewReader(bytes.NewReader(b))
	v, err := Read(r)
	if err == nil {
		if _, more := r.ReadByte(); more == nil {
			err = &ProtocolError{"bytes after the value"}
		}
	}
	return v, err
}
