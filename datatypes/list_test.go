package datatypes

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/datatypes/arena"
	"larder/datatypes/invariant"
	"larder/datatypes/listpack"
)

// listShard is an empty shard; at the end of the test its arena must be sound and hold nothing.
func listShard(tb testing.TB) *Env {
	a, err := arena.New(arena.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	limits := DefaultLimits()
	tb.Cleanup(func() {
		if err := a.Check(); err != nil {
			tb.Error(err)
		}
		if s := a.Stats(); !tb.Failed() && s.Allocs != 0 {
			tb.Errorf("%d allocations are left", s.Allocs)
		}
		a.Close()
	})
	return &Env{Arena: a, Limits: &limits, Hash: hashForTest, Rand: rand.NewPCG(1, 2)}
}

func hashForTest(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>29
}

// listUnderTest is a list and its model.
type listUnderTest struct {
	t     testing.TB
	env   *Env
	h     *MemHolder
	l     List
	model [][]byte
}

func newListUnderTest(t testing.TB, limit int) *listUnderTest {
	u := &listUnderTest{t: t, env: listShard(t), h: &MemHolder{}}
	u.env.Limits.ListMaxListpackSize = limit
	u.l.Bind(u.env, u.h)
	t.Cleanup(func() {
		u.check()
		if u.h.Enc() == EncRoot {
			for !freeList(u.env, rootRef(u.h), 3) {
			}
		}
	})
	return u
}

// check compares the whole list with its model.
func (u *listUnderTest) check() {
	u.t.Helper()
	if err := u.l.Check(); err != nil {
		u.t.Fatal(err)
	}
	if u.l.Len() != len(u.model) {
		u.t.Fatalf("Len %d, want %d", u.l.Len(), len(u.model))
	}
	i := 0
	u.l.Each(func(e listpack.Elem) bool {
		if !e.Equal(u.model[i]) {
			u.t.Fatalf("item %d is %.40q, want %.40q", i, e.Append(nil), u.model[i])
		}
		i++
		return true
	})
	if i != len(u.model) {
		u.t.Fatalf("Each gives %d items of %d", i, len(u.model))
	}
	if b, s := u.l.Bytes(0), u.env.Arena.Stats(); int64(b) != s.AskedBytes { // the list asks for whole classes
		u.t.Fatalf("Bytes %d, the arena says %d", b, s.AskedBytes)
	}
}

// item makes an item from few different ones of each kind, so that there are equal ones.
func item(r *rand.Rand, large int) []byte {
	switch r.IntN(8) {
	case 0:
		return fmt.Appendf(nil, "%d", r.IntN(5))
	case 1:
		return fmt.Appendf(nil, "%d", r.Int64()>>r.IntN(63))
	case 2:
		return []byte{}
	case 3:
		return bytes.Repeat([]byte{'a' + byte(r.IntN(3))}, r.IntN(130))
	case 4:
		if r.IntN(6) == 0 {
			return bytes.Repeat([]byte{'A' + byte(r.IntN(3))}, r.IntN(large))
		}
		fallthrough
	default:
		return fmt.Appendf(nil, "item-%05d", r.IntN(40))
	}
}

// step does one random operation on both. Sizes hover around size.
func (u *listUnderTest) step(r *rand.Rand, size, large int) string {
	n := len(u.model)
	op := r.IntN(20)
	if n > size+size/2 {
		op = 4 + r.IntN(4)
	}
	at := 0
	if n > 0 {
		at = r.IntN(n)
	}
	switch op {
	case 0, 1, 2, 3:
		var items [][]byte
		for range 1 + r.IntN(1+size/4) {
			items = append(items, item(r, large))
		}
		if op < 2 {
			u.l.PushTail(items...)
			u.model = append(u.model, items...)
			return "PushTail"
		}
		u.l.PushHead(items...)
		slices.Reverse(items)
		u.model = append(items, u.model...)
		return "PushHead"
	case 4:
		k := r.IntN(1 + size/8)
		u.l.DropHead(k)
		u.model = u.model[min(k, n):]
		return "DropHead"
	case 5:
		k := r.IntN(1 + size/8)
		u.l.DropTail(k)
		u.model = u.model[:n-min(k, n)]
		return "DropTail"
	case 6:
		if r.IntN(4) > 0 || n == 0 {
			return ""
		}
		start, stop := r.IntN(2*n)-n, r.IntN(2*n)-n
		first, count := span(start, stop, n)
		if removed := u.l.Trim(start, stop); removed != n-count {
			u.t.Fatalf("Trim(%d, %d) of %d removes %d", start, stop, n, removed)
		}
		u.model = u.model[first : first+count]
		return "Trim"
	case 7, 8:
		x := item(r, large)
		if n > 0 && r.IntN(2) == 0 {
			x = u.model[at]
		}
		count := r.IntN(7) - 3
		want := u.removeFromModel(x, count)
		if got := u.l.Remove(count, x); got != want {
			u.t.Fatalf("Remove(%d, %.40q) = %d, want %d", count, x, got, want)
		}
		return "Remove"
	case 9, 10, 11:
		if n == 0 {
			return ""
		}
		x, index := item(r, large), at
		if r.IntN(2) == 0 {
			index -= n
		}
		if !u.l.Set(index, x) {
			u.t.Fatalf("Set(%d) of %d", index, n)
		}
		u.model[at] = x
		return "Set"
	case 12, 13, 14:
		x, pivot := item(r, large), item(r, large)
		if n > 0 && r.IntN(3) > 0 {
			pivot = u.model[at]
		}
		where := slices.IndexFunc(u.model, func(b []byte) bool { return bytes.Equal(b, pivot) })
		var ok bool
		if r.IntN(2) == 0 {
			ok = u.l.InsertBefore(pivot, x)
		} else {
			ok = u.l.InsertAfter(pivot, x)
			if where >= 0 {
				where++
			}
		}
		if ok != (where >= 0) {
			u.t.Fatalf("insert: %v, the pivot is at %d", ok, where)
		}
		if ok {
			u.model = slices.Insert(u.model, where, x)
		}
		return "Insert"
	case 15, 16:
		x := item(r, large)
		u.l.InsertAt(at, x)
		u.model = slices.Insert(u.model, at, x)
		return "InsertAt"
	case 17:
		for _, index := range []int{at, at - n, n, -n - 1} {
			got, ok := u.l.Index(index)
			if index < 0 {
				index += n
			}
			if ok != (index >= 0 && index < n) || ok && !bytes.Equal(got, u.model[index]) {
				u.t.Fatalf("Index(%d) = %.40q, %v", index, got, ok)
			}
		}
		return "Index"
	case 18:
		u.iterate(r, at)
		return "Iter"
	default:
		u.positions(r, item(r, large))
		return "Pos"
	}
}

func (u *listUnderTest) removeFromModel(x []byte, count int) (removed int) {
	left := max(count, -count)
	if count == 0 {
		left = noLimit
	}
	gone := make([]bool, len(u.model))
	for k := range u.model {
		i := k
		if count < 0 {
			i = len(u.model) - 1 - k
		}
		if left > 0 && bytes.Equal(u.model[i], x) {
			gone[i] = true
			left--
			removed++
		}
	}
	var kept [][]byte
	for i, b := range u.model {
		if !gone[i] {
			kept = append(kept, b)
		}
	}
	u.model = kept
	return removed
}

func (u *listUnderTest) iterate(r *rand.Rand, at int) {
	n := len(u.model)
	backward, count := r.IntN(2) == 0, r.IntN(n+2)
	var got, want [][]byte
	for it := u.l.Iter(at, count, backward); it.Next(); {
		got = append(got, slices.Clone(it.Bytes()))
	}
	for i := at; i >= 0 && i < n && len(want) < count; {
		want = append(want, u.model[i])
		if backward {
			i--
		} else {
			i++
		}
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		u.t.Fatalf("Iter(%d, %d, %v) of %d items gives %d, want %d", at, count, backward, n, len(got), len(want))
	}
}

func (u *listUnderTest) positions(r *rand.Rand, x []byte) {
	rank, maxLen, most := r.IntN(6)-3, r.IntN(len(u.model)+2), 1+r.IntN(3)
	if rank == 0 {
		rank = 1
	}
	var got, want []int
	u.l.Pos(x, rank, maxLen, func(i int) bool { got = append(got, i); return len(got) < most })
	skip := max(rank, -rank) - 1
	for k := range u.model {
		i := k
		if rank < 0 {
			i = len(u.model) - 1 - k
		}
		if maxLen > 0 && k >= maxLen || len(want) == most {
			break
		}
		if !bytes.Equal(u.model[i], x) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		want = append(want, i)
	}
	if !slices.Equal(got, want) {
		u.t.Fatalf("Pos(%.40q, %d, %d) = %v, want %v", x, rank, maxLen, got, want)
	}
}

func TestListAgainstModel(t *testing.T) {
	for _, c := range []struct{ limit, size, large, steps int }{
		{1, 100, 300, 4000}, {2, 3000, 50, 1500}, {3, 200, 20000, 4000}, {-1, 300, 9000, 6000}, {-1, 5000, 300, 1200},
		{-2, 600, 20000, 6000}, {128, 2000, 1000, 3000}, {-5, 3000, 100000, 1000},
	} {
		t.Run(fmt.Sprintf("limit %d size %d", c.limit, c.size), func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, uint64(c.limit+c.size)))
			u := newListUnderTest(t, c.limit)
			if testing.Short() {
				c.steps /= 4
			}
			for i := range c.steps {
				op := u.step(r, c.size, c.large)
				if err := u.l.Check(); err != nil {
					t.Fatalf("step %d, %s: %v", i, op, err)
				}
				if i%16 == 0 || c.size <= 300 {
					u.check()
				}
			}
		})
	}
}

// All sequences of a few operations on blocks of two items.
func TestListExhaustive(t *testing.T) {
	u := newListUnderTest(t, 2)
	ops := []func(){
		func() { u.l.PushTail([]byte("a")); u.model = append(u.model, []byte("a")) },
		func() { u.l.PushHead([]byte("b")); u.model = append([][]byte{[]byte("b")}, u.model...) },
		func() { u.l.DropHead(1); u.model = u.model[min(1, len(u.model)):] },
		func() { u.l.DropTail(2); u.model = u.model[:max(0, len(u.model)-2)] },
		func() { u.l.Remove(1, []byte("a")); u.removeFromModel([]byte("a"), 1) },
		func() {
			at := len(u.model) / 2
			u.l.InsertAt(at, []byte("7"))
			u.model = slices.Insert(u.model, at, []byte("7"))
		},
	}
	const depth = 6
	total := 1
	for range depth {
		total *= len(ops)
	}
	for code := range total {
		u.model = nil
		for range depth {
			ops[code%len(ops)]()
			code /= len(ops)
		}
		u.check()
		u.l.Trim(1, 0)
		if u.l.Len() != 0 || u.l.Encoding() != "listpack" || u.env.Arena.LiveBytes() != 0 {
			t.Fatalf("%d items are left, %s", u.l.Len(), u.l.Encoding())
		}
	}
	u.model = nil
}

func TestListEncodingBorders(t *testing.T) {
	u := newListUnderTest(t, 3)
	step := func(want string, fn func()) {
		t.Helper()
		fn()
		if got := u.l.Encoding(); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		u.model = nil
		u.l.Each(func(e listpack.Elem) bool { u.model = append(u.model, e.Append(nil)); return true })
	}
	a, large := []byte("a"), bytes.Repeat([]byte("x"), 8192-9)
	step("listpack", func() { u.l.PushTail(a, a, a) })
	step("quicklist", func() { u.l.PushHead(a) })
	step("quicklist", func() { u.l.DropHead(2) }) // two blocks
	step("listpack", func() { u.l.DropTail(1) })
	step("listpack", func() { u.l.InsertAfter(a, a); u.l.InsertAfter(a, a) })
	step("quicklist", func() { u.l.InsertAfter(a, a) })
	step("listpack", func() { u.l.Trim(0, 0) })
	step("quicklist", func() { u.l.PushTail(large) }) // a count limit has a bound of 8 KiB too
	step("listpack", func() { u.l.Remove(0, large) })
	step("listpack", func() { u.l.Trim(1, 0) })

	u.env.Limits.ListMaxListpackSize = -1
	fill := bytes.Repeat([]byte("y"), 4096-15) // 4092 bytes as a listpack of one in Redis's form
	step("listpack", func() { u.l.PushTail(fill) })
	step("listpack", func() { u.l.PushTail([]byte{}) })     // now 4094
	step("listpack", func() { u.l.PushTail([]byte("zz")) }) // the text alone is counted: 4096
	step("quicklist", func() { u.l.PushTail([]byte{}) })
	step("quicklist", func() { u.l.DropTail(2) })
	step("listpack", func() { u.l.Set(0, a) })
	step("quicklist", func() { u.l.Set(0, fill); u.l.Set(0, append(fill, 'y', 'y', 'y', 'y', 'y', 'y', 'y', 'y', 'y')) })
	step("listpack", func() { u.l.Trim(1, 0) })

	half := bytes.Repeat([]byte("h"), 2048-7-4) // half the limit exactly, as a listpack of one
	step("quicklist", func() { u.l.PushTail(half, fill) })
	step("listpack", func() { u.l.DropTail(1) })
	step("listpack", func() { u.l.Trim(1, 0) })
	step("quicklist", func() { u.l.PushTail(append(half, 'h'), fill) })
	step("quicklist", func() { u.l.DropTail(1) })
	step("listpack", func() { u.l.Trim(1, 0) })

	u.env.Limits.ListMaxListpackSize = 4
	step("quicklist", func() { u.l.PushTail(a, a, a, a, a); u.l.DropTail(2) })
	step("quicklist", func() { u.l.Rotate(true, false, a) }) // three before and after
	step("listpack", func() { u.l.DropTail(1); u.l.Rotate(false, true, a) })
	step("listpack", func() { u.l.Trim(1, 0); u.l.PushTail(a); u.l.Set(0, large) })
	step("listpack", func() { u.l.Rotate(true, false, large) }) // the half of a count limit has no bound of bytes
	step("listpack", func() { u.l.Trim(1, 0) })

	u.env.Limits.ListMaxListpackSize = 0 // as 1
	step("listpack", func() { u.l.PushTail(a) })
	step("quicklist", func() { u.l.PushTail(a) })
	step("listpack", func() { u.l.Trim(1, 0) })
	u.env.Limits.ListMaxListpackSize = -6 // as -5
	step("listpack", func() { u.l.PushTail(bytes.Repeat([]byte("x"), 60000)) })
	step("quicklist", func() { u.l.PushTail(bytes.Repeat([]byte("x"), 5536)) })
}

// TestListOneBlock: a copy has the form of what it is a copy of, and a list from a file is a listpack if all of it is one block
// within the limit; where that is a count, whatever its size.
func TestListOneBlock(t *testing.T) {
	for _, c := range []struct {
		limit, left int
		item        string
		loaded      string
	}{{-1, 5, strings.Repeat("x", 600), "listpack"}, {8, 5, "x", "listpack"}, {8, 5, strings.Repeat("x", 1200), "listpack"}, {8, 9, "x", "quicklist"}} {
		u := newListUnderTest(t, c.limit)
		for range 20 {
			u.l.PushTail([]byte(c.item))
		}
		u.l.Trim(0, c.left-1)
		for range u.l.Len() {
			u.model = append(u.model, []byte(c.item))
		}
		if u.l.Encoding() != "quicklist" {
			t.Fatalf("%d: %s", c.limit, u.l.Encoding())
		}
		y := newListUnderTest(t, c.limit)
		y.model = u.model
		copySteps(t, TypeList, u.env, u.h, y.env, y.h)
		if got := y.l.Encoding(); got != "quicklist" {
			t.Errorf("%d: the copy is a %s", c.limit, got)
		}
		z := newListUnderTest(t, c.limit)
		z.model = u.model
		u.l.Blocks(func(b []byte) bool { z.l.AppendListpack(b); return true })
		if z.l.Loaded(); z.l.Encoding() != c.loaded {
			t.Errorf("%d: %s from a file", c.limit, z.l.Encoding())
		}
	}
}

// A list is loaded and copied by its blocks.
func TestListBlocks(t *testing.T) {
	for _, n := range []int{0, 1, 100, 2000, 50000} {
		u := newListUnderTest(t, -1)
		for i := range n {
			u.model = append(u.model, fmt.Appendf(nil, "item-%d", i))
		}
		u.l.PushTail(u.model...)
		c := newListUnderTest(t, -1)
		c.model = u.model
		copySteps(t, TypeList, u.env, u.h, c.env, c.h)
		c.check()
		if c.l.Encoding() != u.l.Encoding() {
			t.Errorf("%d items: %s copied as %s", n, u.l.Encoding(), c.l.Encoding())
		}
		// The same through BlockAt, as a walk that can be interrupted.
		walked := 0
		for {
			b, before, ok := u.l.BlockAt(walked)
			if !ok {
				break
			}
			if before != 0 {
				t.Fatalf("block at %d begins %d items earlier", walked, before)
			}
			walked += listpack.Len(b)
		}
		if walked != n {
			t.Fatalf("walked over %d of %d items", walked, n)
		}
	}
	// Single items as blocks: they must come together.
	u := newListUnderTest(t, -1)
	var one MemHolder
	listpack.Append(&one, listpack.String([]byte("0123456789")))
	for range 10000 {
		u.l.AppendListpack(one.Bytes())
		u.model = append(u.model, []byte("0123456789"))
	}
	if b := u.l.Bytes(0); b > 10000*13 {
		t.Errorf("%d bytes for 10000 items", b)
	}
}

// A list moves while its pages are being emptied, and in the middle of other work.
func TestListDefrag(t *testing.T) {
	u := newListUnderTest(t, -1)
	r := rand.New(rand.NewPCG(5, 5))
	// Many short lists around it make holes when they go.
	var others []*MemHolder
	for i := range 3000 {
		h := &MemHolder{}
		var l List
		l.Bind(u.env, h)
		l.PushTail(bytes.Repeat([]byte("o"), 4096), bytes.Repeat([]byte("o"), 20+r.IntN(3000)))
		others = append(others, h)
		x := fmt.Appendf(nil, "item-%d-%s", i, strings.Repeat("v", r.IntN(500)))
		u.l.PushTail(x)
		u.model = append(u.model, x)
	}
	for _, h := range others {
		for !freeList(u.env, rootRef(h), 2) {
		}
	}
	u.check()
	if u.env.Arena.StartEvacuation(0.9) == 0 {
		t.Fatal("nothing to evacuate")
	}
	for u.env.Arena.Mark(8) {
	}
	marked := func() (n int) {
		tr := u.l.tree()
		if u.env.Arena.ShouldMove(tr.root, listHeadBytes) {
			n++
		}
		var p listPath
		for ok := tr.first(&p); ok; ok = tr.next(&p) {
			d := tr.block(&p)
			n += int(b2u(u.env.Arena.ShouldMove(d.ref, int(d.cap))))
			if p.at[p.depth] == 0 {
				n += int(b2u(u.env.Arena.ShouldMove(p.node[p.depth], listLeafBytes(listLeafBlocks))))
			}
		}
		return n
	}
	if marked() == 0 {
		t.Fatal("nothing of the list is to be moved")
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = u.l.Defrag(cursor, 10)
		u.step(r, 3000, 300)
		u.check()
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = u.l.Defrag(cursor, 1)
	}
	if n := marked(); n != 0 {
		t.Fatalf("%d allocations stay where they must not", n)
	}
	u.check()
	u.env.Arena.StopEvacuation()
}

func TestListAllocatesNothing(t *testing.T) {
	if invariant.Enabled {
		t.Skip("checking allocates")
	}
	u := newListUnderTest(t, -2)
	x, y := []byte("0123456789"), []byte("12345")
	for range 5000 {
		u.l.PushTail(x, y)
	}
	sum := 0
	if n := testing.AllocsPerRun(200, func() {
		u.l.PushTail(x)
		u.l.PushHead(y)
		b, _ := u.l.Index(0)
		sum += len(b)
		for it, _ := u.l.Range(100, 150); it.Next(); {
			sum += len(it.Bytes())
		}
		u.l.Set(3000, y)
		u.l.DropHead(1)
		u.l.DropTail(1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	u.l.Trim(1, 0)
}

// Target: at most 12.6 bytes for each of 1M items of 10 bytes, everything included.
