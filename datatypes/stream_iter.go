package datatypes

import "larder/datatypes/listpack"

// A StreamIter walks over entries of a stream:
//
//	for it := s.Iter(start, end, false); it.Next(); {
//		reply.Bulk(it.ID())
//		for it.Field() {
//			reply.Bulk(it.Name())
//			reply.Bulk(it.Value())
//		}
//	}
//
// Entries must not be added or deleted meanwhile, but groups and pending entries may change.
type StreamIter struct {
	t          idTree
	p          idPath
	c          nodeCursor
	start, end StreamID
	backward   bool
	open       bool // p leads to a node and c reads it
	given      bool // the current entry was given by Next
	done       bool
	id         StreamID

	left        int // fields that Field has not given yet
	name        int // offset of the next field's name, in the master entry or the entry itself
	value       int // offset of the next value, or of the next field if names stand in the entry
	names       bool
	field, text listpack.Elem
	num         [2][20]byte
}

// Iter walks over the entries from start to end, both included, or, if backward, from end to start. O(log nodes +
// entries of a node) to begin.
func (s *Stream) Iter(start, end StreamID, backward bool) (it StreamIter) {
	it.t = s.nodes(s.head())
	it.start, it.end, it.backward = start, end, backward
	switch {
	case end.Less(start):
		it.done = true
	case backward:
		it.done = !it.t.seekLE(&it.p, end)
	case it.t.seekLE(&it.p, start):
	default:
		it.done = !it.t.first(&it.p)
	}
	return it
}

// Next moves on to the next entry; it returns false if there is none.
func (it *StreamIter) Next() bool {
	for !it.done {
		if !it.step() {
			continue
		}
		id := it.c.id
		if it.c.deleted() { // it says nothing of those behind it: see validateNode
			continue
		}
		if it.backward && id.Less(it.start) || !it.backward && it.end.Less(id) {
			it.done = true
			break
		}
		if id.Less(it.start) || it.end.Less(id) {
			continue
		}
		it.id, it.given = id, true
		it.left, it.value, it.names = it.c.n, it.c.values, !it.c.same()
		it.name = it.c.names
		return true
	}
	it.id = StreamID{}
	return false
}

// step reads the next entry of the node; if there is none it goes to the next node and returns false.
func (it *StreamIter) step() bool {
	if !it.open {
		it.c = openNode((*streamNode)(it.t.value(&it.p)).bytes(it.t.a), it.t.id(&it.p))
		it.open = true
		if it.backward {
			return it.turn(it.c.last())
		}
		return it.turn(it.c.begin())
	}
	if it.backward {
		return it.turn(it.c.prev())
	}
	if it.given && it.left == 0 {
		it.given = false
		return it.turn(it.c.read(listpack.Next(it.c.b, it.value))) // the fields have been walked over already
	}
	it.given = false
	return it.turn(it.c.next())
}

func (it *StreamIter) turn(ok bool) bool {
	if !ok {
		it.open = false
		if it.backward {
			it.done = !it.t.prev(&it.p)
		} else {
			it.done = !it.t.next(&it.p)
		}
	}
	return ok
}

// ID is the current entry's ID.
func (it *StreamIter) ID() StreamID { return it.id }

// FieldCount is the number of fields of the current entry.
func (it *StreamIter) FieldCount() int { return it.c.n }

// Field moves on to the next field of the current entry; it returns false if there is none.
func (it *StreamIter) Field() bool {
	if it.left == 0 {
		return false
	}
	it.left--
	b := it.c.b
	if it.names {
		it.field, it.value = listpack.Read(b, it.value)
	} else {
		it.field, it.name = listpack.Read(b, it.name)
	}
	it.text, it.value = listpack.Read(b, it.value)
	return true
}

// Name is the current field's name. What is stored as an integer lasts until the next call of Name.
func (it *StreamIter) Name() []byte { return it.field.Bytes(it.num[0][:]) }

// Value is the current field's value. What is stored as an integer lasts until the next call of Value.
func (it *StreamIter) Value() []byte { return it.text.Bytes(it.num[1][:]) }
