package keyspace

import (
	"math/bits"
	"runtime"
	"time"
)

// Who takes several shards takes all of them before anything is done with one, and never waits while it holds one: it
// waits for the first that is not free, tries the others, and if one of these is not free gives back what it has and
// waits for that. So whoever holds shards goes on, with one exception: a script may find in its midst that it needs
// another shard, and waits for it with shards held (TakeMore). There is at most one such script, or transaction with one, at a
// time, by a lock of the server's that is taken before any shard; what it waits for is held by somebody who waits for nothing. That is why
// nobody ever waits in a circle.

const (
	spinTries = 100 // to get a shard before the processor is given up in between
	yields    = 100 // further tries before the waiting is no matter of microseconds any more
	firstNap  = 20 * time.Microsecond
	longNap   = 500 * time.Microsecond
)

// lock takes the shards in s, or none if giveUp, which may be nil, says so while one is waited for.
func (ks *Keyspace) lock(s Set, waits func(), giveUp func() bool) bool {
	if s&(s-1) == 0 { // one, or none
		return s == 0 || ks.lockOne(bits.TrailingZeros64(uint64(s)), waits, giveUp)
	}
	first := bits.TrailingZeros64(uint64(s))
	for {
		if !ks.lockOne(first, waits, giveUp) {
			return false
		}
		got := Set(1) << first
		missing := -1
		for rest := s &^ got; rest != 0; rest &= rest - 1 {
			i := bits.TrailingZeros64(uint64(rest))
			if !ks.tryOne(i) {
				missing = i
				break
			}
			got |= 1 << i
		}
		if missing < 0 {
			return true
		}
		ks.Unlock(got)
		first = missing
	}
}

// TryTake is Take for somebody who can as well come again. It is false, and the view holds none, if a shard is not free.
func (v *View) TryTake(s Set) bool {
	got := Set(0)
	for rest := s; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(uint64(rest))
		if !v.ks.tryOne(i) {
			v.ks.Unlock(got)
			return false
		}
		got |= 1 << i
	}
	v.held = s
	return true
}

// Wanted tells whether somebody waits for one of the shards in s. Who takes them again and again for work in the background
// lets others go first.
func (ks *Keyspace) Wanted(s Set) bool {
	for ; s != 0; s &= s - 1 {
		if ks.shards[bits.TrailingZeros64(uint64(s))].waiting.Load() > 0 {
			return true
		}
	}
	return false
}

// GiveWay lets those go first who wait for one of the shards in s, for a moment. Who takes a shard again and again for work in
// the background, and comes to it between two steps, leaves no gap in which somebody who naps would find it free.
func (ks *Keyspace) GiveWay(s Set) {
	for began := time.Now(); ks.Wanted(s) && time.Since(began) < 2*longNap; {
		time.Sleep(firstNap)
	}
}

// Lock takes the shards in s, of which the caller holds none.
func (ks *Keyspace) Lock(s Set) { ks.lock(s, nil, nil) }

// tryOne takes a shard if it is free within a microsecond or so.
func (ks *Keyspace) tryOne(i int) bool {
	for range spinTries {
		if ks.shards[i].mu.TryLock() {
			return true
		}
	}
	return false
}

// lockOne takes a shard. It does not sleep on the lock itself: what holds it may be a script that has to be ended by
// somebody who waits here.
func (ks *Keyspace) lockOne(i int, waits func(), giveUp func() bool) bool {
	if ks.shards[i].mu.TryLock() || ks.tryOne(i) {
		return true
	}
	ks.shards[i].waiting.Add(1)
	defer ks.shards[i].waiting.Add(-1)
	for range yields {
		runtime.Gosched()
		if ks.shards[i].mu.TryLock() {
			return true
		}
	}
	for nap := firstNap; ; nap = min(2*nap, longNap) {
		time.Sleep(nap)
		if ks.shards[i].mu.TryLock() {
			return true
		}
		if giveUp != nil && giveUp() {
			return false
		}
		if waits != nil {
			waits()
		}
	}
}
