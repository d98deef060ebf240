package command

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/server/resp"
)

// SORT against a list that is sorted as the manual says, with many equal and few different elements, all windows and both
// ways. What is equal keeps its order in the list.
func TestSortModel(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		l := newLab(t)
		n, different := rnd.IntN(80), 20
		if seed%8 == 0 { // sorted by digits
			n, different = leastForDigits/2+rnd.IntN(2*leastForDigits), 20+rnd.IntN(1<<20)
		}
		numbers, by := rnd.IntN(2) == 0, rnd.IntN(2) == 0
		var list []string
		weight := map[string]string{}
		for range n {
			v := fmt.Sprint(rnd.IntN(different) - different/2)
			if rnd.IntN(3) == 0 {
				v += ".5"
			}
			if !numbers {
				v = strings.Repeat("longer than eight ", rnd.IntN(2)) + strings.Repeat("\x00", rnd.IntN(3)) + string(rune('a'+rnd.IntN(4))) + fmt.Sprint(rnd.IntN(different/20))
			}
			list = append(list, v)
			l.do("RPUSH", "list", v)
		}
		if by {
			for _, v := range list {
				if _, ok := weight[v]; !ok && rnd.IntN(4) > 0 {
					weight[v] = []string{fmt.Sprint(rnd.IntN(7) - 3), "-0", "0", "1e3", "-inf"}[rnd.IntN(5)]
					if !numbers {
						weight[v] = []string{"", "\x00", "x", "eight bytes and then more", "eight bytes and then less"}[rnd.IntN(5)]
					}
					l.do("SET", "w:"+v, weight[v])
				}
			}
		}
		desc := rnd.IntN(2) == 0
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(x, y string) (order int) {
			a, b, foundA, foundB := x, y, true, true
			if by {
				a, foundA = weight[x]
				b, foundB = weight[y]
			}
			switch {
			case numbers:
				f, _ := strconv.ParseFloat(cmp.Or(a, "0"), 64)
				g, _ := strconv.ParseFloat(cmp.Or(b, "0"), 64)
				order = cmp.Or(cmp.Compare(f, g), strings.Compare(x, y))
			case foundA != foundB:
				order = 1
				if foundB {
					order = -1
				}
			default:
				order = strings.Compare(a, b)
			}
			if desc {
				order = -order
			}
			return order
		})
		from, count := rnd.IntN(n+2), rnd.IntN(n+2)
		want = want[min(from, n):min(from+count, n)]
		words := []any{"SORT", "list", "LIMIT", from, count}
		if by {
			words = append(words, "BY", "w:*")
		}
		if desc {
			words = append(words, "DESC")
		}
		if !numbers {
			words = append(words, "ALPHA")
		}
		reply := l.do(words...)
		if got, stored := reply, l.do(append(words, "STORE", "sorted")...); stored != fmt.Sprintf(":%d", len(want)) || got != l.do("LRANGE", "sorted", 0, -1) {
			t.Fatalf("seed %d: %q stores %s, of\n%s", seed, words, stored, got)
		}
		l.do("DEL", "want")
		for _, v := range want {
			l.do("RPUSH", "want", v)
		}
		if should := l.do("LRANGE", "want", 0, -1); reply != should {
			t.Fatalf("seed %d: %q of %q\n%s, want\n%s", seed, words, list, reply, should)
		}
	}
}

// A number that no double is near to is none to SORT, wherever it stands.
func TestSortOfNumbersOutOfRange(t *testing.T) {
	const none = "-ERR One or more scores can't be converted into double"
	l := newLab(t)
	for _, n := range []string{"1e400", "-1e400", "1e-400", "1e-320", "0x1p1024"} {
		l.do("DEL", "l")
		l.do("RPUSH", "l", n, "1")
		l.want(none, "SORT", "l")
		l.do("SET", "w_1", n)
		l.want(none, "SORT", "l", "BY", "w_*")
	}
	l.do("DEL", "l")
	l.do("RPUSH", "l", "inf", "1e308", "0e-400", "-inf", " 7")
	l.want("*5 $4 -inf $6 0e-400 $2  7 $5 1e308 $3 inf", "SORT", "l")
}

// Once BY has named something without a star the order stays, whatever another BY names: which is read all the same, so far as
// the client's rights go.
func TestSortByTwice(t *testing.T) {
	l := newLab(t)
	l.do("RPUSH", "l", 3, 1, 2)
	l.do("MSET", "w_1", 3, "w_2", 2, "w_3", 1, "v_1", "x")
	const kept = "*3 $1 3 $1 1 $1 2"
	l.want(kept, "SORT", "l", "BY", "nosort", "BY", "w_*")
	l.want(kept, "SORT", "l", "BY", "w_*", "BY", "nosort")
	l.want(kept, "SORT", "l", "BY", "nosort", "BY", "v_*")
	l.want("*3 $1 3 $1 2 $1 1", "SORT", "l", "BY", "v_*", "BY", "w_*")
	l.c.ReadsAll = func() bool { return false }
	l.want("-"+string(resp.ErrSortByDenied), "SORT", "l", "BY", "nosort", "BY", "w_*")
	l.want("-"+string(resp.ErrSortByDenied), "SORT", "l", "BY", "w_*", "BY", "nosort")
	l.want(kept, "SORT", "l", "BY", "nosort", "BY", "other")
}
