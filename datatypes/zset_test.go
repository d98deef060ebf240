package datatypes

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/datatypes/invariant"
	"larder/datatypes/listpack"
)

type zpair struct {
	member string
	score  float64
}

// zsetUnderTest is a sorted set and its model: the pairs in order.
type zsetUnderTest struct {
	t     testing.TB
	env   *Env
	h     *MemHolder
	z     ZSet
	model []zpair
}

func newZSetUnderTest(t testing.TB, entries, value int) *zsetUnderTest {
	u := &zsetUnderTest{t: t, env: listShard(t), h: &MemHolder{}}
	u.env.Limits.ZSetMaxListpackEntries, u.env.Limits.ZSetMaxListpackValue = entries, value
	u.z.Bind(u.env, u.h)
	t.Cleanup(func() {
		u.check()
		u.free()
	})
	return u
}

func (u *zsetUnderTest) free() {
	if u.h.Enc() == EncRoot {
		for root := rootRef(u.h); !freeZSet(u.env, root, 7); {
		}
	}
	u.h.SetEnc(EncBlob)
	u.h.Resize(0)
	u.model = nil
}

func comparePairs(a, b zpair) int {
	switch {
	case a.score < b.score:
		return -1
	case a.score > b.score:
		return 1
	}
	return strings.Compare(a.member, b.member)
}

func (u *zsetUnderTest) find(member string) int {
	return slices.IndexFunc(u.model, func(p zpair) bool { return p.member == member })
}

// set makes the model have the pair.
func (u *zsetUnderTest) set(member string, score float64) {
	if i := u.find(member); i >= 0 {
		u.model = slices.Delete(u.model, i, i+1)
	}
	p := zpair{member, score}
	i, _ := slices.BinarySearchFunc(u.model, p, comparePairs)
	u.model = slices.Insert(u.model, i, p)
}

func (u *zsetUnderTest) check() {
	u.t.Helper()
	if err := u.z.Check(); err != nil {
		u.t.Fatal(err)
	}
	if u.z.Len() != len(u.model) {
		u.t.Fatalf("Len %d, want %d", u.z.Len(), len(u.model))
	}
	u.same(u.collect(0, noLimit, false), u.model)
	if b, s := u.z.Bytes(0), u.env.Arena.Stats(); int64(b) < s.AskedBytes || int64(b) > s.LiveBytes {
		u.t.Fatalf("Bytes %d, the arena says %d asked, %d live", b, s.AskedBytes, s.LiveBytes)
	}
}

func (u *zsetUnderTest) collect(first, count int, backward bool) (got []zpair) {
	for it := u.z.Iter(first, count, backward); it.Next(); {
		got = append(got, zpair{string(it.Member()), it.Score()})
	}
	return got
}

func (u *zsetUnderTest) same(got, want []zpair) {
	u.t.Helper()
	if !slices.EqualFunc(got, want, func(a, b zpair) bool { return comparePairs(a, b) == 0 }) {
		u.t.Fatalf("got %d: %.300v\nwant %d: %.300v", len(got), fmt.Sprint(got), len(want), fmt.Sprint(want))
	}
}

func randomScore(r *rand.Rand) float64 {
	switch r.IntN(12) {
	case 0:
		return math.Inf(1 - 2*r.IntN(2))
	case 1:
		return r.NormFloat64()
	case 2:
		return float64(r.Int64()) * float64(1-2*r.IntN(2))
	case 3:
		return math.Pow(10, float64(r.IntN(600)-300))
	case 4:
		return math.Copysign(0, -1)
	default:
		return float64(r.IntN(20) - 5)
	}
}

func randomMember(r *rand.Rand, kinds int) string {
	n := r.IntN(kinds)
	switch n % 5 {
	case 0:
		return fmt.Sprint(n)
	case 1:
		return strings.Repeat("m", n%90)
	case 2:
		return fmt.Sprintf("%c%c", n%7, n/7)
	}
	return fmt.Sprintf("member:%d", n)
}

func (u *zsetUnderTest) step(r *rand.Rand, size int) string {
	n := len(u.model)
	op := r.IntN(16)
	if n > size && op < 8 {
		op = 8 + r.IntN(3)
	}
	member := randomMember(r, 2*size)
	switch op {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		u.add(r, randomScore(r), member)
		for range size / 100 {
			u.add(r, randomScore(r), randomMember(r, 2*size))
		}
		return "Add"
	case 8:
		i := u.find(member)
		if got := u.z.Remove([]byte(member)); got != (i >= 0) {
			u.t.Fatalf("Remove(%q) = %v", member, got)
		}
		if i >= 0 {
			u.model = slices.Delete(u.model, i, i+1)
		}
		return "Remove"
	case 9:
		if n == 0 {
			return ""
		}
		first := r.IntN(n)
		count := r.IntN(min(n-first, 1+size/8) + 1)
		u.z.RemoveRanks(first, count)
		u.model = slices.Delete(u.model, first, first+count)
		return "RemoveRanks"
	case 10, 11:
		i := u.find(member)
		score, ok := u.z.Score([]byte(member))
		if ok != (i >= 0) || ok && score != u.model[i].score {
			u.t.Fatalf("Score(%q) = %v, %v", member, score, ok)
		}
		backward := r.IntN(2) == 0
		rank, score, ok := u.z.Rank([]byte(member), backward)
		if backward {
			rank = n - 1 - rank
		}
		if ok != (i >= 0) || ok && (rank != i || score != u.model[i].score) {
			u.t.Fatalf("Rank(%q, %v) = %d, %v, %v, want %d", member, backward, rank, score, ok, i)
		}
		return "Score"
	case 12:
		u.scores(r)
		return "ScoreRanks"
	case 13:
		first, count, backward := r.IntN(n+2)-1, r.IntN(n+2), r.IntN(2) == 0
		var want []zpair
		for i := first; i >= 0 && i < n && len(want) < count; {
			want = append(want, u.model[i])
			if backward {
				i--
			} else {
				i++
			}
		}
		u.same(u.collect(first, count, backward), want)
		return "Iter"
	case 14:
		u.random(r)
		return "Random"
	default:
		got := []zpair{}
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			cursor = u.z.Scan(cursor, 10, func(m []byte, s float64) { got = append(got, zpair{string(m), s}) })
		}
		slices.SortFunc(got, comparePairs)
		u.same(slices.Compact(got), u.model)
		return "Scan"
	}
}

func (u *zsetUnderTest) add(r *rand.Rand, score float64, member string) {
	flags := ZAddFlags(0)
	if r.IntN(2) == 0 {
		flags = []ZAddFlags{ZAddNX, ZAddXX, ZAddGT, ZAddLT, ZAddXX | ZAddGT, ZAddXX | ZAddLT, ZAddIncr, ZAddIncr | ZAddGT, ZAddIncr | ZAddXX, ZAddIncr | ZAddNX}[r.IntN(10)]
	}
	want, out := score, ZAdded
	if i := u.find(member); i >= 0 {
		want, out = decide(u.model[i].score, score, flags)
	} else if flags&ZAddXX != 0 {
		want, out = 0, ZSkipped
	}
	got, did := u.z.Add(score, []byte(member), flags)
	if got != want || did != out {
		u.t.Fatalf("Add(%v, %q, %d) = %v, %d, want %v, %d", score, member, flags, got, did, want, out)
	}
	if out == ZAdded || out == ZUpdated {
		u.set(member, want)
	}
}

func (u *zsetUnderTest) scores(r *rand.Rand) {
	sr := ScoreRange{randomScore(r), randomScore(r), r.IntN(2) == 0, r.IntN(2) == 0}
	if n := len(u.model); n > 0 && r.IntN(2) == 0 {
		sr.Min, sr.Max = u.model[r.IntN(n)].score, u.model[r.IntN(n)].score
	}
	var want []zpair
	for _, p := range u.model {
		if (p.score > sr.Min || p.score == sr.Min && !sr.MinEx) && (p.score < sr.Max || p.score == sr.Max && !sr.MaxEx) {
			want = append(want, p)
		}
	}
	first, count := u.z.ScoreRanks(sr)
	u.same(u.collect(first, count, false), want)
	if count != len(want) {
		u.t.Fatalf("ScoreRanks(%+v) = %d, %d, want %d", sr, first, count, len(want))
	}
}

func (u *zsetUnderTest) random(r *rand.Rand) {
	m, s := u.z.Random()
	if (m == nil) != (len(u.model) == 0) || m != nil && u.model[u.find(string(m))].score != s {
		u.t.Fatalf("Random gives %q, %v", m, s)
	}
	n, distinct := r.IntN(len(u.model)+3), r.IntN(2) == 0
	seen := map[string]bool{}
	got := 0
	u.z.RandomN(n, distinct, func(m []byte, s float64) {
		i := u.find(string(m))
		if i < 0 || u.model[i].score != s || distinct && seen[string(m)] {
			u.t.Fatalf("RandomN gives %q, %v", m, s)
		}
		seen[string(m)] = true
		got++
	})
	want := n
	if distinct || len(u.model) == 0 {
		want = min(n, len(u.model))
	}
	if got != want {
		u.t.Fatalf("RandomN(%d, %v) of %d gives %d", n, distinct, len(u.model), got)
	}
}

func TestZSetAgainstModel(t *testing.T) {
	for _, c := range []struct{ entries, value, size, steps int }{
		{2, 64, 30, 4000}, {0, 64, 400, 4000}, {128, 20, 100, 4000}, {128, 64, 120, 5000}, {128, 64, 3000, 2000},
	} {
		t.Run(fmt.Sprintf("%d entries of %d, %d", c.entries, c.value, c.size), func(t *testing.T) {
			r := rand.New(rand.NewPCG(9, uint64(c.entries+c.size)))
			u := newZSetUnderTest(t, c.entries, c.value)
			if testing.Short() {
				c.steps /= 4
			}
			for i := range c.steps {
				u.step(r, c.size)
				if i%64 == 0 || c.size <= 120 {
					u.check()
				}
				if i%1000 == 999 {
					u.copies()
				}
				if i%1500 == 1499 {
					u.z.RemoveRanks(0, len(u.model)) // starts over as a listpack
					u.model = nil
				}
			}
		})
	}
}

func (u *zsetUnderTest) copies() {
	c := newZSetUnderTest(u.t, u.env.Limits.ZSetMaxListpackEntries, u.env.Limits.ZSetMaxListpackValue)
	c.model = slices.Clone(u.model)
	copySteps(u.t, TypeZSet, u.env, u.h, c.env, c.h)
	c.check()
	if c.z.Encoding() != u.z.Encoding() {
		u.t.Fatalf("%s is copied as %s", u.z.Encoding(), c.z.Encoding())
	}
	if u.z.Encoding() == "listpack" {
		c.free()
		c.model = slices.Clone(u.model)
		if err := c.z.LoadListpack(u.z.AppendCompact(nil)); err != nil {
			u.t.Fatal(err)
		}
		c.check()
	}
}

func TestZSetLex(t *testing.T) {
	for _, entries := range []int{0, 128} {
		u := newZSetUnderTest(t, entries, 64)
		r := rand.New(rand.NewPCG(2, 2))
		for range 100 {
			m := randomMember(r, 60)
			u.z.Add(-1.5, []byte(m), 0)
			u.set(m, -1.5)
		}
		bound := func() LexBound {
			b, ok := ParseLexBound([]byte([]string{"-", "+", "[", "(", "[1", "(member:2"}[r.IntN(6)]))
			if !ok {
				t.Fatal("bound")
			}
			if b.Infinite == 0 && r.IntN(3) > 0 {
				b.Member = []byte(randomMember(r, 60))
			}
			return b
		}
		for range 3000 {
			lo, hi := bound(), bound()
			var want []zpair
			for _, p := range u.model {
				c, d := bytes.Compare([]byte(p.member), lo.Member), bytes.Compare([]byte(p.member), hi.Member)
				if (lo.Infinite < 0 || lo.Infinite == 0 && (c > 0 || c == 0 && !lo.Exclusive)) &&
					(hi.Infinite > 0 || hi.Infinite == 0 && (d < 0 || d == 0 && !hi.Exclusive)) {
					want = append(want, p)
				}
			}
			first, count := u.z.LexRanks(lo, hi)
			if count != len(want) {
				t.Fatalf("%+v to %+v: %d, want %d", lo, hi, count, len(want))
			}
			u.same(u.collect(first, count, false), want)
		}
	}
	for _, bad := range []string{"", "a", "--", "+1", " -"} {
		if _, ok := ParseLexBound([]byte(bad)); ok {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestParseScoreBound(t *testing.T) {
	for _, c := range []struct {
		text      string
		score     float64
		exclusive bool
		ok        bool
	}{
		{"1", 1, false, true}, {"(1.5", 1.5, true, true}, {"inf", math.Inf(1), false, true}, {"(-inf", math.Inf(-1), true, true},
		{"", 0, false, true}, {"(", 0, true, true}, {" 1", 1, false, true}, {" ", 0, false, false}, {"1 ", 0, false, false},
		{"1e999", math.Inf(1), false, true}, {"-1e999", math.Inf(-1), false, true}, {"1e-999", 0, false, true},
		{"0x1p9999", math.Inf(1), false, true}, {"nan", 0, false, false}, {"((1", 0, true, false}, {"1\x00x", 1, false, true},
	} {
		if s, ex, ok := ParseScoreBound([]byte(c.text)); ok != c.ok || ex != c.exclusive || ok && s != c.score {
			t.Errorf("%q: %v, %v, %v", c.text, s, ex, ok)
		}
	}
}

func TestZSetEncodingBorders(t *testing.T) {
	u := newZSetUnderTest(t, 2, 4)
	add := func(want string, score float64, member string) {
		t.Helper()
		u.z.Add(score, []byte(member), 0)
		u.set(member, score)
		if got := u.z.Encoding(); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		u.check()
	}
	add("listpack", 1, "a")
	add("listpack", 1.5, "bbbb")
	add("listpack", 0.5, "a") // no third member
	add("skiplist", 3, "c")
	u.z.Remove([]byte("c"))
	u.model = u.model[:2]
	if u.z.Encoding() != "skiplist" {
		t.Fatal("a set does not go back by itself")
	}
	u.z.Compact()
	if u.z.Encoding() != "listpack" {
		t.Fatal("Compact does nothing")
	}
	add("listpack", 2, "bbbb")
	u.free()
	add("listpack", 1, "aaaa")
	add("skiplist", 1, "aaaaa")
	u.z.Compact()
	if u.z.Encoding() != "skiplist" {
		t.Fatal("Compact packs a member that is too long")
	}
	u.free()
	u.z.Hint(2, 4)
	add("listpack", 1, "a")
	u.free()
	u.z.Hint(3, 1)
	add("skiplist", 1, "a")
	u.free()
	u.z.Hint(1, 5)
	add("skiplist", 1, "a")
}

// How scores stand in a listpack, for files.
func TestZSetPackedScores(t *testing.T) {
	u := newZSetUnderTest(t, 128, 64)
	for _, c := range []struct {
		score float64
		want  listpack.Elem
	}{
		{3, listpack.Int(3)}, {-7, listpack.Int(-7)}, {1.5, listpack.String([]byte("1.5"))}, {math.Inf(-1), listpack.String([]byte("-inf"))},
		{1 << 62, listpack.Int(1 << 62)}, {1e300, listpack.String([]byte("1e+300"))}, {math.Copysign(0, -1), listpack.Int(0)},
	} {
		u.z.Add(c.score, []byte("m"), 0)
		b := u.h.Bytes()
		if e := listpack.Get(b, listpack.Last(b)); e.Int != c.want.Int || !bytes.Equal(e.Str, c.want.Str) {
			t.Errorf("%v stands as %v", c.score, e)
		}
		if got, _ := u.z.Score([]byte("m")); got != c.score {
			t.Errorf("%v reads as %v", c.score, got)
		}
		u.free()
	}
}

func TestZSetLoadRefuses(t *testing.T) {
	u := newZSetUnderTest(t, 128, 64)
	load := func(elems ...listpack.Elem) error {
		var h MemHolder
		listpack.Append(&h, elems...)
		return u.z.LoadListpack(listpack.AppendRedis(nil, h.Bytes()))
	}
	a, b, one := listpack.String([]byte("a")), listpack.String([]byte("b")), listpack.Int(1)
	for i, err := range []error{
		load(a), load(a, one, a, one), load(a, b), load(a, one, b), load(a, listpack.String([]byte("nan"))),
		u.z.LoadListpack([]byte("garbage")),
	} {
		if err == nil || u.z.Len() != 0 {
			t.Errorf("case %d is accepted", i)
		}
	}
	if err := load(b, one, a, one); err != nil { // not in order: Redis loads it too
		t.Fatal(err)
	}
	u.model = []zpair{{"a", 1}, {"b", 1}}
}

func TestZSetDefrag(t *testing.T) {
	u := newZSetUnderTest(t, 128, 64)
	r := rand.New(rand.NewPCG(4, 4))
	for i := range 20000 {
		u.z.Add(float64(r.IntN(1000)), fmt.Appendf(nil, "member:%d", i), 0)
	}
	for i := range 20000 {
		if i%8 != 0 {
			u.z.Remove(fmt.Appendf(nil, "member:%d", i))
		}
	}
	u.z.Each(func(m []byte, s float64) bool { u.model = append(u.model, zpair{string(m), s}); return true })
	u.check()
	if u.env.Arena.StartEvacuation(0.9) == 0 {
		t.Fatal("nothing to evacuate")
	}
	for u.env.Arena.Mark(8) {
	}
	marked := func() (n int) {
		tree := u.z.tree()
		for c := tree.At(0); c.Valid(); c.Next() {
			n += int(b2u(u.env.Arena.ShouldMove(c.Ref(), 24)))
		}
		return n
	}
	if marked() == 0 {
		t.Fatal("no entry is to be moved")
	}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = u.z.Defrag(cursor, 100)
		u.step(r, 3000)
	}
	u.check()
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = u.z.Defrag(cursor, 1)
	}
	if n := marked(); n != 0 {
		t.Fatalf("%d entries stay", n)
	}
	u.env.Arena.StopEvacuation()
}

func TestZSetRandomIsFair(t *testing.T) {
	for _, entries := range []int{0, 128} {
		u := newZSetUnderTest(t, entries, 64)
		for i := range 50 {
			m := fmt.Sprintf("m%d", i)
			u.z.Add(float64(i*i), []byte(m), 0)
			u.set(m, float64(i*i))
		}
		one, some := map[string]int{}, map[string]int{}
		for range 5000 {
			m, _ := u.z.Random()
			one[string(m)]++
			u.z.RandomN(5, true, func(m []byte, _ float64) { some[string(m)]++ })
		}
		fair(t, "Random", one, 50)
		fair(t, "RandomN", some, 50)
	}
}

func TestZSetAllocatesNothing(t *testing.T) {
	if invariant.Enabled {
		t.Skip("checking allocates")
	}
	for _, entries := range []int{0, 128} {
		u := newZSetUnderTest(t, entries, 64)
		for i := range 100 {
			m := fmt.Sprintf("m%d", i)
			u.z.Add(float64(i), []byte(m), 0)
			u.set(m, float64(i))
		}
		x, y, sum := []byte("another"), []byte("m77"), 0
		if n := testing.AllocsPerRun(100, func() {
			u.z.Add(3.25, x, 0)
			u.z.Add(1, x, ZAddIncr)
			u.z.Rank(y, true)
			first, count := u.z.ScoreRanks(ScoreRange{Min: 10, Max: 20})
			for it := u.z.Iter(first, count, true); it.Next(); {
				sum += len(it.Member())
			}
			u.z.Remove(x)
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// Target: at most 50 bytes for each of 1M members of 10 bytes, everything included.

// A malformed listpack is refused; an accepted one makes a sound set, in the same order however it came.
func FuzzLoadZSet(f *testing.F) {
	f.Add(packed("a", "1", "b", "2"))
	f.Add(packed("b", "1.5", "a", "1.5", "5", "-inf"))
	f.Add(packed("a", "1e999", "b", "4611686018427387905", "c", "x"))
	f.Fuzz(func(t *testing.T, full []byte) {
		u := newZSetUnderTest(t, 4, 64)
		if u.z.LoadListpack(full) != nil {
			if u.z.Len() != 0 {
				t.Fatal("a refused set has members")
			}
			return
		}
		u.z.Each(func(m []byte, s float64) bool { u.set(string(m), s); return true })
		u.check()
		for _, p := range slices.Clone(u.model) {
			if s, ok := u.z.Score([]byte(p.member)); !ok || s != p.score {
				t.Fatalf("%q has the score %v, %v", p.member, s, ok)
			}
		}
	})
}
