package eviction

import "math"

// models are small copies of a cache, one for each mode. They hold the hashes of one in 2^sampled keys and have one in
// 2^sampled of the room, so what they hit is about what the cache would hit in that mode (Waldspurger et al., "Cache modeling
// and optimization using miniature simulations", ATC 2017). Whatever the size of the cache, they take 150 KiB at most. Half
// as large they see too little: the median of the gap that is closed on the traces is 0.01 smaller.
//
// All of them see the same keys, so their differences say more than their hits: where two of them do the same nothing is
// learnt, and where they differ n times a lead of a few times the square root of n is no chance.
type models struct {
	sampled int // binary logarithm
	size    int // entries that each may have
	room    int // that it can have
	list    [len(modes)]model
	lead    [len(modes)]float64 // hits more than the first one, the latest count most
	differs [len(modes)]float64 // how often it did not do the same as the first one, likewise
	fade    float64             // of both, from one use to the next
	seen    int                 // uses
	best    int
}

const (
	modelMost    = 1024 // entries of a model
	modelLeast   = 400  // of one whose cache has enough: well below half as many, or a cache of such a size would begin anew again and again
	sampledLeast = 1    // one in two keys at most: the models cost time
	modelMemory  = 16   // times the size: after so many uses a lead counts half
	judgeEvery   = 16   // uses
	sureness     = 2.0  // a lead is so many times what chance would make of it before it counts,
	sureStill    = 0.9  // and so many while its mode is in force
)

// sampleOf tells whether a hash is one in 2^sampled.
func sampleOf(hash uint64, shift uint64) bool { return hash*0x9fb21c651e98df25>>shift == 0 }

// resize fits the models to a cache of count entries. They begin anew when it has become much larger or smaller, but what is
// known of the modes stays as long as the sample is about the same: where entries have all sizes their number goes up and down.
func (m *models) resize(count int) {
	k := max(m.sampled, sampledLeast)
	for count>>k > modelMost {
		k++
	}
	for k > sampledLeast && count>>k < modelLeast {
		k--
	}
	size := max(count>>k, 8)
	if k == m.sampled && size <= m.room {
		if size != m.size && (size > m.size+m.size/16 || size < m.size-m.size/16) {
			m.size = size
			for i := range m.list {
				m.list[i].size = size
			}
		}
		return
	}
	was := *m
	*m = models{sampled: k, size: size, room: size + size/8, best: m.best, fade: math.Exp2(-1 / float64(modelMemory*size))}
	if k >= was.sampled-1 && k <= was.sampled+1 {
		m.lead, m.differs = was.lead, was.differs
	}
	for i := range m.list {
		m.list[i].init(&modes[i], k, size, m.room)
	}
}

// use lets the models see that a key of the sample was used, or came in. It tells whether another mode is the best now.
func (m *models) use(hash uint64) (changed bool) {
	hit := [len(modes)]bool{}
	for i := range m.list {
		hit[i] = m.list[i].use(hash)
		m.lead[i] *= m.fade
		if m.differs[i] *= m.fade; hit[i] != hit[0] {
			m.differs[i]++
			if hit[i] {
				m.lead[i]++
			} else {
				m.lead[i]--
			}
		}
	}
	m.seen++
	return m.seen%judgeEvery == 0 && m.seen > m.size && m.judge()
}

// judge finds the best mode: the first one, unless another has a lead that is no chance. From one of those to another it
// changes only for a lead over that one.
func (m *models) judge() (changed bool) {
	best, most := 0, 0.0
	for i := 1; i < len(modes); i++ {
		sure := sureness
		if i == m.best {
			sure = sureStill
		}
		if d := m.lead[i] - sure*math.Sqrt(m.differs[i]+1); d > most {
			best, most = i, d
		}
	}
	if best == m.best || best != 0 && m.best != 0 &&
		m.lead[best]-m.lead[m.best] <= sureness/2*math.Sqrt((m.differs[best]+m.differs[m.best])/2+1) {
		return false
	}
	m.best = best
	return true
}

func (m *models) bytes() (n int) {
	for i := range m.list {
		n += m.list[i].bytes()
	}
	return n
}

// model is a cache of hashes in one mode. Its entries stand in slots, over which the hand goes; those with the same head are
// in a list. What is free is taken in no order, as a table's slots are.
type model struct {
	mode   *mode
	least  int // as the mode has it, of the sample
	size   int
	used   int
	slots  []modelSlot
	heads  []uint16 // slot + 1
	free   []uint16
	small  []uint16 // a ring
	first  int      // of the ring
	count  int      // in the ring
	clock  uint16   // of what came into the small queue
	uses   uint32   // of this model
	begun  bool     // something has left
	hand   int
	ghosts ghosts
	rnd    uint64
}

type modelSlot struct {
	print uint32
	next  uint16 // slot + 1
	born  uint16 // clock of the small queue
	last  uint16 // eighths of the uses when it was used last
	state uint8  // what fifo words have in their low bits, and more
}

// hash is what the ghosts know the entry by: they look at both ends of it.
func (s *modelSlot) hash() uint64 { return uint64(s.print)<<32 | uint64(s.print) }

// Bits of a slot's state beside those of fifo words.
const (
	modelUsed   = 8  // there is an entry
	modelBefore = 16 // of the small queue, but not in the ring: it came before anything had left, where the mode wants that
)

func (m *model) init(mode *mode, sampled, size, room int) {
	slots := room + room/8 + 8
	*m = model{mode: mode, least: max(mode.least>>sampled, 1), size: size, rnd: uint64(size)}
	m.slots, m.free, m.small = make([]modelSlot, slots), make([]uint16, slots), make([]uint16, room)
	for i := range m.free {
		m.free[i] = uint16(i)
	}
	heads := 1
	for heads < room {
		heads *= 2
	}
	m.heads = make([]uint16, heads)
	m.ghosts.resize(size)
}

func (m *model) bytes() int {
	return len(m.slots)*12 + 2*(len(m.heads)+len(m.free)+len(m.small)) + m.ghosts.bytes
}

// target is how many entries the small queue has when the main queue has all that it wants.
func (m *model) target() int { return max(m.size/m.mode.small, min(m.least, m.size/2)) }
func (m *model) full() bool  { return m.count >= m.target() }

func (m *model) random() uint64 {
	m.rnd = m.rnd*0x5851f42d4c957f2d + 0x14057b7ef767814f
	return m.rnd >> 33
}

// use tells whether a hash is there, counts the use, and else takes it in.
func (m *model) use(hash uint64) bool {
	m.uses++
	now := uint16(m.uses / 8)
	mixed := hash * 0xd6e8feb86659fd93
	print := uint32(mixed >> 32)
	head := &m.heads[m.headOf(print)]
	for i := *head; i != 0; i = m.slots[i-1].next {
		s := &m.slots[i-1]
		if s.print != print {
			continue
		}
		count := uint32(s.state) & fifoCountMask
		switch {
		case s.state&fifoSmall == 0:
			count = m.mode.uses(count)
		case s.state&modelBefore != 0 || m.mode.fills && m.count > m.target()*5/4 || int(m.clock-s.born) >= m.size/m.mode.small/7:
			count = min(count+1, fifoCountMask)
		}
		s.state = s.state&^fifoCountMask | uint8(count)
		s.last = now
		return true
	}
	for m.used >= m.size {
		m.begun = true
		m.evict()
	}
	at := int(m.random()) % len(m.free)
	i := m.free[at]
	m.free[at] = m.free[len(m.free)-1]
	m.free = m.free[:len(m.free)-1]
	s := &m.slots[i]
	*s = modelSlot{print: print, next: *head, last: now, state: modelUsed}
	*head = i + 1
	m.used++
	if m.ghosts.take(s.hash()) {
		s.state |= uint8(m.mode.back)
		return false
	}
	s.state |= fifoSmall
	if !m.begun && !m.mode.fills {
		s.state |= modelBefore
		return false
	}
	s.born = m.clock
	m.clock++
	m.small[(m.first+m.count)%len(m.small)] = i
	m.count++
	return false
}

// evict lets go of one entry, as s3fifo does.
func (m *model) evict() {
	looks := lookMost
	if m.full() && m.fromSmall(&looks, m.mode.pass) || m.fromMain(looks) {
		return
	}
	looks = m.size
	if !m.fromSmall(&looks, 0) {
		m.fromMain(len(m.slots))
	}
}

func (m *model) fromSmall(looks *int, pass uint64) bool {
	for ; *looks > 0 && m.count > 0; *looks-- {
		i := int(m.small[m.first])
		m.first = (m.first + 1) % len(m.small)
		m.count--
		switch s := &m.slots[i]; {
		case s.state&fifoCountMask != 0:
			s.state = modelUsed | uint8(m.mode.moved)
		case pass > 0 && m.random()&0xffff < pass:
			if s.state = modelUsed | uint8(m.mode.passed); !m.full() {
				return false
			}
		default:
			m.remove(i)
			return true
		}
	}
	return false
}

func (m *model) fromMain(looks int) bool {
	best, fewest, most, now := -1, uint8(fifoCountMask+1), uint32(0), uint16(m.uses/8)
	for tries := 2 * len(m.slots); looks > 0 && tries > 0; tries-- {
		if m.hand++; m.hand >= len(m.slots) {
			m.hand = 0
		}
		s := &m.slots[m.hand]
		if s.state == 0 {
			continue
		}
		looks--
		if s.state&fifoSmall != 0 && s.state&modelBefore == 0 {
			continue
		}
		count := s.state & fifoCountMask
		if m.mode.oldest {
			idle := uint32(now - s.last)
			if uint32(count) <= m.mode.passed {
				idle += idle / neverMore
			}
			if best < 0 || idle > most {
				best, most = m.hand, idle
			}
			continue
		}
		if count < fewest {
			best, fewest = m.hand, count
		}
		if count == 0 {
			break
		}
		if s.state--; s.state&modelBefore != 0 {
			s.state = modelUsed | uint8(m.mode.moved)
		}
	}
	if best < 0 {
		return false
	}
	m.remove(best)
	return true
}

// remove takes an entry out. The ghosts remember it if it was in the small queue.
func (m *model) remove(i int) {
	s := &m.slots[i]
	if s.state&fifoSmall != 0 {
		m.ghosts.add(s.hash())
	}
	at := &m.heads[m.headOf(s.print)]
	for *at != uint16(i)+1 {
		at = &m.slots[*at-1].next
	}
	*at = s.next
	*s = modelSlot{}
	m.free = append(m.free, uint16(i))
	m.used--
}

func (m *model) headOf(print uint32) int { return int(print>>4) & (len(m.heads) - 1) }
