package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"larder/server/command"
	"larder/server/resp"
	"larder/server/script"
)

// SCRIPT DEBUG makes the client's next EVAL a session of the Lua debugger (package script), during which the client's
// connection belongs to that, and which ends with it:
//
//	SYNC   the script runs on the data. All shards are held: the others wait, and after busy-reply-threshold hear BUSY
//	YES    it runs in a copy of the server, which has a copy of the data, and is the only client there: script_debug_copy.go

// debugMode is what the client has said in SCRIPT DEBUG.
type debugMode uint8

const (
	debugOff debugMode = iota
	debugInCopy
	debugSync
)

const (
	errDebugPipeline resp.Error = "ERR SCRIPT DEBUG must be called outside a pipeline"
	errEvalPipeline  resp.Error = "ERR EVAL must be called outside a pipeline while scripts are debugged"
	errDebugMulti    resp.Error = "ERR EVAL inside MULTI can not be debugged"
)

func scriptDebug(c *command.Ctx) {
	s := c.Client.(*session)
	mode := debugOff
	switch {
	case s.ex.inTransaction || s.conn.Pending() > 0:
		c.Fail(errDebugPipeline)
		return
	case c.Args.Is("NO"):
	case c.Args.Is("YES"):
		mode = debugInCopy
	case c.Args.Is("SYNC"):
		mode = debugSync
	default:
		c.Fail("ERR Use SCRIPT DEBUG YES/SYNC/NO")
		return
	}
	s.debug = mode
	c.Reply.OK()
}

// debugScript is EVAL for a client that debugs.
func (ex *executor) debugScript(c *command.Ctx, readOnly bool) {
	s := c.Client.(*session)
	switch {
	case ex.inTransaction:
		c.Fail(errDebugMulti)
	case s.conn.Pending() > 0:
		c.Fail(errEvalPipeline)
	case s.debug == debugInCopy:
		ex.debugInCopy(c)
	default:
		ex.debugSync(c, readOnly)
	}
}

// debugSync is a session on the data.
func (ex *executor) debugSync(c *command.Ctx, readOnly bool) {
	s := c.Client.(*session)
	nc, err := s.conn.Borrow()
	if err != nil {
		c.Fail(errEvalPipeline)
		return
	}
	s.conn.PauseReading() // until it closes
	srv := ex.srv
	if srv.copyOf == nil {
		srv.log.Info("A script is debugged (SCRIPT DEBUG SYNC): nobody else is served meanwhile")
		defer srv.log.Info("The script that was debugged has ended")
	}
	t := &debugTalk{ex: ex, nc: nc, ahead: ex.sentAhead(s)}
	d := script.NewDebugger(c.Args.At(1), t, func() time.Duration {
		if ms := srv.conf.BusyReplyThreshold.Get(); ms > 0 {
			return milliseconds(ms)
		}
		return defaultPatience
	})
	ex.evaluate(c, false, readOnly, d)
	d.End()
	nc.SetDeadline(time.Time{})
	nc.Close()
	s.conn.CloseAfterReply()
}

// defaultPatience is how long a script may run on without the client if nothing is said about slow scripts.
const defaultPatience = 5 * time.Second

// sentAhead is what the client has sent after the request that runs. The turn forgets it.
func (ex *executor) sentAhead(s *session) []byte {
	in := &s.conn.In
	for i := len(ex.batch) - 1; i > ex.asides.batch; i-- {
		if rq := &ex.batch[i]; rq.s == s && !rq.done {
			rq.done = true
			if rq.fault == "" {
				in.Unread(&rq.Request)
			}
		}
	}
	return slices.Clone(in.Take(in.Buffered()))
}

// debugEngine runs a script under a debugger, in an engine that nobody else uses.
func (srv *Server) debugEngine(h *scriptHost, d *script.Debugger, sc *script.Script, keys, args [][]byte, out *resp.Writer) script.Result {
	e := srv.newEngine()
	defer func() {
		e.Close()
		srv.engines.Add(-1)
	}()
	return e.Debug(h, d, sc, keys, args, out)
}

// debugTalk is the client of a session as the debugger sees it: its connection, beside which the executor's other clients
// are looked after.
type debugTalk struct {
	ex    *executor
	nc    net.Conn
	ahead []byte // what was read before the session
	buf   [4 << 10]byte

	broken bool // the client does not take what it is sent
}

const (
	debugGlance  = 5 * time.Millisecond // how often the others are looked after while the client thinks
	debugSending = 5 * time.Second      // how long the client may take to read what it is sent
)

// Send is script.Client's.
func (t *debugTalk) Send(lines []string) {
	var b bytes.Buffer
	b.WriteString("*" + strconv.Itoa(len(lines)) + "\r\n")
	for _, l := range lines {
		b.WriteString("+" + l + "\r\n")
	}
	t.nc.SetWriteDeadline(time.Now().Add(debugSending))
	if _, err := t.nc.Write(b.Bytes()); err != nil {
		t.broken = true
	}
}

// Receive is script.Client's.
func (t *debugTalk) Receive() ([]byte, error) {
	if t.broken {
		return nil, io.EOF
	}
	if b := t.ahead; len(b) > 0 {
		t.ahead = nil
		return b, nil
	}
	srv, r := t.ex.srv, t.ex.scripting.run
	for {
		t.nc.SetReadDeadline(time.Now().Add(debugGlance))
		n, err := t.nc.Read(t.buf[:])
		switch {
		case n > 0:
			return t.buf[:n], nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		case err == nil:
			return nil, io.EOF
		case t.ex.whileScript(r) || srv.ended.Load():
			return nil, script.ErrInterrupted
		}
	}
}

// Discards is script.Client's.
func (t *debugTalk) Discards() bool { return t.ex.srv.copyOf != nil }

// endDebugging ends the session that holds the server, which is about to end.
func (srv *Server) endDebugging() {
	for _, ex := range srv.executors {
		if r := ex.running.Load(); r != nil && r.debugged {
			r.kill.Store(true)
		}
	}
}

func init() { register(command.New("script|debug", command.NoneOfThem, scriptDebug)) }
