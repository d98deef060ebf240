package datatypes

// Numbers as text, read and written as Redis does it to the byte: here integers, and doubles from text; in number_long.go the
// 80-bit numbers of INCRBYFLOAT and HINCRBYFLOAT; in package decimal doubles to text: scores, and every double in a reply.
//
// Which reader goes with which argument:
//
//	count, index, TTL, INCRBY           ParseInt    "10" yes, "+10", " 10", "010" no
//	the two halves of a stream ID       ParseUint   as strtoull: "010" and "+10" too
//	score, GEO, ZINCRBY                 ParseFloat  "1e3", ".5", "inf", "0x1p-2" yes, "nan", "1 ", "1e999" no
//	INCRBYFLOAT, HINCRBYFLOAT           ParseLong   the same syntax, 64 bits of mantissa
//	what SORT compares                  ParseFloatInRange  also " 1", "" and "1\x00", "1e-320" no
//
// No function here allocates for numbers of ordinary length.

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"

	"larder/datatypes/listpack"
)

// ParseInt reads a decimal integer that prints back to the very same text: no leading zeros, no plus, no blanks, and
// within int64. These are also exactly the strings that compact encodings store as integers.
func ParseInt(b []byte) (int64, bool) { return listpack.ParseInt(b) }

// ParseUint reads an unsigned 64-bit integer as C's strtoull reads a whole string: blanks and a sign in front and
// leading zeros are allowed, and a negative number means its two's complement; but a negative number that ParseInt
// accepts is refused, because Redis tries that reading first.
func ParseUint(b []byte) (uint64, bool) {
	if v, ok := ParseInt(b); ok {
		return uint64(v), v >= 0
	}
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		c -= '0'
		if c > 9 || v > math.MaxUint64/10 || v*10 > math.MaxUint64-uint64(c) {
			return 0, false
		}
		v = v*10 + uint64(c)
	}
	if negative {
		v = -v
	}
	return v, true
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// ParseFloat reads a double as C's strtod reads a whole string, with Redis's exceptions: no blanks, no NaN, and
// neither overflow to infinity nor underflow to zero. Infinity may be spelled out.
func ParseFloat(b []byte) (float64, bool) {
	if f, ok := parseShort(b); ok {
		return f, true
	}
	if v, ok := ParseInt(b); ok {
		return float64(v), true
	}
	s, form := scanFloat(b)
	switch form {
	case floatBad, floatNaN:
		return 0, false
	case floatInf:
		return math.Inf(1 - 2*int(b2u(s[0] == '-'))), true
	case floatHex:
		if !hasExponent(s) {
			s = append(append(make([]byte, 0, len(s)+2), s...), 'p', '0') // strconv insists on an exponent
		}
	}
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(s), len(s)), 64)
	if err != nil || f == 0 && !zeroMantissa(s, form) {
		return 0, false
	}
	return f, true
}

// tens are the powers of ten that a double has exactly.
var tens = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// parseShort is ParseFloat for what most numbers are: digits, perhaps with a point and a minus, whose digits together are an
// integer that a double has exactly. That, and a power of ten that a double has, makes one division the only rounding
// (W. D. Clinger, How to read floating point numbers accurately, 1990). ok is false for anything else.
func parseShort(b []byte) (f float64, ok bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	m, point := uint64(0), -1
	for i, c := range b {
		if d := c - '0'; d <= 9 {
			m = m*10 + uint64(d)
		} else if c == '.' && point < 0 {
			point = i
		} else {
			return 0, false
		}
	}
	if m > 1<<53 || point == 0 && len(b) == 1 {
		return 0, false
	}
	f = float64(m)
	if point >= 0 {
		f /= tens[len(b)-1-point]
	}
	if negative {
		f = -f
	}
	return f, true
}

type floatForm uint8

const (
	floatBad floatForm = iota
	floatDecimal
	floatHex
	floatInf
	floatNaN
)

// scanFloat tells which of C's forms of a floating-point number the whole of b is, and returns b.
func scanFloat(b []byte) ([]byte, floatForm) {
	i := 0
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		i = 1
	}
	rest := b[i:]
	switch {
	case equalFold(rest, "inf") || equalFold(rest, "infinity"):
		return b, floatInf
	case equalFold(rest, "nan"):
		return b, floatNaN
	}
	form, exponent := floatDecimal, byte('e')
	if len(rest) > 2 && rest[0] == '0' && rest[1]|0x20 == 'x' {
		form, exponent, rest = floatHex, 'p', rest[2:]
	}
	n, dots := 0, 0 // digits, points
	for len(rest) > 0 {
		c := rest[0]
		if c == '.' && dots == 0 {
			dots++
		} else if c >= '0' && c <= '9' || form == floatHex && c|0x20 >= 'a' && c|0x20 <= 'f' {
			n++
		} else {
			break
		}
		rest = rest[1:]
	}
	if n == 0 {
		return b, floatBad
	}
	if len(rest) == 0 {
		return b, form
	}
	if rest[0]|0x20 != exponent {
		return b, floatBad
	}
	rest = rest[1:]
	if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return b, floatBad
	}
	for _, c := range rest {
		if c < '0' || c > '9' {
			return b, floatBad
		}
	}
	return b, form
}

func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}

func hasExponent(hex []byte) bool {
	for _, c := range hex {
		if c|0x20 == 'p' {
			return true
		}
	}
	return false
}

// zeroMantissa tells whether all digits before the exponent are zeros.
func zeroMantissa(s []byte, form floatForm) bool {
	for _, c := range s {
		switch {
		case c == 'x' || c == 'X' || c == '.' || c == '-' || c == '+' || c == '0':
		case c|0x20 == 'p', c|0x20 == 'e' && form == floatDecimal:
			return true
		default:
			return false
		}
	}
	return true
}

func b2u(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// ParseFloatLoose reads the bound of a score range as C's strtod reads a whole string: besides what ParseFloat takes,
// blanks in front, nothing at all (0), and what overflows or underflows, rounded to infinity or zero. A zero byte ends
// the text, as it does in C. NaN is refused.
func ParseFloatLoose(b []byte) (float64, bool) {
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	if len(b) == 0 {
		return 0, true
	}
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	if f, ok := ParseFloat(b); ok {
		return f, true
	}
	s, form := scanFloat(b)
	if form != floatDecimal && form != floatHex {
		return 0, false
	}
	if form == floatHex && !hasExponent(s) {
		s = append(append(make([]byte, 0, len(s)+2), s...), 'p', '0')
	}
	f, _ := strconv.ParseFloat(string(s), 64) // out of range: ±infinity, or zero
	return f, true
}

// ParseFloatInRange is ParseFloatLoose for those who ask C's strtod whether a number was out of range: what overflows is
// refused, and what is rounded to zero or to a double that lacks digits, a subnormal one.
func ParseFloatInRange(b []byte) (float64, bool) {
	f, ok := ParseFloatLoose(b)
	size := math.Abs(f)
	if !ok || size >= minNormal && size <= math.MaxFloat64 {
		return f, ok
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	if b = bytes.TrimLeftFunc(b, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }); len(b) == 0 {
		return f, ok
	}
	s, form := scanFloat(b)
	switch {
	case size > math.MaxFloat64:
		return f, form == floatInf // else it has overflowed
	case size == 0:
		return f, zeroMantissa(s, form)
	}
	// A text that is rounded to f has the same digits only if it is f: ten times f, or twice f, is another double.
	exact := strconv.AppendFloat(nil, size, 'e', 766, 64) // no double has more digits
	if form == floatHex {
		exact = strconv.AppendFloat(nil, size, 'x', -1, 64)
	}
	return f, bytes.Equal(significant(s, form), significant(exact, form))
}

// minNormal is the smallest double that has all its digits.
const minNormal = 0x1p-1022

// significant is the digits of a number, or the bits of a hexadecimal one, without zeros at either end.
func significant(s []byte, form floatForm) []byte {
	s = bytes.TrimLeft(s, "+-")
	var digits []byte
	if form == floatHex {
		s = s[len("0x"):]
	}
	for _, c := range s {
		switch lower := c | 0x20; {
		case c == '.':
		case form == floatDecimal && lower != 'e':
			digits = append(digits, c)
		case form == floatHex && lower != 'p':
			nibble, _ := strconv.ParseUint(string(c), 16, 4)
			digits = append(digits, '0'|byte(nibble>>3), '0'|byte(nibble>>2&1), '0'|byte(nibble>>1&1), '0'|byte(nibble&1))
		default:
			return bytes.Trim(digits, "0")
		}
	}
	return bytes.Trim(digits, "0")
}
