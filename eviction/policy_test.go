package eviction

import "testing"

func TestRankPrefersWhatThePolicyGoesBy(t *testing.T) {
	const now = 1_700_000_000_000
	lru, lfu := &Clock{}, &Clock{LFU: true, LogFactor: 10, DecayTime: 1}
	old, fresh := lru.New(now-90_000), lru.New(now)
	rare, often := lfu.FreqWord(2, now), lfu.FreqWord(200, now)
	for _, c := range []struct {
		name          string
		policy        Policy
		clock         *Clock
		leaves, stays Candidate
	}{
		{"lru", Policy{By: ByLRU}, lru, Candidate{Word: old}, Candidate{Word: fresh}},
		{"lfu", Policy{By: ByLFU}, lfu, Candidate{Word: rare}, Candidate{Word: often}},
		{"ttl", Policy{By: ByTTL, Volatile: true}, lru, Candidate{Expire_ms: now + 1}, Candidate{Expire_ms: now + 2}},
		{"volatile lru", Policy{By: ByLRU, Volatile: true}, lru, Candidate{Word: fresh, Expire_ms: 1}, Candidate{Word: old}},
	} {
		a, okA := c.policy.Rank(c.leaves, c.clock, now, 1)
		b, okB := c.policy.Rank(c.stays, c.clock, now, 1)
		if !okA || okB && b >= a {
			t.Errorf("%s: rank %d (%v) is not before %d (%v)", c.name, a, okA, b, okB)
		}
	}
	if _, ok := (Policy{}).Rank(Candidate{Expire_ms: 1}, lru, now, 1); ok || (Policy{}).Evicts() {
		t.Error("noeviction lets something leave")
	}
}

// TestWords holds the access words to what OBJECT IDLETIME and FREQ promise.
func TestWords(t *testing.T) {
	const now = 1_700_000_000_000
	lru := &Clock{}
	if got := lru.Idle(lru.New(now), now+42_000); got != 42 {
		t.Errorf("idle for %d s, want 42", got)
	}
	if got := lru.Idle(lru.IdleWord(1000, now), now); got != 1000 {
		t.Errorf("a word made 1000 s idle says %d", got)
	}
	if got := lru.Idle(lru.New(now), now-1000); got != wordMask {
		t.Errorf("a clock that wraps says %d", got)
	}
	lfu := &Clock{LFU: true, LogFactor: 10, DecayTime: 1}
	w := lfu.New(now)
	if got := lfu.Count(w, now); got != lfuInitial {
		t.Errorf("a new entry counts %d", got)
	}
	if got := lfu.Count(w, now+3*60_000); got != lfuInitial-3 {
		t.Errorf("after three minutes it counts %d", got)
	}
	if got := lfu.Count(w, now+60*60_000); got != 0 {
		t.Errorf("after an hour it counts %d", got)
	}
	for range 100 { // the luckiest number counts every access
		w = lfu.Touch(w, now, 0)
	}
	if got := lfu.Count(w, now); got != 105 {
		t.Errorf("after 100 counted accesses it counts %d", got)
	}
	if got := lfu.Count(lfu.Touch(w, now, 1<<32-1), now); got != 105 {
		t.Errorf("an unlucky access counts: %d", got)
	}
}
