package datatypes

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// shownElements is what a walk has shown.
type shownElements struct {
	t    *testing.T
	all  map[string]string
	last *string // the sorted set's member before, if they have to descend
	at   float64
}

func (s *shownElements) put(name, value string) {
	if _, twice := s.all[name]; twice {
		s.t.Fatalf("%q is shown twice", name)
	}
	s.all[name] = value
}

func (s *shownElements) Field(name, value []byte, at int64) {
	s.put(string(name), fmt.Sprintf("%s %d", value, at))
}

func (s *shownElements) Block([]byte) {}

func (s *shownElements) Node(StreamID, []byte) {}

func (s *shownElements) Member(member []byte) { s.put(string(member), "") }

func (s *shownElements) Scored(member []byte, score float64) {
	if s.last != nil && (score > s.at || score == s.at && string(member) > *s.last) && len(s.all) > 0 {
		s.t.Fatalf("%v %q is shown behind %v %q", score, member, s.at, *s.last)
	}
	if s.last != nil {
		*s.last, s.at = string(member), score
	}
	s.put(string(member), fmt.Sprint(score))
}

// walked is a value of one of the types with what a walk is about.
type walked struct {
	t    Type
	hash Hash
	set  Set
	zset ZSet
}

func (w *walked) elements() map[string]string {
	all := map[string]string{}
	switch w.t {
	case TypeHash:
		w.hash.Each(0, func(name, value []byte, at int64) bool {
			all[string(name)] = fmt.Sprintf("%s %d", value, at)
			return true
		})
	case TypeSet:
		w.set.Each(func(member []byte) bool { all[string(member)] = ""; return true })
	default:
		w.zset.Each(func(member []byte, score float64) bool { all[string(member)] = fmt.Sprint(score); return true })
	}
	return all
}

// change does something to random elements; scores are few, so that many are equal.
func (w *walked) change(r *rand.Rand, space int) {
	name := fmt.Appendf(nil, "element %d", r.IntN(space))
	switch w.t {
	case TypeHash:
		switch r.IntN(6) {
		case 0:
			w.hash.Del(name, 1)
		case 1:
			w.hash.SetWithExpire(name, name, 5+r.Int64N(20), 1)
		case 2:
			w.hash.SetExpire(name, r.Int64N(2)*(5+r.Int64N(20)), 1)
		case 3:
			w.hash.DeleteExpired(6+r.Int64N(3), 1+r.IntN(10), func([]byte) {})
		default:
			w.hash.Set(name, bytes.Repeat(name[8:], r.IntN(30)), 1)
		}
	case TypeSet:
		switch r.IntN(4) {
		case 0:
			w.set.Remove(name)
		case 1:
			w.set.Pop(nil)
		default:
			w.set.Add(name)
		}
	default:
		switch r.IntN(8) {
		case 0:
			w.zset.Remove(name)
		case 1:
			if n := w.zset.Len(); n > 0 && r.IntN(10) == 0 {
				from := r.IntN(n)
				w.zset.RemoveRanks(from, 1+r.IntN(min(n-from, 40)))
			}
		case 2:
			w.zset.Add(float64(r.IntN(9)-4), name, ZAddIncr)
		default:
			w.zset.Add(float64(r.IntN(40)), name, 0)
		}
	}
}

// A walk shows the elements of its moment, each once, whatever is done to the value meanwhile, until it is gone.
func TestWalkShowsTheMoment(t *testing.T) {
	forLimits(t, func(t *testing.T, w *world) {
		rounds := 60
		if testing.Short() {
			rounds = 15
		}
		for round := range rounds {
			typ := []Type{TypeHash, TypeSet, TypeZSet}[round%3]
			v := &walked{t: typ}
			h := w.holder(typ, func(h Holder) checked {
				switch typ {
				case TypeHash:
					v.hash.Bind(w.env, h)
					return &v.hash
				case TypeSet:
					v.set.Bind(w.env, h)
					return &v.set
				}
				v.zset.Bind(w.env, h)
				return &v.zset
			})
			space := []int{10, 100, 3000}[w.r.IntN(3)]
			for range space * 2 {
				v.change(w.r, space)
			}
			if typ == TypeHash {
				if round%2 == 0 { // the last expiry goes
					for name := range v.elements() {
						v.hash.SetExpire([]byte(name), 0, 0)
					}
				}
				expires := false
				v.hash.Each(0, func(_, _ []byte, at int64) bool { expires = expires || at != 0; return true })
				if v.hash.AnyExpires() != expires {
					t.Fatalf("a field expires: %v, told is %v", expires, !expires)
				}
			}
			size := WalkSize(typ, w.env, h)
			if size == 0 {
				continue
			}
			want := v.elements()
			if size != len(want) {
				t.Fatalf("%d elements are said to be %d", len(want), size)
			}
			busy := round%4 != 0
			shown := &shownElements{t: t, all: map[string]string{}}
			if !busy {
				shown.last = new(string)
			}
			walk := BeginWalk(typ, w.env, h)
			h.before = func(member []byte) { walk.Before(w.env, h, member, shown) }
			emptied := false
			for !walk.Over() && !emptied {
				walk.Step(w.env, h, 1+w.r.IntN(100), shown)
				if busy {
					for range w.r.IntN(50) {
						v.change(w.r, space)
					}
				}
				if busy && w.r.IntN(200) == 0 {
					for len(v.elements()) > 0 {
						for name := range v.elements() {
							switch typ {
							case TypeHash:
								v.hash.Del([]byte(name), 0)
							case TypeSet:
								v.set.Remove([]byte(name))
							default:
								v.zset.RemoveRanks(0, v.zset.Len())
							}
						}
					}
				}
				emptied = h.Enc() != EncRoot
			}
			h.before = nil
			if !maps.Equal(shown.all, want) || walk.Left() != 0 {
				t.Fatalf("%v: %d elements of %d are shown as they were, %d are left", typ, len(shown.all), len(want), walk.Left())
			}
			w.free(h)
		}
	})
}

// A command that changes one element has about a granule shown, however large the value.
func TestWalkBeforeIsSmall(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	var z ZSet
	h := w.holder(TypeZSet, func(h Holder) checked { z.Bind(w.env, h); return &z })
	const n = 50000
	for i := range n {
		z.Add(float64(i), fmt.Appendf(nil, "member %d", i), 0)
	}
	shown := &shownElements{t: t, all: map[string]string{}}
	walk := BeginWalk(TypeZSet, w.env, h)
	h.before = func(member []byte) { walk.Before(w.env, h, member, shown) }
	most := 0
	for i := range 1000 {
		before := len(shown.all)
		z.Add(-1, fmt.Appendf(nil, "member %d", i*37), 0)
		most = max(most, len(shown.all)-before)
	}
	if len(shown.all) < 1000 || most > 10*walkGranule {
		t.Errorf("1000 changes have shown %d elements, one of them %d", len(shown.all), most)
	}
	before := len(shown.all)
	walk.Step(w.env, h, 100, shown)
	if n := len(shown.all) - before; n > 100 {
		t.Errorf("a step of 100 has shown %d", n)
	}
	h.before = nil
	for !walk.Over() {
		walk.Step(w.env, h, 1000, shown)
	}
	if len(shown.all) != n {
		t.Errorf("%d of %d were shown", len(shown.all), n)
	}
}
