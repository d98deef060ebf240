package datatypes

import (
	"bytes"
	"hash/maphash"

	"larder/datatypes/listpack"
)

var distinctSeed = maphash.MakeSeed()

// distinctElements says whether the listpack b has a multiple of width elements, the first of each width distinct. O(len(b)).
// It allocates only if they are more than a hundred.
//
// The table of those seen has at least twice as many slots as there are elements. In a slot are the upper half of an
// element's hash and its offset, which is never 0.
func distinctElements(b []byte, width int) bool {
	n := listpack.Len(b)
	if n%width != 0 {
		return false
	}
	size := 8
	for size < 2*n/width {
		size *= 2
	}
	var few [256]uint64
	seen := few[:]
	if size > len(few) {
		seen = make([]uint64, size)
	}
	seen = seen[:size]
	var x, y [20]byte // numbers as text
	for p := listpack.First(b); p < len(b); {
		text := listpack.Get(b, p).Bytes(x[:])
		h := maphash.Bytes(distinctSeed, text)
		for k := int(h) & (size - 1); ; k = (k + 1) & (size - 1) {
			if seen[k] == 0 {
				seen[k] = h>>32<<32 | uint64(p)
				break
			}
			if seen[k]>>32 == h>>32 && bytes.Equal(listpack.Get(b, int(uint32(seen[k]))).Bytes(y[:]), text) {
				return false
			}
		}
		for range width {
			p = listpack.Next(b, p)
		}
	}
	return true
}
