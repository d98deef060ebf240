package keyspace

import (
	"math/bits"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// An Entry is a key with its value, as who writes values to a file sees them. It is valid until the next change of its
// shard.
type Entry struct{ it item }

// Key is the key.
func (e *Entry) Key() []byte { return e.it.key() }

// Type is the type of the value.
func (e *Entry) Type() datatypes.Type { return e.it.h.typ() }

// Expire_ms is the key's absolute expiry, 0 if it has none.
func (e *Entry) Expire_ms() int64 { return e.it.expire() }

// Access is the key's access word; see package eviction.
func (e *Entry) Access() uint32 { return access(e.it.bytes()) }

// Memory is about how many bytes the entry takes.
func (e *Entry) Memory() int { return e.it.memory(entrySamples) }

// entrySamples is how many elements of a large collection Memory looks at.
const entrySamples = 5

// Holder is where the value lives. It is only read.
func (e *Entry) Holder() datatypes.Holder { return peek{&e.it} }

// Env is what the value shares with the others of its shard.
func (e *Entry) Env() *datatypes.Env { return &e.it.sh.env }

// Read finds the value at key, of any type, and counts as a read of it.
func (v *View) Read(key []byte) (Entry, bool) {
	var e Entry
	ok := v.look(&e.it, key)
	return e, ok
}

// Peek is Read without a trace: neither a hit or a miss is counted nor the access word touched.
func (v *View) Peek(key []byte) (Entry, bool) {
	it, ok := v.find(key)
	return Entry{it}, ok
}

// Entries calls fn with every entry of database db, those included whose time is over, until fn returns false. The
// shard is held; fn may not change it. The same Entry is given each time.
func (s *Shard) Entries(db int, fn func(*Entry) bool) {
	d := &s.dbs[db]
	if !d.ready {
		return
	}
	e := &Entry{item{sh: s, d: d}}
	d.t.Each(func(slot table.Slot, r arena.Ref) bool {
		e.it.slot, e.it.e, e.it.h = slot, r, parse(s.arena, r)
		return fn(e)
	})
}

// A Loaded says how a key comes into being with what a file or a payload tells about it.
type Loaded struct {
	Expire_ms int64  // absolute, 0 for none
	Access    uint32 // see package eviction
	HasAccess bool   // Access is known; else it is that of a new key
}

// LoadString makes key, which is not there, the string val. It is no change that anybody hears of but who is told of new
// keys.
func (v *View) LoadString(key, val []byte, how Loaded) {
	var num [8]byte
	enc, body := datatypes.EncBlob, val
	if n, ok := datatypes.ParseInt(val); ok {
		enc, body = datatypes.EncInt, putInt(&num, n)
	}
	v.load(key, datatypes.TypeString, enc, body, how)
}

// LoadBytes makes key, which is not there, a string of n bytes that are undefined, and returns them to be filled. If
// that fails the key has to be deleted.
func (v *View) LoadBytes(key []byte, n int, how Loaded) []byte {
	it := v.loadEntry(key, flagsOf(datatypes.TypeString, datatypes.EncBlob), n, how)
	return it.value()
}

// Load makes key, which is not there, the value of type t that h holds, made in the Env that EnvOf names, as LoadString
// does with strings. The value has bytes, and what they name belongs to the key from now on.
func (v *View) Load(key []byte, t datatypes.Type, h datatypes.Holder, how Loaded) {
	v.load(key, t, h.Enc(), h.Bytes(), how)
}

func (v *View) load(key []byte, t datatypes.Type, enc datatypes.Enc, body []byte, how Loaded) {
	it := v.loadEntry(key, flagsOf(t, enc), len(body), how)
	copy(it.value(), body)
	if t == datatypes.TypeHash {
		it.noteDue() // fields may expire before the key does
	}
}

func (v *View) loadEntry(key []byte, flags byte, n int, how Loaded) item {
	var it item
	if n > farMin {
		it = v.insert(key, flags|farBit, farSize, how.Expire_ms)
		a := it.sh.arena
		f := far{ref: a.Alloc(n), len: n, cap: n}
		f.put(it.bytes()[it.h.valOff():])
	} else {
		it = v.insert(key, flags, n, how.Expire_ms)
	}
	if how.HasAccess {
		putAccess(it.bytes(), how.Access)
	}
	return it
}

// ReserveFor makes sure that the shard of key can take n bytes more; see Keyspace.Reserve.
func (v *View) ReserveFor(key []byte, n int) bool {
	return v.ks.Reserve(1<<v.ks.ShardOf(v.hashOf(key)), n)
}

// ReservePartsFor is ReserveFor for n bytes in many small allocations; see arena.ReserveParts.
func (v *View) ReservePartsFor(key []byte, n int) bool {
	return v.ks.shards[v.ks.ShardOf(v.hashOf(key))].arena.ReserveParts(reserveSlack, n)
}

// Counts is the number of keys of database db in the shards of s, and of those that have an expiry.
func (ks *Keyspace) Counts(s Set, db int) (keys, volatile int) {
	for ; s != 0; s &= s - 1 {
		sh := ks.shards[bits.TrailingZeros64(uint64(s))]
		keys += sh.Len(db)
		volatile += sh.Volatile(db)
	}
	return keys, volatile
}
