package keyspace

import (
	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// embeddedMax is the longest string that Redis stores together with its object and calls embstr.
const embeddedMax = 44

// collection binds the entry's value for reading; nil for a string.
func (it *item) collection() datatypes.Collection {
	return datatypes.Bind(it.h.typ(), &it.sh.env, peek{it})
}

// Encoding is the name that OBJECT ENCODING reports for the value at key. It leaves no trace of an access.
func (v *View) Encoding(key []byte) (string, bool) {
	it, ok := v.find(key)
	if !ok {
		return "", false
	}
	if x := it.collection(); x != nil {
		return x.Encoding(), true
	}
	switch {
	case it.h.enc() == datatypes.EncInt:
		return "int", true
	case it.h.enc() == datatypes.EncRaw || it.info().Size > embeddedMax:
		return "raw", true
	}
	return "embstr", true
}

// slotBytes is about what a key costs in its table: a twelfth of a bucket's line at the usual fill.
const slotBytes = 7

// Memory is the bytes that key and its value take, the key's place in the table included. What a large collection
// takes is estimated from that many of its elements, or counted entirely if samples is 0. It leaves no trace of an
// access.
func (v *View) Memory(key []byte, samples int) (bytes int, ok bool) {
	it, ok := v.find(key)
	if !ok {
		return 0, false
	}
	return it.memory(samples), true
}

// copied is the item in a place of its own, for what keeps hold of it: collections do. Whoever goes over all entries does
// not want each of their items on the heap.
func (it item) copied() *item { return &it }

// ownMemory is what the entry takes, without what a collection has elsewhere.
func (it *item) ownMemory() int {
	n := slotBytes + arena.RoundUp(it.h.size())
	if it.h.far() {
		n += arena.RoundUp(getFar(it.bytes()[it.h.valOff():]).cap)
	}
	return n
}

func (it *item) memory(samples int) int {
	n := it.ownMemory()
	if x := it.collection(); x != nil {
		n += x.Bytes(samples)
	}
	return n
}

// TableBytes is the memory that the table of database db takes, without its entries.
func (s *Shard) TableBytes(db int) int {
	if d := &s.dbs[db]; d.ready {
		return d.t.Bytes()
	}
	return 0
}

// SampleTTL looks at some keys of database db at random and adds up the milliseconds that those with an expiry have
// left. n is their number, which is not 0 as long as there is one, give or take those whose time is over.
func (s *Shard) SampleTTL(db int, rnd uint64, now_ms int64) (sum_ms int64, n int) {
	d := &s.dbs[db]
	if !d.ready || d.ttls == 0 {
		return 0, 0
	}
	add := func(_ table.Slot, e arena.Ref) {
		if at := expireOf(s.arena, e); at > now_ms {
			sum_ms += min(at-now_ms, maxTTL_ms)
			n++
		}
	}
	d.t.Sample(rnd, add)
	if n > 0 {
		return sum_ms, n
	}
	// Where few keys have an expiry chance may miss them all.
	var h table.Hand
	expiring := table.Marked{Is: func(e arena.Ref) bool { return expireOf(s.arena, e) != 0 }, Looks: looksMost}
	if slot, e, ok := d.t.Next(&h, &expiring); ok {
		add(slot, e)
	}
	return sum_ms, n
}

// maxTTL_ms bounds what one key adds: sums of many stay in 63 bits.
const maxTTL_ms = 1 << 50

// Place tells where key's entry stands: a number that stays the same while the entry is not moved. It is 0 if there is
// no such key.
func (v *View) Place(key []byte) uint64 {
	it, ok := v.find(key)
	if !ok {
		return 0
	}
	return uint64(it.sh.id)<<40 | uint64(it.e)<<3
}
