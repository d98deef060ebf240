package datatypes

import (
	"fmt"
	"testing"

	"larder/datatypes/arena"
)

// Memory per element is reported by the benchmarks named Memory: go test -bench Memory -benchtime 1x

// benchEnv is a shard with nothing in it.
func benchEnv(b *testing.B) *Env {
	w := newWorld(b, 1, DefaultLimits())
	return w.env
}

// drop frees the value so that the world's check for leaks passes.
func drop(env *Env, t Type, h Holder) {
	if h.Enc() == EncRoot {
		for !FreeStep(env, t, rootRef(h), 1<<20) {
		}
	}
}

// perElement reports what n elements take: asked for, rounded to size classes, and resident.
func perElement(b *testing.B, a *arena.Arena, h Holder, n int) {
	s := a.Stats()
	own := len(h.Bytes())
	b.ReportMetric(float64(s.LiveBytes+int64(own))/float64(n), "live-B/elem")
	b.ReportMetric(float64(s.ResidentBytes)/float64(n), "resident-B/elem")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkMemorySet1M(b *testing.B) {
	for b.Loop() {
		env := benchEnv(b)
		var x Set
		m := &MemHolder{}
		x.Bind(env, m)
		for i := range 1_000_000 {
			x.Add(fmt.Appendf(nil, "m%09d", i))
		}
		perElement(b, env.Arena, m, 1_000_000)
		drop(env, TypeSet, m)
	}
}

func BenchmarkMemoryHash(b *testing.B) {
	for _, n := range []int{10, 512, 600, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				env := benchEnv(b)
				var x Hash
				m := &MemHolder{}
				x.Bind(env, m)
				for i := range n {
					x.Set(fmt.Appendf(nil, "field:%010d", i), fmt.Appendf(nil, "v%03d", i%1000), 0)
				}
				perElement(b, env.Arena, m, n)
				drop(env, TypeHash, m)
			}
		})
	}
}

func BenchmarkSet(b *testing.B) {
	for _, n := range []int{100, 1000, 1_000_000} {
		members := make([][]byte, n)
		for i := range members {
			members[i] = fmt.Appendf(nil, "m%09d", i)
		}
		env := benchEnv(b)
		x, m := new(Set), new(MemHolder)
		x.Bind(env, m)
		b.Run(fmt.Sprintf("Add/%d", n), func(b *testing.B) {
			i := n
			for b.Loop() {
				if i == n {
					b.StopTimer()
					drop(env, TypeSet, m)
					*m = MemHolder{}
					x.Bind(env, m)
					i = 0
					b.StartTimer()
				}
				x.Add(members[i])
				i++
			}
		})
		for _, s := range members {
			x.Add(s)
		}
		b.Run(fmt.Sprintf("Has/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				if !x.Has(members[i%n]) {
					b.Fatal(i)
				}
				i += 7919
			}
		})
		b.Run(fmt.Sprintf("Each/%d", n), func(b *testing.B) {
			sum := 0
			for b.Loop() {
				x.Each(func(member []byte) bool { sum += int(member[5]); return true })
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/member")
		})
		b.Run(fmt.Sprintf("Random/%d", n), func(b *testing.B) {
			for b.Loop() {
				x.Random()
			}
		})
		b.Run(fmt.Sprintf("PopAdd/%d", n), func(b *testing.B) {
			dst := make([]byte, 0, 32)
			for b.Loop() {
				s, _ := x.Pop(dst)
				x.Add(s)
			}
		})
		drop(env, TypeSet, m)
	}
}

func BenchmarkHash(b *testing.B) {
	for _, n := range []int{10, 100, 500, 1000, 1_000_000} {
		names := make([][]byte, n)
		for i := range names {
			names[i] = fmt.Appendf(nil, "field:%010d", i)
		}
		env := benchEnv(b)
		x, m := new(Hash), new(MemHolder)
		x.Bind(env, m)
		value := []byte("v123")
		for _, s := range names {
			x.Set(s, value, 0)
		}
		b.Run(fmt.Sprintf("Get/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				if _, ok := x.Get(names[i%n], 0); !ok {
					b.Fatal(i)
				}
				i += 7919
			}
		})
		b.Run(fmt.Sprintf("Set/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				x.Set(names[i%n], value, 0)
				i += 7919
			}
		})
		b.Run(fmt.Sprintf("DelSet/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				x.Del(names[i%n], 0)
				x.Set(names[i%n], value, 0)
				i += 7919
			}
		})
		drop(env, TypeHash, m)
	}
}
