package datatypes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/datatypes/invariant"
	"larder/datatypes/listpack"
)

func TestStreamIDs(t *testing.T) {
	for _, c := range []struct {
		text string
		id   StreamID
		ok   bool
	}{
		{"1-2", StreamID{1, 2}, true}, {"5", StreamID{5, 9}, true}, {"0-0", StreamID{}, true}, {"18446744073709551615-18446744073709551615", MaxStreamID, true},
		{"18446744073709551616-0", StreamID{}, false}, {"1-", StreamID{}, false}, {"-1", StreamID{}, false}, {"", StreamID{}, false}, {"-", StreamID{}, false}, {"+", StreamID{}, false},
		{"1-2-3", StreamID{}, false}, {"a-1", StreamID{}, false}, {"01-02", StreamID{1, 2}, true}, {"1-*", StreamID{}, false}, {"*", StreamID{}, false},
		{" 1-+2", StreamID{1, 2}, true}, {strings.Repeat("0", 126) + "1", StreamID{1, 9}, true}, {strings.Repeat("0", 127) + "1", StreamID{}, false}, {"7\x00x", StreamID{7, 9}, true},
	} {
		if id, ok := ParseStreamID([]byte(c.text), 9); ok != c.ok || ok && id != c.id {
			t.Errorf("%q: %v, %v", c.text, id, ok)
		}
		id, auto, ok := ParseStreamAutoID([]byte(c.text))
		if want := c.ok || c.text == "1-*"; ok != want || auto != (c.text == "1-*") || ok && id.Ms != max(c.id.Ms, uint64(b2u(auto))) {
			t.Errorf("%q for XADD: %v, %v, %v", c.text, id, auto, ok)
		}
	}
	for _, c := range []struct {
		text string
		id   StreamID
		ex   bool
		ok   bool
	}{{"-", StreamID{}, false, true}, {"+", MaxStreamID, false, true}, {"(5-1", StreamID{5, 1}, true, true}, {"(-", StreamID{}, true, false}, {"(", StreamID{}, false, false}, {"3", StreamID{3, 7}, false, true}} {
		if id, ex, ok := ParseStreamBound([]byte(c.text), 7); ok != c.ok || ok && (id != c.id || ex != c.ex) {
			t.Errorf("%q: %v, %v, %v", c.text, id, ex, ok)
		}
	}
	if id, ok := MaxStreamID.Next(); ok || !id.IsZero() {
		t.Error("Next of the last ID")
	}
	if id, ok := (StreamID{}).Prev(); ok || id != MaxStreamID {
		t.Error("Prev of the first ID")
	}
	if id, ok := (StreamID{5, math.MaxUint64}).Next(); !ok || id != (StreamID{6, 0}) {
		t.Error("Next at the end of a millisecond")
	}
	if (StreamID{12, 34}).String() != "12-34" {
		t.Error("String")
	}
}

func TestStreamAutoIDs(t *testing.T) {
	u := newStreamUnderTest(t, 4096, 100)
	pairs := byteSlices([]string{"a", "b"})
	add := func(id StreamID, ok bool) {
		t.Helper()
		if !ok || !u.s.Add(id, pairs) {
			t.Fatalf("%v, %v", id, ok)
		}
		u.model = append(u.model, streamEntry{id, []string{"a", "b"}})
		u.last = id
		u.added++
	}
	if u.s.Add(StreamID{}, pairs) {
		t.Error("0-0 is added")
	}
	if id, _ := u.s.NextSeq(0); id != (StreamID{0, 1}) {
		t.Errorf("0-* is %v", id)
	}
	add(u.s.NextID(1000))
	add(u.s.NextID(1000))
	add(u.s.NextID(5)) // the clock went back
	if u.last != (StreamID{1000, 2}) {
		t.Errorf("last is %v", u.last)
	}
	add(u.s.NextSeq(1000))
	add(u.s.NextSeq(1001))
	if id, ok := u.s.NextSeq(1000); !ok || u.s.Add(id, pairs) {
		t.Error("a lower millisecond is added")
	}
	add(StreamID{1001, math.MaxUint64}, true)
	if _, ok := u.s.NextSeq(1001); ok {
		t.Error("a sequence goes past its end")
	}
	add(u.s.NextID(3))
	if u.last != (StreamID{1002, 0}) {
		t.Errorf("last is %v", u.last)
	}
	add(MaxStreamID, true)
	if _, ok := u.s.NextID(3); ok {
		t.Error("an ID after the last one")
	}
}

func TestStreamLag(t *testing.T) {
	u := newStreamUnderTest(t, 4096, 100)
	u.s.Create()
	g, _ := u.s.CreateGroup([]byte("g"), StreamID{}, EntriesReadUnknown)
	expect := func(read, lag int64) {
		t.Helper()
		n, ok := g.Lag()
		if !ok {
			n = -1
		}
		if g.EntriesRead() != read || n != lag {
			t.Fatalf("read %d, lag %d; want %d, %d", g.EntriesRead(), n, read, lag)
		}
	}
	expect(-1, 0)
	for i := range uint64(5) {
		u.s.Add(StreamID{i + 1, 0}, byteSlices([]string{"a", "b"}))
	}
	expect(-1, 5) // nothing was read: the last ID is before the first entry
	g.Advance(StreamID{1, 0})
	expect(1, 4)
	g.Advance(StreamID{2, 0})
	expect(2, 3)
	u.s.Delete(StreamID{4, 0})
	expect(2, -1) // a hole ahead
	g.Advance(StreamID{3, 0})
	expect(-1, -1)
	g.Advance(StreamID{5, 0})
	expect(5, 0)
	u.s.Add(StreamID{6, 0}, byteSlices([]string{"a", "b"}))
	expect(5, 1)
	u.s.TrimMaxLen(1, false, 0)
	expect(5, 1)
	g.SetLastID(StreamID{3, 0})
	g.SetEntriesRead(EntriesReadUnknown)
	expect(-1, 1) // all that is there comes after it
	u.s.Delete(StreamID{6, 0})
	expect(-1, 0)
	u.model, u.last, u.deleted, u.added = nil, StreamID{6, 0}, StreamID{6, 0}, 6
	u.groups["g"] = &groupModel{StreamID{3, 0}, nil, nil}
}

// What was removed before the first entry that is left does not matter to a group that has not come there; what was deleted
// behind the last entry that it has read does, even if that comes after the next one.
func TestStreamLagBehindRemovedEntries(t *testing.T) {
	u := newStreamUnderTest(t, 4096, 100)
	u.s.Create()
	g, _ := u.s.CreateGroup([]byte("g"), StreamID{}, 0)
	expect := func(read, lag int64) {
		t.Helper()
		n, ok := g.Lag()
		if !ok {
			n = -1
		}
		if g.EntriesRead() != read || n != lag {
			t.Fatalf("read %d, lag %d; want %d, %d", g.EntriesRead(), n, read, lag)
		}
	}
	for i := range uint64(5) {
		u.s.Add(StreamID{i + 1, 0}, byteSlices([]string{"a", "b"}))
	}
	g.Advance(StreamID{1, 0})
	expect(1, 4)
	u.s.TrimMaxLen(2, false, 0)
	expect(1, 2)
	u.s.Delete(StreamID{4, 0})
	expect(1, 1)
	g.Advance(StreamID{5, 0})
	expect(5, 0)
	u.s.Add(StreamID{6, 0}, byteSlices([]string{"a", "b"}))
	u.s.Add(StreamID{7, 0}, byteSlices([]string{"a", "b"}))
	u.s.Delete(StreamID{6, 0})
	expect(5, -1) // 6-0 counts as added, and comes after 5-0, which is still there
	u.s.Delete(StreamID{5, 0})
	expect(5, 1)
	u.s.TrimMaxLen(0, false, 0)
	expect(5, 0)
	u.model, u.last, u.deleted, u.added = nil, StreamID{7, 0}, StreamID{6, 0}, 7
	u.groups["g"] = &groupModel{StreamID{5, 0}, nil, nil}
}

// TestStreamLastIDTakenBack: XSETID can take the last ID back to before a deleted entry, whose place is then before that of
// entries with lower IDs.
func TestStreamLastIDTakenBack(t *testing.T) {
	u := newStreamUnderTest(t, 4096, 100)
	add := func(id StreamID) {
		t.Helper()
		if !u.s.Add(id, byteSlices([]string{"a", "b"})) {
			t.Fatalf("%v is not added", id)
		}
	}
	add(StreamID{5, 0})
	add(StreamID{10, 0})
	add(StreamID{12, 0})
	u.s.Delete(StreamID{12, 0})
	u.s.Delete(StreamID{10, 0})
	u.s.SetMaxDeletedID(StreamID{0, 1})
	u.s.SetLastID(StreamID{6, 0})
	add(StreamID{7, 0})
	add(StreamID{8, 0})
	u.added = 5
	u.model = []streamEntry{{StreamID{5, 0}, []string{"a", "b"}}, {StreamID{7, 0}, []string{"a", "b"}}, {StreamID{8, 0}, []string{"a", "b"}}}
	u.last, u.deleted = StreamID{8, 0}, StreamID{0, 1}
	u.check()
	if got := u.collect(StreamID{6, 0}, StreamID{7, 9}, false, 10); len(got) != 1 || got[0].id != (StreamID{7, 0}) {
		t.Errorf("from 6-0 to 7-9: %v", got)
	}
	u.copies()
	if u.s.Exists(StreamID{10, 0}) || u.s.Delete(StreamID{10, 0}) || !u.s.Delete(StreamID{7, 0}) || u.s.Exists(StreamID{7, 0}) {
		t.Error("7-0 is deleted, and 10-0 was long ago")
	}
	if !u.s.Exists(StreamID{8, 0}) || u.s.TrimMinID(StreamID{9, 0}, false, 0) != 2 {
		t.Error("8-0 is to be trimmed")
	}
	u.model, u.deleted = nil, StreamID{7, 0}
}

func TestStreamEmpty(t *testing.T) {
	u := newStreamUnderTest(t, 4096, 100)
	if u.s.Len() != 0 || u.s.Delete(StreamID{1, 1}) || u.s.TrimMaxLen(0, false, 0) != 0 || u.s.DestroyGroup([]byte("g")) || u.h.Enc() == EncRoot {
		t.Error("a stream without bytes")
	}
	if _, ok := u.s.Group([]byte("g")); ok || u.s.GroupCount() != 0 {
		t.Error("a group of a stream without bytes")
	}
	u.s.Add(StreamID{1, 1}, byteSlices([]string{"a", "b"}))
	u.s.TrimMaxLen(0, false, 0)
	u.last, u.added = StreamID{1, 1}, 1
	if u.h.Enc() != EncRoot || len(u.h.Bytes()) != 4 {
		t.Error("the header is gone with the last entry")
	}
}

func TestStreamDefrag(t *testing.T) {
	u := newStreamUnderTest(t, 4096, 20)
	r := rand.New(rand.NewPCG(6, 6))
	u.s.Create()
	u.groups["g"] = &groupModel{StreamID{}, map[string]bool{}, map[StreamID]pendingModel{}}
	g, _ := u.s.CreateGroup([]byte("g"), StreamID{}, 0)
	for range 20000 {
		u.add(r)
		c, _ := g.CreateConsumer(fmt.Appendf(nil, "consumer-%d", r.IntN(50)), 1)
		u.groups["g"].consumers[string(c.Name())] = true
		c.Claim(u.last, 1, 1)
		u.groups["g"].pending[u.last] = pendingModel{1, 1, string(c.Name())}
	}
	for i := 0; len(u.model) > 3000; {
		n := 1
		if r.IntN(2) == 0 {
			n = min(100, len(u.model)-i)
		}
		for range n {
			id := u.model[i].id
			u.s.Delete(id)
			g.Ack(id)
			delete(u.groups["g"].pending, id)
			if u.deleted.Less(id) {
				u.deleted = id
			}
			u.model = slices.Delete(u.model, i, i+1)
		}
		i = r.IntN(len(u.model) - 1)
	}
	u.check()
	if u.env.Arena.StartEvacuation(0.95) == 0 {
		t.Fatal("nothing to evacuate")
	}
	for u.env.Arena.Mark(8) {
	}
	marked := func() (n int) {
		h := u.s.head()
		is := func(move bool) { n += int(b2u(move)) }
		a := u.env.Arena
		tree := u.s.nodes(h)
		var p idPath
		for ok := tree.first(&p); ok; ok = tree.next(&p) {
			x := (*streamNode)(tree.value(&p))
			is(a.ShouldMove(x.ref, int(x.cap)))
			is(a.ShouldMove(p.node[p.depth], 1016))
		}
		tree = g.tree()
		for ok := tree.first(&p); ok; ok = tree.next(&p) {
			is(a.ShouldMove(p.node[p.depth], 1016))
		}
		for k := range g.ConsumerCount() {
			is(a.ShouldMove(g.ConsumerAt(k).ref, namedBytes(a, g.ConsumerAt(k).ref)))
			tree = g.ConsumerAt(k).tree()
			for ok := tree.first(&p); ok; ok = tree.next(&p) {
				is(a.ShouldMove(p.node[p.depth], tree.leafBytes(int(tree.header(p.node[p.depth]).room))))
			}
		}
		return n
	}
	if marked() == 0 {
		t.Fatal("nothing is to be moved")
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = u.s.Defrag(cursor, 50)
		u.step(r, 3000)
	}
	u.check()
	var ok bool
	if g, ok = u.s.Group([]byte("g")); !ok {
		t.Fatal("the group is gone")
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = u.s.Defrag(cursor, 1)
	}
	if n := marked(); n != 0 {
		t.Fatalf("%d allocations stay", n)
	}
	u.check()
	u.env.Arena.StopEvacuation()
}

func TestStreamAllocatesNothing(t *testing.T) {
	if invariant.Enabled {
		t.Skip("checking allocates")
	}
	u := newStreamUnderTest(t, 4096, 100)
	pairs := byteSlices([]string{"temperature", "21", "place", "kitchen"})
	u.s.CreateGroup([]byte("g"), StreamID{}, 0)
	id := StreamID{1, 0}
	u.s.Add(id, pairs)
	name, sum := []byte("alice"), 0
	if n := testing.AllocsPerRun(500, func() {
		id.Ms++
		u.s.Add(id, pairs)
		g, _ := u.s.Group([]byte("g"))
		c, ok := g.Consumer(name)
		if !ok {
			c, _ = g.CreateConsumer(name, 1)
		}
		for it := u.s.Iter(id, MaxStreamID, false); it.Next(); {
			g.Advance(it.ID())
			c.Claim(it.ID(), 1, 1)
			for it.Field() {
				sum += len(it.Name()) + len(it.Value())
			}
		}
		for it := c.PendingIter(StreamID{}, MaxStreamID); it.Next(); {
			sum++
		}
		g.Ack(id)
		u.s.TrimMaxLen(50, false, 0)
		u.s.TrimMinID(StreamID{5, 0}, true, 100)
		u.s.Delete(StreamID{id.Ms - 10, 0})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	u.model = u.collect(StreamID{}, MaxStreamID, false, noLimit)
	u.last, u.added, u.deleted = id, id.Ms, u.s.MaxDeletedID()
	g, _ := u.s.Group([]byte("g"))
	u.groups["g"] = &groupModel{g.LastID(), map[string]bool{"alice": true}, map[StreamID]pendingModel{}}
}

func FuzzStreamNode(f *testing.F) {
	u := newStreamUnderTest(f, 150, 6)
	r := rand.New(rand.NewPCG(1, 1))
	for len(u.model) < 20 {
		u.add(r)
	}
	u.s.Delete(u.model[3].id)
	u.deleted = u.model[3].id
	u.model = slices.Delete(u.model, 3, 4)
	u.s.EachNode(func(master StreamID, b []byte) bool {
		f.Add(master.Ms, master.Seq, slices.Clone(b))
		return true
	})
	f.Add(uint64(0), uint64(0), []byte{6, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1})
	env := listShard(f)
	f.Fuzz(func(t *testing.T, ms, seq uint64, b []byte) {
		u := &streamUnderTest{t: t, env: env, h: &MemHolder{}, shared: true}
		u.s.Bind(env, u.h)
		defer func() {
			if u.h.Enc() == EncRoot {
				for !freeStream(env, rootRef(u.h), 5) {
				}
			}
		}()
		if u.s.LoadNode(StreamID{ms, seq}, listpack.AppendRedis(nil, b)) != nil {
			return
		}
		n := u.s.Len()
		got := u.collect(StreamID{}, MaxStreamID, false, noLimit)
		if len(got) != n {
			t.Fatalf("%d entries of %d", len(got), n)
		}
		back := u.collect(StreamID{}, MaxStreamID, true, noLimit)
		slices.Reverse(back)
		u.same(back, got)
		if n == 0 {
			return
		}
		if err := u.s.LoadCounters(uint64(n), got[n-1].id, StreamID{}, uint64(n)); err != nil {
			t.Fatal(err)
		}
		u.model, u.last, u.added = got, u.s.LastID(), uint64(n) // a deleted entry may be the last
		u.check()
		if next, ok := u.last.Next(); ok && u.s.Add(next, byteSlices([]string{"a", "b"})) {
			u.model = append(u.model, streamEntry{next, []string{"a", "b"}})
			u.last = next
			u.added++
			u.check()
		}
		u.s.TrimMaxLen(len(u.model)-n/3, false, 0)
		u.model = u.model[n/3:]
		u.check()
		for len(u.model) > 0 {
			i := len(u.model) / 2
			id := u.model[i].id
			if !u.s.Delete(id) {
				t.Fatalf("Delete(%v)", id)
			}
			if u.deleted.Less(id) {
				u.deleted = id
			}
			u.model = slices.Delete(u.model, i, i+1)
		}
		u.check()
	})
}
