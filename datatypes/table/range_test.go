package table

import (
	"encoding/binary"
	"slices"
	"testing"

	"larder/datatypes/arena"
)

// TestRange cuts the hashes into ranges at random: each entry comes in its own range, once, whatever has been built
// and taken apart before.
func TestRange(t *testing.T) {
	for _, h := range hashes {
		for _, size := range []int{0, 1, 5, 13, 100, 385, 3000, h.keys} {
			w := newWorld(t, 1, h.hash)
			for k := range uint64(size) {
				w.insert(k, 0)
			}
			for round := range 6 {
				cuts := []uint64{0}
				for range w.rnd.IntN(200) {
					cuts = append(cuts, w.rnd.Uint64()>>(w.rnd.IntN(2)*w.rnd.IntN(60)))
				}
				for k := range w.model { // and where ranges are hardest to tell apart: at hashes that there are
					if w.rnd.IntN(len(w.model)) < 20 {
						at := w.hash(binary.LittleEndian.AppendUint64(nil, k))
						cuts = append(cuts, at, at+1)
					}
				}
				slices.Sort(cuts)
				cuts = append(slices.Compact(cuts), 0)
				seen := 0
				for i := range cuts[1:] {
					from, to := cuts[i], cuts[i+1]
					w.t.Range(from, to, func(hash uint64, e arena.Ref) {
						w.known(e)
						if w.hash(w.a.Bytes(e, 8)) != hash || hash < from || to != 0 && hash >= to {
							t.Fatalf("%s: hash %#x came in %#x to %#x", h.name, hash, from, to)
						}
						seen++
					})
				}
				if seen != len(w.model) {
					t.Fatalf("%s, %d keys, round %d: %d came", h.name, len(w.model), round, seen)
				}
				for k := range w.model { // half of them go
					if w.rnd.IntN(2) == 0 {
						w.remove(k)
					}
				}
				for w.t.Maintain(100) {
				}
			}
		}
	}
}
