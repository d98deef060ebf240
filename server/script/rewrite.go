package script

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// The names of functions that no script can say: asText makes text of what is joined by "..", asNumber a number of a text
// that a loop counts from, to or by, and idle is such a loop with nothing in it.
const (
	asText   = "\x00text"
	asNumber = "\x00number"
	idle     = "\x00idle"
)

// helpers are all of these.
var helpers = []string{asText, asNumber, idle}

// isHelper tells whether a name is one of these.
func isHelper(name string) bool { return slices.Contains(helpers, name) }

// rewrite changes a script's syntax tree where the interpreter does something else than Lua:
//
//	a .. 1.5                        numbers that are joined have to be printed with 14 digits, as by Lua's own tostring
//	for i = 1, ARGV[1] do … end     what a loop counts by may be text
//	for i = 1, 1e9 do end           waits many times as long as Lua does
//	local f = function() f() end    the function's f is not the variable that it becomes, unlike with local function f()
//	a, b = b, a                     its compiler puts b into a before it looks at a
//	a = b.c and d                   a stays what it was if b.c is nil
//	p = (f(p))                      f gets itself
//	-6 % 3                          is 0, and not -0
//	{1, x = f()}                    what f returns is for x alone, and not for the places behind 1
//	repeat if nil then … end … until  its compiler jumps anywhere when a loop goes round to another jump
//
// A script that is debugged stops at each line, so a loop stays one, whatever is in it.
func rewrite(chunk []ast.Stmt, debugged bool) {
	statements := func(p *ast.Stmt) {
		notItself(*p)
		noJumpFirst(*p)
		switch s := (*p).(type) {
		case *ast.NumberForStmt:
			if isIdle(s) && !debugged {
				*p = idleCall(s)
				return
			}
			s.Init, s.Limit, s.Step = toNumber(s.Init), toNumber(s.Limit), toNumber(s.Step)
		case *ast.AssignStmt:
			*p = valuesFirst(s)
		}
	}
	visitStmts(chunk, statements)
	remainders := map[ast.Expr]bool{}
	visit(chunk, func(e ast.Expr) {
		switch e := e.(type) {
		case *ast.ArithmeticOpExpr:
			if e.Operator == "%" && !remainders[e] {
				remainders[plusNothing(e)] = true
			}
		case *ast.StringConcatOpExpr:
			e.Lhs, e.Rhs = toText(e.Lhs), toText(e.Rhs)
		case *ast.TableExpr:
			oneValueForKey(e)
		case *ast.FunctionExpr:
			visitStmts(e.Stmts, statements)
		}
	})
}

// plusNothing adds 0 to what is calculated, and returns that.
func plusNothing(e *ast.ArithmeticOpExpr) ast.Expr {
	of, nothing := *e, &ast.NumberExpr{Value: "0"}
	nothing.SetLine(e.Line())
	e.Operator, e.Lhs, e.Rhs = "+", &of, nothing
	return &of
}

// isIdle tells whether all that a loop does is to count between numbers that stand there.
func isIdle(s *ast.NumberForStmt) bool {
	for _, e := range []ast.Expr{s.Init, s.Limit, s.Step} {
		if _, ok := e.(*ast.NumberExpr); !ok && e != nil {
			return false
		}
	}
	return len(s.Stmts) == 0
}

// idleCall is a call that takes as long as the loop.
func idleCall(s *ast.NumberForStmt) ast.Stmt {
	f := &ast.IdentExpr{Value: idle}
	call := &ast.FuncCallExpr{Func: f, Args: []ast.Expr{s.Init, s.Limit}}
	if s.Step != nil {
		call.Args = append(call.Args, s.Step)
	}
	stmt := &ast.FuncCallStmt{Expr: call}
	for _, n := range []ast.PositionHolder{f, call, stmt} {
		n.SetLine(s.Line())
		n.SetLastLine(s.LastLine())
	}
	return stmt
}

// oneValueForKey cuts what the last field of a table is made of to one value, if it has a key.
func oneValueForKey(t *ast.TableExpr) {
	if len(t.Fields) == 0 {
		return
	}
	last := t.Fields[len(t.Fields)-1]
	if last.Key == nil {
		return
	}
	switch v := last.Value.(type) {
	case *ast.FuncCallExpr:
		v.AdjustRet = true
	case *ast.Comma3Expr:
		v.AdjustRet = true
	}
}

// noJumpFirst sees to it that a loop goes round to something that is no jump.
func noJumpFirst(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.IfStmt:
		s.Condition = solid(s.Condition)
	case *ast.WhileStmt:
		if s.Condition = solid(s.Condition); isTrue(s.Condition) {
			s.Stmts = padded(s.Stmts, s.Line())
		}
	case *ast.RepeatStmt:
		s.Condition = solid(s.Condition)
		s.Stmts = padded(s.Stmts, s.Line())
	case *ast.GenericForStmt:
		s.Stmts = padded(s.Stmts, s.Line())
	}
}

// solid is a condition for which more is compiled than jumps, or nothing.
func solid(e ast.Expr) ast.Expr {
	if isTrue(e) {
		return e
	}
	return compared(e)
}

// compared is a condition in which a comparison stands for each constant.
func compared(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.LogicalOpExpr:
		e.Lhs, e.Rhs = compared(e.Lhs), compared(e.Rhs)
	case *ast.UnaryNotOpExpr:
		e.Expr = compared(e.Expr)
	case *ast.TrueExpr, *ast.FalseExpr, *ast.NilExpr, *ast.NumberExpr, *ast.StringExpr:
		one, other := &ast.NumberExpr{Value: "1"}, &ast.NumberExpr{Value: "1"}
		if !isTrue(e) {
			other.Value = "2"
		}
		c := &ast.RelationalOpExpr{Operator: "==", Lhs: one, Rhs: other}
		for _, n := range []ast.Expr{one, other, c} {
			n.SetLine(e.Line())
		}
		return c
	}
	return e
}

// isTrue tells whether an expression is a constant that is true.
func isTrue(e ast.Expr) bool {
	switch e.(type) {
	case *ast.TrueExpr, *ast.NumberExpr, *ast.StringExpr:
		return true
	}
	return false
}

// padded is the body of a loop that does not begin with a jump.
func padded(list []ast.Stmt, line int) []ast.Stmt {
	if !jumpsFirst(list) {
		return list
	}
	if len(list) > 0 {
		line = list[0].Line()
	}
	return append([]ast.Stmt{emptyBlock(markPad, line)}, list...)
}

// jumpsFirst tells whether what is compiled of a body may begin with a jump.
func jumpsFirst(list []ast.Stmt) bool {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.LabelStmt:
			continue
		case *ast.DoBlockStmt:
			if len(s.Stmts) == 0 {
				continue
			}
			return jumpsFirst(s.Stmts)
		case *ast.WhileStmt:
			return beginsWithJump(s.Condition) || isTrue(s.Condition) && jumpsFirst(s.Stmts)
		case *ast.RepeatStmt:
			return jumpsFirst(s.Stmts)
		case *ast.IfStmt:
			return beginsWithJump(s.Condition) || isTrue(s.Condition) && jumpsFirst(s.Then)
		case *ast.BreakStmt:
			return true
		case *ast.AssignStmt:
			return slices.ContainsFunc(s.Lhs, beginsWithJump) || slices.ContainsFunc(s.Rhs, beginsWithJump)
		case *ast.LocalAssignStmt:
			return slices.ContainsFunc(s.Exprs, beginsWithJump)
		case *ast.FuncCallStmt:
			return beginsWithJump(s.Expr)
		case *ast.NumberForStmt:
			return beginsWithJump(s.Init)
		case *ast.GenericForStmt:
			return slices.ContainsFunc(s.Exprs, beginsWithJump)
		case *ast.ReturnStmt:
			return slices.ContainsFunc(s.Exprs, beginsWithJump)
		}
		return false
	}
	return true
}

// beginsWithJump tells whether what is compiled of an expression may begin with a jump: nil and f() does.
func beginsWithJump(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.LogicalOpExpr:
		return isConstant(e.Lhs) || beginsWithJump(e.Lhs)
	case *ast.AttrGetExpr:
		return beginsWithJump(e.Object) || beginsWithJump(e.Key)
	case *ast.FuncCallExpr:
		return beginsWithJump(e.Func) || beginsWithJump(e.Receiver)
	case *ast.RelationalOpExpr:
		return beginsWithJump(e.Lhs) || beginsWithJump(e.Rhs)
	case *ast.StringConcatOpExpr:
		return beginsWithJump(e.Lhs) || beginsWithJump(e.Rhs)
	case *ast.ArithmeticOpExpr:
		return beginsWithJump(e.Lhs) || beginsWithJump(e.Rhs)
	case *ast.UnaryMinusOpExpr:
		return beginsWithJump(e.Expr)
	case *ast.UnaryNotOpExpr:
		return beginsWithJump(e.Expr)
	case *ast.UnaryLenOpExpr:
		return beginsWithJump(e.Expr)
	}
	return false
}

// isConstant tells whether an expression is a constant, or begins with one.
func isConstant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.FalseExpr, *ast.NilExpr:
		return true
	case *ast.LogicalOpExpr:
		return isConstant(e.Lhs)
	case *ast.UnaryNotOpExpr:
		return isConstant(e.Expr)
	}
	return isTrue(e)
}

// emptyBlock is a block with a variable, for which one harmless instruction is compiled.
func emptyBlock(name string, line int) ast.Stmt {
	value := &ast.TrueExpr{}
	local := &ast.LocalAssignStmt{Names: []string{name}, Exprs: []ast.Expr{value}}
	block := &ast.DoBlockStmt{Stmts: []ast.Stmt{local}}
	for _, n := range []ast.PositionHolder{value, local, block} {
		n.SetLine(line)
	}
	return block
}

// markPad is the variable of a block at which a loop begins. No script can say it.
const markPad = "\x00pad"

// notItself keeps the compiler from beginning a variable before the function that it is given, if that speaks of another one
// of the same name: a second value, which is for no variable, is all that takes. The parser tells local function by
// giving it a last line.
func notItself(s ast.Stmt) {
	l, ok := s.(*ast.LocalAssignStmt)
	if !ok || len(l.Names) != 1 || len(l.Exprs) != 1 || l.LastLine() != 0 {
		return
	}
	if f, ok := l.Exprs[0].(*ast.FunctionExpr); ok {
		speaks := false
		v := visitor{few: true, fn: func(e ast.Expr) {
			if i, ok := e.(*ast.IdentExpr); ok && i.Value == l.Names[0] {
				speaks = true
			}
		}}
		v.expr(f)
		if speaks || v.seen == fewExpressions { // functions may stand one within the other: it would take too long to look at all
			none := &ast.NilExpr{}
			none.SetLine(l.Line())
			l.Exprs = append(l.Exprs, none)
		}
	}
}

// visitStmts calls fn for statements, after those within, but not for those of functions within. fn may put another one in the
// place of each.
func visitStmts(list []ast.Stmt, fn func(*ast.Stmt)) {
	for i, s := range list {
		for _, b := range blocksOf(s) {
			visitStmts(b, fn)
		}
		fn(&list[i])
	}
}

// blocksOf are the lists of statements that a statement is made of.
func blocksOf(s ast.Stmt) [][]ast.Stmt {
	switch s := s.(type) {
	case *ast.DoBlockStmt:
		return [][]ast.Stmt{s.Stmts}
	case *ast.WhileStmt:
		return [][]ast.Stmt{s.Stmts}
	case *ast.RepeatStmt:
		return [][]ast.Stmt{s.Stmts}
	case *ast.IfStmt:
		return [][]ast.Stmt{s.Then, s.Else}
	case *ast.NumberForStmt:
		return [][]ast.Stmt{s.Stmts}
	case *ast.GenericForStmt:
		return [][]ast.Stmt{s.Stmts}
	}
	return nil
}

func toText(e ast.Expr) ast.Expr {
	switch v := e.(type) {
	case *ast.StringExpr, *ast.StringConcatOpExpr, *ast.FunctionExpr, *ast.TableExpr:
		return e
	case *ast.FuncCallExpr:
		if f, ok := v.Func.(*ast.IdentExpr); ok && (f.Value == asText || f.Value == "tostring") {
			return e
		}
	case *ast.AttrGetExpr: // KEYS[1] and ARGV[1] are strings or nil
		if o, ok := v.Object.(*ast.IdentExpr); ok && (o.Value == "KEYS" || o.Value == "ARGV") {
			return e
		}
	}
	return helped(asText, e)
}

func toNumber(e ast.Expr) ast.Expr {
	switch e.(type) {
	case nil, *ast.NumberExpr, *ast.ArithmeticOpExpr, *ast.UnaryMinusOpExpr, *ast.UnaryLenOpExpr:
		return e
	}
	return helped(asNumber, e)
}

// helped is a call of a function that no script can say.
func helped(name string, e ast.Expr) ast.Expr {
	f := &ast.IdentExpr{Value: name}
	call := &ast.FuncCallExpr{Func: f, Args: []ast.Expr{e}, AdjustRet: true}
	for _, n := range []ast.Expr{f, call} {
		n.SetLine(e.Line())
		n.SetLastLine(e.LastLine())
	}
	return call
}

// visit calls fn for every expression below the statements, the outer ones first.
func visit(list []ast.Stmt, fn func(ast.Expr)) { (&visitor{fn: fn}).stmts(list) }

func visitExpr(e ast.Expr, fn func(ast.Expr)) { (&visitor{fn: fn}).expr(e) }

// A visitor goes through a syntax tree.
type visitor struct {
	fn      func(ast.Expr)
	seen    int  // expressions
	few     bool // no more of these than fewExpressions are looked at
	depth   int
	blocks  int  // of statements, one within the other
	bounded bool // only so deep as may be compiled
	deep    bool // the tree goes deeper
}

const fewExpressions = 1000

// syntaxLevels is how deep a syntax tree may be. Lua ends at 200, but counts operations of the same kind in a row as one: those
// are as deep as they are many here, and what is deep takes the compiler time by the square, and stack without end.
const syntaxLevels = 5000

// blockLevels is how deep blocks may be, as in Lua. What stands behind else, and is nothing but another if, is as elseif, which is no
// block within another one.
const blockLevels = 200

// tooDeep tells whether a tree is too deep to be compiled.
func tooDeep(chunk []ast.Stmt) bool {
	v := visitor{fn: func(ast.Expr) {}, bounded: true}
	v.stmts(chunk)
	return v.deep
}

func (v *visitor) stmts(list []ast.Stmt) {
	if v.bounded && (v.depth == syntaxLevels || v.blocks == blockLevels) {
		v.deep = v.deep || len(list) > 0
		return
	}
	v.depth++
	v.blocks++
	defer func() { v.depth, v.blocks = v.depth-1, v.blocks-1 }()
	for _, s := range list {
		switch s := s.(type) {
		case *ast.AssignStmt:
			v.all(s.Lhs)
			v.all(s.Rhs)
		case *ast.LocalAssignStmt:
			v.all(s.Exprs)
		case *ast.FuncCallStmt:
			v.expr(s.Expr)
		case *ast.WhileStmt:
			v.expr(s.Condition)
		case *ast.RepeatStmt:
			v.expr(s.Condition)
		case *ast.IfStmt:
			v.expr(s.Condition)
		case *ast.NumberForStmt:
			v.all([]ast.Expr{s.Init, s.Limit, s.Step})
		case *ast.GenericForStmt:
			v.all(s.Exprs)
		case *ast.FuncDefStmt:
			v.expr(s.Name.Func)
			v.expr(s.Name.Receiver)
			v.expr(s.Func)
		case *ast.ReturnStmt:
			v.all(s.Exprs)
		}
		_, isIf := s.(*ast.IfStmt)
		for i, b := range blocksOf(s) {
			if isIf && i == 1 && isElseif(b) {
				v.blocks--
				v.stmts(b)
				v.blocks++
			} else {
				v.stmts(b)
			}
		}
	}
}

func isElseif(list []ast.Stmt) bool {
	if len(list) != 1 {
		return false
	}
	_, is := list[0].(*ast.IfStmt)
	return is
}

func (v *visitor) all(list []ast.Expr) {
	for _, e := range list {
		v.expr(e)
	}
}

func (v *visitor) expr(e ast.Expr) {
	if e == nil {
		return
	}
	if v.bounded && v.depth == syntaxLevels {
		v.deep = true
		return
	}
	if v.few && v.seen == fewExpressions {
		return
	}
	v.seen++
	v.depth++
	defer func() { v.depth-- }()
	v.fn(e)
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		v.expr(e.Object)
		v.expr(e.Key)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			v.expr(f.Key)
			v.expr(f.Value)
		}
	case *ast.FuncCallExpr:
		v.expr(e.Func)
		v.expr(e.Receiver)
		v.all(e.Args)
	case *ast.LogicalOpExpr:
		v.expr(e.Lhs)
		v.expr(e.Rhs)
	case *ast.RelationalOpExpr:
		v.expr(e.Lhs)
		v.expr(e.Rhs)
	case *ast.StringConcatOpExpr:
		v.expr(e.Lhs)
		v.expr(e.Rhs)
	case *ast.ArithmeticOpExpr:
		v.expr(e.Lhs)
		v.expr(e.Rhs)
	case *ast.UnaryMinusOpExpr:
		v.expr(e.Expr)
	case *ast.UnaryNotOpExpr:
		v.expr(e.Expr)
	case *ast.UnaryLenOpExpr:
		v.expr(e.Expr)
	case *ast.FunctionExpr:
		v.stmts(e.Stmts)
	}
}
