package server

import (
	"strings"

	"larder/server/command"
	"larder/server/resp"
	"larder/server/script"
)

// Scripts are kept by their SHA1 for the whole server; each executor has an engine of its own, made when it is first
// needed, in which they run. script_run.go runs them.

// evaluate makes the handler of EVAL and its relatives.
func evaluate(bySHA, readOnly bool) func(*command.Ctx) {
	return func(c *command.Ctx) {
		s := c.Client.(*session)
		ex := s.ex
		argv := c.Args.All()
		if ex.srv.monitors.count.Load() > 0 {
			ex.show(s, c.Row, argv) // now, so that what the script does comes after it
		}
		if bySHA && len(argv[1]) != shaLen {
			c.Fail(resp.ErrNoScript)
			return
		}
		if s.debug != debugOff {
			if bySHA {
				c.Fail("ERR Please use EVAL instead of EVALSHA for debugging")
			} else {
				ex.debugScript(c, readOnly)
			}
			return
		}
		ex.evaluate(c, bySHA, readOnly, nil)
	}
}

// evaluate runs a script that a request has, or names; with a debugger if d is not nil.
func (ex *executor) evaluate(c *command.Ctx, bySHA, readOnly bool, d *script.Debugger) {
	argv := c.Args.All()
	keys, args, ok := scriptArgs(c, resp.ErrNotInteger)
	if !ok {
		return
	}
	var sc *script.Script
	if bySHA {
		if sc = ex.scriptNamed(argv[1]); sc == nil {
			c.Fail(resp.ErrNoScript)
			return
		}
	} else {
		var err error
		if sc, err = ex.scriptOf(argv[1]); err != nil {
			c.Fail(resp.Error("ERR " + err.Error()))
			return
		}
	}
	r := &scriptRun{name: sc.SHA, eval: true, flags: sc.Flags, readOnly: readOnly, declared: sc.Declared}
	run := func(e *script.Engine, _ *scriptRun) script.Result {
		return e.Eval((*scriptHost)(ex), sc, keys, args, c.Reply)
	}
	if d != nil {
		r.declared, r.debugged = false, true
		run = func(*script.Engine, *scriptRun) script.Result {
			return ex.srv.debugEngine((*scriptHost)(ex), d, sc, keys, args, c.Reply)
		}
	}
	ex.runScript(c, r, keys, run)
}

const shaLen = 40

// scriptArgs reads the number of keys, and the keys and arguments that follow.
func scriptArgs(c *command.Ctx, wrong resp.Error) (keys, args [][]byte, ok bool) {
	c.Args.Bytes()
	n := c.Args.IntOr(wrong)
	if c.Args.Bad() {
		c.Args.Done()
		return nil, nil, false
	}
	rest := c.Args.Rest()
	switch {
	case n > int64(len(rest)):
		c.Fail(resp.ErrTooManyKeys)
		return nil, nil, false
	case n < 0:
		c.Fail(resp.ErrKeysNegative)
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

func scriptLoad(c *command.Ctx) {
	sc, err := c.Client.(*session).srv.loadScript(c.Args.Bytes())
	if err != nil {
		c.Fail(resp.Error("ERR " + err.Error()))
		return
	}
	c.Reply.BulkString(sc.SHA)
}

func scriptExists(c *command.Ctx) {
	srv := c.Client.(*session).srv
	names := c.Args.Rest()
	c.Reply.Array(len(names))
	for _, n := range names {
		c.Reply.Int(oneIf(srv.scripts.find(strings.ToLower(string(n))) != nil))
	}
}

// scriptShow replies the text of a script.
func scriptShow(c *command.Ctx) {
	sc := c.Client.(*session).srv.scripts.find(strings.ToLower(string(c.Args.Bytes())))
	if sc == nil {
		c.Fail(resp.ErrNoScript)
		return
	}
	c.Reply.BulkString(sc.Body)
}

func scriptFlush(c *command.Ctx) {
	if c.Args.Left() > 1 || !c.Args.Is("SYNC") && !c.Args.Is("ASYNC") && c.Args.More() {
		c.Fail(resp.ErrScriptFlush)
		return
	}
	c.Client.(*session).srv.scripts.flush()
	c.Reply.OK()
}

func scriptKill(c *command.Ctx) { c.Client.(*session).srv.killScript(c, true) }

func scriptHelp(c *command.Ctx) {
	c.Help(
		"DEBUG (YES|SYNC|NO)", "Debug the next EVAL of this client: on a copy of the data, on the data, or not.",
		"EXISTS <sha1> [<sha1> ...]", "Tell which scripts are in the cache.",
		"FLUSH [ASYNC|SYNC]", "Empty the cache of scripts.",
		"KILL", "End the script that is running.",
		"LOAD <script>", "Put a script into the cache without running it.",
		"SHOW <sha1>", "Return the text of a script.",
	)
}

func init() {
	register(
		command.New("eval", command.NoneOfThem, evaluate(false, false)),
		command.New("eval_ro", command.NoneOfThem, evaluate(false, true)),
		command.New("evalsha", command.NoneOfThem, evaluate(true, false)),
		command.New("evalsha_ro", command.NoneOfThem, evaluate(true, true)),
		command.New("script", command.NoneOfThem, nil),
		command.New("script|exists", command.NoneOfThem, scriptExists),
		command.New("script|flush", command.NoneOfThem, scriptFlush),
		command.New("script|help", command.NoneOfThem, scriptHelp),
		command.New("script|kill", command.NoneOfThem, scriptKill),
		command.New("script|load", command.NoneOfThem, scriptLoad),
		command.New("script|show", command.NoneOfThem, scriptShow),
	)
}
