package datatypes

import (
	"larder/datatypes/intset"
	"larder/datatypes/listpack"
)

// A Collection is a value of any type but a string, as far as all of them are alike.
type Collection interface {
	Encoding() string // as OBJECT ENCODING reports it
	Bytes(samples int) int
	Check() error
}

// EditNeeds is the bytes and the number of allocations that a change may take of a value that is no structure, beyond what the
// change brings: it may have to move to grow, and then become a structure. O(1), or O(size) for a listpack of more than 65534
// elements.
func EditNeeds(enc Enc, t Type, b []byte) (bytes, count int) {
	if t == TypeSet && enc == EncInt {
		count = intset.Len(b)
	} else {
		count = listpack.Len(b)
	}
	return len(b) + len(b)/4, count
}

// Bind makes a Collection of a value of type t; nil for a string.
func Bind(t Type, env *Env, h Holder) Collection {
	switch t {
	case TypeHash:
		x := new(Hash)
		x.Bind(env, h)
		return x
	case TypeSet:
		x := new(Set)
		x.Bind(env, h)
		return x
	case TypeList:
		x := new(List)
		x.Bind(env, h)
		return x
	case TypeZSet:
		x := new(ZSet)
		x.Bind(env, h)
		return x
	case TypeStream:
		x := new(Stream)
		x.Bind(env, h)
		return x
	}
	return nil
}
