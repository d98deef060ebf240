package keyspace

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"larder/datatypes/arena"
)

// TestGlimpseRoot finds the table of members from an entry of every shape, and nothing in others. Where the arena lets
// nobody look without the shard (with the race detector), it finds nothing at all.
func TestGlimpseRoot(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.ks.Limits.SetMaxListpackEntries, w.ks.Limits.SetMaxIntsetEntries = 4, 4
	w.ks.Limits.HashMaxListpackEntries, w.ks.Limits.ZSetMaxListpackEntries = 4, 4
	found := map[bool]int{} // by the hash alone, which two keys of a bucket may share the tag of
	members := func(n int, fn func(member []byte)) {
		for i := range n {
			fn(fmt.Append(nil, "member", i))
		}
	}
	for length := range 140 {
		for kind := range 3 {
			for _, ttl := range []bool{false, true} {
				for _, n := range []int{3, 20} {
					key := []byte(strings.Repeat("k", length))
					w.hold(0, func(v *View) {
						v.Delete(key)
						switch kind {
						case 0:
							s, _ := v.EditSet(key)
							members(n, func(m []byte) { s.Add(m) })
						case 1:
							h, _ := v.EditHash(key)
							members(n, func(m []byte) { h.Set(m, m, v.Now) })
						case 2:
							z, _ := v.EditZSet(key)
							members(n, func(m []byte) { z.Add(1, m, 0) })
						}
						v.Settle()
						if ttl {
							v.SetExpire(key, v.Now+1e6)
						}
						it, ok := v.find(key)
						if !ok {
							t.Fatal("the key is not there")
						}
						want := arena.Ref(0)
						if n > 4 && length < 0x80 && it.sh.arena.Readable(it.e) {
							b := it.value()
							want = arena.Ref(b[0]) | arena.Ref(b[1])<<8 | arena.Ref(b[2])<<16 | arena.Ref(b[3])<<24
							if kind == 2 {
								b := it.sh.arena.Bytes(want, 4)
								want = arena.Ref(b[0]) | arena.Ref(b[1])<<8 | arena.Ref(b[2])<<16 | arena.Ref(b[3])<<24
							}
						}
						if got := glimpseRoot(it.sh.arena, it.e); got != want {
							t.Fatalf("key of %d bytes, kind %d, expiry %v, %d members: %#x, want %#x", length, kind, ttl, n, got, want)
						}
						if want != 0 {
							found[it.d.t.Glimpse(v.hashOf(key)) == it.e]++
						}
					})
				}
			}
		}
	}
	if found[false]*5 > found[true] {
		t.Errorf("%d entries were found by their hashes, %d were not", found[true], found[false])
	}
	w.hold(0, func(v *View) {
		v.SetString([]byte("text"), []byte("four"), 0)
		it, _ := v.find([]byte("text"))
		if got := glimpseRoot(it.sh.arena, it.e); got != 0 {
			t.Errorf("a string has members at %#x", got)
		}
	})
}

// TestStageWhileOthersWrite stages lookups of keys and members that are made, changed and freed at the same time. It reads
// what may be anything: all that is asked is that it does no harm.
func TestStageWhileOthersWrite(t *testing.T) {
	w := newWorld(t, 2, 2)
	w.ks.Limits.SetMaxListpackEntries, w.ks.Limits.HashMaxListpackEntries = 4, 4
	rounds := 3000
	if testing.Short() {
		rounds = 500
	}
	var over atomic.Bool
	var wait sync.WaitGroup
	staged := 0
	wait.Add(1)
	go func() {
		defer wait.Done()
		var b Batch
		for i := 0; !over.Load(); i++ {
			for k := range 40 {
				h := w.ks.Hash([]byte("k" + strconv.Itoa(k)))
				w.ks.Stage(&b, 0, h)
			}
			b.Load()
			for k := range 40 {
				h := w.ks.Hash([]byte("k" + strconv.Itoa(k)))
				w.ks.StageMember(&b, 0, h, w.ks.Hash([]byte("m"+strconv.Itoa((i+k)%300))))
				staged++
			}
			b.Load()
		}
	}()
	for range rounds {
		key := []byte("k" + strconv.Itoa(w.r.IntN(40)))
		w.hold(0, func(v *View) {
			switch w.r.IntN(8) {
			case 0:
				v.Delete(key)
			case 1:
				v.SetString(key, []byte(w.text()), 0)
			case 2:
				v.Delete(key)
				if h, st := v.EditHash(key); st != WrongType {
					for range 50 {
						m := []byte("m" + strconv.Itoa(w.r.IntN(300)))
						h.Set(m, m, v.Now)
					}
				}
			case 3:
				v.SetExpire(key, v.Now+1+int64(w.r.IntN(1000)))
			default:
				if s, st := v.EditSet(key); st != WrongType {
					for range 50 {
						m := []byte("m" + strconv.Itoa(w.r.IntN(300)))
						if w.r.IntN(2) == 0 {
							s.Add(m)
						} else {
							s.Remove(m)
						}
					}
				}
			}
		}, string(key))
		for i := range w.ks.shards {
			w.ks.Lock(1 << i)
			w.ks.shards[i].Bury(50)
			w.ks.Unlock(1 << i)
		}
	}
	over.Store(true)
	wait.Wait()
	if staged == 0 {
		t.Error("nothing was staged")
	}
}
