package resp

import "larder/datatypes/invariant"

// Where the bytes between two turns stand.
const (
	stashSmall = 16 << 10 // a smaller rest is copied to the next turn's window; a larger one is received into directly
	stashSlack = 4 << 10  // room behind an argument of known length
)

// Stash ends a turn: the window is the loop's again. What is left of it is moved to a buffer of the connection's own,
// sized for what is there; when nothing is left the connection's own buffer goes back to the pool.
func (r *Reader) Stash(p *Pool) {
	rest := r.win[r.pos:]
	switch {
	case len(rest) == 0:
		if r.own {
			p.Put(r.win)
		}
		*r = Reader{fault: r.fault, got: r.got}
	case !r.own:
		r.win, r.pos, r.own = append(p.Get(len(rest)), rest...), 0, true
	case len(rest) <= cap(r.win)/4 && cap(r.win) > stashSmall && !r.awaits(cap(r.win)/2):
		old := r.win
		r.win, r.pos = append(p.Get(len(rest)), rest...), 0
		p.Put(old)
	}
}

// awaits says whether the argument that is arriving will fill n bytes.
func (r *Reader) awaits(n int) bool { return r.scan != 0 && r.bulk >= 0 && r.scan+r.bulk+2 > n }

// Small says whether what is left of the last turn is so little that it is better moved in front of the next bytes of
// the loop's window (MoveTo, then Feed) than received behind (Space, then Filled).
func (r *Reader) Small() bool { return r.Buffered() < stashSmall && !r.awaits(stashSmall) }

// MoveTo copies what is left of the last turn to the beginning of dst, which has room for it, gives the connection's
// own buffer back and returns the number of bytes. Feed must follow with a window that begins with them.
func (r *Reader) MoveTo(dst []byte, p *Pool) int {
	n := copy(dst, r.win[r.pos:])
	invariant.Check(n == r.Buffered(), "no room for %d bytes", r.Buffered())
	if r.own {
		p.Put(r.win)
	}
	r.win, r.pos, r.own = nil, 0, false
	return n
}

// Space returns room behind the bytes of the connection's own buffer, at least one byte. When the buffer has to grow it
// doubles, or takes what the argument that is arriving still needs if that is less or not much more: memory follows what
// has been received, not what was announced. Call Filled with the number of bytes that were put there. nil means that
// there is no memory; the Reader is as it was.
func (r *Reader) Space(p *Pool) []byte {
	n := r.Buffered()
	if free := cap(r.win) - len(r.win); r.own && (free >= stashSlack || free > 0 && r.pos < n) {
		return r.win[len(r.win):cap(r.win)]
	}
	size := max(2*n, stashSlack)
	if r.scan != 0 && r.bulk >= 0 {
		if need := r.scan + r.bulk + 2 + stashSlack; need <= size+size/2 {
			size = max(need, n+1)
		}
	}
	switch {
	case r.own && r.pos >= n && size <= cap(r.win): // room enough in front: the bytes move there
		r.win = r.win[:copy(r.win, r.win[r.pos:])]
	case r.own && r.pos == 0:
		g := p.tryGrow(r.win, size)
		if g == nil {
			return nil
		}
		r.win = g
	default:
		g := p.try(size)
		if g == nil {
			return nil
		}
		old, own := r.win, r.own
		r.win = append(g, r.win[r.pos:]...)
		if own {
			p.Put(old)
		}
	}
	r.pos, r.own = 0, true
	return r.win[len(r.win):cap(r.win)]
}

// Filled says that n bytes were put into the room that Space returned.
func (r *Reader) Filled(n int) { r.win = r.win[:len(r.win)+n] }

// Close gives the connection's own buffer back.
func (r *Reader) Close(p *Pool) {
	r.pos = len(r.win)
	r.Stash(p)
}
