package keyspace

import (
	"larder/datatypes"
	"larder/datatypes/arena"
)

// embeddedMax is the longest string that Redis stores together with its object and calls embstr.
const embeddedMax = 44

// collection is what all types but strings can say about themselves.
type collection interface {
	Encoding() string
	Bytes(samples int) int
}

// collection binds the entry's value for reading; nil for a string.
func (it *item) collection() collection {
	env, h := &it.sh.env, peek{it}
	switch it.h.typ() {
	case datatypes.TypeHash:
		x := new(datatypes.Hash)
		x.Bind(env, h)
		return x
	case datatypes.TypeSet:
		x := new(datatypes.Set)
		x.Bind(env, h)
		return x
	case datatypes.TypeList:
		x := new(datatypes.List)
		x.Bind(env, h)
		return x
	case datatypes.TypeZSet:
		x := new(datatypes.ZSet)
		x.Bind(env, h)
		return x
	case datatypes.TypeStream:
		x := new(datatypes.Stream)
		x.Bind(env, h)
		return x
	}
	return nil
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
	n := slotBytes + arena.RoundUp(it.h.size())
	if it.h.far() {
		n += arena.RoundUp(getFar(it.bytes()[it.h.valOff():]).cap)
	}
	if x := it.collection(); x != nil {
		n += x.Bytes(samples)
	}
	return n, true
}
