package datatypes

import "larder/datatypes/arena"

// FreeStep gives back up to about budget allocations of the structure at root, which nothing names any more, and
// tells whether all of it is gone. It is called again with the same root until it is.
func FreeStep(env *Env, t Type, root arena.Ref, budget int) (done bool) {
	panic("assertion failed: no structures yet")
}
