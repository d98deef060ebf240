package table

import "larder/datatypes/arena"

// MoveSparse moves what the table itself has allocated in pages that the arena is emptying: header, directory and
// segments, looking at up to budget segments from the cursor on. It returns the cursor to go on from; 0 is where it
// begins, and is returned when it has come to the end. The first step may change Root, and whoever keeps it must look.
func (t *Table) MoveSparse(cursor uint64, budget int) uint64 {
	if cursor >= 1<<CursorBits {
		return 0
	}
	if cursor == 0 {
		t.moveRoot()
		t.moveTop()
	}
	for pos := cursor << cursorShift; ; budget-- {
		if budget <= 0 {
			return pos >> cursorShift
		}
		if top, index := t.locate(pos); index == 0 {
			t.movePage(pos, top)
		}
		s := t.segment(pos)
		t.moveSegment(&s)
		if pos = s.next(); pos == 0 {
			return 0
		}
	}
}

// moveRoot moves the header, and with it a directory that stands inside.
func (t *Table) moveRoot() {
	old := t.Root()
	if !t.a.ShouldMove(old, headerSize) {
		return
	}
	root := t.a.Move(old, headerSize)
	t.setRoot(root)
	hd := t.header()
	if hd.topRef() == old+topInside {
		hd.setTop(root+topInside, hd.topBits())
	}
	if first := *t.firstTop(0); topPage(first.word) == old+pageInside {
		t.setPage(0, topWord(root+pageInside, 0, 0), first.minExpire)
	}
}

func (t *Table) moveTop() {
	hd := t.header()
	size := topEntrySize << hd.topBits()
	if r := hd.topRef(); r != t.Root()+topInside && t.a.ShouldMove(r, size) {
		hd.setTop(t.a.Move(r, size), hd.topBits())
	}
}

func (t *Table) movePage(h uint64, top uint64) {
	size := dirEntrySize << topBits(top)
	if r := topPage(top); r != t.Root()+pageInside && t.a.ShouldMove(r, size) {
		t.setPage(h, topWord(t.a.Move(r, size), topBits(top), topSkip(top)), t.firstTop(h).minExpire)
	}
}

// moveSegment moves the blocks of a segment, its times and its chain.
func (t *Table) moveSegment(s *segment) {
	e, moved := *s.e, false
	for k := range e.blocks {
		if size := blockSize(s.n, k); size > 0 && t.a.ShouldMove(arena.Ref(e.blocks[k]), size) {
			e.blocks[k] = uint32(t.a.Move(arena.Ref(e.blocks[k]), size))
			moved = true
		}
	}
	if size := timesSize(s.n); e.times != 0 && t.a.ShouldMove(arena.Ref(e.times), size) {
		e.times = uint32(t.a.Move(arena.Ref(e.times), size))
		moved = true
	}
	for at := &e.chain; *at != 0; at = &t.link(*at).next {
		if t.a.ShouldMove(arena.Ref(*at), linkBytes) {
			*at = uint32(t.a.Move(arena.Ref(*at), linkBytes))
			moved = true
		}
	}
	if moved {
		t.setEntry(s.start, &e)
	}
}
