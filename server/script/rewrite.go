package script

import "github.com/yuin/gopher-lua/ast"

// asText is the name of the function that makes text of what is joined by "..". No script can say it.
const asText = "\x00text"

// rewrite changes a script's syntax tree in the one place where the interpreter cannot be told what Redis does: numbers
// that are joined with ".." have to be printed with 14 digits, as Lua's own tostring does.
func rewrite(chunk []ast.Stmt) {
	visit(chunk, func(e ast.Expr) {
		if c, ok := e.(*ast.StringConcatOpExpr); ok {
			c.Lhs, c.Rhs = toText(c.Lhs), toText(c.Rhs)
		}
	})
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
	f := &ast.IdentExpr{Value: asText}
	call := &ast.FuncCallExpr{Func: f, Args: []ast.Expr{e}, AdjustRet: true}
	for _, n := range []ast.Expr{f, call} {
		n.SetLine(e.Line())
		n.SetLastLine(e.LastLine())
	}
	return call
}

// visit calls fn for every expression below the statements, the outer ones first.
func visit(list []ast.Stmt, fn func(ast.Expr)) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.AssignStmt:
			visitAll(s.Lhs, fn)
			visitAll(s.Rhs, fn)
		case *ast.LocalAssignStmt:
			visitAll(s.Exprs, fn)
		case *ast.FuncCallStmt:
			visitExpr(s.Expr, fn)
		case *ast.DoBlockStmt:
			visit(s.Stmts, fn)
		case *ast.WhileStmt:
			visitExpr(s.Condition, fn)
			visit(s.Stmts, fn)
		case *ast.RepeatStmt:
			visitExpr(s.Condition, fn)
			visit(s.Stmts, fn)
		case *ast.IfStmt:
			visitExpr(s.Condition, fn)
			visit(s.Then, fn)
			visit(s.Else, fn)
		case *ast.NumberForStmt:
			visitAll([]ast.Expr{s.Init, s.Limit, s.Step}, fn)
			visit(s.Stmts, fn)
		case *ast.GenericForStmt:
			visitAll(s.Exprs, fn)
			visit(s.Stmts, fn)
		case *ast.FuncDefStmt:
			visitExpr(s.Name.Func, fn)
			visitExpr(s.Name.Receiver, fn)
			visitExpr(s.Func, fn)
		case *ast.ReturnStmt:
			visitAll(s.Exprs, fn)
		}
	}
}

func visitAll(list []ast.Expr, fn func(ast.Expr)) {
	for _, e := range list {
		visitExpr(e, fn)
	}
}

func visitExpr(e ast.Expr, fn func(ast.Expr)) {
	if e == nil {
		return
	}
	fn(e)
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		visitExpr(e.Object, fn)
		visitExpr(e.Key, fn)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			visitExpr(f.Key, fn)
			visitExpr(f.Value, fn)
		}
	case *ast.FuncCallExpr:
		visitExpr(e.Func, fn)
		visitExpr(e.Receiver, fn)
		visitAll(e.Args, fn)
	case *ast.LogicalOpExpr:
		visitExpr(e.Lhs, fn)
		visitExpr(e.Rhs, fn)
	case *ast.RelationalOpExpr:
		visitExpr(e.Lhs, fn)
		visitExpr(e.Rhs, fn)
	case *ast.StringConcatOpExpr:
		visitExpr(e.Lhs, fn)
		visitExpr(e.Rhs, fn)
	case *ast.ArithmeticOpExpr:
		visitExpr(e.Lhs, fn)
		visitExpr(e.Rhs, fn)
	case *ast.UnaryMinusOpExpr:
		visitExpr(e.Expr, fn)
	case *ast.UnaryNotOpExpr:
		visitExpr(e.Expr, fn)
	case *ast.UnaryLenOpExpr:
		visitExpr(e.Expr, fn)
	case *ast.FunctionExpr:
		visit(e.Stmts, fn)
	}
}
