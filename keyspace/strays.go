package keyspace

import (
	"maps"

	"larder/datatypes"
)

// A key belongs to the shard that its hash names, its home, and each shard has memory of its own. So a value that is renamed to
// a key of another shard would have to be copied, which for a million elements takes a good part of a second, while RENAME is
// what puts a large value in the place of another at once. Such a value stays where it is, and its new key is a stray:
// a small map, which ShardOf asks, says in which shard it is.
//
//	RENAME new live      "new" is in shard 3, its home; the home of "live" is shard 12
//	strays               hash of "live" → shard 3
//
// That goes by the hash alone, so it holds for the key in all databases, and stays for as long as there is any such key, and
// a while longer. The map changes only in a stopped world with all shards held: whoever has asked ShardOf, and then takes
// that shard, is never somewhere in between. It is not saved: what a snapshot brings is at home, and who replays a log makes
// the strays that its RENAMEs ask for.
//
// A walk of SCAN finds a stray in the shard where it is. If there was another value at the key before, at home, then SCAN may
// meet the key twice, or not at all if it is replaced in the midst of the walk: what was there is not there any more.
type strays map[uint64]Stray

// A Stray is a key that does not stand in the shard that its hash names.
type Stray struct {
	Key   string
	Shard int
}

const (
	straysMost = 4096     // each change copies the map
	strayLeast = 64 << 10 // Keyspace.StrayLeast, unless a test has set it
	strayText  = 16       // a string of so many times that is copied as fast

	copySamples = 64 // elements from which the size of a collection is estimated
)

// ShardOf is the shard of a key with the hash h. It may change only in a stopped world.
func (ks *Keyspace) ShardOf(h uint64) int {
	if m := ks.strays.Load(); m != nil {
		if s, ok := (*m)[h]; ok {
			return s.Shard
		}
	}
	return ks.home(h)
}

// home is the shard that a hash names. The multiplication keeps the choice independent of the bits by which the tables place
// entries: all of h has a part in the result.
func (ks *Keyspace) home(h uint64) int {
	return int(h * 0x9e3779b97f4a7c15 >> (64 - ks.shardBits))
}

// Strays are the keys that are not at home. The map must not be changed.
func (ks *Keyspace) Strays() map[uint64]Stray {
	if m := ks.strays.Load(); m != nil {
		return *m
	}
	return nil
}

// setStrays replaces the map. All shards are held, in a stopped world.
func (ks *Keyspace) setStrays(m strays) {
	if len(m) == 0 {
		ks.strays.Store(nil)
		return
	}
	ks.strays.Store(&m)
}

// Far tells whether Rename of src to dst has to copy a value that takes long, which making dst a stray would save. Both shards
// are held. It takes time for some elements of the value.
func (v *View) Far(src, dst []byte) bool {
	it, ok := v.find(src)
	h := v.hashOf(dst)
	to := v.ks.ShardOf(h)
	if !ok || it.sh.id == to || len(v.ks.Strays()) >= straysMost || v.ks.shards[to].hasOutside(v.DB, h, dst) {
		return false
	}
	if it.h.typ() == datatypes.TypeString {
		return it.memory(1)/strayText >= v.ks.StrayLeast
	}
	return it.memory(copySamples) >= v.ks.StrayLeast
}

// stray makes dst, which is in no database any more, a key of shard to. All shards are held, in a stopped world.
func (v *View) stray(dst []byte, to int) {
	h, old := v.hashOf(dst), v.ks.Strays()
	from := v.ks.ShardOf(h)
	if v.ks.shards[from].hasOutside(-1, h, dst) {
		panic("assertion failed: a key that becomes a stray is still there")
	}
	m := make(strays, len(old)+1)
	maps.Copy(m, old)
	if to == v.ks.home(h) {
		delete(m, h)
	} else {
		m[h] = Stray{string(dst), to}
	}
	v.ks.setStrays(m)
	v.Strayed(string(dst), from, to)
}

// hasOutside tells whether the shard has a key in any database but one, its time may be over.
func (s *Shard) hasOutside(db int, h uint64, key []byte) bool {
	for i := range s.dbs {
		if d := &s.dbs[i]; d.ready && i != db {
			if _, ok := d.t.Find(h, key); ok {
				return true
			}
		}
	}
	return false
}

// Lost tells whether a stray is in no database any more. Its shard is held.
func (ks *Keyspace) Lost(h uint64, s Stray) bool {
	return !ks.shards[s.Shard].hasOutside(-1, h, []byte(s.Key))
}

// ForgetStrays sends the keys home that are in no database any more. All shards are held, in a stopped world.
func (v *View) ForgetStrays() {
	old := v.ks.Strays()
	m := strays{}
	for h, s := range old {
		if !v.ks.Lost(h, s) {
			m[h] = s
		}
	}
	v.ks.setStrays(m)
	for h, s := range old {
		if _, stays := m[h]; !stays {
			v.Strayed(s.Key, s.Shard, v.ks.home(h))
		}
	}
}
