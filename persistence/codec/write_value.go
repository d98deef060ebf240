package codec

import (
	"math"

	"larder/datatypes"
	"larder/datatypes/intset"
	"larder/datatypes/listpack"
)

// Entry writes a key and its value: the type byte, the key, the body. The value is the one of type t in h.
func (w *Writer) Entry(key []byte, t datatypes.Type, env *datatypes.Env, h datatypes.Holder) {
	typ := w.form(t, env, h)
	w.Byte(typ)
	w.String(key)
	w.body(typ, env, h)
}

// Value writes a value alone: the type byte and the body.
func (w *Writer) Value(t datatypes.Type, env *datatypes.Env, h datatypes.Holder) {
	typ := w.form(t, env, h)
	w.Byte(typ)
	w.body(typ, env, h)
}

// form is the type byte under which a value is written.
func (w *Writer) form(t datatypes.Type, env *datatypes.Env, h datatypes.Holder) byte {
	switch t {
	case datatypes.TypeList:
		return typeListQuicklist2
	case datatypes.TypeSet:
		switch {
		case h.Enc() == datatypes.EncInt:
			return typeSetIntset
		case h.Enc() == datatypes.EncBlob && w.Version >= Version72:
			return typeSetListpack
		}
		return typeSet
	case datatypes.TypeZSet:
		if h.Enc() == datatypes.EncBlob {
			return typeZSetListpack
		}
		return typeZSet2
	case datatypes.TypeHash:
		return w.hashForm(env, h)
	case datatypes.TypeStream:
		if w.Version >= Version72 {
			return typeStream3
		}
		return typeStream2
	}
	return typeString
}

func (w *Writer) hashForm(env *datatypes.Env, h datatypes.Holder) byte {
	if h.Enc() == datatypes.EncBlob {
		return typeHashListpack
	}
	w.hash.Bind(env, h)
	switch {
	case !w.hash.AnyExpires():
		return typeHash
	case h.Enc() == datatypes.EncInt:
		return typeHashPackTTL
	}
	return typeHashTTL
}

// body writes what follows type byte and key.
func (w *Writer) body(typ byte, env *datatypes.Env, h datatypes.Holder) {
	switch typ {
	case typeString:
		if h.Enc() == datatypes.EncInt {
			w.Int(datatypes.StoredInt(h.Bytes()))
		} else {
			w.String(h.Bytes())
		}
	case typeListQuicklist2:
		w.writeList(env, h)
	case typeSetIntset:
		w.writeIntset(h.Bytes())
	case typeSetListpack, typeZSetListpack, typeHashListpack:
		w.listpack(h.Bytes())
	case typeSet:
		w.set.Bind(env, h)
		w.Len(uint64(w.set.Len()))
		w.set.Each(func(member []byte) bool {
			w.String(member)
			return w.err == nil
		})
	case typeZSet2:
		w.writeZSet(env, h)
	case typeHash:
		w.hash.Bind(env, h)
		w.Len(uint64(w.hash.Len()))
		w.hash.Each(0, func(name, value []byte, _ int64) bool {
			w.String(name)
			w.String(value)
			return w.err == nil
		})
	case typeHashTTL:
		w.hash.Bind(env, h)
		first := w.hash.MinExpire()
		w.Fixed64(uint64(first))
		w.Len(uint64(w.hash.Len()))
		w.hash.Each(0, func(name, value []byte, at_ms int64) bool {
			if at_ms != 0 {
				at_ms -= first - 1
			}
			w.Len(uint64(at_ms))
			w.String(name)
			w.String(value)
			return w.err == nil
		})
	case typeHashPackTTL:
		w.hash.Bind(env, h)
		w.Fixed64(uint64(w.hash.MinExpire()))
		w.listpack(h.Bytes())
	default:
		w.writeStream(typ, env, h)
	}
}

func (w *Writer) writeIntset(b []byte) {
	var front [8]byte
	frame := intset.AppendRedis(front[:0], b[:min(len(b), 1)]) // of an empty set with the same width
	n := intset.Len(b)
	frame[4], frame[5], frame[6], frame[7] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
	if n == 0 {
		w.parts(frame, nil, nil)
		return
	}
	w.parts(frame, b[1:], nil)
}

// longItem is the size in bytes from which on a list's item that is alone in its block is written as an item and not as
// a listpack: a listpack cannot be longer than 1 GiB.
const longItem = 64 << 10

func (w *Writer) writeList(env *datatypes.Env, h datatypes.Holder) {
	w.list.Bind(env, h)
	w.Len(uint64(w.list.BlockCount()))
	w.list.Blocks(func(b []byte) bool {
		w.ListBlock(b)
		return w.err == nil
	})
}

// ListBlock writes a block of a list.
func (w *Writer) ListBlock(b []byte) {
	if len(b) >= longItem && listpack.Len(b) == 1 {
		w.Len(nodePlain)
		w.parts(nil, listpack.Get(b, listpack.First(b)).Str, nil)
	} else {
		w.Len(nodePacked)
		w.listpack(b)
	}
}

// writeZSet writes from the highest score to the lowest: each member that Redis loads is then the first of its list.
func (w *Writer) writeZSet(env *datatypes.Env, h datatypes.Holder) {
	w.zset.Bind(env, h)
	n := w.zset.Len()
	w.Len(uint64(n))
	for it := w.zset.Iter(n-1, n, true); it.Next() && w.err == nil; {
		w.String(it.Member())
		w.Fixed64(math.Float64bits(it.Score()))
	}
}
