package datatypes

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

type streamEntry struct {
	id    StreamID
	pairs []string
}

type pendingModel struct {
	ms, count int64
	owner     string
}

type groupModel struct {
	last      StreamID
	consumers map[string]bool
	pending   map[StreamID]pendingModel
}

// streamUnderTest is a stream and its model.
type streamUnderTest struct {
	t       testing.TB
	env     *Env
	h       *MemHolder
	s       Stream
	model   []streamEntry
	last    StreamID
	deleted StreamID
	added   uint64
	groups  map[string]*groupModel
	shared  bool        // the arena has other values too
	graves  []arena.Ref // what destroyed groups have left, and is freed step by step
}

func newStreamUnderTest(t testing.TB, bytes, entries int) *streamUnderTest {
	u := &streamUnderTest{t: t, env: listShard(t), h: &MemHolder{}, groups: map[string]*groupModel{}}
	u.env.Limits.StreamNodeMaxBytes, u.env.Limits.StreamNodeMaxEntries = bytes, entries
	u.s.Bind(u.env, u.h)
	u.env.Bury = func(typ Type, root arena.Ref) {
		if typ != TypeStream {
			t.Errorf("a stream buries a %v", typ)
		}
		u.graves = append(u.graves, root)
	}
	t.Cleanup(func() {
		u.check()
		for len(u.graves) > 0 {
			u.freeBuried(1000)
		}
		if u.h.Enc() == EncRoot {
			for !freeStream(u.env, rootRef(u.h), 5) {
			}
		}
	})
	return u
}

// freeBuried goes on freeing what the first of the destroyed groups has left.
func (u *streamUnderTest) freeBuried(budget int) {
	if len(u.graves) > 0 && FreeStep(u.env, TypeStream, u.graves[0], budget) {
		u.graves = u.graves[1:]
	}
}

// buried is what the destroyed groups' remains say that they take.
func (u *streamUnderTest) buried() (bytes int) {
	for _, root := range u.graves {
		bytes += int((*streamHead)(u.env.Arena.Ptr(root)).bytes)
	}
	return bytes
}

func (u *streamUnderTest) collect(start, end StreamID, backward bool, most int) (got []streamEntry) {
	for it := u.s.Iter(start, end, backward); len(got) < most && it.Next(); {
		e := streamEntry{id: it.ID()}
		for n := it.FieldCount(); it.Field(); n-- {
			e.pairs = append(e.pairs, string(it.Name()), string(it.Value()))
			if n == 0 {
				u.t.Fatal("more fields than FieldCount")
			}
		}
		got = append(got, e)
	}
	return got
}

func (u *streamUnderTest) same(got, want []streamEntry) {
	u.t.Helper()
	if !slices.EqualFunc(got, want, func(a, b streamEntry) bool { return a.id == b.id && slices.Equal(a.pairs, b.pairs) }) {
		u.t.Fatalf("got %d entries: %.400s\nwant %d: %.400s", len(got), fmt.Sprint(got), len(want), fmt.Sprint(want))
	}
}

func (u *streamUnderTest) check() {
	u.t.Helper()
	if err := u.s.Check(); err != nil {
		u.t.Fatal(err)
	}
	u.same(u.collect(StreamID{}, MaxStreamID, false, noLimit), u.model)
	first := StreamID{}
	if len(u.model) > 0 {
		first = u.model[0].id
	}
	if u.s.Len() != len(u.model) || u.s.LastID() != u.last || u.s.MaxDeletedID() != u.deleted || u.s.EntriesAdded() != u.added || u.s.FirstID() != first {
		u.t.Fatalf("length %d, last %v, max deleted %v, added %d, first %v; want %d, %v, %v, %d, %v", u.s.Len(), u.s.LastID(), u.s.MaxDeletedID(),
			u.s.EntriesAdded(), u.s.FirstID(), len(u.model), u.last, u.deleted, u.added, first)
	}
	if u.s.GroupCount() != len(u.groups) {
		u.t.Fatalf("%d groups, want %d", u.s.GroupCount(), len(u.groups))
	}
	for i, name := range slices.Sorted(maps.Keys(u.groups)) {
		g := u.s.GroupAt(i)
		if string(g.Name()) != name {
			u.t.Fatalf("group %d is %q, want %q", i, g.Name(), name)
		}
		u.checkGroup(g, u.groups[name])
	}
	if b, s := u.s.Bytes(0)+u.buried(), u.env.Arena.Stats(); !u.shared && (int64(b) < s.AskedBytes || int64(b) > s.AskedBytes+16*s.Allocs) {
		u.t.Fatalf("Bytes %d, the arena says %d", b, s.AskedBytes)
	}
}

func (u *streamUnderTest) checkGroup(g StreamGroup, m *groupModel) {
	u.t.Helper()
	if g.LastID() != m.last || g.PendingCount() != len(m.pending) || g.ConsumerCount() != len(m.consumers) {
		u.t.Fatalf("group %q: last %v, %d pending, %d consumers; want %v, %d, %d", g.Name(), g.LastID(), g.PendingCount(), g.ConsumerCount(),
			m.last, len(m.pending), len(m.consumers))
	}
	ids := slices.SortedFunc(maps.Keys(m.pending), StreamID.Compare)
	i := 0
	for it := g.PendingIter(StreamID{}, MaxStreamID); it.Next(); i++ {
		e, want := it.Entry(), m.pending[ids[i]]
		if e.ID != ids[i] || e.DeliveredAt != want.ms || e.Deliveries != want.count || string(e.Consumer.Name()) != want.owner {
			u.t.Fatalf("pending %d is %v %d %d %q, want %v %+v", i, e.ID, e.DeliveredAt, e.Deliveries, e.Consumer.Name(), ids[i], want)
		}
	}
	if i != len(ids) {
		u.t.Fatalf("%d pending entries of %d", i, len(ids))
	}
	for k, name := range slices.Sorted(maps.Keys(m.consumers)) {
		c := g.ConsumerAt(k)
		n := 0
		for it := c.PendingIter(StreamID{}, MaxStreamID); it.Next(); n++ {
			if m.pending[it.Entry().ID].owner != name || !it.Entry().Consumer.Same(c) {
				u.t.Fatalf("%v is pending for %q", it.Entry().ID, name)
			}
		}
		if string(c.Name()) != name || n != c.PendingCount() {
			u.t.Fatalf("consumer %d is %q with %d pending, want %q with %d", k, c.Name(), n, name, c.PendingCount())
		}
	}
	if first, last, ok := g.PendingRange(); ok != (len(ids) > 0) || ok && (first != ids[0] || last != ids[len(ids)-1]) {
		u.t.Fatalf("pending from %v to %v, %v", first, last, ok)
	}
}

func randomPairs(r *rand.Rand) (pairs []string) {
	kind := r.IntN(8)
	n := 1 + r.IntN(3)
	if kind == 0 {
		n = 1 + r.IntN(25)
	}
	for i := range n {
		value := fmt.Sprint(r.Int64() >> r.IntN(63))
		if r.IntN(20) == 0 {
			value = strings.Repeat("v", r.IntN(600))
		}
		pairs = append(pairs, fmt.Sprintf("field-%d", i+kind/4), value)
	}
	if kind == 7 {
		pairs[0] = "17"
	}
	return pairs
}

func byteSlices(s []string) (b [][]byte) {
	for _, x := range s {
		b = append(b, []byte(x))
	}
	return b
}

func (u *streamUnderTest) add(r *rand.Rand) {
	id, ok := u.s.NextID(int64(u.last.Ms) + int64(r.IntN(3)) - 1)
	switch r.IntN(6) {
	case 0:
		id, ok = u.s.NextSeq(u.last.Ms + uint64(r.IntN(2)))
	case 1:
		id, ok = StreamID{u.last.Ms + uint64(r.IntN(1000)), r.Uint64() >> r.IntN(64)}, true
	case 2:
		if u.s.Add(u.last, byteSlices([]string{"a", "b"})) {
			u.t.Fatal("an ID twice")
		}
	}
	if !ok || id.Compare(u.last) <= 0 {
		return
	}
	pairs := randomPairs(r)
	if !u.s.Add(id, byteSlices(pairs)) {
		u.t.Fatalf("Add(%v) after %v fails", id, u.last)
	}
	u.model = append(u.model, streamEntry{id, pairs})
	u.last = id
	u.added++
}

// someID is the ID of an entry, or close to one.
func (u *streamUnderTest) someID(r *rand.Rand) StreamID {
	if len(u.model) == 0 || r.IntN(20) == 0 {
		return StreamID{r.Uint64() >> r.IntN(64), 0}
	}
	id := u.model[r.IntN(len(u.model))].id
	switch r.IntN(5) {
	case 0:
		id, _ = id.Next()
	case 1:
		id, _ = id.Prev()
	}
	return id
}

func (u *streamUnderTest) index(id StreamID) (int, bool) {
	return slices.BinarySearchFunc(u.model, id, func(e streamEntry, id StreamID) int { return e.id.Compare(id) })
}

func (u *streamUnderTest) step(r *rand.Rand, size int) string {
	if r.IntN(4) == 0 {
		u.freeBuried(1 + r.IntN(20))
	}
	op := r.IntN(14)
	if len(u.model) > size && op < 4 {
		op = 4 + r.IntN(3)
	}
	switch op {
	case 0, 1, 2, 3:
		for range 1 + r.IntN(1+size/20) {
			u.add(r)
		}
		return "Add"
	case 4:
		for range r.IntN(1 + size/20) {
			id := u.someID(r)
			i, ok := u.index(id)
			if got := u.s.Delete(id); got != ok || u.s.Exists(id) {
				u.t.Fatalf("Delete(%v) = %v", id, got)
			}
			if ok {
				u.model = slices.Delete(u.model, i, i+1)
				if u.deleted.Less(id) {
					u.deleted = id
				}
			}
		}
		return "Delete"
	case 5:
		u.trimMaxLen(r)
		return "TrimMaxLen"
	case 6:
		u.trimMinID(r)
		return "TrimMinID"
	case 7, 8:
		start, end, backward, most := u.someID(r), u.someID(r), r.IntN(2) == 0, 1+r.IntN(20)
		i, _ := u.index(start)
		k, ok := u.index(end)
		if ok {
			k++
		}
		var want []streamEntry
		if i < k {
			want = slices.Clone(u.model[i:k])
		}
		if backward {
			slices.Reverse(want)
		}
		u.same(u.collect(start, end, backward, most), want[:min(most, len(want))])
		return "Iter"
	case 9:
		id := u.someID(r)
		if _, ok := u.index(id); u.s.Exists(id) != ok {
			u.t.Fatalf("Exists(%v) is not %v", id, ok)
		}
		return "Exists"
	default:
		u.group(r)
		return "group"
	}
}

func (u *streamUnderTest) trimMaxLen(r *rand.Rand) {
	n := len(u.model)
	most := max(0, n-r.IntN(n/4+2))
	switch r.IntN(3) {
	case 0:
		if got := u.s.TrimMaxLen(most, false, 0); got != n-most {
			u.t.Fatalf("TrimMaxLen(%d) of %d deletes %d", most, n, got)
		}
		u.model = u.model[n-most:]
	default:
		limit := r.IntN(50)
		got := u.s.TrimMaxLen(most, true, limit)
		if got > n-most || limit > 0 && got > limit || u.s.Len() != n-got {
			u.t.Fatalf("TrimMaxLen(~%d, %d) of %d deletes %d", most, limit, n, got)
		}
		if _, b, ok := u.s.NodeAfter(StreamID{}); ok && limit == 0 && got < n-most {
			first := int(listpack.Get(b, listpack.First(b)).Int) // it did not go, so it must be needed
			if n-got-first >= most {
				u.t.Fatalf("TrimMaxLen(~%d) of %d leaves %d and a node of %d", most, n, n-got, first)
			}
		}
		u.model = u.model[got:]
	}
}

func (u *streamUnderTest) trimMinID(r *rand.Rand) {
	id := u.someID(r)
	if n := len(u.model); n > 0 {
		id = u.model[r.IntN(n/4+1)].id
	}
	i, _ := u.index(id)
	approx := r.IntN(2) == 0
	got := u.s.TrimMinID(id, approx, 0)
	if !approx && got != i || got > i {
		u.t.Fatalf("TrimMinID(%v) deletes %d of %d", id, got, i)
	}
	u.model = u.model[got:]
}

func (u *streamUnderTest) group(r *rand.Rand) {
	name := string(rune('a' + r.IntN(3)))
	m := u.groups[name]
	g, ok := u.s.Group([]byte(name))
	if ok != (m != nil) {
		u.t.Fatalf("Group(%q): %v", name, ok)
	}
	if m == nil {
		id := u.someID(r)
		if _, ok = u.s.CreateGroup([]byte(name), id, EntriesReadUnknown); !ok {
			u.t.Fatal("CreateGroup")
		}
		u.groups[name] = &groupModel{id, map[string]bool{}, map[StreamID]pendingModel{}}
		return
	}
	who := fmt.Sprintf("consumer-%d", r.IntN(6))
	c, ok := g.Consumer([]byte(who))
	if ok != m.consumers[who] {
		u.t.Fatalf("Consumer(%q): %v", who, ok)
	}
	if !ok {
		if c, ok = g.CreateConsumer([]byte(who), 5); !ok || c.SeenTime() != 5 || c.ActiveTime() != NeverActive {
			u.t.Fatal("CreateConsumer")
		}
		m.consumers[who] = true
	}
	switch now := r.Int64N(1 << 40); r.IntN(10) {
	case 0:
		if r.IntN(10) == 0 {
			if !u.s.DestroyGroup([]byte(name)) {
				u.t.Fatal("DestroyGroup")
			}
			delete(u.groups, name)
		}
	case 1:
		want := 0
		for id, e := range m.pending {
			if e.owner == who {
				want++
				delete(m.pending, id)
			}
		}
		if n, ok := g.DeleteConsumer([]byte(who)); !ok || n != want {
			u.t.Fatalf("DeleteConsumer: %d, %v, want %d", n, ok, want)
		}
		delete(m.consumers, who)
	case 2, 3:
		for range r.IntN(40) {
			id := u.someID(r)
			_, ok := m.pending[id]
			if g.Ack(id) != ok {
				u.t.Fatalf("Ack(%v) is not %v", id, ok)
			}
			delete(m.pending, id)
		}
	case 4:
		for it := g.PendingIter(u.someID(r), u.someID(r)); it.Next(); { // changed while it is walked over
			e := it.Entry()
			switch r.IntN(3) {
			case 0:
				g.Ack(e.ID)
				delete(m.pending, e.ID)
			case 1:
				c.Claim(e.ID, now, e.Deliveries+1)
				m.pending[e.ID] = pendingModel{now, e.Deliveries + 1, who}
			default:
				g.Redeliver(e.ID, now)
				p := m.pending[e.ID]
				m.pending[e.ID] = pendingModel{now, p.count + 1, p.owner}
			}
		}
	default:
		start, _ := m.last.Next()
		if r.IntN(3) == 0 {
			start = u.someID(r)
		}
		n := r.IntN(60)
		for it := u.s.Iter(start, MaxStreamID, false); n > 0 && it.Next(); n-- {
			if g.Advance(it.ID()) != m.last.Less(it.ID()) {
				u.t.Fatal("Advance")
			}
			if m.last.Less(it.ID()) {
				m.last = it.ID()
			}
			c.Claim(it.ID(), now, 1)
			m.pending[it.ID()] = pendingModel{now, 1, who}
			e, ok := g.Pending(it.ID())
			if !ok || !e.Consumer.Same(c) {
				u.t.Fatal("Pending")
			}
		}
	}
}

func TestStreamAgainstModel(t *testing.T) {
	for _, c := range []struct{ bytes, entries, size, steps int }{
		{4096, 1, 100, 700}, {4096, 2, 400, 600}, {100, 10, 200, 700}, {4096, 100, 2000, 500}, {0, 0, 400, 400},
	} {
		t.Run(fmt.Sprintf("%d bytes, %d entries, %d", c.bytes, c.entries, c.size), func(t *testing.T) {
			r := rand.New(rand.NewPCG(11, uint64(c.entries)))
			u := newStreamUnderTest(t, c.bytes, c.entries)
			if testing.Short() {
				c.steps /= 4
			}
			for i := range c.steps {
				op := u.step(r, c.size)
				if i%8 == 0 || c.size <= 200 {
					u.check()
				} else if err := u.s.Check(); err != nil {
					t.Fatalf("step %d, %s: %v", i, op, err)
				}
				if i%200 == 199 {
					u.copies()
				}
			}
		})
	}
}

func (u *streamUnderTest) copies() {
	c := newStreamUnderTest(u.t, 4096, 100)
	c.model, c.last, c.deleted, c.added = slices.Clone(u.model), u.last, u.deleted, u.added
	for name, g := range u.groups {
		c.groups[name] = &groupModel{g.last, maps.Clone(g.consumers), maps.Clone(g.pending)}
	}
	copySteps(u.t, TypeStream, u.env, u.h, c.env, c.h)
	c.check()

	// The same by way of a file.
	f := newStreamUnderTest(u.t, 4096, 100)
	f.model, f.last, f.deleted, f.added, f.groups = c.model, u.last, u.deleted, u.added, c.groups
	f.s.Create()
	u.s.EachNode(func(master StreamID, b []byte) bool {
		if err := f.s.LoadNode(master, listpack.AppendRedis(nil, b)); err != nil {
			u.t.Fatal(err)
		}
		return true
	})
	if err := f.s.LoadCounters(uint64(u.s.Len()), u.last, u.deleted, u.added); err != nil {
		u.t.Fatal(err)
	}
	for i := range u.s.GroupCount() {
		g := u.s.GroupAt(i)
		d, _ := f.s.CreateGroup(g.Name(), g.LastID(), g.EntriesRead())
		for it := g.PendingIter(StreamID{}, MaxStreamID); it.Next(); {
			e := it.Entry()
			if !d.LoadPending(e.ID, e.DeliveredAt, e.Deliveries) || d.LoadPending(e.ID, 1, 1) {
				u.t.Fatal("LoadPending of a group")
			}
		}
		for k := range g.ConsumerCount() {
			from := g.ConsumerAt(k)
			to, _ := d.CreateConsumer(from.Name(), from.SeenTime())
			for it := from.PendingIter(StreamID{}, MaxStreamID); it.Next(); {
				if d.PendingLoaded() || !to.LoadPending(it.Entry().ID) || to.LoadPending(it.Entry().ID) {
					u.t.Fatal("LoadPending of a consumer")
				}
			}
		}
		if !d.PendingLoaded() {
			u.t.Fatal("PendingLoaded")
		}
	}
	f.check()
}

// The tree of IDs alone, with IDs in all orders.
// What a group's counters say before and after deletes; the facts are those that XINFO GROUPS of redis-server tells.
// An empty stream is still a stream.
// A malformed node is refused; what is accepted can be read, deleted from and trimmed.
// What 1M entries, and 1M pending entries, take.
