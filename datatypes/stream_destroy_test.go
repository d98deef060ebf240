package datatypes

import (
	"fmt"
	"maps"
	"testing"
)

// grouped gives the stream a group with consumers, each of which has as many pending entries.
func (u *streamUnderTest) grouped(name string, consumers, pending int) {
	u.t.Helper()
	g, ok := u.s.CreateGroup([]byte(name), StreamID{}, 0)
	if !ok {
		u.t.Fatalf("there is a group %q", name)
	}
	m := &groupModel{consumers: map[string]bool{}, pending: map[StreamID]pendingModel{}}
	u.groups[name] = m
	id := StreamID{Ms: 1}
	for i := range consumers {
		who := fmt.Sprintf("consumer-%d", i)
		c, _ := g.CreateConsumer([]byte(who), 1)
		m.consumers[who] = true
		for range pending {
			id.Seq++
			c.Claim(id, 5, 1)
			m.pending[id] = pendingModel{5, 1, who}
		}
	}
}

func (u *streamUnderTest) destroy(name string) {
	u.t.Helper()
	if !u.s.DestroyGroup([]byte(name)) {
		u.t.Fatalf("no group %q", name)
	}
	delete(u.groups, name)
}

// A destroyed group is no part of the stream from that moment on. Each step frees about as much as it is told to, and at last
// all of it, whether or not anything else happens to the stream.
func TestDestroyedGroup(t *testing.T) {
	for _, c := range []struct{ consumers, pending int }{{0, 0}, {1, 0}, {1, 1}, {3, 70}, {70, 0}, {300, 2}, {2, 9000}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			u := newStreamUnderTest(t, 4096, 100)
			u.s.Add(StreamID{1, 1}, byteSlices([]string{"field", "value"}))
			u.model, u.last, u.added = []streamEntry{{StreamID{1, 1}, []string{"field", "value"}}}, StreamID{1, 1}, 1
			u.grouped("other", 2, 3)
			u.grouped("dying", 0, 0) // the directory has room for it from now on
			u.destroy("dying")
			before := u.s.Bytes(0)
			u.grouped("dying", c.consumers, c.pending)
			u.destroy("dying")
			if n := u.s.Bytes(0); n != before {
				t.Fatalf("%d bytes without the group, %d before it", n, before)
			}
			u.check()
			u.grouped("dying", 1, 1) // another one
			const budget = 10
			for len(u.graves) > 0 {
				was, left := u.env.Arena.Stats().Allocs, u.buried()
				u.freeBuried(budget)
				freed := int(was - u.env.Arena.Stats().Allocs)
				if freed > budget+idMaxDepth || freed == 0 {
					t.Fatalf("a step of %d frees %d of %d bytes' allocations", budget, freed, left)
				}
				u.check()
			}
		})
	}
}

// While a group's remains wait, the stream is what it is without it: when it is copied, written to a file, moved and freed.
func TestStreamOfDestroyedGroup(t *testing.T) {
	u := newStreamUnderTest(t, 4096, 100)
	for i := range uint64(500) {
		id := StreamID{1, i + 1}
		pairs := []string{"field", fmt.Sprint(i)}
		u.s.Add(id, byteSlices(pairs))
		u.model, u.last, u.added = append(u.model, streamEntry{id, pairs}), id, u.added+1
	}
	u.grouped("a", 3, 100)
	u.grouped("dying", 5, 1000)
	u.grouped("b", 0, 0)
	u.destroy("dying")
	u.freeBuried(20)
	if len(u.graves) != 1 {
		t.Fatal("nothing waits")
	}
	u.check()
	u.copies()
	u.destroy("a")
	u.grouped("a", 2, 40)
	before := maps.Clone(u.groups)
	if u.env.Arena.StartEvacuation(0.5); u.env.Arena.Evacuating() {
		for u.env.Arena.Mark(8) {
		}
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			cursor = u.s.Defrag(cursor, 3)
			u.freeBuried(1)
		}
		u.env.Arena.StopEvacuation()
	}
	u.groups = before
	u.check()
	for !freeStream(u.env, rootRef(u.h), 5) { // the key goes, its groups' remains are still there
	}
	*u.h = MemHolder{}
	u.model, u.last, u.added, u.groups = nil, StreamID{}, 0, nil
	if len(u.graves) == 0 {
		t.Fatal("the remains went with the stream")
	}
	u.check()
}

// Where nobody buries, as with values that are made for one command, all is freed at once.
func TestDestroyedGroupAtOnce(t *testing.T) {
	u := newStreamUnderTest(t, 4096, 100)
	u.env.Bury = nil
	before := 0
	for range 2 {
		u.grouped("g", 100, 30)
		u.destroy("g")
		if u.check(); before != 0 && u.s.Bytes(0) != before {
			t.Fatalf("%d bytes, %d the first time", u.s.Bytes(0), before)
		}
		before = u.s.Bytes(0)
	}
}
