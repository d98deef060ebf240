package datatypes

import (
	"math"
	"math/big"
	"math/bits"
)

// A Long is a number as Redis's long double holds it on x86: 64 bits of mantissa, 15 bits of exponent. INCRBYFLOAT and
// HINCRBYFLOAT add such numbers, so 0.1 + 0.2 is 0.3 there and 3.0e3 prints as 3000; with Go's float64 it would not.
//
// The value is mant * 2^exp, negated if neg. A finite mantissa that is not 0 has its top bit set: 1 is 0x8000000000000000 * 2^-63.
type Long struct {
	mant uint64
	exp  int32
	neg  bool
	inf  bool
}

const (
	longMaxExp  = 16384 - 64  // the largest exp of a finite number
	longMinExp  = -16382 - 63 // the smallest exp of a normal number
	longMaxText = 5*1024 - 1  // longer numbers are refused
)

// ParseLong reads a Long in the syntax of ParseFloat, rounded to nearest. Like there, NaN, overflow and underflow to
// zero are refused. Up to 19 digits with a decimal exponent within ±27 are read without allocating.
func ParseLong(b []byte) (Long, bool) {
	if v, ok := ParseInt(b); ok {
		return LongOfInt(v), true
	}
	if len(b) > longMaxText {
		return Long{}, false
	}
	s, form := scanFloat(b)
	if form == floatBad || form == floatNaN {
		return Long{}, false
	}
	neg := s[0] == '-'
	if form == floatInf {
		return Long{neg: neg, inf: true}, true
	}
	if neg || s[0] == '+' {
		s = s[1:]
	}
	var l Long
	if m, exp10, ok := shortDecimal(s); form == floatDecimal && ok {
		l = scaleShort(m, exp10)
	} else if l, ok = parseLongSlowly(s, form); !ok {
		return Long{}, false
	}
	l.neg = neg
	return l, true
}

// LongOfInt returns v exactly.
func LongOfInt(v int64) Long {
	m := uint64(v)
	if v < 0 {
		m = -m
	}
	l := roundLong(m, 0, 0, false)
	l.neg = v < 0
	return l
}

// shortDecimal reads digits with at most one point and an exponent, if they are few enough for scaleShort.
func shortDecimal(s []byte) (m uint64, exp10 int, ok bool) {
	digits, point := 0, false
	for i, c := range s {
		switch {
		case c == '.':
			point = true
		case c|0x20 == 'e':
			if len(s)-i > 6 {
				return 0, 0, false
			}
			e, negative := 0, false
			for _, c := range s[i+1:] {
				switch c {
				case '-':
					negative = true
				case '+':
				default:
					e = e*10 + int(c-'0')
				}
			}
			if negative {
				e = -e
			}
			exp10 += e
			return m, exp10, m == 0 || exp10 >= -27 && exp10 <= 27
		default:
			if m != 0 || c != '0' {
				digits++
			}
			if digits > 19 {
				return 0, 0, false
			}
			m = m*10 + uint64(c-'0')
			if point {
				exp10--
			}
		}
	}
	return m, exp10, m == 0 || exp10 >= -27 && exp10 <= 27
}

// scaleShort returns m * 10^exp10 for |exp10| <= 27, where 5^27 fits in 64 bits: one product or quotient, rounded once.
func scaleShort(m uint64, exp10 int) Long {
	if m == 0 {
		return Long{}
	}
	five := uint64(1)
	for range max(exp10, -exp10) {
		five *= 5
	}
	if exp10 >= 0 {
		hi, lo := bits.Mul64(m, five)
		return roundLong(hi, lo, exp10+64, false)
	}
	// 128 bits by 64: both normalised, the dividend halved so that the quotient fits in 64 bits, then the rest again.
	ms, fs := bits.LeadingZeros64(m), bits.LeadingZeros64(five)
	m <<= ms
	five <<= fs
	hi, rest := bits.Div64(m>>1, m<<63, five)
	lo, rest := bits.Div64(rest, 0, five)
	// The dividend was m * 2^63, extended by 64 zero bits; hi:lo is the quotient.
	return roundLong(hi, lo, exp10+fs-ms-63, rest != 0)
}

// roundLong returns hi * 2^exp, with lo as the 64 bits after its last one, and a little more if sticky; rounded to
// nearest, ties to even.
func roundLong(hi, lo uint64, exp int, sticky bool) Long {
	if hi == 0 {
		if lo == 0 {
			return Long{}
		}
		hi, lo, exp = lo, 0, exp-64
	}
	if shift := bits.LeadingZeros64(hi); shift > 0 {
		hi = hi<<shift | lo>>(64-shift)
		lo <<= shift
		exp -= shift
	}
	const half = 1 << 63
	if lo > half || lo == half && (sticky || hi&1 != 0) {
		hi++
		if hi == 0 {
			hi = half
			exp++
		}
	}
	if exp > longMaxExp {
		return Long{inf: true}
	}
	return Long{mant: hi, exp: int32(exp)}
}

// Add returns a + b rounded to nearest. The sum of opposite infinities is not a number: ok is false then.
func (a Long) Add(b Long) (sum Long, ok bool) {
	switch {
	case a.inf || b.inf:
		if a.inf && b.inf && a.neg != b.neg {
			return Long{}, false
		}
		if a.inf {
			return a, true
		}
		return b, true
	case a.mant == 0 && b.mant == 0:
		return Long{neg: a.neg && b.neg}, true
	case a.mant == 0:
		return b, true
	case b.mant == 0:
		return a, true
	}
	if a.exp < b.exp || a.exp == b.exp && a.mant < b.mant {
		a, b = b, a // a has the larger magnitude
	}
	// b under a: 128 bits, and whether anything fell out at the bottom.
	var hi, lo uint64
	sticky := false
	switch d := uint(a.exp - b.exp); {
	case d == 0:
		hi = b.mant
	case d < 64:
		hi, lo = b.mant>>d, b.mant<<(64-d)
	case d == 64:
		lo = b.mant
	case d < 128:
		lo, sticky = b.mant>>(d-64), b.mant<<(128-d) != 0
	default:
		sticky = true
	}
	if a.neg == b.neg {
		var carry uint64
		hi, carry = bits.Add64(a.mant, hi, 0)
		if carry != 0 {
			sticky = sticky || lo&1 != 0
			lo = lo>>1 | hi<<63
			hi = hi>>1 | 1<<63
			a.exp++
		}
	} else {
		var borrow uint64
		if sticky { // what fell out is subtracted too: take one more and add the rest back as sticky
			lo, borrow = bits.Sub64(0, lo, 1)
		} else {
			lo, borrow = bits.Sub64(0, lo, 0)
		}
		hi, _ = bits.Sub64(a.mant, hi, borrow)
		if hi == 0 && lo == 0 {
			return Long{}, true
		}
	}
	sum = roundLong(hi, lo, int(a.exp), sticky)
	sum.neg = a.neg
	return sum, true
}

// Bound is the double that stands for l, which no finite double but 0 does: an infinity, or the smallest there is.
func (l Long) Bound() float64 {
	f := math.Inf(1)
	if l.exp < 0 {
		f = math.SmallestNonzeroFloat64
	}
	if l.neg {
		return -f
	}
	return f
}

// IsInf tells whether l is infinite.
func (l Long) IsInf() bool { return l.inf }

// AppendHuman appends l as INCRBYFLOAT stores and replies it: at most 17 digits after the point, no exponent, no zeros
// at the end. Numbers within 2^63 are written without allocating.
func (l Long) AppendHuman(dst []byte) []byte {
	start := len(dst)
	if l.neg {
		dst = append(dst, '-')
	}
	switch {
	case l.inf:
		return append(dst, "inf"...)
	case l.mant == 0:
		return append(dst[:start], '0')
	case l.exp > 0 || l.exp < -124:
		dst = l.appendSlowly(dst)
	default:
		dst = l.appendFixed(dst)
	}
	if string(dst[start:]) == "-0" {
		return append(dst[:start], '0')
	}
	return dst
}

// appendFixed appends a number whose last bit has a weight from 2^-124 to 1.
func (l Long) appendFixed(dst []byte) []byte {
	n := uint(-l.exp) // bits after the point
	var whole, hi, lo uint64
	switch {
	case n < 64:
		whole, lo = l.mant>>n, l.mant&(1<<n-1)
	default:
		lo = l.mant
	}
	// Seventeen digits out of the fraction hi:lo, which stays below 2^n.
	var text [17]byte
	for i := range text {
		carry, low := bits.Mul64(lo, 10)
		hi, lo = hi*10+carry, low
		text[i] = byte(hi>>(n-64)) | byte(lo>>n)
		if n < 64 {
			text[i] = byte(hi<<(64-n) | lo>>n)
			hi, lo = 0, lo&(1<<n-1)
		} else {
			text[i] = byte(hi >> (n - 64))
			hi &= 1<<(n-64) - 1
		}
	}
	// The rest against one half.
	var cmp int
	switch {
	case n == 0:
		cmp = -1
	case n <= 64:
		cmp = compareUint(lo, 1<<(n-1))
	default:
		if cmp = compareUint(hi, 1<<(n-65)); cmp == 0 && lo > 0 {
			cmp = 1
		}
	}
	if cmp > 0 || cmp == 0 && text[16]&1 != 0 {
		i := 16
		for ; i >= 0 && text[i] == 9; i-- {
			text[i] = 0
		}
		if i >= 0 {
			text[i]++
		} else {
			whole++ // at most 2^63 here: with 64 whole bits there is no fraction
		}
	}
	dst = appendUint(dst, whole)
	end := len(text)
	for end > 0 && text[end-1] == 0 {
		end--
	}
	if end == 0 {
		return dst
	}
	dst = append(dst, '.')
	for _, d := range text[:end] {
		dst = append(dst, '0'+d)
	}
	return dst
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func appendUint(dst []byte, v uint64) []byte {
	var buf [20]byte
	i := len(buf)
	for {
		i--
		buf[i] = byte('0' + v%10)
		if v /= 10; v == 0 {
			return append(dst, buf[i:]...)
		}
	}
}

// appendSlowly is for very large and very small numbers.
func (l Long) appendSlowly(dst []byte) []byte {
	m := new(big.Int).SetUint64(l.mant)
	if l.exp > 0 {
		return m.Lsh(m, uint(l.exp)).Append(dst, 10)
	}
	if l.exp < -256 {
		return append(dst, '0')
	}
	// Below 2^-60: the nearest multiple of 10^-17, which is one digit or two.
	m.Mul(m, new(big.Int).Exp(big.NewInt(10), big.NewInt(17), nil))
	rest := new(big.Int)
	q, rest := m.QuoRem(m, new(big.Int).Lsh(big.NewInt(1), uint(-l.exp)), rest)
	half := new(big.Int).Lsh(big.NewInt(1), uint(-l.exp-1))
	if c := rest.Cmp(half); c > 0 || c == 0 && q.Bit(0) != 0 {
		q.Add(q, big.NewInt(1))
	}
	if q.Sign() == 0 {
		return append(dst, '0')
	}
	digits := q.Append(nil, 10)
	dst = append(dst, '0', '.')
	for range 17 - len(digits) {
		dst = append(dst, '0')
	}
	for digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return append(dst, digits...)
}

// parseLongSlowly reads what scanFloat accepted, without its sign, with whole numbers of any length.
func parseLongSlowly(s []byte, form floatForm) (Long, bool) {
	base, exponent, perDigit := int64(10), byte('e'), 1
	if form == floatHex {
		base, exponent, perDigit, s = 16, 'p', 4, s[2:]
	}
	var digits []byte
	scale, point := 0, false // of the base, or of two for hexadecimal
	for i, c := range s {
		if c|0x20 == exponent && (form == floatHex || c > '9') {
			e, negative := 0, false
			for _, c := range s[i+1:] {
				switch c {
				case '-':
					negative = true
				case '+':
				default:
					e = min(e*10+int(c-'0'), 1_000_000)
				}
			}
			if negative {
				e = -e
			}
			scale += e
			break
		}
		if c == '.' {
			point = true
			continue
		}
		digits = append(digits, c)
		if point {
			scale -= perDigit
		}
	}
	num, _ := new(big.Int).SetString(string(digits), int(base))
	if num.Sign() == 0 {
		return Long{}, true
	}
	den := big.NewInt(1)
	exp2 := 0
	if form == floatHex {
		exp2 = scale
	} else if len(digits)+scale > 5000 || len(digits)+scale < -5100 {
		return Long{}, false // far beyond the range of exponents: do not even compute it
	} else if scale >= 0 {
		num.Mul(num, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	} else {
		den.Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil)
	}
	// num/den * 2^exp2 with 64 to 65 whole bits in the quotient.
	shift := 65 - (num.BitLen() - den.BitLen())
	if shift >= 0 {
		num.Lsh(num, uint(shift))
	} else {
		den.Lsh(den, uint(-shift))
	}
	q, rest := num.QuoRem(num, den, new(big.Int))
	hi := new(big.Int).Rsh(q, 64).Uint64()
	lo := q.Uint64()
	l := roundLong(hi, lo, exp2-shift+64, rest.Sign() != 0)
	if l.inf || l.exp < longMinExp-64 {
		return Long{}, false
	}
	return l, true
}
