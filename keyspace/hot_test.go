package keyspace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBigKeysAreFound: after a round the largest keys of every shard are known, of every type, with what they take now.
func TestBigKeysAreFound(t *testing.T) {
	ks := newKeyspace(t, 2)
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	r := rand.New(rand.NewPCG(1, 1))
	hold := func(key string, fn func(key []byte)) {
		k := []byte(key)
		v.Take(1 << ks.ShardOf(ks.Hash(k)))
		fn(k)
		v.Release()
	}
	round := func() {
		for i := range ks.Shards() {
			v.Take(1 << i)
			for ks.Shard(i).LookForBig() {
			}
			v.Release()
		}
	}
	sizes := map[string]int{}
	for i := range 3000 {
		v.DB = i % 2
		n := 10 + r.IntN(1000)
		if i%500 == 7 {
			n = 50_000 + i*100 // far enough from each other
		}
		hold(fmt.Sprint("key", i), func(k []byte) { v.SetString(k, make([]byte, n), 0) })
		sizes[fmt.Sprint(v.DB, "key", i)] = n
	}
	v.DB = 1
	hold("hash", func(k []byte) {
		h, _ := v.EditHash(k)
		for i := range 3000 {
			h.Set(fmt.Append(nil, "field", i), make([]byte, 40), 0)
		}
	})
	sizes["1hash"] = 3000 * 60 // between the strings
	round()
	all := func() (list []BigKey) {
		for i := range ks.Shards() {
			v.Take(1 << i)
			found := ks.Shard(i).BigKeys(v.Now)
			v.Release()
			if len(found) < bigKeys-1 || len(found) > bigKeys || !slices.IsSortedFunc(found, func(a, b BigKey) int { return b.Bytes - a.Bytes }) {
				t.Fatalf("shard %d tells of %d keys: %+v", i, len(found), found)
			}
			list = append(list, found...)
		}
		slices.SortFunc(list, func(a, b BigKey) int { return b.Bytes - a.Bytes })
		return list
	}
	var want []string
	for name := range sizes {
		want = append(want, name)
	}
	slices.SortFunc(want, func(a, b string) int { return sizes[b] - sizes[a] })
	for i, k := range all()[:7] {
		if name := fmt.Sprint(k.DB, string(k.Key)); name != want[i] || k.Bytes < sizes[name] || k.Bytes > sizes[name]*3/2 {
			t.Errorf("place %d is %s with %d bytes, want %s with %d", i, name, k.Bytes, want[i], sizes[want[i]])
		}
	}
	hold("hash", func(k []byte) { v.Delete(k) })
	if k := all()[0]; string(k.Key) == "hash" {
		t.Error("a key that is gone is told of")
	}
	v.DB = 0
	hold("new", func(k []byte) { v.SetString(k, make([]byte, 900_000), 0) })
	round()
	if k := all()[0]; string(k.Key) != "new" || k.DB != 0 {
		t.Errorf("the largest key is %s", k.Key)
	}
}

// TestVeryLongBigKeys: of a key of megabytes only the beginning is remembered; it is found again nevertheless, as long as it
// is there, and others that begin in the same way are others.
func TestVeryLongBigKeys(t *testing.T) {
	ks := newKeyspace(t, 1)
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	v.Take(1)
	defer v.Release()
	var keys [3][]byte
	for i := range keys {
		keys[i] = append(make([]byte, 1<<20), byte(i))
		v.SetString(keys[i], make([]byte, 1000), 0)
	}
	v.SetString([]byte("short"), make([]byte, 1000), 0)
	sh := ks.Shard(0)
	for sh.LookForBig() {
	}
	tell := func(want int) {
		t.Helper()
		list := sh.BigKeys(v.Now)
		if len(list) != want {
			t.Fatalf("%d keys are told, want %d", len(list), want)
		}
		for i, k := range list {
			if last := i == want-1; last != (string(k.Key) == "short") || k.Cut == last || len(k.Key) > bigKeyBytes || !last && k.Bytes < 1<<20 {
				t.Errorf("place %d is %.10q with %d bytes, cut: %v", i, k.Key, k.Bytes, k.Cut)
			}
		}
	}
	tell(4)
	v.Delete(keys[1])
	tell(3)
}

// TestHotKeysAreTold: reads and writes count, whatever the type of the value.
func TestHotKeysAreTold(t *testing.T) {
	ks := newKeyspace(t, 1)
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	v.Take(1)
	defer v.Release()
	for i := range 1000 {
		v.SetString(fmt.Append(nil, "cold", i), []byte("x"), 0)
	}
	for range 2000 {
		v.SetString([]byte("written"), []byte("x"), 0)
		v.String([]byte("written"))
		h, _ := v.EditHash([]byte("edited"))
		h.Set([]byte("f"), []byte("v"), 0)
		v.Settle()
		v.Touch([]byte("gone"))
	}
	v.SetString([]byte("gone"), []byte("x"), 0)
	for range 5000 {
		v.Touch([]byte("gone"))
	}
	v.Delete([]byte("gone"))
	told := map[string]float64{}
	for _, k := range ks.Shard(0).HotKeys(v.Now) {
		told[string(k.Key)] = k.PerSecond
	}
	if told["written"] < 2000 || told["edited"] < 1000 || told["gone"] != 0 {
		t.Errorf("told of %v", told)
	}
	ks.Shard(0).ForgetHotKeys()
	if n := len(ks.Shard(0).HotKeys(v.Now)); n != 0 {
		t.Errorf("%d hot keys after all were forgotten", n)
	}
}

// TestUpkeepLeavesNoGarbage: going over all keys in search of large ones costs the collector nothing.
func TestUpkeepLeavesNoGarbage(t *testing.T) {
	ks := newKeyspace(t, 1)
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	v.Take(1)
	for i := range 20_000 {
		v.SetString([]byte(fmt.Sprint("key:", i)), []byte("value"), 0)
	}
	s := ks.shards[0]
	for s.LookForBig() {
	}
	rounds := 0
	if n := testing.AllocsPerRun(5, func() {
		v.SetString([]byte("key:1"), []byte(fmt.Sprint("other", rounds)), 0) // there is something new
		s.big.seen = -1
		for s.LookForBig() {
			rounds++
		}
	}); n > 100 || rounds == 0 {
		t.Errorf("%.0f allocations in %d steps of looking for big keys among 20,000", n, rounds)
	}
	v.Release()
}
