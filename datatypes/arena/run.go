package arena

import "math/bits"

// Reserve speaks of this many allocations, and slabs other than short ones are cut while there is so much more room.
const (
	reserveAllocs = 16
	roomyPages    = reserveAllocs * maxSlabPages
)

// lastShare says which part of an arena the last pages are, for which see the package's comment.
const lastShare = 32

// ownLastPages is how many pages an arena has to have free beyond what is reserved after some arena has taken of the last that
// the system gives. What an arena has got from the system it keeps, so it may be that the others never have so much again.
const ownLastPages = 1 << 20 >> pageShift

// runs are the free runs of one kind, in lists by length: one list for each length below 16 pages, then four per
// doubling.
type runs struct {
	mask  [2]uint64 // which lists are not empty
	heads [binCount]uint32
	pages uint32 // in all runs together
}

const binCount = 96

func binOf(n uint32) int {
	if n < 16 {
		return int(n)
	}
	k := bits.Len32(n) - 1
	return 16 + (k-4)*4 + int(n>>(k-2)&3)
}

// above is the first list from bin on that is not empty, -1 if there is none.
func (s *runs) above(bin int) int {
	if bin < 64 {
		if m := s.mask[0] >> bin << bin; m != 0 {
			return bits.TrailingZeros64(m)
		}
		bin = 64
	}
	if m := s.mask[1] >> (bin - 64) << (bin - 64); m != 0 {
		return 64 + bits.TrailingZeros64(m)
	}
	return -1
}

// length is the number of pages of the free run or large allocation whose first (or, free run, last) page p is.
func (p *page) length() uint32     { return uint32(p.bump) | uint32(p.used)<<16 }
func (p *page) setLength(n uint32) { p.bump, p.used = uint16(n), uint16(n>>16) }

func (a *Arena) runsOf(kind uint8) *runs {
	if kind == kindDirty {
		return &a.dirty
	}
	return &a.clean
}

// putRun makes the pages a free run and lists it. Neighbours are not looked at.
func (a *Arena) putRun(first, n uint32, kind uint8) {
	s := a.runsOf(kind)
	p, bin := a.page(first), binOf(n)
	*p = page{kind: kind, next: s.heads[bin]}
	p.setLength(n)
	if n > 1 {
		last := a.page(first + n - 1)
		*last = page{kind: kind}
		last.setLength(n)
	}
	if p.next != 0 {
		a.page(p.next).prev = first
	}
	s.heads[bin] = first
	s.mask[bin>>6] |= 1 << (bin & 63)
	s.pages += n
}

// cutRun takes a free run off its list. The records of its pages are left as they are.
func (a *Arena) cutRun(first uint32) (n uint32) {
	p := a.page(first)
	s := a.runsOf(p.kind)
	n = p.length()
	if p.next != 0 {
		a.page(p.next).prev = p.prev
	}
	if p.prev != 0 {
		a.page(p.prev).next = p.next
	} else {
		bin := binOf(n)
		s.heads[bin] = p.next
		if p.next == 0 {
			s.mask[bin>>6] &^= 1 << (bin & 63)
		}
	}
	s.pages -= n
	return n
}

// freeRun makes the pages a free run, together with free neighbours of the same kind. A clean run at the frontier
// moves the frontier back instead.
func (a *Arena) freeRun(first, n uint32, kind uint8) {
	if p := a.page(first - 1); p.kind == kind {
		before := p.length()
		first -= before
		n += before
		a.cutRun(first)
	}
	if end := first + n; end < a.frontier.Load() {
		if a.page(end).kind == kind {
			n += a.cutRun(end)
		}
	} else if kind == kindClean {
		a.frontier.Store(first) // all pages from there on are clean
		return
	}
	a.putRun(first, n, kind)
}

// findRun is the first page of a run of at least n pages, 0 if there is none: one of about the same length, or else the
// shortest that is longer. Unless all is set it looks only at a few of those that might be too short.
func (a *Arena) findRun(s *runs, n uint32, all bool) uint32 {
	bin := binOf(n)
	if n >= 16 {
		tries := 8
		for f := s.heads[bin]; f != 0 && (all || tries > 0); f = a.page(f).next {
			if a.page(f).length() >= n {
				return f
			}
			tries--
		}
		bin++
	}
	if bin = s.above(bin); bin < 0 {
		return 0
	}
	return s.heads[bin]
}

// takeRun takes n pages out of the free ones: those whose memory is ours first, then those at the frontier or in the
// middle. It returns 0 when there are not so many together. The records of the pages are undefined.
func (a *Arena) takeRun(n uint32) uint32 {
	for _, all := range [2]bool{false, true} {
		for _, s := range [2]*runs{&a.dirty, &a.clean} {
			if f := a.findRun(s, n, all); f != 0 {
				a.splitRun(f, n)
				return f
			}
		}
		if f := a.frontier.Load(); n <= a.ahead() && a.commit(f+n) {
			a.frontier.Store(f + n)
			return f
		}
		if !all && a.dirty.pages > 0 {
			a.trim(0, int64(a.dirty.pages)<<pageShift) // so that dirty and clean neighbours grow together
		}
	}
	return 0
}

// splitRun takes the free run at first off its list and leaves what is beyond n pages free.
func (a *Arena) splitRun(first, n uint32) {
	kind := a.page(first).kind
	if have := a.cutRun(first); have > n {
		a.putRun(first+n, have-n, kind)
	}
}

// ahead is how many pages the frontier may move on.
func (a *Arena) ahead() uint32 {
	most, f := a.maxPages, a.frontier.Load()
	if !a.last {
		most -= a.lastPages
	}
	return most - min(f, most)
}

// commit makes sure that the pages below n, and one more that may be read, can be touched.
func (a *Arena) commit(n uint32) bool {
	if n < a.committed {
		return true
	}
	c := a.mem.commit(n+1, a.last)
	if c <= n {
		return false
	}
	a.committed = c
	return true
}

// Reserve makes sure that up to 16 allocations of n bytes together (before rounding) can be made without Alloc
// panicking. False means that there is not so much room in one piece, that the system gives no more memory, or that the last
// pages were touched. O(1) unless memory is short.
func (a *Arena) Reserve(n int) bool {
	need := uint64(n)>>pageShift + reserveAllocs + 1
	if need+roomyPages <= uint64(a.ahead()) && !a.mem.spent() && a.commit(a.frontier.Load()+uint32(need)+roomyPages) {
		a.tight = false
		return true
	}
	return a.reserveTight(need)
}

func (a *Arena) reserveTight(need uint64) bool {
	a.tight = true
	if need >= uint64(a.maxPages) {
		return false
	}
	n := uint32(need)
	if !a.spares(n) {
		return false
	}
	if a.findRun(&a.dirty, n+roomyPages, false) != 0 || a.findRun(&a.clean, n+roomyPages, false) != 0 {
		a.tight = false
		return true
	}
	for _, trimmed := range [2]bool{false, true} {
		if n <= a.ahead() && a.commit(a.frontier.Load()+n) ||
			a.findRun(&a.dirty, n, true) != 0 || a.findRun(&a.clean, n, true) != 0 {
			return true
		}
		if !trimmed && a.dirty.pages > 0 {
			a.trim(0, int64(a.dirty.pages)<<pageShift)
		}
	}
	return false
}

// ReserveParts is Reserve for n bytes, and for parts bytes more in any number of allocations that each fit in a slot: those need
// not have room in one piece. Each counts as PartBytes says. O(1) unless memory is short, and then O(free runs).
func (a *Arena) ReserveParts(n, parts int) bool {
	if a.Reserve(n + parts) {
		return true
	}
	need := uint64(n+parts)>>pageShift + 2*reserveAllocs
	if need >= uint64(a.maxPages) || !a.Reserve(n) || !a.spares(uint32(need)) {
		return false
	}
	for _, s := range [2]*runs{&a.dirty, &a.clean} {
		for bin := s.above(binOf(roomyRun)); bin >= 0; bin = s.above(bin + 1) {
			for f := s.heads[bin]; f != 0; f = a.page(f).next {
				if got := uint64(a.page(f).length() - maxSmall>>pageShift); got < need { // what is left of it may be too short for a slot
					need -= got
				} else {
					return true
				}
			}
		}
	}
	return need <= uint64(a.ahead()) && a.commit(a.frontier.Load()+uint32(need))
}

// PartBytes is what an allocation of size bytes counts for ReserveParts: its slot's share of a slab that is as short as possible.
func PartBytes(size int) int {
	n := RoundUp(size)
	if n > 512 {
		return min(2*n, (n+pageBytes-1)&^(pageBytes-1))
	}
	return n
}

// roomyRun is the number of pages from which on a free run counts for ReserveParts.
const roomyRun = 16

// spares tells whether n pages can be taken and as many are still free as are not for Reserve. Unless the last pages
// were touched it is what there is at the end of the arena.
func (a *Arena) spares(n uint32) bool {
	free, f := uint64(a.dirty.pages)+uint64(a.clean.pages), a.frontier.Load()
	if a.mem.spent() && !a.mem.regain() {
		return free+uint64(a.committed-min(f+1, a.committed)) >= uint64(n)+ownLastPages
	}
	return free+uint64(a.maxPages-f) >= uint64(n)+uint64(a.lastPages)
}

// allocLarge takes an allocation of whole pages, 0 if there is no room.
func (a *Arena) allocLarge(size int) Ref {
	if uint64(size) >= uint64(a.maxPages)<<pageShift {
		return 0
	}
	n := uint32(RoundUp(size) >> pageShift)
	first := a.takeRun(n)
	if first == 0 {
		return 0
	}
	a.markLarge(first, n)
	a.large++
	a.live += int64(n) << pageShift
	a.asked += int64(size)
	r := Ref(first * pageGran)
	a.debug.allocated(a, r, size)
	return r
}

func (a *Arena) markLarge(first, n uint32) {
	p := a.page(first)
	*p = page{kind: kindLarge}
	p.setLength(n)
	*a.page(first + n - 1) = page{kind: kindInner} // a large allocation has at least five pages
}

func (a *Arena) freeLarge(first uint32, size int) {
	n := a.page(first).length()
	a.large--
	a.live -= int64(n) << pageShift
	a.asked -= int64(size)
	a.poison(Ref(first*pageGran), int(n)<<pageShift)
	a.freeRun(first, n, kindDirty)
}

// resizeLarge makes the large allocation at first n pages long without moving it. It returns whether it could.
func (a *Arena) resizeLarge(first, n uint32) bool {
	have := a.page(first).length()
	end := first + have
	switch {
	case n < have:
		a.markLarge(first, n)
		a.freeRun(first+n, have-n, kindDirty)
	case end == a.frontier.Load():
		if n-have > a.ahead() || !a.commit(first+n) {
			return false
		}
		a.frontier.Store(first + n)
		a.markLarge(first, n)
	default:
		if p := a.page(end); p.kind != kindDirty && p.kind != kindClean || p.length() < n-have {
			return false
		}
		a.splitRun(end, n-have)
		a.markLarge(first, n)
	}
	a.live += (int64(n) - int64(have)) << pageShift
	return true
}
