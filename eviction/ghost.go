package eviction

import (
	"encoding/binary"
	"math/bits"
)

// ghosts remembers which entries have left the small queue lately: 10 bits of the hash of each, in sets of six. A set is one
// word of 60 bits; what comes pushes out what came first. Of the hashes that are asked for and were never there, one in 170
// is taken for one of them.
//
// Sets stand in the order of the hashes. When there are to be more or fewer, each new one takes over from the old one in its
// place, a part at a time, as whoever chooses an entry holds up all others: of the hashes below those of the first new set
// that has not done so yet the new sets know, of the others the old ones.
type ghosts struct {
	sets  ghostSets
	next  ghostSets // that take their place
	moved int       // of next, those that have taken over
	bytes int       // of all parts
}

// ghostSets is a number of sets, in parts that are made when something is to be remembered there.
type ghostSets struct {
	n     int
	parts [][]byte // 8 bytes for each set, little endian; nil if nothing was remembered
}

// ghostPart is how many sets a part has, and how many new sets take over at a time.
const ghostPart = 1024

const (
	ghostWays = 6
	ghostBits = 10
	ghostAll  = 1<<(ghostWays*ghostBits) - 1
	ghostLow  = 1 | 1<<10 | 1<<20 | 1<<30 | 1<<40 | 1<<50
	ghostTop  = ghostLow << (ghostBits - 1)
)

func newGhostSets(n int) ghostSets {
	return ghostSets{n: n, parts: make([][]byte, (n+ghostPart-1)/ghostPart)}
}

// of is the set in which a hash belongs that mixes to h.
func (s *ghostSets) of(h uint64) int {
	i, _ := bits.Mul64(h, uint64(s.n))
	return int(i)
}

// at is set i, nil if its part is to be made.
func (s *ghostSets) at(i int) []byte {
	if p := s.parts[i/ghostPart]; p != nil {
		return p[i%ghostPart*8:][:8]
	}
	return nil
}

// place is the set of a hash and its 10 bits, which are not 0. They do not depend on how many sets there are. The set is nil if it
// has never held anything, unless it is to be filled.
func (g *ghosts) place(hash uint64, fill bool) (set []byte, print uint64) {
	h := hash * 0xd6e8feb86659fd93
	in := &g.sets
	if g.moved > 0 && g.next.of(h) < g.moved {
		in = &g.next
	}
	i := in.of(h)
	if set = in.at(i); set == nil && fill {
		set = g.fill(in, i)
	}
	return set, max(1, h&(1<<ghostBits-1))
}

// fill is set i, in a part that is made if there is none.
func (g *ghosts) fill(in *ghostSets, i int) []byte {
	if p := &in.parts[i/ghostPart]; *p == nil {
		*p = make([]byte, min(ghostPart, in.n-i/ghostPart*ghostPart)*8)
		g.bytes += len(*p)
	}
	return in.at(i)
}

func (g *ghosts) add(hash uint64) {
	if g.sets.n > 0 {
		set, print := g.place(hash, true)
		binary.LittleEndian.PutUint64(set, binary.LittleEndian.Uint64(set)<<ghostBits&ghostAll|print)
	}
}

// take tells whether the hash is remembered, and forgets it.
func (g *ghosts) take(hash uint64) bool {
	if g.sets.n == 0 {
		return false
	}
	set, print := g.place(hash, false)
	if set == nil {
		return false
	}
	w := binary.LittleEndian.Uint64(set)
	x := w ^ print*ghostLow
	x = (x - ghostLow) & ^x & ghostTop // the lowest bit that is set stands for the first part that is equal
	if x == 0 {
		return false
	}
	at := uint(bits.TrailingZeros64(x)) / ghostBits * ghostBits
	older := w >> at >> ghostBits << at // what came before it closes up
	binary.LittleEndian.PutUint64(set, older|w&(1<<at-1))
	return true
}

// resize makes it remember about as many hashes as there are entries, or a little fewer. What is remembered stays as far as it
// can. If that takes more than a part each call does one, and what the number of entries has become meanwhile counts after that.
func (g *ghosts) resize(entries int) {
	if g.next.n == 0 {
		have, most := g.sets.n, max(entries, ghostLeast)*ghostPercent/100/ghostWays
		if have >= most*3/4 && have <= most {
			return
		}
		if g.next = newGhostSets(most * 15 / 16); have == 0 {
			g.sets, g.next = g.next, ghostSets{}
			return
		}
	}
	g.move()
}

// move lets the next part of the new sets take over.
func (g *ghosts) move() {
	from := func(i int) int { return int(uint64(i) * uint64(g.sets.n) / uint64(g.next.n)) }
	first := from(g.moved) / ghostPart
	for end := min(g.moved+ghostPart, g.next.n); g.moved < end; g.moved++ {
		if set := g.sets.at(from(g.moved)); set != nil && binary.LittleEndian.Uint64(set) != 0 {
			copy(g.fill(&g.next, g.moved), set)
		}
	}
	last := from(g.moved) / ghostPart // no hash that is still to be looked for in the old sets belongs in one before
	if g.moved == g.next.n {
		last = len(g.sets.parts)
	}
	for i := first; i < last; i++ {
		g.bytes -= len(g.sets.parts[i])
		g.sets.parts[i] = nil
	}
	if g.moved == g.next.n {
		g.sets, g.next, g.moved = g.next, ghostSets{}, 0
	}
}

const (
	ghostPercent = 105 // of the entries
	ghostLeast   = 64  // entries that count in any case
)
