package arena

// Levels of a slab. Below levelFull it is the list that the slab stands on: used*8/slots.
const (
	levelFull    = 8  // all slots live; on no list
	levelCurrent = 9  // what its class allocates from; on no list
	levelMarked  = 10 // being emptied by an evacuation; on the evacuation's list
)

// Borrowed slots may waste this many bytes per class before the class gets a slab of its own.
const hostedWaste = 1024

// refill gives cl a current slab with a free slot, or returns the class that takes the next allocation in, which has
// one. It returns nil when the arena cannot grow.
func (a *Arena) refill(cl *class) *class {
	if cl.current != 0 {
		a.page(cl.current).level = levelFull
		cl.current, cl.limit = 0, 0
	}
	if cl.mask == 0 && !a.host(&cl) && !a.newSlab(cl) {
		if !a.evac.active() {
			return nil
		}
		a.StopEvacuation() // room in marked slabs is better than none
		if cl.mask == 0 {
			return nil
		}
	}
	if cl.current == 0 {
		top := levelFull - 1
		for cl.mask>>top == 0 {
			top--
		}
		first := cl.heads[top]
		p := a.page(first)
		a.unlist(p)
		a.makeCurrent(cl, first, p)
	}
	return cl
}

// host decides whether an allocation of the class that has no room shall be taken in by a larger one, and if so lets
// *cl be that class, with a current slab that has room.
func (a *Arena) host(cl **class) bool {
	c := *cl
	h := hostOf[classOf[c.gran]]
	if c.slabs != 0 || h == 0 {
		return false
	}
	host := &a.classes[h]
	if int(c.hosted)*int(host.size-c.size) >= hostedWaste {
		return false
	}
	if p := a.page(host.current); p.free == noSlot && p.bump >= host.limit {
		if host = a.refill(host); host == nil {
			return false
		}
	}
	c.hosted++
	*cl = host
	return true
}

func (a *Arena) makeCurrent(cl *class, first uint32, p *page) {
	p.level = levelCurrent
	cl.current = first
	cl.limit = slabSlots[p.kind] * cl.gran
}

// newSlab cuts a slab and makes it cl's current one. It returns whether there was room.
func (a *Arena) newSlab(cl *class) bool {
	kind := classOf[cl.gran]
	if cl.slabs == 0 || a.tight {
		kind |= shortBit
	}
	n := uint32(slabPages[kind])
	first := a.takeRun(n)
	if first == 0 {
		if kind&shortBit != 0 {
			return false
		}
		kind |= shortBit
		n = uint32(slabPages[kind])
		if first = a.takeRun(n); first == 0 {
			return false
		}
	}
	p := a.page(first)
	*p = page{kind: kind, free: noSlot}
	for i := uint32(1); i < n; i++ {
		*a.page(first + i) = page{kind: kindInner, used: uint16(i)}
	}
	a.makeCurrent(cl, first, p)
	cl.slabs++
	cl.slots += uint32(slabSlots[kind])
	return true
}

// settle puts the slab that has just lost a slot where it belongs now: on another list, or back among the free pages.
func (a *Arena) settle(first uint32, p *page) {
	cl := &a.classes[p.kind&^shortBit]
	if p.used == 0 {
		if p.level == levelCurrent {
			return // it will be used again at once; Trim takes it
		}
		if p.level == levelMarked {
			a.evac.unlist(a, p)
		} else if p.level != levelFull {
			a.unlist(p)
		}
		a.freeSlab(cl, first, p)
		return
	}
	if p.level != levelFull {
		a.unlist(p)
	}
	a.list(first, p)
}

func (a *Arena) freeSlab(cl *class, first uint32, p *page) {
	cl.slabs--
	cl.slots -= uint32(slabSlots[p.kind])
	a.freeRun(first, uint32(slabPages[p.kind]), kindDirty)
}

// list puts a slab that has room on the list of its level.
func (a *Arena) list(first uint32, p *page) {
	cl := &a.classes[p.kind&^shortBit]
	l := uint8(uint32(p.used) * slabRecip[p.kind] >> 16)
	p.level = l
	p.prev, p.next = 0, cl.heads[l]
	if p.next != 0 {
		a.page(p.next).prev = first
	}
	cl.heads[l] = first
	cl.mask |= 1 << l
}

// unlist takes a slab off the list of its level.
func (a *Arena) unlist(p *page) {
	cl := &a.classes[p.kind&^shortBit]
	if p.next != 0 {
		a.page(p.next).prev = p.prev
	}
	if p.prev != 0 {
		a.page(p.prev).next = p.next
		return
	}
	cl.heads[p.level] = p.next
	if p.next == 0 {
		cl.mask &^= 1 << p.level
	}
}
