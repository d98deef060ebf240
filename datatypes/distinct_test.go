package datatypes

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"larder/datatypes/listpack"
)

// distinctElements against a map, with numbers as numbers and as text, few and many.
func TestDistinctElements(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 2))
	for range 3000 {
		width := 1 + rnd.IntN(3)
		n := rnd.IntN(40) * width
		if rnd.IntN(10) == 0 {
			n = rnd.IntN(600)
		}
		kinds := 1 + rnd.IntN(20*n+1)
		var h MemHolder
		seen, want := map[string]bool{}, n%width == 0
		for i := range n {
			text := fmt.Sprint(rnd.IntN(kinds))
			e := listpack.String([]byte(text))
			if v, ok := ParseInt([]byte(text)); ok && rnd.IntN(2) == 0 {
				e = listpack.Int(v)
			}
			listpack.Append(&h, e)
			if i%width == 0 {
				want = want && !seen[text]
				seen[text] = true
			}
		}
		if got := distinctElements(h.Bytes(), width); got != want {
			t.Fatalf("%d elements of width %d: %v, want %v", n, width, got, want)
		}
	}
}
