package arena

// Trim gives free memory beyond keep bytes back to the system, at most about budget bytes in this call, longest runs
// first. With keep 0 it also gives up what was kept at hand for growing. It returns whether there is more to give.
// Giving back costs the system about 0.1-0.5 us per page.
func (a *Arena) Trim(keep, budget int64) (more bool) {
	if keep == 0 {
		for c := 1; c < classCount; c++ {
			cl := &a.classes[c]
			if p := a.page(cl.current); cl.current != 0 && p.used == 0 {
				a.freeSlab(cl, cl.current, p)
				cl.current, cl.limit = 0, 0
			}
			if cl.slabs == 0 {
				cl.hosted = 0
			}
		}
	}
	return a.trim(keep, budget)
}

func (a *Arena) trim(keep, budget int64) (more bool) {
	for int64(a.dirty.pages)<<pageShift > keep && a.dirty.pages > 0 {
		if budget <= 0 {
			return true
		}
		first := a.dirty.longest()
		n := a.cutRun(first)
		if most := uint32((budget + pageBytes - 1) >> pageShift); n > most {
			a.putRun(first, n-most, kindDirty)
			first, n = first+n-most, most
		}
		a.mem.release(first, n)
		budget -= int64(n) << pageShift
		a.freeRun(first, n, kindClean)
	}
	return false
}

// longest is a run on the list of the longest.
func (s *runs) longest() uint32 {
	for bin := binCount - 1; ; bin-- {
		if s.heads[bin] != 0 {
			return s.heads[bin]
		}
	}
}
