package datatypes

import (
	"math/rand/v2"

	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// picker draws random samples. Its memory is kept from one draw to the next, up to pickerKeep numbers.
type picker struct {
	list []uint32 // candidates: offsets or refs
	seen []uint32 // open addressing set of refs, 0 is empty; its size is a power of two
}

const pickerKeep = 1 << 14

func (p *picker) reset() {
	if cap(p.list) > pickerKeep {
		p.list = nil
	}
	if cap(p.seen) > pickerKeep {
		p.seen = nil
	}
	p.list = p.list[:0]
}

// draw calls fn for n numbers of the list; if that are all of them, and each once, in the order of the list.
func (p *picker) draw(r *rand.PCG, n int, distinct bool, fn func(uint32)) {
	if len(p.list) == 0 {
		return
	}
	if !distinct {
		for range n {
			fn(p.list[below(r, len(p.list))])
		}
		return
	}
	if n < len(p.list) {
		p.shuffle(r, n)
	}
	for _, e := range p.list[:min(n, len(p.list))] {
		fn(e)
	}
}

// shuffle puts n random numbers of the list in front.
func (p *picker) shuffle(r *rand.PCG, n int) {
	for i := range n {
		j := i + below(r, len(p.list)-i)
		p.list[i], p.list[j] = p.list[j], p.list[i]
	}
}

// entries calls fn for n random entries of the table for which alive holds (nil: for all). The draw is complete before
// fn is called first.
func (p *picker) entries(t *table.Table, r *rand.PCG, n int, distinct bool, alive func(arena.Ref) bool, fn func(arena.Ref)) {
	size := t.Len()
	if distinct && n < size && n <= size/3 {
		if p.sparse(t, r, n, alive) {
			for _, e := range p.list {
				fn(arena.Ref(e))
			}
			return
		}
	}
	if !distinct {
		for n > 0 {
			e, ok := luck(t, r, alive)
			if !ok {
				break
			}
			fn(e)
			n--
		}
	}
	if n == 0 {
		return
	}
	// Look at all of them: there is no shorter way to most of them, nor to the few that are alive.
	p.list = p.list[:0]
	found := 0
	t.Each(func(_ table.Slot, e arena.Ref) bool {
		if alive != nil && !alive(e) {
			return true
		}
		found++
		if !distinct || len(p.list) < n {
			p.list = append(p.list, uint32(e))
		} else if i := below(r, found); i < n { // reservoir: every subset of n is as likely
			p.list[i] = uint32(e)
		}
		return true
	})
	if distinct && found > n {
		p.shuffle(r, n)
	}
	p.draw(r, n, distinct, func(e uint32) { fn(arena.Ref(e)) })
}

// luck is a random entry that is alive; it gives up when many in a row are not.
func luck(t *table.Table, r *rand.PCG, alive func(arena.Ref) bool) (arena.Ref, bool) {
	for range 64 {
		s, ok := t.Random(r.Uint64())
		if !ok {
			break
		}
		if e := t.Entry(s); alive == nil || alive(e) {
			return e, true
		}
	}
	return 0, false
}

// sparse fills the list with n different entries that are alive, n being at most a third of the table. It returns false
// if it comes upon too few.
func (p *picker) sparse(t *table.Table, r *rand.PCG, n int, alive func(arena.Ref) bool) bool {
	size := 4
	for size < 2*n {
		size *= 2
	}
	if cap(p.seen) < size {
		p.seen = make([]uint32, size)
	}
	p.seen = p.seen[:size]
	clear(p.seen)
	for tries := 4*n + 64; len(p.list) < n; tries-- {
		if tries == 0 {
			return false
		}
		e, ok := luck(t, r, alive)
		if !ok {
			return false
		}
		h := uint32(e) * 0x9E3779B1
		i := int(h^h>>16) & (size - 1)
		for p.seen[i] != 0 && p.seen[i] != uint32(e) {
			i = (i + 1) & (size - 1)
		}
		if p.seen[i] == 0 {
			p.seen[i] = uint32(e)
			p.list = append(p.list, uint32(e))
		}
	}
	return true
}
