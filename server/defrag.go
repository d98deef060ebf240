package server

import (
	"math/bits"
	"sync/atomic"
	"time"

	"larder/keyspace"
)

// Defragmentation. When so much memory lies in sparse pages that emptying them is worth it (active-defrag-ignore-bytes,
// active-defrag-threshold-lower), and has done so for a second, the janitor walks over the shards, one after the other. It
// takes between active-defrag-cycle-min and -max percent of a core, the more the more there is to gain.
//
// What a walk could not gain, because sizes are many and keys are few, must not start the next one: it is left out of
// account until it has become less.
type defragPlan struct {
	queue keyspace.Set // shards to be walked, the lowest is under way; only the janitor looks at it
	worth bool         // the last plan found it worth it, too; only for the janitor

	effort atomic.Int32 // percent of a core, 0 when nothing is being done
	time   atomic.Int64 // nanoseconds spent since the start or CONFIG RESETSTAT
	since  atomic.Int64 // when the present effort began, in Unix nanoseconds; 0 if there is none
}

const (
	planLooks    = 5   // looks of the janitor from one plan to the next
	defragBudget = 400 // allocations looked at while a shard is held once
	walkSame     = 64  // a shard that lost more than this part of its data during a walk has more to gain by another
)

// planDefrag decides whether to defragment, which shards, and how much of a core it may take.
func (j *janitor) planDefrag() {
	conf, p := j.srv.conf, &j.srv.defrag
	live, gain := int64(0), int64(0)
	lower := conf.ActiveDefragThresholdLower.Get()
	worthy := keyspace.Set(0)
	for i := range j.shards {
		n := &j.shards[i]
		j.hold(i, func(s *keyspace.Shard) bool {
			l, g, _ := s.Fragmentation()
			n.left = min(n.left, g)
			live += l
			gain += g - n.left
			if g -= n.left; g*100 > l*lower/2 && g > 0 && s.Buried() == 0 {
				worthy |= 1 << i
			}
			return false
		})
	}
	fragmented := gain * 100 / max(live, 1)
	worth := conf.Activedefrag.Get() && gain > conf.ActiveDefragIgnoreBytes.Get() && fragmented >= lower
	switch {
	case !conf.Activedefrag.Get():
		j.stopDefrag()
	case worth && p.worth && p.queue == 0:
		p.queue = worthy
	}
	p.worth = worth
	if p.queue == 0 {
		p.effort.Store(0)
		p.since.Store(0)
		return
	}
	least, most := conf.ActiveDefragCycleMin.Get(), conf.ActiveDefragCycleMax.Get()
	upper := max(conf.ActiveDefragThresholdUpper.Get(), lower+1)
	effort := least + (most-least)*(min(max(fragmented, lower), upper)-lower)/(upper-lower)
	p.effort.Store(int32(max(effort, int64(p.effort.Load()), 1))) // once begun it is carried through at the same pace
	p.since.CompareAndSwap(0, time.Now().UnixNano())
}

// stopDefrag ends all walks where they are.
func (j *janitor) stopDefrag() {
	for s := j.srv.defrag.queue; s != 0; s &= s - 1 {
		j.hold(bits.TrailingZeros64(uint64(s)), func(s *keyspace.Shard) bool {
			s.StopDefrag()
			return false
		})
	}
	j.srv.defrag.queue = 0
}

// defragStep goes on with the walk over the first shard of the queue.
func (j *janitor) defragStep() {
	p := &j.srv.defrag
	start := time.Now()
	i := bits.TrailingZeros64(uint64(p.queue))
	if !j.hold(i, func(s *keyspace.Shard) bool {
		n := &j.shards[i]
		live, gain, _ := s.Fragmentation()
		if !s.Defragging() {
			if n.walked = live; s.StartDefrag() == 0 {
				n.left = gain
				return false
			}
		}
		if s.Defrag(defragBudget) {
			return true
		}
		live, gain, _ = s.Fragmentation()
		if n.left = 0; live > n.walked-n.walked/walkSame {
			n.left = gain
		}
		return false
	}) {
		p.queue &^= 1 << i
		j.upkeep |= 1 << i // to give the pages back
	}
	p.time.Add(int64(time.Since(start)))
}

// forgetTimes begins to measure them anew.
func (p *defragPlan) forgetTimes() {
	p.time.Store(0)
	if since := p.since.Load(); since != 0 {
		p.since.CompareAndSwap(since, time.Now().UnixNano())
	}
}

// times are the milliseconds that it has taken since the start or CONFIG RESETSTAT, and those since the present effort began.
func (p *defragPlan) times() (total_ms, this_ms int64) {
	if since := p.since.Load(); since != 0 {
		this_ms = (time.Now().UnixNano() - since) / int64(time.Millisecond)
	}
	return p.time.Load() / int64(time.Millisecond), this_ms
}
