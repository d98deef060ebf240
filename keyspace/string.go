package keyspace

import (
	"encoding/binary"
	"strconv"

	"larder/datatypes"
	"larder/datatypes/arena"
)

// Status is the outcome of looking a key up as one type.
type Status uint8

// The outcomes.
const (
	Missing Status = iota
	Found
	WrongType
)

// String reads the string at key. The bytes are valid until the next call of String for an integer value, the next
// change of the shard, or the end of the command.
func (v *View) String(key []byte) ([]byte, Status) {
	var it item
	if !v.look(&it, key) {
		return nil, Missing
	}
	return v.text(&it)
}

// PeekString is String without a trace: no hit, no miss, no access.
func (v *View) PeekString(key []byte) ([]byte, Status) {
	var it item
	if !v.seek(&it, key) {
		return nil, Missing
	}
	return v.text(&it)
}

func (v *View) text(it *item) ([]byte, Status) {
	if it.h.typ() != datatypes.TypeString {
		return nil, WrongType
	}
	if it.h.enc() == datatypes.EncInt {
		return strconv.AppendInt(v.num[:0], getInt(it.value()), 10), Found
	}
	return it.value(), Found
}

// Integer reads the integer at key, to change it. isInt tells whether the value is stored as one; if not, text is the string.
func (v *View) Integer(key []byte) (n int64, text []byte, isInt bool, st Status) {
	var it item
	if !v.meet(&it, key) {
		return 0, nil, false, Missing
	}
	if it.h.typ() == datatypes.TypeString && it.h.enc() == datatypes.EncInt {
		return getInt(it.value()), nil, true, Found
	}
	text, st = v.text(&it)
	return 0, text, false, st
}

// KeepTTL as an expiry leaves that of the key as it is.
const KeepTTL int64 = -1

// SetString makes key the string val, whatever it was. at_ms is its absolute expiry, 0 for none, or KeepTTL. val may
// not be memory of the shard.
func (v *View) SetString(key, val []byte, at_ms int64) {
	var num [8]byte
	enc, body := datatypes.EncBlob, val
	if n, ok := datatypes.ParseInt(val); ok {
		enc, body = datatypes.EncInt, putInt(&num, n)
	}
	v.store(key, flagsOf(datatypes.TypeString, enc), body, at_ms, false)
}

// SetText is SetString, of a key that Integer has met, for a text that stays one even if it reads as an integer (INCRBYFLOAT).
func (v *View) SetText(key, val []byte, at_ms int64) {
	v.store(key, flagsOf(datatypes.TypeString, datatypes.EncBlob), val, at_ms, true)
}

// SetInteger makes key, which Integer has met, the integer n, keeping its expiry.
func (v *View) SetInteger(key []byte, n int64) {
	var num [8]byte
	v.store(key, flagsOf(datatypes.TypeString, datatypes.EncInt), putInt(&num, n), KeepTTL, true)
}

// store makes key a string. met tells that its access word was touched already.
func (v *View) store(key []byte, flags byte, body []byte, at_ms int64, met bool) {
	var it item
	ok := v.seek(&it, key)
	if at_ms == KeepTTL {
		at_ms = 0
		if ok {
			at_ms = it.expire()
		}
	}
	if !ok {
		if len(body) > farMin {
			it = v.insert(key, flags|farBit, farSize, at_ms)
			newFar(it.sh.arena, body, len(body)).put(it.bytes()[it.h.valOff():])
			return
		}
		it = v.insert(key, flags, len(body), at_ms)
		copy(it.bytes()[it.h.valOff():], body)
		return
	}
	it.before()
	it.leaves()
	a := it.sh.arena
	lasted := !it.h.ttl()
	if it.h.flags == flags && len(body) == it.h.valLen && at_ms == 0 {
		copy(it.bytes()[it.h.valOff():], body) // the common case: same shape, in place
	} else {
		it.sh.freeValue(it.h, it.e)
		if it.h.sub() {
			it.d.subs--
		}
		had := it.h.flags & ttlBit
		listed := it.d.t.Volatile(it.slot) // a hash may have been because of its fields
		it.h.flags = flags | had
		if len(body) > farMin {
			it.h.flags |= farBit
			it.rebuild(farSize, at_ms)
			newFar(a, body, len(body)).put(it.bytes()[it.h.valOff():])
		} else {
			it.rebuild(len(body), at_ms)
			copy(it.bytes()[it.h.valOff():], body)
		}
		if at_ms != 0 || listed {
			it.d.t.SetExpire(it.slot, at_ms)
			it.sh.dueAt(at_ms)
		}
	}
	v.noticed(&it, key)
	if !met {
		putAccess(it.bytes(), v.overwritten(&it, key))
	}
	if lasted && at_ms != 0 {
		v.mayLeaveNow(&it)
	}
}

// overwritten is the access word of a key whose value was replaced: a use, as in Redis. An LFU counter lives on.
func (v *View) overwritten(it *item, key []byte) uint32 {
	word := access(it.bytes())
	switch {
	case v.NoTouch:
		return word
	case v.ks.Clock.LFU, v.ks.Clock.FIFO:
		return v.touched(it, key, word)
	}
	return v.ks.Clock.New(v.Now)
}

// newFar allocates a far value of the given capacity that holds body.
func newFar(a *arena.Arena, body []byte, capacity int) far {
	f := far{ref: a.Alloc(capacity), len: len(body), cap: capacity}
	copy(a.Bytes(f.ref, capacity), body)
	return f
}

// getInt reads the shortest little-endian two's complement form.
func getInt(b []byte) int64 {
	if len(b) == 8 {
		return int64(binary.LittleEndian.Uint64(b))
	}
	var u uint64
	for i, c := range b {
		u |= uint64(c) << (8 * i)
	}
	shift := 64 - 8*uint(len(b))
	return int64(u<<shift) >> shift
}

// putInt writes n in its shortest form.
func putInt(b *[8]byte, n int64) []byte {
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	size := 1
	for size < 8 {
		shift := 64 - 8*uint(size)
		if n<<shift>>shift == n {
			break
		}
		size++
	}
	return b[:size]
}
