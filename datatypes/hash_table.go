package datatypes

import (
	"larder/datatypes/arena"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// toTriples gives every field of a listpack of pairs an expiry, none.
func (x *Hash) toTriples() {
	if x.h.Enc() == EncBlob {
		listpack.InsertEvery(x.h, 2, listpack.Int(0))
		x.h.SetEnc(EncInt)
	}
}

// reorder sets the expiry of a field of a listpack of triples and moves it to its place.
func (x *Hash) reorder(name []byte, at_ms int64) {
	b := x.h.Bytes()
	p, v, _, _ := x.seek(b, name)
	listpack.Replace(x.h, listpack.Next(b, v), listpack.Int(at_ms))
	b = x.h.Bytes()
	q := listpack.Next(b, listpack.Next(b, listpack.Next(b, p)))
	listpack.Move(b, p, q, x.place(b, at_ms, p))
}

// place is where in the listpack b a field that expires at at_ms belongs, the one at offset but left out of account.
func (x *Hash) place(b []byte, at_ms int64, but int) int {
	if at_ms == 0 {
		return len(b)
	}
	for p := listpack.First(b); p < len(b); {
		at := listpack.Next(b, listpack.Next(b, p))
		if e := listpack.Get(b, at).Int; p != but && (e == 0 || e > at_ms) {
			return p
		}
		p = listpack.Next(b, at)
	}
	return len(b)
}

// toTable makes a table of a hash that is none; count is how many fields are to be expected, 0 if unknown.
func (x *Hash) toTable(count int) {
	a := x.env.Arena
	t := table.NewSized(a, memberLayout{}, x.env.Hash, max(count, x.Len()+1))
	x.Each(0, func(name, value []byte, at_ms int64) bool {
		t.Insert(x.env.Hash(name), newField(a, name, value, at_ms), at_ms)
		return true
	})
	setRoot(x.h, t.Root())
}

// sweep is DeleteExpired for a table.
func (x *Hash) sweep(now_ms int64, budget int, fn func(name []byte)) (n int, more bool) {
	t := x.table()
	a := x.env.Arena
	before := now_ms - 1 // what expires at this very moment is still there
	more = t.ExpireDue(before, before, budget, func(e arena.Ref) int64 { return openField(a, e).expire },
		func(s table.Slot, e arena.Ref) {
			name := memberLayout{}.Key(a, e)
			x.h.Before(name)
			fn(name)
			t.Delete(s)
			freeField(a, e)
			n++
		})
	if n > 0 {
		afterDelete(x.h, &t, n)
	}
	return n, more
}

// Bytes is the memory that the hash takes in the arena, without its holder's own bytes. Of a table it is estimated from
// that many fields, or counted entirely if samples is 0.
func (x *Hash) Bytes(samples int) int {
	if !x.isTable() {
		return 0
	}
	t := x.table()
	return t.Bytes() + entryBytes(&t, samples, func(e arena.Ref) int {
		f := openField(x.env.Arena, e)
		size := arena.RoundUp(f.size)
		if f.kind == fieldFar {
			_, n := f.far()
			size += arena.RoundUp(n)
		}
		return size
	})
}

// Defrag relocates what lies in pages that the arena is emptying, looking at about budget fields from the cursor on. It
// returns the cursor to go on with; 0 is where it begins, and is returned when it has come to the end.
func (x *Hash) Defrag(cursor uint64, budget int) uint64 {
	return defragTable(x.env, x.h, cursor, budget, moveField)
}

// freeHash is FreeStep for hashes.
func freeHash(env *Env, root arena.Ref, budget int) (done bool) {
	t := table.Open(env.Arena, root, memberLayout{}, env.Hash)
	return t.FreeStep(budget, func(e arena.Ref) { freeField(env.Arena, e) })
}
