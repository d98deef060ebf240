package datatypes

import (
	"larder/datatypes/intset"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// Hint announces that about n members are going to be added by one command, first being the first of them, so that a
// set that is certain or likely to need the table begins with it. Redis does the same, and duplicates among the n can
// be seen in OBJECT ENCODING.
func (x *Set) Hint(n int, first []byte) {
	limits := x.env.Limits
	enc := x.h.Enc()
	if len(x.h.Bytes()) == 0 {
		if _, isInt := ParseInt(first); isInt && n <= limits.SetMaxIntsetEntries {
			x.h.SetEnc(EncInt)
			return
		}
		x.h.SetEnc(EncBlob)
		enc, x.begun = EncBlob, true
	}
	if enc == EncInt && n > limits.SetMaxIntsetEntries || enc == EncBlob && n > limits.SetMaxListpackEntries {
		x.toTable(n)
	}
}

// Add puts member into the set and says whether it is new. Its text must not lie in the set.
func (x *Set) Add(member []byte) bool {
	if len(x.h.Bytes()) == 0 {
		if !x.begun {
			x.Hint(1, member)
		}
		x.begun = false
	}
	limits := x.env.Limits
	b := x.h.Bytes()
	switch x.h.Enc() {
	case EncInt:
		if n, isInt := ParseInt(member); isInt {
			if !intset.Add(x.h, n) {
				return false
			}
			if intset.Len(x.h.Bytes()) > min(limits.SetMaxIntsetEntries, intset.MaxLen) {
				x.toTable(0)
			}
			return true
		}
		if !x.intsToListpack(member) {
			x.toTable(0)
			return x.addEntry(member)
		}
		listpack.Append(x.h, listpack.String(member))
		return true
	case EncBlob:
		if _, ok := listpack.Find(b, listpack.First(b), member, 0); ok {
			return false
		}
		if listpack.Len(b) < limits.SetMaxListpackEntries && len(member) <= limits.SetMaxListpackValue &&
			listpack.SafeToAdd(b, len(member)+16) {
			listpack.Append(x.h, listpack.String(member))
			return true
		}
		x.toTable(0)
	}
	return x.addEntry(member)
}

// addEntry is Add for a table.
func (x *Set) addEntry(member []byte) bool {
	t := x.table()
	h := x.env.Hash(member)
	if _, ok := t.Find(h, member); ok {
		return false
	}
	x.h.Before(member)
	t.Insert(h, newMember(x.env.Arena, member), 0)
	return true
}

// intsToListpack makes a listpack of an intset, if that is within the limits with one more member.
func (x *Set) intsToListpack(member []byte) bool {
	limits := x.env.Limits
	b := x.h.Bytes()
	n, longest := intset.Len(b), 0
	if n > 0 {
		longest = max(listpack.DigitCount(intset.Min(b)), listpack.DigitCount(intset.Max(b)))
	}
	if n >= limits.SetMaxListpackEntries || len(member) > limits.SetMaxListpackValue || longest > limits.SetMaxListpackValue ||
		n*(longest+2)+len(member) > listpack.MaxBytes/2 {
		return false
	}
	need := listpack.HeaderSize
	for i := range n {
		need += listpack.Size(listpack.Int(intset.At(b, i)))
	}
	// While the listpack is written to the front, the integers are read from a copy behind it.
	size := len(b)
	b = x.h.Resize(need + size)
	copy(b[need:], b[:size])
	listpack.PutInts(b[:need], n, func(i int) int64 { return intset.At(b[need:], i) })
	x.h.Resize(need)
	x.h.SetEnc(EncBlob)
	return true
}

// toTable makes a table of a set that is none; count is how many members are to be expected, 0 if unknown.
func (x *Set) toTable(count int) {
	a := x.env.Arena
	t := table.NewSized(a, memberLayout{}, x.env.Hash, max(count, x.Len()+1))
	x.Each(func(member []byte) bool {
		t.Insert(x.env.Hash(member), newMember(a, member), 0)
		return true
	})
	setRoot(x.h, t.Root())
}

// Remove takes member out of the set and says whether it was there.
func (x *Set) Remove(member []byte) bool {
	switch b := x.h.Bytes(); x.h.Enc() {
	case EncRoot:
		t := x.table()
		s, ok := t.Find(x.env.Hash(member), member)
		if ok {
			x.drop(&t, s)
		}
		return ok
	case EncInt:
		n, ok := ParseInt(member)
		return ok && intset.Remove(x.h, n)
	default:
		p, ok := listpack.Find(b, listpack.First(b), member, 0)
		if ok {
			listpack.Delete(x.h, p, 1)
		}
		return ok
	}
}

// drop removes the entry in slot s.
func (x *Set) drop(t *table.Table, s table.Slot) {
	e := t.Entry(s)
	x.h.Before(memberLayout{}.Key(x.env.Arena, e))
	t.Delete(s)
	freeMember(x.env.Arena, e)
	afterDelete(x.h, t, 1)
}

// Pop takes a random member out of the set and appends its text to dst; ok is false if the set is empty.
func (x *Set) Pop(dst []byte) (member []byte, ok bool) {
	switch b := x.h.Bytes(); x.h.Enc() {
	case EncRoot:
		t := x.table()
		s, ok := t.Random(x.env.Rand.Uint64())
		if ok {
			dst = append(dst, memberLayout{}.Key(x.env.Arena, t.Entry(s))...)
			x.drop(&t, s)
		}
		return dst, ok
	case EncInt:
		n := intset.Len(b)
		if n == 0 {
			return dst, false
		}
		i := below(x.env.Rand, n)
		dst = append(dst, x.digits(intset.At(b, i))...)
		intset.RemoveAt(x.h, i)
	default:
		n := listpack.Len(b)
		if n == 0 {
			return dst, false
		}
		p, _ := listpack.Seek(b, below(x.env.Rand, n))
		dst = listpack.Get(b, p).Append(dst)
		listpack.Delete(x.h, p, 1)
	}
	return dst, true
}
