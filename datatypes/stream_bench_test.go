package datatypes

import (
	"testing"
)

func TestStreamMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("1M entries")
	}
	u := newStreamUnderTest(t, 4096, 100)
	pairs := byteSlices([]string{"temperature", "21.5", "place", "kitchen"})
	g, _ := u.s.CreateGroup([]byte("g"), StreamID{}, 0)
	alice, _ := g.CreateConsumer([]byte("alice"), 0)
	bob, _ := g.CreateConsumer([]byte("bob"), 0)
	id := StreamID{1700000000000, 0}
	for range 1_000_000 {
		id.Ms++
		u.s.Add(id, pairs)
	}
	one := float64(u.env.Arena.Stats().ResidentBytes) / 1e6
	for it := u.s.Iter(StreamID{}, MaxStreamID, false); it.Next(); {
		if g.Advance(it.ID()); it.ID().Ms%3 == 0 {
			alice.Claim(it.ID(), 1, 1)
		} else {
			bob.Claim(it.ID(), 1, 1)
		}
	}
	two := float64(u.env.Arena.Stats().ResidentBytes)/1e6 - one
	t.Logf("%.2f bytes per entry, %.2f per pending entry, resident", one, two)
	if one > 30 || two > 56 {
		t.Errorf("%.2f bytes per entry, %.2f per pending entry", one, two)
	}
	u.s.DestroyGroup([]byte("g"))
	u.s.TrimMaxLen(0, false, 0)
	u.last, u.added = id, 1_000_000
}

func BenchmarkStreamAdd(b *testing.B) {
	u := newStreamUnderTest(b, 4096, 100)
	pairs := byteSlices([]string{"myfield", "012345678901234"})
	id := StreamID{1700000000000, 0}
	b.ReportAllocs()
	for range b.N {
		id.Seq++
		u.s.Add(id, pairs)
	}
	b.StopTimer()
	u.s.TrimMaxLen(0, false, 0)
	u.last, u.added = id, uint64(b.N)
}

func BenchmarkStreamRange100(b *testing.B) {
	u := newStreamUnderTest(b, 4096, 100)
	pairs := byteSlices([]string{"myfield", "012345678901234"})
	id := StreamID{1700000000000, 0}
	for range 100_000 {
		id.Seq++
		u.s.Add(id, pairs)
	}
	b.ReportAllocs()
	b.ResetTimer()
	sum := 0
	for i := range b.N {
		n := 100
		for it := u.s.Iter(StreamID{1700000000000, uint64(i*977) % 99_000}, MaxStreamID, false); n > 0 && it.Next(); n-- {
			for it.Field() {
				sum += len(it.Name()) + len(it.Value())
			}
		}
	}
	b.StopTimer()
	u.s.TrimMaxLen(0, false, 0)
	u.last, u.added = id, 100_000
}

func BenchmarkStreamDeliverAndAck(b *testing.B) {
	u := newStreamUnderTest(b, 4096, 100)
	g, _ := u.s.CreateGroup([]byte("g"), StreamID{}, 0)
	c, _ := g.CreateConsumer([]byte("alice"), 0)
	b.ReportAllocs()
	for i := range b.N {
		c.Claim(StreamID{uint64(i) + 1, 0}, 1, 1)
		if i > 1000 {
			g.Ack(StreamID{uint64(i) - 999, 0})
		}
	}
	b.StopTimer()
	u.s.DestroyGroup([]byte("g"))
}
