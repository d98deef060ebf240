package server

import "testing"

func TestShardsFor(t *testing.T) {
	for _, c := range []struct{ wanted, loops, shards int }{
		{1, 8, 1}, {64, 1, 64}, {0, 1, 16}, {0, 2, 16}, {0, 3, 32}, {0, 4, 32}, {0, 5, 64}, {0, 8, 64}, {0, 1024, 64},
	} {
		if n := shardsFor(c.wanted, c.loops); n != c.shards {
			t.Errorf("shards %d with %d loops are %d, not %d", c.wanted, c.loops, n, c.shards)
		}
	}
}
