package eviction

import "math/bits"

// poolSize is how many candidates are remembered from one choice to the next.
const poolSize = 16

// pool is the best candidates of all samples so far, best last. Each is known by its place: it may be gone by the time that
// its turn comes, or have been used.
type pool struct {
	n    int
	list [poolSize]pooled
}

type pooled struct {
	at   Place
	rank int64
}

// fromPool takes a sample into the pool and then the best out of it. rank says how much an entry is to be preferred for
// leaving; one that has fallen since it was put into the pool is passed over. exact takes no more into a sample than
// maxmemory-samples says; else what comes with them is looked at too. Where it begins in a sample is chance: of those that
// rank the same the first ones are taken, and what stands first in a place of the table is what came last, into the room of
// what has left.
func (st *State) fromPool(src Source, at Moment, exact bool, rank func(c Candidate, at Moment) int64) (Candidate, bool) {
	p := &st.pool
	rnd := at.Rnd
	for seen, tries := 0, 0; seen < at.Samples && tries < sampleTries; tries++ {
		list := src.Sample(rnd)
		room, n := len(list), len(list)
		if exact {
			room = max(room, PlaceRoom)
			n = min(room, at.Samples-seen)
		}
		high, _ := bits.Mul64(rnd*0xd6e8feb86659fd93, uint64(room))
		from := int(high)
		st.mu.Lock()
		for i := range n {
			if (from+i)%room >= len(list) {
				continue
			}
			seen++
			c := list[(from+i)%room]
			if r := rank(c, at); p.wants(r) {
				_, where := src.Hash(c)
				p.add(where, r)
			}
		}
		st.mu.Unlock()
		rnd = rnd*0x5851f42d4c957f2d + 0x14057b7ef767814f
	}
	for {
		st.mu.Lock()
		if p.n == 0 {
			st.mu.Unlock()
			break
		}
		p.n--
		best := p.list[p.n]
		st.mu.Unlock()
		for _, c := range src.Find(best.at) {
			if rank(c, at) >= best.rank {
				return c, true
			}
		}
	}
	if c, ok := src.Next(); ok { // every candidate was used meanwhile
		return c, true
	}
	return Candidate{}, false
}

// PlaceRoom is how many entries a place has room for, see Source.Sample. Who takes only a part of what stands at a place takes a
// part of its room: if it were a part of the entries, those that stand with few others would be looked at more often, and as they
// leave, those that are left there more often still.
const PlaceRoom = 12

// sampleTries bounds how many places are looked at for one choice.
const sampleTries = 16

func (p *pool) wants(rank int64) bool { return p.n < poolSize || rank > p.list[0].rank }

func (p *pool) add(at Place, rank int64) {
	for i := range p.list[:p.n] {
		if p.list[i].at == at {
			if p.list[i].rank == rank {
				return
			}
			copy(p.list[i:p.n-1], p.list[i+1:p.n])
			p.n--
			break
		}
	}
	i := 0
	for i < p.n && p.list[i].rank < rank {
		i++
	}
	if p.n == poolSize { // the worst goes
		copy(p.list[:i-1], p.list[1:i])
		i--
	} else {
		copy(p.list[i+1:p.n+1], p.list[i:p.n])
		p.n++
	}
	p.list[i] = pooled{at, rank}
}
