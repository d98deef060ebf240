package table

import "math/bits"

// Granules cut the hashes into ranges of about so many entries, and remember which of them somebody has been shown: for whoever
// keeps account of what is in a table while it changes. A hash stays in its granule when tables grow, split and merge.
//
//	hashes   0 ---- 2^shift ---- 2*2^shift ---- …              granule hash >> shift
//	shown    | .          | x          | .                     a bit for each
type Granules struct {
	shift uint
	shown []uint64
}

// NewGranules makes granules of about size entries for count of them.
func NewGranules(count, size int) Granules {
	n := bits.Len(uint(count / size)) // of the bits that number them
	return Granules{shift: uint(64 - n), shown: make([]uint64, (1<<n+63)/64)}
}

// Of is the granule of a hash.
func (g *Granules) Of(h uint64) uint64 { return h >> g.shift }

// Start is the first hash of a granule; 0 for the one behind the last.
func (g *Granules) Start(i uint64) uint64 { return i << g.shift }

// Shown tells whether a granule was marked.
func (g *Granules) Shown(i uint64) bool { return g.shown[i/64]>>(i%64)&1 != 0 }

// Mark marks a granule as shown.
func (g *Granules) Mark(i uint64) { g.shown[i/64] |= 1 << (i % 64) }

// Count is how many granules there are.
func (g *Granules) Count() uint64 { return 1 << (64 - g.shift) }

// Run is the next run of granules from i on that are not marked, of most at most. It is empty, and at the end, if there is none.
func (g *Granules) Run(i, most uint64) (first, end uint64) {
	n := g.Count()
	for i < n && g.Shown(i) {
		i++
	}
	for end = i; end < n && end < i+most && !g.Shown(end); {
		end++
	}
	return i, end
}
