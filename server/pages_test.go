//go:build !race && !heaparena

package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// When not the data but its pages are too many, keys leave a few at a time: those that stand in one's way are not known, and
// pages come free when what is left has moved together.
func TestPagesCostFewKeysAtATime(t *testing.T) {
	ts := startServer(t, "--maxmemory-policy", "allkeys-lru", "--shards", "16")
	c := ts.dial()
	limit := ts.program.Load() + 56<<20
	c.want("config set maxmemory "+itoa(limit), "OK")
	c.want("debug pause-cron 1", "OK") // who evicts, too, when the process grows, as it does here for other reasons
	rnd := rand.New(rand.NewPCG(1, 2))
	value := strings.Repeat("v", 1000)
	const batch = 64
	var b []byte
	most, evicted, dense := int64(0), int64(0), int64(0)
	for range 6000 {
		b = b[:0]
		for range batch {
			v := value[:100+rnd.IntN(900)]
			b = fmt.Appendf(b, "*3\r\n$3\r\nSET\r\n$10\r\nk%09d\r\n$%d\r\n%s\r\n", rnd.IntN(1_000_000), len(v), v)
		}
		if _, err := c.nc.Write(b); err != nil {
			t.Fatal(err)
		}
		for range batch {
			if v := c.read(); v != "OK" {
				t.Fatal(v)
			}
		}
		n := c.number("stats", "evicted_keys")
		if !ts.dataOver() {
			most = max(most, n-evicted)
			dense++
		}
		evicted = n
	}
	if evicted < 10_000 || dense < 100 {
		t.Fatalf("%d keys were evicted, %d times the data was within the limit", evicted, dense)
	}
	if allowed := int64(batch * (sparseAtOnce + 1)); most > allowed {
		t.Errorf("%d requests have cost %d keys, more than %d", batch, most, allowed)
	}
}
