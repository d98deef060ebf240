package codec

import (
	"encoding/binary"
	"math"

	"larder/datatypes"
)

func (r *Reader) streamID() datatypes.StreamID {
	ms := r.Len()
	return datatypes.StreamID{Ms: ms, Seq: r.Len()}
}

func (r *Reader) rawID() (id datatypes.StreamID) {
	if b := r.next(16); b != nil {
		id = datatypes.StreamID{Ms: binary.BigEndian.Uint64(b), Seq: binary.BigEndian.Uint64(b[8:])}
	}
	return id
}

func (r *Reader) readStream(typ byte, env *datatypes.Env, h datatypes.Holder) {
	s := &r.stream
	s.Bind(env, h)
	if !r.room(env, 0) {
		return
	}
	s.Create()
	for n := r.Count(2); n > 0 && r.err == nil; n-- {
		key := r.String()
		if len(key) != 16 {
			r.corrupt("an ID that is not 16 bytes long")
			return
		}
		master := datatypes.StreamID{Ms: binary.BigEndian.Uint64(key), Seq: binary.BigEndian.Uint64(key[8:])}
		b := r.String()
		if r.room(env, len(b)) {
			r.check("Stream listpack", s.LoadNode(master, b))
		}
	}
	length, last := r.Len(), r.streamID()
	var maxDeleted datatypes.StreamID
	added := length
	if typ != typeStream {
		r.streamID() // the first entry's, which the entries tell
		maxDeleted = r.streamID()
		added = r.Len()
	}
	if r.err == nil {
		r.check("Stream counters", s.LoadCounters(length, last, maxDeleted, added))
	}
	for n := r.Count(6); n > 0 && r.err == nil; n-- {
		r.readGroup(typ, env)
	}
}

func (r *Reader) readGroup(typ byte, env *datatypes.Env) {
	s := &r.stream
	name := r.hold(r.String())
	last := r.streamID()
	read := int64(datatypes.EntriesReadUnknown)
	if typ != typeStream {
		read = int64(r.Len())
	} else if n, ok := s.EntriesBefore(last); ok {
		read = n
	}
	if !r.room(env, len(name)) {
		return
	}
	g, created := s.CreateGroup(name, last, read)
	if !created {
		r.corrupt("a group twice")
		return
	}
	for n := r.Count(25); n > 0 && r.err == nil; n-- {
		id, at := r.rawID(), r.Fixed64()
		times := r.Len()
		if at > math.MaxInt64 || times > math.MaxInt64 {
			r.corrupt("a pending entry of impossible age")
		}
		if r.room(env, 0) && !g.LoadPending(id, int64(at), int64(times)) {
			r.corrupt("a pending entry twice")
		}
	}
	for n := r.Count(10); n > 0 && r.err == nil; n-- {
		r.readConsumer(typ, env, g)
	}
	if r.err == nil && !g.PendingLoaded() {
		r.corrupt("a pending entry of no consumer")
	}
}

func (r *Reader) readConsumer(typ byte, env *datatypes.Env, g datatypes.StreamGroup) {
	name := r.hold(r.String())
	seen := int64(r.Fixed64())
	active := seen // the best that older versions tell
	if typ == typeStream3 {
		active = int64(r.Fixed64())
	}
	if !r.room(env, len(name)) {
		return
	}
	c, created := g.CreateConsumer(name, seen)
	if !created {
		r.corrupt("Duplicate stream consumer detected")
		return
	}
	c.SetActiveTime(active)
	for n := r.Count(16); n > 0 && r.err == nil; n-- {
		id := r.rawID()
		if r.room(env, 0) && !c.LoadPending(id) {
			r.corrupt("a consumer's entry that is not pending")
		}
	}
}
