package codec

import (
	"encoding/binary"

	"larder/datatypes"
)

func (w *Writer) streamID(id datatypes.StreamID) {
	w.Len(id.Ms)
	w.Len(id.Seq)
}

// rawID writes an ID in the form that the keys of Redis's own trees have.
func (w *Writer) rawID(id datatypes.StreamID) {
	w.buf = binary.BigEndian.AppendUint64(w.buf, id.Ms)
	w.buf = binary.BigEndian.AppendUint64(w.buf, id.Seq)
}

// writeStream writes the nodes, the counters, and the groups: for each its pending entries, then for each consumer the
// IDs of those that are its own.
func (w *Writer) writeStream(typ byte, env *datatypes.Env, h datatypes.Holder) {
	s := &w.stream
	s.Bind(env, h)
	w.Len(uint64(s.NodeCount()))
	s.EachNode(func(master datatypes.StreamID, b []byte) bool {
		w.StreamNode(master, b)
		return w.err == nil
	})
	w.streamRest(typ)
}

// StreamNode writes a node of a stream.
func (w *Writer) StreamNode(master datatypes.StreamID, b []byte) {
	w.Len(16)
	w.rawID(master)
	w.listpack(b)
}

// streamRest writes what stands behind the nodes of w.stream.
func (w *Writer) streamRest(typ byte) {
	s := &w.stream
	w.Len(uint64(s.Len()))
	w.streamID(s.LastID())
	w.streamID(s.FirstID())
	w.streamID(s.MaxDeletedID())
	w.Len(s.EntriesAdded())
	w.Len(uint64(s.GroupCount()))
	for i := range s.GroupCount() {
		w.writeGroup(typ, s.GroupAt(i))
	}
}

func (w *Writer) writeGroup(typ byte, g datatypes.StreamGroup) {
	all := func(it datatypes.PendingIter, write func(e datatypes.Pending)) {
		for it.Next() && w.err == nil {
			write(it.Entry())
			w.spill()
		}
	}
	w.parts(nil, g.Name(), nil)
	w.streamID(g.LastID())
	w.Len(uint64(g.EntriesRead()))
	w.Len(uint64(g.PendingCount()))
	all(g.PendingIter(datatypes.StreamID{}, datatypes.MaxStreamID), func(e datatypes.Pending) {
		w.rawID(e.ID)
		w.Fixed64(uint64(e.DeliveredAt))
		w.Len(uint64(e.Deliveries))
	})
	w.Len(uint64(g.ConsumerCount()))
	for i := range g.ConsumerCount() {
		c := g.ConsumerAt(i)
		w.parts(nil, c.Name(), nil)
		w.Fixed64(uint64(c.SeenTime()))
		if typ == typeStream3 {
			w.Fixed64(uint64(c.ActiveTime()))
		}
		w.Len(uint64(c.PendingCount()))
		all(c.PendingIter(datatypes.StreamID{}, datatypes.MaxStreamID), func(e datatypes.Pending) { w.rawID(e.ID) })
	}
}
