package codec

import (
	"math"

	"larder/datatypes"
)

// Pieces writes a large hash, set or sorted set an element at a time, in whatever order they come: those of a table stand in
// no order anyway, and those of a sorted set are put in order by whoever reads them. It is a datatypes.Elements.
//
// What it writes to is changed as one likes between the calls; all that is written, in order, is the entry.
type Pieces struct {
	w     *Writer
	timed bool  // a hash some fields of which expire
	first int64 // and not earlier than this
}

// BeginPieces writes what stands before the elements of an entry: the type byte, the key, how many there are.
func (w *Writer) BeginPieces(key []byte, t datatypes.Type, env *datatypes.Env, h datatypes.Holder) Pieces {
	typ := w.form(t, env, h)
	w.Byte(typ)
	w.String(key)
	p := Pieces{w: w, timed: typ == typeHashTTL}
	if p.timed {
		w.hash.Bind(env, h)
		p.first = w.hash.MinExpire()
		w.Fixed64(uint64(p.first))
	}
	w.Len(uint64(datatypes.WalkSize(t, env, h)))
	return p
}

// Field writes a field of a hash.
func (p Pieces) Field(name, value []byte, expire_ms int64) {
	if p.timed {
		if expire_ms != 0 {
			expire_ms -= p.first - 1
		}
		p.w.Len(uint64(expire_ms))
	}
	p.w.String(name)
	p.w.String(value)
}

// Member writes a member of a set.
func (p Pieces) Member(member []byte) { p.w.String(member) }

// Scored writes a member of a sorted set.
func (p Pieces) Scored(member []byte, score float64) {
	p.w.String(member)
	p.w.Fixed64(math.Float64bits(score))
}

// BeginBlocks writes what stands before the blocks of a list, each of which ListBlock writes, before the nodes of a stream, which
// StreamNode does, or before a string, which String does.
func (w *Writer) BeginBlocks(key []byte, t datatypes.Type, env *datatypes.Env, h datatypes.Holder) {
	w.Byte(w.form(t, env, h))
	w.String(key)
	if t == datatypes.TypeList {
		w.list.Bind(env, h)
		w.Len(uint64(w.list.BlockCount()))
	}
	if t == datatypes.TypeStream {
		w.stream.Bind(env, h)
		w.Len(uint64(w.stream.NodeCount()))
	}
}

// EndStream writes what stands behind the nodes of a stream: its counters, its groups and what is pending there.
func (w *Writer) EndStream(env *datatypes.Env, h datatypes.Holder) {
	w.stream.Bind(env, h)
	w.streamRest(w.form(datatypes.TypeStream, env, h))
}
