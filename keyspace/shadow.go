package keyspace

import (
	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// A table that is flushed during a walk has to stay until the walk has been through it, and so has a large value that is removed. By then it is nobody's data: where a
// process forks for its snapshot such memory is the other process's. It is the shard's shadow, and no key has to leave
// for it. How large it is nobody knows when the table is flushed, so it is weighed step by step, as it would be freed.

// weighSamples is how many elements of a large hash or set are weighed for all.
const weighSamples = 128

// Shadow is the bytes, of those in use, that are there only for a walk to show them. It may be called without holding a shard.
func (ks *Keyspace) Shadow() int64 { return ks.shadow.Load() }

// waits tells whether a walk still needs what was dropped.
func (g *dropped) waits() bool {
	return g.part != nil && !g.part.over() || g.large != nil && !g.large.done
}

// weighGrave goes on weighing what waits for a walk: a value, or the entries of one segment of a table. It returns how many it was.
func (s *Shard) weighGrave(g *dropped) (looked int) {
	if !g.table {
		g.weighed = true
		s.cast(g, min(int64(datatypes.Bind(g.typ, &s.env, rootOf(g.root)).Bytes(weighSamples)), s.arena.LiveBytes()-s.shadow))
		return weighSamples
	}
	t := table.Open(s.arena, g.root, layout{}, s.ks.hash)
	bytes := 0
	if g.cursor == 0 {
		bytes = t.Bytes()
	}
	g.cursor = t.EachFrom(g.cursor, 1, func(_ table.Slot, e arena.Ref) {
		it := item{sh: s, e: e, h: parse(s.arena, e)}
		if it.h.enc() == datatypes.EncRoot {
			bytes += it.copied().memory(weighSamples) - slotBytes
		} else {
			bytes += it.ownMemory() - slotBytes
		}
		looked++
	})
	g.weighed = g.cursor == 0
	s.cast(g, min(int64(bytes), s.arena.LiveBytes()-s.shadow))
	return looked
}

// cast makes the shadow larger by n bytes of a table, or smaller.
func (s *Shard) cast(g *dropped, n int64) {
	g.weight += n
	s.shadow += n
	s.ks.shadow.Add(n)
}

// lift takes bytes that were freed of a table out of the shadow: all of it, if nothing is left of the table. Their pages came on top
// of those that the data may have, and go back to the system at once.
func (s *Shard) lift(g *dropped, freed int64, all bool) {
	if g.weight == 0 {
		return
	}
	s.arena.Trim(0, freed)
	if all {
		freed = g.weight
	}
	s.cast(g, -min(freed, g.weight))
}

// tellOfGraves wakes who frees what was dropped, if there is something for him to do.
func (s *Shard) tellOfGraves() {
	if len(s.grave) > 0 && s.noteGrave() {
		s.ks.wakeSweeper()
	}
}
