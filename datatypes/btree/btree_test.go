package btree

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"larder/datatypes/arena"
)

// members is the Layout of the tests: a length byte and the member's bytes.
type members struct{}

func (members) Key(a *arena.Arena, ref arena.Ref) []byte {
	n := a.Bytes(ref, 1)[0]
	return a.Bytes(ref, int(n)+1)[1:]
}

// element is what the model knows of one.
type element struct {
	score  float64
	member string
	ref    arena.Ref
}

func (e element) less(o element) bool {
	return e.score < o.score || e.score == o.score && e.member < o.member
}

// model is a tree and a sorted slice of what it must hold.
type model struct {
	t    testing.TB
	a    *arena.Arena
	tree Tree
	want []element
	rnd  *rand.Rand
}

func newModel(t testing.TB, seed uint64) *model { return newModelWithin(t, seed, 0) }

// newModelWithin is newModel in an arena of at most so many bytes: builds that keep it on the Go heap want that in tests
// that make many.
func newModelWithin(t testing.TB, seed uint64, bytes int64) *model {
	a, err := arena.New(arena.Options{MaxBytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	m := &model{t: t, a: a, rnd: rand.New(rand.NewPCG(seed, 5))}
	a.Alloc(100) // so that there is something else
	m.tree = New(a, members{})
	return m
}

func (m *model) member(s string) arena.Ref {
	r := m.a.Alloc(len(s) + 1)
	b := m.a.Bytes(r, len(s)+1)
	b[0] = byte(len(s))
	copy(b[1:], s)
	return r
}

func (m *model) free(e element) { m.a.Free(e.ref, len(e.member)+1) }

// index is where e stands or would stand in the model.
func (m *model) index(e element) (int, bool) {
	i := sort.Search(len(m.want), func(i int) bool { return !m.want[i].less(e) })
	return i, i < len(m.want) && !e.less(m.want[i])
}

func (m *model) insert(score float64, member string) {
	e := element{score: score, member: member}
	i, there := m.index(e)
	if there {
		return
	}
	e.ref = m.member(member)
	m.tree.Insert(score, e.ref)
	m.want = slices.Insert(m.want, i, e)
}

func (m *model) delete(i int) {
	e := m.want[i]
	if !m.tree.Delete(e.score, e.ref) {
		m.t.Fatalf("(%v, %q) was not found", e.score, e.member)
	}
	m.free(e)
	m.want = slices.Delete(m.want, i, i+1)
}

func (m *model) deleteRange(i, n int) {
	k := i
	m.tree.DeleteRange(i, n, func(score float64, ref arena.Ref) {
		if e := m.want[k]; e.score != score || e.ref != ref {
			m.t.Fatalf("DeleteRange(%d, %d) gave (%v, %#x) as number %d, not %+v", i, n, score, ref, k-i, e)
		}
		m.free(m.want[k])
		k++
	})
	if k != i+n {
		m.t.Fatalf("DeleteRange(%d, %d) removed %d", i, n, k-i)
	}
	m.want = slices.Delete(m.want, i, i+n)
}

func (m *model) update(i int, score float64) {
	e := m.want[i]
	by := e
	by.score = score
	if _, there := m.index(by); there && score != e.score {
		return // an element with that score and member exists: sorted sets do not do that
	}
	if !m.tree.Update(e.score, e.ref, score) {
		m.t.Fatalf("(%v, %q) was not found", e.score, e.member)
	}
	m.want = slices.Delete(m.want, i, i+1)
	k, _ := m.index(by)
	m.want = slices.Insert(m.want, k, by)
}

// replace moves a member, as defragmentation does: the old bytes are gone when the tree hears of it.
func (m *model) replace(i int) {
	e := &m.want[i]
	by := m.member(e.member)
	m.free(*e)
	if !m.tree.Replace(e.score, e.ref, by) {
		m.t.Fatalf("(%v, %q) was not found", e.score, e.member)
	}
	e.ref = by
}

func (m *model) check() {
	m.t.Helper()
	if err := m.tree.Check(); err != nil {
		m.t.Fatal(err)
	}
	if m.tree.Len() != len(m.want) {
		m.t.Fatalf("Len is %d, not %d", m.tree.Len(), len(m.want))
	}
	c := m.tree.At(0)
	for i, e := range m.want {
		if !c.Valid() || c.Score() != e.score || c.Ref() != e.ref {
			m.t.Fatalf("forward, number %d: not %+v", i, e)
		}
		c.Next()
	}
	for range 3 { // the end stays the end
		if c.Valid() {
			m.t.Fatal("valid after the last element")
		}
		c.Next()
	}
	for i := len(m.want) - 1; i >= 0; i-- {
		c.Prev()
		if e := m.want[i]; !c.Valid() || c.Score() != e.score || c.Ref() != e.ref {
			m.t.Fatalf("backward, number %d: not %+v", i, e)
		}
	}
	for range 3 {
		c.Prev()
		if c.Valid() {
			m.t.Fatal("valid before the first element")
		}
	}
	if c.Next(); c.Valid() != (len(m.want) > 0) {
		m.t.Fatal("Next from before the first element")
	}
}

// ask compares the answers about the element or gap at i.
func (m *model) ask(i int) {
	m.t.Helper()
	if i < len(m.want) {
		e := m.want[i]
		if got := m.tree.Rank(e.score, e.ref); got != i {
			m.t.Fatalf("Rank of number %d is %d", i, got)
		}
		if c := m.tree.At(i); c.Ref() != e.ref || c.Score() != e.score {
			m.t.Fatalf("At(%d) is not %+v", i, e)
		}
	} else if c := m.tree.At(i); c.Valid() {
		m.t.Fatalf("At(Len) is valid")
	}
	scores := []float64{math.Inf(-1), math.Inf(1), 0}
	if i < len(m.want) {
		s := m.want[i].score
		scores = append(scores, s, math.Nextafter(s, math.Inf(1)), math.Nextafter(s, math.Inf(-1)))
	}
	for _, s := range scores {
		for _, orEqual := range []bool{false, true} {
			want := sort.Search(len(m.want), func(k int) bool {
				return m.want[k].score > s || m.want[k].score == s && !orEqual
			})
			if got := m.tree.CountLess(s, orEqual); got != want {
				m.t.Fatalf("CountLess(%v, %v) is %d, not %d", s, orEqual, got, want)
			}
			m.stands(m.tree.SeekScore(s, orEqual), want)
		}
	}
}

// askLex is ask for trees of one score.
func (m *model) askLex(key string) {
	m.t.Helper()
	for _, orEqual := range []bool{false, true} {
		want := sort.Search(len(m.want), func(k int) bool {
			return m.want[k].member > key || m.want[k].member == key && !orEqual
		})
		if got := m.tree.CountLessLex([]byte(key), orEqual); got != want {
			m.t.Fatalf("CountLessLex(%q, %v) is %d, not %d", key, orEqual, got, want)
		}
		m.stands(m.tree.SeekLex([]byte(key), orEqual), want)
	}
}

func (m *model) stands(c Cursor, i int) {
	m.t.Helper()
	if c.Valid() != (i < len(m.want)) || c.Valid() && c.Ref() != m.want[i].ref {
		m.t.Fatalf("the cursor does not stand at number %d", i)
	}
	if c.Prev(); c.Valid() != (i > 0) || c.Valid() && c.Ref() != m.want[i-1].ref {
		m.t.Fatalf("a step back does not lead to number %d", i-1)
	}
}

// score draws from a few values, many of them tied, or from many.
func (m *model) score(ties int) float64 {
	switch k := m.rnd.IntN(ties + 4); k {
	case 0:
		return math.Inf(1)
	case 1:
		return math.Inf(-1)
	case 2:
		return 0
	case 3:
		return math.Copysign(0, -1)
	default:
		return float64(k-ties/2) / 8
	}
}

func TestRandomAgainstModel(t *testing.T) {
	for seed, ties := range []int{1, 2, 10, 100, 1 << 40} {
		t.Run(fmt.Sprint(ties), func(t *testing.T) {
			m := newModel(t, uint64(seed))
			rounds := 60
			if testing.Short() {
				rounds = 20
			}
			for round := range rounds {
				grow := []int{9, 5, 2}[round/4%3] // of 10: mostly inserts, balanced, mostly deletes
				for range 300 {
					switch k := m.rnd.IntN(10); {
					case k < grow || len(m.want) == 0:
						m.insert(m.score(ties), fmt.Sprint("m", m.rnd.IntN(100_000)))
					case k < 8:
						m.delete(m.rnd.IntN(len(m.want)))
					case k == 8:
						m.update(m.rnd.IntN(len(m.want)), m.score(ties))
					default:
						m.replace(m.rnd.IntN(len(m.want)))
					}
				}
				if n := len(m.want); n > 0 && round%3 == 0 {
					i := m.rnd.IntN(n)
					m.deleteRange(i, m.rnd.IntN(min(n-i, 200)+1))
				}
				m.check()
				for range 20 {
					m.ask(m.rnd.IntN(len(m.want) + 1))
				}
			}
			for len(m.want) > 0 {
				m.delete(m.rnd.IntN(len(m.want)))
				if len(m.want)%100 == 0 {
					m.check()
				}
			}
			m.check()
			m.ask(0)
		})
	}
}

// All elements tied, so that only the members order them, with prefixes of each other among them.
func TestLex(t *testing.T) {
	m := newModel(t, 1)
	for i := range 3000 {
		s := fmt.Sprintf("%b", i)
		m.insert(7, s+strings.Repeat("0", m.rnd.IntN(3)))
		if i%5 == 0 {
			m.delete(m.rnd.IntN(len(m.want)))
		}
	}
	m.check()
	for range 300 {
		m.askLex(m.want[m.rnd.IntN(len(m.want))].member)
		m.askLex(fmt.Sprintf("%b~", m.rnd.IntN(5000)))
	}
	m.askLex("")
	m.askLex("\xff")
}

// Ascending, descending and both at once: what comes in order fills the tree, whatever is deleted meanwhile.
func TestInOrder(t *testing.T) {
	n := 9000
	if testing.Short() {
		n = 3000
	}
	for _, c := range []struct {
		name  string
		score func(i int) float64
	}{
		{"ascending", func(i int) float64 { return float64(i) }},
		{"descending", func(i int) float64 { return float64(-i) }},
		{"outwards", func(i int) float64 { return float64(i) * float64(i%2*2-1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(t, 1)
			for i := range n {
				m.insert(c.score(i), fmt.Sprint(i))
			}
			m.check()
			if per := float64(m.tree.Bytes()) / float64(n); per > 14 {
				t.Errorf("%.2f bytes per element", per)
			}
			for i := range n / 3 {
				m.ask(i * 3)
			}
			// A window that slides along, and one that closes.
			for i := range n / 2 {
				m.insert(c.score(n+i), fmt.Sprint(n+i))
				m.delete(0)
				m.delete(len(m.want) - 1)
				if i%1000 == 0 {
					m.check()
				}
			}
			for len(m.want) > 0 {
				m.deleteRange(0, min(len(m.want), 37))
				if len(m.want)%5 == 0 {
					m.check()
				}
			}
			m.check()
		})
	}
}

// Every sequence of inserts and deletes at the ends and in the middle, around the sizes at which nodes are split and joined.
func TestAroundBorders(t *testing.T) {
	for _, start := range []int{0, 1, leafCap - 2, leafCap, 2*leafCap - 2, 3*leafCap - 2, 12*leafCap - 2, 24*leafCap - 2} {
		for _, spacing := range []int{0, 1} { // all tied, or none
			for ops := range 6 * 6 * 6 {
				if testing.Short() && ops%11 != 0 {
					continue
				}
				m := newModelWithin(t, 1, 1<<20)
				for i := range start {
					m.insert(float64(i*spacing), fmt.Sprintf("%06d", i*2+2))
				}
				for k, op := 0, ops; k < 3; k, op = k+1, op/6 {
					n := len(m.want)
					at := []int{0, n / 2, n}[op%3]
					if op%6 < 3 {
						e := element{}
						if n > 0 {
							e = m.want[max(at-1, 0)]
						}
						for j := range 3 {
							m.insert(e.score, fmt.Sprintf("%s%d.%d", e.member[:min(len(e.member), 6)], k, j))
						}
					} else {
						for j := 0; j < 3 && j < n; j++ {
							m.delete(min(at, len(m.want)-1))
						}
					}
				}
				m.check()
				m.a.Close()
			}
		}
	}
}

// The deletion of a node's first element must change what the nodes above say, or ties go the wrong way.
func TestSeparatorsFollow(t *testing.T) {
	m := newModel(t, 1)
	for i := range 5000 {
		m.insert(1, fmt.Sprintf("%05d", i))
	}
	for i := 4999; i >= 0; i-- { // every member between two that stay, firsts of leaves and inner nodes among them
		if i%3 != 0 {
			m.delete(i)
		}
	}
	m.check()
	for i := range m.want {
		m.ask(i)
	}
	for i := range 5000 {
		m.insert(1, fmt.Sprintf("%05d", i))
	}
	m.check()
}

func TestDeleteOfWhatIsNotThere(t *testing.T) {
	m := newModel(t, 1)
	for i := range 1000 {
		m.insert(float64(i/10), fmt.Sprint(i))
	}
	stranger := m.member("stranger")
	for _, s := range []float64{math.Inf(-1), -1, 0, 50, 99, 100, math.Inf(1)} {
		if m.tree.Delete(s, stranger) || m.tree.Rank(s, stranger) != -1 || m.tree.Update(s, stranger, 5) ||
			m.tree.Replace(s, 0x1234560, stranger) {
			t.Errorf("a stranger was found with score %v", s)
		}
	}
	e := m.want[500]
	if m.tree.Delete(e.score+1, e.ref) {
		t.Error("an element was deleted under a wrong score")
	}
	m.check()
}

func TestNaNIsRefused(t *testing.T) {
	m := newModel(t, 1)
	defer func() {
		if recover() == nil {
			t.Error("NaN was inserted")
		}
	}()
	m.tree.Insert(math.NaN(), m.member("x"))
}

// A tree filled at random takes at most 16 bytes per element, and one from which most was deleted does not stay large.
func TestFill(t *testing.T) {
	m := newModel(t, 1)
	const n = 50_000
	refs := make([]arena.Ref, n)
	scores := make([]float64, n)
	for i := range refs {
		refs[i], scores[i] = m.member("x"), m.rnd.Float64()
		m.tree.Insert(scores[i], refs[i])
	}
	per := float64(m.tree.Bytes()) / n
	t.Logf("%.2f bytes per element after random inserts", per)
	if per > 16.2 {
		t.Errorf("%.2f bytes per element", per)
	}
	for i := range n * 3 / 4 {
		m.tree.Delete(scores[i], refs[i])
	}
	per = float64(m.tree.Bytes()) / (n / 4)
	t.Logf("%.2f bytes per element after three quarters were deleted", per)
	if per > 24 {
		t.Errorf("%.2f bytes per element", per)
	}
	if err := m.tree.Check(); err != nil {
		t.Fatal(err)
	}
}

// Bytes is exactly what the arena lost, and FreeStep gives all of it back, a bounded part in each step.
func TestBytesAndFreeStep(t *testing.T) {
	for _, n := range []int{0, 1, 42, 43, 500, 3000, 100_000} {
		m := newModel(t, 1)
		for range 300 { // so that node sizes have slabs of their own
			for _, s := range []int{512, 248, 488, 1008, 16} {
				m.a.Alloc(s)
			}
		}
		x := m.member("x")
		before := m.a.LiveBytes()
		tree := New(m.a, members{})
		for range n {
			tree.Insert(m.rnd.Float64(), x)
		}
		if got := m.a.LiveBytes() - before; got != int64(tree.Bytes()) {
			t.Errorf("%d elements: Bytes is %d, the arena says %d", n, tree.Bytes(), got)
		}
		for steps := 1; !tree.FreeStep(10); steps++ {
			left := m.a.LiveBytes() - before
			if left <= 0 || steps > n {
				t.Fatalf("%d elements: %d bytes left after %d steps, but not done", n, left, steps)
			}
		}
		if m.a.LiveBytes() != before {
			t.Errorf("%d elements: %d bytes were not freed", n, m.a.LiveBytes()-before)
		}
		if err := m.a.Check(); err != nil {
			t.Fatal(err)
		}
	}
}

// Nodes are moved by Defrag and members by Replace, while the tree changes between the steps.
func TestDefrag(t *testing.T) {
	m := newModel(t, 1)
	spare := []arena.Ref{}
	for i := range 16000 {
		m.insert(float64(m.rnd.IntN(500)), fmt.Sprint(i))
		if i%20 == 0 {
			spare = append(spare, m.a.Alloc(512), m.a.Alloc(1008))
		}
	}
	for _, r := range spare {
		// The two sizes alternate.
		m.a.Free(r, []int{512, 1008}[slices.Index(spare, r)%2])
	}
	for len(m.want) > 5000 {
		m.delete(m.rnd.IntN(len(m.want)))
	}
	if m.a.StartEvacuation(1.05) == 0 {
		t.Fatal("nothing to gain")
	}
	for m.a.Mark(50) {
	}
	root, moved := m.tree.Root(), 0
	for rank, more := 0, true; more; {
		rank, more = m.tree.Defrag(rank, 5)
		for range 3 {
			m.insert(float64(m.rnd.IntN(500)), fmt.Sprint("n", m.rnd.IntN(1<<30)))
			m.delete(m.rnd.IntN(len(m.want)))
		}
	}
	for i, e := range m.want {
		if m.a.ShouldMove(e.ref, len(e.member)+1) {
			m.replace(i)
			moved++
		}
	}
	m.a.StopEvacuation()
	m.check()
	if moved == 0 {
		t.Error("no member was moved")
	}
	t.Logf("header moved: %v; %d members moved", root != m.tree.Root(), moved)
	again := Open(m.a, m.tree.Root(), members{})
	if err := again.Check(); err != nil {
		t.Fatal(err)
	}
	if s := m.a.Stats(); float64(s.ResidentBytes-s.DirtyBytes) > 1.3*float64(s.LiveBytes) {
		t.Errorf("still %.2f of live data", float64(s.ResidentBytes-s.DirtyBytes)/float64(s.LiveBytes))
	}
}

// Many small trees, so that headers and roots are moved, too.
func TestDefragMovesRootsAndHeaders(t *testing.T) {
	m := newModel(t, 1)
	x := m.member("x")
	trees := make([]Tree, 1500)
	for i := range trees {
		trees[i] = New(m.a, members{})
		for k := range 1 + i%3*60 {
			trees[i].Insert(float64(k), x)
		}
	}
	kept := []Tree{}
	for i := range trees {
		if i%7 < 4 {
			for !trees[i].FreeStep(10) {
			}
		} else {
			kept = append(kept, trees[i])
		}
	}
	for m.a.StartEvacuation(1.02); m.a.Mark(50); {
	}
	headers, roots := 0, 0
	for i := range kept {
		tree := &kept[i]
		header, root := tree.root, tree.header().root
		for rank, more := 0, true; more; {
			rank, more = tree.Defrag(rank, 1)
		}
		if header != tree.Root() {
			headers++
		}
		if root != tree.header().root {
			roots++
		}
		if err := tree.Check(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("of %d trees, %d headers and %d roots were moved", len(kept), headers, roots)
	if headers == 0 || roots == 0 {
		t.Error("no header or no root was moved")
	}
	if err := m.a.Check(); err != nil {
		t.Fatal(err)
	}
	m.a.StopEvacuation()
}

func TestNothingIsAllocatedOnTheGoHeap(t *testing.T) {
	m := newModel(t, 1)
	for i := range 10_000 {
		m.insert(float64(i%100), fmt.Sprint(i))
	}
	e, x := m.want[5000], m.member("x")
	key := []byte("5")
	sum := 0.0
	got := testing.AllocsPerRun(100, func() {
		m.tree.Insert(50, x)
		m.tree.Rank(50, x)
		m.tree.Update(50, x, 51)
		m.tree.Delete(51, x)
		m.tree.Replace(e.score, e.ref, e.ref)
		c := m.tree.SeekScore(50, true)
		for range 100 {
			sum += c.Score()
			c.Next()
		}
		m.tree.CountLessLex(key, true)
		c = m.tree.At(77)
		c.Prev()
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
	m.tree.Delete(50, x)
	m.check()
}
