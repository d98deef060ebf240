package persistence

import "time"

// gathering is what the writer knows of the batch before the next one.
type gathering struct {
	spare time.Duration // that may be given to gather: a quarter of what writing it and waiting for the disk took
	units int
	pass  int // batches that will not be waited for, because it did not help
	fails int // times in a row that it did not
	ways  contest
}

// A contest finds out whether it is better to gather. Which is better depends on the disk, on how long the clients take and
// on the processors, and changes: so one way is used for some rounds of batches, then the other is tried for a round, and
// kept if more units came through in a second. It knows no clock: batches come with their times.
type contest struct {
	without bool // batches are not gathered
	trial   bool // this round is one of the way that is not used otherwise
	rounds  int  // until the next trial
	batches int  // in this round
	units   int
	began   time.Time // of the first batch in this round
	ended   time.Time // of the last one
	rate    float64   // units a second of the round before
}

const (
	contestRound  = 32 // batches
	contestRounds = 16 // between two trials
	contestBetter = 1.05
)

// note counts a batch that began and ended at these times.
func (c *contest) note(began, ended time.Time, units int) {
	if c.batches > 0 && began.Sub(c.ended) > 4*max(ended.Sub(began), time.Millisecond) { // nothing came: no round is like another
		c.batches, c.units = 0, 0
		c.without, c.trial, c.rate = c.without != c.trial, false, 0
	}
	if c.batches == 0 {
		c.began = began
	}
	c.batches++
	c.units += units
	if c.ended = ended; c.batches < contestRound {
		return
	}
	rate := float64(c.units) / ended.Sub(c.began).Seconds()
	c.batches, c.units = 0, 0
	switch {
	case c.trial:
		c.trial, c.rounds = false, contestRounds
		if rate < c.rate*contestBetter {
			c.without = !c.without
		}
	case c.rounds > 0:
		c.rounds--
	default:
		c.trial, c.without = true, !c.without
	}
	c.rate = rate
}

const (
	gatherAtMost = 2 * time.Millisecond
	gatherPasses = 6 // after so many fails in a row, 1<<gatherPasses batches go without
)

// gather waits until as many units are there as the last batch had, and those that came while it was written: with
// clients that send one write after the other, these are all of them, and they share the next wait for the disk instead
// of taking turns, half of them waiting twice. That is worth the time only where many come while a small part of a wait
// for the disk passes. Where it is not, it is left for some batches, and then tried again. And with a fast disk it is better
// to serve one half while the other waits: see contest.
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
	if g.ways.without {
		g.units = 0
		return
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
