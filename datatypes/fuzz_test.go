package datatypes

import (
	"encoding/binary"
	"testing"
)

// FuzzLoadListpack gives bytes from outside to hashes and sets. What they accept must be sound and come back as it was.
func FuzzLoadListpack(f *testing.F) {
	f.Add(packed())
	f.Add(packed("a", "1", "b", "2"))
	f.Add(packed("a", "1", "5", "b", "2", "0"))
	f.Add(packed("5", "1", "6", "05", "2", "1700000000000", "x", "y", "0"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1000 {
			return
		}
		full := in
		if len(in) > 4 { // the size is always right: listpack's own fuzzing is for the other cases
			full = binary.LittleEndian.AppendUint32(nil, uint32(len(in)))
			full = append(full, in[4:]...)
		}
		for _, limit := range []int{1, 512} {
			limits := DefaultLimits()
			limits.HashMaxListpackEntries, limits.SetMaxListpackEntries = limit, limit
			w := newWorld(t, 1, limits)
			for _, triples := range []bool{false, true} {
				x, _ := newHash(w)
				if x.LoadListpack(full, triples) != nil {
					continue
				}
				n := x.Len()
				y, _ := newHash(w)
				x.Each(0, func(name, value []byte, at_ms int64) bool {
					y.SetWithExpire(name, value, at_ms, 0)
					return true
				})
				if y.Len() != n {
					t.Fatalf("%d fields became %d", n, y.Len())
				}
				x.Each(0, func(name, value []byte, at_ms int64) bool {
					got, at, ok := y.GetWithExpire(name, 0)
					if !ok || string(got) != string(value) || at != at_ms {
						t.Fatalf("%q: %q %d, want %q %d", name, got, at, value, at_ms)
					}
					return true
				})
				for name, _, ok := x.Random(0); ok; name, _, ok = x.Random(0) {
					x.Del(append([]byte{}, name...), 0)
				}
				if x.Len() != 0 {
					t.Fatalf("%d fields left", x.Len())
				}
			}
			x, _ := newSet(w)
			if x.LoadListpack(full) != nil {
				continue
			}
			if x.Encoding() == encodingListpack && string(x.AppendCompact(nil)) != string(full) {
				t.Fatalf("%x does not come back", full)
			}
			for n := x.Len(); n > 0; n-- {
				if _, ok := x.Pop(nil); !ok {
					t.Fatalf("empty with %d to go", n)
				}
			}
		}
	})
}
