package keyspace

import (
	"fmt"
	"testing"

	"larder/datatypes"
)

// groupedStream makes a stream with a group of which so many entries are pending.
func groupedStream(v *View, key, group string, pending int) {
	s, _ := v.EditStream([]byte(key))
	s.CreateGroup([]byte("other"), datatypes.StreamID{}, 0)
	g, _ := s.CreateGroup([]byte(group), datatypes.StreamID{}, 0)
	c, _ := g.CreateConsumer([]byte("bob"), 1)
	for i := range pending {
		c.Claim(datatypes.StreamID{Ms: uint64(i + 1)}, 1, 1)
	}
	v.Settle()
}

// Of a destroyed group nothing is left after some steps of Bury, though nobody touches its stream any more, and whatever becomes
// of the stream meanwhile.
func TestDestroyedGroupIsBuried(t *testing.T) {
	const many = 20000 // of pending entries, a thousand allocations
	for what, meanwhile := range map[string]func(t *testing.T, v *View){
		"nothing":      func(*testing.T, *View) {},
		"delete":       func(_ *testing.T, v *View) { v.Delete([]byte("s")) },
		"flush":        func(_ *testing.T, v *View) { v.Flush(0) },
		"rename":       func(_ *testing.T, v *View) { v.Rename([]byte("s"), []byte("to")) },
		"another such": func(_ *testing.T, v *View) { groupedStream(v, "s", "dying", many) },
		"copy": func(t *testing.T, v *View) {
			v.Copy([]byte("s"), []byte("to"), 0)
			if from, to := v.ShardOf([]byte("s")), v.ShardOf([]byte("to")); from != to && to.Buried() != 0 {
				t.Error("the remains are copied")
			}
		},
		"exchange": func(t *testing.T, v *View) {
			o, err := v.ks.Fresh(2)
			if err != nil {
				t.Fatal(err)
			}
			o.Lock(o.All())
			v.ks.Exchange(o)
			v.ks.ReserveMany(v.ks.All(), 1<<20, 10000)
			groupedStream(v, "s", "dying", many)
			s, _ := v.EditStream([]byte("s"))
			s.DestroyGroup([]byte("dying")) // goes to the graves of where it is now
			if v.ks.Graves() == 0 || o.Graves() == 0 {
				t.Errorf("graves %b and %b", v.ks.Graves(), o.Graves())
			}
			o.Unlock(o.All())
			o.Close()
		},
		"defrag": func(_ *testing.T, v *View) {
			for i := range v.ks.Shards() {
				s := v.ks.Shard(i)
				for s.StartDefrag(); s.Defrag(10); {
				}
			}
		},
	} {
		for _, shards := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, %d shards", what, shards), func(t *testing.T) {
				ks := newKeyspace(t, shards)
				v := NewView(ks)
				v.Now = 1000
				v.Take(ks.All())
				defer v.ResetEvents()
				defer v.Release()
				ks.ReserveMany(ks.All(), 4<<20, 50000)
				groupedStream(v, "s", "dying", many)
				s, _ := v.EditStream([]byte("s"))
				whole := s.Bytes(0)
				s.DestroyGroup([]byte("dying"))
				v.Settle()
				if n := s.Bytes(0); n > 1000 || whole < many*40 {
					t.Fatalf("the stream has %d bytes of %d", n, whole)
				}
				if ks.Graves() == 0 || v.ShardOf([]byte("s")).Buried() != 1 {
					t.Fatal("nothing waits")
				}
				check := func() {
					t.Helper()
					if err := ks.Check(); err != nil {
						t.Fatal(err)
					}
				}
				check()
				meanwhile(t, v)
				v.Settle()
				v.Release() // so that what is used is counted
				v.Take(ks.All())
				for i := range ks.Shards() {
					s := ks.Shard(i)
					for more := s.Buried() > 0; more; {
						was := s.arena.Stats().Allocs
						more = s.Bury(freeAtOnce)
						if n := was - s.arena.Stats().Allocs; n > 2*freeAtOnce {
							t.Fatalf("a step frees %d allocations", n)
						}
						check()
					}
				}
				if ks.Graves() != 0 {
					t.Error("something waits still")
				}
			})
		}
	}
}

// A group that is small goes with the command, a larger one waits.
func TestSmallGroupWaitsForNobody(t *testing.T) {
	ks := newKeyspace(t, 1)
	v := NewView(ks)
	v.Now = 1000
	v.Take(ks.All())
	defer v.ResetEvents()
	defer v.Release()
	waited := false
	for pending := 0; pending < 3000; pending += 50 {
		ks.ReserveMany(ks.All(), 1<<20, 10000)
		groupedStream(v, "s", "g", pending)
		s, _ := v.EditStream([]byte("s"))
		s.DestroyGroup([]byte("g"))
		v.Settle()
		waits := ks.shards[0].Buried() > 0
		if waits && pending < 500 || waited && !waits {
			t.Errorf("with %d pending: waits %v", pending, waits)
		}
		waited = waits
		for ks.shards[0].Bury(freeAtOnce) {
		}
		if err := ks.Check(); err != nil {
			t.Fatal(err)
		}
	}
	if !waited {
		t.Error("none waits")
	}
}
