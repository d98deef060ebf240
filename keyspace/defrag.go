package keyspace

import (
	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// Defragmentation empties the sparsest pages of a shard's arena into the room of the others, so that Trim can give them
// back to the system. The arena says which allocations are to go, but not who holds their refs; so a walk over all that
// the shard holds looks for them: tables, entries, values that stand apart, and what collections are made of.
//
//	if s.Fragmentation() is worth it:
//		s.StartDefrag()
//		for s.Defrag(500) { let the shard go for a while }
//		s.Trim(...)
//
// Commands run between all of these steps. What they allocate meanwhile comes from pages that stay, and what the walk
// misses because of them stays where it is: that page is not emptied this time.
type defrag struct {
	db     int
	cursor uint64       // of the database's table
	large  []largeValue // collections that are walked piece by piece, before the table goes on
	found  []found      // entries of one segment

	stats DefragStats
}

// DefragStats counts what defragmentation did with a shard.
type DefragStats struct {
	Moved, Looked         uint64 // allocations: moved; looked at and left, in collections not counted one by one
	KeysMoved, KeysLooked uint64 // the same for entries
	Walks                 uint64 // begun
}

// Add adds the counts of another shard.
func (s *DefragStats) Add(o DefragStats) {
	s.Moved += o.Moved
	s.Looked += o.Looked
	s.KeysMoved += o.KeysMoved
	s.KeysLooked += o.KeysLooked
	s.Walks += o.Walks
}

// found is an entry that the walk has come to.
type found struct {
	slot table.Slot
	e    arena.Ref
}

// largeValue is a collection that the walk is in the middle of.
type largeValue struct {
	db     int
	key    []byte
	typ    datatypes.Type
	cursor uint64
}

// defragGoal is how full the pages of each size class shall be, as its inverse.
const defragGoal = 1.05

// Fragmentation is what the shard's allocations take, what a walk over them would turn into free pages, and the
// free pages that Trim could give back; in bytes.
func (s *Shard) Fragmentation() (live, gain, free int64) {
	st := s.arena.Stats()
	return st.LiveBytes, st.GainBytes, st.DirtyBytes
}

// StartDefrag begins a walk, from the start if one is under way, and returns about how many bytes it will turn into free
// pages. If that is 0 it has not begun.
func (s *Shard) StartDefrag() (gain int64) {
	s.defrag = defrag{stats: s.defrag.stats}
	if gain = s.arena.StartEvacuation(defragGoal); gain > 0 {
		s.defrag.stats.Walks++
	}
	return gain
}

// Defragging tells whether a walk is under way.
func (s *Shard) Defragging() bool { return s.arena.Evacuating() }

// StopDefrag ends the walk where it is.
func (s *Shard) StopDefrag() {
	s.arena.StopEvacuation()
	s.defrag = defrag{stats: s.defrag.stats}
}

// DefragStats are the counts since the start, or since they were forgotten.
func (s *Shard) DefragStats() DefragStats { return s.defrag.stats }

// ForgetDefragStats begins to count anew.
func (s *Shard) ForgetDefragStats() { s.defrag.stats = DefragStats{} }

// Trim gives free pages beyond keep bytes back to the system, about budget bytes in this call. It tells whether there
// is more to give.
func (s *Shard) Trim(keep, budget int64) (more bool) { return s.arena.Trim(keep, budget) }

// markStep is how many pages are marked at a time; each is a look at its record.
const markStep = 512

// innerFirst is how many parts of a collection are looked at together with its entry; larger ones take steps of their own.
const innerFirst = 64

// Defrag goes on with the walk: it looks at about budget allocations, and in the worst case at those of one segment of
// a table, 768. It tells whether there is more to do; if not, the walk is over.
func (s *Shard) Defrag(budget int) (more bool) {
	w := &s.defrag
	if !s.arena.Evacuating() {
		return false
	}
	if s.arena.Mark(markStep) {
		return true
	}
	for budget > 0 {
		if n := len(w.large); n > 0 {
			if budget -= s.defragLarge(&w.large[n-1], budget); w.large[n-1].cursor == 0 {
				w.large = w.large[:n-1]
			}
			continue
		}
		if w.db == len(s.dbs) {
			s.StopDefrag()
			return false
		}
		d := &s.dbs[w.db]
		if !d.ready {
			w.db, w.cursor = w.db+1, 0
			continue
		}
		d.t.MoveSparse(w.cursor, 1)
		w.found = w.found[:0]
		w.cursor = d.t.EachFrom(w.cursor, 1, func(slot table.Slot, e arena.Ref) {
			s.arena.Prefetch(e)
			w.found = append(w.found, found{slot, e})
		})
		for _, f := range w.found {
			s.defragEntry(w.db, d, f)
		}
		d.gen++
		if budget -= 1 + len(w.found); w.cursor == 0 {
			w.db++
		}
	}
	return true
}

// defragEntry moves an entry and what its value has in the arena, if they stand in pages that are to be emptied.
func (s *Shard) defragEntry(db int, d *database, f found) {
	w := &s.defrag
	it := item{sh: s, d: d, slot: f.slot, e: f.e, h: parse(s.arena, f.e)}
	w.stats.KeysLooked++
	if size := it.h.size(); s.arena.ShouldMove(it.e, size) {
		if e := s.arena.Move(it.e, size); e != it.e {
			it.e = e
			d.t.SetEntry(it.slot, e)
			w.stats.KeysMoved++
			w.stats.Moved++
		}
	}
	switch {
	case it.h.far():
		b := it.bytes()[it.h.valOff():]
		if v := getFar(b); s.arena.ShouldMove(v.ref, v.cap) {
			v.ref = s.arena.Move(v.ref, v.cap)
			v.put(b)
			w.stats.Moved++
		}
	case it.h.enc() == datatypes.EncRoot:
		if cursor := it.copied().defragValue(0, innerFirst); cursor != 0 {
			w.large = append(w.large, largeValue{db, append([]byte(nil), it.key()...), it.h.typ(), cursor})
		}
	}
}

// defragLarge goes on with one collection and returns about how many parts of it were looked at. The cursor is 0 when
// it is done, or gone.
func (s *Shard) defragLarge(l *largeValue, budget int) (looked int) {
	cursor := l.cursor
	l.cursor = 0
	d := &s.dbs[l.db]
	if !d.ready {
		return 1
	}
	slot, ok := d.t.Find(s.ks.hash(l.key), l.key)
	if !ok {
		return 1
	}
	it := item{sh: s, d: d, slot: slot, e: d.t.Entry(slot)}
	it.h = parse(s.arena, it.e)
	if it.h.typ() != l.typ || it.h.enc() != datatypes.EncRoot || it.h.far() {
		return 1
	}
	l.cursor = it.defragValue(cursor, budget)
	return budget
}

// defragValue moves what a collection is made of, about budget parts of it from the cursor on, and returns the cursor to
// go on from, 0 at the end.
func (it *item) defragValue(cursor uint64, budget int) (next uint64) {
	env, h := &it.sh.env, &rootHolder{it}
	before := it.sh.arena.Moves()
	switch it.h.typ() {
	case datatypes.TypeHash:
		var x datatypes.Hash
		x.Bind(env, h)
		next = x.Defrag(cursor, budget)
	case datatypes.TypeSet:
		var x datatypes.Set
		x.Bind(env, h)
		next = x.Defrag(cursor, budget)
	case datatypes.TypeList:
		var x datatypes.List
		x.Bind(env, h)
		next = x.Defrag(cursor, budget)
	case datatypes.TypeZSet:
		var x datatypes.ZSet
		x.Bind(env, h)
		next = x.Defrag(cursor, budget)
	case datatypes.TypeStream:
		var x datatypes.Stream
		x.Bind(env, h)
		next = x.Defrag(cursor, budget)
	}
	moved := it.sh.arena.Moves() - before
	it.sh.defrag.stats.Moved += moved
	it.sh.defrag.stats.Looked += max(uint64(budget), moved) - moved
	return next
}

// rootHolder holds an entry's value whose header may be moved: the ref of it is all that changes.
type rootHolder struct{ it *item }

func (r *rootHolder) Enc() datatypes.Enc { return r.it.h.enc() }
func (r *rootHolder) Bytes() []byte      { return r.it.value() }

func (r *rootHolder) SetEnc(e datatypes.Enc) {
	if e != datatypes.EncRoot {
		panic("assertion failed: defragmentation changed a value's encoding")
	}
}

func (r *rootHolder) Before([]byte) {} // elements are moved, not changed

func (r *rootHolder) Resize(n int) []byte {
	if n != r.it.h.valLen {
		panic("assertion failed: defragmentation changed a value's size")
	}
	return r.it.value()
}
