package acl

import (
	"slices"
	"strings"

	"larder/server/command/spec"
	"larder/server/glob"
)

// A Verdict says whether a request may run, or what about it is refused. Where several selectors refuse it for different
// reasons the greatest one counts: who has it gets nearest to what is allowed.
type Verdict uint8

// The verdicts.
const (
	Allowed Verdict = iota
	DeniedCommand
	DeniedKey
	DeniedAuth // a failed log-in, for the log only
	DeniedDatabase
	DeniedChannel
)

// Scratch is memory that checks work in. Each goroutine that checks has its own.
type Scratch struct {
	keys  []spec.KeyRef
	known bool
}

// Request is what is to be checked.
type Request struct {
	Command *Command
	Argv    [][]byte
	DB      int // the client's database
}

// Check tells whether the user may run a request. If not, at is the argument because of which: 0 for the command itself.
func (u *User) Check(r Request, sc *Scratch) (v Verdict, at int) {
	if u.free {
		return Allowed, 0
	}
	v, sc.known = DeniedCommand, false
	for _, s := range u.selectors {
		sv, sat := s.check(r, sc)
		if sv == Allowed {
			return Allowed, 0
		}
		if sv > v || sv == v && sat > at {
			v, at = sv, sat
		}
	}
	return v, at
}

// ReadsAll tells whether one selector allows the request and also to read any key: what SORT reads by patterns is not
// known in advance.
func (u *User) ReadsAll(r Request, sc *Scratch) bool {
	sc.known = false
	return u.free || slices.ContainsFunc(u.selectors, func(s *selector) bool {
		if v, _ := s.check(r, sc); v != Allowed {
			return false
		}
		return s.allKeys || slices.ContainsFunc(s.keys, func(k keyPattern) bool { return k.pattern == "*" && k.access&read != 0 })
	})
}

// MayHear tells whether the user may listen to a channel, or to a pattern of channels.
func (u *User) MayHear(channel string, isPattern bool) bool {
	return slices.ContainsFunc(u.selectors, func(s *selector) bool { return s.hasChannel([]byte(channel), isPattern) })
}

func (s *selector) check(r Request, sc *Scratch) (Verdict, int) {
	c := r.Command
	if !s.allCommands && !s.runs(c, r.Argv) {
		return DeniedCommand, 0
	}
	if !s.allDBs {
		if at, ok := s.databases(r); !ok {
			return DeniedDatabase, at
		}
	}
	if !s.allKeys && c.spec.HasKeys() {
		if !sc.known {
			sc.keys, sc.known = c.spec.AppendKeys(sc.keys[:0], r.Argv), true
		}
		for _, k := range sc.keys {
			if !s.hasKey(r.Argv[k.Pos], k.Flags) {
				return DeniedKey, k.Pos
			}
		}
	}
	if !s.allChannels && c.channels != noChannels {
		last := len(r.Argv) - 1
		if c.channels == oneChannel {
			last = min(last, 1)
		}
		for i := 1; i <= last; i++ {
			if !s.hasChannel(r.Argv[i], c.channels == patterns) {
				return DeniedChannel, i
			}
		}
	}
	return Allowed, 0
}

// runs tells whether the selector has a command, or has it with the first argument that is there. Those by which one
// logs in and out are everybody's.
func (s *selector) runs(c *Command, argv [][]byte) bool {
	if s.bit(c.id) || c.spec.Has(spec.NoAuth) {
		return true
	}
	return len(argv) > 1 && slices.ContainsFunc(s.firstArgs[c.id], func(a string) bool { return strings.EqualFold(a, string(argv[1])) })
}

// needed is the access that a command needs to a key of which it does f.
func needed(f spec.KeyFlags) (a access) {
	if f&spec.Access != 0 {
		a |= read
	}
	if f&(spec.Insert|spec.Update|spec.Delete) != 0 {
		a |= write
	}
	return a
}

func (s *selector) hasKey(key []byte, f spec.KeyFlags) bool {
	need := needed(f)
	for i := range s.keys {
		k := &s.keys[i]
		if k.access&need == need && glob.Match([]byte(k.pattern), key, false) {
			return true
		}
	}
	return false
}

// hasChannel tells whether a channel fits one of the patterns, or a pattern is literally one of them.
func (s *selector) hasChannel(channel []byte, isPattern bool) bool {
	if s.allChannels {
		return true
	}
	for _, p := range s.channels {
		if isPattern && p == string(channel) || !isPattern && glob.Match([]byte(p), channel, false) {
			return true
		}
	}
	return false
}
