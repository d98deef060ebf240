package server

import (
	"testing"
	"time"
)

// What has waited in a turn for a command that takes long, or for shards that somebody else held, runs at the time at which it runs:
// a key with a time that it sets does not expire earlier by as much as it has waited.

// expiresAfter fails the test unless a key lives for 100 s from a moment, or longer.
func (c *testClient) expiresAfter(key string, from time.Time) {
	c.t.Helper()
	at, _ := c.do("pexpiretime " + key).(int64)
	if least := from.UnixMilli() + 100_000; at < least {
		c.t.Errorf("%s expires %d ms too early", key, least-at)
	}
}

func TestTimeBehindASlowCommand(t *testing.T) {
	ts, dial := startWithSocket(t)
	c, other := dial(), dial()
	other.want("set there v px 50", "OK")
	began := time.Now()
	ts.inOneTurn(func() {
		c.send("debug sleep 0.2")
		c.send("get there")
		c.send("set k v px 100000")
		other.send("set l v px 100000")
	})
	for _, want := range []any{"OK", nil, "OK"} {
		if got := c.read(); got != want {
			t.Errorf("answered is %v, not %v", got, want)
		}
	}
	other.read()
	c.expiresAfter("k", began.Add(200*time.Millisecond))
}

func TestTimeAfterWaitingForShards(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	for _, requests := range [][][]string{
		{{"set", "k", "v", "px", "100000"}},
		{{"set", "k", "v"}, {"pexpire", "k", "100000"}},
		{{"mset", "k", "v", "l", "w"}, {"pexpire", "k", "100000"}},
		{{"multi"}, {"set", "k", "v", "px", "100000"}, {"exec"}},
		{{"eval", "return redis.call('set', KEYS[1], 'v', 'px', 100000)", "1", "k"}},
	} {
		last := len(requests) - 1
		for _, words := range requests[:last] {
			c.do(words...)
		}
		ts.ks.Lock(ts.ks.All())
		c.send(requests[last]...)
		eventually(t, "waiting", func() bool { return ts.ks.Wanted(ts.ks.All()) })
		began := time.Now()
		eventually(t, "some time", func() bool { return time.Since(began) > 20*time.Millisecond })
		now := time.Now()
		ts.ks.Unlock(ts.ks.All())
		c.read()
		c.expiresAfter("k", now)
	}
}
