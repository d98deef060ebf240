package script

import (
	"errors"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// talk does what the client says until it lets the script go on, or end.
func (d *Debugger) talk(L *lua.LState) {
	for {
		words, err := d.hear()
		switch {
		case errors.Is(err, ErrInterrupted):
			d.quit(d.e.host.KillText())
			return
		case d.gone && d.client.Discards():
			d.quit("the client of the debugger is gone")
			return
		case d.gone: // the script runs to its end
			d.breaks = nil
			return
		case err != nil:
			d.quit(err.Error())
			return
		}
		c := debugCommand(words[0])
		switch {
		case c == nil || len(words)-1 < c.least:
			d.say("<error> Unknown Redis Lua debugger command or wrong number of arguments.")
		case c.run == nil:
			d.stepping = c.name == "step" || c.name == "next"
			return
		default:
			c.run(d, L, words)
		}
		if d.why != "" {
			return
		}
		d.send()
	}
}

// hear waits for what the client says next. If it says nothing any more d.gone is true.
func (d *Debugger) hear() ([]string, error) {
	for {
		if d.gone {
			return nil, nil
		}
		words, n, ok := parseWords(d.in)
		if !ok {
			return nil, errors.New("protocol error")
		}
		if n > 0 {
			d.in = append(d.in[:0], d.in[n:]...)
			return words, nil
		}
		if len(d.in) > mostUnread {
			return nil, errors.New("max client buffer reached")
		}
		more, err := d.client.Receive()
		if errors.Is(err, ErrInterrupted) {
			return nil, err
		}
		d.gone = err != nil
		d.in = append(d.in, more...)
	}
}

// A debugWord is something that the client can say. Those without run let the script go on.
type debugWord struct {
	name  string
	least int // arguments
	run   func(d *Debugger, L *lua.LState, words []string)
}

var debugWords []debugWord

func init() {
	debugWords = []debugWord{
		{"help", 0, (*Debugger).help},
		{"step", 0, nil},
		{"next", 0, nil},
		{"continue", 0, nil},
		{"trace", 0, (*Debugger).trace},
		{"maxlen", 0, (*Debugger).maxlen},
		{"break", 0, (*Debugger).breakpoints},
		{"eval", 0, (*Debugger).eval},
		{"abort", 0, func(d *Debugger, _ *lua.LState, _ []string) { d.quit("script aborted for user request") }},
		{"redis", 1, (*Debugger).redis},
		{"valkey", 1, (*Debugger).redis},
		{"server", 1, (*Debugger).redis}, // s is step
		{"print", 0, (*Debugger).print},
		{"list", 0, (*Debugger).list},
		{"whole", 0, func(d *Debugger, _ *lua.LState, _ []string) { d.listAround(1, len(d.source)) }},
	}
}

// debugCommand finds what a client says, by its name or the first letter of that. What follows a zero byte does not count.
func debugCommand(word string) *debugWord {
	word, _, _ = strings.Cut(word, "\x00")
	for i := range debugWords {
		if w := &debugWords[i]; strings.EqualFold(word, w.name) || strings.EqualFold(word, w.name[:1]) {
			return w
		}
	}
	return nil
}

func (d *Debugger) help(*lua.LState, []string) {
	for _, line := range []string{
		"Commands of the Lua debugger, by their name or its first letter:",
		"[h]elp               What you read.",
		"[s]tep               Run this line, stop at the next one.",
		"[n]ext               The same.",
		"[c]ontinue           Run to the next break point.",
		"[l]ist [line] [ctx]  The script around a line, 0 or nothing for this one,",
		"                     with [ctx] lines before and after it, or 5.",
		"[w]hole              The whole script.",
		"[p]rint              All local variables of this function.",
		"[p]rint <var>        A local variable of this or a calling function, KEYS or ARGV.",
		"[b]reak              All break points.",
		"[b]reak <line> ...   Stop at a line; -<line> no longer, 0 at none any more.",
		"[t]race              Which functions have called this one.",
		"[e]val <code>        Run Lua code, which sees no local variables of the script.",
		"[r]edis <cmd>        Run a command; also [v]alkey, server.",
		"[m]axlen [len]       How many bytes of a value are shown; 0 for all.",
		"[a]bort              End the script. With SYNC, what it has changed stays.",
		"",
		"Functions for scripts, which do nothing without the debugger:",
		"redis.debug(...)     Show values.",
		"redis.breakpoint()   Stop at the next line.",
	} {
		d.say(line)
	}
}

// frame is a function that is being called.
type frame struct {
	info *lua.Debug
	fn   *lua.LFunction
}

// frames are the functions that are being called, the innermost first, without those that were left by a tail call.
func frames(L *lua.LState) (list []frame) {
	next := -1
	for level := 0; ; level++ {
		f, ok := L.GetStack(level)
		if !ok {
			return list
		}
		_, depth := whereIs(f)
		if next >= 0 && depth != next {
			continue
		}
		next = depth - 1
		v, _ := L.GetInfo("f", f, lua.LNil)
		fn, _ := v.(*lua.LFunction)
		list = append(list, frame{f, fn})
		if depth == 0 {
			return list
		}
	}
}

// trace shows which functions of the script have called each other.
func (d *Debugger) trace(L *lua.LState, _ []string) {
	for i, f := range frames(L) {
		if f.fn.IsG || d.lines[f.fn.Proto] == nil {
			continue
		}
		word := "From"
		if i == 0 {
			word = "In"
		}
		d.say(word + " " + nameOf(L, f.info) + ":")
		line := d.line
		if i > 0 {
			L.GetInfo("l", f.info, lua.LNil)
			line = f.info.CurrentLine
		}
		d.saySource(line)
	}
}

// nameOf is what a function was called by.
func nameOf(L *lua.LState, f *lua.Debug) string {
	L.GetInfo("n", f, lua.LNil)
	switch name := f.Name; {
	case name == "", name == "?", name == "main chunk", name == "corountine", strings.ContainsAny(name[:1], "<("):
		return "top level"
	default:
		return name
	}
}

// maxlen sets, or shows, how much of a value is shown.
func (d *Debugger) maxlen(_ *lua.LState, words []string) {
	if len(words) == 2 {
		d.hinted = true
		d.longest = leadingInt(words[1])
		if d.longest != 0 {
			d.longest = max(d.longest, leastLongest)
		}
	}
	if d.longest == 0 {
		d.say("<value> replies are unlimited.")
	} else {
		d.say("<value> replies are truncated at " + strconv.Itoa(d.longest) + " bytes.")
	}
}

// leadingInt is the number at the beginning of a word, 0 if there is none.
func leadingInt(word string) int {
	end := 0
	for end < len(word) && (word[end] >= '0' && word[end] <= '9' || end == 0 && (word[0] == '-' || word[0] == '+')) {
		end++
	}
	n, _ := strconv.Atoi(word[:end])
	return n
}

// breakpoints shows, sets and removes break points.
func (d *Debugger) breakpoints(_ *lua.LState, words []string) {
	if len(words) == 1 {
		if len(d.breaks) == 0 {
			d.say("No breakpoints set. Use 'b <line>' to add one.")
			return
		}
		d.say(strconv.Itoa(len(d.breaks)) + " breakpoints set:")
		for _, line := range d.breaks {
			d.saySource(line)
		}
		return
	}
	for _, w := range words[1:] {
		line, err := strconv.Atoi(w)
		switch {
		case err != nil:
			d.say("Invalid argument:'" + w + "'")
		case line == 0:
			d.breaks = nil
			d.say("All breakpoints removed.")
		case line < 0:
			d.removeBreak(-line)
		default:
			d.addBreak(line)
		}
	}
}

func (d *Debugger) addBreak(line int) {
	switch {
	case len(d.breaks) == mostBreaks:
		d.say("Too many breakpoints set.")
	case line > len(d.source) || d.isBreak(line):
		d.say("Wrong line number.")
	default:
		d.breaks = append(d.breaks, line)
		d.listAround(line, 1)
	}
}

func (d *Debugger) removeBreak(line int) {
	for i, l := range d.breaks {
		if l == line {
			d.breaks = append(d.breaks[:i], d.breaks[i+1:]...)
			d.say("Breakpoint removed.")
			return
		}
	}
	d.say("No breakpoint in the specified line.")
}

// list shows the script around a line.
func (d *Debugger) list(_ *lua.LState, words []string) {
	around, context := d.line, 5
	if len(words) > 1 {
		if n := leadingInt(words[1]); n > 0 {
			around = n
		}
	}
	if len(words) > 2 {
		context = leadingInt(words[2])
	}
	d.listAround(around, context)
}

func (d *Debugger) listAround(line, context int) {
	for l := max(1, line-context); l <= min(len(d.source), line+context); l++ {
		d.saySource(l)
	}
}

// print shows a variable, or all those of the function that runs.
func (d *Debugger) print(L *lua.LState, words []string) {
	if len(words) == 2 {
		d.printOne(L, words[1])
		return
	}
	some := false
	if list := frames(L); len(list) > 0 {
		for _, v := range locals(L, list[0]) {
			some = true
			d.sayValue(string(d.e.appendShown([]byte("<value> "+v.name+" = "), v.value, 0)))
		}
	}
	if !some {
		d.say("No local variables in the current context.")
	}
}

// printOne shows the variable of a name that the function has that runs, or else one that has called it.
func (d *Debugger) printOne(L *lua.LState, name string) {
	for _, f := range frames(L) {
		for _, v := range locals(L, f) {
			if v.name == name {
				d.sayValue(string(d.e.appendShown([]byte("<value> "), v.value, 0)))
				return
			}
		}
	}
	if name == "KEYS" || name == "ARGV" {
		d.sayValue(string(d.e.appendShown([]byte("<value> "), d.e.globals.RawGetString(name), 0)))
		return
	}
	d.say("No such variable.")
}

type variable struct {
	name  string
	value lua.LValue
}

// locals are the variables of a function that have begun.
func locals(L *lua.LState, f frame) (list []variable) {
	if f.fn.IsG {
		return nil
	}
	for i := 1; ; i++ {
		name, value := L.GetLocal(f.info, i)
		if name == "" || name == "(*temporary)" {
			return list
		}
		list = append(list, variable{name, value})
	}
}

// eval runs code in a function of its own, as an expression if it is one.
func (d *Debugger) eval(L *lua.LState, words []string) {
	code := strings.Join(words[1:], " ")
	_, proto, err := compile("return "+code, "ldb_eval")
	if err != nil {
		_, proto, err = compile(code, "ldb_eval")
	}
	if err != nil {
		d.say("<error> " + err.Error())
		return
	}
	e := d.e
	th, cancel := L.NewThread() // the script's own stack stays as it is
	if cancel != nil {
		defer cancel()
	}
	c := &evalClock{clock: (*clock)(e)}
	if limit := d.limit(); limit > 0 {
		c.until = time.Now().Add(limit)
	}
	th.SetContext(c)
	th.Push(e.newFunction(proto))
	err = e.guarded(th, 0, 1)
	if err == nil {
		d.sayValue(string(e.appendShown([]byte("<retval> "), th.Get(-1), 0)))
		return
	}
	if e.stop != nil {
		d.quit(e.killText())
		return
	}
	v := failureOf(err).value
	if t, ok := v.(*lua.LTable); ok {
		v = e.real(t).RawGetString("err")
	}
	d.say("<error> " + toText2(th, v))
}

// redis runs a command as the script would.
func (d *Debugger) redis(_ *lua.LState, words []string) {
	argv := make([][]byte, len(words)-1)
	for i, w := range words[1:] {
		argv[i] = []byte(w)
	}
	d.stepping = true
	d.e.invoke(argv, true)
	d.stepping = false
}
