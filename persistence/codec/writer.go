package codec

import (
	"encoding/binary"
	"io"
	"math"
	"strconv"

	"larder/datatypes"
	"larder/datatypes/listpack"
)

// ChunkBytes is about how much a Writer gathers before it hands it on, and the most that it hands on at once.
const ChunkBytes = 64 << 10

// Options say how values are written.
type Options struct {
	Version  int  // of the format, Version70 to Version74
	Compress bool // strings of more than 20 bytes
}

// A Writer writes values. What it writes goes to out in chunks of at most ChunkBytes, so that the largest value takes no
// more memory than that; or stays in one piece for Bytes when out is nil. The first error of out is remembered, and
// nothing more is written.
//
// A chunk may be memory of a shard: whoever gets it does not keep it.
type Writer struct {
	Options
	out io.Writer
	err error
	buf []byte
	n   int64 // bytes handed on

	lzf    *lzf   // made when it is first needed
	packed []byte // a compressed block
	num    [24]byte

	hash   datatypes.Hash
	set    datatypes.Set
	list   datatypes.List
	zset   datatypes.ZSet
	stream datatypes.Stream
}

// NewWriter makes a writer to out, or one that keeps everything if out is nil.
func NewWriter(out io.Writer, o Options) *Writer { return &Writer{Options: o, out: out} }

// Reset empties a writer that keeps everything.
func (w *Writer) Reset() {
	if cap(w.buf) > 16*ChunkBytes {
		w.buf = nil
	}
	w.buf, w.err, w.n = w.buf[:0], nil, 0
}

// Bytes is what was written and not handed on: everything, if out is nil. It is valid until the next write.
func (w *Writer) Bytes() []byte { return w.buf }

// Written is the number of bytes written so far.
func (w *Writer) Written() int64 { return w.n + int64(len(w.buf)) }

// Err is the first error of out.
func (w *Writer) Err() error { return w.err }

// Flush hands on what is left, and returns the first error.
func (w *Writer) Flush() error {
	if w.out != nil && len(w.buf) > 0 {
		w.hand(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}

func (w *Writer) hand(p []byte) {
	for len(p) > 0 && w.err == nil {
		n := min(len(p), ChunkBytes)
		_, w.err = w.out.Write(p[:n])
		w.n += int64(n)
		p = p[n:]
	}
}

// spill hands on what was gathered if that is enough.
func (w *Writer) spill() {
	if len(w.buf) >= ChunkBytes && w.out != nil {
		w.hand(w.buf)
		w.buf = w.buf[:0]
	}
}

// Byte writes one byte: a type or an operation.
func (w *Writer) Byte(b byte) { w.buf = append(w.buf, b) }

// Raw writes bytes as they are. Large ones are handed on without a copy.
func (w *Writer) Raw(p []byte) {
	if len(p) >= ChunkBytes/2 && w.out != nil {
		w.Flush()
		w.hand(p)
		return
	}
	w.buf = append(w.buf, p...)
	w.spill()
}

// Len writes a length, or any other small number.
func (w *Writer) Len(n uint64) {
	switch {
	case n < 1<<6:
		w.buf = append(w.buf, byte(n))
	case n < 1<<14:
		w.buf = append(w.buf, byte(n>>8)|0x40, byte(n))
	case n <= math.MaxUint32:
		w.buf = binary.BigEndian.AppendUint32(append(w.buf, len32), uint32(n))
	default:
		w.buf = binary.BigEndian.AppendUint64(append(w.buf, len64), n)
	}
}

// Fixed64 writes 8 bytes, little endian: times, checksums, the bits of doubles.
func (w *Writer) Fixed64(n uint64) { w.buf = binary.LittleEndian.AppendUint64(w.buf, n) }

// String writes a string in its shortest form.
func (w *Writer) String(s []byte) {
	if len(s) <= 11 {
		if n, ok := datatypes.ParseInt(s); ok && n == int64(int32(n)) {
			w.shortInt(int32(n))
			return
		}
	}
	w.parts(nil, s, nil)
}

// Int writes an integer as a string.
func (w *Writer) Int(n int64) {
	if n == int64(int32(n)) {
		w.shortInt(int32(n))
		return
	}
	s := strconv.AppendInt(w.num[:0], n, 10)
	w.Len(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *Writer) shortInt(n int32) {
	switch {
	case n == int32(int8(n)):
		w.buf = append(w.buf, strInt8, byte(n))
	case n == int32(int16(n)):
		w.buf = append(w.buf, strInt16, byte(n), byte(n>>8))
	default:
		w.buf = binary.LittleEndian.AppendUint32(append(w.buf, strInt32), uint32(n))
	}
	w.spill()
}

// parts writes the string that consists of the three: a compact form stands in the arena without the frame that it has
// in files.
func (w *Writer) parts(front, body, back []byte) {
	n := len(front) + len(body) + len(back)
	if w.Compress && n > 20 && w.compressed(front, body, back, n) {
		return
	}
	w.Len(uint64(n))
	w.buf = append(w.buf, front...)
	w.Raw(body)
	w.buf = append(w.buf, back...)
	w.spill()
}

// compressed writes the string if it is at least four bytes shorter in compressed form. A long one is compressed twice:
// first to know how long it becomes.
func (w *Writer) compressed(front, body, back []byte, n int) bool {
	if w.lzf == nil {
		w.lzf = new(lzf)
	}
	if n <= lzfBlock {
		w.packed = w.lzf.compress(appendText(w.packed[:0], front), body)
		w.packed = appendText(w.packed, back)
		if len(w.packed) > n-4 {
			return false
		}
		w.startCompressed(len(w.packed), n)
		w.Raw(w.packed)
		return true
	}
	size := len(appendText(w.packed[:0], front)) + len(appendText(w.packed[:0], back))
	for at := 0; at < len(body); at += lzfBlock {
		w.packed = w.lzf.compress(w.packed[:0], body[at:min(at+lzfBlock, len(body))])
		size += len(w.packed)
		if at == lzfTrial && size > lzfTrial {
			return false // what does not shrink at its beginning is taken for what does not shrink
		}
	}
	if size > n-4 {
		return false
	}
	w.startCompressed(size, n)
	w.Raw(appendText(w.packed[:0], front))
	for at := 0; at < len(body); at += lzfBlock {
		w.packed = w.lzf.compress(w.packed[:0], body[at:min(at+lzfBlock, len(body))])
		w.Raw(w.packed)
	}
	w.Raw(appendText(w.packed[:0], back))
	return true
}

// lzfTrial is where in a long string it is decided whether compressing the rest is worth the time.
const lzfTrial = 4 * lzfBlock

func (w *Writer) startCompressed(size, n int) {
	w.buf = append(w.buf, strLZF)
	w.Len(uint64(size))
	w.Len(uint64(n))
}

// listpack writes a block as the listpack that Redis has.
func (w *Writer) listpack(b []byte) {
	var front [6]byte
	binary.LittleEndian.PutUint32(front[:], uint32(listpack.RedisSize(b)))
	if len(b) == 0 {
		w.parts(front[:], nil, listpackEnd)
		return
	}
	w.parts(front[:4], b, listpackEnd)
}

var listpackEnd = []byte{0xFF}
