package command

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// plainLCS is the textbook's table, and the way through it that Redis takes.
func plainLCS(a, b []byte) (length int, matches []match) {
	t := make([][]int, len(a)+1)
	for i := range t {
		t[i] = make([]int, len(b)+1)
		for j := range t[i] {
			switch {
			case i == 0 || j == 0:
			case a[i-1] == b[j-1]:
				t[i][j] = t[i-1][j-1] + 1
			default:
				t[i][j] = max(t[i-1][j], t[i][j-1])
			}
		}
	}
	var m match
	emit := func() {
		if m.size > 0 {
			matches = append(matches, m)
		}
		m = match{}
	}
	for i, j := len(a), len(b); i > 0 && j > 0; {
		switch {
		case a[i-1] == b[j-1]:
			i, j = i-1, j-1
			m = match{i, j, m.size + 1}
		case t[i-1][j] > t[i][j-1]:
			emit()
			i--
		default:
			emit()
			j--
		}
	}
	emit()
	return t[len(a)][len(b)], matches
}

func checkLCS(t *testing.T, a, b []byte) {
	t.Helper()
	length, matches := plainLCS(a, b)
	for _, keep := range []bool{false, true} {
		if got := lcsOf(a, b, keep).length(); got != length {
			t.Fatalf("%q and %q have %d in common, not %d", a, b, length, got)
		}
	}
	var got []match
	lcsOf(a, b, true).matches(func(m match) { got = append(got, m) })
	if !slices.Equal(got, matches) {
		t.Fatalf("%q and %q match in %v, not in %v", a, b, matches, got)
	}
}

func TestLCS(t *testing.T) {
	// Everything of up to five letters out of two.
	var all [][]byte
	for n := range 6 {
		for x := range 1 << n {
			s := make([]byte, n)
			for i := range s {
				s[i] = 'a' + byte(x>>i&1)
			}
			all = append(all, s)
		}
	}
	for _, a := range all {
		for _, b := range all {
			checkLCS(t, a, b)
		}
	}
	rnd := rand.New(rand.NewPCG(8, 9))
	word := func(letters int) []byte {
		s := make([]byte, rnd.IntN(200))
		for i := range s {
			s[i] = byte(rnd.IntN(letters))
		}
		return s
	}
	for range 500 {
		letters := []int{2, 4, 20, 256}[rnd.IntN(4)]
		checkLCS(t, word(letters), word(letters))
	}
}
