package persistence

import "time"

// gathering is what the writer knows of the batch before the next one.
type gathering struct {
	spare time.Duration // that may be given to gather: a quarter of what writing it and waiting for the disk took
	units int
	pass  int // batches that will not be waited for, because it did not help
	fails int // times in a row that it did not
}

const (
	gatherAtMost = 2 * time.Millisecond
	gatherPasses = 6 // after so many fails in a row, 1<<gatherPasses batches go without
)

// gather waits until as many units are there as the last batch had, and those that came while it was written: with
// clients that send one write after the other, these are all of them, and they share the next wait for the disk instead
// of taking turns, half of them waiting twice. That is worth the time only where many come while a small part of a wait
// for the disk passes: with a fast disk it is better to serve one half while the other waits. Where it is not, it is left
// for some batches, and then tried again.
func (l *AppendLog) gather() {
	g := &l.together
	if SyncPolicy(l.policy.Load()) != SyncAlways || g.units == 0 {
		return
	}
	l.mu.Lock()
	there := l.units
	l.mu.Unlock()
	if there == 0 {
		return // it is tried again when the first has come
	}
	crowd := int64(g.units+there) * 7 / 8 // one that dawdles is not waited for
	if g.units = 0; int64(there) >= crowd {
		return
	}
	if g.pass > 0 {
		g.pass--
		return
	}
	l.crowd.Store(crowd)
	gained := 0
	for t := time.NewTimer(g.spare); ; {
		waits := true
		select {
		case <-l.wake:
		case <-t.C:
			waits = false
		}
		l.mu.Lock()
		gained = l.units - there
		waits = waits && int64(l.units) < crowd && l.hurry == 0 && !l.closed
		l.mu.Unlock()
		if !waits {
			t.Stop()
			break
		}
	}
	l.crowd.Store(0)
	if gained*2 > there {
		g.fails = 0
		return
	}
	g.pass = 1 << g.fails
	g.fails = min(g.fails+1, gatherPasses)
}
