package keyspace

import (
	"encoding/binary"

	"larder/datatypes"
	"larder/datatypes/arena"
)

// typed is one value of each type, bound to a handle when the handle is opened as that type.
type typed struct {
	hash datatypes.Hash
	set  datatypes.Set
	list datatypes.List
	zset datatypes.ZSet

	stream datatypes.Stream
}

// ReadHash gives the hash at key: an empty one if there is none.
func (v *View) ReadHash(key []byte) (*datatypes.Hash, Status) { return v.openHash(key, false) }

// EditHash gives the hash at key for editing. It comes into being with its first field and goes with its last.
func (v *View) EditHash(key []byte) (*datatypes.Hash, Status) { return v.openHash(key, true) }

func (v *View) openHash(key []byte, edit bool) (*datatypes.Hash, Status) {
	h, st := v.open(key, datatypes.TypeHash, edit)
	if st == WrongType {
		return nil, st
	}
	h.hash.Bind(h.Env(), h)
	return &h.hash, st
}

// Field reads one field of the hash at key, for commands that look at very many hashes: it keeps no handle.
func (v *View) Field(key, field []byte) ([]byte, bool) {
	h, st := v.openHash(key, false)
	if st != Found {
		if st == Missing {
			v.used--
		}
		return nil, false
	}
	v.used--
	return h.Get(field, v.FieldNow())
}

// ReadSet gives the set at key: an empty one if there is none.
func (v *View) ReadSet(key []byte) (*datatypes.Set, Status) { return v.openSet(key, false) }

// EditSet gives the set at key for editing. It comes into being with its first member and goes with its last.
func (v *View) EditSet(key []byte) (*datatypes.Set, Status) { return v.openSet(key, true) }

func (v *View) openSet(key []byte, edit bool) (*datatypes.Set, Status) {
	h, st := v.open(key, datatypes.TypeSet, edit)
	if st == WrongType {
		return nil, st
	}
	h.set.Bind(h.Env(), h)
	return &h.set, st
}

// ReadList gives the list at key: an empty one if there is none.
func (v *View) ReadList(key []byte) (*datatypes.List, Status) { return v.openList(key, false) }

// EditList gives the list at key for editing. It comes into being with its first item and goes with its last.
func (v *View) EditList(key []byte) (*datatypes.List, Status) { return v.openList(key, true) }

func (v *View) openList(key []byte, edit bool) (*datatypes.List, Status) {
	h, st := v.open(key, datatypes.TypeList, edit)
	if st == WrongType {
		return nil, st
	}
	h.list.Bind(h.Env(), h)
	return &h.list, st
}

// PeekList is ReadList without a trace. There is a list at key.
func (v *View) PeekList(key []byte) *datatypes.List {
	h := v.source(key, datatypes.TypeList)
	h.list.Bind(h.Env(), h)
	return &h.list
}

// ReadZSet gives the sorted set at key: an empty one if there is none.
func (v *View) ReadZSet(key []byte) (*datatypes.ZSet, Status) { return v.openZSet(key, false) }

// EditZSet gives the sorted set at key for editing. It comes into being with its first member and goes with its last.
func (v *View) EditZSet(key []byte) (*datatypes.ZSet, Status) { return v.openZSet(key, true) }

func (v *View) openZSet(key []byte, edit bool) (*datatypes.ZSet, Status) {
	h, st := v.open(key, datatypes.TypeZSet, edit)
	if st == WrongType {
		return nil, st
	}
	h.zset.Bind(h.Env(), h)
	return &h.zset, st
}

// ReadStream gives the stream at key: an empty one if there is none.
func (v *View) ReadStream(key []byte) (*datatypes.Stream, Status) { return v.openStream(key, false) }

// EditStream gives the stream at key for editing. It comes into being with its first entry or group, and stays when it
// is empty.
func (v *View) EditStream(key []byte) (*datatypes.Stream, Status) { return v.openStream(key, true) }

func (v *View) openStream(key []byte, edit bool) (*datatypes.Stream, Status) {
	h, st := v.open(key, datatypes.TypeStream, edit)
	if st == WrongType {
		return nil, st
	}
	h.stream.Bind(h.Env(), h)
	return &h.stream, st
}

// EnvOf is what values at key would share with others: for a result that is to be installed there.
func (v *View) EnvOf(key []byte) *datatypes.Env { return v.ShardOf(key).Env() }

// Install makes key the value that m holds, made in the Env that EnvOf names, whatever it was before; the key has no
// expiry then. A value without bytes only removes the key. It tells whether there was one.
func (v *View) Install(key []byte, t datatypes.Type, m *datatypes.MemHolder) (was bool) {
	if len(m.Bytes()) == 0 {
		return v.Delete(key)
	}
	was = v.Replace(key)
	h, _ := v.open(key, t, true)
	h.SetEnc(m.Enc())
	copy(h.Resize(len(m.Bytes())), m.Bytes())
	return was
}

// Discard gives back what a result that was made in the Env of key, and not installed, has in the arena.
func (v *View) Discard(key []byte, t datatypes.Type, m *datatypes.MemHolder) {
	if m.Enc() == datatypes.EncRoot {
		v.ShardOf(key).bury(t, arena.Ref(binary.LittleEndian.Uint32(m.Bytes())))
	}
}

// fieldsDue is the earliest expiry of the fields of a hash entry in Unix milliseconds, 0 if none has one or the entry
// is not a hash.
func (it *item) fieldsDue() int64 {
	if it.h.typ() != datatypes.TypeHash || it.h.enc() == datatypes.EncBlob {
		return 0
	}
	var x datatypes.Hash
	it.sh.peeked = *it // it itself would escape to the heap
	x.Bind(&it.sh.env, peek{&it.sh.peeked})
	return x.MinExpire()
}

// due is when the sweep has to look at an entry: at its own expiry or that of its first field, whichever is earlier. 0 is
// never.
func (it *item) due() int64 { return it.dueWith(it.fieldsDue()) }

func (it *item) dueWith(field int64) int64 {
	own := it.expire()
	if own == 0 || field != 0 && field < own {
		return field
	}
	return own
}

// noteDue tells the table when the entry is due, after its own expiry or its value changed, and counts hashes of which a
// field has an expiry.
func (it *item) noteDue() {
	field := it.fieldsDue()
	if sub := field != 0; sub != it.h.sub() {
		it.h.flags ^= subBit
		it.bytes()[0] = it.h.flags
		it.d.gen++ // who has looked the entry up has other flags
		if sub {
			it.d.subs++
		} else {
			it.d.subs--
		}
	}
	at_ms := it.dueWith(field)
	it.d.t.SetExpire(it.slot, at_ms)
	it.sh.dueAt(at_ms)
}

// peek is a Holder of an entry's value that is only read.
type peek struct{ it *item }

func (p peek) Enc() datatypes.Enc   { return p.it.h.enc() }
func (p peek) SetEnc(datatypes.Enc) { panic("assertion failed: a value that is only read was changed") }
func (p peek) Before([]byte)        {}
func (p peek) Bytes() []byte        { return p.it.value() }
func (p peek) Resize(n int) []byte  { panic("assertion failed: a value that is only read was changed") }
