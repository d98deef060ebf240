// Package decimal writes doubles as decimal text, as Redis does.
package decimal

import (
	"math"
	"math/bits"
	"strconv"
)

// Redis 7.2 prints a double with as few digits as read back to the same double, found by the Grisu2 method of Florian
// Loitsch ("Printing Floating-Point Numbers Quickly and Accurately with Integers", 2010). Grisu2 works with 64-bit
// arithmetic alone; for about one number in a thousand it prints a digit more than the shortest text would have. To
// print what Redis prints, this file does the same, in the same places, with the same precision.
//
// The idea, with 0.3 as the example. Its neighbours in the double format are 5.5e-17 away on either side, so every
// decimal number strictly between the two midpoints reads back as 0.3. All three (low midpoint, number, high midpoint)
// are scaled by one power of ten chosen so that the binary exponent falls in [-60,-32]: the integer part then is a
// 32-bit number and the fraction can be multiplied by ten without overflow. Digits of the high midpoint are produced
// until what is left is smaller than the distance to the low one; the last digit is then lowered as long as that
// brings the text nearer to the number itself.

// diyFloat is the number frac * 2^exp.
type diyFloat struct {
	frac uint64
	exp  int
}

// mul is the product of two normalised numbers, rounded half up at 64 bits.
func (a diyFloat) mul(b diyFloat) diyFloat {
	hi, lo := bits.Mul64(a.frac, b.frac)
	return diyFloat{hi + lo>>63, a.exp + b.exp + 64}
}

// Append appends f as Redis 7.2 writes scores and doubles in replies: integers of moderate size without a point,
// everything else by Grisu2, exponents as e+21 and e-7, infinities as inf and -inf.
func Append(dst []byte, f float64) []byte {
	switch {
	case f != f:
		return append(dst, "nan"...)
	case f == 0:
		if math.Signbit(f) {
			return append(dst, "-0"...)
		}
		return append(dst, '0')
	case math.IsInf(f, 0):
		if f < 0 {
			return append(dst, "-inf"...)
		}
		return append(dst, "inf"...)
	}
	if v, ok := Int(f); ok {
		return strconv.AppendInt(dst, v, 10)
	}
	if f < 0 {
		dst = append(dst, '-')
	}
	var digits [18]byte
	n, exp10 := grisu2(math.Abs(f), &digits)
	return appendDigits(dst, digits[:n], exp10, f < 0)
}

// Int returns f as an integer if it is one within ±2^62, which is when Redis stores and prints it as an integer.
// Negative zero counts as 0 here.
func Int(f float64) (int64, bool) {
	if !(f >= -1<<62 && f <= 1<<62) {
		return 0, false
	}
	v := int64(f)
	return v, float64(v) == f
}

// Append17 appends f as C's printf does with %.17g, which is how Redis before 7.2 printed doubles.
func Append17(dst []byte, f float64) []byte {
	switch {
	case f != f:
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	return strconv.AppendFloat(dst, f, 'g', 17, 64)
}

// grisu2 writes the digits of the positive number f and returns how many, and the power of ten that the digits, read
// as an integer, are to be multiplied by.
func grisu2(f float64, digits *[18]byte) (n, exp10 int) {
	const hidden = 1 << 52
	b := math.Float64bits(f)
	w := diyFloat{b & (hidden - 1), int(b >> 52)}
	if w.exp == 0 {
		w.exp = 1
	} else {
		w.frac |= hidden
	}
	w.exp -= 1023 + 52

	// The midpoints, on one exponent. Below a power of two the lower neighbour is at half the distance.
	high := diyFloat{w.frac<<1 + 1, w.exp - 1}
	shift := bits.LeadingZeros64(high.frac)
	high.frac <<= shift
	high.exp -= shift
	low := diyFloat{w.frac<<1 - 1, w.exp - 1}
	if w.frac == hidden {
		low = diyFloat{w.frac<<2 - 1, w.exp - 2}
	}
	low.frac <<= low.exp - high.exp
	low.exp = high.exp
	shift = bits.LeadingZeros64(w.frac)
	w.frac <<= shift
	w.exp -= shift

	power, k := scalingPower(high.exp)
	w, high, low = w.mul(power), high.mul(power), low.mul(power)
	high.frac-- // the products may be off by one: stay on the safe side
	low.frac++

	// Digits of high, until the rest is less than delta.
	delta := high.frac - low.frac
	toNumber := high.frac - w.frac // how far below high the number itself is
	fractionBits := uint(-high.exp)
	one := uint64(1) << fractionBits
	whole, fraction := high.frac>>fractionBits, high.frac&(one-1)

	exp10 = -k
	for left, unit := 10, uint64(1_000_000_000); left > 0; unit /= 10 {
		d := whole / unit
		whole -= d * unit
		if d != 0 || n != 0 {
			digits[n] = byte('0' + d)
			n++
		}
		left--
		if rest := whole<<fractionBits + fraction; rest <= delta {
			lowerLastDigit(digits[:n], delta, rest, unit<<fractionBits, toNumber)
			return n, exp10 + left
		}
	}
	for unit := uint64(10); ; unit *= 10 {
		fraction *= 10
		delta *= 10
		exp10--
		d := fraction >> fractionBits
		fraction &= one - 1
		if d != 0 || n != 0 {
			digits[n] = byte('0' + d)
			n++
		}
		if fraction < delta {
			lowerLastDigit(digits[:n], delta, fraction, one, toNumber*unit)
			return n, exp10
		}
	}
}

// lowerLastDigit takes steps of one unit down from rest below the high midpoint, as long as they stay above the low
// midpoint (delta below) and bring the text nearer to the number (toNumber below).
func lowerLastDigit(digits []byte, delta, rest, unit, toNumber uint64) {
	last := &digits[len(digits)-1]
	for rest < toNumber && delta-rest >= unit && (rest+unit < toNumber || toNumber-rest > rest+unit-toNumber) {
		*last--
		rest += unit
	}
}

// scalingPower picks the stored power of ten 10^k that brings a number with the binary exponent exp into range.
func scalingPower(exp int) (diyFloat, int) {
	const log10of2 = 0.30102999566398114
	k := int(-float64(exp+len(tenPowers)) * log10of2)
	i := (k - tenPowersFirst) / tenPowersStep
	for {
		k = tenPowersFirst + i*tenPowersStep
		// 2^e <= 10^k < 2^(e+1), by the usual fixed-point logarithm; the stored fraction has its top bit set.
		p := diyFloat{tenPowers[i], (k*217706)>>16 - 63}
		switch scaled := exp + p.exp + 64; {
		case scaled < -60:
			i++
		case scaled > -32:
			i--
		default:
			return p, k
		}
	}
}

// appendDigits lays out digits * 10^exp10: without an exponent while that costs few zeros, otherwise as d.ddde+21.
func appendDigits(dst, digits []byte, exp10 int, negative bool) []byte {
	exp := exp10 + len(digits) - 1 // of the first digit
	size := max(exp, -exp)
	switch {
	case exp10 >= 0 && size < len(digits)+7:
		dst = append(dst, digits...)
		for range exp10 {
			dst = append(dst, '0')
		}
		return dst
	case exp10 < 0 && (exp10 > -7 || size < 4):
		point := len(digits) + exp10
		if point > 0 {
			return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
		}
		dst = append(dst, '0', '.')
		for range -point {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	limit := 18
	if negative {
		limit--
	}
	if len(digits) > limit {
		digits = digits[:limit]
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	sign := byte('+')
	if exp < 0 {
		sign = '-'
	}
	return strconv.AppendInt(append(dst, 'e', sign), int64(size), 10)
}
