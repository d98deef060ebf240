package table

// Shape makes t, which has no entries, able to take those of from without growing: it gets segments of the same depth and the
// same number of buckets, about budget of them from the cursor on. It returns the cursor to go on with; 0 is where it begins,
// and is returned when it has come to the end. A table that is filled in any other way has to move its entries
// some ten times until each has its segment.
//
// from does not change between the calls but for what MoveSparse does. The two may be in different arenas.
func (t *Table) Shape(from *Table, cursor uint64, budget int) uint64 {
	pos := cursor << cursorShift
	for ; budget > 0; budget-- {
		like := from.segment(pos)
		s := t.segment(pos)
		for s.depth < like.depth {
			t.split(&s)
			s = t.segment(pos)
		}
		if s.n != like.n {
			t.resize(&s, like.n)
		}
		if pos = like.next(); pos == 0 {
			return 0
		}
	}
	return pos >> cursorShift
}

// Passed tells whether a cursor that Scan has returned is behind the hash: entries with it have been shown.
func Passed(cursor, h uint64) bool { return h>>cursorShift < cursor }
