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

// shards makes n tables, each in an arena of its own, and a function that inserts key k where it belongs.
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

func (s *shards) insert(k uint64, size int) {
	var key [8]byte
	binary.LittleEndian.PutUint64(key[:], k)
	h := mix(key[:])
	i := s.of(h)
	e := s.a[i].Alloc(size)
	copy(s.a[i].Bytes(e, 8), key[:])
	s.t[i].Insert(h, e, 0)
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
					s.insert(uint64(k), benchEntry)
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
	const count, batch = 5_000_000, 64
	s := newShards(b, 64)
	for k := range uint64(count) {
		s.insert(k, benchEntry)
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
			found := 0
			for n := 0; n < b.N; n += batch {
				for i := range keys {
					binary.LittleEndian.PutUint64(keys[i][:], bench.offset+rnd.Uint64N(count))
					hashes[i] = mix(keys[i][:])
				}
				if bench.staged {
					for _, h := range hashes {
						s.t[s.of(h)].Stage1(h)
					}
					for _, h := range hashes {
						s.t[s.of(h)].Stage2(h)
					}
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
