package main

import (
	"encoding/binary"
	"errors"

	"larder/eviction"
	"larder/keyspace"
)

// runLarder runs a trace through the keyspace of the server: GET, and SET on a miss. Before a SET keys are evicted as the
// server does it, from one shard after the other, until there is room: for one more, or for size bytes.
func runLarder(t *trace, capacity int64, unit bool, policy string, shards, samples int, bySize bool, clock func(i int) int64, seed uint64) (r result, err error) {
	scale := int64(1)
	if !unit { // values as long as memory allows: what counts is how the sizes compare
		scale = max(1, t.bytes/(512<<20))
	}
	ks, err := keyspace.New(keyspace.Options{
		Shards: shards, Databases: 1, Seed: seed,
		Hash: func(key []byte) uint64 {
			h := (binary.LittleEndian.Uint64(key) ^ seed) * 0x9e3779b97f4a7c15
			h = (h ^ h>>32) * 0xd6e8feb86659fd93
			h = (h ^ h>>32) * 0xd6e8feb86659fd93
			return h ^ h>>32
		},
	})
	if err != nil {
		return r, err
	}
	defer ks.Close()
	ks.SetPolicy(eviction.ByName(policy))
	ks.BySize = bySize
	ks.SetMaxMemory(1 << 40)
	v := keyspace.NewView(ks)
	key := make([]byte, 8)
	value := make([]byte, 1<<20)
	used, sizes := int64(0), make([]uint32, t.keys)
	v.Record = true // to hear of what is evicted
	for i, a := range t.accesses {
		v.Now = clock(i)
		if i%1000 == 0 { // the server does it ten times a second
			ks.CountKeys(nil, nil)
		}
		binary.LittleEndian.PutUint64(key, uint64(a.key))
		at := keyspace.Set(1) << ks.ShardOf(ks.Hash(key))
		v.Take(at)
		_, st := v.String(key)
		v.Release()
		v.ResetEvents()
		hit := st == keyspace.Found
		r.note(a, hit)
		size := int64(a.size)
		if unit {
			size = 1
		}
		if hit || size > capacity {
			continue
		}
		for used+size > capacity {
			if !v.Evict(samples) {
				return r, errors.New("nothing could be evicted")
			}
			v.Release()
			for _, e := range v.Events {
				if e.Kind == keyspace.Evicted {
					k := binary.LittleEndian.Uint64(e.Key)
					used -= int64(sizes[k])
					r.evictions++
				}
			}
			v.ResetEvents()
		}
		used += size
		sizes[a.key] = uint32(size)
		n := int64(1)
		if !unit {
			n = min(max(size/scale, 1), int64(len(value)))
		}
		ks.Lock(at)
		ks.Reserve(at, int(n))
		ks.Unlock(at)
		v.Take(at)
		v.SetString(key, value[:n], 0)
		v.Release()
		v.ResetEvents()
	}
	return r, nil
}
