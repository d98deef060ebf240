package command

import "testing"

// The sums were computed with another implementation, github.com/zeebo/xxh3, from the same bytes.
func TestXXH3(t *testing.T) {
	b := make([]byte, 5000)
	for i := range b {
		b[i] = byte(i*i*7 + i>>3)
	}
	for _, c := range []struct {
		n    int
		want uint64
	}{
		{0, 0x2d06800538d394c2},
		{1, 0xc44bdff4074eecdb},
		{3, 0xc18747dd6a92c907},
		{4, 0x7fe038a2add159b9},
		{8, 0xed441f3d60e4ef75},
		{9, 0x497343ccf46a76e2},
		{16, 0x4ee1046f158332f1},
		{17, 0x2d3cc347dbb4f0e6},
		{128, 0x36fb9c61e4e0228e},
		{129, 0x43fc3044328bcfd1},
		{240, 0x08b48aad7a7f6459},
		{241, 0x8d5c049e1495b464},
		{1024, 0x22663c414b8b8679},
		{1025, 0xeb491ffcabae6eca},
		{4999, 0x43bd2e9ed6c82217},
	} {
		if got := xxh3(b[:c.n]); got != c.want {
			t.Errorf("xxh3 of %d bytes is %#x, want %#x", c.n, got, c.want)
		}
	}
	sum := uint64(0) // of every length
	for n := range b {
		sum = sum*31 + xxh3(b[:n])
	}
	if sum != 0x5b5e22669de95c89 {
		t.Errorf("the sums of all lengths give %#x", sum)
	}
	if d := digestOf([]byte("Hello world")); string(d[:]) != "b6acb9d84a38ff74" {
		t.Errorf("the digest of Hello world is %s", d)
	}
}
