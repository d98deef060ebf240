package datatypes

import (
	"bytes"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// A Walk shows the elements of a large value as they were at the moment of BeginWalk, step by step, while commands go on changing
// it: whoever is about to set, add or remove an element of a hash, set or sorted set (its encoding is EncRoot) calls
// Holder.Before, which leads to Before here, and what stood there is shown first. A list, a stream and a string are shown
// block by block, and all that is left of them before they change: a block has only to be copied.
//
// As in a walk through keys, the hashes of the members are cut into granules of about eight, and a bit for each says whether it
// has been shown ahead. All of a granule is shown at once: what comes or changes later is in a granule that is done with, so nothing
// of it is taken for an element of the moment.
//
//	hash, set    granules in the order of the hashes; behind pos all are shown
//	sorted set   members from the highest score to the lowest, but for those in granules that were shown ahead. So a file
//	             has them in the order that is the quickest to load, if nothing changes meanwhile. What is at or above the
//	             place (score, member) has been shown: for a granule that comes ahead the place tells which of its members have
//	list         block by block from the head; pos items have been shown
//	stream       node by node; from id on they are still to be shown. Its groups are not: they are what a walk does not see
//	string       some KiB at a time; pos bytes have been shown
//
// A Walk keeps no ref: the value is given to each call, wherever it stands by then, and defragmentation, growth and rehashing are
// nothing to it. What is shown is counted, and must come to the number of elements that there were.
type Walk struct {
	typ   Type
	left  int            // elements that are still to be shown
	ahead table.Granules // those marked were shown ahead
	some  bool           // one of them is
	pos   uint64         // hash, set: the beginning of the next granule; list, string: items, bytes that were shown
	over  bool           // there is nothing behind the position
	id    StreamID       // stream: where the next node begins, or before that

	begun  bool // sorted set: the place is one
	score  float64
	member []byte

	num [20]byte
}

// Elements is who is shown elements. What it is given is valid during the call.
type Elements interface {
	Field(name, value []byte, expire_ms int64)
	Member(member []byte)
	Scored(member []byte, score float64)
	Block(b []byte)                 // of a list, a listpack; of a string, its next bytes
	Node(master StreamID, b []byte) // of a stream, a listpack
}

const (
	walkGranule = 8  // about how many members a granule has
	walkRun     = 16 // granules that are gone through at once: each look into a segment costs finding its buckets

	walkBytes = 256 // bytes of a list, a stream or a string that count as one element
)

// Walkable tells whether a value is so large that it has at least that many elements.
func Walkable(t Type, env *Env, h Holder, least int) bool {
	n := 0
	switch {
	case t == TypeString && h.Enc() != EncInt:
		n = len(h.Bytes()) / walkBytes
	case t == TypeList && h.Enc() == EncRoot:
		n = int((*listHead)(env.Arena.Ptr(rootRef(h))).bytes) / walkBytes
	case t == TypeStream && h.Enc() == EncRoot:
		var x Stream
		x.Bind(env, h)
		n = x.Bytes(0) / walkBytes
	default:
		n = WalkSize(t, env, h)
	}
	return n > 0 && n >= least
}

// WalkSize is how many elements a large hash, set or sorted set has; 0 for others.
func WalkSize(t Type, env *Env, h Holder) int {
	if h.Enc() != EncRoot || t != TypeHash && t != TypeSet && t != TypeZSet {
		return 0
	}
	tab := walkTable(t, env, h)
	return tab.Len()
}

// walkTable is the table of a value's members.
func walkTable(t Type, env *Env, h Holder) table.Table {
	if t == TypeZSet {
		_, tab, _ := openZSet(env, rootRef(h))
		return tab
	}
	return table.Open(env.Arena, rootRef(h), memberLayout{}, env.Hash)
}

// BeginWalk begins a walk through a value that is Walkable.
func BeginWalk(t Type, env *Env, h Holder) *Walk {
	switch t {
	case TypeString:
		return &Walk{typ: t, left: len(h.Bytes())}
	case TypeList:
		return &Walk{typ: t, left: int((*listHead)(env.Arena.Ptr(rootRef(h))).items)}
	case TypeStream:
		var x Stream
		x.Bind(env, h)
		return &Walk{typ: t, left: x.NodeCount(), over: x.NodeCount() == 0}
	}
	size := WalkSize(t, env, h)
	return &Walk{typ: t, left: size, ahead: table.NewGranules(size, walkGranule)}
}

// InBlocks tells that the value has to be shown to its end before it changes.
func (w *Walk) InBlocks() bool {
	return w.typ == TypeList || w.typ == TypeString || w.typ == TypeStream
}

// Left is how many elements are still to be shown.
func (w *Walk) Left() int { return w.left }

// Over tells that the walk has come to the end.
func (w *Walk) Over() bool { return w.over || w.left == 0 }

// Step shows about budget elements, or passes over those that were shown ahead, and returns how much of the budget that took. When it
// has come to the end Over tells so.
func (w *Walk) Step(env *Env, h Holder, budget int, to Elements) (took int) {
	left := budget
	switch {
	case w.Over():
		return 0
	case w.typ == TypeZSet:
		left = w.stepDown(env, h, budget, to)
	case w.InBlocks():
		left = w.stepBlocks(env, h, budget, to)
	default:
		left = w.stepOn(env, h, budget, to)
	}
	invariant.Check(!w.over || w.left == 0, "walk: %d elements were not shown", w.left)
	return budget - left
}

// stepBlocks is Step for a list, a stream or a string.
func (w *Walk) stepBlocks(env *Env, h Holder, budget int, to Elements) (left int) {
	for budget > 0 && w.left > 0 {
		var b []byte
		n := 1
		switch w.typ {
		case TypeString:
			b = h.Bytes()[w.pos:]
			b = b[:min(len(b), min(budget, 1<<30/walkBytes)*walkBytes)]
			n = len(b)
			to.Block(b)
		case TypeList:
			var l List
			l.Bind(env, h)
			b, _, _ = l.BlockAt(int(w.pos))
			n = listpack.Len(b)
			to.Block(b)
		default:
			var x Stream
			x.Bind(env, h)
			var master StreamID
			master, b, _ = x.NodeAfter(w.id)
			w.id, _ = master.Next()
			to.Node(master, b)
		}
		budget -= 1 + len(b)/walkBytes
		w.pos, w.left = w.pos+uint64(n), w.left-n
	}
	return budget
}

// stepOn is Step in the order of the hashes.
func (w *Walk) stepOn(env *Env, h Holder, budget int, to Elements) (left int) {
	tab := walkTable(w.typ, env, h)
	g, n := w.ahead.Of(w.pos), w.ahead.Count()
	for g < n && budget > 0 {
		first, end := w.ahead.Run(g, walkRun)
		budget -= int(first - g)
		if first < end {
			budget -= w.show(env, &tab, w.ahead.Start(first), w.ahead.Start(end), to)
		}
		g = end
	}
	w.pos, w.over = w.ahead.Start(g), g == n
	return budget
}

// show shows the members with hashes in a range; of a sorted set those that are below its place. It returns how many there are.
func (w *Walk) show(env *Env, tab *table.Table, from, end uint64, to Elements) (n int) {
	tab.Range(from, end, func(_ uint64, e arena.Ref) {
		n++
		switch w.typ {
		case TypeHash:
			f := openField(env.Arena, e)
			to.Field(f.text, f.content(env.Arena, &w.num), f.expire)
		case TypeSet:
			to.Member(memberLayout{}.Key(env.Arena, e))
		default:
			member, score := zmemberLayout{}.Key(env.Arena, e), *(*float64)(env.Arena.Ptr(e))
			if w.passed(member, score) {
				return
			}
			to.Scored(member, score)
		}
		w.left--
	})
	return n
}

// passed tells whether a member of a sorted set stands where the walk has been.
func (w *Walk) passed(member []byte, score float64) bool {
	return w.begun && (score > w.score || score == w.score && bytes.Compare(member, w.member) >= 0)
}

// stepDown is Step from the highest score to the lowest.
func (w *Walk) stepDown(env *Env, h Holder, budget int, to Elements) (left int) {
	_, _, tree := openZSet(env, rootRef(h))
	at := tree.At(tree.Len())
	if w.begun {
		at = tree.Seek(w.score, w.member)
	}
	var member []byte
	score := 0.0
	for at.Prev(); at.Valid() && budget > 0; at.Prev() {
		budget--
		member, score = zmemberLayout{}.Key(env.Arena, at.Ref()), at.Score()
		if w.some && w.ahead.Shown(w.ahead.Of(env.Hash(member))) {
			continue
		}
		to.Scored(member, score)
		w.left--
	}
	if member != nil {
		w.begun, w.score, w.member = true, score, append(w.member[:0], member...)
	}
	w.over = !at.Valid()
	return budget
}

// Before shows what is in the granule of a member, if that has not been done. The member is about to come, to change or to go.
func (w *Walk) Before(env *Env, h Holder, member []byte, to Elements) {
	if w.Over() {
		return
	}
	hash := env.Hash(member)
	g := w.ahead.Of(hash)
	if w.typ != TypeZSet && hash < w.pos || w.ahead.Shown(g) {
		return
	}
	w.ahead.Mark(g)
	w.some = true
	tab := walkTable(w.typ, env, h)
	w.show(env, &tab, w.ahead.Start(g), w.ahead.Start(g+1), to)
}
