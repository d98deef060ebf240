package keyspace

import (
	"fmt"
	"strconv"
	"testing"

	"larder/eviction"
)

var policyNames = []string{
	"allkeys-lru", "allkeys-lfu", "allkeys-random", "allkeys-s3fifo",
	"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "volatile-s3fifo",
}

// TestEveryPolicyEvictsAllItMay: every key that may leave leaves, each is told of once, and no other does.
func TestEveryPolicyEvictsAllItMay(t *testing.T) {
	for _, name := range policyNames {
		for _, shards := range []int{1, 8} {
			t.Run(fmt.Sprint(name, shards), func(t *testing.T) {
				ks := newKeyspace(t, shards)
				ks.SetMaxMemory(1 << 30)
				p := eviction.ByName(name)
				ks.SetPolicy(p)
				v := NewView(ks)
				v.Now, v.Record = 1_700_000_000_000, true
				left := map[string]bool{}
				kept := 0
				for i := range 600 {
					key := []byte("k" + strconv.Itoa(i))
					at := int64(0)
					if i%3 == 0 {
						at = v.Now + 100_000 + int64(i)*3571%90_000
					}
					s := Set(1) << ks.ShardOf(ks.Hash(key))
					v.DB = i % 4
					v.Take(s)
					v.SetString(key, []byte("value"), at)
					v.Touch(key)
					v.Release()
					v.ResetEvents()
					if left[fmt.Sprint(v.DB, string(key))] = true; p.Volatile && at == 0 {
						delete(left, fmt.Sprint(v.DB, string(key)))
						kept++
					}
				}
				v.DB = 3
				for len(left) > 0 {
					if !v.Evict(5) {
						t.Fatalf("%d keys are left, and none can be evicted", len(left))
					}
					v.Release()
					for _, e := range v.Events {
						k := fmt.Sprint(e.DB, string(e.Key))
						if e.Kind != Evicted || !left[k] {
							t.Fatalf("event %+v", e)
						}
						delete(left, k)
					}
					v.ResetEvents()
				}
				if v.Evict(5) {
					t.Fatal("something was evicted that may not")
				}
				if v.DB != 3 || v.Held() != 0 {
					t.Fatalf("the view is in database %d and holds %b", v.DB, v.Held())
				}
				n := 0
				for i := range ks.Shards() {
					for db := range 4 {
						n += ks.Shard(i).Len(db)
					}
				}
				if n != kept {
					t.Fatalf("%d keys are left, want %d", n, kept)
				}
				ks.SetPolicy(eviction.ByName("noeviction"))
			})
		}
	}
}

// TestRareVolatileKeysAreFound: a few keys with an expiry among very many without.
func TestRareVolatileKeysAreFound(t *testing.T) {
	ks := newKeyspace(t, 4)
	ks.SetPolicy(eviction.ByName("volatile-lru"))
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	const rare = 10
	for i := range 20_000 {
		key := []byte("k" + strconv.Itoa(i))
		at := int64(0)
		if i%(20_000/rare) == 7 {
			at = v.Now + 1_000_000
		}
		v.Take(1 << ks.ShardOf(ks.Hash(key)))
		v.SetString(key, []byte("value"), at)
		v.Release()
	}
	for i := range rare {
		if !v.Evict(5) {
			t.Fatalf("%d were found of %d", i, rare)
		}
		v.Release()
	}
	if v.Evict(5) {
		t.Fatal("there was one more")
	}
}

// TestPolicyChangesWhileKeysAreThere: words of one policy are read by another, and nothing gets stuck.
func TestPolicyChangesWhileKeysAreThere(t *testing.T) {
	ks := newKeyspace(t, 2)
	ks.SetMaxMemory(1 << 30)
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	n := 0
	for round := range 40 {
		ks.SetPolicy(eviction.ByName(policyNames[round*5%len(policyNames)]))
		for i := range 50 {
			key := []byte(fmt.Sprint(round, " ", i))
			v.Take(1 << ks.ShardOf(ks.Hash(key)))
			v.SetString(key, []byte("value"), v.Now+1_000_000)
			v.Release()
			n++
		}
		for range 45 {
			if !v.Evict(5) {
				t.Fatalf("round %d: none of %d keys can be evicted", round, n)
			}
			v.Release()
			n--
		}
		v.Now += 1000
	}
	ks.SetPolicy(eviction.ByName("noeviction"))
}
