package main

import "math/rand/v2"

// redis is a model of what redis-server does at maxmemory under allkeys-lru and allkeys-lfu: samples of random keys go
// into a pool of 16 candidates, from which the best leaves. It is the measure for our own policies of these names.
type redis struct {
	lfu     bool
	samples int
	rnd     *rand.Rand

	at   []int32  // place of each key in list, -1 if it is not in the cache
	list []uint32 // keys in the cache
	last []int64  // LRU: time of the last access; LFU: minute of the last decrement
	freq []uint8
	size []uint32
	pool [redisPool]redisCandidate
}

type redisCandidate struct {
	key  uint32
	idle int64
	used bool
}

const redisPool = 16

func newRedis(keys int, lfu bool, samples int, seed uint64) *redis {
	m := &redis{
		lfu: lfu, samples: samples, rnd: rand.New(rand.NewPCG(seed, 1)),
		at: make([]int32, keys), last: make([]int64, keys), freq: make([]uint8, keys), size: make([]uint32, keys),
	}
	for i := range m.at {
		m.at[i] = -1
	}
	return m
}

func (m *redis) count(k uint32, now int64) int64 {
	periods := now/60 - m.last[k]
	return max(0, int64(m.freq[k])-periods)
}

func (m *redis) touch(k uint32, now int64) {
	if !m.lfu {
		m.last[k] = now
		return
	}
	n := m.count(k, now)
	if n < 255 && m.rnd.Float64() < 1/(float64(max(0, n-5))*10+1) {
		n++
	}
	m.freq[k], m.last[k] = uint8(n), now/60
}

func (m *redis) insert(k, size uint32, now int64) {
	m.at[k] = int32(len(m.list))
	m.list = append(m.list, k)
	m.size[k] = size
	m.freq[k], m.last[k] = 5, now
	if m.lfu {
		m.last[k] = now / 60
	}
}

func (m *redis) remove(k uint32) {
	i := m.at[k]
	moved := m.list[len(m.list)-1]
	m.list[i] = moved
	m.at[moved] = i
	m.list = m.list[:len(m.list)-1]
	m.at[k] = -1
}

func (m *redis) evict(now int64) (size uint32) {
	for {
		for range m.samples {
			m.offer(m.list[m.rnd.IntN(len(m.list))], now)
		}
		for i := redisPool - 1; i >= 0; i-- {
			if !m.pool[i].used {
				continue
			}
			k := m.pool[i].key
			m.pool[i].used = false
			if m.at[k] >= 0 {
				m.remove(k)
				return m.size[k]
			}
		}
	}
}

func (m *redis) offer(k uint32, now int64) {
	idle := now - m.last[k]
	if m.lfu {
		idle = 255 - m.count(k, now)
	}
	p := &m.pool
	i := 0
	for i < redisPool && p[i].used && p[i].idle < idle {
		i++
	}
	switch {
	case i == 0 && p[redisPool-1].used:
		return
	case i < redisPool && !p[i].used:
	case !p[redisPool-1].used:
		copy(p[i+1:], p[i:redisPool-1])
	default:
		i--
		copy(p[:i], p[1:i+1])
	}
	p[i] = redisCandidate{k, idle, true}
}

// runRedis runs a trace through the model.
func runRedis(t *trace, capacity int64, unit, lfu bool, samples int, clock func(i int) int64, seed uint64) (r result) {
	m := newRedis(t.keys, lfu, samples, seed)
	used := int64(0)
	for i, a := range t.accesses {
		now := clock(i) / 1000
		hit := m.at[a.key] >= 0
		r.note(a, hit)
		if hit {
			m.touch(a.key, now)
			continue
		}
		size := int64(a.size)
		if unit {
			size = 1
		}
		if size > capacity {
			continue
		}
		for used+size > capacity {
			n := int64(m.evict(now))
			if unit {
				n = 1
			}
			used -= n
			r.evictions++
		}
		used += size
		m.insert(a.key, a.size, now)
	}
	return r
}
