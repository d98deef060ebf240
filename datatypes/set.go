package datatypes

import (
	"larder/datatypes/arena"
	"larder/datatypes/intset"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// Set is a set of strings: an intset while all of them are integers (EncInt, "intset"), else a listpack while they are
// few and short (EncBlob, "listpack"), else a table of member entries (EncRoot, "hashtable"; member.go). It changes
// from one to the other exactly when Redis 7.2 does: an intset that outgrows its limit becomes a table and never a
// listpack, one that gets a member that is no integer becomes a listpack if that is within its limits, and a set never
// goes back.
//
// {1, 5} is the intset 02 01 00 05 00; with "x" it is the listpack 03 00 | 01 01 | 05 01 | 81 78 02.
//
// A Set is a handle: bind it, use it, bind it to the next. What its reads return is valid until the next call of a
// method of the same handle or the next change of a value of the same shard. Reading allocates nothing on the Go heap.
// In the compact forms every operation costs O(size), in an intset lookups O(log size), which the limits bound. An
// operator who raises the limits raises that cost, and that of the one conversion, which is done at once and takes
// about 0.1 us per member.
type Set struct {
	env   *Env
	h     Holder
	num   [20]byte // digits of a member that is kept as an integer
	begun bool     // an empty set has been told to begin as a listpack
	picks picker
}

// Bind makes x the set whose bytes are h's.
func (x *Set) Bind(env *Env, h Holder) { x.env, x.h, x.begun = env, h, false }

// Encoding is the name that OBJECT ENCODING reports.
func (x *Set) Encoding() string {
	switch x.h.Enc() {
	case EncRoot:
		return encodingTable
	case EncInt:
		return encodingIntset
	}
	return encodingListpack
}

func (x *Set) table() table.Table {
	return table.Open(x.env.Arena, rootRef(x.h), memberLayout{}, x.env.Hash)
}

// Len is the number of members. O(1).
func (x *Set) Len() int {
	switch x.h.Enc() {
	case EncRoot:
		t := x.table()
		return t.Len()
	case EncInt:
		return intset.Len(x.h.Bytes())
	}
	return listpack.Len(x.h.Bytes())
}

// Stage prepares lookups of members[0], members[step], …, up to 32 of them, so that they wait for memory together and
// not one after the other. It only matters in large tables, and changes nothing.
func (x *Set) Stage(members [][]byte, step int) { stage(x.env, x.h, members, step) }

// Has says whether member is in the set.
func (x *Set) Has(member []byte) bool {
	switch x.h.Enc() {
	case EncRoot:
		t := x.table()
		_, ok := t.Find(x.env.Hash(member), member)
		return ok
	case EncInt:
		n, ok := ParseInt(member)
		return ok && intset.Has(x.h.Bytes(), n)
	default:
		b := x.h.Bytes()
		_, ok := listpack.Find(b, listpack.First(b), member, 0)
		return ok
	}
}

// Each calls fn for every member until it returns false; those of an intset ascend. The set must not be changed by fn.
func (x *Set) Each(fn func(member []byte) bool) {
	switch b := x.h.Bytes(); x.h.Enc() {
	case EncRoot:
		t := x.table()
		t.Each(func(_ table.Slot, e arena.Ref) bool { return fn(memberLayout{}.Key(x.env.Arena, e)) })
	case EncInt:
		for i := range intset.Len(b) {
			if !fn(x.digits(intset.At(b, i))) {
				return
			}
		}
	default:
		for p := listpack.First(b); p < len(b); p = listpack.Next(b, p) {
			if !fn(listpack.Get(b, p).Bytes(x.num[:])) {
				return
			}
		}
	}
}

// digits is the text of a member that is kept as an integer.
func (x *Set) digits(n int64) []byte { return listpack.Int(n).Bytes(x.num[:]) }

// Scan calls fn for about count members from cursor on and returns the cursor to go on with, 0 at the end. Members that
// are there throughout are given at least once, whatever is written meanwhile. A compact set is given as a whole.
func (x *Set) Scan(cursor uint64, count int, fn func(member []byte)) uint64 {
	if x.h.Enc() == EncRoot {
		t := x.table()
		return t.Scan(cursor, count, func(e arena.Ref) { fn(memberLayout{}.Key(x.env.Arena, e)) })
	}
	x.Each(func(member []byte) bool {
		fn(member)
		return true
	})
	return 0
}

// Random is a member, each as likely as the others; nil for the empty set.
func (x *Set) Random() []byte {
	switch b := x.h.Bytes(); x.h.Enc() {
	case EncRoot:
		t := x.table()
		if s, ok := t.Random(x.env.Rand.Uint64()); ok {
			return memberLayout{}.Key(x.env.Arena, t.Entry(s))
		}
	case EncInt:
		if n := intset.Len(b); n > 0 {
			return x.digits(intset.At(b, below(x.env.Rand, n)))
		}
	default:
		if n := listpack.Len(b); n > 0 {
			p, _ := listpack.Seek(b, below(x.env.Rand, n))
			return listpack.Get(b, p).Bytes(x.num[:])
		}
	}
	return nil
}

// RandomN calls fn for n random members. distinct: none of them twice, and all of them if there are not more than n, in the
// order of Each; otherwise each is drawn by itself, and they come in no particular order. O(n), or O(size of the set) if it is compact or
// n is more than a third of it.
func (x *Set) RandomN(n int, distinct bool, fn func(member []byte)) {
	x.picks.reset()
	switch b := x.h.Bytes(); x.h.Enc() {
	case EncRoot:
		t := x.table()
		x.picks.entries(&t, x.env.Rand, n, distinct, nil, func(e arena.Ref) {
			fn(memberLayout{}.Key(x.env.Arena, e))
		})
	case EncInt:
		for i := range intset.Len(b) {
			x.picks.list = append(x.picks.list, uint32(i))
		}
		x.picks.draw(x.env.Rand, n, distinct, func(i uint32) { fn(x.digits(intset.At(b, int(i)))) })
	default:
		for p := listpack.First(b); p < len(b); p = listpack.Next(b, p) {
			x.picks.list = append(x.picks.list, uint32(p))
		}
		x.picks.draw(x.env.Rand, n, distinct, func(p uint32) { fn(listpack.Get(b, int(p)).Bytes(x.num[:])) })
	}
}
