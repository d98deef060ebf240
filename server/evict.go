package server

import (
	"larder/eviction"
	"larder/server/config"
)

// evictAtOnce bounds how many keys one command makes room by: what is still too much is left to the next ones.
const evictAtOnce = 64

// policies are what maxmemory-policy means.
var policies = map[config.MaxmemoryPolicy]eviction.Policy{
	config.PolicyNoEviction:     {},
	config.PolicyAllkeysLRU:     {By: eviction.ByLRU},
	config.PolicyAllkeysLFU:     {By: eviction.ByLFU},
	config.PolicyAllkeysRandom:  {By: eviction.ByRandom},
	config.PolicyVolatileLRU:    {By: eviction.ByLRU, Volatile: true},
	config.PolicyVolatileLFU:    {By: eviction.ByLFU, Volatile: true},
	config.PolicyVolatileTTL:    {By: eviction.ByTTL, Volatile: true},
	config.PolicyVolatileRandom: {By: eviction.ByRandom, Volatile: true},
}

// makeRoom evicts keys while the data is beyond maxmemory, and tells whether there is room for more: it is within the
// limit, or it was possible to evict as many as one command should. No shard is held before.
func (ex *executor) makeRoom() bool {
	srv := ex.srv
	if !srv.outOfMemory() {
		return true
	}
	if srv.repl.replica.Load() && srv.conf.ReplicaIgnoreMaxmemory.Get() {
		return true
	}
	policy := *srv.policy.Load()
	if !policy.Evicts() || srv.pause.active(ex.now) || srv.failoverPaused() {
		return false
	}
	samples := int(srv.conf.MaxmemorySamples.Get())
	shards := srv.ks.Shards()
	first := int(ex.ctx.Rand64())
	for n, idle := 0, 0; n < evictAtOnce; {
		i := (first + n + idle) & (shards - 1)
		ex.view.Take(1 << i)
		ex.listen()
		gone := ex.view.Evict(i, policy, samples)
		ex.settle()
		ex.release()
		if !srv.outOfMemory() {
			return true
		}
		if gone {
			n, idle = n+1, 0
		} else if idle++; idle == shards {
			return false
		}
	}
	return true
}
