package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// The interpreter has no hook that is called for each line, but it asks the context of its state before each instruction.
// So a script that is debugged has to be compiled with more than the interpreter keeps: at which instruction which line
// begins, as Lua sees it, and where which local variable exists. The first comes from marks: every node of the syntax
// tree gets a number of its own in the place of its line, and the compiler, which copies lines, tells of each instruction
// what it was made of. The second comes from empty blocks that are put to where variables end.

// lineTable is what is known of the functions of a script that is debugged: the line of each instruction, 0 if it belongs
// to the one before it, atEnd if it is not the script's but stands at the end of a block.
type lineTable map[*lua.FunctionProto][]int

const atEnd = -1

// compileDebugged compiles a text to be run line by line. It compiles without errors what compile does.
func compileDebugged(text, name string) (proto *lua.FunctionProto, lines lineTable, known map[*lua.FunctionProto]*studied, err error) {
	if _, _, err := compile(text, name); err != nil { // which knows lines, to speak of them
		return nil, nil, nil, err
	}
	chunk, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, nil, nil, parseError(err, name, text)
	}
	rewrite(chunk, true)
	names := newNamer(chunk)
	sc := newScopes()
	chunk = sc.mark(chunk)
	m := &marker{}
	m.block(chunk)
	if proto, err = compileTree(chunk, name); err != nil {
		return nil, nil, nil, err
	}
	proto.IsVarArg &^= lua.VarArgNeedsArg
	sc.resolve(proto, sc.main)
	lines = lineTable{}
	known = m.study(proto, names, lines, lastLine(text))
	return proto, lines, known, nil
}

// lastLine is the line of the last word of a text.
func lastLine(text string) int {
	lines := strings.Split(text, "\n")
	for n := len(lines); n > 0; n-- {
		if l := strings.TrimSpace(lines[n-1]); l != "" && !strings.HasPrefix(l, "--") {
			return n
		}
	}
	return 1
}

// A marker gives the nodes of a syntax tree numbers instead of lines.
type marker struct{ marks []mark }

// mark is one node.
type mark struct {
	line   int
	place  placement
	until  int   // of an operation: the line in which its operands end
	fields []int // of a table that is made: the lines of what is put into it by a key, of those that are still to come
	node   ast.PositionHolder
}

// placement says how Lua chooses the line of an instruction.
type placement uint8

const (
	exact placement = iota // the node's
	late                   // where the words end that the instruction needs: its node's line, or that of the instruction before
	none                   // there is no such instruction in Lua, or it has no line of its own
	end                    // the end of a block
)

func (m *marker) number(line int, p placement) int {
	m.marks = append(m.marks, mark{line: line, place: p})
	return len(m.marks)
}

// put marks a node whose first and whose last line stand for different instructions.
func (m *marker) put(n ast.PositionHolder, first, last placement) {
	end := n.LastLine()
	if end == 0 {
		end = n.Line()
	}
	n.SetLine(m.number(n.Line(), first))
	m.marks[n.Line()-1].node = n
	n.SetLastLine(m.number(end, last))
}

func (m *marker) block(list []ast.Stmt) {
	for _, s := range list {
		m.stmt(s)
	}
}

func (m *marker) stmt(s ast.Stmt) {
	first, last := exact, exact
	switch s := s.(type) {
	case *ast.AssignStmt:
		for _, e := range s.Lhs {
			m.expr(e, late)
		}
		m.exprs(s.Rhs)
	case *ast.LocalAssignStmt:
		if isEnd(s) {
			m.expr(s.Exprs[0], end)
		} else {
			m.exprs(s.Exprs)
		}
	case *ast.FuncCallStmt:
		m.expr(s.Expr, exact)
	case *ast.DoBlockStmt:
		last = m.body(s, s.Stmts)
	case *ast.WhileStmt:
		m.expr(s.Condition, late)
		last = m.body(s, s.Stmts)
	case *ast.RepeatStmt:
		m.block(s.Stmts)
		m.expr(s.Condition, late)
	case *ast.IfStmt: // its own line is that of the jump over the other branch, which the first one ends with
		first = late
		if line := endLine(s.Then); line != 0 {
			s.SetLine(line)
		}
		m.expr(s.Condition, late)
		m.block(s.Then)
		m.block(s.Else)
	case *ast.NumberForStmt:
		if s.Step == nil {
			s.Step = &ast.NumberExpr{Value: "1"}
			s.Step.SetLine(s.Line())
		}
		m.exprs([]ast.Expr{s.Init, s.Limit, s.Step})
		last = m.body(s, s.Stmts)
	case *ast.GenericForStmt:
		m.exprs(s.Exprs)
		last = m.body(s, s.Stmts)
	case *ast.FuncDefStmt:
		if s.Name.Func != nil {
			m.expr(s.Name.Func, exact) // a function is there in the line in which it begins, after that in which it ends
		} else {
			m.expr(s.Name.Receiver, exact)
		}
		m.expr(s.Func, late)
	case *ast.ReturnStmt:
		first = late
		m.exprs(s.Exprs)
	}
	m.put(s, first, last)
}

// body marks the statements within another one, the last line of which is that of what Lua does at the end of these.
func (m *marker) body(s ast.Stmt, list []ast.Stmt) placement {
	line := endLine(list)
	m.block(list)
	if line == 0 {
		return none
	}
	s.SetLastLine(line)
	return late
}

func (m *marker) exprs(list []ast.Expr) {
	for _, e := range list {
		m.expr(e, late)
	}
}

// expr marks an expression and all below it. p is for what stores into it, if something does.
func (m *marker) expr(e ast.Expr, p placement) {
	if e == nil {
		return
	}
	until := 0
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		m.expr(e.Object, late)
		if _, ok := e.Key.(*ast.StringExpr); ok {
			m.expr(e.Key, none) // Lua has it in the instruction
		} else {
			m.expr(e.Key, late)
		}
	case *ast.TableExpr:
		var fields []int
		for _, f := range e.Fields {
			if f.Key != nil {
				fields = append(fields, f.Value.Line())
			}
			m.expr(f.Key, late)
			m.expr(f.Value, late)
		}
		m.put(e, p, none)
		m.marks[e.Line()-1].fields = fields
		return
	case *ast.FuncCallExpr:
		m.expr(e.Func, late)
		m.expr(e.Receiver, late)
		m.exprs(e.Args)
		p = exact
		if f, ok := e.Func.(*ast.IdentExpr); ok && isHelper(f.Value) {
			p = late
		}
	case *ast.LogicalOpExpr:
		m.expr(e.Lhs, late)
		m.expr(e.Rhs, late)
	case *ast.RelationalOpExpr:
		until = lastLineIn(e)
		m.expr(e.Lhs, late)
		m.expr(e.Rhs, late)
	case *ast.StringConcatOpExpr:
		until = lastLineIn(e)
		m.expr(e.Lhs, late)
		m.expr(e.Rhs, late)
	case *ast.ArithmeticOpExpr:
		until = lastLineIn(e)
		m.expr(e.Lhs, late)
		m.expr(e.Rhs, late)
	case *ast.UnaryMinusOpExpr:
		m.expr(e.Expr, late)
	case *ast.UnaryNotOpExpr:
		m.expr(e.Expr, late)
	case *ast.UnaryLenOpExpr:
		m.expr(e.Expr, late)
	case *ast.FunctionExpr:
		m.block(e.Stmts)
		m.put(e, late, exact)
		return
	}
	m.put(e, p, none)
	m.marks[e.Line()-1].until = until
}

// lastLineIn is the highest line in an expression.
func lastLineIn(e ast.Expr) (line int) {
	visitExpr(e, func(e ast.Expr) { line = max(line, e.Line(), e.LastLine()) })
	return line
}

// resolve turns the numbers in what was compiled into lines again, and makes the table of where lines begin. last is the line
// in which the function ends if it is the whole text, else 0.
func (m *marker) resolve(p *lua.FunctionProto, t lineTable, last int) {
	own, lines, before := p.DbgSourcePositions, make([]int, len(p.Code)), 0
	for pc, n := range own {
		k := m.of(n)
		own[pc] = k.line
		switch op := int(p.Code[pc] >> opShift); {
		case op == lua.OP_CLOSURE: // a function is made where it ends
			k = m.of(p.FunctionPrototypes[p.Code[pc]&bxMask].LastLineDefined)
			own[pc] = k.line
		case (op == lua.OP_SETTABLE || op == lua.OP_SETTABLEKS) && len(k.fields) > 0:
			m.marks[n-1].fields = k.fields[1:]
			k.line = k.fields[0]
		case op == lua.OP_MOVEN: // several moves at once, perhaps of several lines: one by one
			p.Code[pc] = p.Code[pc]&^(0x3f<<opShift|0x1ff<<9) | uint32(lua.OP_MOVE)<<opShift
		}
		if last > 0 && pc == len(own)-1 {
			k = mark{line: last, place: exact}
		}
		switch k.place {
		case exact:
			lines[pc] = k.line
		case late:
			lines[pc] = max(k.line, k.until, before)
		case end:
			lines[pc] = atEnd
		}
		if lines[pc] > 0 {
			before = lines[pc]
		}
	}
	t[p] = lines
	for _, sub := range p.FunctionPrototypes {
		m.resolve(sub, t, 0)
		sub.LineDefined, sub.LastLineDefined = m.of(sub.LineDefined).line, m.of(sub.LastLineDefined).line
	}
}

// An instruction has its code in the highest bits, its large operand in the lowest.
const (
	opShift = 26
	bxMask  = 1<<18 - 1
)

// of is the mark with a number, nothing if there is none.
func (m *marker) of(n int) mark {
	if n < 1 || n > len(m.marks) {
		return mark{place: none}
	}
	return m.marks[n-1]
}
