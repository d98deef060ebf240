package datatypes

import (
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// Bytes is the memory that the set takes in the arena, without its holder's own bytes. Of a table it is estimated from
// that many members, or counted entirely if samples is 0.
func (x *Set) Bytes(samples int) int {
	if x.h.Enc() != EncRoot {
		return 0
	}
	t := x.table()
	return t.Bytes() + entryBytes(&t, samples, func(e arena.Ref) int {
		return arena.RoundUp(memberSize(len(memberLayout{}.Key(x.env.Arena, e))))
	})
}

// Defrag relocates what lies in pages that the arena is emptying, looking at about budget members from the cursor on. It
// returns the cursor to go on with; 0 is where it begins, and is returned when it has come to the end.
func (x *Set) Defrag(cursor uint64, budget int) uint64 {
	return defragTable(x.env, x.h, cursor, budget, moveMember)
}

// freeSet is FreeStep for sets.
func freeSet(env *Env, root arena.Ref, budget int) (done bool) {
	t := table.Open(env.Arena, root, memberLayout{}, env.Hash)
	return t.FreeStep(budget, func(e arena.Ref) { freeMember(env.Arena, e) })
}
