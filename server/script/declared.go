package script

import "github.com/yuin/gopher-lua/ast"

// A KeyFinder tells which arguments of a command are keys, whatever the others are. argc counts the command's name; open
// is true if more arguments may follow. ok is false if that cannot be told, or if the command touches anything else.
type KeyFinder func(name string, argc int, open bool) (first, last, step int, ok bool)

// declaresAll proves, or fails to prove, that a script hands nothing but elements of KEYS to commands where these have
// keys. It follows no data: KEYS[x], a local variable that is given KEYS[x] once, and the second variable of a loop over
// ipairs(KEYS) are all it knows. Names count, not scopes: a name that is bound twice, or assigned to, means nothing.
func declaresAll(chunk []ast.Stmt, find KeyFinder) bool {
	p := &proof{bound: map[string]int{}, keys: map[string]bool{}, calls: map[string]bool{}, fine: map[ast.Expr]bool{}}
	p.bind(chunk)
	p.locals(chunk)
	ok := true
	visit(chunk, func(e ast.Expr) {
		switch e := e.(type) {
		case *ast.FuncCallExpr:
			ok = ok && p.call(e, find)
		case *ast.AttrGetExpr:
			p.attr(e)
		case *ast.UnaryLenOpExpr:
			p.allowKeys(e.Expr)
		case *ast.IdentExpr:
			switch e.Value {
			case "KEYS", "redis", "server":
				ok = ok && p.fine[e]
			case "_G", "getfenv", "setfenv", "loadstring", "load", "getmetatable":
				ok = false
			default:
				ok = ok && (!p.calls[e.Value] || p.fine[e])
			}
		}
	})
	return ok
}

type proof struct {
	bound map[string]int  // how often each name is bound or assigned to
	keys  map[string]bool // local variables that hold a key
	calls map[string]bool // local variables that hold redis.call or redis.pcall
	fine  map[ast.Expr]bool
}

// bind counts how often names are bound.
func (p *proof) bind(chunk []ast.Stmt) {
	add := func(names ...string) {
		for _, n := range names {
			p.bound[n]++
		}
	}
	statement := func(p *ast.Stmt) {
		switch s := (*p).(type) {
		case *ast.AssignStmt:
			for _, l := range s.Lhs {
				switch l := l.(type) {
				case *ast.IdentExpr:
					add(l.Value)
				case *ast.AttrGetExpr:
					if o, ok := l.Object.(*ast.IdentExpr); ok {
						add(o.Value) // KEYS[1] = x
					}
				}
			}
		case *ast.LocalAssignStmt:
			add(s.Names...)
		case *ast.NumberForStmt:
			add(s.Name)
		case *ast.GenericForStmt:
			add(s.Names...)
		case *ast.FuncDefStmt:
			if n, ok := s.Name.Func.(*ast.IdentExpr); ok {
				add(n.Value)
			} else if a, ok := s.Name.Func.(*ast.AttrGetExpr); ok {
				if o, ok := a.Object.(*ast.IdentExpr); ok {
					add(o.Value)
				}
			}
		}
	}
	visitStmts(chunk, statement)
	visit(chunk, func(e ast.Expr) {
		if f, ok := e.(*ast.FunctionExpr); ok {
			if f.ParList != nil {
				add(f.ParList.Names...)
			}
			visitStmts(f.Stmts, statement)
		}
	})
}

// locals finds the local variables that hold keys or redis.call.
func (p *proof) locals(chunk []ast.Stmt) {
	var block func(list []ast.Stmt)
	block = func(list []ast.Stmt) {
		for _, s := range list {
			switch s := s.(type) {
			case *ast.LocalAssignStmt:
				for i, n := range s.Names {
					if p.bound[n] != 1 || i >= len(s.Exprs) {
						continue
					}
					if p.isKey(s.Exprs[i]) {
						p.keys[n] = true
					} else if p.isCall(s.Exprs[i]) {
						p.calls[n] = true
						p.fine[s.Exprs[i]] = true
					}
				}
			case *ast.GenericForStmt:
				if c := p.overKeys(s); c != nil {
					p.fine[c.Args[0]] = true
					if len(s.Names) == 2 && p.bound[s.Names[1]] == 1 {
						p.keys[s.Names[1]] = true
					}
				}
			}
			for _, b := range blocksOf(s) {
				block(b)
			}
		}
	}
	block(chunk)
	visit(chunk, func(e ast.Expr) {
		if f, ok := e.(*ast.FunctionExpr); ok {
			block(f.Stmts)
		}
	})
}

func (p *proof) is(e ast.Expr, name string) bool {
	i, ok := e.(*ast.IdentExpr)
	return ok && i.Value == name && p.bound[name] == 0
}

// allowKeys says that KEYS may stand where e is.
func (p *proof) allowKeys(e ast.Expr) {
	if p.is(e, "KEYS") {
		p.fine[e] = true
	}
}

// overKeys is the call ipairs(KEYS) of a loop over it, nil for another loop. Elsewhere that call gives KEYS itself away, to be
// changed under another name.
func (p *proof) overKeys(s *ast.GenericForStmt) *ast.FuncCallExpr {
	if len(s.Exprs) != 1 {
		return nil
	}
	c, ok := s.Exprs[0].(*ast.FuncCallExpr)
	if ok && c.Receiver == nil && p.is(c.Func, "ipairs") && len(c.Args) == 1 && p.is(c.Args[0], "KEYS") {
		return c
	}
	return nil
}

// isKey tells whether an expression is an element of KEYS.
func (p *proof) isKey(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		return p.is(e.Object, "KEYS")
	case *ast.IdentExpr:
		return p.keys[e.Value]
	}
	return false
}

// isServer tells whether an expression is the table of the server's functions, under one of its two names.
func (p *proof) isServer(e ast.Expr) bool { return p.is(e, "redis") || p.is(e, "server") }

// isCall tells whether an expression is redis.call or redis.pcall.
func (p *proof) isCall(e ast.Expr) bool {
	a, ok := e.(*ast.AttrGetExpr)
	if !ok || !p.isServer(a.Object) {
		return false
	}
	k, ok := a.Key.(*ast.StringExpr)
	return ok && (k.Value == "call" || k.Value == "pcall")
}

// attr is x.y: redis and KEYS may stand there, but redis.call as a value may not.
func (p *proof) attr(e *ast.AttrGetExpr) {
	p.allowKeys(e.Object)
	if k, ok := e.Key.(*ast.StringExpr); ok && p.isServer(e.Object) {
		if k.Value != "call" && k.Value != "pcall" || p.fine[e] {
			p.fine[e.Object] = true
		}
	}
}

// call is f(...): a command, or something that may be given KEYS.
func (p *proof) call(c *ast.FuncCallExpr, find KeyFinder) bool {
	if i, ok := c.Func.(*ast.IdentExpr); ok && p.calls[i.Value] || p.isCall(c.Func) {
		p.fine[c.Func] = true
		return p.command(c, find)
	}
	if c.Receiver == nil && p.is(c.Func, "unpack") && len(c.Args) > 0 {
		p.allowKeys(c.Args[0])
	}
	return true
}

func (p *proof) command(c *ast.FuncCallExpr, find KeyFinder) bool {
	if len(c.Args) == 0 {
		return true
	}
	name, ok := c.Args[0].(*ast.StringExpr)
	if !ok {
		return false
	}
	argc := len(c.Args)
	open := false
	switch last := c.Args[argc-1].(type) {
	case *ast.FuncCallExpr:
		open = !last.AdjustRet
	case *ast.Comma3Expr:
		open = !last.AdjustRet
	}
	if open {
		argc-- // the last may be nothing, or many
	}
	first, end, step, ok := find(name.Value, argc, open)
	if !ok {
		return false
	}
	for i := first; i <= end; i += step {
		if i >= argc || !p.isKey(c.Args[i]) {
			return false
		}
	}
	return true
}
