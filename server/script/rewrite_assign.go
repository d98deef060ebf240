package script

import (
	"strconv"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// markValue begins the names of the variables that hold the values of an assignment. No script can say them.
const markValue = "\x00value"

// valuesFirst is an assignment in which all values are there before the first is stored: a block whose
// variables hold first the tables and keys of the places, then the values, and go to the places from the last to the first, as
// in Lua.
func valuesFirst(s *ast.AssignStmt) ast.Stmt {
	if !storesEarly(s) {
		return s
	}
	block := &ast.DoBlockStmt{}
	places, values := &ast.LocalAssignStmt{}, &ast.LocalAssignStmt{Exprs: s.Rhs}
	hold := func(l *ast.LocalAssignStmt) ast.Expr {
		l.Names = append(l.Names, markValue+strconv.Itoa(len(places.Names)+len(values.Names)))
		return at(s, &ast.IdentExpr{Value: l.Names[len(l.Names)-1]})
	}
	for i, to := range s.Lhs {
		if to, ok := to.(*ast.AttrGetExpr); ok {
			places.Exprs = append(places.Exprs, to.Object, to.Key)
			place := &ast.AttrGetExpr{Object: hold(places), Key: hold(places)}
			place.SetLine(to.Line())
			place.SetLastLine(to.LastLine())
			s.Lhs[i] = place
		}
	}
	if len(places.Names) > 0 {
		block.Stmts = append(block.Stmts, at(s, places))
	}
	block.Stmts = append(block.Stmts, at(s, values))
	for i := range s.Lhs {
		one := &ast.AssignStmt{Lhs: s.Lhs[i : i+1], Rhs: []ast.Expr{hold(values)}}
		block.Stmts = append(block.Stmts, at(s, one))
	}
	stores := block.Stmts[len(block.Stmts)-len(s.Lhs):]
	for i, j := 0, len(stores)-1; i < j; i, j = i+1, j-1 {
		stores[i], stores[j] = stores[j], stores[i]
	}
	return at(s, block)
}

// at puts a node where an assignment stands.
func at[N ast.PositionHolder](s *ast.AssignStmt, n N) N {
	n.SetLine(s.Line())
	n.SetLastLine(s.LastLine())
	return n
}

// storesEarly tells whether the compiler may store a value where something is that is still looked at, or a wrong one: it makes
// what is for a local variable in the variable itself, one value after the other.
func storesEarly(s *ast.AssignStmt) bool {
	names, tables := map[string]bool{}, false
	for i, to := range s.Lhs {
		name, ok := to.(*ast.IdentExpr)
		switch {
		case !ok:
			tables = true
		case names[name.Value]:
			return true
		case i < len(s.Rhs) && isMadeWrong(s.Rhs[i], i == len(s.Rhs)-1):
			return true
		default:
			names[name.Value] = true
		}
	}
	switch {
	case len(names) == 0:
		return false
	case tables:
		return true
	}
	for _, value := range s.Rhs[1:] {
		switch value.(type) {
		case *ast.NilExpr, *ast.TrueExpr, *ast.FalseExpr, *ast.NumberExpr, *ast.StringExpr:
		default:
			return true
		}
	}
	return false
}

// isMadeWrong tells whether a value may come out wrong that is made in the variable that it is for: a condition, and what a function
// returns if that is cut to one value, since the function itself is put there before its arguments. last is the last value.
func isMadeWrong(value ast.Expr, last bool) bool {
	switch v := value.(type) {
	case *ast.LogicalOpExpr:
		return true
	case *ast.FuncCallExpr:
		return v.AdjustRet || !last
	}
	return false
}

// isValuesFirst tells whether a block is what valuesFirst has made of an assignment.
func isValuesFirst(b *ast.DoBlockStmt) bool {
	if len(b.Stmts) == 0 {
		return false
	}
	l, ok := b.Stmts[0].(*ast.LocalAssignStmt)
	return ok && strings.HasPrefix(l.Names[0], markValue)
}
