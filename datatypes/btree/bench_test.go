package btree

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"larder/datatypes/arena"
)

// filled is a tree of n elements with members of ten bytes, inserted in random order, and its elements.
func filled(b *testing.B, n, ties int) (*arena.Arena, Tree, []arena.Ref, []float64) {
	a, err := arena.New(arena.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(a.Close)
	m := &model{t: b, a: a}
	t := New(a, members{})
	rnd := rand.New(rand.NewPCG(1, 1))
	refs, scores := make([]arena.Ref, n), make([]float64, n)
	for i := range refs {
		refs[i], scores[i] = m.member(fmt.Sprintf("%010d", i)), float64(rnd.IntN(ties))
		t.Insert(scores[i], refs[i])
	}
	return a, t, refs, scores
}

func BenchmarkTree(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		for _, ties := range []int{1, 1000, 1 << 40} {
			b.Run(fmt.Sprintf("n=%d/scores=%d", n, ties), func(b *testing.B) {
				_, t, refs, scores := filled(b, n, ties)
				rnd := rand.New(rand.NewPCG(2, 2))
				b.Run("rank", func(b *testing.B) {
					for b.Loop() {
						i := rnd.IntN(n)
						t.Rank(scores[i], refs[i])
					}
				})
				b.Run("at", func(b *testing.B) {
					for b.Loop() {
						c := t.At(rnd.IntN(n))
						_ = c.Ref()
					}
				})
				b.Run("countless", func(b *testing.B) {
					for b.Loop() {
						t.CountLess(scores[rnd.IntN(n)], true)
					}
				})
				b.Run("delete+insert", func(b *testing.B) {
					for b.Loop() {
						i := rnd.IntN(n)
						t.Delete(scores[i], refs[i])
						t.Insert(scores[i], refs[i])
					}
				})
				b.Run("update", func(b *testing.B) {
					for b.Loop() {
						i := rnd.IntN(n)
						s := scores[i] + 1
						t.Update(scores[i], refs[i], s)
						scores[i] = s
					}
				})
				b.Run("walk100", func(b *testing.B) {
					for b.Loop() {
						c := t.At(rnd.IntN(n - 100))
						for range 100 {
							_ = c.Ref()
							c.Next()
						}
					}
				})
				b.ReportMetric(float64(t.Bytes())/float64(n), "bytes/element")
			})
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	for _, order := range []string{"random", "ascending"} {
		b.Run(order, func(b *testing.B) {
			a, _ := arena.New(arena.Options{})
			defer a.Close()
			m := &model{t: b, a: a}
			x := m.member("member")
			t := New(a, members{})
			rnd := rand.New(rand.NewPCG(1, 1))
			for i := 0; b.Loop(); i++ {
				s := float64(i)
				if order == "random" {
					s = rnd.Float64()
				}
				t.Insert(s, x)
			}
			b.ReportMetric(float64(t.Bytes())/float64(t.Len()), "bytes/element")
		})
	}
}
