package resp

import "math/bits"

// Pool lends byte buffers of power-of-two sizes, from 64 bytes to 1 MiB, and takes them back. Larger ones come from Big
// and go back there at once. One belongs to a loop: it is not safe for concurrent use. A nil Pool works and keeps
// nothing.
type Pool struct {
	Big Big // nil: the Go heap

	free [poolClasses][][]byte
	low  [poolClasses]int // the least number of free buffers since the last Trim: so many were not needed
	kept int
}

// Big makes buffers of more than 1 MiB. A value of half a gigabyte that comes and goes should neither be copied while
// it grows nor stay in memory until a garbage collection.
type Big interface {
	Get(n int) []byte            // len 0, cap >= n; nil if there is no memory
	Grow(b []byte, n int) []byte // the same content, cap >= n, b is gone; nil if there is no memory, and b stays
	Put(b []byte)
}

const (
	poolMinShift = 6
	poolMaxShift = 20
	poolClasses  = poolMaxShift - poolMinShift + 1
	poolMost     = 1 << poolMaxShift
	poolKeep     = 16 << 20 // bytes kept at most
)

// Get returns an empty buffer with room for n bytes at least. Its content behind the length is undefined. When Big has
// no memory the Go heap is asked, which ends the program if it has none either.
func (p *Pool) Get(n int) []byte {
	if b := p.try(n); b != nil {
		return b
	}
	return make([]byte, 0, (n+4095)&^4095)
}

// try is Get, but answers nil when Big has no memory.
func (p *Pool) try(n int) []byte {
	if n > poolMost {
		if p != nil && p.Big != nil {
			return p.Big.Get(n)
		}
		return make([]byte, 0, (n+4095)&^4095)
	}
	c := max(bits.Len(uint(max(n, 1)-1)), poolMinShift) - poolMinShift
	if p == nil {
		return make([]byte, 0, 1<<(c+poolMinShift))
	}
	if k := len(p.free[c]); k > 0 {
		b := p.free[c][k-1]
		p.free[c] = p.free[c][:k-1]
		p.low[c] = min(p.low[c], k-1)
		p.kept -= cap(b)
		return b
	}
	return make([]byte, 0, 1<<(c+poolMinShift))
}

// Grow returns a buffer with the content of b, which came from Get or is nil, and room for n bytes in all. b is gone.
func (p *Pool) Grow(b []byte, n int) []byte {
	if g := p.tryGrow(b, n); g != nil {
		return g
	}
	g := append(p.Get(n), b...)
	p.Put(b)
	return g
}

// tryGrow is Grow, but answers nil when Big has no memory: then b stays.
func (p *Pool) tryGrow(b []byte, n int) []byte {
	if p != nil && p.Big != nil && cap(b) > poolMost {
		return p.Big.Grow(b, n)
	}
	g := p.try(n)
	if g != nil {
		g = append(g, b...)
		p.Put(b)
	}
	return g
}

// Put takes a buffer of Get back. The caller must hold no other slice of it.
func (p *Pool) Put(b []byte) {
	n := cap(b)
	if p == nil || n < 1<<poolMinShift {
		return
	}
	if n > poolMost {
		if p.Big != nil {
			p.Big.Put(b)
		}
		return
	}
	if n&(n-1) != 0 || p.kept+n > poolKeep {
		return
	}
	c := bits.Len(uint(n)) - 1 - poolMinShift
	p.free[c] = append(p.free[c], b[:0])
	p.kept += n
}

// Kept is the number of bytes that the pool holds ready.
func (p *Pool) Kept() int { return p.kept }

// Trim drops half of the buffers that nobody needed since the last Trim. A loop calls it on its timer.
func (p *Pool) Trim() {
	for c := range p.free {
		drop := (p.low[c] + 1) / 2
		for ; drop > 0; drop-- {
			k := len(p.free[c]) - 1
			p.kept -= cap(p.free[c][k])
			p.free[c][k] = nil
			p.free[c] = p.free[c][:k]
		}
		p.low[c] = len(p.free[c])
	}
}
