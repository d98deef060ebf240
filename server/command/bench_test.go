package command

import (
	"fmt"
	"testing"
)

// BenchmarkRow measures handlers with what the dispatcher does around them: requests like those of redis-benchmark -r
// 100000, on one key.
func BenchmarkRow(b *testing.B) {
	const kinds = 100_000
	for _, c := range []struct {
		name string
		fill string // with %d, run once for each kind
		text string // with %d
	}{
		{"sadd", "", "SADD myset element:%012d"},
		{"sadd-there", "SADD myset element:%012d", "SADD myset element:%012d"},
		{"sismember", "SADD myset element:%012d", "SISMEMBER myset element:%012d"},
		{"spop", "SADD myset element:%012d", "SPOP myset"},
		{"srandmember", "SADD myset element:%012d", "SRANDMEMBER myset"},
		{"hset", "HSET myhash element:%012d xxx", "HSET myhash element:%012d xxx"},
		{"hset-new", "", "HSET myhash element:%012d xxx"},
		{"hget", "HSET myhash element:%012d xxx", "HGET myhash element:%012d"},
		{"hincrby", "HSET myhash element:%012d 5", "HINCRBY myhash element:%012d 1"},
		{"set", "", "SET key:%012d xxx"},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newLab(b)
			l.c.Record = false
			requests := make([][][]byte, kinds)
			for i := range requests {
				text := c.text
				if c.name != "spop" && c.name != "srandmember" {
					text = fmt.Sprintf(c.text, i*7919%kinds)
				}
				requests[i] = l.args(words(text)...)
			}
			fill := func() {
				if c.fill != "" {
					for i := range kinds {
						l.w.Empty()
						l.run(l.args(words(fmt.Sprintf(c.fill, i))...))
					}
				}
			}
			fill()
			b.ResetTimer()
			for i := range b.N {
				if c.name == "spop" && i%kinds == kinds-1 {
					b.StopTimer()
					fill()
					b.StartTimer()
				}
				l.w.Empty()
				l.run(requests[i%kinds])
			}
		})
	}
}
