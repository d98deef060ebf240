package replication

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestStream plays random appends and reads next to a plain slice.
func TestStream(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		at, keep := rnd.Int64N(1000), rnd.Int64N(200<<10)
		s := NewStream(at, keep)
		var all []byte
		type place struct {
			r   *Reader
			pos int64
		}
		var readers []place
		for range 400 {
			switch n := rnd.IntN(10); {
			case n < 5:
				p := make([]byte, rnd.IntN(8<<10))
				for i := range p {
					p[i] = byte(rnd.Uint32())
				}
				all = append(all, p...)
				if end := s.Append(p); end != at+int64(len(all)) {
					t.Fatalf("the end is %d, not %d", end, at+int64(len(all)))
				}
				clear(p) // it was copied
			case n < 6:
				from := at + rnd.Int64N(int64(len(all))+2)
				r := s.Reader(from)
				if there := from >= s.Start() && from <= s.End(); there != (r != nil) {
					t.Fatalf("a reader at %d of %d to %d: %v", from, s.Start(), s.End(), r)
				}
				if r != nil {
					readers = append(readers, place{r, from})
				}
			case n < 9 && len(readers) > 0:
				p := &readers[rnd.IntN(len(readers))]
				if p.r.Pos() != p.pos || p.r.Left() != s.End()-p.pos {
					t.Fatalf("a reader is at %d with %d left, not at %d", p.r.Pos(), p.r.Left(), p.pos)
				}
				b := p.r.Next(rnd.IntN(20 << 10))
				if want := all[p.pos-at:]; !bytes.HasPrefix(want, b) {
					t.Fatalf("at %d other bytes are read than were written", p.pos)
				}
				p.pos += int64(len(b))
			case len(readers) > 0:
				i := rnd.IntN(len(readers))
				readers[i].r.Close()
				readers[i].r.Close()
				readers = append(readers[:i], readers[i+1:]...)
			}
			// Everything that is to be kept is there, and what somebody reads; not much more.
			least := max(at, s.End()-keep)
			slowest := s.End()
			for _, p := range readers {
				slowest = min(slowest, p.pos)
			}
			if start := s.Start(); start > least || start > slowest {
				t.Fatalf("the stream begins at %d: %d are to be kept of %d, the slowest reader is at %d", start, keep, s.End(), slowest)
			} else if len(readers) == 0 && least-start > max(chunkLeast, keep/chunkPart) {
				t.Fatalf("%d bytes are kept, not about %d", s.End()-start, keep)
			}
			memory := int64(0)
			for c := s.first; c != nil; c = c.next {
				memory += c.size()
			}
			if n := s.Size(); n != memory {
				t.Fatalf("the chunks take %d bytes, and the stream says %d", memory, n)
			}
			if n := s.Readers(); n != len(readers) {
				t.Fatalf("%d readers, not %d", n, len(readers))
			}
		}
	}
}

// TestStreamGivesUp looks at what is kept for nobody.
func TestStreamGivesUp(t *testing.T) {
	s := NewStream(0, 0)
	r := s.Reader(0)
	s.Append(make([]byte, 1<<20))
	if n := s.Behind(); n != 1<<20 {
		t.Errorf("the reader is %d behind", n)
	}
	for len(r.Next(1<<20)) > 0 {
	}
	if n := s.Behind(); n > chunkLeast {
		t.Errorf("the reader is %d behind at the end", n)
	}
	if n := s.Size(); n > 2*chunkLeast {
		t.Errorf("%d bytes are there for nobody", n)
	}
	s.SetKeep(1 << 20)
	s.Append(make([]byte, 1<<20))
	q := s.Reader(s.End() - 1<<19)
	if n := s.Size(); n < 1<<20 || q == nil {
		t.Fatalf("%d bytes are kept", n)
	}
	r.Close()
	q.Close()
	s.SetKeep(0)
	if s.Reader(s.End()-1<<19) != nil {
		t.Error("what nobody wants is still there")
	}
}

func TestHistory(t *testing.T) {
	h := NewHistory("a")
	for _, c := range []struct {
		id   string
		at   int64
		want bool
	}{{"a", 0, true}, {"a", 1 << 40, true}, {"b", 0, false}, {NoHistory, 0, false}, {"", 0, false}} {
		if got := h.Covers(c.id, c.at); got != c.want {
			t.Errorf("%q at %d: %v", c.id, c.at, got)
		}
	}
	if h.SecondOffset() != -1 {
		t.Errorf("a second offset of %d", h.SecondOffset())
	}
	f := h.Fork("b", 100)
	for _, c := range []struct {
		id   string
		at   int64
		want bool
	}{{"a", 100, true}, {"a", 101, false}, {"b", 1000, true}, {"c", 1, false}} {
		if got := f.Covers(c.id, c.at); got != c.want {
			t.Errorf("after the fork %q at %d: %v", c.id, c.at, got)
		}
	}
	if f.SecondOffset() != 101 {
		t.Errorf("a second offset of %d, not 101", f.SecondOffset())
	}
}

// TestStreamReaderClosed closes a reader that somebody is using: what he has been given stays as it is, he gets nothing more,
// and the stream keeps nothing for him.
func TestStreamReaderClosed(t *testing.T) {
	const keep = 64 << 10
	s := NewStream(0, keep)
	s.Append(bytes.Repeat([]byte("a"), 3*chunkLeast))
	r := s.Reader(0)
	r.Next(100)
	given := r.Next(chunkLeast)
	want := bytes.Clone(given)
	r.Close()
	if b := r.Next(100); len(b) != 0 {
		t.Errorf("a closed reader gives %q", b)
	}
	for range 100 {
		s.Append(bytes.Repeat([]byte("b"), chunkLeast))
	}
	if !bytes.Equal(given, want) {
		t.Error("what was given has changed")
	}
	if got := s.End() - s.Start(); got > 2*keep {
		t.Errorf("%d bytes are kept", got)
	}
}
