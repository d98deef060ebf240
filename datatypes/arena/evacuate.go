package arena

// An evacuation empties the sparsest slabs of each class into the room of the others. The arena does not know who holds
// its refs, so the work is shared with a walker that does:
//
//	if a.Stats().GainBytes is worth it:
//		a.StartEvacuation(1.1)
//		for a.Mark(1000) { let the shard go for a while }
//		for each allocation of the shard, a few at a time:
//			if a.ShouldMove(ref, size) { ref = a.Move(ref, size) }
//		a.StopEvacuation()
//		a.Trim(...)
//
// Marked slabs are not allocated from, so they only get emptier, and commands may run between all of these steps.
// Large allocations are never moved: what is freed between them can be given back as it is.

// statsGoal is the goal that Stats.GainBytes is told for.
const statsGoal = 1.1

// evacuation is the state between StartEvacuation and StopEvacuation.
type evacuation struct {
	on    bool
	head  uint32 // marked slabs, linked by next and prev
	class uint8  // Mark goes on here
	moves uint64
	quota [classCount]uint32
}

func (e *evacuation) active() bool { return e.head != 0 }

// gain is how many slabs of the class could go if the others were filled to 1/goal.
func (cl *class) gain(goal float64) uint32 {
	if cl.slabs < 2 {
		return 0
	}
	perSlab := float64(cl.slots) / float64(cl.slabs)
	need := float64(cl.used)*goal/perSlab + 1
	if need >= float64(cl.slabs) {
		return 0
	}
	return cl.slabs - uint32(need)
}

// StartEvacuation plans to empty the sparsest slabs of each size class until the others are filled to about 1/goal, and
// returns about how many bytes that would free; 0 means that there is nothing worth doing and no evacuation has
// begun. O(1). An evacuation under way is stopped first.
func (a *Arena) StartEvacuation(goal float64) (gain int64) {
	a.StopEvacuation()
	for c := 1; c < classCount; c++ {
		n := a.classes[c].gain(goal)
		a.evac.quota[c] = n
		gain += int64(n) * int64(slabPages[c]) << pageShift
	}
	a.evac.on = gain > 0
	a.evac.class = 1
	return gain
}

// Mark chooses up to budget slabs to be emptied. It returns whether there are more to choose.
func (a *Arena) Mark(budget int) (more bool) {
	e := &a.evac
	for ; e.on && e.class < classCount; e.class++ {
		cl := &a.classes[e.class]
		for ; e.quota[e.class] > 0; e.quota[e.class]-- {
			l := 0
			for l < levelFull-1 && cl.heads[l] == 0 {
				l++
			}
			if l == levelFull-1 {
				break // moving slabs that are 7/8 full is not worth it
			}
			if budget <= 0 {
				return true
			}
			budget--
			first := cl.heads[l]
			p := a.page(first)
			a.unlist(p)
			p.level = levelMarked
			p.prev, p.next = 0, e.head
			if e.head != 0 {
				a.page(e.head).prev = first
			}
			e.head = first
		}
	}
	return false
}

// Evacuating tells whether an evacuation has begun and not been stopped.
func (a *Arena) Evacuating() bool { return a.evac.on }

// ShouldMove tells whether r, asked for with size bytes, stands in a slab that is to be emptied. O(1).
func (a *Arena) ShouldMove(r Ref, size int) bool {
	if !a.evac.active() || size > maxSmall {
		return false
	}
	p := a.page(uint32(r) / pageGran)
	if p.kind == kindInner {
		p = a.page(uint32(r)/pageGran - uint32(p.used))
	}
	return p.level == levelMarked
}

// Move copies r to another place, frees r, and returns the new place; or r itself when there is no room.
func (a *Arena) Move(r Ref, size int) Ref {
	n := a.alloc(size)
	if n == 0 {
		return r
	}
	copy(a.Bytes(n, size), a.Bytes(r, size))
	a.Free(r, size)
	a.evac.moves++
	return n
}

// Moves is how many allocations Move has moved since the arena was made.
func (a *Arena) Moves() uint64 { return a.evac.moves }

// StopEvacuation ends the evacuation. Slabs that were not emptied are used again; it takes O(1) for each of them.
func (a *Arena) StopEvacuation() {
	for first := a.evac.head; first != 0; {
		p := a.page(first)
		next := p.next
		a.list(first, p)
		first = next
	}
	a.evac.head = 0
	a.evac.on = false
}

// unlist takes a slab off the list of the marked ones.
func (e *evacuation) unlist(a *Arena, p *page) {
	if p.next != 0 {
		a.page(p.next).prev = p.prev
	}
	if p.prev != 0 {
		a.page(p.prev).next = p.next
	} else {
		e.head = p.next
	}
}
