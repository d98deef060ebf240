package datatypes

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"larder/datatypes/invariant"
)

// setModel is a set as it should be, encoding included.
type setModel struct {
	members  map[string]bool
	encoding string
}

func newSet(w *world) (*Set, *testHolder) {
	x := new(Set)
	h := w.holder(TypeSet, func(h Holder) checked {
		x.Bind(w.env, h)
		return x
	})
	return x, h
}

// add keeps the model as Redis 7.2 would have it after SADD of one member.
func (m *setModel) add(limits *Limits, s string) {
	if m.members[s] {
		return
	}
	n := len(m.members)
	_, isInt := ParseInt([]byte(s))
	longest := 0
	for s := range m.members {
		longest = max(longest, len(s))
	}
	m.members[s] = true
	small := n < limits.SetMaxListpackEntries && len(s) <= limits.SetMaxListpackValue
	switch {
	case n == 0 && m.encoding == "":
		switch {
		case isInt && limits.SetMaxIntsetEntries >= 1:
			m.encoding = "intset"
		case small:
			m.encoding = "listpack"
		default:
			m.encoding = "hashtable"
		}
	case m.encoding == "intset" && isInt:
		if n+1 > limits.SetMaxIntsetEntries {
			m.encoding = "hashtable"
		}
	case m.encoding == "intset" && small && longest <= limits.SetMaxListpackValue:
		m.encoding = "listpack"
	case m.encoding == "intset", !small:
		m.encoding = "hashtable"
	}
}

func (m *setModel) same(t *testing.T, x *Set) {
	t.Helper()
	if err := x.Check(); err != nil {
		t.Fatal(err)
	}
	if x.Len() != len(m.members) {
		t.Fatalf("Len %d, want %d", x.Len(), len(m.members))
	}
	if len(m.members) > 0 && x.Encoding() != m.encoding {
		t.Fatalf("encoding %s, want %s", x.Encoding(), m.encoding)
	}
	seen, scanned := map[string]bool{}, map[string]bool{}
	x.Each(func(member []byte) bool {
		if seen[string(member)] || !m.members[string(member)] {
			t.Fatalf("Each gives %q, twice or in error", member)
		}
		seen[string(member)] = true
		return true
	})
	for cursor, calls := uint64(0), 0; cursor != 0 || calls == 0; calls++ {
		cursor = x.Scan(cursor, 7, func(member []byte) {
			if !m.members[string(member)] {
				t.Fatalf("Scan gives %q", member)
			}
			scanned[string(member)] = true
		})
	}
	if len(seen) != len(m.members) || len(scanned) != len(m.members) {
		t.Fatalf("%d members by Each, %d by Scan, want %d", len(seen), len(scanned), len(m.members))
	}
}

func TestSetModel(t *testing.T) {
	forLimits(t, func(t *testing.T, w *world) {
		rounds, steps := 30, 150
		if w.limits.SetMaxListpackEntries > 100 {
			rounds, steps = 8, 2500
		}
		for round := range rounds {
			x, h := newSet(w)
			m := &setModel{members: map[string]bool{}}
			ints := w.r.IntN(3) // 0: from the start anything, 1: integers first, 2: integers only
			for step := range steps {
				s := w.text()
				if w.r.IntN(3) > 0 {
					s = strconv.Itoa(w.r.IntN(1<<w.r.IntN(16)) - 500)
				}
				if ints == 2 || ints == 1 && step < steps/(1+round) {
					s = strconv.FormatInt(w.r.Int64N(1<<w.r.IntN(40)), 10)
				}
				b := []byte(s)
				switch op := w.r.IntN(20); {
				case op < 12:
					if added := x.Add(b); added == m.members[s] {
						t.Fatalf("Add %q: %v", s, added)
					}
					m.add(&w.limits, s)
				case op < 15:
					if gone := x.Remove(b); gone != m.members[s] {
						t.Fatalf("Remove %q: %v", s, gone)
					}
					delete(m.members, s)
				case op < 16:
					got, ok := x.Pop([]byte("popped "))
					if ok != (len(m.members) > 0) || ok && !m.members[string(got[7:])] || string(got[:7]) != "popped " {
						t.Fatalf("Pop: %q %v", got, ok)
					}
					delete(m.members, string(got[7:]))
				default:
					if x.Has(b) != m.members[s] {
						t.Fatalf("Has %q", s)
					}
					if got := x.Random(); got == nil && len(m.members) > 0 || got != nil && !m.members[string(got)] {
						t.Fatalf("Random: %q", got)
					}
				}
				if len(m.members) == 0 {
					w.free(h)
					m.encoding = ""
				}
				if step%(1+steps/50) == 0 {
					m.same(t, x)
				}
			}
			m.same(t, x)
			w.defrag(func(h *testHolder, cursor uint64) uint64 {
				var each Set
				each.Bind(w.env, h)
				return each.Defrag(cursor, 1+w.r.IntN(200))
			})
			m.same(t, x)
			m.copies(t, w, x)
			m.packs(t, w, x)
			for gone := range m.members {
				if !x.Remove([]byte(gone)) {
					t.Fatalf("%q is gone", gone)
				}
			}
			if x.Len() != 0 || len(h.b) != 0 {
				t.Fatalf("%d members, %d bytes left", x.Len(), len(h.b))
			}
		}
	})
}

// copies compares a copy in another shard.
func (m *setModel) copies(t *testing.T, w *world, x *Set) {
	other := newWorld(t, 99, w.limits)
	y, _ := newSet(other)
	copySteps(t, TypeSet, w.env, x.h, other.env, y.h)
	m.same(t, y)
	m.same(t, x)
	if a, b := x.Bytes(0), y.Bytes(0); a < b/2 || b < a/2 {
		t.Fatalf("%d bytes, the copy %d", a, b)
	}
}

// packs sends a compact set through the form that files carry.
func (m *setModel) packs(t *testing.T, w *world, x *Set) {
	load := func(full []byte) *Set {
		y, _ := newSet(w)
		var err error
		if x.Encoding() == "intset" {
			err = y.LoadIntset(full)
		} else {
			err = y.LoadListpack(full)
		}
		if err != nil {
			t.Fatal(err)
		}
		return y
	}
	if x.Encoding() == "hashtable" {
		return
	}
	full := x.AppendCompact(nil)
	m.same(t, load(full))
	if len(m.members) < 2 {
		return
	}
	limits := w.limits
	w.limits.SetMaxIntsetEntries, w.limits.SetMaxListpackEntries = 1, 1
	y := load(full)
	w.limits = limits
	(&setModel{members: m.members, encoding: "hashtable"}).same(t, y)
}

func TestSetLoadRefuses(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	x, _ := newSet(w)
	for _, full := range [][]byte{packed("a", "b", "a"), packed("1", "2", "1"), []byte("hello, world")} {
		if err := x.LoadListpack(full); err == nil || x.Len() != 0 {
			t.Errorf("%x passes", full)
		}
		if err := x.LoadIntset(full); err == nil || x.Len() != 0 {
			t.Errorf("%x passes as an intset", full)
		}
	}
}

// TestSetExample holds the documentation to its word.
func TestSetExample(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	x, h := newSet(w)
	x.Add([]byte("5"))
	x.Add([]byte("1"))
	if got := fmt.Sprintf("% X", h.b); got != "02 01 00 05 00" {
		t.Error(got)
	}
	x.Add([]byte("x"))
	if got := fmt.Sprintf("% X", h.b); got != "03 00 01 01 05 01 81 78 02" {
		t.Error(got)
	}
	e := newMember(w.env.Arena, []byte("apple"))
	if got := fmt.Sprintf("% X", w.env.Arena.Bytes(e, 6)); got != "05 61 70 70 6C 65" {
		t.Error(got)
	}
	freeMember(w.env.Arena, e)
}

// TestSetHint compares with what redis-server 7.2 makes of SADD with n members on a new set, and on one that is there.
func TestSetHint(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	for _, c := range []struct {
		there, first string
		n            int
		intset       int
		want         string
	}{
		{"", "1", 512, 512, "intset"},
		{"", "1", 513, 512, "hashtable"},
		{"", "1", 100, 64, "listpack"},
		{"", "1", 1, 0, "listpack"},
		{"", "x", 128, 512, "listpack"},
		{"", "x", 129, 512, "hashtable"},
		{"1", "2", 512, 512, "intset"},
		{"1", "2", 513, 512, "hashtable"},
		{"x", "2", 128, 512, "listpack"},
		{"x", "2", 129, 512, "hashtable"},
	} {
		w.limits.SetMaxIntsetEntries = 512
		x, _ := newSet(w)
		if c.there != "" {
			x.Add([]byte(c.there))
		}
		w.limits.SetMaxIntsetEntries = c.intset
		x.Hint(c.n, []byte(c.first))
		x.Add([]byte(c.first))
		if x.Encoding() != c.want {
			t.Errorf("%+v: %s", c, x.Encoding())
		}
	}
}

// TestSetLimits stands on both sides of the default limits.
func TestSetLimits(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	fill := func(n int, format string, more ...string) string {
		x, _ := newSet(w)
		for i := range n {
			x.Add(fmt.Appendf(nil, format, i))
		}
		for _, s := range more {
			x.Add([]byte(s))
		}
		return x.Encoding()
	}
	long, longer := string(bytes.Repeat([]byte("x"), 64)), string(bytes.Repeat([]byte("x"), 65))
	for _, c := range []struct{ got, want string }{
		{fill(512, "%d"), "intset"},
		{fill(513, "%d"), "hashtable"},
		{fill(512, "%d", "7"), "intset"},
		{fill(127, "%d", "x"), "listpack"},
		{fill(128, "%d", "x"), "hashtable"},
		{fill(128, "m%d"), "listpack"},
		{fill(129, "m%d"), "hashtable"},
		{fill(128, "m%d", "m5"), "listpack"},
		{fill(1, "m%d", long), "listpack"},
		{fill(1, "m%d", longer), "hashtable"},
		{fill(1, "%d", longer), "hashtable"},
		{fill(0, "", longer), "hashtable"},
	} {
		if c.got != c.want {
			t.Errorf("have %s, want %s", c.got, c.want)
		}
	}
}

func TestSetRandomIsFair(t *testing.T) {
	for _, c := range []struct {
		members, removed int
		format, encoding string
	}{{20, 0, "%d", "intset"}, {20, 0, "m%d", "listpack"}, {600, 0, "m%d", "hashtable"}, {1500, 0, "m%d", "hashtable"}, {3000, 2600, "m%d", "hashtable"}} {
		t.Run(fmt.Sprintf("%s-%d-%d", c.encoding, c.members, c.removed), func(t *testing.T) {
			w := newWorld(t, 6, DefaultLimits())
			x, h := newSet(w)
			fill := func() {
				for i := range c.members {
					x.Add(fmt.Appendf(nil, c.format, i))
				}
				for i := range c.removed {
					x.Remove(fmt.Appendf(nil, c.format, i))
				}
			}
			fill()
			if x.Encoding() != c.encoding {
				t.Fatal(x.Encoding())
			}
			kinds := c.members - c.removed
			one, many, few, most, popped := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
			for range 50 * kinds {
				one[string(x.Random())]++
			}
			x.RandomN(50*kinds, false, func(member []byte) { many[string(member)]++ })
			draw := func(n int, counts map[string]int) {
				seen := map[string]bool{}
				x.RandomN(n, true, func(member []byte) {
					if seen[string(member)] {
						t.Fatalf("%q twice", member)
					}
					seen[string(member)] = true
					counts[string(member)]++
				})
				if len(seen) != min(n, kinds) {
					t.Fatalf("%d of %d drawn, want %d", len(seen), kinds, n)
				}
			}
			for range 200 {
				draw(max(1, kinds/5), few)
				draw(max(1, kinds*3/4), most)
			}
			draw(kinds+5, map[string]int{})
			for range 40 { // the first half of those popped until nothing is left
				for i := range kinds {
					member, ok := x.Pop(nil)
					if !ok {
						t.Fatalf("empty after %d of %d", i, kinds)
					}
					if i < kinds/2 {
						popped[string(member)]++
					}
				}
				w.free(h)
				x.Bind(w.env, h)
				fill()
			}
			fair(t, "Random", one, kinds)
			fair(t, "RandomN", many, kinds)
			fair(t, "RandomN few distinct", few, kinds)
			fair(t, "RandomN most distinct", most, kinds)
			fair(t, "Pop", popped, kinds)
		})
	}
}

// TestSetNoGarbage: reads and writes allocate nothing on the Go heap. (The checks of the invariant build do.)
func TestSetNoGarbage(t *testing.T) {
	if invariant.Enabled {
		return
	}
	for _, format := range []string{"%d", "m%d"} {
		for _, n := range []int{10, 2000} {
			w := newWorld(t, 1, DefaultLimits())
			x := new(Set)
			var m MemHolder
			x.Bind(w.env, &m)
			members := make([][]byte, n)
			for i := range members {
				members[i] = fmt.Appendf(nil, format, i)
				x.Add(members[i])
			}
			i, sum := 0, 0
			sums := func(member []byte) bool {
				sum += len(member)
				return true
			}
			dst := make([]byte, 0, 100)
			if got := testing.AllocsPerRun(200, func() {
				i++
				x.Remove(members[i%n])
				x.Has(members[i%n])
				x.Add(members[i%n])
				x.Random()
				x.Each(sums)
				popped, _ := x.Pop(dst)
				x.Add(popped)
			}); got != 0 {
				t.Errorf("%d members %s: %v allocations", n, format, got)
			}
			if m.Enc() == EncRoot {
				for !FreeStep(w.env, TypeSet, rootRef(&m), 1000) {
				}
			}
		}
	}
}

// TestSetShrinks: a table from which most members were removed gives back most of its memory.
func TestSetShrinks(t *testing.T) {
	w := newWorld(t, 3, DefaultLimits())
	x, _ := newSet(w)
	const n = 40000
	members := make([][]byte, n)
	for i := range members {
		members[i] = fmt.Appendf(nil, "m%d", i)
	}
	for i := 0; i < n; i += stageMax {
		x.Stage(members[i:], 1)
		for _, s := range members[i:min(n, i+stageMax)] {
			x.Add(s)
		}
	}
	full := x.Bytes(0)
	if estimate := x.Bytes(1000); estimate < full*9/10 || estimate > full*11/10 {
		t.Errorf("%d bytes estimated as %d", full, estimate)
	}
	for _, s := range members[n/16:] {
		x.Remove(s)
	}
	if left := x.Bytes(0); left > full/8 {
		t.Errorf("%d of %d bytes left", left, full)
	}
	for _, s := range members[:n/16] {
		if !x.Has(s) {
			t.Fatalf("%s is gone", s)
		}
	}
}
