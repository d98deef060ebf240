package eviction

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

const now = 1_700_000_000_000

// shelf is a Source over a few entries, in a map that stands in the order of the hashes. It insists on that candidates are
// not used any more once something else was asked for.
type shelf struct {
	hashes []uint64
	words  map[uint64]uint32
	due    map[uint64]int64
	size   map[uint64]int
	hand   int
	looked int // entries offered by Next and Find
	asked  int // how often something was asked for
}

func newShelf() *shelf {
	return &shelf{words: map[uint64]uint32{}, due: map[uint64]int64{}, size: map[uint64]int{}}
}

func (s *shelf) put(hash uint64, word uint32) {
	if _, known := s.words[hash]; !known {
		i, _ := slices.BinarySearch(s.hashes, hash)
		s.hashes = slices.Insert(s.hashes, i, hash)
		if i <= s.hand {
			s.hand++
		}
	}
	s.words[hash] = word
}

func (s *shelf) remove(hash uint64) {
	i, _ := slices.BinarySearch(s.hashes, hash)
	s.hashes = slices.Delete(s.hashes, i, i+1)
	if s.hand > i {
		s.hand--
	}
	delete(s.words, hash)
}

func (s *shelf) candidate(i int) Candidate {
	h := s.hashes[i]
	return Candidate{Word: s.words[h], Expire_ms: s.due[h], Size: s.size[h], ID: s.asked<<16 | i}
}

// hashOf is the hash of a candidate.
func (s *shelf) hashOf(c Candidate) uint64 {
	if c.ID>>16 != s.asked {
		panic("a candidate is used after another question")
	}
	return s.hashes[c.ID&0xffff]
}

func (s *shelf) Len() int { return len(s.hashes) }
func (s *shelf) Sample(rnd uint64) (list []Candidate) {
	s.asked++
	for i := range min(12, len(s.hashes)) {
		list = append(list, s.candidate(int((rnd%1000+uint64(i))%uint64(len(s.hashes)))))
	}
	return list
}
func (s *shelf) Some(n int) (list []Candidate) {
	s.asked++
	for range min(n, len(s.hashes)) {
		s.looked++
		s.hand = (s.hand + 1) % len(s.hashes)
		list = append(list, s.candidate(s.hand))
	}
	return list
}
func (s *shelf) Next() (c Candidate, ok bool) {
	for _, c = range s.Some(1) {
		ok = true
	}
	return c, ok
}
func (s *shelf) Find(p Place) (list []Candidate) {
	s.asked++
	for i, h := range s.hashes {
		if PlaceOf(0, h) == p {
			s.looked++
			list = append(list, s.candidate(i))
		}
	}
	return list
}
func (s *shelf) Ahead(Place, Place) {}
func (s *shelf) Soonest() (c Candidate, ok bool) {
	s.asked++
	for i, h := range s.hashes {
		if at := s.due[h]; at != 0 && (!ok || at < c.Expire_ms) {
			c, ok = s.candidate(i), true
		}
	}
	return c, ok
}
func (s *shelf) Hash(c Candidate) (uint64, Place) {
	h := s.hashOf(c)
	return h, PlaceOf(0, h)
}
func (s *shelf) SetWord(c Candidate, word uint32) { s.words[s.hashOf(c)] = word }
func (s *shelf) evict(p Policy, st *State, at Moment) (hash uint64, ok bool) {
	c, ok := p.Victim(s, st, at)
	if ok {
		hash = s.hashOf(c)
		s.remove(hash)
	}
	return hash, ok
}

func TestEachPolicyLetsGoWhatItGoesBy(t *testing.T) {
	lru, lfu := &Clock{}, &Clock{LFU: true, LogFactor: 10, DecayTime: 1}
	const leaves, stays = 5 << 32, 7 << 32
	for _, c := range []struct {
		policy     string
		clock      *Clock
		word, last uint32
		due, later int64
	}{
		{"allkeys-lru", lru, lru.New(now - 90_000), lru.New(now), 0, 0},
		{"allkeys-lfu", lfu, lfu.FreqWord(2, now), lfu.FreqWord(200, now), 0, 0},
		{"volatile-ttl", lru, lru.New(now), lru.New(now - 90_000), now + 1, now + 2},
		{"volatile-ttl", lru, lru.New(now), lru.New(now - 90_000), now + 1e9, now + 2e9},
		{"volatile-lru", lru, lru.New(now - 90_000), lru.New(now), now + 2, now + 1},
	} {
		s := newShelf()
		s.put(leaves, c.word)
		s.put(stays, c.last)
		s.due[leaves], s.due[stays] = c.due, c.later
		var st State
		p := ByName(c.policy)
		if got, ok := s.evict(p.Policy, &st, Moment{Clock: c.clock, Now_ms: now, Rnd: 1, Samples: 5}); !ok || got != leaves {
			t.Errorf("%s lets go of %d (%v)", c.policy, got>>32, ok)
		}
	}
	if p := ByName("noeviction"); p.Evicts() {
		t.Error("noeviction lets something leave")
	}
	for _, name := range []string{"allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-s3fifo", "volatile-s3fifo"} {
		p := ByName(name)
		if p == nil || !p.Evicts() || p.Volatile != (name[0] == 'v') {
			t.Errorf("%s is %+v", name, p)
			continue
		}
		if _, ok := newShelf().evict(p.Policy, new(State), Moment{Clock: lru, Now_ms: now, Samples: 5}); ok {
			t.Errorf("%s lets go of something that is not there", name)
		}
	}
}

// TestWhatExpiresFirstLeavesThoughFarAway: among many keys whose time is far away the first one to expire leaves, which
// samples do not come upon.
func TestWhatExpiresFirstLeavesThoughFarAway(t *testing.T) {
	s := newShelf()
	const hour = 3600_000
	for i := range uint64(10_000) {
		h := i << 32
		s.put(h, 0)
		s.due[h] = now + 2*hour + int64(i)
	}
	s.due[9000<<32] = now + hour
	var st State
	if got, ok := s.evict(ttl{}, &st, Moment{Clock: &Clock{}, Now_ms: now, Rnd: 1, Samples: 5}); !ok || got != 9000<<32 {
		t.Errorf("%d leaves (%v)", got>>32, ok)
	}
}

// TestEveryPolicyEmptiesTheShelf: whatever is there leaves at last, each once, and what the state has taken comes back.
func TestEveryPolicyEmptiesTheShelf(t *testing.T) {
	for name, p := range byName {
		if !p.Evicts() {
			continue
		}
		clock := Clock{LogFactor: 10, DecayTime: 1}
		clock.Use(p.Words)
		s, r := newShelf(), rand.New(rand.NewPCG(3, 3))
		var st State
		for range 500 {
			h, w := r.Uint64(), clock.New(now)
			if clock.FIFO {
				w = st.Admit(h, PlaceOf(0, h), s.Len(), now)
			}
			for range r.IntN(5) {
				w = clock.Touch(w, now+int64(r.IntN(10_000)), r.Uint32())
			}
			s.put(h, w)
			s.due[h] = now + int64(r.IntN(1000)) + 1
		}
		for n := 500; n > 0; n-- {
			s.looked = 0
			if _, ok := s.evict(p.Policy, &st, Moment{Clock: &clock, Now_ms: now + 10_000, Rnd: r.Uint64(), Samples: 5}); !ok || s.Len() != n-1 {
				t.Fatalf("%s: with %d entries there was none to leave", name, n)
			}
			if clock.FIFO && s.looked > lookMost+2 {
				t.Fatalf("%s looked at %d entries", name, s.looked)
			}
		}
		if st.Reset(); st.Bytes() != 0 {
			t.Errorf("%s: %d bytes were not given back", name, st.Bytes())
		}
	}
}

// TestSampledLRUIsNearlyExact: of 1000 entries the pool finds one of the oldest.
func TestSampledLRUIsNearlyExact(t *testing.T) {
	clock := Clock{}
	s, r := newShelf(), rand.New(rand.NewPCG(1, 1))
	age := map[uint64]int{}
	for i := range 1000 {
		h := r.Uint64()
		s.put(h, clock.New(now-int64(i)*1000))
		age[h] = i
	}
	var st State
	sum := 0
	for range 300 {
		h, _ := s.evict(lru{}, &st, Moment{Clock: &clock, Now_ms: now, Rnd: r.Uint64(), Samples: 5})
		sum += age[h]
	}
	if mean := sum / 300; mean < 750 { // the oldest 300 have 850 on average
		t.Errorf("what left was %d s old on average", mean)
	}
}

// places is a shelf whose samples are of one place of two, as a table's are: what came last stands first there, in the room of
// what has left.
type places struct{ *shelf }

func (s places) Sample(rnd uint64) (list []Candidate) {
	s.asked++
	half := len(s.hashes) / 2
	for i := range half {
		list = append(list, s.candidate(int(rnd>>63)*half+i))
	}
	return list
}

// TestAmongEqualsChanceDecides: of what was used in the same second, or equally often, any may leave. It was the last that
// had come, mostly: a cache through which much goes in a second found less than one that lets go of anything.
func TestAmongEqualsChanceDecides(t *testing.T) {
	for _, name := range []string{"allkeys-lru", "allkeys-lfu"} {
		p := ByName(name)
		clock := Clock{LogFactor: 10, DecayTime: 1}
		clock.Use(p.Words)
		s, r := places{newShelf()}, rand.New(rand.NewPCG(8, 8))
		var st State
		const capacity, steps = 200, 8000
		born := map[uint64]int{}
		put := func(step int) {
			h := (uint64(step)%2<<20 | uint64(steps+capacity-step)) << 32
			s.put(h, clock.New(now))
			born[h] = step
		}
		for i := range capacity {
			put(i)
		}
		for i := range steps {
			c, ok := p.Policy.Victim(s, &st, Moment{Clock: &clock, Now_ms: now, Rnd: r.Uint64(), Samples: 5})
			if !ok {
				t.Fatal("there was none to leave")
			}
			h := s.hashOf(c)
			s.remove(h)
			put(capacity + i)
		}
		// If nothing is preferred what stays is about as old as the cache is large.
		stay := 0
		for h := range s.words {
			stay += capacity + steps - born[h]
		}
		if stay/capacity > 2*capacity {
			t.Errorf("%s: what stays is %d old on average in a cache of %d", name, stay/capacity, capacity)
		}
	}
}

// uneven is a shelf whose samples are of places that hold two entries or ten, in turn.
type uneven struct{ *shelf }

func (s uneven) Sample(rnd uint64) (list []Candidate) {
	s.asked++
	place := int(rnd % uint64(len(s.hashes)/6))
	from, n := place/2*12, 2
	if place%2 == 1 {
		from, n = from+2, 10
	}
	for i := range n {
		list = append(list, s.candidate(from+i))
	}
	return list
}

// TestFewAtAPlaceAreLittleWorseOff: under LFU it matters little whether an entry stands with few others or with many. It did
// matter: a small cache lost nearly all that came while others were let alone.
func TestFewAtAPlaceAreLittleWorseOff(t *testing.T) {
	p := ByName("allkeys-lfu")
	clock := Clock{LogFactor: 10, DecayTime: 1}
	clock.Use(p.Words)
	s, r := uneven{newShelf()}, rand.New(rand.NewPCG(9, 9))
	for i := range 1200 {
		s.put(uint64(i+1)<<32, clock.New(now))
	}
	var st State
	few, all := 0, 20_000
	for range all {
		c, ok := p.Policy.Victim(s, &st, Moment{Clock: &clock, Now_ms: now, Rnd: r.Uint64(), Samples: 5})
		if !ok {
			t.Fatal("there was none to leave")
		}
		if i, _ := slices.BinarySearch(s.hashes, s.hashOf(c)); i%12 < 2 {
			few++
		}
	}
	if share := float64(few) * 6 / float64(all); share > 1.7 {
		t.Errorf("entries with one neighbour leave %.2f times as often as they should", share)
	}
}

// TestOneHitWondersLeaveFirst: a stream of entries that are used once passes by those that are used again.
func TestOneHitWondersLeaveFirst(t *testing.T) {
	clock := Clock{FIFO: true}
	p := ByName("allkeys-s3fifo").Policy
	s, r := newShelf(), rand.New(rand.NewPCG(2, 2))
	var st State
	const capacity = 1000
	var used []uint64
	put := func(h uint64) {
		if s.Len() == capacity {
			s.evict(p, &st, Moment{Clock: &clock, Now_ms: now, Rnd: r.Uint64()})
		}
		s.put(h, st.Admit(h, PlaceOf(0, h), s.Len(), now))
	}
	for range capacity / 2 {
		h := r.Uint64()
		used = append(used, h)
		put(h)
	}
	lost := 0
	for range 20 * capacity {
		put(r.Uint64())
		h := used[r.IntN(len(used))]
		if w, here := s.words[h]; here {
			s.words[h] = st.Use(w, h, now)
		} else {
			lost++
			put(h)
		}
	}
	if lost > capacity/2 {
		t.Errorf("%d of %d uses found nothing", lost, 20*capacity)
	}
}

// TestTheOldestOfTheFirstLeave: what came while there was room for all and was never used leaves in about the order in which
// it came, before what came later; what was used stays.
func TestTheOldestOfTheFirstLeave(t *testing.T) {
	clock := Clock{FIFO: true}
	p := ByName("allkeys-s3fifo").Policy
	s, r := newShelf(), rand.New(rand.NewPCG(6, 6))
	var st State
	const capacity, seconds = 2000, 1000
	born, used := map[uint64]int64{}, map[uint64]bool{}
	at := int64(now)
	put := func() {
		h := r.Uint64()
		at += seconds
		born[h] = at
		s.put(h, st.Admit(h, PlaceOf(0, h), s.Len(), at))
	}
	for range capacity {
		put()
	}
	for h, w := range s.words {
		if born[h]%(4*seconds) == 0 {
			s.words[h] = st.Use(w, h, at)
			used[h] = true
		}
	}
	sum, left := int64(0), 0
	for range capacity / 2 {
		h, ok := s.evict(p, &st, Moment{Clock: &clock, Now_ms: at, Rnd: r.Uint64()})
		if !ok {
			t.Fatal("there was none to leave")
		}
		if used[h] {
			t.Fatal("one left that was used")
		}
		sum += (at - born[h]) / seconds
		left++
		put()
	}
	// In the order in which they came they would be capacity*9/8 old on average, at random half of that.
	if mean := sum / int64(left); mean < capacity*3/4 {
		t.Errorf("what left was %d s old on average, in a cache that has all of the last %d s", mean, capacity)
	}
	if !st.fifo.overdue || st.fifo.small.len() != 0 {
		t.Errorf("with %d of 65536 waiting %d are in the ring", st.fifo.waits, st.fifo.small.len())
	}
}

// TestWaitingEnds: when most entries were used the main queue has what it wants, and the small queue is one again.
func TestWaitingEnds(t *testing.T) {
	clock := Clock{FIFO: true}
	p := ByName("allkeys-s3fifo").Policy
	s, r := newShelf(), rand.New(rand.NewPCG(7, 7))
	var st State
	for s.Len() < 2000 {
		h := r.Uint64()
		s.put(h, st.Use(st.Admit(h, PlaceOf(0, h), s.Len(), now), h, now))
	}
	for range 4000 {
		s.evict(p, &st, Moment{Clock: &clock, Now_ms: now, Rnd: r.Uint64()})
		h := r.Uint64()
		s.put(h, st.Admit(h, PlaceOf(0, h), s.Len(), now))
	}
	if f := &st.fifo; f.overdue || f.small.len() < 150 {
		t.Errorf("with %d of 65536 waiting %d are in the ring", f.waits, f.small.len())
	}
}

// TestGhosts holds the sets to a model.
func TestGhosts(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	var g ghosts
	g.add(7)
	if g.take(7) {
		t.Error("ghosts without memory remember")
	}
	g.resize(1000)
	model := map[*byte][]uint64{} // set: prints, last first
	for i := range 20_000 {
		h := r.Uint64() % 3000 * 0x9e3779b97f4a7c15
		set, print := g.place(h, true)
		list := model[&set[0]]
		at := slices.Index(list, print)
		if r.IntN(2) == 0 {
			if got := g.take(h); got != (at >= 0) {
				t.Fatalf("step %d: taken %v, want %v", i, got, at >= 0)
			}
			if at >= 0 {
				list = slices.Delete(list, at, at+1)
			}
		} else {
			g.add(h)
			list = slices.Insert(list, 0, print)
			list = list[:min(len(list), ghostWays)]
		}
		model[&set[0]] = list
		want := uint64(0)
		for k, p := range list {
			want |= p << (k * ghostBits)
		}
		if got := binary.LittleEndian.Uint64(set); got != want {
			t.Fatalf("step %d: the set is %x, want %x", i, got, want)
		}
	}
	for _, size := range []int{2000, 5000, 5100, 100_000} {
		for h := range uint64(32) {
			g.add(h << 50)
		}
		for g.resize(size); g.next.n > 0; {
			g.resize(size)
		}
		known := 0
		for h := range uint64(32) {
			if g.take(h << 50) {
				known++
			}
		}
		if known < 24 {
			t.Errorf("after it was made for %d it knows %d of the last 32", size, known)
		}
		if bits := g.bytes * 8 / size; bits > 11 {
			t.Errorf("made for %d it takes %d bits each", size, bits)
		}
	}
}

// TestGhostsGrowInSteps: ghosts of a large cache become more, and fewer, a part at a time, and remember meanwhile what they would
// have if it had been done at once. They were copied as a whole while everybody waited.
func TestGhostsGrowInSteps(t *testing.T) {
	const entries = 200_000
	var g ghosts
	g.resize(entries)
	r := rand.New(rand.NewPCG(9, 9))
	hashes := make([]uint64, entries/2)
	for i := range hashes {
		hashes[i] = r.Uint64()
		g.add(hashes[i])
	}
	holds := func(set []byte, print uint64) bool {
		for w := binary.LittleEndian.Uint64(set); w != 0; w >>= ghostBits {
			if w&(1<<ghostBits-1) == print {
				return true
			}
		}
		return false
	}
	knows := func() (n int) {
		for _, h := range hashes {
			if set, print := g.place(h, false); set != nil && holds(set, print) {
				n++
			}
		}
		return n
	}
	for _, size := range []int{entries * 3, entries * 3 / 2, entries} {
		most, before, atOnce := g.bytes, knows(), 0
		for _, h := range hashes {
			n := max(size, ghostLeast) * ghostPercent / 100 / ghostWays * 15 / 16
			to := ghostSets{n: n}
			set, print := g.sets.at(to.of(h*0xd6e8feb86659fd93)*g.sets.n/n), max(1, h*0xd6e8feb86659fd93&(1<<ghostBits-1))
			if set != nil && holds(set, print) {
				atOnce++
			}
		}
		for steps := 0; ; steps++ {
			was, moved := g.bytes, g.moved
			g.resize(size)
			if g.next.n == 0 {
				break
			}
			if g.moved-moved > ghostPart || g.bytes-was > 2*8*ghostPart {
				t.Fatalf("one step moves %d sets and makes %d bytes", g.moved-moved, g.bytes-was)
			}
			if most = max(most, g.bytes); steps%40 == 0 {
				if n := knows(); n < min(before, atOnce) || n > max(before, atOnce) {
					t.Fatalf("on the way to %d it knows %d; before %d, at once %d", size, n, before, atOnce)
				}
			}
			if steps > size {
				t.Fatal("it does not come to an end")
			}
		}
		if n := knows(); n != atOnce {
			t.Errorf("made for %d it knows %d, at once %d", size, n, atOnce)
		}
		bytes := 0
		for _, p := range g.sets.parts {
			bytes += len(p)
		}
		if bytes != g.bytes || g.sets.n*ghostWays > size*ghostPercent/100 {
			t.Errorf("made for %d it has %d sets, %d bytes, and counts %d", size, g.sets.n, bytes, g.bytes)
		}
		if most > entries*3*11/8+4*8*ghostPart {
			t.Errorf("on the way to %d it took %d bytes", size, most)
		}
	}
}

// TestQueue: what was put in comes out in order, as far as there was room, and everything in it says so.
func TestQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	type entry struct {
		at   Place
		word uint32
	}
	var q queue
	var model []entry
	size := 10
	q.resize(size)
	for i := range 100_000 {
		switch n := r.IntN(100); {
		case n == 0:
			size = 1 + r.IntN(300)
			was := q.room()
			if q.resize(size); q.room() < was {
				model = model[max(0, len(model)-int(q.room())):]
			}
			if int(q.room()) < size || int(q.room()) > 2*max(size, q.len()) {
				t.Fatalf("room for %d, want %d", q.room(), size)
			}
			for k := range model { // laps of another length have begun
				model[k].word = 0
			}
		case n < 60:
			if len(model) >= queueMost(size) { // as Admit has it
				continue
			}
			p := Place(r.Uint64() & (1<<40 - 1))
			model = append(model, entry{p, fifoNew(q.push(p), now)})
		case len(model) > 0:
			if got := q.pop(); got != model[0].at {
				t.Fatalf("step %d: %d came out, want %d", i, got, model[0].at)
			}
			model = model[1:]
		}
		if q.len() != len(model) {
			t.Fatalf("step %d: %d in it, want %d", i, q.len(), len(model))
		}
		for _, e := range model {
			if e.word != 0 && !q.holds(e.word) {
				t.Fatalf("step %d: an entry in it is not known to be", i)
			}
		}
	}
}

// TestWords holds the access words to what OBJECT IDLETIME and FREQ promise.
func TestWords(t *testing.T) {
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
	fifo := &Clock{FIFO: true}
	for name, w := range map[string]uint32{"main": fifo.New(now), "small": fifoNew(5, now), "moved": fifoMoved(fifoNew(5, now), 0, now+7000)} {
		if w > wordMask {
			t.Errorf("%s: the word %x has more than 24 bits", name, w)
		}
		if got := fifo.Idle(w, now+42_000); got != 42 {
			t.Errorf("%s: idle for %d s, want 42", name, got)
		}
		for n := range uint32(5) {
			if got := fifo.Count(w, now); got != min(n, 3) {
				t.Errorf("%s: after %d accesses it counts %d", name, n, got)
			}
			w = fifo.Touch(w, now+int64(n)*1000, 0)
		}
		if got := fifo.Idle(w, now+5000); got != 1 {
			t.Errorf("%s: idle for %d s since the last access, want 1", name, got)
		}
	}
	if got := fifo.Idle(fifo.IdleWord(1000, now), now); got != 1000 {
		t.Errorf("a FIFO word made 1000 s idle says %d", got)
	}
}
