package script

import (
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// The interpreter's compiler looks through all constants of a function for each one that is used, through all blocks and variables
// for each name, and through the whole of a sum for each of its parts. What takes it long cannot be interrupted, so a text is
// weighed before it is compiled, and refused if that would take too long. Constants, of which a table may well have tens of
// thousands, do not count: behind the first few of a function all are compiled as the same one, which is found soon, and put
// into their places afterwards.

const (
	// mostSteps is how many steps of the compiler a text may take: they are a fraction of a second.
	mostSteps = 50_000_000
	// mostLabels is to how many places a function may jump, as far as the compiler can number them.
	mostLabels = 1<<17 - 1

	functionSteps = 10_000 // what a function takes, above all in memory
	blockSteps    = 50
	constantSteps = 2     // for each that is looked at
	labelSteps    = 5_000 // each is looked for among all others

	// constantsKept is how many constants of a function are compiled as they are. Instructions can name the first 256, so what
	// stands for the others has to come behind these.
	constantsKept = 260
)

// What stands for constants. A script that has these itself may be refused if it has many constants.
const (
	heldText   = "\x00held"
	heldNumber = "3.141592653589793e-301"
	heldLine   = 1 << 40 // and the number of the constant: the line of what is compiled of it
)

// held is a constant that something else stands for while its text is compiled.
type held struct {
	node  ast.Expr // the number or the text
	at    ast.Expr // whose line its instruction has: the node, or the minus before it
	line  int
	text  string
	value lua.LValue
}

// A weigher goes through a syntax tree in the compiler's order.
type weigher struct {
	fn     *weighed
	steps  int
	open   int            // blocks, and variables, in which a name is looked for
	begun  []string       // the variables that are seen
	names  map[string]int // how many of them have a name
	labels bool           // there are too many
	held   []held
}

// weighed is a function.
type weighed struct {
	constants map[string]int // their places
	kept      int            // of these, literals that are compiled for certain
	place     int            // of what stands for the others, if there are more
	labels    int
}

// weigh weighs a text.
func weigh(chunk []ast.Stmt) *weigher {
	w := &weigher{names: map[string]int{}}
	w.function(nil, chunk)
	return w
}

func (w *weigher) function(names []string, body []ast.Stmt) {
	outer := w.fn
	w.fn = &weighed{constants: map[string]int{}}
	w.steps += functionSteps
	w.block(body, names...)
	w.labels = w.labels || w.fn.labels > mostLabels
	w.fn = outer
}

// block is a list of statements, with the variables that begin before it, and what may stand at its end.
func (w *weigher) block(list []ast.Stmt, names ...string) { w.blockUntil(list, nil, names...) }

func (w *weigher) blockUntil(list []ast.Stmt, condition ast.Expr, names ...string) {
	before := len(w.begun)
	w.steps += blockSteps
	w.open++
	w.begin(names...)
	for _, s := range list {
		if w.steps > mostSteps {
			break
		}
		w.stmt(s)
	}
	w.expr(condition, false)
	for _, name := range w.begun[before:] {
		w.names[name]--
	}
	w.open -= 1 + len(w.begun) - before
	w.begun = w.begun[:before]
}

func (w *weigher) begin(names ...string) {
	for _, name := range names {
		w.names[name]++
	}
	w.begun = append(w.begun, names...)
	w.open += len(names)
}

func (w *weigher) stmt(s ast.Stmt) {
	w.steps += 1 + w.open/8
	switch s := s.(type) {
	case *ast.AssignStmt:
		w.exprs(s.Lhs)
		w.exprs(s.Rhs)
	case *ast.LocalAssignStmt:
		w.exprs(s.Exprs)
		w.begin(s.Names...)
	case *ast.FuncCallStmt:
		w.expr(s.Expr, true)
	case *ast.DoBlockStmt:
		w.block(s.Stmts)
	case *ast.WhileStmt:
		w.fn.labels += 3
		w.expr(s.Condition, false)
		w.block(s.Stmts)
	case *ast.RepeatStmt:
		w.fn.labels += 4
		w.blockUntil(s.Stmts, s.Condition)
	case *ast.IfStmt:
		w.fn.labels += 3
		w.expr(s.Condition, false)
		w.block(s.Then)
		w.block(s.Else)
	case *ast.NumberForStmt:
		w.fn.labels++
		w.exprs([]ast.Expr{s.Init, s.Limit, s.Step})
		w.block(s.Stmts, s.Name, "", "", "")
	case *ast.GenericForStmt:
		w.fn.labels += 3
		w.exprs(s.Exprs)
		w.block(s.Stmts, append([]string{"", "", ""}, s.Names...)...)
	case *ast.FuncDefStmt:
		w.expr(s.Name.Func, true)
		w.expr(s.Name.Receiver, true)
		w.constant("s" + s.Name.Method)
		w.expr(s.Func, true)
	case *ast.ReturnStmt:
		w.exprs(s.Exprs)
	case *ast.LabelStmt, *ast.GotoStmt:
		w.fn.labels++
		w.steps += labelSteps
	}
}

func (w *weigher) exprs(list []ast.Expr) {
	for _, e := range list {
		w.expr(e, true)
	}
}

// expr weighs an expression. certain tells whether something is compiled of it if it is a constant.
func (w *weigher) expr(e ast.Expr, certain bool) {
	if e == nil || w.steps > mostSteps {
		return
	}
	w.steps++
	switch e := e.(type) {
	case *ast.StringExpr:
		w.literal(held{node: e, at: e, text: e.Value, value: lua.LString(e.Value)}, certain)
	case *ast.NumberExpr:
		w.literal(held{node: e, at: e, text: e.Value, value: lua.LVAsNumber(lua.LString(e.Value))}, certain)
	case *ast.IdentExpr:
		w.steps += 3 * w.open
		if w.names[e.Value] == 0 {
			w.constant("s" + e.Value)
		}
	case *ast.AttrGetExpr:
		w.expr(e.Object, true)
		w.expr(e.Key, true)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			w.expr(f.Key, true)
			w.expr(f.Value, true)
		}
	case *ast.FuncCallExpr:
		w.expr(e.Func, true)
		w.expr(e.Receiver, true)
		if e.Func == nil {
			w.constant("s" + e.Method)
		}
		w.exprs(e.Args)
	case *ast.LogicalOpExpr:
		w.fn.labels += 4
		w.expr(e.Lhs, false)
		w.expr(e.Rhs, false)
	case *ast.RelationalOpExpr:
		w.fn.labels++
		w.expr(e.Lhs, true)
		w.expr(e.Rhs, true)
	case *ast.StringConcatOpExpr:
		w.joined(e)
	case *ast.UnaryMinusOpExpr:
		if n, ok := e.Expr.(*ast.NumberExpr); ok {
			w.literal(held{node: n, at: e, text: n.Value, value: -lua.LVAsNumber(lua.LString(n.Value))}, certain)
		} else {
			w.sum(e)
		}
	case *ast.ArithmeticOpExpr:
		w.sum(e)
	case *ast.UnaryNotOpExpr:
		w.expr(e.Expr, false)
	case *ast.UnaryLenOpExpr:
		w.expr(e.Expr, true)
	case *ast.FunctionExpr:
		names := e.ParList.Names
		if e.ParList.HasVargs {
			names = append([]string{"arg"}, names...)
		}
		w.function(append([]string{"self"}, names...), e.Stmts)
	}
}

// joined weighs what is joined by "..": each part is counted with all behind it.
func (w *weigher) joined(e *ast.StringConcatOpExpr) {
	for parts := 1; ; parts++ {
		w.steps += 2 * parts
		w.expr(e.Lhs, true)
		rest, ok := e.Rhs.(*ast.StringConcatOpExpr)
		if !ok {
			w.expr(e.Rhs, true)
			return
		}
		e = rest
	}
}

// sum weighs what is calculated, in which the compiler looks for constants from each operation on. It returns how many parts that has.
func (w *weigher) sum(e ast.Expr) (parts int) {
	if w.steps > mostSteps {
		return 0
	}
	switch e := e.(type) {
	case *ast.ArithmeticOpExpr:
		parts = 1 + w.sum(e.Lhs) + w.sum(e.Rhs)
	case *ast.UnaryMinusOpExpr:
		parts = 1 + w.sum(e.Expr)
	case *ast.NumberExpr:
		w.constant("n" + e.Value)
		return 1
	default:
		w.expr(e, true)
		return 1
	}
	w.steps += 4 * parts
	return parts
}

// constant weighs one that is compiled as it is, and tells whether the function has it already.
func (w *weigher) constant(text string) {
	place, known := w.fn.constants[text]
	if !known {
		place = len(w.fn.constants)
		w.fn.constants[text] = place
	}
	w.steps += constantSteps * (1 + place)
}

// literal weighs a number or a text that is there for itself.
func (w *weigher) literal(h held, certain bool) {
	kind := "s"
	if h.value.Type() == lua.LTNumber {
		kind = "n"
		if h.at != h.node {
			kind = "-"
		}
	}
	_, known := w.fn.constants[kind+h.text]
	switch n, isNumber := h.value.(lua.LNumber); {
	case known, isNumber && n == 0: // or what is no number for the compiler
	case w.fn.kept < constantsKept:
		if certain {
			w.fn.kept++
		}
	default:
		w.held = append(w.held, h)
		if w.fn.place == 0 {
			w.fn.place = len(w.fn.constants)
		}
		w.steps += constantSteps * (1 + w.fn.place)
		return
	}
	w.constant(kind + h.text)
}

// hold puts something else into the places of constants.
func (w *weigher) hold() {
	for i := range w.held {
		h := &w.held[i]
		h.line = h.at.Line()
		h.at.SetLine(heldLine + i)
		switch n := h.node.(type) {
		case *ast.StringExpr:
			n.Value = heldText
		case *ast.NumberExpr:
			n.Value = heldNumber
		}
	}
}

// release gives the syntax tree its constants back.
func (w *weigher) release() {
	for _, h := range w.held {
		h.at.SetLine(h.line)
		switch n := h.node.(type) {
		case *ast.StringExpr:
			n.Value = h.text
		case *ast.NumberExpr:
			n.Value = h.text
		}
	}
}

// place puts the constants into what was compiled, and tells whether they could be.
func (w *weigher) place(p *lua.FunctionProto) bool {
	number := lua.LVAsNumber(lua.LString(heldNumber))
	stands := func(v lua.LValue) bool { return v == lua.LString(heldText) || v == number || v == -number }
	compiled := len(p.Constants)
	for i, v := range p.Constants {
		if stands(v) && i < firstConstant && len(w.held) > 0 {
			return false
		}
	}
	places := map[lua.LValue]int{}
	for at, line := range p.DbgSourcePositions {
		if line < heldLine {
			continue
		}
		h := w.held[line-heldLine]
		p.DbgSourcePositions[at] = h.line
		if inst := p.Code[at]; opcode(inst) == lua.OP_LOADK && operandBx(inst) < compiled && stands(p.Constants[operandBx(inst)]) {
			place, known := places[h.value]
			if !known {
				place = len(p.Constants)
				places[h.value] = place
				p.Constants = append(p.Constants, h.value)
			}
			if place >= mostConstants {
				return false
			}
			p.Code[at] = loadConstant(inst, place)
		}
	}
	for _, inner := range p.FunctionPrototypes {
		if !w.place(inner) {
			return false
		}
	}
	return true
}
