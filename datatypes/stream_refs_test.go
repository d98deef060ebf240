package datatypes

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestStreamRefs compares what groups need, and what is pending for how long, with a plain model.
func TestStreamRefs(t *testing.T) {
	type delivery struct{ at, count int64 }
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 17))
		env, h := listShard(t), &MemHolder{}
		env.Limits.StreamNodeMaxEntries = 4
		var s Stream
		s.Bind(env, h)
		entries := map[uint64]bool{}
		var groups [2]StreamGroup
		pending := [2]map[uint64]delivery{{}, {}}
		read := [2]uint64{}
		for i, name := range []string{"g", "h"} {
			groups[i], _ = s.CreateGroup([]byte(name), StreamID{}, 0)
			groups[i].CreateConsumer([]byte("bob"), 0)
			groups[i].CreateConsumer([]byte("eve"), 0)
		}
		now, last := int64(1000), uint64(0)
		needed := func(id uint64) bool {
			for i := range groups {
				if _, is := pending[i][id]; is || id > read[i] {
					return true
				}
			}
			return false
		}
		for range 2000 {
			now += rnd.Int64N(3)
			i := rnd.IntN(2)
			g := groups[i]
			id := rnd.Uint64N(last+1) + 1
			switch rnd.IntN(8) {
			case 0, 1:
				last++
				s.Add(StreamID{Seq: last}, [][]byte{[]byte("f"), []byte("v")})
				entries[last] = true
			case 2:
				if s.Delete(StreamID{Seq: id}) != entries[id] {
					t.Fatal("the model is wrong")
				}
				delete(entries, id)
			case 3:
				if read[i] < last {
					read[i]++
					g.SetLastID(StreamID{Seq: read[i]})
				}
			case 4, 5:
				who := g.ConsumerAt(rnd.IntN(2))
				d := delivery{now - rnd.Int64N(50), rnd.Int64N(5)}
				who.Claim(StreamID{Seq: id}, d.at, d.count)
				pending[i][id] = d
			case 6:
				g.Ack(StreamID{Seq: id})
				delete(pending[i], id)
			default:
				to, most := now-rnd.Int64N(60), rnd.IntN(6)
				var want []uint64
				next := int64(math.MaxInt64)
				for id, d := range pending[i] {
					next = min(next, d.at)
					if d.at <= to {
						want = append(want, id)
					}
				}
				slices.SortFunc(want, func(a, b uint64) int {
					if c := pending[i][a].at - pending[i][b].at; c != 0 {
						return int(c)
					}
					return int(a) - int(b)
				})
				if most > 0 && len(want) > most {
					want = want[:most]
				}
				list, bound := g.DeliveredBy(to, most, nil)
				got := []uint64(nil)
				for _, e := range list {
					got = append(got, e.ID.Seq)
					if d := pending[i][e.ID.Seq]; e.DeliveredAt != d.at || e.Deliveries != d.count {
						t.Fatalf("seed %d: %+v, want %+v", seed, e, d)
					}
				}
				if !slices.Equal(got, want) || bound > next || len(want) > 0 && bound != next {
					t.Fatalf("seed %d: delivered by %d, at most %d: %v and %d, want %v and %d", seed, to, most, got, bound, want, next)
				}
				if again, exact := g.DeliveredBy(to, most, nil); len(again) != len(list) || exact < bound {
					t.Fatalf("seed %d: the second time %d and %d", seed, len(again), exact)
				}
			}
			if got := s.Needed(StreamID{Seq: id}); got != needed(id) {
				t.Fatalf("seed %d: %d is needed: %v", seed, id, got)
			}
			if rnd.IntN(10) == 0 {
				limit, most := rnd.IntN(10), rnd.IntN(5)
				var want []StreamID
				looked := 0
				for k := uint64(1); k <= min(id, read[0], read[1]) && len(want) < most && (limit == 0 || looked < limit); k++ {
					if !entries[k] {
						continue
					}
					if looked++; !needed(k) {
						want = append(want, StreamID{Seq: k})
					}
				}
				if got := s.Unneeded(StreamID{Seq: id}, most, limit, nil); !slices.Equal(got, want) {
					t.Fatalf("seed %d: %v are not needed, want %v", seed, got, want)
				}
			}
		}
		if err := s.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for !freeStream(env, rootRef(h), 5) {
		}
	}
}

// TestDeliveredByOfMany has more pending entries than are looked at each time: what is wanted comes in some order, all of it once.
func TestDeliveredByOfMany(t *testing.T) {
	env, h := listShard(t), &MemHolder{}
	var s Stream
	s.Bind(env, h)
	g, _ := s.CreateGroup([]byte("g"), StreamID{}, 0)
	dead, _ := g.CreateConsumer([]byte("dead"), 0)
	heir, _ := g.CreateConsumer([]byte("heir"), 0)
	const many, young = 5*fewPending + 7, fewPending + 3
	for i := range uint64(many) {
		at := int64(1000)
		if i < young { // these are older by ID and were delivered later
			at = 5000
		}
		dead.Claim(StreamID{Ms: i}, at, 1)
	}
	var list []Pending
	seen, calls := map[StreamID]bool{}, 0
	for {
		var next_ms int64
		list, next_ms = g.DeliveredBy(3000, 10, list[:0])
		if len(list) == 0 {
			if next_ms != 5000 {
				t.Errorf("the first one was delivered at %d", next_ms)
			}
			break
		}
		if calls++; len(list) > 10 || next_ms > 1000 {
			t.Fatalf("%d of them, the first one delivered at %d", len(list), next_ms)
		}
		for _, e := range list {
			if seen[e.ID] || e.DeliveredAt != 1000 || e.Consumer.Same(heir) {
				t.Fatalf("%+v was not to be had", e)
			}
			seen[e.ID] = true
			heir.Claim(e.ID, 6000, 2)
		}
	}
	if len(seen) != many-young || calls != (many-young+9)/10 {
		t.Errorf("%d of %d entries in %d calls", len(seen), many-young, calls)
	}
	if all, _ := g.DeliveredBy(5000, 0, nil); len(all) != young || !all[0].ID.Less(all[1].ID) {
		t.Errorf("%d of %d are left", len(all), young)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	for !freeStream(env, rootRef(h), 5) {
	}
}
