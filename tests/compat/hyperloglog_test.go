package compat

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// TestHyperLogLogMoves moves HyperLogLogs between larder and the servers on PATH by GET and SET, counts on with either,
// and compares every byte. Without another server there are the recorded bytes of package datatypes.
func TestHyperLogLogMoves(t *testing.T) {
	if *record || *server != "" {
		return
	}
	p, err := peer.Build()
	if err != nil {
		t.Fatal(err)
	}
	own, _ := start(t, p)
	for _, name := range []string{"redis-server", "valkey-server"} {
		other, ok := peer.Find(name)
		if !ok {
			continue
		}
		t.Run(other.Name, func(t *testing.T) {
			s, _ := start(t, other)
			moveHyperLogLogs(t, dial(t, own), dial(t, s))
		})
	}
}

func dial(t *testing.T, s *peer.Server) *wire.Conn {
	t.Helper()
	c, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func moveHyperLogLogs(t *testing.T, a, b *wire.Conn) {
	r := rand.New(rand.NewPCG(1, 9))
	do := func(c *wire.Conn, args ...string) string {
		v, err := c.Do(args...)
		if err != nil {
			t.Fatal(err)
		}
		return string(v.Append(nil))
	}
	same := func(args ...string) {
		t.Helper()
		if x, y := do(a, args...), do(b, args...); x != y {
			t.Errorf("%.60q: larder replies %.60q, the other %.60q", args, x, y)
		}
	}
	for _, most := range []int{1, 3, 10, 100, 1000, 20_000} {
		for round := range 6 {
			same("DEL", "h", "g", "m")
			for _, key := range []string{"h", "g"} {
				for range 1 + r.IntN(3) {
					args := []string{"PFADD", key}
					for range min(1+r.IntN(most), 5000) {
						args = append(args, strconv.Itoa(r.IntN(most)))
					}
					// One adds, the other goes on with its bytes.
					from, to := a, b
					if r.IntN(2) == 0 {
						from, to = b, a
					}
					do(from, args...)
					if r.IntN(2) == 0 {
						do(from, "PFCOUNT", key)
					}
					v, err := from.Do("GET", key)
					if err != nil {
						t.Fatal(err)
					}
					do(to, "SET", key, string(v.Text))
				}
				same("GET", key)
				same("PFCOUNT", key)
				same("GET", key) // with the estimate in it
			}
			same("PFCOUNT", "h", "g")
			same("PFMERGE", "m", "h", "g")
			same("GET", "m")
			same("PFADD", "m", fmt.Sprint("more", round))
			same("GET", "m")
			same("PFDEBUG", "DECODE", "m")
			same("PFDEBUG", "GETREG", "h")
			same("GET", "h")
		}
	}
}
