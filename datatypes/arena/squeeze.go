package arena

// squeezeEvery is after how many squeezes a class is tried again whose sparsest slab could not be emptied.
const squeezeEvery = 256

// Squeeze empties one slab into the room that others of its class have: the sparsest one of the class that has most pages
// to give. Unlike an evacuation it needs no walk: it goes over the slab and calls move for each allocation in it, of
// which it knows no more than its slot's size; move finds out what stands there, moves it by Move and says so, or leaves
// it. It returns whether pages became free, and whether it found anything to try. It takes time in proportion to the slots
// of a slab.
func (a *Arena) Squeeze(move func(r Ref, slot int) bool) (gained, tried bool) {
	a.squeezes++
	best, most := uint8(0), uint32(0)
	for c := uint8(1); c < classCount; c++ {
		cl := &a.classes[c]
		if a.stuck[c] != 0 && a.squeezes-a.stuck[c] < squeezeEvery {
			continue
		}
		if n := cl.gain(statsGoal) * uint32(slabPages[c]); n > most && cl.mask&(1<<(levelFull-1)-1) != 0 {
			best, most = c, n
		}
	}
	if best == 0 {
		return false, false
	}
	cl := &a.classes[best]
	l := 0
	for cl.heads[l] == 0 {
		l++
	}
	first := cl.heads[l]
	p := a.page(first)
	a.unlist(p)
	p.level = levelMarked
	p.prev, p.next = 0, a.evac.head
	if p.next != 0 {
		a.page(p.next).prev = first
	}
	a.evac.head = first
	var free [maxSlabPages * pageGran / 64]uint64
	for s := p.free; s != noSlot; s = *a.link(first, s) {
		free[s/64] |= 1 << (s % 64)
	}
	slabs, end := cl.slabs, p.bump
	for s := uint16(0); s < end && cl.slabs >= slabs; s += cl.gran {
		if free[s/64]>>(s%64)&1 == 0 {
			move(Ref(first*pageGran+uint32(s)), int(cl.size))
		}
	}
	if p.level != levelMarked || p.used == 0 { // it went when its last slot did
		return true, true
	}
	a.evac.unlist(a, p)
	a.list(first, p)
	a.stuck[best] = a.squeezes
	return false, true
}
