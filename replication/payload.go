package replication

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A snapshot comes over a link in one of two forms:
//
//	$1234\r\n                 and 1234 bytes
//	$EOF:<40 characters>\r\n  and any number of bytes, of which the last 40 are those characters: the primary has begun
//	                          to send before it knew how many there would be

// MarkLen is how long the mark is that ends a snapshot of unknown length.
const MarkLen = 40

// A Header is what stands before a snapshot.
type Header struct {
	Size int64  // -1: unknown
	Mark string // that ends it then
}

// ParseHeader reads the line before a snapshot, without its end.
func ParseHeader(line string) (h Header, err error) {
	rest, ok := strings.CutPrefix(line, "$")
	if !ok {
		return h, fmt.Errorf("%w: %q instead of a snapshot", ErrRefused, line)
	}
	if mark, ok := strings.CutPrefix(rest, "EOF:"); ok && len(mark) == MarkLen {
		return Header{Size: -1, Mark: mark}, nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil || n < 0 {
		return h, fmt.Errorf("%w: a snapshot of the size %q", ErrRefused, rest)
	}
	return Header{Size: n}, nil
}

// A Payload reads a snapshot, and ends where it does.
type Payload struct {
	r    io.Reader
	h    Header
	left int64  // with a known size
	hold []byte // what may be the mark, at the end of what was read
	end  bool
	read int64
}

// NewPayload reads a snapshot from r, which stands behind the header.
func NewPayload(r io.Reader, h Header) *Payload {
	return &Payload{r: r, h: h, left: h.Size}
}

// Bytes is how many bytes of the snapshot have been read.
func (p *Payload) Bytes() int64 { return p.read }

// Read gives the bytes of the snapshot. It reads no more of the underlying reader than the snapshot and its mark, if the
// other side says nothing more until it is asked to.
func (p *Payload) Read(b []byte) (n int, err error) {
	if p.h.Size >= 0 {
		if p.left == 0 {
			return 0, io.EOF
		}
		n, err = p.r.Read(b[:min(int64(len(b)), p.left)])
		p.left -= int64(n)
		p.read += int64(n)
		if err == io.EOF && p.left > 0 {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	for !p.end {
		if n = p.release(b); n > 0 {
			p.read += int64(n)
			return n, nil
		}
		room := len(p.hold)
		p.hold = slices.Grow(p.hold, payloadChunk)
		got, err := p.r.Read(p.hold[room : room+payloadChunk])
		p.hold = p.hold[:room+got]
		if got > 0 && bytes.HasSuffix(p.hold, []byte(p.h.Mark)) {
			p.end = true
			p.hold = p.hold[:len(p.hold)-MarkLen]
		} else if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	n = copy(b, p.hold)
	p.hold = p.hold[n:]
	p.read += int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

const payloadChunk = 64 << 10

// release gives what cannot belong to the mark.
func (p *Payload) release(b []byte) int {
	n := len(p.hold) - MarkLen
	if n <= 0 {
		return 0
	}
	n = copy(b[:min(len(b), n)], p.hold)
	p.hold = p.hold[:copy(p.hold, p.hold[n:])]
	return n
}

// ErrMark is a snapshot that does not end as was announced.
var ErrMark = errors.New("the snapshot does not end with its mark")

// Finish reads what is left when the snapshot's own format has said that it is over: the mark, or nothing.
func (p *Payload) Finish() error {
	n, err := p.Read(make([]byte, 1))
	switch {
	case n > 0:
		return ErrMark
	case err == io.EOF:
		return nil
	}
	return err
}
