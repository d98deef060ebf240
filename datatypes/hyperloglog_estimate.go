package datatypes

import (
	"math"
)

// The estimate is that of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), from how
// many registers there are of each rank. Products are rounded before they are added (float64), so that the result is the
// same on machines that would fuse the two.

// hllAlpha is 1 / (2 ln 2).
const hllAlpha = 0.721347520444481703680

// HLLCount estimates how many different elements were added. ok is false if the registers are corrupt. It takes some
// microseconds.
func HLLCount(b []byte) (n uint64, ok bool) {
	var histogram [64]int
	if HLLIsSparse(b) {
		ok = countSparse(&histogram, b[hllHead:])
	} else {
		ok = true
		eachDense(b[hllHead:], func(_ int, a, b, c, d uint8) {
			histogram[a]++
			histogram[b]++
			histogram[c]++
			histogram[d]++
		})
	}
	return estimate(&histogram), ok
}

// HLLCountRegisters is HLLCount of registers that HLLMerge has collected.
func HLLCountRegisters(regs []byte) uint64 {
	var histogram [64]int
	for _, rank := range regs {
		histogram[rank&63]++
	}
	return estimate(&histogram)
}

func estimate(histogram *[64]int) uint64 {
	const m = float64(HLLRegisters)
	z := m * tau((m-float64(histogram[hllTopRank]))/m)
	for rank := hllTopRank - 1; rank >= 1; rank-- {
		z += float64(histogram[rank])
		z *= 0.5
	}
	z += float64(m * sigma(float64(histogram[0])/m))
	return uint64(math.Round(hllAlpha * m * m / z))
}

// sigma is x + the sum over k from 1 on of x^(2^k) * 2^(k-1).
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		before := z
		z += float64(x * y)
		y += y
		if z == before {
			return z
		}
	}
}

// tau is (1 - x - the sum over k from 1 on of (1 - x^(2^-k))^2 * 2^-k) / 3.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		z -= float64(float64((1-x)*(1-x)) * y)
		if z == before {
			return z / 3
		}
	}
}
