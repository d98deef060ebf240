package table

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"larder/datatypes/arena"
)

// benchEntry is the size of the benchmarks' entries, about that of a short key with a short value.
const benchEntry = 48

// shards are tables, each in an arena of its own, that divide keys among them by the low bits of the hash.
type shards struct {
	a []*arena.Arena
	t []Table
}

func newShards(tb testing.TB, n int) *shards {
	s := &shards{}
	for range n {
		a, err := arena.New(arena.Options{})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(a.Close)
		s.a, s.t = append(s.a, a), append(s.t, New(a, layout{}, mix))
	}
	return s
}

func (s *shards) of(h uint64) int { return int(h % uint64(len(s.t))) }

func (s *shards) insert(k uint64, expireMs int64) {
	var key [8]byte
	binary.LittleEndian.PutUint64(key[:], k)
	h := mix(key[:])
	i := s.of(h)
	e := s.a[i].Alloc(benchEntry)
	b := s.a[i].Bytes(e, 16)
	copy(b, key[:])
	binary.LittleEndian.PutUint64(b[8:], uint64(expireMs))
	s.t[i].Insert(h, e, expireMs)
}

func (s *shards) bytes() (n int) {
	for i := range s.t {
		n += s.t[i].Bytes()
	}
	return n
}

// BenchmarkGrowth inserts up to 5M entries and reports what the tables take per entry beyond the entries, on average over
// sizes that are equally likely on a logarithmic scale, at the worst of them, and the longest inserts.
func BenchmarkGrowth(b *testing.B) {
	for _, bench := range []struct {
		name        string
		tables, max int
	}{{"64x", 64, 5_000_000}, {"1x", 1, 1_000_000}, {"1x5M", 1, 5_000_000}} {
		b.Run(bench.name, func(b *testing.B) {
			for range b.N {
				s := newShards(b, bench.tables)
				var sum, worst float64
				var samples int
				took := make([]time.Duration, 0, bench.max)
				next := bench.max / 50
				for k := range bench.max {
					from := time.Now()
					s.insert(uint64(k), 0)
					took = append(took, time.Since(from))
					if k == next {
						next += next / 20
						per := float64(s.bytes()) / float64(k+1)
						sum, worst, samples = sum+per, max(worst, per), samples+1
					}
				}
				slices.Sort(took)
				b.ReportMetric(sum/float64(samples), "B/entry")
				b.ReportMetric(worst, "worst-B/entry")
				b.ReportMetric(float64(took[len(took)-len(took)/10000].Nanoseconds()), "p99.99-ns")
				b.ReportMetric(float64(took[len(took)-1].Nanoseconds()), "max-ns")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bench.max), "ns/insert")
			}
		})
	}
}

// BenchmarkFind looks up keys of 5M in 64 tables: those that are there and those that are not, one by one and in batches
// of 64 that are staged first.
func BenchmarkFind(b *testing.B) {
	const count, batch = 5_000_000, BatchSize
	s := newShards(b, 64)
	for k := range uint64(count) {
		s.insert(k, 0)
	}
	for _, bench := range []struct {
		name   string
		offset uint64
		staged bool
	}{{"hit", 0, false}, {"miss", count, false}, {"hit-staged", 0, true}, {"miss-staged", count, true}} {
		b.Run(bench.name, func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 2))
			var keys [batch][8]byte
			var hashes [batch]uint64
			var staged Batch
			found := 0
			for n := 0; n < b.N; n += batch {
				for i := range keys {
					binary.LittleEndian.PutUint64(keys[i][:], bench.offset+rnd.Uint64N(count))
					hashes[i] = mix(keys[i][:])
				}
				if bench.staged {
					for _, h := range hashes {
						staged.Add(&s.t[s.of(h)], h)
					}
					staged.Load()
				}
				for i, h := range hashes {
					if _, ok := s.t[s.of(h)].Find(h, keys[i][:]); ok {
						found++
					}
				}
			}
			if (found > 0) != (bench.offset == 0) {
				b.Fatal(found)
			}
		})
	}
}

// BenchmarkScan is one call of Scan for ten entries.
func BenchmarkScan(b *testing.B) {
	s := newShards(b, 1)
	for k := range uint64(1_000_000) {
		s.insert(k, 0)
	}
	cursor, seen := uint64(0), 0
	for b.Loop() {
		cursor = s.t[0].Scan(cursor, 10, func(arena.Ref) { seen++ })
	}
	b.ReportMetric(float64(seen)/float64(b.N), "entries/op")
}

// BenchmarkRandom draws one entry, and one sample.
func BenchmarkRandom(b *testing.B) {
	s := newShards(b, 1)
	for k := range uint64(1_000_000) {
		s.insert(k, 0)
	}
	n := uint64(0)
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			s.t[0].Random(n)
			n++
		}
	})
	b.Run("sample", func(b *testing.B) {
		seen := 0
		for b.Loop() {
			s.t[0].Sample(n, func(Slot, arena.Ref) { seen++ })
			n++
		}
		b.ReportMetric(float64(seen)/float64(b.N), "entries/op")
	})
}

// BenchmarkExpireDue sweeps 64 tables of 5M volatile entries every 20 ms of a clock that it makes: first when nothing is
// due for long, then with 5000 and with 100000 entries expiring and coming per second. It reports the time of a second's
// sweeps, inserts not counted.
func BenchmarkExpireDue(b *testing.B) {
	const count = 5_000_000
	for _, bench := range []struct {
		name             string
		perSecond, slack int64
	}{{"idle", 0, 0}, {"5K", 5_000, 0}, {"5K-slack", 5_000, 60}, {"100K", 100_000, 0}, {"100K-slack", 100_000, 60}} {
		b.Run(bench.name, func(b *testing.B) {
			s := newShards(b, 64)
			rnd := rand.New(rand.NewPCG(1, 2))
			now, next := int64(1000), uint64(0)
			life := int64(1e12)
			if bench.perSecond > 0 {
				life = 2 * count * 1000 / bench.perSecond
			}
			for range count {
				s.insert(next, now+rnd.Int64N(life))
				next++
			}
			sweep := func() (late int64) {
				for i := range s.t {
					for s.t[i].ExpireDue(now, now-bench.slack, 1000, func(e arena.Ref) int64 {
						return int64(binary.LittleEndian.Uint64(s.a[i].Bytes(e, 16)[8:]))
					}, func(slot Slot, e arena.Ref) {
						s.t[i].Delete(slot)
						s.a[i].Free(e, benchEntry)
						late++
					}) {
					}
				}
				return late
			}
			sweep()
			var took time.Duration
			expired := int64(0)
			for b.Loop() {
				for range 50 {
					now += 20
					from := time.Now()
					gone := sweep()
					took += time.Since(from)
					for expired += gone; gone > 0; gone-- {
						s.insert(next, now+rnd.Int64N(life))
						next++
					}
				}
			}
			b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), "ms/s")
			b.ReportMetric(float64(expired)/float64(b.N), "expired/s")
		})
	}
}
