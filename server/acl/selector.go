package acl

import (
	"maps"
	"slices"
	"strings"

	"larder/server/command/spec"
)

// A selector is commands with the keys, channels and databases that they may be used on.
type selector struct {
	allCommands bool // no bit has to be looked at
	future      bool // began with everything: commands that do not exist yet are allowed, too
	allowed     []uint64
	firstArgs   map[int][]string // by command: allowed only with one of these behind its name
	rules       []string         // what the bits were made by, each with its sign

	allKeys bool
	keys    []keyPattern

	allChannels bool
	channels    []string

	allDBs bool
	dbs    []int // ascending
}

// access is what a key pattern allows.
type access uint8

const (
	read access = 1 << iota
	write
	readWrite = read | write
)

type keyPattern struct {
	pattern string
	access  access
}

func (us *Users) newSelector() *selector {
	return &selector{allowed: make([]uint64, (us.commands.count+63)/64), allChannels: us.AllChannels, allDBs: true}
}

func (s *selector) clone() *selector {
	c := *s
	c.allowed = slices.Clone(s.allowed)
	c.rules = slices.Clone(s.rules)
	c.keys = slices.Clone(s.keys)
	c.channels = slices.Clone(s.channels)
	c.dbs = slices.Clone(s.dbs)
	c.firstArgs = maps.Clone(s.firstArgs)
	for id, args := range c.firstArgs {
		c.firstArgs[id] = slices.Clone(args)
	}
	return &c
}

func (s *selector) bit(id int) bool { return s.allowed[id/64]>>(id%64)&1 != 0 }

func (s *selector) setBit(id int, allow bool) {
	if allow {
		s.allowed[id/64] |= 1 << (id % 64)
		return
	}
	s.allowed[id/64] &^= 1 << (id % 64)
	s.allCommands = false
}

// setAll allows or refuses all commands, those included that do not exist yet.
func (s *selector) setAll(allow bool) {
	fill := uint64(0)
	if allow {
		fill = ^fill
	}
	for i := range s.allowed {
		s.allowed[i] = fill
	}
	s.allCommands, s.future = allow, allow
	s.rules, s.firstArgs = nil, nil
}

// set allows or refuses a command, a container with all its subcommands.
func (s *selector) set(c *Command, allow bool) {
	s.setBit(c.id, allow)
	delete(s.firstArgs, c.id)
	for _, sub := range c.subs {
		s.setBit(sub.id, allow)
	}
}

// setCategory allows or refuses all commands of a category. A container that is in it takes its subcommands along.
func (s *selector) setCategory(cs *Commands, cat spec.Categories, allow bool) {
	for _, c := range cs.byName {
		if c.spec.Categories&cat != 0 {
			s.set(c, allow)
		}
	}
}

// allowFirstArg allows a command only with a certain word behind its name.
func (s *selector) allowFirstArg(c *Command, arg string) {
	if s.firstArgs == nil {
		s.firstArgs = map[int][]string{}
	}
	if !slices.ContainsFunc(s.firstArgs[c.id], func(a string) bool { return strings.EqualFold(a, arg) }) {
		s.firstArgs[c.id] = append(s.firstArgs[c.id], arg)
	}
}

// note remembers a rule about commands. It makes earlier ones about the same command or category void, and about its
// subcommands.
func (s *selector) note(name string, allow bool) {
	name = strings.ToLower(name)
	s.rules = slices.DeleteFunc(s.rules, func(rule string) bool {
		rest, found := strings.CutPrefix(rule[1:], name)
		return found && (rest == "" || rest[0] == '|')
	})
	sign := "-"
	if allow {
		sign = "+"
	}
	s.rules = append(s.rules, sign+name)
}

func (s *selector) addKeys(pattern string, a access) {
	for i := range s.keys {
		if s.keys[i].pattern == pattern {
			s.keys[i].access |= a
			return
		}
	}
	s.keys = append(s.keys, keyPattern{pattern, a})
}

func (s *selector) addChannels(pattern string) {
	if !slices.Contains(s.channels, pattern) {
		s.channels = append(s.channels, pattern)
	}
}

func (s *selector) addDB(db int) {
	if i, found := slices.BinarySearch(s.dbs, db); !found {
		s.dbs = slices.Insert(s.dbs, i, db)
	}
}
