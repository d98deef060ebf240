package resp

import (
	"strconv"

	"github.com/tidwall/redcon"

	"larder/datatypes/decimal"
)

// Writer collects replies. The same calls serve both protocols: with Proto 2 a map is an array of twice the length, a
// double or a big number is a bulk, a boolean is an integer, a push is an array, an attribute is left out.
//
// A Writer that has a Pool (Init) puts a full buffer aside rather than copying it to a larger one, so a reply of any size
// is written in linear time. The zero Writer with Proto set is ready, and keeps everything in one slice (Bytes). It is
// not safe for concurrent use.
type Writer struct {
	Proto int // 2 or 3

	// ErrCount counts error replies, LastErr is the text of the last one: what statistics of commands are made of.
	ErrCount uint32
	LastErr  Error

	buf   []byte
	aside [][]byte // full buffers that come before buf
	size  int      // bytes in aside
	sent  int      // bytes of the first buffer that are gone already
	pool  *Pool
}

const (
	bufFirst = 4 << 10   // the first buffer of a connection that has something to say
	bufFull  = 128 << 10 // from here on a buffer is put aside rather than doubled
)

// Init sets the protocol and where buffers come from.
func (w *Writer) Init(proto int, pool *Pool) { w.Proto, w.pool = proto, pool }

// room makes sure that n bytes can be appended to buf.
func (w *Writer) room(n int) {
	if cap(w.buf)-len(w.buf) < n {
		w.grow(n)
	}
}

func (w *Writer) grow(n int) {
	if w.pool != nil && len(w.buf) >= bufFull/2 {
		w.aside = append(w.aside, w.buf)
		w.size += len(w.buf)
		w.buf = w.pool.Get(max(bufFull, n))
		return
	}
	w.buf = w.pool.Grow(w.buf, max(bufFirst, 2*cap(w.buf), len(w.buf)+n))
}

// header appends a type byte and a number.
func (w *Writer) header(kind byte, n int64) {
	w.room(24)
	b := w.buf
	if uint64(n) <= 9 {
		w.buf = append(b, kind, byte('0'+n), '\r', '\n')
		return
	}
	if uint64(n) > 1e9 {
		b = strconv.AppendInt(append(b, kind), n, 10)
		w.buf = append(b, '\r', '\n')
		return
	}
	// Lengths and counts are nearly everything that is replied as a number: their digits are written where they belong.
	u, digits := uint32(n), 2
	for most := uint32(99); u > most && digits < 10; most = most*10 + 9 {
		digits++
	}
	b = b[:len(b)+digits+3]
	out := b[len(b)-digits-3:]
	out[0], out[digits+1], out[digits+2] = kind, '\r', '\n'
	for i := digits; i > 0; i-- {
		out[i] = byte('0' + u%10)
		u /= 10
	}
	w.buf = b
}

// Raw appends bytes that are protocol already.
func (w *Writer) Raw(b []byte) {
	w.room(len(b))
	w.buf = append(w.buf, b...)
}

// RawString appends text that is protocol already.
func (w *Writer) RawString(s string) {
	w.room(len(s))
	w.buf = append(w.buf, s...)
}

// OK replies +OK.
func (w *Writer) OK() {
	w.room(5)
	w.buf = redcon.AppendOK(w.buf)
}

// Simple replies a simple string. Line breaks in it become spaces.
func (w *Writer) Simple(s string) {
	w.room(len(s) + 3)
	w.buf = redcon.AppendString(w.buf, s)
}

// Error replies an error; its first word is the error's code. Line breaks in it become spaces.
func (w *Writer) Error(e Error) {
	w.ErrCount++
	w.LastErr = e
	w.room(len(e) + 3)
	w.buf = redcon.AppendError(w.buf, string(e))
}

// Int replies an integer.
func (w *Writer) Int(n int64) { w.header(':', n) }

// Uint replies an unsigned integer, which clients read as signed.
func (w *Writer) Uint(n uint64) {
	w.room(24)
	w.buf = redcon.AppendUint(w.buf, n)
}

// Bulk replies a string of any bytes. They are copied.
func (w *Writer) Bulk(b []byte) {
	w.room(len(b) + 24)
	w.buf = redcon.AppendBulk(w.buf, b)
}

// BulkString replies a string of any bytes.
func (w *Writer) BulkString(s string) {
	w.room(len(s) + 24)
	w.buf = redcon.AppendBulkString(w.buf, s)
}

// BulkInt replies an integer as a string.
func (w *Writer) BulkInt(n int64) {
	w.room(32)
	var text [20]byte
	w.buf = redcon.AppendBulk(w.buf, strconv.AppendInt(text[:0], n, 10))
}

// Null replies that there is nothing: $-1, or _ in RESP3.
func (w *Writer) Null() {
	w.room(5)
	if w.Proto == 3 {
		w.buf = append(w.buf, '_', '\r', '\n')
		return
	}
	w.buf = redcon.AppendNull(w.buf)
}

// NullArray replies that there is no array: *-1, or _ in RESP3.
func (w *Writer) NullArray() {
	w.room(5)
	if w.Proto == 3 {
		w.buf = append(w.buf, '_', '\r', '\n')
		return
	}
	w.buf = append(w.buf, '*', '-', '1', '\r', '\n')
}

// Bool replies a truth value: #t or #f, in RESP2 :1 or :0.
func (w *Writer) Bool(v bool) {
	w.room(4)
	switch {
	case w.Proto == 3 && v:
		w.buf = append(w.buf, '#', 't', '\r', '\n')
	case w.Proto == 3:
		w.buf = append(w.buf, '#', 'f', '\r', '\n')
	case v:
		w.Int(1)
	default:
		w.Int(0)
	}
}

// Double replies a floating point number as decimal.Append writes it: a bulk, in RESP3 a double.
func (w *Writer) Double(f float64) {
	var text [32]byte
	w.double(decimal.Append(text[:0], f))
}

// HumanDouble is Double in the form of FormatHuman, which has no exponents: for coordinates and counters.
func (w *Writer) HumanDouble(f float64) {
	var text [48]byte
	w.double(FormatHuman(text[:0], f))
}

func (w *Writer) double(text []byte) {
	if w.Proto != 3 {
		w.Bulk(text)
		return
	}
	w.room(len(text) + 3)
	w.buf = append(append(append(w.buf, ','), text...), '\r', '\n')
}

// BigNumber replies an integer of any size, given in decimal.
func (w *Writer) BigNumber(digits string) {
	if w.Proto != 3 {
		w.BulkString(digits)
		return
	}
	w.room(len(digits) + 3)
	w.buf = append(append(append(w.buf, '('), digits...), '\r', '\n')
}

// Verbatim replies text of a format of three letters ("txt", "mkd"): a bulk in RESP2.
func (w *Writer) Verbatim(format, text string) {
	w.verbatim(format, len(text))
	w.buf = append(append(w.buf, text...), '\r', '\n')
}

// VerbatimBytes is Verbatim for text that stands in a buffer.
func (w *Writer) VerbatimBytes(format string, text []byte) {
	w.verbatim(format, len(text))
	w.buf = append(append(w.buf, text...), '\r', '\n')
}

// verbatim is what stands before n bytes of text.
func (w *Writer) verbatim(format string, n int) {
	if w.Proto != 3 {
		w.header('$', int64(n))
		w.room(n + 2)
		return
	}
	w.header('=', int64(n+4))
	w.room(n + 6)
	w.buf = append(append(w.buf, (format + "   ")[:3]...), ':')
}

// Len is the number of bytes that have been written and not sent.
func (w *Writer) Len() int { return w.size + len(w.buf) - w.sent }

// Mark is a place in what was written, valid until the next Advance or Reset.
type Mark struct{ buffers, at int }

// Mark returns the present end.
func (w *Writer) Mark() Mark { return Mark{len(w.aside), len(w.buf)} }

// Truncate drops everything written since the mark: a reply that the client does not want.
func (w *Writer) Truncate(m Mark) {
	if m.buffers < len(w.aside) {
		w.pool.Put(w.buf)
		for _, b := range w.aside[m.buffers+1:] {
			w.pool.Put(b)
		}
		for _, b := range w.aside[m.buffers:] {
			w.size -= len(b)
		}
		w.buf = w.aside[m.buffers]
		clear(w.aside[m.buffers:])
		w.aside = w.aside[:m.buffers]
	}
	w.buf = w.buf[:m.at]
}

// Buffers appends what is to be sent to dst, in order, at most limit bytes. The slices live until Advance or the next
// write.
func (w *Writer) Buffers(dst [][]byte, limit int) [][]byte {
	skip := w.sent
	for _, b := range w.aside {
		if limit <= 0 {
			return dst
		}
		b = b[skip:]
		skip = 0
		b = b[:min(len(b), limit)]
		limit -= len(b)
		if len(b) > 0 {
			dst = append(dst, b)
		}
	}
	if b := w.buf[skip:]; len(b) > 0 && limit > 0 {
		dst = append(dst, b[:min(len(b), limit)])
	}
	return dst
}

// Advance drops the first n bytes: they are sent. Buffers that become empty go back to the pool, all of them when
// nothing is left.
func (w *Writer) Advance(n int) {
	n += w.sent
	k := 0
	for k < len(w.aside) && n >= len(w.aside[k]) {
		n -= len(w.aside[k])
		w.size -= len(w.aside[k])
		w.pool.Put(w.aside[k])
		w.aside[k] = nil
		k++
	}
	if k > 0 {
		w.aside = w.aside[:copy(w.aside, w.aside[k:])]
		if len(w.aside) == 0 {
			w.aside = nil
		}
	}
	w.sent = n
	if len(w.aside) == 0 && n >= len(w.buf) {
		w.pool.Put(w.buf)
		w.buf, w.sent = nil, 0
	}
}

// Take hands the first n bytes over to the caller, appended to dst as slices that are the caller's from here on. They
// came from the pool and may go back there.
func (w *Writer) Take(dst [][]byte, n int) [][]byte {
	for n > 0 {
		buf := &w.buf
		if len(w.aside) > 0 {
			buf = &w.aside[0]
		}
		have := len(*buf) - w.sent
		if w.sent > 0 || have > n {
			part := append(w.pool.Get(min(have, n)), (*buf)[w.sent:w.sent+min(have, n)]...)
			dst = append(dst, part)
			w.Advance(len(part))
			n -= len(part)
			continue
		}
		dst = append(dst, *buf)
		n -= have
		if len(w.aside) == 0 {
			w.buf = nil
			break
		}
		w.size -= have
		w.aside[0] = nil
		w.aside = w.aside[1:]
	}
	return dst
}

// Reset drops everything and gives the buffers back.
func (w *Writer) Reset() {
	w.Advance(w.Len())
}

// Empty drops everything but keeps its buffer, unless that is large, for the next use: for a Writer that is a scratch pad.
func (w *Writer) Empty() {
	w.Truncate(Mark{})
	if w.sent = 0; cap(w.buf) > scratchKept {
		w.pool.Put(w.buf)
		w.buf = nil
	}
}

// scratchKept is the size in bytes up to which Empty keeps the buffer: one value of half a gigabyte must not cost so much
// for ever.
const scratchKept = 256 << 10

// Bytes is what was written, as one slice, for a Writer without a Pool. It lives until the next write.
func (w *Writer) Bytes() []byte { return w.buf[w.sent:] }

// Owned is the size in bytes of the buffers that are held.
func (w *Writer) Owned() int {
	n := cap(w.buf)
	for _, b := range w.aside {
		n += cap(b)
	}
	return n
}
