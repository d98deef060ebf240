package datatypes

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"larder/datatypes/decimal"
)

// What glibc's strtod makes of a text under Redis's rules; "bad" where Redis refuses it.
var floatTexts = []struct{ text, bits string }{
	{"", "bad"}, {"0", "0"}, {"-0", "8000000000000000"}, {"+0", "0"}, {"1", "3ff0000000000000"},
	{"-1", "bff0000000000000"}, {"+1", "3ff0000000000000"}, {" 1", "bad"}, {"1 ", "bad"}, {"1e3", "408f400000000000"},
	{"1E3", "408f400000000000"}, {".5", "3fe0000000000000"}, {"5.", "4014000000000000"}, {".", "bad"}, {"-.5", "bfe0000000000000"},
	{"1e", "bad"}, {"1e+", "bad"}, {"inf", "7ff0000000000000"}, {"-inf", "fff0000000000000"}, {"+Inf", "7ff0000000000000"},
	{"INFINITY", "7ff0000000000000"}, {"nan", "bad"}, {"-nan", "bad"}, {"infin", "bad"}, {"0x10", "4030000000000000"},
	{"0X1P-2", "3fd0000000000000"}, {"0x.8", "3fe0000000000000"}, {"0x", "bad"}, {"0x1p", "bad"}, {"0x1.8p3", "4028000000000000"},
	{"1_000", "bad"}, {"0x1_0p0", "bad"}, {"1e308", "7fe1ccf385ebc8a0"}, {"1e309", "bad"}, {"-1e309", "bad"},
	{"1e-324", "bad"}, {"4e-324", "1"}, {"3e-324", "1"}, {"1e-400", "bad"}, {"0e-400", "0"},
	{"0x0p-9999", "0"}, {"1e99999999999", "bad"}, {"12345678901234567890", "43e56a95319d63e1"}, {"9223372036854775807", "43e0000000000000"},
	{"-9223372036854775808", "c3e0000000000000"}, {"010", "4024000000000000"}, {"1.5.2", "bad"}, {"--1", "bad"}, {"1,5", "bad"},
	{"e5", "bad"}, {"0e5", "0"}, {"1\x00", "bad"}, {"-", "bad"}, {"0xe", "402c000000000000"}, {"-infinity", "fff0000000000000"},
}

func TestParseFloat(t *testing.T) {
	for _, c := range floatTexts {
		got := "bad"
		if f, ok := ParseFloat([]byte(c.text)); ok {
			got = strconv.FormatUint(math.Float64bits(f), 16)
		}
		if got != c.bits {
			t.Errorf("ParseFloat(%q) = %s, want %s", c.text, got, c.bits)
		}
	}
}

// Every double that is printed reads back as the same double.
func FuzzFloatRoundTrip(f *testing.F) {
	for _, v := range []float64{0, 0.1, -2.5, 5e-324, 1e-7, 1e21, 1 << 62, 1e300, math.MaxFloat64, math.Inf(-1)} {
		f.Add(math.Float64bits(v))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		v := math.Float64frombits(bits)
		if v != v {
			return
		}
		text := decimal.Append(nil, v)
		if back, ok := ParseFloat(text); !ok || back != v {
			t.Fatalf("%x prints as %s, which reads back as %v, %v", bits, text, back, ok)
		}
		long := longOfFloat(v)
		if v == math.Trunc(v) && !math.IsInf(v, 0) && v != 0 {
			if got, want := string(long.AppendHuman(nil)), strconv.FormatFloat(v, 'f', -1, 64); len(got) < 17 && got != want {
				t.Fatalf("%x as a Long prints as %s, want %s", bits, got, want)
			}
		}
	})
}

func TestFloatRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for range 200000 {
		v := math.Float64frombits(r.Uint64())
		if v != v {
			continue
		}
		text := decimal.Append(nil, v)
		if back, ok := ParseFloat(text); !ok || back != v {
			t.Fatalf("%x prints as %s, which reads back as %v, %v", math.Float64bits(v), text, back, ok)
		}
	}
}

// a prints alone as parsed if b is "0" or the sum is given otherwise; recorded with x86 long doubles.
var longSums = []struct{ a, b, sum string }{
	{"0.1", "0.2", "0.3"},
	{"3.0e3", "5.0e3", "8000"},
	{"10.50", "0.1", "10.6"},
	{"1", "-1", "0"},
	{"1e18", "0.5", "1000000000000000000.5"},
	{"9223372036854775807", "1", "9223372036854775808"},
	{"18446744073709551615", "0.5", "18446744073709551616"},
	{"1.1", "-1.1", "0"},
	{"3", "1.23", "4.23"},
	{"-0.0", "0", "0"},
	{"1e-17", "0", "0.00000000000000001"},
	{"5e-18", "0", "0"},
	{"4.9e-18", "1e-20", "0"},
	{"0.1", "1e-19", "0.1"},
	{"0x1.8p1", "0xA", "13"},
	{"123456789012345678901234567890", "1", "123456789012345678899921813504"},
	{"0.99999999999999999999", "0", "1"},
	{"1e-30", "1e30", "1000000000000000000024696061952"},
	{"17179869184", "0.00000000000000001", "17179869184"},
	{"0.00000000000000001", "0.00000000000000001", "0.00000000000000002"},
	{"1.00000000000000000000000001", "1", "2"},
	{"5.", "0", "5"}, {"2.28e+26", "0", "228000000000000000000000000"},
	{"25431534143620e25", "183166", "254315341436199999990966269984276217856"},
	{"inf", "1", "inf"}, {"-inf", "1e5", "-inf"}, {"inf", "-inf", "nan"},
}

func TestLong(t *testing.T) {
	for _, c := range longSums {
		a, ok1 := ParseLong([]byte(c.a))
		b, ok2 := ParseLong([]byte(c.b))
		if !ok1 || !ok2 {
			t.Fatalf("%q, %q: %v, %v", c.a, c.b, ok1, ok2)
		}
		for _, sum := range []func() (Long, bool){func() (Long, bool) { return a.Add(b) }, func() (Long, bool) { return b.Add(a) }} {
			got := "nan"
			if s, ok := sum(); ok {
				got = string(s.AppendHuman(nil))
			}
			if got != c.sum {
				t.Errorf("%s + %s = %s, want %s", c.a, c.b, got, c.sum)
			}
		}
	}
	for _, text := range []string{"", "nan", "1e4933", "1e-4951", "x", "1 ", "0x"} {
		if _, ok := ParseLong([]byte(text)); ok {
			t.Errorf("ParseLong(%q) accepts", text)
		}
	}
	for _, text := range []string{"1e4932", "1e-4950"} {
		if _, ok := ParseLong([]byte(text)); !ok {
			t.Errorf("ParseLong(%q) refuses", text)
		}
	}
}

// Sums and products of short decimals against exact arithmetic rounded to 64 bits.
func TestLongAgainstBig(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	random := func() string {
		return fmt.Sprintf("%d.%0*de%d", r.Int64N(1<<r.IntN(30))-1<<10, 1+r.IntN(8), r.IntN(1000), r.IntN(30)-15)
	}
	exact := func(text string) *big.Float {
		rat, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		return new(big.Float).SetPrec(64).SetRat(rat)
	}
	value := func(l Long) *big.Float {
		f := new(big.Float).SetPrec(64).SetUint64(l.mant)
		f.SetMantExp(f, int(l.exp))
		if l.neg {
			f.Neg(f)
		}
		return f
	}
	for range 50000 {
		x, y := random(), random()
		a, _ := ParseLong([]byte(x))
		b, _ := ParseLong([]byte(y))
		ea, eb := exact(x), exact(y)
		if value(a).Cmp(ea) != 0 {
			t.Fatalf("%s reads as %v, want %v", x, value(a), ea)
		}
		sum, _ := a.Add(b)
		if want := new(big.Float).SetPrec(64).Add(ea, eb); value(sum).Cmp(want) != 0 {
			t.Fatalf("%s + %s is %v, want %v", x, y, value(sum), want)
		}
	}
}

func TestLongAllocates(t *testing.T) {
	a, b := []byte("1234567.5"), []byte("-0.1")
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		x, _ := ParseLong(a)
		y, _ := ParseLong(b)
		s, _ := x.Add(y)
		buf = s.AppendHuman(buf[:0])
		f, _ := ParseFloat(a)
		buf = decimal.Append(buf[:0], f)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParseInts(t *testing.T) {
	for _, c := range []struct {
		text   string
		i      int64
		okInt  bool
		u      uint64
		okUint bool
	}{
		{"0", 0, true, 0, true}, {"", 0, false, 0, false}, {"-", 0, false, 0, false}, {"-0", 0, false, 0, true},
		{"9223372036854775807", math.MaxInt64, true, math.MaxInt64, true},
		{"9223372036854775808", 0, false, 1 << 63, true},
		{"-9223372036854775808", math.MinInt64, true, 0, false},
		{"-9223372036854775809", 0, false, 1<<63 - 1, true},
		{"18446744073709551615", 0, false, math.MaxUint64, true}, {"18446744073709551616", 0, false, 0, false},
		{"05", 0, false, 5, true}, {"+5", 0, false, 5, true}, {" 5", 0, false, 5, true}, {"5 ", 0, false, 0, false},
		{"-5", -5, true, 0, false}, {"-05", 0, false, math.MaxUint64 - 4, true}, {"- 5", 0, false, 0, false}, {"5x", 0, false, 0, false},
	} {
		if i, ok := ParseInt([]byte(c.text)); ok != c.okInt || ok && i != c.i {
			t.Errorf("ParseInt(%q) = %d, %v", c.text, i, ok)
		}
		if u, ok := ParseUint([]byte(c.text)); ok != c.okUint || ok && u != c.u {
			t.Errorf("ParseUint(%q) = %d, %v", c.text, u, ok)
		}
	}
}

// longOfFloat returns f exactly; f is not NaN.
func longOfFloat(f float64) Long {
	if math.IsInf(f, 0) {
		return Long{neg: f < 0, inf: true}
	}
	m, e := math.Frexp(math.Abs(f))
	l := roundLong(uint64(m*(1<<53)), 0, e-53, false)
	l.neg = math.Signbit(f)
	return l
}

// Short decimals are read without strconv, to the same bit.
func TestParseShortDecimals(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for range 500_000 {
		b := make([]byte, 0, 24)
		if rnd.IntN(2) == 0 {
			b = append(b, '-')
		}
		for range rnd.IntN(20) {
			b = append(b, "0123456789"[rnd.IntN(10)])
		}
		if at := rnd.IntN(len(b) + 1); rnd.IntN(4) > 0 && (at > 0 || len(b) == 0 || b[0] != '-') {
			b = slices.Insert(b, at, '.')
		}
		want, err := strconv.ParseFloat(string(b), 64)
		got, ok := ParseFloat(b)
		if ok != (err == nil) || ok && math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%q: %v %v, want %v %v", b, got, ok, want, err)
		}
	}
}

// What strtod calls out of range, as SORT asks it, according to glibc.
func TestParseFloatInRange(t *testing.T) {
	half := "0." + fmt.Sprintf("%0400d", 0) // zeros in front of digits and behind them are none
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"", true}, {" 5", true}, {"\t\n-7.25", true}, {"1e308", true}, {"inf", true}, {" -infinity", true}, {"nan", false}, {"x", false},
		{"1e400", false}, {"-1e400", false}, {" 1e309", false}, {"0x1p1024", false}, {"1e400\x00", false}, {"inf\x00x", true},
		{"0", true}, {"-0", true}, {"0e-999", true}, {"0x0p-9999", true}, {"1e-400", false}, {"-1e-400", false}, {"0x1p-1075", false},
		{"4.9e-324", false}, {"1e-320", false}, {"2.2e-308", false}, {"0x1.8p-1074", false}, {"0x1.00000000000001p-1023", false},
		{"0x1p-1074", true}, {"-0x1p-1074", true}, {"0x0.0010P-1062", true}, {"0x0.fffffffffffffp-1022", true}, {"0x0.ffffffffffffe8p-1022", false},
		{"2.2250738585072014e-308", true}, {"2.225073858507200e-308", false}, {"0x1p-1022", true},
		{"0x1.00000000000001p-1022", true}, {strconv.FormatFloat(0x1p-1074, 'f', 1074, 64), true}, {strconv.FormatFloat(0x1p-1074, 'f', 1074, 64) + "000", true},
		{strconv.FormatFloat(0x1p-1074, 'f', 1074, 64) + "0001", false}, {half + "5e401", true}, {half + "5e81", false}, {strconv.FormatFloat(0x3p-1060, 'e', 800, 64), true},
	} {
		f, ok := ParseFloatInRange([]byte(c.text))
		if ok != c.ok {
			t.Errorf("%q is in range: %v", c.text, ok)
		}
		if loose, _ := ParseFloatLoose([]byte(c.text)); ok && f != loose {
			t.Errorf("%q is %v, and %v in range", c.text, loose, f)
		}
	}
}
