package command

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// bitAt is bit i of b by the definition.
func bitAt(b []byte, i int64) byte { return b[i/8] >> (7 - i%8) & 1 }

// patterns calls fn with strings of every length up to 70 bytes: empty of ones, full of them, with a few, random.
func patterns(fn func(b []byte)) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range 70 {
		zeros, few, ones := make([]byte, n), make([]byte, n), bytes.Repeat([]byte{0xff}, n)
		random := make([]byte, n)
		for i := range random {
			random[i] = byte(rnd.Uint32())
		}
		if n > 0 {
			few[rnd.IntN(n)] = 1 << rnd.IntN(8)
		}
		fewZeros := append([]byte(nil), ones...)
		for i, x := range few {
			fewZeros[i] ^= x
		}
		for _, b := range [][]byte{zeros, few, ones, fewZeros, random} {
			fn(b)
		}
	}
}

// ranges calls fn with all ranges of short strings and random ones of long strings.
func ranges(size int, fn func(from, to int64)) {
	total := int64(size) * 8
	if size <= 3 {
		for from := int64(0); from <= total; from++ {
			for to := from; to <= total; to++ {
				fn(from, to)
			}
		}
		return
	}
	rnd := rand.New(rand.NewPCG(3, uint64(size)))
	for range 60 {
		from := rnd.Int64N(total + 1)
		fn(from, from+rnd.Int64N(total-from+1))
	}
	fn(0, total)
}

func TestCountAndFindBits(t *testing.T) {
	patterns(func(b []byte) {
		ranges(len(b), func(from, to int64) {
			count, first := int64(0), [2]int64{-1, -1}
			for i := to - 1; i >= from; i-- {
				x := bitAt(b, i)
				count += int64(x)
				first[x] = i
			}
			if got := countBits(b, from, to); got != count {
				t.Fatalf("%x has %d ones from %d to %d, not %d", b, count, from, to, got)
			}
			for x := range byte(2) {
				if got := findBit(b, from, to, x); got != first[x] {
					t.Fatalf("the first %d of %x from %d to %d is at %d, not at %d", x, b, from, to, first[x], got)
				}
			}
		})
	})
}

func TestCombineBits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 5))
	for n := range 70 {
		a, b := make([]byte, n), make([]byte, n)
		for i := range a {
			a[i], b[i] = byte(rnd.Uint32()), byte(rnd.Uint32())
		}
		for _, op := range []struct {
			name string
			run  func(dst, src []byte)
			one  func(x, y byte) byte
		}{
			{"and", andBits, func(x, y byte) byte { return x & y }},
			{"or", orBits, func(x, y byte) byte { return x | y }},
			{"xor", xorBits, func(x, y byte) byte { return x ^ y }},
			{"clear", clearBits, func(x, y byte) byte { return x &^ y }},
			{"not", func(dst, _ []byte) { invertBits(dst) }, func(x, _ byte) byte { return ^x }},
		} {
			got := append([]byte(nil), a...)
			op.run(got, b)
			for i := range got {
				if want := op.one(a[i], b[i]); got[i] != want {
					t.Fatalf("%s of %d bytes: byte %d is %#x, want %#x", op.name, n, i, got[i], want)
				}
			}
		}
	}
}

func TestBitFields(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 7))
	for size := range 20 {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		for width := 1; width <= 64; width++ {
			for at := int64(0); at < int64(size)*8+20; at++ {
				want := uint64(0)
				for i := at; i < at+int64(width); i++ {
					want <<= 1
					if i < int64(size)*8 {
						want |= uint64(bitAt(b, i))
					}
				}
				if got := getBits(b, at, width); got != want {
					t.Fatalf("the %d bits at %d of %x are %#x, not %#x", width, at, b, want, got)
				}
				if at+int64(width) > int64(size)*8 {
					continue
				}
				x := rnd.Uint64()
				after := append([]byte(nil), b...)
				putBits(after, at, width, x)
				for i := range int64(size) * 8 {
					want := bitAt(b, i)
					if i >= at && i < at+int64(width) {
						want = byte(x >> (at + int64(width) - 1 - i) & 1)
					}
					if bitAt(after, i) != want {
						t.Fatalf("%#x in the %d bits at %d of %x: bit %d of %x is not %d", x, width, at, b, i, after, want)
					}
				}
			}
		}
	}
}

// TestFieldSum compares with sums in a wider range.
func TestFieldSum(t *testing.T) {
	for width := 1; width <= 10; width++ {
		for _, signed := range []bool{false, true} {
			low, high := 0, 1<<width-1
			if signed {
				low, high = -1<<(width-1), 1<<(width-1)-1
			}
			for value := low; value <= high; value++ {
				for by := -1100; by <= 1100; by += 7 {
					total := value + by
					for _, mode := range []overflow{wrapAround, saturate} {
						op := fieldOp{overflow: mode, signed: signed, width: width}
						want := total
						switch {
						case mode == saturate:
							want = max(low, min(high, total))
						default:
							want = (total-low)%(high-low+1) + low
							if want < low {
								want += high - low + 1
							}
						}
						got, fits := op.sum(int64(value), int64(by))
						if got != int64(want) || fits != (total >= low && total <= high) {
							t.Fatalf("%+v: %d + %d is %d (fits: %v), not %d", op, value, by, want, total >= low && total <= high, got)
						}
					}
				}
			}
		}
	}
}

func TestFieldSumAtTheEnds(t *testing.T) {
	const top, bottom = 1<<63 - 1, -1 << 63
	for _, c := range []struct {
		op        fieldOp
		value, by int64
		want      int64
		fits      bool
	}{
		{fieldOp{signed: true, width: 64}, top, 1, bottom, false},
		{fieldOp{signed: true, width: 64, overflow: saturate}, top, 1, top, false},
		{fieldOp{signed: true, width: 64}, bottom, -1, top, false},
		{fieldOp{signed: true, width: 64, overflow: saturate}, bottom, bottom, bottom, false},
		{fieldOp{signed: true, width: 64}, bottom, top, -1, true},
		{fieldOp{signed: true, width: 63}, top, 0, -1, false},
		{fieldOp{signed: true, width: 8, overflow: saturate}, 127, top, 127, false},
		{fieldOp{signed: true, width: 8, overflow: saturate}, -128, bottom, -128, false},
		{fieldOp{width: 63}, top, 1, 0, false},
		{fieldOp{width: 63, overflow: saturate}, top, top, top, false},
		{fieldOp{width: 63, overflow: saturate}, 5, bottom, 0, false},
		{fieldOp{width: 63, overflow: saturate}, -1, 0, top, false}, // SET u63 -1
		{fieldOp{width: 8}, -1, 0, 255, false},
	} {
		if got, fits := c.op.sum(c.value, c.by); got != c.want || fits != c.fits {
			t.Errorf("%+v: %d + %d is %d (fits: %v), not %d", c.op, c.value, c.by, c.want, c.fits, got)
		}
	}
}

func BenchmarkBits(b *testing.B) {
	x, y := bytes.Repeat([]byte{0xa5}, 1<<20), bytes.Repeat([]byte{0x0f}, 1<<20)
	zeros := make([]byte, 1<<20)
	for _, k := range []struct {
		name string
		run  func()
	}{
		{"count", func() { countBits(x, 0, 1<<23) }},
		{"and", func() { andBits(x, y) }},
		{"not", func() { invertBits(x) }},
		{"find", func() { findBit(zeros, 0, 1<<23, 1) }},
	} {
		b.Run(k.name, func(b *testing.B) {
			b.SetBytes(1 << 20)
			for b.Loop() {
				k.run()
			}
		})
	}
}
