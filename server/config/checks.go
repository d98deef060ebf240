package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

var errArgCount = errors.New("wrong number of arguments")

func bindRow(field func(*Config) *Value[[]string]) *Row {
	r := special("bind", DefaultBind, field, parseBind, joinWords).multi()
	r.lines = bindLines
	return r
}

// dirRow is the working directory. The process does not move: Store.Path resolves relative names against it.
func dirRow(field func(*Config) *String) *Row {
	r := text("dir", "", field)
	r.parse = func(s *Store, args []string) (any, error) {
		if args[0] == "" { // which is no other name of where it is now
			return nil, SystemError(syscall.ENOENT)
		}
		return enterable(s.Path(args[0]))
	}
	r.lines = func(v any) []line { return []line{{Quote(v.(string)), true}} }
	return r
}

// enterable returns path without symbolic links, or why a process could not change to it.
func enterable(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(real); err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
	}
	if err == nil {
		const execute = 1
		err = syscall.Access(real, execute)
	}
	return real, SystemError(err)
}

// SystemError is the system's own text for err, beginning with a capital as C programs print it.
func SystemError(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		msg := errno.Error()
		return errors.New(strings.ToUpper(msg[:1]) + msg[1:])
	}
	return err
}

func checkPowerOfTwo(n int64) error {
	if n&(n-1) != 0 {
		return errors.New("argument must be a power of two")
	}
	return nil
}

func isBaseName(path string) bool { return !strings.ContainsAny(path, `/\`) }

func checkDBFilename(name string) error {
	if !isBaseName(name) {
		return errors.New("dbfilename can't be a path, just a filename")
	}
	return nil
}

func checkBaseName(directive, what string) func(string) error {
	return func(name string) error {
		switch {
		case name == "":
			return fmt.Errorf("%s can't be empty", directive)
		case !isBaseName(name):
			return fmt.Errorf("%s can't be a path, just a %s", directive, what)
		}
		return nil
	}
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func checkHostname(name string) error {
	if len(name) >= 256 {
		return wording("Hostnames must be less than 256 characters")
	}
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && c != '-' && c != '.' {
			return wording("Hostnames may only contain alphanumeric characters, hyphens or dots")
		}
	}
	return nil
}

func checkNodename(name string) error {
	if strings.ContainsAny(name, "!#$%&()*+:;<>?@[]^{|}~") {
		return wording("Announced human node name contained invalid character")
	}
	return nil
}

// checkTitleTemplate wants text with known {variables}, which is not of blanks only whatever they are.
func checkTitleTemplate(template string) error {
	title, ok := ExpandTitle(template, func(name string) (string, bool) {
		switch name {
		case "listen-addr", "config-file", "port", "tls-port":
			return "x", true
		case "title", "server-mode", "unixsocket": // may turn out empty
			return "", true
		}
		return "", false
	})
	if !ok || title == "" {
		return errors.New("template format is invalid or contains unknown variables")
	}
	return nil
}

// ExpandTitle puts values in the place of the {variables} of a proc-title-template; {{ is a brace. It is false if a brace is
// not closed, or value does not know a name. Blanks around the title are not part of it.
func ExpandTitle(template string, value func(name string) (string, bool)) (title string, ok bool) {
	var b strings.Builder
	for rest := template; ; {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			return strings.Trim(b.String(), " "), true
		}
		if strings.HasPrefix(after, "{") {
			b.WriteByte('{')
			rest = after[1:]
			continue
		}
		name, after, found := strings.Cut(after, "}")
		text, known := value(name)
		if !found || !known {
			return "", false
		}
		b.WriteString(text)
		rest = after
	}
}

// wording is an error text that clients and operators know from Redis, in Redis's spelling.
type wording string

func (w wording) Error() string { return string(w) }
