package server

import (
	"fmt"
	"testing"
	"time"
)

// withLocalKeys is a writable replica whose primary is not there, with keys of its own that have a time.
func withLocalKeys(t *testing.T, n int, expire string) (*testServer, *testClient) {
	t.Helper()
	ts := startServer(t, "--replica-read-only", "no", "--replicaof", "127.0.0.1 "+freePort(t))
	c := ts.dial()
	c.want("debug pause-cron 1", "OK")
	for i := range n {
		c.send(fmt.Sprint("set key:", i, " v ", expire))
		if i%1000 == 999 || i == n-1 {
			for range i%1000 + 1 {
				c.read()
			}
		}
	}
	if n := c.number("stats", "slave_expires_tracked_keys"); n == 0 {
		t.Fatal("no key is known to be the replica's own")
	}
	return ts, c
}

// A replica with many keys of its own looks at few of them as long as their time is not over, whichever it is that comes first.
func TestLocalKeysCostLittle(t *testing.T) {
	ts, c := withLocalKeys(t, 20_000, "ex 10000")
	c.want("set soon v px 1", "OK")
	expired := func() int64 { return c.number("stats", "expired_keys") }
	c.want("debug pause-cron 0", "OK")
	eventually(t, "the end of the key whose time was over", func() bool { return expired() == 1 })
	if n := c.number("stats", "slave_expires_tracked_keys"); n != 20_000 {
		t.Error(n, "keys are left")
	}
	ts.janitor.enter()
	defer ts.janitor.leave()
	least := time.Hour
	for range 20 {
		began := time.Now()
		ts.expireLocal(ts.janitor)
		least = min(least, time.Since(began))
	}
	if least > localMost/2 {
		t.Errorf("nothing is to be done, and that takes %v", least)
	}
}

// What has gone otherwise is not kept in mind for as long as it would have lived.
func TestLocalKeysAreForgotten(t *testing.T) {
	for request, left := range map[string]int64{"flushall": 0, "persist key:7": 99, "del key:7": 99, "set key:7 v": 99} {
		_, c := withLocalKeys(t, 100, "ex 10000")
		c.do(request)
		c.want("debug pause-cron 0", "OK")
		eventually(t, request, func() bool { return c.number("stats", "slave_expires_tracked_keys") == left })
	}
	_, c := withLocalKeys(t, 100, "ex 10000")
	c.want("replicaof no one", "OK")
	c.want("debug pause-cron 0", "OK")
	eventually(t, "the server's being a primary", func() bool { return c.number("stats", "slave_expires_tracked_keys") == 0 })
}

// A key of the primary's that a client's command has only read is no key of the replica's own.
func TestReadKeysAreThePrimarys(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--replica-read-only", "no")
	b.follow(a)
	c, r := a.dial(), b.dial()
	c.want("sadd theirs member", 1)
	c.want("expire theirs 10000", 1)
	c.want("wait 1 0", 1)
	r.want("sunionstore own theirs", 1)
	r.want("copy theirs copied", 1)
	if n := r.number("stats", "slave_expires_tracked_keys"); n != 1 {
		t.Error(n, "keys are known to be the replica's own")
	}
}
