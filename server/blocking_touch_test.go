package server

import "testing"

// A client that is served when somebody writes the key has read it like any other, unless it has said CLIENT NO-TOUCH: its own
// word counts, and not that of the one who writes.
func TestServedClientTouchesByItsOwnWord(t *testing.T) {
	ts := startServer(t, "--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0") // each time that a key is touched counts
	after := func(waiting, writing string) int64 {
		waits, writes := ts.dial(), ts.dial()
		waits.want("client no-touch "+waiting, "OK")
		writes.want("client no-touch "+writing, "OK")
		writes.want("del s", 0)
		waits.send("xread block 0 streams s 0")
		eventually(t, "waiting", func() bool { return writes.number("clients", "blocked_clients") == 1 })
		writes.do("xadd s * f v")
		waits.read()
		n := writes.do("object freq s").(int64)
		writes.want("del s", 1)
		return n
	}
	for _, writing := range []string{"off", "on"} {
		if with, without := after("off", writing), after("on", writing); with != without+1 {
			t.Errorf("with NO-TOUCH %s for the one who writes, a key that was served has %d, and %d for a client that touches none", writing, with, without)
		}
	}
}
