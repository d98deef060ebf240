package datatypes

import (
	"larder/datatypes/intset"
	"larder/datatypes/listpack"
)

// AppendCompact appends the bytes of a set that is not a table as RDB files carry it: an intset or a listpack, as
// Encoding says.
func (x *Set) AppendCompact(dst []byte) []byte {
	if x.h.Enc() == EncInt {
		return intset.AppendRedis(dst, x.h.Bytes())
	}
	return listpack.AppendRedis(dst, x.h.Bytes())
}

// LoadListpack makes the set, which is empty, what a listpack of an RDB file holds. The bytes are checked entirely. A set
// beyond the limits becomes a table, as in Redis only by its number of members. It may allocate on the Go heap.
func (x *Set) LoadListpack(full []byte) error {
	b, err := listpack.ParseRedis(full)
	if err != nil {
		return err
	}
	if !distinctElements(b, 1) {
		return ErrCorrupt
	}
	copy(x.h.Resize(len(b)), b)
	x.h.SetEnc(EncBlob)
	if n := listpack.Len(b); n > x.env.Limits.SetMaxListpackEntries {
		x.toTable(n)
	}
	return nil
}

// LoadIntset makes the set, which is empty, what an intset of an RDB file holds. The bytes are checked entirely. A set
// beyond the limit becomes a table.
func (x *Set) LoadIntset(full []byte) error {
	if err := intset.LoadRedis(x.h, full); err != nil {
		return err
	}
	x.h.SetEnc(EncInt)
	if n := intset.Len(x.h.Bytes()); n > x.env.Limits.SetMaxIntsetEntries {
		x.toTable(n)
	}
	return nil
}
