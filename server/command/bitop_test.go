package command

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// TestBitop compares all operations with what they are by definition, for sources of different lengths, missing ones and such
// as are the destination as well.
func TestBitop(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	l := newLab(t)
	rnd := rand.New(rand.NewPCG(1, 8))
	for round := range rounds {
		names := []string{"a", "b", "c", "d", "none"}
		values := map[string][]byte{"none": nil}
		most := 40
		if round%20 == 0 {
			most = 3 * bitopChunk
		}
		for _, name := range names[:4] {
			b := make([]byte, rnd.IntN(most)+1)
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			values[name] = b
			l.do("SET", name, string(b))
		}
		op := &bitOperations[rnd.IntN(len(bitOperations))]
		n := rnd.IntN(4) + 2
		if op.name == "NOT" {
			n = 1
		}
		words := []any{"BITOP", op.name, "d"}
		var sources [][]byte
		size := 0
		for range n {
			name := names[rnd.IntN(len(names))]
			words = append(words, name)
			sources = append(sources, values[name])
			size = max(size, len(values[name]))
		}
		want := make([]byte, size)
		for i := range 8 * size {
			if bitOf(op.name, sources, i) {
				want[i/8] |= 128 >> (i % 8)
			}
		}
		l.want(fmt.Sprint(":", size), words...)
		c := l.c
		c.Take(l.ks.All())
		got, _ := c.PeekString([]byte("d"))
		if string(got) != string(want) {
			t.Errorf("%v: %x, want %x", words, got, want)
		}
		c.Release()
	}
	for _, op := range []string{"DIFF", "DIFF1", "ANDOR"} {
		l.want("-ERR BITOP "+op+" must be called with at least two source keys.", "BITOP", op, "d", "a")
	}
	l.want("-ERR syntax error", "BITOP", "DIFF2", "d", "a", "b")
}

// bitOf is bit number i of what an operation makes of its sources.
func bitOf(op string, sources [][]byte, i int) bool {
	set := make([]bool, len(sources))
	n := 0
	for k, s := range sources {
		if set[k] = i/8 < len(s) && s[i/8]<<(i%8)&128 != 0; set[k] {
			n++
		}
	}
	others := n
	if set[0] {
		others--
	}
	switch op {
	case "AND":
		return n == len(set)
	case "OR":
		return n > 0
	case "XOR":
		return n%2 == 1
	case "NOT":
		return n == 0
	case "DIFF":
		return set[0] && others == 0
	case "DIFF1":
		return !set[0] && others > 0
	case "ANDOR":
		return set[0] && others > 0
	}
	return n == 1
}

// TestBitopEffects has servers that know only the older operations told what came out.
func TestBitopEffects(t *testing.T) {
	l := newLab(t)
	l.c.WantEffects = true
	l.do("SET", "a", "abc")
	l.do("SET", "b", "b")
	for _, x := range []struct{ op, effect string }{
		{"XOR", "[BITOP XOR d a b]"}, {"DIFF", "[SET d \x01bc]"}, {"ONE", "[SET d \x03bc]"},
	} {
		l.do("BITOP", x.op, "d", "a", "b")
		if got := fmt.Sprint(l.effects); got != x.effect {
			t.Errorf("%s has the effects %q, want %q", x.op, got, x.effect)
		}
	}
	l.do("BITOP", "DIFF", "d", "none", "none")
	if got := fmt.Sprint(l.effects); got != "[DEL d]" {
		t.Errorf("DIFF of nothing has the effects %q", got)
	}
}

// TestOneBits counts with operands of all lengths around those of words.
func TestOneBits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	for n := range 40 {
		one, more := make([]byte, n), make([]byte, n)
		counts := make([]int, 8*n)
		for range 4 {
			src := make([]byte, rnd.IntN(n+1))
			for i := range src {
				src[i] = byte(rnd.Uint32())
				for b := range 8 {
					counts[8*i+b] += bits.OnesCount8(src[i] >> b & 1)
				}
			}
			oneBits(one, more, src)
		}
		for i, count := range counts {
			if got := one[i/8]>>(i%8)&1 == 1; got != (count == 1) {
				t.Fatalf("%d bytes: bit %d is set in %d operands, and %v", n, i, count, got)
			}
		}
	}
}
