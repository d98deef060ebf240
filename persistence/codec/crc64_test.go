package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestCRC64(t *testing.T) {
	if c := CRC64(0, []byte("123456789")); c != 0xe9c6d914c4b8d9ca {
		t.Errorf("%x", c)
	}
	text := []byte("This is a test of the emergency broadcast system.")
	whole := CRC64(0, text)
	for i := range text { // in two parts, and so at every alignment of the long steps
		if c := CRC64(CRC64(0, text[:i]), text[i:]); c != whole {
			t.Fatalf("split at %d: %x, not %x", i, c, whole)
		}
	}
}

// A bit at a time, as the definition has it.
func slowCRC(p []byte) (crc uint64) {
	for _, b := range p {
		for i := range 8 {
			bit := crc&1 ^ uint64(b>>i&1)
			crc = crc>>1 ^ crcPoly*bit
		}
	}
	return crc
}

func TestCRC64AgainstItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 200 {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		if a, b := CRC64(0, p), slowCRC(p); a != b {
			t.Fatalf("%d bytes: %x, not %x", n, a, b)
		}
	}
}

// lzfTexts are texts of many kinds: repeating, random, mixed, of all lengths near what the form distinguishes.
func lzfTexts(fn func(text []byte)) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, n := range []int{0, 1, 2, 3, 4, 5, 20, 21, 31, 32, 33, 63, 64, 65, 263, 264, 265, 266, 267, 500, 8191, 8192, 8193, 8200, 20000, lzfBlock} {
		for _, letters := range []int{1, 2, 3, 26, 256} {
			text := make([]byte, n)
			for i := range text {
				text[i] = byte(r.IntN(letters))
			}
			fn(text)
			if n > 10 { // repeats from far back
				copy(text[n/2:], text[:n-n/2])
				fn(text)
			}
		}
	}
	fn(bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. "), 1000))
}

func TestLZF(t *testing.T) {
	var z lzf
	shrunk := 0
	lzfTexts(func(text []byte) {
		packed := z.compress(nil, text)
		if again := z.compress(nil, text); !bytes.Equal(packed, again) {
			t.Fatalf("%d bytes compress in two ways", len(text))
		}
		if len(packed) < len(text) {
			shrunk++
		}
		if len(packed) > len(text)+len(text)/32+1 {
			t.Fatalf("%d bytes become %d", len(text), len(packed))
		}
		got := make([]byte, len(text))
		if !expand(got, packed) || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes do not come back", len(text))
		}
		for _, n := range []int{len(text) - 1, len(text) + 1} {
			if n >= 0 && expand(make([]byte, n), packed) {
				t.Fatalf("%d bytes pass for %d", len(text), n)
			}
		}
	})
	if shrunk < 50 {
		t.Errorf("only %d texts became shorter", shrunk)
	}
	if got := z.compress(nil, []byte("abcabcabcabc")); !bytes.Equal(got, []byte("\x02abc\xE0\x00\x02")) {
		t.Errorf("% x", got)
	}
}

// The table's positions run over.
func TestLZFRunsOver(t *testing.T) {
	var z lzf
	text := bytes.Repeat([]byte("abcd"), 100)
	want := z.compress(nil, text)
	z.base = 1<<32 - 1 - 4*lzfBlock - 1000
	for range 10 {
		if got := z.compress(nil, text); !bytes.Equal(got, want) {
			t.Fatal("another result")
		}
	}
	if z.base > 1<<20 {
		t.Error("the positions did not run over")
	}
}

func FuzzExpand(f *testing.F) {
	f.Add([]byte("\x02abc\xE0\x00\x02"), 12)
	f.Add([]byte("\x00a\xE0\xFF\x00"), 265)
	f.Add([]byte("\x20\x00"), 3)
	f.Fuzz(func(t *testing.T, packed []byte, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		expand(make([]byte, n), packed)
		var z lzf
		got := make([]byte, len(packed))
		if len(packed) <= lzfBlock && (!expand(got, z.compress(nil, packed)) || !bytes.Equal(got, packed)) {
			t.Fatal("does not come back")
		}
	})
}

func BenchmarkCRC64(b *testing.B) {
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		CRC64(0, p)
	}
}

func BenchmarkCompress(b *testing.B) {
	texts := map[string][]byte{}
	r := rand.New(rand.NewPCG(1, 1))
	random := make([]byte, 60<<10)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	texts["random"] = random
	texts["prose"] = bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. "), 1300)
	texts["short"] = []byte(`{"id":1234,"name":"somebody","mail":"somebody@example.org","tags":["a","b"]}`)
	for name, text := range texts {
		b.Run(name, func(b *testing.B) {
			var z lzf
			dst := make([]byte, 0, 128<<10)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				dst = z.compress(dst[:0], text)
			}
			b.ReportMetric(float64(len(dst))/float64(len(text)), "ratio")
		})
	}
}
