package datatypes

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestZSetMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("1M members")
	}
	u := newZSetUnderTest(t, 128, 64)
	r := rand.New(rand.NewPCG(1, 1))
	var m []byte
	for i := range int64(1_000_000) {
		m = strconv.AppendInt(append(m[:0], 'm'), i+1e8, 10)
		u.z.Add(r.Float64()*1e6, m, 0)
	}
	resident := float64(u.env.Arena.Stats().ResidentBytes) / 1e6
	t.Logf("%.2f bytes per member, %.2f resident", float64(u.z.Bytes(0))/1e6, resident)
	if resident > 50 {
		t.Errorf("%.2f bytes per member", resident)
	}
	u.z.RemoveRanks(0, u.z.Len())
}

func benchZSet(b *testing.B, n int) (*zsetUnderTest, [][]byte) {
	u := newZSetUnderTest(b, 128, 64)
	members := make([][]byte, max(n, 1000))
	r := rand.New(rand.NewPCG(1, 1))
	for i := range members {
		members[i] = fmt.Appendf(nil, "m%09d", i)
	}
	for _, m := range members[:n] {
		u.z.Add(float64(r.IntN(1e6)), m, 0)
	}
	b.Cleanup(func() {
		u.z.RemoveRanks(0, u.z.Len())
		u.model = nil
	})
	b.ReportAllocs()
	b.ResetTimer()
	return u, members
}

func BenchmarkZSetAddNew(b *testing.B) {
	u, _ := benchZSet(b, 0)
	r := rand.New(rand.NewPCG(3, 3))
	var m []byte
	for i := range b.N {
		m = strconv.AppendInt(append(m[:0], 'm'), int64(i)+1e9, 10)
		u.z.Add(r.Float64(), m, 0)
	}
}

func BenchmarkZSetUpdate1M(b *testing.B) {
	u, members := benchZSet(b, 1_000_000)
	r := rand.New(rand.NewPCG(3, 3))
	for range b.N {
		u.z.Add(float64(r.IntN(1e6)), members[r.IntN(len(members))], 0)
	}
}

func BenchmarkZSetRank1M(b *testing.B) {
	u, members := benchZSet(b, 1_000_000)
	r := rand.New(rand.NewPCG(3, 3))
	for range b.N {
		u.z.Rank(members[r.IntN(len(members))], false)
	}
}

func BenchmarkZSetRange100Of1M(b *testing.B) {
	u, _ := benchZSet(b, 1_000_000)
	r := rand.New(rand.NewPCG(3, 3))
	n := 0
	for range b.N {
		for it := u.z.Iter(r.IntN(900_000), 100, false); it.Next(); {
			n += len(it.Member())
		}
	}
}

func BenchmarkZSetPopMin(b *testing.B) {
	u, _ := benchZSet(b, b.N)
	for range b.N {
		for it := u.z.Iter(0, 1, false); it.Next(); {
			_ = it.Member()
		}
		u.z.RemoveRanks(0, 1)
	}
}

func BenchmarkZSetAddPacked(b *testing.B) {
	u, members := benchZSet(b, 60)
	r := rand.New(rand.NewPCG(3, 3))
	for range b.N {
		u.z.Add(float64(r.IntN(1e6)), members[r.IntN(60)], 0)
	}
}
