package intset

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// memory is a Buffer that moves at every Resize and spoils what it leaves.
type memory struct{ b []byte }

func (m *memory) Bytes() []byte { return m.b }

func (m *memory) Resize(n int) []byte {
	fresh := make([]byte, n)
	for i := range fresh {
		fresh[i] = 0xEE
	}
	copy(fresh, m.b)
	for i := range m.b {
		m.b[i] = 0xDD
	}
	m.b = fresh
	return fresh
}

func build(values ...int64) *memory {
	m := &memory{}
	for _, v := range values {
		Add(m, v)
	}
	return m
}

func all(b []byte) []int64 {
	var values []int64
	for i := range Len(b) {
		values = append(values, At(b, i))
	}
	return values
}

func same(t *testing.T, b []byte, model []int64) {
	t.Helper()
	if err := Validate(b); err != nil {
		t.Fatalf("%v in %x", err, b)
	}
	if !slices.Equal(all(b), model) {
		t.Fatalf("have %v, want %v", all(b), model)
	}
	if len(model) == 0 {
		if len(b) != 0 {
			t.Fatalf("the empty set has %d bytes", len(b))
		}
		return
	}
	if Min(b) != model[0] || Max(b) != model[len(model)-1] {
		t.Fatalf("from %d to %d, want %v", Min(b), Max(b), model)
	}
}

var edges = []int64{0, 1, -1, math.MaxInt16, math.MaxInt16 + 1, math.MinInt16, math.MinInt16 - 1,
	math.MaxInt32, math.MaxInt32 + 1, math.MinInt32, math.MinInt32 - 1, math.MaxInt64, math.MinInt64}

// TestWidthBorders adds every triple of border values and takes them away again.
func TestWidthBorders(t *testing.T) {
	for _, x := range edges {
		for _, y := range edges {
			for _, z := range edges {
				model := []int64{x, y, z}
				m := build(model...)
				slices.Sort(model)
				model = slices.Compact(model)
				same(t, m.Bytes(), model)
				again := &memory{}
				if err := LoadRedis(again, AppendRedis(nil, m.Bytes())); err != nil || !bytes.Equal(again.b, m.b) {
					t.Fatalf("%v does not survive Redis's form: %v", model, err)
				}
				for _, v := range edges {
					i, ok := Find(m.Bytes(), v)
					at, want := slices.BinarySearch(model, v)
					if ok != want || i != at || Has(m.Bytes(), v) != want {
						t.Fatalf("Find(%d) in %v: %d, %v", v, model, i, ok)
					}
				}
				if !Remove(m, y) || Remove(m, y) {
					t.Fatalf("%d is removed other than once", y)
				}
				same(t, m.Bytes(), slices.DeleteFunc(model, func(v int64) bool { return v == y }))
			}
		}
	}
}

func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		m, model := &memory{}, map[int64]bool{}
		for step := range 2000 {
			v := r.Int64N(64) - 32
			if step > 500 {
				v <<= r.IntN(12)
			}
			if step > 1000 {
				v <<= r.IntN(50)
			}
			if r.IntN(2) == 0 {
				if Add(m, v) == model[v] {
					t.Fatalf("Add(%d) says otherwise", v)
				}
				model[v] = true
			} else {
				if Remove(m, v) != model[v] {
					t.Fatalf("Remove(%d) says otherwise", v)
				}
				delete(model, v)
			}
			if step%16 == 0 {
				var want []int64
				for v := range model {
					want = append(want, v)
				}
				slices.Sort(want)
				same(t, m.Bytes(), want)
			}
		}
		for Len(m.Bytes()) > 0 {
			RemoveAt(m, r.IntN(Len(m.Bytes())))
		}
		same(t, m.Bytes(), nil)
	}
}

// TestRedisBytes compares with what redis-server 7.0 dumped for the same sets.
func TestRedisBytes(t *testing.T) {
	m := build(-2, 5, 1000)
	for _, step := range []struct {
		add  int64
		want string
	}{
		{5, "0200000003000000feff0500e803"},
		{70000, "0400000004000000feffffff05000000e803000070110100"},
		{-1 << 40, "08000000050000000000000000fffffffeffffffffffffff0500000000000000e8030000000000007011010000000000"},
	} {
		Add(m, step.add)
		if got := hex.EncodeToString(AppendRedis(nil, m.Bytes())); got != step.want {
			t.Fatalf("have %s, want %s", got, step.want)
		}
	}
	if got := hex.EncodeToString(build(-2, 5, 1000).Bytes()); got != "02feff0500e803" {
		t.Fatalf("the example of the package's documentation is %s", got)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"nothing":       "",
		"short header":  "02000000010000",
		"width 3":       "0300000001000000010203",
		"width 0":       "0000000000000000",
		"count low":     "020000000100000001000200",
		"count high":    "020000000300000001000200",
		"count huge":    "08000000ffffffff0100000000000000",
		"descending":    "020000000200000002000100",
		"twice":         "020000000200000001000100",
		"signed order":  "02000000020000000100ffff",
		"trailing byte": "0200000001000000010000",
	} {
		full, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		m := build(7)
		if err := LoadRedis(m, full); err == nil {
			t.Errorf("%s passes", name)
		}
		same(t, m.Bytes(), []int64{7})
	}
}

func FuzzLoadRedis(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendRedis(nil, nil))
	f.Add(AppendRedis(nil, build(-2, 5, 1000).Bytes()))
	f.Add(AppendRedis(nil, build(70000, -70000).Bytes()))
	f.Add(AppendRedis(nil, build(math.MaxInt64, math.MinInt64).Bytes()))
	f.Fuzz(func(t *testing.T, full []byte) {
		m := &memory{}
		if err := LoadRedis(m, full); err != nil {
			return
		}
		model := all(m.Bytes())
		same(t, m.Bytes(), model)
		if len(model) > 0 && !bytes.Equal(AppendRedis(nil, m.Bytes()), full) {
			t.Fatalf("%x does not come back", full)
		}
		for _, v := range edges {
			if Add(m, v) {
				model = append(model, v)
			}
		}
		slices.Sort(model)
		same(t, m.Bytes(), model)
		for _, v := range model {
			if !Remove(m, v) {
				t.Fatalf("%d is not there", v)
			}
		}
		same(t, m.Bytes(), nil)
	})
}

// FuzzValidate holds Validate to what LoadRedis accepts, for the form in memory.
func FuzzValidate(f *testing.F) {
	f.Add([]byte{2, 1, 0})
	f.Add([]byte{8, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if Validate(b) == nil {
			m := &memory{}
			if err := LoadRedis(m, AppendRedis(nil, b)); err != nil || !bytes.Equal(m.b, b) {
				t.Fatalf("%x: %v", b, err)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{8, 512} {
		m := &memory{}
		for i := range n {
			Add(m, int64(i*3))
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				Find(m.Bytes(), int64(i%(n*3)))
			}
		})
	}
}
