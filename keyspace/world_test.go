package keyspace

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/datatypes"
	"larder/datatypes/listpack"
)

// testHash makes hashes the same in every run, so that a failure comes again.
func testHash(key []byte) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, c := range key {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// newKeyspace makes a keyspace for a test, which is checked when the test is over: then everything is deleted, and
// nothing may be left.
func newKeyspace(t testing.TB, shards int) *Keyspace {
	t.Helper()
	ks, err := New(Options{Shards: shards, Databases: 4, Hash: testHash, Seed: 1, MaxBytes: int64(64<<20) / int64(shards) * 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer ks.Close()
		if t.Failed() {
			return
		}
		ks.Lock(ks.All())
		defer ks.Unlock(ks.All())
		if err := ks.Check(); err != nil {
			t.Fatal(err)
		}
		for _, s := range ks.shards {
			for i := range s.dbs {
				s.flush(i)
			}
			for s.Bury(1000) {
			}
			if n := s.arena.Stats(); n.LiveBytes != 0 || n.Allocs != 0 || n.AskedBytes != 0 {
				t.Fatalf("%d allocations of %d bytes are left in an empty shard", n.Allocs, n.AskedBytes)
			}
			s.noteUsed()
		}
		if n := ks.Used() - ks.fixed(); n >= int64(shards)*usedGrain || n <= -int64(shards)*usedGrain {
			t.Fatalf("%d bytes are counted in an empty keyspace", n)
		}
	})
	return ks
}

// value is what the model knows of a key.
type value struct {
	typ    datatypes.Type
	str    string
	fields map[string]string // of a hash; members of a set; members of a sorted set with their scores
	due    map[string]int64  // of a hash's fields
	items  []string          // of a list
	expire int64
}

func (m *value) clone() *value {
	c := *m
	c.fields, c.due, c.items = maps.Clone(m.fields), maps.Clone(m.due), slices.Clone(m.items)
	return &c
}

// world is a keyspace and its model, which must agree whatever happens.
type world struct {
	t   testing.TB
	ks  *Keyspace
	v   *View
	r   *rand.Rand
	dbs []map[string]*value

	strays int // times that a key has changed its shard

	copies          []*copyUnderWay
	copied, spoiled int // that became complete, and stale
}

func newWorld(t testing.TB, shards int, seed uint64) *world {
	ks := newKeyspace(t, shards)
	w := &world{t: t, ks: ks, v: NewView(ks), r: rand.New(rand.NewPCG(seed, 7))}
	w.v.Now = 1_700_000_000_000
	for range ks.Databases() {
		w.dbs = append(w.dbs, map[string]*value{})
	}
	return w
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf(format, args...)
}

// hold runs one command with the shards of some keys, or all.
func (w *world) hold(db int, fn func(v *View), keys ...string) {
	w.t.Helper()
	s := Set(0)
	for _, k := range keys {
		s |= 1 << w.ks.ShardOf(w.ks.Hash([]byte(k)))
	}
	if len(keys) == 0 {
		s = w.ks.All()
	}
	if !w.ks.lockReserved(s) {
		w.fatalf("no memory")
	}
	w.ks.Unlock(s)
	w.v.DB = db
	w.v.Take(s)
	fn(w.v)
	w.v.Release()
	w.v.ResetEvents()
}

// lockReserved takes the shards and makes sure of the memory that a test's commands need.
func (ks *Keyspace) lockReserved(s Set) bool {
	ks.Lock(s)
	return ks.ReserveMany(s, 100<<10, 100)
}

// key is one of a few keys.
func (w *world) key() string {
	n := w.r.IntN(60)
	if n%7 == 0 {
		return fmt.Sprintf("a key long enough to need two bytes for its length %s %d", strings.Repeat("-", 100), n)
	}
	return "k" + strconv.Itoa(n)
}

func (w *world) db() int { return w.r.IntN(len(w.dbs)) / 2 * (1 + w.r.IntN(2)) }

// sizes are lengths of strings at the borders of the forms that an entry has.
var sizes = []int{0, 1, 2, 5, 8, 20, 44, 45, 126, 127, 128, 129, 1000, farMin/2 - 1, farMin / 2, farMin/2 + 1, farMin - 1, farMin, farMin + 1, farMin * 3 / 2, 40000}

func (w *world) text() string {
	switch w.r.IntN(4) {
	case 0:
		return strconv.FormatInt(int64(w.r.Uint64())>>w.r.IntN(64), 10)
	case 1:
		return strconv.Itoa(w.r.IntN(200) - 100)
	}
	b := make([]byte, sizes[w.r.IntN(len(sizes))])
	for i := range b {
		b[i] = byte('a' + w.r.IntN(26))
	}
	return string(b)
}

func (w *world) when() int64 {
	if w.r.IntN(3) == 0 {
		return 0
	}
	return w.v.Now + int64(w.r.IntN(2000))
}

// as is the model's value of a type at a key, a new one if there is none; nil if the type is another.
func (w *world) as(db int, key string, t datatypes.Type) *value {
	m := w.dbs[db][key]
	if m == nil {
		return &value{typ: t, fields: map[string]string{}, due: map[string]int64{}}
	}
	if m.typ != t {
		return nil
	}
	return m
}

func (w *world) put(db int, key string, m *value) {
	if m.typ == datatypes.TypeString || len(m.fields)+len(m.items) > 0 {
		w.dbs[db][key] = m
	} else {
		delete(w.dbs[db], key)
	}
}

// advance lets time go by.
func (w *world) advance(ms int64) {
	w.v.Now += ms
	for db, keys := range w.dbs {
		for k, m := range keys {
			if m.expire != 0 && m.expire < w.v.Now {
				delete(keys, k)
				continue
			}
			for f, at := range m.due {
				if at >= w.v.Now {
					continue
				}
				delete(m.due, f)
				delete(m.fields, f)
				w.hold(db, func(v *View) {
					for more := true; more; {
						_, more = v.ExpireDueFields([]byte(k), 10, func([]byte) {})
						v.Settle()
					}
				}, k)
			}
			w.put(db, k, m)
		}
	}
}

// sweep removes what is due, and nothing may be left of it.
func (w *world) sweep() {
	w.advance(2*sweepLate_ms + 2)
	for i := range w.ks.Shards() {
		w.v.Take(1 << i)
		for range 2 { // what was left for a copy is known to have gone only after it was looked at once more
			for more := true; more; {
				_, more = w.v.Sweep(i, 1+w.r.IntN(50))
			}
		}
		w.v.Release()
		w.v.ResetEvents()
	}
	w.v.Take(w.ks.All())
	defer w.v.Release()
	for db := range w.dbs {
		w.v.DB = db
		for k, m := range w.dbs[db] {
			if m.expire != 0 && m.expire < w.v.Now-sweepLate_ms {
				w.fatalf("the model has %q, which has expired", k)
			}
		}
		if n := w.v.Len(); n < len(w.dbs[db]) {
			w.fatalf("database %d has %d keys, the model %d", db, n, len(w.dbs[db]))
		}
		for _, s := range w.ks.shards {
			if d := &s.dbs[db]; d.ready && d.t.MinExpire() < w.v.Now-sweepLate_ms && len(w.copies) == 0 {
				w.fatalf("database %d: something that was due at %d is left at %d", db, d.t.MinExpire(), w.v.Now)
			}
		}
	}
}

// compare looks at everything.
func (w *world) compare() {
	w.t.Helper()
	w.v.Take(w.ks.All())
	defer w.v.Release()
	for db, keys := range w.dbs {
		w.v.DB = db
		seen := map[string]bool{}
		w.v.EachKey(func(key []byte, in Info) bool {
			m := keys[string(key)]
			if m == nil {
				w.fatalf("database %d: %q should not be there", db, key)
			}
			if in.Type != m.typ || in.Expire_ms != m.expire || seen[string(key)] {
				w.fatalf("database %d: %q: %+v, want %v expiring at %d; seen before: %v", db, key, in, m.typ, m.expire, seen[string(key)])
			}
			seen[string(key)] = true
			return true
		})
		if len(seen) != len(keys) {
			w.fatalf("database %d: %d keys, want %d", db, len(seen), len(keys))
		}
		for k, m := range keys {
			w.compareKey(db, k, m)
		}
	}
	if err := w.ks.Check(); err != nil {
		w.fatalf("%v", err)
	}
}

func (w *world) compareKey(db int, k string, m *value) {
	w.t.Helper()
	v := w.v
	same := func(got, want any) {
		w.t.Helper()
		if g, s := fmt.Sprint(got), fmt.Sprint(want); g != s {
			w.fatalf("database %d: %v %q is %.100s, want %.100s", db, m.typ, k, g, s)
		}
	}
	key := []byte(k)
	switch m.typ {
	case datatypes.TypeString:
		b, st := v.PeekString(key)
		same(st, Found)
		same(string(b), m.str)
	case datatypes.TypeHash:
		x, _ := v.ReadHash(key)
		got, due := map[string]string{}, map[string]int64{}
		x.Each(v.Now, func(name, val []byte, at int64) bool {
			if got[string(name)] = string(val); at != 0 {
				due[string(name)] = at
			}
			return true
		})
		same(got, m.fields)
		same(due, m.due)
	case datatypes.TypeSet:
		x, _ := v.ReadSet(key)
		got := map[string]string{}
		x.Each(func(b []byte) bool { got[string(b)] = ""; return true })
		same(got, m.fields)
	case datatypes.TypeZSet:
		x, _ := v.ReadZSet(key)
		got := map[string]string{}
		x.Each(func(b []byte, score float64) bool { got[string(b)] = fmt.Sprint(score); return true })
		same(got, m.fields)
	case datatypes.TypeList:
		x, _ := v.ReadList(key)
		var got []string
		x.Each(func(e listpack.Elem) bool { got = append(got, string(e.Append(nil))); return true })
		same(got, m.items)
	}
	v.Settle()
}
