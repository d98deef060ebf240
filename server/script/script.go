// Package script runs Lua for EVAL and FCALL. It knows nothing of sessions, keys or shards: what a script asks of the
// server goes through a Host.
//
//	script.go    Script: a text that was compiled once; its first line, its name
//	compile.go   texts are compiled; weigh.go: what that takes; mend.go: what the compiler does wrong
//	rewrite.go   what is changed in a script's syntax tree before it is compiled
//	link.go      what globals mean, put into what was compiled
//	declared.go  whether a script can only touch the keys that its caller declares
//	engine.go    Engine: a Lua state with Redis's environment; running
//	sandbox.go   tables that cannot be changed, and the basic functions that have to know of them
//	environments.go    the globals of functions
//	threads.go   protected calls and coroutines
//	errors.go    errors in Lua's words; names.go: what Lua calls the value that is wrong
//	redis.go     the table redis: call, pcall, log and the rest
//	reply.go     replies become Lua values and the other way round
//	numbers.go   numbers as text, math.random
//	cjson*.go, cmsgpack.go, struct.go, bit.go, strings.go    the libraries
//	library.go   function libraries
//	debug*.go    the debugger
//
// An Engine belongs to one goroutine at a time. What was compiled is shared by all engines; each of them makes a
// function of it once and keeps it.
//
//	s, err := script.Compile([]byte("return redis.call('get', KEYS[1])"), nil)
//	e := script.New(script.Options{})
//	e.Eval(host, s, keys, args, out) // the reply stands in out
package script

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Flags are what a script says of itself in its first line.
type Flags uint8

// The flags. Compat stands for a script without such a line, which may do anything.
const (
	NoWrites Flags = 1 << iota
	AllowOOM
	AllowStale
	NoCluster
	AllowCrossSlot
	Compat
)

// flagNames are the words of the flags, in the order of Redis.
var flagNames = []struct {
	word string
	flag Flags
}{
	{"no-writes", NoWrites}, {"allow-oom", AllowOOM}, {"allow-stale", AllowStale}, {"no-cluster", NoCluster},
	{"allow-cross-slot-keys", AllowCrossSlot},
}

// Words lists the flags as FUNCTION LIST shows them.
func (f Flags) Words() (words []string) {
	for _, n := range flagNames {
		if f&n.flag != 0 {
			words = append(words, n.word)
		}
	}
	return words
}

func flagOf(word string) (Flags, bool) {
	for _, n := range flagNames {
		if n.word == word {
			return n.flag, true
		}
	}
	return 0, false
}

// A Script is a text that was compiled. It never changes and may be used by any number of engines.
type Script struct {
	SHA   string // 40 small hexadecimal digits
	Body  string
	Flags Flags

	// Declared is true if it was proven that the script touches no keys but those that its caller names.
	Declared bool

	proto *lua.FunctionProto
}

// SHA is the name of a text.
func SHA(body []byte) string {
	sum := sha1.Sum(body)
	return hex.EncodeToString(sum[:])
}

// Compile makes a Script of a text. keys, which may be nil, tells where commands have their keys.
func Compile(body []byte, keys KeyFinder) (*Script, error) {
	flags, rest, err := Shebang(string(body))
	if err != nil {
		return nil, err
	}
	chunk, proto, err := compile(rest, "user_script")
	if err != nil {
		return nil, faultf("Error compiling script (new function): %v", err)
	}
	return &Script{
		SHA: SHA(body), Body: string(body), Flags: flags, Declared: keys != nil && declaresAll(chunk, keys), proto: proto,
	}, nil
}

// Shebang reads the first line of a script. rest is the text without it, with as many lines as before.
func Shebang(body string) (flags Flags, rest string, err error) {
	if !strings.HasPrefix(body, "#!") {
		return Compat, body, nil
	}
	line, rest, found := strings.Cut(body, "\n")
	if !found {
		return 0, "", faultf("Invalid script shebang")
	}
	words, ok := splitWords(line)
	if !ok {
		return 0, "", faultf("Invalid engine in script shebang")
	}
	if words[0] != "#!lua" {
		return 0, "", faultf("Unexpected engine in script shebang: %s", words[0])
	}
	for _, w := range words[1:] {
		list, is := strings.CutPrefix(w, "flags=")
		if !is {
			return 0, "", faultf("Unknown lua shebang option: %s", w)
		}
		if list == "" {
			continue
		}
		for word := range strings.SplitSeq(list, ",") {
			f, known := flagOf(word)
			if !known {
				return 0, "", faultf("Unexpected flag in script shebang: %s", word)
			}
			flags |= f
		}
	}
	return flags, "\n" + rest, nil
}
