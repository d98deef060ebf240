package keyspace

import (
	"bytes"
	"math/bits"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// Rename gives src's value, expiry and access word to dst, replacing what is there. src exists, both shards are held.
// A value that stays in its shard moves by its root; one that goes to another shard's arena is copied, if it does not become a
// stray.
func (v *View) Rename(src, dst []byte) {
	v.transfer(src, dst, v.DB, true)
}

// Move gives a key of the view's database to database db, where it must not exist. It tells whether it could.
func (v *View) Move(key []byte, db int) bool {
	if !v.Meet(key) {
		return false
	}
	from := v.DB
	v.DB = db
	taken := v.Meet(key)
	v.DB = from
	if taken {
		return false
	}
	v.transfer(key, key, db, true)
	return true
}

// Copy makes dst in database db a copy of src, replacing what is there. src exists, both shards are held. If a copy was made ahead
// that is taken.
func (v *View) Copy(src, dst []byte, db int) {
	v.transfer(src, dst, db, false)
}

// RoomFor makes sure that the value at src, which may be missing, can be copied into the shard of dst, or moved there,
// which takes no copy inside of a shard. It is false if the system refuses the memory.
func (v *View) RoomFor(src, dst []byte, move bool) bool {
	if !move && v.ready(src, dst) != nil {
		return v.ReserveFor(dst, len(dst))
	}
	it, ok := v.find(src)
	to := v.ks.ShardOf(v.hashOf(dst))
	return !ok || move && (it.sh.id == to || v.Strayed != nil && v.Far(src, dst)) || v.ks.Reserve(1<<to, it.copyRoom())
}

// copyRoom is the memory that a copy of the value takes. All elements count: a few large ones among many are not in an estimate.
func (it *item) copyRoom() int {
	n := it.memory(0)
	if it.h.enc() == datatypes.EncRoot {
		n = datatypes.CopyRoom(n)
	}
	return n
}

func (v *View) transfer(src, dst []byte, db int, move bool) {
	from := v.DB
	it, ok := v.find(src)
	if !ok {
		panic("assertion failed: the key to transfer is not there")
	}
	at_ms, word := it.expire(), access(it.bytes())
	var ahead *Copying
	if !move {
		ahead = v.ready(src, dst)
	}
	far := move && v.Strayed != nil && v.Far(src, dst)
	v.DB = db
	if old, ok := v.find(dst); ok {
		v.drop(&old)
	}
	if ahead != nil {
		ahead.place(v, dst, Loaded{Expire_ms: at_ms, Access: word, HasAccess: true})
		v.DB = from
		return
	}
	v.DB = from
	it, _ = v.find(src) // its slot may have been displaced
	if far {
		v.stray(dst, it.sh.id)
	}
	if move && it.sh.id == v.ks.ShardOf(v.hashOf(dst)) {
		// The value's own bytes name all that it owns: they are copied, the structure stays.
		flags, n := it.h.flags&^(ttlBit|subBit), it.h.valLen
		v.DB = db
		made := v.insert(dst, flags, n, at_ms)
		v.DB = from
		it, _ = v.find(src)
		copy(made.bytes()[made.h.valOff():], it.bytes()[it.h.valOff():])
		putAccess(made.bytes(), word)
		made.noteDue() // the fields of a hash may be due before the key
		it.forget()
		return
	}
	source := v.source(src, it.h.typ())
	v.DB = db
	target, _ := v.open(dst, it.h.typ(), true)
	copyValue(target, source)
	it, _ = v.find(dst)
	v.setExpire(&it, at_ms)
	putAccess(it.bytes(), word)
	v.DB = from
	if move {
		it, _ = v.find(src)
		v.drop(&it)
	}
}

// forget removes the entry but leaves what its value owns, which another entry names now.
func (it *item) forget() {
	it.before()
	if l := it.large(); l != nil {
		l.finish()
	}
	it.uncount()
	it.d.t.Delete(it.slot)
	it.d.gen++
	it.sh.arena.Free(it.e, it.h.size())
}

// copyValue makes to, which has no bytes yet, equal to from.
func copyValue(to, from *Handle) {
	enc := from.Enc()
	if enc == datatypes.EncRoot {
		datatypes.Copy(from.typ, from.Env(), from, to.Env(), to)
		return
	}
	to.SetEnc(enc)
	copy(to.Resize(len(from.Bytes())), from.Bytes())
	if len(from.Bytes()) == 0 && !to.here { // an empty string is a value too
		to.insert(0)
	}
}

// Len is the number of keys in the view's database, over the shards that it holds.
func (v *View) Len() int {
	n := 0
	v.each(v.held, func(s *Shard) { n += s.Len(v.DB) })
	return n
}

// Flush empties database db in all shards, which are held, and returns how many keys there were. The memory is given
// back step by step.
func (v *View) Flush(db int) int {
	n := 0
	from := v.DB
	v.DB = db
	v.each(v.held, func(s *Shard) {
		if v.BeforeFlush != nil {
			v.BeforeFlush(s, db, -1)
		}
		v.event(s, Flushed, nil, "")
		n += s.flush(db)
	})
	v.DB = from
	return n
}

// Bury gives back up to about budget allocations of what was dropped in the shards that are held, and tells whether there is
// more. Unless it is done in place of doing it later it is not counted in ShardStats.LazyFreed.
func (v *View) Bury(budget int, lazily bool) (more bool) {
	each := budget / max(1, bits.OnesCount64(uint64(v.held)))
	v.each(v.held, func(s *Shard) {
		counted := s.Stats.LazyFreed
		more = s.Bury(each) || more
		if !lazily {
			s.Stats.LazyFreed = counted
		}
	})
	return more
}

// Flushed tells that all data was exchanged for other data. before is called in advance, with the old data still there.
func (v *View) Flushed(before bool) {
	from := v.DB
	v.each(v.held, func(s *Shard) {
		for v.DB = 0; v.DB < v.ks.databases; v.DB++ {
			if !before {
				v.event(s, Flushed, nil, "")
			} else if v.BeforeFlush != nil {
				v.BeforeFlush(s, v.DB, -1)
			}
		}
	})
	v.DB = from
}

// Swap exchanges two databases. All shards are held.
func (v *View) Swap(i, j int) {
	v.each(v.held, func(s *Shard) {
		if v.BeforeFlush != nil {
			v.BeforeFlush(s, i, j)
			v.BeforeFlush(s, j, i)
		}
		s.swapDB(i, j)
		from := v.DB
		for _, db := range [2]int{i, j} {
			v.DB = db
			v.event(s, Swapped, nil, "")
		}
		v.DB = from
	})
}

// Random returns a key of the view's database, each with the same chance, over the shards that it holds.
func (v *View) Random(rnd func() uint64) ([]byte, bool) {
	for tries := 0; ; tries++ {
		total := v.Len()
		if total == 0 {
			return nil, false
		}
		nth := int(rnd() % uint64(total))
		var sh *Shard
		v.each(v.held, func(s *Shard) {
			if n := s.Len(v.DB); sh == nil {
				if nth < n {
					sh = s
				} else {
					nth -= n
				}
			}
		})
		d := sh.db(v.DB)
		slot, ok := d.t.Random(rnd())
		if !ok {
			return nil, false
		}
		it := item{sh: sh, d: d, slot: slot, e: d.t.Entry(slot)}
		it.h = parse(sh.arena, it.e)
		if !it.h.ttl() || !v.expired(it.expire()) {
			return it.key(), true
		}
		if !v.ServeExpired {
			v.expire(&it)
		} else if tries == 100 { // a replica whose primary is late: show one that is logically gone
			return it.key(), true
		}
	}
}

// EachKey calls fn with every key of the view's database over the shards that it holds, until fn returns false. fn
// may not add or remove keys. Keys whose time is over are noted in Lapsed.
func (v *View) EachKey(fn func(key []byte, in Info) bool) {
	for s := v.held; s != 0; s &= s - 1 {
		sh := v.ks.shards[bits.TrailingZeros64(uint64(s))]
		if sh.Len(v.DB) == 0 {
			continue
		}
		d := sh.db(v.DB)
		more := true
		d.t.Each(func(_ table.Slot, e arena.Ref) bool {
			it := item{sh: sh, d: d, e: e, h: parse(sh.arena, e)}
			if it.h.ttl() && v.expired(it.expire()) {
				v.lapsed(&it)
				return true
			}
			more = fn(it.key(), it.info())
			return more
		})
		if !more {
			return
		}
	}
}

// Scan calls fn with about count keys of the view's database and returns the cursor to go on with, 0 at the end.
// Every key that is there from the first call to the last is given at least once. It takes the one shard that the
// cursor is in by itself unless the view holds it. Keys whose time is over are noted in Lapsed.
//
// The cursor is the shard's number in the low bits and the table's cursor above them.
func (v *View) Scan(cursor uint64, count int, fn func(key []byte, in Info)) uint64 {
	for left := count; ; {
		i := int(cursor) & (len(v.ks.shards) - 1)
		at := cursor >> v.ks.shardBits
		free := v.held&(1<<i) == 0
		if free {
			v.ks.lockOne(i, v.Waits, nil)
		}
		sh := v.ks.shards[i]
		if sh.Len(v.DB) > 0 {
			d := sh.db(v.DB)
			at = d.t.Scan(at, left, func(e arena.Ref) {
				left--
				it := item{sh: sh, d: d, e: e, h: parse(sh.arena, e)}
				if !it.h.ttl() || !v.expired(it.expire()) {
					fn(it.key(), it.info())
				} else {
					v.lapsed(&it)
				}
			})
		} else {
			at = 0
		}
		if free {
			sh.mu.Unlock()
		}
		if at == 0 {
			if i++; i == len(v.ks.shards) {
				return 0
			}
		}
		cursor = at<<v.ks.shardBits | uint64(i)
		if left <= 0 {
			return cursor
		}
	}
}

// maxLapsed bounds Lapsed: the sweep removes the others.
const maxLapsed = 1000

// lapsed notes a key whose time is over for removal.
func (v *View) lapsed(it *item) {
	if !v.ServeExpired && len(v.Lapsed) < maxLapsed {
		v.Lapsed = append(v.Lapsed, Lapsed{v.DB, bytes.Clone(it.key())})
	}
}

// Type is a key's type, without touching it.
func (v *View) Type(key []byte) (datatypes.Type, bool) {
	it, ok := v.find(key)
	return it.h.typ(), ok
}
