package server

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"larder/server/command"
	"larder/server/resp"
)

// slowLog remembers the commands that took longer than slowlog-log-slower-than, the latest ones up to
// slowlog-max-len.
type slowLog struct {
	limit atomic.Int64 // nanoseconds; -1 logs nothing

	mu      sync.Mutex
	entries []slowEntry // oldest first
	max     int
	next    int64 // ID
}

type slowEntry struct {
	id      int64
	at_s    int64 // Unix time
	took_us int64
	args    [][]byte
	addr    string
	name    string
}

const (
	slowArgs    = 32  // of a request; the last one tells how many more there were
	slowArgSize = 128 // bytes
)

// add logs a command of a client, which need not be one of the caller's loop.
func (l *slowLog) add(s *session, row *command.Row, argv [][]byte, at_s int64, d time.Duration) {
	e := slowEntry{at_s: at_s, took_us: d.Microseconds(), addr: s.conn.RemoteAddr(), name: s.name, args: slowCopy(row, argv)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max == 0 {
		return
	}
	e.id = l.next
	l.next++
	l.entries = append(l.entries, e)
	l.trim()
}

// slowCopy is a request as the slow log keeps it: shortened, without secrets.
func slowCopy(row *command.Row, argv [][]byte) [][]byte {
	args := make([][]byte, min(len(argv), slowArgs))
	for i := range args {
		a := argv[i]
		switch {
		case i == slowArgs-1 && len(argv) > slowArgs:
			args[i] = fmt.Appendf(nil, "... (%d more arguments)", len(argv)-slowArgs+1)
		case isSecret(row, argv, i):
			args[i] = redacted
		case len(a) > slowArgSize:
			args[i] = fmt.Appendf(append([]byte(nil), a[:slowArgSize]...), "... (%d more bytes)", len(a)-slowArgSize)
		default:
			args[i] = append([]byte(nil), a...)
		}
	}
	return args
}

// setMax changes how many entries are kept.
func (l *slowLog) setMax(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = n
	l.trim()
}

// trim forgets what is too much. The slice moves on through its array; append makes a new one now and then.
func (l *slowLog) trim() {
	if n := len(l.entries) - l.max; n > 0 {
		clear(l.entries[:n])
		l.entries = l.entries[n:]
	}
}

func slowlogGet(c *command.Ctx) {
	n := int64(10)
	if c.Args.Left() > 1 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "SLOWLOG"))
		return
	}
	if c.Args.More() {
		if n = c.Args.IntOr(resp.ErrSlowlogCount); n < -1 {
			c.Args.Wrong(resp.ErrSlowlogCount)
		}
	}
	if !c.Args.Done() {
		return
	}
	l := &c.Client.(*session).srv.slowlog
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n > int64(len(l.entries)) {
		n = int64(len(l.entries))
	}
	w := c.Reply
	w.Array(int(n))
	for i := range int(n) {
		e := &l.entries[len(l.entries)-1-i]
		w.Array(6)
		w.Int(e.id)
		w.Int(e.at_s)
		w.Int(e.took_us)
		w.Array(len(e.args))
		for _, a := range e.args {
			w.Bulk(a)
		}
		w.BulkString(e.addr)
		w.BulkString(e.name)
	}
}

func slowlogLen(c *command.Ctx) {
	l := &c.Client.(*session).srv.slowlog
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Reply.Int(int64(len(l.entries)))
}

func slowlogReset(c *command.Ctx) {
	l := &c.Client.(*session).srv.slowlog
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
	c.Reply.OK()
}

func slowlogHelp(c *command.Ctx) {
	c.Help(
		"GET [<count>]", "Return the latest entries (10 unless told, -1 for all): ID, time, microseconds, arguments, client address, client name.",
		"LEN", "Return how many entries there are.",
		"RESET", "Forget all entries.",
	)
}

func init() {
	register(
		command.New("slowlog", command.NoneOfThem, nil),
		command.New("slowlog|get", command.NoneOfThem, slowlogGet),
		command.New("slowlog|len", command.NoneOfThem, slowlogLen),
		command.New("slowlog|reset", command.NoneOfThem, slowlogReset),
		command.New("slowlog|help", command.NoneOfThem, slowlogHelp),
	)
}
