package acl

import (
	"strings"

	"larder/server/command/spec"
)

// Commands is what rules may name: all commands of the catalogue, also those that this server does not have, so that rules
// of other servers can be read, and under the catalogue's names, whatever rename-command makes of those.
type Commands struct {
	byName map[string]*Command // subcommands as "client|list"
	count  int
}

// A Command is one that rules may name.
type Command struct {
	spec     *spec.Spec
	id       int // the bit of the command in a selector
	subs     []*Command
	channels channelUse
}

// Name is the command's own name, subcommands as "client|list".
func (c *Command) Name() string { return c.spec.Name }

// channelUse says which arguments of a command are channels.
type channelUse uint8

const (
	noChannels channelUse = iota
	oneChannel            // the first argument
	channels              // all arguments
	patterns              // all arguments, and they are patterns
)

// channelUses are the commands that name channels of which the user must have the right. To stop listening needs none.
var channelUses = map[string]channelUse{
	"publish": oneChannel, "spublish": oneChannel, "subscribe": channels, "ssubscribe": channels, "psubscribe": patterns,
}

// NewCommands numbers commands. Containers stand in the list, too.
func NewCommands(list []*spec.Spec) *Commands {
	cs := &Commands{byName: make(map[string]*Command, len(list))}
	for _, s := range list {
		cs.byName[s.Name] = &Command{spec: s, id: cs.count, channels: channelUses[s.Name]}
		cs.count++
	}
	for _, c := range cs.byName {
		if c.spec.Container != nil {
			if parent := cs.byName[c.spec.Container.Name]; parent != nil {
				parent.subs = append(parent.subs, c)
			}
		}
	}
	return cs
}

// Get is the command of a name in any case, subcommands as "client|list"; nil if there is none.
func (cs *Commands) Get(name string) *Command { return cs.byName[strings.ToLower(name)] }

// Of is the command that an entry of the catalogue stands for.
func (cs *Commands) Of(s *spec.Spec) *Command { return cs.byName[s.Name] }
