package datatypes

import "math"

// GeoDistanceExact is GeoDistance with sines that are rounded correctly, as those of the C library are but for one in
// thousands: a distance that is stored is then the same to the last bit on Larder and on Redis. It takes some
// microseconds, where GeoDistance, whose last digit may differ, takes a tenth of that.
func GeoDistanceExact(lon1, lat1, lon2, lat2 float64) float64 {
	v := exactSin((radians(lon2) - radians(lon1)) / 2)
	if v == 0 {
		return latDistance(lat1, lat2)
	}
	lat1r, lat2r := radians(lat1), radians(lat2)
	u := exactSin((lat2r - lat1r) / 2)
	// The conversions keep processors that can from rounding two operations at once.
	across := float64(float64(float64(exactCos(lat1r)*exactCos(lat2r))*v) * v)
	return float64(2*earthRadius_m) * exactAsin(math.Sqrt(float64(u*u)+across))
}

// A wide is a number of about 106 bits, the sum of a double and of what that lacks: |lo| is at most half of hi's last
// bit. The operations are those of T. J. Dekker, "A floating-point technique for extending the available precision"
// (1971), with a fused multiply-add for the product.
type wide struct{ hi, lo float64 }

func twoSum(a, b float64) wide {
	s := a + b
	t := s - a
	return wide{s, (a - (s - t)) + (b - t)}
}

func twoProduct(a, b float64) wide {
	p := float64(a * b)
	return wide{p, math.FMA(a, b, -p)}
}

// settled makes lo as small as it has to be.
func (a wide) settled() wide {
	s := a.hi + a.lo
	return wide{s, a.lo - (s - a.hi)}
}

func (a wide) plus(b wide) wide {
	s := twoSum(a.hi, b.hi)
	s.lo += a.lo + b.lo
	return s.settled()
}

func (a wide) minus(b wide) wide { return a.plus(wide{-b.hi, -b.lo}) }

func (a wide) times(b wide) wide {
	p := twoProduct(a.hi, b.hi)
	p.lo += float64(a.hi*b.lo) + float64(a.lo*b.hi)
	return p.settled()
}

// over divides by a small whole number.
func (a wide) over(n float64) wide {
	q := a.hi / n
	rest := a.minus(twoProduct(q, n))
	return wide{q, rest.hi / n}.settled()
}

// halfPi is a quarter of a turn, in three parts.
var halfPi = [3]float64{0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110}

// exactSin is the sine of at most some turns.
func exactSin(x float64) float64 {
	s, _ := sinCos(x)
	return s.hi
}

func exactCos(x float64) float64 {
	_, c := sinCos(x)
	return c.hi
}

// exactAsin is one step of Newton's from what math.Asin knows, which doubles the number of right bits.
func exactAsin(x float64) float64 {
	if x >= 1 {
		return halfPi[0]
	}
	y := math.Asin(x)
	s, c := sinCos(y)
	return y + (wide{x, 0}.minus(s)).hi/c.hi
}

// sinCos takes whole quarters of a turn off, and sums the two series of what is left, less than half a quarter: of the
// terms up to r^27 the last is below 2^-100.
func sinCos(x float64) (sin, cos wide) {
	quarters := math.Round(x / halfPi[0])
	r := wide{x, 0}
	for _, part := range halfPi {
		r = r.minus(twoProduct(quarters, part))
	}
	square := r.times(r)
	one := wide{1, 0}
	sin, cos = one, one
	for n := 26.0; n > 0; n -= 2 {
		sin = one.minus(square.times(sin).over(n * (n + 1)))
		cos = one.minus(square.times(cos).over(n * (n - 1)))
	}
	sin = sin.times(r)
	switch int(quarters) & 3 {
	case 1:
		return cos, wide{-sin.hi, -sin.lo}
	case 2:
		return wide{-sin.hi, -sin.lo}, wide{-cos.hi, -cos.lo}
	case 3:
		return wide{-cos.hi, -cos.lo}, sin
	}
	return sin, cos
}
