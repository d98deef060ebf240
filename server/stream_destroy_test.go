package server

import (
	"strconv"
	"testing"
)

// manyPending gives a stream of no entries a group to which very many were delivered.
func (c *testClient) manyPending() {
	c.t.Helper()
	c.want("xgroup create s other $ mkstream", "OK")
	c.want("xgroup create s g 0", "OK")
	if got := c.do("eval", `
		for i = 1, 60000 do redis.call('xadd', 's', i .. '-1', 'f', 'v') end
		for i = 1, 60 do redis.call('xreadgroup', 'group', 'g', 'bob', 'count', 1000, 'streams', 's', '>') end
		redis.call('xtrim', 's', 'maxlen', 0)
		return redis.call('xpending', 's', 'g')[1]`, "0"); got != int64(60000) {
		c.t.Fatalf("%v are pending", got)
	}
}

// What a destroyed group had in memory is given back though nobody touches the stream any more.
func TestDestroyedGroupGivesMemoryBack(t *testing.T) {
	ts := startServer(t, "--appendonly", "yes", "--maxmemory-policy", "noeviction")
	c := ts.dial()
	c.manyPending()
	const least = 60000 * 40
	full, size := c.number("memory", "used_memory"), c.do("memory", "usage", "s").(int64)
	c.want("debug pause-cron 1", "OK") // nobody gives anything back but who needs it
	c.want("xgroup destroy s g", 1)
	if n := c.do("memory", "usage", "s").(int64); n > size-least {
		t.Errorf("the stream has %d bytes, had %d", n, size)
	}
	c.want("debug check", "OK")
	c.want("config set maxmemory "+strconv.FormatInt(full-least/2, 10), "OK")
	eventually(t, "room", func() bool {
		c.want("set key value", "OK")
		return c.number("memory", "used_memory") < full-least/2
	})
	c.want("config set maxmemory 0", "OK")
	c.want("xgroup create s g 0", "OK")
	c.want("xgroup destroy s g", 1)
	c.want("debug pause-cron 0", "OK")
	eventually(t, "an end", func() bool {
		return c.number("memory", "used_memory") < full-least && c.number("memory", "lazyfree_pending_objects") == 0
	})
	c.want("debug check", "OK")
	before := c.do("debug", "digest")
	for _, reload := range []string{"debug loadaof", "debug reload"} {
		c.want(reload, "OK")
		c.want("xinfo consumers s other", []any{})
		c.want("debug check", "OK")
		if got := c.do("debug", "digest"); got != before {
			t.Errorf("%s: %v was %v", reload, got, before)
		}
	}
}

// A snapshot, a copy and a flush while a group's remains wait, none of which sees them.
func TestDestroyedGroupIsNotSeen(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.manyPending()
	c.want("debug pause-cron 1", "OK")
	c.want("xgroup destroy s g", 1)
	if n := c.number("memory", "lazyfree_pending_objects"); n != 1 {
		t.Errorf("%d values wait", n)
	}
	if n := len(c.do("dump", "s").(string)); n > 1000 {
		t.Errorf("DUMP has %d bytes", n)
	}
	c.want("copy s to", 1)
	if a, b := c.digest("s"), c.digest("to"); a != b {
		t.Errorf("the copy is %s, not %s", b, a)
	}
	before := c.do("debug", "digest")
	c.want("debug reload", "OK")
	if got := c.do("debug", "digest"); got != before {
		t.Errorf("%v was %v", got, before)
	}
	c.want("debug check", "OK")
	c.want("flushall async", "OK")
	c.want("debug check", "OK")
	c.want("debug pause-cron 0", "OK")
	eventually(t, "an end", func() bool { return c.number("memory", "lazyfree_pending_objects") == 0 })
	c.want("debug check", "OK")
}
