package keyspace

import (
	"bytes"
	"encoding/binary"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/invariant"
)

// A large value is not shown as a whole: that would keep its shard for some tenths of a second for each million elements. When
// the walk, or a command that is about to change the entry, comes to it, only what is said of the value is shown (its key, expiry,
// number of elements), and a largePart is opened, through which the elements come: some with each step of the walk, others before
// commands change them (datatypes.Walk).
//
//	                 walk.open ──> largePart "board": 2M members at the moment, 1.4M still to be shown
//	ZADD board …     its granule of eight is shown, then it is changed
//	LPUSH queue x    of a list, a stream or a string all that is left is shown at once: only bytes are copied
//	DEL board        the value leaves its key: what is left of it waits in the grave, by its root, until all is shown
//	RENAME board b   the rest is shown at once: the value gets another name, under which it may change
//
// What is true all the time:
//
//   - A value whose granule of keys has been shown and that has no largePart is done with, or is not of the moment.
//   - The value of a largePart stands at its key in the part's table, or, when it has left, at root in a grave that is not freed.
//   - Its elements are shown to one Pieces, as many as the value had at the moment, before the part counts as over.
type largePart struct {
	p    *part
	key  []byte
	typ  datatypes.Type
	root arena.Ref // of a value that has left its key; 0 before
	walk *datatypes.Walk
	to   Pieces
	done bool
}

// Pieces is who is shown the elements of one large value. The shard is held at each call.
type Pieces interface {
	datatypes.Elements
	// End follows the last element. It is not called if the walk is given up.
	End()
}

// A PiecesSaver is a Saver that takes large values in pieces.
type PiecesSaver interface {
	Saver
	// Begin is called in place of Save with the entry of a large value. It reads what it wants to know of it but the elements. If
	// it returns nil Save is called after all.
	Begin(db int, e *Entry) Pieces
}

const (
	// walkLeast is Keyspace.WalkLeast, unless a test has set it: showing fewer elements takes less than some tenths of a millisecond.
	walkLeast = 1024
	// walkElements is how many elements of a large value cost a step of the walk as much as one entry.
	walkElements = 4
)

// leastWalked is walkLeast, or few in an invariant build: what is large is then met all the time.
func leastWalked() int {
	if invariant.Enabled {
		return 4
	}
	return walkLeast
}

// largeName finds a largePart.
type largeName struct {
	p   *part
	key string
}

// open opens the value of an entry that is shown if it is large; otherwise it is false.
func (p *part) open(e *Entry) bool {
	w := p.sh.walk
	if w == nil || w.pieces == nil || !e.it.mayBeLarge() {
		return false
	}
	t, h := e.Type(), peek{&e.it}
	if !datatypes.Walkable(t, &p.sh.env, h, p.sh.ks.WalkLeast) {
		return false
	}
	to := w.pieces.Begin(p.db, e)
	if to == nil {
		return false
	}
	l := &largePart{p: p, key: bytes.Clone(e.Key()), typ: t, walk: datatypes.BeginWalk(t, &p.sh.env, h), to: to}
	if w.large == nil {
		w.large = map[largeName]*largePart{}
	}
	w.large[largeName{p, string(l.key)}] = l
	w.open = append(w.open, l)
	p.opened++
	return true
}

// nextOpen is the first value that is open, nil if there is none.
func (w *walk) nextOpen() *largePart {
	for len(w.open) > 0 {
		if l := w.open[0]; !l.done {
			return l
		}
		w.open[0] = nil
		w.open = w.open[1:]
	}
	w.open = nil
	return nil
}

// step shows some elements. It returns how much work that was, in entries.
func (l *largePart) step(budget int) (cost int) {
	took := l.walk.Step(&l.p.sh.env, l.holder(), budget*walkElements, l.to)
	l.endIfOver()
	return 1 + took/walkElements
}

// before is called before an element of the value comes, changes or goes.
func (l *largePart) before(h datatypes.Holder, member []byte) {
	if !l.done {
		l.walk.Before(&l.p.sh.env, h, member, l.to)
		l.endIfOver()
	}
}

// finish shows all that is left.
func (l *largePart) finish() {
	for !l.done {
		l.step(1 << 20)
	}
}

func (l *largePart) endIfOver() {
	if l.done || !l.walk.Over() {
		return
	}
	if l.walk.Left() != 0 { // the file would be wrong, and say so only when it is read
		panic("assertion failed: elements of a large value were not shown")
	}
	l.close()
	l.to.End()
	l.p.sh.tellOfGraves() // the value may be in one
}

// close forgets the value.
func (l *largePart) close() {
	l.done = true
	l.p.opened--
	w := l.p.sh.walk
	if l.root != 0 {
		delete(w.left, l.root)
	} else {
		delete(w.large, largeName{l.p, string(l.key)})
	}
}

// holder is where the value stands now.
func (l *largePart) holder() datatypes.Holder {
	if l.root != 0 {
		return rootOf(l.root)
	}
	sh := l.p.sh
	slot, ok := l.p.t.Find(sh.ks.hash(l.key), l.key)
	if !ok {
		panic("assertion failed: a large value is gone and nobody said so")
	}
	it := &item{sh: sh, e: l.p.t.Entry(slot)}
	it.h = parse(sh.arena, it.e)
	if it.h.typ() != l.typ || !it.mayBeLarge() {
		panic("assertion failed: a large value has another form and nobody said so")
	}
	return peek{it}
}

// mayBeLarge tells whether an entry has more than what stands in it.
func (it *item) mayBeLarge() bool { return it.h.enc() == datatypes.EncRoot || it.h.far() }

// large is the open part of the entry's value, nil if there is none.
func (it *item) large() *largePart {
	w := it.sh.walk
	if it.d.part == nil || w == nil || len(w.large) == 0 || !it.mayBeLarge() {
		return nil
	}
	return w.large[largeName{it.d.part, string(it.key())}]
}

// edited is large for a value that is about to be edited: one in blocks is shown to its end.
func (it *item) edited() *largePart {
	l := it.large()
	if l != nil && l.walk.InBlocks() {
		l.finish()
		l = nil
	}
	return l
}

// leaves is called before the value of an entry goes: what of it is still to be shown is kept for that.
func (it *item) leaves() {
	l := it.edited()
	if l == nil {
		return
	}
	w := it.sh.walk
	delete(w.large, largeName{l.p, string(l.key)})
	l.root = arena.Ref(binary.LittleEndian.Uint32(it.value()))
	if w.left == nil {
		w.left = map[arena.Ref]*largePart{}
	}
	invariant.Check(w.left[l.root] == nil, "walk: two values at one root")
	w.left[l.root] = l
}

// left is the open part of a value that has left its key, nil if there is none.
func (s *Shard) left(root arena.Ref) *largePart {
	if s.walk == nil {
		return nil
	}
	return s.walk.left[root]
}

// rootOf holds a value that is only read by its root.
type rootOf arena.Ref

// Enc is that of every structure.
func (r rootOf) Enc() datatypes.Enc { return datatypes.EncRoot }

// Bytes is the root.
func (r rootOf) Bytes() []byte { return binary.LittleEndian.AppendUint32(nil, uint32(r)) }

// Before does nothing: who reads changes nothing.
func (r rootOf) Before([]byte) {}

// SetEnc is not called.
func (r rootOf) SetEnc(datatypes.Enc) {
	panic("assertion failed: a value that is only read was changed")
}

// Resize is not called.
func (r rootOf) Resize(int) []byte { panic("assertion failed: a value that is only read was changed") }
