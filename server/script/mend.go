package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

const (
	mostUpvalues  = 60  // of a function, as in Lua
	mostRegisters = 250 // as in Lua; an instruction can name 256
	itemsAtOnce   = 50  // that one instruction puts into a table
	mostBatches   = 1<<9 - 1
)

// mend corrects what the compiler does wrong in functions that are long or have large tables, and makes sure that each instruction
// names what is there: the interpreter looks at nothing, and what it does with a wrong place ends the process.
func mend(p *lua.FunctionProto) error {
	if len(p.DbgUpvalues) > mostUpvalues {
		return fmt.Errorf("%s has more than %d upvalues", functionName(p), mostUpvalues)
	}
	if err := mendLists(p); err != nil {
		return err
	}
	if err := check(p); err != nil {
		return err
	}
	for _, inner := range p.FunctionPrototypes {
		if err := mend(inner); err != nil {
			return err
		}
	}
	return nil
}

// functionName is what Lua calls a function of which it refuses something.
func functionName(p *lua.FunctionProto) string {
	if p.LineDefined == 0 {
		return "main function"
	}
	return fmt.Sprintf("function at line %d", p.LineDefined)
}

// mendLists numbers the instructions that put items into a table, fifty at once. The compiler gives the number of the one before to
// those that put in what a function returns, behind a multiple of fifty items; 0 to those from the 512th on, whose number is the
// word behind them; and repeats an instruction behind a field with a key, when its items are gone from their registers.
func mendLists(p *lua.FunctionProto) error {
	batches := map[int]int{} // those of each table that is being made, by its register
	before := uint32(0)
	for at, inst := range instructions(p) {
		switch table := operandA(inst); opcode(inst) {
		case lua.OP_NEWTABLE:
			batches[table] = 0
		case lua.OP_SETLIST:
			afterField := (opcode(before) == lua.OP_SETTABLE || opcode(before) == lua.OP_SETTABLEKS) && operandA(before) == table
			if afterField && operandB(inst) == itemsAtOnce {
				p.Code[at] = uint32(lua.OP_NOP) << 26
				break
			}
			batches[table]++
			switch n := batches[table]; {
			case n <= mostBatches:
				p.Code[at] = inst&^(mostBatches<<9) | uint32(n)<<9
			case operandC(inst) == 0:
				p.Code[at+1] = uint32(n)
			default: // there is no word for it
				return errTooComplex
			}
		}
		before = inst
	}
	return nil
}

// check tells what is wrong with a function's instructions.
func check(p *lua.FunctionProto) error {
	n := len(p.Code)
	if opcode(p.Code[n-1]) != lua.OP_RETURN {
		return errTooComplex
	}
	for at, inst := range instructions(p) {
		switch opcode(inst) {
		case lua.OP_JMP, lua.OP_FORLOOP, lua.OP_FORPREP: // one that goes too far comes out on the other side, out of the function
			if to := at + 1 + operandBx(inst) - jumpFromHere; to < 0 || to >= n || n >= mostConstants {
				return errJump
			}
		case lua.OP_EQ, lua.OP_LT, lua.OP_LE, lua.OP_TEST, lua.OP_TESTSET, lua.OP_TFORLOOP, lua.OP_LOADBOOL:
			if skips := opcode(inst) != lua.OP_LOADBOOL || operandC(inst) != 0; skips && at+2 >= n {
				return errTooComplex
			}
		case lua.OP_LOADK, lua.OP_GETGLOBAL, lua.OP_SETGLOBAL:
			if operandBx(inst) >= len(p.Constants) {
				return errTooComplex
			}
		case lua.OP_CLOSURE: // whose register the compiler does not count
			if operandBx(inst) >= len(p.FunctionPrototypes) || operandA(inst) >= mostRegisters {
				return errTooComplex
			}
			p.NumUsedRegisters = max(p.NumUsedRegisters, uint8(operandA(inst))+1)
		}
	}
	return nil
}
