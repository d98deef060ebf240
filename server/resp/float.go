package resp

import (
	"math"
	"strconv"
)

// ParseInt reads a decimal integer as Redis does: no sign but a minus, no leading zeros, no spaces, 64 bits.
func ParseInt(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	neg := b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || b[0] == '0' && (neg || len(b) > 1) {
		return 0, false
	}
	var u uint64
	for _, c := range b {
		d := c - '0'
		if d > 9 || u > (math.MaxUint64-9)/10 {
			return 0, false
		}
		u = u*10 + uint64(d)
	}
	if neg {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u <= math.MaxInt64
}

// FormatDouble appends a score or another double as Redis 7.2 replies it: an integer without a fraction, otherwise the
// shortest digits that read back as the same number, with an exponent only where the plain form would be long;
// inf, -inf, nan, 0 and -0.
//
//	3      -> 3            0.1    -> 0.1          1e21  -> 1e+21
//	1e17   -> 100000000000000000                  1e-7  -> 1e-7
func FormatDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case f == 0:
		if math.Signbit(f) {
			return append(dst, "-0"...)
		}
		return append(dst, '0')
	}
	if f >= -1<<62 && f <= 1<<62 && f == math.Trunc(f) {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	var text [32]byte
	e := strconv.AppendFloat(text[:0], math.Abs(f), 'e', -1, 64) // d.ddde±dd
	var digits [24]byte
	n, at := 0, 0
	for at = 0; e[at] != 'e'; at++ {
		if e[at] != '.' {
			digits[n] = e[at]
			n++
		}
	}
	exp, _ := strconv.Atoi(string(e[at+1:]))
	if f < 0 {
		dst = append(dst, '-')
	}
	return layout(dst, digits[:n], exp)
}

// layout writes d.ddd times ten to the power exp.
func layout(dst, digits []byte, exp int) []byte {
	k := exp - len(digits) + 1 // the value is digits times ten to the power k
	abs := max(exp, -exp)
	switch {
	case k >= 0 && abs < len(digits)+7:
		dst = append(dst, digits...)
		for ; k > 0; k-- {
			dst = append(dst, '0')
		}
		return dst
	case k < 0 && (k > -7 || abs < 4):
		if whole := len(digits) + k; whole > 0 {
			dst = append(append(dst, digits[:whole]...), '.')
			return append(dst, digits[whole:]...)
		}
		dst = append(dst, '0', '.')
		for z := -k - len(digits); z > 0; z-- {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	sign := byte('+')
	if exp < 0 {
		sign = '-'
	}
	return strconv.AppendInt(append(dst, 'e', sign), int64(abs), 10)
}

// FormatHuman appends f with 17 digits behind the point, without the zeros at the end.
func FormatHuman(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', 17, 64)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if dst[len(dst)-1] == '.' {
		dst = dst[:len(dst)-1]
	}
	if string(dst[start:]) == "-0" {
		dst = append(dst[:start], '0')
	}
	return dst
}
