package datatypes

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// A member entry is one arena allocation that begins with the member's text: of a set it is all there is, of a hash
// the field's value follows.
//
//	size, 7 bits per byte, low bits first, high bit: more | text | …
//
// The set member "apple" is 05 61 70 70 6C 65, rounded up to 8 bytes by the arena.

// memberLayout tells the table where an entry's key stands.
type memberLayout struct{}

// Key is the member's text.
func (memberLayout) Key(a *arena.Arena, e arena.Ref) []byte {
	n := int(a.Bytes(e, 1)[0])
	if n < 0x80 {
		return a.Bytes(e, 1+n)[1:]
	}
	text, _ := longMember(a, e)
	return text
}

// longMember is the text of a member of any size, and the size of both.
func longMember(a *arena.Arena, e arena.Ref) (text []byte, size int) {
	n, shift, at := 0, 0, 0
	for {
		c := a.Bytes(e, at+1)[at]
		at++
		n |= int(c&0x7F) << shift
		if c < 0x80 {
			break
		}
		shift += 7
	}
	return a.Bytes(e, at+n)[at:], at + n
}

// memberSize is how many bytes a member of n bytes takes in an entry.
func memberSize(n int) int {
	size := 1 + n
	for n >>= 7; n > 0; n >>= 7 {
		size++
	}
	return size
}

// putMember writes the member at the front of b.
func putMember(b, member []byte) {
	at := 1
	if n := len(member); n < 0x80 {
		b[0] = byte(n)
	} else {
		at = binary.PutUvarint(b, uint64(n))
	}
	copy(b[at:], member)
}

// below is a random number of [0, n), each as likely as the others but for 1 in 2^64/n. n is at least 1.
func below(r *rand.PCG, n int) int {
	hi, _ := bits.Mul64(r.Uint64(), uint64(n))
	return int(hi)
}

// newMember makes a member entry.
func newMember(a *arena.Arena, member []byte) arena.Ref {
	size := memberSize(len(member))
	e := a.Alloc(size)
	putMember(a.Bytes(e, size), member)
	return e
}

// freeMember gives back an entry that is nothing but a member.
func freeMember(a *arena.Arena, e arena.Ref) { a.Free(e, memberSize(len(memberLayout{}.Key(a, e)))) }

// moveMember relocates an entry that is nothing but a member if its page is being emptied, and returns where it is now.
func moveMember(a *arena.Arena, e arena.Ref) arena.Ref {
	if size := memberSize(len(memberLayout{}.Key(a, e))); a.ShouldMove(e, size) {
		return a.Move(e, size)
	}
	return e
}

// afterDelete follows up on n deletes from the table of the value h: an empty one goes, and a sparse one is tightened
// little by little, at most one segment of 768 entries with every 16th delete.
func afterDelete(h Holder, t *table.Table, n int) {
	switch {
	case t.Len() == 0:
		for !t.FreeStep(1<<20, nil) {
		}
		h.Resize(0)
		h.SetEnc(EncBlob)
	case n > 1:
		t.Maintain((n + 3) / 4)
	case t.Len()%16 == 0:
		t.Maintain(4)
	}
}

// GlimpseMembers is the table of members of the structure at root of a value of type t, 0 if it has none. The shard need
// not be held: root may be anything, and so may be what is returned.
func GlimpseMembers(a *arena.Arena, t Type, root arena.Ref) arena.Ref {
	switch t {
	case TypeSet, TypeHash:
		return root
	case TypeZSet:
		return arena.Ref(a.Peek(root))
	}
	return 0
}

// stageMax is how many lookups are worth preparing together; stageFrom is the size of a table from which on it pays.
const (
	stageMax  = 32
	stageFrom = 4096
)

// stage asks the processor for what looking up every step-th of the names will read.
func stage(env *Env, h Holder, names [][]byte, step int) {
	if h.Enc() != EncRoot {
		return
	}
	t := table.Open(env.Arena, rootRef(h), memberLayout{}, env.Hash)
	if t.Len() < stageFrom {
		return
	}
	var hashes [stageMax]uint64
	n := 0
	for i := 0; i < len(names) && n < stageMax; i += step {
		hashes[n] = env.Hash(names[i])
		t.Stage1(hashes[n])
		n++
	}
	for _, h := range hashes[:n] {
		t.Stage2(h)
	}
}

// entryBytes is what the entries of a table take, as size says; estimated from some of them unless samples is 0.
func entryBytes(t *table.Table, samples int, size func(e arena.Ref) int) int {
	total, seen := 0, 0
	t.Each(func(_ table.Slot, e arena.Ref) bool {
		total += size(e)
		seen++
		return seen != samples
	})
	if seen == 0 {
		return 0
	}
	return int(float64(total) / float64(seen) * float64(t.Len()))
}

// defragTable relocates the entries of the table of the value h by move, and at the beginning of each pass and with each
// step the table's own parts. Both walk in the order of the hashes, so one cursor serves both.
func defragTable(env *Env, h Holder, cursor uint64, budget int, move func(a *arena.Arena, e arena.Ref) arena.Ref) uint64 {
	if h.Enc() != EncRoot {
		return 0
	}
	t := table.Open(env.Arena, rootRef(h), memberLayout{}, env.Hash)
	for budget > 0 {
		t.MoveSparse(cursor, 1)
		if cursor == 0 {
			setRoot(h, t.Root())
		}
		cursor = t.EachFrom(cursor, 1, func(s table.Slot, e arena.Ref) {
			budget--
			if moved := move(env.Arena, e); moved != e {
				t.SetEntry(s, moved)
			}
		})
		budget--
		if cursor == 0 {
			break
		}
	}
	return cursor
}
