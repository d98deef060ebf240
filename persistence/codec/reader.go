package codec

import (
	"encoding/binary"
	"errors"
	"io"
	"strconv"

	"larder/datatypes"
)

// A Reader reads what a Writer or a Redis of any version has written. It believes nothing: every length is compared with
// what is left before memory is taken for it, or memory is taken only as the bytes arrive.
//
// The first error is remembered and everything after it reads as zero, so whoever reads a structure looks at the error
// once at the end, and in loops. What methods return as bytes is valid until the next read.
type Reader struct {
	buf  []byte
	pos  int
	src  io.Reader // nil: buf is all there is
	left int64     // what src may still give
	err  error

	done int64 // bytes before buf[0]
	sum  uint64
	seen int // bytes of buf that sum covers

	big   []byte   // a string that does not fit in buf
	plain []byte   // a string that was compressed
	held  []byte   // the first of two strings that are needed together
	num   [24]byte // the text of an integer

	hash   datatypes.Hash
	set    datatypes.Set
	list   datatypes.List
	zset   datatypes.ZSet
	stream datatypes.Stream
}

// unknownSize as the size of a source says that only its end will tell.
const unknownSize = 1<<63 - 1

// keptBytes is the size of scratch memory that a reader keeps.
const keptBytes = 1 << 20

// NewReader reads from src, which will give size bytes, or an unknown number if size is negative.
func NewReader(src io.Reader, size int64) *Reader {
	if size < 0 {
		size = unknownSize
	}
	return &Reader{buf: make([]byte, 0, min(2*ChunkBytes, max(size, 64))), src: src, left: size}
}

// ReadBytes makes the reader read b, which stays as it is while it does. What its methods return may be parts of b.
func (r *Reader) ReadBytes(b []byte) {
	r.buf, r.pos, r.src, r.left, r.err, r.done, r.sum, r.seen = b, 0, nil, 0, nil, 0, 0, 0
	if cap(r.plain) > keptBytes {
		r.plain = nil
	}
}

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// Pos is the number of bytes read so far.
func (r *Reader) Pos() int64 { return r.done + int64(r.pos) }

// Sum is the checksum of the bytes read so far.
func (r *Reader) Sum() uint64 {
	r.sum = CRC64(r.sum, r.buf[r.seen:r.pos])
	r.seen = r.pos
	return r.sum
}

// Fail makes err the error unless there is one already.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// corrupt makes what is wrong the error.
func (r *Reader) corrupt(what string) { r.Fail(corruptf(what)) }

// remaining is the most that can still come.
func (r *Reader) remaining() int64 {
	if r.left == unknownSize {
		return unknownSize
	}
	return int64(len(r.buf)-r.pos) + r.left
}

// next is the next n bytes.
func (r *Reader) next(n int) []byte {
	if n <= len(r.buf)-r.pos && r.err == nil {
		b := r.buf[r.pos : r.pos+n : r.pos+n]
		r.pos += n
		return b
	}
	return r.fetch(n)
}

// fetch is next when the bytes are not there yet. It is nil after an error.
func (r *Reader) fetch(n int) []byte {
	switch {
	case r.err != nil:
		return nil
	case int64(n) > r.remaining():
		r.err = ErrShort
		return nil
	case n > cap(r.buf):
		return r.fetchBig(n)
	}
	r.compactBuf()
	have := len(r.buf)
	m, err := io.ReadAtLeast(r.src, r.buf[have:have+int(min(int64(cap(r.buf)-have), r.left))], n-have)
	r.buf = r.buf[:have+m]
	r.took(m)
	if err != nil {
		r.ended(err)
		return nil
	}
	r.pos = n
	return r.buf[:n:n]
}

// compactBuf makes room for more behind what was not read yet.
func (r *Reader) compactBuf() {
	r.Sum()
	r.done += int64(r.pos)
	r.buf = r.buf[:copy(r.buf, r.buf[r.pos:])]
	r.pos, r.seen = 0, 0
}

// fetchBig reads into memory of its own, which grows with what has really arrived.
func (r *Reader) fetchBig(n int) []byte {
	if cap(r.big) > keptBytes {
		r.big = nil
	}
	if r.left != unknownSize || n <= keptBytes {
		if cap(r.big) < n {
			r.big = make([]byte, n)
		}
		r.big = r.big[:n]
		r.fill(r.big)
	} else {
		r.big = r.big[:0]
		for len(r.big) < n && r.err == nil {
			at := len(r.big)
			r.big = append(r.big, make([]byte, min(n-at, max(at, keptBytes)))...)
			r.fill(r.big[at:])
		}
	}
	if r.err != nil {
		return nil
	}
	return r.big
}

// fill reads exactly as many bytes as dst has, past the buffer once that is empty. There may be fewer.
func (r *Reader) fill(dst []byte) {
	n := copy(dst, r.buf[r.pos:])
	r.pos += n
	if dst = dst[n:]; len(dst) == 0 || r.err != nil {
		return
	}
	if r.src == nil {
		r.err = ErrShort
		return
	}
	r.Sum()
	r.done += int64(r.pos + len(dst))
	r.buf, r.pos, r.seen = r.buf[:0], 0, 0
	m, err := io.ReadFull(r.src, dst)
	r.took(m)
	r.sum = CRC64(r.sum, dst[:m])
	if err != nil {
		r.ended(err)
	}
}

func (r *Reader) took(n int) {
	if r.left != unknownSize {
		r.left -= int64(n)
	}
}

func (r *Reader) ended(err error) {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrShort
	}
	r.Fail(err)
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.next(1); b != nil {
		return b[0]
	}
	return 0
}

// Raw reads n bytes.
func (r *Reader) Raw(n int) []byte { return r.next(n) }

// Fixed64 reads 8 bytes, little endian.
func (r *Reader) Fixed64() uint64 {
	if b := r.next(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Fixed32 reads 4 bytes, little endian.
func (r *Reader) Fixed32() uint32 {
	if b := r.next(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Len reads a length or another small number.
func (r *Reader) Len() uint64 {
	n, special := r.lenOr()
	if special {
		r.corrupt("a length was expected")
		return 0
	}
	return n
}

// lenOr reads a length, or the first byte of a string of a special form.
func (r *Reader) lenOr() (n uint64, special bool) {
	c := r.Byte()
	switch {
	case c < 0x40:
		return uint64(c), false
	case c < 0x80:
		return uint64(c&0x3F)<<8 | uint64(r.Byte()), false
	case c == len32:
		if b := r.next(4); b != nil {
			return uint64(binary.BigEndian.Uint32(b)), false
		}
	case c == len64:
		if b := r.next(8); b != nil {
			return binary.BigEndian.Uint64(b), false
		}
	case c >= 0xC0:
		return uint64(c), true
	default:
		r.corrupt("unknown form of a length")
	}
	return 0, false
}

// Count reads the number of elements of a structure, each of which takes at least size bytes: more than there can be is
// an error.
func (r *Reader) Count(size int) int {
	n := r.Len()
	if n > uint64(r.remaining())/uint64(size) {
		r.Fail(ErrShort)
		return 0
	}
	return int(n)
}

// String reads a string.
func (r *Reader) String() []byte {
	n, special := r.lenOr()
	if special {
		return r.special(byte(n))
	}
	if !r.admit(n) {
		return nil
	}
	return r.next(int(n))
}

// admit tells whether a string may be n bytes long.
func (r *Reader) admit(n uint64) bool {
	if n > maxString {
		r.corrupt("a string of " + strconv.FormatUint(n, 10) + " bytes")
	}
	return r.err == nil
}

// Int reads a string that is an integer, as what Redis writes about a file is.
func (r *Reader) Int() int64 {
	n, ok := datatypes.ParseInt(r.String())
	if !ok {
		r.corrupt("an integer was expected")
	}
	return n
}

// special reads a string whose first byte says that it is an integer or compressed.
func (r *Reader) special(c byte) []byte {
	var n int64
	switch c {
	case strInt8:
		n = int64(int8(r.Byte()))
	case strInt16:
		if b := r.next(2); b != nil {
			n = int64(int16(binary.LittleEndian.Uint16(b)))
		}
	case strInt32:
		n = int64(int32(r.Fixed32()))
	case strLZF:
		return r.compressed()
	default:
		r.corrupt("unknown form of a string")
	}
	if r.err != nil {
		return nil
	}
	return strconv.AppendInt(r.num[:0], n, 10)
}

// sizes reads the two lengths of a compressed string. They are in proportion, so a short payload cannot ask for much
// memory.
func (r *Reader) sizes() (size, n int) {
	s, t := r.Len(), r.Len()
	if !r.admit(s) || !r.admit(t) {
		return 0, 0
	}
	if t > s*lzfGain || s == 0 {
		r.corrupt("a compressed string cannot be as long as it claims")
		return 0, 0
	}
	return int(s), int(t)
}

func (r *Reader) compressed() []byte {
	size, n := r.sizes()
	src := r.next(size)
	if src == nil || r.err != nil {
		return nil
	}
	if cap(r.plain) < n || cap(r.plain) > keptBytes && n < keptBytes {
		r.plain = make([]byte, n)
	}
	r.plain = r.plain[:n]
	if !expand(r.plain, src) {
		r.corrupt("a compressed string does not expand")
		return nil
	}
	return r.plain
}

// hold keeps a string while another is read.
func (r *Reader) hold(s []byte) []byte {
	if cap(r.held) > keptBytes && len(s) < keptBytes {
		r.held = nil
	}
	r.held = append(r.held[:0], s...)
	return r.held
}

// longString is the size in bytes from which on Long reads a string.
const longString = 2 * ChunkBytes

// Long reads the next string into the memory that room returns for its length, without a copy elsewhere, if it is long
// and the size of the source is known. If it is not long it reads nothing and is false. room returns nil if there is no
// memory.
func (r *Reader) Long(room func(n int) []byte) bool {
	const ahead = 1 + 9 + 9 // the longest beginning of a string
	if r.err != nil || r.src == nil || r.left == unknownSize || r.remaining() < longString/lzfGain {
		return false
	}
	b := r.next(ahead)
	if b == nil {
		return false
	}
	r.pos -= ahead
	if b[0] != len32 && b[0] != len64 && b[0] != strLZF {
		return false
	}
	mark := r.pos
	n, special := r.lenOr()
	size := int(n)
	var packed int
	if special {
		packed, size = r.sizes()
	}
	if r.err == nil && size < longString {
		r.pos = mark
		return false
	}
	if !special && r.err == nil && (n > maxString || int64(n) > r.remaining()) {
		r.err = ErrShort
	}
	var src []byte
	if special {
		src = r.next(packed)
	}
	if r.err != nil {
		return true
	}
	dst := room(size)
	switch {
	case dst == nil:
		r.err = ErrMemory
	case !special:
		r.fill(dst)
	case !expand(dst, src):
		r.corrupt("a compressed string does not expand")
	}
	return true
}
