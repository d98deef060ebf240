package datatypes

import "larder/datatypes/arena"

// FreeStep gives back up to about budget allocations of the structure at root, which nothing names any more, and
// tells whether all of it is gone. It is called again with the same root until it is.
func FreeStep(env *Env, t Type, root arena.Ref, budget int) (done bool) {
	switch t {
	case TypeList:
		return freeList(env, root, budget)
	case TypeZSet:
		return freeZSet(env, root, budget)
	case TypeStream:
		return freeStream(env, root, budget)
	case TypeHash:
		return freeHash(env, root, budget)
	case TypeSet:
		return freeSet(env, root, budget)
	}
	panic("assertion failed: no structure of type " + t.String())
}

// Copy makes to, which has no bytes yet, equal to from, a value of type t whose encoding is EncRoot. The two may belong
// to different shards, which are both held. O(size).
func Copy(t Type, fromEnv *Env, from Holder, toEnv *Env, to Holder) {
	switch t {
	case TypeList:
		var x, y List
		x.Bind(fromEnv, from)
		y.Bind(toEnv, to)
		x.CopyTo(&y)
	case TypeZSet:
		var x, y ZSet
		x.Bind(fromEnv, from)
		y.Bind(toEnv, to)
		x.CopyTo(&y)
	case TypeStream:
		var x, y Stream
		x.Bind(fromEnv, from)
		y.Bind(toEnv, to)
		x.CopyTo(&y)
	case TypeHash:
		var x, y Hash
		x.Bind(fromEnv, from)
		y.Bind(toEnv, to)
		x.CopyTo(&y)
	case TypeSet:
		var x, y Set
		x.Bind(fromEnv, from)
		y.Bind(toEnv, to)
		x.CopyTo(&y)
	default:
		panic("assertion failed: no structure of type " + t.String())
	}
}
