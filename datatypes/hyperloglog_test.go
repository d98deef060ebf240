package datatypes

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// newHLL makes an empty one that becomes dense beyond limit bytes.
func newHLL(limit int) (*HyperLogLog, *MemHolder) {
	limits := DefaultLimits()
	limits.HLLSparseMaxBytes = limit
	x, m := new(HyperLogLog), new(MemHolder)
	x.Bind(&limits, m)
	x.Create()
	return x, m
}

// checkHLL looks at the format and compares the registers.
func checkHLL(t *testing.T, b []byte, want []uint8) {
	t.Helper()
	if !ValidHLL(b) {
		t.Fatalf("not valid: % x", b[:min(len(b), 40)])
	}
	var regs [HLLRegisters]uint8
	if !HLLMerge(regs[:], b) {
		t.Fatal("corrupt")
	}
	if !bytes.Equal(regs[:], want) {
		t.Fatal("registers differ")
	}
	if n, ok := HLLCount(b); !ok || n != HLLCountRegisters(want) {
		t.Fatalf("counted %d, %v; the registers make %d", n, ok, HLLCountRegisters(want))
	}
}

// TestHyperLogLogExample holds the documentation to its word.
func TestHyperLogLogExample(t *testing.T) {
	x, m := newHLL(3000)
	for _, e := range []string{"a", "b", "c"} {
		if changed, ok := x.Add([]byte(e)); !changed || !ok {
			t.Error(e, changed, ok)
		}
	}
	x.Invalidate()
	want := "48 59 4C 4C 01 00 00 00 00 00 00 00 00 00 00 80 60 F3 80 50 B1 84 4B FB 80 42 5A"
	if got := fmt.Sprintf("% X", m.Bytes()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := string(AppendHLLRuns(nil, m.Bytes())); got != "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603" {
		t.Error(got)
	}
}

// TestHyperLogLogRecorded compares with the bytes and estimates of redis-server.
func TestHyperLogLogRecorded(t *testing.T) {
	file, err := os.Open("testdata/hyperloglog.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	add := func(x *HyperLogLog, format string, from, to int) {
		for i := from; i <= to; i++ {
			if _, ok := x.Add(fmt.Appendf(nil, format, i)); !ok {
				t.Fatal("corrupt")
			}
		}
		x.Invalidate()
	}
	same := func(line string, b []byte, estimate uint64, length int, want string) {
		got := hex.EncodeToString(b)
		if len(b) > 120 {
			got = fmt.Sprintf("%x", sha256.Sum256(b))
		}
		n, ok := HLLCount(b)
		if !ok || n != estimate || len(b) != length || got != want {
			t.Errorf("%s: estimate %d, %d bytes, %s", line, n, len(b), got)
		}
	}
	lines := 0
	for scan := bufio.NewScanner(file); scan.Scan(); {
		line := scan.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		var limit, n, length int
		var estimate uint64
		var want string
		switch kind, rest, _ := strings.Cut(line, " "); kind {
		case "add":
			fmt.Sscan(rest, &limit, &n, &estimate, &length, &want)
			x, m := newHLL(limit)
			add(x, "e%d", 1, n)
			same(line, m.Bytes(), estimate, length, want)
		case "merge":
			fmt.Sscan(rest, &limit, &n, &estimate, &length, &want)
			a, am := newHLL(limit)
			b, bm := newHLL(limit)
			add(a, "e%d", 1, n)
			add(b, "e%d", n/2, 2*n)
			var regs [HLLRegisters]uint8
			x, m := newHLL(limit)
			if !HLLMerge(regs[:], am.Bytes()) || !HLLMerge(regs[:], bm.Bytes()) {
				t.Fatal("corrupt")
			}
			if !(HLLIsSparse(am.Bytes()) && HLLIsSparse(bm.Bytes())) {
				x.ToDense()
			}
			if !x.Merge(regs[:]) {
				t.Fatal("corrupt")
			}
			x.Invalidate()
			same(line, m.Bytes(), estimate, length, want)
		case "count":
			fmt.Sscan(rest, &n, &estimate)
			if testing.Short() && n > 100_000 {
				continue
			}
			x, m := newHLL(3000)
			add(x, "x%d", 0, n-1)
			if got, ok := HLLCount(m.Bytes()); !ok || got != estimate {
				t.Errorf("%s: %d", line, got)
			}
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	if lines < 50 {
		t.Errorf("%d lines", lines)
	}
}

// TestHyperLogLogModel raises registers in many orders, by elements and by hand, in both forms and across the border.
func TestHyperLogLogModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		limit := []int{0, 18, 30, 100, 3000, 50000}[round%6]
		x, m := newHLL(limit)
		want := make([]uint8, HLLRegisters)
		near := r.IntN(HLLRegisters - 300)
		steps := 400
		for step := range steps {
			var register int
			var rank uint8
			var changed, ok bool
			switch {
			case round%3 == 0:
				e := fmt.Appendf(nil, "%d", r.IntN(1000))
				register, rank = hllPlace(e)
				changed, ok = x.Add(e)
			case round%3 == 1: // close together, so that runs are cut and joined
				register, rank = near+r.IntN(1+r.IntN(300)), uint8(1+r.IntN(3))
				changed, ok = x.raise(register, rank, new(sparsePlace))
			default:
				register, rank = r.IntN(HLLRegisters), uint8(1+r.IntN(1+r.IntN(51)))
				if r.IntN(4) == 0 {
					register = []int{0, 1, HLLRegisters - 2, HLLRegisters - 1}[r.IntN(4)]
				}
				changed, ok = x.raise(register, rank, new(sparsePlace))
			}
			if !ok || changed != (rank > want[register]) {
				t.Fatalf("round %d: register %d from %d to %d: %v, %v", round, register, want[register], rank, changed, ok)
			}
			want[register] = max(want[register], rank)
			if len(m.Bytes()) > limit && HLLIsSparse(m.Bytes()) && len(m.Bytes()) > hllHead+2 {
				t.Fatalf("sparse with %d bytes", len(m.Bytes()))
			}
			if step%20 == 0 || step == steps-1 {
				checkHLL(t, m.Bytes(), want)
			}
		}
		// Merging the same in ascending order gives the same bytes as one search for each register.
		y, n := newHLL(limit)
		if !y.Merge(want) {
			t.Fatal("corrupt")
		}
		z, o := newHLL(limit)
		for i, rank := range want {
			if rank > 0 {
				z.raise(i, rank, new(sparsePlace))
			}
		}
		if !bytes.Equal(n.Bytes(), o.Bytes()) {
			t.Fatalf("round %d: merged % x, one by one % x", round, n.Bytes(), o.Bytes())
		}
		checkHLL(t, n.Bytes(), want)
		if !x.ToDense() || len(m.Bytes()) != hllSize {
			t.Fatal("not dense")
		}
		checkHLL(t, m.Bytes(), want)
	}
}

func TestDenseRegisters(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	d := make([]byte, HLLRegisters*6/8)
	var want [HLLRegisters]uint8
	for range 100_000 {
		i := r.IntN(HLLRegisters)
		want[i] = uint8(r.IntN(64))
		densePut(d, i, want[i])
	}
	for i := range want {
		if got := denseGet(d, i); got != want[i] {
			t.Fatalf("register %d is %d, want %d", i, got, want[i])
		}
	}
	var regs [HLLRegisters]uint8
	eachDense(d, func(i int, a, b, c, d uint8) { regs[i], regs[i+1], regs[i+2], regs[i+3] = a, b, c, d })
	if regs != want {
		t.Error("eachDense gives something else")
	}
}

// FuzzHyperLogLog: whatever the bytes are, they are refused or read, never beyond their end.
func FuzzHyperLogLog(f *testing.F) {
	for _, n := range []int{0, 1, 5, 200} {
		x, m := newHLL(3000)
		for i := range n {
			x.Add(fmt.Append(nil, i))
		}
		f.Add(m.Bytes(), uint16(n), uint8(n))
	}
	f.Add([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f"), uint16(1), uint8(1))
	f.Add([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x40\x00"), uint16(20000), uint8(60))
	f.Fuzz(func(t *testing.T, b []byte, register uint16, rank uint8) {
		if !ValidHLL(b) {
			return
		}
		b = bytes.Clone(b)
		var regs [HLLRegisters]uint8
		merged := HLLMerge(regs[:], b)
		if _, ok := HLLCount(b); merged && !ok {
			t.Error("merged, but not counted")
		}
		AppendHLLRuns(nil, b)
		HLLEstimate(b)
		x, m := newHLL(3000)
		copy(m.Resize(len(b)), b)
		i := int(register % HLLRegisters)
		want := 1 + rank%hllTopRank
		_, ok := x.raise(i, want, new(sparsePlace))
		if !merged {
			return
		}
		if !ok {
			t.Fatal("merged, but not changed")
		}
		regs[i] = max(regs[i], want)
		var after [HLLRegisters]uint8
		if !HLLMerge(after[:], m.Bytes()) || after != regs {
			t.Error("a register was changed to something else")
		}
	})
}

func BenchmarkHyperLogLog(b *testing.B) {
	sparse, sm := newHLL(3000)
	for i := range 1000 {
		sparse.Add(fmt.Append(nil, i))
	}
	dense, dm := newHLL(0)
	for i := range 100_000 {
		dense.Add(fmt.Append(nil, i))
	}
	e := []byte("element:000000012345")
	var regs [HLLRegisters]uint8
	b.Run("add/sparse", func(b *testing.B) {
		for range b.N {
			sparse.Add(e)
		}
	})
	b.Run("add/dense", func(b *testing.B) {
		for range b.N {
			dense.Add(e)
		}
	})
	b.Run("count/sparse", func(b *testing.B) {
		for range b.N {
			HLLCount(sm.Bytes())
		}
	})
	b.Run("count/dense", func(b *testing.B) {
		for range b.N {
			HLLCount(dm.Bytes())
		}
	})
	b.Run("merge/dense", func(b *testing.B) {
		for range b.N {
			HLLMerge(regs[:], dm.Bytes())
		}
	})
	HLLMerge(regs[:], dm.Bytes())
	b.Run("raise/dense", func(b *testing.B) {
		for range b.N {
			dense.Merge(regs[:])
		}
	})
	clear(regs[:])
	HLLMerge(regs[:], sm.Bytes())
	b.Run("raise/sparse", func(b *testing.B) {
		for range b.N {
			y, _ := newHLL(16000)
			y.Merge(regs[:])
		}
	})
}
