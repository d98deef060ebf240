package model

import (
	"math/rand/v2"
	"testing"

	"larder/tests/internal/wire"
)

// scanned is one kind of scan: of keys, or of the elements of one collection.
type scanned struct {
	name   string
	scan   func(cursor string) []string
	add    func(element string) []string
	remove func(element string) []string
	stride int // values of a reply for each element
}

var scans = []scanned{
	{"keys", func(c string) []string { return []string{"SCAN", c, "COUNT", "50"} },
		func(e string) []string { return []string{"SET", e, "v"} }, func(e string) []string { return []string{"DEL", e} }, 1},
	{"set", func(c string) []string { return []string{"SSCAN", "c", c, "COUNT", "50"} },
		func(e string) []string { return []string{"SADD", "c", e} }, func(e string) []string { return []string{"SREM", "c", e} }, 1},
	{"hash", func(c string) []string { return []string{"HSCAN", "c", c, "COUNT", "50"} },
		func(e string) []string { return []string{"HSET", "c", e, "v"} }, func(e string) []string { return []string{"HDEL", "c", e} }, 2},
	{"zset", func(c string) []string { return []string{"ZSCAN", "c", c, "COUNT", "50"} },
		func(e string) []string { return []string{"ZADD", "c", "1", e} }, func(e string) []string { return []string{"ZREM", "c", e} }, 2},
}

// TestScanReturnsEveryElementThatStays: elements that are there from the first call to the last must be returned,
// while others come and go so that the table grows to many times its size and shrinks again. An element that was never
// there must not be returned.
func TestScanReturnsEveryElementThatStays(t *testing.T) {
	s := start(t)
	for _, kind := range scans {
		for _, change := range []string{"none", "grow", "shrink", "churn"} {
			t.Run(kind.name+"/"+change, func(t *testing.T) {
				c := dial(t, s)
				r := rand.New(rand.NewPCG(*seed, 1))
				do(t, c, "FLUSHALL")
				stays, present := map[string]bool{}, []string{}
				fill := func(prefix string, n int) {
					var commands [][]string
					for i := range n {
						commands = append(commands, kind.add(prefix+itoa(i)))
						present = append(present, prefix+itoa(i))
					}
					pipeline(t, c, commands)
				}
				for i := range 3000 {
					stays["stay"+itoa(i)] = true
				}
				fill("stay", 3000)
				present = nil
				if change == "shrink" || change == "churn" {
					fill("passing", 20000)
				}
				seen := walk(t, c, kind, func(step int) {
					var commands [][]string
					for range 300 {
						grow := change == "grow" || change == "churn" && step%20 < 10
						switch {
						case change == "none":
						case grow && len(present) < 40000:
							e := "new" + itoa(r.IntN(1_000_000))
							present = append(present, e)
							commands = append(commands, kind.add(e))
						case !grow && len(present) > 0:
							i := r.IntN(len(present))
							commands = append(commands, kind.remove(present[i]))
							present[i] = present[len(present)-1]
							present = present[:len(present)-1]
						}
					}
					pipeline(t, c, commands)
				})
				missing := 0
				for e := range stays {
					if seen[e] == 0 {
						missing++
					}
				}
				if missing > 0 {
					t.Errorf("%d of %d elements that stayed were not returned", missing, len(stays))
				}
				if change == "none" {
					for e, n := range seen {
						if n != 1 || !stays[e] {
							t.Errorf("%q was returned %d times; it is there: %v", e, n, stays[e])
							break
						}
					}
				}
			})
		}
	}
}

// walk scans from the first cursor to the last, with something happening between the calls.
func walk(t *testing.T, c *wire.Conn, kind scanned, between func(step int)) map[string]int {
	t.Helper()
	seen := map[string]int{}
	cursor := "0"
	for step := 0; ; step++ {
		if step > 20000 {
			t.Fatal("the scan does not end")
		}
		v := do(t, c, kind.scan(cursor)...)
		if len(v.Elems) != 2 || len(v.Elems[1].Elems)%kind.stride != 0 {
			t.Fatalf("reply %q", v.Append(nil))
		}
		for i := 0; i < len(v.Elems[1].Elems); i += kind.stride {
			seen[v.Elems[1].Elems[i].String()]++
		}
		if cursor = v.Elems[0].String(); cursor == "0" {
			return seen
		}
		between(step)
	}
}

// TestScanTakesItsTime: a call returns about as many elements as were asked for, however large the table is.
func TestScanTakesItsTime(t *testing.T) {
	s := start(t)
	c := dial(t, s)
	var commands [][]string
	for i := range 50000 {
		commands = append(commands, []string{"SET", "k" + itoa(i), "v"})
	}
	pipeline(t, c, commands)
	for _, count := range []int{1, 10, 1000} {
		cursor, most := "0", 0
		for range 100 {
			v := do(t, c, "SCAN", cursor, "COUNT", itoa(count))
			most = max(most, len(v.Elems[1].Elems))
			if cursor = v.Elems[0].String(); cursor == "0" {
				break
			}
		}
		if most > count*3+1000 {
			t.Errorf("COUNT %d: one call returned %d keys", count, most)
		}
	}
}
