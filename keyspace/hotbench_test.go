package keyspace

import (
	"encoding/binary"
	"testing"

	"larder/eviction"
)

// BenchmarkTouch is a read of a short string by each kind of access word.
func BenchmarkTouch(b *testing.B) {
	for _, policy := range []string{"noeviction", "allkeys-lfu", "allkeys-s3fifo"} {
		b.Run(policy, func(b *testing.B) {
			ks := newKeyspace(b, 1)
			ks.SetMaxMemory(1 << 30)
			ks.SetPolicy(eviction.ByName(policy))
			v := NewView(ks)
			v.Now = 1_700_000_000_000
			v.Take(1)
			defer v.Release()
			key := make([]byte, 8)
			for i := range 1000 {
				binary.LittleEndian.PutUint64(key, uint64(i))
				v.SetString(key, []byte("value"), 0)
			}
			for i := 0; b.Loop(); i++ {
				binary.LittleEndian.PutUint64(key, uint64(i%1000))
				v.String(key)
			}
		})
	}
}
