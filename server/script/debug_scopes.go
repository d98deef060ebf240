package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// scopes finds out where the local variables of each function begin and end. The interpreter's own record is right only
// for functions in which no block stands beside another one. So at the end of every block an empty one is put, with a
// variable of a name that no script can say: the record tells where it stands.
type scopes struct {
	main  *scope
	below map[*ast.FunctionExpr]*scope
}

// scope is what happens to the variables of one function, in the compiler's order.
type scope struct {
	selfish []bool // for each variable: it is a function, and begins when that is made
	ends    []blockEnd
}

// blockEnd is how many variables end with a block, and how many of them, the first ones, are those of the loop around it.
type blockEnd struct{ all, loop int }

// markEnd is the variable of the empty blocks.
const markEnd = "\x00end"

func newScopes() *scopes { return &scopes{main: &scope{}, below: map[*ast.FunctionExpr]*scope{}} }

// mark puts the empty blocks into a text.
func (sc *scopes) mark(chunk []ast.Stmt) []ast.Stmt {
	list, _ := sc.block(sc.main, chunk)
	return list
}

// isEnd tells whether a variable is that of an empty block at the end of another one.
func isEnd(s *ast.LocalAssignStmt) bool { return len(s.Names) == 1 && s.Names[0] == markEnd }

// isPad tells whether a block is the empty one with which a loop begins.
func isPad(b *ast.DoBlockStmt) bool {
	if len(b.Stmts) != 1 {
		return false
	}
	l, ok := b.Stmts[0].(*ast.LocalAssignStmt)
	return ok && l.Names[0] == markPad
}

// block marks statements, and tells how many variables they begin that last as long as they do.
func (sc *scopes) block(f *scope, list []ast.Stmt) (marked []ast.Stmt, begun int) {
	for _, s := range list {
		if b, ok := s.(*ast.BreakStmt); ok {
			marked = append(marked, emptyBlock(markPad, b.Line())) // no jump that leads here goes on at once
		}
		marked = append(marked, s)
		switch s := s.(type) {
		case *ast.AssignStmt:
			sc.functions(s.Lhs...)
			sc.functions(s.Rhs...)
		case *ast.LocalAssignStmt:
			selfish := false
			if len(s.Names) == 1 && len(s.Exprs) == 1 {
				_, selfish = s.Exprs[0].(*ast.FunctionExpr)
			}
			sc.functions(s.Exprs...)
			begun += f.begin(len(s.Names), selfish)
		case *ast.FuncCallStmt:
			sc.functions(s.Expr)
		case *ast.DoBlockStmt:
			switch {
			case isPad(s):
			case isValuesFirst(s): // an assignment, whose variables are none of the script's
				visit(s.Stmts, func(e ast.Expr) { sc.functions(e) })
			default:
				s.Stmts = sc.inner(f, s.Stmts, 0)
			}
		case *ast.WhileStmt:
			sc.functions(s.Condition)
			s.Stmts = sc.inner(f, s.Stmts, 0)
		case *ast.RepeatStmt: // the condition sees the variables: they end after it
			body, n := sc.block(f, s.Stmts)
			s.Stmts = body
			sc.functions(s.Condition)
			marked = append(marked, f.end(blockEnd{all: n}, endLine([]ast.Stmt{s})))
		case *ast.IfStmt:
			sc.functions(s.Condition)
			s.Then = sc.inner(f, s.Then, 0)
			s.Else = sc.inner(f, s.Else, 0)
		case *ast.NumberForStmt:
			sc.functions(s.Init, s.Limit, s.Step)
			s.Stmts = sc.inner(f, s.Stmts, f.begin(4, false))
		case *ast.GenericForStmt:
			sc.functions(s.Exprs...)
			s.Stmts = sc.inner(f, s.Stmts, f.begin(3+len(s.Names), false))
		case *ast.FuncDefStmt:
			if s.Name.Func == nil {
				sc.functions(s.Name.Receiver)
				sc.function(s.Func, 1)
			} else {
				sc.functions(s.Name.Func)
				sc.function(s.Func, 0)
			}
		case *ast.ReturnStmt:
			sc.functions(s.Exprs...)
		}
	}
	return marked, begun
}

// inner marks a block within another one, with which some more variables end.
func (sc *scopes) inner(f *scope, list []ast.Stmt, more int) []ast.Stmt {
	if len(list) == 0 && more == 0 {
		return list
	}
	list, n := sc.block(f, list)
	last := len(list)
	for last > 0 && isLabel(list[last-1]) { // a label is the last of its block, or must not be jumped to from everywhere
		last--
	}
	end := f.end(blockEnd{n + more, more}, endLine(list))
	return append(list[:last:last], append([]ast.Stmt{end}, list[last:]...)...)
}

// endLine is the line in which the last of some statements ends, as far as the tree tells; 0 if there is none.
func endLine(list []ast.Stmt) (line int) {
	if len(list) == 0 {
		return 0
	}
	last := list[len(list)-1:]
	line = max(last[0].Line(), last[0].LastLine())
	visit(last, func(e ast.Expr) { line = max(line, e.Line(), e.LastLine()) })
	return line
}

func isLabel(s ast.Stmt) bool {
	_, ok := s.(*ast.LabelStmt)
	return ok
}

func (f *scope) begin(n int, selfish bool) int {
	for range n {
		f.selfish = append(f.selfish, selfish)
	}
	return n
}

func (f *scope) end(e blockEnd, line int) ast.Stmt {
	f.ends = append(f.ends, e)
	return emptyBlock(markEnd, line)
}

// functions marks the functions in expressions.
func (sc *scopes) functions(list ...ast.Expr) {
	for _, e := range list {
		if e == nil {
			continue
		}
		visitExpr(e, func(e ast.Expr) {
			if f, ok := e.(*ast.FunctionExpr); ok && sc.below[f] == nil { // else it is within one that was marked
				sc.function(f, 0)
			}
		})
	}
}

// function marks a function. own is the number of variables that it has before its parameters.
func (sc *scopes) function(fe *ast.FunctionExpr, own int) {
	f := &scope{}
	sc.below[fe] = f
	f.begin(own+len(fe.ParList.Names), false)
	if fe.ParList.HasVargs {
		f.begin(1, false) // arg
	}
	fe.Stmts, _ = sc.block(f, fe.Stmts)
}

// resolve corrects the record of a function and of those within. It is called while their lines are still marks.
func (sc *scopes) resolve(p *lua.FunctionProto, f *scope) {
	p.DbgLocals = f.correct(p)
	byMark := map[int]*scope{}
	for fe, f := range sc.below {
		byMark[fe.Line()] = f
	}
	for _, sub := range p.FunctionPrototypes {
		sc.resolve(sub, byMark[sub.LineDefined])
	}
}

// correct makes the record that Lua would have made. It is nil, so that no variable is seen, if the compiler has done
// something that is not understood.
func (f *scope) correct(p *lua.FunctionProto) (list []*lua.DbgLocalInfo) {
	if f == nil {
		return nil
	}
	ends, selfish := f.ends, f.selfish
	var open, loop []*lua.DbgLocalInfo // loop: those of a loop that wait for its own first variable
	for _, v := range p.DbgLocals {
		switch {
		case v.Name == markPad, strings.HasPrefix(v.Name, markValue):
		case v.Name == markEnd:
			if len(ends) == 0 || ends[0].all > len(open) {
				return nil
			}
			at := v.StartPc - 1
			for i, o := range open[len(open)-ends[0].all:] {
				switch {
				case isLoops(o.Name):
					o.EndPc = endOfLoop(p, at) + 1
				case i < ends[0].loop:
					o.EndPc = endOfLoop(p, at)
				default:
					o.EndPc = at
				}
			}
			open, ends = open[:len(open)-ends[0].all], ends[1:]
		default:
			if len(selfish) == 0 {
				return nil
			}
			o := &lua.DbgLocalInfo{Name: v.Name, StartPc: v.StartPc - 1, EndPc: len(p.Code) - 1} // the interpreter looks for those before
			if selfish[0] && v.StartPc < len(p.Code) && int(p.Code[v.StartPc]>>opShift) == lua.OP_CLOSURE {
				o.StartPc += 1 + int(p.FunctionPrototypes[p.Code[v.StartPc]&bxMask].NumUpvalues)
			}
			selfish = selfish[1:]
			if isLoops(v.Name) {
				loop = append(loop, o)
			} else {
				for _, l := range loop {
					l.StartPc = o.StartPc - 1
				}
				loop = loop[:0]
			}
			open, list = append(open, o), append(list, o)
		}
	}
	if len(ends) > 0 || len(selfish) > 0 {
		return nil
	}
	return list
}

// isLoops tells whether a variable is one that a loop keeps for itself.
func isLoops(name string) bool { return strings.HasPrefix(name, "(for ") }

// endOfLoop is the instruction with which the loop goes round whose body ends at pc.
func endOfLoop(p *lua.FunctionProto, pc int) int {
	for ; pc < len(p.Code); pc++ {
		if op := int(p.Code[pc] >> opShift); op == lua.OP_FORLOOP || op == lua.OP_TFORLOOP {
			break
		}
	}
	return pc
}
