package datatypes

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestListMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("1M items")
	}
	for _, c := range []struct {
		name string
		push func(u *listUnderTest, x []byte)
	}{
		{"tail", func(u *listUnderTest, x []byte) { u.l.PushTail(x) }},
		{"head", func(u *listUnderTest, x []byte) { u.l.PushHead(x) }},
		{"both", func(u *listUnderTest, x []byte) { u.l.PushHead(x); u.l.PushTail(x) }},
	} {
		u := newListUnderTest(t, -2)
		x := []byte("0123456789x")[1:]
		for u.l.Len() < 1_000_000 {
			c.push(u, x)
		}
		per := float64(u.l.Bytes(0)) / 1e6
		resident := float64(u.env.Arena.Stats().ResidentBytes) / 1e6
		t.Logf("%s: %.3f bytes per item, %.3f resident", c.name, per, resident)
		if resident > 12.6 {
			t.Errorf("%s: %.3f bytes per item", c.name, resident)
		}
		u.l.Trim(1, 0)
	}
}

func benchList(b *testing.B, n int) *listUnderTest {
	u := newListUnderTest(b, -2)
	for i := range n {
		u.l.PushTail(fmt.Appendf(nil, "item%06d", i%1000000))
	}
	b.Cleanup(func() { u.l.Trim(1, 0); u.model = nil })
	b.ReportAllocs()
	b.ResetTimer()
	return u
}

func BenchmarkListPushTail(b *testing.B) {
	u := benchList(b, 0)
	x := []byte("item-12345")
	for range b.N {
		u.l.PushTail(x)
	}
}

func BenchmarkListPushHead(b *testing.B) {
	u := benchList(b, 0)
	x := []byte("item-12345")
	for range b.N {
		u.l.PushHead(x)
	}
}

func BenchmarkListPopHead(b *testing.B) {
	u := benchList(b, b.N)
	for range b.N {
		u.l.Index(0)
		u.l.DropHead(1)
	}
}

func BenchmarkListPopTail(b *testing.B) {
	u := benchList(b, b.N)
	for range b.N {
		u.l.Index(-1)
		u.l.DropTail(1)
	}
}

func BenchmarkListIndexMiddle1M(b *testing.B) {
	u := benchList(b, 1_000_000)
	for i := range b.N {
		u.l.Index(400_000 + i%200_000)
	}
}

func BenchmarkListSetMiddle1M(b *testing.B) {
	u := benchList(b, 1_000_000)
	x := []byte("item-12345x")
	for i := range b.N {
		u.l.Set(400_000+i*7919%200_000, x[:10+i&1])
	}
}

func BenchmarkListInsertAtRandom1M(b *testing.B) {
	u := benchList(b, 1_000_000)
	x := []byte("item-12345")
	r := rand.New(rand.NewPCG(1, 1))
	for range b.N {
		u.l.InsertAt(r.IntN(u.l.Len()), x)
	}
	b.ReportMetric(float64(u.l.Bytes(0))/float64(u.l.Len()), "B/item")
}

func BenchmarkListRange100(b *testing.B) {
	u := benchList(b, 1_000_000)
	n := 0
	for range b.N {
		for it, _ := u.l.Range(0, 99); it.Next(); {
			n += len(it.Bytes())
		}
	}
}
