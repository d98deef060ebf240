package server

import (
	"fmt"
	"sync"
	"sync/atomic"

	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
)

// commandLogs remember commands that stand out, each for a reason of its own: SLOWLOG shows the first one, Valkey's
// COMMANDLOG all three.
type commandLogs struct {
	slow    commandLog // values are microseconds; the limit is in nanoseconds, -1 logs nothing
	request commandLog // values and the limit are bytes as the client has sent them; math.MaxInt64 logs nothing
	reply   commandLog // the same of what it gets
}

// commandLog remembers the latest commands whose value has reached the limit, max of them at most.
type commandLog struct {
	limit atomic.Int64

	mu      sync.Mutex
	entries []logEntry // oldest first
	max     int
	next    int64 // ID
}

type logEntry struct {
	id    int64
	at_s  int64 // Unix time
	value int64
	args  [][]byte
	addr  string
	name  string
}

const (
	logArgs    = 32  // of a request; the last one tells how many more there were
	logArgSize = 128 // bytes
)

// add logs a command of a client, which need not be one of the caller's loop.
func (l *commandLog) add(s *session, row *command.Row, argv [][]byte, at_s, value int64) {
	e := logEntry{at_s: at_s, value: value, addr: s.conn.RemoteAddr(), name: s.name, args: logCopy(row, argv)}
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

// logCopy is a request as the logs keep it: shortened, without secrets.
func logCopy(row *command.Row, argv [][]byte) [][]byte {
	args := make([][]byte, min(len(argv), logArgs))
	for i := range args {
		a := argv[i]
		switch {
		case i == logArgs-1 && len(argv) > logArgs:
			args[i] = fmt.Appendf(nil, "... (%d more arguments)", len(argv)-logArgs+1)
		case isSecret(row, argv, i):
			args[i] = redacted
		case len(a) > logArgSize:
			args[i] = fmt.Appendf(append([]byte(nil), a[:logArgSize]...), "... (%d more bytes)", len(a)-logArgSize)
		default:
			args[i] = append([]byte(nil), a...)
		}
	}
	return args
}

// setMax changes how many entries are kept.
func (l *commandLog) setMax(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = n
	l.trim()
}

// trim forgets what is too much. The slice moves on through its array; append makes a new one now and then.
func (l *commandLog) trim() {
	if n := len(l.entries) - l.max; n > 0 {
		clear(l.entries[:n])
		l.entries = l.entries[n:]
	}
}

// logLarge logs a command that has run, if its request or its reply, both in bytes, is large.
func (ex *executor) logLarge(s *session, row *command.Row, argv [][]byte, request, reply int) {
	logs := &ex.srv.logs
	if int64(request) < logs.request.limit.Load() && int64(reply) < logs.reply.limit.Load() {
		return
	}
	if row.Has(spec.SkipSlowlog) || s.conn == nil { // a log that is loaded has no client
		return
	}
	if int64(request) >= logs.request.limit.Load() {
		logs.request.add(s, row, argv, ex.now/1000, int64(request))
	}
	if int64(reply) >= logs.reply.limit.Load() {
		logs.reply.add(s, row, argv, ex.now/1000, int64(reply))
	}
}

// sentSize is how many bytes a request takes in the protocol: of one that is kept, only the arguments are there.
func sentSize(argv [][]byte) int {
	n := len("*\r\n") + digits(len(argv))
	for _, a := range argv {
		n += len("$\r\n\r\n") + digits(len(a)) + len(a)
	}
	return n
}

// digits is how many a number has that is not negative.
func digits(n int) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}

// logCount reads how many entries are wanted.
func logCount(a *command.Args) int64 {
	n := a.IntOr(resp.ErrSlowlogCount)
	if n < -1 {
		a.Wrong(resp.ErrSlowlogCount)
	}
	return n
}

// logOf reads which log is meant; it is the slow one if there is none of that name.
func logOf(c *command.Ctx) *commandLog {
	a, logs := &c.Args, &c.Client.(*session).srv.logs
	switch {
	case a.Is("SLOW"):
	case a.Is("LARGE-REQUEST"):
		return &logs.request
	case a.Is("LARGE-REPLY"):
		return &logs.reply
	default:
		a.Wrong("ERR type should be one of the following: slow, large-request, large-reply")
	}
	return &logs.slow
}

// show answers with the latest n entries, with all if n is negative.
func (l *commandLog) show(w *resp.Writer, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n > int64(len(l.entries)) {
		n = int64(len(l.entries))
	}
	w.Array(int(n))
	for i := range int(n) {
		e := &l.entries[len(l.entries)-1-i]
		w.Array(6)
		w.Int(e.id)
		w.Int(e.at_s)
		w.Int(e.value)
		w.Array(len(e.args))
		for _, a := range e.args {
			w.Bulk(a)
		}
		w.BulkString(e.addr)
		w.BulkString(e.name)
	}
}

func (l *commandLog) len() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.entries))
}

func (l *commandLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

func slowlogGet(c *command.Ctx) {
	n := int64(10)
	if c.Args.Left() > 1 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "SLOWLOG"))
		return
	}
	if c.Args.More() {
		n = logCount(&c.Args)
	}
	if c.Args.Done() {
		c.Client.(*session).srv.logs.slow.show(c.Reply, n)
	}
}

func slowlogLen(c *command.Ctx) { c.Reply.Int(c.Client.(*session).srv.logs.slow.len()) }

func slowlogReset(c *command.Ctx) {
	c.Client.(*session).srv.logs.slow.reset()
	c.Reply.OK()
}

func slowlogHelp(c *command.Ctx) {
	c.Help(
		"GET [<count>]", "Return the latest entries (10 unless told, -1 for all): ID, time, microseconds, arguments, client address, client name.",
		"LEN", "Return how many entries there are.",
		"RESET", "Forget all entries.",
	)
}

func commandlogGet(c *command.Ctx) {
	n := logCount(&c.Args)
	if l := logOf(c); c.Args.Done() {
		l.show(c.Reply, n)
	}
}

func commandlogLen(c *command.Ctx) {
	if l := logOf(c); c.Args.Done() {
		c.Reply.Int(l.len())
	}
}

func commandlogReset(c *command.Ctx) {
	if l := logOf(c); c.Args.Done() {
		l.reset()
		c.Reply.OK()
	}
}

func commandlogHelp(c *command.Ctx) {
	c.Help(
		"GET <count> <type>", "Return the latest entries of a log (-1 for all): ID, time, microseconds or bytes, arguments, client address, client name.",
		"LEN <type>", "Return how many entries there are.",
		"RESET <type>", "Forget all entries.",
		"<type>", "is one of slow, large-request and large-reply.",
	)
}

func init() {
	register(
		command.New("slowlog", command.NoneOfThem, nil),
		command.New("slowlog|get", command.NoneOfThem, slowlogGet),
		command.New("slowlog|len", command.NoneOfThem, slowlogLen),
		command.New("slowlog|reset", command.NoneOfThem, slowlogReset),
		command.New("slowlog|help", command.NoneOfThem, slowlogHelp),
		command.New("commandlog", command.NoneOfThem, nil),
		command.New("commandlog|get", command.NoneOfThem, commandlogGet),
		command.New("commandlog|len", command.NoneOfThem, commandlogLen),
		command.New("commandlog|reset", command.NoneOfThem, commandlogReset),
		command.New("commandlog|help", command.NoneOfThem, commandlogHelp),
	)
}
