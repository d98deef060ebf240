package arena

import "sync/atomic"

// Sizes of what Populate prepares. An arena that is still small prepares nothing, so that many small ones stay small.
const (
	populateStep  = 256 << 10 >> pageShift // pages, at most
	populateShare = 16                     // at most this part of what is in use
	populateFrom  = 512 << 10 >> pageShift // pages in use before anything is prepared
)

// ahead is what Populate knows. Its fields are shared between the arena's owner and whoever calls Populate.
type ahead struct {
	end  atomic.Uint32 // pages below it were prepared
	seen atomic.Uint32 // frontier when that was done
}

// Populate prepares the next pages that the arena will grow into, so that their first use need not wait for the system: up
// to 256 KiB in one call, once half of what was prepared before is used. It may be called without holding the
// shard, by one goroutine at a time, not together with Close. It returns whether it did anything.
func (a *Arena) Populate() bool {
	f := a.frontier.Load()
	step := min(populateStep, f/populateShare)
	from := max(f, a.ahead.end.Load())
	if f < populateFrom || f == a.ahead.seen.Load() || from-f > step/2 {
		return false
	}
	old := a.ahead.end.Load()
	a.ahead.seen.Store(f)
	if !a.mem.populate(from, step) {
		return false
	}
	a.ahead.end.CompareAndSwap(old, from+step) // fails when the frontier was moved back meanwhile: then it is all in use
	return true
}

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
		if f := a.frontier.Load(); a.ahead.end.Load() > f {
			n := a.ahead.end.Load() - f
			a.ahead.end.Store(f)
			a.ahead.seen.Store(f)
			a.mem.release(f, n)
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

// retreat moves the frontier back to the page f. All pages from there on are clean.
func (a *Arena) retreat(f uint32) {
	a.frontier.Store(f)
	if a.ahead.end.Load() > f {
		a.ahead.end.Store(f)
	}
	a.ahead.seen.Store(f)
}
