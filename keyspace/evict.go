package keyspace

import (
	"larder/datatypes/arena"
	"larder/datatypes/table"
	"larder/eviction"
)

// evictBuckets is how many random buckets are looked at for one eviction before it is given up.
const evictBuckets = 16

// Evict removes one key of shard i, which the view holds: of about samples random candidates the one that the policy
// lets go first, whatever its database. It tells whether there was one.
func (v *View) Evict(i int, p eviction.Policy, samples int) bool {
	sh := v.ks.shards[i]
	rnd := sh.env.Rand
	var best item
	bestRank, bestDB, found, seen := int64(0), 0, false, 0
	for try := 0; try < evictBuckets && seen < samples; try++ {
		n := sh.someDB(rnd.Uint64(), p.Volatile)
		if n < 0 {
			return false
		}
		d := &sh.dbs[n]
		d.t.Sample(rnd.Uint64(), func(slot table.Slot, e arena.Ref) {
			it := item{sh: sh, d: d, slot: slot, e: e, h: parse(sh.arena, e)}
			rank, ok := p.Rank(eviction.Candidate{Word: access(it.bytes()), Expire_ms: it.expire()}, &v.ks.Clock, v.Now, rnd.Uint64())
			if !ok {
				return
			}
			seen++
			if !found || rank > bestRank {
				best, bestRank, bestDB, found = it, rank, n, true
			}
		})
	}
	if !found {
		return false
	}
	from := v.DB
	v.DB = bestDB
	v.event(sh, Evicted, best.key(), "evicted")
	sh.Stats.Evicted++
	v.drop(&best)
	v.DB = from
	return true
}

// someDB is a random database that has keys, or volatile keys, each with a chance by their number; -1 if there is none.
func (s *Shard) someDB(rnd uint64, volatile bool) int {
	total := 0
	count := func(d *database) int {
		switch {
		case !d.ready:
			return 0
		case volatile:
			return d.ttls
		}
		return d.t.Len()
	}
	for i := range s.dbs {
		total += count(&s.dbs[i])
	}
	if total == 0 {
		return -1
	}
	nth := int(rnd % uint64(total))
	for i := range s.dbs {
		if n := count(&s.dbs[i]); nth < n {
			return i
		} else {
			nth -= n
		}
	}
	return -1
}
