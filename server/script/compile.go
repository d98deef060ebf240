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

const (
	// mostText is how long a text may be.
	mostText = 16 << 20
	// mostCode is how much of it may be something else than strings, comments and blanks.
	mostCode = 512 << 10
)

var (
	errTooLong    = errors.New("chunk is too long")
	errTooComplex = errors.New("function or expression too complex")
	errJump       = errors.New("control structure too long")
)

// compile parses and compiles a text. name stands in its messages.
func compile(text, name string) (chunk []ast.Stmt, proto *lua.FunctionProto, err error) {
	if len(text) > mostText {
		return nil, nil, fmt.Errorf("%s:1: %w", name, errTooLong)
	}
	code, wrong := codeIn(text)
	if code > mostCode {
		return nil, nil, fmt.Errorf("%s:1: %w", name, errTooLong)
	}
	chunk, err = parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, nil, parseError(err, name, text)
	}
	if wrong > 0 {
		return nil, nil, fmt.Errorf("%s:%d: escape sequence too large", name, 1+strings.Count(text[:wrong], "\n"))
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

// codeIn is how many bytes of a text are neither blanks nor in strings or comments. wrong is where a string has the first number for
// a byte that is none, which the parser does not see; 0: nowhere.
func codeIn(text string) (n, wrong int) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ' ' || c >= '\t' && c <= '\r':
		case c == '-' && strings.HasPrefix(text[i:], "--"):
			i += 2
			if end := longBracket(text[i:]); end > 0 {
				i += end - 1
			} else {
				i += lineEnd(text[i:])
			}
		case c == '[':
			if end := longBracket(text[i:]); end > 0 {
				i += end - 1
			}
			n++
		case c == '"' || c == '\'':
			for i++; i < len(text) && text[i] != c && text[i] != '\n'; i++ {
				if text[i] == '\\' {
					if i++; wrong == 0 && i+3 <= len(text) && isDigit(text[i]) && isDigit(text[i+1]) && isDigit(text[i+2]) && text[i:i+3] > "255" {
						wrong = i
					}
				}
			}
			n += 2
		default:
			n++
		}
	}
	return n, wrong
}

func lineEnd(text string) int {
	if end := strings.IndexByte(text, '\n'); end >= 0 {
		return end
	}
	return len(text)
}

// longBracket is the length of the string in long brackets that a text begins with, 0 if there is none.
func longBracket(text string) int {
	level := 1
	for level < len(text) && text[level] == '=' {
		level++
	}
	if level >= len(text) || text[0] != '[' || text[level] != '[' {
		return 0
	}
	closing := "]" + text[1:level] + "]"
	if end := strings.Index(text, closing); end >= 0 {
		return end + len(closing)
	}
	return len(text)
}

// compileTree compiles a syntax tree, if that does not take too long, and mends what the compiler has done wrong.
func compileTree(chunk []ast.Stmt, name string) (proto *lua.FunctionProto, err error) {
	w := weigh(chunk)
	switch {
	case w.steps > mostSteps:
		return nil, fmt.Errorf("%s:1: %w", name, errTooComplex)
	case w.labels:
		return nil, fmt.Errorf("%s:1: %w", name, errJump)
	}
	w.hold()
	defer func() {
		w.release()
		if r := recover(); r != nil { // the compiler gives up on too many locals, constants or registers by a panic
			err = fmt.Errorf("%s:1: %v", name, r)
		}
	}()
	proto, err = lua.Compile(chunk, name)
	if err != nil {
		return nil, fmt.Errorf("%s:1: %s", name, compileMessage(err))
	}
	if !w.place(proto) {
		return nil, fmt.Errorf("%s:1: %w", name, errTooComplex)
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
