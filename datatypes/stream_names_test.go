package datatypes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/datatypes/arena"
	"larder/datatypes/btree"
)

// manyNames is a stream with many consumers in one group, and many groups.
type manyNames struct {
	*streamUnderTest
	g     StreamGroup // "m"
	walks int
}

func newManyNames(t testing.TB) *manyNames {
	u := &manyNames{streamUnderTest: newStreamUnderTest(t, 4096, 100)}
	u.addGroup("m")
	u.g, _ = u.s.Group([]byte("m"))
	return u
}

func (u *manyNames) addGroup(name string) {
	_, made := u.s.CreateGroup([]byte(name), StreamID{}, 0)
	if made != (u.groups[name] == nil) {
		u.t.Fatalf("group %q is made: %v", name, made)
	}
	if made {
		u.groups[name] = &groupModel{consumers: map[string]bool{}, pending: map[StreamID]pendingModel{}}
	}
}

func (u *manyNames) addConsumer(name string) StreamConsumer {
	m := u.groups["m"]
	c, made := u.g.CreateConsumer([]byte(name), 1)
	if made == m.consumers[name] || string(c.Name()) != name {
		u.t.Fatalf("consumer %q is made: %v, and is %q", name, made, c.Name())
	}
	m.consumers[name] = true
	return c
}

func (u *manyNames) claim(c StreamConsumer, id StreamID) {
	c.Claim(id, 7, 1)
	u.groups["m"].pending[id] = pendingModel{7, 1, string(c.Name())}
}

func (u *manyNames) removeConsumer(name string) {
	m, want := u.groups["m"], 0
	for id, p := range m.pending {
		if p.owner == name {
			delete(m.pending, id)
			want++
		}
	}
	if n, ok := u.g.DeleteConsumer([]byte(name)); ok != m.consumers[name] || n != want {
		u.t.Fatalf("consumer %q goes with %d pending: %v; want %d, %v", name, n, ok, want, m.consumers[name])
	}
	delete(m.consumers, name)
}

func (u *manyNames) defrag(budget int) {
	a := u.env.Arena
	if a.StartEvacuation(0.5) == 0 {
		return
	}
	u.walks++
	for a.Mark(8) {
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = u.s.Defrag(cursor, budget)
	}
	a.StopEvacuation()
	u.g, _ = u.s.Group([]byte("m"))
}

// Names come and go one by one over the borders between the forms of a directory, there and back.
func TestNamesAtTheBorders(t *testing.T) {
	for _, order := range []string{"up", "down", "random"} {
		t.Run(order, func(t *testing.T) {
			u := newManyNames(t)
			r := rand.New(rand.NewPCG(3, 3))
			names := make([]string, 2*namesFew)
			for i := range names {
				names[i] = fmt.Sprintf("name-%03d", i)
			}
			sort := func() {
				switch order {
				case "down":
					slices.Reverse(names)
				case "random":
					r.Shuffle(len(names), func(i, k int) { names[i], names[k] = names[k], names[i] })
				}
			}
			sort()
			forms := func(when string, n int, tree bool) {
				t.Helper()
				x, h := u.g.group(), u.s.head()
				if int(x.consumers.n) != n || x.consumers.isTree() != tree || int(h.groups.n) != n+1 {
					t.Fatalf("%s: %d consumers, a tree: %v; want %d, %v", when, x.consumers.n, x.consumers.isTree(), n, tree)
				}
				if h.groups.isTree() != tree && n+1 != namesFew+1 && n+1 != namesBack+1 {
					t.Fatalf("%s: %d groups, a tree: %v", when, h.groups.n, h.groups.isTree())
				}
				u.check()
			}
			for range 2 {
				for i, name := range names {
					u.addConsumer(name)
					u.addGroup(name)
					forms("coming", i+1, i+1 > namesFew)
					u.addConsumer(names[r.IntN(i+1)]) // there is one
				}
				u.copies()
				sort()
				for i, name := range names {
					u.removeConsumer(name)
					u.removeConsumer(name)
					u.destroy(name)
					u.freeBuried(100)
					n := len(names) - i - 1
					forms("going", n, n > namesBack)
					if _, ok := u.g.Consumer([]byte(name)); ok {
						t.Fatalf("%q is still there", name)
					}
				}
			}
			if x := u.g.group(); x.consumers != (nameDir{}) {
				t.Errorf("a directory without names: %+v", x.consumers)
			}
		})
	}
}

// Consumers by the thousand, of names of all lengths, with pending entries that change hands, while all of it is moved, copied
// and read back from a file.
func TestManyNamesAgainstModel(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 31))
		u := newManyNames(t)
		most := []int{40, 100, 3000}[seed]
		id := StreamID{Ms: 1}
		name := func() string {
			n := r.IntN(most)
			return fmt.Sprintf("%x%s", n*7919%most, strings.Repeat("-", n%40*(n%3)))
		}
		for step := range 1500 {
			growing := step/500%2 == 0
			for range 1 + most/100 {
				switch k := r.IntN(10); {
				case k < 5 == growing:
					c := u.addConsumer(name())
					for range r.IntN(4) {
						id.Seq++
						u.claim(c, id)
					}
				case k == 9:
					u.addGroup(name())
				case k == 8 && r.IntN(2) == 0:
					if n := name(); u.groups[n] != nil {
						u.destroy(n)
					}
				case k > 6:
					if c, ok := u.g.Consumer([]byte(name())); ok && id.Seq > 0 { // takes another one's
						u.claim(c, StreamID{1, 1 + r.Uint64N(id.Seq)})
					}
				default:
					u.removeConsumer(name())
				}
			}
			u.freeBuried(30)
			switch {
			case step%500 == 499:
				u.copies()
			case step%250 == 200:
				u.defrag(1 + r.IntN(20))
				u.check()
			case step%50 == 0:
				u.check()
			}
		}
		if u.walks == 0 {
			t.Error("nothing was moved")
		}
	}
}

// A consumer among very many takes no more memory at once than a few nodes, and a directory's form shows in how much.
func TestOneMoreName(t *testing.T) {
	many := 150_000
	if testing.Short() {
		many = 20_000
	}
	env, h := listShard(t), &MemHolder{}
	var s Stream
	s.Bind(env, h)
	g, _ := s.CreateGroup([]byte("g"), StreamID{}, 0)
	r := rand.New(rand.NewPCG(5, 5))
	for i := range many {
		name := fmt.Appendf(nil, "%016x-%d", r.Uint64(), i)
		was := env.Arena.Stats()
		if _, made := g.CreateConsumer(name, 1); !made {
			t.Fatal("a name twice")
		}
		now := env.Arena.Stats()
		if n, b := now.Allocs-was.Allocs, now.AskedBytes-was.AskedBytes; n >= 16 || b > btree.MaxGrowth+int64(streamConsumerBytes+len(name)) {
			t.Fatalf("consumer %d takes %d bytes in %d allocations", i, b, n)
		}
		switch dir := g.group().consumers.bytes(env.Arena); {
		case i < 64 && dir > 8*(i+1), i < 64 && i&(i+1) == 0 && dir > max(8, 4*(i+1)), i > 100 && dir > 20*i+1500:
			t.Fatalf("the directory of %d takes %d bytes", i+1, dir)
		}
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		was := env.Arena.Stats().Allocs
		done = freeStream(env, rootRef(h), 20)
		if n := was - env.Arena.Stats().Allocs; n > 22 {
			t.Fatalf("a step frees %d allocations", n)
		}
	}
}

// A step of a walk goes on where the last one has ended, and goes no further than it is told to.
func TestDefragGoesOn(t *testing.T) {
	u := newManyNames(t)
	for i := range 500 {
		c := u.addConsumer(fmt.Sprintf("consumer-%d", i))
		for k := range i % 3 {
			u.claim(c, StreamID{uint64(i + 1), uint64(k)})
		}
		u.addGroup(fmt.Sprintf("group-%d", i))
	}
	const budget = 7
	type position struct {
		cursor uint64
		part   uint32
		id     StreamID
	}
	at, steps := position{}, 0
	for first := true; first || at.cursor != 0; first = false {
		was := at
		at.cursor = u.s.Defrag(was.cursor, budget)
		at.part, at.id = u.s.head().defragPart, u.s.head().defrag
		steps++
		if at == was {
			t.Fatalf("step %d stays at %v", steps, at)
		}
		if at.cursor != 0 && (at.cursor < was.cursor || at.cursor-was.cursor > budget+defragGroups ||
			at.cursor == was.cursor && (at.part < was.part || at.part-was.part > budget)) {
			t.Fatalf("step %d goes from %v to %v", steps, was, at)
		}
	}
	if least := 1000 / budget; steps < least || steps > 4*least {
		t.Errorf("%d steps for 500 groups and 500 consumers", steps)
	}
}

// A consumer that moves is known to what it has pending. One with very much pending stays, and so does nothing else.
func TestConsumersMove(t *testing.T) {
	u := newManyNames(t)
	name := func(i int) string { return fmt.Sprintf("consumer-%04d", i) }
	size := streamConsumerBytes + len(name(0))
	border := moveWithMost + size/4
	held := map[string]int{name(10): border - 1, name(210): border, name(410): border + 1, name(610): 5 * border}
	id := StreamID{Ms: 1}
	for i := range 800 {
		c := u.addConsumer(name(i))
		n, ok := held[name(i)]
		if !ok {
			n = i % 3
		}
		for range n {
			id.Seq++
			u.claim(c, id)
		}
	}
	for i := range 800 {
		if _, ok := held[name(i)]; !ok && i%8 != 0 {
			u.removeConsumer(name(i))
		}
	}
	a := u.env.Arena
	if a.StartEvacuation(0.5) == 0 {
		t.Fatal("nothing to be moved")
	}
	for a.Mark(8) {
	}
	marked := map[string]bool{}
	for i := range u.g.ConsumerCount() {
		c := u.g.ConsumerAt(i)
		marked[string(c.Name())] = a.ShouldMove(c.ref, size)
	}
	for n := range held {
		if !marked[n] {
			t.Fatalf("%s is not to be moved", n)
		}
	}
	var refs []arena.Ref
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		before := a.Moves()
		cursor = u.s.Defrag(cursor, 5)
		if n := a.Moves() - before; n > 5*4 {
			t.Fatalf("a step moves %d allocations", n)
		}
	}
	u.g, _ = u.s.Group([]byte("m"))
	for i := range u.g.ConsumerCount() {
		c := u.g.ConsumerAt(i)
		if stays := held[string(c.Name())] > border; a.ShouldMove(c.ref, size) != stays {
			t.Errorf("%s with %d pending: stays %v", c.Name(), c.PendingCount(), !stays)
		}
		refs = append(refs, c.ref)
	}
	slices.Sort(refs)
	if len(slices.Compact(refs)) != len(u.groups["m"].consumers) {
		t.Error("two consumers in one place")
	}
	a.StopEvacuation()
	u.check()
}
