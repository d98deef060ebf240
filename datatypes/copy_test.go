package datatypes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"larder/datatypes/listpack"
)

// copySteps copies a value as keyspace does, in steps of random sizes. What the value is made of is moved in between.
func copySteps(t testing.TB, typ Type, fromEnv *Env, from Holder, toEnv *Env, to Holder) {
	t.Helper()
	if from.Enc() != EncRoot {
		copy(to.Resize(len(from.Bytes())), from.Bytes())
		to.SetEnc(from.Enc())
		return
	}
	a := fromEnv.Arena
	r := rand.New(rand.NewPCG(1, uint64(a.Stats().Allocs)))
	evacuating := a.Evacuating() // by the test
	if !evacuating && a.StartEvacuation(1.05) > 0 {
		for a.Mark(1 << 20) {
		}
	}
	c, cursor := Copier{}, uint64(0)
	for !c.Step(typ, fromEnv, from, toEnv, to, 1+r.IntN(300)) {
		if a.Evacuating() && r.IntN(2) == 0 {
			cursor = defragStep(typ, fromEnv, from, cursor, 1+r.IntN(200))
		}
	}
	if !evacuating {
		a.StopEvacuation()
	}
}

func defragStep(typ Type, env *Env, h Holder, cursor uint64, budget int) uint64 {
	switch typ {
	case TypeHash:
		var x Hash
		x.Bind(env, h)
		return x.Defrag(cursor, budget)
	case TypeSet:
		var x Set
		x.Bind(env, h)
		return x.Defrag(cursor, budget)
	case TypeList:
		var x List
		x.Bind(env, h)
		return x.Defrag(cursor, budget)
	case TypeZSet:
		var x ZSet
		x.Bind(env, h)
		return x.Defrag(cursor, budget)
	}
	var x Stream
	x.Bind(env, h)
	return x.Defrag(cursor, budget)
}

// large is a world with one value of n elements of each type that has a structure, sparse enough to be defragmented.
func large(t *testing.T, n int) (w *world, values map[Type]*testHolder) {
	w = newWorld(t, 1, DefaultLimits())
	var hash Hash
	var set Set
	var list List
	var zset ZSet
	var stream Stream
	values = map[Type]*testHolder{
		TypeHash:   w.holder(TypeHash, func(h Holder) checked { hash.Bind(w.env, h); return &hash }),
		TypeSet:    w.holder(TypeSet, func(h Holder) checked { set.Bind(w.env, h); return &set }),
		TypeList:   w.holder(TypeList, func(h Holder) checked { list.Bind(w.env, h); return &list }),
		TypeZSet:   w.holder(TypeZSet, func(h Holder) checked { zset.Bind(w.env, h); return &zset }),
		TypeStream: w.holder(TypeStream, func(h Holder) checked { stream.Bind(w.env, h); return &stream }),
	}
	far := slices.Repeat([]byte("far"), farValue)
	for i := range 3 * n {
		name := fmt.Appendf(nil, "element:%d", i)
		value := fmt.Append(nil, i*7)
		if i%5000 == 1 {
			value = far
		}
		hash.Set(name, value, 0)
		if i%3 == 0 {
			hash.SetExpire(name, int64(1_000_000+i), 0)
		}
		set.Add(name)
		zset.Add(float64(w.r.IntN(n)), name, 0)
		list.PushTail(name)
		stream.Add(StreamID{uint64(1 + i/4), uint64(i % 4)}, [][]byte{[]byte("field"), name})
	}
	for i := range 3 * n {
		if name := fmt.Appendf(nil, "element:%d", i); i%3 == 2 {
			hash.Del(name, 0)
			set.Remove(name)
			zset.Remove(name)
		}
	}
	for g := range 40 {
		group, _ := stream.CreateGroup(fmt.Appendf(nil, "group:%d", g), StreamID{uint64(g), 0}, int64(g))
		for k := range g % 7 {
			consumer, _ := group.CreateConsumer(fmt.Appendf(nil, "consumer:%d", k), int64(k))
			consumer.SetActiveTime(int64(k + 1))
			for p := range n / 100 * (g % 3) {
				consumer.Claim(StreamID{uint64(1 + p), uint64(k)}, int64(p), int64(g))
			}
		}
	}
	return w, values
}

// TestCopierIsBounded: no step does much more than it was told to, whatever is copied, and a copy that is not wanted any more
// can be freed after any step.
func TestCopierIsBounded(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 4000
	}
	w, values := large(t, n)
	for typ, from := range values {
		t.Run(typ.String(), func(t *testing.T) {
			other := newWorld(t, 2, DefaultLimits())
			for _, budget := range []int{1, 20, 250, 5000} {
				for _, until := range []int{1, 3, 40, 1 << 30} {
					var c Copier
					to := &MemHolder{}
					most := 0
					for step := 0; step < until; step++ {
						before := other.env.Arena.Stats().Allocs
						done := c.Step(typ, w.env, from, other.env, to, budget)
						made := int(other.env.Arena.Stats().Allocs - before)
						most = max(most, made)
						if done {
							break
						}
					}
					// A segment of a table has eight blocks and may bring a page of the directory.
					if limit := 2*budget + 64; most > limit {
						t.Errorf("in steps of %d: one makes %d allocations", budget, most)
					}
					if to.Enc() == EncRoot {
						for !FreeStep(other.env, typ, rootRef(to), 100) {
						}
					}
				}
			}
			if n := other.env.Arena.Stats().Allocs; n != 0 {
				t.Errorf("%d allocations are left", n)
			}
		})
	}
}

// TestCopierCopies compares what is copied with what was there, down to the bytes, while that is moved about.
func TestCopierCopies(t *testing.T) {
	w, values := large(t, 4000)
	for _, same := range []bool{true, false} {
		for typ, from := range values {
			t.Run(fmt.Sprintf("%v/same arena %v", typ, same), func(t *testing.T) {
				env := w.env
				if !same {
					env = newWorld(t, 2, DefaultLimits()).env
				}
				to := &MemHolder{}
				copySteps(t, typ, w.env, from, env, to)
				if a, b := digest(t, typ, w.env, from), digest(t, typ, env, to); a != b {
					t.Errorf("%s becomes %s", a, b)
				}
				for !FreeStep(env, typ, rootRef(to), 100) {
				}
			})
		}
	}
}

// digest is all that a value says of itself, in order where there is one, after a check.
func digest(t *testing.T, typ Type, env *Env, h Holder) string {
	t.Helper()
	sum, n := uint64(0), 0
	add := func(ordered bool, parts ...any) {
		if n++; ordered {
			parts = append(parts, n)
		}
		sum += testHash(fmt.Append(nil, parts...))
	}
	var value checked
	switch typ {
	case TypeHash:
		var x Hash
		x.Bind(env, h)
		x.Each(0, func(name, value []byte, at_ms int64) bool {
			add(false, string(name), string(value), at_ms)
			return true
		})
		add(false, x.MinExpire())
		value = &x
	case TypeSet:
		var x Set
		x.Bind(env, h)
		x.Each(func(member []byte) bool { add(false, string(member)); return true })
		value = &x
	case TypeZSet:
		var x ZSet
		x.Bind(env, h)
		x.Each(func(member []byte, score float64) bool { add(true, string(member), score); return true })
		value = &x
	case TypeList:
		var x List
		x.Bind(env, h)
		x.Each(func(e listpack.Elem) bool { add(true, string(e.Append(nil))); return true })
		value = &x
	case TypeStream:
		var x Stream
		x.Bind(env, h)
		x.EachNode(func(master StreamID, b []byte) bool { add(true, master, string(b)); return true })
		add(true, x.Len(), x.LastID(), *x.head().counters())
		for i := range x.GroupCount() {
			g := x.GroupAt(i)
			add(true, string(g.Name()), g.LastID(), g.EntriesRead())
			for it := g.PendingIter(StreamID{}, MaxStreamID); it.Next(); {
				e := it.Entry()
				add(true, e.ID, e.DeliveredAt, e.Deliveries, string(e.Consumer.Name()))
			}
			for k := range g.ConsumerCount() {
				c := g.ConsumerAt(k)
				add(true, string(c.Name()), c.SeenTime(), c.ActiveTime())
			}
		}
		value = &x
	}
	if err := value.Check(); err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%v of %d: %x", typ, n, sum)
}

// counters is what a stream counts.
func (h *streamHead) counters() *[4]StreamID {
	return &[4]StreamID{{h.length, h.added}, h.first, h.last, h.maxDeleted}
}
