package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Where is a line of the configuration, for messages.
type Where struct {
	File string // absolute path, "standard input" or "command line"
	Line int    // from 1
	Text string // without surrounding blanks
	// count is the line's number in file, standard input and command line taken as one text, which is how
	// redis-server counts.
	count int
}

// Error is a mistake in the configuration. It reads as redis-server's report, with a line of our own at its end that
// says where the mistake stands and what was expected:
//
//	*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***
//	Reading the configuration file, at line 3
//	>>> 'prot 7000'
//	Bad directive or wrong number of arguments
//	/etc/larder.conf, line 3: there is no directive 'prot'; did you mean 'port'?
type Error struct {
	Where  Where
	Reason string // in Redis's words
	Hint   string
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "*** FATAL CONFIG FILE ERROR (Redis %s) ***\n", CompatVersion)
	if e.Where.Line > 0 {
		fmt.Fprintf(&b, "Reading the configuration file, at line %d\n>>> '%s'\n", e.Where.count, e.Where.Text)
	}
	b.WriteString(e.Reason)
	if e.Hint != "" {
		fmt.Fprintf(&b, "\n%s, line %d: %s", e.Where.File, e.Where.Line, e.Hint)
	}
	return b.String()
}

// Fail makes the error for a mistake that only a user of the configuration can see, such as an unknown command in
// rename-command.
func (w Where) Fail(reason, hint string) error { return &Error{w, reason, hint} }

// Rename is a rename-command line. An empty To removes the command.
type Rename struct {
	From, To string
	Where    Where
}

// User is a user line: the name and the rules.
type User struct {
	Name  string
	Rules []string
	Where Where
}

// Ignored is a line that was accepted but changes nothing.
type Ignored struct {
	Name    string
	Because string
	Where   Where
}

// Renames are the rename-command lines in their order.
func (s *Store) Renames() []Rename { return s.renames }

// Users are the user lines in their order.
func (s *Store) Users() []User { return s.users }

// Ignored are the lines that ask for something which this server does not do. Lines that only repeat a default are
// not among them.
func (s *Store) Ignored() []Ignored { return s.ignored }

// Given tells whether the configuration that was loaded says anything about a directive.
func (s *Store) Given(name string) bool { return s.given[Lookup(name)] }

// Load reads the configuration. It is called once, before anybody reads the store. Errors are of type *Error, or say
// which file cannot be read. stdin is read only if src asks for it.
func (s *Store) Load(src Source, stdin io.Reader) error {
	l := loader{store: s, given: map[*Row]bool{}}
	s.given = l.given
	before := 1 // lines that redis-server would count before the options
	if src.File != "" {
		s.file = s.Path(src.File)
		content, err := l.read(s.file)
		if err != nil {
			return err
		}
		if err := l.text(s.file, content, 0); err != nil {
			return err
		}
		before += strings.Count(content, "\n")
	}
	if src.Stdin {
		content, err := io.ReadAll(stdin)
		if err != nil {
			return wording("Fatal error, can't read the configuration from standard input: " + SystemError(err).Error())
		}
		if err := l.text("standard input", string(content), before-1); err != nil {
			return err
		}
		before += strings.Count(string(content), "\n")
	}
	if err := l.text("command line", src.Options, before); err != nil {
		return err
	}
	if s.ClusterEnabled.Get() && s.ReplicaOf.Get().Host != "" {
		return &Error{Reason: "replicaof directive not allowed in cluster mode"}
	}
	return nil
}

// loader is one Load.
type loader struct {
	store *Store
	given map[*Row]bool // directives that a line has set, by whatever name
	depth int           // of include
}

const maxIncludeDepth = 32

func (l *loader) read(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", wording(fmt.Sprintf("Fatal error, can't open config file '%s': %v", path, SystemError(err)))
	}
	return string(content), nil
}

// text reads the lines of one source, of which before lines were counted already.
func (l *loader) text(file, content string, before int) error {
	for i, text := range strings.Split(content, "\n") {
		text = strings.Trim(text, " \t\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		if err := l.line(Where{file, i + 1, text, before + i + 1}); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) line(at Where) error {
	if strings.IndexByte(at.Text, 0) >= 0 {
		return at.Fail("Unbalanced quotes in configuration line", `the line contains a zero byte; write it as "\x00"`)
	}
	args, err := SplitArgs(at.Text)
	if err != nil {
		return at.Fail(err.Error(), "a quote is not closed, or is closed in the middle of a word")
	}
	if len(args) == 0 {
		return nil
	}
	name, args := strings.ToLower(args[0]), args[1:]
	if r := Lookup(name); r != nil {
		return l.directive(at, r, name, args)
	}
	return l.other(at, name, args)
}

// directive sets a row.
func (l *loader) directive(at Where, r *Row, name string, args []string) error {
	if !r.Multi && len(args) != 1 {
		return at.Fail(errArgCount.Error(), fmt.Sprintf("'%s' takes one argument, not %d", name, len(args)))
	}
	if r.Multi && len(args) == 1 && args[0] != "" {
		args, _ = SplitArgs(args[0])
	}
	v, err := r.parse(l.store, args)
	if err != nil {
		return at.Fail(err.Error(), fmt.Sprintf("the value of '%s' is not acceptable", name))
	}
	if l.given[r] && r.merge != nil {
		v = r.merge(r.load(&l.store.Config), v)
	}
	l.given[r] = true
	r.store(&l.store.Config, v)
	if r.NoEffect != "" && r.format(v) != r.Default() {
		l.ignore(at, name, r.NoEffect)
	}
	return nil
}

func (l *loader) ignore(at Where, name, because string) {
	l.store.ignored = append(l.store.ignored, Ignored{name, because, at})
}

// lineDirectives are the ones that have no value to get or set: a line does something.
var lineDirectives = []string{"include", "rename-command", "user", "loadmodule"}

// other handles what is no row.
func (l *loader) other(at Where, name string, args []string) error {
	switch {
	case name == "include" && len(args) == 1:
		return l.include(at, args[0])
	case name == "rename-command" && len(args) == 2:
		l.store.renames = append(l.store.renames, Rename{args[0], args[1], at})
	case name == "user" && len(args) >= 1:
		l.store.users = append(l.store.users, User{args[0], args[1:], at})
	case name == "loadmodule" && len(args) >= 1:
		l.ignore(at, name, noModules)
	case isDropped(name) && len(args) == 1:
		l.ignore(at, name, "it means nothing since Redis 7")
	case strings.Contains(name, "."):
		if len(args) == 0 {
			return at.Fail("Module config specified without value", "")
		}
		l.ignore(at, name, noModules)
	case name == "sentinel":
		if len(args) > 0 {
			return at.Fail("sentinel directive while not in sentinel mode", "")
		}
	default:
		return at.Fail("Bad directive or wrong number of arguments", unknownHint(name, len(args)))
	}
	return nil
}

// isDropped names directives that redis-server still accepts and ignores.
func isDropped(name string) bool {
	return name == "list-max-ziplist-entries" || name == "list-max-ziplist-value" || name == "lua-replicate-commands"
}

func unknownHint(name string, args int) string {
	switch {
	case name == "include" || isDropped(name):
		return fmt.Sprintf("'%s' takes one argument, not %d", name, args)
	case name == "rename-command":
		return fmt.Sprintf("'%s' takes two arguments, not %d", name, args)
	case name == "user" || name == "loadmodule":
		return fmt.Sprintf("'%s' takes at least one argument", name)
	}
	hint := fmt.Sprintf("there is no directive '%s'", name)
	if guess := nearest(name, directiveNames()); guess != "" {
		hint += fmt.Sprintf("; did you mean '%s'?", guess)
	}
	return hint
}

// directiveNames are all names that a line may begin with and that are worth suggesting.
func directiveNames() []string {
	var names []string
	for _, r := range rows {
		if !r.Hidden {
			names = append(names, r.Name)
		}
	}
	for _, r := range rows {
		if r.Alias != "" {
			names = append(names, r.Alias)
		}
	}
	return append(names, lineDirectives...)
}

// include reads the files that a pattern names, in alphabetical order. A pattern may name none; a plain path must exist.
func (l *loader) include(at Where, path string) error {
	if l.depth == maxIncludeDepth {
		return at.Fail("Bad directive or wrong number of arguments", "include goes too deep; does a file include itself?")
	}
	path = l.store.Path(path)
	files := []string{path}
	if strings.ContainsAny(path, "*?[") {
		var err error
		if files, err = filepath.Glob(path); errors.Is(err, filepath.ErrBadPattern) {
			return at.Fail("Bad directive or wrong number of arguments", "the pattern is malformed: is a bracket not closed?")
		}
	}
	l.depth++
	defer func() { l.depth-- }()
	for _, file := range files {
		content, err := l.read(file)
		if err != nil {
			return fmt.Errorf("%w (included by %s, line %d)", err, at.File, at.Line)
		}
		if err := l.text(file, content, 0); err != nil {
			return err
		}
	}
	return nil
}
