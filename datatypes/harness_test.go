package datatypes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

// Tests of values share this harness. A world is one shard: an arena and what its values share. When a test ends, each
// value that came from the world is checked, freed step by step, and the arena must then be consistent and empty.
//
//	forLimits(t, func(t *testing.T, w *world) {
//		var x Set
//		x.Bind(w.env, w.holder(TypeSet, func(h Holder) error { … return x.Check() }))
//		…
//	})

// checked is what every collection can say of itself.
type checked interface{ Check() error }

// world is one shard for tests.
type world struct {
	t      testing.TB
	env    *Env
	limits Limits
	r      *rand.Rand
	values []*testHolder
}

// testHolder is a Holder that moves at every Resize, spoils the bytes that it leaves and gives garbage for new ones.
type testHolder struct {
	b     []byte
	enc   Enc
	typ   Type
	value checked // bound to this holder

	before func(member []byte)
}

func (h *testHolder) Enc() Enc     { return h.enc }
func (h *testHolder) SetEnc(e Enc) { h.enc = e }
func (h *testHolder) Before(member []byte) {
	if h.before != nil {
		h.before(member)
	}
}
func (h *testHolder) Bytes() []byte { return h.b }

func (h *testHolder) Resize(n int) []byte {
	fresh := make([]byte, n)
	for i := copy(fresh, h.b); i < n; i++ {
		fresh[i] = 0xEE
	}
	for i := range h.b {
		h.b[i] = 0xDD
	}
	h.b = fresh
	return fresh
}

// newWorld makes a shard whose values are checked and freed when the test ends.
func newWorld(t testing.TB, seed uint64, limits Limits) *world {
	a, err := arena.New(arena.Options{MaxBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, limits: limits, r: rand.New(rand.NewPCG(seed, 7))}
	w.env = &Env{Arena: a, Limits: &w.limits, Hash: testHash, Rand: rand.NewPCG(seed, 8)}
	t.Cleanup(func() {
		w.checkAll()
		w.freeAll()
		if err := a.Check(); err != nil {
			t.Errorf("arena: %v", err)
		}
		if s := a.Stats(); s.Allocs != 0 || s.AskedBytes != 0 {
			t.Errorf("arena: %d allocations, %d bytes left behind", s.Allocs, s.AskedBytes)
		}
		a.Close()
	})
	return w
}

// testHash is FNV-1a with its bits mixed, the same in every run.
func testHash(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>32) * 0xD6E8FEB86659FD93
	h = (h ^ h>>32) * 0xD6E8FEB86659FD93
	return h ^ h>>32
}

// forLimits runs the test with limits of 2, so that small values cross every border, and with the default ones.
func forLimits(t *testing.T, test func(t *testing.T, w *world)) {
	two := DefaultLimits()
	two.HashMaxListpackEntries, two.HashMaxListpackValue = 2, 20
	two.SetMaxIntsetEntries, two.SetMaxListpackEntries, two.SetMaxListpackValue = 2, 2, 20
	two.ZSetMaxListpackEntries, two.ZSetMaxListpackValue = 2, 20
	two.ListMaxListpackSize = 2
	two.StreamNodeMaxEntries = 2
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for name, limits := range map[string]Limits{"limits=2": two, "limits=default": DefaultLimits()} {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s/seed=%d", name, seed), func(t *testing.T) { test(t, newWorld(t, seed, limits)) })
		}
	}
}

// holder is a place for a new value. bind is given it before the holder is used, and returns what checks the value.
func (w *world) holder(typ Type, bind func(h Holder) checked) *testHolder {
	h := &testHolder{typ: typ}
	h.value = bind(h)
	w.values = append(w.values, h)
	return h
}

// checkAll checks every value of the world.
func (w *world) checkAll() {
	w.t.Helper()
	for _, h := range w.values {
		if err := h.value.Check(); err != nil {
			w.t.Errorf("%v: %v", h.typ, err)
		}
	}
}

// free frees what the value keeps in the arena, step by step, and makes it empty.
func (w *world) free(h *testHolder) {
	if h.enc == EncRoot {
		root := rootRef(h)
		for steps := 1; !FreeStep(w.env, h.typ, root, 1+w.r.IntN(100)); steps++ {
			if steps > 1<<22 {
				w.t.Fatalf("%v: not free after %d steps", h.typ, steps)
			}
		}
	}
	h.b, h.enc = nil, EncBlob
}

func (w *world) freeAll() {
	for _, h := range w.values {
		w.free(h)
	}
}

// defrag empties sparse pages of the arena: it calls move, which passes one value from a cursor on, for every value
// until each has come to its end.
func (w *world) defrag(move func(h *testHolder, cursor uint64) uint64) {
	a := w.env.Arena
	if a.StartEvacuation(1.05) == 0 {
		return
	}
	for a.Mark(1 << 20) {
	}
	for _, h := range w.values {
		for cursor := move(h, 0); cursor != 0; {
			cursor = move(h, cursor)
		}
	}
	a.StopEvacuation()
}

// text is a random item of a kind that encodings treat in their own way: integers of every width, short, middle and
// long strings. Different calls often give the same one.
func (w *world) text() string {
	switch r := w.r; r.IntN(12) {
	case 0:
		return ""
	case 1, 2, 3:
		return strconv.Itoa(r.IntN(50))
	case 4:
		return strconv.FormatInt(-1<<uint(r.IntN(64))+int64(r.IntN(3)), 10)
	case 5:
		return []string{"-0", "01", "+1", " 1", "1e3", "9223372036854775808", "-9223372036854775809"}[r.IntN(7)]
	case 6:
		return strings.Repeat("long", 4+r.IntN(3)) // about 20
	case 7:
		return strings.Repeat("x", 63+r.IntN(3))
	default:
		return "item:" + strconv.Itoa(r.IntN(100))
	}
}

// packed is a listpack of the items in the form that files carry.
func packed(items ...string) []byte {
	var m MemHolder
	for _, s := range items {
		listpack.Append(&m, listpack.String([]byte(s)))
	}
	return listpack.AppendRedis(nil, m.Bytes())
}

// fair fails the test if counts, of draws that should all be equally likely, could hardly have come about by chance
// (chi-square beyond about five standard deviations).
func fair(t testing.TB, what string, counts map[string]int, kinds int) {
	t.Helper()
	total := 0
	for _, n := range counts {
		total += n
	}
	expected := float64(total) / float64(kinds)
	if expected < 5 {
		t.Fatalf("%s: only %.1f draws for each", what, expected)
	}
	chi := expected * float64(kinds-len(counts)) // those never drawn
	for _, n := range counts {
		d := float64(n) - expected
		chi += d * d / expected
	}
	df := float64(kinds - 1)
	if len(counts) > kinds || chi > df+5*math.Sqrt(2*df)+10 {
		t.Errorf("%s: chi-square %.1f of %d kinds, %d drawn", what, chi, kinds, len(counts))
	}
}
