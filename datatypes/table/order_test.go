package table

import (
	"cmp"
	"encoding/binary"
	"slices"
	"testing"
)

// TestInOrderOfHashes fills a table in the order in which another one with the same hash is walked, which is that of the
// hashes, and finds it as good as any: no long chains, and no more buckets than it takes.
func TestInOrderOfHashes(t *testing.T) {
	const keys = 500_000
	hashOf := func(key uint64) uint64 { return mix(binary.LittleEndian.AppendUint64(nil, key)) }
	order := make([]uint64, keys)
	for i := range order {
		order[i] = uint64(i)
	}
	slices.SortFunc(order, func(x, y uint64) int { return cmp.Compare(hashOf(x), hashOf(y)) })
	for _, tended := range []bool{false, true} {
		w := newWorldOf(t, 64<<20, 1, mix)
		for n, key := range order {
			w.insert(key, 0)
			if tended && n%5000 == 0 {
				w.t.header().tendPos |= tendWanted // as a delete has it
				for w.t.Maintain(1 << 20) {
				}
			}
		}
		longest := uint32(0)
		for s := w.t.segment(0); ; s = w.t.segment(s.next()) {
			longest = max(longest, s.e.chained)
			if s.next() == 0 {
				break
			}
		}
		fill := keys * 100 / (int(w.t.header().buckets) * slots)
		if longest > 2*clusterMin || fill < 50 {
			t.Fatalf("tended %v: %d entries in the longest chain, %d %% of the slots are in use", tended, longest, fill)
		}
		w.check()
	}
}
