package arena

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// model is an arena, what it should hold, and checks that it does.
type model struct {
	t     testing.TB
	a     *Arena
	rnd   *rand.Rand
	live  []block
	asked int64
}

type block struct {
	ref  Ref
	size int
	seed uint64
}

func newModel(t testing.TB, max int64, seed uint64) *model {
	a, err := New(Options{MaxBytes: max})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return &model{t: t, a: a, rnd: rand.New(rand.NewPCG(seed, 1))}
}

// pattern fills b, whose block is size bytes long, with bytes that no other block has: all of them if the block is
// small, else eight of every 512. It returns whether all of them were there already.
func pattern(b []byte, size int, seed uint64) (same bool) {
	step := 8
	if size > 2048 {
		step = 512
	}
	same = true
	var word [8]byte
	for i := 0; i < len(b); i += step {
		x := (seed + uint64(i)) * 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(word[:], x^x>>32)
		part := b[i:min(i+8, len(b))]
		same = same && string(part) == string(word[:len(part)])
		copy(part, word[:])
	}
	return same
}

func (m *model) holds(b block) {
	m.t.Helper()
	if !pattern(m.a.Bytes(b.ref, b.size), b.size, b.seed) {
		m.t.Fatalf("ref %#x of %d bytes was overwritten", b.ref, b.size)
	}
}

func (m *model) alloc(size int) {
	b := block{m.a.Alloc(size), size, m.rnd.Uint64()}
	if got := m.a.Bytes(b.ref, size); len(got) != size || cap(got) != size {
		m.t.Fatalf("Bytes(%d) has length %d, capacity %d", size, len(got), cap(got))
	}
	pattern(m.a.Bytes(b.ref, size), size, b.seed)
	m.live = append(m.live, b)
	m.asked += int64(size)
}

func (m *model) take(i int) block {
	b := m.live[i]
	m.live[i] = m.live[len(m.live)-1]
	m.live = m.live[:len(m.live)-1]
	m.asked -= int64(b.size)
	return b
}

func (m *model) free(i int) {
	b := m.take(i)
	m.holds(b)
	m.a.Free(b.ref, b.size)
}

func (m *model) resize(i, size int) {
	b := m.take(i)
	r := m.a.Resize(b.ref, b.size, size)
	if !pattern(m.a.Bytes(r, min(size, b.size)), b.size, b.seed) {
		m.t.Fatalf("resizing from %d to %d lost bytes", b.size, size)
	}
	b = block{r, size, m.rnd.Uint64()}
	pattern(m.a.Bytes(r, size), size, b.seed)
	m.live = append(m.live, b)
	m.asked += int64(size)
}

// evacuate runs a whole evacuation, freeing and allocating in between, and returns how many blocks moved.
func (m *model) evacuate() (moved int) {
	if m.a.StartEvacuation(1.05) == 0 {
		return 0
	}
	for m.a.Mark(1 + m.rnd.IntN(20)) {
		m.random(2, 300)
	}
	for i := 0; i < len(m.live); i++ {
		if b := &m.live[i]; m.a.ShouldMove(b.ref, b.size) {
			b.ref = m.a.Move(b.ref, b.size)
			moved++
		}
		if m.rnd.IntN(50) == 0 {
			m.random(1, 300)
		}
	}
	m.a.StopEvacuation()
	return moved
}

// random does n random operations with blocks of up to about most bytes.
func (m *model) random(n, most int) {
	for range n {
		switch k := m.rnd.IntN(10); {
		case k < 5 || len(m.live) == 0:
			m.alloc(m.size(most))
		case k < 8:
			m.free(m.rnd.IntN(len(m.live)))
		default:
			m.resize(m.rnd.IntN(len(m.live)), m.size(most))
		}
	}
}

// size is a random size, small ones more often.
func (m *model) size(most int) int {
	return 1 + m.rnd.IntN(1+m.rnd.IntN(most))
}

func (m *model) check() {
	m.t.Helper()
	if err := m.a.Check(); err != nil {
		m.t.Fatal(err)
	}
	for _, b := range m.live {
		m.holds(b)
	}
	s := m.a.Stats()
	if s.Allocs != int64(len(m.live)) || s.AskedBytes != m.asked || s.LiveBytes != m.a.LiveBytes() || s.LiveBytes > s.ResidentBytes {
		m.t.Fatalf("%d blocks of %d bytes, but stats are %+v", len(m.live), m.asked, s)
	}
}

func (m *model) freeAll() {
	for len(m.live) > 0 {
		m.free(m.rnd.IntN(len(m.live)))
	}
	for m.a.Trim(0, 64<<10) {
	}
	m.check()
	s := m.a.Stats()
	if s.LiveBytes != 0 || s.DirtyBytes != 0 || m.a.frontier.Load() != 1 || s.ResidentBytes != pageBytes {
		m.t.Fatalf("after freeing all: frontier %d, %+v", m.a.frontier.Load(), s)
	}
}

func TestRandomAgainstModel(t *testing.T) {
	for seed, most := range []int{100, 600, 5000, 40000, 300000} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			m := newModel(t, 0, uint64(seed))
			rounds := 40
			if testing.Short() {
				rounds = 12
			}
			for range rounds {
				m.random(200, most)
				if m.rnd.IntN(4) == 0 {
					m.evacuate()
				}
				if m.rnd.IntN(4) == 0 {
					m.a.Trim(int64(m.rnd.IntN(1<<20)), int64(m.rnd.IntN(1<<20)))
				}
				if m.rnd.IntN(4) == 0 { // many frees at once, so that runs grow together
					for range len(m.live) / 2 {
						m.free(m.rnd.IntN(len(m.live)))
					}
				}
				m.check()
			}
			m.freeAll()
			m.random(100, most)
			m.check()
		})
	}
}

// Every sequence of four operations on three sizes of block, among them one that takes pages.
func TestAllShortSequences(t *testing.T) {
	sizes := []int{24, 4096, 20000}
	const ops = 9 // alloc of 3 sizes, free of oldest, newest, resize to 3 sizes, evacuate and trim
	all := ops * ops * ops * ops
	if testing.Short() {
		all = ops * ops * ops
	}
	for n := range all {
		m := newModel(t, 512<<10, 1)
		m.alloc(40)
		for k := n; k > 0; k /= ops {
			switch op := k % ops; {
			case op < 3:
				m.alloc(sizes[op])
			case op < 5 && len(m.live) > 0:
				m.free((op - 3) * (len(m.live) - 1))
			case op >= 5 && op < 8 && len(m.live) > 0:
				m.resize(len(m.live)-1, sizes[op-5])
			case op == 8:
				m.evacuate()
				m.a.Trim(0, 1<<20)
			}
		}
		m.check()
		m.a.Close()
	}
}

func TestRoundUpAndClassBorders(t *testing.T) {
	m := newModel(t, 0, 1)
	prev := 0
	for size := 1; size <= maxSmall+3*pageBytes; size++ {
		r := RoundUp(size)
		if r < size || r < prev || RoundUp(r) != r {
			t.Fatalf("RoundUp(%d) = %d, of %d before", size, r, prev)
		}
		waste, bound := r-size, 7
		switch {
		case size > maxSmall:
			bound = pageBytes - 1
		case size > 512:
			bound = size / 8
		case size > 256:
			bound = 15
		}
		if waste > bound {
			t.Fatalf("RoundUp(%d) = %d wastes more than %d", size, r, bound)
		}
		if r == prev {
			continue
		}
		// size is the first of its class: its last byte, and the first byte of the next class, are nobody else's.
		for range 3 {
			for _, s := range []int{size, r, r + 1, max(size-1, 1)} {
				m.alloc(s)
				if b := m.live[len(m.live)-1]; RoundUp(s)%64 == 0 && uintptr(m.a.Ptr(b.ref))%64 != 0 {
					t.Fatalf("%d bytes do not start on a cache line", s)
				}
			}
		}
		prev = r
	}
	if RoundUp(0) != 8 {
		t.Fatalf("RoundUp(0) = %d", RoundUp(0))
	}
	m.check()
	m.freeAll()
}

// Once a class has slabs of its own, an allocation takes exactly what RoundUp says.
func TestLiveBytesAreRoundUp(t *testing.T) {
	m := newModel(t, 0, 1)
	for size := 1; size <= 40000; size += 1 + size/9 {
		for range 150 { // more than a host takes in: 1024 bytes are wasted at 8 or more each
			m.a.Alloc(min(size, 2000))
		}
		before := m.a.LiveBytes()
		m.alloc(size)
		if got := m.a.LiveBytes() - before; got != int64(RoundUp(size)) {
			t.Fatalf("%d bytes took %d, not %d", size, got, RoundUp(size))
		}
	}
	if err := m.a.Check(); err != nil {
		t.Fatal(err)
	}
}

// A table that grows goes through all sizes of up to eight cache lines. That touches two pages and not eight.
func TestFirstWholeLinesShareAPage(t *testing.T) {
	m := newModel(t, 0, 1)
	for range 2 {
		last, size := m.a.Alloc(64), 64
		for ; size < 512; size += 64 {
			next := m.a.Alloc(size + 64)
			m.a.Free(last, size)
			last = next
		}
		m.a.Free(last, size)
	}
	if n := m.a.frontier.Load() - 1; n > 2 {
		t.Errorf("%d pages are used", n)
	}
	if err := m.a.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestResizeStaysInPlaceWithinTheClass(t *testing.T) {
	m := newModel(t, 0, 1)
	a := m.a
	for range 600 {
		for _, size := range []int{50, 100, 110, 1100} {
			a.Alloc(size)
		}
	}
	r := a.Alloc(97)
	if a.Resize(r, 97, 104) != r {
		t.Error("97 to 104 bytes moved within the class of 104")
	}
	if n := a.Resize(r, 104, 105); n == r {
		t.Error("104 to 105 bytes stayed in the slot of 104")
	} else {
		r = n
	}
	if n := a.Resize(r, 105, 56); n == r || a.slotBytes(n) != 56 {
		t.Errorf("105 to 56 bytes keeps %d", a.slotBytes(n))
	}
	big := a.Alloc(100_000)
	if a.Resize(big, 100_000, 102_400) != big || a.Resize(big, 102_400, 200_000) != big {
		t.Error("a large allocation at the frontier moved when it grew")
	}
	if a.Resize(big, 200_000, 50_000) != big || a.Resize(big, 50_000, 120_000) != big {
		t.Error("a large allocation moved when it shrank, or grew into what it had left")
	}
	if small := a.Resize(big, 120_000, 500); a.slotBytes(small) != 512 {
		t.Errorf("120000 to 500 bytes kept %d", a.slotBytes(small))
	}
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestExhaustion(t *testing.T) {
	for _, size := range []int{8, 40, 500, 3000, 5000, 16384, 16385, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			m := newModel(t, 1<<20, 1)
			exhaust := func() (n int) {
				defer func() {
					if err, ok := recover().(error); !ok || !errors.Is(err, ErrOutOfMemory) {
						t.Fatalf("panicked with %v", err)
					}
				}()
				for ; ; n++ {
					m.alloc(size)
				}
			}
			first := exhaust()
			if got := float64(m.a.LiveBytes()); got < 0.85*(1<<20) {
				t.Errorf("full with %.0f live bytes of 1 MiB", got)
			}
			m.check()
			for range 3 { // everything is there again, whatever it was used for
				for len(m.live) > 0 {
					m.free(m.rnd.IntN(len(m.live)))
				}
				for range 100 {
					m.alloc(200)
				}
				for len(m.live) > 0 {
					m.free(m.rnd.IntN(len(m.live)))
				}
				if again := exhaust(); again < first-first/25-1 {
					t.Fatalf("%d allocations fitted at first, %d later", first, again)
				}
			}
			if m.a.Reserve(128 << 10) {
				t.Error("Reserve succeeded in a full arena")
			}
			m.check()
		})
	}
}

// What Reserve promises holds for any allocations, down to the last page of the arena.
func TestReserveIsKept(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 8
	}
	for seed := range seeds {
		m := newModel(t, 2<<20, seed)
		most := []int{200, 3000, 20_000, 200_000}[seed%4]
		for rounds := 0; ; rounds++ {
			sizes, sum := []int{}, 0
			for range 1 + m.rnd.IntN(reserveAllocs) {
				s := m.size(most)
				sizes, sum = append(sizes, s), sum+s
			}
			if !m.a.Reserve(sum) {
				if m.a.LiveBytes() < 1<<20 && sum < 200_000 {
					t.Fatalf("no room for %d bytes beside %d live ones of 2 MiB", sum, m.a.LiveBytes())
				}
				break
			}
			for _, s := range sizes {
				m.alloc(s)
			}
			if rounds < 500 && m.rnd.IntN(40) == 0 {
				for range len(m.live) / 3 {
					m.free(m.rnd.IntN(len(m.live)))
				}
			}
			if rounds > 10_000 {
				t.Fatal("an arena of 2 MiB was never full")
			}
		}
		m.check()
	}
}

func TestReserveRefusesTheImpossible(t *testing.T) {
	m := newModel(t, 1<<20, 1)
	for _, n := range []int{1 << 20, 1 << 21, 1 << 40, 1 << 62} {
		if m.a.Reserve(n) {
			t.Errorf("Reserve(%d) succeeded in 1 MiB", n)
		}
	}
	if !m.a.Reserve(0) || !m.a.Reserve(900_000) {
		t.Error("no room in an empty arena")
	}
	if m.a.alloc(-1) != 0 || m.a.alloc(1<<62) != 0 {
		t.Error("impossible sizes were allocated")
	}
}

func TestChunkedMemory(t *testing.T) {
	mem, err := reserve(64<<20, false, reserveChunked)
	if err != nil {
		t.Fatal(err)
	}
	m := &model{t: t, a: newArena(mem), rnd: rand.New(rand.NewPCG(7, 7))}
	defer m.a.Close()
	for range 20 {
		m.random(300, 60_000)
		m.a.Trim(0, 1<<20)
		m.check()
	}
	// What can be read after an allocation's end can be read at the very end, too.
	for range 400 {
		const size = 5 * pageBytes
		r := m.a.Alloc(size)
		_ = bytes.Count(m.a.Bytes(r, size+pageBytes), []byte{1}) // faults if it may not be read
	}
}

func TestHugePagesOption(t *testing.T) {
	a, err := New(Options{MaxBytes: 64 << 20, HugePages: true})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	m := &model{t: t, a: a, rnd: rand.New(rand.NewPCG(7, 7))}
	for range 10 {
		m.random(1000, 10_000)
		m.a.Trim(0, 1<<20)
		m.check()
	}
	m.freeAll()
}

func TestManySizesTouchFewPages(t *testing.T) {
	m := newModel(t, 0, 1)
	for i := range 156 {
		m.alloc(40 + i%5)
	}
	if s := m.a.Stats(); s.ResidentBytes > 5*pageBytes {
		t.Errorf("156 keys of 40-44 bytes took %d bytes", s.ResidentBytes)
	}
	m.freeAll()
	for i := range 156 {
		m.alloc(16 + i)
	}
	if s := m.a.Stats(); s.ResidentBytes > 12*pageBytes {
		t.Errorf("156 keys of 16-171 bytes took %d bytes", s.ResidentBytes)
	}
	m.check()
	m.freeAll()
}

func TestEvacuationFollowsTheDataDown(t *testing.T) {
	for _, most := range []int{64, 600, 6000} {
		m := newModel(t, 0, 3)
		total := 200_000
		if testing.Short() {
			total = 70_000
		}
		for range total * 64 / most {
			m.alloc(most/2 + m.rnd.IntN(most/2))
		}
		for range len(m.live) / 2 {
			m.free(m.rnd.IntN(len(m.live)))
		}
		before := m.a.Stats()
		moved := 0
		gain := m.a.StartEvacuation(1.1)
		if !m.a.Evacuating() || gain == 0 {
			t.Fatal("nothing to gain after half was deleted")
		}
		for m.a.Mark(100) {
		}
		for i := range m.live {
			if b := &m.live[i]; m.a.ShouldMove(b.ref, b.size) {
				b.ref = m.a.Move(b.ref, b.size)
				moved++
			}
		}
		if m.a.evac.active() {
			t.Error("slabs are still marked after all was moved")
		}
		m.a.StopEvacuation()
		for m.a.Trim(0, 1<<20) {
		}
		m.check()
		s := m.a.Stats()
		t.Logf("%d bytes: %d of %d moved, gain %d; resident/live %.2f -> %.2f", most, moved, len(m.live), gain,
			float64(before.ResidentBytes)/float64(before.LiveBytes), float64(s.ResidentBytes)/float64(s.LiveBytes))
		if r := float64(s.ResidentBytes) / float64(s.LiveBytes); r > 1.2 {
			t.Errorf("resident is %.2f of live data", r)
		}
		if moved > len(m.live)*6/10 {
			t.Errorf("%d of %d allocations moved", moved, len(m.live))
		}
		if got := before.ResidentBytes - s.ResidentBytes; got < gain*9/10 {
			t.Errorf("told to gain %d, gained %d", gain, got)
		}
	}
}

// An evacuation that is given up leaves a sound arena, and marked slabs are used rather than failing.
func TestEvacuationGivenUp(t *testing.T) {
	m := newModel(t, 1<<20, 1)
	fill := func() {
		for {
			if r := m.a.alloc(100); r != 0 {
				m.a.Free(r, 100)
				m.alloc(100)
				continue
			}
			return
		}
	}
	fill()
	full := len(m.live)
	for range full / 2 {
		m.free(m.rnd.IntN(len(m.live)))
	}
	m.a.StartEvacuation(1.0)
	for m.a.Mark(7) {
	}
	m.check()
	fill()
	m.check()
	if len(m.live) < full-full/100 {
		t.Errorf("%d of %d allocations fitted while slabs were marked", len(m.live), full)
	}
	if m.a.evac.active() {
		t.Error("a full arena still has marked slabs")
	}
	m.a.StopEvacuation()
	m.check()
}

func TestPrefetchTakesAnyRef(t *testing.T) {
	m := newModel(t, 1<<20, 1)
	for _, r := range []Ref{0, 1, 512, 1 << 17, 1 << 20, 1 << 31, 1<<32 - 1} {
		m.a.Prefetch(r)
	}
	m.a.Close()
	m.a.Prefetch(12345)
}

// Readable may be asked about garbage by those who do not hold the shard, and is true only of memory that exists.
func TestReadable(t *testing.T) {
	m := newModel(t, 1<<20, 1)
	r := m.a.Alloc(100)
	if m.a.Readable(r) != canPrefetch {
		t.Error("what is allocated is not readable, or readable where nobody may look")
	}
	for _, r := range []Ref{1 << 17, 1 << 20, 1 << 31, 1<<32 - 1} {
		if m.a.Readable(r) {
			t.Errorf("ref %#x beyond the frontier is readable", r)
		}
	}
	for p := Ref(0); m.a.Readable(p * pageGran); p++ {
		_ = m.a.Bytes(p*pageGran, pageBytes+64)[pageBytes+63]
	}
}

func TestSmallestArena(t *testing.T) {
	m := newModel(t, 1, 1)
	if m.a.Reserve(1) || m.a.alloc(1) != 0 {
		t.Error("an arena of page 0 alone has room")
	}
	m.check()
}
