package datatypes

import (
	"bytes"
	"errors"
	"fmt"

	"larder/datatypes/arena"
	"larder/datatypes/btree"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// freeZSet is FreeStep for sorted sets: first the entries and the table, then the tree.
func freeZSet(env *Env, root arena.Ref, budget int) (done bool) {
	r, tab, tree := openZSet(env, root)
	if r.table != 0 {
		if !tab.FreeStep(budget, func(e arena.Ref) {
			env.Arena.Free(e, zentryBytes(zmemberLayout{}.Key(env.Arena, e)))
		}) {
			return false
		}
		r.table = 0
		return false
	}
	if !tree.FreeStep(budget) {
		return false
	}
	env.Arena.Free(root, zsetRootBytes)
	return true
}

// zsetTreePhase marks a cursor of Defrag that walks over the tree; other cursors walk over the table.
const zsetTreePhase = 1 << 63

// Defrag relocates what lies in pages that the arena is emptying, looking at about budget members from the cursor on. It
// returns the cursor to go on with; 0 is where it begins, and is returned when it has come to the end.
func (z *ZSet) Defrag(cursor uint64, budget int) uint64 {
	if !z.isTree() {
		return 0
	}
	a := z.env.Arena
	if root := rootRef(z.h); cursor == 0 && a.ShouldMove(root, zsetRootBytes) {
		setRoot(z.h, a.Move(root, zsetRootBytes))
	}
	r, tab, tree := z.open()
	for cursor&zsetTreePhase == 0 {
		tab.MoveSparse(cursor, 1)
		r.table = tab.Root()
		cursor = tab.EachFrom(cursor, 1, func(s table.Slot, e arena.Ref) {
			budget--
			n := zentryBytes(zmemberLayout{}.Key(a, e))
			if !a.ShouldMove(e, n) {
				return
			}
			if by := a.Move(e, n); by != e {
				tab.SetEntry(s, by)
				tree.Replace(*z.score(by), e, by)
			}
		})
		if cursor == 0 {
			cursor = zsetTreePhase
		}
		if budget--; budget <= 0 {
			return cursor
		}
	}
	next, more := tree.Defrag(int(cursor&^zsetTreePhase), budget/16+1)
	r.tree = tree.Root()
	if !more {
		return 0
	}
	return zsetTreePhase | uint64(next)
}

// AppendCompact appends the listpack of a small set as RDB files carry it.
func (z *ZSet) AppendCompact(dst []byte) []byte { return listpack.AppendRedis(dst, z.h.Bytes()) }

// LoadListpack makes the set, which is empty, what a listpack of an RDB file holds. The bytes are checked entirely. A set
// beyond the limits gets the large form, as in Redis only by its number of members. It may allocate on the Go heap.
func (z *ZSet) LoadListpack(full []byte) error {
	b, err := listpack.ParseRedis(full)
	if err != nil {
		return err
	}
	if !distinctElements(b, 2) {
		return ErrCorrupt
	}
	ordered := true
	last, score := 0, 0.0 // of the pair before
	for p := listpack.First(b); p < len(b); {
		at := listpack.Next(b, p)
		e := listpack.Get(b, at)
		f := float64(e.Int)
		if !e.IsInt() {
			ok := false
			if f, ok = ParseFloatLoose(e.Str); !ok || f != f {
				return ErrCorrupt
			}
		}
		if last > 0 && (f < score || f == score && bytes.Compare(listpack.Get(b, last).Bytes(z.num[:]), listpack.Get(b, p).Bytes(z.text[:])) >= 0) {
			ordered = false
		}
		last, score = p, f
		p = listpack.Next(b, at)
	}
	z.h.SetEnc(EncBlob)
	if ordered {
		copy(z.h.Resize(len(b)), b)
	} else {
		for p := listpack.First(b); p < len(b); p = nextPair(b, p) {
			z.insertPacked(packedScore(b, listpack.Next(b, p)), listpack.Get(b, p).Append(nil))
		}
	}
	if n := listpack.Len(b) / 2; n > z.env.Limits.ZSetMaxListpackEntries {
		z.grow(n)
	}
	return nil
}

// Check looks at the whole set and says what is inconsistent.
func (z *ZSet) Check() error {
	if !z.isTree() {
		return z.checkPacked()
	}
	r, tab, tree := z.open()
	if err := tab.Check(); err != nil {
		return err
	}
	if err := tree.Check(); err != nil {
		return err
	}
	if tab.Len() != tree.Len() || tab.Len() == 0 {
		return fmt.Errorf("zset: %d members in the table, %d in the tree", tab.Len(), tree.Len())
	}
	if err := z.checkEntries(&tab, &tree); err != nil {
		return err
	}
	size := 0
	tab.Each(func(_ table.Slot, e arena.Ref) bool {
		size += arena.RoundUp(zentryBytes(zmemberLayout{}.Key(z.env.Arena, e)))
		return true
	})
	if size != int(r.bytes) {
		return fmt.Errorf("zset: entries of %d bytes are counted as %d", size, r.bytes)
	}
	return nil
}

// checkEntries tells whether the tree has each entry of the table under the score that is in the entry.
func (z *ZSet) checkEntries(tab *table.Table, tree *btree.Tree) (err error) {
	tab.Each(func(_ table.Slot, e arena.Ref) bool {
		if tree.Rank(*z.score(e), e) < 0 {
			err = fmt.Errorf("zset: %v:%q is not in the tree", *z.score(e), zmemberLayout{}.Key(z.env.Arena, e))
		}
		return err == nil
	})
	return err
}

func (z *ZSet) checkPacked() error {
	if z.h.Enc() != EncBlob {
		return fmt.Errorf("zset: encoding %d", z.h.Enc())
	}
	b := z.h.Bytes()
	if err := listpack.Validate(b); err != nil {
		return err
	}
	if !distinctElements(b, 2) {
		return errors.New("zset: a member twice, or a score missing")
	}
	for p := listpack.First(b); p < len(b); {
		next := nextPair(b, p)
		if next < len(b) {
			s, t := packedScore(b, listpack.Next(b, p)), packedScore(b, listpack.Next(b, next))
			m, n := listpack.Get(b, p).Append(nil), listpack.Get(b, next).Append(nil)
			if !(s < t || s == t && bytes.Compare(m, n) < 0) {
				return fmt.Errorf("zset: %v:%q stands before %v:%q", s, m, t, n)
			}
		}
		p = next
	}
	return nil
}
