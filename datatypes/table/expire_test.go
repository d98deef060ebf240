package table

import (
	"testing"

	"larder/datatypes/arena"
)

// TestExpireOnTime lets time pass: after each sweep nothing is left that should be gone, and nothing else is.
func TestExpireOnTime(t *testing.T) {
	for _, h := range hashes {
		t.Run(h.name, func(t *testing.T) {
			w := newWorld(t, 1, h.hash)
			n := uint64(h.keys / 2)
			for k := range n {
				expire := int64(0)
				if k%3 != 0 {
					expire = 1 + w.rnd.Int64N(1000)
				}
				w.insert(k, expire)
			}
			for now := int64(0); now <= 1000; now += w.rnd.Int64N(60) {
				slack := w.rnd.Int64N(2) * w.rnd.Int64N(50)
				for w.t.ExpireDue(now, now-slack, 1+w.rnd.IntN(2000), w.deadline, func(s Slot, e arena.Ref) {
					if ms := w.deadline(e); ms > now || ms == 0 {
						t.Fatalf("at %d came one of %d", now, ms)
					}
					w.drop(s)
				}) {
					key := n + w.rnd.Uint64N(n)
					if _, ok := w.find(key); !ok {
						w.insert(key, 1+now+w.rnd.Int64N(100))
					}
				}
				least := int64(noExpiry)
				for key, e := range w.model {
					if ms := w.deadline(e); ms != 0 {
						if ms <= now-slack {
							t.Fatalf("at %d, slack %d: key %d of %d is still there", now, slack, key, ms)
						}
						least = min(least, ms)
					}
				}
				if w.t.MinExpire() > least {
					t.Fatalf("minimum %d, but %d is there", w.t.MinExpire(), least)
				}
				w.t.Maintain(w.rnd.IntN(20))
				w.check()
			}
			w.t.ExpireDue(5000, 5000, 1<<30, w.deadline, func(s Slot, _ arena.Ref) { w.drop(s) })
			if w.t.MinExpire() != noExpiry {
				t.Errorf("nothing volatile is left, and the minimum is %d", w.t.MinExpire())
			}
			w.check()
		})
	}
}

// TestExpireBudget checks that a sweep does little when little is due, and not much more than it is told to.
func TestExpireBudget(t *testing.T) {
	w := newWorldOf(t, 16<<20, 2, mix)
	const n = 100000
	for k := range uint64(n) {
		w.insert(k, 1000+10*int64(k))
	}
	read := 0
	deadline := func(e arena.Ref) int64 { read++; return w.deadline(e) }
	expired := 0
	drop := func(s Slot, _ arena.Ref) { expired++; w.drop(s) }
	if w.t.ExpireDue(999, 999, 1<<30, deadline, drop) || read != 0 {
		t.Errorf("nothing was due, and %d entries were read", read)
	}
	if w.t.ExpireDue(1000, 1000, 1<<30, deadline, drop) || expired != 1 {
		t.Errorf("one was due: %d expired", expired)
	}
	// The halves of a segment that was split had its minimum, and know better now.
	if read = 0; w.t.ExpireDue(1000, 1000, 1<<30, deadline, drop) || read != 0 {
		t.Errorf("the minima are not exact: %d read", read)
	}
	if read = 0; w.t.ExpireDue(1010, 1010, 1<<30, deadline, drop) || expired != 2 || read > 2*slots {
		t.Errorf("one was due: %d expired, %d read", expired, read)
	}
	calls := 0
	for more := true; more; calls++ {
		read = 0
		more = w.t.ExpireDue(2e6, 2e6, 500, deadline, drop)
		if read > 500+len(round{}.slots)*slots {
			t.Fatalf("%d entries read for a budget of 500", read)
		}
	}
	if expired != n || calls < n/(500+len(round{}.slots)*slots) {
		t.Errorf("%d expired in %d calls", expired, calls)
	}
	// Every segment passed without a visit costs, so that one call does not walk a large directory.
	for k := range uint64(n) {
		w.insert(k, 1e9)
	}
	w.find(0)
	s, _ := w.find(1)
	w.expire(s, 1)
	if calls = 1; w.t.ExpireDue(1, 1, 1, deadline, drop) {
		for calls++; w.t.ExpireDue(1, 1, 1, deadline, drop); calls++ {
		}
	}
	if calls < 3 || len(w.model) != n-1 {
		t.Errorf("%d calls, %d entries", calls, len(w.model))
	}
	w.check()
}

// TestExpireRefused leaves expired entries where they are: they come again, and no sweep is endless.
func TestExpireRefused(t *testing.T) {
	w := newWorld(t, 3, mix)
	for k := range uint64(2000) {
		w.insert(k, 10)
	}
	for range 3 {
		seen := 0
		if w.t.ExpireDue(20, 20, 1<<30, w.deadline, func(Slot, arena.Ref) { seen++ }) || seen != 2000 {
			t.Errorf("%d seen", seen)
		}
	}
	w.check()
}

// TestExpiryExtremes keeps times at the ends of the range apart from none.
func TestExpiryExtremes(t *testing.T) {
	w := newWorld(t, 4, mix)
	for k, ms := range []int64{1, -1, -1 << 63, 1<<63 - 2, 1<<63 - 1, 0} {
		w.insert(uint64(k), ms)
	}
	w.check()
	if got := w.t.MinExpire(); got != -1<<63 {
		t.Errorf("minimum %d", got)
	}
	seen := 0
	w.t.ExpireDue(0, 0, 100, w.deadline, func(s Slot, _ arena.Ref) { w.drop(s); seen++ })
	if seen != 2 || w.t.MinExpire() != 1 {
		t.Errorf("%d expired, minimum %d", seen, w.t.MinExpire())
	}
	w.check()
}

// TestLatestExpiry: the largest of all times is one, too.
func TestLatestExpiry(t *testing.T) {
	const most = 1<<63 - 1
	for _, later := range []bool{false, true} {
		w := newWorld(t, 5, mix)
		for k := range uint64(200) {
			w.insert(k, 0)
		}
		w.insert(1000, map[bool]int64{false: most, true: 5}[later])
		if s, ok := w.find(1000); ok && later {
			w.expire(s, most)
		}
		for range 3 {
			w.check()
			var h Hand
			if _, e, ok := w.t.Next(&h, w.marked(1000)); !ok || e != w.model[1000] {
				t.Fatal("the hand does not come to the only entry that expires")
			}
			if s, _, ok := w.t.Soonest(w.deadline); !ok || w.t.Entry(s) != w.model[1000] {
				t.Fatal("the only entry that expires is not the first")
			}
			w.t.ExpireDue(most-10, most-10, 1000, w.deadline, func(Slot, arena.Ref) { t.Fatal("it has expired") })
		}
	}
}
