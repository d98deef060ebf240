package keyspace

import (
	"encoding/binary"

	"larder/datatypes/arena"
)

// Squeeze makes the next shard in turn hold less memory without giving up data: it gives free pages back, or else moves
// the entries of a sparse slab together so that there are some. The view holds no shard. It returns whether it got anywhere.
// It is for when memory is short now; defragmentation does the same for more and at leisure.
//
// Where nothing was gained the next calls do nothing, twice as many each time: at the limit, with values of one size, shards are
// as dense as they get, and every write would look at some of them again. That ends when what has left meanwhile has made
// room in the pages.
func (v *View) Squeeze() bool {
	ks := v.ks
	if ks.squeezeRest.Load() > 0 && ks.gaps()-ks.squeezeGaps.Load() < squeezeWorth {
		ks.squeezeRest.Add(-1)
		return false
	}
	for range min(squeezeShards, len(ks.shards)) {
		i := int(ks.squeezeTurn.Add(1)) & (len(ks.shards) - 1)
		if !v.TakeUnless(1<<i, v.GiveUp) {
			return false
		}
		s := ks.shards[i]
		had := s.arena.ResidentBytes()
		gained := false
		for range squeezeSlabs {
			freed, tried := s.arena.Squeeze(s.moveEntry)
			if gained = gained || freed; freed || !tried {
				break
			}
		}
		s.arena.Trim(0, squeezeTrim)
		gained = gained || s.arena.ResidentBytes() < had
		v.Release()
		if gained {
			ks.squeezeIdle.Store(0)
			return true
		}
	}
	idle := min(2*ks.squeezeIdle.Load()+1, squeezeIdleMost)
	ks.squeezeIdle.Store(idle)
	ks.squeezeRest.Store(idle)
	ks.squeezeGaps.Store(ks.gaps())
	return false
}

// gaps is what of the pages holds no data, in bytes.
func (ks *Keyspace) gaps() int64 { return ks.Resident() - ks.Used() }

const (
	squeezeShards = 4       // shards that are asked before it is given up
	squeezeSlabs  = 3       // slabs of one that are tried
	squeezeTrim   = 1 << 20 // bytes given back at once

	squeezeIdleMost = 63       // calls that do nothing after one without gain,
	squeezeWorth    = 64 << 10 // unless gaps have become larger by so many bytes
)

// moveEntry moves the allocation r of a slab, if it is an entry: it is if the table of a database names it under the key
// that would stand there.
func (s *Shard) moveEntry(r arena.Ref, slot int) bool {
	b := s.arena.Bytes(r, slot)
	if slot < 8 {
		return false
	}
	k, n := binary.Uvarint(b[4:])
	if n <= 0 || k > uint64(slot) {
		return false
	}
	val, m := binary.Uvarint(b[4+n:])
	if m <= 0 || val > uint64(slot) {
		return false
	}
	off := 4 + n + m
	if b[0]&ttlBit != 0 {
		off += 8
	}
	size := off + int(k) + int(val)
	if size > slot {
		return false
	}
	key := b[off : off+int(k)]
	h := s.ks.hash(key)
	for i := range s.dbs {
		d := &s.dbs[i]
		if !d.ready {
			continue
		}
		if at, ok := d.t.Find(h, key); ok && d.t.Entry(at) == r {
			e := s.arena.Move(r, size)
			if e != r {
				d.t.SetEntry(at, e)
				d.gen++
			}
			return e != r
		}
	}
	return false
}
