package persistence

import (
	"bytes"
	"errors"
	"io"
	"strconv"
)

// A LogReader reads the requests of an append-only log one after the other.
type LogReader struct {
	in   io.Reader
	buf  []byte
	from int   // buf[from:to] is what has been read and not given
	to   int   //
	at   int64 // where buf[from] stands in the file
	end  int64 // of the file, -1 if unknown
	err  error // of in

	args []span
	argv [][]byte
}

type span struct{ from, to int } // relative to LogReader.from

// An Item is a request, or an annotation: then Argv is nil. It is valid until the next one is read.
type Item struct {
	At   int64 // of its first byte
	Raw  []byte
	Argv [][]byte
}

// End is the place behind the item.
func (it *Item) End() int64 { return it.At + int64(len(it.Raw)) }

// Errors of LogReader.Next. Where they were noticed tells At.
var (
	errTorn   = errors.New("the file ends in the middle of a command")
	errFormat = errors.New("this is no command")
)

const (
	logLine   = 128       // bytes of a line, with its end
	noteLine  = 1023      // of an annotation: what redis-server takes
	mostArgs  = 1<<31 - 1 // of a command: what clients may send
	logWindow = 256 << 10 // bytes that are read at once
)

// NewLogReader reads requests from in, whose first byte has the place at in a file of size bytes, -1 if that is unknown.
func NewLogReader(in io.Reader, at, size int64) *LogReader {
	return &LogReader{in: in, buf: make([]byte, logWindow), at: at, end: size}
}

// At is the place behind the last item.
func (r *LogReader) At() int64 { return r.at }

// Next reads the next item. The error is io.EOF at the end, errTorn, errFormat, or one of the file.
func (r *LogReader) Next() (Item, error) {
	if n := r.room(); n > 0 {
		return r.give(n, nil), nil
	}
	line, err := r.line(0)
	if err == io.EOF {
		return Item{}, io.EOF
	} else if err != nil {
		return Item{}, err
	}
	switch r.buf[r.from] {
	case '#':
		return r.give(line, nil), nil
	case '*':
	default:
		return Item{}, errFormat
	}
	n, ok := r.number(0, line)
	if !ok || n < 1 || n > mostArgs {
		return Item{}, errFormat
	}
	r.args = r.args[:0]
	pos := line
	for range n {
		end, err := r.line(pos)
		if err == io.EOF {
			return Item{}, errTorn
		} else if err != nil {
			return Item{}, err
		}
		size, ok := r.number(pos, end)
		if r.buf[r.from+pos] != '$' || !ok || size < 0 {
			return Item{}, errFormat
		}
		if r.end >= 0 && r.at+int64(end)+size+2 > r.end {
			return Item{}, errTorn
		}
		pos = end + int(size) + 2
		if err := r.need(pos); err != nil {
			return Item{}, err
		}
		if tail := r.buf[r.from+pos-2 : r.from+pos]; tail[0] != '\r' || tail[1] != '\n' {
			return Item{}, errFormat
		}
		r.args = append(r.args, span{end, pos - 2})
	}
	r.argv = r.argv[:0]
	for _, a := range r.args {
		r.argv = append(r.argv, r.buf[r.from+a.from:r.from+a.to:r.from+a.to])
	}
	return r.give(pos, r.argv), nil
}

func (r *LogReader) give(n int, argv [][]byte) Item {
	it := Item{At: r.at, Raw: r.buf[r.from : r.from+n : r.from+n], Argv: argv}
	r.from += n
	r.at += int64(n)
	return it
}

// line is where the line ends that begins at pos, its end included. io.EOF: nothing stands at pos.
func (r *LogReader) line(pos int) (end int, err error) {
	for have := pos; ; {
		most := logLine
		if at := r.from + pos; at < r.to && r.buf[at] == '#' {
			most = noteLine
		}
		if i := bytes.IndexByte(r.buf[r.from+have:r.to], '\n'); i >= 0 {
			if have+i-pos >= most {
				return 0, errFormat
			}
			return have + i + 1, nil
		}
		if have = r.to - r.from; have-pos >= most {
			return 0, errFormat
		}
		if err := r.fill(0); err == io.EOF {
			if have == pos {
				return 0, io.EOF
			}
			return 0, errTorn
		} else if err != nil {
			return 0, err
		}
	}
}

// room is how many bytes of room stand next that are no line: more than a line may have, or what is left of a file in which
// an end of line is missing. redis-server reads it in such pieces, too.
func (r *LogReader) room() int {
	if r.from < r.to && r.buf[r.from] != '#' {
		return 0
	}
	for r.to-r.from < noteLine {
		if r.fill(0) != nil {
			break
		}
		if r.buf[r.from] != '#' {
			return 0
		}
	}
	next := r.buf[r.from:min(r.to, r.from+noteLine)]
	n := len(next) - len(bytes.TrimLeft(next, "#"))
	if n == noteLine || n >= 2 && n == len(next) {
		return n
	}
	return 0
}

// number reads the number behind the first byte of the line at pos.
func (r *LogReader) number(pos, end int) (int64, bool) {
	text := bytes.TrimRight(r.buf[r.from+pos+1:r.from+end], "\r\n")
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil && n < 1<<40
}

// need reads until n bytes are there.
func (r *LogReader) need(n int) error {
	for r.to-r.from < n {
		if err := r.fill(n); err == io.EOF {
			return errTorn
		} else if err != nil {
			return err
		}
	}
	return nil
}

// fill reads more. A long command, of which want bytes are wanted, gets its room once if it is known that the file has them.
func (r *LogReader) fill(want int) error {
	if r.err != nil {
		return r.err
	}
	if long := want > len(r.buf) && r.end >= 0; long || r.to == len(r.buf) {
		if !long && r.from > len(r.buf)/2 {
			copy(r.buf, r.buf[r.from:r.to])
		} else {
			size := 2 * len(r.buf)
			if long {
				size = want + logWindow
			}
			bigger := make([]byte, size)
			copy(bigger, r.buf[r.from:r.to])
			r.buf = bigger
		}
		r.from, r.to = 0, r.to-r.from
	}
	n, err := r.in.Read(r.buf[r.to:])
	r.to += n
	if err == io.ErrUnexpectedEOF { // of a sealed log
		err = io.EOF
	}
	if r.err = err; n > 0 {
		return nil
	}
	return err
}
