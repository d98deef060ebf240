package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// Lua's errors call a value by what it was read from: local 'x', field 'y'. The interpreter keeps too little for that, so
// what was compiled remembers its text, and at a text's first error that is parsed once more: then its instructions are known
// to belong to nodes of the syntax tree. A script that has no errors pays nothing.

// A term is what a value is called. One without a name has the empty kind.
type term struct{ kind, name string }

// with is the term as it stands in an error, of a value of a type.
func (t term) with(typ string) string {
	if t.kind == "" {
		return "a " + typ + " value"
	}
	return t.kind + " '" + t.name + "' (a " + typ + " value)"
}

// studied is what is known of one function of a text, by instruction.
type studied struct {
	lines []int          // in which Lua sees it
	terms map[int][]term // of its operands
}

func (f *studied) line(pc int) int {
	for ; f != nil && pc >= 0; pc-- {
		if f.lines[pc] > 0 {
			return f.lines[pc]
		}
	}
	return 0
}

// term is what an operand of an instruction is called.
func (f *studied) term(pc, operand int) term {
	if f == nil || operand >= len(f.terms[pc]) {
		return term{}
	}
	return f.terms[pc][operand]
}

// firstOrigin is the place at which no instruction stands, and that of the record by which the first function of a text knows it;
// those of the others go on downwards.
const firstOrigin = -2

// remember lets the functions of a text know it, what it was called when it was loaded, and which of its functions they are. Their
// record of calls, of which the interpreter makes nothing but words for errors, has the room.
func remember(p *lua.FunctionProto, text, source string) {
	next := firstOrigin
	var each func(p *lua.FunctionProto)
	each = func(p *lua.FunctionProto) {
		p.DbgCalls = []lua.DbgCall{{Name: text, Pc: next}, {Name: source, Pc: firstOrigin}}
		next--
		for _, inner := range p.FunctionPrototypes {
			each(inner)
		}
	}
	each(p)
}

func remembers(p *lua.FunctionProto) bool {
	return len(p.DbgCalls) == 2 && p.DbgCalls[0].Pc <= firstOrigin
}

// sourceOf is what Redis calls the text of a function.
func sourceOf(p *lua.FunctionProto) string {
	if remembers(p) {
		return p.DbgCalls[1].Name
	}
	return "@" + p.SourceName
}

const (
	mostStudied     = 64      // texts that an engine knows the names of
	mostStudiedText = 1 << 20 // bytes of them
)

// study finds out what there is to know of a function; nil if that is nothing.
func (e *Engine) study(p *lua.FunctionProto) *studied {
	if f := e.debugged[p]; f != nil {
		return f
	}
	if !remembers(p) {
		return nil
	}
	text, at := p.DbgCalls[0].Name, firstOrigin-p.DbgCalls[0].Pc
	list, known := e.studied[text]
	if !known {
		if len(e.studied) == mostStudied || e.studiedText+len(text) > mostStudiedText {
			clear(e.studied)
			e.studiedText = 0
		}
		list = studyText(text)
		e.studied[text] = list
		e.studiedText += len(text)
	}
	if at >= len(list) || len(list[at].lines) != len(p.Code) {
		return nil
	}
	return list[at]
}

// studyText studies the functions of a text, in the order in which remember counts them.
func studyText(text string) (list []*studied) {
	chunk, err := parse.Parse(strings.NewReader(text), "")
	if err != nil {
		return nil
	}
	rewrite(chunk, false)
	n := newNamer(chunk)
	m := &marker{}
	m.block(chunk)
	proto, err := compileTree(chunk, "")
	if err != nil {
		return nil
	}
	found := m.study(proto, n, lineTable{}, lastLine(text))
	var each func(p *lua.FunctionProto)
	each = func(p *lua.FunctionProto) {
		list = append(list, found[p])
		for _, inner := range p.FunctionPrototypes {
			each(inner)
		}
	}
	each(proto)
	return list
}

// study is resolve, and finds out what operands are called.
func (m *marker) study(p *lua.FunctionProto, n *namer, lines lineTable, last int) map[*lua.FunctionProto]*studied {
	found := map[*lua.FunctionProto]*studied{}
	var each func(p *lua.FunctionProto)
	each = func(p *lua.FunctionProto) {
		f := &studied{terms: map[int][]term{}}
		found[p] = f
		for pc, inst := range instructions(p) {
			if terms := n.operands(opcode(inst), m.of(p.DbgSourcePositions[pc]).node); terms != nil {
				f.terms[pc] = terms
			}
		}
		for _, inner := range p.FunctionPrototypes {
			each(inner)
		}
	}
	each(p)
	m.resolve(p, lines, last)
	for p, f := range found {
		f.lines = lines[p]
	}
	return found
}

// A namer knows what the identifiers of a text stand for.
type namer struct {
	terms     map[*ast.IdentExpr]term
	receivers map[ast.Expr]bool // the a in function a:b()
	scope     *nameScope
}

// nameScope is the variables that are seen in a function, the last ones first.
type nameScope struct {
	outer *nameScope
	vars  []nameVariable
}

type nameVariable struct {
	name string
	term term // for what the script has no variable of its own
	ours bool
}

func newNamer(chunk []ast.Stmt) *namer {
	n := &namer{terms: map[*ast.IdentExpr]term{}, receivers: map[ast.Expr]bool{}, scope: &nameScope{}}
	n.block(chunk)
	return n
}

func (n *namer) block(list []ast.Stmt) {
	before := len(n.scope.vars)
	n.stmts(list)
	n.scope.vars = n.scope.vars[:before]
}

func (n *namer) begin(names ...string) {
	for _, name := range names {
		n.scope.vars = append(n.scope.vars, nameVariable{name: name})
	}
}

func (n *namer) stmts(list []ast.Stmt) {
	for _, s := range list {
		n.stmt(s)
	}
}

func (n *namer) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		n.exprs(s.Lhs...)
		n.exprs(s.Rhs...)
	case *ast.LocalAssignStmt:
		n.local(s)
	case *ast.FuncCallStmt:
		n.exprs(s.Expr)
	case *ast.DoBlockStmt:
		n.block(s.Stmts)
	case *ast.WhileStmt:
		n.exprs(s.Condition)
		n.block(s.Stmts)
	case *ast.RepeatStmt:
		before := len(n.scope.vars)
		n.stmts(s.Stmts)
		n.exprs(s.Condition)
		n.scope.vars = n.scope.vars[:before]
	case *ast.IfStmt:
		n.exprs(s.Condition)
		n.block(s.Then)
		n.block(s.Else)
	case *ast.NumberForStmt:
		n.exprs(s.Init, s.Limit, s.Step)
		n.loop(s.Stmts, s.Name)
	case *ast.GenericForStmt:
		n.exprs(s.Exprs...)
		n.loop(s.Stmts, s.Names...)
	case *ast.FuncDefStmt:
		if s.Name.Func == nil {
			n.receivers[s.Name.Receiver] = true
			n.exprs(s.Name.Receiver)
			n.function(s.Func, "self")
		} else {
			n.exprs(s.Name.Func)
			n.function(s.Func)
		}
	case *ast.ReturnStmt:
		n.exprs(s.Exprs...)
	}
}

// local is the beginning of variables. Those that hold a part of an assignment are called what that is.
func (n *namer) local(s *ast.LocalAssignStmt) {
	itself := len(s.Names) == 1 && len(s.Exprs) == 1
	if itself {
		_, itself = s.Exprs[0].(*ast.FunctionExpr)
	}
	if itself {
		n.begin(s.Names...)
	}
	n.exprs(s.Exprs...)
	if itself {
		return
	}
	n.begin(s.Names...)
	added := n.scope.vars[len(n.scope.vars)-len(s.Names):]
	for i, name := range s.Names {
		if added[i].ours = strings.HasPrefix(name, "\x00"); added[i].ours && i < len(s.Exprs) {
			added[i].term = n.term(s.Exprs[i])
		}
	}
}

func (n *namer) loop(body []ast.Stmt, names ...string) {
	before := len(n.scope.vars)
	n.begin(names...)
	n.stmts(body)
	n.scope.vars = n.scope.vars[:before]
}

func (n *namer) function(f *ast.FunctionExpr, own ...string) {
	n.scope = &nameScope{outer: n.scope}
	n.begin(own...)
	n.begin(f.ParList.Names...)
	if f.ParList.HasVargs {
		n.begin("arg")
	}
	n.stmts(f.Stmts)
	n.scope = n.scope.outer
}

func (n *namer) exprs(list ...ast.Expr) {
	for _, e := range list {
		switch e := e.(type) {
		case *ast.IdentExpr:
			n.terms[e] = n.find(e.Value)
		case *ast.FunctionExpr:
			n.function(e)
		case *ast.AttrGetExpr:
			n.exprs(e.Object, e.Key)
		case *ast.TableExpr:
			for _, f := range e.Fields {
				n.exprs(f.Key, f.Value)
			}
		case *ast.FuncCallExpr:
			n.exprs(e.Func, e.Receiver)
			n.exprs(e.Args...)
		case *ast.LogicalOpExpr:
			n.exprs(e.Lhs, e.Rhs)
		case *ast.RelationalOpExpr:
			n.exprs(e.Lhs, e.Rhs)
		case *ast.StringConcatOpExpr:
			n.exprs(e.Lhs, e.Rhs)
		case *ast.ArithmeticOpExpr:
			n.exprs(e.Lhs, e.Rhs)
		case *ast.UnaryMinusOpExpr:
			n.exprs(e.Expr)
		case *ast.UnaryNotOpExpr:
			n.exprs(e.Expr)
		case *ast.UnaryLenOpExpr:
			n.exprs(e.Expr)
		}
	}
}

// find is what a name stands for where the namer is.
func (n *namer) find(name string) term {
	kind := "local"
	for s := n.scope; s != nil; s = s.outer {
		for i := len(s.vars) - 1; i >= 0; i-- {
			if v := s.vars[i]; v.name == name {
				if v.ours {
					return v.term
				}
				return term{kind, name}
			}
		}
		kind = "upvalue"
	}
	return term{"global", name}
}

// term is what Lua calls the value of an expression: it looks for the instruction by which that has come into its register.
func (n *namer) term(e ast.Expr) term {
	switch e := e.(type) {
	case *ast.IdentExpr:
		return n.terms[e]
	case *ast.AttrGetExpr:
		if key, ok := e.Key.(*ast.StringExpr); ok {
			return term{"field", key.Value}
		}
		return term{"field", "?"}
	case *ast.LogicalOpExpr:
		if last := lastOf(e, false, false); last != nil {
			return n.term(last)
		}
	case *ast.FuncCallExpr:
		if f, ok := e.Func.(*ast.IdentExpr); ok && isHelper(f.Value) {
			return n.term(e.Args[0])
		}
	}
	return term{}
}

// lastOf is the expression from which Lua believes that the value of a condition comes, nil if from none: it takes all jumps forward
// to be made, and what is tested before a jump for nothing that was read. An expression is tested, with a jump if it is as jumps
// says, unless nothing stands behind it.
func lastOf(e ast.Expr, tested, jumps bool) ast.Expr {
	last, _ := follow(e, tested, jumps)
	return last
}

func follow(e ast.Expr, tested, jumps bool) (last ast.Expr, jumped bool) {
	op, ok := e.(*ast.LogicalOpExpr)
	switch {
	case !ok && tested:
		return nil, jumps
	case !ok:
		return e, jumps
	}
	or := op.Operator == "or"
	if !staysOut(op.Lhs, or) {
		if last, jumped := follow(op.Lhs, true, or); jumped == or {
			return last, or
		}
	}
	return follow(op.Rhs, tested, jumps)
}

// staysOut tells whether an operand of and, or of or, is a constant by which nothing is decided.
func staysOut(e ast.Expr, or bool) bool {
	switch e.(type) {
	case *ast.NilExpr, *ast.FalseExpr:
		return or
	}
	return !or && isTrue(e)
}

// operands are what the operands of an instruction are called that belongs to a node.
func (n *namer) operands(op int, node ast.PositionHolder) []term {
	switch op {
	case lua.OP_CALL, lua.OP_TAILCALL:
		if e, ok := node.(*ast.FuncCallExpr); ok {
			if e.Func == nil {
				return []term{{"method", e.Method}}
			}
			return []term{n.term(e.Func)}
		}
	case lua.OP_SELF:
		if e, ok := node.(*ast.FuncCallExpr); ok {
			return []term{n.term(e.Receiver)}
		}
	case lua.OP_SETTABLE, lua.OP_SETTABLEKS, lua.OP_GETTABLE, lua.OP_GETTABLEKS:
		e, ok := node.(ast.Expr)
		if ok && n.receivers[e] && (op == lua.OP_SETTABLE || op == lua.OP_SETTABLEKS) {
			return []term{n.term(e)}
		}
		if e, ok := node.(*ast.AttrGetExpr); ok {
			return []term{n.term(e.Object)}
		}
	case lua.OP_ADD, lua.OP_SUB, lua.OP_MUL, lua.OP_DIV, lua.OP_MOD, lua.OP_POW:
		if e, ok := node.(*ast.ArithmeticOpExpr); ok {
			return []term{n.term(e.Lhs), n.term(e.Rhs)}
		}
	case lua.OP_UNM:
		if e, ok := node.(*ast.UnaryMinusOpExpr); ok {
			return []term{n.term(e.Expr)}
		}
	case lua.OP_LEN:
		if e, ok := node.(*ast.UnaryLenOpExpr); ok {
			return []term{n.term(e.Expr)}
		}
	case lua.OP_CONCAT:
		var terms []term
		e, ok := node.(*ast.StringConcatOpExpr)
		for ok {
			terms = append(terms, n.term(e.Lhs))
			rest := e.Rhs
			if e, ok = rest.(*ast.StringConcatOpExpr); !ok {
				terms = append(terms, n.term(rest))
			}
		}
		return terms
	}
	return nil
}
