package keyspace

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
)

// Every key that is there from the first call of SCAN to the last is given, while others come and go, tables grow,
// shrink and merge, and entries move.
func TestScanGivesWhatStays(t *testing.T) {
	for _, shards := range []int{1, 4, 64} {
		for round := range 4 {
			w := newWorld(t, shards, uint64(round))
			stay, extra := 200+round*300, 3000
			set := func(k string) { w.hold(1, func(v *View) { v.SetString([]byte(k), nil, 0) }, k) }
			for i := range stay {
				set("stay" + strconv.Itoa(i))
			}
			for i := range extra / 2 * (round & 1) {
				set("extra" + strconv.Itoa(i))
			}
			seen := map[string]int{}
			calls := 0
			for cursor := uint64(0); ; calls++ {
				w.v.DB = 1
				given := 0
				cursor = w.v.Scan(cursor, 10, func(key []byte, in Info) {
					seen[string(key)]++
					given++
				})
				if given > 200 {
					t.Fatalf("one call with a count of 10 gives %d keys", given)
				}
				if cursor == 0 {
					break
				}
				if calls > 100*(stay+extra) {
					t.Fatal("the scan does not end")
				}
				for range 20 {
					k := "extra" + strconv.Itoa(w.r.IntN(extra))
					if grow := calls/10%2 == 0; grow {
						set(k)
					} else {
						w.hold(1, func(v *View) { v.Delete([]byte(k)) }, k)
					}
				}
				if calls%8 == 0 {
					w.house()
				}
			}
			for i := range stay {
				if seen["stay"+strconv.Itoa(i)] == 0 {
					t.Fatalf("%d shards, round %d: key %d of %d was not given", shards, round, i, stay)
				}
			}
		}
	}
}

// Keys of all shards have the same chance, however unevenly they are spread.
func TestRandomIsFair(t *testing.T) {
	for _, shards := range []int{1, 4, 64} {
		w := newWorld(t, shards, 3)
		const n, draws = 100, 100_000
		for i := range n {
			k := strconv.Itoa(i)
			w.hold(0, func(v *View) { v.SetString([]byte(k), nil, 0) }, k)
		}
		counts := map[string]int{}
		w.hold(0, func(v *View) {
			for range draws {
				k, ok := v.Random(w.r.Uint64)
				if !ok {
					t.Fatal("no key")
				}
				counts[string(k)]++
			}
		})
		chi := 0.0
		for i := range n {
			d := float64(counts[strconv.Itoa(i)]) - draws/n
			chi += d * d / (draws / n)
		}
		if chi > 160 { // 99 degrees of freedom: once in 10000
			t.Errorf("%d shards: chi-square %.0f", shards, chi)
		}
	}
}

// Several takers of several shards: moves between accounts keep their sum, and nobody waits for ever.
func TestConcurrentTakers(t *testing.T) {
	const accounts, takers, each = 40, 4, 1000
	ks := newKeyspace(t, 16)
	name := func(i int) []byte { return []byte("account" + strconv.Itoa(i)) }
	of := func(keys ...[]byte) (s Set) {
		for _, k := range keys {
			s |= 1 << ks.ShardOf(ks.Hash(k))
		}
		return s
	}
	first := NewView(ks)
	first.Now = 1
	first.Take(ks.All())
	for i := range accounts {
		first.SetInteger(name(i), 100)
	}
	first.Release()
	total := func(v *View) (sum int64) {
		for i := range accounts {
			n, _, _, _ := v.Integer(name(i))
			sum += n
		}
		return sum
	}
	var wg sync.WaitGroup
	for g := range takers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(uint64(g), 1))
			v := NewView(ks)
			v.Now = 1
			for range each {
				a, b := name(r.IntN(accounts)), name(r.IntN(accounts))
				switch r.IntN(8) {
				case 0:
					v.Take(ks.All())
					if n := total(v); n != accounts*100 {
						t.Errorf("the accounts have %d", n)
					}
					v.Release()
				case 1:
					seen := 0
					for c := uint64(0); ; {
						if c = v.Scan(c, 10, func([]byte, Info) { seen++ }); c == 0 {
							break
						}
					}
					if seen < accounts {
						t.Errorf("a scan gives %d keys of %d", seen, accounts)
					}
				case 2:
					i := r.IntN(ks.Shards())
					v.Take(1 << i)
					s := ks.Shard(i)
					s.Tend(10)
					s.StartDefrag()
					s.Defrag(100)
					v.Sweep(i, 100)
					v.Release()
				default:
					k := fmt.Appendf(nil, "list%d", r.IntN(10))
					v.Take(of(a, b, k))
					if string(a) != string(b) {
						x, _, _, _ := v.Integer(a)
						y, _, _, _ := v.Integer(b)
						v.SetInteger(a, x-1)
						v.SetInteger(b, y+1)
					}
					l, _ := v.EditList(k)
					if l.PushTail(a); l.Len() > 20 {
						l.DropHead(20)
					}
					v.Release()
				}
			}
		}()
	}
	wg.Wait()
}

// The sum of used bytes follows the data, and what is deleted is given back.
func TestMemoryComesBack(t *testing.T) {
	w := newWorld(t, 4, 1)
	empty := w.ks.Used()
	const n = 20000
	for i := range n {
		k := strconv.Itoa(i)
		w.hold(0, func(v *View) { v.SetString([]byte(k), make([]byte, 40), 0) }, k)
	}
	full := w.ks.Used()
	if full < empty+n*48 {
		t.Errorf("%d bytes with %d keys, %d without", full, n, empty)
	}
	for i := range n {
		if k := strconv.Itoa(i); i%2 == 0 {
			w.hold(0, func(v *View) { v.Delete([]byte(k)) }, k)
		}
	}
	for i := range w.ks.Shards() {
		w.v.Take(1 << i)
		s := w.ks.Shard(i)
		for s.Tend(100) {
		}
		live, gain, _ := s.Fragmentation()
		if gain < live/2 {
			t.Errorf("shard %d: %d bytes live, and only %d to be gained", i, live, gain)
		}
		s.StartDefrag()
		for s.Defrag(100) {
		}
		live, _, dirty := s.Fragmentation()
		if dirty < gain*8/10 {
			t.Errorf("shard %d: %d bytes free after a walk that was to gain %d", i, dirty, gain)
		}
		if held := s.Arena().Stats().ResidentBytes - dirty; held > live*13/10 {
			t.Errorf("shard %d: %d bytes live, %d held", i, live, held)
		}
		for s.Trim(0, 1<<20) {
		}
		if n := s.Arena().Stats().DirtyBytes; n != 0 {
			t.Errorf("shard %d: %d bytes free after Trim", i, n)
		}
		w.v.Release()
	}
	for i := range n {
		if k := strconv.Itoa(i); i%2 == 1 {
			w.hold(0, func(v *View) {
				if !v.Delete([]byte(k)) {
					t.Fatalf("key %s is gone", k)
				}
			}, k)
		}
	}
	for i := range w.ks.Shards() {
		w.v.Take(1 << i)
		s := w.ks.Shard(i)
		for s.Tend(100) || s.Bury(100) {
		}
		if n := s.Arena().LiveBytes(); n != 0 {
			t.Errorf("shard %d: %d bytes in use without a key", i, n)
		}
		w.v.Release()
	}
}

// Values that stand apart and are short enough to lie in shared pages are moved with what names them.
func TestDefragMovesFarValues(t *testing.T) {
	w := newWorld(t, 1, 1)
	const n = 300
	text := func(i int) []byte { return fmt.Appendf(nil, "%09000d", i) }
	for i := range n {
		k := strconv.Itoa(i)
		w.hold(0, func(v *View) {
			v.SetString([]byte(k), make([]byte, 40000), 0)
			h, _ := v.EditBytes([]byte(k))
			h.Resize(len(text(i)))
			if copy(h.Bytes(), text(i)); !h.it.h.far() {
				t.Fatal("the value has come back into the entry")
			}
		}, k)
	}
	for i := range n {
		if k := strconv.Itoa(i); i%3 != 0 {
			w.hold(0, func(v *View) { v.Delete([]byte(k)) }, k)
		}
	}
	s := w.ks.Shard(0)
	w.hold(0, func(v *View) {
		if s.StartDefrag() == 0 {
			t.Fatal("nothing to gain")
		}
		for s.Defrag(50) {
		}
		if s.DefragStats().Moved < n/10 {
			t.Errorf("%+v", s.DefragStats())
		}
		for i := 0; i < n; i += 3 {
			if got, _ := v.String([]byte(strconv.Itoa(i))); string(got) != string(text(i)) {
				t.Fatalf("value %d is %.20q…", i, got)
			}
		}
	})
}
