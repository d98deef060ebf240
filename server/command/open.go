package command

import (
	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// open replies WRONGTYPE if that is what a look-up came to.
func open[T any](c *Ctx, x *T, st keyspace.Status) (*T, bool) {
	if st == keyspace.WrongType {
		c.Fail(resp.ErrWrongType)
		return nil, false
	}
	return x, true
}

// edit is open for a change, for which OOM is the reply if the value may take memory that there is not.
func edit[T any](c *Ctx, x *T, st keyspace.Status) (*T, bool) {
	if st == keyspace.Found && !c.RoomToEdit() {
		c.Fail(resp.ErrOOM)
		return nil, false
	}
	return open(c, x, st)
}

// ReadHash gives the hash at key, an empty one if there is none. ok is false if the key holds something else, which is
// the reply then. So with the others below; those named Edit make the key with its first element and drop it with its
// last.
func (c *Ctx) ReadHash(key []byte) (h *datatypes.Hash, ok bool) {
	h, st := c.View.ReadHash(key)
	return open(c, h, st)
}

// EditHash is ReadHash for a change. ok is false, too, if there is no memory to change it. Who opens it again within a command, having
// changed something, asks the View, which does not refuse.
func (c *Ctx) EditHash(key []byte) (h *datatypes.Hash, ok bool) {
	h, st := c.View.EditHash(key)
	return edit(c, h, st)
}

// ReadSet gives the set at key; see ReadHash.
func (c *Ctx) ReadSet(key []byte) (s *datatypes.Set, ok bool) {
	s, st := c.View.ReadSet(key)
	return open(c, s, st)
}

// EditSet is ReadSet for a change.
func (c *Ctx) EditSet(key []byte) (s *datatypes.Set, ok bool) {
	s, st := c.View.EditSet(key)
	return edit(c, s, st)
}

// ReadList gives the list at key; see ReadHash.
func (c *Ctx) ReadList(key []byte) (l *datatypes.List, ok bool) {
	l, st := c.View.ReadList(key)
	return open(c, l, st)
}

// EditList is ReadList for a change.
func (c *Ctx) EditList(key []byte) (l *datatypes.List, ok bool) {
	l, st := c.View.EditList(key)
	return edit(c, l, st)
}

// ReadZSet gives the sorted set at key; see ReadHash.
func (c *Ctx) ReadZSet(key []byte) (z *datatypes.ZSet, ok bool) {
	z, st := c.View.ReadZSet(key)
	return open(c, z, st)
}

// EditZSet is ReadZSet for a change.
func (c *Ctx) EditZSet(key []byte) (z *datatypes.ZSet, ok bool) {
	z, st := c.View.EditZSet(key)
	return edit(c, z, st)
}

// ReadStream gives the stream at key; see ReadHash.
func (c *Ctx) ReadStream(key []byte) (s *datatypes.Stream, ok bool) {
	s, st := c.View.ReadStream(key)
	return open(c, s, st)
}

// EditStream is ReadStream for a change. An empty stream stays.
func (c *Ctx) EditStream(key []byte) (s *datatypes.Stream, ok bool) {
	s, st := c.View.EditStream(key)
	return open(c, s, st)
}
