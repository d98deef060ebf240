package keyspace

import (
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// A walk shows all entries of a shard as they were at one moment, while commands go on changing them: step by step in
// the order of the hashes, and each entry that is about to change before it does.
//
// What has been shown is told by hashes alone, which stay when tables grow, split and merge. The hashes of a database
// are cut into granules of about eight keys. Behind the walk's position everything has been shown; ahead of it a bit
// for each granule says whether that has. Who is about to change, insert or remove a key whose granule has not been
// shown has it shown first, all of it: nothing that came or changed after the moment is in a granule that is still to
// be shown.
//
//	hashes   0 ------------- pos ------------------------------ 2^64
//	         all are shown    | . . x . x x . . . . x . . . . .     x: shown ahead of the walk, because of a write
type walk struct {
	id    WalkID
	saver Saver
	parts []*part // in the order of their databases; those that are done are taken out

	pieces PiecesSaver              // the saver, if it takes large values in pieces
	open   []*largePart             // in the order in which they came, and some that are done
	large  map[largeName]*largePart // those that are not done, by their keys
	left   map[arena.Ref]*largePart // or, when they have left those, by their roots
}

// WalkID names a walk through all shards.
type WalkID uint64

// A Saver is shown the entries of a shard by a walk, each once, while the shard is held. See PiecesSaver for large values. db is the number that the
// database had when the walk began. It may read the entry, and change nothing.
type Saver interface {
	Save(db int, e *Entry)
}

// part is the walk through one database.
type part struct {
	sh    *Shard
	saver Saver
	db    int
	t     *table.Table // where the entries stand: the handle of a database, or own when that was flushed
	own   table.Table
	pos   uint64 // where the walk is; the beginning of a granule
	done  bool
	ahead table.Granules // those marked have been shown ahead of the walk
	entry Entry

	opened int // large values of which not all has been shown
}

// granuleKeys is about how many keys a granule has.
const granuleKeys = 8

// BeginWalk begins a walk through every shard, with the savers of the shards. All shards are held: that is the moment.
// No shard may be in a walk.
func (ks *Keyspace) BeginWalk(saver func(shard int) Saver) WalkID {
	ks.walks++
	for i, s := range ks.shards {
		if s.walk != nil {
			panic("assertion failed: a walk begins in another one")
		}
		w := &walk{id: ks.walks, saver: saver(i)}
		w.pieces, _ = w.saver.(PiecesSaver)
		for k := range s.dbs {
			d := &s.dbs[k]
			if !d.ready || d.t.Len() == 0 {
				continue
			}
			d.part = &part{sh: s, saver: w.saver, db: k, t: &d.t, ahead: table.NewGranules(d.t.Len(), granuleKeys)}
			w.parts = append(w.parts, d.part)
		}
		s.walk = w
	}
	return ks.walks
}

// EndWalk ends the walk of the shard, which is held, wherever it is, if it is in that walk.
func (s *Shard) EndWalk(id WalkID) {
	if s.walk == nil || s.walk.id != id {
		return
	}
	for _, l := range s.walk.open {
		if l != nil && !l.done {
			l.close()
			l.p.done = true
		}
	}
	for _, p := range s.walk.parts {
		p.done = true
	}
	s.walk = nil
	for i := range s.dbs {
		s.dbs[i].part = nil
	}
	s.tellOfGraves()
}

// WalkStep shows about that many entries of the shard, which is held, and tells whether there are more. There are none if
// the walk has been ended.
func (s *Shard) WalkStep(id WalkID, budget int) (more bool) {
	w := s.walk
	if w == nil || w.id != id {
		return false
	}
	for budget > 0 {
		if l := w.nextOpen(); l != nil {
			budget -= l.step(budget)
			continue
		}
		if len(w.parts) == 0 {
			break
		}
		p := w.parts[0]
		budget -= p.step()
		if p.done {
			w.parts = w.parts[1:]
			s.tellOfGraves()
		}
	}
	return len(w.parts) > 0 || w.nextOpen() != nil
}

// runOf is how many granules a step shows at once: going through a segment costs looking at all of its buckets.
const runOf = 8

// step shows the next granules that were not shown yet. It returns how much work that was, in entries.
func (p *part) step() (cost int) {
	at := p.ahead.Of(p.pos)
	first, end := p.ahead.Run(at, runOf)
	p.pos = p.ahead.Start(end)
	p.done = end == p.ahead.Count()
	cost = 1 + int(first-at)
	if first < end {
		cost += p.show(p.ahead.Start(first), p.pos)
	}
	return cost
}

// show shows the entries in a range of hashes.
func (p *part) show(from, to uint64) (n int) {
	p.entry.it.sh = p.sh
	p.t.Range(from, to, func(_ uint64, e arena.Ref) {
		p.entry.it.e, p.entry.it.h = e, parse(p.sh.arena, e)
		if !p.open(&p.entry) {
			p.saver.Save(p.db, &p.entry)
		}
		n++
	})
	return n
}

// before has the granule of a hash shown, if that has not been done. It is called before an entry with that hash
// changes, comes or goes.
func (p *part) before(h uint64) {
	if p.done || h < p.pos {
		return
	}
	g := p.ahead.Of(h)
	if p.ahead.Shown(g) {
		return
	}
	p.ahead.Mark(g)
	p.show(p.ahead.Start(g), p.ahead.Start(g+1))
}

// before is called before the key with the hash h comes.
func (d *database) before(h uint64) {
	if d.part != nil {
		d.part.before(h)
	}
}

// over tells that all has been shown.
func (p *part) over() bool { return p.done && p.opened == 0 }

// before is called before anything of the entry changes but its access word, and before it goes. If the value is large, and not all of it
// has been shown, that is not all there is to do: see Handle.Before and leaves.
func (it *item) before() {
	if it.d.part != nil {
		it.d.part.before(it.sh.ks.hash(it.key()))
	}
	if it.sh.copied != nil {
		it.spoils()
	}
}

// detach lets the walk go on through a database's table, which is not the database's any more.
func (p *part) detach(t table.Table) {
	p.own = t
	p.t = &p.own
}
