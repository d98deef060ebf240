package eviction

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// check holds what a model is made of against what it says.
func (m *model) check(t *testing.T) {
	t.Helper()
	listed, inRing := map[int]bool{}, 0
	for h, i := range m.heads {
		for ; i != 0; i = m.slots[i-1].next {
			s := &m.slots[i-1]
			if listed[int(i)] || s.state&modelUsed == 0 || m.headOf(s.print) != h {
				t.Fatalf("slot %d is in the list of head %d: %+v", i-1, h, s)
			}
			listed[int(i)] = true
			if s.state&fifoSmall != 0 && s.state&modelBefore == 0 {
				inRing++
			}
		}
	}
	if len(listed) != m.used || m.used > m.size || len(m.free) != len(m.slots)-m.used {
		t.Fatalf("%d entries of %d are in lists, %d slots of %d are free, room for %d", len(listed), m.used, len(m.free), len(m.slots), m.size)
	}
	if inRing != m.count {
		t.Fatalf("%d entries are of the small queue, %d in it", inRing, m.count)
	}
}

// TestModels: in every mode a model is a cache: what was just used is there, and there is room for what it says.
func TestModels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range modes {
		var m model
		m.init(&modes[i], 3, 200, 300)
		there := map[uint64]bool{}
		hits := 0
		for step := range 50_000 {
			if step%5000 == 4999 {
				m.size = 20 + r.IntN(280)
			}
			h := uint64(r.ExpFloat64()*100) * 0x9e3779b97f4a7c15
			if m.use(h) {
				hits++
				if !there[h] {
					t.Fatalf("mode %d: a hash is there that never came in", i)
				}
			}
			there[h] = true
			if !m.use(h) {
				t.Fatalf("mode %d: what came in is not there", i)
			}
			if step%500 == 0 {
				if m.used <= m.size {
					m.check(t)
				}
			}
		}
		if hits < 20_000 {
			t.Errorf("mode %d: %d hits", i, hits)
		}
	}
}

// TestModelsFindTheMode: what is asked for over and over wants to be kept from what is not, and favourites that change want
// LRU. The models find out, and forget it when it is over.
func TestModelsFindTheMode(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const count = 4000
	var m models
	m.resize(count)
	use := func(n int, key func(i int) uint64) {
		for i := range n {
			h := key(i)*0x9e3779b97f4a7c15 + 1
			if h ^= h >> 31; sampleOf(h, uint64(64-m.sampled)) {
				m.use(h)
			}
		}
	}
	changing := func(i int) uint64 { return uint64(i/8) + uint64(r.ExpFloat64()*2500) }
	if use(400_000, changing); m.best != 1 {
		t.Errorf("for favourites that change mode %d is the best; leads %.0f of %.0f", m.best, m.lead, m.differs)
	}
	next := uint64(1 << 40)
	if use(400_000, func(int) uint64 {
		if r.IntN(2) == 0 {
			next++
			return next
		}
		return 1<<50 + uint64(r.ExpFloat64()*3000)
	}); m.best == 1 {
		t.Errorf("among many that come once mode %d is the best; leads %.0f of %.0f", m.best, m.lead, m.differs)
	}
	if n := m.bytes(); n > 160<<10 {
		t.Errorf("the models take %d bytes", n)
	}
}

// TestModelsSeeALoop: of what is asked for in turns, in a loop twice as long as the cache, half can be found by who keeps it.
func TestModelsSeeALoop(t *testing.T) {
	const count = 2000
	var m models
	m.resize(count)
	for i := range 6 * 2 * count {
		if h := uint64(i%(2*count)+1) * 0x9e3779b97f4a7c15; sampleOf(h, uint64(64-m.sampled)) {
			m.use(h)
		}
	}
	if modes[m.best].fills {
		t.Errorf("in a loop mode %d is the best; leads %.0f of %.0f", m.best, m.lead, m.differs)
	}
}

// TestModelsOutliveSmallChanges: a cache whose number of entries goes up and down, because they have all sizes, does not begin to
// learn anew with each turn; nor does it forget what it knows when it grows slowly.
func TestModelsOutliveSmallChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for name, count := range map[string]func(i int) int{
		"up and down": func(i int) int { return modelMost<<2 + (i/20_000%2*2-1)*modelMost<<2/25 },
		"growing":     func(i int) int { return 3000 + i/200 },
	} {
		var m models
		begun, sampled := 0, 0
		for i := range 400_000 {
			if i%100 == 0 {
				if m.resize(count(i)); m.seen == 0 {
					begun++
				}
			}
			h := (uint64(i/8) + uint64(r.ExpFloat64()*2500)) * 0x9e3779b97f4a7c15
			if h ^= h >> 31; sampleOf(h, uint64(64-m.sampled)) {
				m.use(h)
			}
			if i > 300_000 && m.best != 1 {
				t.Fatalf("%s: after %d uses mode %d is the best; leads %.0f of %.0f", name, i, m.best, m.lead, m.differs)
			}
			sampled = m.sampled
		}
		if begun > 8 {
			t.Errorf("%s: the models, of one in 2^%d, began %d times", name, sampled, begun)
		}
	}
}

// TestModelsFit: they have the size that the cache has, in the sample's measure.
func TestModelsFit(t *testing.T) {
	var m models
	for _, count := range []int{0, 10, 500, 900, 5000, 4800, 1 << 20, 1 << 26, 3000, 100} {
		m.resize(count)
		want := max(count>>m.sampled, 8)
		if m.size > want+want/8 || m.size < want-want/8 || m.size > modelMost || m.sampled > sampledLeast && m.size < modelLeast {
			t.Errorf("of %d entries one in %d makes a model of %d", count, 1<<m.sampled, m.size)
		}
		for i := range m.list {
			if m.list[i].size != m.size {
				t.Errorf("model %d has room for %d, not %d", i, m.list[i].size, m.size)
			}
		}
	}
	if !slices.IsSorted([]int{modelLeast, modelMost}) || modelMost < 2*modelLeast {
		t.Error("a size fits no sample")
	}
}
