package server

import "testing"

// A limit of what clients may ask for says nothing about what a primary or a log has: there it was allowed.
func TestLongStringsOfAPrimaryWithMoreRoom(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0", "--proto-max-bulk-len", "1gb", "--appendonly", "yes", "--dir", t.TempDir())
	b := startServer(t, "--proto-max-bulk-len", "1mb")
	b.follow(a)
	c := a.dial()
	c.want("setrange range 1048576 x", 1<<20+1)
	c.want("setrange tail 1048575 x", 1<<20)
	c.want("append tail more", 1<<20+4)
	c.want("setbit bit 8388608 1", 0)
	c.want("bitfield field set u8 8388608 1", []any{int64(0)})
	c.want("multi", "OK")
	c.want("append tail andmore", "QUEUED")
	c.want("exec", []any{int64(1<<20 + 11)})
	c.want("eval redis.call('append',KEYS[1],'again') 1 tail", nil)
	same(t, a, b)

	r := b.dial()
	r.want("replicaof no one", "OK")
	r.want("append range x", replyError("ERR string exceeds maximum allowed size (proto-max-bulk-len)"))
	r.want("setbit bit 8388608 1", replyError("ERR bit offset is not an integer or out of range"))

	before := c.text("debug digest")
	c.want("config set proto-max-bulk-len 1mb", "OK")
	c.want("debug loadaof", "OK")
	if after := c.text("debug digest"); after != before {
		t.Errorf("the log has become %s, was %s", after, before)
	}
}
