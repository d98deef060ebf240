package keyspace

import (
	"cmp"
	"slices"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
	"larder/eviction"
)

// Each shard knows the keys that are used most, see eviction.Hot, and those that take most memory. For the latter
// LookForBig goes over the keys again and again while there is time, and remembers the largest ones of the round.

// noticed counts a use of a key.
func (v *View) noticed(it *item, key []byte) {
	if h := &it.sh.hot; h.Due() {
		h.Note(v.hashOf(key), v.DB, key, v.Now, v.random())
	}
}

// HotKeys is the keys of the shard that are used most, in no order. Those that are gone are left out.
func (s *Shard) HotKeys(now_ms int64) []eviction.HotKey {
	return slices.DeleteFunc(s.hot.List(now_ms), func(k eviction.HotKey) bool { return !k.Cut && !s.Has(k.DB, k.Key, now_ms) })
}

// ForgetHotKeys begins anew.
func (s *Shard) ForgetHotKeys() { s.hot = eviction.Hot{} }

// BigKey is a key that takes much memory.
type BigKey struct {
	DB    int
	Key   []byte // the first bytes of it, if it is very long
	Cut   bool   // it is
	Type  datatypes.Type
	Bytes int // about

	hash uint64
}

// big is how far the search for big keys has come.
type big struct {
	found []BigKey // in this round
	last  []BigKey // in the round before
	db    int
	next  uint64 // cursor of its table
	mark  int64  // what the shard was like when the round began: if it still is, there is nothing to look for
	seen  int64  // the mark of the last round that was completed
}

const (
	bigKeys     = 32
	bigKeyBytes = 512 // of a key that are remembered
)

// mark is different when much has changed.
func (s *Shard) mark() int64 {
	n := s.arena.LiveBytes()
	for i := range s.dbs {
		n = n*31 + int64(s.dbs[i].gen)
	}
	return n
}

// LookForBig goes on looking for big keys: at those of one segment of a table. It tells whether the round goes on.
func (s *Shard) LookForBig() (more bool) {
	b := &s.big
	if b.db == 0 && b.next == 0 {
		if b.mark = s.mark(); b.mark == b.seen {
			return false
		}
	}
	for ; b.db < len(s.dbs); b.db++ {
		d := &s.dbs[b.db]
		if !d.ready {
			continue
		}
		b.next = d.t.EachFrom(b.next, 1, func(slot table.Slot, e arena.Ref) { s.weigh(d, slot, e) })
		if b.next == 0 {
			b.db++
		}
		break
	}
	if b.db < len(s.dbs) {
		return true
	}
	b.seen, b.db = b.mark, 0
	b.last, b.found = b.found, b.last[:0]
	return false
}

// weigh notes a key if it is one of the largest so far.
func (s *Shard) weigh(d *database, slot table.Slot, e arena.Ref) {
	b := &s.big
	it := item{sh: s, d: d, slot: slot, e: e, h: parse(s.arena, e)}
	n := 0
	if it.h.enc() == datatypes.EncRoot {
		n = it.copied().memory(bigSamples)
	} else {
		n = it.ownMemory()
	}
	if len(b.found) == bigKeys && n <= b.found[bigKeys-1].Bytes {
		return
	}
	at, _ := slices.BinarySearchFunc(b.found, n, func(k BigKey, n int) int { return cmp.Compare(n, k.Bytes) })
	if len(b.found) == bigKeys {
		b.found = b.found[:bigKeys-1]
	}
	key := it.key()
	k := BigKey{DB: b.db, Key: slices.Clone(key[:min(len(key), bigKeyBytes)]), Cut: len(key) > bigKeyBytes, Type: it.h.typ(), Bytes: n}
	if k.Cut {
		k.hash = s.ks.hash(key)
	}
	b.found = slices.Insert(b.found, at, k)
}

// findBig finds a key that was weighed, if it is still there.
func (s *Shard) findBig(k *BigKey, now_ms int64) (it item, ok bool) {
	it.sh, it.d = s, &s.dbs[k.DB]
	if !it.d.ready {
		return it, false
	}
	if k.Cut {
		it.d.t.FindHash(k.hash, func(slot table.Slot, e arena.Ref) {
			found := item{sh: s, d: it.d, slot: slot, e: e, h: parse(s.arena, e)}
			if s.ks.hash(found.key()) == k.hash {
				it, ok = found, true
			}
		})
	} else if it.slot, ok = it.d.t.Find(s.ks.hash(k.Key), k.Key); ok {
		it.e = it.d.t.Entry(it.slot)
		it.h = parse(s.arena, it.e)
	}
	if !ok {
		return it, false
	}
	at := it.expire()
	return it, at == 0 || at >= now_ms
}

// bigSamples is how many elements of a collection are looked at.
const bigSamples = 5

// BigKeys is the largest keys of the shard as far as they are known, the largest first, with what they take now.
func (s *Shard) BigKeys(now_ms int64) []BigKey {
	var list []BigKey
	for _, k := range slices.Concat(s.big.last, s.big.found) {
		if slices.ContainsFunc(list, func(o BigKey) bool { return o.DB == k.DB && o.hash == k.hash && string(o.Key) == string(k.Key) }) {
			continue
		}
		it, ok := s.findBig(&k, now_ms)
		if !ok {
			continue
		}
		k.Type, k.Bytes = it.h.typ(), it.memory(bigSamples)
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b BigKey) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return list[:min(len(list), bigKeys)]
}
