package arena

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func BenchmarkAllocFree(b *testing.B) {
	for _, size := range []int{16, 48, 200, 1000, 4096, 100_000} {
		b.Run(fmt.Sprint("hot/", size), func(b *testing.B) {
			a, _ := New(Options{})
			defer a.Close()
			var r [64]Ref
			for i := range r {
				r[i] = a.Alloc(size)
			}
			for i := 0; b.Loop(); i++ {
				a.Free(r[i&63], size)
				r[i&63] = a.Alloc(size)
			}
		})
	}
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint("churn/", n), func(b *testing.B) {
			a, _ := New(Options{})
			defer a.Close()
			rnd := rand.New(rand.NewPCG(1, 1))
			live := make([]Ref, n)
			size := make([]uint8, n)
			for i := range live {
				size[i] = uint8(20 + rnd.IntN(100))
				live[i] = a.Alloc(int(size[i]))
			}
			for b.Loop() {
				i := rnd.IntN(n)
				a.Free(live[i], int(size[i]))
				size[i] = uint8(20 + rnd.IntN(100))
				live[i] = a.Alloc(int(size[i]))
			}
			s := a.Stats()
			b.ReportMetric(float64(s.ResidentBytes)/float64(s.LiveBytes), "resident/live")
			b.ReportMetric(float64(s.LiveBytes)/float64(s.AskedBytes), "live/asked")
		})
	}
}

// Growing is bound by the system, which has to provide the pages.
func BenchmarkGrow(b *testing.B) {
	a, _ := New(Options{})
	defer func() { a.Close() }()
	for i := 0; b.Loop(); i++ {
		if i&(1<<24-1) == 1<<24-1 {
			b.StopTimer()
			a.Close()
			a, _ = New(Options{})
			b.StartTimer()
		}
		a.Bytes(a.Alloc(48), 1)[0] = 1
	}
}

func BenchmarkPrefetch(b *testing.B) {
	a, _ := New(Options{})
	defer a.Close()
	r := a.Alloc(64)
	for b.Loop() {
		a.Prefetch(r)
	}
}

func BenchmarkStats(b *testing.B) {
	a, _ := New(Options{})
	defer a.Close()
	for b.Loop() {
		_ = a.Stats()
	}
}
