package datatypes

import (
	"math"

	"larder/datatypes/arena"
)

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

// bury gives back the structure at root, which nothing names any more, in the way of the environment's owner.
func (env *Env) bury(t Type, root arena.Ref) {
	if env.Bury != nil {
		env.Bury(t, root)
		return
	}
	for !FreeStep(env, t, root, math.MaxInt) {
	}
}
