package datatypes

import (
	"errors"

	"larder/datatypes/listpack"
)

// ErrCorrupt says that the bytes of a value, from a file or from RESTORE, cannot be such a value.
var ErrCorrupt = errors.New("malformed value")

// AppendCompact appends the listpack of a hash that is not a table as RDB files carry it: pairs if Encoding is
// "listpack", triples if it is "listpackex".
func (x *Hash) AppendCompact(dst []byte) []byte { return listpack.AppendRedis(dst, x.h.Bytes()) }

// LoadListpack makes the hash, which is empty, what a listpack of an RDB file holds: pairs, or triples with expiries.
// The bytes are checked entirely. A hash beyond the limits becomes a table, as in Redis only by its number of fields.
// It may allocate on the Go heap.
func (x *Hash) LoadListpack(full []byte, triples bool) error {
	b, err := listpack.ParseRedis(full)
	if err != nil {
		return err
	}
	enc, width := EncBlob, 2
	if triples {
		enc, width = EncInt, 3
	}
	if !distinctElements(b, width) || triples && !inOrder(b) {
		return ErrCorrupt
	}
	copy(x.h.Resize(len(b)), b)
	x.h.SetEnc(enc)
	if n := listpack.Len(b) / width; n > x.env.Limits.HashMaxListpackEntries {
		x.toTable(n)
	}
	return nil
}

// inOrder says whether the expiries of a listpack of triples are times in the order that they should have.
func inOrder(b []byte) bool {
	last := int64(0)
	for p := listpack.First(b); p < len(b); {
		p = listpack.Next(b, listpack.Next(b, p))
		e := listpack.Get(b, p)
		if !e.IsInt() || e.Int < 0 || e.Int > never || e.Int != 0 && (e.Int < last || last < 0) {
			return false
		}
		if last = e.Int; last == 0 {
			last = -1 // those without an expiry have begun
		}
		p = listpack.Next(b, p)
	}
	return true
}
