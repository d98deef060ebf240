package datatypes

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// bigSin sums the series of the sine with 300 bits.
func bigSin(x *big.Float) *big.Float {
	const bits = 300
	term := new(big.Float).SetPrec(bits).Set(x)
	square := new(big.Float).SetPrec(bits).Mul(x, x)
	sum := new(big.Float).SetPrec(bits).Set(x)
	for n := int64(2); n < 120; n += 2 {
		term.Mul(term, square)
		term.Quo(term, new(big.Float).SetInt64(-n*(n+1)))
		sum.Add(sum, term)
	}
	return sum
}

func rounded(x *big.Float) float64 {
	f, _ := x.Float64()
	return f
}

func TestExactSines(t *testing.T) {
	const bits = 300
	quarter, _, err := big.ParseFloat("1.5707963267948966192313216916397514420985846996875529104874722961539082031431044993140174126710585", 10, bits, big.ToNearestEven)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		x := (r.Float64() - 0.5) * 2 * math.Pi
		if r.IntN(4) == 0 {
			x *= math.Ldexp(1, -r.IntN(40))
		}
		exact := new(big.Float).SetPrec(bits).SetFloat64(x)
		if got, want := exactSin(x), rounded(bigSin(exact)); got != want {
			t.Fatalf("the sine of %v is %v, not %v", x, got, want)
		}
		if got, want := exactCos(x), rounded(bigSin(exact.Sub(quarter, exact))); got != want {
			t.Fatalf("the cosine of %v is %v, not %v", x, got, want)
		}
	}
}

// The sine of what exactAsin gives is on one side of the argument, that of the next number on the other.
func TestExactArcSines(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		x := r.Float64()
		if r.IntN(4) == 0 {
			x *= math.Ldexp(1, -r.IntN(40))
		}
		y := exactAsin(x)
		exact := new(big.Float).SetFloat64(x)
		half := func(other float64) *big.Float { // the middle of y and its neighbour
			m := new(big.Float).SetPrec(300).SetFloat64(y)
			m.Add(m, new(big.Float).SetFloat64(other))
			return m.Quo(m, new(big.Float).SetInt64(2))
		}
		if bigSin(half(math.Nextafter(y, -1))).Cmp(exact) > 0 || bigSin(half(math.Nextafter(y, 2))).Cmp(exact) < 0 {
			t.Fatalf("the arc sine of %v is not %v", x, y)
		}
	}
	if exactAsin(1) != math.Pi/2 || exactAsin(0) != 0 {
		t.Error("the ends are wrong")
	}
}

// Distances that Redis has stored.
func TestExactDistances(t *testing.T) {
	for _, c := range []struct{ lon1, lat1, lon2, lat2, want float64 }{
		{15, 37, 15.087267458438873, 37.50266842333162, 56441.2578701582},
		{15, 37, 13.361389338970184, 38.1155563954963, 190442.42984775784},
	} {
		if got := GeoDistanceExact(c.lon1, c.lat1, c.lon2, c.lat2); got != c.want {
			t.Errorf("%v, not %v", got, c.want)
		}
		if got := GeoDistance(c.lon1, c.lat1, c.lon2, c.lat2); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("about %v, not %v", got, c.want)
		}
	}
}

func BenchmarkGeoDistance(b *testing.B) {
	for name, fn := range map[string]func(a, b, c, d float64) float64{"quick": GeoDistance, "exact": GeoDistanceExact} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				fn(15, 37, 13.361389338970184, 38.1155563954963)
			}
		})
	}
}
