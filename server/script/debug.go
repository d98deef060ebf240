package script

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"larder/server/resp"
)

// A Debugger is a session of Redis's Lua debugger: it stops a script at lines and asks the client what to do. It is made
// for one script, which runs in an Engine of its own.
//
//	debug.go         Debugger: where a script stops; the conversation
//	debug_talk.go    what the client can say
//	debug_lines.go   where lines begin in what was compiled; debug_scopes.go where variables do
//	debug_show.go    values and replies as text
type Debugger struct {
	client Client
	limit  func() time.Duration // after which a script that goes on and on is stopped; 0: never

	e      *Engine
	source []string
	lines  lineTable

	stepping bool // stops at the next line; meanwhile commands and their replies are shown
	asked    bool // the script has asked to be stopped
	breaks   []int
	line     int // the one that runs
	busy     bool
	since    time.Time // when the script went on
	passed   int       // instructions since somebody looked at the clock

	out     []string // lines that the client has not been sent
	in      []byte   // what it has sent and was not understood yet
	longest int      // bytes of a value that is shown, 0: no bound
	hinted  bool     // the client knows of that
	gone    bool     // the client is
	why     string   // the session ends: the reason
}

// A Client is the other end of the conversation.
type Client interface {
	// Send sends lines as a list of simple strings. What cannot be sent shows when something is to be received.
	Send(lines []string)
	// Receive waits for bytes. The error is ErrInterrupted if the script is to end, whatever else if the client is gone.
	Receive() ([]byte, error)
	// Discards tells whether nobody misses what the script has still to do when the client is gone.
	Discards() bool
}

// ErrInterrupted is Receive's error when somebody wants the script to end.
var ErrInterrupted = errors.New("the script is to end")

const (
	mostBreaks   = 64
	firstLongest = 256
	leastLongest = 60
	mostUnread   = 1 << 20
	clockEvery   = 100000 // instructions
	mostArgs     = 1024
	longestArg   = 1024
	argsShown    = 10
)

// NewDebugger makes a session about a script's text.
func NewDebugger(text []byte, client Client, limit func() time.Duration) *Debugger {
	return &Debugger{
		client: client, limit: limit, stepping: true, longest: firstLongest,
		source: strings.Split(strings.TrimRight(string(text), "\r\n"), "\n"),
	}
}

// End sends what is left and that the session is over.
func (d *Debugger) End() {
	d.say("<endsession>")
	d.send()
}

// Debug is Eval under a debugger. The engine is good for nothing else afterwards.
func (e *Engine) Debug(h Host, d *Debugger, s *Script, keys, args [][]byte, out *resp.Writer) Result {
	_, body, err := Shebang(s.Body)
	if err == nil {
		var proto *lua.FunctionProto
		if proto, d.lines, e.debugged, err = compileDebugged(body, "user_script"); err == nil {
			e.scripts[s.SHA] = &text{fn: e.newFunction(proto), proto: proto} // a debugger shows globals by their names
		}
	}
	if err != nil {
		out.Error(resp.Error("ERR Error compiling script (new function): " + err.Error()))
		return Result{Failed: true}
	}
	d.e, d.since, e.debug = e, time.Now(), d
	e.watch(e.L)
	return e.Eval(h, s, keys, args, out)
}

// stepClock is the context of a state whose instructions a debugger follows.
type stepClock struct {
	*clock
	d  *Debugger
	L  *lua.LState
	at []progress // of each function, by depth
}

// progress is how far a function has come: its last instruction, the last one with a line, and whether a jump has led to the
// end of a block. Lua has such jumps go on to where the block itself would jump to.
type progress struct {
	last, line int
	jumped     bool
}

// Done is called before each instruction.
func (c *stepClock) Done() <-chan struct{} {
	if !c.d.busy {
		c.follow()
	}
	return c.clock.Done()
}

// evalClock is the context of a state in which code runs that the client has given: it must not run for ever.
type evalClock struct {
	*clock
	ticks int
	until time.Time // zero: no end
	late  bool
}

// Done is called before each instruction.
func (c *evalClock) Done() <-chan struct{} {
	if c.ticks++; c.ticks&tickMask == 0 && !c.until.IsZero() && time.Now().After(c.until) {
		c.late = true
	}
	if c.late {
		return c.dead
	}
	return c.clock.Done()
}

// Err is why the code ends.
func (c *evalClock) Err() error {
	if c.late {
		return errLate
	}
	return c.clock.Err()
}

var errLate = errors.New("it takes too long")

// watch has a state ask what it has to ask before each instruction.
func (e *Engine) watch(L *lua.LState) {
	if e.debug == nil {
		L.SetContext((*clock)(e))
		return
	}
	L.SetContext(&stepClock{clock: (*clock)(e), d: e.debug, L: L})
}

// frameFields are where the interpreter keeps what it does not tell: which instruction a function has come to, how
// deep in the stack it stands, and how many functions have ended in its place.
var frameFields = func() (f struct{ frame, pc, depth, tails []int }) {
	d := reflect.TypeFor[lua.Debug]()
	frame, _ := d.FieldByName("frame")
	pc, _ := frame.Type.Elem().FieldByName("Pc")
	depth, _ := frame.Type.Elem().FieldByName("Idx")
	tails, _ := frame.Type.Elem().FieldByName("TailCall")
	f.frame, f.pc, f.depth, f.tails = frame.Index, pc.Index, depth.Index, tails.Index
	return f
}()

// whereIs is the next instruction of a frame, and the frame's depth.
func whereIs(f *lua.Debug) (pc, depth int) {
	v := reflect.ValueOf(f).Elem().FieldByIndex(frameFields.frame).Elem()
	return int(v.FieldByIndex(frameFields.pc).Int()), int(v.FieldByIndex(frameFields.depth).Int())
}

// follow finds out whether a line begins, as Lua does: with a function, after a jump back, or where the line is another one.
func (c *stepClock) follow() {
	f, ok := c.L.GetStack(0)
	if !ok {
		return
	}
	v, _ := c.L.GetInfo("f", f, lua.LNil)
	fn, ok := v.(*lua.LFunction)
	if !ok || fn.IsG {
		return
	}
	lines := c.d.lines[fn.Proto]
	if c.d.passed++; c.d.passed >= clockEvery {
		c.d.passed = 0
		c.d.tooLong(c.L)
	}
	if lines == nil { // made by loadstring
		return
	}
	pc, depth := whereIs(f)
	pc-- // it has been fetched
	for len(c.at) <= depth {
		c.at = append(c.at, progress{})
	}
	p := &c.at[depth]
	if pc == 0 {
		*p = progress{last: -1, line: -1}
	}
	if c.d.begins(fn.Proto, lines, p, pc) {
		c.d.begin(c.L, lines[pc])
	}
}

// begins moves the progress on to an instruction, and tells whether a line begins there.
func (d *Debugger) begins(fn *lua.FunctionProto, lines []int, p *progress, pc int) bool {
	last, line := p.last, lines[pc]
	p.last = pc
	isJump := func(pc int) bool { return int(fn.Code[pc]>>opShift) == lua.OP_JMP }
	switch {
	case line == atEnd:
		if last >= 0 && lines[last] != atEnd {
			p.jumped = isJump(last)
		}
		return false
	case line == 0, isJump(pc) && last >= 0 && lines[last] == atEnd && p.jumped:
		return false
	}
	before := p.line
	p.line = pc
	return before < 0 || pc <= before || lines[before] != line
}

// begin is called when a line is about to run.
func (d *Debugger) begin(L *lua.LState, line int) {
	d.line = line
	switch {
	case d.asked:
		d.stop(L, "redis.breakpoint() called")
	case d.isBreak(line):
		d.stop(L, "break point")
	case d.stepping:
		d.stop(L, "step over")
	}
}

// tooLong is called now and then while the script goes on. It stops a script that does not come to an end, and ends it if
// there is nobody to stop it for.
func (d *Debugger) tooLong(L *lua.LState) {
	if limit := d.limit(); d.stepping || d.asked || limit <= 0 || time.Since(d.since) < limit {
		return
	}
	d.stop(L, "timeout reached, infinite loop?")
	if d.gone {
		d.quit("timeout during Lua debugging with client closing connection")
	}
}

// stop tells the client where the script is, and talks to it until the script is to go on.
func (d *Debugger) stop(L *lua.LState, reason string) {
	d.stepping, d.asked = false, false
	if d.why != "" {
		return
	}
	d.say("* Stopped at " + strconv.Itoa(d.line) + ", stop reason = " + reason)
	d.saySource(d.line)
	d.send()
	d.busy = true
	d.talk(L)
	d.busy = false
	d.since, d.passed = time.Now(), 0
}

// quit ends the script. No pcall keeps it alive.
func (d *Debugger) quit(why string) {
	d.why = why
	d.e.stop = d.e.dead
}

// shows tells whether commands and errors are shown.
func (e *Engine) shows() bool { return e.debug != nil && e.debug.stepping }

// showRefused shows why a command could not run.
func (e *Engine) showRefused(text string) {
	if own, is := strings.CutPrefix(text, "ERR "); is {
		e.showError(own)
	} else {
		e.showError("-" + text)
	}
}

// showError shows an error that a function of the table redis raises or returns.
func (e *Engine) showError(text string) {
	if e.shows() {
		e.debug.say("<error> " + text)
	}
}

// endedBefore is how many functions have ended with the call of another one where a frame is now.
func endedBefore(f *lua.Debug) int {
	return int(reflect.ValueOf(f).Elem().FieldByIndex(frameFields.frame).Elem().FieldByIndex(frameFields.tails).Int())
}

// showCommand shows a command that is about to run.
func (d *Debugger) showCommand(argv [][]byte) {
	line := "<redis>"
	for i, a := range argv {
		if i == argsShown {
			line += fmt.Sprintf(" ... (%d more)", len(argv)-i-1)
			break
		}
		line += " " + string(a)
	}
	d.say(line)
}

// showReply shows what a command has replied.
func (d *Debugger) showReply(reply []byte) {
	d.sayValue(string(appendReply([]byte("<reply> "), reply)))
}

// say puts a line to those that the client is sent next.
func (d *Debugger) say(line string) {
	if !d.gone {
		d.out = append(d.out, newlines.Replace(line))
	}
}

// sayValue is say for a line that may be long.
func (d *Debugger) sayValue(line string) {
	if d.longest == 0 || len(line) <= d.longest {
		d.say(line)
		return
	}
	d.say(line[:d.longest] + " ...")
	if !d.hinted {
		d.hinted = true
		d.say("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.")
	}
}

// send sends what was said.
func (d *Debugger) send() {
	if !d.gone {
		d.client.Send(d.out)
	}
	d.out = d.out[:0]
}

// isBreak tells whether the script stops at a line.
func (d *Debugger) isBreak(line int) bool { return slices.Contains(d.breaks, line) }

// saySource says a line of the script: "->" stands before the one that runs, "#" before one with a break point.
func (d *Debugger) saySource(line int) {
	text := "<out of range source code line>"
	if line >= 1 && line <= len(d.source) && (line > 1 || len(d.source) > 1 || d.source[0] != "") {
		text = d.source[line-1]
	}
	at, stops := "  ", " "
	if line == d.line {
		at = "->"
	}
	if d.isBreak(line) {
		stops = "#"
	}
	d.say(fmt.Sprintf("%s%s%-3d %s", at, stops, line, text))
}

// parseWords reads what a client says: a list of strings, before which anything may stand. n is how many bytes that
// were, 0 if more has to come.
func parseWords(b []byte) (words []string, n int, ok bool) {
	if len(b) == 0 {
		return nil, 0, true
	}
	at := bytes.IndexByte(b, '*')
	if at < 0 {
		return nil, 0, false
	}
	number := func(most int) (v int, whole, ok bool) {
		line, _, whole := bytes.Cut(b[at+1:], []byte("\r\n"))
		if !whole {
			return 0, false, len(line) <= 32
		}
		at += 1 + len(line) + 2
		v, err := strconv.Atoi(string(line))
		return v, true, err == nil && v >= 1 && v <= most
	}
	count, whole, ok := number(mostArgs)
	for whole && ok && len(words) < count {
		if at == len(b) {
			return nil, 0, true
		}
		if b[at] != '$' {
			return nil, 0, false
		}
		var size int
		if size, whole, ok = number(longestArg); !whole || !ok {
			break
		}
		if at+size+2 > len(b) {
			return nil, 0, true
		}
		if b[at+size] != '\r' || b[at+size+1] != '\n' {
			return nil, 0, false
		}
		words = append(words, string(b[at:at+size]))
		at += size + 2
	}
	if !ok || !whole {
		return nil, 0, ok
	}
	return words, at, true
}
