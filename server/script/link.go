package script

import (
	"iter"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// Scripts can change neither globals nor libraries, so what a name means is known before a script runs: an engine links what
// was compiled, and what would be looked up through two locked tables stands among the constants.
//
//	GETGLOBAL  A redis       LOADK A <redis>       redis.call('set', KEYS[1], 1)
//	GETTABLEKS A A 'call'    LOADK A <call>        which returns nothing: nobody listens
//	GETGLOBAL  B KEYS        LOADK B <KEYS>        another constant at each call
//	…
//	CALL       A …           CALL  A …
//	NEWTABLE   A 0 0         NEWTABLE A 0 1        {} that gets fields gets room for a few
//
// There are as many instructions as before, and none of a pair changes its meaning if others jump in between. Names that
// mean nothing stay as they are, for the script to find out when it comes there; so does all of a text that speaks of what
// gives functions other globals.

// unlinkable are the globals by which a script gets at the globals of its functions.
var unlinkable = []string{"_G", "getfenv", "setfenv", "load", "loadstring"}

// A text is a script in an engine, ready to be called.
type text struct {
	fn         *lua.LFunction
	proto      *lua.FunctionProto // as it was compiled
	linked     bool               // if not, KEYS and ARGV are globals
	keys, argv []*lua.LValue      // the constants that are KEYS and ARGV, one for each function that speaks of them
}

// ready makes a text of what was compiled of a script.
func (e *Engine) ready(proto *lua.FunctionProto) *text {
	t := &text{proto: proto, linked: canLink(proto)}
	if t.linked {
		proto = e.link(proto, t)
	}
	t.fn = e.newFunction(proto)
	return t
}

// give lets a script have its keys and arguments. Those that it never speaks of are not made.
func (t *text) give(e *Engine, keys, args [][]byte) {
	if !t.linked {
		t.fn.Env = e.env // a call before this may have given it another one
		e.globals.RawSetString("KEYS", e.list(keys))
		e.globals.RawSetString("ARGV", e.list(args))
		return
	}
	if len(t.keys) > 0 {
		fill(t.keys, e.list(keys))
	}
	if len(t.argv) > 0 {
		fill(t.argv, e.list(args))
	}
}

// take takes them away again: they may be large, and functions of libraries have no such globals.
func (t *text) take(e *Engine) {
	if !t.linked {
		e.globals.RawSetString("KEYS", lua.LNil)
		e.globals.RawSetString("ARGV", lua.LNil)
		return
	}
	fill(t.keys, lua.LNil)
	fill(t.argv, lua.LNil)
}

func fill(constants []*lua.LValue, v lua.LValue) {
	for _, c := range constants {
		*c = v
	}
}

// canLink tells whether a text can be linked.
func canLink(p *lua.FunctionProto) bool {
	for _, inst := range instructions(p) {
		if opcode(inst) == lua.OP_GETGLOBAL && slices.Contains(unlinkable, globalOf(p, inst)) {
			return false
		}
	}
	return !slices.ContainsFunc(p.FunctionPrototypes, func(p *lua.FunctionProto) bool { return !canLink(p) })
}

// link is a linked copy of a function and of those in it. KEYS and ARGV are noted in t, which is nil for a library: its
// functions have neither.
func (e *Engine) link(p *lua.FunctionProto, t *text) *lua.FunctionProto {
	q := *p
	q.Code, q.Constants, q.FunctionPrototypes = slices.Clone(p.Code), slices.Clone(p.Constants), slices.Clone(p.FunctionPrototypes)
	for i, inner := range p.FunctionPrototypes {
		q.FunctionPrototypes[i] = e.link(inner, t)
	}
	load := func(at int, v lua.LValue) int { // the place of v among the constants
		q.Constants = append(q.Constants, v)
		q.Code[at] = loadConstant(q.Code[at], len(q.Constants)-1)
		return len(q.Constants) - 1
	}
	var keys, argv []int
	entered := entries(p)
	for at, inst := range instructions(p) {
		if opcode(inst) == lua.OP_NEWTABLE && operandB(inst) == 0 && operandC(inst) == 0 {
			q.Code[at] |= fewFields << 9
		}
		if opcode(inst) != lua.OP_GETGLOBAL || len(q.Constants)+2 > mostConstants {
			continue
		}
		switch name := globalOf(p, inst); {
		case t != nil && name == "KEYS":
			keys = append(keys, load(at, lua.LNil))
		case t != nil && name == "ARGV":
			argv = append(argv, load(at, lua.LNil))
		default:
			v := e.globals.RawGetString(name)
			if v == lua.LNil {
				continue
			}
			load(at, v)
			if library, ok := v.(*lua.LTable); ok && !entered[at+1] {
				if v := e.fieldOf(library, p, inst, p.Code[at+1]); v != lua.LNil {
					if fn := e.unheard[v]; fn != nil && isUnheard(p, at+1) {
						v = fn
					}
					load(at+1, v)
				}
			}
		}
	}
	if t != nil { // now that the constants stay where they are
		for _, k := range keys {
			t.keys = append(t.keys, &q.Constants[k])
		}
		for _, a := range argv {
			t.argv = append(t.argv, &q.Constants[a])
		}
	}
	return &q
}

// fieldOf is what an instruction reads of a library that the one before has loaded, nil if that is not what it does.
func (e *Engine) fieldOf(library *lua.LTable, p *lua.FunctionProto, loads, reads uint32) lua.LValue {
	if opcode(reads) != lua.OP_GETTABLEKS || operandB(reads) != operandA(loads) || operandC(reads) < firstConstant {
		return lua.LNil
	}
	name, ok := p.Constants[operandC(reads)-firstConstant].(lua.LString)
	if !ok {
		return lua.LNil
	}
	return e.real(library).RawGetString(string(name))
}

// isUnheard tells whether what the instruction at a place loads is a function that is called next, for no result. Arguments
// come into registers behind it, so the first that uses its own is the call, if it is for a call.
func isUnheard(p *lua.FunctionProto, at int) bool {
	register := operandA(p.Code[at])
	for _, inst := range p.Code[at+1:] {
		switch opcode(inst) {
		case lua.OP_EQ, lua.OP_LT, lua.OP_LE, lua.OP_JMP: // have no register there
			continue
		case lua.OP_CALL:
			if operandA(inst) == register {
				return operandC(inst) == 1
			}
		}
		if operandA(inst) == register {
			return false
		}
	}
	return false
}

// What follows is how the interpreter codes its instructions: six bits say what is done, eight are A, nine C and nine B, or
// eighteen for one number, Bx. A C from firstConstant on is a constant.
const (
	firstConstant = 1 << 8
	mostConstants = 1 << 18
	jumpFromHere  = mostConstants/2 - 1 // the Bx of a jump that leads to the next instruction
)

func opcode(inst uint32) int    { return int(inst >> 26) }
func operandA(inst uint32) int  { return int(inst>>18) & 0xff }
func operandB(inst uint32) int  { return int(inst) & 0x1ff }
func operandC(inst uint32) int  { return int(inst>>9) & 0x1ff }
func operandBx(inst uint32) int { return int(inst) & (mostConstants - 1) }

func loadConstant(inst uint32, place int) uint32 {
	return uint32(lua.OP_LOADK)<<26 | uint32(operandA(inst))<<18 | uint32(place)
}

// globalOf is the name of the global that an instruction reads.
func globalOf(p *lua.FunctionProto, inst uint32) string {
	name, _ := p.Constants[operandBx(inst)].(lua.LString)
	return string(name)
}

// instructions are those of a function, without the numbers that may stand between them.
func instructions(p *lua.FunctionProto) iter.Seq2[int, uint32] {
	return func(yield func(int, uint32) bool) {
		for at := 0; at < len(p.Code); at++ {
			inst := p.Code[at]
			if !yield(at, inst) {
				return
			}
			if opcode(inst) == lua.OP_SETLIST && operandC(inst) == 0 {
				at++
			}
		}
	}
}

// entries tells to which instructions of a function others jump, whether they do or may.
func entries(p *lua.FunctionProto) map[int]bool {
	to := map[int]bool{}
	for at, inst := range instructions(p) {
		switch opcode(inst) {
		case lua.OP_JMP, lua.OP_FORLOOP, lua.OP_FORPREP:
			to[at+1+operandBx(inst)-jumpFromHere] = true
		case lua.OP_EQ, lua.OP_LT, lua.OP_LE, lua.OP_TEST, lua.OP_TESTSET, lua.OP_TFORLOOP, lua.OP_LOADBOOL:
			to[at+2] = true
		}
	}
	return to
}
