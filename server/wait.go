package server

import (
	"larder/server/command"
	"larder/server/resp"
)

// wait answers how many replicas have what the client has written, once there are enough of them or the time is over.
// A server without replicas has nobody to wait for: it answers 0, at the end of the time if any were asked for.
func wait(c *command.Ctx) {
	replicas, deadline := c.Args.Int(), waitTimeout(c)
	if !c.Args.Done() {
		return
	}
	if replicas > 0 && c.MayBlock {
		c.Block(nil, deadline, command.ReplyRerun)
		return
	}
	c.Reply.Int(0)
}

// waitaof is wait for writes that are on disk, here and on replicas.
func waitaof(c *command.Ctx) {
	local := c.Args.IntIn(0, 1, "ERR value is out of range, must be between 0 and 1")
	replicas := c.Args.IntIn(0, 1<<31-1, resp.ErrNotPositive)
	deadline := waitTimeout(c)
	if !c.Args.Done() {
		return
	}
	if local > 0 {
		c.Fail("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
		return
	}
	if replicas > 0 && c.MayBlock {
		c.Block(nil, deadline, command.ReplyRerun)
		return
	}
	c.Reply.Array(2)
	c.Reply.Int(0)
	c.Reply.Int(0)
}

// waitTimeout reads a timeout in milliseconds and returns when it ends, 0 for never.
func waitTimeout(c *command.Ctx) (deadline_ms int64) {
	ms := c.Args.IntOr(resp.ErrTimeoutNotInt)
	switch {
	case c.Args.Bad():
	case ms < 0:
		c.Args.Wrong(resp.ErrTimeoutNegative)
	case ms > 1<<62:
		c.Args.Wrong(resp.ErrTimeoutRange)
	case ms > 0:
		return c.Now + ms
	}
	return 0
}

func init() {
	register(
		command.New("wait", command.NoneOfThem, wait),
		command.New("waitaof", command.NoneOfThem, waitaof),
	)
}
