package keyspace

import (
	"fmt"
	"strconv"
	"testing"

	"larder/datatypes/arena"
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

// TestKeysAreCountedShardByShard: however many databases there are, who counts their keys takes each shard once, and where there is
// nothing that may leave that is done once for a command. It took each shard for each database, twice.
func TestKeysAreCountedShardByShard(t *testing.T) {
	ks, err := New(Options{Shards: 2, Databases: 1000, Hash: testHash, MaxBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ks.Close)
	ks.SetPolicy(eviction.ByName("volatile-lru"))
	v := NewView(ks)
	v.Now = 1_700_000_000_000
	for i := range 100 {
		v.Take(ks.All())
		v.DB = 10 * (i % 7)
		v.SetString([]byte("k"+strconv.Itoa(i)), []byte("value"), int64(i%2)*(v.Now+1000))
		v.Release()
	}
	v.Take(ks.All())
	v.Flush(10)
	v.Release()
	held, waited := 1, 0
	v.Waits = func() { // for the second shard: from now on the first one is to be waited for
		waited++
		if held == 1 {
			ks.shards[0].mu.Lock()
		}
		ks.shards[held].mu.Unlock()
		held--
	}
	ks.shards[1].mu.Lock()
	ks.CountKeys(v.Waits, nil)
	if waited != 1 {
		t.Fatalf("shards were waited for %d times", waited)
	}
	ks.shards[0].mu.Unlock()
	keys, volatile := int64(0), int64(0)
	for i := range ks.census {
		keys += ks.census[i].keys.Load()
		volatile += ks.census[i].volatile.Load()
	}
	if n, k := ks.census[10].keys.Load(), ks.census[20].keys.Load(); keys != 85 || volatile != 42 || n != 0 || k != 14 {
		t.Errorf("counted are %d keys, %d volatile, in a database that is empty %d, in another one %d", keys, volatile, n, k)
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

// TestALimitThatComesLaterFindsTheOldest: what came while memory had no limit leaves in about the order in which it came once there
// is one, and what was used stays. It left in the order of the hashes.
func TestALimitThatComesLaterFindsTheOldest(t *testing.T) {
	ks := newKeyspace(t, 4)
	ks.SetPolicy(eviction.ByName("allkeys-s3fifo"))
	v := NewView(ks)
	v.Now, v.Record = 1_700_000_000_000, true
	const count = 2000
	for i := range count {
		key := []byte(strconv.Itoa(i))
		v.Take(1 << ks.ShardOf(ks.Hash(key)))
		v.SetString(key, []byte("value"), 0)
		if i%10 == 0 {
			v.Touch(key)
		}
		v.Release()
		v.Now += 1000
	}
	v.ResetEvents()
	ks.SetMaxMemory(1 << 30)
	ks.CountKeys(nil, nil)
	sum, used := 0, 0
	for range count / 4 {
		if !v.Evict(5) {
			t.Fatal("there was none to leave")
		}
		v.Release()
		for _, e := range v.Events {
			i, _ := strconv.Atoi(string(e.Key))
			if sum += i; i%10 == 0 {
				used++
			}
		}
		v.ResetEvents()
	}
	if mean := sum / (count / 4); mean > count/3 || used > 0 {
		t.Errorf("of %d keys those that left came in place %d on average, and %d of them were used", count, mean, used)
	}
}

// TestAnExpiryThatComesLaterIsAnArrival: a policy for keys with an expiry hears of a key when it gets one. It took such keys for
// some that had been there for long, and let go of them before those that it had known.
func TestAnExpiryThatComesLaterIsAnArrival(t *testing.T) {
	for name, give := range map[string]func(v *View, key []byte){
		"expire":    func(v *View, key []byte) { v.SetExpire(key, v.Now+1e6) },
		"set again": func(v *View, key []byte) { v.SetString(key, []byte("other value"), v.Now+1e6) },
	} {
		t.Run(name, func(t *testing.T) {
			ks := newKeyspace(t, 4)
			ks.SetPolicy(eviction.ByName("volatile-s3fifo"))
			ks.SetMaxMemory(1 << 30)
			v := NewView(ks)
			v.Now, v.Record = 1_700_000_000_000, true
			put := func(i int) {
				key := []byte(strconv.Itoa(i))
				v.Take(1 << ks.ShardOf(ks.Hash(key)))
				v.SetString(key, []byte("value"), 0)
				give(v, key)
				v.Release()
				v.ResetEvents()
				v.Now += 1000
			}
			const count = 2000
			for i := range count {
				put(i)
			}
			ks.CountKeys(nil, nil)
			sum := 0
			for i := range count / 2 {
				if !v.Evict(5) {
					t.Fatal("there was none to leave")
				}
				v.Release()
				for _, e := range v.Events {
					k, _ := strconv.Atoi(string(e.Key))
					sum += count + i - k
				}
				v.ResetEvents()
				put(count + i)
			}
			if mean := sum / (count / 2); mean < count*3/4 {
				t.Errorf("what left had come %d keys before on average, in a cache of %d", mean, count)
			}
		})
	}
}

// TestFewKeysAmongHashesWithFieldsThatExpire: the table knows of hashes of which a field expires as it knows of keys that do, but for
// a policy that lets only keys with an expiry of their own leave they are in the way. A choice looks at a bounded number of
// them, finds the few that may leave, and says if it has not got there yet. It looked at all of them, up to four times.
func TestFewKeysAmongHashesWithFieldsThatExpire(t *testing.T) {
	for _, name := range policyNames {
		if !eviction.ByName(name).Volatile {
			continue
		}
		for _, shards := range []int{1, 8} {
			t.Run(fmt.Sprint(name, shards), func(t *testing.T) {
				ks := newKeyspace(t, shards)
				ks.SetMaxMemory(1 << 30)
				ks.SetPolicy(eviction.ByName(name))
				v := NewView(ks)
				v.Now = 1_700_000_000_000
				const many, few = 20_000, 5
				key := func(i int) []byte { return []byte("k" + strconv.Itoa(i)) }
				for i := range many {
					k := key(i)
					v.Take(1 << ks.ShardOf(ks.Hash(k)))
					if i%10 == 0 { // far away, so that volatile-ttl does not find them by their time alone
						v.SetString(k, []byte("value"), v.Now+1_000_000_000)
					} else if h, st := v.EditHash(k); st != WrongType {
						h.SetWithExpire([]byte("f"), []byte("value"), v.Now+1_000_000+int64(i), v.Now)
						v.Settle()
					}
					v.Release()
				}
				ks.CountKeys(nil, nil)
				for i := 0; i < many-10*few; i += 10 { // and nobody counts
					k := key(i)
					v.Take(1 << ks.ShardOf(ks.Hash(k)))
					v.Delete(k)
					v.Release()
				}
				looks := 0
				v.choice.expiring.Is = func(e arena.Ref) bool {
					looks++
					return v.choice.expires(e)
				}
				left, sum := few, 0
				for tries := 0; left > 0; tries++ {
					looks = 0
					if v.Evict(5) {
						v.Release()
						left--
					} else if !v.Missed() {
						t.Fatalf("%d are left, and it is said that there are none", left)
					}
					if sum += looks; looks > 2*looksMost {
						t.Fatalf("one choice looks at %d", looks)
					}
					if tries > 50 {
						t.Fatalf("%d are left after %d choices", left, tries)
					}
				}
				if sum > 3*many {
					t.Errorf("%d looks for %d keys", sum, few)
				}
				looks = 0
				if v.Evict(5) || v.Missed() || looks > 0 {
					t.Errorf("there is none left, and %d were looked at; missed: %v", looks, v.Missed())
				}
				// One that comes later is found by the next choice: where there is none is known by now.
				v.Take(1 << ks.ShardOf(ks.Hash(key(0))))
				v.SetString(key(0), []byte("value"), v.Now+1_000_000_000)
				v.Release()
				if !v.Evict(5) {
					t.Fatalf("one that has come is not found, missed: %v", v.Missed())
				}
				v.Release()
				ks.SetPolicy(eviction.ByName("noeviction"))
			})
		}
	}
}
