package keyspace

import (
	"larder/datatypes"
	"larder/datatypes/arena"
)

// embeddedMax is the longest string that Redis stores together with its object and calls embstr.
const embeddedMax = 44

// Encoding is the name that OBJECT ENCODING reports for the value at key. It leaves no trace of an access.
func (v *View) Encoding(key []byte) (string, bool) {
	it, ok := v.find(key)
	if !ok {
		return "", false
	}
	switch it.h.typ() {
	case datatypes.TypeString:
		switch {
		case it.h.enc() == datatypes.EncInt:
			return "int", true
		case it.h.enc() == datatypes.EncRaw || it.info().Size > embeddedMax:
			return "raw", true
		}
		return "embstr", true
	case datatypes.TypeHash:
		var x datatypes.Hash
		x.Bind(&it.sh.env, peek{&it})
		return x.Encoding(), true
	case datatypes.TypeSet:
		var x datatypes.Set
		x.Bind(&it.sh.env, peek{&it})
		return x.Encoding(), true
	case datatypes.TypeList:
		var x datatypes.List
		x.Bind(&it.sh.env, peek{&it})
		return x.Encoding(), true
	}
	panic("assertion failed: no encoding of type " + it.h.typ().String())
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
	n := slotBytes + arena.RoundUp(it.h.size())
	if it.h.far() {
		n += arena.RoundUp(getFar(it.bytes()[it.h.valOff():]).cap)
	}
	switch it.h.typ() {
	case datatypes.TypeHash:
		var x datatypes.Hash
		x.Bind(&it.sh.env, peek{&it})
		n += x.Bytes(samples)
	case datatypes.TypeSet:
		var x datatypes.Set
		x.Bind(&it.sh.env, peek{&it})
		n += x.Bytes(samples)
	case datatypes.TypeList:
		var x datatypes.List
		x.Bind(&it.sh.env, peek{&it})
		n += x.Bytes(samples)
	}
	return n, true
}
