package script

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

var (
	errTooComplex = errors.New("function or expression too complex")
	errJump       = errors.New("control structure too long")
)

// compile parses and compiles a text. name stands in its messages.
func compile(text, name string) (chunk []ast.Stmt, proto *lua.FunctionProto, err error) {
	chunk, err = parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, nil, parseError(err, name, text)
	}
	if tooDeep(chunk) {
		return nil, nil, fmt.Errorf("%s:1: chunk has too many syntax levels", name)
	}
	rewrite(chunk, false)
	if proto, err = compileTree(chunk, name); err != nil {
		return nil, nil, err
	}
	yieldsStay(proto)
	remember(proto, text, "@"+name)
	proto.IsVarArg &^= lua.VarArgNeedsArg // a text has no table arg, and making one for each call costs more than the call
	return chunk, proto, nil
}

// compileTree compiles a syntax tree and mends what the compiler has done wrong.
func compileTree(chunk []ast.Stmt, name string) (proto *lua.FunctionProto, err error) {
	defer func() {
		if r := recover(); r != nil { // the compiler gives up on too many locals, constants or registers by a panic
			err = fmt.Errorf("%s:1: %v", name, r)
		}
	}()
	proto, err = lua.Compile(chunk, name)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %s", name, compileMessage(err))
	}
	if err := mend(proto); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, max(proto.LineDefined, 1), err)
	}
	return proto, nil
}

// parseError words what the parser found as Lua does.
func parseError(err error, name, text string) error {
	pe, ok := err.(*parse.Error)
	if !ok {
		return fmt.Errorf("%s:1: %w", name, err)
	}
	line := pe.Pos.Line
	if line == parse.EOF {
		return fmt.Errorf("%s:%d: unexpected symbol near '<eof>'", name, 1+strings.Count(strings.TrimRight(text, "\n"), "\n"))
	}
	what := pe.Message
	if strings.HasPrefix(what, "syntax error") {
		what = "syntax error"
	}
	return fmt.Errorf("%s:%d: %s near '%s'", name, line, what, pe.Token)
}

var compilePrefix = regexp.MustCompile(`^compile error near line\(\d+\) [^:]*: `)

// compileMessage is what the compiler has said.
func compileMessage(err error) string {
	message := compilePrefix.ReplaceAllString(err.Error(), "")
	if message == "too long to jump." {
		return errJump.Error()
	}
	return message
}
