// Package listpack keeps a short sequence of strings and integers in one block of bytes, read in both directions.
//
// The elements are, byte for byte, those of Redis's listpack, so that a value of an RDB file or of DUMP is copied and
// not translated. Around them the form in memory has only the count of elements: Redis's first four bytes and its
// last one repeat what the block's owner knows anyway, its length, and five bytes are much for a value of thirty.
//
//	in Redis    total bytes u32 | count u16 | elements | FF
//	here                          count u16 | elements
//
// ParseRedis and AppendRedis are the two borders. The sequence "hello", 5, 1024 is
//
//	03 00                     count, little endian; FF FF means: 65535 or more, walk to know
//	85 68 65 6C 6C 6F 06      string of 5 bytes, then the back length: this element's first 6 bytes
//	05 01                     the integer 5 in 7 bits
//	C4 00 02                  the integer 1024 in 13 bits
//
// An element is a first byte that names its kind, its data, and the back length, which says how many bytes precede
// it in the same element, in groups of 7 bits to be read from right to left (a set high bit means: one more byte).
//
//	0xxxxxxx                    integer 0..127
//	10xxxxxx                    string of up to 63 bytes
//	110xxxxx +1                 integer of 13 bits, two's complement, high bits first
//	1110xxxx +1                 string of up to 4095 bytes, length with its high bits first
//	F0 +4                       string of any length, length little endian
//	F1 +2, F2 +3, F3 +4, F4 +8  integer, little endian
//
// A string that is the shortest decimal form of an integer of 64 bits is always stored as that integer.
//
// An element is named by its offset in the block. An offset is valid until the block is next modified, and an empty
// sequence has no bytes at all. Forward iteration ends at len(b), backward iteration at 0:
//
//	for p := listpack.First(b); p < len(b); p = listpack.Next(b, p) { … }
//	for p := listpack.Last(b); p > 0; p = listpack.Prev(b, p) { … }
//
// The functions of this package trust the bytes, as they are always written by this package: bytes from elsewhere go
// through ParseRedis, or Validate.
package listpack

import (
	"encoding/binary"
	"strconv"
)

// HeaderSize is the offset of the first element.
const HeaderSize = 2

// countUnknown in the header says that only walking tells the number of elements.
const countUnknown = 0xFFFF

// MaxBytes is the size that a block must not pass. Callers whose limits are configurable ask SafeToAdd.
const MaxBytes = 1 << 30

// First bytes of the kinds of elements, and the masks of their length or value bits.
const (
	kindStr6  = 0x80
	kindInt13 = 0xC0
	kindStr12 = 0xE0
	kindStr32 = 0xF0
	kindInt16 = 0xF1
	kindInt24 = 0xF2
	kindInt32 = 0xF3
	kindInt64 = 0xF4
	kindEnd   = 0xFF
)

// Elem is one element: a string, or an integer when Str is nil.
type Elem struct {
	Str []byte
	Int int64
}

// noBytes is a string of no bytes that is not nil.
var noBytes = []byte{}

// String makes an element of s. It is stored as an integer if s is the shortest decimal form of one.
func String(s []byte) Elem {
	if s == nil {
		s = noBytes
	}
	return Elem{Str: s}
}

// Int makes an integer element.
func Int(n int64) Elem { return Elem{Int: n} }

// IsInt says whether the element is an integer.
func (e Elem) IsInt() bool { return e.Str == nil }

// Bytes is the element as text. The digits of an integer are written to the front of scratch, which takes 20 bytes;
// a string is returned as it stands in the block.
func (e Elem) Bytes(scratch []byte) []byte {
	if e.Str != nil {
		return e.Str
	}
	return strconv.AppendInt(scratch[:0], e.Int, 10)
}

// Append appends the element's text to dst.
func (e Elem) Append(dst []byte) []byte {
	if e.Str != nil {
		return append(dst, e.Str...)
	}
	return strconv.AppendInt(dst, e.Int, 10)
}

// Len is the length of the element's text in bytes.
func (e Elem) Len() int {
	if e.Str != nil {
		return len(e.Str)
	}
	return DigitCount(e.Int)
}

// Equal says whether the element's text is s.
func (e Elem) Equal(s []byte) bool {
	if e.Str != nil {
		return string(e.Str) == string(s)
	}
	n, ok := ParseInt(s)
	return ok && n == e.Int
}

// Len is the number of elements. O(1) below 65535 elements, else O(n).
func Len(b []byte) int {
	if len(b) <= HeaderSize {
		return 0
	}
	n := int(binary.LittleEndian.Uint16(b))
	if n != countUnknown {
		return n
	}
	return countFrom(b, HeaderSize, len(b))
}

// countFrom walks the elements that stand in [p, q).
func countFrom(b []byte, p, q int) int {
	n := 0
	for ; p < q; p = Next(b, p) {
		n++
	}
	return n
}

// SafeToAdd says whether n more bytes of elements may be added to a block of b's size.
func SafeToAdd(b []byte, n int) bool { return len(b)+n <= MaxBytes }

// First is the offset of the first element, len(b) if there is none.
func First(b []byte) int { return min(HeaderSize, len(b)) }

// Last is the offset of the last element, 0 if there is none.
func Last(b []byte) int {
	if len(b) <= HeaderSize {
		return 0
	}
	return before(b, len(b))
}

// Next is the offset of the element after the one at p, len(b) if that was the last one.
func Next(b []byte, p int) int {
	c := b[p]
	if c < kindStr6 {
		return p + 2
	}
	if c < kindInt13 {
		return p + 2 + int(c&0x3F)
	}
	n := bodySize(b, p)
	return p + n + backSize(n)
}

// Prev is the offset of the element before the one at p (or before the end, if p is len(b)), 0 if that was the first.
func Prev(b []byte, p int) int {
	if p <= HeaderSize {
		return 0
	}
	return before(b, p)
}

// before is the offset of the element that ends at p.
func before(b []byte, p int) int {
	n := int(b[p-1])
	if n < 0x80 {
		return p - 1 - n
	}
	n &= 0x7F
	shift, size := 7, 2
	for ; ; size++ {
		c := b[p-size]
		n |= int(c&0x7F) << shift
		if c < 0x80 {
			return p - size - n
		}
		shift += 7
	}
}

// bodySize is how many bytes the element at p has before its back length.
func bodySize(b []byte, p int) int {
	c := b[p]
	switch {
	case c < kindStr6:
		return 1
	case c < kindInt13:
		return 1 + int(c&0x3F)
	case c < kindStr12:
		return 2
	case c < kindStr32:
		return 2 + (int(c&0x0F)<<8 | int(b[p+1]))
	}
	switch c {
	case kindStr32:
		return 5 + int(binary.LittleEndian.Uint32(b[p+1:]))
	case kindInt16:
		return 3
	case kindInt24:
		return 4
	case kindInt32:
		return 5
	}
	return 9
}

// backSize is how many bytes the back length of a body of n bytes takes. Redis gives the largest value of each width
// (16383 and so on, but not 127) one byte more than it needs, and so do we.
func backSize(n int) int {
	switch {
	case n <= 127:
		return 1
	case n < 1<<14-1:
		return 2
	case n < 1<<21-1:
		return 3
	case n < 1<<28-1:
		return 4
	}
	return 5
}

// Get reads the element at p. A string is a slice of b.
func Get(b []byte, p int) Elem {
	c := b[p]
	switch {
	case c < kindStr6:
		return Elem{Int: int64(c)}
	case c < kindInt13:
		q := p + 1 + int(c&0x3F)
		return Elem{Str: b[p+1 : q : q]}
	case c < kindStr12:
		// 13 bits moved to the top of 16 and back again bring the sign with them.
		return Elem{Int: int64(int16(uint16(c)<<11|uint16(b[p+1])<<3) >> 3)}
	case c < kindStr32:
		q := p + 2 + (int(c&0x0F)<<8 | int(b[p+1]))
		return Elem{Str: b[p+2 : q : q]}
	}
	switch c {
	case kindStr32:
		q := p + 5 + int(binary.LittleEndian.Uint32(b[p+1:]))
		return Elem{Str: b[p+5 : q : q]}
	case kindInt16:
		return Elem{Int: int64(int16(binary.LittleEndian.Uint16(b[p+1:])))}
	case kindInt24:
		return Elem{Int: int64(int32(uint32(b[p+1])<<8|uint32(b[p+2])<<16|uint32(b[p+3])<<24) >> 8)}
	case kindInt32:
		return Elem{Int: int64(int32(binary.LittleEndian.Uint32(b[p+1:])))}
	}
	return Elem{Int: int64(binary.LittleEndian.Uint64(b[p+1:]))}
}

// Seek is the offset of the element of that index; a negative index counts from the end, -1 being the last. It walks
// from the nearer end. ok is false if there is no such element.
func Seek(b []byte, index int) (p int, ok bool) {
	n := Len(b)
	if index < 0 {
		index += n
	}
	if index < 0 || index >= n {
		return 0, false
	}
	if index <= n/2 {
		p = HeaderSize
		for ; index > 0; index-- {
			p = Next(b, p)
		}
		return p, true
	}
	p = len(b)
	for ; index < n; index++ {
		p = before(b, p)
	}
	return p, true
}

// Find looks for an element whose text is s, starting with the one at p and passing over skip elements after each one
// that it looks at (1 finds a field among field, value pairs). If there is none, p is len(b). O(n).
func Find(b []byte, p int, s []byte, skip int) (at int, ok bool) {
	n, isInt := ParseInt(s)
	// Most elements are short strings: of those that have the right length the last byte is looked at first, as texts
	// that differ rather agree at their beginnings.
	short, last := -1, byte(0)
	if len(s) > 0 && len(s) < 64 {
		short, last = kindStr6|len(s), s[len(s)-1]
	}
	for p < len(b) {
		c := int(b[p])
		next := p + 2
		switch {
		case c >= kindStr6 && c < kindInt13:
			next += c & 0x3F
			if c == short && b[next-2] == last && string(b[p+1:next-1]) == string(s) || c == kindStr6 && len(s) == 0 {
				return p, true
			}
		case c < kindStr6:
			if isInt && int64(c) == n {
				return p, true
			}
		default:
			if e := Get(b, p); e.Str == nil {
				if isInt && e.Int == n {
					return p, true
				}
			} else if string(e.Str) == string(s) {
				return p, true
			}
			next = Next(b, p)
		}
		p = next
		for i := skip; i > 0 && p < len(b); i-- {
			if c := int(b[p]); c < kindStr6 {
				p += 2
			} else if c < kindInt13 {
				p += 2 + c&0x3F
			} else {
				p = Next(b, p)
			}
		}
	}
	return len(b), false
}

// ParseInt reads the shortest decimal form of an integer of 64 bits: no sign but a minus, no leading zero, no spaces.
func ParseInt(s []byte) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 20 {
		return 0, false
	}
	digits := s
	if s[0] == '-' {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] < '0' || digits[0] > '9' {
		return 0, false
	}
	if digits[0] == '0' {
		return 0, len(s) == 1
	}
	var u uint64 // 19 digits do not overflow it
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		}
		u = u*10 + uint64(c)
	}
	if len(digits) != len(s) {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u < 1<<63
}

// DigitCount is the length of n's decimal form, with its minus.
func DigitCount(n int64) int {
	u, size := uint64(n), 1
	if n < 0 {
		u, size = -u, 2
	}
	for ; u >= 10; u /= 10 {
		size++
	}
	return size
}
