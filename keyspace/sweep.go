package keyspace

import (
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// sweepLate_ms is how long a key whose time is over may wait for others of its segment, so that one visit removes them
// together.
const sweepLate_ms = 25

// Sweep removes keys of shard i whose time is over, in all databases, up to budget keys, and tells whether more are
// due. The view holds the shard. How late the oldest of them was is noted in the shard's statistics.
//
// It is cheap when nothing is due: tables know the earliest expiry of each of their segments.
func (v *View) Sweep(i, budget int) (removed int, more bool) {
	sh := v.ks.shards[i]
	from := v.DB
	defer func() { v.DB = from }()
	lag := int64(0)
	for n := range sh.dbs {
		d := &sh.dbs[n]
		if !d.ready || d.ttls == 0 || d.t.MinExpire() > v.Now-sweepLate_ms {
			continue
		}
		v.DB = n
		left := d.t.ExpireDue(v.Now, v.Now-sweepLate_ms, budget-removed, func(e arena.Ref) int64 { return expireOf(sh.arena, e) },
			func(slot table.Slot, e arena.Ref) {
				it := item{sh: sh, d: d, slot: slot, e: e, h: parse(sh.arena, e)}
				lag = max(lag, v.Now-it.expire())
				v.Dirty++
				v.expire(&it)
				removed++
			})
		if left {
			more = true
			if removed >= budget {
				break
			}
		}
	}
	sh.Stats.ExpireLag_ms = lag
	return removed, more
}
