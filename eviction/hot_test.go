package eviction

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHotKeysAreFound: of many keys those that are used most are told of, with about how often; and forgotten when it is over.
func TestHotKeysAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	hashOf := func(k int) uint64 { return (uint64(k)+1)*0x9e3779b97f4a7c15 ^ uint64(k)*0xbf58476d1ce4e5b9>>7 }
	var h Hot
	if h.List(now) != nil {
		t.Error("something is hot before anything was used")
	}
	at := int64(now)
	use := func(n int, key func(i int) int) {
		for i := range n {
			if i%20 == 0 {
				at++ // 20 000 in a second
			}
			if h.Due() {
				k := key(i)
				h.Note(hashOf(k), k%2, fmt.Append(nil, "key", k), at, r.Uint64())
			}
		}
	}
	hot := func(i int) int {
		if r.IntN(4) == 0 {
			return r.IntN(10) // 25 % to ten keys: 500 in a second each
		}
		return 10 + r.IntN(100_000)
	}
	use(2_000_000, hot)
	list := h.List(at)
	slices.SortFunc(list, func(a, b HotKey) int { return int(b.PerSecond - a.PerSecond) })
	if len(list) != hotKeys {
		t.Fatalf("%d keys are told of", len(list))
	}
	for i, k := range list[:10] {
		n := 0
		if _, err := fmt.Sscanf(string(k.Key), "key%d", &n); err != nil || n >= 10 || k.DB != n%2 || k.Cut {
			t.Errorf("place %d is %+v", i, k)
		}
		if k.PerSecond < 350 || k.PerSecond > 700 {
			t.Errorf("%s is used %.0f times in a second, want about 500", k.Key, k.PerSecond)
		}
	}
	at += 30 * hotMemory_ms
	use(200_000, func(int) int { return 200_000 + r.IntN(40) })
	for _, k := range h.List(at) {
		if len(k.Key) != len("key200000") {
			t.Errorf("%s is still hot", k.Key)
		}
	}
	long := make([]byte, 10_000)
	h = Hot{}
	h.Note(1, 0, long, at, 0)
	if k := h.List(at)[0]; len(k.Key) != hotKeyBytes || !k.Cut {
		t.Errorf("a long key was kept with %d bytes", len(k.Key))
	}
}

// TestHotKeysOfAPattern: uses in a fixed order, as benchmarks make them, do not hide a key.
func TestHotKeysOfAPattern(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var h Hot
	for i := range 200_000 {
		if h.Due() {
			h.Note(uint64(i%32)*0x9e3779b97f4a7c15, 0, []byte{byte(i % 32)}, now+int64(i/20), r.Uint64())
		}
	}
	if n := len(h.List(now + 10_000)); n != 32 {
		t.Errorf("%d of 32 keys were seen", n)
	}
}
