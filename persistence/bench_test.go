package persistence

import (
	"fmt"

	"testing"

	"larder/keyspace"
	"larder/persistence/codec"
)

// benchKeys are strings of 100 bytes and small hashes.
func benchKeys(v *keyspace.View, n int) {
	v.Take(v.Keyspace().All())
	defer v.Release()
	val := make([]byte, 100)
	for i := range n {
		key := fmt.Appendf(nil, "key:%d", i)
		if i%4 == 3 {
			h, _ := v.EditHash(key)
			for k := range 5 {
				h.Set(fmt.Appendf(nil, "field%d", k), fmt.Appendf(nil, "value %d of %d", k, i), 0)
			}
			v.Settle()
			continue
		}
		copy(val, fmt.Appendf(val[:0], "value:%d", i))
		v.SetString(key, val[:100], 0)
	}
}

func BenchmarkSave(b *testing.B) {
	ks, v := newKeyspace(b, 64)
	benchKeys(v, 300_000)
	v.Take(ks.All())
	defer v.Release()
	for _, compress := range []bool{false, true} {
		b.Run(fmt.Sprintf("compress=%v", compress), func(b *testing.B) {
			o := options(codec.Version70)
			o.Compress = compress
			var n int64
			for b.Loop() {
				c := &counter{}
				if _, err := WriteStopped(c, ks, o); err != nil {
					b.Fatal(err)
				}
				n = c.n
			}
			b.SetBytes(n)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/300_000, "ns/key")
		})
	}
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func BenchmarkLoad(b *testing.B) {
	_, v := newKeyspace(b, 64)
	benchKeys(v, 300_000)
	for i := range 4 {
		compress, workers := i%2 == 0, i/2*2
		b.Run(fmt.Sprintf("compress=%v,workers=%d", compress, workers), func(b *testing.B) {
			o := options(codec.Version70)
			o.Compress = compress
			file := snapshot(b, v, o)
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				b.StopTimer()
				_, to := newKeyspace(b, 64)
				b.StartTimer()
				if _, err := load(file, to, LoadOptions{Workers: workers}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/300_000, "ns/key")
		})
	}
}
