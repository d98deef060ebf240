package datatypes

import (
	"larder/datatypes/arena"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// Hash is a hash: fields with values, of which each may expire by itself.
//
// A small hash is one listpack. As long as no field ever had an expiry it holds pairs (EncBlob, "listpack"), after that
// triples field, value, expiry in the order of expiry, and 0, none, last (EncInt, "listpackex"): what expires next
// stands in front. A hash that outgrew the limits is a table of field entries (EncRoot, "hashtable"; hash_field.go). A
// hash never goes back to an earlier form.
//
// {name: ada, n: 7} is the listpack
//
//	04 00 | 84 6E 61 6D 65 05 | 83 61 64 61 04 | 81 6E 02 | 07 01
//
// and after an expiry of n at 5000, which moves n to the front,
//
//	06 00 | 81 6E 02 | 07 01 | F1 88 13 03 | 84 6E 61 6D 65 05 | 83 61 64 61 04 | 00 01
//
// A field is expired when its expiry is before now_ms. An expired field is still counted by Len and still given back by
// reads with a now_ms of 0, but no other read or write sees it. DeleteExpired removes it.
//
// A Hash is a handle: bind it, use it, bind it to the next. What its reads return is valid until the next call of a
// method of the same handle or the next change of a value of the same shard. Reading allocates nothing on the Go heap.
// In the compact forms every operation by field costs O(size), which the limits bound: by default 512 fields of at most
// 64 bytes, some microseconds. An operator who raises the limits raises that cost, and that of the one conversion,
// which is done at once and takes about 0.1 us per field.
type Hash struct {
	env   *Env
	h     Holder
	num   [2][20]byte // digits of a field and a value that a listpack keeps as integers
	picks picker
}

// Names that OBJECT ENCODING reports.
const (
	encodingListpack   = "listpack"
	encodingListpackEx = "listpackex"
	encodingTable      = "hashtable"
	encodingIntset     = "intset"
)

// Bind makes x the hash whose bytes are h's.
func (x *Hash) Bind(env *Env, h Holder) { x.env, x.h = env, h }

// Encoding is the name that OBJECT ENCODING reports.
func (x *Hash) Encoding() string {
	switch x.h.Enc() {
	case EncRoot:
		return encodingTable
	case EncInt:
		return encodingListpackEx
	}
	return encodingListpack
}

func (x *Hash) isTable() bool { return x.h.Enc() == EncRoot }

// width is the number of listpack elements per field.
func (x *Hash) width() int {
	if x.h.Enc() == EncInt {
		return 3
	}
	return 2
}

func (x *Hash) table() table.Table {
	return table.Open(x.env.Arena, rootRef(x.h), memberLayout{}, x.env.Hash)
}

// never is above every expiry that is worth asking for.
const never = 1<<48 - 1

// expired says whether something that expires at at_ms (0: never) is gone at now_ms.
func expired(at_ms, now_ms int64) bool { return at_ms != 0 && at_ms < now_ms }

// Len is the number of fields, expired ones that are not yet removed included. O(1).
func (x *Hash) Len() int {
	if x.isTable() {
		t := x.table()
		return t.Len()
	}
	return listpack.Len(x.h.Bytes()) / x.width()
}

// seek finds a field in a listpack: offset of the field, of its value, and its expiry.
func (x *Hash) seek(b, name []byte) (p, value int, at_ms int64, ok bool) {
	width := x.width()
	if p, ok = listpack.Find(b, listpack.First(b), name, width-1); !ok {
		return p, 0, 0, false
	}
	value = listpack.Next(b, p)
	if width == 3 {
		at_ms = listpack.Get(b, listpack.Next(b, value)).Int
	}
	return p, value, at_ms, true
}

// find finds a field in the table.
func (x *Hash) find(t *table.Table, name []byte) (s table.Slot, f field, ok bool) {
	if s, ok = t.Find(x.env.Hash(name), name); ok {
		f = openField(x.env.Arena, t.Entry(s))
	}
	return s, f, ok
}

// Stage prepares lookups of names[0], names[step], …, up to 32 of them, so that they wait for memory together and not
// one after the other. It only matters in large tables, and changes nothing.
func (x *Hash) Stage(names [][]byte, step int) { stage(x.env, x.h, names, step) }

// Get is the value of a field.
func (x *Hash) Get(name []byte, now_ms int64) (value []byte, ok bool) {
	value, _, ok = x.GetWithExpire(name, now_ms)
	return value, ok
}

// GetWithExpire is the value of a field and its expiry, 0 if it has none.
func (x *Hash) GetWithExpire(name []byte, now_ms int64) (value []byte, at_ms int64, ok bool) {
	if x.isTable() {
		t := x.table()
		_, f, ok := x.find(&t, name)
		if !ok || expired(f.expire, now_ms) {
			return nil, 0, false
		}
		return f.content(x.env.Arena, &x.num[1]), f.expire, true
	}
	b := x.h.Bytes()
	_, v, at_ms, ok := x.seek(b, name)
	if !ok || expired(at_ms, now_ms) {
		return nil, 0, false
	}
	return listpack.Get(b, v).Bytes(x.num[1][:]), at_ms, true
}

// Exists says whether the field is there.
func (x *Hash) Exists(name []byte, now_ms int64) bool {
	_, ok := x.ExpireAt(name, now_ms)
	return ok
}

// StrLen is the length of the field's value, 0 if there is no such field.
func (x *Hash) StrLen(name []byte, now_ms int64) int {
	value, _ := x.Get(name, now_ms)
	return len(value)
}

// ExpireAt is when the field expires, 0 if it does not; ok is false if there is no such field.
func (x *Hash) ExpireAt(name []byte, now_ms int64) (at_ms int64, ok bool) {
	if x.isTable() {
		t := x.table()
		_, f, ok := x.find(&t, name)
		return f.expire, ok && !expired(f.expire, now_ms)
	}
	_, _, at_ms, ok = x.seek(x.h.Bytes(), name)
	return at_ms, ok && !expired(at_ms, now_ms)
}

// MinExpire is not later than the earliest expiry of any field, 0 if no field has one. In the table it may be earlier
// than that, until DeleteExpired has looked. O(1).
func (x *Hash) MinExpire() int64 {
	switch x.h.Enc() {
	case EncRoot:
		t := x.table()
		if at_ms := t.MinExpire(); at_ms < never {
			return at_ms
		}
	case EncInt:
		if b := x.h.Bytes(); len(b) > 0 {
			return listpack.Get(b, listpack.Next(b, listpack.Next(b, listpack.First(b)))).Int
		}
	}
	return 0
}

// AnyExpires tells whether a field has an expiry.
func (x *Hash) AnyExpires() bool {
	if x.MinExpire() == 0 {
		return false
	}
	if x.isTable() {
		t := x.table()
		return t.AnyVolatile()
	}
	return true // what expires first stands in front
}

// Each calls fn for every field until it returns false. A now_ms of 0 shows expired ones too. The hash must not be
// changed by fn.
func (x *Hash) Each(now_ms int64, fn func(name, value []byte, at_ms int64) bool) {
	if x.isTable() {
		t := x.table()
		t.Each(func(_ table.Slot, e arena.Ref) bool {
			f := openField(x.env.Arena, e)
			return expired(f.expire, now_ms) || fn(f.text, f.content(x.env.Arena, &x.num[1]), f.expire)
		})
		return
	}
	b := x.h.Bytes()
	for p := listpack.First(b); p < len(b); {
		name, value, at_ms, next := x.triple(b, p)
		if !expired(at_ms, now_ms) && !fn(name, value, at_ms) {
			return
		}
		p = next
	}
}

// triple reads the field at offset p of the listpack.
func (x *Hash) triple(b []byte, p int) (name, value []byte, at_ms int64, next int) {
	name = listpack.Get(b, p).Bytes(x.num[0][:])
	p = listpack.Next(b, p)
	value = listpack.Get(b, p).Bytes(x.num[1][:])
	p = listpack.Next(b, p)
	if x.h.Enc() == EncInt {
		at_ms = listpack.Get(b, p).Int
		p = listpack.Next(b, p)
	}
	return name, value, at_ms, p
}

// Scan calls fn for about count fields from cursor on and returns the cursor to go on with, 0 at the end. Fields that
// are there throughout are given at least once, whatever is written meanwhile. A compact hash is given as a whole.
func (x *Hash) Scan(cursor uint64, count int, now_ms int64, fn func(name, value []byte, at_ms int64)) uint64 {
	if x.isTable() {
		t := x.table()
		return t.Scan(cursor, count, func(e arena.Ref) {
			if f := openField(x.env.Arena, e); !expired(f.expire, now_ms) {
				fn(f.text, f.content(x.env.Arena, &x.num[1]), f.expire)
			}
		})
	}
	x.Each(now_ms, func(name, value []byte, at_ms int64) bool {
		fn(name, value, at_ms)
		return true
	})
	return 0
}
