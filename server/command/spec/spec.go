// Package spec knows what every command of the protocol is: its name, how many arguments it takes, what it may do to
// which keys, which ACL categories hold it, and how it is documented. It does not know how a command runs, nor which
// of them this server runs: it is a catalogue, and the command table picks rows from it by name.
//
//	spec.go      Spec, the catalogue and its look-up
//	flags.go     bit sets (command flags, ACL categories, key flags) with the names and the order that clients see
//	keys.go      key specs, and where the keys stand in a request; getkeys.go has the commands with rules of their own
//	syntax.go    the notation of Spec.Syntax and its parser
//	reply.go     what COMMAND INFO, DOCS and GETKEYSANDFLAGS reply, without the protocol
//	string.go …  the catalogue itself, one file per group of commands
//
// One entry reads like this:
//
//	{Name: "getex", Group: String, Since: "6.2.0", Arity: -2, Flags: Write | Fast, Categories: CatString,
//		Keys:       []KeySpec{key(1, RW|Access|Update)},
//		Complexity: "O(1)",
//		Summary:    "Returns a string and sets, changes or removes its time to live.",
//		Syntax:     `key@0 expiration=[EX seconds:int|PX milliseconds:int|PERSIST]`},
//
// Arity counts the command's own name, and a negative number is a minimum, as everywhere in the protocol. A
// subcommand is an entry of its own, named container|subcommand, and its positions count both words: the key of
// `XGROUP CREATE key group id` stands at 2.
package spec

import (
	"fmt"
	"strings"
)

// A Spec is one command or subcommand. Entries of the catalogue are shared and never change after start-up.
type Spec struct {
	Name            string     // lower case; subcommands as "client|list"
	Group           Group      // the manual's chapter
	Since           string     // first version of Redis, or of Valkey if Redis does not have it
	Arity           int        // arguments with the name; negative: at least that many
	Flags           Flags      // as declared; the catalogue adds MovableKeys where the key specs call for it
	Categories      Categories // as declared; the catalogue adds those that follow from the flags
	Keys            []KeySpec
	Tips            []string // hints for clients and proxies
	Complexity      string
	Summary         string // one sentence
	Syntax          string // arguments in the notation of syntax.go; empty if there are none
	DeprecatedSince string // not empty: the command is deprecated
	ReplacedBy      string
	System          bool // for the use of servers and tests, not of clients

	Container   *Spec   // of a subcommand; nil otherwise
	Subcommands []*Spec // of a container, by name

	// First, Last and Step describe the keys in the old way, as COMMAND INFO replies them: Last counts from the end
	// of the request when negative. All are 0 if no key stands at a fixed place. See KeyRange for looking them up.
	First, Last, Step int

	find      finder // rules of its own where the key specs do not suffice; nil otherwise
	findFirst bool   // … which are asked before the key specs, not after them
	hasKeys   bool   // requests can name keys
	plain     bool   // First, Last and Step name all keys, and nothing but keys
}

// Subname is the name without the container: "list" of "client|list".
func (s *Spec) Subname() string { return s.Name[strings.IndexByte(s.Name, '|')+1:] }

// ArityOK says whether a request of argc arguments, the name included, may be run.
func (s *Spec) ArityOK(argc int) bool {
	if s.Arity >= 0 {
		return argc == s.Arity
	}
	return argc >= -s.Arity
}

// Has says whether all the given flags are set.
func (s *Spec) Has(f Flags) bool { return s.Flags&f == f }

// catalogue holds every entry by name.
var catalogue = build(
	genericCommands, stringCommands, bitmapCommands, hyperloglogCommands, geoCommands, listCommands, setCommands,
	zsetCommands, hashCommands, streamCommands, pubsubCommands, transactionsCommands, scriptingCommands,
	connectionCommands, serverCommands, clusterCommands,
)

func build(groups ...[]Spec) map[string]*Spec {
	all := make(map[string]*Spec)
	for _, g := range groups {
		for i := range g {
			s := &g[i]
			if all[s.Name] != nil {
				panic("spec: two entries named " + s.Name)
			}
			s.derive()
			all[s.Name] = s
		}
	}
	for _, g := range groups {
		for i := range g {
			s := &g[i]
			if at := strings.IndexByte(s.Name, '|'); at > 0 {
				s.Container = all[s.Name[:at]]
				if s.Container == nil {
					panic("spec: no container for " + s.Name)
				}
				s.Container.Subcommands = append(s.Container.Subcommands, s)
			}
		}
	}
	return all
}

// derive fills in what follows from the declared facts.
func (s *Spec) derive() {
	s.Categories |= implied(s.Flags, s.Categories)
	s.First, s.Last, s.Step, s.plain = legacyRange(s.Keys)
	for i := range s.Keys {
		s.hasKeys = s.hasKeys || s.Keys[i].Flags&NotKey == 0
		s.findFirst = s.findFirst || s.Keys[i].Flags&VariableFlags != 0
	}
	if s.hasKeys && !s.plain {
		s.Flags |= MovableKeys
	}
}

// Lookup finds an entry by its lower-case name; subcommands are named "client|list". It is for start-up and for
// tools: requests are matched against the command table.
func Lookup(name string) (*Spec, bool) {
	s, ok := catalogue[name]
	return s, ok
}

// All is every entry, in no particular order.
func All() []*Spec {
	list := make([]*Spec, 0, len(catalogue))
	for _, s := range catalogue {
		list = append(list, s)
	}
	return list
}

// Must is Lookup for names written in the program's text. It panics if the catalogue does not have the name.
func Must(name string) *Spec {
	s, ok := catalogue[name]
	if !ok {
		panic(fmt.Sprintf("spec: the catalogue has no command %q", name))
	}
	return s
}
