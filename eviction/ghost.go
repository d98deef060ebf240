package eviction

import (
	"encoding/binary"
	"math/bits"
)

// ghosts remembers which entries have left the small queue lately: 10 bits of the hash of each, in sets of six. A set is one
// word of 60 bits; what comes pushes out what came first. Of the hashes that are asked for and were never there, one in 170
// is taken for one of them.
type ghosts struct {
	sets []byte // 8 bytes each, little endian
}

const (
	ghostWays = 6
	ghostBits = 10
	ghostAll  = 1<<(ghostWays*ghostBits) - 1
	ghostLow  = 1 | 1<<10 | 1<<20 | 1<<30 | 1<<40 | 1<<50
	ghostTop  = ghostLow << (ghostBits - 1)
)

// place is the set of a hash and its 10 bits, which are not 0. They do not depend on how many sets there are.
func (g *ghosts) place(hash uint64) (set []byte, print uint64) {
	h := hash * 0xd6e8feb86659fd93
	i, _ := bits.Mul64(h, uint64(len(g.sets)/8))
	return g.sets[i*8:], max(1, h&(1<<ghostBits-1))
}

func (g *ghosts) add(hash uint64) {
	if len(g.sets) > 0 {
		set, print := g.place(hash)
		binary.LittleEndian.PutUint64(set, binary.LittleEndian.Uint64(set)<<ghostBits&ghostAll|print)
	}
}

// take tells whether the hash is remembered, and forgets it.
func (g *ghosts) take(hash uint64) bool {
	if len(g.sets) == 0 {
		return false
	}
	set, print := g.place(hash)
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

// resize makes it remember about as many hashes as there are entries, or a little fewer. What is remembered stays as far as it can:
// sets stand in the order of the hashes, so each new one takes over from the old one in its place.
func (g *ghosts) resize(entries int) {
	have, most := len(g.sets)/8, max(entries, ghostLeast)*ghostPercent/100/ghostWays
	if have >= most*3/4 && have <= most {
		return
	}
	want := most * 15 / 16
	b := make([]byte, want*8)
	for i := range want {
		if have > 0 {
			copy(b[i*8:i*8+8], g.sets[i*have/want*8:])
		}
	}
	g.sets = b
}

const (
	ghostPercent = 105 // of the entries
	ghostLeast   = 64  // entries that count in any case
)
