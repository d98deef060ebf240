package arena

import "fmt"

// checker is what Check has found so far.
type checker struct {
	a       *Arena
	slots   map[Ref]bool // live slots and large allocations; only filled when somebody wants to know
	classes [classCount]class
	dirty   uint32
	clean   uint32
	listed  map[uint32]uint8 // slabs and runs by first page, and the list that they must stand on
	live    int64
	large   int64
}

// Check walks the whole arena and says what is inconsistent. O(pages + slots).
func (a *Arena) Check() error {
	c := &checker{a: a, listed: map[uint32]uint8{}, slots: map[Ref]bool{}}
	before := uint8(0)
	end := a.frontier.Load()
	for first := uint32(1); first < end; {
		p := a.page(first)
		n, err := c.run(first, p)
		if err != nil {
			return fmt.Errorf("page %d: %w", first, err)
		}
		if p.kind == before && (before == kindDirty || before == kindClean) {
			return fmt.Errorf("page %d: two free runs of one kind side by side", first)
		}
		before = p.kind
		first += n
		if first > end {
			return fmt.Errorf("a run ends at page %d, beyond the frontier %d", first, end)
		}
	}
	if before == kindClean {
		return fmt.Errorf("a clean run at the frontier")
	}
	if err := c.lists(); err != nil {
		return err
	}
	if c.live != a.live || c.large != a.large || a.asked > a.live || c.dirty != a.dirty.pages || c.clean != a.clean.pages {
		return fmt.Errorf("counted live %d large %d dirty %d clean %d; found %d %d %d %d; asked %d",
			a.live, a.large, a.dirty.pages, a.clean.pages, c.live, c.large, c.dirty, c.clean, a.asked)
	}
	for i := range c.classes {
		is, want := &a.classes[i], &c.classes[i]
		if is.slabs != want.slabs || is.slots != want.slots || is.used != want.used {
			return fmt.Errorf("class %d counts %d slabs, %d slots, %d live; found %d, %d, %d",
				i, is.slabs, is.slots, is.used, want.slabs, want.slots, want.used)
		}
	}
	return a.debug.check(a, func(r Ref) bool { return c.slots[r] })
}

// run checks the run at first and returns its length in pages.
func (c *checker) run(first uint32, p *page) (uint32, error) {
	a := c.a
	switch {
	case p.kind == kindDirty || p.kind == kindClean:
		n := p.length()
		if n == 0 || first+n > a.frontier.Load() {
			return 0, fmt.Errorf("free run of %d pages", n)
		}
		if last := a.page(first + n - 1); last.kind != p.kind || last.length() != n {
			return 0, fmt.Errorf("free run of %d pages ends with kind %d, length %d", n, last.kind, last.length())
		}
		if p.kind == kindDirty {
			c.dirty += n
		} else {
			c.clean += n
		}
		c.listed[first] = p.kind
		return n, nil
	case p.kind == kindLarge:
		n := p.length()
		if n <= maxSmall>>pageShift || first+n > a.frontier.Load() || a.page(first+n-1).kind != kindInner {
			return 0, fmt.Errorf("large allocation of %d pages", n)
		}
		c.large++
		c.live += int64(n) << pageShift
		c.slots[Ref(first*pageGran)] = true
		return n, nil
	case p.kind&^shortBit == 0 || p.kind&^shortBit >= classCount:
		return 0, fmt.Errorf("run of kind %d", p.kind)
	}
	return uint32(slabPages[p.kind]), c.slab(first, p)
}

func (c *checker) slab(first uint32, p *page) error {
	a, cl := c.a, &c.classes[p.kind&^shortBit]
	for i := uint32(1); i < uint32(slabPages[p.kind]); i++ {
		if q := a.page(first + i); q.kind != kindInner || uint32(q.used) != i {
			return fmt.Errorf("inner page %d of the slab has kind %d, back %d", i, q.kind, q.used)
		}
	}
	gran := classSize[p.kind] / granule
	free := map[uint16]bool{}
	for s := p.free; s != noSlot; s = *a.link(first, s) {
		if s%gran != 0 || s >= p.bump || free[s] {
			return fmt.Errorf("free slot at granule %d (size %d granules, bump %d, seen before: %v)", s, gran, p.bump, free[s])
		}
		free[s] = true
	}
	if p.bump%gran != 0 || p.bump/gran > slabSlots[p.kind] || int(p.bump/gran) != len(free)+int(p.used) {
		return fmt.Errorf("bump %d, %d free and %d live slots of %d granules", p.bump, len(free), p.used, gran)
	}
	want := uint8(uint32(p.used) * slabRecip[p.kind] >> 16)
	current := a.classes[p.kind&^shortBit].current == first
	switch {
	case current != (p.level == levelCurrent):
		return fmt.Errorf("level %d, but current: %v", p.level, current)
	case !current && p.used == 0:
		return fmt.Errorf("empty slab was not freed")
	case !current && p.level != levelMarked && p.level != want:
		return fmt.Errorf("level %d with %d of %d slots live", p.level, p.used, slabSlots[p.kind])
	}
	if p.level != levelCurrent && p.level != levelFull {
		c.listed[first] = p.level
	}
	cl.slabs++
	cl.slots += uint32(slabSlots[p.kind])
	cl.used += uint32(p.used)
	c.live += int64(p.used) * int64(classSize[p.kind])
	for s := uint16(0); s < p.bump; s += gran {
		if !free[s] {
			c.slots[Ref(first*pageGran+uint32(s))] = true
		}
	}
	return nil
}

// lists checks that every list has what it must have, and nothing else.
func (c *checker) lists() error {
	a := c.a
	walk := func(name string, head uint32, level uint8, fits func(p *page) bool) error {
		prev := uint32(0)
		for f := head; f != 0; f = a.page(f).next {
			p := a.page(f)
			if want, ok := c.listed[f]; !ok || want != level || p.prev != prev || !fits(p) {
				return fmt.Errorf("%s: page %d (kind %d, level %d) does not belong here", name, f, p.kind, p.level)
			}
			delete(c.listed, f)
			prev = f
		}
		return nil
	}
	for i := range a.classes {
		cl := &a.classes[i]
		for l, head := range cl.heads {
			if (head != 0) != (cl.mask>>l&1 == 1) {
				return fmt.Errorf("class %d: mask %b, head of level %d is %d", i, cl.mask, l, head)
			}
			if err := walk(fmt.Sprintf("class %d level %d", i, l), head, uint8(l), func(p *page) bool {
				return int(p.kind&^shortBit) == i
			}); err != nil {
				return err
			}
		}
	}
	for _, kind := range []uint8{kindDirty, kindClean} {
		s := a.runsOf(kind)
		for bin, head := range s.heads {
			if (head != 0) != (s.mask[bin>>6]>>(bin&63)&1 == 1) {
				return fmt.Errorf("runs of kind %d: mask and head of list %d differ", kind, bin)
			}
			if err := walk(fmt.Sprintf("runs of kind %d, list %d", kind, bin), head, kind, func(p *page) bool {
				return p.kind == kind && binOf(p.length()) == bin
			}); err != nil {
				return err
			}
		}
	}
	if err := walk("marked slabs", a.evac.head, levelMarked, func(p *page) bool { return p.level == levelMarked }); err != nil {
		return err
	}
	if len(c.listed) > 0 {
		return fmt.Errorf("on no list: %v", c.listed)
	}
	return nil
}
