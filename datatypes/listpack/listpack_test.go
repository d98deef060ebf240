package listpack

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// memory is a Buffer that moves at every Resize and spoils what it leaves.
type memory struct{ b []byte }

func (m *memory) Bytes() []byte { return m.b }

func (m *memory) Resize(n int) []byte {
	fresh := make([]byte, n)
	for i := range fresh {
		fresh[i] = 0xEE
	}
	copy(fresh, m.b)
	for i := range m.b {
		m.b[i] = 0xDD
	}
	m.b = fresh
	return fresh
}

func build(items ...string) *memory {
	m := &memory{}
	for _, s := range items {
		Append(m, String([]byte(s)))
	}
	return m
}

func texts(b []byte) []string {
	var all []string
	for p := First(b); p < len(b); p = Next(b, p) {
		all = append(all, string(Get(b, p).Append(nil)))
	}
	return all
}

// same checks the block against the model: from both ends, by index, its size and its validity.
func same(t *testing.T, b []byte, model []string) {
	t.Helper()
	if err := Validate(b); err != nil {
		t.Fatalf("%v in %x", err, b)
	}
	if len(model) == 0 && len(b) != 0 {
		t.Fatalf("empty sequence has %d bytes", len(b))
	}
	if got := texts(b); fmt.Sprint(got) != fmt.Sprint(model) {
		t.Fatalf("have %q, want %q", got, model)
	}
	if Len(b) != len(model) {
		t.Fatalf("Len %d, want %d", Len(b), len(model))
	}
	i := len(model)
	for p := Last(b); p > 0; p = Prev(b, p) {
		i--
		if e := Get(b, p); !e.Equal([]byte(model[i])) || e.Len() != len(model[i]) {
			t.Fatalf("backwards: element %d is not %q", i, model[i])
		}
	}
	if i != 0 {
		t.Fatalf("backwards walk left %d elements", i)
	}
	size := 0
	for _, s := range model {
		size += Size(String([]byte(s)))
	}
	if len(model) > 0 && size+HeaderSize != len(b) {
		t.Fatalf("sizes add up to %d, block has %d bytes", size+HeaderSize, len(b))
	}
}

// borders are integers and strings on both sides of every border between encodings.
func borders() []string {
	items := []string{"", "-", "-0", "+1", "00", "01", " 1", "1 ", "1.0", "hello", "9223372036854775808", "-9223372036854775809",
		"18446744073709551616", "99999999999999999999", "-99999999999999999999"}
	for _, n := range []int64{0, 127, 128, 4095, 4096, 1<<15 - 1, 1 << 15, 1<<23 - 1, 1 << 23, 1<<31 - 1, 1 << 31, math.MaxInt64} {
		items = append(items, strconv.FormatInt(n, 10), strconv.FormatInt(-n, 10), strconv.FormatInt(-n-1, 10))
	}
	for _, n := range []int{62, 63, 64, 125, 126, 127, 128, 4095, 4096, 16377, 16378, 16379, 1<<21 - 7, 1<<21 - 6, 1<<21 - 5} {
		items = append(items, strings.Repeat("x", n))
	}
	return items
}

func TestEveryEncodingBorder(t *testing.T) {
	for _, s := range borders() {
		for _, around := range [][]string{{s}, {"a", s}, {s, "b"}, {"a", s, "b"}, {s, s}} {
			m := build(around...)
			b := m.Bytes()
			same(t, b, around)
			if p, ok := Find(b, First(b), []byte(s), 0); !ok || !Get(b, p).Equal([]byte(s)) {
				t.Fatalf("%.20q not found", s)
			}
			back, err := ParseRedis(AppendRedis(nil, b))
			if err != nil || !bytes.Equal(back, b) {
				t.Fatalf("%.20q does not survive Redis's form: %v", s, err)
			}
		}
		n, err := strconv.ParseInt(s, 10, 64)
		canonical := err == nil && strconv.FormatInt(n, 10) == s
		if got, ok := ParseInt([]byte(s)); ok != canonical || ok && got != n {
			t.Fatalf("ParseInt(%.30q) = %d, %v", s, got, ok)
		}
		if canonical && DigitCount(n) != len(s) {
			t.Fatalf("DigitCount(%d) = %d", n, DigitCount(n))
		}
	}
}

// TestRedisBytes compares with what redis-server 7.0 dumped for the same items.
func TestRedisBytes(t *testing.T) {
	items := []string{"hello", "0", "127", "128", "-1", "4095", "4096", "-4096", "-4097", "32767", "32768", "-32768", "-32769",
		"8388607", "8388608", "-8388608", "-8388609", "2147483647", "2147483648", "-2147483648", "-2147483649",
		"9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809", "-0", "01", "+1", "", " 1", "-",
		strings.Repeat("x", 63), strings.Repeat("y", 64)}
	want := "4601000021008568656c6c6f0600017f01c08002dfff02cfff02f1001003d00002f1ffef03f1ff7f03f200800004f1008003f2ff7fff04" +
		"f2ffff7f04f30000800005f200008004f3ffff7fff05f3ffffff7f05f4000000800000000009f30000008005f4ffffff7fffffffff09" +
		"f4ffffffffffffff7f09f4000000000000008009933932323333373230333638353437373538303814942d39323233333732303336383534" +
		"3737353830" + "3915822d300382303103822b3103800182203103812d02bf" + strings.Repeat("78", 63) + "40e040" + strings.Repeat("79", 64) + "42ff"
	if got := hex.EncodeToString(AppendRedis(nil, build(items...).Bytes())); got != want {
		t.Fatalf("have %s\nwant %s", got, want)
	}
	if got := hex.EncodeToString(build("hello", "5", "1024").Bytes()); got != "03008568656c6c6f060501c40002" {
		t.Fatalf("the example of the package's documentation is %s", got)
	}
	// A body of 16383 bytes has a back length of three bytes.
	b := build(strings.Repeat("x", 16378)).Bytes()
	if got := hex.EncodeToString(b[len(b)-4:]); got != "7800ffff" {
		t.Fatalf("back length of 16383: %s", got)
	}
}

func TestAgainstModel(t *testing.T) {
	items := borders()
	for i := len(items) - 1; i >= 0; i-- {
		if len(items[i]) > 20000 { // long ones have their own test
			items = append(items[:i], items[i+1:]...)
		}
	}
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func() string {
			if r.IntN(4) > 0 {
				return strconv.Itoa(r.IntN(300))
			}
			return items[r.IntN(len(items))]
		}
		m, model := &memory{}, []string{}
		for step := 0; step < 300; step++ {
			b := m.Bytes()
			i := r.IntN(len(model) + 1)
			p := len(b)
			if i < len(model) {
				var ok bool
				if p, ok = Seek(b, i); !ok {
					t.Fatalf("no element %d of %d", i, len(model))
				}
				if q, ok := Seek(b, i-len(model)); !ok || q != p {
					t.Fatalf("element %d from the end is at %d, not %d", i-len(model), q, p)
				}
			}
			switch op := r.IntN(10); {
			case op < 3:
				a, c := pick(), pick()
				Insert(m, p, String([]byte(a)), String([]byte(c)))
				model = append(model[:i], append([]string{a, c}, model[i:]...)...)
			case op < 4:
				s := pick()
				Prepend(m, String([]byte(s)))
				model = append([]string{s}, model...)
			case op < 5:
				n := r.Int64() >> r.IntN(64)
				Append(m, Int(n))
				model = append(model, strconv.FormatInt(n, 10))
			case op < 7 && i < len(model):
				model[i] = pick()
				Replace(m, p, String([]byte(model[i])))
			case op < 8:
				n := r.IntN(4)
				gone := Delete(m, p, n)
				if gone != min(n, len(model)-i) {
					t.Fatalf("Delete of %d at %d of %d removed %d", n, i, len(model), gone)
				}
				model = append(model[:i], model[i+gone:]...)
			case op < 9:
				s, skip := pick(), r.IntN(3)
				at, ok := Find(b, p, []byte(s), skip)
				want := -1
				for j := i; j < len(model); j += skip + 1 {
					if model[j] == s {
						want = j
						break
					}
				}
				if ok != (want >= 0) || !ok && at != len(b) {
					t.Fatalf("Find: %v at %d", ok, at)
				}
				if q, _ := Seek(b, max(want, 0)); ok && q != at {
					t.Fatalf("Find: at %d, want %d", at, q)
				}
			default: // split in two and merge in the other order
				left, right := &memory{}, &memory{}
				Splice(left, 0, b, First(b), p)
				Splice(right, 0, b, p, len(b))
				same(t, left.Bytes(), model[:i])
				same(t, right.Bytes(), model[i:])
				Splice(right, len(right.Bytes()), left.Bytes(), First(left.Bytes()), len(left.Bytes()))
				Cut(m, p, len(b))
				same(t, m.Bytes(), model[:i])
				m, model = right, append(append([]string{}, model[i:]...), model[:i]...)
			}
			same(t, m.Bytes(), model)
		}
		Delete(m, First(m.Bytes()), len(model))
		same(t, m.Bytes(), nil)
	}
}

func TestMove(t *testing.T) {
	items := []string{"a", "1000", "", strings.Repeat("x", 70), "-5", "b"}
	offset := func(b []byte, i int) int {
		if p, ok := Seek(b, i); ok {
			return p
		}
		return len(b)
	}
	for p := range len(items) + 1 {
		for q := p; q <= len(items); q++ {
			for to := range len(items) + 1 {
				if to > p && to < q {
					continue
				}
				b := build(items...).Bytes()
				Move(b, offset(b, p), offset(b, q), offset(b, to))
				var model []string
				for i := range len(items) + 1 {
					if i == to {
						model = append(model, items[p:q]...)
					}
					if i < len(items) && (i < p || i >= q) {
						model = append(model, items[i])
					}
				}
				same(t, b, model)
			}
		}
	}
}

func TestInsertEvery(t *testing.T) {
	items := borders()[:30]
	for n := 1; n <= 3; n++ {
		for groups := range 11 {
			for _, e := range []string{"0", "70000", "x"} {
				m := build(items[:n*groups]...)
				InsertEvery(m, n, String([]byte(e)))
				var model []string
				for i := range n * groups {
					model = append(model, items[i])
					if (i+1)%n == 0 {
						model = append(model, e)
					}
				}
				same(t, m.Bytes(), model)
			}
		}
	}
}

func TestSeekOutside(t *testing.T) {
	b := build("a", "b").Bytes()
	for _, i := range []int{2, 3, -3, math.MaxInt, math.MinInt} {
		if _, ok := Seek(b, i); ok {
			t.Fatalf("element %d of 2", i)
		}
	}
	if _, ok := Seek(nil, 0); ok || Last(nil) != 0 || First(nil) != 0 || Len(nil) != 0 {
		t.Fatal("the empty sequence has an element")
	}
}

// TestCountBeyondHeader crosses the number of elements that the header can tell, both ways.
func TestCountBeyondHeader(t *testing.T) {
	m := &memory{}
	const n = countUnknown + 3
	unit := build("7").Bytes()
	all := append([]byte{0xFE, 0xFF}, bytes.Repeat(unit[HeaderSize:], countUnknown-1)...)
	m.b = all
	for want := countUnknown - 1; want <= n; want++ {
		if err := Validate(m.Bytes()); err != nil || Len(m.Bytes()) != want {
			t.Fatalf("Len %d, want %d, %v", Len(m.Bytes()), want, err)
		}
		Append(m, Int(7))
	}
	Delete(m, First(m.Bytes()), 10)
	if got := Len(m.Bytes()); got != n+1-10 {
		t.Fatalf("Len %d after deleting, want %d", got, n+1-10)
	}
	Delete(m, First(m.Bytes()), n)
	same(t, m.Bytes(), nil)
}

func TestValidateRefuses(t *testing.T) {
	good := AppendRedis(nil, build("hello", "5", strings.Repeat("x", 70), strings.Repeat("y", 5000)).Bytes())
	if _, err := ParseRedis(good); err != nil {
		t.Fatal(err)
	}
	if b, err := ParseRedis(AppendRedis(nil, nil)); err != nil || len(b) != 0 {
		t.Fatalf("empty: %x, %v", b, err)
	}
	for name, c := range map[string]struct {
		bytes string
		err   error
	}{
		"nothing":               {"", ErrSize},
		"no end":                {"0700000000000000", ErrSize},
		"total too large":       {"0a0000000100" + "0501" + "ff", ErrSize},
		"end mark missing":      {"090000000100" + "0501" + "00", ErrSize},
		"count too large":       {"090000000200" + "0501" + "ff", ErrCount},
		"count without element": {"070000000100" + "ff", ErrCount},
		"end mark inside":       {"0a0000000100" + "0501" + "ffff", ErrElement},
		"unknown kind":          {"090000000100" + "f501" + "ff", ErrElement},
		"string too long":       {"0b0000000100" + "8461" + "6202" + "ff", ErrElement},
		"back length wrong":     {"090000000100" + "0502" + "ff", ErrElement},
		"back length missing":   {"080000000100" + "05" + "ff", ErrElement},
		"length missing":        {"080000000100" + "e0" + "ff", ErrElement},
		"32 bit length missing": {"0a0000000100" + "f00000" + "ff", ErrElement},
		"32 bit length huge":    {"0d0000000100" + "f0ffffffff00" + "ff", ErrElement},
	} {
		full, err := hex.DecodeString(c.bytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRedis(full); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
	for i := range good { // every byte counts, except those inside of strings
		bad := bytes.Clone(good)
		bad[i] ^= 0x80
		b, err := ParseRedis(bad)
		if err == nil && len(texts(b)) != 4 {
			t.Fatalf("byte %d spoiled, %q", i, texts(b))
		}
	}
}

func FuzzParseRedis(f *testing.F) {
	f.Add([]byte{})
	f.Add(build("hello", "5", "1024", "-70000", strings.Repeat("x", 70)).Bytes())
	f.Add(build("4294967296", "8388608", "-40000", "").Bytes())
	f.Add(AppendRedis(nil, build("hello").Bytes()))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1000 {
			return
		}
		for _, full := range [][]byte{in, AppendRedis(nil, in)} { // the second with a size that is right
			b, err := ParseRedis(full)
			if err != nil {
				continue
			}
			if !bytes.Equal(AppendRedis(nil, b), full) {
				t.Fatalf("%x does not come back", full)
			}
			tryAll(t, b)
		}
	})
}

// tryAll uses every function on a block that has been found valid.
func tryAll(t *testing.T, b []byte) {
	m := &memory{b: bytes.Clone(b)}
	n := Len(b)
	forward := texts(b)
	if n != len(forward) {
		t.Fatalf("Len %d, walked %d", n, len(forward))
	}
	i := n
	for p := Last(b); p > 0; p = Prev(b, p) {
		i--
		if string(Get(b, p).Append(nil)) != forward[i] {
			t.Fatalf("element %d differs backwards", i)
		}
	}
	for i, s := range forward {
		p, ok := Seek(m.Bytes(), i)
		if !ok {
			t.Fatalf("no element %d", i)
		}
		if _, ok := Find(m.Bytes(), First(m.Bytes()), []byte(s), 0); !ok {
			t.Fatalf("%q not found", s)
		}
		Replace(m, p, String([]byte(s)))
	}
	if err := Validate(m.Bytes()); err != nil {
		t.Fatal(err)
	}
	if got := texts(m.Bytes()); fmt.Sprint(got) != fmt.Sprint(forward) {
		t.Fatalf("%q became %q", forward, got)
	}
	Delete(m, First(m.Bytes()), n)
	same(t, m.Bytes(), nil)
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{8, 128, 1024} {
		m := &memory{}
		for i := range n {
			Append(m, String(fmt.Appendf(nil, "field:%d", i)))
		}
		key := fmt.Appendf(nil, "field:%d", n-1)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			block := m.Bytes()
			for b.Loop() {
				if _, ok := Find(block, First(block), key, 0); !ok {
					b.Fatal("not found")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
		})
	}
}
