package keyspace

import (
	"fmt"
)

// A server that loads other data beside its own does so in a keyspace of the same form (Fresh). When that is complete the
// two exchange their data at once (Exchange), however much it is, and the other one is closed. The same way everything
// is forgotten at once: by exchange with an empty keyspace, of which the memory goes back to the system as a whole.

// Fresh makes an empty keyspace of the same form: as many shards and databases, the same hash. See Like for its settings.
func (ks *Keyspace) Fresh(seed uint64) (*Keyspace, error) {
	o := ks.opt
	o.Seed = seed
	return New(o)
}

// Like gives a keyspace that is not shared yet the settings that another one has now. Nobody changes those meanwhile; later each
// of the two has its own.
func (ks *Keyspace) Like(o *Keyspace) {
	*ks.Limits = *o.Limits
	ks.Clock, ks.Policy, ks.LazyFree, ks.BySize = o.Clock, o.Policy, o.LazyFree, o.BySize
}

// Exchange gives each of two keyspaces of the same form the data of the other. What the server keeps for a shard, its
// settings, its statistics and who wants to hear of changes stay. All shards of both are held, none is in a walk, and nobody stages
// look-ups meanwhile.
func (ks *Keyspace) Exchange(o *Keyspace) {
	if len(ks.shards) != len(o.shards) || ks.databases != o.databases {
		panic(fmt.Sprintf("assertion failed: keyspaces of %d and %d shards are exchanged", len(ks.shards), len(o.shards)))
	}
	for i, a := range ks.shards {
		b := o.shards[i]
		if a.walk != nil || b.walk != nil {
			panic("assertion failed: a shard is exchanged in a walk")
		}
		a.leaveCopies()
		b.leaveCopies()
		a.SyncUsed()
		b.SyncUsed()
		a.arena, b.arena = b.arena, a.arena
		a.env, b.env = b.env, a.env
		a.env.Rand, b.env.Rand = b.env.Rand, a.env.Rand
		a.env.Limits, b.env.Limits = b.env.Limits, a.env.Limits
		a.env.Bury, b.env.Bury = b.env.Bury, a.env.Bury
		a.dbs, b.dbs = b.dbs, a.dbs
		a.made, b.made = b.made, a.made
		a.grave, b.grave = b.grave, a.grave
		a.shadow, b.shadow = b.shadow, a.shadow
		a.lastUsed, b.lastUsed = b.lastUsed, a.lastUsed
		a.lastHeld, b.lastHeld = b.lastHeld, a.lastHeld
		due := a.lastDue
		a.setDue(b.lastDue)
		b.setDue(due)
		a.peeked, b.peeked = item{}, item{}
		a.defrag = defrag{stats: a.defrag.stats}
		b.defrag = defrag{stats: b.defrag.stats}
		a.noteGrave()
		b.noteGrave()
		for n := range a.dbs {
			a.dbs[n].gen++
			b.dbs[n].gen++
		}
	}
	away := ks.strays.Load()
	ks.strays.Store(o.strays.Load())
	o.strays.Store(away)
	ks.forgetKeys()
	o.forgetKeys()
	used := ks.used.Load()
	ks.used.Store(o.used.Load())
	o.used.Store(used)
	shadow := ks.shadow.Load()
	ks.shadow.Store(o.shadow.Load())
	o.shadow.Store(shadow)
	held := ks.resident.Load()
	ks.resident.Store(o.resident.Load())
	o.resident.Store(held)
	ks.wakeSweeper()
}

// wakeSweeper lets who sweeps look again.
func (ks *Keyspace) wakeSweeper() {
	select {
	case ks.wake <- struct{}{}:
	default:
	}
}
