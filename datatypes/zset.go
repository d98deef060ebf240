package datatypes

import (
	"bytes"
	"unsafe"

	"larder/datatypes/arena"
	"larder/datatypes/btree"
	"larder/datatypes/decimal"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// A ZSet is a sorted set: members with scores, in the order of their scores, and of their bytes where scores are equal.
//
// While it is small it is one listpack of member, score, member, score, ... in that order (EncBlob, "listpack"). A score
// that is an integer within ±2^62 stands there as an integer, any other as the text that decimal.Append makes. Beyond
// zset-max-listpack-entries, or with a member longer than zset-max-listpack-value, it is two structures over the same
// entries (EncRoot; "skiplist", as OBJECT ENCODING calls it for the sake of its clients):
//
//	holder 08 00 00 00 ──> 0x08: table 0x10, tree 0x40, bytes of all entries
//	table  0x10            finds the entry of a member (datatypes/table)
//	tree   0x40            has (score, entry) in order and counts them (datatypes/btree)
//	entry  0x56            00 00 00 00 00 00 F8 3F | 05 61 70 70 6C 65        1.5 "apple"
//
// So the score of a member takes one lookup in the table, and a rank, or the place where a range begins, one descent in
// the tree. A member of 10 bytes takes 24 bytes as an entry, 6-8 in the table and about 16 in the tree.
//
// Ranks count from 0 at the lowest score. Ranges by score and by text are turned into ranks first (zset_range.go), then
// counted, walked over or removed by rank.
//
// Reading methods return slices that are valid until the next change of any value of the shard; members that the
// listpack keeps as integers are written to a buffer of the handle or iterator and last until its next method.
// Arguments must not lie in the shard's memory. A score is never NaN.
//
// Memory: Add takes at most the entry, what the table's and the tree's inserts take, and once the conversion of a listpack.
type ZSet struct {
	env   *Env
	h     Holder
	num   [24]byte // the last member that was an integer
	text  [32]byte // the text of a score
	picks picker
}

// zsetRoot is what the holder names: the two structures.
type zsetRoot struct {
	table, tree arena.Ref
	bytes       uint64 // of all entries, as the arena rounds them
}

const zsetRootBytes = int(unsafe.Sizeof(zsetRoot{}))

// zmemberLayout tells table and tree where the member of an entry stands: after 8 bytes of score.
type zmemberLayout struct{}

// Key is the member.
func (zmemberLayout) Key(a *arena.Arena, e arena.Ref) []byte { return memberLayout{}.Key(a, e+1) }

func zentryBytes(member []byte) int { return 8 + memberSize(len(member)) }

// Bind makes z stand for the sorted set whose bytes are in h.
func (z *ZSet) Bind(env *Env, h Holder) { z.env, z.h = env, h }

func (z *ZSet) isTree() bool { return z.h.Enc() == EncRoot }

// open returns the two structures of a large set.
func (z *ZSet) open() (r *zsetRoot, tab table.Table, tree btree.Tree) {
	return openZSet(z.env, rootRef(z.h))
}

func openZSet(env *Env, root arena.Ref) (r *zsetRoot, tab table.Table, tree btree.Tree) {
	r = (*zsetRoot)(env.Arena.Ptr(root))
	return r, table.Open(env.Arena, r.table, zmemberLayout{}, env.Hash), btree.Open(env.Arena, r.tree, zmemberLayout{})
}

func (z *ZSet) tree() btree.Tree {
	return btree.Open(z.env.Arena, (*zsetRoot)(z.env.Arena.Ptr(rootRef(z.h))).tree, zmemberLayout{})
}

func (z *ZSet) table() table.Table {
	return table.Open(z.env.Arena, (*zsetRoot)(z.env.Arena.Ptr(rootRef(z.h))).table, zmemberLayout{}, z.env.Hash)
}

// score is the score in an entry.
func (z *ZSet) score(e arena.Ref) *float64 { return (*float64)(z.env.Arena.Ptr(e)) }

// Len is the number of members. O(1).
func (z *ZSet) Len() int {
	if z.isTree() {
		t := z.tree()
		return t.Len()
	}
	return listpack.Len(z.h.Bytes()) / 2
}

// Encoding is the name that OBJECT ENCODING replies.
func (z *ZSet) Encoding() string {
	if z.isTree() {
		return "skiplist"
	}
	return encodingListpack
}

// Bytes is the memory that the set takes in the arena, beyond the holder's own bytes. It is exact, whatever samples is.
func (z *ZSet) Bytes(samples int) int {
	if !z.isTree() {
		return 0
	}
	r, tab, tree := z.open()
	return arena.RoundUp(zsetRootBytes) + tab.Bytes() + tree.Bytes() + int(r.bytes)
}

// Score is the score of a member. O(1).
func (z *ZSet) Score(member []byte) (score float64, ok bool) {
	if z.isTree() {
		t := z.table()
		s, ok := t.Find(z.env.Hash(member), member)
		if !ok {
			return 0, false
		}
		return *z.score(t.Entry(s)), true
	}
	b := z.h.Bytes()
	p, ok := listpack.Find(b, listpack.First(b), member, 1)
	if !ok {
		return 0, false
	}
	return packedScore(b, listpack.Next(b, p)), true
}

// Rank is how many members stand before this one, or behind it if backward, and its score. O(log n).
func (z *ZSet) Rank(member []byte, backward bool) (rank int, score float64, ok bool) {
	n := 0
	if z.isTree() {
		_, tab, tree := z.open()
		s, ok := tab.Find(z.env.Hash(member), member)
		if !ok {
			return 0, 0, false
		}
		e := tab.Entry(s)
		score, n = *z.score(e), tree.Len()
		rank = tree.Rank(score, e)
	} else {
		b := z.h.Bytes()
		at, ok := listpack.Find(b, listpack.First(b), member, 1)
		if !ok {
			return 0, 0, false
		}
		for p := listpack.First(b); p < at; p = nextPair(b, p) {
			rank++
		}
		score, n = packedScore(b, listpack.Next(b, at)), listpack.Len(b)/2
	}
	if backward {
		rank = n - 1 - rank
	}
	return rank, score, true
}

// ZAddFlags are the conditions of Add.
type ZAddFlags uint8

// The options of ZADD. GT and LT do not keep new members out.
const (
	ZAddNX   ZAddFlags = 1 << iota // only add
	ZAddXX                         // only update
	ZAddGT                         // update only to a greater score
	ZAddLT                         // update only to a smaller score
	ZAddIncr                       // add the given score to the present one
)

// ZAddOutcome says what Add did.
type ZAddOutcome uint8

// What Add did. After Skipped, Same and NaN nothing has changed.
const (
	ZSkipped ZAddOutcome = iota // the flags forbade it
	ZSame                       // the member has that score already
	ZUpdated
	ZAdded
	ZNaN // the sum of the increment is not a number
)

// Hint announces that about n members are going to be added by one command, the first of them being size bytes long, so
// that a set that will need it anyway begins with the large form. Redis does the same, and for duplicates among the n it
// can be seen in OBJECT ENCODING, for a long member behind the first in what becomes of a score of -0. For an existing set
// size is 0.
func (z *ZSet) Hint(n, size int) {
	l := z.env.Limits
	if !z.isTree() && (n > l.ZSetMaxListpackEntries || size > l.ZSetMaxListpackValue) {
		z.grow(n)
	}
}

// Add adds a member or changes its score. It returns the score that the member has now (for Skipped: had and has, 0 if
// it is not there). O(log n).
func (z *ZSet) Add(score float64, member []byte, flags ZAddFlags) (now float64, out ZAddOutcome) {
	if z.isTree() {
		return z.addToTree(score, member, flags)
	}
	b := z.h.Bytes()
	if p, ok := listpack.Find(b, listpack.First(b), member, 1); ok {
		old := packedScore(b, listpack.Next(b, p))
		if score, out = decide(old, score, flags); out == ZUpdated {
			z.updatePacked(p, score, member)
		}
		return score, out
	}
	if flags&ZAddXX != 0 {
		return 0, ZSkipped
	}
	l := z.env.Limits
	if listpack.Len(b)/2+1 > l.ZSetMaxListpackEntries || len(member) > l.ZSetMaxListpackValue ||
		!listpack.SafeToAdd(b, len(member)+packedMost) {
		z.grow(0)
		return z.addToTree(score, member, flags)
	}
	z.insertPacked(score, member)
	return score, ZAdded
}

// decide is what becomes of a member with the score old when score is to be added under the flags.
func decide(old, score float64, flags ZAddFlags) (float64, ZAddOutcome) {
	if flags&ZAddNX != 0 {
		return old, ZSkipped
	}
	if flags&ZAddIncr != 0 {
		if score += old; score != score {
			return old, ZNaN
		}
	}
	if flags&ZAddGT != 0 && score <= old || flags&ZAddLT != 0 && score >= old {
		return old, ZSkipped
	}
	if score == old {
		return score, ZSame
	}
	return score, ZUpdated
}

func (z *ZSet) addToTree(score float64, member []byte, flags ZAddFlags) (now float64, out ZAddOutcome) {
	r, tab, tree := z.open()
	hash := z.env.Hash(member)
	if s, ok := tab.Find(hash, member); ok {
		e := tab.Entry(s)
		old := *z.score(e)
		if score, out = decide(old, score, flags); out == ZUpdated {
			z.h.Before(member)
			tree.Update(old, e, score)
			*z.score(e) = score
		}
		return score, out
	}
	if flags&ZAddXX != 0 {
		return 0, ZSkipped
	}
	z.h.Before(member)
	e := newZEntry(z.env.Arena, score, member)
	r.bytes += uint64(arena.RoundUp(zentryBytes(member)))
	tab.Insert(hash, e, 0)
	tree.Insert(score, e)
	return score, ZAdded
}

func newZEntry(a *arena.Arena, score float64, member []byte) arena.Ref {
	n := zentryBytes(member)
	e := a.Alloc(n)
	*(*float64)(a.Ptr(e)) = score
	putMember(a.Bytes(e, n)[8:], member)
	return e
}

// grow makes a listpack the large form, with room for count members in the table.
func (z *ZSet) grow(count int) {
	a := z.env.Arena
	tab := table.NewSized(a, zmemberLayout{}, z.env.Hash, max(count, z.Len()+1))
	tree := btree.New(a, zmemberLayout{})
	root := a.Alloc(zsetRootBytes)
	r := (*zsetRoot)(a.Ptr(root))
	*r = zsetRoot{tab.Root(), tree.Root(), 0}
	for it := z.Iter(0, noLimit, false); it.Next(); {
		fillZSet(z.env, r, &tab, &tree, it.Score(), it.Member())
	}
	setRoot(z.h, root)
}

// fillZSet adds a member that is not there.
func fillZSet(env *Env, r *zsetRoot, tab *table.Table, tree *btree.Tree, score float64, member []byte) {
	e := newZEntry(env.Arena, score, member)
	r.bytes += uint64(arena.RoundUp(zentryBytes(member)))
	tab.Insert(env.Hash(member), e, 0)
	tree.Insert(score, e)
}

// Remove removes a member and returns whether it was there. O(log n).
func (z *ZSet) Remove(member []byte) bool {
	if !z.isTree() {
		b := z.h.Bytes()
		p, ok := listpack.Find(b, listpack.First(b), member, 1)
		if ok {
			listpack.Delete(z.h, p, 2)
		}
		return ok
	}
	r, tab, tree := z.open()
	s, ok := tab.Find(z.env.Hash(member), member)
	if !ok {
		return false
	}
	e := tab.Entry(s)
	z.h.Before(member)
	tab.Delete(s)
	tree.Delete(*z.score(e), e)
	z.freeEntry(r, e)
	z.removed(&tab, &tree, 1)
	return true
}

// RemoveRanks removes n members from the rank first on, which are all there. O(n + log n).
func (z *ZSet) RemoveRanks(first, n int) {
	if n <= 0 {
		return
	}
	if !z.isTree() {
		p, _ := listpack.Seek(z.h.Bytes(), 2*first)
		listpack.Delete(z.h, p, 2*n)
		return
	}
	r, tab, tree := z.open()
	tree.DeleteRange(first, n, func(score float64, e arena.Ref) {
		member := zmemberLayout{}.Key(z.env.Arena, e)
		if s, ok := tab.Find(z.env.Hash(member), member); ok {
			z.h.Before(member) // it has left the tree, but not the table, which is what is looked at
			tab.Delete(s)
		}
		z.freeEntry(r, e)
	})
	z.removed(&tab, &tree, n)
}

func (z *ZSet) freeEntry(r *zsetRoot, e arena.Ref) {
	n := zentryBytes(zmemberLayout{}.Key(z.env.Arena, e))
	r.bytes -= uint64(arena.RoundUp(n))
	z.env.Arena.Free(e, n)
}

// removed follows up on n removals: an empty set has no bytes, and the table of a sparse one is tightened little by little.
func (z *ZSet) removed(tab *table.Table, tree *btree.Tree, n int) {
	switch {
	case tab.Len() == 0:
		root := rootRef(z.h)
		for !tab.FreeStep(1<<20, nil) {
		}
		for !tree.FreeStep(1 << 20) {
		}
		z.env.Arena.Free(root, zsetRootBytes)
		z.h.SetEnc(EncBlob)
		z.h.Resize(0)
	case n > 1:
		tab.Maintain((n + 3) / 4)
	case tab.Len()%16 == 0:
		tab.Maintain(4)
	}
}

// Compact makes a set in the large form a listpack if it is within the limits. Commands that store a result do this;
// otherwise a set never goes back. O(n) where n is at most the limit.
func (z *ZSet) Compact() {
	l := z.env.Limits
	if !z.isTree() || z.Len() > l.ZSetMaxListpackEntries {
		return
	}
	size := 0
	for it := z.Iter(0, noLimit, false); it.Next(); {
		if size += len(it.Member()) + packedMost; len(it.Member()) > l.ZSetMaxListpackValue || size > listpack.MaxBytes {
			return
		}
	}
	root := rootRef(z.h)
	it := z.Iter(0, noLimit, false) // reads the entries, which stay in place while the holder changes
	z.h.SetEnc(EncBlob)
	z.h.Resize(0)
	for it.Next() {
		listpack.Append(z.h, listpack.String(it.Member()), z.packScore(it.Score()))
	}
	for !freeZSet(z.env, root, 1<<20) {
	}
}

// Scan calls fn for about count members from cursor on and returns the cursor to go on with, 0 at the end. Members that
// are there throughout are given at least once, whatever is written meanwhile. A listpack is given as a whole.
func (z *ZSet) Scan(cursor uint64, count int, fn func(member []byte, score float64)) uint64 {
	if z.isTree() {
		t := z.table()
		return t.Scan(cursor, count, func(e arena.Ref) { fn(zmemberLayout{}.Key(z.env.Arena, e), *z.score(e)) })
	}
	z.Each(func(member []byte, score float64) bool { fn(member, score); return true })
	return 0
}

// Random is a member, each as likely as the others; nil for the empty set. O(log n).
func (z *ZSet) Random() (member []byte, score float64) {
	n := z.Len()
	if n == 0 {
		return nil, 0
	}
	rank := below(z.env.Rand, n)
	if z.isTree() {
		t := z.tree()
		c := t.At(rank)
		return zmemberLayout{}.Key(z.env.Arena, c.Ref()), c.Score()
	}
	b := z.h.Bytes()
	p, _ := listpack.Seek(b, 2*rank)
	return listpack.Get(b, p).Bytes(z.num[:]), packedScore(b, listpack.Next(b, p))
}

// RandomN calls fn for n random members. distinct: none of them twice, and all of them if there are not more than n, the
// highest score first; otherwise each is drawn by itself, and they come in no particular order. O(n), or O(size of the
// set) if it is compact or n is more than a third of it.
func (z *ZSet) RandomN(n int, distinct bool, fn func(member []byte, score float64)) {
	if size := z.Len(); distinct && n >= size {
		for it := z.Iter(size-1, size, true); it.Next(); {
			fn(it.Member(), it.score)
		}
		return
	}
	z.picks.reset()
	if z.isTree() {
		t := z.table()
		z.picks.entries(&t, z.env.Rand, n, distinct, nil, func(e arena.Ref) {
			fn(zmemberLayout{}.Key(z.env.Arena, e), *z.score(e))
		})
		return
	}
	b := z.h.Bytes()
	for p := listpack.First(b); p < len(b); p = nextPair(b, p) {
		z.picks.list = append(z.picks.list, uint32(p))
	}
	z.picks.draw(z.env.Rand, n, distinct, func(p uint32) {
		fn(listpack.Get(b, int(p)).Bytes(z.num[:]), packedScore(b, listpack.Next(b, int(p))))
	})
}

// The listpack form.

// packedMost is more than a member takes there beyond its text, with its score.
const packedMost = 64

// nextPair is the offset of the pair after the one at p.
func nextPair(b []byte, p int) int { return listpack.Next(b, listpack.Next(b, p)) }

// packedScore is the score that stands at p.
func packedScore(b []byte, p int) float64 {
	e := listpack.Get(b, p)
	if e.IsInt() {
		return float64(e.Int)
	}
	f, _ := ParseFloatLoose(e.Str)
	return f
}

// packScore is a score as the listpack keeps it.
func (z *ZSet) packScore(score float64) listpack.Elem {
	if v, ok := decimal.Int(score); ok {
		return listpack.Int(v)
	}
	return listpack.String(decimal.Append(z.text[:0], score))
}

// before tells whether the pair at p stands before (score, member).
func (z *ZSet) before(b []byte, p int, score float64, member []byte) bool {
	s := packedScore(b, listpack.Next(b, p))
	return s < score || s == score && bytes.Compare(listpack.Get(b, p).Bytes(z.num[:]), member) < 0
}

func (z *ZSet) insertPacked(score float64, member []byte) {
	b := z.h.Bytes()
	p := len(b)
	if last := listpack.Last(b); last > 0 && !z.before(b, listpack.Prev(b, last), score, member) {
		for p = listpack.First(b); z.before(b, p, score, member); {
			p = nextPair(b, p)
		}
	}
	listpack.Insert(z.h, p, listpack.String(member), z.packScore(score))
}

// updatePacked gives the member at p another score, and its place among the others.
func (z *ZSet) updatePacked(p int, score float64, member []byte) {
	b := z.h.Bytes()
	next := nextPair(b, p)
	last := listpack.Prev(b, p)
	if (next >= len(b) || !z.before(b, next, score, member)) && (last == 0 || z.before(b, listpack.Prev(b, last), score, member)) {
		listpack.Replace(z.h, listpack.Next(b, p), z.packScore(score))
		return
	}
	listpack.Delete(z.h, p, 2)
	z.insertPacked(score, member)
}
